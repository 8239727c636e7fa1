"""Running the sweeps: pass after pass, from the request to the report."""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from ..machine.rates import kept
from . import report, settings
from .budget import Budget
from .folder import Folder, Request, set_torn_aside, write_json
from .one_pass import Kept, Pass, Progress, Stop
from .report import Report
from .table import NOT_RUN

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
        anyway: go on under other settings too; see :func:`~autodiff.bench.settings.resume`.
        tell: is given a sentence when the run was asked to stop.

    Raises:
        InputError: a run that was measured under other settings. OSError: the folder cannot be written any more.
    """
    setting = 0
    known = kept()
    if not known.rates:
        progress(0, 0, "measuring the speed of calls, memory and arithmetic, once on this machine")
        trouble = settings.calibrate(request)
        if known.note:
            tell(f"{known.note}; measured again")
        if trouble:
            tell(f"no rates are kept: {trouble}")
    if new:
        write_json(folder.request, request.to_json())
        write_json(folder.environment, settings.describe(request))
    else:
        set_torn_aside(folder)
        setting = settings.resume(folder, request, anyway)
    watch = settings.Watch()
    with stoppable(tell) as stop:
        _measure(request, folder, setting, stop, progress)
    write_json(folder.environment, settings.read(folder) | watch.after())
    made = report.write(folder, request)
    lost = int((made.results.frame["status"] == NOT_RUN).sum())
    unexplained = [f"{lost} engine cases left no record; the logs in {folder.logs} say why"]
    return Outcome(made, stop.asked, unexplained if lost and not stop.asked else [])


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


def _measure(request: Request, folder: Folder, setting: int, stop: Stop, progress: Progress) -> None:
    """Every pass that is not complete, as far as the budget goes."""
    kept, budget = Kept(folder, setting), Budget(SECONDS[request.effort], request.budget)
    for number in range(1, request.passes + 1):
        start, one = time.monotonic(), Pass(request, folder, kept, budget, number)
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
