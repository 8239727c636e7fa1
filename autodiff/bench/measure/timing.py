"""Handing a run to pytest-benchmark, and its statistics to a record."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ..records import record as records
from ..records.record import Record
from .rounds import Rounds

SLOW = 10  #: times the time meant for one measurement, from which on its rounds are fixed and few
FEWEST, USUAL = 2, 5  #: rounds of a slow call, and the least of any other


def time_run(benchmark: Any, run: Callable[[], object], once: float, seconds: float) -> None:
    """Time a run with the ``benchmark`` fixture.

    Args:
        benchmark: the fixture of pytest-benchmark.
        run: what is timed.
        once: seconds that one call was seen to take.
        seconds: that the measurement is meant to take. A call that would take :data:`SLOW` times as long over its
            usual rounds gets as many as fit, and at least :data:`FEWEST`.
    """
    if USUAL * once <= SLOW * seconds:
        benchmark(run)
    else:
        benchmark.pedantic(run, rounds=max(FEWEST, min(USUAL, int(SLOW * seconds / once))), iterations=1)


def take_statistics(record: Record, stats: Any, rounds: Rounds) -> None:
    """Copy what pytest-benchmark measured into a record; its times are per call already.

    Disturbed rounds are left out of its data first, so that the file that it writes says the same.
    """
    found = stats.stats
    record.reason, record.disturbed = rounds.settle(found.data), rounds.share
    stats.extra_info["disturbed"] = record.disturbed
    data, kept = found.data, records.ROUNDS_KEPT
    step = max(1.0, len(data) / kept)
    record.seconds = [float(f"{data[int(i * step)]:.4g}") for i in range(min(len(data), kept))]
    record.rounds, record.iterations = found.rounds, stats.iterations
    record.min_s, record.median_s, record.mean_s = found.min, found.median, found.mean
    record.stddev_s, record.iqr_s = found.stddev, found.iqr
