"""Checks on the arrays that callers pass in, made once at the public boundary."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

from .errors import DTypeError, InputError

Array = NDArray[Any]

FLOATS = (np.dtype(np.float32), np.dtype(np.float64))


def float_dtype(dtype: DTypeLike) -> np.dtype[Any]:
    """``dtype`` as a NumPy dtype, refused unless it is float32 or float64.

    Raises:
        DTypeError: for anything else.
    """
    try:
        found = np.dtype(dtype)
    except TypeError as error:
        raise DTypeError(f"{dtype!r} is no dtype; pass float64 or float32") from error
    if found not in FLOATS:
        raise DTypeError(f"dtype {found} is not supported; pass float64 or float32")
    return found


def as_floats(values: object, what: str, dtype: np.dtype[Any] | None = None) -> Array:
    """``values`` as a C-contiguous array of ``dtype`` (its own, if none is given), checked.

    Raises:
        DTypeError: integers, booleans, objects, complex numbers, masked arrays, or a float that ``dtype`` cannot
            hold without losing digits.
        InputError: NaN or infinity among the values.
    """
    _refuse_masked(values, what)
    try:
        array = np.asarray(values)
    except ValueError as error:
        raise InputError(f"{what} is ragged: {error}") from error
    if array.dtype not in FLOATS:
        raise DTypeError(f"{what} is {array.dtype}; pass floats, e.g. np.asarray({what}, dtype=np.float64)")
    if dtype is not None and array.dtype != dtype:
        if not np.can_cast(array.dtype, dtype):
            raise DTypeError(
                f"{what} is {array.dtype}, the computation {dtype}; pass {what}.astype(np.{dtype}) or ask for float64"
            )
        array = array.astype(dtype)
    if not np.isfinite(array).all():
        raise InputError(f"{what} holds {np.count_nonzero(~np.isfinite(array))} NaN or infinite values")
    return np.asarray(array, order="C")


def as_size(value: object, what: str) -> int:
    """``value`` as an integer of at least 1; NumPy's integers are integers.

    Raises:
        InputError: anything else.
    """
    if isinstance(value, bool) or not isinstance(value, (int, np.integer)) or value < 1:
        raise InputError(f"{what} is {value!r}; expected an integer of at least 1")
    return int(value)


def as_positive(value: object, what: str) -> float:
    """``value`` as a finite number above 0.

    Raises:
        InputError: anything else.
    """
    number = isinstance(value, (int, float, np.integer, np.floating)) and not isinstance(value, bool)
    if not number or not 0 < float(value) < float("inf"):  # type: ignore[arg-type]
        raise InputError(f"{what} is {value!r}; expected a positive number")
    return float(value)  # type: ignore[arg-type]


def as_vector(values: object, size: int, what: str, dtype: np.dtype[Any]) -> Array:
    """``values`` as a finite vector ``(size,)`` of ``dtype``; see :func:`as_floats` for what is refused."""
    array = as_floats(values, what, dtype)
    if array.shape != (size,):
        raise InputError(f"{what} has shape {array.shape}; expected ({size},)")
    return array


LINE = 64  #: bytes of a cache line, and of a vector register of AVX-512


def aligned_empty(shape: int | tuple[int, ...], dtype: np.dtype[Any]) -> Array:
    """A new array that starts at a cache line.

    NumPy starts its arrays at multiples of 16 bytes, so that every vector load of a kernel may touch two lines.
    Measured with 512 x 512 matrices: thin products take 0.73 to 0.83 of the time, square ones 0.97.
    """
    size = int(np.prod(shape)) * dtype.itemsize
    raw = np.empty(size + LINE, np.uint8)
    start = -raw.ctypes.data % LINE
    return raw[start : start + size].view(dtype).reshape(shape)


PLAIN = 0x101  #: of ``array.flags.num``: C-contiguous and aligned
# NumPy copies a broadcast operand into a buffer of its own unless a row is at least as long as the buffer; with its
# default of 8192 elements diag(d) V takes three times as long for rows of 1024, and every run allocates the buffer.
# The setting belongs to a context, which costs a tenth of a microsecond to enter.
BUFFER = 512

OWNED = 0x505  #: and writeable, and with memory of its own


def as_plain(values: object, shape: tuple[int, ...], dtype: np.dtype[Any], what: str) -> Array:
    """An array of just this shape and dtype, C-contiguous and aligned: itself, or a copy if it lies otherwise.

    Sub-classes are taken as the arrays that they are.

    Raises:
        DTypeError: no array, a masked array, or another dtype (another byte order is another dtype).
        InputError: another shape.
    """
    _refuse_masked(values, what)
    array = np.asarray(values) if isinstance(values, np.ndarray) else None
    if array is None or array.dtype != dtype:
        came = type(values).__name__ if array is None else array.dtype
        raise DTypeError(f"{what} is {came}; this was prepared for {dtype}: np.asarray({what}, dtype=np.{dtype})")
    if array.shape != shape:
        raise InputError(f"{what} has shape {array.shape}; expected {shape}")
    return array if array.flags.num & PLAIN == PLAIN else np.array(array, dtype, order="C", copy=True)


def check_out(out: object, shape: tuple[int, ...], dtype: np.dtype[Any], apart: Iterable[tuple[Array, str]]) -> Array:
    """``out`` as a plain array that a result can be written into.

    Args:
        out: what the caller gave.
        shape: that it must have.
        dtype: that it must have.
        apart: arrays that it must not overlap, and what they are; their bounds are compared, not their elements.

    Raises:
        InputError: it is none, or cannot be written to.
    """
    _refuse_masked(out, "out")
    array = np.asarray(out) if isinstance(out, np.ndarray) else None
    if array is None or array.shape != shape or array.dtype != dtype:
        came = type(out).__name__ if array is None else f"{array.dtype} {array.shape}"
        raise InputError(f"out is {came}; expected a {dtype} array of shape {shape}")
    if not array.flags.carray:
        raise InputError("out must be C-contiguous, aligned and writeable; np.empty(shape, dtype) gives such an array")
    for other, name in apart:
        if np.may_share_memory(array, other):
            raise InputError(f"out overlaps {name} in memory, which is still read while out is written; pass another")
    return array


def _refuse_masked(values: object, what: str) -> None:
    if isinstance(values, np.ma.MaskedArray):
        raise DTypeError(f"{what} is a masked array, and derivatives know no masks; pass {what}.filled(value)")


UNITS = {"": 1, "B": 1, "KB": 10**3, "MB": 10**6, "GB": 10**9, "KIB": 2**10, "MIB": 2**20, "GIB": 2**30}


def read_size(text: str, what: str) -> int:
    """An integer, or a number of bytes with a unit: ``64``, ``64MiB``, ``1.5 GB``.

    Raises:
        InputError: saying what can be written.
    """
    found = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*([A-Za-z]*)\s*", text)
    if not found or found[2].upper() not in UNITS or ("." in found[1] and not found[2]):
        raise InputError(f"{what} is {text.strip()!r}; expected an integer, or bytes such as 64MiB")
    unit = UNITS[found[2].upper()]
    return int(float(found[1]) * unit) if "." in found[1] else int(found[1]) * unit
