"""A chain of JAX functions as a problem of bracketing: sized, priced, and its cheapest plan."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import jax
import jax.numpy as jnp

from ..chain import ChainProblem, Factor, Plan, Step, bracket
from ..errors import DTypeError, InputError, LimitError
from .price import Shaped, price

Layer = Callable[[Any], Any]

WORTH = 0.9  #: of the better homogeneous mode's work that a bracketing must be counted to take to be worth its steps
NEVER = 10**24  #: multiply-adds of a pass that a layer does not have: more than all passes that exist


def cheapest(problem: ChainProblem, limit: int | None) -> Plan:
    """The optimal bracketing if it is worth its steps, else the better homogeneous mode."""
    plan = bracket(problem, limit)
    if plan.cost >= NEVER:
        raise LimitError(f"no plan keeps {limit} bytes: a layer that has no forward mode needs more for its cotangents")
    forward = reverse = forward_plan(problem, limit)
    if plan.reverse_cost is not None:
        reverse = reverse_plan(problem, limit)
    plain = min(forward, reverse, key=lambda plan: plan.cost)
    return plan if plan.cost < WORTH * plain.cost else plain


def forward_plan(problem: ChainProblem, limit: int | None) -> Plan:
    """Tangents through every layer."""
    first, rest = problem.factors[0], problem.factors[1:]
    step = Step("tangents", 0, 0, None, problem.n * first.tangent_cost)
    if first.dense_cost is not None:
        step = Step("dense", 0, 0, None, first.dense_cost)
    if rest:
        cost = problem.n * sum(factor.tangent_cost for factor in rest)
        step = Step("tangent", 0, len(rest), 0, cost, right=step)
    return Plan(problem, step, limit)


def reverse_plan(problem: ChainProblem, limit: int | None) -> Plan:
    """Cotangents through every layer."""
    *rest, last = problem.factors
    step = Step("cotangents", len(rest), len(rest), None, problem.m * last.adjoint_cost)
    if rest:
        cost = problem.m * sum(factor.adjoint_cost for factor in rest)
        step = Step("adjoint", 0, len(rest), len(rest) - 1, cost, left=step)
    return Plan(problem, step, limit)


def problem_of(layers: Iterable[Layer], point: Shaped) -> ChainProblem:
    """The chain of the layers' derivatives at arrays like ``point``, sized and priced without evaluating anything."""
    factors = []
    for number, layer in enumerate(layers, start=1):
        try:
            given = jax.eval_shape(layer, point)
        except (TypeError, ValueError) as error:
            source = f"layer {number - 1} gives" if number > 1 else "x is"
            reason = str(error).partition("\n")[0]
            raise InputError(f"layer {number} does not take {_shown(point)}, which {source}: {reason}") from error
        out = array_like(f"layer {number} gives", given)
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


def array_like(what: str, value: Any) -> Shaped:
    """The one array that ``value`` is, if derivatives can be taken of it.

    Raises:
        InputError: several, or an empty one. DTypeError: no real floats.
    """
    if not isinstance(value, Shaped):
        raise InputError(f"{what} {jax.tree.structure(value)}; expected one array")
    if not jnp.issubdtype(value.dtype, jnp.floating):
        raise DTypeError(f"{what} {value.dtype}; derivatives need real floats, e.g. x.astype(float)")
    if not value.size:
        raise InputError(f"{what} an empty array, {value.shape}; expected at least one element")
    return value


def _shown(array: Shaped) -> str:
    return f"{array.dtype}{list(array.shape)}"
