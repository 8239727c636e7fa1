"""Networks: chaining, parameters as views, and what is refused."""

import numpy as np
import pytest

import autodiff as ad


def small(dtype=np.float64):
    rng = np.random.default_rng(0)
    W1, W2 = rng.standard_normal((3, 2)).astype(dtype), rng.standard_normal((1, 3)).astype(dtype)
    return ad.Network([ad.Dense(W1, np.zeros(3, dtype), "tanh"), ad.Dense(W2)])


def test_sizes_and_value():
    network = small()
    assert (network.n, network.m, network.depth, network.width, network.params.size) == (2, 1, 2, 3, 12)
    x = np.array([0.3, -0.2])
    first, second = network.layers
    np.testing.assert_allclose(network(x), second.W @ np.tanh(first.W @ x + first.b))


def test_parameters_are_views_of_one_vector():
    network = small()
    run = ad.engine("reverse").prepare(network)
    x = np.array([0.3, -0.2])
    before = run(x)
    network.params *= 2.0
    first, second = network.layers
    for array in (first.W, first.b, second.W):
        assert np.shares_memory(array, network.params)
    after = run(x)
    np.testing.assert_allclose(after, ad.jacobian(network, x, "complex-step"))
    assert not np.allclose(before, after)


def test_parts_are_shaped_as_the_layers_parameters():
    network = ad.Network([ad.Dense(np.ones((3, 2)), np.zeros(3)), ad.Elementwise("sin"), ad.Batched(dense(2, 1), 3)])
    flat = np.arange(11.0)
    (W, b), nothing, (W2,) = network.parts(flat)
    np.testing.assert_array_equal(W, [[0, 1], [2, 3], [4, 5]])
    np.testing.assert_array_equal(b, [6, 7, 8])
    np.testing.assert_array_equal(W2, [[9], [10]])
    assert nothing == ()
    assert np.shares_memory(W, flat)
    assert network.shapes == [((3, 2), (3,)), (), ((2, 1),)]
    assert network.slices == [slice(0, 9), slice(9, 9), slice(9, 11)]
    x, xs = np.array([0.3, -0.2]), flat.copy()
    expected = network.function(x, network.parts(flat))
    np.testing.assert_array_equal(network.function(x, flat), expected)
    network.params = xs
    np.testing.assert_array_equal(network(x), expected)
    with pytest.raises(ad.InputError, match=r"params has shape \(3,\); expected \(11,\)"):
        network.params = np.ones(3)


def test_the_callers_arrays_are_not_touched():
    W = np.ones((2, 2))
    network = ad.Network([ad.Dense(W), ad.Dense(W)])
    network.params[:] = 0.0
    assert (W == 1.0).all()


def test_layers_take_the_size_of_the_one_before():
    network = ad.Network([ad.Dense(np.ones((6, 2))), ad.Elementwise("tanh"), ad.CrossEntropy([0, 2])])
    assert [layer.n for layer in network.layers] == [2, 6, 6]
    assert network.layers[2].classes == 3


def test_precision_follows_the_parameters_and_can_be_changed():
    assert small().dtype == np.float64
    assert small(np.float32).dtype == np.float32
    single = small().astype(np.float32)
    assert single.params.dtype == np.float32
    assert single(np.ones(2, np.float32)).dtype == np.float32
    assert small().astype(float).dtype == np.float64
    network = small()
    for made in (network.astype(np.float64), network.copy()):
        np.testing.assert_array_equal(made.params, network.params)
        assert not np.shares_memory(made.params, network.params)
        assert np.shares_memory(made.layers[0].W, made.params)


def test_layers_one_by_one_keep_the_precision():
    network = ad.problems.digits_loss(hidden=3, samples=2, dtype=np.float32)
    x = network.example_input()
    for layer in network.layers:
        x = layer(x)
        assert x.dtype == np.float32
    np.testing.assert_array_equal(x, network(network.example_input()))
    alone = ad.Network([ad.Elementwise("softplus", 3), ad.Misfit(np.ones(3), 0.1)])
    assert alone.layers[1](np.ones(3, np.float32)).dtype == np.float32
    with pytest.raises(ad.DTypeError, match="x is float64, the computation float32"):
        network.layers[0](np.ones(128))


def test_values_are_computed_without_warnings():
    network = ad.Network([ad.Elementwise("exp", 1), ad.Elementwise("square")])
    assert network(np.array([800.0]))[0] == np.inf
    assert network.layers[0](np.array([800.0]))[0] == np.inf


def test_example_input():
    assert small().example_input().shape == (2,)
    np.testing.assert_array_equal(small().example_input(3), small().example_input(3))
    given = ad.Network([ad.Dense(np.ones((1, 2)))], example=[1.0, 2.0])
    np.testing.assert_array_equal(given.example_input(), [1.0, 2.0])


def dense(m, n):
    return ad.Dense(np.ones((m, n)))


@pytest.mark.parametrize(
    ("layers", "message"),
    [
        ([], "at least one layer"),
        ([dense(3, 2), dense(1, 4)], r"layer 1 \(Dense\) takes 4 inputs, layer 0 \(Dense\) gives 3"),
        ([dense(3, 2), ad.Elementwise("sin", 2)], r"layer 1 \(Elementwise\) takes 2 inputs, layer 0 \(Dense\) gives 3"),
        ([ad.Elementwise("sin")], r"layer 0 \(Elementwise\) does not say how many inputs"),
        ([dense(3, 2), ad.CrossEntropy([0, 1])], r"layer 1 \(CrossEntropy\).*multiple of 2 inputs, not 3"),
        ([dense(3, 2), ad.CrossEntropy(3)], r"label 3, but only classes 0 to 2"),
        ([dense(3, 2), "tanh"], "layer 1 is str; expected a Layer"),
        ([dense(3, 2), ad.Batched(dense(1, 2), 2)], r"layer 1 \(Batched\(Dense\)\) takes 4 inputs"),
        ([dense(2, 2).with_params(np.ones(4))], r"layer 0 \(Dense\) has params that are ndarray; expected a tuple"),
    ],
)
def test_broken_chains_are_refused(layers, message):
    with pytest.raises(ad.InputError, match=message):
        ad.Network(layers)


def test_parameters_that_are_no_floats_are_refused():
    with pytest.raises(ad.DTypeError, match=r"layer 1 \(Dense\) has params\[0\] of int64"):
        ad.Network([dense(2, 2), dense(2, 2).with_params((np.ones((2, 2), np.int64),))])


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (lambda: ad.Dense([[1, 2]]), ad.DTypeError, "W is int64; pass floats"),
        (lambda: ad.Dense([1.0, 2.0]), ad.InputError, "expected a matrix"),
        (lambda: ad.Dense(np.ones((0, 2))), ad.InputError, "expected a matrix"),
        (lambda: ad.Dense([[1.0], [2.0]], [1.0]), ad.InputError, r"b has shape \(1,\)"),
        (lambda: ad.Dense([[np.nan]]), ad.InputError, "1 NaN or infinite"),
        (lambda: ad.Dense([["a"]]), ad.DTypeError, "W is <U1"),
        (lambda: ad.Dense([[1.0], [1.0, 2.0]]), ad.InputError, "ragged"),
        (lambda: ad.Dense([[1.0]], activation="tahn"), ad.UnknownNameError, "did you mean tanh"),
        (lambda: ad.Elementwise("tanh", 0), ad.InputError, "size of Elementwise.* is 0"),
        (lambda: ad.SquaredError([[1.0]]), ad.InputError, "expected a vector"),
        (lambda: ad.CrossEntropy(1.5), ad.DTypeError, "pass the index of the class"),
        (lambda: ad.CrossEntropy(-1), ad.InputError, "from 0"),
        (lambda: ad.Batched(dense(1, 1), 0), ad.InputError, "size of Batched.* is 0"),
        (lambda: ad.Misfit([1.0], 0.0), ad.InputError, "sigma is 0.0; expected a positive"),
        (lambda: ad.Elementwise("tanh", "3"), ad.InputError, "expected an integer"),
        (lambda: ad.Elementwise("tanh", True), ad.InputError, "expected an integer"),
        (lambda: ad.Batched("x", 2), ad.InputError, "takes a layer, not str"),
        (lambda: ad.Batched(dense(1, 1), 2.5), ad.InputError, "expected an integer"),
        (lambda: ad.CrossEntropy(1, "3"), ad.InputError, "classes is '3'"),
        (lambda: ad.CrossEntropy([[1], [1, 2]]), ad.InputError, "ragged"),
        (lambda: ad.Misfit([1.0], "a"), ad.InputError, "sigma is 'a'"),
        (lambda: ad.Network(None), ad.InputError, "takes a list of layers"),
        (lambda: ad.SquaredError(1.0), ad.InputError, "expected a vector"),
        (lambda: ad.Peaks([0.5], 0), ad.InputError, "peaks is 0; expected"),
    ],
)
def test_broken_layers_are_refused(make, error, message):
    with pytest.raises(error, match=message):
        make()
