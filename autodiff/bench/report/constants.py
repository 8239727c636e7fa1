"""What a derivative costs over f, layer by layer and size by size: counted, and timed.

The theory bounds operations and not seconds: a tangent costs 2 to 2.5 times the operations of f, a gradient 3 to 4.
Source: Baur and Strassen, The complexity of partial derivatives (Theoretical Computer Science 22, 1983); Griewank and
Walther, Evaluating Derivatives (2nd ed., SIAM 2008), chapters 3 and 4.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from dataclasses import asdict
from typing import Any

import numpy as np
import pandas as pd

from ..ask.names import VALUES
from ..ask.sweep import Sweep
from ..judge.columns import CONSTANTS
from ..judge.intervals import Ratio
from ..judge.results import Results, typed
from .section import Section

THEORY = {"jvp": (2.0, 2.5), "vjp": (3.0, 4.0)}  #: operations over those of f, from and to
SAID = "Griewank and Walther, Evaluating Derivatives, 2nd edition, chapters 3 and 4; Baur and Strassen 1983"
NAMES = {"jvp": "a tangent (jvp)", "vjp": "a cotangent (vjp)", "vjp-params": "a cotangent to the parameters (vjp)"}
COUNTS = {"fma": "multiply_adds", "elementwise": "elementwise", "transcendental": "transcendental"}
COUNTS |= {"elements": "elements_moved", "calls": "calls"}


def constants(results: Results, sweep: Sweep) -> pd.DataFrame:
    """A row per layer, size, derivative and engine: the columns of :data:`~autodiff.bench.judge.columns.CONSTANTS`."""
    rows = []
    for row in results.measured(sweep.name).to_dict("records"):
        case, engine = str(row["case"]), str(row["engine"])
        value = VALUES.get(row["executor"], VALUES["numpy"])
        timed = results.ratio(sweep.name, case, engine, value)
        work, f = (asdict(results.work(sweep.name, case, name)) for name in (engine, value))
        made = {
            "layer": row["key_layer"],
            "elements": row["key_elements"],
            "derivative": row["operation"] + ("-params" if row["wrt"] == "params" else ""),
            "engine": engine,
            "executor": row["executor"],
            "f_s": row["value_s"],
            "derivative_s": row["median_s"],
            "counted": row["counted_cost"],
            "predicted": row["predicted_cost"],
        }
        if timed:
            made |= {"timed": timed.value, "timed_low": timed.low, "timed_high": timed.high}
        made |= {name: work[key] for key, name in COUNTS.items()}
        rows.append(made | {f"f_{name}": f[key] for key, name in COUNTS.items()})
    return typed(rows, CONSTANTS)


def shown(table: pd.DataFrame) -> pd.DataFrame:
    """The rows that are printed and drawn: of each derivative by the compiled executor, if that was there."""
    compiled = table["executor"] == "compiled"
    return table[compiled | ~table["derivative"].isin(table.loc[compiled, "derivative"])]


def constant_sections(results: Results, sweep: Sweep) -> list[Section]:
    """A section for every derivative: counted once, timed at every size."""
    table = shown(constants(results, sweep))
    return [
        _section(sweep, derivative, table[table["derivative"] == derivative])
        for derivative in NAMES
        if (table["derivative"] == derivative).any()
    ]


def _section(sweep: Sweep, derivative: str, own: pd.DataFrame) -> Section:
    sizes = sorted(own["elements"].unique())
    rows = []
    for layer, mine in own.groupby("layer", sort=False):
        by = {row["elements"]: row for row in mine.to_dict("records")}
        last = by[max(by)]  # counts over those of f hardly change with the size
        timed = [_ratio(by[size]) if size in by else "-" for size in sizes]
        rows.append((layer, _number(last["counted"]), *(_part(last, name) for name in COUNTS.values()), *timed))
    low, high = THEORY[derivative.partition("-")[0]]
    said = [f"{_middle(own, 'counted')} in operations"]
    said += [f"{_middle(own[own['elements'] == size], 'timed')} in time at {size} elements" for size in sizes]
    note = (
        f"What {NAMES[derivative]} costs over f, f included, run by {own['executor'].iloc[0]}: "
        f"{'; '.join(said)} (median, and the range of the middle 80 % of the layers). Theory bounds the operations: "
        f"{low:g} to {high:g} ({SAID}). Counted by kind: multiply-adds, other arithmetic, transcendental functions, "
        f"array elements moved, calls. All of it is in {sweep.name}.csv."
    )
    names = ["layer", "operations", "multiply-adds", "arithmetic", "transcendental", "elements", "calls"]
    columns = [*names, *(f"timed, {size}" for size in sizes)]
    spare = (("multiply-adds", "arithmetic"), ("transcendental", "calls"), ("elements",))
    return Section(f"Constants, {derivative} ({sweep.name})", note, pd.DataFrame(rows, columns=columns), spare)


def _middle(own: pd.DataFrame, column: str) -> str:
    known = own[column].dropna()
    if known.empty:
        return "-"
    low, centre, high = np.quantile(known, [0.1, 0.5, 0.9])
    return f"{centre:.3g} ({low:.3g} to {high:.3g})"


def _part(row: Mapping[Hashable, Any], name: str) -> str:
    above, below = row[name], row[f"f_{name}"]
    if pd.isna(above) or not (above or below):
        return "-"
    return _number(above / below) if below else f"{above:,} of 0"


def _ratio(row: Mapping[Hashable, Any]) -> str:
    return "-" if pd.isna(row["timed"]) else str(Ratio(row["timed"], row["timed_low"], row["timed_high"]))


def _number(value: float) -> str:
    return "-" if pd.isna(value) else f"{value:.3g}"
