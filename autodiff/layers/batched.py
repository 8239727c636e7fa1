"""A batch as a layer made of a layer: the same function, with the same parameters, of every sample."""

from __future__ import annotations

import math
from typing import Any, Self

import numpy as np

from ..arrays import Array, as_size
from ..errors import InputError
from .base import Layer


class Batched(Layer):
    """``(x_1, ..., x_B) -> (f(x_1), ..., f(x_B))`` for one layer f: R^(Bn) -> R^(Bm), with f's parameters.

    A layer that is ``batched`` is called once, on (B, n), any other sample by sample.

    Args:
        layer: any layer.
        size: samples in the batch, B.

    Raises:
        InputError: no layer, or a size that is no integer of at least 1.
    """

    def __init__(self, layer: Layer, size: int) -> None:
        if not isinstance(layer, Layer):
            raise InputError(f"Batched takes a layer, not {type(layer).__name__}")
        self.layer, self.size = layer, as_size(size, f"the size of Batched({layer.kind})")
        self.n, self.m = layer.n * self.size, layer.m * self.size
        self.params, self.batched = layer.params, layer.batched
        if layer.opaque_linearize is not None:
            self.opaque_linearize = self._linearized

    @property
    def kind(self) -> str:
        return f"Batched({self.layer.kind})"

    @property
    def in_shape(self) -> tuple[int, ...]:
        return (self.size, *self.layer.in_shape)

    @property
    def out_shape(self) -> tuple[int, ...]:
        return (self.size, *self.layer.out_shape)

    def shaped(self, shape: tuple[int, ...]) -> Layer:
        if self.n or shape[0] != self.size:
            return self.sized(math.prod(shape))
        return Batched(self.layer.shaped(shape[1:]), self.size)

    def sized(self, n: int) -> Layer:
        if self.n:
            return self
        if n % self.size:
            raise InputError(f"{self.kind} of size {self.size} needs a multiple of {self.size} inputs, not {n}")
        return Batched(self.layer.sized(n // self.size), self.size)

    def with_params(self, params: tuple[Array, ...]) -> Self:
        made = super().with_params(params)
        made.layer = self.layer.with_params(params)
        return made

    def _linearized(self, x: Array) -> tuple[Array, Any, Any]:
        """Value, push and pull of an opaque layer, sample by sample."""
        parts = [self.layer.opaque_linearize(one) for one in x.reshape(self.size, -1)]

        def push(V: Array) -> Array:
            blocks = V.reshape(self.size, -1, V.shape[1])
            return np.concatenate([part[1](block) for part, block in zip(parts, blocks, strict=True)])

        def pull(U: Array) -> Array:
            blocks = np.split(U, self.size, axis=1)
            return np.concatenate([part[2](block) for part, block in zip(parts, blocks, strict=True)], axis=1)

        return np.concatenate([part[0] for part in parts]), push, pull

    def function(self, x: Any, params: Any, xp: Any = np) -> Any:
        layer = self.layer
        if layer.batched:
            lead = x.shape[:-1]
            return layer.function(x.reshape(*lead, self.size, layer.n), params, xp).reshape(*lead, self.m)
        samples = (x[i * layer.n : (i + 1) * layer.n] for i in range(self.size))
        return xp.concatenate([layer.function(sample, params, xp) for sample in samples])
