"""Which plot a sweep gets."""

from __future__ import annotations

from functools import partial
from pathlib import Path

from ...ask.sweep import Sweep
from ...judge.results import Results
from ..across import across_table
from ..checkpoints import checkpoint_table
from ..crossover import log_ratios
from ..findings import gain_table, ratio_table
from ..landscape import landscape_table
from ..pairs import Pair, pairs
from ..rivals import relative
from . import roofline
from .across import draw_across
from .bars import draw_bars
from .checkpoints import draw_checkpoints
from .constants import draw_constants
from .curves import draw_curves
from .gain import draw_gain
from .landscape import draw_landscape
from .maps import draw_map
from .ratio import draw_ratio
from .rivals import draw_rivals
from .seeds import draw_seeds
from .style import save
from .tradeoff import draw_tradeoff

DRAWERS = {
    "across": draw_across,
    "bars": draw_bars,
    "checkpoints": draw_checkpoints,
    "constants": draw_constants,
    "curves": draw_curves,
    "gain": draw_gain,
    "landscape": draw_landscape,
    "map": draw_map,
    "peers": draw_rivals,
    "ratio": draw_ratio,
    "seeds": draw_seeds,
    "tradeoff": draw_tradeoff,
}
ROOFLINE = "roofline"  #: the plot of a whole run
WIDE = ("across", "checkpoints", "constants", "gain", "landscape", "peers", "ratio", "seeds", "tradeoff")
HEIGHTS = {"constants": 9.0, "landscape": 6.0, "map": 5.2, "peers": 8.0, "seeds": 6.4}  #: inches; others are 4.4 high


def draw_all(results: Results, sweeps: list[Sweep], folder: Path) -> tuple[list[Path], list[str]]:
    """Draw every sweep that has something to show, and the run's roofline, as PNG and SVG.

    Returns the files, and a sentence for every sweep that has not enough to draw.
    """
    written, undrawn = [], []
    for sweep in sweeps:
        if not enough(results, sweep):
            undrawn.append(f"sweep {sweep.name} is not drawn: too little of it was measured")
            continue
        wide = sweep.kind in WIDE or (sweep.kind == "curves" and sweep.memory)
        wide = wide or (sweep.kind == "map" and len(drawn_pairs(results, sweep)) > 1)
        size = {"width": 10.0 if wide else 7.0, "height": HEIGHTS.get(sweep.kind, 4.4)}
        if sweep.kind == "across":
            size["height"] = 1.8 + 2.6 * across_table(results, sweep)["value"].nunique()
        if sweep.kind == "bars":
            size["height"] = max(4.4, 1.8 + 0.24 * len(results.measured(sweep.name)))
        written += save(partial(DRAWERS[sweep.kind], results=results, sweep=sweep), folder / sweep.name, **size)
    if roofline.enough(results):
        written += save(partial(roofline.draw_roofline, results=results), folder / ROOFLINE, height=5.6)
    return written, undrawn


def enough(results: Results, sweep: Sweep) -> bool:
    """Something was measured, and where engines are compared, both of them on some case."""
    measured = results.measured(sweep.name)
    if measured.empty or (sweep.kind == "tradeoff" and measured["peak_bytes"].isna().all()):
        return False
    if sweep.kind in ("map", "ratio"):
        return bool(drawn_pairs(results, sweep))
    tables = {"across": across_table, "checkpoints": checkpoint_table, "gain": gain_table, "peers": relative}
    compared = (tables | {"landscape": landscape_table}).get(sweep.kind)
    return compared is None or not compared(results, sweep).empty


def drawn_pairs(results: Results, sweep: Sweep) -> list[Pair]:
    """The pairs of engines that were both measured on some case."""
    table = log_ratios if sweep.kind == "map" else ratio_table
    return [pair for pair in pairs(results, sweep) if not table(results, sweep, pair).empty]
