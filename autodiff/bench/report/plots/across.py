"""What one key changes: the time with its first value over the time with each other, a panel per series."""

from __future__ import annotations

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

from ...ask.sweep import Sweep
from ...judge.across import Group, groups, moving
from ...judge.results import Results
from ..across import across_table, label
from .curves import axis_label, engine_label
from .style import GREY, Look, looks, words

FURTHEST = 1.5  #: times a ratio, up to which its interval makes room for itself
SPREAD = 0.5  #: of the distance between two cases, over which its engines stand side by side


def draw_across(figure: Figure, results: Results, sweep: Sweep) -> None:
    """A column of panels per series, a row per further value; intervals as bars, predictions as ticks."""
    table, drawn = across_table(results, sweep), looks(results.measured(sweep.name))
    every = groups(results, sweep)
    series, values = list(dict.fromkeys(table["series"])), list(dict.fromkeys(table["value"]))
    panels = figure.subplots(len(values), len(series), squeeze=False, sharey=True)
    for row, value in zip(panels, values, strict=True):
        for axes, index in zip(row, series, strict=True):
            own = table[(table["series"] == index) & (table["value"] == value)]
            _panel(axes, own, sweep, [group for group in every if group.index == index], drawn)
            axes.set_title(_title(sweep, index), fontsize=10)
        base = label(sweep.across, every[0].base)
        row[0].set_ylabel(words(f"time: {base} / {label(sweep.across, value)}"))
    _ticks(panels[0, 0], table)
    handles = {text: line for axes in panels.flat for line, text in zip(*axes.get_legend_handles_labels(), strict=True)}
    figure.legend(handles.values(), handles, loc="outside lower center", ncols=min(len(handles), 4), fontsize=9)
    figure.suptitle(words(sweep.heading), fontsize=12, x=0.01, ha="left", fontweight="bold")


def _panel(axes: Axes, own: pd.DataFrame, sweep: Sweep, series: list[Group], drawn: dict[str, Look]) -> None:
    names = [group.name for group in series]
    engines = list(dict.fromkeys(own["engine"]))
    for place, engine in enumerate(engines):
        mine, look = own[own["engine"] == engine], drawn[engine]
        at = mine["group"].map(names.index) + SPREAD * ((place + 0.5) / len(engines) - 0.5)
        ratio = mine["ratio"].to_numpy()
        ends = np.nan_to_num(np.abs(mine[["low", "high"]].to_numpy().T - ratio))
        style = look.line() | {"linewidth": 1.0, "markersize": 6, "label": engine_label(sweep, engine)}
        axes.errorbar(at, ratio, ends, capsize=2, **style)
        axes.scatter(at, mine["predicted"], marker="_", s=60, color=look.colour, zorder=3)
    if own["predicted"].notna().any():
        axes.scatter([], [], marker="_", s=60, color=GREY, label="predicted")
    axes.axhline(1.0, color="black", linewidth=0.8, zorder=0)
    axis = moving(series)
    texts = [f"{group.items[axis]:g}" if axis else words(group.name) for group in series]
    axes.set_xticks(range(len(names)), texts, rotation=0 if axis else 20)
    axes.set_xlim(-0.6, len(names) - 0.4)
    axes.grid(visible=False, axis="x")
    if axis:
        axes.set_xlabel(axis_label(sweep, axis))


def _ticks(axes: Axes, table: pd.DataFrame) -> None:
    """Of the ratios, which all panels share: as far as they go, and intervals no further than is of interest."""
    axes.set_yscale("log")
    ratio, predicted = table["ratio"], table["predicted"].dropna()
    ends = [table["low"].clip(lower=ratio / FURTHEST), table["high"].clip(upper=ratio * FURTHEST)]
    seen = np.concatenate([[1.0], ratio, predicted, *(end.dropna() for end in ends)])
    low, high = seen.min() / 1.1, seen.max() * 1.1
    axes.set_ylim(low, high)
    axes.yaxis.set_major_locator(LogLocator(10, subs=(1.0, 1.5, 2.0, 3.0, 5.0, 7.0) if high < 5 * low else (1.0, 3.0)))
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axes.yaxis.set_minor_formatter(NullFormatter())


def _title(sweep: Sweep, index: int) -> str:
    series = sweep.series[index]
    return words(f"{series.problem}, {series.operation}")
