"""What the last engine of a sweep gains over the best of the others, measured beside predicted."""

from __future__ import annotations

from matplotlib.figure import Figure

from ...ask.sweep import Sweep
from ...judge.results import Results
from ..findings import gain_table
from .curves import axis_label, draw_times, engine_label
from .style import GREY, looks, size_axis, words


def draw_gain(figure: Figure, results: Results, sweep: Sweep) -> None:
    """Left the times, right the gain: measured, by multiplications, by the machine's rates."""
    axis, table, measured = sweep.axes[0], gain_table(results, sweep), results.measured(sweep.name)
    time, gain = figure.subplots(1, 2)
    draw_times(time, results, sweep, exponents=False)
    time.set_title("Time")
    engine = str(table["engine"].iloc[0])
    look, name = looks(measured)[engine], engine_label(sweep, engine)
    if table["counted"].notna().any():
        gain.plot(table["size"], table["counted"], color=GREY, linestyle="--", label="by multiplications")
    if table["predicted"].notna().any():
        gain.plot(table["size"], table["predicted"], color=GREY, linestyle=":", label="by this machine's rates")
    gain.plot(table["size"], table["gain"], label=f"{name}, measured", **look.line())
    gain.fill_between(table["size"], table["low"], table["high"], color=look.colour, alpha=0.2)
    gain.axhline(1.0, color="black", linewidth=0.8)
    gain.set_yscale("log")
    gain.set_ylabel("best of the others / " + name)
    gain.set_title("Gain")
    gain.legend(fontsize=9)
    for axes in (time, gain):
        size_axis(axes, sorted(measured[f"key_{axis}"].unique().tolist()))
        axes.set_xlabel(axis_label(sweep, axis))
    figure.suptitle(words(sweep.heading), fontsize=12, x=0.01, ha="left", fontweight="bold")
