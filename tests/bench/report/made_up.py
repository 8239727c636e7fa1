"""Results from records that are made up for a test."""

from dataclasses import asdict, replace

from conftest import request_of

import autodiff as ad
from autodiff.bench.ask.floors import is_floor
from autodiff.bench.ask.tasks import asked, tasks
from autodiff.bench.judge.results import Results
from autodiff.bench.records.record import begun


def results_of(sweep, seconds, passes=3, prepare=None, work=None, floor=None, **changes):
    """Results in which ``seconds(engine, number, **keywords)`` is what a call took.

    ``floor(engine, number)`` is an engine's floor. Counts are ``work(engine, **keywords)``, or with ``work=True`` those
    of the real programs; other fields of the records are given as ``changes``, by value or as functions of the engine.
    """
    found = []
    request = request_of(sweep)
    for task in (task for task in tasks(request) if task.of):
        for number in range(1, passes + 1):
            if is_floor(task.case):
                took = floor(task.engine, number) if floor else None
            else:
                took = seconds(task.engine, number, **task.of.keys)
            if took is None:
                continue
            made = replace(
                begun(task, number, 1), dtype="float64", seconds=[took] * 5, rounds=5, iterations=1, min_s=took,
                median_s=took, mean_s=took, stddev_s=0.0, iqr_s=0.0, prepare_s=(prepare or {}).get(task.engine, 0.0),
            )  # fmt: skip
            if work is True:
                made = counted(made, task)
            elif work and not is_floor(task.case):
                made.work = asdict(work(task.engine, **task.of.keys))
            own = {name: one(task.engine) if callable(one) else one for name, one in changes.items()}
            found.append(replace(made, **own))
    return Results(asked(request), found)


def counted(record, task):
    """The record with the counts of the program that would be run."""
    engine = ad.engine({"value": "reverse", "compiled-value": "compiled-reverse"}.get(task.engine, task.engine))
    run = engine.layout(task.of.network(), record.wrt, operation=record.operation, seeds=task.of.seeds)
    return replace(record, work=asdict(run.work), executor=run.engine.executor)
