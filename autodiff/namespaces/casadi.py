"""NumPy's arrays and names over CasADi's matrices, for layers that are to be traced by CasADi.

CasADi has matrices only, stored by columns. An array of shape (r, c) is therefore held as its transpose, a (c, r)
matrix, so that NumPy's row-major order is CasADi's own: reshaping is free, and a vector (c,), which NumPy broadcasts
as (1, c), is the column that CasADi expects. Symbols may be SX or MX.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from ..errors import UnsupportedError
from . import load

Shape = tuple[int, ...]
Reduction = Callable[[Any], Any]
AXES = 2  #: that CasADi's matrices have


class CasadiArray:
    """An array of up to two axes over a CasADi matrix: indexing, reshaping, broadcasting and arithmetic as in NumPy.

    Args:
        held: the transposed matrix: (c, r) for the shape (r, c), (c, 1) for (c,).
        shape: as NumPy would state it.

    Raises:
        UnsupportedError: more than two axes.
    """

    __array_ufunc__ = None  # so that NumPy leaves ``ndarray - array`` to __rsub__
    dtype = np.dtype(np.float64)

    def __init__(self, held: Any, shape: Shape) -> None:
        _check_axes(shape)
        self.held, self.shape = held, shape

    @property
    def T(self) -> CasadiArray:  # noqa: N802  (NumPy's name)
        """The transpose; a vector is its own."""
        return CasadiArray(self.held.T, self.shape[::-1]) if len(self.shape) == AXES else self

    def reshape(self, *shape: Any) -> CasadiArray:
        """The same numbers, row by row, in another shape; one size may be -1."""
        sizes = tuple(shape[0]) if len(shape) == 1 and isinstance(shape[0], (tuple, list)) else shape
        known = math.prod(size for size in sizes if size != -1)
        wanted = tuple(math.prod(self.shape) // known if size == -1 else int(size) for size in sizes)
        _check_axes(wanted)
        return CasadiArray(load("casadi").reshape(self.held, *_held_shape(wanted)), wanted)

    def __getitem__(self, key: Any) -> CasadiArray:
        if isinstance(key, slice) and len(self.shape) == 1:  # CasADi's own slices stay short for long vectors
            part = range(self.shape[0])[key]
            return CasadiArray(self.held[key, :], (len(part),))
        positions = np.arange(math.prod(self.shape)).reshape(self.shape)[key]
        _check_axes(positions.shape)
        picked = load("casadi").vec(self.held)[positions.ravel().tolist()]
        return CasadiArray(picked, (positions.size,)).reshape(positions.shape)

    def __add__(self, other: Any) -> CasadiArray:
        return _together(self, other, lambda a, b: a + b)

    def __sub__(self, other: Any) -> CasadiArray:
        return _together(self, other, lambda a, b: a - b)

    def __mul__(self, other: Any) -> CasadiArray:
        return _together(self, other, lambda a, b: a * b)

    def __truediv__(self, other: Any) -> CasadiArray:
        return _together(self, other, lambda a, b: a / b)

    def __pow__(self, other: Any) -> CasadiArray:
        return _together(self, other, lambda a, b: a**b)

    def __rsub__(self, other: Any) -> CasadiArray:
        return _together(other, self, lambda a, b: a - b)

    def __rtruediv__(self, other: Any) -> CasadiArray:
        return _together(other, self, lambda a, b: a / b)

    __radd__, __rmul__ = __add__, __mul__

    def __neg__(self) -> CasadiArray:
        return CasadiArray(-self.held, self.shape)

    def __gt__(self, other: Any) -> CasadiArray:
        return _together(self, other, lambda a, b: a > b)

    def __lt__(self, other: Any) -> CasadiArray:
        return _together(self, other, lambda a, b: a < b)


def _check_axes(shape: Shape) -> None:
    if len(shape) > AXES:
        raise UnsupportedError(f"needs arrays of {len(shape)} axes; CasADi has matrices only")


def _held_shape(shape: Shape) -> tuple[int, int]:
    columns, rows = (*shape[::-1], 1, 1)[:AXES]
    return columns, rows


def asarray(values: Any, dtype: Any = None) -> CasadiArray:
    """A constant, or an array as it is; CasADi has double precision only, whatever ``dtype`` says."""
    if isinstance(values, CasadiArray):
        return values
    array = np.asarray(values, dtype=np.float64)
    _check_axes(array.shape)
    return CasadiArray(load("casadi").DM(array.reshape(_held_shape(array.shape)[::-1]).T), array.shape)


def _together(a: Any, b: Any, operation: Any) -> CasadiArray:
    """An elementwise operation on two arrays broadcast against each other as NumPy does."""
    a, b = asarray(a), asarray(b)
    shape = np.broadcast_shapes(a.shape, b.shape)
    return CasadiArray(operation(_spread(a, shape), _spread(b, shape)), shape)


def _spread(array: CasadiArray, shape: Shape) -> Any:
    """The matrix of an array broadcast to a shape; CasADi repeats single numbers by itself."""
    (rows, columns), (to_rows, to_columns) = _held_shape(array.shape), _held_shape(shape)
    if rows == columns == 1:
        return array.held
    return load("casadi").repmat(array.held, to_rows // rows, to_columns // columns)


class CasadiNamespace:
    """The names that layers use.

    Args:
        single: one direction will go through the products. Then ``W x`` is ``(x^T W^T)^T``, which reads the weights
            as they lie; else it is ``W x``, for which they are transposed once, for all directions. (Measured, 64
            wide: one row with respect to the parameters 99 against 122 us, 64 rows 1.8 against 0.6 ms.)

    Raises:
        UnsupportedError: CasADi is not installed.
    """

    def __init__(self, single: bool = False) -> None:
        self.casadi = casadi = load("casadi")
        self.single = single
        self.asarray = asarray
        self.exp, self.log, self.log1p = _elementwise(casadi.exp), _elementwise(casadi.log), _elementwise(casadi.log1p)
        self.sin, self.tanh = _elementwise(casadi.sin), _elementwise(casadi.tanh)

    def real(self, x: CasadiArray) -> CasadiArray:
        """``x`` itself: there are no complex numbers in CasADi."""
        return x

    def matmul(self, a: Any, b: Any) -> CasadiArray:
        """The product of vectors and matrices, as ``numpy.matmul``."""
        a, b = asarray(a), asarray(b)
        if not (a.shape and b.shape) or a.shape[-1] != b.shape[0]:
            raise ValueError(f"matmul: shapes {a.shape} and {b.shape} do not fit")
        shape = (*a.shape[:-1], *b.shape[1:])
        matrix = len(b.shape) == AXES
        left, right = b.held if matrix else b.held.T, a.held  # the transposed product is that of the transposes, turned
        mtimes = self.casadi.mtimes
        made = mtimes(right.T, left.T).T if self.single == matrix else mtimes(left, right)
        return CasadiArray(self.casadi.reshape(made, *_held_shape(shape)), shape)

    def where(self, condition: CasadiArray, a: Any, b: Any) -> CasadiArray:
        """``a`` where the condition holds, else ``b``."""
        a, b = asarray(a), asarray(b)
        shape = np.broadcast_shapes(condition.shape, a.shape, b.shape)
        parts = (_spread(part, shape) for part in (condition, a, b))
        return CasadiArray(self.casadi.if_else(*parts), shape)

    def sum(self, x: CasadiArray, axis: int | None = None, keepdims: bool = False) -> CasadiArray:
        """The sum over one axis, or over all."""
        return _reduce(x, axis, keepdims, self.casadi.sum1, self.casadi.sum2)

    def mean(self, x: CasadiArray, axis: int | None = None, keepdims: bool = False) -> CasadiArray:
        """The mean over one axis, or over all."""
        total = self.sum(x, axis, keepdims)
        return total * (math.prod(total.shape) / math.prod(x.shape))

    def max(self, x: CasadiArray, axis: int | None = None, keepdims: bool = False) -> CasadiArray:
        """The largest over one axis, or over all; equal ones share the derivative."""
        casadi = self.casadi
        return _reduce(
            x, axis, keepdims, lambda m: _largest(casadi.vertsplit(m)), lambda m: _largest(casadi.horzsplit(m))
        )


def _elementwise(function: Callable[[Any], Any]) -> Callable[[CasadiArray], CasadiArray]:
    return lambda x: CasadiArray(function(x.held), x.shape)


def _largest(parts: list[Any]) -> Any:
    """The elementwise maximum, by halves so that the expression stays shallow."""
    if len(parts) == 1:
        return parts[0]
    middle = len(parts) // 2
    return load("casadi").fmax(_largest(parts[:middle]), _largest(parts[middle:]))


def _reduce(x: CasadiArray, axis: int | None, keepdims: bool, down: Reduction, along: Reduction) -> CasadiArray:
    """A reduction over NumPy's last axis (down the held columns) or its first (along the held rows)."""
    axes = len(x.shape)
    if axis is None:
        flat = _reduce(x.reshape(-1), -1, False, down, along)
        return flat.reshape(*(1,) * axes) if keepdims else flat
    position = range(axes)[axis]
    held = (down if position == axes - 1 else along)(x.held)
    kept = tuple(1 if i == position else size for i, size in enumerate(x.shape))
    made = CasadiArray(load("casadi").reshape(held, *_held_shape(kept)), kept)
    return made if keepdims else made.reshape(*(size for i, size in enumerate(kept) if i != position))
