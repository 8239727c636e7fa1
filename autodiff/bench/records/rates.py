"""The executors' models, from the records of the calibrations that were made in the same run."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import replace
from statistics import fmean, median

from ...machine.model import Model
from ...program.steps import Step
from ..ask.names import MACHINE
from .record import Record


def models_of(found: list[Record]) -> dict[tuple[str, str], Model]:
    """The models by executor and precision, entry by entry the median over the passes of a run; of what was measured.

    A record that holds no model, or that of another version, is none.
    """
    known: dict[tuple[str, str], list[Model]] = defaultdict(list)
    for record in found:
        model = Model.read(record.model) if record.sweep == MACHINE and record.model else None
        if model is not None:
            known[record.executor, record.dtype].append(model)
    return {key: _middle(own) for key, own in known.items()}


def _middle(models: list[Model]) -> Model:
    shared = set.intersection(*(set(one.table) for one in models))
    table = {name: median(one.table[name] for one in models) for name in models[0].table if name in shared}
    return replace(models[0], table=table, disturbed=fmean(one.disturbed for one in models))


def steps_of(record: Record) -> list[Step]:
    """The steps that a record's program was counted to take; none where it had no program, or they cannot be read."""
    try:
        return [Step.of(one) for one in record.steps]
    except (TypeError, ValueError):
        return []
