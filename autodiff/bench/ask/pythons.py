"""Other interpreters, for packages that do not go into one environment with the rest."""

from __future__ import annotations

import functools
import json
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ...engines import Engine, engines
from ...engines import engine as find_engine
from ...errors import InputError, UnknownNameError
from .names import OURS

#: makes this very package importable, and nothing that lies beside it: on a path, the folder that pip installs into
#: would stand in front of the other interpreter's own packages
BEGIN = """
import importlib.util, sys
spec = importlib.util.spec_from_file_location("autodiff", sys.argv.pop(1))
sys.modules["autodiff"] = package = importlib.util.module_from_spec(spec)
spec.loader.exec_module(package)
"""
ASK = """
import importlib.metadata, json, platform
import autodiff.bench.measure.plugin
from autodiff.engines import engine, engines
found = {name: reason for name, reason in engines().items() if engine(name).family == sys.argv[1]}
versions = {}
for one in importlib.metadata.distributions():
    versions.setdefault(one.metadata["Name"], one.version)  # the first is the one that is imported
python = f"{platform.python_implementation()} {platform.python_version()}"
print(json.dumps({"engines": found, "packages": dict(sorted(versions.items())), "python": python}))
"""
PYTEST = "import runpy; runpy.run_module('pytest', run_name='__main__', alter_sys=True)"
PATIENCE = 120.0  #: seconds that an interpreter has to answer
PACKAGE = Path(__file__).parents[2] / "__init__.py"  #: of this package


def family_of(engine: Engine) -> str:
    """The family, without the tag of a rival."""
    return engine.family.partition("@")[0]


def read_pythons(given: Sequence[str]) -> dict[str, str]:
    """``pytensor=PATH``, an interpreter or the folder of a virtual environment, by family.

    Raises:
        InputError: something else, no such interpreter, or one that cannot measure; UnknownNameError: no such peer.
    """
    found: dict[str, str] = {}
    for text in given:
        family, equals, path = text.partition("=")
        if not equals or not family or not path:
            raise InputError(f"--peer-python is {text[:80]!r}; expected PEER=PATH, such as pytensor=/opt/venv")
        if family in found:
            raise InputError(f"--peer-python names {family} twice")
        known = {family_of(find_engine(name)) for name in engines()} - {OURS}
        if family not in known:
            raise UnknownNameError("peer", family, known)
        folder = Path(path).expanduser()
        python = folder / ("Scripts/python.exe" if os.name == "nt" else "bin/python") if folder.is_dir() else folder
        found[family] = str(python.absolute())
        ask(family, found[family])
    return found


def command(python: str, code: str, *arguments: str) -> list[str]:
    """Let an interpreter run code that imports this very package, and everything else from where it has it."""
    return [python, "-P", "-c", BEGIN + code, str(PACKAGE), *arguments]


def pytest_command(python: str) -> list[str]:
    """How an interpreter starts pytest; its arguments follow."""
    return [python, "-P", "-m", "pytest"] if python == sys.executable else command(python, PYTEST)


@functools.cache
def ask(family: str, python: str) -> dict[str, Any]:
    """What an interpreter says of the engines of a family: ``engines`` (reasons), ``packages`` and ``python``.

    Raises:
        InputError: it is no interpreter, lacks what measuring needs, or the package.
    """
    try:
        asked = command(python, ASK, family)
        done = subprocess.run(asked, capture_output=True, text=True, timeout=PATIENCE, check=False)
        found: dict[str, Any] = json.loads(done.stdout.strip().splitlines()[-1]) if done.returncode == 0 else {}
    except (OSError, ValueError, IndexError, subprocess.TimeoutExpired) as error:
        raise InputError(f"--peer-python {family}: {python} is no interpreter that answers ({error})") from error
    if not found:
        last = (done.stderr.strip().splitlines() or ["it said nothing"])[-1]
        raise InputError(f"--peer-python {family}: {python} cannot measure ({last}); pip install autodiff-bench there")
    if all(found["engines"].values()):
        raise InputError(f"--peer-python {family}: {python}: {next(iter(found['engines'].values()))}")
    return found
