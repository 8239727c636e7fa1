"""Networks over images: convolutional, residual, and with skips around a bottleneck."""

from __future__ import annotations

import numpy as np
from numpy.typing import DTypeLike

from ..arrays import float_dtype
from ..errors import InputError
from ..layers import Batched, Concatenate, CrossEntropy, GlobalAvgPool, Layer, MaxPool, Reshape, Residual, Upsample
from ..network import Network
from .drawn import conv, readout
from .families import family, require_memory, require_positive
from .real import CLASSES, load_digits

SIDE, NOISE = 8, 1e-2  #: of the digits


def as_choice(what: str, value: object, choices: tuple[str, ...]) -> str:
    """One of some words.

    Raises:
        InputError: another.
    """
    if value not in choices:
        raise InputError(f"{what} is {value!r}; expected {' or '.join(choices)}")
    return str(value)


@family(wrt="params", channels=2, samples=3)
def cnn(
    of: str = "loss",
    channels: int = 8,
    samples: int = 64,
    first: int = 0,
    seed: int = 0,
    dtype: DTypeLike = np.float64,
) -> Network:
    """A convolutional classifier of the handwritten digits as images of 8 x 8: its loss, or its scores of one image.

    Two convolutions of 3 x 3 with relu, each behind it a maximum over 2 x 2, and a dense layer. The *loss* over a batch
    is differentiated with respect to the parameters (``wrt="params"``): one output, so that reverse mode wins by orders
    of magnitude. The *scores* of one image are differentiated with respect to its 64 pixels: 10 outputs, and reverse
    mode should win by less than the ratio of 6.4, since its convolutions are the dearer ones. The pixels carry a
    hundredth of noise: where the numbers of a window are equal, their maximum has no derivative.

    Args:
        of: "loss" or "scores".
        channels: of the first convolution; the second has twice as many.
        samples: in the batch; scores are of one image.
        first: the first image.
        seed: of the weights.
        dtype: float64 or float32.

    Raises:
        InputError: a size below 1, or more images than there are.
    """
    as_choice("of", of, ("loss", "scores"))
    require_positive(channels=channels, samples=samples)
    images, labels = load_digits()
    count = samples if of == "loss" else 1
    if first < 0 or first + count > len(images):
        raise InputError(f"images {first} to {first + count - 1} were asked for; there are {len(images)}")
    require_memory(8 * count * channels * SIDE * SIDE * 9)
    rng = np.random.default_rng(seed)
    layers: list[Layer] = [
        Reshape((1, SIDE, SIDE)),
        conv(rng, 1, channels, "relu"),
        MaxPool(2),
        conv(rng, channels, 2 * channels, "relu"),
        MaxPool(2),
        readout(rng, 2 * channels * (SIDE // 4) ** 2, CLASSES),
    ]
    if of == "loss":
        layers = [*(Batched(layer, count) for layer in layers), CrossEntropy(labels[first : first + count], CLASSES)]
    batch = images[first : first + count].ravel() + NOISE * rng.standard_normal(count * SIDE * SIDE)
    return Network(layers, name="cnn", example=batch).astype(float_dtype(dtype))


@family(channels=2, blocks=1, side=4)
def resnet(
    blocks: int = 4,
    channels: int = 8,
    side: int = 8,
    classes: int = 10,
    seed: int = 0,
    dtype: DTypeLike = np.float64,
) -> Network:
    """A residual network: a convolution, ``blocks`` residual blocks of two convolutions, a mean, and scores.

    Few outputs and many inputs, and nothing narrow before the mean: reverse mode should win, by about the ratio of
    side^2 to the classes. A block's derivative is the identity and what its body adds; neither mode multiplies the
    identity.

    Args:
        blocks: residual blocks.
        channels: of every convolution.
        side: of the image, which has one channel.
        classes: outputs.
        seed: of the weights and the image.
        dtype: float64 or float32.

    Raises:
        InputError: a size below 1. LimitError: more memory than there is.

    Source: He et al., Deep Residual Learning for Image Recognition (2016).
    """
    require_positive(blocks=blocks, channels=channels, side=side, classes=classes)
    require_memory(8 * channels * side * side * 9)
    rng = np.random.default_rng(seed)
    layers: list[Layer] = [Reshape((1, side, side)), conv(rng, 1, channels, "relu")]
    for _ in range(blocks):
        second = conv(rng, channels, channels)
        second.params[0][:] /= np.sqrt(2.0 * blocks)  # or the sum over the blocks would grow
        layers.append(Residual([conv(rng, channels, channels, "relu"), second]))
    layers += [GlobalAvgPool(), readout(rng, channels, classes)]
    return Network(layers, name="resnet", example=rng.standard_normal(side * side)).astype(float_dtype(dtype))


@family(side=4, channels=2, bottleneck=1)
def unet(
    side: int = 8,
    channels: int = 4,
    bottleneck: int = 1,
    skips: str = "yes",
    seed: int = 0,
    dtype: DTypeLike = np.float64,
) -> Network:
    """An image to an image, through a bottleneck with skip connections around it.

    Down by two maxima over 2 x 2 to ``bottleneck`` channels of (side / 4)^2, and up again. Without the skips the
    Jacobian has the rank of the bottleneck, and mixed mode should win as for an autoencoder; with them what lies
    around the bottleneck is one block that is as wide as the image, and nothing of the gain should be left but inside
    of that block.

    Args:
        side: of the image, a multiple of 4.
        channels: of the outermost convolutions; twice as many one level below.
        bottleneck: channels in the middle.
        skips: "yes", or "no" for none.
        seed: of the weights and the image.
        dtype: float64 or float32.

    Raises:
        InputError: a size below 1, or a side that is no multiple of 4. LimitError: more memory than there is.

    Source: Ronneberger, Fischer & Brox, U-Net (2015).
    """
    require_positive(side=side, channels=channels, bottleneck=bottleneck)
    as_choice("skips", skips, ("yes", "no"))
    if side % 4:
        raise InputError(f"side is {side}; expected a multiple of 4")
    require_memory(8 * 9 * channels * side * side)
    rng = np.random.default_rng(seed)
    wide = 2 * channels
    inner: list[Layer] = [MaxPool(2), conv(rng, wide, bottleneck, "tanh"), Upsample(2)]
    middle: list[Layer] = [MaxPool(2), conv(rng, channels, wide, "tanh")]
    if skips == "yes":
        middle += [Concatenate(inner), conv(rng, wide + bottleneck, channels, "tanh"), Upsample(2)]
        body: list[Layer] = [Concatenate(middle), conv(rng, 2 * channels, 1)]
    else:
        body = [*middle, *inner, conv(rng, bottleneck, channels, "tanh"), Upsample(2), conv(rng, channels, 1)]
    layers = [Reshape((1, side, side)), conv(rng, 1, channels, "tanh"), *body]
    return Network(layers, name="unet", example=rng.standard_normal(side * side)).astype(float_dtype(dtype))


__all__ = ["as_choice", "cnn", "resnet", "unet"]
