"""Elementwise layers ``y_i = phi(x_i)``: the derivative is a diagonal and is never anything else."""

from __future__ import annotations

import copy
from typing import Any

import numpy as np

from ..arrays import Array, as_size
from .activations import Activation, activation
from .base import Derivative, Layer, Sizes
from .work import Work, passes


class Elementwise(Layer):
    """``y = phi(x)``, element by element.

    Args:
        name: phi; see :data:`autodiff.layers.activations.ACTIVATIONS`.
        size: inputs and outputs; left out, the layer takes what the layer before it gives.
    """

    def __init__(self, name: str, size: int | None = None) -> None:
        self._activation = activation(name)
        self.n = self.m = 0 if size is None else as_size(size, f"the size of Elementwise({name!r})")

    def sized(self, n: int) -> Layer:
        if self.n:
            return self
        layer = copy.copy(self)
        layer.n = layer.m = n
        return layer

    def function(self, x: Any, params: Any, xp: Any = np) -> Any:
        return self._activation.function(x, xp)

    def derivative_of(self, dtype: np.dtype[Any]) -> Derivative:
        return ElementwiseDerivative(self._activation, self.n, dtype)

    def batched_derivative_of(self, size: int, dtype: np.dtype[Any]) -> Derivative:
        return ElementwiseDerivative(self._activation, self.n * size, dtype)


class Diagonal(Derivative):
    """A derivative ``diag(d)``; subclasses say what y and d are.

    The residual is d itself, except where it does not change with x.
    """

    inplace = True

    def __init__(self, size: int, dtype: np.dtype[Any]) -> None:
        super().__init__((size, size), dtype)

    def sizes(self, cotangents: int = 1, tangents: int | None = None) -> Sizes:
        return Sizes(self.shape[0], self.shape[0])

    def bind(self, primal: Array, residual: Array, scratch: Array) -> None:
        self.y = primal[: self.shape[0]]
        self._point(residual[: self.shape[0]])

    def _point(self, d: Array) -> None:
        self.d, self.d_column = d, d[:, None]

    def jvp(self, V: Array, out: Array | None = None) -> Array:
        return np.multiply(V, self.d_column, out=out)

    def vjp(self, U: Array, out: Array | None = None) -> Array:
        return np.multiply(U, self.d, out=out)

    def dense(self, out: Array | None = None) -> Array:
        if out is None:
            out = np.empty(self.shape, self.dtype)
        out.fill(0.0)
        np.copyto(np.einsum("ii->i", out), self.d)
        return out

    def columns(self, start: int, stop: int, out: Array) -> Array:
        out.fill(0.0)
        np.copyto(np.einsum("ii->i", out[start:stop]), self.d[start:stop])
        return out

    def rows(self, start: int, stop: int, out: Array) -> Array:
        out.fill(0.0)
        np.copyto(np.einsum("ii->i", out[:, start:stop]), self.d[start:stop])
        return out

    def work(self, operation: str, k: int = 1) -> Work:
        size = self.shape[0]
        match operation:
            case "jvp" | "vjp":
                return passes(size * k, 1, operands=3)
            case "dense":
                return passes(size * size, 1, operands=1) + passes(size)
        return self._primal_work(operation)

    def _primal_work(self, operation: str) -> Work:
        raise ValueError(f"no operation {operation!r}")


class ElementwiseDerivative(Diagonal):
    """``diag(phi'(x))``."""

    def __init__(self, phi: Activation, size: int, dtype: np.dtype[Any]) -> None:
        super().__init__(size, dtype)
        self.phi = phi

    def value(self, x: Array) -> Array:
        self.phi.evaluate(x, self.y)
        return self.y

    def at(self, x: Array) -> Array:
        self.phi.linearize(x, self.y, self.d)
        return self.y

    def _primal_work(self, operation: str) -> Work:
        return self.phi.work(operation, self.shape[0])
