"""Curve fitting: a sum of Gaussian peaks sampled at many points, and its misfit to what was observed."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..arrays import Array, as_floats, as_positive, as_size
from ..errors import InputError
from .base import Derivative, Layer, Sizes
from .elementwise import Diagonal
from .work import Work, passes, product


class Peaks(Layer):
    """``y_i = sum_p a_p exp(-u_ip^2 / 2)`` with ``u_ip = (t_i - c_p) / w_p``, for R^(3 peaks) -> R^points.

    The inputs are the amplitudes a, then the widths w (not zero), then the centres c.

    Args:
        t: the sample points (points,).
        peaks: how many peaks.
    """

    def __init__(self, t: object, peaks: int) -> None:
        self.t = as_floats(t, "t").copy()
        if self.t.ndim != 1 or not self.t.size:
            raise InputError(f"t has shape {self.t.shape}; expected a vector of sample points")
        self.peaks = peaks = as_size(peaks, "peaks")
        self.n, self.m = 3 * peaks, self.t.size

    def function(self, x: Any, params: Any, xp: Any = np) -> Any:
        p = self.peaks
        a, w, c = x[..., :p, None], x[..., p : 2 * p, None], x[..., 2 * p :, None]
        u = (xp.asarray(self.t, dtype=x.dtype) - c) / w
        return xp.sum(a * xp.exp(-0.5 * u * u), axis=-2)

    def derivative_of(self, dtype: np.dtype[Any]) -> Derivative:
        return PeaksDerivative(self, dtype)


class PeaksDerivative(Derivative):
    """``dy_i/da = E``, ``dy_i/dw = a E u^2 / w``, ``dy_i/dc = a E u / w`` with ``E = exp(-u^2/2)``, kept transposed."""

    def __init__(self, layer: Peaks, dtype: np.dtype[Any]) -> None:
        super().__init__((layer.m, layer.n), dtype)
        self.t = layer.t.astype(dtype, copy=False)
        self.peaks = layer.peaks

    def sizes(self, cotangents: int = 1, tangents: int | None = None) -> Sizes:
        points, inputs = self.shape
        return Sizes(points, points * inputs, self.peaks)

    def bind(self, primal: Array, residual: Array, scratch: Array) -> None:
        points, inputs = self.shape
        self.y = primal[:points]
        self.stacked = residual[: points * inputs].reshape(inputs, points)
        self.J = self.stacked.T
        self.E, self.u, self.rest = self.stacked.reshape(3, self.peaks, points)
        self.scale = scratch[: self.peaks]

    def value(self, x: Array) -> Array:
        p = self.peaks
        np.subtract(self.t, x[2 * p :, None], out=self.u)
        np.divide(self.u, x[p : 2 * p, None], out=self.u)
        np.multiply(self.u, self.u, out=self.E)
        np.multiply(self.E, -0.5, out=self.E)
        np.exp(self.E, out=self.E)
        np.dot(x[:p], self.E, out=self.y)
        return self.y

    def at(self, x: Array) -> Array:
        p = self.peaks
        self.value(x)
        np.divide(x[:p], x[p : 2 * p], out=self.scale)
        np.multiply(self.E, self.scale[:, None], out=self.rest)
        np.multiply(self.rest, self.u, out=self.rest)
        np.multiply(self.u, self.rest, out=self.u)
        return self.y

    def jvp(self, V: Array, out: Array | None = None) -> Array:
        return np.matmul(self.J, V, out=out)

    def vjp(self, U: Array, out: Array | None = None) -> Array:
        return np.matmul(U, self.J, out=out)

    def dense(self, out: Array | None = None) -> Array:
        if out is None:
            return self.J.copy()
        np.copyto(out, self.J)
        return out

    def columns(self, start: int, stop: int, out: Array) -> Array:
        np.copyto(out, self.J[:, start:stop])
        return out

    def rows(self, start: int, stop: int, out: Array) -> Array:
        np.copyto(out, self.J[start:stop])
        return out

    def work(self, operation: str, k: int = 1) -> Work:
        (points, inputs), size = self.shape, self.peaks * self.shape[0]
        match operation:
            case "jvp":
                return product(points, inputs, k)
            case "vjp":
                return product(k, points, inputs)
            case "dense":
                return passes(points * inputs)
            case "value":
                return passes(size, 5, transcendental=1) + product(1, self.peaks, points)
            case "at":
                return self.work("value") + passes(size, 3, operands=3) + passes(self.peaks, 1, operands=3)
        raise ValueError(f"no operation {operation!r}")


class Misfit(Layer):
    """``y_i = (x_i - observed_i) / sigma``: what a least-squares fit calls its residuals.

    Args:
        observed: the data (m,).
        sigma: the standard deviation of its noise.
    """

    def __init__(self, observed: object, sigma: float) -> None:
        self.observed = as_floats(observed, "observed").copy()
        if self.observed.ndim != 1 or not self.observed.size:
            raise InputError(f"observed has shape {self.observed.shape}; expected a vector")
        self.sigma = as_positive(sigma, "sigma")
        self.n = self.m = self.observed.size

    def function(self, x: Any, params: Any, xp: Any = np) -> Any:
        return (x - xp.asarray(self.observed, dtype=x.dtype)) * (1.0 / self.sigma)

    def derivative_of(self, dtype: np.dtype[Any]) -> Derivative:
        return MisfitDerivative(self, dtype)


class MisfitDerivative(Diagonal):
    """``I / sigma``, the same everywhere."""

    def __init__(self, layer: Misfit, dtype: np.dtype[Any]) -> None:
        super().__init__(layer.n, dtype)
        self.observed = layer.observed.astype(dtype, copy=False)
        self.factor = 1.0 / layer.sigma

    def value(self, x: Array) -> Array:
        np.subtract(x, self.observed, out=self.y)
        np.multiply(self.y, self.factor, out=self.y)
        return self.y

    def at(self, x: Array) -> Array:
        self.d.fill(self.factor)
        return self.value(x)

    def _primal_work(self, operation: str) -> Work:
        size = self.shape[0]
        return passes(size, 2) + (passes(size, 1, operands=1) if operation == "at" else Work())
