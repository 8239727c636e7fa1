"""Statistics of measurements: intervals, growth exponents, crossovers."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
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
        digits = max(0, 2 - math.floor(math.log10(self.value))) if self.value > 0 else 2
        return f"{self.value:.{digits}f} [{self.low:.{digits}f}, {self.high:.{digits}f}]"


def paired_ratio(above: Mapping[int, Sequence[float]], below: Mapping[int, Sequence[float]]) -> Ratio | None:
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


DOMINANT = 10.0  #: the size dominates where the time is this many times that of the smallest size
ENOUGH = 3  #: points that a slope with an error needs; two have none


def growth(sizes: Sequence[float], seconds: Sequence[float]) -> Exponent | None:
    """The slope of log time against log size in the upper half of a sweep, by least squares.

    Where the upper half holds enough points at which the size dominates, only those are fitted, so that a constant
    part does not hide how the rest grows. None with fewer than three points.
    """
    order = np.argsort(sizes)
    known = np.asarray(sizes, float)[order]
    x, y = np.log(known), np.log(np.asarray(seconds, float)[order])
    chosen = x >= (x[0] + x[-1]) / 2 - 1e-9
    dominant = chosen & (y >= y[0] + math.log(DOMINANT))
    if dominant.sum() >= ENOUGH:
        chosen = dominant
    count = int(chosen.sum())
    if count < ENOUGH:
        return None
    fit = stats.linregress(x[chosen], y[chosen])
    slope, error = float(fit.slope), float(fit.stderr)
    margin = float(stats.t.ppf(0.5 + CONFIDENCE / 2, count - 2)) * (error if math.isfinite(error) else 0.0)
    first, last = known[chosen][[0, -1]].tolist()
    return Exponent(slope, slope - margin, slope + margin, first, last, count)


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
