"""One of the two sides of a comparison: what was measured, in which passes, on which machine."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ..ask.names import MACHINE

Key = tuple[str, str, str]  #: sweep, case, engine
#: problem, keywords, "value" or "derivative", and with respect to what
What = tuple[str, frozenset[tuple[str, Any]], str, str]
Passes = Mapping[int, float]  #: seconds of one call, in the fastest round of each pass, by the pass's number
LEAST, MOST = 1e-12, 1e9  #: seconds beyond which a time is none
FEW = 5  #: names that a sentence lists


@dataclass(frozen=True)
class Side:
    """One of the two things compared.

    Attributes:
        path: where it was read from.
        times: of every measurement.
        facts: what its times depend on, by name.
        notes: what was left out.
        what: problems and keywords, by which a run's measurements and a log's are known to be the same.
        tool: whose a log of GradBench is; empty of what is none.
    """

    path: Path
    times: Mapping[Key, Passes]
    facts: dict[str, str]
    notes: list[str] = field(default_factory=list)
    what: Mapping[Key, What] = field(default_factory=dict)
    tool: str = ""

    @property
    def tested(self) -> list[Key]:
        """Every measurement but those of the machine itself."""
        return [key for key in self.times if key[0] != MACHINE]


def few(names: Iterable[object]) -> str:
    """``a, b, c and 4 more``."""
    known = [str(name) for name in names]
    more = f" and {len(known) - FEW} more" if len(known) > FEW else ""
    return ", ".join(known[:FEW]) + more


def name_of(key: Key) -> str:
    """What a person calls a measurement: ``sweep[engine-case]``, or the full name of a foreign benchmark."""
    sweep, case, engine = key
    return f"{sweep}[{engine}-{case}]" if engine else case
