"""Rules of thumb: which mode each published rule picks for n inputs and m outputs, and what that costs."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pandas as pd

from ..ask.sweep import Sweep
from ..judge.columns import RULES as RULES_OF_THUMB
from ..judge.intervals import Ratio
from ..judge.results import Results
from .section import Section

FORWARD, REVERSE, PLANNED = "forward", "reverse", "mixed"


@dataclass(frozen=True)
class Rule:
    """A rule that a package documents or has in its code: forward mode where ``forward(n, m)``, else reverse."""

    name: str
    text: str
    forward: Callable[[int, int], bool]


RULES = (
    Rule("DiffSharp", "n < m", lambda n, m: n < m),
    Rule("lineax", "n < 100 or n <= 1.5 m", lambda n, m: n < 100 or n <= 1.5 * m),
    Rule("CasADi", "n <= 2 m (weight 1/3)", lambda n, m: n <= 2 * m),
)


def regrets(results: Results, sweeps: list[Sweep]) -> pd.DataFrame:
    """For every case that forward and reverse were both measured on: each rule's pick, and its time over the better's.

    The plan that ``mixed`` runs is listed as a rule too, where it was measured; below 1 it beats both modes.
    """
    rows = []
    for sweep in sweeps:
        for case, own in results.measured(sweep.name).groupby("case", sort=False):
            times = dict(zip(own["engine"], own["median_s"], strict=True))
            if not {FORWARD, REVERSE} <= times.keys():
                continue
            n, m = int(own.iloc[0]["n"]), int(own.iloc[0]["m"])
            best = min((FORWARD, REVERSE), key=times.__getitem__)
            picks = {rule.name: FORWARD if rule.forward(n, m) else REVERSE for rule in RULES}
            if PLANNED in times:
                picks[PLANNED] = PLANNED
            for rule, pick in picks.items():
                ratio = results.ratio(sweep.name, str(case), pick, best)
                if ratio is not None:
                    rows.append((sweep.name, case, n, m, rule, pick, best, ratio.value, ratio.low, ratio.high))
    return pd.DataFrame(rows, columns=list(RULES_OF_THUMB))


def rules_of_thumb(table: pd.DataFrame) -> Section | None:
    """How often each rule was right, and what its picks cost on average and at worst."""
    rows = []
    for (sweep, rule), own in table.groupby(["sweep", "rule"], sort=False):
        wrong = own[(own["pick"] != own["best"]) & (own["low"].fillna(own["regret"]) > 1)]
        worst = own.iloc[int(own["regret"].to_numpy().argmax())]
        text = next((one.text for one in RULES if one.name == rule), "the cheapest bracketing")
        rows.append(
            (
                sweep,
                rule,
                text,
                f"{len(wrong)} of {len(own)}",
                f"{np.exp(np.log(own['regret']).mean()):.3g}",
                str(Ratio(worst["regret"], worst["low"], worst["high"])),
                worst["case"],
            )
        )
    if not rows:
        return None
    names = ["sweep", "rule", "forward where", "surely wrong in", "mean regret", "worst", "in case"]
    note = (
        "The mode that each published rule picks: its time over the better mode's (1: right), as the geometric mean "
        "on the networks of this sweep and at worst; mixed is the plan that is chosen here by predicted time, and may "
        "beat both. Case by case in rules.csv."
    )
    return Section("Rules of thumb", note, pd.DataFrame(rows, columns=names))
