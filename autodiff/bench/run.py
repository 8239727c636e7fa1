"""Running the sweeps: one pytest process per pass, pinned, single-threaded unless asked otherwise."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..errors import InputError
from ..machine.blas import thread_environment
from ..machine.host import usable_cores
from . import report
from .calibrate import KERNELS
from .folder import Folder, Request, write_json
from .measure import DIRECTION_SEED, INPUT_SEED, SEED_SEED
from .plan import plan
from .report import Report
from .sweep import shipped_folder
from .table import NOT_RUN

SECONDS = {"quick": 0.02, "default": 0.1, "full": 0.4}  #: that pytest-benchmark spends on one measurement
POLL = 0.2  #: seconds between looks at the record file
SEEDS = {"input": INPUT_SEED, "verification": DIRECTION_SEED, "jvp and vjp": SEED_SEED}
PATIENCE = 20  #: seconds that an interrupted process has to finish its measurement

Progress = Callable[[int, int], None]


@dataclass(frozen=True)
class Outcome:
    """How a run ended: its report, whether it was interrupted, and what went wrong with its processes."""

    report: Report
    interrupted: bool
    failures: list[str]


def run(request: Request, folder: Folder, progress: Progress) -> Outcome:
    """Measure everything that was asked for, then write the report of whatever was measured.

    Args:
        request: what to measure.
        folder: an empty folder.
        progress: called with the measurements done and their total, a few times a second.
    """
    write_json(folder.request, request.to_json())
    write_json(folder.environment, _environment(request))
    cases = plan(request.sweeps, request.effort, request.engines)
    total = request.passes * (len(cases) + len(KERNELS))
    failures: list[str] = []
    interrupted = False
    with terminable():
        try:
            for number in range(1, request.passes + 1):
                failure = _measure_pass(request, folder, number, lambda: progress(_lines(folder.records), total))
                if failure:
                    failures.append(failure)
        except KeyboardInterrupt:
            interrupted = True
    made = report.write(folder, request)
    lost = int((made.results.frame["status"] == NOT_RUN).sum())
    if lost and not interrupted and not failures:
        failures.append(f"{lost} engine cases left no record; {folder.log(1)} says why")
    return Outcome(made, interrupted, failures)


@contextmanager
def terminable() -> Iterator[None]:
    """SIGTERM inside is an interrupt: what was measured is kept, and no process is left behind."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _environment(request: Request) -> dict[str, Any]:
    """The machine as the measuring processes see it, told by one that is started like them."""
    code = "import json; from autodiff.machine.host import environment; print(json.dumps(environment()))"
    with pinned(request.threads):
        done = subprocess.run(
            [sys.executable, "-P", "-c", code],
            env=thread_environment(request.threads),
            stdout=subprocess.PIPE,
            text=True,
            check=True,
        )
    found: dict[str, Any] = json.loads(done.stdout)
    return found | {"threads": request.threads, "effort": request.effort, "passes": request.passes, "seeds": SEEDS}


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


def _measure_pass(request: Request, folder: Folder, number: int, tick: Callable[[], None]) -> str:
    """One pass in a process of its own; returns what went wrong with the process, or nothing."""
    with folder.log(number).open("wb") as log, pinned(request.threads):
        child = subprocess.Popen(
            _command(request, folder, number),
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            env=thread_environment(request.threads) | {"PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1", "PYTEST_ADDOPTS": ""},
        )
    try:
        while child.poll() is None:
            tick()
            time.sleep(POLL)
    except KeyboardInterrupt:
        _stop(child)
        raise
    tick()
    if child.returncode in (0, 1):  # some tests failed: their records say why
        return ""
    return f"pass {number}: the measuring process ended with status {child.returncode} ({_tail(folder.log(number))})"


def _command(request: Request, folder: Folder, number: int) -> list[str]:
    experiments = shipped_folder()
    return [
        *(sys.executable, "-P", "-m", "pytest", str(experiments), "-c", str(experiments / "pytest.ini")),
        *("-p", "pytest_benchmark.plugin"),
        *("--request", str(folder.request.resolve()), "--pass-number", str(number)),
        *("--records", str(folder.records.resolve())),
        f"--benchmark-max-time={SECONDS[request.effort]}",
        f"--benchmark-json={folder.benchmark_json(number).resolve()}",
    ]


def _stop(child: subprocess.Popen[bytes]) -> None:
    """Interrupt the process, which the terminal may have done already, and wait; end it if it does not listen."""
    try:
        child.send_signal(signal.SIGINT)
        child.wait(timeout=PATIENCE)
    except (subprocess.TimeoutExpired, KeyboardInterrupt):
        child.kill()
        child.wait()


def _lines(path: Path) -> int:
    return path.read_bytes().count(b"\n") if path.exists() else 0


def _tail(log: Path, lines: int = 3) -> str:
    text = log.read_text(encoding="utf-8", errors="replace").strip().splitlines()
    return " / ".join(text[-lines:]) or "it printed nothing"


def check_threads(threads: int) -> None:
    """Refuse thread counts that this process cannot be given.

    Raises:
        InputError: saying what it can.
    """
    if not 1 <= threads <= len(usable_cores()):
        raise InputError(f"--threads is {threads}; this process may use 1 to {len(usable_cores())} processors")
