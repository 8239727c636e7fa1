"""What is owed to the structure of the seeds, and what to the order of multiplication.

An engine that keeps the identity's structure does not multiply it: the first product of forward mode and the last of
reverse mode are none, and the derivative of W x to W is x, repeated. Engines of other packages multiply the identity,
so they are compared with ours that do so too.
"""

from __future__ import annotations

from typing import Any

import pandas as pd

from ...engines.registry import split_options
from ..ask.sweep import Sweep
from ..judge.results import Results
from .rivals import geometric_mean
from .section import Section, engines_of

OWN = "autodiff"  #: this package, in its engines' records
CASES = "Intervals resample the cases, and of each its passes."

KEPT, DENSE, SINGLE = "structure kept", "dense seeds", "one at a time"
WAYS = {(): KEPT, (("seeds", "dense"),): DENSE, (("chunk", 1),): SINGLE}


def way_of(engine: str) -> tuple[str, str]:
    """An engine's name without options, and how it seeds a Jacobian; an empty way for any other options."""
    name, at, tag = engine.partition("@")
    base, options = split_options(name)
    return base + at + tag, WAYS.get(tuple(options.items()), "")


def structure(results: Results, sweep: Sweep) -> Section | None:
    """Every engine that was measured in more ways than one: the cost of each, in evaluations of f."""
    ways: dict[str, dict[str, str]] = {}
    for engine in engines_of(results, sweep):
        base, way = way_of(engine)
        if way:
            ways.setdefault(base, {})[way] = engine
    rows: list[tuple[Any, ...]] = []
    for case, own in results.measured(sweep.name).groupby("case", sort=False):
        by = {str(row["engine"]): row for row in own.to_dict("records")}
        for base, names in ways.items():
            if sum(name in by for name in names.values()) > 1:
                rows.append(_row(results, sweep, str(case), base, names, by))
    if not rows:
        return None
    note = (
        "The same order with the identity's structure kept, with the identity multiplied as an array (as other "
        "packages do), and one seed at a time: each in evaluations of f by the same executor, and the dense one for "
        "each of its seeds. What dense seeds take over kept structure is owed to structure, the rest to the order."
    )
    columns = ["case", "engine", "seeds", KEPT, DENSE, SINGLE, "dense, a seed", "dense over kept"]
    return Section(
        f"Structure or order ({sweep.name})", note, pd.DataFrame(rows, columns=columns), (("seeds",), (SINGLE,))
    )


def like_with_like(results: Results, sweep: Sweep) -> Section | None:
    """Engines of other packages over ours that multiplies the identity too, by the best of its executors."""
    measured = results.measured(sweep.name)
    ours = {mode: name for name in engines_of(results, sweep) for mode in _dense_mode(measured, name)}
    rows = []
    for engine, own in measured[measured["package"] != OWN].groupby("engine", sort=False):
        base = ours.get(str(own["mode"].iloc[0]), "")
        known = []
        for case in own["case"]:
            ratio = results.ratio(sweep.name, str(case), str(engine), base)
            if ratio:
                known.append((ratio.value, str(case), results.pass_ratios(sweep.name, str(case), str(engine), base)))
        if known:
            mean = geometric_mean(pd.DataFrame(known, columns=["ratio", "case", "passes"]))
            worst, best = max(known), min(known)
            least, most = f"{best[0]:.3g} ({best[1]})", f"{worst[0]:.3g} ({worst[1]})"
            rows.append((engine, base, str(mean), len(known), least, most))
    if not rows:
        return None
    note = (
        "The time of each engine of another package over that of ours in the same mode that multiplies the identity as "
        f"they do, as the geometric mean over the cases that both did: order against order, without structure. {CASES}"
    )
    columns = ["engine", "over", "times", "cases", "at least", "at most"]
    return Section(
        f"Like with like ({sweep.name})", note, pd.DataFrame(rows, columns=columns), (("at least",), ("at most",))
    )


def _dense_mode(measured: pd.DataFrame, engine: str) -> list[str]:
    """The mode of an engine of ours with dense seeds."""
    own = measured[(measured["engine"] == engine) & (measured["package"] == OWN)]
    return [str(own["mode"].iloc[0])] if len(own) and way_of(engine)[1] == DENSE else []


def _row(
    results: Results, sweep: Sweep, case: str, base: str, names: dict[str, str], by: dict[str, dict[Any, Any]]
) -> tuple[Any, ...]:
    first = next(by[name] for name in names.values() if name in by)
    seeds = int(first["n"] if first["mode"] == "forward" else first["m"])
    costs = {way: by[names[way]]["cost_ratio"] if names.get(way) in by else None for way in (KEPT, DENSE, SINGLE)}
    dense = costs[DENSE]
    ratio = results.ratio(sweep.name, case, names[DENSE], names[KEPT]) if {KEPT, DENSE} <= names.keys() else None
    each = _number(dense / seeds if dense is not None and pd.notna(dense) else None)
    return case, base, seeds, *(_number(cost) for cost in costs.values()), each, str(ratio) if ratio else "-"


def _number(value: float | None) -> str:
    if value is None or pd.isna(value):
        return "-"
    return f"{value:.3g}" if value < 1000 else f"{value:,.0f}"
