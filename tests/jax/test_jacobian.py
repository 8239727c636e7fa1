"""Jacobians of JAX functions in a planned order: agreed with JAX's own, planned as expected, and checked."""

import importlib
import sys
from functools import reduce
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import autodiff as ad
from autodiff.errors import LimitError
from autodiff.testing import relative_error

jax = pytest.importorskip("jax", reason="the Jacobian of JAX functions needs JAX; pip install jax")

import jax.numpy as jnp  # noqa: E402
from jax import lax  # noqa: E402

from autodiff.jax import jacobian, transform  # noqa: E402
from autodiff.jax.price import price, rows  # noqa: E402


@pytest.fixture(autouse=True)
def double():
    """float64 within a test, without touching what other tests in this process see."""
    with jax.enable_x64(True):
        yield


def numbers(*shape, seed=0, dtype=np.float64):
    return np.random.default_rng(seed).standard_normal(shape).astype(dtype)


def dense(n, m, seed=0, dtype=np.float64):
    W, b = numbers(m, n, seed=seed, dtype=dtype) / dtype(n) ** dtype(0.5), numbers(m, dtype=dtype)
    return lambda x: jnp.tanh(W @ x + b)


def chain(*sizes, dtype=np.float64):
    return [dense(n, m, seed, dtype) for seed, (n, m) in enumerate(pairwise(sizes))]


def composed(layers):
    return lambda x: reduce(lambda value, layer: layer(value), layers, x)


def reverse(layers):
    return jax.jit(jax.jacrev(composed(layers)))


def loop(x):
    """Five steps of a recurrence."""
    W = numbers(x.size, x.size, seed=5) / x.size
    return lax.scan(lambda c, _: (jnp.tanh(W @ c) + x, None), x, length=5)[0]


def convolution(strides):
    kernel = numbers(3, 2, 3, 3)
    return lambda x: lax.conv_general_dilated(x[None], kernel, strides, "SAME")[0]


def doubled_until_large(x):
    """A loop of unknown length: JAX has no reverse mode for it."""
    return lax.while_loop(lambda c: jnp.sum(c * c) < 100.0, lambda c: 2.0 * c, x)


@jax.custom_vjp
def backward_only(x):
    """A sine without a forward mode."""
    return jnp.sin(x)


backward_only.defvjp(lambda x: (jnp.sin(x), jnp.cos(x)), lambda cosine, u: (u * cosine,))

CHAINS = {
    "bottleneck": (chain(20, 20, 2, 20, 20), (20,)),
    "flat": (chain(6, 6, 6, 6), (6,)),
    "one-output": (chain(9, 7, 5, 1), (9,)),
    "one-input": (chain(1, 5, 7), (1,)),
    "scalars": ([lambda x: jnp.stack([x, x * x]), jnp.sum], ()),
    "one-layer": (chain(5, 3), (5,)),
    "one-wide-layer": ([lambda x: jnp.tanh(x) @ numbers(3, 8)], (3,)),
    "elementwise": ([jnp.sin, *chain(8, 2), jnp.exp, *chain(2, 9), jax.nn.relu], (8,)),
    "only-elementwise": ([jnp.sin, jnp.exp], (4,)),
    "residual": ([lambda x: x + jnp.tanh(numbers(6, 6) @ x), *chain(6, 1, 6)], (6,)),
    "matrices": ([lambda x: jnp.tanh(x @ numbers(3, 4)), lambda x: x.sum(0), lambda x: jnp.outer(x, x[:2])], (2, 3)),
    "whole-contraction": ([lambda x: jnp.einsum("abc,cdab->d", x, numbers(4, 5, 2, 3)), jnp.tanh], (2, 3, 4)),
    "scan": ([*chain(8, 8), loop, *chain(8, 2, 8), loop], (8,)),
    "convolution": ([convolution((2, 2)), lambda x: jnp.tanh(x).mean((1, 2)), *chain(3, 7)], (2, 6, 6)),
    "jitted": ([jax.jit(layer) for layer in chain(9, 9, 2, 9)], (9,)),
    "constant": ([*chain(4, 3), lambda x: jnp.ones(2), *chain(2, 5)], (4,)),
    "solve": ([lambda x: jnp.linalg.solve(numbers(5, 5), x), *chain(5, 1, 5)], (5,)),
    "branch": ([lambda x: lax.cond(x[0] > 0, jnp.sin, lambda x: x * x, x), *chain(4, 1, 4)], (4,)),
}


@pytest.mark.parametrize("name", CHAINS)
def test_agrees_with_jax(name):
    layers, shape = CHAINS[name]
    x = jnp.asarray(numbers(*shape, seed=1))
    expected, found = reverse(layers)(x), jacobian(layers)(x)
    assert found.shape == expected.shape
    np.testing.assert_allclose(found, expected, rtol=1e-10, atol=1e-10)


@given(st.lists(st.integers(1, 12), min_size=2, max_size=5), st.sampled_from([None, 0, 64]))
@settings(max_examples=6, derandomize=True)
def test_any_widths_any_limit(sizes, limit):
    with jax.enable_x64(True):
        layers, x = chain(*sizes), jnp.asarray(numbers(sizes[0], seed=1))
        found = jacobian(layers, memory_limit=limit, choose="counted")
        np.testing.assert_allclose(found(x), reverse(layers)(x), rtol=1e-10, atol=1e-10)
        assert found.plan(x).gain >= 0.9
        assert limit is None or found.plan(x).peak_memory <= limit


def test_single_precision_stays():
    layers, x = chain(8, 8, 2, 8, dtype=np.float32), jnp.asarray(numbers(8, dtype=np.float32))
    found = jacobian(layers)
    assert found(x).dtype == np.float32
    assert relative_error(np.asarray(found(x)), np.asarray(reverse(layers)(x))) < 1e-5
    assert found.plan(x).problem.factors[0].memory < found.plan(x.astype(np.float64)).problem.factors[0].memory


def test_the_plan_is_that_of_the_same_network():
    network = ad.problems.autoencoder(64, 4)
    layers = [lambda x, layer=layer: layer.function(x, layer.params, jnp) for layer in network.layers]
    ours, theirs = ad.plan(network), jacobian(layers).plan(network.example_input())
    assert theirs.gain > 9
    assert (theirs.root.kind, theirs.root.split) == (ours.root.kind, ours.root.split) == ("multiply", ours.root.split)
    assert theirs.bracketing() == ours.bracketing()


def test_without_a_bottleneck_a_homogeneous_mode_runs():
    for sizes, kinds in (
        ((64, 64, 64, 64, 64), ["dense", "tangent"]),
        ((64, 64, 64, 1), ["cotangents", "adjoint"]),
        ((1, 64, 64, 64), ["tangents", "tangent"]),
    ):
        plan = jacobian(chain(*sizes)).plan(jax.ShapeDtypeStruct(sizes[:1], np.float64))
        assert [step.kind for step in plan.steps()] in (kinds, ["dense", *kinds[1:]])


def test_a_plan_is_made_once_for_a_shape():
    traced = []

    def layer(x):
        traced.append(x.shape)
        return jnp.sin(x)

    found = jacobian([layer, jnp.exp])
    plan = found.plan(jnp.ones(3))
    count = len(traced)
    assert found.plan(np.zeros(3)) is plan
    assert len(traced) == count
    assert found.plan(jnp.ones((2, 2))) is not plan
    assert "exponential" in found.lower(jnp.ones(3)).as_text()


def test_layers_are_evaluated_once():
    """The compiled primal: one hyperbolic tangent per layer, whatever the plan."""
    layers, x = chain(8, 8, 2, 8, 8), jnp.ones(8)
    text = str(jax.make_jaxpr(jacobian(layers))(x))
    assert text.count(" = tanh") == len(layers)
    assert jacobian(layers).plan(x).root.kind == "multiply"


def test_under_transformations():
    layers, xs = chain(6, 6, 1, 6), jnp.asarray(numbers(3, 6))
    found, expected = jacobian(layers), reverse(layers)
    np.testing.assert_allclose(jax.jit(lambda x: found(2.0 * x))(xs[0] / 2.0), expected(xs[0]), rtol=1e-10, atol=1e-12)
    np.testing.assert_allclose(jax.vmap(found)(xs), jax.vmap(expected)(xs), rtol=1e-10, atol=1e-12)
    for again in (jax.jacfwd, jax.jacrev):
        np.testing.assert_allclose(again(found)(xs[0]), again(expected)(xs[0]), rtol=1e-9, atol=1e-11)


def test_parameters_may_be_traced():
    """Layers that close over what is being differentiated."""
    x = jnp.asarray(numbers(4))

    def norm(W, derivative):
        return jnp.sum(derivative([lambda x: jnp.tanh(W @ x), lambda x: W[:1] @ x, lambda x: x * jnp.ones(4)])(x) ** 2)

    W = jnp.asarray(numbers(4, 4))
    ours = jax.jit(jax.grad(lambda W: norm(W, jacobian)))(W)
    np.testing.assert_allclose(ours, jax.grad(lambda W: norm(W, lambda f: jax.jacrev(composed(f))))(W), rtol=1e-9)


def test_a_layer_with_one_mode_is_planned_for_in_it():
    x = jnp.asarray(numbers(8))
    both = [*chain(8, 8), doubled_until_large, *chain(8, 2), backward_only, *chain(2, 8)]
    sine = [*both[:3], jnp.sin, *both[4:]]
    np.testing.assert_allclose(jacobian(both)(x), jax.jit(jax.jacfwd(composed(sine)))(x), rtol=1e-10, atol=1e-12)
    with pytest.raises(LimitError, match="no plan keeps 0 bytes"):
        jacobian([backward_only], memory_limit=0)(x)
    with pytest.raises(ad.InputError, match="layer 1 has neither"):
        jacobian([lambda x: backward_only(doubled_until_large(x))])(x)


@pytest.mark.parametrize(
    ("layer", "least", "most"),
    [
        (lambda x: numbers(5, 8) @ x, 40, 48),
        (dense(8, 5), 40, 50),
        (jnp.sin, 8, 8),
        (lambda x: x[:2], 8, 8),
        (lambda x: lax.scan(lambda c, _: (numbers(8, 8) @ c, None), x, length=7)[0], 7 * 64, 7 * 80),
        (lambda x: lax.cond(x[0] > 0, jnp.sin, lambda x: numbers(8, 8) @ x, x), 64, 80),
        (lambda x: jnp.linalg.solve(numbers(8, 8), x), 8, 300),
        (lambda x: lax.conv_general_dilated(x[None, None], numbers(3, 1, 3), (1,), "SAME")[0], 60, 110),
        (lambda x: lax.conv_general_dilated(x[None, None], numbers(3, 1, 3), (2,), "SAME")[0], 30, 60),
    ],
)
@pytest.mark.parametrize("counter", ["xla", "jaxpr"])
def test_work_of_one_seed(layer, least, most, counter, monkeypatch):
    """Both counts: XLA's, and that of the jaxpr alone; the primal is in neither."""
    if counter == "jaxpr":
        monkeypatch.setattr("autodiff.jax.price.UNCOUNTED", ("module",))
    point = jax.ShapeDtypeStruct((8,), np.float64)
    for mode, seed in ((jax.linearize, point), (jax.vjp, jax.eval_shape(layer, point))):
        assert least <= price(lambda x, mode=mode: mode(layer, x)[1], point, seed).work <= most


def test_tape_is_the_residuals_without_the_weights():
    W = jnp.asarray(numbers(5, 8))
    point, out = jax.ShapeDtypeStruct((8,), np.float64), jax.ShapeDtypeStruct((5,), np.float64)
    assert price(lambda x: jax.vjp(lambda x: W @ x, x)[1], point, out).tape == 0
    assert price(lambda x: jax.vjp(lambda x: jnp.sin(W @ x), x)[1], point, out).tape == 8 * 5


def test_a_dense_layer_is_not_multiplied_by_the_identity():
    W, x = numbers(5, 8), jnp.asarray(numbers(8))
    text = str(jax.make_jaxpr(lambda x: rows(jax.linearize(lambda x: jnp.tanh(W @ x), x)[1], x))(x))
    assert text.count("dot_general") == 1  # of the primal
    assert "eye" not in text


def test_without_jax_it_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "jax", None)
    monkeypatch.delitem(sys.modules, "autodiff.jax")
    with pytest.raises(ad.UnsupportedError, match="pip install jax"):
        importlib.import_module("autodiff.jax")


X = np.ones(3)


@pytest.mark.parametrize(
    ("layers", "x", "error", "message"),
    [
        ([], X, ad.InputError, "at least one function"),
        (jnp.sin, X, ad.InputError, "layers must be a list"),
        ([jnp.sin, 3], X, ad.InputError, "layers must be a list"),
        (chain(3, 4) + chain(5, 2), X, ad.InputError, r"layer 2 does not take float64\[4\], which layer 1 gives: "),
        (chain(4, 4), X, ad.InputError, r"layer 1 does not take float64\[3\], which x is: "),
        ([jnp.sin, lambda x: (x, x)], X, ad.InputError, r"layer 2 gives .*\*, \*.*; expected one array"),
        ([lambda x: x[:0]], X, ad.InputError, "layer 1 gives an empty array"),
        ([jnp.sin, jnp.argsort], X, ad.DTypeError, "layer 2 gives int"),
        ([lambda x: x * 1j], X, ad.DTypeError, "layer 1 gives complex128"),
        ([jnp.sin], np.arange(3), ad.DTypeError, "x is int64; derivatives need real floats"),
        ([jnp.sin], X * 1j, ad.DTypeError, "x is complex128"),
        ([jnp.sin], [1.0, 2.0], ad.InputError, "x is .*; expected one array"),
        ([jnp.sin], np.ones((0, 2)), ad.InputError, "x is an empty array"),
    ],
)
def test_wrong_input(layers, x, error, message):
    with pytest.raises(error, match=message):
        jacobian(layers)(x)


@pytest.mark.parametrize("limit", [-1, 2.5, True])
def test_wrong_limit(limit):
    with pytest.raises(ad.InputError, match="memory_limit must be a whole number of at least 0"):
        jacobian([jnp.sin], memory_limit=limit)


BAD_COUNTS = {  # what counting gets wrong, since it cannot see what XLA fuses
    "gather": ([jnp.sin, lambda x: x[np.arange(40) % 7], jnp.tanh], 300),
    "sum, then broadcast": ([lambda x: jnp.sin(x).sum()[None], lambda s: s * np.arange(200.0)], 200),
    "branch": ([jnp.sin, lambda x: lax.cond(x[0] > 0, jnp.sin, jnp.cos, x)], 300),
}


@pytest.mark.parametrize("name", BAD_COUNTS)
def test_the_fastest_of_the_candidates_runs(name, monkeypatch):
    """Whatever counting chose: here the clock is made to prefer each of the three in turn."""
    layers, n = BAD_COUNTS[name]
    x = jnp.asarray(numbers(n))
    for wanted in range(3):
        chosen = []

        def fastest(found, x, wanted=wanted, chosen=chosen):
            chosen.append(found)
            return found[wanted]

        monkeypatch.setattr(transform, "_fastest", fastest)
        found = jacobian(layers)
        np.testing.assert_allclose(found(x), reverse(layers)(x), rtol=1e-10, atol=1e-12)
        np.testing.assert_allclose(found(x), reverse(layers)(x), rtol=1e-10, atol=1e-12)
        assert len(chosen) == 1, "measured once for a shape"
        assert found.plan(x) is chosen[0][wanted].plan


def test_candidates_are_timed_and_what_counting_chose_is_kept_unless_another_is_faster(monkeypatch):
    now = [0.0]

    class Run:
        def __init__(self, seconds):
            self.seconds = seconds

        def run(self, x):
            now[0] += self.seconds
            return x

    monkeypatch.setattr(transform.time, "perf_counter", lambda: now[0])
    x = jnp.ones(1)
    for seconds, expected in (((1.02, 1.0, 2.0), 0), ((1.5, 1.0, 2.0), 1), ((1.0, 3.0, 0.5), 2)):
        candidates = [Run(1e-3 * one) for one in seconds]
        assert transform._fastest(candidates, x) is candidates[expected]


def test_nothing_is_measured_under_a_transformation_or_when_told_not_to(monkeypatch):
    monkeypatch.setattr(transform, "_fastest", lambda found, x: pytest.fail("measured"))
    layers, x = chain(4, 2, 4), jnp.asarray(numbers(4))
    expected = reverse(layers)(x)
    np.testing.assert_allclose(jacobian(layers, choose="counted")(x), expected, rtol=1e-10, atol=1e-12)
    measured = jacobian(layers)
    np.testing.assert_allclose(jax.jit(measured)(x), expected, rtol=1e-10, atol=1e-12)
    np.testing.assert_allclose(jax.vmap(measured)(x[None])[0], expected, rtol=1e-10, atol=1e-12)
    monkeypatch.setattr(transform, "_fastest", lambda found, x: found[-1])
    assert measured(x).shape == expected.shape, "and then, with a concrete x, it is"
    assert len(measured.chosen) == 1


def test_other_choices_are_refused():
    with pytest.raises(ad.InputError, match='choose is \'fast\'; expected "measured" or "counted"'):
        jacobian([jnp.sin], choose="fast")
