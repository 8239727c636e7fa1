"""Records: one JSON line per finished measurement, on disk before the next one starts."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any

from ..layers.work import Work

SCHEMA = 1
STATUSES = ("ok", "wrong", "failed", "skipped", "unsupported")
ROUNDS_KEPT = 64  #: evenly spaced rounds that a record keeps, enough for its statistics


@dataclass(slots=True)
class Record:
    """One engine on one case in one pass, with everything its CSV row needs.

    Times are seconds of one call, bytes are bytes. ``seconds`` are up to ``ROUNDS_KEPT`` rounds in the order they
    were measured; ``work`` counts one call, for the prediction.
    """

    sweep: str
    case: str
    engine: str
    number: int
    problem: str = ""
    operation: str = ""
    wrt: str = ""
    keywords: dict[str, Any] = field(default_factory=dict)
    n: int = 0
    m: int = 0
    depth: int = 0
    width: int = 0
    dtype: str = ""
    threads: int = 0
    parameters: int = 0
    status: str = "ok"
    reason: str = ""
    rounds: int = 0
    iterations: int = 0
    seconds: list[float] = field(default_factory=list)
    min_s: float | None = None
    median_s: float | None = None
    mean_s: float | None = None
    stddev_s: float | None = None
    iqr_s: float | None = None
    prepare_s: float | None = None
    peak_bytes: int | None = None
    max_error: float | None = None
    work: dict[str, int] = field(default_factory=lambda: asdict(Work()))
    schema: int = SCHEMA

    @property
    def key(self) -> tuple[str, str, str, int]:
        """What makes a record the only one of its kind in a run."""
        return self.sweep, self.case, self.engine, self.number


NAMES = frozenset(entry.name for entry in fields(Record))


def append(path: Path, record: Record) -> None:
    """Write one record at the end of the file, flushed and synced.

    Raises:
        OSError: the disk is full or the file cannot be written.
    """
    line = (json.dumps(asdict(record), separators=(",", ":")) + "\n").encode()
    with path.open("ab") as file:
        file.write(line)
        file.flush()
        os.fsync(file.fileno())


def read(path: Path) -> tuple[list[Record], list[str]]:
    """Every record of a file, and a sentence for each line that is none.

    A record that stands twice counts once, as it was measured last.
    """
    found: dict[tuple[str, str, str, int], Record] = {}
    problems = []
    for number, line in enumerate(_lines(path), start=1):
        try:
            record = _parse(line)
        except (ValueError, TypeError) as error:
            problems.append(f"{path.name} line {number} is left out: {error}")
            continue
        found[record.key] = record
    return list(found.values()), problems


def _lines(path: Path) -> Iterator[bytes]:
    if path.exists():
        with path.open("rb") as file:
            yield from file


def _parse(line: bytes) -> Record:
    if not line.endswith(b"\n"):
        raise ValueError("it was cut off while it was written")
    data = json.loads(line)
    if not isinstance(data, dict):
        raise ValueError("it is no JSON object")
    if data.get("schema") != SCHEMA:
        raise ValueError(f"its schema is {data.get('schema')!r}, this version reads {SCHEMA}")
    if unknown := data.keys() - NAMES:
        raise ValueError(f"it has unknown fields {', '.join(sorted(unknown))}")
    record = Record(**data)
    if record.status not in STATUSES:
        raise ValueError(f"its status is {record.status!r}")
    return record
