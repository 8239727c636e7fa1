"""Fields of a message's input, checked: every error names the field, what was expected and what came."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from ...arrays import Array
from ...errors import InputError


def entry(given: Any, name: str) -> Any:
    """A field of an object.

    Raises:
        InputError: no object, or none of that name.
    """
    if not isinstance(given, Mapping):
        raise InputError(f"input is {type(given).__name__}; expected an object with the field {name}")
    if name not in given:
        raise InputError(f"input has no field {name}; it has {', '.join(map(str, given)) or 'none'}")
    return given[name]


def number(given: Any, name: str) -> float:
    """A finite number.

    Raises:
        InputError: something else.
    """
    return as_number(entry(given, name), name)


def as_number(value: Any, name: str) -> float:
    """The value as a finite number.

    Raises:
        InputError: it is something else.
    """
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not abs(value) < float("inf"):
        raise InputError(f"{name} is {value!r}; expected a finite number")
    return float(value)


def integer(given: Any, name: str, least: int = 1) -> int:
    """An integer of at least ``least``.

    Raises:
        InputError: something else.
    """
    value = entry(given, name)
    if isinstance(value, bool) or not isinstance(value, int) or value < least:
        raise InputError(f"{name} is {value!r}; expected an integer of at least {least}")
    return value


def floats(given: Any, name: str, *shape: int | None) -> Array:
    """Nested lists of numbers as an array of that shape; None is any size.

    Raises:
        InputError: another shape, ragged lists, NaN, infinity, or something that is no number.
    """
    found = _array(entry(given, name), name, shape)
    if not np.isfinite(found).all():
        raise InputError(f"{name} holds NaN or infinite values")
    return found.astype(np.float64)


def positions(given: Any, name: str, count: int, *shape: int | None, least: int = 0) -> Array:
    """Nested lists of integers from ``least`` to below ``count`` as an array of that shape; None is any size.

    Raises:
        InputError: another shape, ragged lists, or something that is no such integer.
    """
    found = _array(entry(given, name), name, shape)
    if found.size and (found.dtype.kind not in "iu" or found.min() < least or found.max() >= count):
        raise InputError(f"{name} holds other numbers than integers from {least} to {count - 1}")
    return found.astype(np.intp)


def _array(value: Any, name: str, shape: tuple[int | None, ...]) -> Array:
    wanted = f"an array of numbers of shape ({', '.join('any' if one is None else str(one) for one in shape)})"
    try:
        found = np.asarray(value)
    except ValueError as error:
        raise InputError(f"{name} is ragged; expected {wanted}") from error
    if not found.size and 0 in (own or 0 for own in shape):
        found = found.astype(np.float64).reshape([own or 0 for own in shape])  # JSON has no shapes of empty lists
    if found.dtype.kind not in "iuf":
        raise InputError(f"{name} holds something else than numbers; expected {wanted}")
    if found.ndim != len(shape) or any(own not in (None, size) for own, size in zip(shape, found.shape, strict=True)):
        raise InputError(f"{name} has shape {found.shape}; expected {wanted}")
    return found
