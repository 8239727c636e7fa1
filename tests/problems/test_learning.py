"""Networks that learn by our own gradients what they are made for."""

import numpy as np
from scipy.optimize import minimize
from threadpoolctl import threadpool_limits

import autodiff as ad


def trained(loss, batches, rate=3e-3, steps=300):
    """Adam (Kingma & Ba, 2015) on the loss's parameters, over batches that are its inputs in turn."""
    run = ad.engine("auto").prepare(loss, wrt="params")
    m, v = np.zeros_like(loss.params), np.zeros_like(loss.params)
    with threadpool_limits(1):  # on a busy machine BLAS threads wait for each other
        for step in range(1, steps + 1):
            g = run(batches[step % len(batches)])[0]
            m, v = 0.9 * m + 0.1 * g, 0.999 * v + 0.001 * g * g
            loss.params[:] -= rate * (m / (1 - 0.9**step)) / (np.sqrt(v / (1 - 0.999**step)) + 1e-8)


def test_a_convolutional_network_reads_digits():
    """At least 97 % of 397 unseen digits."""
    loss = ad.problems.cnn(channels=8, samples=1400)
    run = ad.engine("auto").prepare(loss, wrt="params")
    batch = loss.example_input()

    def step(theta):
        loss.params[:] = theta
        gradient = run(batch)[0] + 2e-3 * theta
        return run.value[0] + 1e-3 * theta @ theta, gradient

    with threadpool_limits(1):
        found = minimize(step, loss.params.copy(), jac=True, method="L-BFGS-B", options={"maxiter": 90}).x
    classifier = ad.problems.cnn(of="scores", channels=8)
    classifier.params[:] = found
    images, labels = ad.problems.load_digits()
    read = [int(np.argmax(classifier(image))) for image in images[1400:]]
    assert np.mean(np.array(read) == labels[1400:]) >= 0.97


def test_a_memory_remembers():
    """The sign of the first of ten numbers, told at the end: an LSTM learns it, from noise in between.

    A network without memory sees the last number alone, and is right half of the time.
    """
    length, units, samples, rng = 10, 6, 64, np.random.default_rng(0)

    def draw(*shape):
        return rng.standard_normal(shape) / np.sqrt(shape[-1])

    steps = ad.LSTM(draw(4 * units, 1), draw(4 * units, units), np.repeat([0.0, 1.0, 0.0, 0.0], units), length)
    layers = ad.Network([steps, ad.Dense(draw(2, units), np.zeros(2))]).layers

    def data(count):
        X = rng.standard_normal((count, length))
        return X, (X[:, 0] > 0).astype(int)

    X, labels = data(samples)
    loss = ad.Network([*(ad.Batched(layer, samples) for layer in layers), ad.CrossEntropy(labels, 2)])
    assert loss.params.size == 4 * units * (1 + units + 1) + 2 * units + 2
    trained(loss, [X.ravel()], rate=2e-2, steps=250)
    network = ad.Network(layers)
    network.params[:] = loss.params
    unseen, expected = data(200)
    told = np.array([int(np.argmax(network(x))) for x in unseen])
    assert np.mean(told == expected) >= 0.9
    without = unseen[:, -1] > 0
    assert np.mean(without == expected) < 0.65
