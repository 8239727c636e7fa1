"""The speed of an executor on this machine, what it predicts programs to take, and where it is kept.

Products run at arithmetic speed, everything that only streams arrays at the speed of the memory that they lie in, and
small work at the speed of calls; their sum, not n against m, decides which mode is faster. :mod:`.tables` measures.
"""

from __future__ import annotations

import functools
import json
import os
import platform
import tempfile
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import DTypeLike

from ..program.program import Program
from .model import Model, Rates

SCHEMA = 2
MACHINES = 16  #: of which rates are kept in one file, the latest


#: one core of a 2023 server processor, float64; for choices where nothing was measured
TYPICAL = {
    "numpy": Rates(call=7e-7, start=2e-6, element=1.5e-10, transcendental=3e-9, fma=2.9e-11),
    "compiled": Rates(call=4e-8, start=6e-7, element=1.5e-10, transcendental=3e-9, fma=2.9e-11),
}
EXECUTORS = tuple(TYPICAL)
PRECISIONS = ("float64", "float32")


def typical(executor: str) -> Rates:
    """The rates of an executor, "numpy" or "compiled", on a typical machine."""
    return TYPICAL[executor]


def rates_for(executor: str, dtype: DTypeLike) -> Rates:
    """The rates of an executor as ``autodiff env --calibrate`` measured them on this machine, else typical ones."""
    return _found(rates_file()).rates.get((executor, np.dtype(dtype).name)) or typical(executor)


LONG = 4000  #: instructions


def predicted(executor: str, program: Program) -> float:
    """Seconds that a run of a program should take: by this machine's model, else by its counts and typical rates.

    Of a long program the model's rates alone are asked: telling how long ago everything was used takes longer than
    writing the program, and what is repeated so often is told well enough by its counts.
    """
    found = _found(rates_file()).models.get((executor, program.code.dtype.name))
    if found is None:
        return typical(executor).predict(program.work)
    return found.predict(program.steps(executor)) if len(program) < LONG else found.rates.predict(program.work)


@dataclass(frozen=True, slots=True)
class Kept:
    """What is kept of this machine, as it is now.

    Attributes:
        path: of the file.
        models: by executor and precision; empty where there are none.
        measured: when, in ISO 8601.
        note: empty, or why the file could not be used, or what disturbed the measuring.
        rates: of the models.
    """

    path: Path
    models: dict[tuple[str, str], Model] = field(default_factory=dict)
    measured: str = ""
    note: str = ""
    rates: dict[tuple[str, str], Rates] = field(default_factory=dict)


def rates_file() -> Path:
    """Where rates are kept: in ``$AUTODIFF_CACHE``, else in ``autodiff`` in the user's folder of caches."""
    own, users = os.environ.get("AUTODIFF_CACHE"), os.environ.get("XDG_CACHE_HOME")
    if own:
        return Path(own) / "rates.json"
    try:
        base = Path(users) if users and Path(users).is_absolute() else Path("~/.cache").expanduser()
    except RuntimeError:  # nobody's home
        base = Path(tempfile.gettempdir())
    return base / "autodiff" / "rates.json"


def kept() -> Kept:
    """What is kept of this machine with these versions of BLAS and packages; read once in a process."""
    return _found(rates_file())


def in_use() -> dict[str, Any]:
    """The rates that choices are made by, in seconds, and since when and where they are kept; ready for JSON."""
    found = kept()
    seconds = {
        f"{executor} {precision}": asdict(rates_for(executor, precision))
        for executor in EXECUTORS
        for precision in PRECISIONS
    }
    return {"measured": found.measured or None, "file": str(found.path), "note": found.note, "seconds": seconds}


def keep(models: Mapping[tuple[str, str], Model], measured: str, note: str = "") -> str:
    """Keep models of this machine in place of earlier ones; a file that cannot be read is replaced.

    Returns empty, or why they could not be kept.
    """
    path, own = rates_file(), machine()
    entries, _ = _entries(path)
    entries = [one for one in entries if one.get("machine") != own][1 - MACHINES :]
    made = {f"{executor} {precision}": one.to_dict() for (executor, precision), one in models.items()}
    entries.append({"machine": own, "measured": measured, "models": made, "note": note})
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        number, name = tempfile.mkstemp(dir=path.parent, prefix=path.name)
        try:
            with os.fdopen(number, "w", encoding="utf-8") as file:
                json.dump({"schema": SCHEMA, "kept": entries}, file, indent=1)
            Path(name).replace(path)
        except BaseException:
            Path(name).unlink(missing_ok=True)
            raise
    except OSError as error:
        return f"{path}: {error.strerror or error}"
    finally:
        _found.cache_clear()
    return ""


@functools.cache
def machine() -> dict[str, Any]:
    """What rates belong to: the processor, BLAS and its kernels, the versions of the packages that do the work."""
    from ..version import __version__
    from .blas import blas_info

    blas = blas_info()
    return {
        "processor": _processor(),
        "cores": os.cpu_count(),
        "blas": [blas["library"], blas["version"], blas["kernel"]],
        "numpy": np.__version__,
        "numba": _version("numba"),
        "autodiff": __version__,
    }


def _processor() -> str:
    try:
        with Path("/proc/cpuinfo").open(encoding="utf-8", errors="replace") as file:
            for line in file:
                if line.startswith("model name"):
                    return line.partition(":")[2].strip()
    except OSError:
        pass
    return platform.processor() or platform.machine()


def _version(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None


@functools.cache
def _found(path: Path) -> Kept:
    entries, note = _entries(path)
    own = machine() if entries else {}
    for one in entries:
        if one.get("machine") == own:
            models = _models(one.get("models"))
            if models:
                rates = {key: model.rates for key, model in models.items()}
                return Kept(path, models, str(one.get("measured", "")), note or str(one.get("note", "")), rates)
            note = f"{path}: the rates of this machine cannot be read"
    return Kept(path, note=note)


def _entries(path: Path) -> tuple[list[dict[str, Any]], str]:
    """What a file holds, and why it cannot be read; nothing of either where there is none."""
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return [], ""
    except OSError as error:
        return [], f"{path}: {error.strerror or error}"
    except (ValueError, RecursionError):
        return [], f"{path} is damaged"
    if not isinstance(data, dict) or data.get("schema") != SCHEMA or not isinstance(data.get("kept"), list):
        return [], f"{path} is not a file of rates that this version reads"
    return [one for one in data["kept"] if isinstance(one, dict)], ""


def _models(data: Any) -> dict[tuple[str, str], Model]:
    """Models as they were kept; empty if anything is amiss."""
    found = {}
    for executor in EXECUTORS:
        for precision in PRECISIONS:
            one = data.get(f"{executor} {precision}") if isinstance(data, dict) else None
            if one is None:
                continue
            made = Model.read(one)
            if made is None:
                return {}
            found[executor, precision] = made
    return found
