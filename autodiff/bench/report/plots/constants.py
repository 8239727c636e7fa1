"""What a derivative costs over f: counted, and timed at every size, a line per layer."""

from __future__ import annotations

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from ...ask.sweep import Sweep
from ...judge.results import Results
from ..constants import THEORY, constants, shown
from .style import GREY, words

SHADES = ("#9ecae1", "#4292c6", "#08306b", "#000000")  #: from the smallest size to the largest
TITLES = {"jvp": "a tangent, jvp", "vjp": "a cotangent, vjp", "vjp-params": "vjp to the parameters"}
MARKERS = ("o", "s", "^", "v")


def draw_constants(figure: Figure, results: Results, sweep: Sweep) -> None:
    """A panel per derivative; diamonds are counted, other marks timed, the band is what theory allows in operations."""
    table = shown(constants(results, sweep))
    derivatives = [name for name in TITLES if (table["derivative"] == name).any()]
    layers, sizes = list(dict.fromkeys(table["layer"])), sorted(table["elements"].unique())
    panels = figure.subplots(1, len(derivatives), squeeze=False, sharey=True, sharex=True)[0]
    for axes, derivative in zip(panels, derivatives, strict=True):
        _panel(axes, table[table["derivative"] == derivative], derivative, layers, sizes)
    panels[0].set_yticks(range(len(layers)), [words(layer) for layer in layers], fontsize=8)
    panels[0].set_ylim(len(layers) - 0.5, -0.5)
    panels[len(panels) // 2].set_xlabel(
        f"cost over f, which is included; run by {words(', '.join(table['executor'].unique()))}"
    )
    handles, labels = panels[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=3, fontsize=9)
    figure.suptitle(words(sweep.heading), fontsize=12, x=0.01, ha="left", fontweight="bold")


def _panel(axes: Axes, own: pd.DataFrame, derivative: str, layers: list[str], sizes: list[int]) -> None:
    low, high = THEORY[derivative.partition("-")[0]]
    axes.axvspan(low, high, color=GREY, alpha=0.15, linewidth=0, label="theory, in operations")
    for number, size in enumerate(sizes):
        at = own[own["elements"] == size].dropna(subset=["timed"])
        place = [layers.index(layer) for layer in at["layer"]]
        mark, shade = MARKERS[number % len(MARKERS)], SHADES[number % len(SHADES)]
        axes.plot(at["timed"], place, mark, color=shade, markersize=4.5, label=f"timed, {size:,} elements")
    largest = own.loc[own.groupby("layer")["elements"].idxmax()].dropna(subset=["counted"])
    place = [layers.index(layer) for layer in largest["layer"]]
    axes.plot(
        largest["counted"], place, "D", label="counted, operations",
        markerfacecolor="none", markeredgecolor="#D55E00", markersize=7,
    )  # fmt: skip
    axes.set_xscale("log", base=2)
    ticks = [1, 2, 4, 8, 16]
    axes.set_xticks(ticks, [str(tick) for tick in ticks])
    axes.axvline(1.0, color="black", linewidth=0.8)
    axes.set_title(TITLES[derivative], fontsize=10)
