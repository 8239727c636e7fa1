"""What every engine costs in evaluations of f: timed, counted, and where the difference comes from."""

from __future__ import annotations

import pandas as pd

from ..ask.sweep import Sweep
from ..judge.intervals import Ratio
from ..judge.results import Results
from .section import Section

COUNTED = {
    "counted_cost": "operations",
    "counted_elements": "elements",
    "counted_transcendental": "transcendental",
    "counted_calls": "calls",
}


def costs(results: Results, sweep: Sweep) -> Section | None:
    """A row per case and engine: its time over that of f, and its counts over those of f."""
    rows = []
    for row in results.measured(sweep.name).to_dict("records"):
        if pd.isna(row["cost_ratio"]):
            continue
        ratio = results.cost(sweep.name, str(row["case"]), str(row["engine"]))
        counts = (_number(row[name]) for name in COUNTED)
        rows.append((row["case"], row["engine"], _said(ratio), _number(row["predicted_cost"]), *counts))
    if not rows:
        return None
    note = (
        "In evaluations of f by the same executor, f included: timed, predicted from counts and the machine's rates, "
        "and counted. Theory bounds operations (a multiply-add counts as two); time also pays for the array elements "
        "that are moved, for transcendental functions, which cost many operations and often are f's alone, and for "
        "calls, of which a derivative issues more."
    )
    columns = ["case", "engine", "timed", "predicted", *COUNTED.values()]
    return Section(
        f"Costs ({sweep.name})", note, pd.DataFrame(rows, columns=columns), (("transcendental",), ("predicted",))
    )


def _said(ratio: Ratio | None) -> str:
    return str(ratio) if ratio else "-"


def _number(value: float) -> str:
    return "-" if pd.isna(value) else f"{value:.3g}" if value < 1000 else f"{value:,.0f}"
