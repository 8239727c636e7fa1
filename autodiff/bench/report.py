"""From a run's folder to its CSV, plots and report; everything is made from the records alone."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from . import records
from .findings import Section, findings
from .folder import Folder, Request
from .plan import plan
from .plots import draw_all
from .table import Results, write_csv


@dataclass(frozen=True)
class Report:
    """What a run found.

    Attributes:
        results: the table.
        sections: the summary.
        notes: warnings about the machine and about records that could not be read.
        files: what was written.
    """

    results: Results
    sections: list[Section]
    notes: list[str]
    files: list[Path]

    @property
    def wrong(self) -> pd.DataFrame:
        """Rows whose engine was wrong or broke."""
        frame = self.results.frame
        return frame[frame["status"].isin(["wrong", "failed"])]


def collect(folder: Folder, request: Request) -> tuple[Results, list[str]]:
    """The results of a run, and a sentence for every record that was left out."""
    found, problems = records.read(folder.records)
    return Results(plan(request.sweeps, request.effort, request.engines), found), problems


def write(folder: Folder, request: Request) -> Report:
    """Write CSV, plots and report.md, and return what they say."""
    results, problems = collect(folder, request)
    environment = _environment(folder)
    notes = [*environment["warnings"], *problems]
    sections = findings(results, request.sweeps)
    write_csv(results.frame, folder.csv)
    plots, undrawn = draw_all(results, request.sweeps, folder.path)
    notes += undrawn
    pictures = [path for path in plots if path.suffix == ".png"]
    folder.report.write_text(_markdown(request, results, sections, notes, environment, pictures), encoding="utf-8")
    return Report(results, sections, notes, [folder.csv, *plots, folder.report])


def _environment(folder: Folder) -> dict[str, Any]:
    try:
        data = json.loads(folder.environment.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        data = {}
    found: dict[str, Any] = data if isinstance(data, dict) else {}
    for key in ("blas", "packages"):
        if not isinstance(found.get(key), dict):
            found[key] = {}
    warnings = found.get("warnings")
    found["warnings"] = [str(text) for text in warnings] if isinstance(warnings, list) else []
    return found


def _markdown(
    request: Request,
    results: Results,
    sections: list[Section],
    notes: list[str],
    environment: dict[str, Any],
    pictures: list[Path],
) -> str:
    measured = int((results.frame["status"] == "ok").sum())
    lines = ["# What differentiating cost", "", machine_line(environment, request), ""]
    lines += [f"{measured} of {len(results.frame)} engine cases were measured, in {passes_text(request.passes)}.", ""]
    lines += [f"> {note}" for note in notes] + [""] * bool(notes)
    for section in sections:
        lines += [f"## {section.title}", "", section.note, "", markdown_table(section.table), ""]
    titles = {sweep.name: sweep.title or sweep.name for sweep in request.sweeps}
    for picture in pictures:
        lines += [f"## {titles[picture.stem]}", "", f"![{titles[picture.stem]}]({picture.name})", ""]
    lines += ["The whole table is in `results.csv`, the machine in `environment.json`.", ""]
    return "\n".join(lines)


def passes_text(passes: int) -> str:
    """``1 pass``, ``3 passes``."""
    return f"{passes} pass{'es' if passes > 1 else ''}"


def machine_line(environment: dict[str, Any], request: Request) -> str:
    """One line that says where this was measured."""
    blas, packages = environment["blas"], environment["packages"]
    threads = f"{request.threads} BLAS thread{'s' if request.threads > 1 else ''}"
    return (
        f"{environment.get('processor', 'unknown processor')}, {environment.get('python', 'Python')}, "
        f"NumPy {packages.get('numpy', '?')}, {blas.get('library', 'BLAS')} {blas.get('version') or ''} "
        f"({blas.get('kernel') or 'unknown'} kernels), {threads}"
    )


def markdown_table(table: pd.DataFrame) -> str:
    """A pipe table."""
    rows = [list(table.columns), ["---"] * table.shape[1], *table.astype(str).to_numpy().tolist()]
    return "\n".join("| " + " | ".join(str(cell).replace("|", "\\|") for cell in row) + " |" for row in rows)
