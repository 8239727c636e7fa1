"""The landscape: which mode wins on which network, measured beside predicted, and what choosing cost."""

from dataclasses import replace

import pytest
from conftest import request_of

from autodiff.bench.ask.files import parse
from autodiff.bench.ask.tasks import asked, tasks
from autodiff.bench.judge.results import Results
from autodiff.bench.records.record import begun
from autodiff.bench.report.landscape import landscape, landscape_table
from autodiff.bench.report.plots import draw_all

SWEEP = parse(
    {
        "name": "families", "plot": "landscape",
        "engines": ["forward", "reverse", "compiled-forward", "compiled-reverse", "auto"],
        "series": [
            {"problem": "mlp", "grid": {"n": 64, "m": [1, 64], "depth": 2}},
            {"problem": "heat", "grid": {"to": "diffusivity"}},
        ],
    },
    "x",
)  # fmt: skip
TAKEN = {
    "mlp-n64-m1-d2": {"forward": 30.0, "reverse": 3.0, "compiled-forward": 20.0, "compiled-reverse": 1.0, "auto": 1.0},
    "mlp-n64-m64-d2": {"forward": 9.0, "reverse": 9.0, "compiled-forward": 8.0, "compiled-reverse": 4.0, "auto": 8.0},
    "heat-todiffusivity": {
        "forward": 2.0,
        "reverse": 8.0,
        "compiled-forward": 1.0,
        "compiled-reverse": 8.0,
        "auto": 1.0,
    },
}


def made(passes=3):
    request, found = request_of(SWEEP, passes=passes), []
    for task in tasks(request):
        for number in range(1, passes + 1) if task.of else ():
            took = 1e-6 * TAKEN[task.of.name].get(task.engine, 0.5) * 3.0**number  # the machine's speed changes
            n, m = {"mlp-n64-m1-d2": (64, 1), "mlp-n64-m64-d2": (64, 64)}.get(task.of.name, (4, 64))
            timed = {"seconds": [took] * 5, "rounds": 5, "iterations": 1, "min_s": took, "median_s": took}
            found.append(replace(begun(task, number, 1), dtype="float64", n=n, m=m, package="autodiff", **timed))
    return Results(asked(request), found)


def test_forward_over_reverse_by_network():
    table = landscape_table(made(), SWEEP)
    own = table[table["first"] == "forward"].set_index("case")
    assert own["ratio"].to_dict() == pytest.approx(
        {"mlp-n64-m1-d2": 10.0, "mlp-n64-m64-d2": 1.0, "heat-todiffusivity": 0.25}
    )
    assert own["name"]["heat-todiffusivity"] == "heat diffusivity"
    numpys, compiled, chosen = landscape(made(), SWEEP)
    assert list(numpys.table["network"]) == ["heat-todiffusivity", "mlp-n64-m64-d2", "mlp-n64-m1-d2"]
    assert list(numpys.table["m x n"]) == ["64 x 4", "64 x 64", "1 x 64"]
    assert "compiled-forward" in compiled.title
    assert "1.26 as the geometric mean of 3 networks, 2 at worst" in chosen.note
    assert list(chosen.table["best"]) == ["compiled-reverse", "compiled-reverse", "compiled-forward"]


def test_it_is_drawn(tmp_path):
    files, undrawn = draw_all(made(passes=1), [SWEEP], tmp_path)
    assert not undrawn
    text = (tmp_path / "families.svg").read_text()
    assert {file.name for file in files} == {"families.png", "families.svg"}
    for words in ("reverse wins", "forward wins", "measured", "predicted", "heat diffusivity, 64 x 4"):
        assert words in text
