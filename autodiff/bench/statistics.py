"""Statistics of measurements: intervals, growth exponents, crossovers."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from scipy import stats

CONFIDENCE = 0.95


def interval(per_pass: Sequence[float]) -> tuple[float, float]:
    """The confidence interval of a quantity of which every pass gave one value, all above 0.

    Passes differ more than the rounds within one do, and there are few of them, so resampling the rounds (or three
    passes) promises too much: this is Student's interval of the mean logarithm over the passes. With a single
    pass there is none, and both ends are NaN. Source: Kalibera & Jones, Rigorous benchmarking in reasonable time
    (ISMM 2013), section 6, on which level of an experiment has to be repeated.
    """
    logs = np.log(np.asarray(per_pass, float))
    if logs.size < 2:
        return math.nan, math.nan
    margin = float(stats.t.ppf(0.5 + CONFIDENCE / 2, logs.size - 1) * logs.std(ddof=1) / math.sqrt(logs.size))
    return math.exp(float(logs.mean()) - margin), math.exp(float(logs.mean()) + margin)


@dataclass(frozen=True, slots=True)
class Ratio:
    """A ratio of two times with its interval."""

    value: float
    low: float
    high: float

    @property
    def decided(self) -> bool:
        """There is an interval, and it does not touch 1."""
        return self.low > 1 or self.high < 1

    def __str__(self) -> str:
        digits = max(0, 2 - math.floor(math.log10(self.value))) if self.value > 0 else 2
        if math.isnan(self.low):
            return f"{self.value:.{digits}f}"
        return f"{self.value:.{digits}f} [{self.low:.{digits}f}, {self.high:.{digits}f}]"


def paired_ratio(above: Mapping[int, Sequence[float]], below: Mapping[int, Sequence[float]]) -> Ratio | None:
    """``above / below`` over the passes that both were measured in, each ratio taken within a pass."""
    shared = sorted(above.keys() & below.keys())
    if not shared:
        return None
    ratios = [float(np.median(above[i]) / np.median(below[i])) for i in shared]
    centre = float(np.median(ratios))
    low, high = interval(ratios)
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


DOMINANT = 20.0  #: the size dominates where the time is this many times that of the smallest size
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
    if not (np.isfinite(x).all() and np.isfinite(y).all() and x[0] < x[-1]):
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
