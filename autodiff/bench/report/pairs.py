"""The pairs of engines whose ratio a sweep is about."""

from __future__ import annotations

from ..ask.names import COMPILED
from ..ask.sweep import Sweep
from ..judge.results import Results
from .section import engines_of

Pair = tuple[str, str]


def pairs(results: Results, sweep: Sweep) -> list[Pair]:
    """The engines whose ratio a sweep is about: its first two, and the same two compiled, if it has them."""
    engines = engines_of(results, sweep)
    if len(engines) < 2:
        return []
    first, second = engines[:2]
    compiled = COMPILED + first, COMPILED + second
    return [(first, second), *([compiled] if {*compiled} <= {*engines} else [])]


def named(sweep: Sweep, pair: Pair, title: str = "") -> str:
    """What a section on a pair is called: the sweep's name, or a title, and whether they are the compiled ones."""
    return f"{title or sweep.name}{', compiled' if pair[0].startswith(COMPILED) else ''}"
