"""From records to the table of results: one row per case and engine, also for what was not run."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Mapping
from statistics import fmean, median
from typing import Any

import numpy as np
import pandas as pd

from ...program.count import Work
from ...text import tame
from ..ask.floors import floor_of
from ..ask.names import AGAIN, MACHINE, VALUES
from ..ask.sweep import Case
from ..records.rates import models_of, steps_of
from ..records.record import Record
from .columns import KEY, RESULTS, Column
from .intervals import Ratio, drift, interval, outliers, paired_ratio, pass_ratios

#: taken from the records as it is
TAKEN = ("package", "mode", "executor", "chosen", "n", "m", "depth", "width", "dtype", "threads", "parameters")
NOT_RUN = "not run"


class Results:
    """The records of a run, by case and engine, with the table made of them.

    Args:
        asked: every case with its engines, in order.
        found: the records.
        origin: run, host and commit, told in every row.

    Attributes:
        frame: the table, with the columns of :data:`~autodiff.bench.judge.columns.RESULTS`, and one for every keyword
            of a problem.
        models: the machine's, by executor and precision.
        threads: that the machine was measured with; empty where that is not known.
        cases: everything that was asked for, by sweep and name, in order.
    """

    def __init__(
        self, asked: Iterable[tuple[Case, str]], found: list[Record], origin: Mapping[str, str] | None = None
    ) -> None:
        self.origin, asked = dict(origin or {}), list(asked)
        self.cases = {(case.sweep, case.name): case for case, _ in asked}
        self.models = models_of(found)
        self.threads = {record.threads for record in found if record.sweep == MACHINE} - {0}  # which says nothing
        self._by_key: dict[tuple[str, str, str], list[Record]] = defaultdict(list)
        for record in found:
            if record.sweep != MACHINE:
                self._by_key[record.sweep, record.case, record.engine].append(record)
        self._ratios: dict[tuple[str, str, str, str], Ratio | None] = {}
        rows = [self._row(case, engine) for case, engine in asked]
        self.frame = typed(rows, RESULTS)

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

    def cost(self, sweep: str, case: str, engine: str) -> Ratio | None:
        """The time of an engine over that of f by the same executor; None where one was not measured."""
        records = [one for one in self._by_key.get((sweep, case, engine), []) if one.seconds]
        if not records:
            return None
        return self.ratio(sweep, case, engine, VALUES.get(records[-1].executor, VALUES["numpy"]))

    def ratio_across(self, sweep: str, engine: str, above: str, below: str) -> Ratio | None:
        """The time of one engine on one case over its time on another, pass by pass; None where one is missing."""
        return paired_ratio(self.medians(sweep, above, engine), self.medians(sweep, below, engine))

    def pass_ratios(self, sweep: str, case: str, above: str, below: str) -> dict[int, float]:
        """The same, of every pass."""
        return pass_ratios(self.medians(sweep, case, above), self.medians(sweep, case, below))

    def floors(self, sweep: str, operation: str, engine: str) -> dict[int, float]:
        """What the engine takes to be called, in every pass; nothing where that was not measured.

        See :mod:`autodiff.bench.ask.floors`.
        """
        return self.medians(sweep, floor_of(operation), engine.removesuffix(AGAIN))

    def work(self, sweep: str, case: str, engine: str) -> Work:
        """The counted work of one call; nothing where it was not measured."""
        records = self._by_key.get((sweep, case, engine), [])
        return Work(**records[-1].work) if records else Work()

    def measured(self, sweep: str) -> pd.DataFrame:
        """The rows of one sweep that hold a time, with those keywords that their problems take.

        The second measurements of a self-check are left out.
        """
        frame = self.frame
        rows = frame[(frame["sweep"] == sweep) & (frame["status"] == "ok") & ~frame["engine"].str.endswith(AGAIN)]
        made = rows.drop(columns=[name for name in rows if str(name).startswith(KEY) and rows[name].isna().all()])
        return made.assign(**{str(name): made[name].tolist() for name in made if str(name).startswith(KEY)})

    def records(self) -> Iterable[Record]:
        """Every record of a case, in the order of their cases."""
        return (record for records in self._by_key.values() for record in records)

    def _row(self, case: Case, engine: str) -> dict[str, Any]:
        series = case.series
        row: dict[str, Any] = self.origin | {
            "sweep": case.sweep,
            "case": case.name,
            "problem": series.problem,
            "operation": series.operation,
            "wrt": series.wrt,
            "engine": engine,
        }
        row |= {KEY + name: value for name, value in case.keys.items()}
        records = self._by_key.get((case.sweep, case.name, engine), [])
        if not records:
            known = {key: value for key, value in case.keywords.items() if key in ("n", "m", "depth", "width")}
            return row | known | {"status": NOT_RUN, "reason": "the run ended before it", "passes": 0}
        last = records[-1]
        row |= {name: getattr(last, name) for name in TAKEN}
        measured = [record for record in records if record.seconds]
        status, reason = status_of(records)
        errors = [record.max_error for record in records if record.max_error is not None]
        row |= {"status": status, "reason": reason, "passes": len(measured), "max_error": max(errors, default=None)}
        if status != "ok":
            return row | self._counts(last)
        return row | _timings(measured) | _steadiness(measured) | self._costs(case, engine, measured)

    def _costs(self, case: Case, engine: str, measured: list[Record]) -> dict[str, Any]:
        """What relates the times to the machine, and to f itself, run by the same executor."""
        value = VALUES.get(measured[-1].executor, VALUES["numpy"])
        base, counts = self.medians(case.sweep, case.name, value), self._counts(measured[-1])
        ratio = self.cost(case.sweep, case.name, engine)
        floors = self.floors(case.sweep, case.series.operation, engine)
        records = self._by_key.get((case.sweep, case.name, value))
        predicted = self._counts(records[-1]).get("predicted_s") if records else None
        return (
            counts
            | {
                "value_s": median(base.values()) if base else None,
                "floor_s": median(floors.values()) if floors else None,
                "cost_ratio": ratio.value if ratio else None,
                "predicted_cost": counts["predicted_s"] / predicted
                if predicted and counts.get("predicted_s")
                else None,
            }
            | (_over(Work(**measured[-1].work), Work(**records[-1].work)) if records else {})
        )

    def _counts(self, record: Record) -> dict[str, Any]:
        """What was counted before anything ran, and the time that follows from it; nothing for what cannot count."""
        work, steps = Work(**record.work), steps_of(record)
        model = self.models.get((record.executor, record.dtype))
        if not work.calls:
            return {}
        if self.threads and record.threads not in self.threads:  # the machine was measured with others
            model = None
        return {
            "flops": work.flops,
            "bytes_moved": work.elements * np.dtype(record.dtype).itemsize,
            "predicted_s": model.predict(steps) if model and steps else None,
        }


def _over(work: Work, f: Work) -> dict[str, float | None]:
    """Counts over those of f; nothing where either knows none."""
    pairs = {
        "counted_cost": (work.flops, f.flops),
        "counted_elements": (work.elements, f.elements),
        "counted_transcendental": (work.transcendental, f.transcendental),
        "counted_calls": (work.calls, f.calls),
    }
    if not work.calls or not f.calls:
        return {}
    return {name: above / below if below else None for name, (above, below) in pairs.items()}


def _medians(records: list[Record]) -> dict[int, float]:
    return {record.number: record.median_s for record in records if record.median_s is not None}


def status_of(records: list[Record]) -> tuple[str, str]:
    """Of a row, and what to know about it.

    What was wrong in any pass is wrong; a row has no time if its last pass has none; what was left out of a row that
    has one is only mentioned.
    """
    wrong = [record for record in records if record.status == "wrong"]
    for record in (*wrong, max(records, key=lambda record: record.number)):
        if record.status != "ok" and (record.status in FINAL or not any(one.seconds for one in records)):
            return record.status, tame(record.reason)
    reasons: dict[str, list[str]] = defaultdict(list)
    for record in records:
        if record.status != "ok" or record.reason:
            reasons[record.reason].append(str(record.number))
    told = [f"pass{'es' if len(passes) > 1 else ''} {', '.join(passes)}: {why}" for why, passes in reasons.items()]
    resumed = sorted({record.setting for record in records} - {0})
    if resumed:
        told.append(f"mixed settings: passes resumed under {', '.join(f'setting {number}' for number in resumed)}")
    return "ok", tame("; ".join(told))


FINAL = ("wrong", "failed", "timeout")  #: of the last pass, which no earlier pass makes up for


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
    """How far the times moved, end over start, the share of rounds far above the others, and that of disturbed ones."""
    rounds = {record.number: record.seconds for record in measured}
    moved = drift(rounds)
    return {
        "drift": max(moved.within, moved.between, key=lambda factor: abs(math.log(factor))),
        "outliers": outliers(rounds),
        "disturbed": fmean([record.disturbed for record in measured if record.disturbed is not None] or [math.nan]),
    }


def typed(rows: list[dict[str, Any]], known: Mapping[str, Column]) -> pd.DataFrame:
    """A table with the known columns, each of its type, and behind them whatever keywords the rows hold."""
    keys = list(dict.fromkeys(key for row in rows for key in row if key.startswith(KEY)))
    frame = pd.DataFrame(rows, columns=[*known, *keys])
    for name, (kind, _) in known.items():
        if kind == "text":
            frame[name] = frame[name].astype(object).where(frame[name].notna(), "").astype(str)
        elif kind == "integer":
            frame[name] = pd.to_numeric(frame[name]).fillna(0).astype("int64")
        elif kind == "count":
            frame[name] = pd.to_numeric(frame[name]).astype("Int64")
        elif kind in ("number", "seconds"):
            frame[name] = pd.to_numeric(frame[name]).astype("float64")
        elif kind == "truth":
            frame[name] = frame[name].astype("bool")
    return frame.assign(**{name: frame[name].convert_dtypes() for name in keys})
