"""Checkpointing against its optimum: evaluations of layers, counted, beside the fewest possible, times and bytes."""

from __future__ import annotations

import numpy as np
import pandas as pd

from ...engines.checkpointed import ReverseCheckpointed
from ...engines.registry import split_options
from ...engines.revolve import advances
from ..ask.names import COMPILED, VALUES
from ..ask.sweep import Sweep
from ..judge.intervals import Ratio
from ..judge.results import Results
from .section import Section

ORDERS = {prefix + ReverseCheckpointed.name: f"{prefix}reverse" for prefix in ("", COMPILED)}  #: with what keeps all
COLUMNS = [
    "engine", "order", "whole", "depth", "checkpoints", "evaluations", "optimum", "counted", "ratio", "low", "high",
    "predicted", "bytes", "whole_bytes",
]  # fmt: skip


def checkpoint_table(results: Results, sweep: Sweep) -> pd.DataFrame:
    """A row per engine with a number of checkpoints, beside the one that keeps every state, in a sweep of one case.

    ``evaluations`` of layers are counted in the program that was run: those of :func:`evaluations`. ``optimum`` are the
    fewest with which it can be done in so many checkpoints, one for every layer where it is turned and
    :func:`~autodiff.engines.revolve.advances` besides, which is where its source stands. ``counted`` are the
    evaluations over those of the engine that keeps every state, one for every layer; ``ratio`` with its interval is
    the time over that engine's, ``predicted`` the same by counts and rates.
    """
    rows = []
    measured = results.measured(sweep.name).set_index("engine").astype({"peak_bytes": float})
    for engine, row in measured.iterrows():
        order, options = split_options(str(engine))
        whole, checkpoints = ORDERS.get(order, ""), options.get("checkpoints")
        ratio = results.ratio(sweep.name, row["case"], str(engine), whole)
        if not isinstance(checkpoints, int) or ratio is None:
            continue
        depth, kept = int(row["depth"]), measured.loc[whole]
        made = evaluations(results, sweep.name, row["case"], str(engine), whole, depth)
        fewest = depth + advances(depth, checkpoints) if row["wrt"] == "input" else np.nan
        rows.append(
            (
                engine, order, whole, depth, checkpoints, made, fewest, made / depth, ratio.value, ratio.low,
                ratio.high, row["predicted_s"] / kept["predicted_s"], row["peak_bytes"], kept["peak_bytes"],
            )
        )  # fmt: skip
    return pd.DataFrame(rows, columns=COLUMNS)


def evaluations(results: Results, sweep: str, case: str, engine: str, whole: str, depth: int) -> float:
    """How often a run evaluates layers, in layers of the network's average size; NaN where nothing was counted.

    A run that keeps every state evaluates each of them once. What another does beyond that are evaluations of layers,
    counted by their multiply-adds, of which f itself has those of ``depth`` layers: a whole number where all layers
    are alike.
    """
    f = VALUES["compiled" if whole.startswith(COMPILED) else "numpy"]
    value, own, kept = (results.work(sweep, case, name).fma for name in (f, engine, whole))
    return depth + (own - kept) * depth / value if value and own and kept else np.nan


def checkpointing(results: Results, sweep: Sweep) -> Section | None:
    """What fewer checkpoints cost: evaluations beside the fewest possible, time beside the predicted one, and bytes."""
    table = checkpoint_table(results, sweep)
    if table.empty:
        return None
    shown = pd.DataFrame(
        {
            "engine": table["order"],
            "checkpoints": table["checkpoints"].astype(str),
            "evaluations of layers": table["evaluations"].map(_count),
            "fewest possible": table["optimum"].map(_count),
            "evaluations over reverse's": table["counted"].map("{:.2f}".format),
            "time over reverse's": [str(Ratio(*row)) for row in table[["ratio", "low", "high"]].to_numpy()],
            "by counts and rates": table["predicted"].map("{:.2f}".format),
            "peak bytes": table["bytes"].map(_count),
            "bytes over reverse's": [_share(*row) for row in table[["bytes", "whole_bytes"]].to_numpy()],
        }
    )
    if table["order"].nunique() == 1:
        shown = shown.drop(columns="engine")
    first = table.iloc[0]
    reached = int((table["evaluations"].round(6) == table["optimum"]).sum())
    note = (
        f"{first['whole']} keeps what the derivatives of all {first['depth']} layers read, and evaluates every layer "
        "once. With s states held, l layers need r l - C(s+r, s+1) evaluations more, r being the least with "
        "l <= C(s+r, s) (Griewank and Walther, Algorithm 799: revolve, ACM Transactions on Mathematical Software 26, "
        f"2000). {reached} of {len(table)} runs do the fewest possible. An evaluation is a part of a layer's work, its "
        "cotangents are the rest, so times grow less than evaluations."
    )
    return Section(f"Checkpoints ({sweep.name})", note, shown)


def _count(value: float) -> str:
    """A whole number where it is one: layers that are not alike are counted in their average."""
    return "-" if np.isnan(value) else f"{value:,.0f}" if abs(value - round(value)) < 1e-6 else f"{value:,.1f}"


def _share(part: float, whole: float) -> str:
    return "-" if np.isnan(part / whole) else f"{part / whole:.3f}"
