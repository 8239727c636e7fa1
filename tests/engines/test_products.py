"""The bare matrix products that jvps and vjps are measured beside."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import autodiff as ad
from autodiff.engines.products import Products, linear_part
from autodiff.engines.running import compiled

EXECUTORS = {"numpy": Products, "compiled": compiled(Products)}


@pytest.mark.parametrize("executor", EXECUTORS)
@pytest.mark.parametrize("operation", ["jvp", "vjp"])
@given(sizes=st.lists(st.integers(1, 9), min_size=2, max_size=5), k=st.integers(1, 6), seed=st.integers(0, 999))
@settings(max_examples=15)
def test_products_are_those_of_the_weights(executor, operation, sizes, k, seed):
    network = linear_part(ad.problems.mlp(widths="-".join(map(str, sizes)), seed=seed))
    matrices = [layer.W for layer in network.layers]
    run = EXECUTORS[executor]().prepare(network, operation=operation, seeds=k)
    shape = (sizes[0], k) if operation == "jvp" else (k, sizes[-1])
    given = np.random.default_rng(seed).standard_normal(shape)
    J = np.linalg.multi_dot([*matrices[::-1], np.eye(sizes[0])])
    found = run(network.example_input(), given)
    np.testing.assert_allclose(found, J @ given if operation == "jvp" else given @ J, rtol=1e-10, atol=1e-12)
    # nothing else: no evaluation of f, one call a layer
    assert run.work.fma == k * sum(W.size for W in matrices)
    assert run.work.calls == len(matrices)
    assert run.work.elementwise == run.work.transcendental == 0


@pytest.mark.parametrize(
    ("network", "wrt"),
    [
        (ad.problems.mlp(3, 2, 2), "input"),  # activations
        (linear_part(ad.problems.mlp(3, 2, 2)), "params"),
        (linear_part(ad.Network([ad.Elementwise("tanh", 3)])), "input"),
    ],
)
def test_nothing_else_has_products_alone(network, wrt):
    with pytest.raises(ad.errors.UnsupportedError, match="nothing but products"):
        Products().prepare(network, wrt, operation="jvp")
