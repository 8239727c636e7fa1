"""Losses of any network over a batch: the mean over its samples, one by one."""

import numpy as np
import pytest
from conftest import LAYERS, point_for

import autodiff as ad
from autodiff.testing import relative_error


def batch_for(network, count=3):
    return np.stack([point_for(network.layers[0], seed) for seed in range(count)])


@pytest.mark.parametrize("name", LAYERS)
def test_losses_of_every_layer(name):
    """Value and gradient with respect to the parameters against those of the samples, each by itself."""
    net = ad.Network([LAYERS[name]])
    X, rng = batch_for(net), np.random.default_rng(0)
    labels, targets = rng.integers(net.m, size=3), rng.standard_normal((3, net.m))
    for make, given in ((ad.losses.cross_entropy, labels), (ad.losses.mean_squared_error, targets)):
        whole = make(net, X, given)
        parts = [make(net, x, given[i : i + 1]) for i, x in enumerate(X)]
        values = [one(x) for one, x in zip(parts, X, strict=True)]
        assert relative_error(whole(whole.example_input()), np.mean(values, axis=0)) < 1e-12
        if net.params.size:
            wanted = np.mean([ad.gradient(one, x, wrt="params") for one, x in zip(parts, X, strict=True)], axis=0)
            found = ad.gradient(whole, whole.example_input(), wrt="params")
            assert np.abs(found - wanted).max() < 1e-12 * max(np.abs(wanted).max(), 1.0)


def test_what_they_are():
    rng = np.random.default_rng(0)
    W, b = rng.standard_normal((4, 3)), rng.standard_normal(4)
    net, X = ad.Network([ad.Dense(W, b)]), rng.standard_normal((5, 3))
    scores, labels, targets = X @ W.T + b, np.array([0, 3, 1, 1, 2]), rng.standard_normal((5, 4))
    loss = ad.losses.cross_entropy(net, X, labels)
    expected = np.mean(np.log(np.exp(scores).sum(axis=1)) - scores[range(5), labels])
    assert loss(X.ravel())[0] == pytest.approx(expected, rel=1e-14)
    np.testing.assert_array_equal(loss.example_input(), X.ravel())
    np.testing.assert_array_equal(loss.params, net.params)
    error = ad.losses.mean_squared_error(net, X, targets)
    assert error(X.ravel())[0] == pytest.approx(np.mean((scores - targets) ** 2), rel=1e-14)
    single = ad.losses.cross_entropy(net.astype("float32"), X.astype("float32"), labels)
    assert single.dtype == np.float32


class Opaque(ad.Layer):
    n, m = 3, 2

    def function(self, x, params, xp=np):
        return np.array([np.sin(x[0]) * x[1], np.exp(x[2])])

    def opaque_linearize(self, x):
        J = np.array([[np.cos(x[0]) * x[1], np.sin(x[0]), 0.0], [0.0, 0.0, np.exp(x[2])]])
        return self.function(x, ()), lambda V: J @ V, lambda U: U @ J


def test_a_layer_of_plain_python():
    rng = np.random.default_rng(0)
    X = rng.standard_normal((4, 3))
    loss = ad.losses.mean_squared_error(ad.Network([Opaque()]), X, np.zeros((4, 2)))
    wanted = ad.jacobian(loss, X.ravel(), "finite-difference")
    for engine in ("reverse", "forward"):
        assert relative_error(ad.jacobian(loss, X.ravel(), engine), wanted) < 1e-6


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (
            lambda net, X: ad.losses.cross_entropy(net, X[:, :2], [0, 1]),
            r"X has shape \(2, 2\); .* takes \(samples, 3\)",
        ),
        (lambda net, X: ad.losses.cross_entropy(net, X, [0]), "there are 1 labels for 2 samples"),
        (lambda net, X: ad.losses.cross_entropy(net, X, [0, 4]), "label 4, but only classes 0 to 3"),
        (lambda net, X: ad.losses.cross_entropy(net, X, [0.0, 1.0]), "label is float64"),
        (lambda net, X: ad.losses.cross_entropy(net.layers, X, [0, 1]), "takes an autodiff.Network, not list"),
        (lambda net, X: ad.losses.mean_squared_error(net, X, np.ones(4)), r"2 samples of 4 outputs need 8"),
        (lambda net, X: ad.losses.mean_squared_error(net, X.astype(int), np.ones((2, 4))), "X is int64; pass floats"),
    ],
)
def test_bad_input(call, message):
    rng = np.random.default_rng(0)
    with pytest.raises(ad.AutodiffError, match=message):
        call(ad.Network([ad.Dense(rng.standard_normal((4, 3)))]), rng.standard_normal((2, 3)))
