"""One pass: everything once, case by case, every family of engines in a process of its own.

Engines that set their threads once have a process for every number of threads, and so have all.

A case's engines are first all built, verified and compiled, each in its process, and then timed one right after the
other: whatever the machine's speed is at that moment, it is the same for all of them.
"""

from __future__ import annotations

import time
from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from itertools import groupby
from typing import Any

from ..ask.names import VALUES
from ..ask.request import Request
from ..ask.sweep import Sweep
from ..ask.tasks import Task, tasks
from ..records import record as records
from ..records.folder import Folder
from ..records.record import Record, begun
from .budget import Budget
from .worker import DeadError, LateError, Worker

TIMEOUT = 60.0  #: seconds after which preparing, or timing, is stopped
SETTLED = ("timeout", "failed", "wrong", "unsupported")  #: what is not tried again in a later pass
DEATHS = 2  #: processes that a measurement may cost before it is not tried again

Progress = Callable[[int, int, str], None]


class Stop:
    """Whether the run was asked to stop."""

    asked = False


class Kept:
    """The records of a run: those that are there, and those that come.

    Attributes:
        done: the keys of all records.
        settled: measurements that no pass will try again.
    """

    def __init__(self, folder: Folder, setting: int) -> None:
        known, _ = records.read(folder.records)
        self.path, self.setting = folder.records, setting
        self.done = {record.key for record in known}
        self.settled: set[tuple[str, str, str]] = set()
        self._deaths: Counter[tuple[str, str, str]] = Counter()
        for record in known:
            self._settle(record, record.status == "failed")  # it may have been its process: nothing says so

    def add(self, record: Record, died: bool = False) -> None:
        """Write a record down; one whose process died is tried again once. Raises OSError if that is impossible."""
        record.setting = self.setting
        records.append(self.path, record)
        self.done.add(record.key)
        self._settle(record, died)

    def _settle(self, record: Record, died: bool) -> None:
        task = record.key[:3]
        self._deaths[task] += died
        if record.status in SETTLED and (not died or self._deaths[task] >= DEATHS):
            self.settled.add(task)


class Pass:
    """A pass that is under way.

    Args:
        request: what the run was asked to do.
        folder: of the run.
        kept: its records.
        budget: how long everything may be timed.
        cores: that its processes may use.
        number: of the pass.
    """

    def __init__(
        self, request: Request, folder: Folder, kept: Kept, budget: Budget, cores: Sequence[int], number: int
    ) -> None:
        self.request, self.folder, self.kept, self.budget, self.number = request, folder, kept, budget, number
        self.cores = cores
        planned = tasks(request, number)
        self.todo = [t for t in planned if (*t.key, number) not in kept.done and t.key not in kept.settled]
        self.limits = {sweep.name: _limit(request, sweep) for sweep in request.sweeps}
        self.queues: dict[str, list[Task]] = defaultdict(list)  #: what each process still has to do
        for task in self.todo:
            self.queues[task.process].append(task)
        self.remaining = Counter(task.process for task in self.todo)
        self.later = Counter(self.remaining)
        self.starts: Counter[str] = Counter()
        self.workers: dict[str, Worker] = {}
        self.broken: dict[str, str] = {}
        self.timed = 0.0  #: seconds that timing alone was meant to take

    def run(self, stop: Stop, progress: Progress) -> None:
        """Measure what is still to do; a stop that is asked for is obeyed after the measurement in progress."""
        done = 0
        for _, group in groupby(self.todo, key=lambda task: (task.sweep, task.case)):
            case = list(group)
            for task in case:
                if stop.asked:
                    return
                self._show(progress, done, task, "preparing")
                self._prepare(task)
            for task in case:
                if stop.asked:
                    return
                self._show(progress, done, task, "timing")
                self._time(task)
                done += 1

    def _show(self, progress: Progress, done: int, task: Task, what: str) -> None:
        passes, planned = self.request.passes, len(self.todo)
        progress((self.number - 1) * planned + done, passes * planned, f"{what} {task.sweep} {task.case} {task.engine}")

    def _prepare(self, task: Task) -> None:
        if task.of is not None:
            begin = time.monotonic()
            self._ask(task, {"prepare": task.key})
            self.budget.spent(task.process, time.monotonic() - begin)

    def _time(self, task: Task) -> None:
        passes = self.request.passes - self.number
        ahead = {family: count + passes * self.later[family] for family, count in self.remaining.items()}
        self.remaining[task.process] -= 1
        if task not in self.queues[task.process]:  # its process died over it
            return
        timing = self.budget.timing(ahead)
        begin = time.monotonic()
        self._ask(task, timing)
        self.budget.spent(task.process, max(0.0, time.monotonic() - begin - timing["max_time"]), measured=True)
        self.timed += timing["max_time"]
        if task in self.queues[task.process]:
            self.queues[task.process].remove(task)

    def _ask(self, task: Task, message: dict[str, Any]) -> None:
        """Let the task's process do something; one that dies over it costs this task, and is started again later.

        What every cost is relative to, f itself, is tried again at once.
        """
        again = task.engine in VALUES.values()
        while True:
            try:
                for line in self._worker(task).ask(message, self.limits.get(task.sweep, TIMEOUT)):
                    self.kept.add(records.parse(line + b"\n"))
            except LateError as error:
                self._lost(task, "timeout", str(error))
            except DeadError as error:
                self._drop(task.process)
                if again and task.process not in self.broken:
                    again = False
                    continue
                self._lost(task, "failed", str(error))
            return

    def _worker(self, task: Task) -> Worker:
        """The task's process, started if there is none."""
        name = task.process
        if name in self.broken:
            raise DeadError(self.broken[name])
        if name not in self.workers:
            start, queue = self.starts[name], self.queues[name]
            try:
                self.workers[name] = Worker(self.request, self.folder, self.cores, self.number, task, queue, start)
            except (DeadError, LateError) as error:
                self.broken[name] = f"it could not be started: {error}"
                raise DeadError(self.broken[name]) from None
            self.starts[name] += 1
        return self.workers[name]

    def _drop(self, name: str) -> None:
        """End a process, if it is there."""
        if name in self.workers:
            self.workers.pop(name).kill()

    def _lost(self, task: Task, status: records.Status, reason: str) -> None:
        self._drop(task.process)
        self.queues[task.process].remove(task)
        record = begun(task, self.number, self.request.threads)
        record.status, record.reason = status, reason
        self.kept.add(record, died=status == "failed")

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


def _limit(request: Request, sweep: Sweep) -> float:
    return request.timeout or sweep.timeout or TIMEOUT
