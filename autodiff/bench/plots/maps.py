"""The map of which of two engines is faster, over two axes."""

from __future__ import annotations

import numpy as np
from matplotlib.colors import LinearSegmentedColormap, TwoSlopeNorm
from matplotlib.figure import Figure
from matplotlib.patheffects import withStroke

from ..findings import engines_of, log_ratios
from ..sweep import Sweep
from ..table import Results
from .curves import LABELS
from .style import colour


def draw_map(figure: Figure, results: Results, sweep: Sweep) -> None:
    """log2 of the first engine's time over the second's: where it is 0 they cost the same."""
    first, second = engines_of(results, sweep)[:2]
    y, x = sweep.axes[:2]
    grid = log_ratios(results, sweep).pivot(index=x, columns=y, values="log2")
    values = grid.to_numpy(float)
    axes = figure.subplots()
    limit = float(np.nanmax(np.abs(values))) or 1.0
    shades = LinearSegmentedColormap.from_list("modes", [colour(first), "#FFFFFF", colour(second)])
    mesh = axes.imshow(
        values,
        origin="lower",
        cmap=shades,
        norm=TwoSlopeNorm(0.0, -limit, limit),
        aspect="auto",
        interpolation="nearest",
    )
    small = values.size <= 64
    for row, column in np.argwhere(~np.isnan(values)) if small else ():
        value = values[row, column]
        ink = "white" if abs(value) > 0.6 * limit else "black"
        # in the upper left, where neither line goes
        text = axes.text(
            column - 0.45, row + 0.42, f"{2 ** abs(value):.2g}x", ha="left", va="top", color=ink, fontsize=9
        )
        text.set_path_effects([withStroke(linewidth=2.5, foreground=mesh.to_rgba(value))])
        text.set_zorder(5)
    if min(values.shape) > 1 and np.nanmin(values) < 0 < np.nanmax(values):
        axes.contour(values, levels=[0.0], colors="black", linewidths=2)
        axes.plot([], [], color="black", linewidth=2, label="measured: equal cost")
    _diagonal(axes, grid)
    axes.set_xticks(range(grid.shape[1]), [f"{v:g}" for v in grid.columns])
    axes.set_yticks(range(grid.shape[0]), [f"{v:g}" for v in grid.index])
    axes.set_xlabel(LABELS.get(y, y))
    axes.set_ylabel(LABELS.get(x, x))
    axes.grid(visible=False)
    axes.set_title(sweep.title or sweep.name)
    bar = figure.colorbar(mesh, ax=axes, label=f"log$_2$ ({first} / {second})")
    bar.ax.text(0.5, 1.02, f"{second}\nfaster", transform=bar.ax.transAxes, ha="center", va="bottom", fontsize=8)
    bar.ax.text(0.5, -0.02, f"{first}\nfaster", transform=bar.ax.transAxes, ha="center", va="top", fontsize=8)
    axes.legend(loc="upper center", bbox_to_anchor=(0.5, -0.12), ncols=2, fontsize=9)


def _diagonal(axes: object, grid: object) -> None:
    """The line where both axes are equal, placed on the logarithmic grid of the cells."""
    columns, rows = (np.log2(np.asarray(index, float)) for index in (grid.columns, grid.index))  # type: ignore[attr-defined]
    low, high = max(columns[0], rows[0]), min(columns[-1], rows[-1])
    if low >= high:
        return
    ends = np.array([low, high])
    places = [np.interp(ends, index, np.arange(index.size)) for index in (columns, rows)]
    if {grid.columns.name, grid.index.name} != {"n", "m"}:  # type: ignore[attr-defined]
        return
    names = f"{grid.columns.name} = {grid.index.name}"  # type: ignore[attr-defined]
    axes.plot(*places, color="black", linestyle="--", linewidth=1.2, label=f"by multiplications: {names}")  # type: ignore[attr-defined]
