"""What a comparison found: tables, a headline, and a text for a pull request."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import numpy as np
import pandas as pd

from ...errors import InputError
from ...text import markdown, markdown_table, seconds_text
from .intervals import Ratio
from .rule import Floors

VERDICTS = ("slower", "faster", "same", "new", "gone")


@dataclass(frozen=True)
class Comparison:
    """What differs between A and B; ratios are B over A, above 1 means that B is slower.

    Attributes:
        table: a row per measurement: sweep, case, engine, a_s, b_s (seconds: geometric means of the fastest rounds of
            the passes that count), ratio, low, high, verdict: "slower", "faster", "same" (no difference shown), "new"
            (only in B), "gone" (only in A).
        means: a row per sweep and engine: cases, geometric mean ratio, low, high, verdict.
        notes: what to know before believing it.
        floors: the least ratios that count as a change.
        common: the factor that every ratio is relative to, 1 where it is relative to none.
        one_process: a side's times are those of a single process, so that intervals do not know how processes differ.
    """

    table: pd.DataFrame
    means: pd.DataFrame
    notes: list[str]
    floors: Floors
    common: float
    one_process: bool = False

    @property
    def floor(self) -> float:
        """The least ratio that counts as a change where there is an interval."""
        return self.floors.usual

    @property
    def headline(self) -> str:
        """``3 of 260 measurements are slower, 1 is faster, 256 show no difference``."""
        slower, faster, same, new, gone = (int((self.table["verdict"] == name).sum()) for name in VERDICTS)
        text = f"{slower} of {slower + faster + same} measurements {_be(slower)} slower, {faster} {_be(faster)} faster"
        text += f", {same} show{'s' if same == 1 else ''} no difference"
        return text + (f"; {new} only in B" if new else "") + (f"; {gone} only in A" if gone else "")

    def failures(self, above: float) -> list[str]:
        """Every slowdown, of a measurement or on average, whose whole interval lies above a ratio, in words.

        A ratio that has no interval, or one that knows a single process alone, fails where it is above by more than
        single passes differ.

        Raises:
            InputError: ``above`` is no ratio.
        """
        if not 0 < above < math.inf:
            raise InputError(f"a comparison fails above a ratio, which is a number above 0, not {above}")
        found = []
        for what, frame in (("on average", self.means), ("", self.table)):
            without = frame["ratio"] / self.floors.single
            low = np.fmin(frame["low"], without) if self.one_process else frame["low"].fillna(without)
            for row in frame[(frame["verdict"] == "slower") & (low > above)].to_dict("records"):
                name = " ".join(filter(None, (row["sweep"], row.get("case"), row["engine"], what)))
                found.append(f"{name}: {Ratio(row['ratio'], row['low'], row['high'])}")
        return found

    def to_markdown(self) -> str:
        """The headline, the means, the measurements that changed, and the notes."""
        changed = self.table[self.table["verdict"].isin(["slower", "faster"])].sort_values("ratio", ascending=False)
        parts = [f"**{self.headline}.**", markdown_table(shown(self.means))]
        if not changed.empty:
            parts.append(markdown_table(shown(changed)))
        return "\n\n".join([*parts, _list(self.notes)]).rstrip() + "\n"


@dataclass(frozen=True)
class SelfCheck:
    """What engines differ by that are the same, measured twice in one run; ratios are second over first.

    Attributes:
        table: a row per pair: sweep, case, engine, ratio, low, high, verdict. Ratios are paired within passes; the
            verdict is what :func:`~autodiff.bench.compare.compare` says of the two as separate runs.
        mean: the geometric mean ratio.
        floor: the 95th percentile of the ratios that a comparison takes, each as at least 1; where it is above the
            usual limit, nothing below it is called a change when one of the runs compared is this one.
        floors: the least ratios that counted as a change.
        notes: what was left out.
    """

    table: pd.DataFrame
    mean: Ratio
    floor: float
    floors: Floors
    notes: list[str] = field(default_factory=list)

    @property
    def alarms(self) -> pd.DataFrame:
        """The pairs that are called different, every one wrongly."""
        return self.table[self.table["verdict"] != "same"]

    @property
    def headline(self) -> str:
        """The noise floor, the mean and the false alarms, in a sentence."""
        return (
            f"The same engine measured twice differs by up to a factor of {self.floor:.3f} (95 % of "
            f"{len(self.table)} pairs), on average by {self.mean}; {len(self.alarms)} of {len(self.table)} pairs "
            f"{_be(len(self.alarms))} wrongly called different"
        )

    def to_markdown(self) -> str:
        """The headline, the false alarms, and the notes."""
        parts = [f"**{self.headline}.**"]
        if not self.alarms.empty:
            parts.append(markdown_table(shown(self.alarms)))
        return "\n\n".join([*parts, _list(self.notes)]).rstrip() + "\n"


LONGEST = 2000  #: characters of a note


def _list(notes: list[str]) -> str:
    return "\n".join(f"- {markdown(note, LONGEST)}" for note in notes)


def _be(count: int) -> str:
    return "is" if count == 1 else "are"


def shown(frame: pd.DataFrame) -> pd.DataFrame:
    """A table for people: times with units, a ratio and its interval in one column."""
    made = frame.drop(columns=["low", "high"]).rename(columns={"a_s": "A", "b_s": "B"})
    made["ratio"] = [str(Ratio(*row)) for row in frame[["ratio", "low", "high"]].to_numpy()]
    for name in made.columns.intersection(["A", "B"]):
        made[name] = made[name].map(seconds_text)
    return made
