"""Measuring the executors' rates in the same run, and with the same harness, as the engines."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict
from typing import Any

import numpy as np

from ...machine.kernels import kernel
from ...machine.tables import QUIET, measure
from ..ask.names import COMPILED, MODEL
from ..records.record import Record
from .rounds import Rounds
from .timing import take_statistics

SHARE = 8.0  #: times the time meant for one measurement that a calibration may take


class Calibration:
    """One kernel at one precision, as a pytest-benchmark test.

    Args:
        record: what is to be filled; its engine is the kernel, its case the precision.
        keep: is given the record when it is finished.
        seconds: that timing is meant to take.
    """

    def __init__(self, record: Record, keep: Callable[[Record], None], seconds: float) -> None:
        self.record, self.keep, self.seconds = record, keep, seconds

    def run(self, benchmark: Any) -> None:
        """Time the kernel, or measure the executor's model, and keep the record."""
        record = self.record
        name = record.engine.removeprefix(COMPILED)
        record.executor = "numpy" if name == record.engine else "compiled"
        benchmark.name = f"machine[{record.engine}-{record.dtype}]"
        benchmark.group = "machine"
        if name == MODEL:
            self._measure_model(benchmark)
            return
        made = kernel(name, record.executor, np.dtype(record.dtype))
        rounds = Rounds(benchmark, self.seconds, record.threads)
        benchmark(made.run)
        if benchmark.stats is None:  # under --benchmark-disable
            return
        record.work = asdict(made.work)
        take_statistics(record, benchmark.stats, rounds)
        self.keep(record)

    def _measure_model(self, benchmark: Any) -> None:
        """One round: what is timed is how long the calibration takes, what is kept is what it found."""
        record = self.record
        arguments = (record.executor, np.dtype(record.dtype), SHARE * self.seconds)
        model = benchmark.pedantic(measure, arguments, rounds=1, iterations=1)
        if benchmark.stats is None:
            return
        take_statistics(record, benchmark.stats, Rounds(benchmark, self.seconds, 0))
        record.model, record.disturbed = model.to_dict(), model.disturbed
        if model.disturbed > QUIET:
            record.reason = f"other processes interrupted {model.disturbed:.0%} of the calibration's rounds"
        self.keep(record)
