"""A process that measures the engines of one family, as the parent sees it."""

from __future__ import annotations

import json
import os
import select
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from ..errors import InputError
from ..machine.blas import device_environment, thread_environment
from ..machine.host import usable_cores
from .folder import Folder, Request, write_json
from .plan import Turn
from .sweep import shipped_folder

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
        number: of the pass.
        family: of the engines that it measures.
        todo: its measurements, in the order in which they will be asked for.
        start: how many processes this family had in this pass before.
    """

    def __init__(
        self, request: Request, folder: Folder, number: int, family: str, todo: list[Turn], start: int = 0
    ) -> None:
        again = f"-{start + 1}" if start else ""
        stem = folder.logs / f"pass{number}-{family.replace('@', '-')}{again}"
        folder.logs.mkdir(exist_ok=True)
        self.log = stem.with_suffix(".log")
        tasks = stem.with_suffix(".todo")
        write_json(tasks, [turn.key for turn in todo])
        child_in, self._go = os.pipe()
        self._answers, child_out = os.pipe()
        self._buffer = b""
        try:
            with self.log.open("wb") as log, pinned(request.threads):
                self.process = subprocess.Popen(
                    _command(folder, number, tasks, stem.with_suffix(".json"), f"{child_in},{child_out}"),
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=subprocess.STDOUT,
                    env=environment(request) | {"PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"},
                    pass_fds=(child_in, child_out),
                    start_new_session=True,  # a Ctrl-C is the parent's to act on
                )
        finally:
            os.close(child_in)
            os.close(child_out)
        try:
            self._lines(STARTING)
        except BaseException:
            self.kill()
            raise
        finally:
            tasks.unlink(missing_ok=True)

    def ask(self, message: dict[str, Any], limit: float) -> list[str]:
        """Let it prepare a measurement, or time its next one; returns the JSON lines of what it recorded.

        Args:
            message: ``{"prepare": key}``, or how its next measurement is timed.
            limit: seconds.

        Raises:
            DeadError: it ended instead. LateError: it took more than ``limit`` seconds, and was ended.
        """
        try:
            os.write(self._go, json.dumps(message).encode() + b"\n")
        except BrokenPipeError:
            raise DeadError(self._how_it_ended()) from None
        return self._lines(limit)

    def _lines(self, limit: float) -> list[str]:
        """What it says until an empty line."""
        deadline = time.monotonic() + limit
        lines: list[str] = []
        while True:
            line, newline, rest = self._buffer.partition(b"\n")
            if newline:
                self._buffer = rest
                if not line:
                    return lines
                lines.append(line.decode())
                continue
            left = deadline - time.monotonic()
            if left <= 0 or not select.select([self._answers], [], [], left)[0]:
                self.kill()
                raise LateError(f"stopped after {limit:g} s")
            read = os.read(self._answers, 1 << 16)
            if not read:
                raise DeadError(self._how_it_ended())
            self._buffer += read

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
        self._close_pipes()

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
        self._close_pipes()

    def _close_pipes(self) -> None:
        for name in ("_go", "_answers"):
            descriptor = getattr(self, name)
            if descriptor >= 0:
                os.close(descriptor)
                setattr(self, name, -1)


def environment(request: Request) -> dict[str, str]:
    """The environment variables of every measuring process, without those of a pytest that may run above it."""
    own = thread_environment(request.threads) | device_environment(request.device)
    return {name: value for name, value in own.items() if not name.startswith("PYTEST_")}


def _command(folder: Folder, number: int, tasks: Path, results: Path, descriptors: str) -> list[str]:
    experiments = shipped_folder()
    return [
        *(sys.executable, "-P", "-m", "pytest", str(experiments), "-c", str(experiments / "pytest.ini")),
        *("-p", "pytest_benchmark.plugin"),
        *("--request", str(folder.request.resolve()), "--pass-number", str(number)),
        *("--todo", str(tasks.resolve()), "--turns", descriptors),
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


@contextmanager
def pinned(threads: int) -> Iterator[None]:
    """Processes started inside run on the last ``threads`` processors that this one may use."""
    if not hasattr(os, "sched_setaffinity"):
        yield
        return
    cores = usable_cores()
    os.sched_setaffinity(0, cores[-threads:])
    try:
        yield
    finally:
        os.sched_setaffinity(0, cores)


def check_threads(threads: int) -> None:
    """Refuse thread counts that this process cannot be given.

    Raises:
        InputError: saying what it can.
    """
    if not 1 <= threads <= len(usable_cores()):
        raise InputError(f"--threads is {threads}; this process may use 1 to {len(usable_cores())} processors")
