"""What one key changes, from records that are made up for the purpose."""

from dataclasses import asdict, replace

import numpy as np
import pytest
from conftest import model_of, request_of

from autodiff.bench.ask.files import parse
from autodiff.bench.ask.names import MACHINE
from autodiff.bench.ask.tasks import asked, tasks
from autodiff.bench.judge.across import equal_cost, groups
from autodiff.bench.judge.results import Results
from autodiff.bench.records.record import Record, begun
from autodiff.bench.report.across import across, across_table
from autodiff.bench.report.plots import draw_all, roofline
from autodiff.program.count import Work

PRECISION = {
    "name": "p", "across": "dtype", "engines": ["forward", "reverse", "mixed"], "problem": "mlp",
    "series": [
        {"grid": {"n": 64, "m": [16, 64, 256], "depth": 2, "dtype": ["float64", "float32"]}},
        {"problem": "autoencoder", "grid": {"n": 8, "depth": 2, "bottleneck": 2, "dtype": ["float64", "float32"]}},
    ],
}  # fmt: skip


def results_of(sweep, seconds, passes=3):
    """Results in which ``seconds(engine, number, **keywords)`` is what a call took; None for what was not measured."""
    request, found = request_of(sweep, passes=passes), []
    for task in (task for task in tasks(request) if task.of):
        for number in range(1, passes + 1):
            took = seconds(task.engine, number, **task.of.keywords)
            made = begun(task, number, 1)
            timed = {"seconds": [took] * 5, "rounds": 5, "iterations": 1, "min_s": took, "median_s": took}
            found += [replace(made, dtype="float64", peak_bytes=1000, **timed)] if took else []
    return Results(asked(request), found)


def taken(engine, number, dtype, m=0, **_):
    """Twice as long in double precision; the machine's speed changes from pass to pass by far more than that."""
    base = {"value": 1.0, "forward": 64.0, "reverse": float(m or 64), "mixed": 8.0}[engine]
    return 1e-6 * base * (2.0 if dtype == "float64" else 1.0 if engine != "reverse" else 0.5) * 10.0**number


def test_cases_that_differ_in_one_key_are_paired_pass_by_pass():
    sweep = parse(PRECISION, "x")
    results = results_of(sweep, taken)
    assert sweep.kind == "across"
    assert [(group.name, list(group.cases)) for group in groups(results, sweep)] == [
        (name, ["float64", "float32"])
        for name in ("mlp-n64-m16-d2", "mlp-n64-m64-d2", "mlp-n64-m256-d2", "autoencoder-n8-d2-bottleneck2")
    ]
    table = across_table(results, sweep)
    assert len(table) == 4 * 3
    expected = table["engine"].map({"forward": 2.0, "reverse": 4.0, "mixed": 2.0})
    for name in ("ratio", "low", "high"):  # the passes differ, their ratios do not
        assert table[name].tolist() == pytest.approx(expected.tolist())
    times, crossings, gains = across(results, sweep)
    assert list(times.table)[:5] == ["case", "engine", "float64", "float32", "ratio"]
    assert times.table["ratio"][1] == "4.00 [4.00, 4.00]"
    assert "reverse 4 (4 to 4, 4 cases)" in times.note
    assert crossings.table["cost the same at"].tolist() == ["m = 64", "m = 128"]
    assert gains.table["float64"].tolist() == ["2.00 [2.00, 2.00]", *["8.00 [8.00, 8.00]"] * 3]


def test_what_one_side_lacks_is_left_out(tmp_path):
    sweep = parse(PRECISION, "x")
    lacking = results_of(sweep, lambda e, i, dtype, **k: None if (e, dtype) == ("reverse", "float32") else taken(
        e, i, dtype, **k))  # fmt: skip
    assert set(across_table(lacking, sweep)["engine"]) == {"forward", "mixed"}
    assert across(lacking, sweep)[1].table["at"].tolist() == ["float64"]
    assert [path.name for path in draw_all(lacking, [sweep], tmp_path)[0]] == ["p.png", "p.svg"]
    alone = results_of(sweep, lambda e, i, dtype, **k: taken(e, i, dtype, **k) if dtype == "float64" else None)
    assert across_table(alone, sweep).empty
    written, undrawn = draw_all(alone, [sweep], tmp_path)
    assert (written, undrawn) == ([], ["sweep p is not drawn: too little of it was measured"])


def test_seeds_may_be_compared_across():
    sweep = parse({"name": "s", "across": "seeds", "seeds": [1, 8], "operation": "jvp", "engines": ["forward"],
                   "problem": "mlp", "grid": {"n": 4, "m": 1, "depth": 2}}, "x")  # fmt: skip
    results = results_of(sweep, lambda engine, number, **_: 1e-6)
    assert [(group.name, list(group.cases)) for group in groups(results, sweep)] == [("n4-m1-d2", [1, 8])]
    assert across_table(results, sweep)["ratio"].tolist() == [1.0]


@pytest.mark.parametrize(
    ("ratios", "expected"),
    [
        ([(0.5, 0.5, 0.5), (2, 2, 2)], [4, 4, 4]),
        ([(0.5, 0.4, 0.9), (2, 0.9, 3)], [4, None, pytest.approx(2 ** (1 + 2 * np.log2(0.9) / np.log2(0.3)))]),
        ([(2, 2, 2), (3, 3, 3)], [None, None, None]),
    ],
)
def test_where_a_ratio_crosses_one(ratios, expected):
    assert equal_cost([2.0, 8.0], np.array(ratios, float)) == expected


def test_threads_speed_up_and_are_not_predicted(tmp_path):
    """By rates that were measured with another number of them; times of one thread are."""
    grid = {"n": [64, 256], "m": 1, "depth": 2}
    sweep = parse({"name": "t", "across": "threads", "threads": [1, 2], "engines": ["forward", "reverse"],
                   "problem": "mlp", "grid": grid}, "x")  # fmt: skip
    model = {"executor": "numpy", "dtype": "float64", "model": model_of().to_dict()}
    found = [Record(MACHINE, "float64", "model", 1, threads=1, seconds=[1.0], median_s=1.0, **model)]
    for task in (task for task in tasks(request_of(sweep)) if task.of):
        for number in (1, 2, 3):
            took = 1e-6 / (1.5 if task.threads == 2 and task.engine == "forward" else 1.0) * 3.0**number
            timed = {"seconds": [took] * 5, "rounds": 5, "iterations": 1, "min_s": took, "median_s": took}
            steps = [["matmul", "matmul", [1, 1, 100, 1], "", 1, [], []]]
            counted = {
                "work": asdict(Work(fma=100, elements=10, calls=1)),
                "steps": steps,
                "dtype": "float64",
                "executor": "numpy",
            }
            found.append(replace(begun(task, number, 1), **timed, **counted))
    results = Results(asked(request_of(sweep)), found)
    table = across_table(results, sweep)
    assert table["ratio"].tolist() == pytest.approx([1.5, 1.0] * 2)
    assert table["predicted"].isna().all()
    predicted = results.frame.set_index(["threads", "engine"])["predicted_s"]
    assert predicted.loc[1].notna().all()
    assert predicted.loc[2].isna().all()
    assert set(roofline.points(results)["threads"]) == {1}
    times = across(results, sweep)[0]
    assert list(times.table)[:5] == ["case", "engine", "threads = 1", "threads = 2", "ratio"]
    assert "predicted" not in times.table
    assert times.table["case"][0] == "mlp n = 64"
    assert {path.name for path in draw_all(results, [sweep], tmp_path)[0]} >= {"t.png", "t.svg"}
