"""What a linear function of JAX costs, and its matrix: read from its jaxpr and from XLA's analysis."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, cast

import jax
import jax.numpy as jnp
from jax.extend.core import ClosedJaxpr, Jaxpr, JaxprEqn, Literal, Var

Shaped = jax.ShapeDtypeStruct

UNCOUNTED = ("stablehlo.while", "stablehlo.case", "custom_call")  #: what XLA's analysis counts once, or as nothing


@dataclass(frozen=True, slots=True)
class Price:
    """What one seed through a linear function costs.

    Attributes:
        work: multiply-adds.
        spared: how many of them ``rows`` does not do; None where it has to do them all.
        tape: bytes of the arrays that the function keeps, constants such as weights aside.
    """

    work: int
    spared: int | None
    tape: int


def price(linearised: Callable[[Any], Any], point: Shaped, seed: Shaped) -> Price | None:
    """The price of the linear function that ``linearised`` makes at ``point``; None if JAX has no such function.

    Such functions are trees of the arrays that they keep, as ``jax.linearize`` and ``jax.vjp`` give them. One operation
    per element of the seed, or of what comes of it, is the least. Nothing is evaluated or compiled.
    """
    try:
        primal, linear = jax.make_jaxpr(linearised, return_shape=True)(point)
        closed, out = jax.make_jaxpr(_applied, return_shape=True)(linear, seed)
        flops = _flops(closed, linear, seed)
    except (TypeError, ValueError, NotImplementedError):  # how JAX says that a function lacks a mode
        return None
    least = max(seed.size, *(array.size for array in jax.tree.leaves(out)))
    work = max(least, math.ceil(flops / 2))
    opening = _opening(closed.jaxpr)
    spared = None if opening is None else min(_operations(closed.jaxpr.eqns[opening]) // 2, work - least)
    return Price(work, spared, _tape(primal.jaxpr))


def rows(linear: Any, seed: jax.Array) -> jax.Array:
    """``linear(e)`` for every unit array e of the seed's shape, (seed.size, ...): the function's matrix, transposed.

    Where the first and only thing that the function does to a seed is to contract all of it with an array, as a dense
    layer does, no unit arrays are multiplied: the array is that product.
    """
    closed = jax.make_jaxpr(_applied)(linear, seed)
    jaxpr, kept, opening = closed.jaxpr, jax.tree.leaves(linear), _opening(closed.jaxpr)
    if opening is None:
        seeds = jnp.eye(seed.size, dtype=seed.dtype).reshape(-1, *seed.shape)
    else:
        before, product, after = jaxpr.eqns[:opening], jaxpr.eqns[opening], jaxpr.eqns[opening + 1 :]
        side, axes = _contracted(product, jaxpr)
        found = jaxpr.replace(eqns=before, outvars=[product.invars[1 - side]])
        (array,) = jax.core.eval_jaxpr(found, closed.consts, *kept, seed)
        given = _array(product.outvars[0])
        seeds = jnp.moveaxis(array, axes, range(len(axes))).reshape(-1, *given.shape).astype(given.dtype)
        jaxpr = jaxpr.replace(eqns=before + after, invars=[*jaxpr.invars[:-1], product.outvars[0]])
    matrix: jax.Array = jax.vmap(lambda one: jax.core.eval_jaxpr(jaxpr, closed.consts, *kept, one)[0])(seeds)
    return matrix


def _array(atom: Var | Literal) -> jax.core.ShapedArray:
    return cast(jax.core.ShapedArray, atom.aval)


def _applied(linear: Any, seed: Any) -> Any:
    return linear(seed)


def _opening(jaxpr: Jaxpr) -> int | None:
    """Which equation contracts the whole of the last input with something else, if that is all that is done to it."""
    seed = jaxpr.invars[-1]
    users = [index for index, equation in enumerate(jaxpr.eqns) if any(var is seed for var in equation.invars)]
    if len(users) != 1 or any(var is seed for var in jaxpr.outvars):
        return None
    equation = jaxpr.eqns[users[0]]
    if equation.primitive.name != "dot_general" or equation.invars[0] is equation.invars[1]:
        return None
    return users[0] if len(_contracted(equation, jaxpr)[1]) == _array(seed).ndim else None


def _contracted(product: JaxprEqn, jaxpr: Jaxpr) -> tuple[int, list[int]]:
    """On which side the last input stands in a product, and the other side's axes that meet its own, in their order."""
    side = 0 if product.invars[0] is jaxpr.invars[-1] else 1
    contracted, _ = product.params["dimension_numbers"]
    return side, [other for _, other in sorted(zip(contracted[side], contracted[1 - side], strict=True))]


def _tape(jaxpr: Jaxpr) -> int:
    """Bytes of what a jaxpr gives, each array once and constants aside."""
    made = {id(var): _array(var) for var in jaxpr.outvars if not any(var is const for const in jaxpr.constvars)}
    return sum(int(aval.size) * int(aval.dtype.itemsize) for aval in made.values())


def _flops(closed: ClosedJaxpr, linear: Any, seed: Shaped) -> float:
    """Floating-point operations, by XLA where it sees them all, else counted in the jaxpr."""
    lowered = jax.jit(_applied).lower(linear, seed)
    if not any(word in lowered.as_text() for word in UNCOUNTED):
        analysis = lowered.cost_analysis()
        if analysis and "flops" in analysis:
            return float(analysis["flops"])
    return _counted(closed.jaxpr)


def _counted(jaxpr: Jaxpr) -> int:
    """Floating-point operations of a jaxpr and those nested in it."""
    return sum(_operations(equation) for equation in jaxpr.eqns)


def _operations(equation: JaxprEqn) -> int:
    name, parameters = equation.primitive.name, equation.params
    given = sum(int(_array(var).size) for var in equation.outvars)
    if name == "dot_general":
        lhs, ((contracted, _), _) = _array(equation.invars[0]), parameters["dimension_numbers"]
        return 2 * given * math.prod(int(lhs.shape[axis]) for axis in contracted)
    if name == "conv_general_dilated":
        kernel = _array(equation.invars[1])
        features = kernel.shape[parameters["dimension_numbers"].rhs_spec[0]]
        holes = math.prod(parameters["lhs_dilation"])  # zeros between the elements of a transposed convolution's input
        return 2 * given * int(kernel.size) // int(features * holes)
    inner = (one.jaxpr if isinstance(one, ClosedJaxpr) else one for one in jax.tree.leaves(parameters))
    nested = [_counted(one) for one in inner if isinstance(one, Jaxpr)]
    if name == "cond":
        return max(nested)
    return sum(nested) * int(parameters.get("length", 1)) if nested else given
