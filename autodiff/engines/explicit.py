"""Explicit accumulation: every layer's dense Jacobian, multiplied right to left or left to right.

This is the arithmetic of the two modes with nothing else around it: ``f_3'(f_2' f_1')`` against
``(f_3' f_2') f_1'`` as matrix products, whatever structure the layers have.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

import numpy as np

from ..arrays import Array
from ..layers.base import Derivative, Sizes
from ..layers.work import NOTHING, Work, passes, product
from ..network import Network
from .forward import Forward
from .reverse import Reverse


class DenseJacobian(Derivative):
    """A derivative that forgets its structure: ``dense()`` once per x, then matrix products with it."""

    def __init__(self, inner: Derivative) -> None:
        super().__init__(inner.shape, inner.dtype, inner.parameters)
        self.inner = inner

    def sizes(self, cotangents: int = 1, tangents: int | None = None) -> Sizes:
        one, (m, n) = self.inner.sizes(), self.shape
        matrix = 0 if self.inner.constant else m * n
        return Sizes(one.primal, one.residual + matrix, one.scratch + m * self.parameters)

    def bind(self, primal: Array, residual: Array, scratch: Array) -> None:
        one, (m, n) = self.inner.sizes(), self.shape
        self.inner.bind(primal, residual[: one.residual], scratch[: one.scratch])
        rest = residual[one.residual : one.residual + m * n]
        self.room = None if self.inner.constant else rest.reshape(m, n)
        params = scratch[one.scratch : one.scratch + m * self.parameters]
        self.params_room = params.reshape(m, self.parameters)

    def value(self, x: Array) -> Array:
        return self.inner.value(x)

    def at(self, x: Array) -> Array:
        y = self.inner.at(x)
        self.J = self.inner.dense(self.room)
        return y

    def jvp(self, V: Array, out: Array | None = None) -> Array:
        return np.matmul(self.J, V, out=out)

    def vjp(self, U: Array, out: Array | None = None) -> Array:
        return np.matmul(U, self.J, out=out)

    def dense(self, out: Array | None = None) -> Array:
        if out is None:
            return self.J
        np.copyto(out, self.J)
        return out

    def columns(self, start: int, stop: int, out: Array) -> Array:
        np.copyto(out, self.J[:, start:stop])
        return out

    def rows(self, start: int, stop: int, out: Array) -> Array:
        np.copyto(out, self.J[start:stop])
        return out

    def params_columns(self, start: int, stop: int, out: Array) -> Array:
        return self.inner.params_columns(start, stop, out)

    def params_rows(self, start: int, stop: int, out: Array) -> Array:
        return self.inner.params_rows(start, stop, out)

    def jvp_params(self, T: Array, out: Array | None = None) -> Array:
        return np.matmul(self.dense_params(self.params_room), T, out=out)

    def vjp_params(self, U: Array, out: Array | None = None) -> Array:
        return np.matmul(U, self.dense_params(self.params_room), out=out)

    def dense_params(self, out: Array | None = None) -> Array:
        return self.inner.dense_params(out)

    def work(self, operation: str, k: int = 1) -> Work:
        (m, n), p = self.shape, self.parameters
        match operation:
            case "at":
                return self.inner.work("at") + (NOTHING if self.inner.constant else self.inner.work("dense"))
            case "jvp":
                return product(m, n, k)
            case "vjp":
                return product(k, m, n)
            case "dense":
                return passes(m * n)
            case "jvp_params":
                return self.inner.work("dense_params") + product(m, p, k)
            case "vjp_params":
                return self.inner.work("dense_params") + product(k, m, p)
        return self.inner.work(operation, k)


class ExplicitForward(Forward):
    """``explicit-forward``: dense Jacobians, right to left."""

    name: ClassVar[str] = "explicit-forward"
    blocked: ClassVar[bool] = False  # its seeds are whole matrices: that is what is compared

    def chain(self, network: Network) -> Sequence[Derivative]:
        return [DenseJacobian(derivative) for derivative in network.derivatives()]


class ExplicitReverse(Reverse):
    """``explicit-reverse``: dense Jacobians, left to right."""

    name: ClassVar[str] = "explicit-reverse"
    blocked: ClassVar[bool] = False

    def chain(self, network: Network) -> Sequence[Derivative]:
        return [DenseJacobian(derivative) for derivative in network.derivatives()]
