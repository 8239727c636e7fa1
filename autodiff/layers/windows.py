"""Windows of an array along its last axes, as a strided view where there are such, and as its slices elsewhere."""

from __future__ import annotations

import functools
import itertools
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from ..errors import InputError

Shape = tuple[int, ...]
LEAST = -1e30  #: what stands for minus infinity, in the range of float32: exp makes 0 of it, no derivative becomes NaN


def window_outputs(sizes: Shape, kernel: Shape, stride: Shape, padding: Shape, dilation: Shape) -> Shape:
    """How many windows fit along each axis: ``(size + 2 padding - dilation (kernel - 1) - 1) // stride + 1``.

    Raises:
        InputError: a window is larger than its axis; naming the axis.
    """
    found = []
    for axis, (size, k, s, p, d) in enumerate(zip(sizes, kernel, stride, padding, dilation, strict=True), start=1):
        room = size + 2 * p - d * (k - 1) - 1
        if room < 0:
            raise InputError(f"a window of {d * (k - 1) + 1} does not fit axis {axis} of {size} with padding {p}")
        found.append(room // s + 1)
    return tuple(found)


def padded(x: Any, padding: Shape, value: float, xp: Any) -> Any:
    """``value`` put around the last axes of x, so many on each side."""
    for back, count in enumerate(padding[::-1], start=1):
        if count:
            axis = len(x.shape) - back
            shape = (*x.shape[:axis], count, *x.shape[axis + 1 :])
            rim = xp.asarray(np.full(shape, value), dtype=x.dtype)
            x = xp.concatenate([rim, x, rim], axis=axis)
    return x


def taken(x: Any, kernel: Shape, outputs: Shape, stride: Shape, dilation: Shape) -> Iterator[Any]:
    """For every position of the window what stands there in all windows: slices (..., *outputs)."""
    for position in itertools.product(*map(range, kernel)):
        cut = tuple(
            slice(p * d, p * d + (o - 1) * s + 1, s)
            for p, o, s, d in zip(position, outputs, stride, dilation, strict=True)
        )
        yield x[(..., *cut)]


def columns(x: Any, kernel: Shape, outputs: Shape, stride: Shape, dilation: Shape, xp: Any) -> Any:
    """All windows of x (..., c, *sizes) as the columns of a matrix, (..., c * kernel, windows)."""
    lead = tuple(x.shape[: -len(kernel)])
    if xp is not np:
        found: Any = xp.stack(list(taken(x, kernel, outputs, stride, dilation)), axis=len(lead))
    else:
        axes = tuple(range(len(lead), len(lead) + len(kernel)))
        spans = tuple(d * (k - 1) + 1 for k, d in zip(kernel, dilation, strict=True))
        found = np.lib.stride_tricks.sliding_window_view(x, spans, axis=axes)
        steps: list[Any] = [slice(None, (o - 1) * s + 1, s) for o, s in zip(outputs, stride, strict=True)]
        found = found[(..., *steps, *(slice(None, None, d) for d in dilation))]
        rank = len(found.shape)
        found = xp.transpose(found, (*range(len(lead)), *range(rank - len(kernel), rank), *axes))
    return found.reshape(*lead[:-1], lead[-1] * _count(kernel), _count(outputs))


def folded(function: Any, parts: Sequence[Any]) -> Any:
    """``function`` of all parts, two at a time."""
    return functools.reduce(function, parts)


def larger(a: Any, b: Any, xp: Any) -> Any:
    """The larger of two; of equal ones the first has the derivative."""
    return xp.where(xp.real(a) >= xp.real(b), a, b)


def _count(sizes: Shape) -> int:
    return functools.reduce(lambda a, b: a * b, sizes, 1)
