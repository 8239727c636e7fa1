"""What engines take to be called, and how rivals stand where that is taken off."""

from __future__ import annotations

from statistics import median

import numpy as np
import pandas as pd

from ...text import seconds_text
from ..ask.sweep import Sweep
from ..judge.results import Results
from .rivals import AT_FLOOR, MODES, geometric_mean, relative
from .section import Section, engines_of


def floors(results: Results, sweep: Sweep) -> Section | None:
    """Every engine's floor, beside its time on the smallest network."""
    measured = results.measured(sweep.name)
    known = measured.dropna(subset=["floor_s"])
    if known.empty:
        return None
    smallest = measured.iloc[int((measured["width"] * measured["depth"]).to_numpy().argmin())]["case"]
    rows = []
    for engine in engines_of(results, sweep):
        own = known[known["engine"] == engine]
        if own.empty:
            continue
        floor, there = float(own["floor_s"].iloc[0]), own.loc[own["case"] == smallest, "median_s"]
        beside = ("-", "-", "-")
        if len(there):
            time = float(there.iloc[0])
            beside = (seconds_text(time), _above(time - floor), f"{min(floor / time, 1.0):.0%}")
        rows.append((own["package"].iloc[0], engine, seconds_text(floor), *beside))
    names = ["package", "engine", "floor", "smallest network", "above the floor", "floor's share"]
    note = (
        "What a call takes that has nothing to compute: the engine's own, of the identity of one element, compiled and "
        f"bound as all its others are. Beside it the smallest network, {smallest}; it hands over more arrays, so the "
        "floor is the least of what a call costs there."
    )
    return Section(f"Floors ({sweep.name})", note, pd.DataFrame(rows, columns=names))


def _above(seconds: float) -> str:
    return seconds_text(seconds) if seconds > 0 else "nothing"


def relative_above(results: Results, sweep: Sweep) -> pd.DataFrame:
    """The rows of :func:`~autodiff.bench.report.rivals.relative` whose times are not their floors', above these.

    Kept are the cases in which both the engine's time and the fastest's are at least ``AT_FLOOR`` times their floors.
    ``above`` is the ratio of the times less the floors, the median over the passes, ``passes`` that of each.
    """
    table = relative(results, sweep)
    measured = results.measured(sweep.name).set_index(["case", "engine"])
    rows = []
    for row in table.to_dict("records"):
        case, pair = row["case"], (row["engine"], row["fastest"])
        if any(not _clear(measured.loc[(case, engine)]) for engine in pair):
            continue
        operation = str(measured.loc[(case, pair[0]), "operation"])
        own, fastest = (_less_floor(results, sweep.name, case, operation, engine) for engine in pair)
        each = {i: own[i] / fastest[i] for i in own.keys() & fastest.keys()}
        if each:
            rows.append(row | {"passes": each, "above": median(each.values()), "whole": row["ratio"]})
    return pd.DataFrame(rows, columns=[*table.columns, "above", "whole"])


def _clear(row: pd.Series) -> bool:
    return bool(row["median_s"] >= AT_FLOOR * row["floor_s"])


def _less_floor(results: Results, sweep: str, case: str, operation: str, engine: str) -> dict[int, float]:
    """The times above the floor, of every pass that has both and in which they are any."""
    times, floors = results.medians(sweep, case, engine), results.floors(sweep, operation, engine)
    return {i: times[i] - floors[i] for i in times.keys() & floors.keys() if times[i] > floors[i]}


def above_floors(results: Results, sweep: Sweep) -> Section | None:
    """Who is how far behind the fastest where the floors are taken off, beside the same with them."""
    every, table, rows = relative(results, sweep), relative_above(results, sweep), []
    for mode in MODES:
        own, found = table[table["mode"] == mode], []
        for rival, mine in own.groupby("rival", sort=False):
            asked = int(((every["mode"] == mode) & (every["rival"] == rival)).sum())
            above = geometric_mean(mine.assign(ratio=mine["above"]))
            whole = float(np.exp(np.log(mine["whole"]).mean()))
            left_out = asked - len(mine)
            found.append((above.value, mode, rival, str(above), f"{whole:.3g}", len(mine), left_out))
        rows += [row[1:] for row in sorted(found)]
    if not rows:
        return None
    names = ["mode", "engine or package", "above the floors", "with them", "networks", "left out"]
    note = (
        "Times less the floors over the fastest's less its own, as geometric means, and the same ratios with the "
        f"floors, on the same networks. A network is left out where either time is below {AT_FLOOR:g} times its floor: "
        "little but the call is measured there."
    )
    return Section(f"Above the floors ({sweep.name})", note, pd.DataFrame(rows, columns=names))
