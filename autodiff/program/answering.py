"""What values answer to NumPy's functions: the register, and what its entries share."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ..errors import InputError, UnsupportedError
from .builder import Builder
from .value import Mask, Value

FUNCTIONS: dict[Any, Callable[..., Any]] = {}  #: by the function of NumPy


def answers(*functions: Any) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """The decorated function is what values answer to these of NumPy."""

    def add(made: Callable[..., Any]) -> Callable[..., Any]:
        FUNCTIONS.update(dict.fromkeys(functions, made))
        return made

    return add


def builder_of(*given: Any) -> Builder:
    """The builder of the first value among the arguments, also in lists.

    Raises:
        UnsupportedError: there is none.
    """
    for one in given:
        if isinstance(one, Mask):
            return one.value.builder
        if isinstance(one, Value):
            return one.builder
        if isinstance(one, (list, tuple)):
            for item in one:
                if isinstance(item, (Value, Mask)):
                    return builder_of(item)
    raise UnsupportedError("no value stands where a function of NumPy expects it; give x as its first argument")


def axes_of(value: Value, axis: Any) -> tuple[int, ...]:
    """The axes that an argument ``axis`` names, in order and not negative; all for None.

    Raises:
        InputError: one is out of range.
    """
    if axis is None:
        return tuple(range(value.ndim))
    axes = axis if isinstance(axis, (tuple, list)) else (axis,)
    for one in axes:
        if not -value.ndim <= one < value.ndim:
            raise InputError(f"axis {one} is out of range for shape {value.shape}")
    return tuple(sorted({one % value.ndim for one in axes}))
