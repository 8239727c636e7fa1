"""The function ``x -> f'(x)``: which program runs for a shape, chosen by counting or by measuring, and the programs."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from functools import reduce
from typing import Any, Literal, Protocol

import jax
import jax.numpy as jnp
import numpy as np

from ..chain import ChainProblem, Plan, Step
from ..chain.problem import whole_number
from ..errors import InputError
from .chain import NEVER, Layer, array_like, cheapest, forward_plan, problem_of, reverse_plan
from .price import Shaped, rows

Choose = Literal["measured", "counted"]

ROUNDS = 30  #: in which the candidates are timed in turn
SECONDS = 1e-3  #: that a candidate's round takes at least, if one call does not take longer
CLOSE = 1.03  #: times the fastest candidate's time, up to which what counting chose is kept


class Jacobian(Protocol):
    """What ``jacobian`` returns: a jitted function, and its plan."""

    def __call__(self, x: Any) -> jax.Array:
        """The Jacobian at x, of shape ``out.shape + x.shape``."""

    def plan(self, x: Any) -> Plan:
        """The plan for x, in multiply-adds and bytes of tape; x may be a ``jax.ShapeDtypeStruct``.

        Of a shape that has been measured, it is the plan that runs; before that, the one that counting chooses.
        """

    def lower(self, x: Any) -> jax.stages.Lowered:
        """The program for x, to be looked at or compiled, as of any function that ``jax.jit`` made."""


def jacobian(layers: Sequence[Layer], *, memory_limit: int | None = None, choose: Choose = "measured") -> Jacobian:
    """The function ``x -> f'(x)`` of the composition ``f = f_L o ... o f_1``, each f_l a function of JAX.

    The product ``f_L' ... f_1'`` is bracketed by the plan of least work, made when the function first meets an x of a
    shape and dtype. A bracketing saves work where the chain is narrower inside than at both ends; where it would save
    less than a tenth, plain forward or reverse accumulation is planned.

    Counted is the work of one more tangent or cotangent through a layer, in multiply-adds: of its linearised function
    (``jax.linearize``) and of that one's transpose (``jax.vjp``). What does not depend on the seed, the primal and the
    local derivatives, is evaluated once for all seeds and not counted. The count is XLA's own analysis of the lowered,
    uncompiled pass; for a pass with a loop, a branch or a custom call, which XLA counts once or as nothing, and where a
    backend has no analysis, it is the operations of the jaxpr: products and convolutions exactly, a scan times its
    length, a while loop as one trip, the dearest branch, one operation per element that anything else gives. Either
    way a pass costs at least one per element of the seed and of what comes of it, whichever are more. The tape of a
    layer is the residuals that ``jax.vjp`` keeps, constants such as weights aside; XLA may keep fewer.

    Counting cannot know what XLA fuses: a gather, a broadcast or a loop over unit vectors may cost nothing in one mode
    and most of the time in the other (twenty times in the worst case of ``benchmarks/jax_chains.py``). So the plan,
    ``jax.jacfwd`` and ``jax.jacrev`` of the composition are compiled and timed when a concrete x of a new shape comes,
    and the fastest runs from then on; that takes the compilation of two programs more, and a tenth of a second, or a
    hundred calls. ``choose="counted"`` runs the plan without looking. So does a call under ``jit``, ``vmap`` or
    ``grad``, where nothing can be timed, unless that shape has been measured before.

    A layer that begins with a product of all of x, as a dense one does, has that matrix taken as it is where its own
    Jacobian is needed ("take dense" in a plan) instead of multiplied by the identity.

    Example::

        derivative = jacobian([encode, decode])
        print(derivative.plan(x))
        J = derivative(x)

    Args:
        layers: [f_1, ..., f_L], f_1 applied first; each takes one floating-point array, of any shape, and gives one.
            One that JAX differentiates in one mode only (``while_loop``, ``custom_vjp``) is planned for in that mode.
        memory_limit: most bytes of tape that one adjoint operation may need; no limit if left out.
        choose: "measured" or "counted".

    Returns:
        A function of x, jitted, that gives an array of shape ``out.shape + x.shape``. It can be called under ``jit``
        and ``vmap``, and differentiated. ``.plan(x)`` is the plan that it runs for x.

    Raises:
        InputError: no list of callables, a negative limit, or another choice. On the first call, InputError: a layer,
        named by its number, that does not take what the one before gives, gives something other than one array that is
        not empty, or has neither mode. DTypeError: x or a layer's output is not real floating point. LimitError: a
        limit that no plan keeps.

    Source: Naumann, Matrix-Free Jacobian Chaining (arXiv 2406.11862); Griewank & Walther, Evaluating Derivatives
    (SIAM 2008), chapter 10; on measuring what cannot be modelled: Frigo & Johnson, FFTW (ICASSP 1998).
    """
    if not isinstance(layers, Sequence) or not layers or not all(map(callable, layers)):
        raise InputError(f"layers must be a list of at least one function, [f1, f2, ...], got {layers!r:.80}")
    if choose not in ("measured", "counted"):
        raise InputError(f'choose is {choose!r:.40}; expected "measured" or "counted"')
    limit = None if memory_limit is None else whole_number("memory_limit", memory_limit, least=0)
    return _Chain(tuple(layers), limit, choose == "measured")


class _Candidate:
    """A plan, and the jitted function that runs it."""

    def __init__(self, plan: Plan, run: Any) -> None:
        self.plan, self.run = plan, run


class _Chain:
    """The layers, and for every shape and dtype of x what runs."""

    def __init__(self, layers: tuple[Layer, ...], memory_limit: int | None, measure: bool) -> None:
        self.layers, self.memory_limit, self.measure = layers, memory_limit, measure
        self.planned: dict[tuple[tuple[int, ...], np.dtype[Any]], _Candidate] = {}
        self.chosen: dict[tuple[tuple[int, ...], np.dtype[Any]], _Candidate] = {}
        self._last: tuple[Any, Any] = (None, None)  # for arrays that come again, at the price of a look
        self.whole = self._through(0, len(layers) - 1)

    def __call__(self, x: Any) -> jax.Array:
        aval = getattr(x, "aval", None)  # of arrays of one shape and dtype, JAX keeps one
        if aval is not None and aval is self._last[0]:
            return self._last[1](x)  # type: ignore[no-any-return]
        run = self._for(x).run
        if not isinstance(x, jax.core.Tracer):
            self._last = aval, run
        return run(x)  # type: ignore[no-any-return]

    def plan(self, x: Any) -> Plan:
        """See :meth:`Jacobian.plan`; nothing is evaluated."""
        return self._known(x).plan

    def lower(self, x: Any) -> jax.stages.Lowered:
        """See :meth:`Jacobian.lower`."""
        found: jax.stages.Lowered = self._known(x).run.lower(x)
        return found

    def _for(self, x: Any) -> _Candidate:
        """What runs for x, measured first if it can be."""
        known = self._known(x)
        if not self.measure or isinstance(x, jax.core.Tracer) or self._key(x) in self.chosen:
            return known
        if isinstance(known.run(x), jax.core.Tracer):  # the layers' own parameters are traced
            return known
        candidates = [known, *self._plain(known.plan.problem)]
        self.chosen[self._key(x)] = _fastest(candidates, jnp.asarray(x))
        return self.chosen[self._key(x)]

    def _known(self, x: Any) -> _Candidate:
        """What has been measured, else planned, which is done once for a shape."""
        key = self._key(x)
        if key in self.chosen:
            return self.chosen[key]
        if key not in self.planned:
            point = Shaped(*key)  # type: ignore[no-untyped-call]
            plan = cheapest(problem_of(self.layers, point), self.memory_limit)
            self.planned[key] = _Candidate(plan, jax.jit(lambda x: self._jacobian(plan, x)))
        return self.planned[key]

    def _key(self, x: Any) -> tuple[tuple[int, ...], np.dtype[Any]]:
        if isinstance(x, jax.Array) and jnp.issubdtype(x.dtype, jnp.floating) and x.size:
            return x.shape, x.dtype
        point = array_like("x is", jax.eval_shape(lambda x: x, x))
        return point.shape, np.dtype(point.dtype)

    def _plain(self, problem: ChainProblem) -> list[_Candidate]:
        """JAX's own two modes, where they exist, and where reverse mode's tape keeps the limit."""
        found = []
        if all(factor.tangent_cost < NEVER for factor in problem.factors):
            found.append(_Candidate(forward_plan(problem, self.memory_limit), jax.jit(jax.jacfwd(self.whole))))
        tape = sum(factor.memory for factor in problem.factors)
        within = self.memory_limit is None or tape <= self.memory_limit
        if within and all(factor.adjoint_cost < NEVER for factor in problem.factors):
            found.append(_Candidate(reverse_plan(problem, self.memory_limit), jax.jit(jax.jacrev(self.whole))))
        return found

    def _jacobian(self, plan: Plan, x: jax.Array) -> jax.Array:
        """The Jacobian at x by a plan, to be traced."""
        y, J = self._product(plan.root, x)
        return J.reshape(y.shape + x.shape)

    def _product(self, step: Step, x: jax.Array) -> tuple[jax.Array, jax.Array]:
        """The value of layers first to last at x, and their Jacobian (m, n); each layer is evaluated once."""
        layer = self.layers[step.last]
        if step.kind == "dense":
            y, linear = jax.linearize(layer, x)
            return y, rows(linear, x).reshape(x.size, y.size).T
        if step.kind == "tangents":
            return _push(layer, x, jnp.eye(x.size, dtype=x.dtype))
        if step.kind == "cotangents":
            y, pull = jax.vjp(layer, x)
            return y, rows(pull, y).reshape(y.size, x.size)
        assert step.split is not None
        if step.kind == "adjoint":
            assert step.left is not None
            y, pull = _pull(self._through(step.first, step.split), x)
            y, left = self._product(step.left, y)
            return y, pull(left)
        assert step.right is not None
        y, right = self._product(step.right, x)
        if step.kind == "tangent":
            return _push(self._through(step.split + 1, step.last), y, right)
        assert step.left is not None
        y, left = self._product(step.left, y)
        return y, left @ right

    def _through(self, first: int, last: int) -> Layer:
        return lambda x: reduce(lambda value, layer: layer(value), self.layers[first : last + 1], x)


def _push(f: Layer, x: jax.Array, V: jax.Array) -> tuple[jax.Array, jax.Array]:
    """f(x), and ``f'(x) V`` (m, k) for tangents V (n, k); the primal does not depend on V and is not batched."""

    def one(v: jax.Array) -> tuple[jax.Array, jax.Array]:
        y, dy = jax.jvp(f, (x,), (v.reshape(x.shape).astype(x.dtype),))
        return y, dy.ravel()

    return jax.vmap(one, in_axes=-1, out_axes=(None, -1))(V)


def _pull(f: Layer, x: jax.Array) -> tuple[jax.Array, Callable[[jax.Array], jax.Array]]:
    """f(x), and the function ``U -> U f'(x)`` (k, n) of cotangents U (k, m)."""
    y, vjp = jax.vjp(f, x)
    return y, jax.vmap(lambda u: vjp(u.reshape(y.shape).astype(y.dtype))[0].ravel())


def _fastest(candidates: list[_Candidate], x: jax.Array) -> _Candidate:
    """By the least time over rounds in turn, compiled before; the first, unless another is clearly faster."""
    counts = []
    for one in candidates:
        one.run(x).block_until_ready()
        start = time.perf_counter()
        one.run(x).block_until_ready()
        counts.append(max(1, int(SECONDS / max(time.perf_counter() - start, 1e-7))))
    times: list[list[float]] = [[] for _ in candidates]
    for _ in range(ROUNDS):
        for own, one, count in zip(times, candidates, counts, strict=True):
            start = time.perf_counter()
            for _ in range(count):
                one.run(x).block_until_ready()
            own.append((time.perf_counter() - start) / count)
    least = [min(own) for own in times]
    best = min(range(len(candidates)), key=least.__getitem__)
    return candidates[0] if least[0] <= CLOSE * least[best] else candidates[best]
