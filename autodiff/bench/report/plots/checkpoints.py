"""Time, counted evaluations and peak bytes against the number of checkpoints."""

from __future__ import annotations

from matplotlib.figure import Figure

from ...ask.names import COMPILED
from ...ask.sweep import Sweep
from ...judge.results import Results
from ..checkpoints import checkpoint_table
from .style import GREY, bytes_axis, looks, size_axis, words


def draw_checkpoints(figure: Figure, results: Results, sweep: Sweep) -> None:
    """Left what fewer checkpoints cost, over the engine that keeps every state; right the bytes that they take."""
    table = checkpoint_table(results, sweep).sort_values("checkpoints")
    drawn = looks(results.measured(sweep.name))
    cost, memory = figure.subplots(1, 2)
    first = table[table["order"] == table["order"].iloc[0]]
    x, fewest = first["checkpoints"], first["optimum"] / first["depth"]
    cost.plot(x, first["counted"], color=GREY, linestyle="--", label="evaluations of layers, counted")
    cost.plot(x, fewest, color=GREY, linestyle="none", marker="+", markersize=11, label="the fewest possible")
    for order, own in table.groupby("order", sort=False):
        style = drawn[own["engine"].iloc[0]].line() | {"marker": "o", "color": drawn[own["whole"].iloc[0]].colour}
        compiled = str(order).startswith(COMPILED)
        style["linestyle"] = "--" if compiled else "-"
        name = ", compiled" if compiled else ""
        cost.plot(own["checkpoints"], own["ratio"], label=f"time, measured{name}", **style)
        cost.fill_between(own["checkpoints"], own["low"], own["high"], color=style["color"], alpha=0.2, linewidth=0)
        cost.plot(
            own["checkpoints"], own["predicted"], color=style["color"], linestyle=":", linewidth=1.2,
            label=f"time, by counts and rates{name}",
        )  # fmt: skip
        memory.plot(own["checkpoints"], own["bytes"], label=words(str(order)), **style)
        memory.axhline(
            own["whole_bytes"].iloc[0], color=GREY, linestyle=style["linestyle"], linewidth=1.2,
            label=words(f"{own['whole'].iloc[0]}, which keeps all"),
        )  # fmt: skip
    cost.axhline(1.0, color="black", linewidth=0.8)
    cost.set_yscale("log")
    cost.set_ylabel(words(f"over {first['whole'].iloc[0]}'s"))
    cost.set_title("Time and evaluations")
    memory.set_ylabel("peak memory of the engine")
    bytes_axis(memory)
    memory.set_title("Memory")
    for axes in (cost, memory):
        size_axis(axes, sorted(set(table["checkpoints"].tolist())))
        axes.set_xlabel("checkpoints: states held at a time")
        axes.legend(fontsize=9)
    figure.suptitle(words(sweep.heading), fontsize=12, x=0.01, ha="left", fontweight="bold")
