"""Pooling: the largest or the mean of every window, channel by channel."""

from __future__ import annotations

import math
from abc import abstractmethod
from typing import Any

import numpy as np

from ..errors import InputError
from .arranged import Shape, Shaped, as_sizes
from .windows import LEAST, folded, larger, padded, taken, window_outputs


class Pool(Shaped):
    """Windows of x (channels, *sizes) along one or two axes.

    Args:
        kernel: the size of a window, one number an axis; an integer is for two axes.
        stride: from one window to the next; left out, windows stand side by side.
        padding: on either side of every axis, at most half of the window.
        dilation: from one position of a window to the next.
        shape: of the inputs, (channels, *sizes); left out, the layer takes what the layer before it gives.

    Raises:
        InputError: sizes that do not fit together, naming the axis.
    """

    fill = 0.0

    def __init__(
        self,
        kernel: object = 2,
        stride: object | None = None,
        padding: object = 0,
        dilation: object = 1,
        shape: object | None = None,
    ) -> None:
        axes = len(kernel) if isinstance(kernel, (tuple, list)) else 2
        if axes not in (1, 2):
            raise InputError(f"the kernel of {self.kind} is {kernel!r}; expected the sizes of one axis or two")
        self.kernel = as_sizes(kernel, axes, "kernel")
        self.stride = self.kernel if stride is None else as_sizes(stride, axes, "stride")
        self.padding = as_sizes(padding, axes, "padding", least=0)
        self.dilation = as_sizes(dilation, axes, "dilation")
        if any(2 * p > k for p, k in zip(self.padding, self.kernel, strict=True)):
            raise InputError(f"padding {self.padding} is more than half of the window {self.kernel}")
        self.fixed(shape)

    def outputs(self, shape: Shape) -> Shape:
        if len(shape) != len(self.kernel) + 1:
            raise InputError(
                f"it takes a channel axis and {len(self.kernel)} more, not shape {shape}; put a Reshape before it"
            )
        return (shape[0], *window_outputs(shape[1:], self.kernel, self.stride, self.padding, self.dilation))

    def mapped(self, x: Any, params: Any, xp: Any) -> Any:
        x = padded(x, self.padding, self.fill, xp)
        return self.pooled(list(taken(x, self.kernel, self._out[1:], self.stride, self.dilation)), xp)

    @abstractmethod
    def pooled(self, parts: list[Any], xp: Any) -> Any:
        """One number a window from what stands at each of its positions."""


class MaxPool(Pool):
    """The largest number of every window; of equal ones the first has the derivative. Arguments as :class:`Pool`'s."""

    fill = LEAST

    def pooled(self, parts: list[Any], xp: Any) -> Any:
        return folded(lambda a, b: larger(a, b, xp), parts)


class AvgPool(Pool):
    """The mean of every window, the padding's zeros among its numbers. Arguments as :class:`Pool`'s."""

    def pooled(self, parts: list[Any], xp: Any) -> Any:
        return folded(lambda a, b: a + b, parts) * (1.0 / math.prod(self.kernel))


class GlobalAvgPool(Shaped):
    """The mean of every channel of x (channels, *sizes), (channels,)."""

    def __init__(self, shape: object | None = None) -> None:
        self.fixed(shape)

    def outputs(self, shape: Shape) -> Shape:
        if len(shape) < 2:
            raise InputError(f"it takes channels and the axes to average over, not shape {shape}")
        return shape[:1]

    def mapped(self, x: Any, params: Any, xp: Any) -> Any:
        lead = tuple(x.shape[: len(x.shape) - len(self._in)])
        return xp.mean(x.reshape(*lead, self._in[0], int(np.prod(self._in[1:]))), axis=-1)


class Upsample(Shaped):
    """Every number ``factor`` times along each axis of x (channels, height, width): the nearest neighbour.

    Args:
        factor: an integer of at least 1.
        shape: of the inputs; left out, the layer takes what the layer before it gives.

    Raises:
        InputError: no such factor, or other axes.
    """

    def __init__(self, factor: int = 2, shape: object | None = None) -> None:
        self.factor = as_sizes(factor, 1, "factor")[0]
        self.fixed(shape)

    def outputs(self, shape: Shape) -> Shape:
        if len(shape) != 3:
            raise InputError(f"it takes (channels, height, width), not shape {shape}")
        return (shape[0], self.factor * shape[1], self.factor * shape[2])

    def mapped(self, x: Any, params: Any, xp: Any) -> Any:
        lead, (channels, height, width) = tuple(x.shape[:-3]), self._in
        rows = xp.stack([x] * self.factor, axis=-2 % (len(x.shape) + 1))
        rows = rows.reshape(*lead, channels, self.factor * height, width)
        return xp.stack([rows] * self.factor, axis=len(rows.shape))
