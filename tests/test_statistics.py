"""Statistics against data whose answer is known."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from autodiff.bench.findings import seconds_text
from autodiff.bench.statistics import growth, interval, paired_ratio, zero_crossing
from autodiff.layers.work import Work, passes, product
from autodiff.machine.rates import kernels, rates


@given(st.floats(-2, 4), st.floats(1e-9, 1e3))
def test_growth_recovers_a_power(slope, scale):
    sizes = [2.0**k for k in range(10)]
    fit = growth(sizes, [scale * size**slope for size in sizes])
    assert fit.slope == pytest.approx(slope, abs=1e-6)
    assert fit.low <= fit.slope <= fit.high


def test_growth_looks_where_the_size_dominates():
    """A constant part of 100 hides a linear one in the upper half; from twentyfold on it does not."""
    sizes = [2.0**k for k in range(15)]
    fit = growth(sizes, [100 + size for size in sizes])
    assert fit.first == 2048
    assert fit.slope == pytest.approx(1.0, abs=0.05)
    flat = growth(sizes, [1000 + 0.1 * size for size in sizes])
    assert flat.first == 128
    assert flat.slope < 0.3


def test_growth_needs_three_points():
    assert growth([1, 2], [1.0, 2.0]) is None


@pytest.mark.parametrize("passes_", [2, 3, 5])
def test_intervals_cover_the_truth(passes_):
    """Of 95 % intervals about 95 % hold the true value, also with few passes that differ from each other."""
    rng = np.random.default_rng(passes_)
    hits = 0
    for _ in range(1000):
        low, high = interval(np.exp(0.05 * rng.standard_normal(passes_)))
        hits += low <= 1 <= high
    assert 930 <= hits <= 970


def test_rivals_that_are_the_same_are_rarely_told_apart():
    rng = np.random.default_rng(0)
    wrong = 0
    for _ in range(300):
        level = np.exp(0.03 * rng.standard_normal((2, 3)))
        above, below = ({i: list(level[k, i] * (1 + 0.02 * rng.random(20))) for i in range(3)} for k in (0, 1))
        wrong += paired_ratio(above, below).decided
    assert wrong <= 30


def test_one_pass_decides_nothing():
    ratio = paired_ratio({1: [2.0, 2.1]}, {1: [1.0, 1.0]})
    assert not ratio.decided
    assert str(ratio) == "2.05"


def test_ratios_are_taken_within_a_pass():
    """The machine is twice as slow in the second pass: the ratio does not see it."""
    above = {1: [3.0, 3.1, 3.0], 2: [6.0, 6.1, 6.0], 3: [3.0, 3.0, 3.0]}
    below = {1: [1.0, 1.0, 1.0], 2: [2.0, 2.0, 2.0], 3: [1.01, 1.01, 1.01], 4: [9.0]}
    ratio = paired_ratio(above, below)
    assert ratio.value == pytest.approx(3.0)
    assert 2.9 < ratio.low <= ratio.high < 3.1
    assert ratio.decided
    assert paired_ratio(above, {5: [1.0]}) is None
    assert not paired_ratio(below, below).decided


@pytest.mark.parametrize(
    ("x", "y", "expected"),
    [([0, 1, 2], [-1, 1, 3], 0.5), ([2, 1, 0], [3, 1, -1], 0.5), ([0, 1], [1, 2], None), ([0, 1, 2], [1, 0, -1], 1.0)],
)
def test_zero_crossing(x, y, expected):
    assert zero_crossing(x, y) == expected


@pytest.mark.parametrize(
    ("seconds", "text"), [(2.5, "2.5 s"), (0.0123, "12.3 ms"), (1e-6, "1 µs"), (3.21e-7, "321 ns"), (0.00051, "510 µs")]
)
def test_seconds_are_readable(seconds, text):
    assert seconds_text(seconds) == text


def test_work_adds_up():
    work = product(2, 3, 4) + passes(10, 2, transcendental=1) * 3
    assert work == Work(24, 30, 30, 26 + 120, 7)
    assert work.flops == 2 * 24 + 60


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_rates_explain_the_kernels_they_come_from(dtype):
    """Solving for four rates and predicting the four kernels gives back their times."""
    measured = {"call": 5e-6, "element": 4e-5, "transcendental": 2e-4, "fma": 5e-4}
    made = rates(measured, np.dtype(dtype))
    for name, kernel in kernels(np.dtype(dtype)).items():
        kernel.run()
        assert made.predict(kernel.work) == pytest.approx(measured[name], rel=0.05)
