"""Networks and engines of one's own, as ``module:name``: in Python, on the command line, and in a sweep."""

import json
import os
import platform
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest

import autodiff as ad
from autodiff.engines.registry import engines
from autodiff.errors import AutodiffError, InputError, UnknownNameError
from autodiff.problems import find_family

OWN = """
import sys
import numpy as np
import autodiff as ad

rng = np.random.default_rng(0)
net = ad.Network([ad.Dense(rng.standard_normal((3, 4)), activation="tanh")])


def sized(n, hidden=2, *, wild=False):
    if wild:
        sys.exit("wild")
    return ad.Network([ad.Dense(rng.standard_normal((hidden, n)))])


class OneSided(ad.Engine):
    name = "one-sided"
    family = "my/family: 1"
    analytic = False

    def __init__(self, step=0):
        self.step = step or 7

    def build(self, network, wrt, operation, seeds):
        return Run(network, wrt, operation, seeds)


class Run(ad.Prepared):
    def allocate(self):
        self.h = 1e-7

    def _run(self, x, seed, out):
        f0 = self.network(x)
        for i, e in enumerate(np.eye(x.size)):
            out[:, i] = (self.network(x + self.h * e) - f0) / self.h


class Broken(ad.Engine):
    name = "broken"

    def __init__(self):
        sys.exit("no")

    build = OneSided.build


class Silent(OneSided):
    def available(self):
        raise RuntimeError("cannot say")


one = OneSided()
number = 3
"""
SWEEP = """
name = "mine"
engines = ["forward", "reverse", "own:OneSided", "own:one@b"]
operation = "jacobian"

[[series]]
problem = "own:net"

[[series]]
problem = "own:sized"
grid = { n = [3, 4], hidden = 2 }
"""


@pytest.fixture
def own(tmp_path, monkeypatch):
    (tmp_path / "own.py").write_text(OWN)
    (tmp_path / "falls.py").write_text("raise SystemExit(3)")
    (tmp_path / "mine.toml").write_text(SWEEP)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [str(tmp_path), *sys.path])
    yield tmp_path
    for name in ("own", "falls"):
        sys.modules.pop(name, None)


def test_an_engine_works_by_name_by_class_and_as_it_is(own):
    import own as module

    x = np.arange(4.0)
    expected = ad.jacobian(module.net, x, engine="reverse")
    for engine in ("own:OneSided", "own:OneSided(step=3)", "own:one", "own:one@b", module.OneSided, module.one):
        np.testing.assert_allclose(ad.jacobian(module.net, x, engine=engine), expected, atol=1e-5)
    assert ad.engine("own:OneSided(step=3)").label == "own:OneSided(step=3)"
    assert ad.engine("own:one@b").family == "my/family: 1@b"
    assert module.one.label == "one-sided", "what is named is left as it is"


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("own:Broken", "engine own:Broken cannot be made: SystemExit: no"), ("own:number", "own:number is int"),
        ("own:net", "engine own:net cannot be made: TypeError"),
        ("own:OneSided(stp=3)", "unknown option of engine own:OneSided"),
        ("own:one(step=3)", "takes no options"), ("own:Run", "engine own:Run cannot be made: TypeError"),
        ("falls:x", "falls fails with SystemExit"), ("own:", "is no module:name"), ("own:a b", "is no module:name"),
    ],
)  # fmt: skip
def test_what_is_no_engine_is_said_to_be_none(own, name, message):
    with pytest.raises(AutodiffError, match=message.replace("(", r"\(")):
        ad.engine(name)


def test_an_engine_that_raises_costs_itself_alone(own, monkeypatch):
    import own as module

    from autodiff.engines import registry

    for kind in (module.Broken, module.Silent):
        monkeypatch.setitem(registry._makers(), kind.name, lambda kind=kind: kind)
    told = engines()
    assert told["broken"] == "engine broken cannot be made: SystemExit: no"
    assert "cannot say whether it can run: RuntimeError: cannot say" in told["one-sided"]
    assert told["forward"] == ""


def test_a_problem_is_a_network_or_a_function_of_keywords(own):
    assert find_family("own:net")().n == 4
    assert find_family("own:sized")(n=5, hidden=3).m == 3
    with pytest.raises(UnknownNameError, match="unknown parameter of problem own:sized 'm'"):
        find_family("own:sized")(n=1, m=2)
    with pytest.raises(InputError, match="own:sized needs n"):
        find_family("own:sized").check()
    with pytest.raises(InputError, match="own:sized fails with SystemExit: wild"):
        find_family("own:sized")(n=1, wild=True)
    with pytest.raises(InputError, match="own:number is int; expected an autodiff"):
        find_family("own:number")


def test_widths_in_full():
    net = find_family("mlp")(widths="7-5-3-2")
    assert [layer.m for layer in net.layers] == [5, 3, 2]
    assert (net.n, net.depth, net.width) == (7, 3, 5)
    loss = find_family("classifier_loss")(widths="7-5-3", samples=6)
    assert (loss.n, loss.m, loss.params.size) == (42, 1, 7 * 5 + 5 + 5 * 3 + 3)
    uniform = ad.value_and_gradient(loss, loss.example_input(), wrt="params")[0]
    assert 0.5 < uniform < 3, "the logarithm of three classes, about"


def test_a_sweep_of_ones_own(own):
    """A network and an engine that are nowhere registered, in four commands and one table."""
    command = [sys.executable, "-m", "autodiff", "bench", "-s", "mine.toml", "--quick", "--out", "run"]
    done = subprocess.run(command, cwd=own, capture_output=True, text=True, env=os.environ | {"COLUMNS": "80"})
    assert done.returncode == 0, done.stdout + done.stderr
    frame = pd.read_csv(own / "run" / "results.csv")
    assert set(frame["status"]) == {"ok"}
    assert set(frame["engine"]) == {"forward", "reverse", "own:OneSided", "own:one@b"}
    assert set(frame.loc[frame["engine"] == "own:OneSided", "package"]) == {"my/family: 1"}
    assert set(frame["host"]) == {platform.node()}
    assert set(frame["run"]) == {json.loads((own / "run" / "environment.json").read_text())["run"]}
    assert "Who won (mine)" in done.stdout
    assert len(pd.read_csv(own / "run" / "mine.csv")) == 3
    assert max(map(len, done.stdout.split("Who won (mine)")[1].split("Growth")[0].splitlines())) <= 80
