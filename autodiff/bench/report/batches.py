"""What a batch costs: time per example, and what is kept of it beside the parameters."""

from __future__ import annotations

import numpy as np
import pandas as pd

from ...text import bytes_text, seconds_text
from ..ask.sweep import Sweep
from ..judge.columns import KEY
from ..judge.intervals import Ratio
from ..judge.results import Results
from .section import Section

BATCH = "batch"  #: the keyword of problems


def per_example(results: Results, sweep: Sweep) -> Section | None:
    """A sweep over batches: time per example, its gain over the smallest batch, cost, memory beside the weights."""
    measured = results.measured(sweep.name)
    if measured.empty:
        return None
    least = measured.sort_values(KEY + BATCH).groupby("engine").first()
    rows = []
    for row in measured.sort_values(KEY + BATCH, kind="stable").to_dict("records"):
        size, first = row[KEY + BATCH], least.loc[row["engine"]]
        ratio = results.ratio_across(sweep.name, row["engine"], first["case"], row["case"])
        times = size / first[KEY + BATCH]
        weights = row["parameters"] * np.dtype(row["dtype"]).itemsize
        peak = row["peak_bytes"]
        rows.append(
            (
                f"{size:g}",
                row["engine"],
                seconds_text(row["median_s"]),
                seconds_text(row["median_s"] / size),
                "-" if ratio is None else str(Ratio(*(times * one for one in (ratio.value, ratio.low, ratio.high)))),
                "-" if pd.isna(row["cost_ratio"]) else f"{row['cost_ratio']:.3g}",
                "-" if pd.isna(peak) else bytes_text(peak),
                bytes_text(weights),
                "-" if pd.isna(peak) else f"{peak / weights:.3g}",
            )
        )
    smallest = f"{measured[KEY + BATCH].min():g}"
    gained = f"in {smallest} / here"
    names = ["batch", "engine", "time", "per example", gained, "costs", "peak", "weights", "peak / weights"]
    note = (
        f"{gained.capitalize()}: the time per example in the smallest batch over that in this one, pass by pass. Costs "
        "are in evaluations of f over the same batch. The peak is what an engine holds besides the weights, its result "
        "included."
    )
    return Section(f"Batch ({sweep.name})", note, pd.DataFrame(rows, columns=names), spare=(("weights",), ("time",)))
