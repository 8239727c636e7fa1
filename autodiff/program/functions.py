"""NumPy's functions over values: each as the recorded steps that it is made of."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy

from ..errors import InputError, UnsupportedError
from .builder import Builder
from .products import Named, contract, multiply
from .value import Mask, Value
from .views import broadcast_shapes, parse_index

np: Any = numpy  # to NumPy's own types a value is no array

FUNCTIONS: dict[Any, Callable[..., Any]] = {}  #: what a value answers to NumPy's functions


def _answers(*functions: Any) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    def add(made: Callable[..., Any]) -> Callable[..., Any]:
        FUNCTIONS.update(dict.fromkeys(functions, made))
        return made

    return add


def _builder(*given: Any) -> Builder:
    for one in given:
        if isinstance(one, Mask):
            return one.value.builder
        if isinstance(one, Value):
            return one.builder
        if isinstance(one, (list, tuple)):
            for item in one:
                if isinstance(item, (Value, Mask)):
                    return _builder(item)
    raise UnsupportedError("no value stands where a function of NumPy expects it; give x as its first argument")


def _axes(value: Value, axis: Any) -> tuple[int, ...]:
    if axis is None:
        return tuple(range(value.ndim))
    axes = axis if isinstance(axis, (tuple, list)) else (axis,)
    for one in axes:
        if not -value.ndim <= one < value.ndim:
            raise InputError(f"axis {one} is out of range for shape {value.shape}")
    return tuple(sorted({one % value.ndim for one in axes}))


# -- products


def product(first: Any, a: Sequence[int], second: Any, b: Sequence[int], out: Sequence[int]) -> Value:
    """``sum of first[a] second[b]`` over the subscripts that ``out`` lacks, with the axes in the order of ``out``."""
    builder = _builder(first, second)
    A, B = builder.lift(first), builder.lift(second)
    P, Q = Named(A, tuple(a)), Named(B, tuple(b))
    for name in P.names:
        if name in Q.where and P.size(name) != Q.size(name):
            raise InputError(f"shapes {A.shape} and {B.shape} do not fit together: {P.size(name)} and {Q.size(name)}")
    summed = [name for name in P.names if name in Q.where and name not in out]
    if A.buffer.place == "fixed":
        P, Q = Q, P
    made = contract(builder, P, Q, summed) if summed else multiply(builder, P, Q)
    result = made.arranged(builder, tuple(out))
    return builder.record("product", (A, B), result, (tuple(a), tuple(b), tuple(out)))


@_answers(np.matmul)
def matmul(first: Any, second: Any) -> Value:
    """``first @ second``; leading axes are a batch, and are broadcast."""
    builder = _builder(first, second)
    A, B = builder.lift(first), builder.lift(second)
    if not A.ndim or not B.ndim:
        raise InputError("matmul takes arrays with axes; use * for numbers")
    row, inner, column = -1, -2, -3
    a_tail = (inner,) if A.ndim == 1 else (row, inner)
    b_tail = (inner,) if B.ndim == 1 else (inner, column)
    lead = broadcast_shapes(A.shape[: A.ndim - len(a_tail)], B.shape[: B.ndim - len(b_tail)])
    A, B = _unled(builder, A, lead, len(a_tail)), _unled(builder, B, lead, len(b_tail))
    names = tuple(range(len(lead)))
    a = names[len(lead) - (A.ndim - len(a_tail)) :] + a_tail
    b = names[len(lead) - (B.ndim - len(b_tail)) :] + b_tail
    return product(A, a, B, b, names + a_tail[:-1] + b_tail[1:])


def _unled(builder: Builder, value: Value, lead: tuple[int, ...], tail: int) -> Value:
    """The value with leading axes of one repeated where the other operand has more of them."""
    own = value.ndim - tail
    wanted = lead[len(lead) - own :] + value.shape[own:]
    return value if value.shape == wanted else builder.broadcast(value, wanted)


@_answers(np.dot)
def dot(first: Any, second: Any) -> Value:
    """``np.dot``: matmul, but for more than two axes."""
    builder = _builder(first, second)
    A, B = builder.lift(first), builder.lift(second)
    if not A.ndim or not B.ndim:
        return np.multiply(A, B)
    if B.ndim <= 2 or A.ndim == 1:
        return matmul(A, B)
    raise UnsupportedError("np.dot of more than two axes cannot be recorded; use np.matmul or np.einsum")


@_answers(np.matvec if hasattr(np, "matvec") else object())
def matvec(first: Any, second: Any) -> Value:
    """Matrices (..., m, n) by vectors (..., n)."""
    builder = _builder(first, second)
    return matmul(first, builder.lift(second)[..., None])[..., 0]


@_answers(np.vecmat if hasattr(np, "vecmat") else object())
def vecmat(first: Any, second: Any) -> Value:
    """Vectors (..., m) by matrices (..., m, n)."""
    builder = _builder(first, second)
    return matmul(builder.lift(first)[..., None, :], second)[..., 0, :]


@_answers(np.vecdot if hasattr(np, "vecdot") else object())
def vecdot(first: Any, second: Any) -> Value:
    """Inner products along the last axis."""
    return sum_(np.multiply(first, second), -1)


PRODUCTS: dict[Any, Callable[..., Value]] = {np.matmul: matmul}
for _name, _made in (("matvec", matvec), ("vecmat", vecmat), ("vecdot", vecdot)):
    if hasattr(np, _name):
        PRODUCTS[getattr(np, _name)] = _made


@_answers(np.inner)
def inner(first: Any, second: Any) -> Any:
    """Sums of products along the last axes of both."""
    builder = _builder(first, second)
    A, B = builder.lift(first), builder.lift(second)
    if not A.ndim or not B.ndim:
        return np.multiply(A, B)
    a, b = tuple(range(1, A.ndim)), tuple(range(A.ndim, A.ndim + B.ndim - 1))
    return product(A, (*a, 0), B, (*b, 0), a + b)


@_answers(np.outer)
def outer(first: Any, second: Any) -> Value:
    """Every element of one by every element of the other."""
    builder = _builder(first, second)
    return product(builder.lift(first).ravel(), (0,), builder.lift(second).ravel(), (1,), (0, 1))


@_answers(np.einsum)
def einsum(subscripts: str, *operands: Any, **keywords: Any) -> Value:
    """``np.einsum`` of one or two operands without repeated letters in one of them."""
    builder = _builder(*operands)
    if not isinstance(subscripts, str):
        raise UnsupportedError("np.einsum is recorded with its subscripts as text, such as 'ij,j->i'")
    left, arrow, out = subscripts.replace(" ", "").partition("->")
    terms = left.split(",")
    if keywords.keys() - {"optimize"} or "." in subscripts or any(len(set(one)) != len(one) for one in terms):
        raise UnsupportedError(f"einsum {subscripts!r} cannot be recorded; name every axis once in an operand")
    if not arrow:
        letters = "".join(terms)
        out = "".join(sorted(letter for letter in set(letters) if letters.count(letter) == 1))
    if len(terms) != len(operands) or any(builder.lift(o).ndim != len(t) for t, o in zip(terms, operands, strict=True)):
        raise InputError(f"einsum {subscripts!r} does not fit operands of shapes {[np.shape(o) for o in operands]}")
    values = [builder.lift(one) for one in operands]
    while len(values) > 1:
        a, b = terms.pop(0), terms.pop(0)
        A, B = values.pop(0), values.pop(0)
        rest = set("".join(terms)) | set(out)
        for own, other in ((a, b), (b, a)):
            alone = [letter for letter in own if letter not in other and letter not in rest]
            if alone:
                kept = "".join(letter for letter in own if letter not in alone)
                summed = sum_(A if own is a else B, tuple(own.index(letter) for letter in alone))
                A, a, B, b = (summed, kept, B, b) if own is a else (A, a, summed, kept)
        joined = "".join(dict.fromkeys(letter for letter in a + b if letter in rest))
        values.insert(0, product(A, [ord(c) for c in a], B, [ord(c) for c in b], [ord(c) for c in joined]))
        terms.insert(0, joined)
    value, term = values[0], terms[0]
    alone = [letter for letter in term if letter not in out]
    if alone:
        value = sum_(value, tuple(term.index(letter) for letter in alone))
        term = "".join(letter for letter in term if letter not in alone)
    return value.transpose([term.index(letter) for letter in out])


# -- sums and the like


@_answers(np.sum)
def sum_(x: Any, axis: Any = None, *, keepdims: bool = False) -> Value:
    """The sum over an axis, some, or all of them."""
    value = _builder(x).lift(x)
    axes = _axes(value, axis)
    if not axes:
        return value
    made = value.builder.sum(value, axes)
    if keepdims:
        made = made.reshape(tuple(1 if i in axes else size for i, size in enumerate(value.shape)))
    return made


@_answers(np.mean)
def mean(x: Any, axis: Any = None, *, keepdims: bool = False) -> Value:
    """The mean over an axis, some, or all of them."""
    value = _builder(x).lift(x)
    count = math.prod(value.shape[i] for i in _axes(value, axis))
    return sum_(value, axis, keepdims=keepdims) * (1.0 / count)


@_answers(np.var)
def var(x: Any, axis: Any = None, *, ddof: int = 0, keepdims: bool = False) -> Value:
    """The variance over an axis, some, or all of them."""
    value = _builder(x).lift(x)
    centred = value - mean(value, axis, keepdims=True)
    count = math.prod(value.shape[i] for i in _axes(value, axis))
    return sum_(np.square(centred), axis, keepdims=keepdims) * (1.0 / (count - ddof))


@_answers(np.std)
def std(x: Any, axis: Any = None, *, ddof: int = 0, keepdims: bool = False) -> Value:
    """The standard deviation over an axis, some, or all of them."""
    return np.sqrt(var(x, axis, ddof=ddof, keepdims=keepdims))


@_answers(np.max, np.amax)
def max_(x: Any, axis: Any = None, *, keepdims: bool = False) -> Value:
    """The largest over an axis, some, or all of them, without its derivative."""
    return extreme(np.maximum, x, axis, keepdims)


@_answers(np.min, np.amin)
def min_(x: Any, axis: Any = None, *, keepdims: bool = False) -> Value:
    """The least over an axis, some, or all of them, without its derivative."""
    return extreme(np.minimum, x, axis, keepdims)


def extreme(ufunc: Any, x: Any, axis: Any, keepdims: bool) -> Value:
    """``np.max`` or ``np.min``; asking for the derivative raises."""
    value = _builder(x).lift(x)
    builder = value.builder
    axes = _axes(value, axis)
    made = value
    for one in reversed(axes):
        made = builder.reduce(ufunc, made, one)
    made = builder.record("max", (value,), builder.look(made, made.view))
    if keepdims:
        made = made.reshape(tuple(1 if i in axes else size for i, size in enumerate(value.shape)))
    return made


# -- choices


@_answers(np.where)
def where(condition: Any, a: Any = None, b: Any = None) -> Value:
    """``a`` where the condition holds, else ``b``; the derivative chooses as the value does."""
    if a is None or b is None:
        raise UnsupportedError("np.where needs both of its values")
    builder = _builder(condition, a, b)
    if isinstance(condition, np.ndarray):
        condition = Mask(builder.lift(condition.astype(np.float64)))
    if not isinstance(condition, Mask):
        raise UnsupportedError("np.where needs a comparison such as x > 0 as its condition")
    return builder.select(condition.value, a, b)


@_answers(np.clip)
def clip(x: Any, low: Any = None, high: Any = None) -> Any:
    """``x`` between two bounds."""
    found = x if low is None else np.maximum(x, low)
    return found if high is None else np.minimum(found, high)


@_answers(np.real)
def real(x: Any) -> Value:
    """The same numbers, without their derivative: what complex steps see of a real part."""
    return _builder(x).lift(x).real


# -- shapes


@_answers(np.reshape)
def reshape(x: Any, shape: Any) -> Value:
    """The same elements in another shape."""
    return _builder(x).lift(x).reshape(shape)


@_answers(np.ravel)
def ravel(x: Any) -> Value:
    """All elements in one axis."""
    return _builder(x).lift(x).reshape(-1)


@_answers(np.transpose)
def transpose(x: Any, axes: Any = None) -> Value:
    """The axes in another order."""
    return _builder(x).lift(x).transpose(*(() if axes is None else (axes,)))


@_answers(np.swapaxes)
def swapaxes(x: Any, a: int, b: int) -> Value:
    """Two axes exchanged."""
    return _builder(x).lift(x).swapaxes(a, b)


@_answers(np.matrix_transpose if hasattr(np, "matrix_transpose") else object())
def matrix_transpose(x: Any) -> Value:
    """The last two axes exchanged."""
    return _builder(x).lift(x).mT


@_answers(np.moveaxis)
def moveaxis(x: Any, source: Any, destination: Any) -> Value:
    """Some axes moved."""
    value = _builder(x).lift(x)
    sources, places = ([i % value.ndim for i in np.atleast_1d(axes)] for axes in (source, destination))
    order = [i for i in range(value.ndim) if i not in sources]
    for place, moved in sorted(zip(places, sources, strict=True)):
        order.insert(place, moved)
    return value.transpose(order)


@_answers(np.expand_dims)
def expand_dims(x: Any, axis: Any) -> Value:
    """New axes of one."""
    value = _builder(x).lift(x)
    new = np.atleast_1d(axis)
    shape = list(value.shape)
    for place in sorted(i % (value.ndim + new.size) for i in new):
        shape.insert(place, 1)
    return value.reshape(tuple(shape))


@_answers(np.squeeze)
def squeeze(x: Any, axis: Any = None) -> Value:
    """Without axes of one."""
    value = _builder(x).lift(x)
    gone = [i for i, size in enumerate(value.shape) if size == 1] if axis is None else _axes(value, axis)
    return value.reshape(tuple(size for i, size in enumerate(value.shape) if i not in gone))


@_answers(np.broadcast_to)
def broadcast_to(x: Any, shape: Any) -> Value:
    """Repeated along new and single axes."""
    value = _builder(x).lift(x)
    return value.builder.broadcast(value, tuple(shape))


@_answers(np.flip)
def flip(x: Any, axis: Any = None) -> Value:
    """Backwards along an axis."""
    value = _builder(x).lift(x)
    turned = _axes(value, axis)
    return value[tuple(slice(None, None, -1 if i in turned else 1) for i in range(value.ndim))]


@_answers(np.concatenate)
def concatenate(arrays: Sequence[Any], axis: int = 0) -> Value:
    """One after the other along an axis."""
    builder = _builder(arrays)
    return builder.join([builder.lift(one) for one in arrays], axis)


@_answers(np.hstack)
def hstack(arrays: Sequence[Any]) -> Value:
    """One after the other along the second axis, vectors along their only one."""
    raised = [one if np.ndim(one) else np.reshape(one, (1,)) for one in arrays]
    return concatenate(raised, 0 if np.ndim(raised[0]) == 1 else 1)


@_answers(np.vstack)
def vstack(arrays: Sequence[Any]) -> Value:
    """One below the other, vectors as rows."""
    return concatenate([one if np.ndim(one) > 1 else np.reshape(one, (1, -1)) for one in arrays])


@_answers(np.stack)
def stack(arrays: Sequence[Any], axis: int = 0) -> Value:
    """One after the other along a new axis."""
    builder = _builder(arrays)
    values = [builder.lift(one) for one in arrays]
    axis %= values[0].ndim + 1
    return builder.join([expand_dims(one, axis) for one in values], axis)


@_answers(np.split, np.array_split)
def split(x: Any, parts: Any, axis: int = 0) -> list[Value]:
    """Pieces along an axis, of equal size or up to the given positions."""
    value = _builder(x).lift(x)
    axis %= value.ndim
    size = value.shape[axis]
    cuts = [-(-size * i // parts) for i in range(1, parts)] if isinstance(parts, int) else list(parts)
    lead = (slice(None),) * axis
    return [value[(*lead, slice(start, stop))] for start, stop in itertools.pairwise([0, *cuts, size])]


@_answers(np.roll)
def roll(x: Any, shift: int, axis: int | None = None) -> Value:
    """Turned along an axis, or as one row of all elements."""
    value = _builder(x).lift(x)
    if axis is None:
        return roll(value.reshape(-1), shift, 0).reshape(value.shape)
    cut = -shift % value.shape[axis]
    lead = (slice(None),) * (axis % value.ndim)
    return value if not cut else concatenate([value[(*lead, slice(cut, None))], value[(*lead, slice(None, cut))]], axis)


@_answers(np.take)
def take(x: Any, indices: Any, axis: int | None = None) -> Value:
    """Elements at given positions along an axis; the indices may have any shape."""
    value = _builder(x).lift(x)
    if axis is None:
        value, axis = value.reshape(-1), 0
    axis %= value.ndim
    positions = np.asarray(indices)
    found = value.builder.gather(value, positions.reshape(-1), axis)
    return found.reshape((*value.shape[:axis], *positions.shape, *value.shape[axis + 1 :]))


@_answers(np.shape)
def shape(x: Any) -> tuple[int, ...]:
    """Its shape."""
    return _builder(x).lift(x).shape


@_answers(np.ndim)
def ndim(x: Any) -> int:
    """Its axes."""
    return _builder(x).lift(x).ndim


@_answers(np.zeros_like, np.ones_like)
def like(*_: Any, **__: Any) -> Any:
    """Refused: a constant needs no value."""
    raise UnsupportedError("write xp.zeros(x.shape, x.dtype) for a constant")


__all__ = ["FUNCTIONS", "PRODUCTS", "max_", "parse_index", "product", "sum_"]
