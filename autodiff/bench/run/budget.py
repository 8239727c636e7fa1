"""Fitting a run into a time: by how long every measurement is timed, never by leaving cases out."""

from __future__ import annotations

import time
from collections import Counter, defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

SHORTEST = 0.005  #: seconds of timing, below which more rounds would not fit anyway
REPORTING = 10.0  #: seconds kept for the report
KEPT = 0.05  #: of the time, for what cannot be foreseen


@dataclass
class Budget:
    """How long every measurement may be timed.

    What a measurement costs besides timing (building, preparing, verifying) is learnt from its family's earlier ones;
    what is left over is shared out evenly.

    Attributes:
        usual: seconds of timing without a budget.
        total: seconds that the run should fit into; None for as long as it takes.
        clock: tells seconds.
    """

    usual: float
    total: float | None = None
    clock: Callable[[], float] = time.monotonic
    _besides: dict[str, float] = field(default_factory=lambda: defaultdict(float))
    _count: Counter[str] = field(default_factory=Counter)

    def __post_init__(self) -> None:
        self._start = self.clock()

    @property
    def left(self) -> float:
        """Seconds for measuring that remain; infinite without a budget."""
        if self.total is None:
            return float("inf")
        return self.total * (1 - KEPT) - REPORTING - (self.clock() - self._start)

    def timing(self, remaining: dict[str, int]) -> dict[str, Any]:
        """What pytest-benchmark is told for the next measurement.

        Args:
            remaining: measurements that are still to be made, this one included, by family.
        """
        if self.total is None:
            return {"max_time": self.usual}
        besides = sum(count * self._expected(family) for family, count in remaining.items())
        seconds = (self.left - besides) / max(1, sum(remaining.values()))
        if seconds >= self.usual:
            return {"max_time": self.usual}
        return {"max_time": max(seconds, SHORTEST), "min_rounds": 3 if seconds > SHORTEST else 2}

    def spent(self, family: str, seconds: float, measured: bool = False) -> None:
        """Learn of seconds that went by besides timing; ``measured`` says that a measurement was completed by them."""
        self._besides[family] += seconds
        self._count[family] += measured

    def _expected(self, family: str) -> float:
        return self._besides[family] / max(1, self._count[family])

    def another_pass_fits(self, took: float, timed: float) -> bool:
        """One more pass fits, timed as shortly as can be, after one that took so long, so much of it being timed."""
        return self.total is None or self.left > took - 0.8 * timed
