"""NumPy's functions that move elements about, over values: views wherever views can say it."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Any

import numpy

from ..errors import UnsupportedError
from .answering import FUNCTIONS, answers, axes_of, builder_of
from .value import Value

np: Any = numpy  # to NumPy's own types a value is no array


@answers(np.reshape)
def reshape(x: Any, shape: Any) -> Value:
    """The same elements in another shape."""
    return builder_of(x).lift(x).reshape(shape)


@answers(np.ravel)
def ravel(x: Any) -> Value:
    """All elements in one axis."""
    return builder_of(x).lift(x).reshape(-1)


@answers(np.transpose)
def transpose(x: Any, axes: Any = None) -> Value:
    """The axes in another order."""
    return builder_of(x).lift(x).transpose(*(() if axes is None else (axes,)))


@answers(np.swapaxes)
def swapaxes(x: Any, a: int, b: int) -> Value:
    """Two axes exchanged."""
    return builder_of(x).lift(x).swapaxes(a, b)


@answers(np.matrix_transpose if hasattr(np, "matrix_transpose") else object())
def matrix_transpose(x: Any) -> Value:
    """The last two axes exchanged."""
    return builder_of(x).lift(x).mT


@answers(np.moveaxis)
def moveaxis(x: Any, source: Any, destination: Any) -> Value:
    """Some axes moved."""
    value = builder_of(x).lift(x)
    sources, places = ([i % value.ndim for i in np.atleast_1d(axes)] for axes in (source, destination))
    order = [i for i in range(value.ndim) if i not in sources]
    for place, moved in sorted(zip(places, sources, strict=True)):
        order.insert(place, moved)
    return value.transpose(order)


@answers(np.expand_dims)
def expand_dims(x: Any, axis: Any) -> Value:
    """New axes of one."""
    value = builder_of(x).lift(x)
    new = np.atleast_1d(axis)
    shape = list(value.shape)
    for place in sorted(i % (value.ndim + new.size) for i in new):
        shape.insert(place, 1)
    return value.reshape(tuple(shape))


@answers(np.squeeze)
def squeeze(x: Any, axis: Any = None) -> Value:
    """Without axes of one."""
    value = builder_of(x).lift(x)
    gone = [i for i, size in enumerate(value.shape) if size == 1] if axis is None else axes_of(value, axis)
    return value.reshape(tuple(size for i, size in enumerate(value.shape) if i not in gone))


@answers(np.broadcast_to)
def broadcast_to(x: Any, shape: Any) -> Value:
    """Repeated along new and single axes."""
    value = builder_of(x).lift(x)
    return value.builder.broadcast(value, tuple(shape))


@answers(np.flip)
def flip(x: Any, axis: Any = None) -> Value:
    """Backwards along an axis."""
    value = builder_of(x).lift(x)
    turned = axes_of(value, axis)
    return value[tuple(slice(None, None, -1 if i in turned else 1) for i in range(value.ndim))]


@answers(np.concatenate)
def concatenate(arrays: Sequence[Any], axis: int = 0) -> Value:
    """One after the other along an axis."""
    builder = builder_of(arrays)
    return builder.join([builder.lift(one) for one in arrays], axis)


@answers(np.hstack)
def hstack(arrays: Sequence[Any]) -> Value:
    """One after the other along the second axis, vectors along their only one."""
    raised = [one if np.ndim(one) else np.reshape(one, (1,)) for one in arrays]
    return concatenate(raised, 0 if np.ndim(raised[0]) == 1 else 1)


@answers(np.vstack)
def vstack(arrays: Sequence[Any]) -> Value:
    """One below the other, vectors as rows."""
    return concatenate([one if np.ndim(one) > 1 else np.reshape(one, (1, -1)) for one in arrays])


@answers(np.stack)
def stack(arrays: Sequence[Any], axis: int = 0) -> Value:
    """One after the other along a new axis."""
    builder = builder_of(arrays)
    values = [builder.lift(one) for one in arrays]
    axis %= values[0].ndim + 1
    return builder.join([expand_dims(one, axis) for one in values], axis)


@answers(np.split, np.array_split)
def split(x: Any, parts: Any, axis: int = 0) -> list[Value]:
    """Pieces along an axis, of equal size or up to the given positions."""
    value = builder_of(x).lift(x)
    axis %= value.ndim
    size = value.shape[axis]
    cuts = [-(-size * i // parts) for i in range(1, parts)] if isinstance(parts, int) else list(parts)
    lead = (slice(None),) * axis
    return [value[(*lead, slice(start, stop))] for start, stop in itertools.pairwise([0, *cuts, size])]


@answers(np.roll)
def roll(x: Any, shift: int, axis: int | None = None) -> Value:
    """Turned along an axis, or as one row of all elements."""
    value = builder_of(x).lift(x)
    if axis is None:
        return roll(value.reshape(-1), shift, 0).reshape(value.shape)
    cut = -shift % value.shape[axis]
    lead = (slice(None),) * (axis % value.ndim)
    return value if not cut else concatenate([value[(*lead, slice(cut, None))], value[(*lead, slice(None, cut))]], axis)


@answers(np.take)
def take(x: Any, indices: Any, axis: int | None = None) -> Value:
    """Elements at given positions along an axis; the indices may have any shape."""
    value = builder_of(x).lift(x)
    if axis is None:
        value, axis = value.reshape(-1), 0
    axis %= value.ndim
    positions = np.asarray(indices)
    found = value.builder.gather(value, positions.reshape(-1), axis)
    return found.reshape((*value.shape[:axis], *positions.shape, *value.shape[axis + 1 :]))


@answers(np.lib.stride_tricks.sliding_window_view)
def sliding_window_view(x: Any, window_shape: Any, axis: Any = None) -> Value:
    """Every window, its positions as new axes behind the others."""
    value = builder_of(x).lift(x)
    sizes = [int(size) for size in np.atleast_1d(window_shape)]
    axes = list(range(value.ndim)) if axis is None else [int(one) % value.ndim for one in np.atleast_1d(axis)]
    return value.builder.windows(value, axes, sizes)


@answers(np.shape)
def shape(x: Any) -> tuple[int, ...]:
    """Its shape."""
    return builder_of(x).lift(x).shape


@answers(np.ndim)
def ndim(x: Any) -> int:
    """Its axes."""
    return builder_of(x).lift(x).ndim


@answers(np.zeros_like, np.ones_like)
def like(*_: Any, **__: Any) -> Any:
    """Refused: a constant needs no value."""
    raise UnsupportedError("write xp.zeros(x.shape, x.dtype) for a constant")


__all__ = ["FUNCTIONS"]
