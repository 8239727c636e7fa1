"""A process that measures the engines of one family with one number of threads, as the parent sees it."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from multiprocessing import Pipe
from pathlib import Path
from typing import Any

from ...machine.blas import device_environment, thread_environment
from ..ask import pythons
from ..ask.files import shipped_folder
from ..ask.request import Request
from ..ask.tasks import Task
from ..measure.link import DONE
from ..records.folder import Folder, write_json
from .cores import pinned

STARTING = 120.0  #: seconds that a process has to import what it needs
ENDING = 20.0  #: seconds that it has to write pytest-benchmark's file and end
LAST = 3  #: lines of a dead process's output that are kept as the reason


class DeadError(Exception):
    """The process ended in the middle of its work; the message says how, and what it printed last."""


class LateError(Exception):
    """The process did not answer in time, and was ended."""


class Worker:
    """One pytest process, pinned, that makes its measurements one at a time when it is told to.

    Args:
        request: what the run was asked to do.
        folder: where that is written down.
        cores: of the run, of which it uses as many as it has threads.
        number: of the pass.
        task: one of its measurements, whose engines' family and threads are those of all.
        todo: its measurements, in the order in which they will be asked for.
        start: how many of it there were in this pass before.
    """

    def __init__(
        self,
        request: Request,
        folder: Folder,
        cores: Sequence[int],
        number: int,
        task: Task,
        todo: list[Task],
        start: int = 0,
    ) -> None:
        again = f"-{start + 1}" if start else ""
        threads = task.threads or request.threads
        name = re.sub(r"[^A-Za-z0-9_.-]", "-", task.process)  # of somebody else's engine, it may be anything
        stem = folder.logs / f"pass{number}-{name}{again}"
        folder.logs.mkdir(exist_ok=True)
        self.log = stem.with_suffix(".log")
        tasks = stem.with_suffix(".todo")
        write_json(tasks, [task.key for task in todo])
        python = request.pythons.get(task.family.partition("@")[0], sys.executable)
        self._child, child = Pipe()
        try:
            with self.log.open("wb") as log, pinned(cores[:threads]):
                self.process = subprocess.Popen(
                    _command(python, folder, number, tasks, stem.with_suffix(".json"), child.fileno()),
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=subprocess.STDOUT,
                    env=environment(request, threads) | {"PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"},
                    pass_fds=(child.fileno(),),
                    start_new_session=True,  # a Ctrl-C is the parent's to act on
                )
        finally:
            child.close()
        try:
            self._answer(STARTING)
        except BaseException:
            self.kill()
            raise
        finally:
            tasks.unlink(missing_ok=True)

    def ask(self, message: dict[str, Any], limit: float) -> list[bytes]:
        """Let it prepare a measurement, or time its next one; returns the records that it made, as JSON.

        Args:
            message: ``{"prepare": key}``, or how its next measurement is timed.
            limit: seconds.

        Raises:
            DeadError: it ended instead. LateError: it took more than ``limit`` seconds, and was ended.
        """
        try:
            self._child.send_bytes(json.dumps(message).encode())
        except ConnectionError:
            raise DeadError(self._how_it_ended()) from None
        return self._answer(limit)

    def _answer(self, limit: float) -> list[bytes]:
        """What it says until it is done."""
        deadline = time.monotonic() + limit
        found: list[bytes] = []
        while True:
            if not self._child.poll(max(0.0, deadline - time.monotonic())):
                self.kill()
                raise LateError(f"stopped after {limit:g} s")
            try:
                message = self._child.recv_bytes()
            except (EOFError, ConnectionError):
                raise DeadError(self._how_it_ended()) from None
            if message == DONE:
                return found
            found.append(message)

    def _how_it_ended(self) -> str:
        try:
            status = self.process.wait(ENDING)
        except subprocess.TimeoutExpired:
            self.kill()
            status = self.process.returncode
        how = f"was killed by {_signal_name(-status)}" if status < 0 else f"ended with status {status}"
        return f"the measuring process {how}: {tail(self.log)}"

    def release(self) -> None:
        """Tell it that there is nothing more to do."""
        self._child.close()

    def close(self) -> None:
        """The same, and wait for its end."""
        self.release()
        try:
            self.process.wait(ENDING)
        except subprocess.TimeoutExpired:
            self.kill()

    def kill(self) -> None:
        """End it now, and what it has started: its session is its own."""
        try:
            os.killpg(self.process.pid, signal.SIGKILL)
        except OSError:  # it is gone, or the machine has no groups
            self.process.kill()
        self.process.wait()
        self._child.close()


def environment(request: Request, threads: int) -> dict[str, str]:
    """The environment variables of a measuring process, without those of a pytest that may run above it."""
    own = thread_environment(threads) | device_environment(request.device)
    return {name: value for name, value in own.items() if not name.startswith("PYTEST_")}


def _command(python: str, folder: Folder, number: int, tasks: Path, results: Path, link: int) -> list[str]:
    experiments = shipped_folder()
    return [
        *pythons.pytest_command(python),
        *(str(experiments), "-c", str(experiments / "pytest.ini")),
        *("-p", "pytest_benchmark.plugin"),
        *("--request", str(folder.request.resolve()), "--pass-number", str(number)),
        *("--todo", str(tasks.resolve()), "--link", str(link)),
        f"--benchmark-json={results.resolve()}",
    ]


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"


def tail(log: Path) -> str:
    """The last lines of a process's output, as one."""
    try:
        text = log.read_text(encoding="utf-8", errors="replace")
    except OSError:
        text = ""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return " / ".join(lines[-LAST:])[-500:] or "it printed nothing"
