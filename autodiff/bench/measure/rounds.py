"""Rounds during which another process had the processor: known, measured again within reason, and left out."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from ...machine.usage import Usage, interrupted, usage

AGAIN = 2.0  #: times the time meant for one measurement that measuring disturbed rounds again may take
TRIES = 2  #: more of a round that pytest-benchmark calibrates with; an interrupted one would end that too early
PAUSE = 1e-3  #: seconds of sleep before a round is measured again, see :class:`Rounds`
ENOUGH = 5  #: undisturbed rounds that stand for a measurement without a word

EVERY = "other processes interrupted every round; its times hold that"
FEW = f"other processes left fewer than {ENOUGH} rounds alone; its times are those of these"


class Rounds:
    """The rounds of one measurement, and which of them were disturbed.

    A round is disturbed if other processes interrupted it, see :func:`~autodiff.machine.usage.interrupted`: t - c >
    0.02 t, c being the processor time that was used in t. With several threads c says nothing about t, and nothing is
    judged.

    pytest-benchmark times a round in a runner that it makes; that runner is called here, between two looks at the
    counters, so the interval that it times stays as it is. A disturbed round is measured again before it hands the
    round over, as long as that fits into :data:`AGAIN` times the time meant for all. It sleeps before, which turns the
    processor over to the others: a process that comes back gets a slice of it from its beginning. On Linux 6.18 at
    250 Hz, with a busy loop on the same core, that left 84 of 123 rounds of 4 ms alone instead of 18 of 118, 21 of 82
    of 6 ms instead of 2 of 83, none of 8 ms.

    Args:
        benchmark: the fixture of pytest-benchmark, before it is used.
        seconds: meant for the measurement.
        threads: that it may use.
        read: tells :data:`Usage`.

    Attributes:
        measured: rounds, those measured again included, those of the calibration not.
        disturbed: how many of them were.
    """

    def __init__(self, benchmark: Any, seconds: float, threads: int, read: Callable[[], Usage | None] = usage) -> None:
        self.measured = self.disturbed = 0
        self._benchmark, self._spare, self._read = benchmark, AGAIN * seconds, read
        self._kept: list[bool] = []  # whether a round that was handed over was disturbed
        if threads == 1 and read() is not None and hasattr(benchmark, "_make_runner"):
            self._make = benchmark._make_runner
            benchmark._make_runner = self._watched

    @property
    def share(self) -> float | None:
        """Of the rounds that were disturbed; None where it is not known."""
        return self.disturbed / self.measured if self.measured else None

    def settle(self, data: list[float]) -> str:
        """Leave disturbed rounds out of ``data``, the seconds of all that were handed over, unless there are no others.

        Returns what a reader of the times has to know, or empty.
        """
        disturbed = self._kept[-len(data) :]
        if len(disturbed) < len(data) or not any(disturbed):
            return ""
        asked = len(data)
        alone = [seconds for seconds, hit in zip(data, disturbed, strict=True) if not hit]
        if not alone:
            return EVERY
        data[:] = alone
        return "" if len(alone) >= min(ENOUGH, asked) else FEW

    def _watched(self, *made: Any) -> Callable[..., Any]:
        """A runner that measures disturbed rounds again."""
        runner = self._make(*made)

        def watched(*given: Any) -> Any:
            tries = TRIES
            while True:
                found, took, hit = self._once(runner, given)
                calibrating = self._benchmark.stats is None
                if not calibrating:
                    self.measured += 1
                    self.disturbed += hit
                if not hit or (tries == 0 if calibrating else took > self._spare):
                    self._kept.append(hit)
                    return found
                tries -= 1
                self._spare -= 0.0 if calibrating else took + PAUSE
                time.sleep(PAUSE)

        return watched

    def _once(self, runner: Callable[..., Any], given: tuple[Any, ...]) -> tuple[Any, float, bool]:
        """What the runner gives, the seconds in it, and whether the round was disturbed."""
        before = self._read()
        found = runner(*given)
        after = self._read()
        took = float(found[0] if isinstance(found, tuple) else found)
        return found, took, interrupted(before, after, took)
