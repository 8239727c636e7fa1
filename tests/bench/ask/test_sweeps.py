"""Sweep files: every shipped one is valid, every broken one gets one clear line."""

import numpy as np
import pytest
from conftest import request_of

import autodiff.bench.ask.sweep as asking
from autodiff.bench.ask.files import load, load_all, parse, shipped
from autodiff.bench.ask.floors import is_floor
from autodiff.bench.ask.tasks import KERNELS, asked, tasks
from autodiff.bench.measure.measurement import Measurement
from autodiff.bench.records.record import begun
from autodiff.errors import AutodiffError

GOOD = {"name": "x", "problem": "mlp", "engines": ["forward"], "grid": {"n": [1, 2], "m": 3, "depth": 2}}


@pytest.mark.parametrize("name", sorted(shipped()))
@pytest.mark.parametrize("effort", ["quick", "default", "full"])
def test_shipped_sweeps(name, effort):
    sweep = load(name)
    assert sweep.name == name
    names = [case.name for case in sweep.cases(effort)]
    assert len(set(names)) == len(names)
    assert {"n", "m", "depth", "grid", "products", "real"} <= shipped().keys()


def test_every_combination_is_a_case():
    sweep = parse(GOOD | {"grid": {"n": [1, 2], "m": [3, 4], "depth": 2, "width": 8}}, "x")
    assert [case.name for case in sweep.cases()] == ["n1-m3-d2-w8", "n1-m4-d2-w8", "n2-m3-d2-w8", "n2-m4-d2-w8"]
    assert sweep.axes == ["n", "m"]
    assert sweep.kind == "map"


def test_readable_ids():
    task = tasks(request_of(load("n")))[-1]
    made = Measurement(task, begun(task, 1, 1), print, 1.0)
    assert made.id == "compiled-reverse-n8192-m1-d16-w64"


def measured(sweep, **changes):
    """The engines of every case, in order, f itself among them."""
    return [task.engine for task in tasks(request_of(parse(sweep, "x"), **changes)) if task.of]


def test_engines_of_a_case_are_neighbours():
    assert measured(GOOD | {"engines": ["forward", "reverse"]}) == ["value", "forward", "reverse"] * 2
    assert measured(GOOD, engines=["mixed"]) == ["value", "mixed"] * 2
    for engine in ("auto", "compiled-reverse@b"):  # what may be compiled is compared with f compiled
        assert measured(GOOD, engines=[engine]) == ["value", "compiled-value", engine] * 2


def test_rivals_change_their_order_and_have_processes_of_their_own():
    request = request_of(parse(GOOD | {"engines": ["forward", "reverse@b"]}, "x"), passes=2)
    first, second = ([t for t in tasks(request, number) if t.of] for number in (1, 2))
    assert [t.engine for t in first[:3]] == ["value", "forward", "reverse@b"]
    assert [t.engine for t in second[:3]] == ["reverse@b", "forward", "value"]
    assert {t.engine: t.family for t in first} == {"value": "numpy", "forward": "numpy", "reverse@b": "numpy@b"}
    kernels = [t.key for t in tasks(request) if t.of is None]
    assert [(name, precision) for _, precision, name in kernels] == [*KERNELS, ("model", "float64")]
    assert [t.key for t in tasks(request, 2)][: len(kernels)] == kernels  # the machine comes first


PEERS = GOOD | {"plot": "peers", "engines": ["forward", "reverse@b", "compiled-forward"]}


def test_floors_are_measured_before_a_sweep_against_peers():
    """By every engine once, in its own process, and asked for by no case: nothing can win there."""
    asked_for = request_of(parse(PEERS, "x"))
    made = [task for task in tasks(asked_for) if task.of]
    assert [task.engine for task in made[:5]] == [*PEERS["engines"], "value", "compiled-value"]
    assert [(task.case, task.family) for task in made[:3]] == [
        ("@identity", "numpy"), ("@identity", "numpy@b"), ("@identity", "numpy"),
    ]  # fmt: skip
    assert len(made) == 3 + 2 * 5
    assert not any(is_floor(task.case) for task in made[3:])
    assert not any(is_floor(case.name) for case, _ in asked(asked_for))
    assert begun(made[0], 1, 1).operation == "jacobian"
    assert made[0].of.network()(np.array([3.0])) == [3.0]
    assert [task.engine for task in tasks(asked_for, 2) if is_floor(task.case)] == PEERS["engines"][::-1]


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"engines": ["mixed"]}, [("@identity", "mixed")]),
        ({"engines": ["mixed", "reverse"], "again": True}, [("@identity", "mixed"), ("@identity", "reverse")]),
    ],
)
def test_floors_of_other_engines(changes, expected):
    made = tasks(request_of(parse(PEERS, "x"), **changes))
    assert [(task.case, task.engine) for task in made if is_floor(task.case)] == expected


def test_every_operation_has_floors_of_its_own():
    """A gradient is a Jacobian there."""
    operations = {"jacobian": ["forward"], "gradient": ["forward", "reverse"], "vjp": ["reverse"]}
    series = [
        {"operation": operation, "engines": engines, "grid": {"n": n, "m": 1, "depth": 2}}
        for n, (operation, engines) in enumerate(operations.items(), start=1)
    ]
    sweep = parse({"name": "x", "problem": "mlp", "plot": "peers", "series": series}, "x")
    found = [(task.case, task.engine, task.of.series.operation) for task in tasks(request_of(sweep)) if task.of]
    assert [one for one in found if is_floor(one[0])] == [
        ("@identity", "forward", "jacobian"), ("@identity", "reverse", "jacobian"), ("@identity-vjp", "reverse", "vjp"),
    ]  # fmt: skip


def test_other_sweeps_have_no_floors():
    assert not any(is_floor(task.case) for name in ("n", "grid", "real") for task in tasks(request_of(load(name))))


def test_the_rates_of_an_executor_are_measured_where_it_is_used():
    made = tasks(request_of(parse(GOOD | {"engines": ["forward", "compiled-forward"]}, "x")))
    kernels = [t.engine for t in made if t.of is None]
    own = [name for name, _ in KERNELS]
    assert kernels == [*own, *(f"compiled-{name}" for name in own), "model", "compiled-model"]
    assert {t.family for t in made} == {"numpy"}
    assert {t.engine: begun(t, 1, 1).operation for t in made if t.of} == {
        "value": "value", "compiled-value": "value", "forward": "jacobian", "compiled-forward": "jacobian",
    }  # fmt: skip


def test_a_self_check_measures_every_engine_twice():
    assert measured(GOOD, again=True) == ["value", "forward", "forward@again"] * 2


def test_all_names_every_shipped_sweep():
    assert [sweep.name for sweep in load_all(["all"])] == list(shipped())


def test_points_change_keys_together():
    points = [{"n": 1, "width": 8}, {"n": 2, "width": 16}, {"n": 4, "width": 32}]
    sweep = parse(GOOD | {"grid": {"m": [1, 2], "depth": 2}, "points": points}, "x")
    assert [case.name for case in sweep.cases("quick")] == [
        f"n{n}-w{width}-m{m}-d2" for n, width in ((1, 8), (4, 32)) for m in (1, 2)
    ]
    assert len(sweep.cases()) == 6


@pytest.mark.parametrize(
    ("points", "message"),
    [
        ([{"n": 1}, {"width": 2}], "do not have the same keys"),
        ([{"m": 1}], "m is in the grid already"),
        ([{"n": 0}], "expected an integer of at least 1"),
        ([{"nn": 1}], "unknown parameter"),
        ([{"n": 1}, {"n": 1}], "lists a table twice"),
        ([{}], "points"),
        ("n", "points"),
    ],
)
def test_points_that_are_refused(points, message):
    with pytest.raises(AutodiffError, match=message):
        parse(GOOD | {"grid": {"m": 3, "depth": 2}, "points": points}, "x")


def test_quick_replaces_keys_of_the_grid():
    sweep = parse(GOOD | {"quick": {"n": [7]}}, "x")
    assert [case.keywords["n"] for case in sweep.cases("quick")] == [7]
    assert [case.keywords["n"] for case in sweep.cases("full")] == [1, 2]


def test_series_inherit_from_the_top():
    data = {"name": "x", "engines": ["forward"], "series": [{"problem": "curve_fit"}, {"problem": "digits_saliency"}]}
    sweep = parse(data, "x")
    assert [case.name for case in sweep.cases()] == ["curve_fit", "digits_saliency"]
    assert all(series.engines == ["forward"] for series in sweep.series)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"engine": ["forward"]}, "unknown key 'engine'; did you mean engines"),
        ({"engines": []}, "engines: List should have at least 1 item"),
        ({"engines": ["forwrd"]}, "unknown engine 'forwrd'; did you mean forward"),
        ({"engines": ["forward", "forward"]}, "lists a name twice"),
        ({"problem": "mpl"}, "unknown problem 'mpl'; did you mean mlp"),
        ({"operation": "hessian"}, "unknown operation 'hessian'"),
        ({"wrt": "weights"}, "wrt: Input should be 'input' or 'params'"),
        ({"grid": {"n": [], "m": 1, "depth": 1}}, "grid.n"),
        ({"grid": {"n": 0, "m": 1, "depth": 1}}, "grid.n is 0; expected an integer of at least 1"),
        ({"grid": {"n": [4, -2], "m": 1, "depth": 1}}, "grid.n is -2"),
        ({"grid": {"n": [4, 4], "m": 1, "depth": 1}}, "grid.n lists a value twice"),
        ({"grid": {"n": 1, "m": 1}}, "problem mlp needs depth"),
        ({"grid": {"n": 1, "m": 1, "depth": 1, "heigth": 2}}, "unknown parameter of problem mlp 'heigth'"),
        ({"grid": {"n": {"a": 1}, "m": 1, "depth": 1}}, "grid.n"),
        ({"grid": {"n": True, "m": 1, "depth": 1}}, "grid.n"),
        ({"grid": {"n": 1.5, "m": 1, "depth": 1}}, "grid.n is 1.5; expected an integer"),
        ({"grid": {"n": ["a"], "m": 1, "depth": 1}}, "grid.n is 'a'; expected an integer"),
        ({"grid": {"n": [1, "2"], "m": 1, "depth": 1}}, "grid.n is '2'"),
        ({"grid": {"n": 10**30, "m": 1, "depth": 1}}, "grid.n"),
        ({"grid": {"n": 1, "m": 1, "depth": 1, "activation": 3}}, "grid.activation is 3; expected a word"),
        (
            {"grid": {"n": 1, "m": 1, "depth": 1, "dtype": ["float64", "float16"]}},
            "grid.dtype is 'float16'; expected float64 or float32",
        ),
        ({"grid": {"n": 1, "m": 1, "depth": 1, "dtype": ["float32", "f4"]}}, "grid.dtype is 'f4'"),
        ({"grid": {"n": 1, "m": 1, "depth": 1, "dtype": 32}}, "grid.dtype is 32"),
        ({"across": "m"}, "across is 'm'; expected a key with a list of values"),
        ({"across": "dtype"}, "across is 'dtype'"),
        ({"across": "threads", "threads": [1]}, "across is 'threads'"),
        ({"threads": [0]}, "threads"),
        ({"threads": ["some"]}, "threads"),
        ({"threads": [1, 1]}, "threads lists a number twice"),
        ({"threads": 2}, "threads"),
        ({"plot": "map"}, "plot 'map' needs one series, and a grid with two lists"),
        ({"plot": "ratio", "grid": {"n": 1, "m": 3, "depth": 2}}, "plot 'ratio' needs one series"),
        ({"name": "v1.2"}, "name: String should match"),
        ({"quick": {"width": [1]}}, "may only replace keys of"),
        ({"name": "a/b"}, "name: String should match"),
        ({"seeds": 0}, "seeds is 0; expected an integer of at least 1"),
        ({"seeds": [1, 0], "operation": "jvp"}, "seeds is [1, 0]; expected an integer of at least 1"),
        ({"seeds": [2, 2], "operation": "jvp"}, "or several different ones"),
        ({"seeds": [], "operation": "jvp"}, "seeds"),
        ({"seeds": [1, 2]}, "a list of seeds needs the operation jvp or vjp, a jacobian takes none"),
        ({"seeds": [1, 2], "operation": "jvp", "quick": {"seeds": ["a"]}}, "seeds is ['a']; expected an integer"),
        ({"quick": {"seeds": [1]}}, "may only replace keys of"),
        ({"grid": {"n": 1, "m": 1, "depth": 1, "seeds": [1]}}, "write them above [grid]"),
        ({"plot": "seeds"}, "plot 'seeds' needs a list of seeds in every series"),
        ({"series": 3}, "expected"),
        ({"plot": "pie"}, "plot: Input should be"),
    ],
)
def test_broken_sweeps_are_refused(change, message):
    with pytest.raises(AutodiffError) as caught:
        parse(GOOD | change, "mine.toml")
    assert str(caught.value).startswith("mine.toml: ")
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("grid", "kind"),
    [
        ({"n": [1, 2], "m": 1, "depth": 1}, "curves"),
        ({"n": [1, 2], "m": [1, 2], "depth": 1}, "map"),
        ({"n": 1, "m": 1, "depth": 1}, "bars"),
        ({"n": [1, 2], "m": [1, 2], "depth": [1, 2]}, "bars"),
        ({"n": 2, "m": 1, "depth": 2, "activation": ["tanh", "relu"]}, "bars"),
        ({"n": [1, 2], "m": 1, "depth": 2, "activation": ["tanh", "relu"]}, "bars"),
        ({"n": 2, "m": 1, "depth": 2, "seed": [0, 1]}, "bars"),
        ({"n": [1, 2], "m": 1, "depth": 2, "dtype": ["float64", "float32"]}, "bars"),
    ],
)
def test_the_plot_follows_from_the_grid(grid, kind):
    assert parse(GOOD | {"grid": grid}, "x").kind == kind


def test_broken_files_are_refused(tmp_path):
    with pytest.raises(AutodiffError, match="unknown sweep"):
        load("x" * 5000)
    deep = tmp_path / "deep.toml"
    deep.write_text("a = " + "[" * 5000)
    with pytest.raises(AutodiffError, match="no valid TOML"):
        load(deep)
    path = tmp_path / "broken.toml"
    path.write_text("name = [")
    with pytest.raises(AutodiffError, match="no valid TOML"):
        load(path)
    path.write_bytes(b"name = '\xff'")
    with pytest.raises(AutodiffError, match="no valid TOML"):
        load(path)
    with pytest.raises(AutodiffError, match=r"missing\.toml: No such file"):
        load(tmp_path / "missing.toml")
    with pytest.raises(AutodiffError, match="unknown sweep 'dept'; did you mean depth"):
        load("dept")
    with pytest.raises(AutodiffError, match="two sweeps are named 'n'"):
        load_all(["n", "n"])


SEEDS = GOOD | {"grid": {"n": 4, "m": 3, "depth": 2}, "seeds": [1, 2, 8], "quick": {"seeds": [2]}}


def test_seeds_are_an_axis():
    series = [{"operation": "jvp", "engines": ["forward"]}, {"operation": "vjp", "engines": ["compiled-reverse"]}]
    sweep = parse(SEEDS | {"series": series}, "x")
    assert (sweep.kind, sweep.axes) == ("seeds", ["seeds"])
    cases = sweep.cases()
    names = [f"{operation}-n4-m3-d2-k{k}" for operation in ("jvp", "vjp") for k in (1, 2, 8)]
    assert [case.name for case in cases] == names
    assert [case.seeds for case in cases] == [1, 2, 8, 1, 2, 8]
    assert all(case.keywords == {"n": 4, "m": 3, "depth": 2} for case in cases)
    assert [case.seeds for case in sweep.cases("quick")] == [2, 2]
    beside = {(task.case, task.engine) for task in tasks(request_of(sweep)) if task.of}
    assert {(name, "products" if name.startswith("jvp") else "compiled-products") for name in names} <= beside


def test_models_are_measured_at_the_precisions_that_are_asked_for():
    def asked(*dtypes):
        grid = {"n": 1, "m": 1, "depth": 2, "dtype": list(dtypes)} if dtypes else {"n": 1, "m": 1, "depth": 2}
        made = tasks(request_of(parse(GOOD | {"engines": ["forward"], "grid": grid}, "x")))
        return [t.case for t in made if t.engine == "model"]

    assert asked() == asked("float64") == ["float64"]
    assert asked("float32") == ["float32"]
    assert asked("float32", "float64") == ["float64", "float32"]


def test_threads_are_an_axis_of_their_own(monkeypatch):
    """Numbers that are the same here are one case; a request keeps the numbers, whoever reads it."""
    monkeypatch.setattr(asking, "usable_cores", lambda: [0, 1])
    sweep = parse(GOOD | {"across": "threads", "threads": [1, 2, "all"], "grid": {"n": 1, "m": 1, "depth": 1}}, "x")
    assert [(case.name, case.threads) for case in sweep.cases()] == [("n1-m1-d1-t1", 1), ("n1-m1-d1-t2", 2)]
    request = request_of(sweep, threads=2)
    assert request.cores == 2
    own = [(task.threads, task.process) for task in tasks(request) if task.engine == "forward"]
    assert own == [(1, "numpy-1-threads"), (0, "numpy")]  # the run's own process measures what has its threads
    assert [begun(task, 1, request.threads).threads for task in tasks(request) if task.engine == "value"] == [1, 2]
    monkeypatch.setattr(asking, "usable_cores", lambda: [0])
    again = type(request).read(request.model_dump(mode="json"), "x")
    assert [case.threads for case in again.sweeps[0].cases()] == [1, 2]
    assert {case.threads for case in parse(GOOD, "x").cases()} == {0}


def test_more_threads_than_processors_are_refused(called, tmp_path):
    path = tmp_path / "x.toml"
    path.write_text('problem = "mlp"\nname = "x"\nengines = ["forward"]\nthreads = [1, 4096]\n'
                    "grid = { n = 1, m = 1, depth = 1 }\n")  # fmt: skip
    status, said = called("bench", "--sweep", path, "--out", "run")
    assert (status, said.count("\n")) == (2, 1)
    assert "sweep x: threads is 4096; this process may use 1 to" in said
    assert not (tmp_path / "run").exists()
