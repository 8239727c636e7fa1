"""Measuring the executors' rates in the same run, and with the same harness, as the engines."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable
from dataclasses import asdict
from statistics import median
from typing import Any

import numpy as np

from ..machine.kernels import COUNTS, WRITERS, cannot_run, kernel, solve
from ..machine.rates import EXECUTORS, PRECISIONS, Rates
from ..program.count import Work
from .records import Record
from .timing import take_statistics

COMPILED = "compiled-"  #: begins the name of a kernel that the compiled executor runs, as it does an engine's
KERNELS = tuple((name, precision) for precision in PRECISIONS for name in WRITERS)
MACHINE = "@machine"  #: the sweep under which the records of the rates are kept


def kernels_of(executors: frozenset[str]) -> list[tuple[str, str]]:
    """Kernel and precision of every rate of these executors, as far as they can run here."""
    able = [one for one in EXECUTORS if one in executors and not cannot_run(one)]
    return [(COMPILED + name if one == "compiled" else name, precision) for one in able for name, precision in KERNELS]


class Calibration:
    """One kernel at one precision, as a pytest-benchmark test.

    Args:
        record: what is to be filled; its engine is the kernel, its case the precision.
        keep: is given the record when it is finished.
    """

    def __init__(self, record: Record, keep: Callable[[Record], None]) -> None:
        self.record, self.keep = record, keep

    def run(self, benchmark: Any) -> None:
        """Time the kernel, and keep its record."""
        record = self.record
        name = record.engine.removeprefix(COMPILED)
        record.executor = "numpy" if name == record.engine else "compiled"
        made = kernel(name, record.executor, np.dtype(record.dtype))
        benchmark.name = f"machine[{record.engine}-{record.dtype}]"
        benchmark.group = "machine"
        benchmark(made.run)
        if benchmark.stats is None:  # under --benchmark-disable
            return
        record.work = asdict(made.work)
        take_statistics(record, benchmark.stats)
        self.keep(record)


def rates_of(found: list[Record]) -> dict[tuple[str, str], Rates]:
    """The rates by executor and precision, from the median over the passes of a run; only of what was measured."""
    seconds: dict[tuple[str, str], dict[str, list[float]]] = defaultdict(lambda: defaultdict(list))
    work: dict[tuple[str, str], dict[str, Work]] = defaultdict(dict)
    for record in found:
        counted = Work(**record.work)
        if record.sweep == MACHINE and record.median_s is not None and counted.calls:
            key, name = (record.executor or "numpy", record.dtype), record.engine.removeprefix(COMPILED)
            seconds[key][name].append(record.median_s)
            work[key][name] = counted
    return {
        key: solve({name: (median(times), work[key][name]) for name, times in own.items()})
        for key, own in seconds.items()
        if own.keys() >= COUNTS.keys() - {"start"}  # which runs of earlier versions did not measure
    }
