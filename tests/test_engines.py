"""Engines: they agree with complex steps and with each other, and keep their promises about memory."""

import itertools
import tracemalloc

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import autodiff as ad
from autodiff.bench.measure import peak_bytes
from autodiff.engines.base import BUFFER
from autodiff.layers.elementwise import Diagonal
from autodiff.layers.work import passes
from autodiff.problems import families
from autodiff.testing import check_engine, check_layer, reference_product, relative_error

NUMPY = ["forward", "reverse", "mixed", "auto", "explicit-forward", "explicit-reverse", "explicit-optimal"]
NUMPY += ["finite-difference", "complex-step"]
FAMILIES = sorted(families())


def every_wrt(network):
    return ("input", "params") if network.params.size else ("input",)


@pytest.mark.parametrize("family", FAMILIES)
def test_analytic_engines_agree_with_complex_step(analytic, family):
    network = families()[family].small()
    x = network.example_input(1)
    for wrt in every_wrt(network):
        J = analytic.prepare(network, wrt=wrt)(x)
        assert J.shape == (network.m, network.variables(wrt))
        assert relative_error(J, ad.jacobian(network, x, "complex-step", wrt)) < 1e-12


@pytest.mark.parametrize("family", FAMILIES)
def test_shipped_sizes_agree_with_complex_steps(family):
    """The sizes that the sweeps run, in random directions."""
    keywords = {
        "mlp": {"n": 64, "m": 8, "depth": 4},
        "product": {"n": 32},
        "autoencoder": {"n": 64, "bottleneck": 4},
    }.get(family, {})
    network = families()[family](**keywords)
    x, rng = network.example_input(1), np.random.default_rng(0)
    for wrt in every_wrt(network):
        V = rng.standard_normal((network.variables(wrt), 3))
        expected = reference_product(network, x, V, wrt)
        for name in ("forward", "reverse", "mixed"):
            assert relative_error(ad.jacobian(network, x, name, wrt) @ V, expected) < 1e-12


@pytest.mark.parametrize("family", FAMILIES)
def test_single_precision(analytic, family):
    network = families()[family].small()
    x = network.example_input(1)
    for wrt in every_wrt(network):
        J = analytic.prepare(network, wrt=wrt, dtype=np.float32)(x.astype(np.float32))
        assert J.dtype == np.float32
        assert relative_error(J, ad.jacobian(network, x, "complex-step", wrt)) < 1e-4


@pytest.mark.parametrize("name", NUMPY)
def test_check_engine(name):
    check_engine(name)


def test_finite_differences_are_close():
    network = ad.problems.mlp(5, 4, 3, 6)
    x = network.example_input()
    for wrt in ("input", "params"):
        error = relative_error(ad.jacobian(network, x, "finite-difference", wrt), ad.jacobian(network, x, wrt=wrt))
        assert 0 < error < 1e-8


@given(
    st.lists(st.integers(1, 6), min_size=2, max_size=5),
    st.sampled_from(["tanh", "relu", "sin", "identity"]),
    st.integers(0, 10**6),
    st.booleans(),
)
def test_associativity(sizes, activation, seed, elementwise):
    """Right to left, left to right and the plain product of dense Jacobians are the same matrix."""
    rng = np.random.default_rng(seed)
    layers = []
    for n, m in itertools.pairwise(sizes):
        layers.append(ad.Dense(rng.standard_normal((m, n)), rng.standard_normal(m)))
        layers += [ad.Elementwise(activation)] * elementwise
    network = ad.Network(layers)
    x = rng.standard_normal(network.n)
    J, point = np.eye(network.n), x
    for layer in network.layers:
        derivative = layer.derivative()
        point = derivative.at(point).copy()
        J = derivative.dense() @ J
    for name in ("forward", "reverse", "explicit-forward", "explicit-reverse"):
        np.testing.assert_allclose(ad.jacobian(network, x, name), J, rtol=1e-10, atol=1e-12)
    forward, reverse = (ad.jacobian(network, x, name, wrt="params") for name in ("forward", "reverse"))
    np.testing.assert_allclose(forward, reverse, rtol=1e-10, atol=1e-12)


@given(st.integers(1, 5), st.integers(1, 5), st.integers(1, 4), st.integers(1, 3), st.integers(0, 10**6))
def test_jvp_and_vjp_are_products_with_the_jacobian(n, m, depth, k, seed):
    network = ad.problems.mlp(n, m, depth, 4, seed=seed)
    rng = np.random.default_rng(seed)
    x, U = network.example_input(seed), rng.standard_normal((k, m))
    for wrt in ("input", "params"):
        J = ad.jacobian(network, x, wrt=wrt)
        V = rng.standard_normal((J.shape[1], k))
        y, dy = ad.jvp(network, x, V, wrt)
        np.testing.assert_allclose(y, network(x))
        np.testing.assert_allclose(dy, J @ V, rtol=1e-10, atol=1e-12)
        _, g = ad.vjp(network, x, U, wrt)
        np.testing.assert_allclose(g, U @ J, rtol=1e-10, atol=1e-12)
        _, one = ad.jvp(network, x, V[:, 0], wrt)
        assert one.shape == (m,)
        _, row = ad.vjp(network, x, U[0], wrt)
        assert row.shape == (J.shape[1],)


@pytest.mark.parametrize("name", ["forward", "explicit-forward", "finite-difference", "complex-step", "auto"])
@pytest.mark.parametrize("wrt", ["input", "params"])
def test_every_engine_with_jvps(name, wrt):
    network = ad.problems.mlp(4, 3, 3, 5)
    x, rng = network.example_input(), np.random.default_rng(0)
    V = rng.standard_normal((network.variables(wrt), 2))
    found = ad.engine(name).prepare(network, wrt, operation="jvp", seeds=2)(x, V)
    assert relative_error(found, reference_product(network, x, V, wrt)) < (
        1e-8 if name == "finite-difference" else 1e-12
    )


@pytest.mark.parametrize("name", ["reverse", "explicit-reverse", "auto"])
@pytest.mark.parametrize("wrt", ["input", "params"])
def test_every_engine_with_vjps(name, wrt):
    network = ad.problems.digits_loss(hidden=3, samples=4)
    x, U = network.example_input(), np.array([[2.0], [-1.0]])
    found = ad.engine(name).prepare(network, wrt, operation="vjp", seeds=2)(x, U)
    assert relative_error(found, U @ ad.jacobian(network, x, "forward", wrt)) < 1e-12


def test_parameters_only_in_the_middle():
    """The parameter pass starts and ends at the right layers."""
    rng = np.random.default_rng(0)
    middle = ad.Dense(rng.standard_normal((4, 3)), rng.standard_normal(4))
    network = ad.Network([ad.Elementwise("sin", 3), ad.Elementwise("exp"), middle, ad.Elementwise("tanh")])
    x = network.example_input()
    expected = ad.jacobian(network, x, "complex-step", "params")
    for name in ("forward", "reverse", "explicit-forward", "explicit-reverse"):
        np.testing.assert_allclose(ad.jacobian(network, x, name, "params"), expected, rtol=1e-12, atol=1e-14)


def test_results_belong_to_the_caller(analytic):
    network = ad.problems.mlp(4, 3, 3, 5)
    run = analytic.prepare(network)
    first = run(network.example_input(1))
    kept = first.copy()
    second = run(network.example_input(2))
    assert not np.shares_memory(first, second)
    np.testing.assert_array_equal(first, kept)
    out = np.empty((3, 4))
    assert run(network.example_input(1), out=out) is out
    np.testing.assert_array_equal(out, kept)


@pytest.mark.parametrize("sizes", [(64, 64, 3), (1, 256, 2)])
@pytest.mark.parametrize("wrt", ["input", "params"])
@pytest.mark.parametrize("name", NUMPY)
def test_a_run_allocates_nothing_but_the_result(name, wrt, sizes):
    network = ad.problems.mlp(*sizes, 64)
    run = ad.engine(name).prepare(network, wrt)
    x = network.example_input()
    out = np.empty(run.shape)
    run(x, out=out)
    tracemalloc.start()
    try:
        run(x, out=out)
        tracemalloc.reset_peak()
        before = tracemalloc.get_traced_memory()[0]
        run(x, out=out)
        grown = tracemalloc.get_traced_memory()[1] - before
    finally:
        tracemalloc.stop()
    # Python's views and NumPy's iteration buffers (BUFFER elements an operand), not one matrix of 64 x 64
    assert grown < 3 * 8 * BUFFER + 4096 < 64 * 64 * 8, f"{name} allocates {grown} bytes in a run"


def peak(name, depth, wrt="input"):
    network = ad.problems.mlp(64, 1, depth, 64)
    return peak_bytes(lambda: ad.engine(name).prepare(network, wrt), network.example_input(), None)


def test_memory_against_depth():
    """Forward holds two tangent matrices whatever the depth; reverse a residual vector per layer."""
    forward = [peak("forward", depth) for depth in (8, 32, 128)]
    assert max(forward) - min(forward) < 1024
    assert forward[0] >= 2 * 64 * 64 * 8
    reverse = [peak("reverse", depth) for depth in (8, 32, 128)]
    layer = 64 * 8  # a residual of 64 float64
    assert reverse[1] - reverse[0] == pytest.approx(24 * layer, rel=0.05)
    assert reverse[2] - reverse[1] == pytest.approx(96 * layer, rel=0.05)


@pytest.mark.parametrize("wrt", ["input", "params"])
@pytest.mark.parametrize("name", NUMPY)
def test_stated_bytes_are_allocated_bytes(name, wrt):
    """``nbytes`` is what cases are refused by, so it has to be true."""
    network = ad.problems.mlp(48, 40, 5, 56)
    engine = ad.engine(name)
    stated = engine.layout(network, wrt).nbytes + engine.layout(network, wrt).result_nbytes
    measured = peak_bytes(lambda: engine.prepare(network, wrt), network.example_input(), None)
    assert measured == pytest.approx(stated, rel=0.1)


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda net, x: ad.jacobian(net, x, "revers"), ad.UnknownNameError, "did you mean reverse"),
        (lambda net, x: ad.jacobian(net, x[:2]), ad.InputError, r"x has shape \(2,\); expected \(3,\)"),
        (lambda net, x: ad.jacobian(net, [1, 2, 3]), ad.DTypeError, "x is int64; pass floats"),
        (lambda net, x: ad.jacobian(net, [None] * 3), ad.DTypeError, "x is object"),
        (lambda net, x: ad.jacobian(net, [1.0, np.nan, 2.0]), ad.InputError, "1 NaN"),
        (lambda net, x: ad.jacobian(net, x, wrt="inputs"), ad.InputError, 'expected "input" or "params"'),
        (lambda net, x: ad.gradient(net, x), ad.UnsupportedError, "a gradient needs one output, mlp has 2"),
        (lambda net, x: ad.jvp(net, x, x[:2]), ad.InputError, r"v has shape \(2,\); expected \(3,\) or \(3, k\)"),
        (lambda net, x: ad.jvp(net, x, np.ones((3, 0))), ad.InputError, "v has shape"),
        (lambda net, x: ad.vjp(net, x, x), ad.InputError, r"u has shape \(3,\); expected \(2,\) or \(k, 2\)"),
        (lambda net, x: ad.vjp(net, x, [1, 2]), ad.DTypeError, "u is int64"),
        (lambda net, x: ad.jacobian("net", x), ad.InputError, "expected a Network, got str"),
        (lambda net, x: ad.engine("reverse").prepare(net)(x.tolist()), ad.DTypeError, "prepared for float64"),
        (lambda net, x: ad.engine("reverse").prepare(net)(x[:1]), ad.InputError, "x has shape"),
        (lambda net, x: ad.engine("reverse").prepare(net)(x, out=np.empty((2, 2))), ad.InputError, "out is float64"),
        (lambda net, x: ad.engine("reverse").prepare(net, dtype=int), ad.DTypeError, "float64 or float32"),
        (lambda net, x: ad.engine("reverse").prepare(net, operation="jvp"), ad.UnsupportedError, "use forward"),
        (lambda net, x: ad.engine("forward").prepare(net, operation="vjp"), ad.UnsupportedError, "use reverse"),
        (
            lambda net, x: ad.engine("forward").prepare(net, operation="jacobain"),
            ad.UnknownNameError,
            "did you mean jacobian",
        ),
        (lambda net, x: ad.engine("forward").prepare(net, operation="jvp")(x), ad.InputError, "needs a seed"),
        (lambda net, x: ad.engine("forward").prepare(net, seeds=0), ad.InputError, "seeds is 0"),
        (lambda net, x: ad.jacobian(net.astype(np.float32), x), ad.DTypeError, "float64, the computation float32"),
    ],
)
def test_bad_input_is_refused(call, error, message):
    network = ad.problems.mlp(3, 2, 2, 4)
    with pytest.raises(error, match=message):
        call(network, network.example_input())


def test_a_network_without_parameters():
    network = ad.Network([ad.Elementwise("sin", 3)])
    assert "has no parameters" in ad.engine("reverse").supports(network, "params")
    with pytest.raises(ad.UnsupportedError, match="has no parameters"):
        ad.jacobian(network, np.ones(3), wrt="params")


def test_a_jacobian_takes_no_seed():
    network = ad.problems.mlp(3, 2, 2, 4)
    with pytest.raises(ad.InputError, match="takes no seed"):
        ad.engine("forward").prepare(network)(network.example_input(), np.eye(3))


def test_relu_at_zero_is_the_same_for_every_engine(analytic):
    network = ad.Network([ad.Elementwise("relu", 2)])
    assert (analytic.prepare(network)(np.zeros(2)) == 0).all()


def test_difference_steps_fit_the_variables_they_move():
    network = ad.Network([ad.Elementwise("sin", 2)])
    run = ad.engine("finite-difference").prepare(network, operation="jvp")
    found = run(np.array([1e6, 1e-3]), np.array([[0.0], [1.0]]))
    assert found[1, 0] == pytest.approx(np.cos(1e-3), abs=1e-8)


def test_assigning_parameters_keeps_the_views():
    network = ad.problems.mlp(3, 1, 2, 4)
    run = ad.engine("reverse").prepare(network)
    network.params = np.zeros_like(network.params)
    assert (run(np.ones(3)) == 0).all()
    with pytest.raises(ad.InputError, match="params has shape"):
        network.params = np.zeros(3)


def test_layers_keep_copies_of_the_data_they_are_given():
    target = np.zeros(3)
    network = ad.Network([ad.SquaredError(target)])
    target[:] = 5
    np.testing.assert_array_equal(ad.gradient(network, np.ones(3)), np.ones(3))


@pytest.mark.parametrize("family", ["digits_loss", "curve_fit"])
def test_values_have_the_precision_of_the_network(family):
    network = families()[family].small().astype(np.float32)
    assert network(network.example_input()).dtype == np.float32


def test_batches_of_batches():
    inner = ad.Dense(np.random.default_rng(0).standard_normal((3, 2)), None, "tanh")
    network = ad.Network([ad.Batched(ad.Batched(inner, 2), 2)])
    x = network.example_input()
    assert network(x).shape == (12,)
    assert relative_error(ad.jacobian(network, x, "reverse"), ad.jacobian(network, x, "complex-step")) < 1e-12


class Scaling(ad.Layer):
    """A layer with parameters whose derivative is a diagonal, written as a contributor would."""

    def __init__(self, theta):
        self.params = np.array(theta)
        self.n = self.m = self.params.size

    def function(self, x, params, xp=np):
        return x * params

    def derivative_of(self, dtype):
        return ScalingDerivative(self, dtype)


class ScalingDerivative(Diagonal):
    def __init__(self, layer, dtype):
        super().__init__(layer.n, dtype)
        self.layer, self.parameters = layer, layer.n

    def value(self, x):
        self.x = x
        return np.multiply(x, self.layer.params, out=self.y)

    def at(self, x):
        np.copyto(self.d, self.layer.params)
        return self.value(x)

    def jvp_params(self, T, out=None):
        return np.multiply(T, self.x[:, None], out=out)

    def vjp_params(self, U, out=None):
        return np.multiply(U, self.x, out=out)

    def dense_params(self, out=None):
        return self.jvp_params(np.eye(self.layer.n), out)

    def _primal_work(self, operation):
        return passes(self.layer.n)

    def work(self, operation, k=1):
        return passes(self.layer.n * k) if operation.endswith("_params") else super().work(operation, k)


def test_a_layer_of_ones_own(analytic):
    layer = Scaling([2.0, 3.0, 0.5])
    check_layer(layer, np.array([1.0, -1.0, 2.0]))
    network = ad.Network([layer, ad.Elementwise("tanh"), Scaling([1.0, 2.0, 3.0])])
    x = network.example_input()
    for wrt in ("input", "params"):
        expected = ad.jacobian(network, x, "complex-step", wrt)
        assert relative_error(analytic.prepare(network, wrt)(x), expected) < 1e-12


def test_float32_input_to_a_float64_network_is_widened():
    network = ad.problems.mlp(3, 2, 2, 4)
    assert ad.jacobian(network, np.ones(3, np.float32)).dtype == np.float64


def test_registering_an_engine():
    class Twice(type(ad.engine("reverse"))):
        name = "test-twice"

    ad.register(Twice)
    assert "test-twice" in ad.engines()
    check_engine("test-twice")


def test_a_wrong_engine_is_found():
    class Wrong(type(ad.engine("reverse"))):
        name = "test-wrong"

        def build(self, *args):
            run = super().build(*args)
            right = run._run
            run._run = lambda x, seed, out: (right(x, seed, out), out.__imul__(1.001))
            return run

    with pytest.raises(AssertionError, match=r"test-wrong on \w+ .*off by 1\.0e-03"):
        check_engine(Wrong())
