"""Whether a measurement is slower in B than in A: undisturbed passes, moderated variances, a noise floor.

On a shared machine a pass, or a part of one, may run twice as slow for minutes. Such a disturbance only ever adds time,
while a slowdown of the code is in every round: so a pass is represented by its fastest round, and the passes that agree
with the fastest one, within ``AGREE``, are the undisturbed ones; the others say nothing about the code. On the minimum:
Chen & Revels, Robust benchmarking in noisy environments (2016).

The ratio is that of the geometric means over the undisturbed passes. Its interval is Student's on their logarithms, a
measurement's variance being moderated by that of all others, which count like ``PRIOR`` more degrees of freedom: three
passes alone know too little of their own variance to show anything. Source: Smyth, Linear models and empirical Bayes
methods (Statistical Applications in Genetics and Molecular Biology 3, 2004). The level is 99 %, because hundreds are
looked at together. A side with a single pass says nothing about the variance between passes, and rounds vary far less
than passes do: there is no interval then, and the ratio alone is held against ``Limits.single``.

Measured on a two-core machine with others at work on it, in pairs of runs of the same code cut from 52 passes: with 3
passes a side 0.1 to 6 % of the measurements are wrongly called different, depending on how busy it was, and 95 to
99.8 % of all slowdowns of 15 % are found; with 5 passes it is 0.2 % at most, and 99 % at least. Welch's t on the
medians of all passes finds 17 to 82 %. Two passes are too few where the machine is busy.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import stats

from .sides import Key, Passes

AGREE = math.log(1.10)  #: a pass that takes longer than the fastest one by more than this was disturbed
PRIOR = 4  #: degrees of freedom that the variance of all other measurements lends to each
LEVEL = 0.99  #: of the intervals

Pairs = Mapping[Key, tuple[Passes, Passes]]
Floats = NDArray[np.float64]


class Limits(NamedTuple):
    """The least ratio that counts as a change: where there is an interval, and where a side has a single pass."""

    usual: float = 1.05
    single: float = 1.10


def judge(pairs: Pairs, common: float, limits: Limits) -> pd.DataFrame:
    """A row per measurement: sweep, case, engine, a_s, b_s, ratio, low, high, verdict.

    Args:
        pairs: the passes of every measurement in A and in B, at least one each.
        common: the logarithm of the factor that ratios are relative to.
        limits: what counts as a change.
    """
    sides = [(undisturbed(a), undisturbed(b)) for a, b in pairs.values()]
    count = np.array([[len(logs) for logs in pair] for pair in sides], float)
    mean = np.array([[logs.mean() for logs in pair] for pair in sides])
    squares = np.array([sum(float(((logs - logs.mean()) ** 2).sum()) for logs in pair) for pair in sides])
    own = count.sum(axis=1) - 2  # degrees of freedom
    others = own.sum() - own
    prior = np.minimum(PRIOR, others)
    lent = prior * (squares.sum() - squares) / np.maximum(others, 1)
    known = (prior + own > 0) & ~np.array([min(len(a), len(b)) < 2 for a, b in pairs.values()])
    freedom = (prior + own)[known]
    error = np.sqrt((squares + lent)[known] / freedom * (1 / count[known]).sum(axis=1))
    margin = np.full(len(sides), np.nan)
    margin[known] = stats.t.ppf((1 + LEVEL) / 2, freedom) * error
    table = pd.DataFrame(list(pairs), columns=["sweep", "case", "engine"])
    table[["a_s", "b_s"]] = np.exp(mean)
    return _with_verdict(table, mean[:, 1] - mean[:, 0] - common, margin, limits)


def undisturbed(passes: Passes) -> Floats:
    """The logarithms of the passes that agree with the fastest one."""
    logs: Floats = np.log(np.array(list(passes.values())))
    agree: Floats = logs[logs <= logs.min() + AGREE]
    return agree


def _with_verdict(table: pd.DataFrame, ratio: Floats, margin: Floats, limits: Limits) -> pd.DataFrame:
    """Add ratio, interval and verdict, from logarithms; where there is no interval the margin is NaN."""
    table["ratio"], table["low"], table["high"] = np.exp(ratio), np.exp(ratio - margin), np.exp(ratio + margin)
    least = np.where(np.isnan(margin), math.log(limits.single), np.fmax(math.log(limits.usual), margin))
    table["verdict"] = np.select([ratio > least, ratio < -least], ["slower", "faster"], "same")
    return table


def means(judged: pd.DataFrame, limits: Limits) -> pd.DataFrame:
    """The geometric mean per sweep and engine; its error is that of the cases, which are these and no sample."""
    logs = judged[["sweep", "engine"]].assign(
        ratio=np.log(judged["ratio"]), square=np.log(judged["high"] / judged["ratio"]) ** 2
    )
    groups = logs.groupby(["sweep", "engine"], sort=False)
    table = groups.size().reset_index(name="cases")
    margin = np.sqrt(groups["square"].sum(min_count=0, skipna=False).to_numpy()) / table["cases"].to_numpy()
    return _with_verdict(table, groups["ratio"].mean().to_numpy(), margin, limits)
