"""Problems: alive at any depth, real where they say so, and trainable by our own gradients."""

import numpy as np
import pytest
from scipy.optimize import minimize
from threadpoolctl import threadpool_limits

import autodiff as ad
from autodiff.layers import ACTIVATIONS
from autodiff.primitives.table import PRIMITIVES
from autodiff.problems import families, find_family
from autodiff.problems.single import LAYERS
from autodiff.testing import reference_product, relative_error


@pytest.mark.parametrize("activation", ACTIVATIONS)
@pytest.mark.parametrize("depth", [2, 16, 96])
def test_values_and_derivatives_stay_alive(activation, depth):
    network = ad.problems.mlp(64, 1, depth, 64, activation)
    x = network.example_input()
    spread = []
    for layer in network.layers:
        x = layer(x)
        spread.append(x.std())
    assert all(0.005 < one < 10 for one in spread[:-1])
    norm = np.linalg.norm(ad.gradient(network, network.example_input()))
    assert 1e-16 < norm < 1e3
    tangent = ad.jacobian(network, network.example_input(), "forward")
    assert np.abs(tangent[tangent != 0]).min() > 1e-300


def test_networks_are_reproducible():
    one, two = (ad.problems.mlp(3, 2, 3, seed=5) for _ in range(2))
    np.testing.assert_array_equal(one.params, two.params)
    assert not np.array_equal(one.params, ad.problems.mlp(3, 2, 3, seed=6).params)


def test_depth_one_is_one_affine_map():
    network = ad.problems.mlp(3, 2, 1)
    assert network.depth == 1
    np.testing.assert_array_equal(ad.jacobian(network, np.ones(3)), network.layers[0].W)


def test_digits_loss_is_the_mean_cross_entropy():
    network = ad.problems.digits_loss(samples=8)
    images, labels = ad.problems.load_digits()
    classifier = ad.problems.digits_saliency()
    scores = [classifier(image) for image in images[:8]]
    losses = [np.log(np.exp(s).sum()) - s[label] for s, label in zip(scores, labels[:8], strict=True)]
    assert network(network.example_input())[0] == pytest.approx(np.mean(losses), rel=1e-12)


def test_a_classifier_trained_with_our_gradient_reads_digits():
    """Backpropagation's home ground, end to end: at least 95 % of unseen digits are read correctly."""
    loss = ad.problems.digits_loss(hidden=32, depth=2, samples=1400)
    batch = loss.example_input()
    run = ad.engine("reverse").prepare(loss, wrt="params")

    def step(theta):
        loss.params[:] = theta
        decay = 1e-4
        gradient = run(batch)[0] + 2 * decay * theta
        return run.value[0] + decay * theta @ theta, gradient

    with threadpool_limits(1):  # on a busy machine BLAS threads wait for each other
        trained = minimize(step, loss.params.copy(), jac=True, method="L-BFGS-B", options={"maxiter": 80}).x
    classifier = ad.problems.digits_saliency(hidden=32, depth=2)
    classifier.params[:] = trained
    images, labels = ad.problems.load_digits()
    read = [int(np.argmax(classifier(image))) for image in images[1400:]]
    assert np.mean(np.array(read) == labels[1400:]) >= 0.95


def test_curve_fit_finds_its_peaks():
    """Gauss-Newton on our forward Jacobian brings the misfit down to the noise."""
    network = ad.problems.curve_fit(peaks=3, points=300)
    x, run = network.example_input(), ad.engine("forward").prepare(network)
    for _ in range(10):
        x = x - np.linalg.lstsq(run(x), network(x), rcond=None)[0]
    assert np.sqrt(np.mean(network(x) ** 2)) == pytest.approx(1.0, abs=0.15)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: ad.problems.mlp(0, 1, 1), "n is 0; expected an integer of at least 1"),
        (lambda: ad.problems.mlp(1, 1, 1.5), "depth is 1.5"),
        (lambda: ad.problems.mlp(1, 1, True), "depth is True"),
        (lambda: ad.problems.digits_loss(samples=5000), "there are 1797"),
        (lambda: ad.problems.digits_saliency(image=-1), "image is -1"),
        (lambda: ad.problems.curve_fit(noise=0.0), "noise is 0.0; expected a positive number"),
        (lambda: find_family("mlp")(n=1, m=1), "problem mlp needs depth"),
        (lambda: ad.problems.mlp(1, 1, 2, batch=0), "batch is 0; expected an integer of at least 1"),
        (lambda: find_family("autoencoder")(n=4, bottleneck=1, batch=1.5), "batch is 1.5"),
        (lambda: ad.problems.product(2, batch=True), "batch is True"),
        (lambda: ad.problems.regression_loss(2, batch=-1), "batch is -1"),
        (lambda: ad.problems.mlp(2, 1, 2, batch=2**50), "its arrays alone would take"),
        (lambda: find_family("digits_loss")(batch=4), "digits_loss takes no batch; its examples are called samples"),
        (lambda: find_family("curve_fit")(batch=4), "curve_fit takes no batch; its examples are called points"),
        (lambda: find_family("digits_saliency")(batch=4), "digits_saliency takes no batch$"),
    ],
)
def test_bad_sizes_are_refused(call, message):
    with pytest.raises(ad.InputError, match=message):
        call()


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: ad.problems.mlp(1, 1, 2, activation="reul"), "did you mean relu"),
        (lambda: find_family("mpl"), "did you mean mlp"),
        (lambda: find_family("mlp")(n=1, m=1, depht=2), "unknown parameter of problem mlp 'depht'; did you mean depth"),
    ],
)
def test_unknown_names_list_the_near_matches(call, message):
    with pytest.raises(ad.UnknownNameError, match=message):
        call()


BATCHED = {"mlp": {"n": 3, "m": 2, "depth": 3, "width": 4}, "autoencoder": {"n": 4, "bottleneck": 2, "depth": 4},
           "product": {"n": 3, "m": 2}}  # fmt: skip


@pytest.mark.parametrize("name", BATCHED)
@pytest.mark.parametrize("batch", [1, 2, 5])
@pytest.mark.parametrize("engine", ["forward", "reverse", "mixed", "compiled-mixed"])
def test_a_batch_is_the_same_network_of_every_input(name, batch, engine):
    """Also where a batch has as many samples as seeds at which costs are counted; the Jacobian is block diagonal."""
    alone, made = (find_family(name)(**BATCHED[name], **more) for more in ({}, {"batch": batch}))
    np.testing.assert_array_equal(made.params, alone.params)
    examples = np.random.default_rng(0).standard_normal((batch, alone.n))
    np.testing.assert_allclose(made(examples.ravel()), np.concatenate([alone(x) for x in examples]), rtol=1e-12)
    J = ad.jacobian(made, examples.ravel(), engine).reshape(batch, alone.m, batch, alone.n)
    for i, x in enumerate(examples):
        np.testing.assert_allclose(J[i, :, i], ad.jacobian(alone, x), rtol=1e-10, atol=1e-14)
        assert not J[i][:, np.arange(batch) != i].any()


@pytest.mark.parametrize("engine", ["forward", "reverse"])
def test_the_blocks_of_a_batch_are_not_multiplied_by_zeros(engine):
    products = [ad.engine(engine).layout(ad.problems.mlp(3, 2, 4, 5, batch=b)).work.fma / b for b in (1, 2, 4, 32)]
    assert len(set(products)) == 1


def test_regression_loss_is_the_mean_over_its_batch():
    """So its gradient is the mean of the examples' own, and the parameters are those of the perceptron."""
    loss = ad.problems.regression_loss(3, 2, 3, 4, batch=6)
    alone = ad.problems.mlp(3, 2, 3, 4)
    np.testing.assert_array_equal(loss.params, alone.params)
    examples = loss.example_input().reshape(6, 3)
    misfit, root = loss.layers[-2], np.sqrt(6)
    errors = np.array([alone(x) for x in examples]) - misfit.observed.reshape(6, 2)
    assert loss(examples.ravel())[0] == pytest.approx(0.5 * (errors**2).sum(axis=1).mean(), rel=1e-12)
    assert misfit.sigma == pytest.approx(root)
    own = [ad.vjp(alone, x, error, wrt="params")[1] for x, error in zip(examples, errors, strict=True)]
    np.testing.assert_allclose(ad.gradient(loss, examples.ravel(), wrt="params"), np.mean(own, axis=0), rtol=1e-10)


@pytest.mark.parametrize("name", sorted(families()))
def test_every_family_comes_in_both_precisions(name):
    """The same numbers, rounded."""
    one, made = families()[name], []
    for dtype in ("float64", np.float32):
        made.append(one(**one.tiny, dtype=dtype))
        assert made[-1].dtype == dtype
    np.testing.assert_array_equal(made[1].params, made[0].params.astype(np.float32))
    for wrong in ("f4", "float16", 32, int):
        with pytest.raises(ad.InputError, match=f"dtype is {wrong!r}; expected float64 or float32"):
            one(**one.tiny, dtype=wrong)


def test_every_family_is_reachable_by_name():
    assert {"mlp", "autoencoder", "product", "digits_loss", "digits_saliency", "curve_fit"} <= families().keys()


@pytest.mark.parametrize("layer", LAYERS)
def test_every_single_layer_is_differentiated(layer):
    network = ad.problems.single(layer, elements=50)
    x = network.example_input()
    assert 10 <= max(network.n, network.m, network.params.size) <= 1100
    for wrt in ("input", "params") if network.params.size else ("input",):
        J = reference_product(network, x, np.eye(network.variables(wrt)), wrt)
        for name in ("forward", "reverse"):
            assert relative_error(ad.jacobian(network, x, name, wrt), J) < 1e-12


def test_every_primitive_is_a_single_layer():
    own = {name for name in (ufunc.__name__ for ufunc in PRIMITIVES) if hasattr(np, name)}
    assert own - set(LAYERS) == {"heaviside", "sign"}
    with pytest.raises(ad.UnknownNameError, match="did you mean tanh"):
        ad.problems.single("tnah")


@pytest.mark.parametrize("layer", ["tanh", "multiply", "sum", "gather", "matmul", "matvec"])
def test_f_is_what_it_does_and_no_copy_of_it(layer):
    assert ad.engine("reverse").layout(ad.problems.single(layer, 9), operation="value").work.calls == 1
