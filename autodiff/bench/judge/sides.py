"""Reading the two sides of a comparison: a run's folder, a JSON file of pytest-benchmark, or a log of GradBench.

Files of this package's own benchmarks say in their ``extra_info`` which sweep, case and engine was measured, so they
match a folder.
"""

from __future__ import annotations

import json
from collections import defaultdict
from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from ...errors import InputError
from ...text import tame
from ..ask.floors import is_floor
from ..ask.names import MACHINE, MODEL
from ..records import record as records
from ..records.folder import Folder, read_environment
from .logs import is_log, read_log
from .side import LEAST, MOST, Key, Passes, Side, What, few, name_of
from .workloads import what_of

REFUSED = ("processor", "cores", "threads", "device", "BLAS kernels")  #: where these differ, times say nothing
#: operations that logs of GradBench time, too
KINDS = {"value": "value", "gradient": "derivative", "jacobian": "derivative"}
OWN_PACKAGE = "autodiff-bench"  #: its version may differ: that is what is compared


def read_side(path: Path) -> Side:
    """Read the folder of a run, a JSON file of pytest-benchmark, or a log of GradBench.

    Raises:
        InputError: it cannot be read, is something else, or holds no measurement.
    """
    try:
        read = _read_folder if path.is_dir() else read_log if is_log(path) else _read_json
        side = read(path)
    except (OSError, ValueError) as error:  # a path with a null character is a ValueError
        if isinstance(error, InputError):
            raise
        raise InputError(f"{path} cannot be read: {getattr(error, 'strerror', None) or error}") from error
    if not side.tested:
        raise InputError(f"{path} holds no measurement" + (f" ({few(side.notes)})" if side.notes else ""))
    return side


def _read_folder(path: Path) -> Side:
    folder = Folder(path)
    if not folder.records.exists():
        raise InputError(f"{path} holds no run: there is no {folder.records.name} in it")
    found, problems = records.read(folder.records)
    times: dict[Key, dict[int, float]] = defaultdict(dict)
    what: dict[Key, What] = {}
    for record in found:
        if record.status != "ok" or record.min_s is None or is_floor(record.case):  # no case for a mean over cases
            continue
        if record.sweep == MACHINE and not records.is_kernel(record):
            continue
        if LEAST <= record.min_s <= MOST:
            key = record.sweep, record.case, record.engine
            times[key][record.number] = record.min_s
            if record.operation in KINDS:
                what[key] = what_of(record.problem, record.keywords, KINDS[record.operation], record.wrt)
        else:
            problems.append(
                f"{name_of(record.key[:3])} in pass {record.number} is left out: {record.min_s} s is no time"
            )
    notes = [f"{path}: {few(problems)}"] if problems else []
    environment = read_environment(folder)
    facts = _facts(environment)
    if not facts:
        notes.append(f"{path} does not say which machine it was measured on")
    noise = environment.get("noise")
    if isinstance(noise, str) and noise:
        notes.append(f"{path}: {tame(noise)}")
    if environment.get("resumed"):
        notes.append(f"{path} was resumed under other settings; only its first are compared")
    return Side(path, dict(times), facts, notes, what)


def _facts(environment: dict[str, Any]) -> dict[str, str]:
    blas, packages = _dict(environment.get("blas")), _dict(environment.get("packages"))
    known = {name: environment.get(name) for name in ("processor", "cores", "threads", "device", "python")}
    known |= {"BLAS kernels": blas.get("kernel"), "BLAS": blas.get("library"), "BLAS version": blas.get("version")}
    known |= {name: version for name, version in packages.items() if name != OWN_PACKAGE}
    for peer, said in _dict(environment.get("peers")).items():  # measured by other interpreters
        own = {"Python": _dict(said).get("python"), **_dict(_dict(said).get("packages"))}
        known |= {f"{peer}'s {name}": version for name, version in own.items() if name != OWN_PACKAGE}
    return _texts(known)


def _dict(value: object) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _texts(known: dict[str, Any]) -> dict[str, str]:
    return {name: str(value) for name, value in known.items() if isinstance(value, str | int | float)}


class _Stats(BaseModel):
    model_config = ConfigDict(strict=True)

    min: Annotated[float, Field(ge=LEAST, le=MOST)]


class _Benchmark(BaseModel):
    """What is read of a benchmark in a file of pytest-benchmark."""

    model_config = ConfigDict(strict=True)

    fullname: str
    name: str = ""
    group: str | None = None
    extra_info: dict[str, Any] = {}
    stats: _Stats

    @property
    def key(self) -> Key:
        sweep, case, engine = (self.extra_info.get(name) for name in ("sweep", "case", "engine"))
        if isinstance(sweep, str) and isinstance(case, str) and isinstance(engine, str):
            return sweep, case, engine
        kernel, _, dtype = self.name.removeprefix("machine[").removesuffix("]").partition("-")
        if self.group == "machine" and self.name == f"machine[{kernel}-{dtype}]":
            return MACHINE, dtype, kernel
        return self.group or "", self.fullname, ""


def _read_json(path: Path) -> Side:
    try:
        data = _dict(json.loads(path.read_bytes()))
    except (ValueError, RecursionError) as error:
        raise InputError(f"{path} is no JSON: {error}") from error
    benchmarks = data.get("benchmarks")
    if not isinstance(benchmarks, list):
        raise InputError(f"{path} is no file of pytest-benchmark: it has no list of benchmarks")
    times: dict[Key, Passes] = {}
    broken = []
    for number, entry in enumerate(benchmarks, start=1):
        try:
            read = _Benchmark.model_validate(entry)
        except ValidationError as error:
            first = error.errors()[0]
            name = _dict(entry).get("fullname", f"entry {number}")
            broken.append(f"{name} ({'.'.join(map(str, first['loc']))}: {first['msg']})")
            continue
        if not is_floor(read.key[1]) and not (read.group == "machine" and f"{MODEL}-" in read.name):
            times[read.key] = {1: read.stats.min}
    left_out = "1 benchmark is" if len(broken) == 1 else f"{len(broken)} benchmarks are"
    notes = [f"{path}: {left_out} left out: {few(broken)}"] if broken else []
    machine = _dict(data.get("machine_info"))
    facts = {"processor": _dict(machine.get("cpu")).get("brand_raw")}
    if "python_version" in machine:  # worded as a run's environment words it
        facts["python"] = f"{machine.get('python_implementation', 'Python')} {machine['python_version']}"
    return Side(path, times, _texts(facts), notes)


def facts_that_differ(a: Side, b: Side) -> tuple[list[str], list[str]]:
    """In what the machines differ: what makes times incomparable, and what only has to be known, in words."""
    refused: list[str] = []
    known: list[str] = []
    for name in (name for name in a.facts if name in b.facts and a.facts[name] != b.facts[name]):
        (refused if name in REFUSED else known).append(f"{name}: {a.facts[name]} in A, {b.facts[name]} in B")
    return refused, known
