"""A section of what a person reads, and what several of them ask of the results."""

from __future__ import annotations

from dataclasses import dataclass

import pandas as pd

from ..ask.names import AGAIN
from ..ask.sweep import Sweep
from ..judge.results import Results


@dataclass(frozen=True)
class Section:
    """One part of the summary.

    Attributes:
        title: of the section.
        note: a sentence to read the table by.
        table: the table.
        spare: groups of its columns that a narrow terminal may do without, the first to go first.
    """

    title: str
    note: str
    table: pd.DataFrame
    spare: tuple[tuple[str, ...], ...] = ()


def engines_of(results: Results, sweep: Sweep) -> list[str]:
    """The engines that were asked for in a sweep, in order."""
    asked = dict.fromkeys(results.frame.loc[results.frame["sweep"] == sweep.name, "engine"])
    return [name for name in asked if not name.endswith(AGAIN)]
