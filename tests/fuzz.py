"""Random networks of random functions, differentiated in every way there is: all must agree with complex steps.

python tests/fuzz.py [10m] [--seed N] [--case N]

A network is source text, so a failure is printed as a script that shows it, made as short as possible before.
"""

from __future__ import annotations

import argparse
import re
import time
import traceback
from dataclasses import dataclass, field, replace

import numpy as np
import scipy.special

import autodiff as ad
from autodiff.executors.compiled import CompiledExecutor
from autodiff.executors.lockstep import lockstep
from autodiff.executors.numpy import NumpyExecutor
from autodiff.program.program import Program

SIZE, RANK, LARGEST = 60, 4, 12.0  # of a value: elements, axes, magnitude
OUTPUTS = 14
GAP = 1e-2  # to the nearest kink, so that single precision takes the same branch
EXACT, SINGLE = 1e-9, 1e-3  # relative errors
NAMES = re.compile(r"\b(?:x|p\d+|v\d+)\b")
GLOBALS = {"np": np, "special": scipy.special}


class DisagreementError(AssertionError):
    """Something does not agree."""


# -- cases


@dataclass(frozen=True)
class Statement:
    """``target = text``."""

    target: str
    text: str


@dataclass(frozen=True)
class Spec:
    """A layer: assignments, what is returned, parameters; ``own`` makes it a subclass of Layer."""

    n: int
    statements: tuple[Statement, ...]
    output: str
    params: tuple[np.ndarray, ...] = ()
    own: bool = False

    def function(self, name="f"):
        lines = [f"def {name}(x, params, xp=np):"]
        lines += [f"    p{k} = params[{k}]" for k in range(len(self.params)) if f"p{k}" in self.used()]
        lines += [f"    {one.target} = {one.text}" for one in self.statements]
        return "\n".join([*lines, f"    return {self.output}"])

    def used(self):
        return set(NAMES.findall(" ".join([self.output, *(one.text for one in self.statements)])))

    def run(self, x):
        """All values by name, and the output."""
        names = {"x": x} | {f"p{k}": array for k, array in enumerate(self.params)}
        scope = GLOBALS | names
        with np.errstate(all="ignore"):
            for one in self.statements:
                names[one.target] = scope[one.target] = eval(one.text, scope)
            return names, np.asarray(eval(self.output, scope), float)

    def layer(self):
        scope = dict(GLOBALS)
        exec(self.function(), scope)
        if not self.own:
            return ad.Function(scope["f"], self.n, self.params)
        made = Own()
        made.f, made.n, made.params = scope["f"], self.n, self.params
        made.m = np.size(made.f(np.zeros(self.n), self.params))
        return made

    def pruned(self):
        """Without what the output does not need."""
        wanted, kept = set(NAMES.findall(self.output)), []
        for one in reversed(self.statements):
            if one.target in wanted:
                kept.append(one)
                wanted.update(NAMES.findall(one.text))
        return replace(self, statements=tuple(kept[::-1]))


class Own(ad.Layer):
    """A layer as people write them."""

    def function(self, x, params, xp=np):
        return self.f(x, params, xp)


@dataclass(frozen=True)
class Case:
    """A network, where to look at it, and the seed of what is drawn besides."""

    specs: tuple[Spec, ...]
    x: np.ndarray
    seed: int = 0

    def network(self):
        return ad.Network([one.layer() for one in self.specs])

    def source(self):
        """A script that builds it."""
        text = ["import numpy as np", "from scipy import special", "import autodiff as ad", ""]
        for k, one in enumerate(self.specs):
            params = ", ".join(literal(array) for array in one.params)
            text += [one.function(f"f{k}"), "", f"layer{k} = ad.Function(f{k}, {one.n}, [{params}])", ""]
        layers = ", ".join(f"layer{k}" for k in range(len(self.specs)))
        return "\n".join([*text, f"net = ad.Network([{layers}])", f"x = {literal(self.x)}"])


def literal(array):
    """An array as an expression."""
    array = np.asarray(array)
    if array.size and (array.ndim == 0 or (array.size > 1 and (array == array.flat[0]).all())):
        return f"np.full({array.shape}, {array.flat[0]!s})"
    return f"np.array({array.tolist()!r})" + (f".reshape({array.shape})" if 0 in array.shape else "")


# -- generating


class Author:
    """Writes one layer, a statement at a time, evaluating as it goes."""

    def __init__(self, rng, n, x, dense=False):
        self.rng, self.n = rng, n
        self.dense = dense
        self.values = {"x": x}
        self.reached = {"x"}  # what depends on x
        self.statements = []
        self.params = []
        for _ in range(0 if dense else rng.choice([0, 1, 1, 2, 3])):
            self.param(self.shape())

    # -- drawing

    def pick(self, *given):
        return given[self.rng.integers(len(given))]

    def chance(self, share):
        return self.rng.random() < share

    def shape(self, rank=None):
        rank = self.pick(0, 1, 1, 2, 2, 3) if rank is None else rank
        return tuple(int(self.pick(1, 1, 2, 2, 3, 4)) for _ in range(rank))

    def numbers(self, shape):
        return np.round(self.rng.standard_normal(shape), 2) + 0.0

    def param(self, shape):
        """A new parameter of that shape."""
        name = f"p{len(self.params)}"
        self.params.append(np.asarray(self.numbers(shape), float))
        self.values[name] = self.params[-1]
        return name

    def constant(self, shape):
        """An array or a number that is no value, of several kinds."""
        if shape == ():
            return self.pick("2", "-1.5", "0.5", "np.float64(0.7)", "np.float32(0.25)", "np.int64(3)", "np.array(1.25)")
        array = self.numbers(shape)
        kind = self.pick("", "", "", ".astype(np.float32)", ".astype(int)")
        if self.chance(0.2):
            return f"np.asarray({literal(array)}, dtype=x.dtype)"
        if self.chance(0.1):
            return f"np.ones({shape}, x.dtype)"
        return literal(array) + kind

    def other(self, shape):
        """Something of that shape: a value, a new parameter, or a constant."""
        fitting = [name for name, value in self.values.items() if value.shape == shape]
        if fitting and self.chance(0.6):
            return self.pick(*fitting)
        if len(self.params) < 4 and np.prod(shape, dtype=int) <= 12 and self.chance(0.5):
            return self.param(shape)
        return self.constant(shape)

    def name(self, rank=None, least=0):
        """A value, the later the likelier."""
        names = [name for name, value in self.values.items() if value.ndim >= least and rank in (None, value.ndim)]
        if not names:
            source, shape = self.name(), self.shape(max(rank or 1, least))
            size = self.values[source].size
            text = f"np.resize({list(range(size))}, {shape})"
            return self.add(f"np.take({source}, {text})") or self.add(f"np.take(x, np.zeros({shape}, int))")
        if self.chance(0.8):
            names = [name for name in names if name in self.reached] or names
        if self.chance(0.5):
            names = names[-3:]
        return self.pick(*names)

    def partner(self, name):
        """Something that can be broadcast with a value."""
        shape = self.values[name].shape
        if self.chance(0.35):
            fitting = [other for other, value in self.values.items() if small(shape, value.shape)]
            return self.pick(*fitting, "1.5")
        wanted = [1 if self.chance(0.3) else size for size in shape]
        wanted = wanted[self.rng.integers(len(wanted) + 1) :] if self.chance(0.3) else wanted
        if self.chance(0.15) and len(wanted) < 3:
            wanted = [int(self.pick(1, 2)), *([1] * (len(shape) - len(wanted))), *wanted]
        return self.other(tuple(wanted))

    # -- writing

    def add(self, text, kink=""):
        """The name of a new value; None if it is no good."""
        scope = GLOBALS | self.values
        try:
            with np.errstate(all="ignore"):
                value = eval(text, scope)
                if kink and (np.abs(eval(kink, scope)) < GAP).any():
                    return None
        except (AttributeError, IndexError, TypeError, ValueError):  # what NumPy does not do either
            return None
        value = np.asarray(value, float)
        good = value.size and value.size <= SIZE and value.ndim <= RANK and np.isfinite(value).all()
        if not good or np.abs(value).max() > LARGEST:
            return None
        if not any(name in self.values for name in NAMES.findall(text)):
            return None  # a constant
        target = f"v{len(self.statements)}"
        self.statements.append(Statement(target, text))
        self.values[target] = value
        if self.reached & set(NAMES.findall(text)):
            self.reached.add(target)
        return target

    def write(self, count):
        kinds = [getattr(self, kind) for kind in dir(self) if kind.startswith("op_")]
        if self.dense:
            self.op_dense()
        for _ in range(20 * count):
            if len(self.statements) >= count:
                break
            self.pick(*kinds)()
        return Spec(self.n, tuple(self.statements), self.output(), tuple(self.params)).pruned()

    def output(self):
        if self.chance(0.04):
            return self.pick("x", "x[::-1]", "x * 1.0", "x.real * x")
        names = [name for name in self.values if name in self.reached or self.chance(0.1)]
        latest = names[-3:] if self.chance(0.8) else names
        chosen = [self.pick(*latest) for _ in range(self.pick(1, 1, 2, 3))]
        flat = []
        for name in chosen:
            value = self.values[name]
            if value.size > OUTPUTS // len(chosen):
                some = f"{name}.reshape(-1)[:{OUTPUTS // len(chosen)}]"
                total = self.pick("np.sum({}).reshape(1)", "{}.mean().reshape(1)", "{}.ravel()[1::9]").format(name)
                flat.append(self.pick(some, total, total))
            elif value.ndim == 1:
                flat.append(name)
            else:
                way = self.pick("{}.reshape(-1)", "np.ravel({})", "{}.T.reshape(-1)", "np.reshape({}, -1)")
                flat.append(way.format(name))
        if len(flat) == 1:
            return flat[0]
        return f"np.concatenate([{', '.join(flat)}])"

    # -- operations: elementwise

    def op_unary(self):
        v = self.name()
        self.add(self.pick(
            "np.tanh({v})", "np.sin({v})", "np.cos({v})", "np.exp(-np.square({v}))", "np.exp(0.3 * {v})",
            "np.expm1(0.2 * {v})", "np.sinh(0.2 * {v})", "np.cosh({v} / 5)", "np.arctan({v})", "np.square({v})",
            "np.positive({v})", "np.negative({v})", "np.reciprocal(1.5 + {v} * {v})", "np.log(1 + np.square({v}))",
            "np.log1p({v} ** 2)", "np.sqrt(1.0 + {v} * {v})", "{v} ** 2", "{v} ** 3", "({v} * {v} + 0.5) ** 0.5",
            "(1 + {v} ** 2) ** -1", "(2.0 + np.cos({v})) ** 1.5", "(1.5 + {v} * {v}) ** -0.5", "{v} ** 1", "+{v}",
            "-{v}",
            "2 - {v}", "{v} - 1", "{v} / 3", "1 / (2 + {v} * {v})", "np.power(1.1 + {v} * {v}, 0.7)",
            "np.power(2.0, {v} / 4)",
            "special.expit({v})", "{v} * {v} * {v} + {v} / (1 + {v} * {v})", "{v} + 0.0 * {v}", "{v} * 0",
            "np.abs({v} * 0.0)",
            "np.maximum({v}, {v})", "np.logaddexp(0.0, {v})", "{v}.astype(x.dtype)", "np.exp({v}.real) * {v}",
            "({v} - 0.5) * ({v}.real - 0.5)", "np.real({v}) * {v}", "{v} ** 0", "1.5 ** {v}",
            "0.1 * {v} ** np.array(3)",
            "np.float64(2.0) * {v}", "np.zeros({v}.shape, {v}.dtype) + {v}", "{v}.dot(1.5)", "{v}.copy() + {v}",
        ).format(v=v))  # fmt: skip

    def op_binary(self):
        v = self.name()
        w = self.partner(v)
        if self.chance(0.4):
            v, w = w, v
        self.add(self.pick(
            "{v} + {w}", "{v} - {w}", "{v} * {w}", "{v} * {w}", "np.logaddexp({v}, {w})",
            "{v} / (1.5 + np.square({w}))",
            "np.divide({v}, np.exp(0.2 * {w}))", "np.power(1.2 + np.square({v}), 0.3 * {w})",
            "{v} * np.tanh({w}) + {v}",
            "np.heaviside({w}, 0.5) * {v}", "np.add(np.multiply({v}, {w}), {w})", "({v} + {w}) * ({v} - {w})",
            "np.subtract({v}, {w}) / 2", "{v} + {w} + {v} + {w}",
        ).format(v=v, w=w))  # fmt: skip

    def op_kink(self):
        v = self.name()
        w = self.partner(v)
        text = self.pick("np.maximum({v}, {w})", "np.minimum({w}, {v})", "np.abs({v} - {w})", "abs({w} - {v}) * {v}")
        self.add(text.format(v=v, w=w), f"{v} - {w}")

    def op_relu(self):
        v, bound = self.name(), self.pick("0.0", "0", "0.3", "-1")
        text = self.pick(
            "np.maximum({v}, {b})", "np.where({v} > {b}, {v}, 0.0)", "np.where({v} < {b}, 0.1 * {v}, {v} ** 2)",
            "({v} > {b}) * {v}", "{v} * ({v} <= {b})", "np.clip({v}, {b}, None)", "np.clip({v}, None, {b})",
            "np.where(~({v} >= {b}), np.sin({v}), {v})", "np.abs({v} - {b})", "np.where(np.real({v}) > {b}, {v}, 1.0)",
        )  # fmt: skip
        self.add(text.format(v=v, b=bound), f"{v} - {bound}")

    def op_where(self):
        v = self.name()
        w, a, c = self.partner(v), self.partner(v), self.partner(v)
        sign = self.pick(">", "<", ">=", "<=")
        if self.chance(0.3):
            mask = f"({v} {sign} {w}) {self.pick('&', '|')} ({v} > 0)"
            kink = f"np.minimum(np.abs({v} - {w}), np.abs({v}))"
        else:
            mask, kink = self.pick(f"{v} {sign} {w}", f"np.less({v}, {w})"), f"{v} - {w}"
        self.add(f"np.where({mask}, {a}, {c})", kink)

    def op_clip(self):
        v = self.name()
        text = self.pick("np.clip({v}, -0.7, 0.9)", "np.minimum(np.maximum({v}, -0.7), 0.9)", "{v}.clip(-0.7, 0.9)")
        self.add(text.format(v=v), f"np.minimum(np.abs({v} + 0.7), np.abs({v} - 0.9))")

    def op_mask_of_numbers(self):
        v = self.name()
        shape = self.values[v].shape
        mask = (self.rng.random(shape) < 0.5).tolist()
        self.add(f"np.where(np.array({mask}), {v}, {self.partner(v)})")

    # -- shapes

    def op_reshape(self):
        v = self.name()
        value = self.values[v]
        sizes, left = [], value.size
        while left > 1 and len(sizes) < RANK - 1 and self.chance(0.7):
            divisors = [one for one in range(1, left + 1) if left % one == 0]
            sizes.append(int(self.pick(*divisors)))
            left //= sizes[-1]
        sizes.append(left)
        if self.chance(0.3):
            sizes.insert(int(self.rng.integers(len(sizes) + 1)), 1)
        if self.chance(0.3):
            sizes[int(self.rng.integers(len(sizes)))] = -1
        flat = ", ".join(map(str, sizes))
        self.add(self.pick(f"{v}.reshape({flat})", f"np.reshape({v}, ({flat},))", f"{v}.reshape(({flat},))"))

    def op_axes(self):
        v = self.name(least=1)
        ndim = self.values[v].ndim
        order = tuple(map(int, self.rng.permutation(ndim)))
        a, b = (int(self.rng.integers(-ndim, ndim)) for _ in range(2))
        self.add(self.pick(
            f"{v}.T", f"np.transpose({v})", f"{v}.transpose({order})", f"np.transpose({v}, {order})",
            f"np.swapaxes({v}, {a}, {b})", f"{v}.swapaxes({a}, {b})", f"np.moveaxis({v}, {a}, {b})",
            f"np.expand_dims({v}, {a})", f"np.expand_dims({v}, (0, -1))", f"np.moveaxis({v}, [0], [-1])",
            f"np.squeeze({v})", f"{v}.squeeze()", f"{v}[None]", f"{v}[..., None]",
            f"{v}[:, None]", f"{v}.ravel()", f"np.ravel({v}.T)", f"{v}.flatten()", f"np.matrix_transpose({v})",
            f"{v}.mT",
        ))  # fmt: skip

    def op_broadcast(self):
        v = self.name()
        shape = self.values[v].shape
        wide = tuple(int(self.pick(2, 3)) if size == 1 else size for size in shape)
        lead = (int(self.pick(1, 2, 3)),) if self.chance(0.5) else ()
        self.add(self.pick(f"np.broadcast_to({v}, {lead + wide})", f"{v} * np.ones({lead + wide})"))

    def index(self, size):
        """Basic indexing of one axis."""
        if self.chance(0.25):
            return str(int(self.rng.integers(-size, size)))
        step = int(self.pick(1, 1, 1, 2, -1, -2, 3))
        start = "" if self.chance(0.5) else str(int(self.rng.integers(-size, size)))
        stop = "" if self.chance(0.5) else str(int(self.rng.integers(-size, size + 1)))
        return f"{start}:{stop}:{step}" if step != 1 else f"{start}:{stop}"

    def op_index(self):
        v = self.name(least=1)
        shape = self.values[v].shape
        keys = [self.index(size) for size in shape]
        if self.chance(0.3):
            keys = keys[: int(self.rng.integers(1, len(keys) + 1))]
        elif self.chance(0.3) and len(keys) > 1:
            keys[: int(self.rng.integers(1, len(keys)))] = ["..."]
        if self.chance(0.2):
            keys.insert(int(self.rng.integers(len(keys) + 1)), self.pick("None", "np.newaxis"))
        self.add(f"{v}[{', '.join(keys)}]")

    def op_take(self):
        v = self.name(least=1)
        ndim = self.values[v].ndim
        axis = int(self.rng.integers(-ndim, ndim))
        size = self.values[v].shape[axis]
        many = int(self.pick(1, 2, 3, 5))
        some = [int(one) for one in self.rng.integers(-size, size, many)]
        flat = [int(one) for one in self.rng.integers(self.values[v].size, size=many)]
        first = [int(one) for one in self.rng.integers(self.values[v].shape[0], size=many)]
        self.add(self.pick(
            f"np.take({v}, {some}, axis={axis})", f"np.take({v}, np.array([{some}]), {axis})", f"np.take({v}, {flat})",
            f"{v}[{first}]", f"{v}[np.array({first})]", f"np.take({v}, {some[0]}, axis={axis})", f"{v}.take({flat})",
        ))  # fmt: skip

    def op_join(self):
        v = self.name(least=1)
        shape = list(self.values[v].shape)
        axis = int(self.rng.integers(len(shape)))
        parts = [v]
        for _ in range(self.pick(1, 1, 2)):
            shape[axis] = int(self.pick(1, 2, shape[axis]))
            parts.insert(int(self.rng.integers(len(parts) + 1)), self.other(tuple(shape)))
        axis = axis - len(shape) if self.chance(0.3) else axis
        self.add(f"np.concatenate([{', '.join(parts)}], axis={axis})")

    def op_stack(self):
        v = self.name()
        shape = self.values[v].shape
        parts = [v, *(self.other(shape) for _ in range(self.pick(0, 1, 1, 2)))]
        axis = int(self.rng.integers(-len(shape) - 1, len(shape) + 1))
        text = f"[{', '.join(parts)}]"
        self.add(self.pick(
            f"np.stack({text}, axis={axis})", f"np.stack({text})", f"np.hstack({text})", f"np.vstack({text})",
        ))  # fmt: skip

    def op_split(self):
        v = self.name(least=1)
        axis = int(self.rng.integers(self.values[v].ndim))
        size = self.values[v].shape[axis]
        cut = int(self.rng.integers(1, size)) if size > 1 else 1
        if size == 1:
            self.add(f"np.split({v}, 1, axis={axis})[0]")
            return
        self.add(self.pick(
            f"np.split({v}, {self.pick(1, 2, 3)}, axis={axis})[0]", f"np.split({v}, [{cut}], {axis})[-1]",
            f"np.array_split({v}, {min(size, 2)}, axis={axis})[0]", f"np.array_split({v}, {size}, {axis})[-1]",
        ))  # fmt: skip

    def op_turn(self):
        v = self.name(least=1)
        axis, shift = int(self.rng.integers(self.values[v].ndim)), int(self.pick(1, -1, 2, 5, 0))
        self.add(self.pick(
            f"np.roll({v}, {shift}, axis={axis})", f"np.flip({v}, {axis})", f"np.flip({v})", f"{v}[::-1]",
            f"np.roll({v}, {shift})",
        ))  # fmt: skip

    def op_window(self):
        v = self.name(least=1)
        size = self.values[v].shape[0]
        k = int(self.rng.integers(1, size + 1))
        length = size - k + 1
        parts = ", ".join(f"{v}[{i}:{i + length}]" for i in range(k))
        if self.chance(0.5):
            self.add(f"np.stack([{parts}])")
        else:
            weights = self.other((k,))
            self.add(" + ".join(f"{weights}[{i}] * {v}[{i}:{i + length}]" for i in range(k)))

    # -- sums

    def axes(self, v):
        ndim = self.values[v].ndim
        if not ndim or self.chance(0.3):
            return "None"
        if ndim > 1 and self.chance(0.3):
            return str(tuple(int(one) for one in self.rng.choice(ndim, 2, replace=False)))
        return str(int(self.rng.integers(-ndim, ndim)))

    def op_sum(self):
        v = self.name()
        axis, keep = self.axes(v), self.pick("", ", keepdims=True")
        self.add(self.pick(
            "np.sum({v}, axis={a}{k})", "{v}.sum(axis={a}{k})", "np.mean({v}, axis={a}{k})", "{v}.mean({a}{k})",
            "np.var({v}, axis={a}{k})", "np.sqrt(0.1 + np.var({v}, {a}{k}))", "np.add.reduce({v}, axis={a}{k})",
            "{v} - np.max(np.real({v}), axis={a}, keepdims=True)",
            "np.max({v}.real, axis={a}{k}) + np.sum({v}, axis={a}{k})",
            "{v} - {v}.real.max(axis={a}, keepdims=True)", "{v} - np.mean({v}, axis={a}, keepdims=True)",
            "np.sum({v} * {v}, {a})", "{v} / (1 + np.sum(np.square({v}), axis={a}, keepdims=True))",
            "np.min({v}.real, axis={a}{k}) * np.sum({v}, {a}{k})",
        ).format(v=v, a=axis, k=keep))  # fmt: skip

    def op_std(self):
        v = self.name()
        axis, keep = self.axes(v), self.pick("", ", keepdims=True")
        text = self.pick("np.std({v}, axis={a}{k})", "{v}.std({a}{k})", "np.var({v}, {a}{k}) ** 0.5")
        text = text.format(v=v, a=axis, k=keep)
        self.add(text, text)

    def op_softmax(self):
        v = self.name(least=1)
        axis = int(self.rng.integers(-self.values[v].ndim, self.values[v].ndim))
        top = self.add(f"np.max(np.real({v}), axis={axis}, keepdims=True)")
        e = top and self.add(f"np.exp({v} - {top})")
        if e:
            total = "np.sum({e}, axis={a}, keepdims=True)"
            way = self.pick("{e} / " + total, "np.log(" + total + ") + {t}")
            self.add(way.format(e=e, t=top, a=axis))

    def op_norm(self):
        v = self.name(least=1)
        axis = int(self.rng.integers(self.values[v].ndim))
        mean = self.add(f"np.mean({v}, axis={axis}, keepdims=True)")
        spread = mean and self.add(f"np.var({v}, axis={axis}, keepdims=True)")
        if spread:
            scale = self.partner(v)
            self.add(f"({v} - {mean}) / np.sqrt({spread} + 0.1) * {scale}")

    # -- products

    def op_matmul(self):
        v = self.name(least=1)
        shape = self.values[v].shape
        inner, columns = shape[-1], int(self.pick(1, 2, 3))
        lead = shape[:-2]
        lead = tuple(1 if self.chance(0.3) else size for size in lead)
        lead = lead[self.rng.integers(len(lead) + 1) :] if self.chance(0.5) else lead
        if self.chance(0.2) and len(shape) < 3:
            lead = (int(self.pick(1, 2)), *lead)
        w = self.other(self.pick((inner,), (inner, columns), (*lead, inner, columns)))
        self.add(self.pick(f"{v} @ {w}", f"np.matmul({v}, {w})", f"0.5 * {v} @ {w}"))

    def op_rmatmul(self):
        v = self.name(least=1)
        shape = self.values[v].shape
        inner, rows = shape[-2] if len(shape) > 1 else shape[0], int(self.pick(1, 2, 3))
        lead = tuple(1 if self.chance(0.3) else size for size in shape[:-2])
        w = self.other(self.pick((inner,), (rows, inner), (*lead, rows, inner), (2, rows, inner)))
        self.add(self.pick(f"{w} @ {v}", f"np.matmul({w}, {v})"))

    def op_square(self):
        v = self.name(rank=2)
        self.add(self.pick("{v} @ {v}.T", "{v}.T @ {v}", "np.dot({v}, {v}.T)", "({v} @ {v}.T) @ {v}").format(v=v))

    def op_dot(self):
        v = self.name(least=1)
        w = self.other(self.values[v].shape[-1:])
        self.add(self.pick(
            f"np.dot({v}, {w})", f"{v}.dot({w})", f"np.outer({v}, {w})", f"np.vecdot({v}, {w})", f"np.inner({v}, {w})",
            f"np.matvec({v}, {w})", f"np.outer({w}, {v}[0])", f"np.dot({v}, 2.0)",
        ))  # fmt: skip

    def op_einsum(self):
        v = self.name(least=1)
        shape = self.values[v].shape
        letters = "abcd"[: len(shape)]
        sizes = dict(zip("abcdefg", (*shape, *self.shape(3)), strict=False))
        if self.chance(0.2):
            out = "".join(self.rng.permutation([c for c in letters if self.chance(0.6)]))
            self.add(f"np.einsum('{letters}->{out}', {v})")
            return
        second = "".join(self.rng.permutation([c for c in sizes if self.chance(0.4)])[:3])
        w = self.other(tuple(sizes[c] for c in second))
        if w == "x" or w in self.values or "np." in w:
            out = "".join(self.rng.permutation([c for c in dict.fromkeys(letters + second) if self.chance(0.5)])[:3])
            arrow = "" if self.chance(0.2) else f"->{out}"
            self.add(f"np.einsum('{letters},{second}{arrow}', {v}, {w})")

    def op_attention(self):
        v = self.name(rank=2)
        d = self.values[v].shape[1]
        q = self.add(f"{v} @ {self.other((d, d))}")
        s = q and self.add(f"{q} @ {v}.T / {d}")
        e = s and self.add(f"np.exp({s} - np.max(np.real({s}), axis=-1, keepdims=True))")
        if e:
            self.add(f"({e} / np.sum({e}, axis=-1, keepdims=True)) @ {v}")

    def op_dense(self):
        v = self.name(rank=1)
        n = self.values[v].shape[0]
        m = n if self.chance(0.6) else int(self.pick(1, 2, 3, 4))
        if len(self.params) < 5:
            W, b = self.param((m, n)), self.param((m,))
            self.add(self.pick(
                "np.tanh({W} @ {v} + {b})", "{W} @ {v}", "{W} @ {v} + {b}", "{W} @ {v} * -0.5", "-({W} @ {v})",
                "({v} @ {W}.T).real + {W} @ {v}", "np.tanh({W} @ ({v} * {v})) - {b}", "{W} @ ({v} * {v}[0])",
                "({W} @ np.stack([{v}, -{v}], 1)).T", "{W} @ {v} * {v}.real.sum()",
                "{W} @ {v} * {b}[0]", "np.take({W} @ {v} + {b}, [0, -1])", "({W} @ {v})[::-1] + {W}[:, 0]",
            ).format(W=W, v=v, b=b))  # fmt: skip

    def op_residual(self):
        v = self.name(rank=1)
        n = self.values[v].shape[0]
        self.add(f"{v} + np.tanh({self.other((n, n))} @ {v})")

    def op_again(self):
        v = self.name()
        self.add(self.pick(
            "{v} * {v} * {v} + {v} / (1 + {v} * {v})", "np.sin({v}) * np.cos({v}) + {v}",
            "np.stack([{v}, {v} ** 2, {v}])",
            "np.concatenate([np.ravel({v}), np.ravel({v} * 2)])",
        ).format(v=v))  # fmt: skip

    def op_elements(self):
        v = self.name(rank=1)
        n = self.values[v].shape[0]
        i, j = (int(self.rng.integers(n)) for _ in range(2))
        self.add(self.pick(
            f"{v}[{i}] * {v}", f"np.stack([{v}[{i}], {v}[{j}] * {v}[{i}]])", f"{v}[{i}] * {v}[{j}]", f"sum({v})",
            f"np.stack([one * one for one in {v}])", f"{v}[{i}:{i + 1}] + {v}[-1]",
        ))  # fmt: skip


def small(shape, other):
    try:
        return np.prod(np.broadcast_shapes(shape, other), dtype=int) <= SIZE
    except ValueError:
        return False


def generate(seed):
    """A network of one to four random layers."""
    rng = np.random.default_rng(seed)
    n = int(rng.choice([1, 1, 2, 3, 4, 5, 6]))
    x = point = np.round(rng.standard_normal(n), 2)
    specs = []
    dense = rng.random() < 0.3  # most layers begin as W x
    for _ in range(rng.choice([3, 4, 6, 7] if dense else [1, 1, 2, 2, 3, 4])):
        author = Author(rng, point.size, point, dense and rng.random() < 0.8)
        spec = author.write(int(rng.choice([1, 1, 2] if dense else [1, 2, 3, 5, 8])))
        own = rng.random() < 0.4
        try:
            _, y = spec.run(point)
        except (ValueError, TypeError):
            continue
        if y.size > OUTPUTS or not np.isfinite(y).all() or np.abs(y).max() > 100:
            continue
        specs.append(replace(spec, own=own and y.ndim == 1))
        point = y.reshape(-1)
    if not specs:
        specs.append(Spec(n, (), "np.tanh(x)"))
    return Case(tuple(specs), x, seed)


# -- checking


def check(case):
    """Everything that must agree, for one case.

    Raises:
        DisagreementError: with what does not.
    """
    network, x = case.network(), case.x
    rng = np.random.default_rng(case.seed)
    Checker(network, x, rng).check()


@dataclass
class Checker:
    """All ways to differentiate one network at one point."""

    network: ad.Network
    x: np.ndarray
    rng: np.random.Generator
    worst: dict = field(default_factory=dict)

    def check(self):
        y = self.network(self.x)
        self.run("forward", "input", "value", 1, None, y)
        for wrt in ("input", "params") if self.network.params.size else ("input",):
            self.one(wrt, y)
        if not np.isnan(y).any():
            self.single()

    def one(self, wrt, y):
        network, x = self.network, self.x
        J = ad.engine("complex-step").prepare(network, wrt=wrt)(x)
        columns, m = J.shape[1], network.m
        few, some = (int(self.rng.integers(1, size + 2)) for size in (columns, m))
        names = [
            "forward", "reverse", f"forward(chunk={few})", f"reverse(chunk={some})", "mixed", "auto",
            "explicit-forward", "explicit-reverse", "explicit-optimal", "reverse-checkpointed",
            f"reverse-checkpointed(checkpoints={int(self.rng.integers(1, 4))})",
        ]  # fmt: skip
        for k, name in enumerate(names):
            if k < 2 or self.rng.random() < 0.35:
                self.run(name, wrt, "jacobian", 1, None, J, y)
        for k in (1,) if self.rng.random() < 0.5 else (int(self.rng.integers(1, 5)),):
            V, U = np.round(self.rng.standard_normal((columns, k)), 2), np.round(self.rng.standard_normal((k, m)), 2)
            reference = ad.testing.reference_product(network, x, V, wrt)
            self.agree("testing.reference_product", reference, J @ V)
            self.run("mixed" if self.rng.random() < 0.1 else "forward", wrt, "jvp", k, V, J @ V, y)
            self.run("reverse-checkpointed" if self.rng.random() < 0.2 else "reverse", wrt, "vjp", k, U, U @ J, y)
        self.last = J

    def run(self, name, wrt, operation, seeds, seed, expected, y=None):
        """One engine: its result, its value; without reuse of memory; and in both executors."""
        what = f"{name} of a {operation} wrt {wrt}"
        try:
            run = ad.engine(name).prepare(self.network, wrt=wrt, operation=operation, seeds=seeds)
        except Exception as error:
            what += f" raises {type(error).__name__}"
            raise DisagreementError(f"{what}: {error}\n{traceback.format_exc()}") from error
        run.executor.memory[:] = np.nan  # what is read before it is written shows
        out = run(self.x, seed, np.full(run.shape, np.nan))
        self.agree(what, out, expected.reshape(out.shape))
        again = run(self.x, seed, np.full(run.shape, np.nan))
        if out.tobytes() != again.tobytes():
            raise DisagreementError(f"{what}: a second run gives other bits")
        if y is not None:
            self.agree(f"value of {what}", run.value, y)
        code = run.program.code
        self.bits(what, run, self.x, seed, out)
        if self.rng.random() < 0.6:
            return
        alone = Program.of(code, reuse=False)
        executor = NumpyExecutor(code, alone.elements)
        executor.memory[:] = np.nan
        other = np.full(run.shape, np.nan)
        with np.errstate(all="ignore"):
            executor.run(self.x, seed, other)
        self.agree(f"{what}, reusing memory,", out, other, 1e-13)

    def agree(self, what, found, expected, tolerance=EXACT, least=1e-3):
        if found.shape != expected.shape:
            raise DisagreementError(f"{what} has shape {found.shape}, expected {expected.shape}")
        scale = max(float(np.abs(expected).max(initial=0.0)), least)
        error = float(np.abs(found - expected).max(initial=0.0))
        if not error <= tolerance * scale:
            relative = f"{error / scale:.1e} (relative)"
            raise DisagreementError(f"{what} is off by {relative}\n{found}\nexpected\n{expected}")

    def bits(self, what, run, x, seed, expected):
        """The compiled executor gives the same bits; if not, the instruction that differs first."""
        code, elements = run.program.code, run.program.elements
        out = np.full_like(expected, np.nan)
        if self.rng.random() < 0.5:
            with np.errstate(all="ignore"):
                CompiledExecutor(code, elements).run(x, seed, out)
        if out.tobytes() != expected.tobytes() and (np.isfinite(out).any() or self.rng.random() < 0.02):
            try:
                lockstep(code, elements, x, seed)
            except AssertionError as error:
                raise DisagreementError(f"{what}: {error}") from error
            if np.isfinite(out).any():
                raise DisagreementError(f"{what}: the compiled executor gives other bits, but not in lockstep")

    def single(self):
        """At single precision, as far as the function's condition allows."""
        network, x = self.network.astype(np.float32), self.x.astype(np.float32)
        for wrt in ("input", "params") if network.params.size else ("input",):
            exact = ad.engine("complex-step")
            near = network.astype(np.float64)
            J = exact.prepare(near, wrt=wrt)(x.astype(float))
            moved = exact.prepare(near, wrt=wrt)(x * (1 + 2e-7 * self.rng.choice([-1.0, 1.0], x.shape)))
            slack = 100 * np.abs(moved - J).max() / max(np.abs(J).max(), 1e-3)
            for name in ("forward", "reverse"):
                try:
                    run = ad.engine(name).prepare(network, wrt=wrt)
                except Exception as error:
                    raise DisagreementError(f"single {name} raises {error}\n{traceback.format_exc()}") from error
                found = run(x)
                if found.dtype != np.float32:
                    raise DisagreementError(f"single {name} gives {found.dtype}")
                self.agree(f"single {name} wrt {wrt}", found.astype(float), J, SINGLE + slack, 1.0)
                self.bits(f"single {name} wrt {wrt}", run, x, None, found)


# -- shrinking


def failure(case):
    """What is wrong with a case; "" if nothing is."""
    try:
        check(case)
    except DisagreementError as error:
        return str(error)
    except Exception:
        return traceback.format_exc()
    return ""


def shrink(case, seconds=30.0):
    """A shorter case that fails too."""
    stop = time.monotonic() + seconds
    progress = True
    while progress:
        progress = False
        for candidate in shorter(case):
            if time.monotonic() > stop:
                return case
            try:
                fine = np.isfinite(candidate.network()(candidate.x)).all()
            except Exception:
                continue
            if fine and failure(candidate):
                case, progress = candidate, True
                break
    return case


def shorter(case):
    """Cases with a layer, an assignment, an operand or a parameter less."""
    points = [np.array(case.x)]
    for spec in case.specs:
        points.append(np.array(spec.run(points[-1])[1].reshape(-1)))
    if len(case.specs) > 1:
        yield replace(case, specs=case.specs[:-1])
        yield replace(case, specs=case.specs[1:], x=points[1])
    for k, spec in enumerate(case.specs):
        for made in shorter_layer(spec, points[k], k == len(case.specs) - 1):
            made = made.pruned()
            yield replace(case, specs=(*case.specs[:k], made, *case.specs[k + 1 :]))


def shorter_layer(spec, x, last):
    values, y = spec.run(x)
    if spec.own:
        yield replace(spec, own=False)
    for name, value in values.items():
        text = f"{name}.reshape(-1)" if value.ndim != 1 else name
        if (last or value.size == y.size) and len(text) < len(spec.output):
            yield replace(spec, output=text)
    for k in range(len(spec.params)):
        if f"p{k}" not in spec.used() and k == len(spec.params) - 1:
            yield replace(spec, params=spec.params[:-1])
    for i, one in enumerate(spec.statements):
        shape = np.shape(values[one.target])
        for name in ("x", *(f"p{k}" for k in range(len(spec.params))), *(s.target for s in spec.statements[:i])):
            if np.shape(values[name]) == shape:
                yield renamed(spec, i, name)
        simple = f"np.tanh({NAMES.findall(one.text)[0]})" if NAMES.findall(one.text) else ""
        if simple and np.shape(values[NAMES.findall(one.text)[0]]) == shape and len(simple) < len(one.text):
            yield replace(spec, statements=changed(spec.statements, i, simple))
        for name in set(NAMES.findall(one.text)):
            if name in values and NAMES.sub("", one.text):
                number = literal(np.round(values[name], 2))
                text = re.sub(rf"\b{name}\b", number, one.text)
                if NAMES.search(text):
                    yield replace(spec, statements=changed(spec.statements, i, text))


def changed(statements, i, text):
    return (*statements[:i], Statement(statements[i].target, text), *statements[i + 1 :])


def renamed(spec, i, name):
    gone = spec.statements[i].target
    swap = lambda text: re.sub(rf"\b{gone}\b", name, text)  # noqa: E731
    rest = tuple(Statement(one.target, swap(one.text)) for one in spec.statements[i + 1 :])
    return replace(spec, statements=(*spec.statements[:i], *rest), output=swap(spec.output))


# -- the script


def seconds(text):
    """``90``, ``90s``, ``10m`` as seconds."""
    found = re.fullmatch(r"(\d+(?:\.\d+)?)([smh]?)", text)
    if not found:
        raise argparse.ArgumentTypeError(f"{text!r} is no duration such as 90s or 10m")
    return float(found[1]) * {"": 1, "s": 1, "m": 60, "h": 3600}[found[2]]


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("duration", nargs="?", type=seconds, default=60.0)
    parser.add_argument("--seed", type=int, default=0, help="of the first case")
    parser.add_argument("--case", type=int, help="this one alone")
    parser.add_argument("--failures", type=int, default=1, help="stop after so many")
    given = parser.parse_args()
    start, seed, failed = time.monotonic(), given.seed if given.case is None else given.case, 0
    first = seed
    while time.monotonic() - start < given.duration and failed < given.failures:
        case = generate(seed)
        wrong = failure(case)
        if wrong:
            failed += 1
            case = shrink(case)
            print(f"# case {seed}, made shorter\n{case.source()}\n\n'''\n{failure(case) or wrong}\n'''\n", flush=True)
        seed += 1
        if given.case is not None:
            break
    print(f"{seed - first} cases, {failed} failures, {time.monotonic() - start:.0f} s; go on with --seed {seed}")
    return failed > 0


if __name__ == "__main__":
    raise SystemExit(main())
