"""Problems on real input: the handwritten digits that ship with scikit-learn, and a curve fit."""

from __future__ import annotations

import functools

import numpy as np
from numpy.typing import DTypeLike

from ..arrays import Array, as_positive, float_dtype
from ..errors import InputError
from ..layers import Batched, CrossEntropy, Elementwise, Misfit, Peaks
from ..network import Network
from .families import family, require_positive
from .synthetic import dense_chain

PIXELS, CLASSES = 64, 10


@functools.cache
def load_digits() -> tuple[Array, Array]:
    """1797 images of handwritten digits, (1797, 64) with pixels in 0 to 1, and their labels (1797,).

    They come in one fixed random order, so that any slice is a fair sample; the original goes by writer.

    Source: E. Alpaydin and C. Kaynak, UCI Machine Learning Repository (1998), as shipped with scikit-learn.
    """
    from sklearn.datasets import load_digits as load

    data = load()
    order = np.random.default_rng(0).permutation(len(data.target))
    return np.asarray(data.data, dtype=np.float64)[order] / 16.0, np.asarray(data.target)[order]


def _classifier_sizes(hidden: int, depth: int) -> list[int]:
    require_positive(hidden=hidden, depth=depth)
    return [PIXELS, *[hidden] * (depth - 1), CLASSES]


@family(wrt="params", hidden=3, depth=2, samples=4)
def digits_loss(
    hidden: int = 32, depth: int = 2, samples: int = 256, first: int = 0, seed: int = 0, dtype: DTypeLike = np.float64
) -> Network:
    """The mean cross-entropy of a digits classifier over a batch: the function that training minimises.

    Differentiate it with ``wrt="params"``: thousands of variables, one output, backpropagation's home ground. The
    example input is the batch itself.

    Args:
        hidden: units of the hidden layers (tanh).
        depth: dense layers.
        samples: images in the batch.
        first: index of the first image.
        seed: of the weights, which come in the order of :func:`digits_saliency`'s.
        dtype: float64 or float32.

    Raises:
        InputError: a size below 1, or a batch that runs past the last image.
    """
    sizes = _classifier_sizes(hidden, depth)
    require_positive(samples=samples)
    images, labels = load_digits()
    if first < 0 or first + samples > len(images):
        raise InputError(f"images {first} to {first + samples - 1} were asked for; there are {len(images)}")
    batch = slice(first, first + samples)
    layers = dense_chain(np.random.default_rng(seed), sizes, "tanh")
    return Network(
        [*(Batched(layer, samples) for layer in layers), CrossEntropy(labels[batch], CLASSES)],
        name="digits_loss",
        example=images[batch].ravel(),
    ).astype(float_dtype(dtype))


@family(hidden=5, depth=2)
def digits_saliency(
    hidden: int = 32, depth: int = 2, image: int = 0, seed: int = 0, dtype: DTypeLike = np.float64
) -> Network:
    """The ten class scores of one image, to be differentiated with respect to its 64 pixels.

    Write trained parameters of the same ``hidden`` and ``depth`` into ``params`` to see what a classifier looks at.

    Raises:
        InputError: a size below 1, or no such image.
    """
    sizes = _classifier_sizes(hidden, depth)
    images, _ = load_digits()
    if not 0 <= image < len(images):
        raise InputError(f"image is {image}; there are {len(images)}")
    layers = dense_chain(np.random.default_rng(seed), sizes, "tanh")
    return Network(layers, name="digits_saliency", example=images[image]).astype(float_dtype(dtype))


@family(peaks=2, points=7)
def curve_fit(
    peaks: int = 4, points: int = 1000, noise: float = 0.02, seed: int = 0, dtype: DTypeLike = np.float64
) -> Network:
    """The misfit of a sum of Gaussian peaks to noisy samples: few parameters in, many residuals out.

    The inputs are the logarithms of the 3 ``peaks`` amplitudes, widths and centres, so that all stay positive;
    the outputs the ``points`` weighted residuals that a least-squares solver asks for. The example input is a
    start a few percent off the truth.

    Args:
        peaks: Gaussian peaks.
        points: samples over (0, 1].
        noise: standard deviation of the noise.
        seed: of the truth, the noise and the start.
        dtype: float64 or float32.

    Raises:
        InputError: a size below 1, or a noise that is not positive.
    """
    require_positive(peaks=peaks, points=points)
    noise = as_positive(noise, "noise")
    rng = np.random.default_rng(seed)
    t = np.arange(1, points + 1) / points
    centres = (np.arange(peaks) + rng.uniform(0.3, 0.7, peaks)) / peaks
    truth = np.concatenate([rng.uniform(0.5, 1.5, peaks), rng.uniform(0.2, 0.4, peaks) / peaks, centres])
    model = Peaks(t, peaks)
    observed = model(truth) + noise * rng.standard_normal(points)
    start = np.log(truth * rng.uniform(0.95, 1.05, 3 * peaks))
    layers = [Elementwise("exp", 3 * peaks), model, Misfit(observed, noise)]
    return Network(layers, name="curve_fit", example=start).astype(float_dtype(dtype))
