"""Peers in another interpreter: asked before anything is measured, measured there, and recorded."""

import json
import subprocess
import sys
from importlib.util import find_spec

import pandas as pd
import pytest
from conftest import ordinary_environment

SWEEP = """
name = "two"
problem = "mlp"
engines = ["reverse", "autograd-reverse"]
grid = { n = 3, m = 1, depth = 2, width = 4 }
"""


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ("pytensor", "--peer-python is 'pytensor'; expected PEER=PATH"), ("=x", "expected PEER=PATH"),
        ("pytensr=x", "unknown peer 'pytensr'; did you mean pytensor"), ("numpy=x", "unknown peer 'numpy'"),
        ("pytensor=/nowhere/python", "/nowhere/python is no interpreter that answers"),
        (f"pytensor={sys.executable}", "pytensor is not installed"),
    ],
)  # fmt: skip
def test_wrong_interpreters_are_refused(called, given, message):
    if sys.executable in given and find_spec("pytensor"):
        pytest.skip("it is installed here")
    status, said = called("bench", "--sweep", "peers", "--peer-python", given)
    assert (status, said.count("\n")) == (2, 1)
    assert message in said


def test_an_interpreter_that_is_something_else(called, tmp_path):
    broken = tmp_path / "python"
    broken.write_text("#!/bin/sh\necho not json\n")
    broken.chmod(0o755)
    status, said = called("bench", "--peer-python", f"autograd={broken}")
    assert status == 2
    assert "is no interpreter that answers" in said


def test_a_peer_is_measured_by_its_interpreter(tmp_path):
    if not find_spec("autograd"):
        pytest.skip("the peers extra is not installed")
    (tmp_path / "two.toml").write_text(SWEEP)
    command = [sys.executable, "-m", "autodiff", "bench", "-s", "two.toml", "--quick", "--out", "run"]
    command += ["--peer-python", f"autograd={sys.executable}"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, env=ordinary_environment())
    assert done.returncode == 0, done.stdout + done.stderr
    assert set(pd.read_csv(tmp_path / "run" / "results.csv")["status"]) == {"ok"}
    told = json.loads((tmp_path / "run" / "environment.json").read_text())["peers"]["autograd"]
    assert told["path"] == sys.executable
    assert told["python"].endswith(sys.version.split()[0])
    assert "autograd" in told["packages"]
    assert json.loads((tmp_path / "run" / "run.json").read_text())["pythons"] == {"autograd": sys.executable}
