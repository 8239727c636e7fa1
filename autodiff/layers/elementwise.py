"""Elementwise layers ``y_i = phi(x_i)``."""

from __future__ import annotations

import copy
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
        self.n = self.m = 0 if size is None else as_size(size, f"the size of Elementwise({name!r})")

    @property
    def activation(self) -> str:
        """The name of phi."""
        return self._activation.name

    def sized(self, n: int) -> Layer:
        if self.n:
            return self
        layer = copy.copy(self)
        layer.n = layer.m = n
        return layer

    def function(self, x: Any, params: Any, xp: Any = np) -> Any:
        return self._activation.function(x, xp)
