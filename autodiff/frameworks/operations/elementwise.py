"""Elementwise operations: activations, arithmetic, comparisons and choices."""

from __future__ import annotations

import math
from typing import Any

from ...layers.activations import ACTIVATIONS
from ...namespaces import special
from .table import OPERATIONS, POINTWISE, operation, real

LEAST = -1e30  #: what stands for minus infinity in masks: exp makes 0 of it, and no derivative becomes NaN

#: operations of one argument, and ours of the same values
SAME = {"relu": "relu", "sigmoid": "sigmoid", "tanh": "tanh", "silu": "silu", "selu": "selu", "mish": "mish"}
SAME |= {"sin": "sin", "cos": "cos", "exp": "exp", "square": "square", "abs": "abs", "sqrt": "sqrt", "log": "log"}
#: NumPy's functions of one argument
NUMPY = {"expm1": "expm1", "log1p": "log1p", "sinh": "sinh", "cosh": "cosh", "atan": "arctan", "sign": "sign"}
NUMPY |= {"reciprocal": "reciprocal"}


def _activation(name: str) -> Any:
    return lambda xp, x: ACTIVATIONS[name].function(x, xp)


def _numpy(name: str) -> Any:
    return lambda xp, x: getattr(xp, name)(x)


OPERATIONS.update({name: _activation(ours) for name, ours in SAME.items()})
OPERATIONS.update({name: _numpy(ours) for name, ours in NUMPY.items()})
POINTWISE.update(SAME, NUMPY)


@operation("gelu", pointwise=True)
def gelu(xp: Any, x: Any, approximate: str = "none") -> Any:
    """``x Phi(x)``, or its form with tanh."""
    return ACTIVATIONS["gelu" if approximate == "none" else "gelu_tanh"].function(x, xp)


@operation("elu", pointwise=True)
def elu(xp: Any, x: Any, alpha: float = 1.0, scale: float = 1.0, input_scale: float = 1.0) -> Any:
    """``scale x`` above 0, ``scale alpha (exp(input_scale x) - 1)`` below."""
    below = xp.expm1(input_scale * xp.where(xp.real(x) > 0, 0.0, x))  # exp could overflow above
    return scale * xp.where(xp.real(x) > 0, x, alpha * below)


@operation("celu", pointwise=True)
def celu(xp: Any, x: Any, alpha: float = 1.0) -> Any:
    """``x`` above 0, ``alpha (exp(x / alpha) - 1)`` below."""
    return elu(xp, x, alpha, 1.0, 1.0 / alpha)


@operation("leaky_relu", pointwise=True)
def leaky_relu(xp: Any, x: Any, negative_slope: float = 0.01) -> Any:
    """``x`` above 0, ``negative_slope x`` below."""
    return xp.where(xp.real(x) > 0, x, negative_slope * x)


@operation("hardtanh", pointwise=True)
def hardtanh(xp: Any, x: Any, min_val: float = -1.0, max_val: float = 1.0) -> Any:
    """x between two bounds, with the slope 0 at both."""
    inside = xp.where(xp.real(x) < max_val, x, float(max_val))
    return xp.where(xp.real(x) > min_val, inside, float(min_val))


@operation("relu6", pointwise=True)
def relu6(xp: Any, x: Any) -> Any:
    """x between 0 and 6."""
    return hardtanh(xp, x, 0.0, 6.0)


@operation("hardsigmoid", pointwise=True)
def hardsigmoid(xp: Any, x: Any) -> Any:
    """``min(max(x + 3, 0), 6) / 6``."""
    return hardtanh(xp, x + 3.0, 0.0, 6.0) * (1.0 / 6.0)


@operation("hardswish", pointwise=True)
def hardswish(xp: Any, x: Any) -> Any:
    """``x hardsigmoid(x)``."""
    return x * hardsigmoid(xp, x)


@operation("softplus", pointwise=True)
def softplus(xp: Any, x: Any, beta: float = 1.0, threshold: float = 20.0) -> Any:
    """``log(1 + exp(beta x)) / beta``; x itself where beta x is above the threshold, as PyTorch has it."""
    z = beta * x
    return xp.where(xp.real(z) > threshold, x, xp.logaddexp(z, 0.0) * (1.0 / beta))


@operation("log_sigmoid", pointwise=True)
def log_sigmoid(xp: Any, x: Any) -> Any:
    """``log(1 / (1 + exp(-x)))``."""
    return -1.0 * xp.logaddexp(-1.0 * x, 0.0)


@operation("prelu")
def prelu(xp: Any, x: Any, weight: Any) -> Any:
    """``x`` above 0, ``weight x`` below; a weight for all, or one a channel, of axis 1."""
    size = math.prod(weight.shape)
    shaped = weight.reshape(1, size, *(1,) * (len(x.shape) - 2)) if size > 1 else weight.reshape(1)
    return xp.where(xp.real(x) > 0, x, shaped * x)


@operation("erf", "special_erf", pointwise=True)
def erf(xp: Any, x: Any) -> Any:
    """The error function."""
    return special(xp).erf(x)


@operation("rsqrt", pointwise=True)
def rsqrt(xp: Any, x: Any) -> Any:
    """``1 / sqrt(x)``."""
    return 1.0 / xp.sqrt(x)


@operation("neg", pointwise=True)
def neg(xp: Any, x: Any) -> Any:
    """``-x``."""
    return -1.0 * x


@operation("detach", pointwise=True)
def detach(xp: Any, x: Any) -> Any:
    """x without its derivative."""
    return xp.real(x)


@operation("add", pointwise=True)
def add(xp: Any, x: Any, other: Any, alpha: float = 1) -> Any:
    """``x + alpha other``."""
    return x + (other if alpha == 1 else alpha * other)


@operation("sub", "subtract", pointwise=True)
def sub(xp: Any, x: Any, other: Any, alpha: float = 1) -> Any:
    """``x - alpha other``."""
    return x - (other if alpha == 1 else alpha * other)


@operation("rsub", pointwise=True)
def rsub(xp: Any, x: Any, other: Any, alpha: float = 1) -> Any:
    """``other - alpha x``."""
    return other - (x if alpha == 1 else alpha * x)


@operation("mul", "multiply", pointwise=True)
def mul(xp: Any, x: Any, other: Any) -> Any:
    """``x other``."""
    return x * other


@operation("div", "divide", "true_divide", pointwise=True)
def div(xp: Any, x: Any, other: Any) -> Any:
    """``x / other``."""
    return x * (1.0 / other) if isinstance(other, (int, float)) else x / other


@operation("pow", pointwise=True)
def pow_(xp: Any, x: Any, exponent: Any) -> Any:
    """``x ** exponent``."""
    if not isinstance(exponent, (int, float)):
        return xp.power(x, exponent)
    whole = {1: lambda: x, 2: lambda: xp.square(x), 0.5: lambda: xp.sqrt(x), -1: lambda: 1.0 / x}
    return whole[exponent]() if exponent in whole else xp.power(x, float(exponent))


@operation("maximum")
def maximum(xp: Any, x: Any, other: Any) -> Any:
    """The larger of two."""
    return xp.maximum(x, other)


@operation("minimum")
def minimum(xp: Any, x: Any, other: Any) -> Any:
    """The smaller of two."""
    return xp.minimum(x, other)


@operation("clamp", "clip", pointwise=True)
def clamp(xp: Any, x: Any, min: Any = None, max: Any = None) -> Any:
    """x between two bounds, with the slope 1 at both."""
    if min is not None:
        x = xp.where(real(x, xp) >= real(min, xp), x, float(min) if isinstance(min, (int, float)) else min)
    if max is not None:
        x = xp.where(real(x, xp) <= real(max, xp), x, float(max) if isinstance(max, (int, float)) else max)
    return x


@operation("clamp_min", pointwise=True)
def clamp_min(xp: Any, x: Any, min: Any) -> Any:
    """x from a bound on."""
    return clamp(xp, x, min)


@operation("clamp_max", pointwise=True)
def clamp_max(xp: Any, x: Any, max: Any) -> Any:
    """x up to a bound."""
    return clamp(xp, x, None, max)


@operation("gt")
def gt(xp: Any, x: Any, other: Any) -> Any:
    """``x > other``."""
    return real(x, xp) > real(other, xp)


@operation("ge")
def ge(xp: Any, x: Any, other: Any) -> Any:
    """``x >= other``."""
    return real(x, xp) >= real(other, xp)


@operation("lt")
def lt(xp: Any, x: Any, other: Any) -> Any:
    """``x < other``."""
    return real(x, xp) < real(other, xp)


@operation("le")
def le(xp: Any, x: Any, other: Any) -> Any:
    """``x <= other``."""
    return real(x, xp) <= real(other, xp)


@operation("eq")
def eq(xp: Any, x: Any, other: Any) -> Any:
    """``x == other``; nothing in a network's values is infinite."""
    if isinstance(other, float) and math.isinf(other):
        return real(x, xp) > math.copysign(1.7e308, other) if other > 0 else real(x, xp) < -1.7e308
    return xp.absolute(real(x, xp) - real(other, xp)) <= 0


@operation("logical_not", "bitwise_not")
def logical_not(xp: Any, x: Any) -> Any:
    """Where the condition does not hold."""
    return ~x


@operation("logical_and", "bitwise_and")
def logical_and(xp: Any, x: Any, other: Any) -> Any:
    """Where both conditions hold."""
    return x & other


@operation("logical_or", "bitwise_or")
def logical_or(xp: Any, x: Any, other: Any) -> Any:
    """Where one of the conditions holds."""
    return x | other


@operation("where")
def where(xp: Any, x: Any, self: Any, other: Any) -> Any:
    """``self`` where the condition x holds, else ``other``."""
    return xp.where(x, self, other)


@operation("masked_fill")
def masked_fill(xp: Any, x: Any, mask: Any, value: Any) -> Any:
    """A number where the mask holds, else x."""
    return xp.where(mask, max(float(value), LEAST) if isinstance(value, (int, float)) else value, x)
