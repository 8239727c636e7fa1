"""Statistics against data whose answer is known."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from autodiff.bench.judge.intervals import Drift, drift, interval, outliers, over_cases, paired_ratio, zero_crossing
from autodiff.program.count import Work, passes, product
from autodiff.text import seconds_text

POSITIVE = st.floats(1e-7, 1e3)
SCALES = st.integers(-20, 20).map(lambda power: 2.0**power)  # exact in floating point
PASSES = st.dictionaries(st.integers(1, 5), st.lists(POSITIVE, min_size=1, max_size=30), min_size=1)


@pytest.mark.parametrize("passes_", [2, 3, 5])
def test_intervals_cover_the_truth(passes_):
    """Of 95 % intervals about 95 % hold the true value, also with few passes that differ from each other."""
    rng = np.random.default_rng(passes_)
    hits = 0
    for _ in range(1000):
        low, high = interval(np.exp(0.05 * rng.standard_normal(passes_)))
        hits += low <= 1 <= high
    assert 930 <= hits <= 970


def bootstrap(logs, rng, times=200):
    """The hierarchical bootstrap of Kalibera & Jones (ISMM 2013): passes resampled, and rounds within them."""
    passes_, rounds = logs.shape
    which = rng.integers(passes_, size=(times, passes_, 1)), rng.integers(rounds, size=(times, passes_, rounds))
    return np.exp(np.quantile(np.median(logs[which], axis=2).mean(axis=1), [0.025, 0.975]))


def two_levels(passes_, runs):
    """Coverage and mean width, each Student's and the bootstrap's; passes differ by 2 %, the rounds of one by 3 %."""
    rng = np.random.default_rng(passes_)
    ends = []
    for _ in range(runs):
        logs = 0.02 * rng.standard_normal((passes_, 1)) + 0.03 * rng.standard_normal((passes_, 30))
        ends.append((interval(np.exp(np.median(logs, axis=1))), bootstrap(logs, rng)))
    low, high = np.moveaxis(np.array(ends), 2, 0)
    return ((low <= 1) & (high >= 1)).mean(axis=0), np.log(high / low).mean(axis=0)


@pytest.mark.parametrize(("passes_", "most"), [(3, 0.86), (5, 0.91)])
def test_resampling_few_passes_promises_too_much(passes_, most):
    """Why intervals are Student's: with few passes the bootstrap misses the truth two to four times too often."""
    (student, resampled), _ = two_levels(passes_, 500)
    assert 0.93 <= student <= 0.97
    assert resampled <= most


def test_with_many_passes_resampling_is_as_good():
    _, (student, resampled) = two_levels(20, 100)
    assert 1 <= student / resampled <= 1.12


def medians(rounds):
    """Of every pass."""
    return {number: float(np.median(seconds)) for number, seconds in rounds.items()}


def test_rivals_that_are_the_same_are_rarely_told_apart():
    rng = np.random.default_rng(0)
    wrong = 0
    for _ in range(300):
        level = np.exp(0.03 * rng.standard_normal((2, 3)))
        above, below = ({i: list(level[k, i] * (1 + 0.02 * rng.random(20))) for i in range(3)} for k in (0, 1))
        wrong += paired_ratio(medians(above), medians(below)).decided
    assert wrong <= 30


def test_one_pass_decides_nothing():
    ratio = paired_ratio({1: 2.05}, {1: 1.0})
    assert not ratio.decided
    assert str(ratio) == "2.05"


def test_ratios_are_taken_within_a_pass():
    """The machine is twice as slow in the second pass: the ratio does not see it."""
    above = {1: 3.0, 2: 6.0, 3: 3.0}
    below = {1: 1.0, 2: 2.0, 3: 1.01, 4: 9.0}
    ratio = paired_ratio(above, below)
    assert ratio.value == pytest.approx(3.0)
    assert 2.9 < ratio.low <= ratio.high < 3.1
    assert ratio.decided
    assert paired_ratio(above, {5: 1.0}) is None
    assert not paired_ratio(below, below).decided


RISE = np.linspace(1.0, 1.2, 40)


def noisy(levels, seed=0, noise=0.02):
    """Rounds about a level, or a course of them, for every pass."""
    rng = np.random.default_rng(seed)
    return {i: np.exp(noise * rng.standard_normal(40)) * level for i, level in enumerate(levels, 1)}


@pytest.mark.parametrize(
    ("levels", "within", "between"),
    [
        ([RISE, RISE, RISE], 1.2, 1),
        ([1, RISE, 1], 1.2, 1),
        ([RISE[::-1]], 1 / 1.2, 1),
        ([1, 1.1, 1.25], 1, 1.25),
        ([1.25, 1.1, 1], 1, 1 / 1.25),
        ([1, 1.25, 1], 1, 1),  # not in order
        ([1, 1.02, 1.04], 1, 1),  # too little
        ([1, 1.25], 1, 1),  # two are always in order
        ([np.linspace(1, 1.03, 40)], 1, 1),  # significant, and too little
    ],
)
def test_drift(levels, within, between):
    found = drift(noisy(levels, noise=0.005))
    assert (found.within, found.between) == pytest.approx((within, between), rel=0.02)
    assert found.shown == (found != Drift(1, 1))


def test_drift_is_rarely_seen_in_noise():
    """Also with 20 % of noise, where a chance change is often large enough to count."""
    assert sum(drift(noisy([1, 1, 1], seed, noise=0.2)).within != 1 for seed in range(400)) <= 10


@given(PASSES, SCALES)
def test_nothing_knows_the_unit(rounds, scale):
    scaled = {i: [scale * second for second in seconds] for i, seconds in rounds.items()}
    assert drift(scaled).within == pytest.approx(drift(rounds).within)
    assert outliers(scaled) == outliers(rounds)
    assert paired_ratio(medians(scaled), medians(rounds)).value == scale
    low, high = interval([seconds[0] for seconds in rounds.values()])
    ends = interval([seconds[0] for seconds in scaled.values()])
    assert ends == pytest.approx((scale * low, scale * high), nan_ok=True)


def test_drift_needs_rounds():
    assert not drift({}).shown
    assert not drift({1: [], 2: [1.0], 3: [1.0, 2.0], 4: [1.0] * 9}).shown


@given(PASSES, st.randoms())
def test_outliers_are_few_whatever_the_order(rounds, random):
    share = outliers(rounds)
    assert 0 <= share <= 0.25
    assert outliers({-i: random.sample(seconds, len(seconds)) for i, seconds in rounds.items()}) == share


def test_outliers_are_far_above_their_own_pass():
    calm = [1.0, 1.1, 1.2, 1.3]
    assert outliers({1: [*calm * 5, 9.0], 2: [10 * second for second in calm] * 5}) == pytest.approx(1 / 41)
    assert outliers({1: [*calm * 5, 0.01]}) == 0, "too fast is no disturbance"
    assert math.isnan(outliers({1: []}))
    assert outliers(noisy([1, 2, 3])) == 0


CASES = st.lists(st.lists(st.floats(1e-3, 1e3), min_size=1, max_size=4), min_size=4, max_size=12)


@given(CASES, st.floats(1e-3, 1e3))
def test_an_interval_over_cases_lies_within_them_and_scales(cases, factor):
    low, high = over_cases(cases)
    values = [value for case in cases for value in case]
    assert min(values) * (1 - 1e-9) <= low <= high <= max(values) * (1 + 1e-9)
    assert over_cases([[factor * value for value in case] for case in cases]) == pytest.approx(
        (factor * low, factor * high)
    )


def test_an_interval_over_cases_covers_cases_and_passes():
    """Wider than that of the passes where cases differ, and not a point where only passes do."""
    apart = [[size * noise for noise in (0.99, 1.0, 1.01)] for size in (1.0, 2.0, 4.0, 8.0, 16.0)]
    low, high = over_cases(apart)
    assert low < 2.5 < 4.0 < 6.5 < high
    low, high = over_cases([[1.0, 2.0, 4.0]] * 8)
    assert 1.0 < low < 2.0 < high < 4.0
    assert over_cases([[3.0]] * 4) == pytest.approx((3.0, 3.0))
    assert all(map(math.isnan, over_cases([[3.0, 4.0]] * 3)))


def test_an_interval_over_cases_holds_what_its_table_says():
    rng, held = np.random.default_rng(0), 0
    for _ in range(200):
        cases = np.exp(rng.normal(0.0, 0.7, (12, 1)) + rng.normal(0.0, 0.03, (12, 3)))
        low, high = over_cases(cases.tolist())
        held += low <= 1.0 <= high
    assert 0.92 - 3 * 0.019 < held / 200 < 0.92 + 3 * 0.019


@pytest.mark.parametrize(
    ("x", "y", "expected"),
    [
        ([0, 1, 2], [-1, 1, 3], 0.5),
        ([2, 1, 0], [3, 1, -1], 0.5),
        ([0, 1], [1, 2], None),
        ([0, 1, 2], [1, 0, -1], 1.0),
        ([0, 1, 2], [2, 1, 0], 2.0),
        ([1], [0], 1.0),
        ([0, 1, 2], [1, math.nan, -1], None),
        ([], [], None),
    ],
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
