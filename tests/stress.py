"""Kill runs at random moments and take them up again; every finished measurement must be kept, and kept once.

python tests/stress.py [RUNS] [SEED]
"""

from __future__ import annotations

import random
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pandas as pd

from autodiff.bench.ask.tasks import KERNELS
from autodiff.bench.records import record as records

SWEEP = """
name = "stress"
problem = "mlp"
engines = ["forward", "reverse", "reverse@b"]
[grid]
n = [1, 2, 3]
m = 1
depth = 2
width = 4
"""
PASSES = 2
EXPECTED = PASSES * (len(KERNELS) + 1 + 3 * 4)  # kernels, a model, f and three engines in three cases
KILLS = 2  # of a run, at most
LONGEST = 9.0  # seconds after which a process is killed, at most; a whole run takes about as long


def command(folder: Path, sweep: Path) -> list[str]:
    base = [sys.executable, "-m", "autodiff", "bench"]
    if (folder / "run.json").exists():
        return [*base, "--resume", str(folder)]
    return [*base, "--sweep", str(sweep), "--quick", "--passes", str(PASSES), "--out", str(folder)]


def one_run(home: Path, chance: random.Random) -> int:
    """A run, killed until it comes through; returns how often it was."""
    folder, sweep, kills = home / "run", home / "stress.toml", 0
    sweep.write_text(SWEEP)
    log = folder / "records.jsonl"
    while True:
        before = log.read_bytes() if log.exists() else b""
        process = subprocess.Popen(
            command(folder, sweep), cwd=home, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        )
        try:
            out, _ = process.communicate(timeout=chance.uniform(0.3, LONGEST) if kills < KILLS else None)
        except subprocess.TimeoutExpired:
            process.send_signal(signal.SIGKILL)
            process.communicate()
            kills += 1
            if chance.random() < 0.3 and log.exists():  # what a power cut leaves
                with log.open("ab") as file:
                    file.write(b'{"sweep":"stress","case":"n')
            continue
        if process.returncode != 0:
            raise SystemExit(f"status {process.returncode} after {kills} kills:\n{out}")
        check(folder, before)
        return kills


def check(folder: Path, before: bytes) -> None:
    log = folder / "records.jsonl"
    lines = log.read_bytes().splitlines(keepends=True)
    found, problems = records.read(log)
    whole = [line for line in before.splitlines(keepends=True) if line.endswith(b"\n")]
    assert lines[: len(whole)] == whole, "a finished measurement was lost"
    assert not problems, problems
    assert len(lines) == len(found) == EXPECTED, f"{len(lines)} lines, {len(found)} records, expected {EXPECTED}"
    frame = pd.read_csv(folder / "results.csv")
    assert len(frame) == 9, f"{len(frame)} rows"
    assert (frame["status"] == "ok").all(), frame["status"].tolist()
    assert (frame["passes"] == PASSES).all(), frame["passes"].tolist()


def main(runs: int = 100, seed: int = 0) -> None:
    chance, start, kills = random.Random(seed), time.monotonic(), 0
    for run in range(1, runs + 1):
        with tempfile.TemporaryDirectory() as home:
            kills += one_run(Path(home), chance)
        print(f"{run} runs, {kills} kills, {time.monotonic() - start:.0f} s", flush=True)


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
