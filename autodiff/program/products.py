"""Products of two values over named axes, as calls of ``np.matmul`` on views wherever views can say it."""

from __future__ import annotations

import itertools
import math
from collections.abc import Hashable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from .value import Value
from .views import View

if TYPE_CHECKING:
    from .builder import Builder

#: products with sums of at most SHORT are cut into pieces of at most PIECE if they are LONG and WIDE
SHORT, PIECE, LONG, WIDE = 16, 128, 256, 24

Name = Hashable
Names = tuple[Any, ...]


class Named:
    """A value whose axes have names; an axis that it lacks has one element and no stride."""

    __slots__ = ("names", "value", "where")

    def __init__(self, value: Value, names: Names) -> None:
        self.value, self.names = value, names
        self.where = {name: axis for axis, name in enumerate(names)}

    def stride(self, name: Name) -> int:
        """Elements from one position to the next along that axis."""
        return self.value.strides[self.where[name]] if name in self.where else 0

    def size(self, name: Name) -> int:
        """Elements along that axis."""
        return self.value.shape[self.where[name]] if name in self.where else 1

    def outermost_first(self, names: Sequence[Name]) -> Names:
        """The given axes as they lie in memory."""
        if len(names) < 2:
            return tuple(names)
        return tuple(sorted(names, key=lambda name: -abs(self.stride(name))))

    def joins(self, names: Names) -> bool:
        """Whether the given axes, in that order, walk memory like one axis."""
        if len(names) < 2:
            return True
        pairs = itertools.pairwise(names)
        return all(self.stride(one) == self.stride(other) * self.size(other) for one, other in pairs)

    def arranged(self, b: Builder, names: Names) -> Value:
        """A view with the axes in that order, those that it lacks single."""
        if names == self.names:
            return self.value
        shape = tuple([self.size(name) for name in names])
        return b.look(self.value, View(shape, tuple([self.stride(name) for name in names]), self.value.offset))

    def packed(self, b: Builder, names: Names) -> Named:
        """A copy whose axes lie in that order."""
        return Named(b.copy(self.arranged(b, names)), names)


def multiply(b: Builder, P: Named, Q: Named) -> Named:
    """The product without a sum; the larger one's axes, then what the other one adds."""
    if Q.value.size > P.value.size:
        P, Q = Q, P
    names = P.names + tuple([name for name in Q.names if name not in P.where])
    return Named(b.map(np.multiply, P.arranged(b, names), Q.arranged(b, names)), names)


def contract(b: Builder, P: Named, Q: Named, summed: Sequence[Name], out: Named | None = None) -> Named:
    """The sum over ``summed``, axes of both, of the product of P and Q.

    The result has P's axes as they lie in memory, with those that Q brings in the place of what is summed: pushing
    tangents that are columns gives columns, pulling cotangents that are rows gives rows.

    Args:
        b: the builder.
        P: the one that moves.
        Q: the one that it is multiplied with.
        summed: at least one name.
        out: where to write; new memory if left out.
    """
    gone = set(summed)
    batch = tuple([name for name in P.names if name in Q.where and name not in gone])
    rows = P.outermost_first([name for name in P.names if name not in Q.where])
    columns = Q.outermost_first([name for name in Q.names if name not in P.where])
    inner = P.outermost_first(tuple(summed))
    if batch and not rows and not columns:
        known = _known_multiply(b, P, Q)
        if known is not None and len(inner) == 1:
            return reduced(b, known, inner[0], batch, out)
    if len(inner) == 1 and not columns and P.outermost_first(P.names)[-1] in batch and P.size(inner[0]) <= SHORT:
        made = multiply(b, P, Q)  # matrices with one column each, of numbers that lie apart
        return reduced(b, made, inner[0], tuple(name for name in made.names if name != inner[0]), out)
    if out is not None:
        _emit(b, P, Q, out, batch, rows, columns, inner)
        return out
    key = ("contract", P.value.key, P.names, Q.value.key, Q.names, inner)
    known = b.known_products.get(key)
    if known is None:
        order = P.outermost_first(P.names)
        first = order.index(inner[0])
        before = tuple([name for name in order[:first] if name in rows])
        names = batch + before + columns + tuple([name for name in rows if name not in before])
        known = Named(b.new(tuple([max(P.size(name), Q.size(name)) for name in names])), names)
        _emit(b, P, Q, known, batch, rows, columns, inner)
        b.remember_product(key, known)
    return known


def _known_multiply(b: Builder, P: Named, Q: Named) -> Named | None:
    """The product without a sum, if it has been written already; both have the same axes."""
    for names in (P.names, Q.names):
        one, other = P.arranged(b, names), Q.arranged(b, names)
        for known in (b.known(np.multiply, one, other), b.known(np.multiply, other, one)):
            if known is not None:
                return Named(known, names)
    return None


def reduced(b: Builder, one: Named, gone: Name, kept: Names, out: Named | None) -> Named:
    """The sum over one axis, which costs less than the products again: one inner product an element of the result."""
    value = one.arranged(b, (*(kept if out is None else out.names), gone))
    if out is None:
        return Named(b.reduce(np.add, value, len(kept)), kept)
    b.emit("reduce", np.add, (value,), out.value, axis=len(out.names))
    return out


def _emit(b: Builder, P: Named, Q: Named, out: Named, batch: Names, rows: Names, columns: Names, inner: Names) -> None:
    """One call of matmul: batches and what cannot be joined as leading axes, the rest as two matrices."""
    if not P.joins(inner):
        P = _packed(b, P, batch, rows, inner)
    if not Q.joins(inner):
        Q = _packed(b, Q, batch, columns, inner)
    more_rows, rows = _core(P, out, rows)
    more_columns, columns = _core(Q, out, columns)
    outer = batch + more_rows + more_columns
    C = _matrix(b, out, outer, rows, columns)
    A, B = _suited(b, _matrix(b, P, outer, rows, inner)), _suited(b, _matrix(b, Q, outer, inner, columns))
    lead = C.shape[:-2]
    A, B = _led(b, A, lead), _led(b, B, lead)
    if suits_blas(C):
        b.emit("matmul", np.matmul, *_in_pieces(b, A, B, C))
        return
    held = b.new(C.shape)
    b.emit("matmul", np.matmul, (A, B), held)
    b.write(np.positive, [held], C)


def _in_pieces(b: Builder, A: Value, B: Value, C: Value) -> tuple[tuple[Value, Value], Value]:
    """A product whose sum is short as several, each of a piece of the axis along which C is contiguous.

    OpenBLAS goes along the other axis, so that long rows, each in a page of its own, take 2 to 4 times as long.
    """
    (m, n), k = C.shape[-2:], A.shape[-1]
    by_rows = C.strides[-2] == 1
    long, wide = (m, n) if by_rows else (n, m)
    piece = next((size for size in range(PIECE, PIECE // 4, -1) if long % size == 0), 0)
    if k > SHORT or wide < WIDE or long < LONG or not piece:
        return (A, B), C
    count, lead = long // piece, C.ndim - 2
    if by_rows:
        return (_cut(b, A, lead, count), _cut(b, B, None, count)), _cut(b, C, lead, count)
    return (_cut(b, A, None, count), _cut(b, B, lead + 1, count)), _cut(b, C, lead + 1, count)


def _cut(b: Builder, matrix: Value, axis: int | None, count: int) -> Value:
    """Matrices (*lead, count, rows, columns) with an axis in so many pieces; repeated, where it is none of theirs."""
    shape, strides, step = list(matrix.shape), list(matrix.strides), 0
    if axis is not None:
        shape[axis] //= count
        step = shape[axis] * strides[axis]
    shape.insert(matrix.ndim - 2, count)
    strides.insert(matrix.ndim - 2, step)
    return b.look(matrix, View(tuple(shape), tuple(strides), matrix.offset))


def _packed(b: Builder, one: Named, batch: Names, kept: Names, inner: Names) -> Named:
    """A copy with what is summed side by side; what lies innermost stays there, so that whole runs are copied."""
    last = one.outermost_first(one.names)[-1]
    return one.packed(b, batch + inner + kept if last in kept else batch + kept + inner)


def _core(one: Named, out: Named, names: Names) -> tuple[Names, Names]:
    """The axes that stay outside, and the largest run that is one axis in both arrays."""
    if len(names) < 2:
        return (), names
    best: Names = names[:1]
    size = 0
    for start in range(len(names)):
        for stop in range(start + 1, len(names) + 1):
            run = names[start:stop]
            count = math.prod(one.size(name) for name in run)
            if count > size and one.joins(run) and out.joins(run):
                best, size = run, count
    return tuple(name for name in names if name not in best), best


def _matrix(b: Builder, one: Named, outer: Names, rows: Names, columns: Names) -> Value:
    """The array as matrices (*outer, rows, columns), each group joined."""
    if one.names == (*outer, *rows, *columns) and len(rows) == len(columns) == 1 and 1 not in one.value.shape[-2:]:
        return one.value
    sizes, strides = [], []
    for name in outer:
        sizes.append(one.size(name))
        strides.append(one.stride(name))
    m, n = (math.prod(one.size(name) for name in group) for group in (rows, columns))
    row, column = (one.stride(group[-1]) if group else 0 for group in (rows, columns))
    if m == 1:  # a single axis may have any stride; BLAS wants one that it would have
        row = n if column in (0, 1) else 1
    if n == 1:
        column = m if row == 1 and m > 1 else 1
    return b.look(one.value, View((*sizes, m, n), (*strides, row, column), one.value.offset))


def _led(b: Builder, value: Value, lead: tuple[int, ...]) -> Value:
    if value.shape[:-2] == lead:
        return value
    strides = tuple(
        0 if size == 1 else stride for size, stride in zip(value.shape[:-2], value.strides[:-2], strict=True)
    )
    return b.look(value, View((*lead, *value.shape[-2:]), (*strides, *value.strides[-2:]), value.offset))


def suits_blas(matrix: Value) -> bool:
    """Whether NumPy's product hands the last two axes to the BLAS: one of them contiguous, the other one apart."""
    (m, n), (row, column) = matrix.shape[-2:], matrix.strides[-2:]
    return (column == 1 and row >= n) or (row == 1 and column >= m) or (n == 1 and row >= 1) or (m == 1 and column >= 1)


def _suited(b: Builder, matrix: Value) -> Value:
    return matrix if suits_blas(matrix) else b.copy(matrix)
