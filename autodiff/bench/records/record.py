"""Records: one JSON line per finished measurement, on disk before the next one starts."""

from __future__ import annotations

import errno
import json
import os
from collections.abc import Iterator
from dataclasses import asdict, field
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import ConfigDict, Field, TypeAdapter, ValidationError
from pydantic.dataclasses import dataclass

from ...engines import engine as find_engine
from ...errors import AutodiffError
from ...program.count import Work
from ..ask.names import COMPILED, MACHINE, MODEL, OURS, STANDING, VALUE, VALUES
from ..ask.tasks import Task

SCHEMA = 5
#: 1 knows neither time limits nor settings, 2 no executors, 3 no packages, 4 no steps; else they say what 5 says
READABLE = (1, 2, 3, 4, 5)
Status = Literal["ok", "wrong", "failed", "timeout", "skipped", "unsupported"]
Seconds = Annotated[float, Field(gt=0, allow_inf_nan=False)]
Count = Annotated[int, Field(ge=0, lt=2**63)]
ROUNDS_KEPT = 64  #: evenly spaced rounds that a record keeps, enough for its statistics


@dataclass(slots=True, config=ConfigDict(strict=True, extra="forbid"))
class Record:
    """One engine on one case in one pass, with everything its CSV row needs.

    Times are seconds of one call, bytes are bytes. ``seconds`` are up to ``ROUNDS_KEPT`` rounds in the order they
    were measured; ``work`` counts one call, for the prediction; ``peak_bytes`` is measured in the first pass;
    ``setting`` is 0 unless a run was resumed on another machine or with other packages, which are then numbered.
    ``executor`` is what ran the programs, "numpy" or "compiled", empty where there were none; ``chosen`` is the engine
    that one which chooses has taken; ``package`` is whose engine it is, "numpy" for this package's, and ``mode`` its
    mode, "forward", "reverse" or empty. ``disturbed`` is the share of the rounds measured that other processes
    interrupted, of which ``seconds`` and the statistics hold none if there are others; None where it is not known.
    ``steps`` are those of the program, by which its time is predicted; ``model`` is an executor's, in the record of its
    calibration.
    """

    sweep: str
    case: str
    engine: str
    number: Count
    problem: str = ""
    operation: str = ""
    wrt: str = ""
    keywords: dict[str, Any] = field(default_factory=dict)
    n: Count = 0
    m: Count = 0
    depth: Count = 0
    width: Count = 0
    dtype: Annotated[str, Field(pattern="^(float64|float32|)$")] = ""
    threads: Count = 0
    parameters: Count = 0
    status: Status = "ok"
    reason: str = ""
    rounds: Count = 0
    iterations: Count = 0
    seconds: list[Seconds] = field(default_factory=list)
    min_s: Seconds | None = None
    median_s: Seconds | None = None
    mean_s: Seconds | None = None
    stddev_s: Annotated[float, Field(ge=0, allow_inf_nan=False)] | None = None
    iqr_s: Annotated[float, Field(ge=0, allow_inf_nan=False)] | None = None
    prepare_s: Annotated[float, Field(ge=0, allow_inf_nan=False)] | None = None
    peak_bytes: Count | None = None
    max_error: Annotated[float, Field(ge=0, allow_inf_nan=True)] | None = None
    work: dict[str, Count] = field(default_factory=lambda: asdict(Work()))
    setting: Count = 0
    executor: str = ""
    chosen: str = ""
    package: str = ""
    mode: str = ""
    disturbed: Annotated[float, Field(ge=0, le=1)] | None = None
    steps: list[list[Any]] = field(default_factory=list)
    model: dict[str, Any] = field(default_factory=dict)
    schema: int = SCHEMA

    @property
    def key(self) -> tuple[str, str, str, int]:
        """What makes a record the only one of its kind in a run."""
        return self.sweep, self.case, self.engine, self.number


def is_kernel(record: Record) -> bool:
    """Whether a record tells how fast the machine was: a kernel's, and no calibration's."""
    return record.sweep == MACHINE and record.engine.removeprefix(COMPILED) != MODEL


def begun(task: Task, number: int, threads: int) -> Record:
    """The record of a task in a pass before anything is known but what was asked for; ``threads`` are the run's."""
    threads = task.threads or threads
    if task.of is None:
        return Record(task.sweep, task.case, task.engine, number, dtype=task.case, threads=threads)
    series, keywords = task.of.series, task.of.keys
    made = Record(
        sweep=task.sweep,
        case=task.case,
        engine=task.engine,
        number=number,
        problem=series.problem,
        operation=VALUE if task.engine in VALUES.values() else series.operation,
        wrt=series.wrt,
        keywords=keywords,
        threads=threads,
    )
    if task.engine not in STANDING:
        made.package, made.mode = _origin(task.engine)
    for name in ("n", "m", "depth", "width"):
        size = keywords.get(name)
        if isinstance(size, int):
            setattr(made, name, size)
    return made


def _origin(engine: str) -> tuple[str, str]:
    """Whose engine it is, and its mode, whatever options and tags the name carries; itself where it is not here."""
    try:
        found = find_engine(engine)
    except AutodiffError:
        return engine, ""
    family, at, tag = found.family.partition("@")
    package = type(found).__module__.partition(".")[0] if family == OURS else family
    return package + at + tag, found.mode


READER = TypeAdapter(Record)
WORK = frozenset(asdict(Work()))


def append(path: Path, record: Record) -> None:
    """Write one record at the end of the file, flushed and synced.

    Raises:
        OSError: the disk is full or the file cannot be written.
    """
    line = (json.dumps(asdict(record), separators=(",", ":")) + "\n").encode()
    with path.open("ab", buffering=0) as file:
        whole = file.seek(0, os.SEEK_END)
        try:
            if file.write(line) < len(line):
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            os.fsync(file.fileno())
        except OSError as error:
            file.truncate(whole)  # half a line is no record
            raise OSError(error.errno, error.strerror, str(path)) from error


def read(path: Path) -> tuple[list[Record], list[str]]:
    """Every record of a file, and a sentence for each line that is none.

    A record that stands twice counts once, as it was measured last.
    """
    found: dict[tuple[str, str, str, int], Record] = {}
    problems = []
    for number, line in enumerate(_lines(path), start=1):
        try:
            record = parse(line)
        except (ValueError, RecursionError) as error:
            problems.append(f"{path.name} line {number} is left out: {error}")
            continue
        found[record.key] = record
    return list(found.values()), problems


def _lines(path: Path) -> Iterator[bytes]:
    if path.exists():
        with path.open("rb") as file:
            yield from file


def parse(line: bytes) -> Record:
    """The record of a whole line, its end included. Raises ValueError if it holds none."""
    if not line.endswith(b"\n"):
        raise ValueError("it was cut off while it was written")
    try:
        record = READER.validate_json(line)
    except ValidationError as error:
        _refuse_other_schemas(json.loads(line))
        first = error.errors()[0]
        raise ValueError(f"{'.'.join(map(str, first['loc']))}: {first['msg']}") from None
    _refuse_other_schemas({"schema": record.schema})
    if record.schema < 4 and not record.package:  # which the record does not say; engines that are here can
        record.package, record.mode = _origin(record.engine)
    if record.work.keys() != WORK or (record.status == "ok" and (not record.seconds or record.median_s is None)):
        raise ValueError("it says that it was measured, and holds no measurement")
    return record


def _refuse_other_schemas(data: object) -> None:
    if not isinstance(data, dict):
        raise ValueError("it is no JSON object")
    if data.get("schema") not in READABLE:
        raise ValueError(f"its schema is {data.get('schema')!r}, this version reads {', '.join(map(str, READABLE))}")
