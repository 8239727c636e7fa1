"""Curve fitting: a sum of Gaussian peaks sampled at many points, and its misfit to what was observed."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..arrays import as_floats, as_positive, as_size
from ..errors import InputError
from .base import Layer


class Peaks(Layer):
    """``y_i = sum_p a_p exp(-u_ip^2 / 2)`` with ``u_ip = (t_i - c_p) / w_p``, for R^(3 peaks) -> R^points.

    The inputs are the amplitudes a, then the widths w (not zero), then the centres c.

    Args:
        t: the sample points (points,).
        peaks: how many peaks.

    Raises:
        InputError: t is no finite vector, or peaks no integer of at least 1.
    """

    batched = True

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
        return xp.sum(a * xp.exp(-0.5 * xp.square(u)), axis=-2)


class Misfit(Layer):
    """``y_i = (x_i - observed_i) / sigma``: what a least-squares fit calls its residuals.

    Args:
        observed: the data (m,).
        sigma: the standard deviation of its noise.

    Raises:
        InputError: observed is no finite vector, or sigma no positive number.
    """

    batched = True

    def __init__(self, observed: object, sigma: float) -> None:
        self.observed = as_floats(observed, "observed").copy()
        if self.observed.ndim != 1 or not self.observed.size:
            raise InputError(f"observed has shape {self.observed.shape}; expected a vector")
        self.sigma = as_positive(sigma, "sigma")
        self.n = self.m = self.observed.size

    def function(self, x: Any, params: Any, xp: Any = np) -> Any:
        return (x - xp.asarray(self.observed, dtype=x.dtype)) * (1.0 / self.sigma)
