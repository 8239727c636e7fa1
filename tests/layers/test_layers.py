"""Layers: their derivatives follow from their functions, wherever they stand; what checks that finds mistakes."""

import math

import numpy as np
import pytest
import scipy.special
from conftest import LAYERS, point_for
from hypothesis import given, settings
from hypothesis import strategies as st

import autodiff as ad
from autodiff.layers import ACTIVATIONS, Elementwise
from autodiff.primitives.table import PRIMITIVES
from autodiff.testing import check_layer, reference_product, relative_error

ACTIVATED = ("dense-", "batched-dense-", "elementwise-", "batched-elementwise-")  #: of each a few are enough
FORMS = [name for name in LAYERS if not name.startswith(ACTIVATED)]
FORMS += ["dense-identity", "dense-tanh", "dense-relu", "dense-sigmoid-nobias", "batched-dense-softplus"]
FORMS += ["elementwise-exp", "batched-elementwise-square"]


@pytest.mark.parametrize("name", FORMS)
def test_every_derivative_agrees_with_complex_steps(name):
    check_layer(LAYERS[name], point_for(LAYERS[name]), tolerance=1e-12)


@pytest.mark.parametrize("name", LAYERS)
def test_every_layer_in_both_orders(name):
    """The rest of the kinds, by their Jacobians alone."""
    layer = LAYERS[name]
    network, x = ad.Network([layer]), point_for(layer)
    for wrt in ("input", "params") if layer.params else ("input",):
        J = reference_product(network, x, np.eye(network.variables(wrt)), wrt)
        for engine in ("forward", "compiled-reverse"):
            assert relative_error(ad.jacobian(network, x, engine, wrt), J) < 1e-12


@settings(max_examples=20)
@given(st.sampled_from(sorted(LAYERS)), st.integers(0, 10**6), st.integers(1, 4))
def test_push_and_pull_are_adjoint(name, seed, k):
    """<U, J V> = <U J, V> for every pair of cotangent and tangent, of the parameters too."""
    layer = LAYERS[name]
    network, x, rng = ad.Network([layer]), point_for(layer, seed), np.random.default_rng(seed)
    for wrt in ("input", "params") if layer.params else ("input",):
        V, U = rng.standard_normal((network.variables(wrt), k)), rng.standard_normal((k, layer.m))
        _, JV = ad.jvp(network, x, V, wrt)
        _, UJ = ad.vjp(network, x, U, wrt)
        np.testing.assert_allclose(U @ JV, UJ @ V, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("name", ACTIVATIONS)
def test_activations_far_out(name, dtype):
    """Values and slopes over the whole range, without overflow where there is none."""
    z = np.linspace(-40, 40, 161)
    if name in ("exp", "sqrt", "log"):
        z = np.linspace(-5, 5, 21) if name == "exp" else np.linspace(0.25, 40, 160)
    elif name in ("hardtanh", "elu", "selu", "leaky_relu"):
        z = z + 0.1  # no slope is asked for where there are two
    network = ad.Network([Elementwise(name, z.size)]).astype(dtype)
    run = ad.engine("reverse").prepare(network)
    J = run(z.astype(dtype))
    limit = 1e-12 if dtype == np.float64 else 1e-5
    slope = np.diag(reference_product(network, z, np.eye(z.size)))
    np.testing.assert_allclose(np.diag(J), slope, rtol=limit, atol=limit)
    np.testing.assert_array_equal(J, np.diag(np.diag(J)))
    np.testing.assert_allclose(run.value, network.astype(np.float64)(z), rtol=limit, atol=limit)


def test_cross_entropy_does_not_overflow():
    loss = ad.CrossEntropy(0, 3)
    assert loss(np.array([1000.0, 0.0, -1000.0]))[0] == pytest.approx(0.0)
    assert loss(np.array([-1000.0, 0.0, 1000.0]))[0] == pytest.approx(2000.0)
    J = ad.jacobian(ad.Network([loss]), np.array([-1000.0, 0.0, 1000.0]), "reverse")
    np.testing.assert_allclose(J, [[-1.0, 0.0, 1.0]], atol=1e-12)


@pytest.mark.parametrize(("order", "seeds"), [("forward", 7), ("reverse", 7), ("forward", 1), ("reverse", 1)])
def test_nobody_pays_for_a_matrix_that_is_not_there(order, seeds):
    """A diagonal costs nothing in products, and one operation an element and seed outside them."""
    network = ad.Network([Elementwise("tanh", 50), Elementwise("sin", 50)])
    operation = {"forward": "jvp", "reverse": "vjp"}[order]
    work = ad.engine(order).layout(network, operation=operation, seeds=seeds).work
    assert work.fma == 0
    assert work.elementwise <= 50 * (seeds + 8)


def test_layers_that_are_unsized_take_the_size_of_x():
    check_layer(Elementwise("sin"), np.array([0.1, -0.2, 0.3]))


# -- layers of one's own


class Cube(ad.Layer):
    batched = True

    def __init__(self, n):
        self.n = self.m = n

    def function(self, x, params, xp=np):
        self.x = x
        return self.x**3


def attention(x, params, xp):
    """Softmax of scores, twice the same input, an index and a reshape."""
    (W,) = params
    q = x.reshape(2, 3)
    scores = xp.matmul(xp.matmul(q, W), q.T)
    weights = xp.exp(scores) / xp.sum(xp.exp(scores), axis=1, keepdims=True)
    return xp.concatenate([xp.matmul(weights, q).reshape(6), xp.sqrt(1.0 + xp.square(x[::2])), xp.sum(x).reshape(1)])


def running_difference(x):
    return x[1:] * np.exp(-(x[:-1] ** 2)) - np.maximum(x[1:], 0.2)


@pytest.mark.parametrize(
    ("layer", "x"),
    [
        (Cube(3), np.array([0.9, -1.1, 0.7])),
        (ad.Function(attention, 6, (np.random.default_rng(0).standard_normal((3, 3)),)), np.linspace(-1.0, 0.8, 6)),
        (ad.Function(running_difference, 4), np.array([0.3, -0.4, 0.5, 0.9])),
        (ad.Function(lambda x: np.array([2.0, 3.0]) + 0.0 * x, 2), np.ones(2)),
        (ad.Function(lambda x: np.sum(x * np.log(x)), 3), np.array([0.2, 0.5, 0.3])),
        (ad.Function(np.sqrt, 1), np.array([2.0])),
    ],
    ids=["cube", "attention", "difference", "constant", "entropy", "single"],
)
def test_functions_of_ones_own(layer, x):
    check_layer(layer, x, tolerance=1e-12)


class Opaque(ad.Layer):
    """Plain Python, number by number."""

    def __init__(self, factor=1.0):
        self.n, self.m, self.factor = 3, 2, factor

    def function(self, x, params, xp=np):
        return np.array([math.sin(x[0]) * x[1], math.exp(x[2])])

    def opaque_linearize(self, x):
        J = np.array([[math.cos(x[0]) * x[1], math.sin(x[0]), 0.0], [0.0, 0.0, math.exp(x[2])]])
        return self.function(x, ()), lambda V: J @ V, lambda U: self.factor * (U @ J)


def test_a_layer_of_plain_python():
    x = np.array([0.3, -0.5, 0.2])
    check_layer(Opaque(), x)
    with pytest.raises(AssertionError, match=r"Opaque alone: reverse, the Jacobian .* input, is off by 1\.0e-01"):
        check_layer(Opaque(0.9), x)


# -- check_layer finds what is wrong


@pytest.mark.parametrize(
    ("factor", "message"),
    [
        (2.0, r"Function alone: forward, the Jacobian with respect to the input, is off by 1\.0e\+00 \(relative; all"),
        (1.0 + 1e-9, r"off by 1\.0e-09 \(relative; allowed 1e-10\)"),
        (np.nan, "off by nan"),
    ],
)
def test_a_wrong_rule_is_found(monkeypatch, factor, message):
    erf = scipy.special.erf
    monkeypatch.setitem(PRIMITIVES, erf, None)  # is taken back at the end
    layer, x = ad.Function(lambda x: erf(x), 3), np.array([0.2, -0.4, 0.5])
    ad.primitive(erf, slope=lambda x, y: 2 / np.sqrt(np.pi) * np.exp(-x * x))
    check_layer(layer, x)
    ad.primitive(erf, slope=lambda x, y: factor * 2 / np.sqrt(np.pi) * np.exp(-x * x))
    with pytest.raises(AssertionError, match=message):
        check_layer(layer, x)


class Lying(ad.Layer):
    """It says that it takes leading axes, and sums over all of them; or fails."""

    batched, n, m = True, 3, 1

    def __init__(self, axis):
        self.axis = axis

    def function(self, x, params, xp=np):
        return xp.sum(xp.square(x), axis=self.axis).reshape(1)


@pytest.mark.parametrize(
    ("axis", "message"),
    [
        (None, r"Lying is declared batched; its function of shape \(3, 3\) has shape \(1,\), expected \(3, 1\)"),
        (-1, r"Lying is declared batched; its function of shape \(3, 3\) fails: ValueError"),
    ],
)
def test_a_wrong_promise_is_found(axis, message):
    with pytest.raises(AssertionError, match=message):
        check_layer(Lying(axis), np.ones(3))


class Centred(ad.Layer):
    """Right for one sample; of a batch it takes the mean over all of it."""

    batched, n, m = True, 3, 3

    def function(self, x, params, xp=np):
        return x - xp.mean(x)


def test_a_batch_that_mixes_its_samples_is_found():
    with pytest.raises(AssertionError, match=r"Centred is declared batched; .* is off by"):
        check_layer(Centred(), np.array([1.0, 2.0, 4.0]))


def test_a_point_of_another_size_is_refused():
    with pytest.raises(ad.InputError, match=r"x has shape \(2,\); expected \(3,\)"):
        check_layer(Elementwise("sin", 3), np.ones(2))
