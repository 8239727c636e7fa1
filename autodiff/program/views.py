"""Arithmetic of strided views: what NumPy's own views do, on sizes and strides alone, without any array.

A view is a shape, strides and an offset, counted in elements of the memory that it looks at.
"""

from __future__ import annotations

import functools
import math
import operator
from collections.abc import Sequence
from typing import NamedTuple

from ..errors import InputError

Shape = tuple[int, ...]
remembered = functools.lru_cache(1 << 14)  #: layers repeat, and so do the shapes and strides that they ask for


class View(NamedTuple):
    """Where the elements of an array lie: element ``i`` at ``offset + sum(i * strides)``."""

    shape: Shape
    strides: Shape
    offset: int


@remembered
def contiguous(shape: Shape) -> Shape:
    """The strides of an array of that shape in C order."""
    strides, step = [], 1
    for size in reversed(shape):
        strides.append(step)
        step *= size
    return tuple(strides[::-1])


@remembered
def is_contiguous(shape: Shape, strides: Shape) -> bool:
    """Whether the elements follow each other in C order; strides of axes of one element do not matter."""
    step = 1
    for size, stride in zip(reversed(shape), reversed(strides), strict=True):
        if size != 1:
            if stride != step:
                return False
            step *= size
    return True


def span(shape: Shape, strides: Shape) -> tuple[int, int]:
    """The least and the largest position relative to the offset."""
    low = sum((size - 1) * stride for size, stride in zip(shape, strides, strict=True) if stride < 0)
    high = sum((size - 1) * stride for size, stride in zip(shape, strides, strict=True) if stride > 0)
    return low, high


@remembered
def broadcast_shapes(*shapes: Shape) -> Shape:
    """NumPy's broadcasting rule.

    Raises:
        InputError: shapes that do not fit together.
    """
    if len(set(shapes)) == 1:
        return shapes[0]
    rank = max(map(len, shapes))
    padded = [(1,) * (rank - len(shape)) + shape for shape in shapes]
    result = []
    for sizes in zip(*padded, strict=True):
        distinct = set(sizes) - {1}
        if len(distinct) > 1:
            raise InputError(f"shapes {' and '.join(map(str, shapes))} cannot be broadcast together")
        result.append(distinct.pop() if distinct else 1)
    return tuple(result)


def broadcast(view: View, shape: Shape) -> View:
    """The view repeated along new and along single axes, by strides of 0."""
    if view.shape == shape:
        return view
    new = len(shape) - len(view.shape)
    strides = [0] * new + [
        0 if size == 1 and wanted != 1 else stride
        for size, stride, wanted in zip(view.shape, view.strides, shape[new:], strict=True)
    ]
    return View(shape, tuple(strides), view.offset)


def reshape(view: View, shape: Shape) -> View | None:
    """The same elements in another shape, without a copy; None where only a copy could do that."""
    if is_contiguous(view.shape, view.strides):
        return View(shape, contiguous(shape), view.offset)
    old = [(size, stride) for size, stride in zip(view.shape, view.strides, strict=True) if size != 1]
    strides: list[int] = []
    position = 0
    remaining = list(shape)
    while remaining:
        if remaining[0] == 1:
            strides.append(1)
            remaining.pop(0)
            continue
        if position == len(old):
            return None
        size, stride = old[position]
        taken = position + 1
        wanted, count = remaining[0], 1
        while wanted != size:
            if wanted < size:
                if count == len(remaining):
                    return None
                wanted *= remaining[count]
                count += 1
            else:
                if taken == len(old) or stride != old[taken][0] * old[taken][1]:
                    return None
                size, stride = size * old[taken][0], old[taken][1]
                taken += 1
        group = remaining[:count]
        strides += [stride * step for step in contiguous(tuple(group))]
        del remaining[:count]
        position = taken
    return View(shape, tuple(strides), view.offset)


def full_shape(size: int, shape: Sequence[int]) -> Shape:
    """``shape`` with its -1, if there is one, replaced by what fits ``size`` elements.

    Raises:
        InputError: it does not fit.
    """
    known = math.prod(one for one in shape if one != -1)
    if list(shape).count(-1) > 1 or any(one < -1 for one in shape):
        raise InputError(f"cannot reshape {size} elements into {tuple(shape)}")
    found = tuple(size // known if one == -1 and known else int(one) for one in shape)
    if math.prod(found) != size:
        raise InputError(f"cannot reshape {size} elements into {tuple(shape)}")
    return found


class Part(NamedTuple):
    """What basic indexing does to one axis: elements ``start, start + step, ...``, ``size`` of them (None: one, and
    the axis is gone)."""

    start: int
    step: int
    size: int | None


NEW = None  #: a new axis of one element


def parse_index(key: object, shape: Shape) -> list[Part | None]:
    """A basic index (integers, slices, None, an ellipsis) as one :class:`Part` an axis, None for new axes.

    Raises:
        InputError: something else, or out of range.
    """
    keys = list(key) if isinstance(key, tuple) else [key]
    for one in keys:
        basic = one is None or one is Ellipsis or isinstance(one, slice) or hasattr(one, "__index__")
        if isinstance(one, bool) or not basic:
            kind = type(one).__name__
            raise InputError(f"a value cannot be indexed by {kind}; use integers, slices, None, ... or np.take")
    named = sum(one is not None and one is not Ellipsis for one in keys)
    if sum(one is Ellipsis for one in keys) > 1 or named > len(shape):
        raise InputError(f"too many indices for shape {shape}")
    filling = [slice(None)] * (len(shape) - named)
    if Ellipsis in keys:
        at = keys.index(Ellipsis)
        keys[at : at + 1] = filling
    else:
        keys += filling
    found: list[Part | None] = []
    axes = iter(shape)
    for one in keys:
        if one is None:
            found.append(NEW)
            continue
        size = next(axes)
        if isinstance(one, slice):
            picked = range(size)[one]
            found.append(Part(picked.start, picked.step, len(picked)))
        else:
            number = operator.index(one)  # type: ignore[arg-type]
            if not -size <= number < size:
                raise InputError(f"index {number} is out of range for an axis of {size}")
            found.append(Part(number % size, 1, None))
    return found


def index(view: View, parts: Sequence[Part | None]) -> View:
    """The view that a parsed index gives."""
    shape, strides, offset = [], [], view.offset
    axis = 0
    for part in parts:
        if part is None:
            shape.append(1)
            strides.append(0)
            continue
        stride = view.strides[axis]
        offset += part.start * stride
        if part.size is not None:
            shape.append(part.size)
            strides.append(part.step * stride)
        axis += 1
    return View(tuple(shape), tuple(strides), offset)


def windows(view: View, axis: int, size: int) -> View:
    """Every run of ``size`` positions along an axis: the axis becomes their starts, a new last one their positions."""
    shape, strides = list(view.shape), view.strides
    shape[axis] -= size - 1
    return View((*shape, size), (*strides, strides[axis]), view.offset)


@remembered
def collapse(shape: Shape, *strides: Shape) -> tuple[Shape, tuple[Shape, ...]]:
    """The same walk over several operands with as few axes as possible, axes of one element left out."""
    axes = [(size, *steps) for size, *steps in zip(shape, *strides, strict=True) if size != 1]
    merged: list[tuple[int, ...]] = []
    for axis in axes:
        size, steps = axis[0], axis[1:]
        if merged and all(outer == size * inner for outer, inner in zip(merged[-1][1:], steps, strict=True)):
            merged[-1] = (merged[-1][0] * size, *steps)
        else:
            merged.append(axis)
    return tuple(axis[0] for axis in merged), tuple(tuple(axis[1 + k] for axis in merged) for k in range(len(strides)))


@remembered
def walked(shape: Shape, *strides: Shape) -> tuple[Shape, tuple[Shape, ...]]:
    """:func:`collapse` of the axes as they lie in memory, as NumPy's iterator walks them."""
    order = ordering(shape, strides)[::-1]
    return collapse(*[tuple([one[axis] for axis in order]) for one in (shape, *strides)])


def innermost(shape: Shape, strides: Sequence[Shape]) -> int:
    """The axis that NumPy's iterator puts innermost."""
    order = ordering(shape, strides)
    return order[0] if order else len(shape) - 1


def ordering(shape: Shape, strides: Sequence[Shape]) -> list[int]:
    """The axes as NumPy's iterator orders them, from the innermost; those of one element are left out.

    As npyiter_find_best_axis_ordering does: insertion by strides, in which one operand that agrees with the order that
    is there is enough.
    """
    order: list[int] = []
    for axis in reversed(range(len(shape))):
        if shape[axis] == 1:
            continue
        place = len(order)
        for at in reversed(range(len(order))):
            pairs = [(abs(one[axis]), abs(one[order[at]])) for one in strides if one[axis] and one[order[at]]]
            if any(inner <= own for own, inner in pairs):
                break
            if pairs:
                place = at
        order.insert(place, axis)
    return order
