"""Broken input of every kind: a message and exit status 1 or 2, never a traceback.

The number of inputs of each kind is AUTODIFF_FUZZ, 60 by default; 2000 make 10,000 in all.
"""

import json
import os
import random
import shutil
from pathlib import Path

import pytest
from conftest import request_of
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from autodiff.bench.ask.files import parse
from autodiff.bench.records import folder as folders
from autodiff.bench.records import record as records
from autodiff.bench.records.folder import Folder
from autodiff.bench.records.record import Record
from autodiff.bench.report import report
from autodiff.bench.run import conditions, session

COUNT = int(os.environ.get("AUTODIFF_FUZZ", "60"))
many = settings(
    max_examples=COUNT,
    deadline=None,
    phases=(Phase.generate, Phase.shrink),
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow, HealthCheck.data_too_large],
)


class AcceptedError(Exception):
    """The input was fine after all; nothing is measured here."""


def accept(request, folder, show, new, anyway, tell):
    if not new:
        folders.set_torn_aside(folder)
        conditions.resume(folder, request, [0], anyway)
    raise AcceptedError


@pytest.fixture
def home(tmp_path, monkeypatch, called):
    """A folder to be in, where nothing is measured and nothing is drawn."""
    monkeypatch.setattr(session, "carry_out", accept)
    monkeypatch.setattr(
        conditions, "describe", lambda request, cores: {"processor": "x", "cores": 2, "packages": {"a": "1"}}
    )
    rates = {"measured": "", "file": "", "note": "", "seconds": {"numpy float64": {"call": 1e-6}}}
    monkeypatch.setattr(
        "autodiff.machine.host.environment", lambda: {"warnings": [], "rates": rates, "busy_share": 0.0}
    )
    monkeypatch.setattr(report, "draw_all", lambda *args: ([], []))
    return tmp_path


def expect_no_traceback(called, *arguments):
    try:
        status, said = called(*arguments)
    except AcceptedError:
        return
    assert status in (0, 1, 2)
    assert status == 0 or said.strip()
    assert "Traceback" not in said


scalars = (
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=12)
    | st.sampled_from(["forward", "mlp", "n", "reverse@b", "forward(chunk=3)", 10**30, -1, 0, "", "@", "\x00"])
)  # fmt: skip
values = st.recursive(
    scalars, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=6), inner, max_size=3)
)

SWEEP = {
    "name": "tiny", "problem": "mlp", "operation": "jacobian", "wrt": "input", "seeds": 1, "plot": "curves",
    "engines": ["forward", "reverse"], "grid": {"n": [1, 2, 4], "m": 1, "depth": 2}, "points": [{"width": 4}],
    "quick": {"n": [1, 2]},
}  # fmt: skip


def toml(data):
    """Enough of TOML for the tables above; JSON's notation of values is TOML's but for null and nested tables."""
    lines = []
    for key, value in data.items():
        text = json.dumps(value)
        if isinstance(value, dict):
            text = "{" + ", ".join(f"{json.dumps(k)} = {json.dumps(v)}" for k, v in value.items()) + "}"
        lines.append(f"{json.dumps(key)} = {text}")
    return "\n".join(lines)


@many
@given(
    where=st.sampled_from([*SWEEP, "grid.n", "grid.x", "other", "quick.n", "series"]), value=values,
    noise=st.text(max_size=3), seed=st.integers(0, 10**6), broken=st.booleans(),
)  # fmt: skip
def test_sweep_files(home, called, where, value, noise, seed, broken):
    data = json.loads(json.dumps(SWEEP))
    table, _, key = where.rpartition(".")
    (data[table] if table else data)[key] = value
    text = toml(data)
    if broken:
        at = random.Random(seed).randrange(len(text))
        text = text[:at] + noise + text[at + 1 :]
    (home / "sweep.toml").write_bytes(text.encode("utf-8", "surrogatepass"))
    expect_no_traceback(called, "bench", "--sweep", "sweep.toml", "--out", "new")
    shutil.rmtree(home / "new", ignore_errors=True)


def write_run(path):
    sweep = parse({key: value for key, value in SWEEP.items() if key != "points"}, "tiny")
    folder, request = Folder(path), request_of(sweep, passes=2)
    path.mkdir(exist_ok=True)
    folders.write_json(folder.request, request.model_dump(mode="json"))
    folders.write_json(folder.environment, {"processor": "x", "cores": 2, "load_average": [0.1], "warnings": []})
    with folder.records.open("w") as file:
        for case in sweep.cases():
            for engine in ("value", "forward", "reverse"):
                record = Record(
                    "tiny", case.name, engine, 1, keywords=case.keywords, n=1, m=1, dtype="float64", seconds=[1e-6] * 3,
                    rounds=3, iterations=1, min_s=1e-6, median_s=1e-6, mean_s=1e-6, stddev_s=0.0, iqr_s=0.0,
                )  # fmt: skip
                file.write(json.dumps(records.asdict(record)) + "\n")
    return folder


@many
@given(
    field=st.sampled_from([*(name for name in Record.__dataclass_fields__), "other"]), value=values,
    line=st.integers(0, 8), noise=st.binary(max_size=4), seed=st.integers(0, 10**6), broken=st.booleans(),
)  # fmt: skip
def test_records(home, called, field, value, line, noise, seed, broken):
    folder = write_run(home / "run")
    lines = folder.records.read_bytes().splitlines()
    lines[line] = json.dumps(json.loads(lines[line]) | {field: value}).encode()
    data = b"\n".join(lines) + b"\n"
    if broken:
        at = random.Random(seed).randrange(len(data))
        data = data[:at] + noise + data[at + 1 :]
    folder.records.write_bytes(data)
    expect_no_traceback(called, "report", "run")


@many
@given(at=st.integers(0, 10**6), bit=st.integers(0, 7))
def test_flipped_bits(home, called, at, bit):
    """A record is read, or left out and said to be; a report is made of the others."""
    folder = write_run(home / "run")
    data = bytearray(folder.records.read_bytes())
    data[at % len(data)] ^= 1 << bit
    folder.records.write_bytes(data)
    expect_no_traceback(called, "report", "run")


@many
@given(
    name=st.sampled_from(["run.json", "environment.json", "records.jsonl"]), value=values,
    key=st.sampled_from(["sweeps", "engines", "passes", "threads", "again", "budget", "timeout", "warnings", "blas",
                         "packages", "resumed", "cores", "load_average", "steal_share", "other", ""]),
    how=st.sampled_from(["value", "whole", "missing", "folder", "bytes"]), noise=st.binary(max_size=20),
    command=st.sampled_from(["report", "bench", "compare"]),
)  # fmt: skip
def test_run_folders(home, called, name, value, key, how, noise, command):
    path = home / "run"
    shutil.rmtree(path, ignore_errors=True)
    folder = write_run(path)
    shutil.copytree(path, home / "good", dirs_exist_ok=True)
    file = folder.path / name
    if how == "value" and name != "records.jsonl":
        file.write_text(json.dumps(json.loads(file.read_text()) | {key: value}))
    elif how == "whole":
        file.write_text(json.dumps(value))
    elif how == "bytes":
        file.write_bytes(noise)
    elif how in ("missing", "folder"):
        file.unlink()
        if how == "folder":
            file.mkdir()
    arguments = {"report": ["run"], "bench": ["--resume", "run"], "compare": ["run", "good"]}[command]
    expect_no_traceback(called, command, *arguments)


CHAIN = '{"factors": [{"n": 3, "m": 2, "tangent_cost": 6, "adjoint_cost": 6, "memory": 48}]}'


@many
@given(
    text=st.sampled_from([CHAIN, "2\n3 4 12\n2 3 6\n"]), at=st.integers(0, 100), cut=st.integers(0, 4),
    noise=st.text(max_size=6), whole=st.none() | values, memory=st.none() | st.text(max_size=8),
)  # fmt: skip
def test_chain_files(home, called, text, at, cut, noise, whole, memory):
    text = text[:at] + noise + text[at + cut :] if whole is None else json.dumps(whole)
    (home / "chain.json").write_bytes(text.encode("utf-8", "surrogatepass"))
    extra = [] if memory is None else ["--memory", memory]
    expect_no_traceback(called, "plan", "chain.json", *extra)


WORDS = [
    "bench", "report", "plan", "env", "compare", "--sweep", "--quick", "--full", "--engines", "--passes", "--threads",
    "--out", "--resume", "--budget", "--max-seconds", "--timeout", "--device", "--self-check", "--baseline",
    "--fail-above", "--markdown", "--json", "--memory", "--resume-anyway", "n", "forward", "forward(chunk=0)",
    "forward(", "mlp(n=2, m=1, depth=2)", "mlp(n=2", "mlp(n=1e3, m=1, depth=2)", "a:b", ":", "", "-1", "0", "1e999",
    "run", "missing", "/proc/none", "--", "-s", "cpu", "gpu", "90s", "1h", "reverse@b",
]  # fmt: skip


@many
@given(words=st.lists(st.sampled_from(WORDS) | st.text(max_size=6), max_size=6))
def test_command_lines(home, called, words):
    expect_no_traceback(called, *words)
    for made in home.iterdir():
        if made.is_dir() and made.name not in ("run",):
            shutil.rmtree(made)
    assert Path.cwd() == home
