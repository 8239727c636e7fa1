"""Checkpointing against its optimum, from the counts of real programs in records that are made up otherwise."""

import functools

import pytest
from made_up import results_of
from matplotlib.figure import Figure

import autodiff as ad
from autodiff.bench.ask.files import load, parse
from autodiff.bench.report.checkpoints import checkpoint_table, checkpointing
from autodiff.bench.report.plots.checkpoints import draw_checkpoints
from autodiff.engines.revolve import advances

SWEEP = load("checkpoints")
CHECKPOINTS = [1, 2, 4, 8, 16, 32]


@functools.cache
def work(engine, n, m, depth, width):
    network = ad.problems.mlp(n, m, depth, width)
    if engine.endswith("value"):
        return ad.engine(engine.replace("value", "reverse")).layout(network, operation="value").work
    return ad.engine(engine).layout(network, operation="vjp").work


def made(engines=SWEEP.series[0].engines, grid=None, **changes):
    """A run of a narrower chain, in which time is what was counted."""
    grid = grid or {"n": 4, "m": 4, "depth": 128, "width": 4}
    sweep = parse(
        {"name": "c", "problem": "mlp", "operation": "vjp", "plot": "checkpoints", "engines": engines, "grid": grid},
        "x",
    )
    results = results_of(
        sweep, lambda engine, number, **sizes: 1e-9 * work(engine, **sizes).fma * (1 + 0.01 * number),
        work=lambda engine, **sizes: work(engine, **sizes), m=4, depth=128, peak_bytes=1000, **changes,
    )  # fmt: skip
    return results, sweep


def test_counted_evaluations_are_the_fewest_possible():
    results, sweep = made()
    table = checkpoint_table(results, sweep)
    assert table["checkpoints"].tolist() == CHECKPOINTS
    assert table["evaluations"].tolist() == pytest.approx([128 + advances(128, c) for c in CHECKPOINTS], abs=1e-9)
    assert table["optimum"].tolist() == [8256, 1368, 644, 457, 366, 350]
    assert table["counted"].tolist() == pytest.approx(table["optimum"] / 128)
    ratio = [work(f"reverse-checkpointed(checkpoints={c})", 4, 4, 128, 4).fma for c in CHECKPOINTS]
    assert table["ratio"].tolist() == pytest.approx([one / work("reverse", 4, 4, 128, 4).fma for one in ratio])


def test_the_section():
    section = checkpointing(*made())
    assert section.table["evaluations of layers"].tolist() == section.table["fewest possible"].tolist()
    assert section.table["evaluations of layers"][0] == "8,256"
    assert "6 of 6 runs do the fewest possible" in section.note
    assert "all 128 layers" in section.note


def test_more_than_the_fewest_is_not_called_the_fewest():
    """A run that does what holding fewer states would need."""

    def wasteful(engine, **sizes):
        return work(engine.replace("checkpoints=4", "checkpoints=3"), **sizes)

    _, sweep = made()
    results = results_of(sweep, lambda *_, **__: 1e-6, work=wasteful, m=4, depth=128)
    section = checkpointing(results, sweep)
    assert "5 of 6 runs do the fewest possible" in section.note
    assert set(section.table["peak bytes"]) == {"-"}, "which were not measured"
    assert section.table["evaluations of layers"][2] == f"{128 + advances(128, 3):,}"


def test_what_cannot_be_counted_or_compared_is_left_out():
    assert checkpoint_table(*made(["reverse", "reverse@b", "reverse-checkpointed"])).empty
    assert checkpointing(*made(["reverse-checkpointed(checkpoints=2)"])) is None
    loss = made(grid={"n": 4, "m": 1, "depth": 128, "width": 4})
    assert checkpointing(*loss).table["evaluations of layers"][0] != "8,256", "layers that are not alike"


def test_both_executors_are_drawn():
    both = [*SWEEP.series[0].engines, *(f"compiled-{engine}" for engine in SWEEP.series[0].engines)]
    results, sweep = made(both, executor=lambda engine: "compiled" if engine.startswith("compiled-") else "numpy")
    figure = Figure()
    draw_checkpoints(figure, results, sweep)
    cost, memory = figure.axes
    labels = {text.get_text() for text in cost.get_legend().get_texts()}
    assert {
        "evaluations of layers, counted",
        "the fewest possible",
        "time, measured",
        "time, measured, compiled",
    } < labels
    assert "compiled-reverse, which keeps all" in {text.get_text() for text in memory.get_legend().get_texts()}


def test_one_case():
    with pytest.raises(ad.InputError, match="plot 'checkpoints' needs one case"):
        made(grid={"n": 4, "m": 4, "depth": [64, 128], "width": 4})
