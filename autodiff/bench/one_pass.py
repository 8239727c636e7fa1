"""One pass: everything once, case by case, every family of engines in a process of its own.

A case's engines are first all built, verified and compiled, each in its process, and then timed one right after the
other: whatever the machine's speed is at that moment, it is the same for all of them.
"""

from __future__ import annotations

import time
from collections import Counter, defaultdict
from collections.abc import Callable
from itertools import groupby
from typing import Any

from . import records
from .budget import Budget
from .folder import Folder, Request
from .plan import Turn, turns
from .records import Record
from .sweep import Sweep
from .worker import DeadError, LateError, Worker

TIMEOUT = 60.0  #: seconds after which preparing, or timing, is stopped
SETTLED = ("timeout", "failed", "wrong", "unsupported")  #: what is not tried again in a later pass

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
        self.settled = {record.key[:3] for record in known if record.status in SETTLED}

    def add(self, record: Record) -> None:
        """Write a record down. Raises OSError if that is impossible."""
        record.setting = self.setting
        records.append(self.path, record)
        self.done.add(record.key)
        if record.status in SETTLED:
            self.settled.add(record.key[:3])


class Pass:
    """A pass that is under way.

    Args:
        request: what the run was asked to do.
        folder: of the run.
        kept: its records.
        budget: how long everything may be timed.
        number: of the pass.
    """

    def __init__(self, request: Request, folder: Folder, kept: Kept, budget: Budget, number: int) -> None:
        self.request, self.folder, self.kept, self.budget, self.number = request, folder, kept, budget, number
        planned = turns(request, number)
        self.todo = [t for t in planned if (*t.key, number) not in kept.done and t.key not in kept.settled]
        self.limits = {sweep.name: _limit(request, sweep) for sweep in request.sweeps}
        self.queues: dict[str, list[Turn]] = defaultdict(list)  #: what each family's process still has to do
        for turn in self.todo:
            self.queues[turn.family].append(turn)
        self.remaining = Counter(turn.family for turn in self.todo)
        self.later = Counter(self.remaining)
        self.starts: Counter[str] = Counter()
        self.workers: dict[str, Worker] = {}
        self.broken: dict[str, str] = {}
        self.timed = 0.0  #: seconds that timing alone was meant to take

    def run(self, stop: Stop, progress: Progress) -> None:
        """Measure what is still to do; a stop that is asked for is obeyed after the measurement in progress."""
        done = 0
        for _, group in groupby(self.todo, key=lambda turn: (turn.sweep, turn.case)):
            case = list(group)
            for turn in case:
                if stop.asked:
                    return
                self._show(progress, done, turn, "preparing")
                self._prepare(turn)
            for turn in case:
                if stop.asked:
                    return
                self._show(progress, done, turn, "timing")
                self._time(turn)
                done += 1

    def _show(self, progress: Progress, done: int, turn: Turn, what: str) -> None:
        passes, planned = self.request.passes, len(self.todo)
        progress((self.number - 1) * planned + done, passes * planned, f"{what} {turn.sweep} {turn.case} {turn.engine}")

    def _prepare(self, turn: Turn) -> None:
        if turn.of is not None:
            begin = time.monotonic()
            self._ask(turn, {"prepare": turn.key})
            self.budget.spent(turn.family, time.monotonic() - begin)

    def _time(self, turn: Turn) -> None:
        passes = self.request.passes - self.number
        ahead = {family: count + passes * self.later[family] for family, count in self.remaining.items()}
        self.remaining[turn.family] -= 1
        if turn not in self.queues[turn.family]:  # its process died over it
            return
        timing = self.budget.settings(ahead)
        begin = time.monotonic()
        self._ask(turn, timing)
        self.budget.spent(turn.family, max(0.0, time.monotonic() - begin - timing["max_time"]), measured=True)
        self.timed += timing["max_time"]
        if turn in self.queues[turn.family]:
            self.queues[turn.family].remove(turn)

    def _ask(self, turn: Turn, message: dict[str, Any]) -> None:
        """Let the turn's process do something; one that dies over it costs this turn, and is started again later."""
        try:
            for line in self._worker(turn.family).ask(message, self.limits.get(turn.sweep, TIMEOUT)):
                self.kept.add(records.parse(line.encode() + b"\n"))
        except LateError as error:
            self._lost(turn, "timeout", str(error))
        except DeadError as error:
            self._lost(turn, "failed", str(error))

    def _worker(self, family: str) -> Worker:
        """The family's process, started if there is none."""
        if family in self.broken:
            raise DeadError(self.broken[family])
        if family not in self.workers:
            start, queue = self.starts[family], self.queues[family]
            try:
                self.workers[family] = Worker(self.request, self.folder, self.number, family, queue, start)
            except (DeadError, LateError) as error:
                self.broken[family] = f"it could not be started: {error}"
                raise DeadError(self.broken[family]) from None
            self.starts[family] += 1
        return self.workers[family]

    def _lost(self, turn: Turn, status: records.Status, reason: str) -> None:
        if turn.family in self.workers:
            self.workers.pop(turn.family).kill()
        self.queues[turn.family].remove(turn)
        record = turn.record(self.number, self.request.threads)
        record.status, record.reason = status, reason
        self.kept.add(record)

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
