"""NumPy's arrays over CasADi's matrices.

CasADi has matrices only, stored by columns. An array of shape (r, c) is therefore held as its transpose, a (c, r)
matrix, so that NumPy's row-major order is CasADi's own: reshaping is free, and a vector (c,), which NumPy broadcasts
as (1, c), is the column that CasADi expects. Symbols may be SX or MX.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ..errors import UnsupportedError
from . import load

Shape = tuple[int, ...]
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
        check_axes(shape)
        self.held, self.shape = held, shape

    @property
    def ndim(self) -> int:
        """Axes."""
        return len(self.shape)

    @property
    def T(self) -> CasadiArray:  # noqa: N802  (NumPy's name)
        """The transpose; a vector is its own."""
        return CasadiArray(self.held.T, self.shape[::-1]) if len(self.shape) == AXES else self

    def reshape(self, *shape: Any) -> CasadiArray:
        """The same numbers, row by row, in another shape; one size may be -1."""
        sizes = tuple(shape[0]) if len(shape) == 1 and isinstance(shape[0], (tuple, list)) else shape
        known = math.prod(size for size in sizes if size != -1)
        wanted = tuple(math.prod(self.shape) // known if size == -1 else int(size) for size in sizes)
        check_axes(wanted)
        return CasadiArray(load("casadi").reshape(self.held, *held_shape(wanted)), wanted)

    def __getitem__(self, key: Any) -> CasadiArray:
        if isinstance(key, slice) and len(self.shape) == 1:  # CasADi's own slices stay short for long vectors
            part = range(self.shape[0])[key]
            return CasadiArray(self.held[key, :], (len(part),))
        positions = np.arange(math.prod(self.shape)).reshape(self.shape)[key]
        check_axes(positions.shape)
        picked = load("casadi").vec(self.held)[positions.ravel().tolist()]
        return CasadiArray(picked, (positions.size,)).reshape(positions.shape)

    def __add__(self, other: Any) -> CasadiArray:
        return together(self, other, lambda a, b: a + b)

    def __sub__(self, other: Any) -> CasadiArray:
        return together(self, other, lambda a, b: a - b)

    def __mul__(self, other: Any) -> CasadiArray:
        return together(self, other, lambda a, b: a * b)

    def __truediv__(self, other: Any) -> CasadiArray:
        return together(self, other, lambda a, b: a / b)

    def __pow__(self, other: Any) -> CasadiArray:
        return together(self, other, lambda a, b: a**b)

    def __rsub__(self, other: Any) -> CasadiArray:
        return together(other, self, lambda a, b: a - b)

    def __rtruediv__(self, other: Any) -> CasadiArray:
        return together(other, self, lambda a, b: a / b)

    __radd__, __rmul__ = __add__, __mul__

    def __matmul__(self, other: Any) -> CasadiArray:
        return matmul(self, other)

    def __rmatmul__(self, other: Any) -> CasadiArray:
        return matmul(other, self)

    def __rpow__(self, other: Any) -> CasadiArray:
        return together(other, self, lambda a, b: a**b)

    def __neg__(self) -> CasadiArray:
        return CasadiArray(-self.held, self.shape)

    def __abs__(self) -> CasadiArray:
        return CasadiArray(load("casadi").fabs(self.held), self.shape)

    def __gt__(self, other: Any) -> CasadiArray:
        return together(self, other, lambda a, b: a > b)

    def __lt__(self, other: Any) -> CasadiArray:
        return together(self, other, lambda a, b: a < b)

    def __ge__(self, other: Any) -> CasadiArray:
        return together(self, other, lambda a, b: a >= b)

    def __le__(self, other: Any) -> CasadiArray:
        return together(self, other, lambda a, b: a <= b)


def check_axes(shape: Shape) -> None:
    """Refuse more than two axes."""
    if len(shape) > AXES:
        raise UnsupportedError(f"needs arrays of {len(shape)} axes; CasADi has matrices only")


def held_shape(shape: Shape) -> tuple[int, int]:
    """The shape of the matrix that holds an array of ``shape``."""
    columns, rows = (*shape[::-1], 1, 1)[:AXES]
    return columns, rows


def asarray(values: Any, dtype: Any = None) -> CasadiArray:
    """A constant, or an array as it is; CasADi has double precision only, whatever ``dtype`` says."""
    if isinstance(values, CasadiArray):
        return values
    array = np.asarray(values, dtype=np.float64)
    check_axes(array.shape)
    return CasadiArray(load("casadi").DM(array.reshape(held_shape(array.shape)[::-1]).T), array.shape)


def together(a: Any, b: Any, operation: Any) -> CasadiArray:
    """An elementwise operation on two arrays broadcast against each other as NumPy does."""
    a, b = asarray(a), asarray(b)
    shape = np.broadcast_shapes(a.shape, b.shape)
    return CasadiArray(operation(spread(a, shape), spread(b, shape)), shape)


def spread(array: CasadiArray, shape: Shape) -> Any:
    """The matrix of an array broadcast to a shape."""
    (rows, columns), (to_rows, to_columns) = held_shape(array.shape), held_shape(shape)
    if rows == columns == 1 and array.held.is_constant():
        return array.held  # CasADi repeats single numbers by itself
    casadi, held = load("casadi"), array.held
    if rows != to_rows:  # not repmat, nor by itself: CasADi 3.8 then pulls the first row only of sparse seeds
        held = casadi.mtimes(casadi.DM.ones(to_rows, 1), held)
    return casadi.mtimes(held, casadi.DM.ones(1, to_columns)) if columns != to_columns else held


def matmul(a: Any, b: Any, single: bool = False) -> CasadiArray:
    """The product of vectors and matrices, as ``numpy.matmul``; ``single`` as :class:`CasadiNamespace` says."""
    a, b = asarray(a), asarray(b)
    if not (a.shape and b.shape) or a.shape[-1] != b.shape[0]:
        raise ValueError(f"matmul: shapes {a.shape} and {b.shape} do not fit")
    casadi, shape = load("casadi"), (*a.shape[:-1], *b.shape[1:])
    matrix = len(b.shape) == AXES
    left, right = b.held if matrix else b.held.T, a.held  # the transposed product is that of the transposes, turned
    made = casadi.mtimes(right.T, left.T).T if single == matrix else casadi.mtimes(left, right)
    return CasadiArray(casadi.reshape(made, *held_shape(shape)), shape)
