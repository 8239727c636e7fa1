"""The executors' rates: kept, found again, never believed when damaged; and what chooses by them."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from conftest import model_of

import autodiff as ad
from autodiff.machine import rates, tables
from autodiff.machine.rates import EXECUTORS, PRECISIONS, keep, kept, predicted, rates_file, rates_for, typical

MADE_UP = {
    (executor, precision): model_of(call=1e-7 * (i + 1))
    for i, executor in enumerate(EXECUTORS)
    for precision in PRECISIONS
}


@pytest.fixture(autouse=True)
def empty(monkeypatch, tmp_path):
    """A cache of this test's own."""
    monkeypatch.setenv("AUTODIFF_CACHE", str(tmp_path / "cache"))


def test_rates_are_kept_and_found_again(monkeypatch):
    assert kept().models == kept().rates == {}
    assert rates_for("compiled", np.float32) == typical("compiled")
    assert keep(MADE_UP, "2026-01-01", "noisy") == ""
    assert (kept().models, kept().measured, kept().note) == (MADE_UP, "2026-01-01", "noisy")
    assert rates_for("compiled", np.float32) == MADE_UP["compiled", "float32"].rates
    assert [path.name for path in rates_file().parent.iterdir()] == ["rates.json"]
    own = dict(rates.machine())
    monkeypatch.setattr(rates, "machine", lambda: own | {"numpy": "1.0"})
    rates._found.cache_clear()
    assert kept().rates == {}  # other versions are another machine
    assert keep({("numpy", "float64"): model_of()}, "now") == ""
    assert rates_for("numpy", np.float64) == model_of().rates
    assert rates_for("numpy", np.float32) == typical("numpy")
    monkeypatch.setattr(rates, "machine", lambda: own)
    rates._found.cache_clear()
    assert kept().models == MADE_UP
    for number in range(20):
        monkeypatch.setattr(rates, "machine", lambda number=number: {"number": number})
        assert keep(MADE_UP, "") == ""
    assert len(json.loads(rates_file().read_text())["kept"]) == rates.MACHINES


def test_the_folder(monkeypatch, tmp_path):
    assert rates_file() == tmp_path / "cache" / "rates.json"
    monkeypatch.delenv("AUTODIFF_CACHE")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert rates_file() == tmp_path / "autodiff" / "rates.json"
    monkeypatch.setenv("XDG_CACHE_HOME", "relative")  # to be ignored, says the standard
    monkeypatch.setenv("HOME", str(tmp_path))
    assert rates_file() == tmp_path / ".cache" / "autodiff" / "rates.json"


@pytest.mark.parametrize(
    ("text", "note"),
    [
        ("{", "is damaged"),
        ("[" * 100_000, "is damaged"),
        ("[]", "is not a file of rates that this version reads"),
        ('{"schema": 99, "kept": []}', "is not a file of rates that this version reads"),
        ('{"schema": 1, "kept": []}', "is not a file of rates that this version reads"),
        ('{"schema": 2, "kept": {}}', "is not a file of rates that this version reads"),
        ('{"schema": 2, "kept": [1, null]}', ""),
    ],
)
def test_a_file_that_is_damaged_or_anothers_is_not_believed(text, note):
    rates_file().parent.mkdir()
    rates_file().write_text(text)
    assert kept().rates == {}
    assert kept().note.endswith(note)
    assert rates_for("numpy", float) == typical("numpy")
    assert keep(MADE_UP, "now") == ""  # measured again, it is replaced
    assert (kept().models, kept().note) == (MADE_UP, "")


@pytest.mark.parametrize(
    "spoil",
    [
        lambda one: one["table"].update({"start": -1.0}),
        lambda one: one["table"].update({"start": "1"}),
        lambda one: one["table"].update({"start": None}),
        lambda one: one["table"].update({"start": True}),
        lambda one: one["table"].pop("matmul  4 4 4"),
        lambda one: one["table"].pop("map tanh call"),
        lambda one: [one["table"].pop(name) for name in list(one["table"]) if name.startswith("read")],
        lambda one: one.update(table=3),
        lambda one: one.update(itemsize=7),
        lambda one: one.update(near=float("inf")),
        lambda one: one.update(more=1.0),
    ],
)
def test_models_that_cannot_be_are_not_believed(spoil):
    keep(MADE_UP, "now")
    data = json.loads(rates_file().read_text())
    spoil(data["kept"][0]["models"]["compiled float64"])
    rates_file().write_text(json.dumps(data))
    rates._found.cache_clear()
    assert kept().models == kept().rates == {}
    assert "cannot be read" in kept().note


def test_a_folder_that_cannot_be_written_costs_nothing(monkeypatch, tmp_path):
    (tmp_path / "file").touch()
    monkeypatch.setenv("AUTODIFF_CACHE", str(tmp_path / "file"))
    assert str(tmp_path / "file") in keep(MADE_UP, "now")
    assert kept().rates == {}


def test_calibrating_from_the_command_line(called, monkeypatch):
    monkeypatch.setattr(tables, "BUDGET", 0.0)
    monkeypatch.setattr(tables, "LEAST", 1)
    monkeypatch.setattr(tables, "MOST", 1 << 20)
    tables._arena.cache_clear()
    status, said = called("env")
    assert status == 0
    assert "of a typical machine" in said
    status, said = called("env", "--calibrate")
    assert status == 0
    assert "measured 2" in said
    found = kept().rates
    assert found.keys() == MADE_UP.keys()
    assert all(one.call > 0 and one.fma > 0 for one in found.values())
    assert found["compiled", "float64"].call < found["numpy", "float64"].call
    status, said = called("env", "--json")
    shown = json.loads(said)["rates"]
    assert shown["seconds"]["numpy float64"]["call"] == found["numpy", "float64"].call
    rates_file().write_text("{")
    rates._found.cache_clear()
    status, said = called("env")
    assert "is damaged" in " ".join(said.split())


# -- what chooses by them


@pytest.fixture
def at(monkeypatch):
    """Lets calls cost so many seconds in each executor, and all else nothing."""

    def set_calls(numpy, compiled):
        found = {"numpy": numpy, "compiled": compiled}
        made = {(executor, p): model_of(found[executor], 0.0, 1e-12, 1e-12, 1e-12) for executor, p in MADE_UP}
        assert keep(made, "now") == ""

    return set_calls


@pytest.mark.parametrize("operation", ["jacobian", "gradient", "jvp", "vjp", "value"])
@pytest.mark.parametrize("loaded", [True, False])
def test_auto_takes_the_executor_that_is_predicted_to_be_faster(at, operation, loaded, monkeypatch):
    """Where Numba would have to be loaded first, it has to be faster by a twentieth."""
    network = ad.problems.mlp(8, 1, 3, 8)
    ad.engine("compiled-forward").load()
    near = "compiled-" if loaded else ""
    for calls, prefix in (((1e-7, 1e-8), "compiled-"), ((1e-8, 1e-7), ""), ((1e-7, 0.99e-7), near)):
        at(*calls)
        if not loaded:
            monkeypatch.delitem(sys.modules, "autodiff.executors.compiled", raising=False)
        run = ad.engine("auto").prepare(network, operation=operation)
        assert run.engine.name.startswith("compiled-") == bool(prefix)
        x, seed = network.example_input(1), None
        if operation in ("jvp", "vjp"):
            seed = np.ones((8, 1) if operation == "jvp" else (1, 1))
        expected = ad.engine("forward" if operation == "jvp" else "reverse").prepare(network, operation=operation)
        np.testing.assert_allclose(run(x, seed), expected(x, seed), rtol=1e-12)


class Python(ad.Layer):
    """x squared, as a function of Python."""

    n = m = 3

    def function(self, x, params, xp):
        return x * x

    def opaque_linearize(self, x):
        return x * x, lambda V: 2 * x[:, None] * V, lambda U: U * (2 * x)


def test_auto_does_not_compile_a_function_of_python(at):
    at(1e-7, 1e-8)
    network = ad.Network([Python(), ad.Elementwise("tanh", 3)])
    run = ad.engine("auto").prepare(network)
    assert run.engine.executor == "numpy"
    assert ad.engine("auto").prepare(network, operation="value").engine.executor == "numpy"
    x = np.array([0.1, 0.2, 0.3])
    np.testing.assert_allclose(run(x), np.diag(2 * x * (1 - np.tanh(x**2) ** 2)), rtol=1e-12)


def test_numba_is_imported_only_after_it_was_chosen(tmp_path):
    code = """
import sys, autodiff as ad
sys.path.append(sys.argv[1])
from conftest import model_of
from autodiff.machine.rates import EXECUTORS, PRECISIONS, keep
def at(numpy, compiled):
    calls = {"numpy": numpy, "compiled": compiled}
    keep({(e, p): model_of(calls[e], 0.0, 1e-12, 1e-12, 1e-12) for e in EXECUTORS for p in PRECISIONS}, "now")
network = ad.problems.mlp(3, 2, 2, 4)
at(1e-8, 1e-7)
assert ad.engine("auto").prepare(network).engine.executor == "numpy"
assert "numba" not in sys.modules
at(1e-7, 1e-8)
run = ad.engine("auto").layout(network)
assert run.engine.executor == "compiled" and "numba" not in sys.modules
run.allocate()
assert "numba" in sys.modules
"""
    command = [sys.executable, "-c", code, str(Path(__file__).parents[1])]
    done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path)
    assert done.returncode == 0, done.stderr


def test_mixed_takes_its_order_by_the_rates_of_its_executor():
    """One that reads is dear here, another that multiplies: each takes the order that is cheapest by its own."""
    network = ad.problems.mlp(40, 32, 6, 4)
    dear = {"numpy": model_of(1e-6, 0.0, 0.0, 0.0, 0.0), "compiled": model_of(1e-12, 0.0, 0.0, 0.0, 1e-9)}
    assert keep({(executor, p): one for executor, one in dear.items() for p in PRECISIONS}, "now") == ""
    programs = {name: ad.engine(name).layout(network).program for name in ("forward", "reverse")}
    for name, executor in (("mixed", "numpy"), ("compiled-mixed", "compiled")):
        found = predicted(executor, ad.engine(name).layout(network).program)
        assert found <= min(predicted(executor, one) for one in programs.values())
