"""Networks as marks in a landscape: variables over outputs across, forward over reverse upwards."""

from __future__ import annotations

from typing import Any

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter

from ...ask.names import COMPILED
from ...ask.sweep import Sweep
from ...judge.results import Results
from ..landscape import landscape_table
from ..pairs import pairs
from .style import COLOURS, GREY, words

EDGE = 1.6  #: room beside the outermost marks, a factor
BESIDE, GAP = 7.0, 9.5  #: points from a mark to its number, and from one number to the next above it
WIDTH = 16.0  #: points across within which numbers would cover each other


def draw_landscape(figure: Figure, results: Results, sweep: Sweep) -> None:
    """A panel an executor: filled marks are measured, hollow ones predicted, a line joins the two of a network.

    Networks are numbered by n over m, and listed on the right.
    """
    table = landscape_table(results, sweep)
    table = table.assign(across=table["n"] / table["m"]).sort_values(["across", "ratio"], kind="stable")
    numbers = {str(case): number for number, case in enumerate(dict.fromkeys(table["case"]), start=1)}
    drawn = [pair for pair in pairs(results, sweep) if (table["first"] == pair[0]).any()]
    grid = figure.add_gridspec(1, len(drawn) + 1, width_ratios=[*[1.0] * len(drawn), 0.62])
    panels: list[Axes] = []
    for k, pair in enumerate(drawn):
        axes = figure.add_subplot(grid[k], sharey=panels[0] if panels else None)
        panels.append(axes)
        _draw_panel(axes, table[table["first"] == pair[0]])
        axes.set_title("compiled" if pair[0].startswith(COMPILED) else "NumPy")
        axes.set_xlim(table["across"].min() / EDGE, table["across"].max() * EDGE**2)
        axes.set_ylim(table["ratio"].min() / EDGE**2, table["ratio"].max() * EDGE**2)
        _number(figure, axes, table[table["first"] == pair[0]], numbers)
    panels[0].set_ylabel("forward / reverse, time")
    inside: dict[str, Any] = {"transform": panels[0].transAxes, "fontweight": "bold"}
    panels[0].text(0.02, 0.98, "reverse wins", va="top", color=COLOURS["reverse"], **inside)
    panels[0].text(0.98, 0.02, "forward wins", va="bottom", ha="right", color=COLOURS["forward"], **inside)
    _draw_key(figure.add_subplot(grid[len(drawn)]), table, numbers, panels[0])
    figure.suptitle(words(sweep.heading), fontsize=12, x=0.01, ha="left", fontweight="bold")


def _draw_panel(axes: Axes, own: pd.DataFrame) -> None:
    axes.axhline(1.0, color="black", linewidth=0.8)
    ends = [own["across"].min() / EDGE, own["across"].max() * EDGE]
    axes.plot(ends, ends, color=GREY, linestyle=":", linewidth=1.2, label="forward / reverse = n / m")
    axes.vlines(own["across"], own["ratio"], own["predicted"], color=GREY, linewidth=0.8)
    colours = [COLOURS["forward"] if ratio < 1 else COLOURS["reverse"] for ratio in own["ratio"]]
    axes.scatter(own["across"], own["predicted"], 26, facecolor="white", edgecolor=colours, zorder=3)
    axes.scatter(own["across"], own["ratio"], 26, color=colours, zorder=4)
    axes.scatter([], [], 26, color=GREY, label="measured")
    axes.scatter([], [], 26, facecolor="white", edgecolor=GREY, label="predicted")
    axes.set_xscale("log")
    axes.set_yscale("log")
    axes.set_xlabel("variables over outputs, n / m")
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))


def _number(figure: Figure, axes: Axes, own: pd.DataFrame, numbers: dict[str, int]) -> None:
    """Every mark's number beside it; those of marks in one place stand above each other, with lines to their marks."""
    figure.draw_without_rendering()  # which settles where the panel lies
    points = axes.transData.transform(own[["across", "ratio"]].to_numpy()) * 72 / figure.dpi
    line = {"arrowstyle": "-", "color": GREY, "linewidth": 0.4, "shrinkA": 0, "shrinkB": 3}
    for group in _touching(points):
        right, middle = (max(points[k][0] for k in group) + BESIDE, sum(points[k][1] for k in group) / len(group))
        for k, place in enumerate(group):
            height = middle + GAP * (k - (len(group) - 1) / 2)
            one, offset = own.iloc[place], (right - points[place][0], height - points[place][1])
            axes.annotate(
                str(numbers[str(one["case"])]), (one["across"], one["ratio"]), offset, textcoords="offset points",
                va="center", fontsize=8, color=GREY, arrowprops=line if abs(offset[1]) > GAP / 2 else None,
            )  # fmt: skip


def _touching(points: Any) -> list[list[int]]:
    """The marks in groups whose numbers, a gap from one to the next, would touch; each from its lowest."""
    groups: list[list[int]] = [[k] for k in sorted(range(len(points)), key=lambda k: points[k][1])]

    def touch(one: list[int], other: list[int]) -> bool:
        (a, b), (c, d) = (points[group].mean(axis=0) for group in (one, other))
        return bool(abs(a - c) < WIDTH and abs(b - d) < GAP * (len(one) + len(other)) / 2)

    while found := [(i, j) for j in range(len(groups)) for i in range(j) if touch(groups[i], groups[j])]:
        i, j = found[0]
        groups[i] = sorted([*groups[i], *groups.pop(j)], key=lambda k: points[k][1])
    return groups


def _draw_key(axes: Axes, table: pd.DataFrame, numbers: dict[str, int], panel: Axes) -> None:
    """The networks by their numbers, and what the marks mean."""
    axes.set_axis_off()
    first: dict[str, dict[Any, Any]] = {}
    for one in table.to_dict("records"):
        first.setdefault(str(one["case"]), one)
    lines = [
        f"{numbers[case]:>2}  {words(str(one['name']))}, {one['m']} x {one['n']}"
        + (" params" if one["wrt"] == "params" else "")
        for case, one in first.items()
    ]
    axes.text(0.0, 1.0, "m x n\n" + "\n".join(lines), va="top", fontsize=8, transform=axes.transAxes, linespacing=1.35)
    handles, labels = panel.get_legend_handles_labels()
    axes.legend(handles, labels, fontsize=8, loc="lower left", bbox_to_anchor=(-0.05, -0.02))
