"""Jacobians of JAX functions that are chains of layers, in the order of multiplication that costs least.

``jax.jacfwd`` multiplies ``f_L' ... f_1'`` from the right, ``jax.jacrev`` from the left; where a chain is narrow in the
middle neither is good. Source: Naumann, Matrix-Free Jacobian Chaining (arXiv 2406.11862).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from functools import reduce
from typing import Any, Protocol, cast

import numpy as np

from .chain import ChainProblem, Factor, Plan, Step, bracket
from .chain.problem import whole_number
from .errors import DTypeError, InputError, LimitError, UnsupportedError

try:
    import jax
    import jax.numpy as jnp
except ImportError as error:
    raise UnsupportedError("autodiff.jax needs JAX; pip install jax") from error

from .jaxpr import Shaped, price, rows

__all__ = ["Jacobian", "jacobian"]

Layer = Callable[[Any], Any]

WORTH = 0.9  #: of the better homogeneous mode's work that a bracketing must be counted to take to be worth its steps
NEVER = 10**24  #: multiply-adds of a pass that a layer does not have: more than all passes that exist


class Jacobian(Protocol):
    """What ``jacobian`` returns: a function that ``jax.jit`` made, and its plan."""

    def __call__(self, x: Any) -> jax.Array:
        """The Jacobian at x, of shape ``out.shape + x.shape``."""

    def plan(self, x: Any) -> Plan:
        """The plan that runs for x, in multiply-adds and bytes of tape; x may be a ``jax.ShapeDtypeStruct``."""

    def lower(self, x: Any) -> jax.stages.Lowered:
        """The program for x, to be looked at or compiled, as of any function that ``jax.jit`` made."""


def jacobian(layers: Sequence[Layer], *, memory_limit: int | None = None) -> Jacobian:
    """The function ``x -> f'(x)`` of the composition ``f = f_L o ... o f_1``, each f_l a function of JAX.

    The product ``f_L' ... f_1'`` is bracketed by the plan of least work, made when the function first meets an x of a
    shape and dtype. A bracketing saves work where the chain is narrower inside than at both ends; where it would save
    less than a tenth, plain forward or reverse accumulation is run, as by ``jax.jacfwd`` and ``jax.jacrev``.

    Counted is the work of one more tangent or cotangent through a layer, in multiply-adds: of its linearised function
    (``jax.linearize``) and of that one's transpose (``jax.vjp``). What does not depend on the seed, the primal and the
    local derivatives, is evaluated once for all seeds and not counted. The count is XLA's own analysis of the lowered,
    uncompiled pass; for a pass with a loop, a branch or a custom call, which XLA counts once or as nothing, and where a
    backend has no analysis, it is the operations of the jaxpr: products and convolutions exactly, a scan times its
    length, a while loop as one trip, the dearest branch, one operation per element that anything else gives. Either
    way a pass costs at least one per element of the seed and of what comes of it, whichever are more. The tape of a
    layer is the residuals that ``jax.vjp`` keeps, constants such as weights aside; XLA may keep fewer.

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

    Returns:
        A function of x, jitted, that gives an array of shape ``out.shape + x.shape``. It can be called under ``jit``
        and ``vmap``, and differentiated. ``.plan(x)`` is the plan that it runs for x.

    Raises:
        InputError: no list of callables, or a negative limit. On the first call, InputError: a layer, named by its
            number, that does not take what the one before gives, gives something other than one array that is not
            empty, or has neither mode. DTypeError: x or a layer's output is not real floating point. LimitError: a
            limit that no plan keeps.

    Source: Naumann, Matrix-Free Jacobian Chaining (arXiv 2406.11862); Griewank & Walther, Evaluating Derivatives
    (SIAM 2008), chapter 10.
    """
    if not isinstance(layers, Sequence) or not layers or not all(map(callable, layers)):
        raise InputError(f"layers must be a list of at least one function, [f1, f2, ...], got {layers!r:.80}")
    limit = None if memory_limit is None else whole_number("memory_limit", memory_limit, least=0)
    chain = _Chain(tuple(layers), limit)
    run: Any = jax.jit(chain.jacobian)
    run.plan = chain.plan
    return cast(Jacobian, run)


class _Chain:
    """The layers, and their plans by shape and dtype of x."""

    def __init__(self, layers: tuple[Layer, ...], memory_limit: int | None) -> None:
        self.layers = layers
        self.memory_limit = memory_limit
        self.plans: dict[tuple[tuple[int, ...], np.dtype[Any]], Plan] = {}

    def plan(self, x: Any) -> Plan:
        """The plan for arrays of the shape and dtype of x, made once; nothing is evaluated."""
        point = _array("x is", jax.eval_shape(lambda x: x, x))
        key = point.shape, np.dtype(point.dtype)
        if key not in self.plans:
            self.plans[key] = _cheapest(_problem(self.layers, point), self.memory_limit)
        return self.plans[key]

    def jacobian(self, x: jax.Array) -> jax.Array:
        """The Jacobian at x by its plan, to be traced."""
        y, J = self._product(self.plan(x).root, x)
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


def _cheapest(problem: ChainProblem, limit: int | None) -> Plan:
    """The optimal bracketing if it is worth its steps, else the better homogeneous mode."""
    plan = bracket(problem, limit)
    if plan.cost >= NEVER:
        raise LimitError(f"no plan keeps {limit} bytes: a layer that has no forward mode needs more for its cotangents")
    forward = reverse = _homogeneous_forward(problem, limit)
    if plan.reverse_cost is not None:
        reverse = _homogeneous_reverse(problem, limit)
    plain = min(forward, reverse, key=lambda plan: plan.cost)
    return plan if plan.cost < WORTH * plain.cost else plain


def _homogeneous_forward(problem: ChainProblem, limit: int | None) -> Plan:
    first, rest = problem.factors[0], problem.factors[1:]
    step = Step("tangents", 0, 0, None, problem.n * first.tangent_cost)
    if first.dense_cost is not None:
        step = Step("dense", 0, 0, None, first.dense_cost)
    if rest:
        cost = problem.n * sum(factor.tangent_cost for factor in rest)
        step = Step("tangent", 0, len(rest), 0, cost, right=step)
    return Plan(problem, step, limit)


def _homogeneous_reverse(problem: ChainProblem, limit: int | None) -> Plan:
    *rest, last = problem.factors
    step = Step("cotangents", len(rest), len(rest), None, problem.m * last.adjoint_cost)
    if rest:
        cost = problem.m * sum(factor.adjoint_cost for factor in rest)
        step = Step("adjoint", 0, len(rest), len(rest) - 1, cost, left=step)
    return Plan(problem, step, limit)


def _problem(layers: Iterable[Layer], point: Shaped) -> ChainProblem:
    """The chain of the layers' derivatives at arrays like ``point``, sized and priced without evaluating anything."""
    factors = []
    for number, layer in enumerate(layers, start=1):
        try:
            given = jax.eval_shape(layer, point)
        except (TypeError, ValueError) as error:
            source = f"layer {number - 1} gives" if number > 1 else "x is"
            reason = str(error).partition("\n")[0]
            raise InputError(f"layer {number} does not take {_shown(point)}, which {source}: {reason}") from error
        out = _array(f"layer {number} gives", given)
        factors.append(_factor(number, layer, point, out))
        point = out
    return ChainProblem(factors)


def _factor(number: int, layer: Layer, point: Shaped, out: Shaped) -> Factor:
    tangent = price(lambda x: jax.linearize(layer, x)[1], point, point)
    adjoint = price(lambda x: jax.vjp(layer, x)[1], point, out)
    if tangent is None and adjoint is None:
        raise InputError(f"layer {number} has neither a forward nor a reverse mode; jax.vjp of it says why")
    return Factor(
        point.size,
        out.size,
        tangent.work if tangent else NEVER,
        adjoint.work if adjoint else NEVER,
        adjoint.tape if adjoint else 0,
        point.size * (tangent.work - tangent.spared) if tangent and tangent.spared is not None else None,
    )


def _array(what: str, value: Any) -> Shaped:
    if not isinstance(value, Shaped):
        raise InputError(f"{what} {jax.tree.structure(value)}; expected one array")
    if not jnp.issubdtype(value.dtype, jnp.floating):
        raise DTypeError(f"{what} {value.dtype}; derivatives need real floats, e.g. x.astype(float)")
    if not value.size:
        raise InputError(f"{what} an empty array, {value.shape}; expected at least one element")
    return value


def _shown(array: Shaped) -> str:
    return f"{array.dtype}{list(array.shape)}"
