"""What a batch costs for every example, from records that are made up for the purpose."""

from dataclasses import replace

import pytest
from conftest import request_of

from autodiff.bench.ask.files import parse
from autodiff.bench.ask.tasks import asked, tasks
from autodiff.bench.judge.results import Results
from autodiff.bench.records.record import begun
from autodiff.bench.report.batches import per_example
from autodiff.bench.report.findings import findings
from autodiff.bench.report.plots import draw_all

SWEEP = {
    "name": "b", "problem": "regression_loss", "operation": "gradient", "wrt": "params",
    "engines": ["forward", "reverse"], "memory": True, "grid": {"n": 2, "batch": [1, 8, 64]},
}  # fmt: skip


def results_of(sweep, passes=2):
    """A call takes 8 µs and one more for every example, twice that in the second pass; reverse is not in the first."""
    request, found = request_of(sweep, passes=passes), []
    for task in (task for task in tasks(request) if task.of):
        batch = task.of.keywords["batch"]
        for number in range(1, passes + 1):
            took = number * 1e-6 * (8 + batch)
            made = begun(task, number, 1)
            timed = {"seconds": [took] * 5, "rounds": 5, "iterations": 1, "min_s": took, "median_s": took}
            known = {"dtype": "float64", "parameters": 100, "peak_bytes": 800 + 160 * batch}
            if task.engine != "reverse" or number > 1:
                found.append(replace(made, **known, **timed))
    return Results(asked(request), found)


def test_time_per_example_and_memory_beside_the_weights(tmp_path):
    sweep = parse(SWEEP, "x")
    results = results_of(sweep)
    section = per_example(results, sweep)
    assert section.title in [one.title for one in findings(results, [sweep])]
    table = section.table[section.table["engine"] == "forward"]
    assert table["batch"].tolist() == ["1", "8", "64"]
    assert table["per example"].tolist() == ["13.5 µs", "3 µs", "1.69 µs"]
    assert table["in 1 / here"].tolist() == ["1.00 [1.00, 1.00]", "4.50 [4.50, 4.50]", "8.00 [8.00, 8.00]"]
    assert table["costs"].tolist() == ["1"] * 3
    assert table["weights"].tolist() == ["800 B"] * 3
    assert table["peak"].tolist() == ["960 B", "2.08 KB", "11 KB"]
    assert [float(one) for one in table["peak / weights"]] == pytest.approx([1.2, 2.6, 13.8])
    assert section.table.loc[section.table["engine"] == "reverse", "in 1 / here"].tolist() == ["1.00", "4.50", "8.00"]
    written, undrawn = draw_all(results, [sweep], tmp_path)
    assert (len(written), undrawn) == (2, [])
    assert "the weights" in written[1].read_text(encoding="utf-8")
