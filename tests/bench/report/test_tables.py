"""What a person gets: who won, CSV files that need no source, and text from outside that is only text."""

import json
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest
from conftest import request_of

from autodiff.bench.ask.files import parse
from autodiff.bench.ask.tasks import tasks
from autodiff.bench.judge.columns import FILES, KEY, PASS, RESULTS, WON, dictionary
from autodiff.bench.judge.comparison import Comparison
from autodiff.bench.judge.rule import Floors, judge
from autodiff.bench.records import folder as folders
from autodiff.bench.records import record as records
from autodiff.bench.records.folder import Folder
from autodiff.bench.records.record import begun
from autodiff.bench.report import report
from autodiff.bench.report.won import who_won, won

HOSTILE = "line\none <script>alert(1)</script> | [link](http://x) `code` *bold* \x1b[31mred\x1b[0m [/] [bold] $\\frac{"
SWEEP = {
    "name": "tiny", "engines": ["forward", "reverse", "mixed"], "problem": "mlp",
    "grid": {"n": [1, 4, 16], "m": 1, "depth": 2},
}  # fmt: skip
SECONDS = {"value": 1e-6, "forward": 2e-6, "reverse": 6e-6, "mixed": 2.5e-6}


def run(path, sweep, passes=3, taken=None, **changes):
    """The folder of a run whose calls took ``taken(engine, keywords, number)`` seconds."""
    taken = taken or (lambda engine, keywords, number: SECONDS[engine] * (1 + 0.01 * number))
    request, folder = request_of(sweep, passes=passes), Folder(path)
    path.mkdir()
    folders.write_json(folder.request, request.model_dump(mode="json"))
    folders.write_json(folder.environment, {"processor": "x", "host": "here", "git_commit": "123456", "warnings": []})
    for task in (task for task in tasks(request) if task.of):
        for number in range(1, passes + 1):
            one = taken(task.engine, task.of.keywords, number)
            if one is None:
                continue
            made = replace(
                begun(task, number, 1), dtype="float64", m=1, depth=2, executor="numpy", seconds=[one] * 5, rounds=5,
                iterations=1, min_s=one, median_s=one, mean_s=one, stddev_s=0.0, iqr_s=0.0, prepare_s=1e-5, **changes,
            )  # fmt: skip
            records.append(folder.records, made)
    return folder, request


def test_the_columns_are_explained_where_results_are_kept():
    kept = Path(__file__).parents[3] / "results" / "COLUMNS.md"
    told = "python -m autodiff.bench.judge.columns > results/COLUMNS.md"
    assert kept.read_text(encoding="utf-8") == dictionary(), f"{told} writes it anew"


def test_tables_are_read_without_options(tmp_path):
    """Of the types that the dictionary says, texts that are empty throughout included."""
    folder, request = run(tmp_path / "run", parse(SWEEP, "x"))
    report.write(folder, request)
    types = {"text": "str", "integer": "int64", "number": "float64", "seconds": "float64", "truth": "bool"}
    for name, known in (("results.csv", RESULTS), ("passes.csv", PASS), ("tiny.csv", WON)):
        table = pd.read_csv(folder.path / name)
        assert [column for column in known if column not in table] == []
        for column, (kind, _) in known.items():
            if kind == "count" or table[column].isna().all():
                assert kind in ("count", "number", "seconds")
            else:
                assert str(table[column].dtype).replace("object", "str") == types[kind], column
        assert table[KEY + "n"].dtype == "int64"
    assert set(pd.read_csv(folder.csv)["commit"]) == {"g123456"}
    assert (len(pd.read_csv(folder.path / "passes.csv")), len(pd.read_csv(folder.csv))) == (36, 9)
    assert set(FILES) == {"results.csv", "passes.csv", "SWEEP.csv", "rules.csv", "constants.csv"}


def test_who_won(tmp_path):
    def taken(engine, keywords, number):
        slower = keywords["n"] / 4 if engine == "reverse" else 1.0
        return SECONDS[engine] * slower * (1 + 0.01 * number)

    sweep = parse(SWEEP, "x")
    folder, request = run(tmp_path / "run", sweep, taken=taken)
    results, _, _ = report.collect(folder, request)
    table = won(results, sweep)
    assert table[KEY + "n"].tolist() == [1, 4, 16]
    assert table["winner"].tolist() == ["reverse", "forward", "forward"]
    assert table["other"].tolist() == ["forward", "mixed", "mixed"]  # another mode than the winner's
    assert table["ratio"].tolist() == pytest.approx([4 / 3, 1.25, 1.25])
    assert table["decided"].tolist() == [True, True, True]
    assert table["cost_ratio"].tolist() == pytest.approx([1.5, 2.0, 2.0])
    assert table["mixed_s"].tolist() == pytest.approx([2.55e-6] * 3)
    section = who_won(results, sweep)
    assert list(section.table) == [
        "n",
        *SWEEP["engines"],
        "winner",
        "time",
        "ahead by",
        "of",
        "costs",
        "counted",
        "predicted",
    ]
    assert section.spare[0] == tuple(SWEEP["engines"])


def test_one_pass_has_no_interval_and_says_so(tmp_path):
    sweep = parse(SWEEP, "x")
    folder, request = run(tmp_path / "run", sweep, passes=1)
    section = who_won(report.collect(folder, request)[0], sweep)
    assert section.table["ahead by"].tolist() == ["1.25, one pass"] * 3
    assert "One pass, so no intervals." in section.note
    assert "no difference" not in section.table.to_string()


def test_cases_that_differ_in_a_word_are_told_apart(tmp_path):
    both = [SWEEP["grid"] | {"n": 4, "activation": word, "dtype": kind} for word in ("tanh", "relu")
            for kind in ("float64", "float32")]  # fmt: skip
    sweep = parse(SWEEP | {"grid": {}, "series": [{"grid": grid} for grid in both]}, "x")
    folder, request = run(tmp_path / "run", sweep)
    table = who_won(report.collect(folder, request)[0], sweep).table
    assert list(table)[:2] == ["activation", "dtype"]
    assert not table[["activation", "dtype"]].duplicated().any()


@pytest.mark.parametrize("plot", [None, "memory", "gain", "ratio", "peers", "bars", "tradeoff"])
def test_engines_without_a_common_pass(tmp_path, plot):
    """What cannot be compared is left out, and the rest reported."""
    passes = {"value": (1, 2), "forward": (1,), "reverse": (2,), "mixed": (2,)}
    drawn = {"memory": True} if plot == "memory" else {"plot": plot} if plot else {}
    sweep = parse(SWEEP | drawn, "x")
    measured = run(tmp_path / "run", sweep, passes=2, taken=lambda e, _, i: SECONDS[e] if i in passes[e] else None)
    made = report.write(*measured)
    assert (made.results.frame["status"] == "ok").all()


def test_a_report_needs_no_engine(tmp_path):
    """It is made from records alone, of engines and problems that are not here."""
    sweep = parse(SWEEP | {"plot": "peers"}, "x")
    folder, _ = run(tmp_path / "run", sweep)
    for file in (folder.request, folder.records):
        file.write_text(file.read_text().replace('"forward"', '"nowhere-forward"').replace('"mlp"', '"their:net"'))
    lines = [json.loads(line) | {"mode": "forward"} for line in folder.records.read_text().splitlines()]
    folder.records.write_text("".join(json.dumps(line) + "\n" for line in lines))
    made = report.write(*folders.open_run(folder.path))
    assert set(made.results.frame["engine"]) == {"nowhere-forward", "reverse", "mixed"}
    assert any(section.title == "Rivals, forward (tiny)" for section in made.sections)


@pytest.mark.parametrize("plot", ["curves", "ratio", "gain"])
def test_text_from_outside_is_only_text(tmp_path, called, plot):
    """In reports, in terminals and in plots; a reason as long as a book is cut."""
    sweep = parse(SWEEP | {"title": HOSTILE, "plot": plot}, "x")
    folder, request = run(tmp_path / "run", sweep)
    lost = begun(next(task for task in tasks(request) if task.engine == "mixed"), 3, 1)
    lost.status, lost.reason = "failed", HOSTILE + "x" * 10_000_000
    records.append(folder.records, lost)
    status, said = called("report", folder.path)
    assert status == 0
    assert "\x1b" not in said
    text = folder.report.read_text()
    assert all(bad not in text for bad in ("<script", "](http", "\x1b", "\none "))
    assert "line one &lt;script&gt;" in text
    assert len(text) < 20_000
    assert folder.csv.stat().st_size < 20_000


def test_a_comparison_for_a_pull_request_is_only_text():
    times = {1: 1e-6, 2: 1.01e-6, 3: 1.02e-6}
    slower = {number: 2 * time for number, time in times.items()}
    pairs = {("group", HOSTILE, ""): (times, slower)}
    table = judge(pairs, 0.0, Floors())
    means = table.assign(cases=1)[["sweep", "engine", "cases", "ratio", "low", "high", "verdict"]]
    made = Comparison(table, means, [HOSTILE], Floors(), 1.0)
    text = made.to_markdown()
    assert all(bad not in text for bad in ("<script", "](http", "\x1b", "\none "))


def test_what_quick_leaves_out_is_said(tmp_path):
    sweep = parse(SWEEP | {"grid": {"m": 1, "depth": 2}, "points": [{"n": n} for n in (1, 2, 4, 8)]}, "x")
    folder, request = run(tmp_path / "run", sweep)
    made = report.write(folder, request.model_copy(update={"effort": "quick"}))
    assert "sweep tiny: 2 of its 4 points, at quick effort" in made.notes


def test_cases_whose_f_was_not_measured_are_named(tmp_path):
    folder, request = run(tmp_path / "run", parse(SWEEP, "x"), taken=lambda e, *_: None if e == "value" else SECONDS[e])
    notes = report.write(folder, request).notes
    assert any("f itself was not measured" in note and "tiny n1-m1-d2" in note for note in notes)


def test_a_pass_that_failed_before_others_did_not_is_mentioned(tmp_path):
    folder, request = run(tmp_path / "run", parse(SWEEP, "x"))
    task = next(task for task in tasks(request) if task.engine == "mixed")
    for number, expected in ((1, "ok"), (3, "failed")):
        lost = begun(task, number, 1)
        lost.status, lost.reason = "failed", "it was killed"
        records.append(folder.records, lost)
        row = report.collect(folder, request)[0].frame.set_index("engine").loc["mixed"].iloc[0]
        assert row["status"] == expected
        assert "it was killed" in row["reason"]
