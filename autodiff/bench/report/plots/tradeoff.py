"""Time against peak memory, one curve per engine, the points being the sweep's sizes."""

from __future__ import annotations

from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator

from ...ask.sweep import Sweep
from ...judge.results import Results
from .curves import axis_label, draw_weights, engine_label
from .style import bytes_axis, looks, seconds_axis, words


def draw_tradeoff(figure: Figure, results: Results, sweep: Sweep) -> None:
    """Left memory against the axis, right time against memory: what bounded memory costs in time."""
    axis, measured = sweep.axes[0], results.measured(sweep.name)
    drawn = looks(measured)
    memory, trade = figure.subplots(1, 2)
    for engine, own in measured.groupby("engine", sort=False):
        own = own.sort_values(f"key_{axis}")
        style = drawn[str(engine)].line() | {"label": engine_label(sweep, str(engine))}
        peak = own["peak_bytes"].astype(float)
        memory.plot(own[f"key_{axis}"], peak, **style)
        trade.plot(peak, own["median_s"], **style)
    draw_weights(memory, measured, axis)
    memory.set_xscale("log", base=2)
    sizes = sorted(measured[f"key_{axis}"].unique().tolist())
    memory.set_xticks(sizes, [f"{size:g}" for size in sizes])
    memory.set_xlabel(axis_label(sweep, axis))
    memory.set_ylabel("peak memory of the engine")
    bytes_axis(memory)
    memory.set_title("Memory")
    trade.set_xscale("log", base=2)
    trade.xaxis.set_major_locator(LogLocator(4))  # every label of base 2 would run into the next
    trade.xaxis.set_major_formatter(memory.yaxis.get_major_formatter())
    trade.set_xlabel(f"peak memory of the engine; upwards: {words(axis)} {sizes[0]:g} to {sizes[-1]:g}")
    trade.set_ylabel("time of one call")
    seconds_axis(trade)
    trade.set_title("Time against memory")
    handles, labels = memory.get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=min(len(labels), 5), fontsize=9)
    figure.suptitle(words(sweep.heading), fontsize=12, x=0.01, ha="left", fontweight="bold")
