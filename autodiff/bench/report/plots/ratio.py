"""Measured ratio of two engines beside the ratio that counting multiplications predicts."""

from __future__ import annotations

from matplotlib.figure import Figure

from ...ask.names import COMPILED
from ...ask.sweep import Sweep
from ...judge.results import Results
from ..findings import ratio_table
from ..pairs import pairs
from .curves import axis_label, engine_label
from .style import GREY, looks, seconds_axis, size_axis, words


def draw_ratio(figure: Figure, results: Results, sweep: Sweep) -> None:
    """Left the times, right their ratio: measured, by multiplications, by the machine's rates; compiled ones dashed."""
    tables = {pair: ratio_table(results, sweep, pair) for pair in pairs(results, sweep)}
    tables = {pair: table for pair, table in tables.items() if not table.empty}
    axis, (first, second) = sweep.axes[0], next(iter(tables))
    measured = results.measured(sweep.name)
    time, ratio = figure.subplots(1, 2)
    drawn = looks(measured)
    for engine in (engine for pair in tables for engine in pair):
        own = measured[measured["engine"] == engine].sort_values(f"key_{axis}")
        time.plot(own[f"key_{axis}"], own["median_s"], label=engine_label(sweep, engine), **drawn[engine].line())
        time.fill_between(own[f"key_{axis}"], own["ci_low_s"], own["ci_high_s"], color=drawn[engine].colour, alpha=0.2)
    seconds_axis(time)
    time.set_ylabel("time of one call")
    time.set_title("Time")
    time.legend(fontsize=9)
    counted = tables[first, second]
    ratio.plot(counted["size"], counted["counted"], color=GREY, linewidth=1.2, label="by multiplications")
    for pair, table in tables.items():
        compiled = ", compiled" if pair[0].startswith(COMPILED) else ""
        style = drawn[pair[0]].line() | {"color": GREY if compiled else "black", "marker": "o"}
        if table["predicted"].notna().any():
            by_rates = {"color": style["color"], "linestyle": ":", "label": f"by rates{compiled}"}
            ratio.plot(table["size"], table["predicted"], **by_rates)
        ratio.plot(table["size"], table["ratio"], label=f"measured{compiled}", **style)
        ratio.fill_between(table["size"], table["low"], table["high"], color=style["color"], alpha=0.2)
    ratio.set_yscale("log")
    ratio.set_ylabel(words(f"{first} / {second}"))
    ratio.set_title("Ratio")
    ratio.legend(fontsize=9)
    for axes in (time, ratio):
        size_axis(axes, sorted(counted["size"].tolist()))
        axes.set_xlabel(axis_label(sweep, axis))
    figure.suptitle(words(sweep.heading), fontsize=12, x=0.01, ha="left", fontweight="bold")
