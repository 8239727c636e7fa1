"""A run's folder: what lies where, and who may write into it."""

from __future__ import annotations

import json
import os
import platform
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

from filelock import FileLock, Timeout

from ...errors import InputError
from ..ask.request import Request

LATEST = "latest"
BLOCK = 1 << 16  #: bytes read at a time when the end of the records is looked for


@dataclass(frozen=True)
class Folder:
    """The files of one run."""

    path: Path

    @property
    def records(self) -> Path:
        """One JSON line per measurement."""
        return self.path / "records.jsonl"

    @property
    def request(self) -> Path:
        """What was asked for."""
        return self.path / "run.json"

    @property
    def environment(self) -> Path:
        """The machine."""
        return self.path / "environment.json"

    @property
    def csv(self) -> Path:
        """The table of results."""
        return self.path / "results.csv"

    @property
    def rules(self) -> Path:
        """The table of the rules of thumb."""
        return self.path / "rules.csv"

    @property
    def report(self) -> Path:
        """The summary, with the plots."""
        return self.path / "report.md"

    @property
    def torn(self) -> Path:
        """What was left of a line that was cut off while it was written."""
        return self.path / "records.torn"

    @property
    def lock(self) -> Path:
        """Held by the process that measures."""
        return self.path / ".lock"

    @property
    def logs(self) -> Path:
        """What the measuring processes printed, and pytest-benchmark's own files of every pass."""
        return self.path / "pytest"


def create(out: Path | None) -> Folder:
    """A new folder for a run, ``results/<time>-<host>`` unless ``out`` says otherwise; nothing is overwritten.

    Raises:
        InputError: the folder cannot be written, or already holds something.
    """
    path = out or Path("results") / f"{time.strftime('%Y%m%d-%H%M%S')}-{platform.node() or 'host'}"
    try:
        path.mkdir(parents=True, exist_ok=True)
        if any(one.name != ".lock" for one in path.iterdir()):
            what = "a run" if (path / "records.jsonl").exists() else "files"
            raise InputError(f"{path} already holds {what}; nothing is overwritten, choose another folder")
        probe = path / ".write-test"
        probe.touch()
        probe.unlink()
    except OSError as error:
        raise InputError(f"{path} cannot be written: {error.strerror}") from error
    if out is None:
        _point_latest(path)
    return Folder(path)


@contextmanager
def locked(folder: Folder) -> Iterator[None]:
    """Only this process writes into the folder; a lock of a process that died holds nobody up.

    Raises:
        InputError: another process is at it.
    """
    lock = FileLock(folder.lock)
    try:
        lock.acquire(timeout=0)
    except Timeout:
        raise InputError(f"another run is writing into {folder.path}; wait for it, or choose another folder") from None
    try:
        yield
    finally:
        folder.lock.unlink(missing_ok=True)
        lock.release()


def set_torn_aside(folder: Folder) -> bool:
    """Move a last line that was cut off while it was written out of the records; tells whether there was one."""
    if not folder.records.exists():
        return False
    with folder.records.open("r+b") as file:
        whole = _end_of_last_line(file)
        file.seek(whole)
        torn = file.read()
        if torn:
            with folder.torn.open("ab") as aside:
                aside.write(torn + b"\n")
            file.truncate(whole)
    return bool(torn)


def _end_of_last_line(file: BinaryIO) -> int:
    """The offset behind the last newline."""
    at = file.seek(0, os.SEEK_END)
    while at > 0:
        start = max(0, at - BLOCK)
        file.seek(start)
        found = file.read(at - start).rfind(b"\n")
        if found >= 0:
            return start + found + 1
        at = start
    return 0


def _point_latest(path: Path) -> None:
    """Let ``results/latest`` lead to the newest run; where links are refused, say nothing and go on."""
    link = path.parent / LATEST
    try:
        if link.is_symlink():
            link.unlink()
        link.symlink_to(path.name, target_is_directory=True)
    except OSError:
        pass


def read_request(path: Path) -> Request:
    """What a run was asked to do, from its ``run.json``.

    Raises:
        InputError: the file cannot be read, or says something else.
    """
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise InputError(f"{path.parent} holds no run: {path.name} cannot be read ({error.strerror})") from error
    except (ValueError, RecursionError) as error:
        raise InputError(f"{path} is no JSON: {error}") from error
    return Request.read(data, str(path))


def open_run(path: Path) -> tuple[Folder, Request]:
    """The folder of an earlier run, and what it was asked to do.

    Raises:
        InputError: a symbolic link in the folder, through which a report would write elsewhere; and what
            :func:`read_request` raises.
    """
    folder = Folder(path)
    request = read_request(folder.request)
    for one in sorted([*path.iterdir(), *(folder.logs.iterdir() if folder.logs.is_dir() else ())]):
        if one.is_symlink():
            raise InputError(f"{one} is a symbolic link; a run's files lie in its folder, remove the link")
    return folder, request


def write_json(path: Path, data: Any) -> None:
    """Write indented JSON, whole or not at all."""
    part = path.with_suffix(path.suffix + ".part")
    part.write_text(json.dumps(data, indent=2, sort_keys=False, default=str) + "\n", encoding="utf-8")
    part.replace(path)


def read_environment(folder: Folder) -> dict[str, Any]:
    """Under what a run was measured, see :mod:`autodiff.bench.run.conditions`; empty where nothing says so."""
    try:
        data = json.loads(folder.environment.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        data = {}
    return data if isinstance(data, dict) else {}
