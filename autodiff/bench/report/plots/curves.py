"""Cost against one axis, with memory beside it where the sweep asks for that."""

from __future__ import annotations

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from ...ask.sweep import Sweep
from ...judge.growth import Exponent, growth
from ...judge.results import Results
from .style import GREY, Look, bytes_axis, looks, seconds_axis, size_axis, words

WEIGHTS = "the weights"
LABELS = {"n": "inputs n", "m": "outputs m", "depth": "depth (layers)"}


def axis_label(sweep: Sweep, axis: str) -> str:
    """What the sweep's file calls it, else what it usually is."""
    return words(sweep.labels.get(axis, LABELS.get(axis, axis)))


def engine_label(sweep: Sweep, engine: str) -> str:
    """The engine, behind what the sweep's file calls it."""
    said = sweep.labels.get(engine)
    return words(f"{said} ({engine})" if said else engine)


def draw_curves(figure: Figure, results: Results, sweep: Sweep) -> None:
    """Time of every engine against the sweep's axis, and of f itself; bands hold the middle half of the rounds."""
    axis = sweep.axes[0]
    measured = results.measured(sweep.name)
    panels = figure.subplots(1, 2 if sweep.memory else 1, squeeze=False)[0]
    time = panels[0]
    draw_times(time, results, sweep)
    time.set_title(words(sweep.heading))
    if sweep.memory:
        _memory(panels[1], sweep, measured)
        time.get_legend().remove()  # half a figure has no room for it
        lines, labels = time.get_legend_handles_labels()
        more = zip(*panels[1].get_legend_handles_labels(), strict=True)
        lines, labels = zip(*zip(lines, labels, strict=True), *(one for one in more if one[1] == WEIGHTS), strict=True)
        text = _fixed(measured, axis)
        legend = figure.legend(
            lines, labels, title=text, title_fontsize=8, loc="outside lower center", ncols=3, fontsize=9
        )  # fmt: skip
        legend.get_title().set_color(GREY)
    else:
        figure.supxlabel(_fixed(measured, axis), fontsize=8, color=GREY)
    for panel in panels:
        size_axis(panel, sorted(measured[f"key_{axis}"].unique().tolist()))
        panel.set_xlabel(axis_label(sweep, axis))


def draw_times(time: Axes, results: Results, sweep: Sweep, *, exponents: bool = True) -> None:
    """The times of all engines and of f, with their growth exponents in the legend if asked for."""
    axis, measured = sweep.axes[0], results.measured(sweep.name)
    drawn = looks(measured)
    for engine, own in measured.groupby("engine", sort=False):
        own = own.sort_values(f"key_{axis}")
        parts = growth(own[f"key_{axis}"].tolist(), own["median_s"].tolist()) if exponents else []
        _curve(time, results, sweep, drawn[str(engine)], own, parts)
    for executor, own in measured.groupby("executor", sort=False):
        first = own.drop_duplicates("case").sort_values(f"key_{axis}")
        compiled = executor == "compiled"
        if executor or set(measured["executor"]) == {""}:
            label, dash = ("f itself, compiled", "--") if compiled else ("f itself", "-")
            time.plot(
                first[f"key_{axis}"], first["value_s"], label=label, color=GREY, linestyle=dash, linewidth=1.2
            )  # fmt: skip
    time.set_ylabel("time of one call")
    seconds_axis(time)
    time.legend(fontsize=9)


def _curve(axes: Axes, results: Results, sweep: Sweep, look: Look, own: pd.DataFrame, parts: list[Exponent]) -> None:
    axis = sweep.axes[0]
    x = own[f"key_{axis}"].to_numpy(float)
    label = engine_label(sweep, look.engine)
    if parts:
        label += f": ~ {axis}$^{{{parts[-1].slope:.2f}}}$"
        label += f" from {axis} = {parts[-1].first:g} on" if len(parts) > 1 else ""
    axes.plot(x, own["median_s"], label=label, **look.line())
    quartiles = [
        np.quantile(
            np.concatenate([*map(np.asarray, results.rounds(sweep.name, case, look.engine).values())]), [0.25, 0.75]
        )
        for case in own["case"]
    ]
    low, high = np.array(quartiles).T
    axes.fill_between(x, low, high, color=look.colour, alpha=0.2, linewidth=0)
    if own["predicted_s"].notna().all():
        axes.plot(x, own["predicted_s"], color=look.colour, linestyle=":", linewidth=1.2)


def _memory(axes: Axes, sweep: Sweep, measured: pd.DataFrame) -> None:
    axis, drawn = sweep.axes[0], looks(measured)
    for engine, own in measured.groupby("engine", sort=False):
        own = own.sort_values(f"key_{axis}")
        peak, label = own["peak_bytes"].astype(float), engine_label(sweep, str(engine))
        axes.plot(own[f"key_{axis}"], peak, label=label, **drawn[str(engine)].line())
    draw_weights(axes, measured, axis)
    axes.set_ylabel("peak memory of the engine")
    bytes_axis(axes)
    axes.set_title("Memory")


def draw_weights(axes: Axes, measured: pd.DataFrame, axis: str) -> None:
    """What the parameters take, which no engine's peak holds, so that one sees what outweighs what."""
    known = measured.drop_duplicates("case").sort_values(f"key_{axis}")
    size = [count * np.dtype(dtype).itemsize for count, dtype in known[["parameters", "dtype"]].to_numpy().tolist()]
    if all(size):
        axes.plot(known[f"key_{axis}"], size, color=GREY, linestyle="-.", linewidth=1.2, label=WEIGHTS)


def _fixed(measured: pd.DataFrame, axis: str) -> str:
    """What the whole sweep has in common, and how to read the lines."""
    one = measured.iloc[0]
    names = [str(name) for name in measured.columns]
    keys = [name for name in names if name.startswith("key_") and name not in (f"key_{axis}", "key_seed")]
    fixed = ", ".join(f"{name[4:]} = {one[name]}" for name in keys)
    threads = f"{one['threads']} thread{'s' if one['threads'] > 1 else ''}"
    return f"{one['problem']}: {fixed}; {one['dtype']}, {threads}; band: middle half of the rounds, dotted: predicted"
