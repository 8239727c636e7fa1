"""Every engine against the fastest of its mode, case by case and over all cases."""

from __future__ import annotations

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.colors import to_rgba
from matplotlib.figure import Figure

from ...ask.sweep import Sweep
from ...judge.results import Results
from ..rivals import AT_FLOOR, MODES, geometric_mean, on_networks, relative
from .style import GREY, looks, package_colour, words

LEAST = 0.3  #: of the fastest's time: floors below it are not in the picture
HOW = (
    "time over the fastest's; dots are networks, diamonds geometric means with 95 % intervals that resample both "
    "networks and passes"
)
TITLES = {"forward": "Forward mode", "reverse": "Reverse mode", "best": "Best of each package"}


def draw_rivals(figure: Figure, results: Results, sweep: Sweep) -> None:
    """One panel per mode: a point per case, a diamond for the geometric mean with its interval, a row per rival.

    A tick is what the engine takes to be called; a point is hollow where that is most of its time.
    """
    table = relative(results, sweep)
    modes = [mode for mode in MODES if (table["mode"] == mode).any()]
    packages = {engine: look.package for engine, look in looks(results.measured(sweep.name)).items()}
    panels = figure.subplots(len(modes), 1, squeeze=False, sharex=True, height_ratios=_heights(table, modes))[:, 0]
    for axes, mode in zip(panels, modes, strict=True):
        _panel(axes, table[table["mode"] == mode], mode, packages)
    told, least = [HOW], table["ratio"].min() / 1.5
    if table["floor"].notna().any():
        told.append(f"ticks are floors, calls with nothing to compute; hollow dots take less than {AT_FLOOR:g} of them")
        least = min(least, LEAST)
    panels[-1].set_xlabel("\n".join(told), fontsize=9)
    panels[-1].set_xlim(least, table["ratio"].max() * 1.5)
    heading = f"{sweep.heading}: {on_networks(table)}"
    figure.suptitle(words(heading), fontsize=12, x=0.01, ha="left", fontweight="bold")


def _heights(table: pd.DataFrame, modes: list[str]) -> list[int]:
    return [1 + table[table["mode"] == mode]["rival"].nunique() for mode in modes]


def _panel(axes: Axes, own: pd.DataFrame, mode: str, packages: dict[str, str]) -> None:
    means = {str(rival): geometric_mean(mine) for rival, mine in own.groupby("rival", sort=False)}
    order = sorted(means, key=lambda rival: means[rival].value)
    for place, rival in enumerate(order):
        mine, mean = own[own["rival"] == rival], means[rival]
        shade = package_colour(packages.get(rival, rival))
        spots = place + np.linspace(-0.22, 0.22, len(mine))
        pale = to_rgba(shade, 0.45)  # an alpha of the whole scatter would fill the hollow ones
        inside = [(0.0,) * 4 if at_floor else pale for at_floor in mine["ratio"] < AT_FLOOR * mine["floor"]]
        axes.scatter(mine["ratio"], spots, s=12, facecolors=inside, edgecolors=[pale], linewidths=0.8)
        axes.scatter(mine["floor"], spots, s=30, marker="|", color=shade, alpha=0.7, linewidths=1.0)
        low, high = (mean.value if np.isnan(end) else end for end in (mean.low, mean.high))
        axes.plot([low, high], [place, place], color="black", linewidth=1.5)
        axes.plot([mean.value], [place], marker="D", color=shade, markeredgecolor="black", markersize=7)
        text = f"{mean.value:.3g}  (on {len(mine)})"
        axes.annotate(
            text, (1, place), xycoords=("axes fraction", "data"), xytext=(6, 0), textcoords="offset points",
            va="center", fontsize=8,
        )  # fmt: skip
    axes.axvline(1.0, color=GREY, linewidth=0.8, zorder=0)
    axes.set_xscale("log")
    axes.set_yticks(range(len(order)), [words(name) for name in order])
    axes.set_ylim(len(order) - 0.5, -0.5)
    axes.grid(visible=False, axis="y")
    axes.set_title(TITLES[mode], fontsize=10)
