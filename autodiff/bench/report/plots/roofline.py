"""A roofline: every engine of a run by its arithmetic intensity, under what the machine's memory and arithmetic allow.

Source: Williams, Waterman and Patterson, Roofline: an insightful visual performance model for multicore architectures
(CACM 52, 2009).
"""

from __future__ import annotations

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from ....machine.model import LARGE, Model
from ...judge.results import Results
from .style import COLOURS, GREY, MARKERS, OWN

MODES = {"forward": "forward", "reverse": "reverse", "": "other orders"}


def points(results: Results) -> pd.DataFrame:
    """Operations a byte and operations a second of every row whose work is counted.

    Rows with other threads than the machine was measured with are left out: its ceilings are not theirs.
    """
    frame = results.frame
    frame = frame[frame["threads"].isin(results.threads)] if results.threads else frame
    known = frame[(frame["status"] == "ok") & (frame["package"] == OWN)].dropna(subset=["flops", "bytes_moved"])
    known = known[(known["flops"] > 0) & (known["bytes_moved"] > 0) & (known["dtype"] == "float64")]
    flops = known["flops"].astype(float)
    return known.assign(intensity=flops / known["bytes_moved"].astype(float), speed=flops / known["median_s"])


def draw_roofline(figure: Figure, results: Results) -> None:
    """Orders in their colours, compiled ones hollow; lines are the calibration's rates of the same run."""
    axes, table = figure.subplots(), points(results)
    shown = list(table.groupby(["mode", "executor"]))
    for (mode, executor), own in shown:
        colour, compiled = COLOURS.get(str(mode), COLOURS["mixed"]), executor == "compiled"
        name = f"{MODES.get(str(mode), mode)}{', compiled' if compiled else ''}"
        face = "none" if compiled else colour
        axes.scatter(
            own["intensity"], own["speed"], s=16, marker=MARKERS.get(str(mode), MARKERS["mixed"]), facecolors=face,
            edgecolors=colour, linewidths=0.8, alpha=0.6, label=name,
        )  # fmt: skip
    models = [results.models[key] for key in (("compiled", "float64"), ("numpy", "float64")) if key in results.models]
    if models:
        _ceilings(axes, models[0], table["intensity"].min())
    axes.set_xscale("log")
    axes.set_yscale("log")
    axes.set_xlabel("operations a byte that instructions read or write (a multiply-add is two)")
    axes.set_ylabel("operations a second")
    axes.set_title("Roofline")
    figure.legend(loc="outside lower center", ncols=3, fontsize=9)


def _ceilings(axes: Axes, model: Model, least: float) -> None:
    """Arithmetic, and bytes from the second level, the last and memory."""
    side = LARGE
    peak = 2 * side**3 / model.table[f"matmul  {side} {side} {side}"]
    sets = sorted(int(name.split()[1]) for name in model.table if name.startswith("read "))
    last = [one for one in sets if one > model.private]
    levels = {
        "second level": [one for one in sets if model.near < one <= model.private],
        "last level": last[: max(len(last) // 2, 1)],
        "memory": sets[-1:],
    }
    axes.axhline(peak, color=GREY, linewidth=1.2)
    axes.annotate(f"products of {side}: {peak / 1e9:.3g} Gop/s", (0.01, peak), xycoords=("axes fraction", "data"),
                  xytext=(0, 3), textcoords="offset points", fontsize=8, color=GREY)  # fmt: skip
    for (name, among), dash in zip(levels.items(), ("-", "--", ":"), strict=True):
        known = [model.table[f"read {one}"] for one in among if model.table[f"read {one}"] > 0]
        if not known:
            continue
        rate = 1 / float(np.median(known))
        ends = np.array([least, peak / rate])
        axes.plot(ends, ends * rate, color=GREY, linestyle=dash, linewidth=1.2, label=f"{name}, {rate / 1e9:.3g} GB/s")


def enough(results: Results) -> bool:
    """There is something to draw."""
    return bool(results.models) and len(points(results)) > 1
