"""What changes when one key does, such as the precision: times, costs, crossovers and gains of the same cases."""

from __future__ import annotations

import math
from itertools import groupby

import numpy as np
import pandas as pd

from ...text import seconds_text
from ..ask.names import COMPILED
from ..ask.sweep import Scalar, Sweep
from ..judge.across import Group, equal_cost, groups, moving
from ..judge.intervals import Ratio
from ..judge.results import Results
from .section import Section, engines_of

COLUMNS = [
    *("series", "group", "engine", "value", "ratio", "low", "high", "predicted"),
    *("first_s", "second_s", "first_cost", "second_cost"),
]
COUNTED = ("n", "m")  #: axes along which forward and reverse cross, by counting


def label(key: str, value: Scalar) -> str:
    """A value of a key: a word says enough by itself."""
    return value if isinstance(value, str) else f"{key} = {value}"


def across_table(results: Results, sweep: Sweep) -> pd.DataFrame:
    """Every engine on every case over the same with the key's first value, a row each.

    Columns: series (its index), group (what the cases share), engine, value (the key's), ratio (time at the first value
    over time at this one, pass by pass) with low and high, predicted (the same ratio), and time and cost in evaluations
    of f at both.
    """
    rows = []
    known = {(row["case"], row["engine"]): row for row in results.measured(sweep.name).to_dict("records")}
    for group in groups(results, sweep):
        base, *others = group.cases.items()
        for value, case in others:
            for engine in engines_of(results, sweep):
                ratio = results.ratio_across(sweep.name, engine, base[1], case)
                first, second = known.get((base[1], engine)), known.get((case, engine))
                if ratio is None or first is None or second is None:
                    continue
                both = [one[name] for name in ("median_s", "cost_ratio") for one in (first, second)]
                predicted = first["predicted_s"] / second["predicted_s"]
                row = (group.index, group.name, engine, value, ratio.value, ratio.low, ratio.high, predicted)
                rows.append((*row, *both))
    return pd.DataFrame(rows, columns=COLUMNS)


def across(results: Results, sweep: Sweep) -> list[Section]:
    """Times and costs of a sweep that compares across a key, where its modes cost the same, and what a plan gains."""
    made = [_times(results, sweep), _crossovers(results, sweep), _gains(results, sweep)]
    return [section for section in made if section is not None]


def _times(results: Results, sweep: Sweep) -> Section | None:
    table, key = across_table(results, sweep), sweep.across
    if table.empty:
        return None
    found = groups(results, sweep)
    base, short = label(key, found[0].base), _short(sweep, found)
    rows = []
    for row in table.to_dict("records"):
        at = label(key, row["value"])
        ratio = Ratio(row["ratio"], row["low"], row["high"])
        times = seconds_text(row["first_s"]), seconds_text(row["second_s"])
        costs = _number(row["first_cost"]), _number(row["second_cost"])
        case = short[row["series"], row["group"]]
        rows.append((case, row["engine"], at, *times, str(ratio), _number(row["predicted"]), *costs))
    names = ["case", "engine", "at", f"{base}", "there", "ratio", "predicted", f"costs, {base}", "costs, there"]
    shown = pd.DataFrame(rows, columns=names)
    if shown["at"].nunique() == 1:
        at = str(shown["at"].iloc[0])
        shown = shown.drop(columns="at").rename(columns={"there": at, "costs, there": f"costs, {at}"})
    if table["predicted"].isna().all():
        shown = shown.drop(columns="predicted")
    others = " and ".join(label(key, value) for value in dict.fromkeys(table["value"]))
    note = (
        f"The time of a case with {base} over its time with {others}, pass by pass: above 1, {base} is slower. Costs "
        f"are in evaluations of f at the same {key}. {_medians(table, key)}"
    )
    spare = tuple(name for name in map(str, shown) if name.startswith("costs"))
    return Section(f"Across {key} ({sweep.name})", note, shown, spare=(spare, ("predicted",)))


def _medians(table: pd.DataFrame, key: str) -> str:
    """The middle of the cases of every engine, in a sentence for every value."""
    said = []
    for value, own in table.groupby("value", sort=False):
        engines = []
        for engine, mine in own.groupby("engine", sort=False):
            ratio = mine["ratio"]
            engines.append(f"{engine} {ratio.median():.3g} ({ratio.min():.3g} to {ratio.max():.3g}, {len(mine)} cases)")
        at = label(key, value)  # type: ignore[arg-type]
        said.append(f"{at}, the median over the cases: {', '.join(engines)}.")
    return " ".join(said)


def _crossovers(results: Results, sweep: Sweep) -> Section | None:
    """Where forward and reverse cost the same, for every value of the key."""
    rows = []
    for _, own in groupby(groups(results, sweep), key=lambda group: group.index):
        series = list(own)
        axis = moving(series)
        counted = axis in COUNTED and {*COUNTED} <= series[0].items.keys()
        for pair in _pairs(engines_of(results, sweep)) if counted else []:
            for value in series[0].cases:
                found = _crossing(results, sweep, series, axis, pair, value)
                if found:
                    rows.append((_problem(sweep, series[0], axis), *pair, label(sweep.across, value), *found))
    if not rows:
        return None
    names = ["problem", "engine", "and", "at", "cost the same at", "95 % interval"]
    note = (
        f"Where two engines take the same time, for each value of {sweep.across}; open where one end of the ratios' "
        "intervals stays on one side of 1; never, and the faster one, where they do not."
    )
    return Section(f"Crossovers across {sweep.across} ({sweep.name})", note, pd.DataFrame(rows, columns=names))


def _crossing(
    results: Results, sweep: Sweep, series: list[Group], axis: str, pair: tuple[str, str], value: Scalar
) -> tuple[str, str] | None:
    """Where the pair cost the same, and its interval; None where fewer than two sizes were measured."""
    known = {}
    for group in series:
        ratio = results.ratio(sweep.name, group.cases[value], *pair) if value in group.cases else None
        if ratio is not None:
            known[float(group.items[axis])] = (ratio.value, ratio.low, ratio.high)
    if len(known) < 2:
        return None
    where = equal_cost(list(known), np.array(list(known.values())))
    if where[0] is None:
        faster = pair[0] if next(iter(known.values()))[0] < 1 else pair[1]
        return f"never: {faster}", ""
    ends = [one for one in where if one is not None]
    return f"{axis} = {where[0]:.4g}", f"[{min(ends):.4g}, {max(ends):.4g}]" if len(ends) == 3 else "open"


def _gains(results: Results, sweep: Sweep) -> Section | None:
    """How much faster mixed is than the better of forward and reverse, for every value of the key."""
    rows, found = [], groups(results, sweep)
    short = _short(sweep, found)
    for group in found:
        for pair in _pairs(engines_of(results, sweep)):
            mixed = (COMPILED if pair[0].startswith(COMPILED) else "") + "mixed"
            gained = {
                label(sweep.across, value): _gain(results, sweep, case, mixed, pair)
                for value, case in group.cases.items()
            }
            if any(one != "-" for one in gained.values()):
                rows.append({"case": short[group.index, group.name], "engine": mixed} | gained)
    if not rows:
        return None
    note = "The time of the better of forward and reverse over that of mixed."
    return Section(f"Gain across {sweep.across} ({sweep.name})", note, pd.DataFrame(rows).fillna("-"))


def _gain(results: Results, sweep: Sweep, case: str, mixed: str, pair: tuple[str, str]) -> str:
    ratios = [results.ratio(sweep.name, case, one, mixed) for one in pair]
    known = [one for one in ratios if one is not None]
    return str(min(known, key=lambda one: one.value)) if known else "-"


def _pairs(engines: list[str]) -> list[tuple[str, str]]:
    """Forward and reverse, and both compiled, as far as they were asked for."""
    both = [(prefix + "forward", prefix + "reverse") for prefix in ("", COMPILED)]
    return [pair for pair in both if {*pair} <= {*engines}]


def _problem(sweep: Sweep, group: Group, axis: str) -> str:
    """``mlp n = 64``: the problem, with its other size where that is set."""
    others = [f"{name} = {group.items[name]}" for name in COUNTED if name != axis and name in group.items]
    return " ".join([sweep.series[group.index].problem, *others])


def _short(sweep: Sweep, found: list[Group]) -> dict[tuple[int, str], str]:
    """Names that fit into a column, by series and group: problem and what moves, if that tells all groups apart."""
    made: dict[tuple[int, str], str] = {}
    for _, own in groupby(found, key=lambda group: group.index):
        series = list(own)
        axis = moving(series)
        problem = sweep.series[series[0].index].problem
        made |= {
            (one.index, one.name): f"{problem} {axis} = {one.items[axis]:g}" if axis else one.name for one in series
        }
    return made if len(set(made.values())) == len(made) else {key: key[1] for key in made}


def _number(value: float) -> str:
    return "-" if math.isnan(value) else f"{value:.3g}"
