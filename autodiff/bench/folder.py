"""A run's folder: what lies where, and who may write into it."""

from __future__ import annotations

import json
import platform
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from ..engines import engine as find_engine
from ..errors import InputError
from .sweep import Effort, Sweep, parse

LATEST = "latest"


@dataclass(frozen=True)
class Request:
    """What a run was asked to do; written into its folder before anything is measured.

    Attributes:
        sweeps: what is measured.
        engines: instead of the sweeps' own, if any.
        effort: "quick", "default" or "full".
        passes: how often everything is measured.
        threads: of BLAS.
    """

    sweeps: list[Sweep]
    engines: list[str]
    effort: Effort
    passes: int
    threads: int

    def to_json(self) -> dict[str, Any]:
        """For ``run.json``."""
        settings = {name: getattr(self, name) for name in ("engines", "effort", "passes", "threads")}
        return settings | {"sweeps": [sweep.model_dump(mode="json") for sweep in self.sweeps]}

    @classmethod
    def from_json(cls, data: dict[str, Any], source: str) -> Request:
        """Back from ``run.json``. Raises InputError if it is no such file."""
        try:
            form = _Form.model_validate(data)
        except ValidationError as error:
            first = error.errors()[0]
            raise InputError(f"{source}: {'.'.join(map(str, first['loc']))}: {first['msg']}") from None
        for name in form.engines:
            find_engine(name)
        sweeps = [parse(sweep, source) for sweep in form.sweeps]
        return cls(sweeps, form.engines, form.effort, form.passes, form.threads)


class _Form(BaseModel):
    """What stands in ``run.json``."""

    model_config = ConfigDict(extra="forbid", strict=True)

    sweeps: Annotated[list[dict[str, Any]], Field(min_length=1)]
    engines: list[str]
    effort: Effort
    passes: Annotated[int, Field(ge=1)]
    threads: Annotated[int, Field(ge=1)]


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
    def report(self) -> Path:
        """The summary, with the plots."""
        return self.path / "report.md"

    def benchmark_json(self, number: int) -> Path:
        """pytest-benchmark's own file of a pass."""
        return self.path / f"pytest-benchmark-{number}.json"

    def log(self, number: int) -> Path:
        """What pytest printed in a pass."""
        return self.path / f"pytest-{number}.log"


def create(out: Path | None) -> Folder:
    """A new folder for a run, ``results/<time>-<host>`` unless ``out`` says otherwise; nothing is overwritten.

    Raises:
        InputError: the folder cannot be written, or already holds something.
    """
    path = out or Path("results") / f"{time.strftime('%Y%m%d-%H%M%S')}-{platform.node() or 'host'}"
    try:
        path.mkdir(parents=True, exist_ok=True)
        if any(path.iterdir()):
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
    if not isinstance(data, dict):
        raise InputError(f"{path} is no description of a run")
    return Request.from_json(data, str(path))


def open_run(path: Path) -> tuple[Folder, Request]:
    """The folder of an earlier run, and what it was asked to do. Raises what :func:`read_request` raises."""
    folder = Folder(path)
    return folder, read_request(folder.request)


def write_json(path: Path, data: Any) -> None:
    """Write indented JSON, whole or not at all."""
    part = path.with_suffix(path.suffix + ".part")
    part.write_text(json.dumps(data, indent=2, sort_keys=False, default=str) + "\n", encoding="utf-8")
    part.replace(path)
