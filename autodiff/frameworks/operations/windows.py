"""Convolutions and pooling, by the windows of autodiff's own layers."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ...layers import Conv1d, Conv2d
from ...layers.windows import LEAST, folded, larger, taken
from .moving import constant_pad_nd
from .table import operation

Sizes = tuple[int, ...]


def sizes_of(given: Any, axes: int, default: int = 1) -> Sizes:
    """One number an axis, of none, of one for all, or of as many."""
    found = (
        [default] if given is None or given == [] else (list(given) if isinstance(given, (list, tuple)) else [given])
    )
    return tuple(found) * axes if len(found) == 1 else tuple(found)


def sides_of(padding: Any, kernel: Sizes, dilation: Sizes) -> list[tuple[int, int]]:
    """Zeros before and behind every axis, of numbers or of "same" and "valid"."""
    if padding == "same":
        spans = [d * (k - 1) for k, d in zip(kernel, dilation, strict=True)]
        return [(span // 2, span - span // 2) for span in spans]
    return [(one, one) for one in sizes_of(0 if padding == "valid" else padding, len(kernel), 0)]


@operation("conv1d", "conv2d")
def convolution(
    xp: Any,
    x: Any,
    weight: Any,
    bias: Any = None,
    stride: Any = None,
    padding: Any = 0,
    dilation: Any = None,
    groups: int = 1,
) -> Any:
    """``y[o, i] = sum over c, k of weight[o, c, k] x[c, stride i + dilation k - padding] + bias[o]``."""
    axes = len(weight.shape) - 2
    kernel, dilations = tuple(weight.shape[2:]), sizes_of(dilation, axes)
    sides = sides_of(padding, kernel, dilations)
    if any(sum(side) for side in sides):
        x = constant_pad_nd(xp, x, [count for side in sides[::-1] for count in side])
    made = (Conv1d if axes == 1 else Conv2d)(
        np.zeros(tuple(weight.shape)), stride=sizes_of(stride, axes), dilation=dilations, groups=groups
    ).fixed(tuple(x.shape[-axes - 1 :]))
    y = made.mapped(x, (weight,) if bias is None else (weight, bias), xp)
    return y.reshape(*x.shape[: -axes - 1], *made.out_shape)


def _pooled(xp: Any, x: Any, kernel: Sizes, stride: Any, padding: Any, dilation: Any, ceil: bool, fill: float) -> Any:
    """What stands at each position of the windows, and how many numbers of x each window has."""
    axes = len(kernel)
    steps, spread = sizes_of(stride, axes) if stride else kernel, sizes_of(dilation, axes)
    rims = sizes_of(padding, axes, 0)
    outputs, sides = [], []
    for size, k, s, d, p in zip(x.shape[-axes:], kernel, steps, spread, rims, strict=True):
        room = size + 2 * p - d * (k - 1) - 1
        count = (-(-room // s) if ceil else room // s) + 1
        if ceil and (count - 1) * s >= size + p:  # the last window has to begin inside
            count -= 1
        outputs.append(count)
        sides.append((p, max((count - 1) * s + d * (k - 1) + 1 - size - p, p)))
    if any(sum(side) for side in sides):
        x = constant_pad_nd(xp, x, [count for side in sides[::-1] for count in side], fill)
    return list(taken(x, kernel, tuple(outputs), steps, spread))


@operation("max_pool1d", "max_pool2d")
def max_pool(
    xp: Any, x: Any, kernel_size: Any, stride: Any = None, padding: Any = 0, dilation: Any = 1, ceil_mode: bool = False
) -> Any:
    """The largest number of every window; of equal ones the first has the derivative."""
    kernel = _kernel(kernel_size, x)
    parts = _pooled(xp, x, kernel, stride, padding, dilation, ceil_mode, LEAST)
    return folded(lambda a, b: larger(a, b, xp), parts)


@operation("avg_pool1d", "avg_pool2d")
def avg_pool(
    xp: Any,
    x: Any,
    kernel_size: Any,
    stride: Any = None,
    padding: Any = 0,
    ceil_mode: bool = False,
    count_include_pad: bool = True,
    divisor_override: Any = None,
) -> Any:
    """The mean of every window, with the padding's zeros among its numbers or without."""
    kernel = _kernel(kernel_size, x)
    total = folded(lambda a, b: a + b, _pooled(xp, x, kernel, stride, padding, 1, ceil_mode, 0.0))
    if divisor_override:
        return total * (1.0 / divisor_override)
    if not ceil_mode and (count_include_pad or not any(sizes_of(padding, len(kernel), 0))):
        return total * (1.0 / math.prod(kernel))
    rims, inside = sizes_of(padding, len(kernel), 0), np.ones(x.shape[-len(kernel) :])
    if count_include_pad:  # the padding counts, what ceil_mode puts behind it does not
        inside, rims = np.pad(inside, [(p, p) for p in rims], constant_values=1.0), (0,) * len(kernel)
    counts = folded(lambda a, b: a + b, _pooled(np, inside, kernel, stride or kernel, rims, 1, ceil_mode, 0.0))
    return total * xp.asarray(1.0 / counts, dtype=x.dtype)


def _kernel(kernel_size: Any, x: Any) -> Sizes:
    given = list(kernel_size) if isinstance(kernel_size, (list, tuple)) else [kernel_size]
    return tuple(given)


@operation("adaptive_avg_pool1d", "adaptive_avg_pool2d", "_adaptive_avg_pool2d")
def adaptive_avg_pool(xp: Any, x: Any, output_size: Any) -> Any:
    """Means over as many ranges of every axis as there are outputs, by a matrix an axis."""
    outputs = list(output_size) if isinstance(output_size, (list, tuple)) else [output_size]
    for back, count in enumerate(reversed(outputs), start=1):
        size = x.shape[-back]
        if count in (None, size):
            continue
        rows = np.zeros((count, size))
        for i in range(count):
            first, last = i * size // count, -(-(i + 1) * size // count)
            rows[i, first:last] = 1.0 / (last - first)
        A = xp.asarray(rows, dtype=x.dtype)
        x = xp.matmul(x, A.T) if back == 1 else xp.matmul(A, x)
    return x
