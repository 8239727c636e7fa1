"""From records to the table of results: one row per case and engine, also for what was not run."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path
from statistics import fmean, median
from typing import Any

import numpy as np
import pandas as pd

from ..layers.work import Work
from ..machine.rates import Rates
from .calibrate import SWEEP as MACHINE
from .calibrate import rates_of
from .plan import VALUE
from .records import Record
from .statistics import Ratio, interval, paired_ratio
from .sweep import Case

# fmt: off
COLUMNS = [
    "case", "problem", "sweep", "operation", "engine", "wrt", "n", "m", "depth", "width", "dtype", "threads",
    "parameters", "status", "reason", "passes", "rounds", "iterations", "min_s", "median_s", "mean_s", "stddev_s",
    "iqr_s", "ci_low_s", "ci_high_s", "value_s", "cost_ratio", "flops", "bytes_moved", "predicted_s", "prepare_s",
    "peak_bytes", "max_error",
]
# fmt: on
INTEGERS = ("n", "m", "depth", "width", "threads", "parameters", "passes", "rounds", "iterations")
WHOLE = ("flops", "bytes_moved", "peak_bytes")  #: integers that a row may lack
NOT_RUN = "not run"


class Results:
    """The records of a run, by case and engine, with the table made of them.

    Args:
        planned: every case with its engines (``value`` among them), in order.
        found: the records.

    Attributes:
        frame: the table, with the columns of ``COLUMNS``.
        rates: the machine's, by precision.
    """

    def __init__(self, planned: Iterable[tuple[Case, str]], found: list[Record]) -> None:
        self.rates = rates_of(found)
        self._by_key: dict[tuple[str, str, str], list[Record]] = defaultdict(list)
        for record in found:
            if record.sweep != MACHINE:
                self._by_key[record.sweep, record.case, record.engine].append(record)
        rows = [self._row(case, engine) for case, engine in planned if engine != VALUE]
        self.frame = _typed(pd.DataFrame(rows, columns=COLUMNS))

    def rounds(self, sweep: str, case: str, engine: str) -> dict[int, list[float]]:
        """Seconds of the kept rounds, by pass."""
        records = self._by_key.get((sweep, case, engine), [])
        return {record.number: record.seconds for record in records if record.seconds}

    def ratio(self, sweep: str, case: str, above: str, below: str) -> Ratio | None:
        """The time of one engine over another's, pass by pass; None where one was not measured."""
        return paired_ratio(self.rounds(sweep, case, above), self.rounds(sweep, case, below))

    def work(self, sweep: str, case: str, engine: str) -> Work:
        """The counted work of one call; nothing where it was not measured."""
        records = self._by_key.get((sweep, case, engine), [])
        return Work(**records[-1].work) if records else Work()

    def measured(self, sweep: str) -> pd.DataFrame:
        """The rows of one sweep that hold a time, with the keywords of their cases as columns ``key.<name>``."""
        rows = self.frame[(self.frame["sweep"] == sweep) & (self.frame["status"] == "ok")]
        names = zip(rows["case"], rows["engine"], strict=True)
        keys = [self._by_key[sweep, str(case), str(engine)][0].keywords for case, engine in names]
        made = rows.copy()
        for name in sorted({key for one in keys for key in one}):
            made[f"key.{name}"] = [one.get(name) for one in keys]
        return made

    def _row(self, case: Case, engine: str) -> dict[str, Any]:
        series = case.series
        row: dict[str, Any] = {
            "case": case.name,
            "problem": series.problem,
            "sweep": case.sweep,
            "operation": series.operation,
            "engine": engine,
            "wrt": series.wrt,
        }
        records = self._by_key.get((case.sweep, case.name, engine), [])
        if not records:
            known = {key: value for key, value in case.keywords.items() if key in ("n", "m", "depth", "width")}
            return row | known | {"status": NOT_RUN, "reason": "the run ended before it", "passes": 0}
        last = records[-1]
        row |= {name: getattr(last, name) for name in ("n", "m", "depth", "width", "dtype", "threads", "parameters")}
        measured = [record for record in records if record.seconds]
        status, reason = _status(records)
        errors = [record.max_error for record in records if record.max_error is not None]
        row |= {"status": status, "reason": reason, "passes": len(measured), "max_error": max(errors, default=None)}
        if status != "ok":
            return row
        return row | _timings(measured) | self._costs(case, engine, measured)

    def _costs(self, case: Case, engine: str, measured: list[Record]) -> dict[str, Any]:
        """What relates the times to f itself and to the machine."""
        own = {record.number: record.seconds for record in measured}
        base = self.rounds(case.sweep, case.name, VALUE)
        ratio = paired_ratio(own, base)
        last, work = measured[-1], Work(**measured[-1].work)
        itemsize = np.dtype(last.dtype).itemsize
        rates: Rates | None = self.rates.get(last.dtype)
        counted = work.calls > 0
        return {
            "value_s": median(median(seconds) for seconds in base.values()) if base else None,
            "cost_ratio": ratio.value if ratio else None,
            "flops": work.flops if counted else None,
            "bytes_moved": work.elements * itemsize if counted else None,
            "predicted_s": rates.predict(work) if rates and counted else None,
        }


def _status(records: list[Record]) -> tuple[str, str]:
    """Of a row: what was wrong in any pass is wrong; a pass that was left out beside others is only mentioned."""
    for record in records:
        if record.status in ("wrong", "failed"):
            return record.status, record.reason
    left_out = [record for record in records if record.status != "ok"]
    if len(left_out) == len(records):
        return left_out[0].status, left_out[0].reason
    return "ok", "; ".join(f"pass {record.number}: {record.reason}" for record in left_out)


def _timings(measured: list[Record]) -> dict[str, Any]:
    low, high = interval([record.median_s for record in measured if record.median_s is not None])

    def over(name: str, how: Any) -> Any:
        return how([getattr(record, name) for record in measured if getattr(record, name) is not None] or [np.nan])

    centre = over("median_s", median)
    return {
        "rounds": over("rounds", sum),
        "iterations": over("iterations", max),
        "min_s": over("min_s", min),
        "median_s": centre,
        "mean_s": over("mean_s", fmean),
        "stddev_s": over("stddev_s", fmean),
        "iqr_s": over("iqr_s", fmean),
        "ci_low_s": min(low, centre),
        "ci_high_s": max(high, centre),
        "prepare_s": over("prepare_s", median),
        "peak_bytes": over("peak_bytes", max),
    }


def _typed(frame: pd.DataFrame) -> pd.DataFrame:
    for name in INTEGERS:
        frame[name] = pd.to_numeric(frame[name]).fillna(0).astype("int64")
    for name in WHOLE:
        frame[name] = pd.to_numeric(frame[name]).astype("Int64")
    for name in (name for name in COLUMNS if name.endswith("_s") or name in ("cost_ratio", "max_error")):
        frame[name] = pd.to_numeric(frame[name]).astype("float64")
    return frame


def write_csv(frame: pd.DataFrame, path: Path) -> None:
    """Write the table, six significant digits."""
    frame.to_csv(path, index=False, float_format="%.6g")
