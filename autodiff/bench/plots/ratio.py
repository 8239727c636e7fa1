"""Measured ratio of two engines beside the ratio that counting multiplications predicts."""

from __future__ import annotations

from matplotlib.figure import Figure

from ..findings import engines_of, ratio_table
from ..sweep import Sweep
from ..table import Results
from .curves import LABELS
from .style import GREY, colour, marker, seconds_axis, size_axis


def draw_ratio(figure: Figure, results: Results, sweep: Sweep) -> None:
    """Left the two times, right their ratio: measured, by multiplications, by the machine's rates."""
    first, second = engines_of(results, sweep)[:2]
    axis, table = sweep.axes[0], ratio_table(results, sweep)
    measured = results.measured(sweep.name)
    time, ratio = figure.subplots(1, 2)
    for engine, what in ((first, "matrix-matrix"), (second, "vector-matrix")):
        own = measured[measured["engine"] == engine].sort_values(f"key.{axis}")
        label = f"{what} ({engine})" if sweep.name == "products" else engine
        time.plot(own[f"key.{axis}"], own["median_s"], color=colour(engine), marker=marker(engine), label=label)
        time.fill_between(own[f"key.{axis}"], own["ci_low_s"], own["ci_high_s"], color=colour(engine), alpha=0.2)
    seconds_axis(time)
    time.set_ylabel("time of one call")
    time.set_title("Time")
    time.legend(fontsize=9)
    ratio.plot(table["size"], table["counted"], color=GREY, linestyle="--", label="by multiplications")
    ratio.plot(table["size"], table["predicted"], color=GREY, linestyle=":", label="by this machine's rates")
    ratio.plot(table["size"], table["ratio"], color="black", marker="o", label="measured")
    ratio.fill_between(table["size"], table["low"], table["high"], color="black", alpha=0.2)
    ratio.set_yscale("log")
    ratio.set_ylabel(f"{first} / {second}")
    ratio.set_title("Ratio")
    ratio.legend(fontsize=9)
    for axes in (time, ratio):
        size_axis(axes, sorted(table["size"].tolist()))
        axes.set_xlabel(LABELS.get(axis, axis) if sweep.name != "products" else f"size {axis} of the matrices")
    figure.suptitle(sweep.title or sweep.name, fontsize=12, x=0.01, ha="left", fontweight="bold")
