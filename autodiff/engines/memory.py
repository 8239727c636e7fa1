"""Laying out the memory of a chain of derivatives, so that nothing is allocated after preparation."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ..arrays import LINE, Array, aligned_empty
from ..layers.base import Derivative

RESULT = -1  #: the target of a step that writes into the caller's array


class ChainMemory:
    """The primal values, residuals and scratch of a chain.

    Values that are not kept alternate between two places (a layer reads one and writes the other); residuals
    that are not kept all share one; scratch is always shared.

    Args:
        derivatives: the chain, from the input side.
        keep_primal: every value stays until the next run (a layer's input is needed for its parameters).
        keep_residuals: every residual stays until the next run (the adjoint needs them all).
        cotangents: the most rows that one ``vjp`` is given.
        tangents: the most columns that one ``jvp`` is given; any number if None.
    """

    def __init__(
        self,
        derivatives: Sequence[Derivative],
        *,
        keep_primal: bool,
        keep_residuals: bool,
        cotangents: int = 1,
        tangents: int | None = None,
    ) -> None:
        self.derivatives = derivatives
        sizes = [derivative.sizes(cotangents, tangents) for derivative in derivatives]
        line = LINE // derivatives[0].dtype.itemsize
        self._primal = _places([_whole(size.primal, line) for size in sizes], keep_primal, alternate=True)
        self._residual = _places([_whole(size.residual, line) for size in sizes], keep_residuals, alternate=False)
        self._scratch = max(size.scratch for size in sizes)
        self._itemsize = derivatives[0].dtype.itemsize

    @property
    def nbytes(self) -> int:
        """Bytes that :meth:`allocate` takes."""
        elements: int = self._primal[-1].stop + self._residual[-1].stop + self._scratch
        return elements * self._itemsize

    def allocate(self) -> None:
        """Take the memory and hand every derivative its part."""
        dtype = self.derivatives[0].dtype
        primal, residual = (aligned_empty(places[-1].stop, dtype) for places in (self._primal, self._residual))
        scratch = aligned_empty(self._scratch, dtype)
        for derivative, value, kept in zip(self.derivatives, self._primal, self._residual, strict=False):
            derivative.bind(primal[value], residual[kept], scratch)


def _whole(size: int, line: int) -> int:
    """``size`` elements rounded up to whole cache lines, so that the next array starts at one too."""
    return -(-size // line) * line


def _places(sizes: list[int], keep: bool, alternate: bool) -> list[slice]:
    """Where each size lies in one flat array, and last a slice that ends where the array does."""
    if keep:
        ends = np.cumsum(sizes).tolist()
        return [*(slice(end - size, end) for size, end in zip(sizes, ends, strict=True)), slice(0, ends[-1])]
    even = max(sizes[::2])
    if not alternate:
        largest = max(sizes)
        return [*(slice(0, size) for size in sizes), slice(0, largest)]
    odd = max(sizes[1::2], default=0)
    starts = [0 if index % 2 == 0 else even for index in range(len(sizes))]
    return [*(slice(start, start + size) for start, size in zip(starts, sizes, strict=True)), slice(0, even + odd)]


class PingPong:
    """Two buffers that the steps of a chain product write into in turn; the last step writes into the result.

    Args:
        shapes: what each step produces, in the order of execution.
        inplace: which steps write where they read.
        into_result: the last step's product is the result itself.
    """

    def __init__(
        self, shapes: Sequence[tuple[int, int]], inplace: Sequence[bool], dtype: np.dtype[Any], into_result: bool = True
    ) -> None:
        self._shapes, self._dtype = shapes, dtype
        self._where = [RESULT if into_result else 0] * len(shapes)
        for step in range(len(shapes) - 1, 0, -1):
            here = self._where[step]
            self._where[step - 1] = here if inplace[step] else (1 if here == 0 else 0)
        self._sizes = [
            max((m * n for (m, n), place in zip(shapes, self._where, strict=True) if place == buffer), default=0)
            for buffer in (0, 1)
        ]

    @property
    def nbytes(self) -> int:
        """Bytes that :meth:`allocate` takes."""
        return sum(self._sizes) * self._dtype.itemsize

    def allocate(self) -> list[Array | None]:
        """The target of every step, None for the result."""
        self._buffers = [aligned_empty(size, self._dtype) for size in self._sizes]
        return [
            None if place == RESULT else self._buffers[place][: shape[0] * shape[1]].reshape(shape)
            for place, shape in zip(self._where, self._shapes, strict=True)
        ]

    def view(self, step: int, rows: int, columns: int, result: Array) -> Array:
        """The target of a step that produces less than it was laid out for, for runs in blocks."""
        place = self._where[step]
        if place == RESULT:
            return result
        return self._buffers[place][: rows * columns].reshape(rows, columns)
