"""Layers and their derivatives: laws, and agreement with complex steps."""

import numpy as np
import pytest
from conftest import LAYERS, point_for
from hypothesis import given
from hypothesis import strategies as st

import autodiff as ad
from autodiff.layers import ACTIVATIONS, Dense, Elementwise
from autodiff.testing import check_layer, relative_error

SEEDS = st.integers(0, 2**32 - 1)
NAMES = st.sampled_from(sorted(LAYERS))


def pointed(name, seed, cotangents=3):
    layer = LAYERS[name]
    derivative = layer.derivative(cotangents=cotangents)
    derivative.at(point_for(layer, seed))
    return derivative, np.random.default_rng(seed)


def test_every_method_agrees_with_complex_steps(layer):
    check_layer(layer, point_for(layer), tolerance=1e-12)


def test_check_layer_finds_a_wrong_derivative(monkeypatch):
    layer = Elementwise("tanh", 3)
    monkeypatch.setattr("autodiff.layers.elementwise.Diagonal.vjp", lambda self, U, out=None: 2 * U * self.d)
    with pytest.raises(AssertionError, match=r"Elementwise\.vjp is off by 1\.0e\+00"):
        check_layer(layer, np.ones(3))


@given(NAMES, SEEDS, st.integers(1, 4))
def test_adjoint_identity(name, seed, k):
    """<U, J V> = <U J, V> for every pair of cotangent and tangent."""
    derivative, rng = pointed(name, seed, k)
    m, n = derivative.shape
    V, U = rng.standard_normal((n, k)), rng.standard_normal((k, m))
    np.testing.assert_allclose(U @ derivative.jvp(V), derivative.vjp(U) @ V, rtol=1e-10, atol=1e-10)


@given(NAMES, SEEDS, st.integers(1, 4))
def test_adjoint_identity_for_parameters(name, seed, k):
    derivative, rng = pointed(name, seed, k)
    if not derivative.parameters:
        return
    T, U = rng.standard_normal((derivative.parameters, k)), rng.standard_normal((k, derivative.shape[0]))
    np.testing.assert_allclose(U @ derivative.jvp_params(T), derivative.vjp_params(U) @ T, rtol=1e-10, atol=1e-10)


@given(NAMES, SEEDS, st.floats(-3, 3), st.floats(-3, 3))
def test_linearity(name, seed, a, b):
    derivative, rng = pointed(name, seed)
    m, n = derivative.shape
    V, W = rng.standard_normal((2, n, 2))
    U, R = rng.standard_normal((2, 3, m))
    combined = a * derivative.jvp(V) + b * derivative.jvp(W)
    np.testing.assert_allclose(derivative.jvp(a * V + b * W), combined, rtol=1e-9, atol=1e-9)
    combined = a * derivative.vjp(U) + b * derivative.vjp(R)
    np.testing.assert_allclose(derivative.vjp(a * U + b * R), combined, rtol=1e-9, atol=1e-9)


@given(NAMES, SEEDS)
def test_shapes_and_out(name, seed):
    """Every method fills ``out``, also a slice of something wider, and leaves its argument alone."""
    derivative, rng = pointed(name, seed)
    m, n = derivative.shape
    for k in (1, 2, n + 2):
        V, before = rng.standard_normal((n, k)), None
        before = V.copy()
        wide = np.full((m, k + 3), np.nan)
        derivative.jvp(V, wide[:, 1 : k + 1])
        np.testing.assert_allclose(wide[:, 1 : k + 1], derivative.jvp(V), rtol=1e-12, atol=1e-12)
        assert np.isnan(wide[:, 0]).all()
        assert np.isnan(wide[:, k + 1 :]).all()
        assert (before == V).all()
    for k in (1, 3):
        U = rng.standard_normal((k, m))
        before = U.copy()
        wide = np.full((k, n + 3), np.nan)
        derivative.vjp(U, wide[:, 1 : n + 1])
        np.testing.assert_allclose(wide[:, 1 : n + 1], derivative.vjp(U), rtol=1e-12, atol=1e-12)
        assert np.isnan(wide[:, 0]).all()
        assert (before == U).all()
    out = np.full((m, n), np.nan)
    derivative.dense(out)
    np.testing.assert_array_equal(out, derivative.dense())


@pytest.mark.parametrize("name", [name for name, one in LAYERS.items() if one.derivative().inplace])
def test_inplace_layers_may_write_where_they_read(name):
    derivative, rng = pointed(name, 3)
    m, n = derivative.shape
    V, U = rng.standard_normal((n, 2)), rng.standard_normal((3, m))
    for method, argument in ((derivative.jvp, V), (derivative.vjp, U)):
        expected = method(argument.copy())
        method(argument, argument)
        np.testing.assert_array_equal(argument, expected)


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("name", ACTIVATIONS)
def test_kernels_agree_with_the_function(name, dtype):
    phi = ACTIVATIONS[name]
    z = np.linspace(-40, 40, 161).astype(dtype) if name != "exp" else np.linspace(-5, 5, 21).astype(dtype)
    y, d = np.empty_like(z), np.empty_like(z)
    phi.linearize(z, y, d)
    h = 1e-30
    slope = np.imag(phi.function(z.astype(float) + 1j * h, np)) / h
    tolerance = 1e-12 if dtype == np.float64 else 1e-5
    np.testing.assert_allclose(y, phi.function(z.astype(float), np), rtol=tolerance, atol=tolerance)
    np.testing.assert_allclose(d, slope, rtol=tolerance, atol=tolerance)
    in_place, spare = z.copy(), np.empty_like(z)
    phi.linearize(in_place, in_place, spare)
    np.testing.assert_array_equal(in_place, y)
    np.testing.assert_array_equal(spare, d)


def test_cross_entropy_does_not_overflow():
    loss = ad.CrossEntropy(0, 3)
    assert loss(np.array([1000.0, 0.0, -1000.0]))[0] == pytest.approx(0.0)
    assert loss(np.array([-1000.0, 0.0, 1000.0]))[0] == pytest.approx(2000.0)


def test_cost_counts_structure(layer):
    """A diagonal costs m, a dense layer m n; nobody pays for a matrix that is not there."""
    derivative = layer.derivative()
    cost, (m, n) = derivative.cost, derivative.shape
    assert cost.shape == (m, n)
    if derivative.inplace:
        assert cost.tangent == cost.cotangent == m
    else:
        assert cost.tangent <= m * n + m
    assert cost.memory == derivative.sizes().residual * 8


def test_scaling_the_smaller_operand_changes_nothing():
    rng = np.random.default_rng(0)
    derivative = Dense(rng.standard_normal((4, 3)), None, "tanh").derivative(cotangents=9)
    derivative.at(rng.standard_normal(3))
    J, V, U = derivative.dense().copy(), rng.standard_normal((3, 9)), rng.standard_normal((9, 4))
    assert relative_error(derivative.jvp(V), J @ V) < 1e-14
    assert relative_error(derivative.vjp(U), U @ J) < 1e-14
