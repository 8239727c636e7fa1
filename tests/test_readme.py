"""The README's code runs as a reader would type it: every block in an interpreter of its own, in an empty folder."""

import importlib.util
import os
import re
import shlex
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from autodiff.bench.ask.files import parse

README = (Path(__file__).parents[1] / "README.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"```(\w*)\n(.*?)```", README, flags=re.DOTALL)
PYTHON = [code for language, code in BLOCKS if language == "python"]
TOML = [tomllib.loads(code) for language, code in BLOCKS if language == "toml"]
SHOWN = [code.split("\n", 1) for language, code in BLOCKS if code.startswith("$ autodiff")]

#: what a block has made, looked at by the same interpreter
CHECKS = {
    "net.as_torch()": "assert abs(J - K.numpy()).max() < 1e-12 and J.shape == (3, 64)",
    "ad.LSTM(": "assert scores.shape == (10, 64) and g.shape == lstm.params.shape == (1360,) and lstm.depth == 21",
    "from_torch": "assert net.depth == 5 and g.shape == net.params.shape and loss.m == 1",
    "engine=\"forward\"": "assert J.shape == (1, 64) and p.shape == net.params.shape",
    "class Attention": "assert J.shape == (1, 48)",
    "lsmr": "assert 0.8 < r @ r / r.size < 1.2",
    "class OneSided": "from autodiff.testing import check_engine; check_engine(OneSided())",
    "ad.jax.jacobian": "assert J.shape == (4, 8, 8, 4, 16, 16) and 'F4' in str(jacobian.plan(x))",
    "def net(": "assert net(n=3).n == 3",
}  # fmt: skip


def run(*command, cwd):
    environment = os.environ | {"COLUMNS": "200", "AUTODIFF_CACHE": str(cwd / "cache")}
    return subprocess.run(command, cwd=cwd, capture_output=True, text=True, env=environment)


@pytest.mark.parametrize("code", PYTHON, ids=[re.sub(r"\W+", "-", code)[-30:] for code in PYTHON])
def test_python_blocks(code, tmp_path):
    for package in ("jax", "torch"):
        if f"import {package}" in code and importlib.util.find_spec(package) is None:
            pytest.skip("the peers extra is not installed")
    checks = [check for sign, check in CHECKS.items() if sign in code]
    assert checks, "say in CHECKS what this block has made"
    done = run(sys.executable, "-c", "\n".join([code, *checks]), cwd=tmp_path)
    assert done.returncode == 0, done.stderr


def test_the_sweeps_are_valid():
    sweeps = [data for data in TOML if "engines" in data and ":" not in data["problem"]]
    assert [len(parse(data, "README").cases()) for data in sweeps] == [4]


def test_what_is_ones_own_is_measured_as_told(tmp_path):
    """The files of the README, its command, and its table, whose times are another machine's."""
    (tmp_path / "mine.py").write_text(next(code for code in PYTHON if "OneSided" in code))
    sweep = next(code for language, code in BLOCKS if language == "toml" and "mine:net" in code)
    (tmp_path / "mine.toml").write_text(sweep)
    done = run(sys.executable, "-m", "autodiff", "bench", "--sweep", "mine.toml", "--quick", cwd=tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    shown = next(code for _, code in BLOCKS if code.startswith("Who won (mine)"))
    printed = done.stdout[done.stdout.index("Who won (mine)") :].splitlines()
    table = printed.index(next(line for line in printed if line.startswith("n ")))
    assert shown.splitlines()[0] == printed[0]
    assert [row.split()[0] for row in printed[table + 1 : table + 5]] == ["4", "16", "64", "256"]


@pytest.mark.parametrize(("command", "output"), SHOWN, ids=[command[:40] for command, _ in SHOWN])
def test_what_commands_are_shown_to_print(command, output, tmp_path):
    """On a machine whose speed is not known, which a typical one's stands for."""
    done = run(sys.executable, "-m", *shlex.split(command.removeprefix("$ ")), cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert [line.rstrip() for line in done.stdout.splitlines()] == [line.rstrip() for line in output.splitlines()]


def test_the_two_commands_stand_under_start():
    block = README.split("## Start")[1].split("```sh\n")[1].split("```")[0]
    assert block.count("\n") == 2
