"""The map of which of two engines is faster, over two axes."""

from __future__ import annotations

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import LinearSegmentedColormap, TwoSlopeNorm
from matplotlib.figure import Figure
from matplotlib.image import AxesImage
from matplotlib.patheffects import withStroke
from numpy.typing import NDArray

from ...ask.names import COMPILED
from ...ask.sweep import Sweep
from ...judge.results import Results
from ..crossover import log_ratios
from ..pairs import Pair, pairs
from .curves import axis_label
from .style import looks, words

Floats = NDArray[np.float64]
MOST = 64  #: cells of a map whose ratios are written into them


def draw_map(figure: Figure, results: Results, sweep: Sweep) -> None:
    """log2 of one engine's time over the other's: where it is 0 they cost the same; ~ marks undecided cells.

    The same two engines compiled have a map of their own, in the same shades.
    """
    tables = {pair: log_ratios(results, sweep, pair) for pair in pairs(results, sweep)}
    tables = {pair: table for pair, table in tables.items() if not table.empty}
    limit = max(float(np.nanmax(np.abs(table["log2"].to_numpy(float)))) for table in tables.values()) or 1.0
    panels = figure.subplots(1, len(tables), squeeze=False)[0]
    for axes, pair in zip(panels, tables, strict=True):
        mesh = _panel(axes, results, sweep, pair, limit)
        if len(tables) > 1:
            axes.set_title("compiled" if pair[0].startswith(COMPILED) else "by NumPy's functions", fontsize=10)
    first, second = map(words, next(iter(tables)))
    if len(tables) > 1:
        figure.suptitle(words(sweep.heading), fontsize=12, x=0.01, ha="left", fontweight="bold")
    else:
        panels[0].set_title(words(sweep.heading))
    lines = {label: line for axes in panels for line, label in zip(*axes.get_legend_handles_labels(), strict=True)}
    figure.legend(lines.values(), lines.keys(), loc="outside lower center", ncols=3, fontsize=9)
    bar = figure.colorbar(mesh, ax=list(panels), label=f"log$_2$ ({first} / {second})")
    bar.ax.text(0.5, 1.02, f"{second}\nfaster", transform=bar.ax.transAxes, ha="center", va="bottom", fontsize=8)
    bar.ax.text(0.5, -0.02, f"{first}\nfaster", transform=bar.ax.transAxes, ha="center", va="top", fontsize=8)


def _panel(axes: Axes, results: Results, sweep: Sweep, pair: Pair, limit: float) -> AxesImage:
    """One map; returns what its shades mean."""
    y, x = sweep.axes[:2]
    table = log_ratios(results, sweep, pair)
    grid, low, high = (table.pivot(index=x, columns=y, values=name) for name in ("log2", "low", "high"))
    values = grid.to_numpy(float)
    undecided = (low.to_numpy(float) <= 0) & (high.to_numpy(float) >= 0)
    drawn = looks(results.measured(sweep.name))
    ends = [drawn[engine].colour for engine in pair]
    mesh = axes.imshow(
        values,
        origin="lower",
        cmap=LinearSegmentedColormap.from_list("modes", [ends[0], "#FFFFFF", ends[1]]),
        norm=TwoSlopeNorm(0.0, -limit, limit),
        aspect="auto",
        interpolation="nearest",
    )
    for row, column in np.argwhere(~np.isnan(values)) if values.size <= MOST else ():
        value = values[row, column]
        ink = "white" if abs(value) > 0.6 * limit else "black"
        # in the upper left, where neither line goes
        label = f"{'~' if undecided[row, column] else ''}{2 ** abs(value):.2g}x"
        text = axes.text(column - 0.45, row + 0.42, label, ha="left", va="top", color=ink, fontsize=9)
        text.set_path_effects([withStroke(linewidth=2.5, foreground=mesh.to_rgba(value))])
        text.set_zorder(5)
    smooth = _undecided_by_neighbours(values, low.to_numpy(float), high.to_numpy(float), undecided)
    _equal_cost(axes, smooth, "measured: equal cost", linewidth=2)
    counted = table.pivot(index=x, columns=y, values="counted").to_numpy(float)
    _equal_cost(axes, counted, "by counted operations: equal cost", linestyle="--", linewidth=1.2)
    axes.set_xticks(range(grid.shape[1]), [f"{v:g}" for v in grid.columns])
    axes.set_yticks(range(grid.shape[0]), [f"{v:g}" for v in grid.index])
    axes.set_xlabel(axis_label(sweep, y))
    axes.set_ylabel(axis_label(sweep, x))
    axes.grid(visible=False)
    if values.size <= MOST and undecided.any():
        axes.plot([], [], linestyle="none", label="~ undecided")
    return mesh


def _equal_cost(axes: Axes, values: Floats, label: str, linewidth: float, linestyle: str = "-") -> None:
    """The line along which a grid of logarithms is 0, if it is drawn over two axes and takes both signs."""
    known = values[~np.isnan(values)]
    if min(values.shape) > 1 and known.size and known.min() < 0 < known.max():
        axes.contour(values, levels=[0.0], colors="black", linewidths=linewidth, linestyles=linestyle)
        axes.plot([], [], color="black", linewidth=linewidth, linestyle=linestyle, label=label)


def _undecided_by_neighbours(values: Floats, low: Floats, high: Floats, undecided: NDArray[np.bool_]) -> Floats:
    """The values that the line of equal cost is drawn through.

    A cell whose interval holds 0 may be on either side: it takes its neighbours' mean, as far as its interval goes.
    """
    padded = np.pad(values, 1, constant_values=np.nan)
    around = np.stack([padded[:-2, 1:-1], padded[2:, 1:-1], padded[1:-1, :-2], padded[1:-1, 2:]])
    known = ~np.isnan(around)
    mean = np.where(known, around, 0.0).sum(axis=0) / np.maximum(known.sum(axis=0), 1)
    return np.where(undecided, np.clip(mean, low, high), values)
