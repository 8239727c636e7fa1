"""Running the sweeps: pass after pass, from the request to the report."""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from ...machine.rates import kept
from ..ask.request import Request
from ..judge.results import NOT_RUN
from ..records.folder import Folder, set_torn_aside, write_json
from ..report import report
from ..report.report import Report
from . import conditions
from .budget import Budget
from .cores import reserved
from .one_pass import Kept, Pass, Progress, Stop

SECONDS = {"quick": 0.02, "default": 0.05, "full": 0.4}  #: that pytest-benchmark spends on one measurement


@dataclass(frozen=True)
class Outcome:
    """How a run ended: its report, whether it was interrupted, and what went wrong with its processes."""

    report: Report
    interrupted: bool
    failures: list[str]


def carry_out(
    request: Request,
    folder: Folder,
    progress: Progress,
    new: bool = True,
    anyway: bool = False,
    tell: Callable[[str], None] = lambda text: None,
) -> Outcome:
    """Measure what was asked for and is not there yet, then write the report of whatever was measured.

    Args:
        request: what to measure.
        folder: of the run, locked by this process.
        progress: called before each measurement with the number of those done, their total, and what comes next.
        new: the folder is empty; else the run goes on where it ended.
        anyway: go on under other settings too; see :func:`~autodiff.bench.run.conditions.resume`.
        tell: is given what a person should know while it runs, a sentence at a time.

    Raises:
        InputError: a run that was measured under other settings. OSError: the folder cannot be written any more.
    """
    with reserved(request.cores, tell) as cores:
        setting = _begin(request, folder, cores, progress, new, anyway, tell)
        watch = conditions.Watch()
        with stoppable(tell) as stop:
            _measure(request, folder, cores, setting, stop, progress)
        conditions.conclude(folder, watch)
    made = report.write(folder, request)
    lost = int((made.results.frame["status"] == NOT_RUN).sum())
    unexplained = [f"{lost} engine cases left no record; the logs in {folder.logs} say why"]
    return Outcome(made, stop.asked, unexplained if lost and not stop.asked else [])


def _begin(
    request: Request,
    folder: Folder,
    cores: Sequence[int],
    progress: Progress,
    new: bool,
    anyway: bool,
    tell: Callable[[str], None],
) -> int:
    """Calibrate where that has not been done, and write down what is asked and where; the number of the settings."""
    known = kept()
    if not known.rates:
        progress(0, 0, "measuring the speed of calls, memory and arithmetic, once on this machine")
        trouble = conditions.calibrate(request, cores)
        if known.note:
            tell(f"{known.note}; measured again")
        if trouble:
            tell(f"no rates are kept: {trouble}")
    if not new:
        set_torn_aside(folder)
        return conditions.resume(folder, request, cores, anyway)
    write_json(folder.request, request.model_dump(mode="json"))
    write_json(folder.environment, conditions.describe(request, cores))
    return 0


@contextmanager
def stoppable(tell: Callable[[str], None]) -> Iterator[Stop]:
    """The first Ctrl-C inside asks to stop after the measurement in progress; the second, and SIGTERM, stop at once."""
    stop = Stop()
    if threading.current_thread() is not threading.main_thread():
        yield stop
        return

    def ask(number: int, frame: object) -> None:
        if stop.asked or number == signal.SIGTERM:
            raise KeyboardInterrupt
        stop.asked = True
        tell("finishing the measurement in progress; Ctrl-C again stops now")

    before = {number: signal.signal(number, ask) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _measure(
    request: Request, folder: Folder, cores: Sequence[int], setting: int, stop: Stop, progress: Progress
) -> None:
    """Every pass that is not complete, as far as the budget goes."""
    known, budget = Kept(folder, setting), Budget(SECONDS[request.effort], request.budget)
    for number in range(1, request.passes + 1):
        start, one = time.monotonic(), Pass(request, folder, known, budget, cores, number)
        try:  # a signal can come while the processes are closed, too
            try:
                one.run(stop, progress)
            except KeyboardInterrupt:
                stop.asked = True
                one.kill()
            finally:
                one.close()
        except KeyboardInterrupt:
            stop.asked = True
            one.kill()
        if stop.asked or not budget.another_pass_fits(time.monotonic() - start, one.timed):
            return
