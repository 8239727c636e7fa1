"""Layers over arrays with axes, in chains, in batches, made of layers: sizes, messages, and what they compute."""

import numpy as np
import pytest

import autodiff as ad
from autodiff.testing import reference_product, relative_error

RNG = np.random.default_rng(0)
EVERY = ["forward", "reverse", "mixed", "explicit-forward", "explicit-reverse", "reverse-checkpointed"]
EVERY += [
    "compiled-forward",
    "compiled-reverse",
    "forward(chunk=2)",
    "reverse(chunk=1)",
    "forward(seeds=dense)",
    "auto",
]


def draw(*shape):
    return 0.5 * RNG.standard_normal(shape)


UNROLLED = {
    "rnn": ad.RNN(draw(3, 2), draw(3, 3), draw(3), 4),
    "lstm": ad.LSTM(draw(12, 2), draw(12, 3), draw(12), 3),
    "gru-all": ad.GRU(draw(9, 2), draw(9, 3), draw(12), 3, "all"),
    "rk4": ad.RungeKutta([ad.Dense(draw(4, 3), draw(4), "tanh"), ad.Dense(draw(3, 4))], 2, 0.1),
    "heun": ad.RungeKutta(ad.Dense(draw(3, 3), draw(3), "tanh"), 2, 0.1, "heun"),
    "repeat": ad.Repeat(ad.Dense(draw(3, 3), draw(3), "tanh"), 3),
    "around": ad.Repeat(ad.Residual(ad.Dense(draw(3, 3), draw(3), "tanh")), 2),
}


@pytest.mark.parametrize("name", UNROLLED)
def test_parameters_that_steps_share(name):
    """Every order sums the derivative over the steps, as complex steps of the one parameter vector do."""
    network = ad.Network([UNROLLED[name]])
    x = draw(network.n)
    first = network.layers[0]
    assert network.params.size == sum(array.size for array in first.params)
    assert network.layers[-1].params[0] is first.params[0]
    for wrt in ("input", "params"):
        J = reference_product(network, x, np.eye(network.variables(wrt)), wrt)
        for engine in EVERY:
            assert relative_error(ad.jacobian(network, x, engine, wrt), J) < 1e-12, engine


def test_a_parameter_of_two_layers_of_which_others_stand_between():
    W, V = draw(3, 3), draw(3, 3)
    network = ad.Network([ad.Dense(W, None, "tanh"), ad.Dense(V, draw(3)), ad.Dense(W), ad.Dense(V, None, "sin")])
    assert network.params.size == 9 + 9 + 3
    assert network.slices == [slice(0, 9), slice(9, 21), slice(21, 21), slice(21, 21)]
    x = draw(3)
    J = reference_product(network, x, np.eye(21), "params")
    for engine in EVERY:
        assert relative_error(ad.jacobian(network, x, engine, "params"), J) < 1e-12, engine
    copy = network.copy()
    copy.params[:] += 1.0
    np.testing.assert_array_equal(copy.layers[2].W, copy.layers[0].W)
    np.testing.assert_array_equal(network.layers[2].W, W)


def test_the_depth_of_a_recurrent_network_is_its_length():
    lstm = ad.LSTM(draw(8, 1), draw(8, 2), draw(8), 7)
    network = ad.Network([lstm, ad.Dense(draw(1, 2))])
    assert (network.depth, network.n, network.m) == (8, 7, 1)


def loops(x, W, b, stride, padding, dilation, groups):
    """The definition of a convolution, number by number."""
    size = [
        (n + 2 * p - d * (k - 1) - 1) // s + 1
        for n, p, d, k, s in zip(x.shape[1:], padding, dilation, W.shape[2:], stride, strict=True)
    ]
    padded = np.pad(x, [(0, 0), *((p, p) for p in padding)])
    y = np.zeros((W.shape[0], *size))
    per = W.shape[0] // groups
    for o in range(W.shape[0]):
        first = o // per * W.shape[1]
        for place in np.ndindex(*size):
            for c, *k in np.ndindex(*W.shape[1:]):
                at = [i * s + j * d for i, s, j, d in zip(place, stride, k, dilation, strict=True)]
                y[(o, *place)] += W[(o, c, *k)] * padded[(first + c, *at)]
    return y + b.reshape(-1, *[1] * len(size))


@pytest.mark.parametrize(
    ("stride", "padding", "dilation", "groups"),
    [
        ((1, 1), (0, 0), (1, 1), 1),
        ((2, 1), (1, 2), (1, 2), 1),
        ((1, 3), (2, 0), (2, 1), 2),
        ((2, 2), (1, 1), (1, 1), 4),
    ],
)
def test_a_convolution_is_its_sum(stride, padding, dilation, groups):
    x, W, b = draw(4, 6, 7), draw(4, 4 // groups, 2, 3), draw(4)
    options = {"stride": stride, "padding": padding, "dilation": dilation, "groups": groups}
    layer = ad.Conv2d(W, b, shape=(4, 6, 7), **options)
    expected = loops(x, W, b, **options)
    assert layer.out_shape == expected.shape
    np.testing.assert_allclose(layer(x.ravel()), expected.ravel(), rtol=1e-12, atol=1e-13)


def test_axes_are_handed_on_from_layer_to_layer():
    network = ad.Network(
        [
            ad.Reshape((1, 8, 8), 64),
            ad.Conv2d(draw(4, 1, 3, 3), draw(4), padding=1),
            ad.Elementwise("relu"),
            ad.MaxPool(2),
            ad.BatchNorm(draw(4), np.ones(4)),
            ad.Residual([ad.Conv2d(draw(4, 4, 3, 3), padding=1), ad.Elementwise("gelu")]),
            ad.Concatenate(ad.Conv2d(draw(2, 4, 1, 1))),
            ad.GlobalAvgPool(),
            ad.Dense(draw(3, 6)),
        ]
    )
    shapes = [layer.out_shape for layer in network.layers]
    assert shapes == [
        (1, 8, 8), (4, 8, 8), (4, 8, 8), (4, 4, 4), (4, 4, 4), (4, 4, 4), (6, 4, 4), (6,), (3,),
    ]  # fmt: skip
    batch = ad.Network([ad.Batched(layer, 2) for layer in network.layers])
    x = draw(2, 64)
    np.testing.assert_allclose(batch(x.ravel()), np.concatenate([network(one) for one in x]), rtol=1e-12)
    assert relative_error(ad.jacobian(batch, x.ravel(), "reverse"), ad.jacobian(batch, x.ravel(), "forward")) < 1e-12


def test_equal_numbers_of_a_window_give_the_derivative_to_the_first():
    network = ad.Network([ad.MaxPool((2,), shape=(1, 4))])
    J = ad.jacobian(network, np.array([1.0, 1.0, 0.0, 2.0]), "reverse")
    np.testing.assert_array_equal(J, [[1.0, 0.0, 0.0, 0.0], [0.0, 0.0, 0.0, 1.0]])


def test_a_causal_network_sees_no_later_position():
    attention = ad.SelfAttention(draw(6, 3), draw(2, 2), causal=True, shape=(4, 3))
    J = ad.jacobian(ad.Network([attention]), draw(12), "reverse").reshape(4, 2, 4, 3)
    for i in range(4):
        assert not J[i, :, i + 1 :].any()
        assert J[i, :, : i + 1].all()


def test_a_window_of_one_position_and_a_sequence_of_one_step():
    for layer in (ad.Conv2d(draw(2, 1, 1, 1), shape=(1, 1, 1)), ad.MaxPool(1, shape=(2, 2, 2))):
        ad.testing.check_layer(layer, draw(layer.n))
    network = ad.Network([ad.GRU(draw(6, 2), draw(6, 2), draw(8), 1, "all")])
    assert relative_error(ad.jacobian(network, draw(2)), ad.jacobian(network, draw(2))) >= 0


WRONG = {
    "channels": (
        lambda: ad.Network([ad.Reshape((2, 4, 4), 32), ad.Conv2d(draw(3, 1, 3, 3))]),
        r"layer 1 \(Conv2d\) after layer 0 \(Reshape\): it takes 1 channels on axis 0, not 2 of \(2, 4, 4\)",
    ),
    "axes": (
        lambda: ad.Network([ad.Dense(draw(8, 3)), ad.Conv1d(draw(3, 1, 3))]),
        r"layer 1 \(Conv1d\) after layer 0 \(Dense\): it takes \(channels, length\), not shape \(8,\); pass shape=",
    ),
    "window": (
        lambda: ad.Conv2d(draw(3, 1, 5, 3), padding=(0, 1), shape=(1, 4, 4)),
        r"a window of 5 does not fit axis 1 of 4 with padding 0",
    ),
    "groups": (lambda: ad.Conv2d(draw(3, 1, 3, 3), groups=2), "3 outputs do not fall into 2 groups"),
    "stride": (lambda: ad.Conv2d(draw(3, 1, 3, 3), stride=0), r"stride is 0; expected an integer of at least 1, or 2"),
    "kernel": (lambda: ad.Conv2d(draw(3, 3)), r"W has shape \(3, 3\); Conv2d takes \(outputs, inputs / groups"),
    "pool": (lambda: ad.MaxPool(3, padding=2), r"padding \(2, 2\) is more than half of the window \(3, 3\)"),
    "pool axes": (lambda: ad.AvgPool((1, 2, 3)), r"kernel of AvgPool is \(1, 2, 3\)"),
    "norm": (
        lambda: ad.LayerNorm(draw(4), shape=(4, 3)),
        r"over \(4,\), which are not the last axes of shape \(4, 3\)",
    ),
    "batch norm": (lambda: ad.BatchNorm(draw(3), -np.ones(3)), "a variance of BatchNorm is negative"),
    "attention": (lambda: ad.SelfAttention(draw(6, 3), draw(2, 2), heads=3), "2 columns of W_out do not divide into 3"),
    "features": (lambda: ad.SelfAttention(draw(6, 3), draw(2, 2), shape=(4, 5)), r"it takes \(length, 3\), not shape"),
    "reshape": (lambda: ad.Reshape((3, -1), 8), r"8 numbers, of shape \(8,\), cannot have shape \(3, -1\)"),
    "permute": (lambda: ad.Permute((0, 2)), r"the order of Permute is \(0, 2\); expected every axis once"),
    "residual": (
        lambda: ad.Residual([ad.Dense(draw(4, 3))]),
        r"the body gives shape \(4,\), the shortcut \(3,\); they are to be added",
    ),
    "inside": (
        lambda: ad.Residual([ad.Dense(draw(4, 3)), ad.Dense(draw(3, 5))]),
        r"branch 0, layer 1 \(Dense\) takes 5 inputs, layer 0 \(Dense\) gives 4",
    ),
    "parallel": (
        lambda: ad.Parallel([ad.Flatten(), ad.MaxPool(2)], shape=(1, 4, 4)),
        r"the branches give shapes \[\(16,\), \(1, 2, 2\)\]; they may differ in axis 0 only",
    ),
    "repeat": (
        lambda: ad.Network([ad.Repeat(ad.Dense(draw(4, 3)), 2)]),
        r"layer 0 \(Repeat\): Dense takes 3 inputs and",
    ),
    "length": (lambda: ad.Network([ad.RNN(draw(3, 2), draw(3, 3), draw(3))]), r"layer 0 \(RNN\): .* give it length="),
    "steps": (
        lambda: ad.Network([ad.Dense(draw(5, 3)), ad.RNN(draw(3, 2), draw(3, 3), draw(3))]),
        r"layer 1 \(RNN\): it takes steps of 2 inputs, not 5 of shape \(5,\)",
    ),
    "gates": (lambda: ad.LSTM(draw(12, 2), draw(9, 3), draw(12), 3), "are no matrices of equal height"),
    "units": (lambda: ad.LSTM(draw(9, 2), draw(9, 3), draw(9), 3), "4 gates of 3 units have 12 rows"),
    "outputs": (
        lambda: ad.RNN(draw(3, 2), draw(3, 3), draw(3), 3, "first"),
        "outputs is 'first'; expected last or all",
    ),
    "method": (lambda: ad.RungeKutta(ad.Dense(draw(3, 3)), 2, 0.1, "rk5"), "rk5"),
    "field": (lambda: ad.Network([ad.RungeKutta(ad.Dense(draw(2, 3)), 2)]), r"the field gives shape \(2,\) at a state"),
    "unsized": (lambda: ad.Network([ad.MaxPool(2)]), r"layer 0 \(MaxPool\) does not say how many inputs it takes"),
}


@pytest.mark.parametrize("name", WRONG)
def test_what_does_not_fit_is_named(name):
    make, message = WRONG[name]
    with pytest.raises(ad.AutodiffError, match=message):
        make()
