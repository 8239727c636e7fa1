"""Peers in another interpreter: asked before anything is measured, measured there, and recorded."""

import json
import subprocess
import sys
from importlib.util import find_spec

import pandas as pd
import pytest
from conftest import ordinary_environment

from autodiff.bench.ask import pythons
from autodiff.bench.ask.request import Request
from autodiff.bench.judge.sides import read_side

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


def test_what_lies_beside_the_package_stays_there(tmp_path, monkeypatch):
    """The folder that pip installs into holds NumPy too, which the other interpreter has its own of."""
    package = tmp_path / "autodiff"
    package.mkdir()
    (package / "__init__.py").touch()
    (package / "part.py").touch()
    (tmp_path / "numpy.py").write_text("raise RuntimeError('of another interpreter')")
    monkeypatch.setattr(pythons, "PACKAGE", package / "__init__.py")
    asked = pythons.command(sys.executable, "import autodiff.part, numpy; print(autodiff.part.__file__, sys.argv)", "x")
    done = subprocess.run(asked, capture_output=True, text=True, check=True, cwd=tmp_path)
    assert done.stdout.strip() == f"{package / 'part.py'} ['-c', 'x']"


def bench(folder, *options):
    command = [sys.executable, "-m", "autodiff", "bench", *options]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, env=ordinary_environment())


def test_a_peer_is_measured_by_its_interpreter(tmp_path):
    if not find_spec("autograd"):
        pytest.skip("the peers extra is not installed")
    (tmp_path / "two.toml").write_text(SWEEP)
    python = str(tmp_path / "python")  # by its path another one than this
    (tmp_path / "python").write_text(f'#!/bin/sh\nexec {sys.executable} "$@"\n')
    (tmp_path / "python").chmod(0o755)
    done = bench(tmp_path, "-s", "two.toml", "--quick", "--out", "run", "--peer-python", f"autograd={python}")
    assert done.returncode == 0, done.stdout + done.stderr
    assert set(pd.read_csv(tmp_path / "run" / "results.csv")["status"]) == {"ok"}
    told = json.loads((tmp_path / "run" / "environment.json").read_text())["peers"]["autograd"]
    assert told["path"] == python
    assert told["python"].endswith(sys.version.split()[0])
    assert "autograd" in told["packages"]
    kept = json.loads((tmp_path / "run" / "run.json").read_text())
    assert kept["pythons"] == {"autograd": python}
    assert read_side(tmp_path / "run").facts["autograd's autograd"] == told["packages"]["autograd"]
    _refused_after_an_upgrade(tmp_path)
    del kept["pythons"]  # as it was before there were any
    assert Request.read(kept, "run.json").pythons == {}


def _refused_after_an_upgrade(folder):
    file = folder / "run" / "environment.json"
    known = json.loads(file.read_text())
    known["peers"]["autograd"]["packages"]["autograd"] = "0.1"
    file.write_text(json.dumps(known))
    done = bench(folder, "--resume", "run")
    assert done.returncode == 2
    assert "other settings (peers autograd packages autograd: 0.1 then, " in " ".join(done.stderr.split())
