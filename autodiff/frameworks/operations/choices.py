"""Comparisons, and choices by them."""

from __future__ import annotations

import math
from typing import Any

from ...layers.windows import LEAST
from .table import operation, real


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


@operation("ne")
def ne(xp: Any, x: Any, other: Any) -> Any:
    """``x != other``."""
    return ~eq(xp, x, other)


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
