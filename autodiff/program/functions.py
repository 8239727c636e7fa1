"""NumPy's products, sums and choices over values: each as the recorded steps that it is made of."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy

from ..errors import InputError, UnsupportedError
from .answering import answers, axes_of, builder_of
from .builder import Builder
from .products import Named, contract, multiply
from .value import Mask, Value
from .views import broadcast_shapes

np: Any = numpy  # to NumPy's own types a value is no array


# -- products


def product(first: Any, a: Sequence[int], second: Any, b: Sequence[int], out: Sequence[int]) -> Value:
    """``sum of first[a] second[b]`` over the subscripts that ``out`` lacks, with the axes in the order of ``out``."""
    builder = builder_of(first, second)
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


@answers(np.matmul)
def matmul(first: Any, second: Any) -> Value:
    """``first @ second``; leading axes are a batch, and are broadcast."""
    builder = builder_of(first, second)
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


@answers(np.dot)
def dot(first: Any, second: Any) -> Value:
    """``np.dot``: matmul, but for more than two axes."""
    builder = builder_of(first, second)
    A, B = builder.lift(first), builder.lift(second)
    if not A.ndim or not B.ndim:
        return np.multiply(A, B)
    if B.ndim <= 2 or A.ndim == 1:
        return matmul(A, B)
    raise UnsupportedError("np.dot of more than two axes cannot be recorded; use np.matmul or np.einsum")


@answers(np.matvec if hasattr(np, "matvec") else object())
def matvec(first: Any, second: Any) -> Value:
    """Matrices (..., m, n) by vectors (..., n)."""
    builder = builder_of(first, second)
    return matmul(first, builder.lift(second)[..., None])[..., 0]


@answers(np.vecmat if hasattr(np, "vecmat") else object())
def vecmat(first: Any, second: Any) -> Value:
    """Vectors (..., m) by matrices (..., m, n)."""
    builder = builder_of(first, second)
    return matmul(builder.lift(first)[..., None, :], second)[..., 0, :]


@answers(np.vecdot if hasattr(np, "vecdot") else object())
def vecdot(first: Any, second: Any) -> Value:
    """Inner products along the last axis."""
    return sum_(np.multiply(first, second), -1)


PRODUCTS: dict[Any, Callable[..., Value]] = {np.matmul: matmul}
for _name, _made in (("matvec", matvec), ("vecmat", vecmat), ("vecdot", vecdot)):
    if hasattr(np, _name):
        PRODUCTS[getattr(np, _name)] = _made


@answers(np.inner)
def inner(first: Any, second: Any) -> Any:
    """Sums of products along the last axes of both."""
    builder = builder_of(first, second)
    A, B = builder.lift(first), builder.lift(second)
    if not A.ndim or not B.ndim:
        return np.multiply(A, B)
    a, b = tuple(range(1, A.ndim)), tuple(range(A.ndim, A.ndim + B.ndim - 1))
    return product(A, (*a, 0), B, (*b, 0), a + b)


@answers(np.outer)
def outer(first: Any, second: Any) -> Value:
    """Every element of one by every element of the other."""
    builder = builder_of(first, second)
    return product(builder.lift(first).ravel(), (0,), builder.lift(second).ravel(), (1,), (0, 1))


@answers(np.einsum)
def einsum(subscripts: str, *operands: Any, **keywords: Any) -> Value:
    """``np.einsum`` of one or two operands without repeated letters in one of them."""
    builder = builder_of(*operands)
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


@answers(np.sum)
def sum_(x: Any, axis: Any = None, *, keepdims: bool = False) -> Value:
    """The sum over an axis, some, or all of them."""
    value = builder_of(x).lift(x)
    axes = axes_of(value, axis)
    if not axes:
        return value
    made = value.builder.sum(value, axes)
    if keepdims:
        made = made.reshape(tuple(1 if i in axes else size for i, size in enumerate(value.shape)))
    return made


@answers(np.mean)
def mean(x: Any, axis: Any = None, *, keepdims: bool = False) -> Value:
    """The mean over an axis, some, or all of them."""
    value = builder_of(x).lift(x)
    count = math.prod(value.shape[i] for i in axes_of(value, axis))
    return sum_(value, axis, keepdims=keepdims) * (1.0 / count)


@answers(np.var)
def var(x: Any, axis: Any = None, *, ddof: int = 0, keepdims: bool = False) -> Value:
    """The variance over an axis, some, or all of them."""
    value = builder_of(x).lift(x)
    centred = value - mean(value, axis, keepdims=True)
    count = math.prod(value.shape[i] for i in axes_of(value, axis))
    return sum_(np.square(centred), axis, keepdims=keepdims) * (1.0 / (count - ddof))


@answers(np.std)
def std(x: Any, axis: Any = None, *, ddof: int = 0, keepdims: bool = False) -> Value:
    """The standard deviation over an axis, some, or all of them."""
    return np.sqrt(var(x, axis, ddof=ddof, keepdims=keepdims))


@answers(np.max, np.amax)
def max_(x: Any, axis: Any = None, *, keepdims: bool = False) -> Value:
    """The largest over an axis, some, or all of them, without its derivative."""
    return extreme(np.maximum, x, axis, keepdims)


@answers(np.min, np.amin)
def min_(x: Any, axis: Any = None, *, keepdims: bool = False) -> Value:
    """The least over an axis, some, or all of them, without its derivative."""
    return extreme(np.minimum, x, axis, keepdims)


def extreme(ufunc: Any, x: Any, axis: Any, keepdims: bool) -> Value:
    """``np.max`` or ``np.min``; asking for the derivative raises."""
    value = builder_of(x).lift(x)
    builder = value.builder
    axes = axes_of(value, axis)
    made = value
    for one in reversed(axes):
        made = builder.reduce(ufunc, made, one)
    made = builder.record("max", (value,), builder.look(made, made.view))
    if keepdims:
        made = made.reshape(tuple(1 if i in axes else size for i, size in enumerate(value.shape)))
    return made


# -- choices


@answers(np.where)
def where(condition: Any, a: Any = None, b: Any = None) -> Value:
    """``a`` where the condition holds, else ``b``; the derivative chooses as the value does."""
    if a is None or b is None:
        raise UnsupportedError("np.where needs both of its values")
    builder = builder_of(condition, a, b)
    if isinstance(condition, np.ndarray):
        condition = Mask(builder.lift(condition.astype(np.float64)))
    if not isinstance(condition, Mask):
        raise UnsupportedError("np.where needs a comparison such as x > 0 as its condition")
    return builder.select(condition.value, a, b)


@answers(np.clip)
def clip(x: Any, low: Any = None, high: Any = None) -> Any:
    """``x`` between two bounds."""
    found = x if low is None else np.maximum(x, low)
    return found if high is None else np.minimum(found, high)


@answers(np.real)
def real(x: Any) -> Value:
    """The same numbers, without their derivative: what complex steps see of a real part."""
    return builder_of(x).lift(x).real
