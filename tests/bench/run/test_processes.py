"""Measuring processes that crash, hang, lie or are killed, and runs that go on after it."""

import os
import signal
import subprocess
import sys
import time

import pandas as pd
import pytest

from autodiff.bench.ask.files import load_all
from autodiff.bench.ask.tasks import KERNELS
from autodiff.bench.records import record as records
from autodiff.bench.records.folder import Folder, locked
from autodiff.bench.run.budget import Budget
from autodiff.errors import InputError

ENGINES = """
import os, signal, sys, time
import numpy as np
import autodiff as ad

Reverse = type(ad.engine("reverse"))

def changed(what):
    class Changed(Reverse):
        name, family = what.__name__, "bad"
        def build(self, *args):
            run = super().build(*args)
            right = run._run
            run._run = lambda x, seed, out: (right(x, seed, out), what(out))
            return run
    return Changed

def crash(out):
    print("about to crash", file=sys.stderr, flush=True)
    os.kill(os.getpid(), signal.SIGSEGV)

def leave(out): os._exit(3)
def hang(out): time.sleep(600)
def lie(out): out += 1e-3
def nans(out): out[:] = np.nan
def fine(out): pass

crash, leave, hang, lie, nans, fine = map(changed, (crash, leave, hang, lie, nans, fine))

class Mute(Exception):
    def __str__(self): raise RuntimeError("no message")

class Quits(Reverse):
    name, family = "quits", "bad"
    def build(self, *args): sys.exit("enough")

class Mumbles(Reverse):
    name, family = "mumbles", "bad"
    def build(self, *args): raise Mute

def bound(name, make):
    # what is timed is not what was verified
    class Bound(Reverse):
        family = "bad"
        def build(self, *args):
            run = super().build(*args)
            right = run.bound
            run.bound = lambda x, seed=None: make(right(x, seed))
            return run
    Bound.name = name
    return Bound

def tires(call):
    calls = iter(range(10**9))
    def timed():
        found = call()
        return found if next(calls) < 5 else np.full_like(found, np.nan)
    return timed

idles, tires = bound("idles", lambda call: lambda: None), bound("tires", tires)
"""
HOSTILE = {"quits": "Quits", "mumbles": "Mumbles", "idles": "idles", "tires": "tires"}
SWEEP = """
name = "bad"
problem = "mlp"
timeout = 3
engines = ["reverse", "crash", "leave", "hang", "lie", "nans", "quits", "mumbles", "idles", "tires", "fine"]
[grid]
n = 2
m = 1
depth = 2
width = 4
"""
SMALL = """
name = "small"
problem = "mlp"
engines = ["forward", "reverse"]
[grid]
n = [1, 2]
m = 1
depth = 2
width = 4
"""


@pytest.fixture
def home(tmp_path):
    """A folder with sweeps, and a package of engines that misbehave."""
    (tmp_path / "bad.toml").write_text(SWEEP)
    (tmp_path / "small.toml").write_text(SMALL)
    site = tmp_path / "site"
    (site / "bad-1.0.dist-info").mkdir(parents=True)
    (site / "bad_engines.py").write_text(ENGINES)
    names = ("crash", "leave", "hang", "lie", "nans", "fine")
    entries = dict(zip(names, names, strict=True)) | HOSTILE
    points = "".join(f"{name} = bad_engines:{made}\n" for name, made in entries.items())
    (site / "bad-1.0.dist-info" / "METADATA").write_text("Metadata-Version: 2.1\nName: bad\nVersion: 1.0\n")
    (site / "bad-1.0.dist-info" / "entry_points.txt").write_text(f"[autodiff.engines]\n{points}")
    return tmp_path


def start(home, *arguments):
    environment = os.environ | {"PYTHONPATH": str(home / "site"), "NO_COLOR": "1", "COLUMNS": "200"}
    command = [sys.executable, "-m", "autodiff", "bench", *map(str, arguments)]
    return subprocess.Popen(
        command, cwd=home, env=environment, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        start_new_session=True,
    )  # fmt: skip


def bench(home, *arguments):
    process = start(home, *arguments)
    out, err = process.communicate(timeout=120)
    assert "Traceback" not in out + err
    return process.returncode, out, err


def wait_for_lines(path, count, seconds=60):
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline and not (path.exists() and path.read_bytes().count(b"\n") >= count):
        time.sleep(0.01)


def test_engines_that_misbehave_cost_their_own_rows(home):
    status, _, err = bench(home, "--sweep", "bad.toml", "--quick", "--passes", 2, "--out", "run")
    assert status == 1
    frame = pd.read_csv(home / "run" / "results.csv")
    found = {row.engine: (row.status, row.reason) for row in frame.itertuples()}
    assert found["reverse"][0] == found["fine"][0] == "ok"
    assert found["crash"][0] == found["leave"][0] == "failed"
    assert "was killed by SIGSEGV: " in found["crash"][1]
    assert "ended with status 3" in found["leave"][1]
    assert found["hang"] == ("timeout", "stopped after 3 s")
    assert found["lie"][0] == found["nans"][0] == "wrong"
    assert found["quits"] == ("failed", "SystemExit: enough")
    assert found["mumbles"] == ("failed", "Mute: (its message cannot be read)")
    assert found["idles"][0] == found["tires"][0] == "wrong"
    assert found["idles"][1].startswith("what is timed gives NoneType: ")
    assert found["tires"][1].startswith("what is timed")
    assert frame.loc[frame["status"] == "ok", "cost_ratio"].notna().all()
    assert "engine cases were wrong or failed, the first: bad" in err
    known, problems = records.read(home / "run" / "records.jsonl")
    assert not problems
    assert len({record.key for record in known}) == len(known)
    assert {record.number for record in known if record.engine == "hang"} == {1}  # not tried again


def test_a_run_is_taken_up_where_it_was_killed(home, called):
    process = start(home, "--sweep", "small.toml", "--passes", 2, "--out", "run")
    path = home / "run" / "records.jsonl"
    wait_for_lines(path, 12)
    os.kill(process.pid, signal.SIGKILL)
    process.communicate()
    kept = path.read_bytes()
    path.write_bytes(kept + b'{"sweep":"small","case":"cut')
    for arguments, message in (
        (["--resume", "run", "--sweep", "n"], "--sweep does not agree"),
        (["--resume", "run", "--passes", 5], "--passes does not agree"),
        (["--resume", "run", "--out", "other"], "leave --out out"),
        (["--resume-anyway"], "--resume-anyway goes with --resume"),
        (["--resume", "nowhere"], "holds no run"),
    ):
        status, said = called("bench", *arguments)
        assert (status, said.count("\n")) == (2, 1)
        assert message in said
    status, out, err = bench(home, "--resume", "run", "--passes", 2, "--sweep", "small.toml")
    assert status == 0, out + err
    assert path.read_bytes().startswith(kept)
    assert (home / "run" / "records.torn").read_bytes() == b'{"sweep":"small","case":"cut\n'
    found, problems = records.read(path)
    assert not problems
    assert len(path.read_bytes().splitlines()) == len(found) == 2 * (len(KERNELS) + 1 + 2 * 3)
    frame = pd.read_csv(home / "run" / "results.csv")
    assert (frame["passes"] == 2).all()


def test_two_runs_cannot_write_into_one_folder(home, tmp_path):
    process = start(home, "--sweep", "small.toml", "--passes", 50, "--out", "run")
    wait_for_lines(home / "run" / "records.jsonl", 3)
    status, _, err = bench(home, "--resume", "run")
    assert status == 2
    assert "another run is writing into run" in err
    os.killpg(process.pid, signal.SIGTERM)
    process.communicate(timeout=30)
    assert process.returncode == 1
    with locked(Folder(home / "run")), pytest.raises(InputError), locked(Folder(home / "run")):
        pass


def test_the_first_ctrl_c_finishes_the_second_stops(home):
    process = start(home, "--sweep", "bad.toml", "--engines", "hang", "--timeout", 100, "--out", "run")
    wait_for_lines(home / "run" / "records.jsonl", len(KERNELS) + 1)
    time.sleep(1.0)  # it hangs by now
    os.kill(process.pid, signal.SIGINT)
    time.sleep(0.5)
    assert process.poll() is None
    os.kill(process.pid, signal.SIGINT)
    _, err = process.communicate(timeout=30)
    assert process.returncode == 1
    assert "finishing the measurement in progress" in err
    assert "--resume run goes on" in err
    assert (home / "run" / "report.md").exists()


def test_a_full_disk_leaves_what_was_written(home):
    limited = (
        "import resource, signal, sys; signal.signal(signal.SIGXFSZ, signal.SIG_IGN); "
        "resource.setrlimit(resource.RLIMIT_FSIZE, (20000, 20000)); from autodiff.cli import main; main()"
    )
    command = [sys.executable, "-c", limited, "bench", "--sweep", "small.toml", "--passes", "30", "--out", "run"]
    done = subprocess.run(command, cwd=home, capture_output=True, text=True, timeout=120)
    assert done.returncode == 1
    assert done.stderr.strip().splitlines()[-1] == "error: run/records.jsonl: No space left on device"
    found, problems = records.read(home / "run" / "records.jsonl")
    assert found
    assert not problems


def test_a_budget_shortens_the_rounds_and_never_drops_a_case(home):
    begin = time.monotonic()
    status, _, _ = bench(home, "--sweep", "small.toml", "--full", "--budget", "14s", "--out", "run")
    assert status == 0
    assert time.monotonic() - begin < 40
    frame = pd.read_csv(home / "run" / "results.csv")
    assert (frame["status"] == "ok").all()
    assert frame["passes"].min() >= 1
    assert frame["disturbed"].between(0, 1).all()  # pytest-benchmark's runner is where it is looked for


def test_what_is_predicted_to_take_too_long_is_not_measured(home):
    """By the rates that are kept; the table's prediction is by those of the run."""
    (home / "long.toml").write_text(SMALL.replace("n = [1, 2]", "n = [2, 2000]").replace("width = 4", "width = 1000"))
    status, _, _ = bench(home, "--sweep", "long.toml", "--quick", "--max-seconds", 0.0002, "--out", "run")
    assert status == 0
    frame = pd.read_csv(home / "run" / "results.csv").set_index(["engine", "n"])
    assert frame.loc[("forward", 2000), "status"] == "skipped"
    assert "is predicted to take" in frame.loc[("forward", 2000), "reason"]
    assert frame.loc[("forward", 2000), "predicted_s"] > 0
    assert frame.loc[("forward", 2), "status"] == "ok"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--budget", "soon"], "--budget is 'soon'; expected a time such as 90s"),
        (["--budget", "0s"], "expected a time"),
        (["--max-seconds", "-1"], "--max-seconds is -1; expected seconds above 0"),
        (["--timeout", "nan"], "--timeout is nan"),
        (["--device", "tpu"], "--device"),
        (["--engines", "reverse@again"], "are --self-check's own"),
        (["--engines", "reverse@a b"], "a tag is made of letters"),
    ],
)
def test_wrong_options(called, tmp_path, arguments, message):
    status, said = called("bench", *arguments)
    assert (status, said.count("\n")) == (2, 1)
    assert message in said
    assert not (tmp_path / "results").exists()


def test_a_budget_shares_out_what_is_left():
    clock = iter([0.0, 0.0, 0.0, 10.0, 10.0, 1000.0]).__next__
    budget = Budget(0.1, 100.0, clock)
    assert budget.timing({"a": 100}) == {"max_time": 0.1}
    budget.spent("a", 0.4)
    budget.spent("a", 0.6, measured=True)
    assert budget.timing({"a": 100})["max_time"] == 0.005  # preparing alone takes longer
    assert 0.005 < budget.timing({"a": 74})["max_time"] < 0.1
    assert budget.timing({"a": 1, "b": 1})["max_time"] == 0.1
    assert not budget.another_pass_fits(50.0, 10.0)
    assert Budget(0.1).timing({"a": 10**6}) == {"max_time": 0.1}


def test_sweeps_on_request_are_left_out_until_named():
    assert "peers" not in {sweep.name for sweep in load_all([])}
    assert load_all(["peers"])[0].name == "peers"
