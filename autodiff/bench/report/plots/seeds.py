"""Time per seed against the number of seeds: a row of panels for tangents, one for cotangents, a column per network."""

from __future__ import annotations

from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from ...ask.names import PRODUCTS
from ...ask.sweep import Sweep
from ...judge.results import Results
from ..seeds import Line, lines
from .curves import engine_label
from .style import Look, looks, seconds_axis, size_axis, words

SEED = {"jvp": "tangent", "vjp": "cotangent"}


def draw_seeds(figure: Figure, results: Results, sweep: Sweep) -> None:
    """Curves per engine, black the bare products; a ring marks the fewest seeds within 1.25 of the least time."""
    drawn, found = looks(results.measured(sweep.name)), lines(results, sweep)
    operations = list(dict.fromkeys(line.operation for line in found))
    networks = {
        operation: list(dict.fromkeys(one.network for one in found if one.operation == operation))
        for operation in operations
    }
    panels = figure.subplots(len(operations), max(map(len, networks.values())), squeeze=False, sharex=True)
    for row, operation in zip(panels, operations, strict=True):
        for axes, network in zip(row, networks[operation], strict=False):
            own = [line for line in found if line.network == network]
            for line in own:
                _curve(axes, line, sweep, drawn)
            seconds_axis(axes)
            size_axis(axes, sorted({k for line in own for k in line.times}))
            axes.set_title(f"{operation}, {own[0].width} wide", fontsize=10)
        row[0].set_ylabel(f"time per {SEED.get(operation, 'seed')}")
    for axes in panels[-1]:
        axes.set_xlabel("seeds at a time, k")
    labels = {
        label: line for axes in panels.flat for line, label in zip(*axes.get_legend_handles_labels(), strict=True)
    }
    figure.legend(labels.values(), labels.keys(), loc="outside lower center", ncols=3, fontsize=9)
    figure.suptitle(words(sweep.heading), fontsize=12, x=0.01, ha="left", fontweight="bold")


def _curve(axes: Axes, line: Line, sweep: Sweep, drawn: dict[str, Look]) -> None:
    found, style, label = line.per_seed, dict[str, Any](), "the matrix products alone (BLAS)"
    if line.engine in PRODUCTS.values():
        style = {"color": "black", "linestyle": ":", "marker": "", "zorder": 3}
    else:
        style, label = drawn[line.engine].line(), engine_label(sweep, line.engine)
    axes.plot([*found], [*found.values()], label=label, **style)
    colour = style["color"]
    axes.plot([line.knee], [found[line.knee]], "o", markerfacecolor="none", markeredgecolor=colour, markersize=11)
