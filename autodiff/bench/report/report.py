"""From a run's folder to its CSV, plots and report; everything is made from the records alone."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from ...errors import InputError
from ...text import markdown, markdown_table, tame
from ..ask.request import Request
from ..ask.sweep import SEEDS, Sweep
from ..ask.tasks import asked
from ..judge.compare import self_check
from ..judge.noise import verdict
from ..judge.results import Results
from ..judge.side import few
from ..records import record as records
from ..records.folder import Folder, read_environment
from ..records.record import Record
from .findings import findings, missing, prediction, steadiness
from .floors import above_floors, floors
from .plots import ROOFLINE, draw_all
from .rivals import preparation, standings
from .rules import regrets, rules_of_thumb
from .section import Section
from .tables import origin, write_csv, write_tables


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


def collect(folder: Folder, request: Request) -> tuple[Results, list[str], list[Record]]:
    """The results of a run, a sentence for every record that was left out, and the records."""
    found, problems = records.read(folder.records)
    return Results(asked(request), found, origin(folder, read_environment(folder))), problems, found


def write(folder: Folder, request: Request) -> Report:
    """Write CSV, plots and report.md, and return what they say; the same records give the same bytes."""
    results, problems, found = collect(folder, request)
    environment = _environment(folder)
    mixed = _mixed(environment, found)
    notes = [verdict(environment, found), mixed, *environment["warnings"], *_passes(request, found)]
    notes += [sweep.left_out(request.effort) for sweep in request.sweeps]
    notes += [_without_value(results, request), *few_problems(problems)]
    notes = [tame(note, LONGEST) for note in notes if note]
    checked = _self_check(folder) if request.again else None
    rules = regrets(results, [sweep for sweep in request.sweeps if sweep.kind in ("map", "gain")])
    sections = [*([checked] if checked else []), *_sections(results, request.sweeps, rules)]
    if mixed:
        sections = [replace(one, note=f"{one.note} {MIXED}") for one in sections]
    tables = write_tables(folder, results, request.sweeps)
    if not rules.empty:
        write_csv(rules, folder.rules)
        tables.append(folder.rules)
    plots, undrawn = draw_all(results, request.sweeps, folder.path)
    notes += undrawn
    pictures = [path for path in plots if path.suffix == ".png"]
    folder.report.write_text(_markdown(request, results, sections, notes, environment, pictures), encoding="utf-8")
    return Report(results, sections, notes, [*tables, *plots, folder.report])


def _self_check(folder: Folder) -> Section | None:
    """What engines differ by that are the same; None while too little was measured."""
    try:
        found = self_check(folder.path)
    except InputError:
        return None
    rows = []
    for (sweep, engine), own in found.table.groupby(["sweep", "engine"], sort=False):
        logs = np.log(own["ratio"])
        alarms = f"{(own['verdict'] != 'same').sum()} of {len(own)}"
        worst = f"{np.exp(logs.abs().max()):.3f}"
        rows.append((sweep, engine, f"{np.exp(logs.mean()):.3f}", f"{np.exp(logs.std(ddof=0)):.3f}", worst, alarms))
    names = ["sweep", "engine", "second / first", "spread", "at worst", "false alarms"]
    return Section("Self-check", f"{found.headline}.", pd.DataFrame(rows, columns=names))


def _sections(results: Results, sweeps: list[Sweep], rules: pd.DataFrame) -> list[Section]:
    made: list[Section | None] = [*findings(results, sweeps)]
    for sweep in (one for one in sweeps if one.kind == "peers" or _packages(results, one) > 1):
        made += [*standings(results, sweep), floors(results, sweep), above_floors(results, sweep)]
        made.append(preparation(results, sweep))
    made += [rules_of_thumb(rules), prediction(results), steadiness(results), missing(results)]
    return [section for section in made if section is not None and not section.table.empty]


def _packages(results: Results, sweep: Sweep) -> int:
    """How many packages' engines a sweep was measured with."""
    return int(results.measured(sweep.name)["package"].nunique())


LONGEST = 2000  #: characters of a note
SAID = 5  #: records that cannot be read whose reasons are told, one by one


def few_problems(problems: list[str]) -> list[str]:
    """A sentence for each of the first, and how many there are besides."""
    more = len(problems) - SAID
    return [*(tame(one) for one in problems[:SAID]), *([f"{more} more lines are left out"] if more > 0 else [])]


def _without_value(results: Results, request: Request) -> str:
    """Empty, or of which cases f itself was not measured, where it should have been."""
    frame, meant = results.frame, [sweep.name for sweep in request.sweeps if sweep.axes != [SEEDS]]
    lost = frame[(frame["status"] == "ok") & frame["value_s"].isna() & frame["sweep"].isin(meant)]
    names = [f"{sweep} {case}" for sweep, case in dict.fromkeys(zip(lost["sweep"], lost["case"], strict=True))]
    return f"f itself was not measured, so there are no costs in evaluations of it: {few(names)}." if names else ""


MIXED = "(Mixed settings: see the note at the top.)"


def _mixed(environment: dict[str, Any], found: list[Record]) -> str:
    """Empty, or that a run was resumed under other settings, and under which."""
    used = sorted({record.setting for record in found} - {0})
    if not used:
        return ""
    resumed = environment.get("resumed")
    known = resumed if isinstance(resumed, list) else []
    said = []
    for number in used:
        one = known[number - 1] if number <= len(known) else None
        changed = one.get("differences") if isinstance(one, dict) else None
        said += [str(text) for text in changed] if isinstance(changed, list) else ["unknown ones"]
    return f"Mixed settings: this run was resumed under others ({'; '.join(said)}); times across them do not compare."


def _passes(request: Request, found: list[Record]) -> list[str]:
    """How many passes a budget left room for."""
    made = max((record.number for record in found), default=0)
    if request.budget is None or made >= request.passes:
        return []
    return [f"With a budget of {request.budget:g} s, {made} of {request.passes} passes were measured."]


def _environment(folder: Folder) -> dict[str, Any]:
    found = read_environment(folder)
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
    passes = int(results.frame["passes"].max()) if len(results.frame) else 0
    lines = ["# What differentiating cost", ""]
    lines += ["\n>\n".join(f"> {markdown(note, LONGEST)}" for note in notes), ""] if notes else []
    lines += [markdown(machine_line(environment, request)), ""]
    lines += [f"{measured} of {len(results.frame)} engine cases were measured, in {passes_text(passes)}.", ""]
    for section in sections:
        note = markdown(section.note, LONGEST)
        lines += [f"## {markdown(section.title)}", "", note, "", markdown_table(section.table), ""]
    titles = {sweep.name: markdown(sweep.heading) for sweep in request.sweeps} | {ROOFLINE: "Roofline"}
    for picture in pictures:
        lines += [f"## {titles[picture.stem]}", "", f"![{titles[picture.stem]}]({picture.name})", ""]
    lines += [
        "The whole table is in `results.csv`, every pass in `passes.csv`; `COLUMNS.md` says what their columns mean,",
        "`environment.json` what the machine was.",
        "",
    ]
    return "\n".join(lines)


def passes_text(passes: int) -> str:
    """``1 pass``, ``3 passes``."""
    return f"{passes} pass{'es' if passes != 1 else ''}"


def machine_line(environment: dict[str, Any], request: Request) -> str:
    """One line that says where this was measured."""
    blas, packages = environment["blas"], environment["packages"]
    threads = f"{request.threads} BLAS thread{'s' if request.threads > 1 else ''}"
    own = [sweep.name for sweep in request.sweeps if any(series.threads for series in sweep.series)]
    threads += f" (but in {few(own)})" if own else ""
    return (
        f"{environment.get('processor', 'unknown processor')}, {environment.get('python', 'Python')}, "
        f"NumPy {packages.get('numpy', '?')}, {blas.get('library', 'BLAS')} {blas.get('version') or ''} "
        f"({blas.get('kernel') or 'unknown'} kernels), {threads}"
    )
