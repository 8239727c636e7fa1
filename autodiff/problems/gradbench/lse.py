"""GradBench's eval ``lse``: the logarithm of a sum of exponentials."""

from __future__ import annotations

from typing import Any

from ...arrays import Array
from ...errors import InputError
from ...layers import Function
from ...network import Network
from .fields import floats
from .task import Maker, gradient_of


def log_sum_exp(x: Any, xp: Any, axis: int = -1) -> Any:
    """``a + log sum_i exp(x_i - a)`` along an axis, ``a = max x``, which keeps exp from overflowing."""
    top = xp.max(xp.real(x), axis=axis, keepdims=True)  # whatever it is, f is the same: it has no derivative
    total = xp.log(xp.sum(xp.exp(x - top), axis=axis))
    return top.reshape(total.shape) + total


def _f(x: Any, xp: Any) -> Any:
    return log_sum_exp(x, xp)


def _made(given: Any) -> tuple[Network, Array]:
    x = floats(given, "x", None)
    if not x.size:
        raise InputError("x is empty; expected at least one number")
    return Network([Function(_f, x.size)], name="lse"), x


FUNCTIONS: dict[str, Maker] = gradient_of(_made)
