"""Statistics of measurements: intervals, ratios, what disturbs them, crossovers."""

from __future__ import annotations

import functools
import math
from bisect import bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from statistics import fmean, median

import numpy as np
from numpy.typing import NDArray
from scipy import stats

CONFIDENCE = 0.95

Floats = NDArray[np.float64]


def interval(per_pass: Sequence[float]) -> tuple[float, float]:
    """The confidence interval of a quantity of which every pass gave one value, all above 0.

    Passes differ more than the rounds within one do, and there are few of them: this is Student's interval of the mean
    logarithm over the passes. With a single pass there is none, and both ends are NaN.

    The hierarchical bootstrap, passes resampled and rounds within them, promises too much: with 2 % between and 3 %
    within passes its 95 % hold the truth in 81 % of all runs of three passes, 88 % of five, 92 % of ten, Student's
    always in 95 %. From about twenty passes on the two agree within some two points and a tenth of the width. Source:
    Kalibera & Jones, Rigorous benchmarking in reasonable time (ISMM 2013), for the bootstrap and on which level of an
    experiment has to be repeated.
    """
    logs = [math.log(value) for value in per_pass]  # a handful: NumPy's overhead would be most of a report's time
    if len(logs) < 2:
        return math.nan, math.nan
    centre = fmean(logs)
    margin = _quantile(len(logs) - 1) * math.sqrt(
        sum((log - centre) ** 2 for log in logs) / (len(logs) - 1) / len(logs)
    )
    return math.exp(centre - margin), math.exp(centre + margin)


@functools.cache
def _quantile(freedom: int) -> float:
    """Student's, two-sided."""
    return float(stats.t.ppf(0.5 + CONFIDENCE / 2, freedom))


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


def pass_ratios(above: Mapping[int, float], below: Mapping[int, float]) -> dict[int, float]:
    """``above / below`` in every pass that both were measured in."""
    return {i: above[i] / below[i] for i in sorted(above.keys() & below.keys())}


def paired_ratio(above: Mapping[int, float], below: Mapping[int, float]) -> Ratio | None:
    """The median of ``above / below`` over the passes that both were measured in, with its interval; None for none."""
    known = list(pass_ratios(above, below).values())
    if not known:
        return None
    centre = median(known)
    low, high = interval(known)
    return Ratio(centre, min(low, centre), max(high, centre))


RESAMPLES = 2000  #: of the cases of a mean
RESAMPLED = 20  #: the seed by which they are drawn, so that the same records give the same interval
FEWEST_CASES = 4  #: of an interval over cases


def over_cases(per_case: Sequence[Sequence[float]]) -> tuple[float, float]:
    """The 95 % interval of a geometric mean over cases, each with a value above 0 from every pass; NaN for few cases.

    A bootstrap of two levels, by percentiles: cases are drawn with replacement as many as there are, and of each one
    of its passes. It holds the mean over all cases of the kind that these were chosen from, as far as chance chose
    them, and the noise of a single pass; it says nothing of cases of another kind.

    It is too narrow for few cases. Of 1,000 simulated sweeps each (ratios whose logarithms spread by 0.7 over the
    cases, by 0.03 from pass to pass, three passes), it held the mean in per cent:

    =====  ====  ====  ====  ====  ====
    cases  4     6     8     12    29
    =====  ====  ====  ====  ====  ====
    held   81    86    90    92    93
    =====  ====  ====  ====  ====  ====

    Source: Efron & Tibshirani, An introduction to the bootstrap (1993), chapter 13 for the percentiles and
    chapter 8 for data that are no plain sample.
    """
    if len(per_case) < FEWEST_CASES:
        return math.nan, math.nan
    rng, count = np.random.default_rng(RESAMPLED), len(per_case)
    passes = np.array([len(values) for values in per_case])
    logs = np.full((count, passes.max()), np.nan)
    for row, values in zip(logs, per_case, strict=True):
        row[: len(values)] = np.log(values)
    cases = rng.integers(0, count, (RESAMPLES, count))
    drawn = logs[cases, rng.integers(0, passes[cases])]
    low, high = np.quantile(drawn.mean(axis=1), [(1 - CONFIDENCE) / 2, (1 + CONFIDENCE) / 2])
    return math.exp(low), math.exp(high)


@dataclass(frozen=True, slots=True)
class Drift:
    """How far the time moves steadily while it is measured, as its end over its start; 1 where it does not."""

    within: float
    between: float

    @property
    def shown(self) -> bool:
        """There is a drift, within a pass or from pass to pass."""
        return self.within != 1 or self.between != 1


DRIFT_LEVEL = 0.01  #: chance of a drift within passes where the rounds are independent
WITHIN = math.log(1.05)  #: smallest drift over a pass: neighbouring rounds are alike, so a p-value alone shows too many
BETWEEN = math.log(1.1)  #: smallest drift of the passes' medians: any three are in order one time in three


def drift(rounds_by_pass: Mapping[int, Sequence[float]]) -> Drift:
    """Whether times rise or fall steadily, over the rounds of any pass or from pass to pass.

    Within a pass it is the Mann-Kendall test of the rounds against their order, at ``DRIFT_LEVEL`` over all passes
    together, with Theil and Sen's slope of the logarithms for its size; the largest counts. Fewer than six or seven
    rounds cannot show any. Between passes the medians of three or more have to be in order. Source: Mann,
    Nonparametric tests against trend (Econometrica 13, 1945).
    """
    passes = [[math.log(t) for t in rounds_by_pass[i]] for i in sorted(rounds_by_pass) if len(rounds_by_pass[i])]
    moves = [_trend(logs, DRIFT_LEVEL / len(passes)) for logs in passes]
    within = max((move for move in moves if abs(move) > WITHIN), key=abs, default=0.0)
    medians = [median(logs) for logs in passes]
    steps = [after - before for before, after in pairwise(medians)]
    steady = len(steps) > 1 and (min(steps) > 0 or max(steps) < 0)
    between = medians[-1] - medians[0] if steady else 0.0
    return Drift(math.exp(within), math.exp(between) if abs(between) > BETWEEN else 1.0)


def _trend(logs: Sequence[float], level: float) -> float:
    """The change from first to last, 0 where it is not significant."""
    third = len(logs) // 3
    if third and abs(fmean(logs[-third:]) - fmean(logs[:third])) < WITHIN / 2:
        return 0.0  # two thirds of a drift lie between the thirds' means; what follows is a hundred times slower
    order = np.arange(len(logs))
    if np.ptp(logs) == 0 or not stats.kendalltau(order, logs).pvalue < level:
        return 0.0
    return float(stats.theilslopes(logs, order).slope) * (len(logs) - 1)


FAR = 3.0  #: Tukey's outer fence, in interquartile ranges above the third quartile


def outliers(rounds_by_pass: Mapping[int, Sequence[float]]) -> float:
    """The share of rounds far above their pass, beyond its outer fence; NaN without rounds.

    The fence is each pass's own, so that slow passes are not outliers. Source: Tukey, Exploratory data analysis (1977),
    chapter 2.
    """
    far = total = 0
    for seconds in map(sorted, filter(len, rounds_by_pass.values())):
        lower, upper = _quantile_of(seconds, 0.25), _quantile_of(seconds, 0.75)
        far += len(seconds) - bisect_right(seconds, upper + FAR * (upper - lower))
        total += len(seconds)
    return far / total if total else math.nan


def _quantile_of(ordered: Sequence[float], share: float) -> float:
    """By linear interpolation, as NumPy's default."""
    at = share * (len(ordered) - 1)
    low = int(at)
    high = min(low + 1, len(ordered) - 1)
    return ordered[low] + (at - low) * (ordered[high] - ordered[low])


def zero_crossing(x: Sequence[float], y: Sequence[float]) -> float | None:
    """Where y is first 0 as x grows, by linear interpolation; None if it is nowhere."""
    order = np.argsort(x)
    xs, ys = np.asarray(x, float)[order], np.asarray(y, float)[order]
    for i in range(len(xs)):
        if ys[i] == 0:
            return float(xs[i])
        if i + 1 < len(xs) and ys[i] * ys[i + 1] < 0:
            return float(xs[i] - ys[i] * (xs[i + 1] - xs[i]) / (ys[i + 1] - ys[i]))
    return None
