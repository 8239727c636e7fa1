"""Which plot a sweep gets."""

from __future__ import annotations

from functools import partial
from pathlib import Path

from ..findings import engines_of
from ..sweep import Sweep
from ..table import Results
from .bars import draw_bars
from .curves import draw_curves
from .gain import draw_gain
from .maps import draw_map
from .ratio import draw_ratio
from .style import save
from .tradeoff import draw_tradeoff

DRAWERS = {
    "bars": draw_bars,
    "curves": draw_curves,
    "gain": draw_gain,
    "map": draw_map,
    "ratio": draw_ratio,
    "tradeoff": draw_tradeoff,
}
WIDE = ("gain", "ratio", "tradeoff")


def draw_all(results: Results, sweeps: list[Sweep], folder: Path) -> list[Path]:
    """Draw every sweep that has something to show, as PNG and SVG, and return the files."""
    written = []
    for sweep in sweeps:
        measured = results.measured(sweep.name)
        compares = sweep.kind in ("gain", "map", "ratio")
        if measured.empty or (compares and len(engines_of(results, sweep)) < 2):
            continue
        wide = sweep.kind in WIDE or (sweep.kind == "curves" and sweep.memory)
        size = {"width": 10.0 if wide else 7.0, "height": 5.2 if sweep.kind == "map" else 4.4}
        written += save(partial(DRAWERS[sweep.kind], results=results, sweep=sweep), folder / sweep.name, **size)
    return written
