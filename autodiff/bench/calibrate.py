"""Measuring the machine's rates in the same run, and with the same harness, as the engines."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable
from dataclasses import asdict
from statistics import median
from typing import Any

import numpy as np

from ..machine.rates import Rates, kernels, rates
from .records import Record
from .timing import take_statistics

KERNELS = tuple((kernel, dtype) for dtype in ("float64", "float32") for kernel in kernels(np.dtype(dtype)))
MACHINE = "@machine"  #: the sweep under which the records of the rates are kept


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
        kernel = kernels(np.dtype(record.dtype))[record.engine]
        benchmark.name = f"machine[{record.engine}-{record.dtype}]"
        benchmark.group = "machine"
        benchmark(kernel.run)
        if benchmark.stats is None:  # under --benchmark-disable
            return
        record.work = asdict(kernel.work)
        take_statistics(record, benchmark.stats)
        self.keep(record)


def rates_of(found: list[Record]) -> dict[str, Rates]:
    """The rates by precision, from the median over the passes of a run; empty where they were not measured."""
    seconds: dict[str, dict[str, list[float]]] = defaultdict(lambda: defaultdict(list))
    for record in found:
        if record.sweep == MACHINE and record.median_s is not None:
            seconds[record.dtype][record.engine].append(record.median_s)
    return {
        dtype: rates({kernel: median(times) for kernel, times in own.items()}, np.dtype(dtype))
        for dtype, own in seconds.items()
        if own.keys() >= {"call", "element", "transcendental", "fma"}
    }
