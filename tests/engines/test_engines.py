"""Engines: right by complex steps, equal to the bit across executors, and true in what they count and hold."""

import functools
import itertools
import tracemalloc

import numpy as np
import pytest
from conftest import BLOCKS, ORDERS, PROGRAMS, allocated, every_wrt, peak_bytes
from hypothesis import given, settings
from hypothesis import strategies as st

import autodiff as ad
from autodiff.executors.lockstep import lockstep
from autodiff.executors.numpy import NumpyExecutor
from autodiff.primitives.table import PRIMITIVES
from autodiff.problems import families
from autodiff.program.program import Program
from autodiff.testing import check_engine, reference_product, relative_error

FAMILIES = sorted(families())
PRODUCTS = {"forward": "jvp", "mixed": "jvp", "reverse": "vjp", "reverse-checkpointed": "vjp"}
few = settings(max_examples=15)


def reference(network, x, wrt):
    """The whole Jacobian by complex steps."""
    return reference_product(network, x, np.eye(network.variables(wrt)), wrt)


@functools.cache
def family_case(family):
    """A small network, a point, and what is right there: by ``wrt`` the Jacobian, and the value."""
    network = families()[family].small()
    x = network.example_input(1)
    return network, x, {wrt: reference(network, x, wrt) for wrt in every_wrt(network)}, network(x)


def seed_for(network, wrt, operation, seeds=3):
    shape = {"jvp": (network.variables(wrt), seeds), "vjp": (seeds, network.m)}.get(operation)
    return None if shape is None else np.random.default_rng(0).standard_normal(shape).astype(network.dtype)


def operations(name, network, wrt):
    """What an engine can do here, besides a gradient."""
    engine = ad.engine(name)
    return [one for one in ("jacobian", "jvp", "vjp", "value") if not engine.supports(network, wrt, one)]


def run_twice(run, x, seed):
    """The second result, into memory that was full of NaN."""
    run(x, seed)
    return run(x, seed, np.full(run.shape, np.nan, run.network.dtype))


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("name", [*PROGRAMS, *BLOCKS, "compiled-forward(chunk=2)", "compiled-reverse(chunk=2)", "auto"])
def test_every_engine_agrees_with_complex_steps(name, family):
    network, x, references, value = family_case(family)
    for wrt, J in references.items():
        for operation in operations(name, network, wrt):
            run = ad.engine(name).prepare(network, wrt, operation=operation, seeds=3)
            seed = seed_for(network, wrt, operation)
            found = run_twice(run, x, seed)
            expected = {"jacobian": J, "value": value}
            if seed is not None:
                expected |= {"jvp": J @ seed} if operation == "jvp" else {"vjp": seed @ J}
            assert relative_error(found, expected[operation]) < 1e-12
            if operation != "value":
                np.testing.assert_allclose(run.value, value, rtol=1e-13, atol=1e-15)


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("name", [*ORDERS, "compiled-forward", "compiled-reverse", "forward(chunk=2)"])
def test_single_precision(name, family):
    network, x, references, _ = family_case(family)
    for wrt, J in references.items():
        run = ad.engine(name).prepare(network, wrt, dtype=np.float32)
        found = run(x.astype(np.float32))
        assert found.dtype == run.value.dtype == np.float32
        assert relative_error(found, J) < 1e-4


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("name", [*ORDERS, "reverse(chunk=2)"])
def test_executors_in_lockstep(name, family):
    """The compiled executor gives NumPy's bits, instruction by instruction."""
    network, x, *_ = family_case(family)
    for dtype, wrt in itertools.product((np.float64, np.float32), every_wrt(network)):
        program = ad.engine(name).layout(network, wrt, dtype).program
        lockstep(program.code, program.elements, x.astype(dtype), None)


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("name", [*ORDERS, "forward(chunk=24)", "reverse(chunk=7)"])
def test_executors_agree_to_the_bit(name, dtype):
    """Beyond NumPy's buffers and unrolled loops, through the public face."""
    network = ad.problems.mlp(70, 33, 3, 40).astype(dtype)
    x = network.example_input(1)
    for wrt in ("input",) if name.startswith("forward(") else ("input", "params"):
        for operation in ("jacobian", PRODUCTS.get(name, "jacobian")):
            seed = seed_for(network, wrt, operation, 5)
            found = []
            for executor in ("", "compiled-"):
                run = ad.engine(executor + name).prepare(network, wrt, operation=operation, seeds=5)
                found.append((run(x, seed).tobytes(), run.value.tobytes()))
            if name != "mixed":  # which chooses by its executor's rates
                assert found[0] == found[1]


@pytest.mark.parametrize("family", FAMILIES)
def test_shipped_sizes_agree_with_complex_steps(family):
    """The sizes that the sweeps run, in random directions."""
    keywords = {
        "mlp": {"n": 64, "m": 8, "depth": 4},
        "product": {"n": 32},
        "autoencoder": {"n": 64, "bottleneck": 4},
        "regression_loss": {"n": 32, "width": 32, "batch": 16},
        "cnn": {"channels": 4, "samples": 8},
        "resnet": {"blocks": 2, "channels": 4},
        "transformer": {"length": 8, "features": 16},
        "rnn": {"units": 16},
        "lstm": {"length": 15, "units": 16},
        "lora": {"width": 32},
        "neural_ode": {"n": 8, "hidden": 16, "steps": 8},
        "heat": {"steps": 32},
        "physics_informed": {"samples": 16, "width": 16},
    }.get(family, {})
    network = families()[family](**keywords)
    x, rng = network.example_input(1), np.random.default_rng(0)
    for wrt in every_wrt(network):
        V = rng.standard_normal((network.variables(wrt), 3))
        expected = reference_product(network, x, V, wrt)
        names = ("forward", "reverse", "mixed") if network.n < 1000 or wrt == "params" else ("reverse", "mixed")
        for name in names:
            assert relative_error(ad.jacobian(network, x, name, wrt) @ V, expected) < 1e-12


@pytest.mark.parametrize("name", ["forward", "compiled-reverse", "auto", "finite-difference", "complex-step"])
def test_check_engine(name):
    check_engine(name)


def test_what_cancels_is_gone():
    """x + tanh(A x) - x has two terms that are one with a coefficient of 0."""
    A = np.random.default_rng(0).standard_normal((3, 3))
    network = ad.Network(
        [ad.Function(lambda x: x + np.tanh(A @ x) - x, 3), ad.Function(lambda x: x * 2.0 - x * 2.0, 3)]
    )
    first, x = ad.Network(network.layers[:1]), np.array([0.3, -0.2, 0.5])
    for name in ("forward", "reverse", "compiled-reverse", "explicit-forward", "forward(chunk=2)"):
        J = ad.jacobian(first, x, name)
        assert relative_error(J, (1 - np.tanh(A @ x) ** 2)[:, None] * A) < 1e-12
        np.testing.assert_array_equal(ad.jacobian(network, x, name), np.zeros((3, 3)))
    _, dy = ad.jvp(first, x, np.eye(3))
    assert relative_error(dy, (1 - np.tanh(A @ x) ** 2)[:, None] * A) < 1e-12


def test_finite_differences_are_close():
    network = ad.problems.mlp(5, 4, 3, 6)
    x = network.example_input()
    for wrt in ("input", "params"):
        error = relative_error(ad.jacobian(network, x, "finite-difference", wrt), ad.jacobian(network, x, wrt=wrt))
        assert 0 < error < 1e-8


# -- chains


@st.composite
def chains(draw):
    """A network of dense and elementwise layers of any sizes, and a point."""
    sizes = draw(st.lists(st.integers(1, 6), min_size=2, max_size=6))
    phi = st.sampled_from(["tanh", "relu", "sin", "identity", "softplus", "square"])
    rng = np.random.default_rng(draw(st.integers(0, 10**6)))
    layers = []
    for n, m in itertools.pairwise(sizes):
        b = rng.standard_normal(m) if draw(st.booleans()) else None
        layers.append(ad.Dense(rng.standard_normal((m, n)) / np.sqrt(n), b, draw(phi)))
        layers += [ad.Elementwise(draw(phi))] * draw(st.integers(0, 2))
    network = ad.Network(layers)
    return network, network.example_input(int(rng.integers(10**6)))


@few
@given(chains(), st.sampled_from([*ORDERS, *BLOCKS, "compiled-forward", "compiled-reverse"]))
def test_any_chain(chain, name):
    """Every order of multiplication gives the plain product of the layers' own Jacobians."""
    network, x = chain
    J, point = np.eye(network.n), x
    for layer in network.layers:
        J = reference(ad.Network([layer]), point, "input") @ J
        point = layer(point)
    np.testing.assert_allclose(ad.jacobian(network, x, name), J, rtol=1e-10, atol=1e-12)
    expected = reference(network, x, "params")
    np.testing.assert_allclose(ad.jacobian(network, x, name, wrt="params"), expected, rtol=1e-10, atol=1e-12)


@few
@given(chains(), st.sampled_from([*ORDERS, *BLOCKS]), st.sampled_from(["input", "params"]))
def test_memory_is_shared_by_what_never_meets(chain, name, wrt):
    """With a place of its own for every array a program gives the same, and none reads what it has not written."""
    network, x = chain
    program = ad.engine(name).layout(network, wrt).program
    results = []
    for reuse in (True, False):
        laid = Program.of(program.code, reuse=reuse)
        assert reuse is False or laid.nbytes == program.nbytes
        executor = NumpyExecutor(laid.code, laid.elements)
        executor.memory[:] = np.nan
        out = np.full((network.m, network.variables(wrt)), np.nan)
        executor.run(x, None, out)
        results.append((out, executor.value.copy(), laid.elements))
    (shared, value, few_), (own, other, many) = results
    np.testing.assert_array_equal(shared, own)
    np.testing.assert_array_equal(value, other)
    assert np.isfinite(own).all()
    assert few_ <= many


def test_memory_is_shared_at_all():
    program = ad.engine("forward").layout(ad.problems.mlp(16, 4, 8, 16)).program
    shared = program.elements
    assert shared < Program.of(program.code, reuse=False).elements / 3


@few
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


@pytest.mark.parametrize("wrt", ["input", "params"])
@pytest.mark.parametrize("name", ["finite-difference", "complex-step"])
def test_difference_engines_with_jvps(name, wrt):
    network = ad.problems.mlp(4, 3, 3, 5)
    x, V = network.example_input(), seed_for(network, wrt, "jvp", 2)
    found = ad.engine(name).prepare(network, wrt, operation="jvp", seeds=2)(x, V)
    limit = 1e-8 if name == "finite-difference" else 1e-12
    assert relative_error(found, reference_product(network, x, V, wrt)) < limit


def test_parameters_only_in_the_middle(analytic):
    """The parameter pass starts and ends at the right layers."""
    rng = np.random.default_rng(0)
    middle = ad.Dense(rng.standard_normal((4, 3)), rng.standard_normal(4))
    network = ad.Network([ad.Elementwise("sin", 3), ad.Elementwise("exp"), middle, ad.Elementwise("tanh")])
    x = network.example_input()
    found = ad.jacobian(network, x, analytic.name, "params")
    np.testing.assert_allclose(found, reference(network, x, "params"), rtol=1e-12, atol=1e-14)


def test_batches_of_batches(analytic):
    inner = ad.Dense(np.random.default_rng(0).standard_normal((3, 2)), None, "tanh")
    network = ad.Network([ad.Batched(ad.Batched(inner, 2), 2)])
    x = network.example_input()
    assert network(x).shape == (12,)
    for wrt in ("input", "params"):
        assert relative_error(ad.jacobian(network, x, analytic.name, wrt), reference(network, x, wrt)) < 1e-12


# -- layers of one's own


class Cube(ad.Layer):
    def __init__(self, n):
        self.n = self.m = n

    def function(self, x, params, xp=np):
        return x**3


class KeepingCube(Cube):
    """One that keeps what it was called with, as a layer of other packages does for its backward pass."""

    def function(self, x, params, xp=np):
        self.x = x
        return self.x**3


class Scaling(ad.Layer):
    """A layer with parameters whose derivative is a diagonal."""

    def __init__(self, theta):
        self.params = (np.array(theta),)
        self.n = self.m = self.params[0].size

    def function(self, x, params, xp=np):
        return x * params[0]


def cube_chain(kind):
    return ad.Network([kind(3)] * 4), np.array([0.9, -1.1, 0.7])


def cube_bottleneck(kind):
    rng = np.random.default_rng(0)
    layers = [ad.Dense(rng.standard_normal((2, 6)) / 6), kind(2), ad.Dense(rng.standard_normal((6, 2))), kind(6)]
    return ad.Network(layers), rng.standard_normal(6)


@pytest.mark.parametrize("kind", [Cube, KeepingCube])
@pytest.mark.parametrize("make", [cube_chain, cube_bottleneck])
def test_a_cube(analytic, make, kind):
    network, x = make(kind)
    run = analytic.prepare(network)
    for point in (x, 1.25 * x, x):
        if make is cube_chain:
            expected = np.diag(81.0 * point**80)
        else:
            (A,), (B,) = network.layers[0].params, network.layers[2].params
            inner = A @ point
            expected = (3 * (B @ inner**3) ** 2)[:, None] * B @ ((3 * inner**2)[:, None] * A)
        assert relative_error(run(point), expected) < 1e-12


def test_a_layer_with_parameters_of_ones_own(analytic):
    network = ad.Network([Scaling([2.0, 3.0, 0.5]), ad.Elementwise("tanh"), Scaling([1.0, 2.0, 3.0])])
    x = network.example_input()
    for wrt in ("input", "params"):
        assert relative_error(analytic.prepare(network, wrt)(x), reference(network, x, wrt)) < 1e-12


# -- results


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


@pytest.mark.parametrize("name", PROGRAMS)
def test_runs_have_memory_and_values_of_their_own(name):
    network = ad.problems.mlp(4, 3, 3, 5)
    x, z = network.example_input(1), network.example_input(2)
    one, other = (ad.engine(name).prepare(network) for _ in range(2))
    J, value = one(x), one.value
    other(z)
    kept = value.copy()
    np.testing.assert_array_equal(one.value, network(x))
    np.testing.assert_array_equal(other.value, network(z))
    one(z)
    np.testing.assert_array_equal(value, kept)
    np.testing.assert_array_equal(one.value, network(z))
    np.testing.assert_array_equal(one(x), J)
    np.testing.assert_array_equal(other(x), J)


# -- counts


def test_multiply_adds_of_a_classifier():
    """784-128-64-10, counted by hand: f once, forward's 784 tangents from layer 2 on, reverse's 10 cotangents to 1."""
    rng = np.random.default_rng(0)
    sizes, names = [784, 128, 64, 10], ["tanh", "tanh", "identity"]
    pairs = itertools.pairwise(sizes)
    shapes = [(m, n, name) for (n, m), name in zip(pairs, names, strict=True)]
    network = ad.Network([ad.Dense(rng.standard_normal((m, n)), np.zeros(m), name) for m, n, name in shapes])
    weights = 784 * 128 + 128 * 64 + 64 * 10
    forward, reverse = weights + 784 * (128 * 64 + 64 * 10), weights + 10 * (64 * 128 + 128 * 784)
    assert (forward, reverse) == (7_033_472, 1_194_624)
    found = {name: ad.engine(name).layout(network).work for name in ("forward", "reverse", "mixed")}
    assert found["forward"].fma == forward
    assert found["reverse"].fma == found["mixed"].fma == reverse
    assert all(work.transcendental == 128 + 64 for work in found.values())


class Counting(NumpyExecutor):
    """Counts what the functions that it calls are really given."""

    def __init__(self, code, elements):
        self.fma = self.elementwise = self.transcendental = self.calls = 0
        super().__init__(code, elements)

    def _calls(self, instruction):
        made = list(super()._calls(instruction))
        for number, (function, arguments) in enumerate(made):
            yield self.counted(function, instruction, first=number == 0), arguments

    def counted(self, function, instruction, first):
        primitive = PRIMITIVES.get(instruction.ufunc)

        def call(*arguments):
            if first:
                self.calls += 1
                arrays = [one for one in arguments if isinstance(one, np.ndarray)]
                if instruction.kind == "matmul":
                    self.fma += arrays[-1].size * arrays[0].shape[-1]
                elif instruction.kind == "map" and primitive is not None and primitive.transcendental:
                    self.transcendental += arrays[-1].size
                else:
                    self.elementwise += arrays[0].size if instruction.kind == "reduce" else arrays[-1].size
            return function(*arguments)

        return call


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("name", [*ORDERS, "forward(chunk=3)", "reverse(chunk=3)"])
def test_counted_work_is_what_is_done(name, family):
    network, x, *_ = family_case(family)
    for wrt in every_wrt(network):
        run = ad.engine(name).layout(network, wrt)
        counting = Counting(run.program.code, run.program.elements)
        counting.run(x, None, np.empty(run.shape))
        found = (counting.fma, counting.elementwise, counting.transcendental, counting.calls)
        assert found == (run.work.fma, run.work.elementwise, run.work.transcendental, run.work.calls)


@pytest.mark.parametrize("chunk", [1, 100, 128, 512, 600])
def test_blocks_do_not_multiply_the_work(chunk):
    """512 cotangents to the parameters: f once and two products a block, however large; outer products are none."""
    network = ad.problems.mlp(1024, 512, 4, 64)
    work = ad.engine(f"reverse(chunk={chunk})").layout(network, "params").work
    f = 1024 * 64 + 2 * 64 * 64 + 64 * 512
    assert work.fma == f + 2 * 512 * 64 * 64
    outer = 512 * network.params.size
    assert outer <= work.elementwise < 1.01 * outer


@pytest.mark.parametrize("chunk", [1, 7, 100])
@pytest.mark.parametrize("wrt", ["input", "params"])
@given(sizes=st.lists(st.integers(2, 9), min_size=3, max_size=5))
@few
def test_dense_seeds_are_multiplied(wrt, chunk, sizes):
    """By every layer, however many at a time: (m_l x n_l)(n_l x k) for all k seeds, as a JVP of each would."""
    network = ad.problems.mlp(widths="-".join(map(str, sizes)))
    shapes = list(zip(sizes[1:], sizes, strict=False))
    products = [m * n for m, n in shapes]
    k = network.variables(wrt)
    forward = ad.engine(f"forward(chunk={chunk}, seeds=dense)").layout(network, wrt).work
    own = sum(products) if wrt == "params" else 0  # dW x for every tangent, where W has parameters
    following = products[1:] if wrt == "params" else products
    assert forward.fma == sum(products) + k * (sum(following) + own)
    reverse = ad.engine(f"reverse(chunk={chunk}, seeds=dense)").layout(network, "input").work
    assert reverse.fma == sum(products) + sizes[-1] * sum(products)


# -- memory


@pytest.mark.parametrize("wrt", ["input", "params"])
@pytest.mark.parametrize("name", [*PROGRAMS, "reverse(chunk=16)", "compiled-reverse(chunk=16)"])
def test_a_run_allocates_nothing(name, wrt):
    """NumPy's executor makes views, NumPy buffers an iteration or two of 512 elements; nobody makes a matrix."""
    network = ad.problems.mlp(64, 64, 3, 64)
    limit = 512 if name.startswith("compiled-") else 4 * 8 * 512  # below 64 x 64 numbers
    grown = allocated(ad.engine(name).prepare(network, wrt), network.example_input())
    assert grown < limit, f"{name} allocates {grown} bytes in a run"


@pytest.mark.parametrize("name", ["finite-difference", "complex-step"])
def test_differences_hold_what_they_state(name):
    network = ad.problems.mlp(16, 64, 2, 64)
    run = ad.engine(name).layout(network)
    stated = run.nbytes + run.result_nbytes
    measured = peak_bytes(lambda: ad.engine(name).prepare(network), network.example_input())
    assert measured == pytest.approx(stated, rel=0.1)


@pytest.mark.parametrize("wrt", ["input", "params"])
@pytest.mark.parametrize("name", [*PROGRAMS, "auto", "forward(chunk=32)", "reverse(chunk=32)"])
def test_stated_bytes_are_allocated_bytes(name, wrt):
    """``nbytes`` is what cases are refused by, so it has to be true."""
    network = ad.problems.mlp(160, 120, 3, 160) if wrt == "input" else ad.problems.mlp(12, 40, 3, 16)
    engine = ad.engine(name)
    run = engine.layout(network, wrt)
    stated = run.nbytes + run.result_nbytes
    measured = peak_bytes(lambda: engine.prepare(network, wrt), network.example_input())
    assert measured == pytest.approx(stated, rel=0.1)


def test_nothing_is_allocated_before_it_is_asked_for():
    network = ad.problems.mlp(512, 512, 3, 512)
    tracemalloc.start()
    try:
        run = ad.engine("forward").layout(network)
        assert tracemalloc.get_traced_memory()[1] < run.nbytes / 4
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("executor", ["", "compiled-"])
def test_memory_against_depth(executor):
    """Forward holds two tangent matrices whatever the depth; reverse a residual vector per layer."""
    network = {depth: ad.problems.mlp(64, 1, depth, 64) for depth in (8, 32, 128)}
    stated = {
        name: [ad.engine(executor + name).layout(one).nbytes for one in network.values()]
        for name in ("forward", "reverse", "reverse-checkpointed")
    }
    vector = 64 * 8
    assert len(set(stated["forward"])) == 1
    assert 2 * 64 * vector <= stated["forward"][0] <= 2 * 64 * vector + 6 * vector
    few_, more, most = stated["reverse"]
    assert (more - few_, most - more) == (24 * vector, 96 * vector)
    less = stated["reverse-checkpointed"]
    assert all(a < b for a, b in zip(less, stated["reverse"], strict=True))
    assert less[2] < stated["reverse"][2] / 8


# -- what is refused


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
