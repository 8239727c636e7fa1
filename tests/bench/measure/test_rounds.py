"""Rounds that other processes interrupt: on a made-up clock, and on a core that is really busy."""

import os
import subprocess
import sys
import time
from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pytest_benchmark.stats import Stats

from autodiff.bench.measure import rounds as module
from autodiff.bench.measure.rounds import ENOUGH, EVERY, FEW, PAUSE, TRIES, Rounds, usage
from autodiff.bench.measure.timing import take_statistics
from autodiff.bench.records.record import Record

QUIET, HIT, YIELDED, ASLEEP = (0, 1.0), (1, 0.5), (1, 0.99), (0, 0.1)  #: switches, and processor time of a second


class Machine:
    """Rounds of given lengths, of which each has been interrupted or not; also stands in for the fixture."""

    def __init__(self, script, seconds=1.0):
        self.script, self.took = iter(script), seconds
        self.switches, self.busy, self.stats, self.sleeps = 7, 100.0, None, []
        self.log = []  # of what was timed, and when the counters were looked at

    def usage(self):
        self.log.append("look")
        return self.switches, self.busy

    def _make_runner(self, function, args, kwargs):
        def runner(loops):
            self.log.append("time")
            switches, share = next(self.script, QUIET)
            self.switches += switches
            self.busy += share * self.took
            function(*args, **kwargs)
            return self.took if loops else (self.took, "result")

        return runner

    def run(self, calibrations, rounds, loops=(1,)):
        """What pytest-benchmark does."""
        runner = self._make_runner(lambda: None, (), {})
        for _ in range(calibrations):
            runner(loops)
        self.stats = SimpleNamespace(data=[])
        for number in range(rounds):
            found = runner(loops)
            self.stats.data.append((found if loops else found[0]) + number * 1e-6)
        return self.stats.data


@pytest.fixture
def watched(monkeypatch):
    """Makes a machine, and the rounds on it; nobody really sleeps."""

    def make(script, seconds=1.0, budget=0.0, threads=1):
        machine = Machine(script, seconds)
        monkeypatch.setattr(module.time, "sleep", machine.sleeps.append)
        return machine, Rounds(machine, budget, threads, machine.usage)

    return make


@pytest.mark.parametrize(("round_", "disturbed"), [(QUIET, 0), (HIT, 1), (YIELDED, 0), (ASLEEP, 0)])
@pytest.mark.parametrize("loops", [(1,), None])
def test_a_round_is_disturbed_if_it_was_interrupted_and_lost_time(watched, round_, disturbed, loops):
    machine, rounds = watched([round_])
    machine.run(0, 4, loops)
    assert (rounds.disturbed, rounds.measured, rounds.share) == (disturbed, 4, disturbed / 4)


def test_counters_are_looked_at_before_and_after_a_round(watched):
    machine, _ = watched([QUIET, HIT], budget=10.0)
    machine.log.clear()
    machine.run(1, 2)
    assert machine.log == ["look", "time", "look"] * 4


@given(script=st.lists(st.sampled_from([QUIET, HIT]), max_size=40), asked=st.integers(1, 12), budget=st.floats(0, 12))
def test_disturbed_rounds_are_measured_again_within_reason(script, asked, budget):
    machine = Machine(script)
    rounds = Rounds(machine, budget, 1, machine.usage)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module.time, "sleep", machine.sleeps.append)
        data = machine.run(0, asked)
    again = rounds.measured - asked
    assert again * (1 + PAUSE) <= 2 * budget + PAUSE
    assert machine.sleeps == [PAUSE] * again
    assert rounds.disturbed == sum(one is HIT for one in script[: rounds.measured])
    kept, said = list(data), rounds.settle(data)
    alone = rounds.measured - rounds.disturbed
    assert data == kept if alone in (0, asked) else len(data) == alone
    assert set(data) <= set(kept)
    assert data == sorted(data)
    assert said == (EVERY if not alone else FEW if alone < min(ENOUGH, asked) else "")


def test_a_calibration_is_not_ended_by_an_interruption(watched):
    """A few more tries, which are none of the rounds and take nothing from theirs."""
    machine, rounds = watched([HIT, QUIET, *[HIT] * (TRIES + 1), QUIET, QUIET], budget=10.0)
    machine.run(2, 2)
    assert len(machine.sleeps) == 1 + TRIES
    assert (rounds.measured, rounds.share) == (2, 0)
    assert rounds.settle(machine.stats.data) == ""


def test_a_slow_call_is_not_measured_again(watched):
    machine, rounds = watched([HIT, HIT], seconds=30.0, budget=0.1)
    machine.run(0, 2, None)
    assert (rounds.measured, rounds.settle(machine.stats.data)) == (2, EVERY)
    assert not machine.sleeps


@pytest.mark.parametrize("how", ["threads", "counters", "benchmark"])
def test_where_nothing_can_be_judged_nothing_is_said(how):
    machine = Machine([HIT] * 3)
    read = (lambda: None) if how == "counters" else machine.usage
    benchmark = SimpleNamespace(stats=None) if how == "benchmark" else machine
    rounds = Rounds(benchmark, 1.0, 2 if how == "threads" else 1, read)
    data = machine.run(0, 3)
    assert (rounds.share, rounds.settle(data), len(data)) == (None, "", 3)


def test_a_record_and_the_file_of_pytest_benchmark_hold_the_rounds_left_alone(watched):
    machine, rounds = watched([QUIET, HIT, QUIET, HIT], budget=0.0)
    stats, record = Stats(), Record("s", "c", "e", 1)
    machine.run(0, 8)
    stats.data = [1.0, 5.0, 1.0, 5.0, *[1.0] * 4]
    holder = SimpleNamespace(stats=stats, iterations=3, extra_info={})
    take_statistics(record, holder, rounds)
    assert (record.rounds, record.iterations, record.disturbed, record.reason) == (6, 3, 0.25, "")
    assert record.seconds == [1.0] * 6
    assert (record.median_s, record.mean_s, record.stddev_s) == (1.0, 1.0, 0.0)
    assert (stats.rounds, stats.max, holder.extra_info) == (6, 1.0, {"disturbed": 0.25})


def spin():
    """Longer than any scheduler's slice."""
    end = time.process_time() + 0.03
    while time.process_time() < end:
        pass


def timer_of(function, args, kwargs):
    def runner(loops):
        start = time.perf_counter()
        function()
        return time.perf_counter() - start

    return runner


@pytest.mark.skipif(
    not hasattr(os, "sched_setaffinity") or usage() is None, reason="no cores to choose, or no counters"
)
def test_a_busy_core_is_noticed():
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {max(before)})
    command = [sys.executable, "-c", "print(flush=True)\nwhile True: pass"]  # on the same core, which it inherits
    other = subprocess.Popen(command, stdout=subprocess.PIPE)
    try:
        other.stdout.readline()
        benchmark = SimpleNamespace(stats=[], _make_runner=timer_of)
        rounds, deadline = Rounds(benchmark, 0.0, 1), time.monotonic() + 20
        while not rounds.disturbed and time.monotonic() < deadline:
            benchmark._make_runner(spin, (), {})((1,))
        assert rounds.disturbed
    finally:
        os.sched_setaffinity(0, before)
        other.kill()
        other.communicate()
