"""Where two engines cost the same over a sweep of two axes: measured, and by counted operations."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import pandas as pd

from ...program.count import Work
from ..ask.sweep import Sweep
from ..judge.intervals import zero_crossing
from ..judge.results import Results
from .pairs import Pair, named
from .section import Section

OPEN = "open"  #: stands for an interval of which an end lies outside the sweep
ALONE = "one pass"  #: stands for an interval that a single pass does not have


def log_ratios(results: Results, sweep: Sweep, pair: Pair) -> pd.DataFrame:
    """log2 of one engine's time over the other's for a sweep over two axes, with its interval, and of their counts.

    ``counted`` is log2 of the first engine's counted operations over the second's, multiply-adds and elementwise ones;
    NaN for what does not count.
    """
    (y, x), rows, (first, second) = sweep.axes[:2], [], pair
    for case, own in results.measured(sweep.name).groupby("case", sort=False):
        ratio = results.ratio(sweep.name, str(case), first, second)
        if ratio:
            at = own.iloc[0]
            above, below = (operations(results.work(sweep.name, str(case), engine)) for engine in pair)
            counted = np.log2(above / below) if above and below else np.nan
            rows.append((at[f"key_{y}"], at[f"key_{x}"], *np.log2([ratio.value, ratio.low, ratio.high]), counted))
    return pd.DataFrame(rows, columns=[y, x, "log2", "low", "high", "counted"])


def operations(work: Work) -> int:
    """Multiply-adds and elementwise operations; f's transcendental functions are the same for every order."""
    return work.fma + work.elementwise


class Crossing(NamedTuple):
    """Where a row of a map crosses from one engine to the other, on its second axis; None where it does not.

    Attributes:
        measured: by the times.
        low, high: where the upper and the lower ends of their ratios' 95 % intervals do.
        counted: by the counted operations.
    """

    measured: float | None
    low: float | None
    high: float | None
    counted: float | None

    @property
    def interval(self) -> tuple[float, float] | None:
        """Of ``measured``, at 95 %; None where an end of it lies outside the sweep."""
        if self.measured is None or self.low is None or self.high is None:
            return None
        ends = (self.measured, self.low, self.high)
        return min(ends), max(ends)


def crossing(own: pd.DataFrame, moving: str) -> Crossing:
    """Of one row: all four by linear interpolation of the logarithms of the ratios over that of the axis."""
    sizes = np.log2(own[moving]).tolist()
    found = [zero_crossing(sizes, own[name].tolist()) for name in ("log2", "low", "high", "counted")]
    return Crossing(*(None if where is None else 2**where for where in found))


def crossover(results: Results, sweep: Sweep, pair: Pair) -> Section | None:
    """Where two engines cost the same, for every value of the first axis, by their times and by their counts."""
    (fixed, moving), table = sweep.axes[:2], log_ratios(results, sweep, pair)
    if table.empty:
        return None
    without = ALONE if table["low"].isna().all() else OPEN
    found = {float(at): crossing(own, moving) for at, own in table.groupby(fixed)}  # type: ignore[arg-type]
    rows = []
    for at, one in found.items():
        own = table.loc[table[fixed] == at, "log2"]
        counted = ("-", "-") if one.counted is None else (f"{one.counted:.4g}", f"{one.counted / at:.2f}")
        if one.measured is None:
            spread = OPEN if one.low is not None or one.high is not None else ""
            winner = pair[0] if own.mean() < 0 else pair[1]
            rows.append((f"{at:g}", f"not reached: {winner} is faster throughout", spread, "", *counted))
            continue
        spread = "[{:.4g}, {:.4g}]".format(*one.interval) if one.interval else without
        quotient = f"{one.measured / at:.2f}{'' if one.interval else f' ({without})'}"
        rows.append((f"{at:g}", f"{one.measured:.4g}", spread, quotient, *counted))
    quotient = f"{moving}/{fixed}"
    names = [fixed, f"{moving} at equal cost", "95 % interval", quotient]
    shown = pd.DataFrame(rows, columns=[*names, f"{moving} by counts", f"{quotient} by counts"])
    if table["counted"].isna().all():  # other packages' engines, whose operations are not known
        shown = shown[names]
    return Section(f"Crossover ({named(sweep, pair)})", _note(pair, quotient, found), shown)


def _note(pair: Pair, quotient: str, rows: dict[float, Crossing]) -> str:
    """In words: the median of the rows that surely cross, how many these are, and where counting puts all rows."""
    first, second = pair
    reached = [row for row in rows.values() if row.measured is not None]
    closed = [row.measured / at for at, row in rows.items() if row.measured is not None and row.interval]
    note = f"{first} and {second} do not cost the same anywhere in this sweep."
    if closed:
        note = (
            f"{first} and {second} cost the same at {quotient} = {_spread(closed)}, by the {len(closed)} of "
            f"{len(rows)} rows whose 95 % interval lies inside the sweep."
        )
    elif reached:
        note = (
            f"{first} and {second} cross in {len(reached)} of {len(rows)} rows, and in none of them does a 95 % "
            "interval lie inside the sweep: where they cost the same is not known."
        )
    counted = [row.counted / at for at, row in rows.items() if row.counted is not None]
    if counted:
        note += (
            f" Counting this network's multiply-adds and elementwise operations puts it at {quotient} = "
            f"{_spread(counted)}, by {len(counted)} of {len(rows)} rows."
        )
    return note


def _spread(quotients: list[float]) -> str:
    """``0.98 (median; 0.9 to 1.1)``; a number alone where they agree."""
    middle, low, high = (f"{value:.2f}" for value in (np.median(quotients), min(quotients), max(quotients)))
    return middle if low == high else f"{middle} (median; {low} to {high})"
