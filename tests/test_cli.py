"""The command line as a user types it."""

import json
import os
import signal
import subprocess
import sys
import time

import pandas as pd
import pytest
from conftest import ordinary_environment

import autodiff as ad

TINY = """
name = "tiny"
problem = "mlp"
engines = ["forward", "reverse"]
[grid]
n = [1, 2, 4, 8]
m = 1
depth = 2
width = 4
[quick]
n = [1, 2, 4, 8, 16]
"""
BIG = """
name = "big"
problem = "mlp"
engines = ["reverse"]
[grid]
n = [2, 1000000]
m = [3, 1000000]
depth = 2
width = 4
"""


def autodiff(*arguments, cwd, **keywords):
    command = [sys.executable, "-m", "autodiff", *map(str, arguments)]
    environment = os.environ | {"COLUMNS": "120", "NO_COLOR": "1"}
    return subprocess.run(command, cwd=cwd, env=environment, capture_output=True, text=True, timeout=120, **keywords)


def test_a_whole_run(tmp_path):
    (tmp_path / "tiny.toml").write_text(TINY)
    done = autodiff("bench", "--sweep", "tiny.toml", "--quick", "--passes", 2, "--out", "run", cwd=tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "Growth" in done.stdout
    assert "start with run/report.md" in done.stdout
    frame = pd.read_csv(tmp_path / "run" / "results.csv")
    assert frame[["case", "engine", "status", "passes"]].to_numpy().tolist() == [
        [f"n{n}-m1-d2-w4", engine, "ok", 2] for n in (1, 2, 4, 8, 16) for engine in ("forward", "reverse")
    ]
    assert (frame["max_error"] < 1e-12).all()
    assert frame[["median_s", "predicted_s", "peak_bytes", "cost_ratio", "flops"]].notna().all().all()
    for name in ("tiny.png", "tiny.svg", "report.md", "run.json", "records.jsonl"):
        assert (tmp_path / "run" / name).stat().st_size > 0
    environment = json.loads((tmp_path / "run" / "environment.json").read_text())
    assert environment["blas"]["threads"] == environment["threads"] == 1
    data = json.loads((tmp_path / "run" / "pytest" / "pass2-numpy.json").read_text())
    assert "tiny[reverse-n16-m1-d2-w4]" in [one["name"] for one in data["benchmarks"]]

    again = autodiff("bench", "--sweep", "tiny.toml", "--out", "run", cwd=tmp_path)
    assert (again.returncode, again.stderr.count("\n")) == (2, 1)
    assert "already holds a run; nothing is overwritten" in again.stderr

    records = tmp_path / "run" / "records.jsonl"
    slower = tmp_path / "slower"
    slower.mkdir()
    lines = [json.loads(line) for line in records.read_text().splitlines()]
    for line in lines:
        if line["engine"] == "reverse":
            line["min_s"] *= 30
    (slower / "records.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    failed = autodiff("compare", "run", "slower", "--fail-above", "1.2", "--markdown", cwd=tmp_path)
    assert failed.returncode == 1
    assert "**5 of 15 measurements are slower" in failed.stdout
    assert "surely above 1.2 times A: tiny reverse on average: 30.0" in failed.stderr

    before = (tmp_path / "run" / "results.csv").read_bytes()
    reported = autodiff("report", "run", cwd=tmp_path)
    assert reported.returncode == 0
    assert (tmp_path / "run" / "results.csv").read_bytes() == before


def test_cases_that_do_not_fit_are_skipped_and_the_rest_runs(tmp_path):
    (tmp_path / "big.toml").write_text(BIG)
    done = autodiff("bench", "-s", "big.toml", "--quick", "--out", "run", cwd=tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    frame = pd.read_csv(tmp_path / "run" / "results.csv")
    assert sorted(frame["status"]) == ["ok", "skipped", "skipped", "skipped"] or set(frame["status"]) == {
        "ok",
        "skipped",
    }
    worst = frame[(frame["n"] == 10**6) & (frame["m"] == 10**6)].iloc[0]
    assert worst["status"] == "skipped"
    assert "8,000,000,000,000 bytes" in worst["reason"]
    assert "Not measured" in done.stdout


def test_ctrl_c_keeps_what_was_measured(tmp_path):
    (tmp_path / "tiny.toml").write_text(TINY)
    command = [sys.executable, "-m", "autodiff", "bench", "-s", "tiny.toml", "--passes", "50", "--out", "run"]
    process = subprocess.Popen(
        command, cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True
    )
    records = tmp_path / "run" / "records.jsonl"
    deadline = time.monotonic() + 60  # ten kernels, a model, f, and a few engines
    while time.monotonic() < deadline and (not records.exists() or records.read_bytes().count(b"\n") < 16):
        time.sleep(0.05)
    os.killpg(process.pid, signal.SIGINT)
    out, err = process.communicate(timeout=60)
    assert process.returncode == 1, out + err
    assert "interrupted: what was measured is kept and reported; autodiff bench --resume run goes on" in err
    frame = pd.read_csv(tmp_path / "run" / "results.csv")
    assert len(frame) == 8
    assert "ok" in set(frame["status"])
    assert set(frame["status"]) <= {"ok", "not run"}
    assert (tmp_path / "run" / "report.md").exists()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["bench", "--sweep", "dept"], "unknown sweep 'dept'; did you mean depth"),
        (["bench", "--sweep", "missing.toml"], "missing.toml: No such file or directory"),
        (["bench", "--engines", "revers"], "unknown engine 'revers'; did you mean reverse"),
        (["bench", "--engines", ","], "--engines names no engine"),
        (["bench", "--engines", "forward,forward"], "--engines lists forward twice"),
        (["bench", "--engines", "forward(chnk=3)"], "unknown option of engine forward 'chnk'; did you mean chunk"),
        (["plan", "autoencodr(n=4)"], "unknown problem 'autoencodr'; did you mean autoencoder"),
        (["plan", "mlp(n=4, m=1)"], "problem mlp needs depth"),
        (["plan", "mlp(4)"], "write every argument as key=value"),
        (["plan", "mlp(n=)"], "cannot be read; write it like mlp"),
        (["plan", "nowhere:net"], "nowhere:net cannot be loaded: there is no module nowhere; looked in"),
        (["plan", "os:getcwd"], "problem os:getcwd gives str; expected an autodiff.Network"),
        (["plan", "os:path"], "os:path is module; expected an autodiff.Network or a torch.nn.Module, or a function"),
        (["plan", "os:nothing"], "os:nothing cannot be loaded: module 'os' has no attribute"),
        (["plan", "mlp(n=1000000000, m=1, depth=2)"], "its arrays alone would take 512,000,001,032 bytes"),
        (["plan", "product(n=1000000000)"], "its arrays alone would take"),
        (["plan", "mlp(n=2, m=1, depth=2, seed=-1)"], "seed is -1; expected an integer of at least 0"),
        (["plan", "mlp(n=2, m=1, depth=2, seed='a')"], "seed is 'a'; expected an integer"),
        (["plan", "mlp(n=2.5, m=1, depth=2)"], "n is 2.5; expected an integer"),
        (["plan", "mlp(n=2, n=3, m=1, depth=1)"], "an argument stands twice"),
        (["plan", "mlp(widths='8')"], "widths is '8'; expected sizes from the inputs to the outputs"),
        (["plan", "mlp(widths='8-3', n=8)"], "takes widths instead of n; leave one out"),
        (["show", "product(n=3)", "-e", "os:getcwd"], "engine os:getcwd is str; expected an autodiff.Engine"),
        (["show", "product(n=3)", "-e", "math:pi"], "math:pi is float; expected a class of engines"),
        (["bench", "--engines", "nowhere:Mine"], "there is no module nowhere"),
        (["plan", "missing.json"], "cannot read the chain missing.json"),
        (["plan", "product(n=3)", "--wrt", "weights"], "'weights' is not one of 'input', 'params'"),
        (["plan", "digits_loss()", "--memory", "1MiB"], "--wrt params has none to choose"),
        (["plan", "curve_fit()", "--wrt", "params"], "curve_fit has no parameters to differentiate"),
        (["show", "autoencodr(n=4)"], "unknown problem 'autoencodr'; did you mean autoencoder"),
        (["show", "missing.json"], "cannot read the chain missing.json"),
        (["show", "product(n=3)", "--engine", "revers"], "unknown engine 'revers'; did you mean reverse"),
        (["show", "product(n=3)", "-e", "jax-forward"], "engine jax-forward writes no program that could be shown"),
        (["show", "product(n=3)", "-e", "finite-difference"], "engine finite-difference writes no program"),
        (["show", "product(n=3)", "--operation", "hessian"], "'hessian' is not one of 'jacobian', 'gradient'"),
        (["show", "product(n=3)", "--operation", "jvp"], "reverse pulls cotangents and would need"),
        (["show", "product(n=3, m=2)", "--operation", "gradient"], "a gradient needs one output, product has 2"),
        (["plan", "mlp(n=4, m=1, depth=2)", "--memory", "much"], "expected an integer, or bytes such as 64MiB"),
        (["bench", "--threads", "4096"], "--threads is 4096; this process may use 1 to"),
        (["bench", "--quick", "--full"], "--quick and --full exclude each other"),
        (["bench", "--passes", "0"], "greater than or equal to 1"),
        (["bench", "--out", "/proc/nothing"], "cannot be written"),
        (["report", "nowhere"], "nowhere holds no run"),
        (["compare", "nowhere", "nothing"], "nowhere cannot be read"),
        (["compare", "a"], "Missing argument"),
        (["compare", "a", "b", "--fail-above", "0"], "--fail-above is 0; expected a ratio above 0"),
        (["bench", "--baseline", "nowhere"], "nowhere cannot be read"),
        (["bench", "--fail-above", "1.1"], "--fail-above needs --baseline"),
        (["bnech"], "No such command 'bnech'"),
        (["bench", "--swep", "n"], "No such option"),
    ],
)
def test_wrong_requests_get_one_line_and_status_2(tmp_path, called, arguments, message):
    status, said = called(*arguments)
    assert (status, said.count("\n")) == (2, 1)
    assert message in said
    assert list(tmp_path.iterdir()) == []


def test_plans(tmp_path, called):
    status, said = called("plan", "autoencoder(n=64, bottleneck=4)")
    assert status == 0
    assert "gain" in said
    assert "forward" in said
    (tmp_path / "net.py").write_text("import autodiff as ad\nnet = ad.problems.mlp(3, 2, 2)\ndef make(): return net\n")
    for name in ("net:net", "net:make"):
        found = json.loads(autodiff("plan", name, "--json", cwd=tmp_path).stdout)
        assert found["cost"] <= found["forward_cost"]
        assert [one["name"] for one in found["orders"]] == ["plan", "forward", "reverse"]
        assert all(one["seconds"] > 0 for one in found["orders"])
    (tmp_path / "chain.txt").write_text("2\n3 4 12\n2 3 6\n")
    assert called("plan", "chain.txt", "--memory", "1KiB")[0] == 0
    (tmp_path / "broken.txt").write_text("2\n3 4 12\n2 x 6\n")
    status, said = called("plan", "broken.txt")
    assert (status, said.count("\n")) == (2, 1)
    assert "line 3" in said
    assert called("plan", "json:dumps")[0] == 2


def test_plans_of_a_loss_are_of_its_parameters(called):
    status, said = called("plan", "digits_loss(samples=8)")
    assert status == 0
    assert "with respect to its parameters" in said
    assert "here it is reverse" in said
    found = json.loads(called("plan", "digits_loss(samples=8)", "--json")[1])
    assert (found["wrt"], [one["name"] for one in found["orders"]]) == ("params", ["forward", "reverse"])
    network = ad.problems.digits_loss(samples=8)
    for one in found["orders"]:
        assert one["multiply_adds"] == ad.engine(one["name"]).layout(network, "params").work.fma
    status, said = called("plan", "digits_loss(samples=8)", "--wrt", "input", "--memory", "64MiB")
    assert status == 0
    assert "1 x 512" in said
    assert "memory limit 67,108,864" in said
    status, said = called("plan", "mlp(n=3, m=2, depth=2)", "--wrt", "params")
    assert status == 0
    assert "forward" in said


def test_chains_have_no_parameters_and_no_program(called, tmp_path):
    (tmp_path / "chain.txt").write_text("2\n3 4 12\n2 3 6\n")
    assert called("plan", "chain.txt", "--wrt", "params")[0] == 2
    status, said = called("show", "chain.txt")
    assert (status, said.count("\n")) == (2, 1)
    assert "a chain file holds sizes and costs" in said


def test_shows(called):
    status, said = called("show", "product(n=128)")
    assert status == 0
    assert "(1 x 128)(128 x 128) -> (1 x 128)" in said
    status, said = called("show", "product(n=128)", "--engine", "forward", "--values")
    assert status == 0
    assert "(128 x 128)(128 x 128) -> (128 x 128)" in said
    result = ad.jacobian(network := ad.problems.product(128), network.example_input())
    assert f"min {result.min():.4g}, mean {result.mean():.4g}, max {result.max():.4g}" in said
    status, said = called("show", "mlp(n=3, m=1, depth=40)")
    assert (status, "instructions with" in said) == (0, True)
    status, said = called("show", "mlp(n=3, m=1, depth=40)", "--all")
    assert (status, "instructions with" in said) == (0, False)
    for more in ("--operation=vjp", "--operation=value", "-e=compiled-mixed", "-e=forward(chunk=2)", "-e=auto"):
        status, said = called("show", "mlp(n=3, m=2, depth=2)", "--values", *more.split("=", 1))
        assert status == 0, said
        assert "-> result" in said
    status, said = called("show", "digits_loss(samples=4)")
    assert (status, "jacobian with respect to the parameters" in said) == (0, True)


def test_help_and_version(tmp_path, called):
    assert "0 done, 1 the work failed" in autodiff("--help", cwd=tmp_path).stdout
    for command in ("bench", "report", "plan", "show", "env"):
        assert called(command, "--help")[0] == 0
    assert called("--version")[1].startswith("autodiff ")
    found = json.loads(autodiff("env", "--json", cwd=tmp_path).stdout)
    assert found["blas"]["library"]
    assert "processor" in called("env")[1]


def test_importing_the_package_loads_numpy_only(tmp_path):
    heavy = [
        "pandas",
        "matplotlib",
        "pytest",
        "scipy",
        "sklearn",
        "pydantic",
        "typer",
        "rich",
        "psutil",
        "threadpoolctl",
    ]
    code = f"import autodiff, sys; print([name for name in {heavy} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=tmp_path, check=True)
    assert done.stdout.strip() == "[]"


def test_benchmarks_are_ordinary_pytest_modules(tmp_path):
    """Options of pytest and of pytest-benchmark work on the folder; here: collect, select, disable."""
    from autodiff.bench.ask.files import shipped_folder

    base = [sys.executable, "-m", "pytest", str(shipped_folder()), "-p", "no:randomly", "-q"]
    one = "n-reverse-n4-m1-d16-w64"
    captured = {"capture_output": True, "text": True, "cwd": tmp_path, "env": ordinary_environment()}
    collected = subprocess.run([*base, "--collect-only", "-k", one], **captured)
    assert f"test_sweep[{one}]" in collected.stdout
    disabled = subprocess.run([*base, "--benchmark-disable", "-k", one], **captured)
    assert "1 passed" in disabled.stdout
    timed = [*base, "-k", one, "--benchmark-max-time", "0.01"]
    saved = subprocess.run([*timed, "--benchmark-save", "first"], **captured)
    assert "1 passed" in saved.stdout
    compared = subprocess.run([*timed, "-x", "--benchmark-compare", "0001"], **captured)
    assert "(0001_first)" in compared.stdout
    parallel = subprocess.run([*timed, "-n", "2"], **captured)
    assert parallel.returncode == 4
    assert "several tests at a time cannot be timed" in parallel.stderr
    wrong = subprocess.run([*base, "--sweep", "dept"], **captured)
    assert wrong.returncode == 4
    assert "did you mean depth" in wrong.stderr + wrong.stdout
