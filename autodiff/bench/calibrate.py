"""Measuring the machine's rates in the same run, and with the same harness, as the engines."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from ..machine.rates import Rates, kernels, rates
from . import records
from .measure import take_statistics
from .records import Record

KERNELS = tuple((kernel, dtype) for dtype in ("float64", "float32") for kernel in kernels(np.dtype(dtype)))
SWEEP = "@machine"  #: under which the records of the rates are kept


class Calibration:
    """One kernel at one precision, as a pytest-benchmark test."""

    def __init__(self, kernel: str, dtype: str, number: int = 1, path: Path | None = None) -> None:
        self.kernel, self.dtype, self.number, self.path = kernel, dtype, number, path

    def run(self, benchmark: Any) -> None:
        """Time the kernel, and record it if there is a record file."""
        kernel = kernels(np.dtype(self.dtype))[self.kernel]
        benchmark.name = f"machine[{self.kernel}-{self.dtype}]"
        benchmark.group = "machine"
        benchmark(kernel.run)
        if self.path is None or benchmark.stats is None:
            return
        record = Record(SWEEP, self.dtype, self.kernel, self.number, dtype=self.dtype, work=asdict(kernel.work))
        take_statistics(record, benchmark.stats)
        records.append(self.path, record)


def rates_of(found: list[Record]) -> dict[str, Rates]:
    """The rates by precision, from the median over the passes of a run; empty where they were not measured."""
    rows = [(r.dtype, r.engine, r.median_s) for r in found if r.sweep == SWEEP]
    table = pd.DataFrame(rows, columns=["dtype", "kernel", "seconds"]).groupby(["dtype", "kernel"])["seconds"].median()
    made = {}
    for dtype in {row[0] for row in rows}:
        seconds = {str(kernel): float(value) for kernel, value in table[dtype].items()}
        if seconds.keys() >= {"call", "element", "transcendental", "fma"}:
            made[dtype] = rates(seconds, np.dtype(dtype))
    return made
