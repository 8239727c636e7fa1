"""Measuring the machine's rates in the same run, and with the same harness, as the engines."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict
from typing import Any

import numpy as np
import pandas as pd

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
    rows = [(r.dtype, r.engine, r.median_s) for r in found if r.sweep == MACHINE]
    table = pd.DataFrame(rows, columns=["dtype", "kernel", "seconds"]).groupby(["dtype", "kernel"])["seconds"].median()
    made = {}
    for dtype in {row[0] for row in rows}:
        seconds = {str(kernel): float(value) for kernel, value in table[dtype].items()}
        if seconds.keys() >= {"call", "element", "transcendental", "fma"}:
            made[dtype] = rates(seconds, np.dtype(dtype))
    return made
