"""Running the sweeps: pass after pass, every family of engines in a process of its own, all of them in turn."""

from __future__ import annotations

import signal
import threading
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from . import records, report, settings
from .budget import Budget
from .folder import Folder, Request, set_torn_aside, write_json
from .plan import Turn, turns
from .records import Record
from .report import Report
from .sweep import Sweep
from .table import NOT_RUN
from .worker import DeadError, LateError, Worker

SECONDS = {"quick": 0.02, "default": 0.1, "full": 0.4}  #: that pytest-benchmark spends on one measurement
TIMEOUT = 60.0  #: seconds after which a measurement is stopped, preparation and verification included
SETTLED = ("timeout", "failed", "wrong", "unsupported")  #: what is not tried again in a later pass

Progress = Callable[[int, int, str], None]


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
    if new:
        write_json(folder.request, request.to_json())
        write_json(folder.environment, settings.describe(request))
    else:
        set_torn_aside(folder)
        setting = settings.resume(folder, request, anyway)
    watch, one = settings.Watch(), _Run(request, folder, progress, setting)
    with stoppable(tell) as stop:
        try:
            one.measure(stop)
        except KeyboardInterrupt:
            stop.asked = True
            one.kill()
        finally:
            one.close()
    write_json(folder.environment, settings.read(folder) | watch.after())
    made = report.write(folder, request)
    lost = int((made.results.frame["status"] == NOT_RUN).sum())
    if lost and not stop.asked:
        one.failures.append(f"{lost} engine cases left no record; the logs in {folder.logs} say why")
    return Outcome(made, stop.asked, one.failures)


@dataclass
class Stop:
    """Whether the run was asked to stop."""

    asked: bool = False


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


@dataclass
class _Run:
    """The state of a run: what is done, what is settled, which processes are there."""

    request: Request
    folder: Folder
    progress: Progress
    setting: int
    failures: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        known, _ = records.read(self.folder.records)
        self.done = {record.key for record in known}
        self.settled = {record.key[:3] for record in known if record.status in SETTLED}
        self.budget = Budget(SECONDS[self.request.effort], self.request.budget)
        self.limits = {sweep.name: self._limit(sweep) for sweep in self.request.sweeps}
        self.workers: dict[str, Worker] = {}
        self.broken: dict[str, str] = {}
        self.timed = 0.0

    def _limit(self, sweep: Sweep) -> float:
        return self.request.timeout or sweep.timeout or TIMEOUT

    def measure(self, stop: Stop) -> None:
        """Every pass that is not complete."""
        for number in range(1, self.request.passes + 1):
            start, self.timed = time.monotonic(), 0.0
            self._pass(number, stop)
            if stop.asked:
                return
            took = time.monotonic() - start
            if not self.budget.another_pass_fits(took, self.timed):
                return

    def _pass(self, number: int, stop: Stop) -> None:
        todo = [turn for turn in turns(self.request, number) if self._open(turn, number)]
        remaining = Counter(turn.family for turn in todo)
        later = Counter(turn.family for turn in todo if turn.key not in self.settled)
        queues: dict[str, list[Turn]] = defaultdict(list)
        for turn in todo:
            queues[turn.family].append(turn)
        starts: Counter[str] = Counter()
        for turn in todo:
            if stop.asked:
                break
            self._show(number, len(todo), remaining, turn)
            passes_left = self.request.passes - number
            ahead = {family: remaining[family] + passes_left * later[family] for family in remaining}
            self._turn(turn, number, queues[turn.family], starts, ahead)
            queues[turn.family].pop(0)
            remaining[turn.family] -= 1
        self.close()

    def _open(self, turn: Turn, number: int) -> bool:
        return (*turn.key, number) not in self.done and turn.key not in self.settled

    def _show(self, number: int, planned: int, remaining: Counter[str], turn: Turn) -> None:
        share = (number - 1) + (1 - remaining.total() / max(1, planned))
        total = planned * self.request.passes
        self.progress(round(share * planned), total, f"{turn.sweep} {turn.case} {turn.engine}")

    def _turn(
        self, turn: Turn, number: int, queue: list[Turn], starts: Counter[str], remaining: dict[str, int]
    ) -> None:
        """One measurement, whatever comes of it: a process that dies costs this record and is started again."""
        begin, timing = time.monotonic(), self.budget.settings(remaining)
        try:
            worker = self._worker(number, turn.family, queue, starts)
            for line in worker.measure(timing, self.limits.get(turn.sweep, TIMEOUT)):
                self._keep(records.parse(line.encode() + b"\n"))
        except LateError as error:
            self._lost(turn, number, "timeout", str(error))
        except DeadError as error:
            self._lost(turn, number, "failed", str(error))
        self.budget.spent(turn.family, time.monotonic() - begin, timing["max_time"])
        self.timed += timing["max_time"]

    def _worker(self, number: int, family: str, queue: list[Turn], starts: Counter[str]) -> Worker:
        """The family's process, started if there is none."""
        if family in self.broken:
            raise DeadError(self.broken[family])
        if family not in self.workers:
            try:
                self.workers[family] = Worker(self.request, self.folder, number, family, queue, starts[family])
            except (DeadError, LateError) as error:
                self.broken[family] = f"it could not be started: {error}"
                raise DeadError(self.broken[family]) from None
            starts[family] += 1
        return self.workers[family]

    def _lost(self, turn: Turn, number: int, status: records.Status, reason: str) -> None:
        if turn.family in self.workers:
            self.workers.pop(turn.family).kill()
        record = turn.record(number, self.request.threads)
        record.status, record.reason = status, reason
        self._keep(record)

    def _keep(self, record: Record) -> None:
        record.setting = self.setting
        records.append(self.folder.records, record)
        self.done.add(record.key)
        if record.status in SETTLED:
            self.settled.add(record.key[:3])

    def kill(self) -> None:
        """End every process, now."""
        while self.workers:
            self.workers.popitem()[1].kill()

    def close(self) -> None:
        """End every process."""
        for worker in self.workers.values():
            worker.release()
        while self.workers:
            self.workers.popitem()[1].close()
