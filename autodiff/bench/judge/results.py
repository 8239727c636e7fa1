"""From records to the table of results: one row per case and engine, also for what was not run."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path
from statistics import fmean, median
from typing import Any

import numpy as np
import pandas as pd

from ...program.count import Work
from ..ask.names import AGAIN, MACHINE, VALUES
from ..ask.sweep import Case
from ..records.rates import rates_of
from ..records.record import Record
from .intervals import Ratio, drift, interval, outliers, paired_ratio, pass_ratios

# fmt: off
COLUMNS = [
    "case", "problem", "sweep", "operation", "engine", "package", "mode", "executor", "chosen", "wrt",
    "n", "m", "depth", "width", "dtype",
    "threads", "parameters", "status", "reason", "passes", "rounds", "iterations", "min_s", "median_s", "mean_s",
    "stddev_s", "iqr_s", "ci_low_s", "ci_high_s", "value_s", "cost_ratio", "flops", "bytes_moved", "predicted_s",
    "prepare_s", "peak_bytes", "max_error", "drift", "outliers",
]
# fmt: on
INTEGERS = ("n", "m", "depth", "width", "threads", "parameters", "passes", "rounds", "iterations")
#: taken from the records as it is
TAKEN = ("package", "mode", "executor", "chosen", "n", "m", "depth", "width", "dtype", "threads", "parameters")
WHOLE = ("flops", "bytes_moved", "peak_bytes")  #: integers that a row may lack
FLOATS = ("cost_ratio", "max_error", "drift", "outliers")  #: beside the times
NOT_RUN = "not run"


class Results:
    """The records of a run, by case and engine, with the table made of them.

    Args:
        asked: every case with its engines, in order.
        found: the records.

    Attributes:
        frame: the table, with the columns of ``COLUMNS``.
        rates: the machine's, by executor and precision.
    """

    def __init__(self, asked: Iterable[tuple[Case, str]], found: list[Record]) -> None:
        self.rates = rates_of(found)
        self._by_key: dict[tuple[str, str, str], list[Record]] = defaultdict(list)
        for record in found:
            if record.sweep != MACHINE:
                self._by_key[record.sweep, record.case, record.engine].append(record)
        self._ratios: dict[tuple[str, str, str, str], Ratio | None] = {}
        rows = [self._row(case, engine) for case, engine in asked]
        self.frame = _typed(pd.DataFrame(rows, columns=COLUMNS))

    def rounds(self, sweep: str, case: str, engine: str) -> dict[int, list[float]]:
        """Seconds of the kept rounds, by pass."""
        records = self._by_key.get((sweep, case, engine), [])
        return {record.number: record.seconds for record in records if record.seconds}

    def medians(self, sweep: str, case: str, engine: str) -> dict[int, float]:
        """The median time of every pass."""
        return _medians(self._by_key.get((sweep, case, engine), []))

    def ratio(self, sweep: str, case: str, above: str, below: str) -> Ratio | None:
        """The time of one engine over another's, pass by pass; None where one was not measured."""
        key = (sweep, case, above, below)
        if key not in self._ratios:
            self._ratios[key] = paired_ratio(self.medians(sweep, case, above), self.medians(sweep, case, below))
        return self._ratios[key]

    def pass_ratios(self, sweep: str, case: str, above: str, below: str) -> dict[int, float]:
        """The same, of every pass."""
        return pass_ratios(self.medians(sweep, case, above), self.medians(sweep, case, below))

    def work(self, sweep: str, case: str, engine: str) -> Work:
        """The counted work of one call; nothing where it was not measured."""
        records = self._by_key.get((sweep, case, engine), [])
        return Work(**records[-1].work) if records else Work()

    def measured(self, sweep: str) -> pd.DataFrame:
        """The rows of one sweep that hold a time, with the keywords of their cases as columns ``key.<name>``.

        The second measurements of a self-check are left out.
        """
        frame = self.frame
        rows = frame[(frame["sweep"] == sweep) & (frame["status"] == "ok") & ~frame["engine"].str.endswith(AGAIN)]
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
        row |= {name: getattr(last, name) for name in TAKEN}
        measured = [record for record in records if record.seconds]
        status, reason = _status(records)
        errors = [record.max_error for record in records if record.max_error is not None]
        row |= {"status": status, "reason": reason, "passes": len(measured), "max_error": max(errors, default=None)}
        if status != "ok":
            return row | self._counts(last)
        return row | _timings(measured) | _steadiness(measured) | self._costs(case, engine, measured)

    def _costs(self, case: Case, engine: str, measured: list[Record]) -> dict[str, Any]:
        """What relates the times to the machine, and to f itself, run by the same executor."""
        value = VALUES.get(measured[-1].executor, VALUES["numpy"])
        base = self.medians(case.sweep, case.name, value)
        ratio = self.ratio(case.sweep, case.name, engine, value)
        return {
            "value_s": median(base.values()) if base else None,
            "cost_ratio": ratio.value if ratio else None,
        } | self._counts(measured[-1])

    def _counts(self, record: Record) -> dict[str, Any]:
        """What was counted before anything ran, and the time that follows from it; nothing for what cannot count."""
        work, rates = Work(**record.work), self.rates.get((record.executor or "numpy", record.dtype))
        if not work.calls:
            return {}
        return {
            "flops": work.flops,
            "bytes_moved": work.elements * np.dtype(record.dtype).itemsize,
            "predicted_s": rates.predict(work) if rates else None,
        }


def _medians(records: list[Record]) -> dict[int, float]:
    return {record.number: record.median_s for record in records if record.median_s is not None}


def _status(records: list[Record]) -> tuple[str, str]:
    """Of a row: what was wrong in any pass is wrong; a pass that was left out beside others is only mentioned."""
    for record in records:
        if record.status in ("wrong", "failed", "timeout"):
            return record.status, record.reason
    left_out = [record for record in records if record.status != "ok"]
    if len(left_out) == len(records):
        return left_out[0].status, left_out[0].reason
    told = [f"pass {record.number}: {record.reason}" for record in left_out]
    resumed = sorted({record.setting for record in records} - {0})
    if resumed:
        told.append(f"mixed settings: passes resumed under {', '.join(f'setting {number}' for number in resumed)}")
    return "ok", "; ".join(told)


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


def _steadiness(measured: list[Record]) -> dict[str, float]:
    """How far the times moved, end over start, and the share of rounds far above the others; 1 and 0 are steady."""
    rounds = {record.number: record.seconds for record in measured}
    moved = drift(rounds)
    return {
        "drift": max(moved.within, moved.between, key=lambda factor: abs(math.log(factor))),
        "outliers": outliers(rounds),
    }


def _typed(frame: pd.DataFrame) -> pd.DataFrame:
    for name in INTEGERS:
        frame[name] = pd.to_numeric(frame[name]).fillna(0).astype("int64")
    for name in WHOLE:
        frame[name] = pd.to_numeric(frame[name]).astype("Int64")
    for name in (name for name in COLUMNS if name.endswith("_s") or name in FLOATS):
        frame[name] = pd.to_numeric(frame[name]).astype("float64")
    return frame


def write_csv(frame: pd.DataFrame, path: Path) -> None:
    """Write the table, six significant digits."""
    frame.to_csv(path, index=False, float_format="%.6g")
