"""What will be measured, in which order."""

from __future__ import annotations

from collections.abc import Sequence

from .sweep import Case, Effort, Sweep

VALUE = "value"  #: stands in an engine's place for the evaluation of f that derivatives are compared with


def plan(sweeps: Sequence[Sweep], effort: Effort, engines: Sequence[str]) -> list[tuple[Case, str]]:
    """Every case with f itself first and then each of its engines, so that rivals are measured next to each other.

    Args:
        sweeps: in order.
        effort: which points of their grids.
        engines: instead of the sweeps' own; empty for those.
    """
    return [
        (case, engine)
        for sweep in sweeps
        for case in sweep.cases(effort)
        for engine in [VALUE, *(engines or case.series.engines)]
    ]
