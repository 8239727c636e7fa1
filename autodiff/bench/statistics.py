"""Statistics of measurements: intervals, growth exponents, crossovers."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy import stats

from ..arrays import Array

CONFIDENCE = 0.95
RESAMPLES = 400


def bootstrap_medians(passes: Sequence[Sequence[float]], seed: int = 0) -> Array:
    """Resampled medians of a measurement made in several passes, (RESAMPLES,).

    Passes are the unit of resampling, rounds are resampled within them, and each resample gives the median of its
    passes' medians. Source: Kalibera & Jones, Rigorous benchmarking in reasonable time (ISMM 2013), section 7.
    """
    rng = np.random.default_rng(seed)
    medians = np.empty((len(passes), RESAMPLES))
    for index, rounds in enumerate(passes):
        medians[index] = _resampled_medians(rounds, rng)
    return _over_passes(medians, rng)


def _resampled_medians(rounds: Sequence[float], rng: np.random.Generator) -> Array:
    data = np.asarray(rounds)
    return np.asarray(np.median(data[rng.integers(0, data.size, (RESAMPLES, data.size))], axis=1))


def _over_passes(samples: Array, rng: np.random.Generator) -> Array:
    """The median over resampled passes of samples (passes, RESAMPLES)."""
    chosen = rng.integers(0, len(samples), samples.shape)
    return np.asarray(np.median(np.take_along_axis(samples, chosen, axis=0), axis=0))


def interval(samples: Array) -> tuple[float, float]:
    """The central confidence interval of bootstrap samples."""
    tail = (1 - CONFIDENCE) / 2
    low, high = np.quantile(samples, [tail, 1 - tail])
    return float(low), float(high)


@dataclass(frozen=True, slots=True)
class Ratio:
    """A ratio of two times with its interval."""

    value: float
    low: float
    high: float

    @property
    def decided(self) -> bool:
        """The interval does not touch 1."""
        return self.low > 1 or self.high < 1

    def __str__(self) -> str:
        return f"{self.value:.3g} [{self.low:.3g}, {self.high:.3g}]"


def paired_ratio(above: dict[int, Sequence[float]], below: dict[int, Sequence[float]]) -> Ratio | None:
    """``above / below`` over the passes that both were measured in, each ratio taken within a pass."""
    shared = sorted(above.keys() & below.keys())
    if not shared:
        return None
    centre = float(np.median([np.median(above[i]) / np.median(below[i]) for i in shared]))
    rng = np.random.default_rng(0)
    ratios = np.empty((len(shared), RESAMPLES))
    for row, i in enumerate(shared):
        ratios[row] = _resampled_medians(above[i], rng) / _resampled_medians(below[i], rng)
    low, high = interval(_over_passes(ratios, rng))
    return Ratio(centre, min(low, centre), max(high, centre))


@dataclass(frozen=True, slots=True)
class Exponent:
    """``time ~ size^slope`` over ``first`` to ``last``, a range of ``points`` sizes."""

    slope: float
    low: float
    high: float
    first: float
    last: float
    points: int

    def __str__(self) -> str:
        return f"{self.slope:.2f} [{self.low:.2f}, {self.high:.2f}]"


def growth(sizes: Sequence[float], seconds: Sequence[float]) -> Exponent | None:
    """The slope of log time against log size in the upper half of a sweep, by least squares.

    None with fewer than three sizes there: two points have a slope but no error.
    """
    order = np.argsort(sizes)
    x, y = np.log(np.asarray(sizes, float)[order]), np.log(np.asarray(seconds, float)[order])
    upper = x >= (x[0] + x[-1]) / 2 - 1e-9
    x, y = x[upper], y[upper]
    if x.size < 3:
        return None
    fit = stats.linregress(x, y)
    margin = float(stats.t.ppf(0.5 + CONFIDENCE / 2, x.size - 2) * fit.stderr)
    slope = float(fit.slope)
    return Exponent(slope, slope - margin, slope + margin, math.exp(x[0]), math.exp(x[-1]), int(x.size))


def zero_crossing(x: Sequence[float], y: Sequence[float]) -> float | None:
    """Where y first changes sign as x grows, by linear interpolation; None if it does not."""
    order = np.argsort(x)
    xs, ys = np.asarray(x, float)[order], np.asarray(y, float)[order]
    for i in range(len(xs) - 1):
        if ys[i] == 0:
            return float(xs[i])
        if ys[i] * ys[i + 1] < 0:
            return float(xs[i] - ys[i] * (xs[i + 1] - xs[i]) / (ys[i + 1] - ys[i]))
    return None
