"""A batch as a layer made of a layer: block-diagonal, the same parameters in every block."""

from __future__ import annotations

from typing import Any, Self

import numpy as np

from ..arrays import Array, as_size
from ..errors import InputError
from .base import Derivative, Layer, Sizes
from .work import Work, passes


class Batched(Layer):
    """``(x_1, ..., x_B) -> (f(x_1), ..., f(x_B))`` for one layer f: R^(Bn) -> R^(Bm).

    The derivative with respect to x is block-diagonal; the one with respect to theta is the sum of the
    blocks'. Layers that can (Dense, Elementwise) do the whole batch in one matrix product.

    Args:
        layer: any layer.
        size: samples in the batch, B.
    """

    def __init__(self, layer: Layer, size: int) -> None:
        if not isinstance(layer, Layer):
            raise InputError(f"Batched takes a layer, not {type(layer).__name__}")
        self.layer, self.size = layer, as_size(size, f"the size of Batched({layer.kind})")
        size = self.size
        self.n, self.m = layer.n * size, layer.m * size
        self.params = layer.params

    @property
    def kind(self) -> str:
        return f"Batched({self.layer.kind})"

    def sized(self, n: int) -> Layer:
        if self.n:
            return self
        if n % self.size:
            raise InputError(f"{self.kind} of size {self.size} needs a multiple of {self.size} inputs, not {n}")
        return Batched(self.layer.sized(n // self.size), self.size)

    def bind(self, params: Array) -> Self:
        bound = super().bind(params)
        bound.layer = self.layer.bind(params)
        return bound

    def parts(self, params: Any) -> Any:
        return self.layer.parts(params)

    def function(self, x: Any, params: Any, xp: Any = np) -> Any:
        lead = x.shape[:-1]
        return self.layer.function(x.reshape(*lead, self.size, self.layer.n), params, xp).reshape(*lead, self.m)

    def derivative_of(self, dtype: np.dtype[Any]) -> Derivative:
        together = self.layer.batched_derivative_of(self.size, dtype)
        return together or BlockDiagonal([self.layer.derivative_of(dtype) for _ in range(self.size)])


class BlockDiagonal(Derivative):
    """Any derivative, once per sample: what a layer gets that has no batched derivative of its own."""

    def __init__(self, blocks: list[Derivative]) -> None:
        first = blocks[0]
        m, n = first.shape
        super().__init__((m * len(blocks), n * len(blocks)), first.dtype, first.parameters)
        self.blocks = blocks
        self.inplace = first.inplace
        self.inputs = [slice(i * n, (i + 1) * n) for i in range(len(blocks))]
        self.outputs = [slice(i * m, (i + 1) * m) for i in range(len(blocks))]

    def sizes(self, cotangents: int = 1, tangents: int | None = None) -> Sizes:
        one = self.blocks[0].sizes(cotangents)
        count = len(self.blocks)
        return Sizes((one.primal + self.blocks[0].shape[0]) * count, one.residual * count, one.scratch)

    def bind(self, primal: Array, residual: Array, scratch: Array) -> None:
        m, one = self.blocks[0].shape[0], self.blocks[0].sizes()
        count = len(self.blocks)
        self.y = primal[: m * count]
        rest = primal[m * count :]
        for i, block in enumerate(self.blocks):
            block.bind(
                rest[i * one.primal : (i + 1) * one.primal],
                residual[i * one.residual : (i + 1) * one.residual],
                scratch,
            )

    def value(self, x: Array) -> Array:
        for block, i, o in zip(self.blocks, self.inputs, self.outputs, strict=True):
            self.y[o] = block.value(x[i])
        return self.y

    def at(self, x: Array) -> Array:
        for block, i, o in zip(self.blocks, self.inputs, self.outputs, strict=True):
            self.y[o] = block.at(x[i])
        return self.y

    def _new(self, out: Array | None, *shape: int) -> Array:
        return np.empty(shape, self.dtype) if out is None else out

    def jvp(self, V: Array, out: Array | None = None) -> Array:
        out = self._new(out, self.shape[0], V.shape[1])
        for block, i, o in zip(self.blocks, self.inputs, self.outputs, strict=True):
            block.jvp(V[i], out[o])
        return out

    def vjp(self, U: Array, out: Array | None = None) -> Array:
        out = self._new(out, U.shape[0], self.shape[1])
        for block, i, o in zip(self.blocks, self.inputs, self.outputs, strict=True):
            block.vjp(U[:, o], out[:, i])
        return out

    def dense(self, out: Array | None = None) -> Array:
        out = self._new(out, *self.shape)
        out.fill(0.0)
        for block, i, o in zip(self.blocks, self.inputs, self.outputs, strict=True):
            block.dense(out[o, i])
        return out

    def jvp_params(self, T: Array, out: Array | None = None) -> Array:
        out = self._new(out, self.shape[0], T.shape[1])
        for block, o in zip(self.blocks, self.outputs, strict=True):
            block.jvp_params(T, out[o])
        return out

    def vjp_params(self, U: Array, out: Array | None = None) -> Array:
        out = self._new(out, U.shape[0], self.parameters)
        out.fill(0.0)
        for block, o in zip(self.blocks, self.outputs, strict=True):
            out += block.vjp_params(U[:, o])
        return out

    def dense_params(self, out: Array | None = None) -> Array:
        out = self._new(out, self.shape[0], self.parameters)
        for block, o in zip(self.blocks, self.outputs, strict=True):
            block.dense_params(out[o])
        return out

    def work(self, operation: str, k: int = 1) -> Work:
        count = len(self.blocks)
        work = self.blocks[0].work(operation, k) * count
        if operation == "dense":
            return work + passes(self.shape[0] * self.shape[1], 1, operands=1)
        if operation == "vjp_params":
            return work + passes(k * self.parameters, count, operands=3)
        return work + passes(self.shape[0]) if operation in ("value", "at") else work
