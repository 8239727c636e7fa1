"""Sweep files, in TOML: found by name or path, read, and checked before anything runs."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from ...errors import AutodiffError, InputError, UnknownNameError
from .sweep import Series, Sweep

TYPES = re.compile(r"(constrained-)?(int|float|str)$|list\[")  #: parts of where an error is that name a type
ALL = "all"  #: names every shipped sweep


def shipped_folder() -> Path:
    """The folder of the experiments: ``benchmarks/`` in a clone, a copy inside the package when installed."""
    packaged = Path(__file__).parents[1] / "experiments"
    return packaged if packaged.is_dir() else Path(__file__).parents[3] / "benchmarks"


def shipped() -> dict[str, Path]:
    """The shipped sweep files by name."""
    return {path.stem: path for path in sorted((shipped_folder() / "sweeps").glob("*.toml"))}


def load(name_or_path: str | Path) -> Sweep:
    """The sweep of that name, or in that file.

    Raises:
        UnknownNameError: no such name. InputError: a file that cannot be read or is wrong; the message names the key.
    """
    known = shipped()
    if str(name_or_path) in known:
        path = known[str(name_or_path)]
    else:
        path = Path(name_or_path)
        if path.suffix != ".toml" and not _is_file(path):
            raise UnknownNameError("sweep", str(name_or_path)[:80], known)
    try:
        data = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise InputError(f"{path}: {error.strerror}") from error
    except (ValueError, RecursionError) as error:
        raise InputError(f"{path}: no valid TOML: {error}") from error
    return parse(data, str(path))


def _is_file(path: Path) -> bool:
    try:
        return path.is_file()
    except (OSError, ValueError):
        return False


def parse(data: dict[str, Any], source: str) -> Sweep:
    """A sweep from the tables of its file; a series inherits every key it leaves out from the top level.

    Raises:
        InputError: naming the source and the key.
    """
    own = {key: value for key, value in data.items() if key in Sweep.model_fields and key != "series"}
    common = {key: value for key, value in data.items() if key not in Sweep.model_fields}
    series = data.get("series", [{}])
    if not isinstance(series, list) or not all(isinstance(one, dict) for one in series):
        raise InputError(f"{source}: series: expected [[series]] tables")
    known = [*Sweep.model_fields, *Series.model_fields]
    for key in [*common, *(key for one in series for key in one)]:
        if key not in known:
            raise InputError(f"{source}: {UnknownNameError('key', key, known)}")
    try:
        made = Sweep.model_validate(own | {"series": [common | one for one in series]})
        made.check()
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"] if not TYPES.match(str(part)))
        raise InputError(f"{source}: {where or 'sweep'}: {first['msg']}") from None
    except AutodiffError as error:
        raise InputError(f"{source}: {error}") from None
    return made


def load_all(names: Sequence[str | Path]) -> list[Sweep]:
    """The sweeps of those names, or every shipped one that does not wait to be asked for; "all" names them all.

    Raises:
        InputError: two sweeps with the same name, or what :func:`load` raises.
    """
    named = [one for name in names for one in (shipped() if str(name) == ALL else [name])]
    sweeps = [load(name) for name in named] or [one for one in map(load, shipped()) if not one.on_request]
    seen: set[str] = set()
    for sweep in sweeps:
        if sweep.name in seen:
            raise InputError(f"two sweeps are named {sweep.name!r}; results are kept by name, rename one")
        seen.add(sweep.name)
    return sweeps
