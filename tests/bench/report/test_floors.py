"""Floors: what a call takes that has nothing to compute, and rivals without it."""

import numpy as np
import pytest
from made_up import results_of
from matplotlib.figure import Figure

from autodiff.bench.ask.files import parse
from autodiff.bench.report.floors import above_floors, floors, relative_above
from autodiff.bench.report.plots.rivals import draw_rivals
from autodiff.bench.report.rivals import relative
from autodiff.bench.report.won import won

SWEEP = parse(
    {"name": "p", "problem": "mlp", "plot": "peers", "engines": ["forward", "forward@b"],
     "grid": {"n": [4, 1, 2, 8, 1000], "m": 1, "depth": 2}}, "x",
)  # fmt: skip
FLOORS = {"forward": 1e-6, "forward@b": 20e-6}
PER_INPUT = {"value": 1e-6, "forward": 1e-6, "forward@b": 3e-6}


def made(floor=lambda engine, number: FLOORS[engine] * (1 + 0.1 * number)):
    """A call takes its floor and so much for every input; floors and times move from pass to pass alike."""

    def seconds(engine, number, n, **_):
        return (FLOORS.get(engine, 0.0) + PER_INPUT[engine] * n) * (1 + 0.1 * number)

    return results_of(SWEEP, seconds, floor=floor, depth=2, width=0)


def test_floors_are_in_the_table_and_win_nothing():
    results = made()
    assert results.frame.groupby("engine")["floor_s"].unique().map(list).to_dict() == {
        engine: [pytest.approx(1.2 * floor)] for engine, floor in FLOORS.items()
    }
    assert set(results.frame["case"]) == {case.name for case in SWEEP.cases()}
    assert set(won(results, SWEEP)["case"]) == {case.name for case in SWEEP.cases()}
    assert sum(record.case == "@identity" for record in results.records()) == 6


def test_the_floors_beside_the_smallest_network():
    section = floors(made(), SWEEP)
    table = section.table.set_index("engine")
    assert table["floor"].tolist() == ["1.2 µs", "24 µs"]
    assert table["package"].tolist() == ["autodiff", "autodiff@b"]
    assert table.loc["forward@b"].tolist()[2:] == ["38.4 µs", "14.4 µs", "62%"], "of n = 4, all being of one width"
    assert "n4-m1-d2" in section.note


def test_ratios_above_the_floors():
    """Three times the work, whatever the calls take; what is mostly a call is left out."""
    table = relative_above(made(), SWEEP)
    own = table[(table["mode"] == "forward") & (table["rival"] == "forward@b")]
    assert own["case"].tolist() == ["n4-m1-d2", "n8-m1-d2", "n1000-m1-d2"]
    assert own["above"].tolist() == pytest.approx([3.0] * 3)
    assert own["whole"].tolist() == pytest.approx([32 / 5, 44 / 9, 3020 / 1001])
    section = above_floors(made(), SWEEP).table.set_index(["mode", "engine or package"])
    row = section.loc[("forward", "forward@b")]
    assert (row["above the floors"], row["networks"], row["left out"]) == ("3.00", 3, 2)
    assert section.loc[("forward", "forward"), "above the floors"].startswith("1.00")
    assert section.loc[("best", "autodiff@b"), "above the floors"] == "3.00"


def test_a_pass_below_its_floor_is_left_out():
    results = made(lambda engine, number: 1.0 if number == 3 else FLOORS[engine] * (1 + 0.1 * number))
    table = relative_above(results, SWEEP)
    assert {tuple(each) for each in table["passes"]} == {(1, 2)}


def test_without_floors_there_are_no_sections():
    results = made(lambda engine, number: None)
    assert results.frame["floor_s"].isna().all()
    assert floors(results, SWEEP) is None
    assert above_floors(results, SWEEP) is None
    assert relative(results, SWEEP)["floor"].isna().all()


@pytest.mark.parametrize("known", [True, False])
def test_the_plot_shows_floors_that_are_known(known):
    figure = Figure()
    draw_rivals(figure, made() if known else made(lambda *_: None), SWEEP)
    axes = figure.axes[0]
    assert ("ticks are floors" in figure.axes[-1].get_xlabel()) == known
    ticks = np.concatenate([np.ma.filled(dots.get_offsets(), np.nan)[:, 0] for dots in axes.collections[1::2]])
    assert np.isnan(ticks).all() != known
    hollow = sum(len(dots.get_facecolors()) == 0 or 0 in dots.get_facecolors()[:, 3] for dots in axes.collections[::2])
    assert hollow == (1 if known else 0)
