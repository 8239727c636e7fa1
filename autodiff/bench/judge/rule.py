"""Whether a measurement is slower in B than in A, with at most one false alarm in a hundred.

Each side has a few passes; a pass is represented by its fastest round (Chen & Revels, Robust benchmarking in noisy
environments, 2016). What is told apart are the means of their logarithms, in four steps:

1. A pass that lies above its side's median by more than ``FAR`` standard deviations was disturbed, and left out. The
   deviation is that of the passes below the median, which a disturbance does not touch: it only ever adds time.
2. A side's variance is moderated by that of all others, which count like ``PRIOR`` more degrees of freedom: three
   passes alone know too little of their own. The wildest, disturbed in most of their passes, lend less. Source: Smyth,
   Linear models and empirical Bayes methods (Statistical Applications in Genetics and Molecular Biology 3, 2004).
3. The interval is Welch's, at ``LEVEL``: the sides need neither as many passes nor as much noise. Source: Welch, The
   generalization of Student's problem (Biometrika 34, 1947).
4. Passes of one run do not know what differs between runs (where memory lies, frequency, neighbours), nor that
   neighbouring passes are alike. What does not belong to the engines compared, the machine's kernels and f itself,
   knows: by how much it differs between A and B beyond what its passes say, intervals are widened. Source: Efron,
   Large-scale simultaneous hypothesis testing (JASA 99, 2004), whose empirical null this is, taken from controls.

A side with a single pass says nothing about the variance between passes: there is no interval then, and the ratio
alone is held against ``Floors.single``.

What it holds, simulated through `autodiff compare` on the 407 measurements and 193 controls of the reference run, 20
pairs of runs a cell (``python benchmarks/alarms.py --pairs 20``): measurements of the same code that are called
different, slower and faster together, in per cent.

=============================  =====  =====  =======  =======  ======  ======  ======
noise between passes           3 v 3  5 v 5  10 v 10  20 v 20  10 v 3  3 v 10  20 v 5
=============================  =====  =====  =======  =======  ======  ======  ======
sd 1 %                         0.00   0.00   0.00     0.00     0.00    0.00    0.00
sd 3 %                         0.31   0.42   0.02     0.00     0.25    0.25    0.07
sd 5 %                         0.25   0.54   0.54     0.18     0.31    0.18    0.53
sd 8 %                         0.20   0.37   0.77     0.81     0.33    0.27    0.45
sd 10 %                        0.22   0.43   0.81     0.82     0.31    0.31    0.61
sd 1 to 10 %, by measurement   0.92   0.75   0.53     0.33     0.84    0.77    0.66
sd 3 % in A, 9 % in B          0.10   0.39   0.63     0.71     0.06    0.50    0.27
sd 3 %, a pass of B disturbed  0.18   0.57   0.05     0.00     0.21    0.21    0.12
sd 3 %, AR(1) of 0.5           0.02   0.06   0.32     0.17     0.04    0.07    0.11
sd 8 %, AR(1) of 0.5           0.06   0.11   0.48     0.43     0.12    0.07    0.12
AR(1) in all together          0.00   0.00   0.00     0.00     0.00    0.00    0.00
sd 3 %, and 3 % between runs   0.01   0.02   0.01     0.01     0.00    0.00    0.00
=============================  =====  =====  =======  =======  ======  ======  ======

Of slowdowns of 15 % at sd 3 % it finds 98.3 % with 3 passes a side, 100 % with 5; with one pass of B disturbed 96.0 %
and 100 %.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import stats

from .side import Key, Passes

FAR = 5  #: standard deviations above the median from which on a pass was disturbed
PRIOR = 3  #: degrees of freedom that the variance of all other measurements lends to each
WILD = 25  #: times the median variance, which a variance is lent to others as at most
LEVEL = 0.99  #: of the intervals
ENOUGH = 10  #: controls from which on they say how far runs differ
FURTHEST = 30.0  #: normal score of a control, where its tail leaves the numbers that there are
LARGEST = 700.0  #: logarithm of an end of an interval
SHARE = 0.8  #: of the controls that the code's changes must leave alone

Pairs = Mapping[Key, tuple[Passes, Passes]]
Floats = NDArray[np.float64]


class Floors(NamedTuple):
    """The least ratio that counts as a change: where there is an interval, and where a side has a single pass."""

    usual: float = 1.05
    single: float = 1.10


class Moments(NamedTuple):
    """Of one side of every measurement: means of logarithms, the variances of these, their degrees of freedom."""

    mean: Floats
    variance: Floats
    freedom: Floats


def moments(sides: Sequence[Floats]) -> Moments:
    """Means and moderated variances of the passes that count; NaN where a single pass leaves them unknown."""
    count = np.array([len(logs) for logs in sides], float)
    squares = np.array([float(((logs - logs.mean()) ** 2).sum()) for logs in sides])
    own = count - 1
    others = own.sum() - own
    prior = np.minimum(PRIOR, others)
    usual = _without_wild(squares, own)
    lent = prior * (usual.sum() - usual) / np.maximum(others, 1)
    freedom = np.where(own > 0, prior + own, np.nan)
    mean = np.array([logs.mean() for logs in sides])
    return Moments(mean, (squares + lent) / freedom / count, freedom)


def _without_wild(squares: Floats, own: Floats) -> Floats:
    """Sums of squares as they are lent to others: of the wildest, disturbed in most of their passes, only so much."""
    known = own > 0
    most = WILD * float(np.median(squares[known] / own[known])) if known.any() else 0.0
    return np.minimum(squares, own * most) if most > 0 else squares


def undisturbed(sides: Sequence[Passes]) -> list[Floats]:
    """The logarithms of the passes that count, of one side of every measurement."""
    logs = [np.log(np.array(list(passes.values()))) for passes in sides]
    medians = [float(np.median(one)) for one in logs]
    below = [one[one < at] - at for one, at in zip(logs, medians, strict=True)]
    count = np.array([len(one) for one in below], float)
    squares = np.array([float((one**2).sum()) for one in below])
    usual = _without_wild(squares, count).sum() / max(count.sum(), 1)
    deviations = np.sqrt((PRIOR * usual + squares) / (PRIOR + count))
    return [one[one <= at + FAR * sd] for one, at, sd in zip(logs, medians, deviations, strict=True)]


class Contrasts(NamedTuple):
    """Logarithms of B over A, their standard errors, and degrees of freedom; errors are NaN for single passes."""

    a: Floats
    b: Floats
    error: Floats
    freedom: Floats

    @property
    def ratio(self) -> Floats:
        """The logarithm of B over A."""
        return self.b - self.a


def compared(left: Moments, right: Moments) -> Contrasts:
    """Welch's standard errors and degrees of freedom; a variance of 0 on both sides leaves those of the passes."""
    variance = left.variance + right.variance
    parts = left.variance**2 / left.freedom + right.variance**2 / right.freedom
    with np.errstate(invalid="ignore"):
        freedom = np.where(parts > 0, variance**2 / parts, left.freedom + right.freedom)
    return Contrasts(left.mean, right.mean, np.sqrt(variance), freedom)


def contrasts(pairs: Pairs) -> Contrasts:
    """What every measurement differs by between A and B."""
    left, right = (undisturbed([pair[side] for pair in pairs.values()]) for side in (0, 1))
    return compared(moments(left), moments(right))


def spread(controls: Pairs, common: float) -> float:
    """How much further runs differ than their passes say, from what does not belong to the engines; at least 1.

    The quantile ``SHARE`` of their differences' normal scores, over that of a normal distribution, and half its own
    standard error more; 1 where there are too few of them.
    """
    if len(controls) < ENOUGH:
        return 1.0
    found = contrasts(controls)
    known = found.error > 0
    if known.sum() < ENOUGH:
        return 1.0
    t = np.abs(found.ratio - common)[known] / found.error[known]
    scores = np.minimum(stats.norm.isf(stats.t.sf(t, found.freedom[known])), FURTHEST)
    expected = float(stats.norm.ppf((1 + SHARE) / 2))
    uncertain = math.sqrt(SHARE * (1 - SHARE) / len(t)) / (2 * float(stats.norm.pdf(expected))) / expected
    return max(1.0, float(np.quantile(scores, SHARE)) / expected * (1 + uncertain / 2))


def judge(pairs: Pairs, common: float, floors: Floors, wider: float = 1.0) -> pd.DataFrame:
    """A row per measurement: sweep, case, engine, a_s, b_s, ratio, low, high, verdict.

    Args:
        pairs: the passes of every measurement in A and in B, at least one each.
        common: the logarithm of the factor that ratios are relative to.
        floors: what counts as a change.
        wider: by how much runs differ further than their passes say, of :func:`spread`.
    """
    found = contrasts(pairs)
    table = pd.DataFrame(list(pairs), columns=["sweep", "case", "engine"])
    table["a_s"], table["b_s"] = np.exp(found.a), np.exp(found.b)
    return _with_verdict(table, found.ratio - common, _margin(found, wider), floors)


def _margin(found: Contrasts, wider: float) -> Floats:
    """Half the interval: Student's quantile at the level of a normal score that is so much wider."""
    level = stats.norm.sf(stats.norm.isf((1 - LEVEL) / 2) * wider)
    return np.asarray(stats.t.isf(level, found.freedom) * found.error)


def _with_verdict(table: pd.DataFrame, ratio: Floats, margin: Floats, floors: Floors) -> pd.DataFrame:
    """Add ratio, interval and verdict, from logarithms; where there is no interval the margin is NaN."""
    ends = [np.exp(np.clip(end, -LARGEST, LARGEST)) for end in (ratio - margin, ratio + margin)]
    table["ratio"], table["low"], table["high"] = np.exp(ratio), *ends
    least = np.where(np.isnan(margin), math.log(floors.single), np.fmax(math.log(floors.usual), margin))
    table["verdict"] = np.select([ratio > least, ratio < -least], ["slower", "faster"], "same")
    return table


def means(pairs: Pairs, common: float, floors: Floors, wider: float = 1.0) -> pd.DataFrame:
    """The geometric mean per sweep and engine: sweep, engine, cases, ratio, low, high, verdict.

    Cases that share a pass share what happened in it, so a pass is the unit here: the interval is that of the means
    over the cases of every pass. Where cases were not measured in the same passes, each is taken from its own mean.
    """
    groups: dict[tuple[str, str], list[Key]] = defaultdict(list)
    for sweep, case, engine in pairs:
        groups[sweep, engine].append((sweep, case, engine))
    sides = [[[pairs[key][side] for key in keys] for keys in groups.values()] for side in (0, 1)]
    found = compared(*(moments([_pass_means(group) for group in side]) for side in sides))
    table = pd.DataFrame(list(groups), columns=["sweep", "engine"])
    table["cases"] = [len(keys) for keys in groups.values()]
    return _with_verdict(table, found.ratio - common, _margin(found, wider), floors)


def _pass_means(cases: Sequence[Passes]) -> Floats:
    """The mean logarithm of the passes that count, and in every pass how far its cases lie from it."""
    kept = undisturbed(cases)
    centres = [float(logs.mean()) for logs in kept]
    highest = [float(logs.max()) for logs in kept]
    apart: dict[int, list[float]] = defaultdict(list)
    for passes, centre, high in zip(cases, centres, highest, strict=True):
        for number, seconds in passes.items():
            if math.log(seconds) <= high:
                apart[number].append(math.log(seconds) - centre)
    per_pass = np.array([float(np.mean(one)) for one in apart.values()])
    return np.asarray(float(np.mean(centres)) + per_pass - per_pass.mean())
