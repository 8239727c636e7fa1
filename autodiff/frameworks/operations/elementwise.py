"""Elementwise operations: activations and arithmetic."""

from __future__ import annotations

import math
from typing import Any

from ...layers.activations import ACTIVATIONS
from ...namespaces import special
from .table import OPERATIONS, POINTWISE, operation

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


@operation("tan", pointwise=True)
def tan(xp: Any, x: Any) -> Any:
    """``sin(x) / cos(x)``."""
    return xp.sin(x) / xp.cos(x)


@operation("log2", pointwise=True)
def log2(xp: Any, x: Any) -> Any:
    """The logarithm to the base 2."""
    return xp.log(x) * (1.0 / math.log(2.0))


@operation("log10", pointwise=True)
def log10(xp: Any, x: Any) -> Any:
    """The logarithm to the base 10."""
    return xp.log(x) * (1.0 / math.log(10.0))


@operation("exp2", pointwise=True)
def exp2(xp: Any, x: Any) -> Any:
    """``2 ** x``."""
    return xp.exp(x * math.log(2.0))


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
