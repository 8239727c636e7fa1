"""What a run says about rivals: every engine against the fastest of its mode, and what its preparation costs."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd

from ...text import seconds_text
from ..ask.sweep import Sweep
from ..judge.intervals import FEWEST_CASES, Ratio, over_cases
from ..judge.results import Results
from .section import Section, engines_of

MODES = ("forward", "reverse", "best")
NOTES = {
    "forward": "Forward mode against forward mode",
    "reverse": "Reverse mode against reverse mode",
    "best": "Every package's best engine of a case against the best of the others",
}


AT_FLOOR = 1.5  #: times its floor; a time below measures little but the call
RELATIVE = [
    "mode", "case", "width", "rival", "engine", "fastest", "ratio", "low", "high", "passes", "floor",
]  # fmt: skip


def relative(results: Results, sweep: Sweep) -> pd.DataFrame:
    """Times over that of the fastest, a row for every mode, case and rival, in every case with two rivals or more.

    Columns: mode, case, width, rival (an engine, or for "best" a family), engine, fastest (an engine too), ratio, low,
    high, ``passes``, the ratio of every pass, and ``floor``, the engine's floor over the fastest's time, NaN where it
    is not known.
    """
    rows = []
    for case, own in results.measured(sweep.name).groupby("case", sort=False):
        times, width = dict(zip(own["engine"], own["median_s"], strict=True)), int(own.iloc[0]["width"])
        floors = dict(zip(own["engine"], own["floor_s"], strict=True))
        for mode, rivals in _rivals(own).items():
            if len(rivals) < 2:
                continue
            fastest = min(rivals.values(), key=times.__getitem__)
            for rival, engine in rivals.items():
                ratio = results.ratio(sweep.name, str(case), engine, fastest)
                if ratio is not None:
                    each = results.pass_ratios(sweep.name, str(case), engine, fastest)
                    who = (mode, case, width, rival, engine, fastest)
                    floor = floors[engine] / times[fastest]
                    rows.append((*who, ratio.value, ratio.low, ratio.high, each, floor))
    return pd.DataFrame(rows, columns=RELATIVE)


def _rivals(case: pd.DataFrame) -> dict[str, dict[str, str]]:
    """By mode, who stands for whom: engines for themselves, and for its package the best engine of each."""
    found: dict[str, dict[str, str]] = {mode: {} for mode in MODES}
    for row in case.sort_values("median_s", kind="stable").to_dict("records"):
        if row["mode"]:
            found[row["mode"]][row["engine"]] = row["engine"]
        found["best"].setdefault(row["package"], row["engine"])
    return found


def geometric_mean(table: pd.DataFrame) -> Ratio:
    """Over the cases of one rival, of their ratios; its interval resamples the cases, and of each its passes."""
    value = float(np.exp(np.log(table["ratio"]).mean()))
    low, high = over_cases([list(each.values()) for each in table["passes"]])
    return Ratio(value, min(low, value), max(high, value))


def standings(results: Results, sweep: Sweep) -> list[Section]:
    """A section for every mode: who is how far behind the fastest, over all cases, by width, and case by case."""
    table, made = relative(results, sweep), []
    for mode in MODES:
        own = table[table["mode"] == mode]
        if own.empty:
            continue
        rows = []
        for rival, mine in own.groupby("rival", sort=False):
            mean, worst = geometric_mean(mine), mine.iloc[int(mine["ratio"].to_numpy().argmax())]
            wins = int((mine["ratio"] == 1.0).sum())
            rows.append(
                (mean.value, rival, str(mean), f"{wins} of {len(mine)}", f"{worst['ratio']:.3g}", worst["case"])
            )
        rows.sort()
        names = [_who(mode), "times the fastest", "fastest in", "at worst", "in case"]
        shown = pd.DataFrame([row[1:] for row in rows], columns=names)
        note = (
            f"{NOTES[mode]}: the time over that of the fastest, as the geometric mean {on_networks(own)}, over those "
            f"of them that each could do. {COVERS}"
        )
        made.append(Section(f"Rivals, {mode} ({sweep.name})", note, shown))
        made += [one for one in (by_width(sweep, mode, own), _case_by_case(sweep, mode, own)) if one is not None]
    return made


COVERS = (
    "The 95 % intervals resample the networks, and of each its passes: they cover which networks of this kind were "
    f"chosen, and noise; of few networks they are too narrow, and of fewer than {FEWEST_CASES} there are none."
)


def _who(mode: str) -> str:
    return "package" if mode == "best" else "engine"


def on_networks(table: pd.DataFrame) -> str:
    """What a mean is over: ``on these 29 networks``."""
    count = table["case"].nunique()
    return f"on these {count} networks" if count > 1 else "on this one network"


WIDTHS = {32: "up to 32", 256: "33 to 256", math.inf: "above 256"}  #: classes of widths, by the widest of each


def _width_class(width: int) -> str:
    return next(name for widest, name in WIDTHS.items() if width <= widest)


def by_width(sweep: Sweep, mode: str, own: pd.DataFrame) -> Section | None:
    """The geometric means by the widths of the networks; None where all are of one class."""
    classes = own["width"].map(_width_class)
    if classes.nunique() < 2:
        return None
    groups = {name: own[classes == name] for name in WIDTHS.values()}
    groups = {f"width {name} ({group['case'].nunique()})": group for name, group in groups.items() if len(group)}
    rows = [
        (rival, *(_mean_text(group[group["rival"] == rival], group) for group in groups.values()))
        for rival in sorted(own["rival"].unique(), key=lambda rival: geometric_mean(own[own["rival"] == rival]).value)
    ]
    note = (
        "The same geometric means by the width of the networks, in elements of the widest value between two layers; in "
        "parentheses how many networks a mean is over."
    )
    return Section(f"Rivals, {mode}, by width ({sweep.name})", note, pd.DataFrame(rows, columns=[_who(mode), *groups]))


def _mean_text(mine: pd.DataFrame, group: pd.DataFrame) -> str:
    """A mean, with its number of cases where it is not that of its class."""
    if mine.empty:
        return "-"
    fewer = f" ({len(mine)})" if len(mine) < group["case"].nunique() else ""
    return f"{geometric_mean(mine)}{fewer}"


def _case_by_case(sweep: Sweep, mode: str, own: pd.DataFrame) -> Section:
    texts = own.assign(text=[_ratio_text(Ratio(*row)) for row in own[["ratio", "low", "high"]].to_numpy()])
    cases, rivals = list(dict.fromkeys(own["case"])), list(dict.fromkeys(own["rival"]))
    shown = texts.pivot(index="case", columns="rival", values="text").reindex(index=cases, columns=rivals).fillna("-")
    note = "The same, case by case; ~ marks a ratio whose interval touches 1, - what was not measured."
    return Section(f"Rivals, {mode}, case by case ({sweep.name})", note, shown.reset_index())


def _ratio_text(ratio: Ratio) -> str:
    if ratio.value == 1.0:
        return "1"
    return f"{ratio.value:.3g}" if ratio.decided or math.isnan(ratio.low) else f"~{ratio.value:.3g}"


def preparation(results: Results, sweep: Sweep) -> Section | None:
    """What each engine's preparation costs beside a run, and from which call on it has paid."""
    measured = results.measured(sweep.name).dropna(subset=["prepare_s"])
    paid: dict[str, list[float]] = {engine: [] for engine in engines_of(results, sweep)}
    for _, own in measured.groupby("case", sort=False):
        first = own.iloc[int((own["prepare_s"] + own["median_s"]).to_numpy().argmin())]
        for _, row in own.iterrows():
            paid[str(row["engine"])].append(_calls_until_paid(row, first))
    rows = []
    for engine, own in measured.groupby("engine", sort=False):
        calls = paid[str(engine)]
        worth = sorted(one for one in calls if math.isfinite(one))
        after = "never" if not worth else "at once" if np.median(worth) <= 1 else f"{np.median(worth):,.0f} calls"
        share = own["prepare_s"] / own["median_s"]
        rows.append(
            (
                engine,
                seconds_text(float(own["prepare_s"].median())),
                seconds_text(float(own["prepare_s"].max())),
                f"{share.median():,.3g}",
                f"{len(worth)} of {len(calls)}",
                after,
            )
        )
    if not rows:
        return None
    names = ["engine", "preparation", "at most", "in runs", "pays in", "after"]
    note = (
        "Preparation (planning, tracing, compiling; the median over the cases) beside a run. It pays in a case where "
        "the engine overtakes the one whose first result is there first; after so many calls (median) they are even."
    )
    return Section(f"Preparation ({sweep.name})", note, pd.DataFrame(rows, columns=names))


def _calls_until_paid(row: pd.Series, first: pd.Series) -> float:
    """Calls after which an engine, preparation included, is ahead of the one that is done first; infinite for never."""
    if row["engine"] == first["engine"]:
        return 1.0
    saved = first["median_s"] - row["median_s"]
    return float(np.ceil((row["prepare_s"] - first["prepare_s"]) / saved)) if saved > 0 else math.inf
