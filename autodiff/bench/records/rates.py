"""The executors' rates, from the records of the kernels that were measured in the same run."""

from __future__ import annotations

from collections import defaultdict
from statistics import median

from ...machine.kernels import COUNTS, solve
from ...machine.rates import Rates
from ...program.count import Work
from ..ask.names import COMPILED, MACHINE
from .record import Record


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
