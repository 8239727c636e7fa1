"""The CSV files of a run, which anyone can use without the source."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Any

import pandas as pd

from ...text import tame
from ..ask.sweep import Sweep
from ..judge.columns import FILES, KEY, PASS, dictionary
from ..judge.results import Results, typed
from ..records.folder import Folder
from .constants import constants
from .won import won


def origin(folder: Folder, environment: dict[str, Any]) -> dict[str, str]:
    """Run, host and commit, which begins with g as git describes it: hexadecimal digits may look like a number."""
    run = environment.get("run") or folder.path.resolve().name
    commit = environment.get("git_commit")
    known = {"run": run, "host": environment.get("host"), "commit": f"g{commit}" if commit else ""}
    return {name: tame(value, 100) if value else "" for name, value in known.items()}


def passes(results: Results) -> pd.DataFrame:
    """A row per record."""
    rows = []
    for record in results.records():
        row = results.origin | {name: value for name, value in asdict(record).items() if name in PASS}
        row |= {"pass": record.number, "reason": tame(record.reason)}
        rows.append(row | {KEY + name: value for name, value in record.keywords.items() if _scalar(value)})
    return typed(rows, PASS)


def _scalar(value: object) -> bool:
    """A record may hold anything under a keyword; a sweep asks for words and numbers."""
    return isinstance(value, str | int | float)


def write_tables(folder: Folder, results: Results, sweeps: list[Sweep]) -> list[Path]:
    """Write results.csv, passes.csv, who won every sweep, and what all their columns mean."""
    write_csv(results.frame, folder.csv)
    write_csv(passes(results), folder.path / "passes.csv")
    written = [folder.csv, folder.path / "passes.csv"]
    for sweep in sweeps:
        table = constants(results, sweep) if sweep.kind == "constants" else won(results, sweep)
        if not table.empty:
            written.append(folder.path / f"{sweep.name}.csv")
            write_csv(table, written[-1])
    columns = folder.path / "COLUMNS.md"
    columns.write_text(dictionary(), encoding="utf-8")
    return [*written, columns]


def write_csv(frame: pd.DataFrame, path: Path) -> None:
    """Write a table, six significant digits; a text that is empty becomes "-", so that its column stays text."""
    known = {name: kind for _, columns in FILES.values() for name, (kind, _) in columns.items()}
    texts = {name: frame[name].map(tame).replace("", "-") for name in map(str, frame) if known.get(name) == "text"}
    frame.assign(**texts).to_csv(path, index=False, float_format=_digits)


def _digits(value: object) -> str:
    """Six significant ones, and a point, by which a column stays one of floating-point numbers."""
    text = f"{value:.6g}"
    return text if set(text) & set(".en") else f"{text}.0"
