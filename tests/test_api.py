"""The public functions, operators, and what a prepared run promises: checks, turns, copies."""

import copy
import gc
import pickle
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import pytest
from scipy.sparse.linalg import LinearOperator, lsmr, svds

import autodiff as ad
from autodiff.engines.bracketed import ExplicitOptimal
from autodiff.engines.checkpointed import ReverseCheckpointed
from autodiff.engines.forward import Forward
from autodiff.engines.mixed import Mixed
from autodiff.engines.peers.torch import TorchForward
from autodiff.engines.reverse import Reverse
from autodiff.engines.running import compiled
from autodiff.problems import families

HERE = Path(__file__).parent
EXECUTORS = ["numpy", "compiled"]
NAMES = ["forward", "reverse", "mixed", "auto", "reverse-checkpointed", "explicit-forward", "explicit-reverse"]
NAMES += ["explicit-optimal", *[f"compiled-{name}" for name in ("forward", "reverse", "mixed", "explicit-optimal")]]


class Counted(ad.Layer):
    """sin(x), in plain Python, which counts its evaluations."""

    def __init__(self, n):
        self.n = self.m = n
        self.evaluations = 0

    def function(self, x, params, xp=np):
        self.evaluations += 1
        return xp.sin(x)

    def opaque_linearize(self, x):
        self.evaluations += 1
        d = np.cos(x)
        return np.sin(x), lambda V: d[:, None] * V, lambda U: U * d


@pytest.fixture
def net():
    return ad.problems.mlp(6, 9, 3, 5)


# -- operators


@pytest.mark.parametrize("executor", [*EXECUTORS, None])
@pytest.mark.parametrize("wrt", ["input", "params"])
def test_the_operator_is_the_jacobian(net, wrt, executor):
    x, rng = net.example_input(), np.random.default_rng(0)
    y, J = ad.linearize(net, x, wrt, executor)
    D = ad.jacobian(net, x, wrt=wrt)
    assert isinstance(J, LinearOperator)
    assert J.shape == D.shape
    assert J.dtype == net.dtype
    np.testing.assert_allclose(y, net(x), rtol=1e-14)
    for k in (1, 3, 0, 3, 1):
        V, U = rng.standard_normal((J.shape[1], k)), rng.standard_normal((J.shape[0], k))
        np.testing.assert_allclose(J @ V, D @ V, rtol=1e-10, atol=1e-12)
        np.testing.assert_allclose(J.T @ U, D.T @ U, rtol=1e-10, atol=1e-12)
        np.testing.assert_allclose(J.rmatmat(U), D.T @ U, rtol=1e-10, atol=1e-12)
    v, u = rng.standard_normal(J.shape[1]), rng.standard_normal(J.shape[0])
    for _ in range(2):
        np.testing.assert_allclose(J @ v, D @ v, rtol=1e-10, atol=1e-12)
        np.testing.assert_allclose(J.T @ u, u @ D, rtol=1e-10, atol=1e-12)
        np.testing.assert_allclose(J.H @ u, u @ D, rtol=1e-10, atol=1e-12)
        np.testing.assert_allclose(u @ J, u @ D, rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("executor", EXECUTORS)
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("family", sorted(families()))
def test_operators_of_every_family(family, dtype, executor):
    net = families()[family].small().astype(dtype)
    x = net.example_input()
    for wrt in ("input", "params") if net.params.size else ("input",):
        y, J = ad.linearize(net, x, wrt, executor)
        D = ad.jacobian(net, x, wrt=wrt)
        tolerance = 1e-11 if dtype == np.float64 else 1e-4
        for found in (J @ np.eye(J.shape[1]), (J.T @ np.eye(J.shape[0])).T):
            np.testing.assert_allclose(found, D, atol=tolerance * abs(D).max())
        assert y.dtype == J.dtype == (J @ np.ones(J.shape[1])).dtype == dtype


def test_solvers_of_scipy_take_the_operator(net):
    x, r = net.example_input(), np.random.default_rng(0).standard_normal(9)
    _, J = ad.linearize(net, x)
    D = ad.jacobian(net, x)
    np.testing.assert_allclose(lsmr(J, r, atol=1e-14, btol=1e-14)[0], np.linalg.lstsq(D, r)[0], rtol=1e-6)
    np.testing.assert_allclose(sorted(svds(J, k=3)[1]), sorted(np.linalg.svd(D)[1][:3]), rtol=1e-8)


def test_products_do_not_evaluate_the_network_again():
    net = ad.Network([ad.Dense(np.ones((3, 3))), Counted(3)])
    layer, x = net.layers[1], np.array([0.1, 0.2, 0.3])
    _, J = ad.linearize(net, x, executor="numpy")
    layer = J.network.layers[1]
    start = layer.evaluations
    for _ in range(3):
        np.testing.assert_allclose(J @ x, ad.jvp(net, x, x)[1])
    assert layer.evaluations == start
    J.T @ x
    assert layer.evaluations == start + 1
    J.T @ x
    assert layer.evaluations == start + 1
    _, J = ad.linearize(net, x)  # a call of Python is not compiled: NumPy's executor serves
    np.testing.assert_allclose(J @ x, ad.jvp(net, x, x)[1])


def test_an_operator_is_that_of_the_parameters_it_was_made_for(net):
    x = net.example_input()
    _, J = ad.linearize(net, x)
    v, u = np.ones(6), np.ones(9)
    before = J @ v
    net.params *= 2
    x *= 2
    np.testing.assert_array_equal(J @ v, before)
    assert u @ before == pytest.approx(v @ (J.T @ u))  # prepared after the change


def test_operators_are_copied_by_pickling(net):
    x = net.example_input()
    _, J = ad.linearize(net, x, executor="numpy")
    for other in (pickle.loads(pickle.dumps(J)), copy.deepcopy(J), copy.copy(J)):
        np.testing.assert_array_equal(other @ np.ones(6), J @ np.ones(6))
        np.testing.assert_array_equal(other.y, J.y)


def test_operators_refuse(net):
    x = net.example_input()
    with pytest.raises(ad.InputError, match="executor is 'numba'"):
        ad.linearize(net, x, executor="numba")
    with pytest.raises(ad.InputError, match="x has shape"):
        ad.linearize(net, x[1:])
    _, J = ad.linearize(net, x)
    with pytest.raises(ad.DTypeError, match="takes real numbers"):
        J @ np.ones(6, complex)
    with pytest.raises(ValueError, match="dimension mismatch"):
        J @ np.ones(5)
    np.testing.assert_array_equal(J @ np.ones(6, int), J @ np.ones(6))


def test_linearizing_is_what_imports_scipy():
    code = "import sys, autodiff; assert not {'scipy.sparse', 'numba'} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)


# -- values and engines


def test_values_come_from_the_run(net, monkeypatch):
    x, one = net.example_input(), ad.problems.mlp(4, 1, 2, 3)
    y, value = net(x), one(one.example_input())
    monkeypatch.setattr(ad.Network, "__call__", lambda *_: pytest.fail("evaluated again"))
    for engine in ("auto", Forward, Reverse(chunk=2), "explicit-optimal", "compiled-forward(chunk=2)"):
        found, J = ad.value_and_jacobian(net, x, engine)
        np.testing.assert_allclose(found, y, rtol=1e-14)
        np.testing.assert_allclose(J, ad.jacobian(net, x), rtol=1e-10, atol=1e-14)
    found, _ = ad.jvp(net, x, np.ones(6))
    np.testing.assert_allclose(found, y, rtol=1e-14)
    found, _ = ad.vjp(net, x, np.ones((2, 9)), wrt="params")
    np.testing.assert_allclose(found, y, rtol=1e-14)
    number, g = ad.value_and_gradient(one, one.example_input(), wrt="params")
    assert isinstance(number, float)
    assert number == pytest.approx(value[0])
    np.testing.assert_array_equal(g, ad.gradient(one, one.example_input(), wrt="params"))


def test_engines_that_keep_no_value_are_helped(net):
    x = net.example_input()
    y, _ = ad.value_and_jacobian(net, x, "complex-step")
    np.testing.assert_array_equal(y, net(x))
    run = ad.engine("complex-step").prepare(net)
    assert not run.keeps_value
    with pytest.raises(ad.InputError, match="does not keep the value"):
        run.value  # noqa: B018


def test_the_value_of_the_latest_run(net):
    run = ad.engine("reverse").prepare(net)
    with pytest.raises(ad.InputError, match="nothing has been run"):
        run.value  # noqa: B018
    x = net.example_input()
    run(x)
    first = run.value
    run(2 * x)
    np.testing.assert_allclose(first, net(x), rtol=1e-14)
    np.testing.assert_allclose(run.value, net(2 * x), rtol=1e-14)


def test_engines_by_name_class_and_instance(net):
    x, out = net.example_input(), np.empty((9, 6))
    expected = ad.jacobian(net, x, "forward")
    for engine in (Forward, Forward(), Forward(chunk=2), compiled(Forward), "forward(chunk=4)"):
        np.testing.assert_allclose(ad.jacobian(net, x, engine), expected, rtol=1e-12)
    assert ad.jacobian(net, x, out=out) is out
    np.testing.assert_allclose(out, expected, rtol=1e-10)
    for wrong in (7, None, int, ad.Network):
        with pytest.raises(ad.UnknownNameError, match="unknown engine"):
            ad.jacobian(net, x, wrong)
    with pytest.raises(ad.InputError, match="engine Engine cannot be made"):
        ad.engine(ad.Engine)


# -- checks


def jacobian_out(change):
    def call(run, x):
        run(x, None, change(run, x))

    return call


@pytest.mark.parametrize("executor", EXECUTORS)
@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda run, x: run(x.astype(">f8")), ad.DTypeError, "x is >f8; this was prepared for float64"),
        (lambda run, x: run(x.astype("f4")), ad.DTypeError, "x is float32"),
        (lambda run, x: run(list(x)), ad.DTypeError, "x is list"),
        (lambda run, x: run(np.ma.array(x)), ad.DTypeError, "x is a masked array"),
        (lambda run, x: run(x[None]), ad.InputError, "x has shape"),
        (lambda run, x: run(x, x), ad.InputError, "takes no seed"),
        (jacobian_out(lambda run, x: np.empty((6, 9)).T), ad.InputError, "C-contiguous, aligned and writeable"),
        (jacobian_out(lambda run, x: np.empty((9, 7))), ad.InputError, r"out is float64 \(9, 7\)"),
        (jacobian_out(lambda run, x: np.empty((9, 6), "f4")), ad.InputError, "out is float32"),
        (jacobian_out(lambda run, x: [1.0]), ad.InputError, "out is list"),
        (jacobian_out(lambda run, x: np.broadcast_to(1.0, (9, 6))), ad.InputError, "writeable"),
        (jacobian_out(lambda run, x: np.ma.zeros((9, 6))), ad.DTypeError, "out is a masked array"),
        (
            jacobian_out(lambda run, x: run.network.params[:54].reshape(9, 6)),
            ad.InputError,
            "out overlaps the network's parameters in memory",
        ),
    ],
)
def test_runs_refuse(net, executor, call, error, message):
    run = ad.engine("compiled-forward" if executor == "compiled" else "forward").prepare(net)
    with pytest.raises(error, match=message):
        call(run, net.example_input())


def test_out_must_not_overlap_x_or_the_seed():
    net = ad.problems.mlp(3, 3, 2, 4)
    memory = np.ones(9)
    run = ad.engine("forward").prepare(net, operation="jvp", seeds=1)
    with pytest.raises(ad.InputError, match="out overlaps x "):
        run(memory[2:5], np.ones((3, 1)), memory[:3].reshape(3, 1))
    V = np.ones((3, 1))
    with pytest.raises(ad.InputError, match="out overlaps the seed"):
        run(np.ones(3), V, V)
    out = memory[3:6].reshape(3, 1)
    assert run(memory[:3], memory[6:].reshape(3, 1), out) is out


# -- threads and copies


@pytest.mark.parametrize("executor", EXECUTORS)
def test_threads_are_given_turns(executor):
    net = ad.problems.mlp(20, 20, 6, 40)
    run = ad.engine("compiled-reverse" if executor == "compiled" else "reverse").prepare(net)
    points = [net.example_input(seed) for seed in range(4)]
    expected = [run(x) for x in points]
    wrong, start = [], threading.Barrier(4)

    def work(k):
        start.wait()
        for _ in range(200):
            try:
                if not np.array_equal(run(points[k]), expected[k]):
                    wrong.append(k)
            except Exception as error:
                wrong.append(error)

    threads = [threading.Thread(target=work, args=(k,)) for k in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong


def test_a_run_from_within_itself_is_refused():
    class Again(Counted):
        run = None

        def opaque_linearize(self, x):
            if Again.run is not None:
                Again.run(x)
            return super().opaque_linearize(x)

    run = ad.engine("reverse").prepare(ad.Network([Again(2)]))
    x = np.ones(2)
    expected = run(x)
    Again.run = run
    with pytest.raises(ad.InputError, match="called from within itself"):
        run(x)
    Again.run = None
    np.testing.assert_array_equal(run(x), expected)


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("name", [*NAMES, "forward(chunk=2)", "compiled-reverse(chunk=3)@b", "complex-step"])
def test_copies_are_prepared_again(net, name, dtype):
    engine = ad.engine(name)
    for operation in ("jacobian", "jvp", "vjp", "value"):
        for wrt in ("input", "params"):
            if engine.supports(net, wrt, operation):
                continue
            run = engine.prepare(net, wrt, dtype, operation, 2)
            x = net.example_input().astype(dtype)
            seed = None if run._seed_shape is None else np.ones(run._seed_shape, dtype)
            expected = run(x, seed)
            for other in (pickle.loads(pickle.dumps(run)), copy.copy(run), copy.deepcopy(run)):
                assert type(other) is type(run)
                assert other.maker.label == name
                assert other.maker.family == engine.family
                np.testing.assert_array_equal(other(x, seed), expected)
                assert np.shares_memory(other.network.params, run.network.params) == (other.network is run.network)


def test_peers_are_copied(net):
    pytest.importorskip("autograd")
    run = ad.engine("autograd-reverse").prepare(net)
    x = net.example_input()
    np.testing.assert_array_equal(pickle.loads(pickle.dumps(run))(x), run(x))


@pytest.mark.parametrize("name", [*ad.engines()])
def test_engines_are_pickled(name):
    engine = ad.engine(f"{name}@b")
    other = pickle.loads(pickle.dumps(engine))
    assert type(other) is type(engine)
    assert other.__dict__ == engine.__dict__
    assert type(copy.deepcopy(engine)) is type(engine)


def test_a_run_does_not_keep_what_it_was_given(net):
    class Array(np.ndarray):
        alive = True

        def __del__(self):
            Array.alive = False

    run = ad.engine("reverse").prepare(net)
    run(net.example_input().view(Array))
    gc.collect()
    assert not Array.alive


# -- sizes and limits


@pytest.mark.parametrize(
    ("make", "what"),
    [
        (lambda v: Forward(v), "chunk"),
        (lambda v: Reverse(v), "chunk"),
        (lambda v: TorchForward(v), "chunk"),
        (lambda v: Mixed(memory=v), "memory"),
        (lambda v: ReverseCheckpointed(v), "checkpoints"),
        (lambda v: ReverseCheckpointed(memory=v), "memory"),
        (lambda v: Forward().prepare(ad.problems.mlp(2, 2, 2, 2), operation="jvp", seeds=v), "seeds"),
    ],
)
def test_sizes_are_integers_of_any_kind(make, what):
    for value in (4, np.int64(40_000), np.uint8(4)):
        if what != "memory" or value > 10**4:
            make(value)
    for value in (True, np.True_, 0, -1, 2.0, np.float64(2), "3", np.array([2])):
        with pytest.raises(ad.InputError, match=f"{what} is "):
            make(value)


@pytest.mark.parametrize("engine", [Mixed, compiled(Mixed)])
@pytest.mark.parametrize("operation", ["jacobian", "jvp", "vjp", "value"])
@pytest.mark.parametrize("wrt", ["input", "params"])
def test_a_limit_of_memory_is_kept_by_every_operation(net, engine, wrt, operation):
    x = net.example_input()
    with pytest.raises(ad.LimitError, match=r"100 bytes are too few; mlp needs at least ([\d,]+)") as refused:
        engine(memory=100).prepare(net, wrt, operation=operation)
    least = int(str(refused.value).rpartition(" ")[2].replace(",", ""))
    run = engine(memory=least).prepare(net, wrt, operation=operation)
    assert run.nbytes + run.result_nbytes <= least
    seed = None if run._seed_shape is None else np.ones(run._seed_shape)
    np.testing.assert_allclose(run(x, seed), engine().prepare(net, wrt, operation=operation)(x, seed), rtol=1e-10)
    with pytest.raises(ad.LimitError):
        engine(memory=least - 1).prepare(net, wrt, operation=operation)


def test_explicit_optimal_of_parameters_has_an_engine_of_its_own(net):
    run = ExplicitOptimal().prepare(net, "params")
    assert run.maker.name == "explicit-optimal"


# -- without Numba


def test_without_numba(net, monkeypatch):
    monkeypatch.setitem(sys.modules, "numba", None)
    line = "compiled programs need Numba: pip install 'autodiff-bench[fast]'"
    engine = ad.engine("compiled-reverse")
    assert engine.available() == ad.engines()["compiled-reverse"] == line
    with pytest.raises(ad.UnsupportedError, match=r"pip install 'autodiff-bench\[fast\]'"):
        engine.prepare(net)
    _, J = ad.linearize(net, net.example_input())
    assert J @ np.zeros(6) == pytest.approx(np.zeros(9))
    with pytest.raises(ad.UnsupportedError, match=r"pip install 'autodiff-bench\[fast\]'"):
        ad.linearize(net, net.example_input(), executor="compiled")


# -- arrays of every odd kind


@pytest.mark.parametrize("seed", [0, 1])
def test_odd_arrays(seed):
    """In a process of its own, since what is looked for is a crash."""
    command = [sys.executable, str(HERE / "odd_arrays.py"), "3000", str(seed)]
    found = subprocess.run(command, capture_output=True, text=True, timeout=100, check=False)
    assert found.returncode == 0, found.stdout + found.stderr
    assert found.stdout.startswith("3000 calls: ")
