"""Where two engines cost the same: by times and by counts, with intervals that are told when they are open."""

import itertools
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from made_up import results_of
from matplotlib.figure import Figure

import autodiff as ad
from autodiff.bench.ask.files import parse
from autodiff.bench.report.crossover import crossover, log_ratios, operations
from autodiff.bench.report.pairs import pairs
from autodiff.bench.report.plots.maps import draw_map
from autodiff.program.count import Work

PAIR = ("forward", "reverse")
GRID = {
    "name": "grid", "problem": "mlp", "engines": ["forward", "reverse"],
    "grid": {"n": [4, 16, 64], "m": [4, 16, 64, 256], "depth": 2},
}  # fmt: skip


def grid(at, noise=0.0, counted=None, passes=3):
    """Both engines cost the same at m = ``at(n)``, by counts at m = ``counted(n)``."""

    def seconds(engine, number, n, m, **_):
        swing = 1 + noise * (number - 2) if engine == "reverse" else 1.0
        return 1e-6 * swing * (at(n) if engine == "forward" else m)

    def work(engine, n, m, **_):
        return Work(fma=1000 * (counted(n) if engine == "forward" else m), elementwise=0, elements=1, calls=1)

    sweep = parse(GRID, "x")
    return results_of(sweep, seconds, passes, work=work if counted else None), sweep


def test_measured_beside_counted():
    results, sweep = grid(lambda n: 2 * n, noise=0.01, counted=lambda n: n)
    section = crossover(results, sweep, PAIR)
    table = section.table.set_index("n")
    assert table["m at equal cost"].astype(float).tolist() == pytest.approx([8, 32, 128])
    assert table["m/n"].tolist() == ["2.00"] * 3
    assert table["m by counts"].astype(float).tolist() == pytest.approx([4, 16, 64])
    assert table["m/n by counts"].tolist() == ["1.00"] * 3
    for _, row in table.iterrows():
        low, high = map(float, row["95 % interval"].strip("[]").split(", "))
        assert low < float(row["m at equal cost"]) < high
    assert "at m/n = 2.00, by the 3 of 3 rows" in section.note
    assert "puts it at m/n = 1.00, by 3 of 3 rows" in section.note


def test_open_intervals_say_so_and_are_in_no_median():
    """Noise that reaches over the edge of the sweep in one row."""
    results, sweep = grid(lambda n: {4: 5.0, 16: 32.0, 64: 128.0}[n], noise=0.2)
    section = crossover(results, sweep, PAIR)
    table = section.table.set_index("n")
    assert (table.loc["4", "95 % interval"], table.loc["4", "m/n"]) == ("open", "1.25 (open)")
    assert table.loc["16", "95 % interval"].startswith("[")
    assert "at m/n = 2.00, by the 2 of 3 rows" in section.note
    assert "by counts" not in " ".join(section.table)
    assert "Counting" not in section.note


def test_nothing_is_said_where_every_interval_is_open():
    results, sweep = grid(lambda n: 5.0, noise=0.5)
    section = crossover(results, sweep, PAIR)
    assert "cross in 3 of 3 rows, and in none of them" in section.note
    assert set(section.table["95 % interval"]) == {"open"}


def test_one_pass_has_no_interval_to_be_open():
    results, sweep = grid(lambda n: 2 * n, passes=1)
    table = crossover(results, sweep, PAIR).table
    assert set(table["95 % interval"]) == {"one pass"}
    assert set(table["m/n"]) == {"2.00 (one pass)"}


def test_rows_that_do_not_cross():
    results, sweep = grid(lambda n: 1.0)
    section = crossover(results, sweep, PAIR)
    assert set(section.table["m at equal cost"]) == {"not reached: forward is faster throughout"}
    assert section.note == "forward and reverse do not cost the same anywhere in this sweep."


@given(st.integers(1, 12), st.integers(1, 12), st.integers(1, 5), st.integers(1, 12))
def test_a_mirrored_network_has_the_mirrored_counts(n, m, depth, width):
    """Forward over f costs what reverse costs over a network of mirrored sizes: their crossover by counts is m = n."""

    def counted(engine, n, m):
        return ad.engine(engine).layout(ad.problems.mlp(n, m, depth, width)).work.fma

    assert counted("forward", n, m) == counted("reverse", m, n)


def test_a_network_without_a_mirror_crosses_elsewhere():
    """A funnel, n to 128 to 16 to m: forward does n (16 128 + m 16) multiply-adds, reverse m (16 128 + 128 n)."""

    def work(engine, n, m, **_):
        layers = [ad.Dense(np.ones((b, a)), None, "identity") for a, b in itertools.pairwise([n, 128, 16, m])]
        return ad.engine(engine.replace("value", "reverse")).layout(ad.Network(layers)).work

    sweep = parse(GRID, "x")
    results = results_of(sweep, lambda engine, number, **_: 1e-6, work=work)
    for row in log_ratios(results, sweep, PAIR).itertuples():
        above, below = (operations(work(engine, row.n, row.m)) for engine in PAIR)
        assert row.counted == pytest.approx(math.log2(above / below))
    found = crossover(results, sweep, PAIR).table.set_index("n")["m by counts"]
    for n in (16, 64):
        assert float(found[str(n)]) == pytest.approx(1 / (1 / n + (128 - 16) / (16 * 128)), rel=0.1)


@pytest.mark.parametrize("counted", [None, lambda n: 2 * n])
def test_the_map_draws_the_counted_line_where_counts_are_known(counted):
    results, sweep = grid(lambda n: n, noise=0.01, counted=counted)
    figure = Figure()
    draw_map(figure, results, sweep)
    assert pairs(results, sweep) == [PAIR]
    labels = {text.get_text() for text in figure.legends[0].get_texts()}
    assert ("by counted operations: equal cost" in labels) == (counted is not None)
    assert "measured: equal cost" in labels
