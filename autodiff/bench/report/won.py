"""Who won: a table per sweep, a line per case, with the winner's lead over the best other mode."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from ...text import seconds_text
from ..ask.sweep import Sweep
from ..judge.columns import KEY, WON
from ..judge.intervals import Ratio
from ..judge.results import Results, typed
from .section import Section, engines_of

FEW = 6  #: engines whose times stand in the report; beyond, they are in the CSV file alone
WIDE = 6  #: keywords that differ over a sweep, beyond which a case is told by its name
SUFFIXES = ("_s", "_low_s", "_high_s")
INTERVALS = ("median_s", "ci_low_s", "ci_high_s")


def won(results: Results, sweep: Sweep) -> pd.DataFrame:
    """The table of a sweep: the columns of :data:`~autodiff.bench.judge.columns.WON`, keywords, times per engine."""
    rows = []
    for case, own in results.measured(sweep.name).groupby("case", sort=False):
        itself = own["chosen"].isin(set(own["engine"]))  # an engine that chooses is the one that it took
        ranked = own[~itself].sort_values("median_s", kind="stable")
        best = ranked.iloc[0]
        row = {name: best[name] for name in ("sweep", "case", "problem", "operation", "wrt")}
        row |= {name: best[name] for name in map(str, own) if name.startswith(KEY)}
        row |= {"winner": best["engine"], "winner_s": best["median_s"]}
        row |= {name: best[name] for name in ("cost_ratio", "counted_cost", "predicted_cost")}
        row |= _lead(results, sweep.name, str(case), ranked)
        for one in own.to_dict("records"):
            row |= {f"{one['engine']}{end}": one[name] for end, name in zip(SUFFIXES, INTERVALS, strict=True)}
        rows.append(row)
    made = typed(rows, WON)
    times = [engine + end for engine in engines_of(results, sweep) for end in SUFFIXES]
    known = pd.DataFrame(rows, columns=[one for one in times if any(one in row for row in rows)], dtype="float64")
    keys = [name for name in made if str(name).startswith(KEY)]
    front = list(WON)[:5]
    return pd.concat([made[[*front, *keys]], made[list(WON)[5:]], known], axis="columns")


def _lead(results: Results, sweep: str, case: str, ranked: pd.DataFrame) -> dict[str, Any]:
    """The winner against the fastest engine of another mode, or of any where all are of one."""
    best, others = ranked.iloc[0], ranked.iloc[1:]
    apart = others[others["mode"] != best["mode"]]
    for other in (apart if len(apart) else others)["engine"]:
        ratio = results.ratio(sweep, case, str(other), str(best["engine"]))
        if ratio is not None:  # else they have no pass in common
            found = {"other": other, "ratio": ratio.value, "ratio_low": ratio.low, "ratio_high": ratio.high}
            return found | {"decided": ratio.decided}
    return {"decided": False}


def who_won(results: Results, sweep: Sweep) -> Section | None:
    """The same for people; columns that do not change over the sweep are left out."""
    table = won(results, sweep)
    if table.empty:
        return None
    shown, needless = _swept(table)
    engines = [name for name in engines_of(results, sweep) if f"{name}_s" in table]
    for name in engines if len(engines) <= FEW else ():
        shown[name] = [_time(*row) for row in table[[name + end for end in SUFFIXES]].to_numpy(float)]
    times = list(shown.columns[len(shown.columns) - len(engines) :]) if len(engines) <= FEW else []
    shown["winner"] = table["winner"]
    shown["time"] = table["winner_s"].map(seconds_text)
    shown["ahead by"] = [_ratio(*row) for row in table[["ratio", "ratio_low", "ratio_high"]].to_numpy(float)]
    shown["of"] = table["other"]
    shown["costs"] = table["cost_ratio"].map(_number)
    shown["counted"] = table["counted_cost"].map(_number)
    shown["predicted"] = table["predicted_cost"].map(_number)
    return Section(
        f"Who won ({sweep.name})", _note(table, sweep), shown, spare=(tuple(times), needless, ("of",), ("predicted",))
    )


def _swept(table: pd.DataFrame) -> tuple[pd.DataFrame, tuple[str, ...]]:
    """What differs from case to case; and which columns of it are not needed to tell the cases apart."""
    names = ["problem", *(name for name in map(str, table) if name.startswith(KEY)), "operation", "wrt"]
    shown = pd.DataFrame(index=table.index)
    needless: list[str] = []
    differing = [name for name in names if table[name].nunique(dropna=False) > 1]
    for name in differing if len(differing) <= WIDE else ():
        label = name.removeprefix(KEY)
        if len(shown.columns) and not shown.drop(columns=needless).duplicated().any():
            needless.append(label)
        shown[label] = ["" if pd.isna(one) else _plain(one) for one in table[name]]
    if shown.empty or shown.duplicated().any():
        shown.insert(0, "case", table["case"])
    return shown, tuple(needless)


def _note(table: pd.DataFrame, sweep: Sweep) -> str:
    text = (
        "The fastest engine of every case, and the time of the best other mode over its; ~ marks an interval that "
        "touches 1. Costs are in evaluations of f by the same executor: as measured, counted in operations (a "
        "multiply-add as two), and predicted from counts and rates."
    )
    if table["cost_ratio"].isna().any():
        text += " Where f itself was not measured there are none."
    if table["ratio_low"].isna().all():
        text += " One pass, so no intervals."
    return f"{text} All times are in {sweep.name}.csv."


def _plain(value: object) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value)


def _number(value: float) -> str:
    return "-" if np.isnan(value) else f"{value:.3g}" if value < 1000 else f"{value:,.0f}"


def _time(seconds: float, low: float, high: float) -> str:
    """``12.3 µs [12, 12.9]``."""
    if np.isnan(seconds):
        return "-"
    text = seconds_text(seconds)
    if np.isnan(low):
        return text
    scale = {"s": 1.0, "ms": 1e-3, "µs": 1e-6, "ns": 1e-9}[text.split()[1]]
    return f"{text} [{low / scale:.3g}, {high / scale:.3g}]"


def _ratio(value: float, low: float, high: float) -> str:
    if np.isnan(value):
        return "-"
    ratio = Ratio(value, low, high)
    if np.isnan(low):
        return f"{ratio}, one pass"
    return str(ratio) if ratio.decided else f"~{ratio}"
