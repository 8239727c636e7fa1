"""Under what a run was measured: written down before and after, and compared before a run is resumed."""

from __future__ import annotations

import json
import platform
import subprocess
import sys
import time
from collections.abc import Sequence
from typing import Any

import psutil

from ...errors import InputError
from ...machine.host import busy_share
from ..ask.names import SEEDS
from ..ask.pythons import ask
from ..ask.request import Request
from ..judge.noise import noise
from ..records import record as records
from ..records.folder import Folder, read_environment, write_json
from .cores import pinned
from .worker import environment as variables

RECORDED = ("NUM_THREADS", "MAXIMUM_THREADS", "NPROC", "XLA_", "JAX_", "CUDA_", "OPENBLAS_", "AUTODIFF_")
#: what must be equal for times to be of the same thing
DECISIVE = ("processor", "cores", "memory_bytes", "system", "python", "threads", "device", "blas", "packages", "peers")


def describe(request: Request, cores: Sequence[int]) -> dict[str, Any]:
    """The machine as the measuring processes see it, told by one that is started like them."""
    code = "import json; from autodiff.machine.host import environment; print(json.dumps(environment()))"
    own = variables(request, request.threads)
    with pinned(cores[: request.threads]):
        done = subprocess.run(
            [sys.executable, "-P", "-c", code], env=own, stdout=subprocess.PIPE, text=True, check=True
        )
    found: dict[str, Any] = json.loads(done.stdout)
    kept = {name: value for name, value in sorted(own.items()) if any(part in name for part in RECORDED)}
    host = platform.node() or "host"
    asked = {
        "run": f"{time.strftime('%Y%m%d-%H%M%S')}-{host}",
        "host": host,
        "threads": request.threads,
        "pinned_to": list(cores),
        "device": request.device,
        "variables": kept,
        "effort": request.effort,
        "passes": request.passes,
        "seeds": SEEDS,
    }
    return found | asked | _others(request)


def _others(request: Request) -> dict[str, Any]:
    """The interpreters that measure peers, with their versions."""
    told = {}
    for family, path in request.pythons.items():
        said = ask(family, path)
        told[family] = {"path": path, "python": said["python"], "packages": said["packages"]}
    return {"peers": told} if told else {}


def calibrate(request: Request, cores: Sequence[int]) -> str:
    """Measure the executors' rates, and keep them, in a process that is started like those that measure.

    Returns empty, or why there are none.
    """
    code = "from autodiff.machine.tables import calibrate; print(calibrate())"
    with pinned(cores[: request.threads]):
        command = [sys.executable, "-P", "-c", code]
        done = subprocess.run(
            command, env=variables(request, request.threads), capture_output=True, text=True, check=False
        )
    return done.stdout.strip() if done.returncode == 0 else (done.stderr.strip().splitlines() or ["it failed"])[-1]


class Watch:
    """What the machine did while it measured: its load, and time that the host gave to others."""

    def __init__(self) -> None:
        self._before = psutil.cpu_times()

    def after(self) -> dict[str, Any]:
        """For the environment, at the end of a run."""
        now = psutil.cpu_times()
        spent = sum(now) - sum(self._before)
        stolen = getattr(now, "steal", 0.0) - getattr(self._before, "steal", 0.0)
        return {
            "load_average_after": list(psutil.getloadavg()),
            "busy_share_after": busy_share(),
            "steal_share": round(stolen / spent, 4) if spent > 0 else None,
        }


def conclude(folder: Folder, watch: Watch) -> None:
    """Write down how the machine behaved, and under ``noise`` what of that a reader of the times has to know."""
    found = read_environment(folder) | watch.after()
    found.pop("noise", None)
    said = noise(found, records.read(folder.records)[0])
    write_json(folder.environment, found | ({"noise": said} if said else {}))


def changes(before: dict[str, Any], now: dict[str, Any]) -> list[str]:
    """In words, what would make times of the two incomparable."""
    found = []
    for name in DECISIVE:
        if name not in before:
            continue
        found += _changed(name, before[name], now.get(name))
    return found


def _changed(name: str, old: object, new: object) -> list[str]:
    """What differs, by the names that lead to it."""
    if isinstance(old, dict) and isinstance(new, dict):
        keys = sorted(old.keys() | new.keys())
        return [text for key in keys for text in _changed(f"{name} {key}", old.get(key), new.get(key))]
    return [] if old == new else [f"{name}: {old} then, {new} now"]


def resume(folder: Folder, request: Request, cores: Sequence[int], anyway: bool) -> int:
    """Check that a run goes on under the settings that it began with; returns the number of its settings.

    Args:
        folder: of the run.
        request: what it was asked for.
        cores: that it goes on with.
        anyway: go on under others too; they are written down, and every table says so.

    Raises:
        InputError: other settings, without ``anyway``.
    """
    before, now = read_environment(folder), describe(request, cores)
    if not before:
        write_json(folder.environment, now)
        return 0
    resumed = before.get("resumed")
    earlier = [one for one in resumed if isinstance(one, dict)] if isinstance(resumed, list) else []
    for number, one in enumerate([before, *earlier]):
        if not changes(one, now):
            return number
    changed = changes(before, now)
    if not anyway:
        raise InputError(
            f"{folder.path} was measured under other settings ({'; '.join(changed)}); times of both in one table "
            "would mislead. Start a new run, or give --resume-anyway to mix them, marked"
        )
    write_json(folder.environment, before | {"resumed": [*earlier, now | {"differences": changed}]})
    return len(earlier) + 1
