"""Runs at the same time on one machine: each has cores of its own, or says that it has not."""

import os
import subprocess
import sys
from contextlib import ExitStack

import pytest

from autodiff.bench.run import cores

HOLD = """
import sys
from pathlib import Path
from autodiff.bench.run import cores
cores.LOCKS, cores.usable_cores = Path(sys.argv[1]), lambda: [0, 1]
with cores.reserved(1, print) as mine:
    print(mine, flush=True)
    sys.stdin.read()
"""


@pytest.fixture
def machine(tmp_path, monkeypatch):
    """One of four cores, on which nobody measures."""
    monkeypatch.setattr(cores, "LOCKS", tmp_path / "locks")
    monkeypatch.setattr(cores, "usable_cores", lambda: [0, 1, 2, 3])


@pytest.mark.parametrize(
    ("runs", "taken", "said"),
    [
        ([1], [[3]], [""]),
        ([1, 1, 1], [[3], [2], [1]], ["", "on core 3; this one takes core 2", "on cores 2, 3; this one takes core 1"]),
        ([2, 2], [[2, 3], [0, 1]], ["", "on cores 2, 3; this one takes cores 0, 1"]),
        ([3, 2], [[1, 2, 3], [0, 3]], ["", "on cores 1, 2, 3, and too few others are free: both will be disturbed"]),
        ([4, 1], [[0, 1, 2, 3], [3]], ["", "on cores 0, 1, 2, 3, and too few others are free"]),
        ([9], [[0, 1, 2, 3]], [""]),
    ],
)
@pytest.mark.usefixtures("machine")
def test_a_run_takes_free_cores_or_says_that_there_are_none(runs, taken, said):
    with ExitStack() as held:
        for threads, expected, sentence in zip(runs, taken, said, strict=True):
            told = []
            assert held.enter_context(cores.reserved(threads, told.append)) == expected
            assert len(told) == bool(sentence)
            assert sentence in "".join(told)
    told = []
    with cores.reserved(4, told.append) as mine:  # all are free again
        assert (mine, told) == ([0, 1, 2, 3], [])


def test_a_core_is_free_as_soon_as_its_run_is_dead(tmp_path, monkeypatch):
    monkeypatch.setattr(cores, "LOCKS", tmp_path / "locks")
    monkeypatch.setattr(cores, "usable_cores", lambda: [0, 1])
    command = [sys.executable, "-c", HOLD, str(cores.LOCKS)]
    other = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    try:
        assert other.stdout.readline() == "[1]\n"
        told = []
        with cores.reserved(1, told.append) as mine:
            assert mine == [0]
            assert "another run measures on core 1; this one takes core 0" in told[0]
    finally:
        other.kill()
        other.communicate()
    with cores.reserved(1, pytest.fail) as mine:
        assert mine == [1]


@pytest.mark.skipif(os.name == "nt", reason="files have no modes")
@pytest.mark.usefixtures("machine")
def test_every_user_can_lock_and_none_can_plant_a_link():
    before = os.umask(0o077)
    try:
        with cores.reserved(1, pytest.fail):
            assert cores.LOCKS.stat().st_mode & 0o777 == 0o755
            assert {file.stat().st_mode & 0o777 for file in cores.LOCKS.iterdir()} == {0o666}
    finally:
        os.umask(before)


@pytest.mark.usefixtures("machine")
def test_without_locks_nobody_is_known_to_measure():
    cores.LOCKS.write_text("a file where the folder should be")
    for _ in range(2):
        with cores.reserved(1, pytest.fail) as mine:
            assert mine == [3]
