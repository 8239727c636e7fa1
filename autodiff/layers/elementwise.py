"""Elementwise layers ``y_i = phi(x_i)``."""

from __future__ import annotations

import copy
import math
from typing import Any

import numpy as np

from ..arrays import as_size
from .activations import activation
from .base import Layer


class Elementwise(Layer):
    """``y = phi(x)``, element by element.

    Args:
        name: phi; see :data:`autodiff.layers.activations.ACTIVATIONS`.
        size: inputs and outputs; left out, the layer takes what the layer before it gives.

    Raises:
        InputError: a size that is no integer of at least 1.
        UnknownNameError: no activation of that name.
    """

    batched = True

    def __init__(self, name: str, size: int | None = None) -> None:
        self._activation = activation(name)
        self._shape: tuple[int, ...] | None = None
        self.n = self.m = 0 if size is None else as_size(size, f"the size of Elementwise({name!r})")

    @property
    def activation(self) -> str:
        """The name of phi."""
        return self._activation.name

    @property
    def in_shape(self) -> tuple[int, ...]:
        return self._shape or (self.n,)

    out_shape = in_shape

    def sized(self, n: int) -> Layer:
        return self.shaped((n,))

    def shaped(self, shape: tuple[int, ...]) -> Layer:
        size = math.prod(shape)
        if self.n and self.n != size:
            return self
        layer = copy.copy(self)
        layer.n, layer.m, layer._shape = size, size, shape
        return layer

    def function(self, x: Any, params: Any, xp: Any = np) -> Any:
        return self._activation.function(x, xp)
