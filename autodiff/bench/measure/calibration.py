"""Measuring the executors' rates in the same run, and with the same harness, as the engines."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict
from typing import Any

import numpy as np

from ...machine.kernels import kernel
from ..ask.names import COMPILED
from ..records.record import Record
from .rounds import Rounds
from .timing import take_statistics


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
        """Time the kernel, and keep its record."""
        record = self.record
        name = record.engine.removeprefix(COMPILED)
        record.executor = "numpy" if name == record.engine else "compiled"
        made = kernel(name, record.executor, np.dtype(record.dtype))
        benchmark.name = f"machine[{record.engine}-{record.dtype}]"
        benchmark.group = "machine"
        rounds = Rounds(benchmark, self.seconds, record.threads)
        benchmark(made.run)
        if benchmark.stats is None:  # under --benchmark-disable
            return
        record.work = asdict(made.work)
        take_statistics(record, benchmark.stats, rounds)
        self.keep(record)
