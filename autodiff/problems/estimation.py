"""Fits that the field's benchmarks are made of: a Gaussian mixture, bundle adjustment, a network that obeys a law."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import DTypeLike

from ..arrays import Array, float_dtype
from ..layers import Dense, Layer, SquaredError
from ..network import Network
from .drawn import drawn, small
from .families import family, require_memory, require_positive
from .gradbench.ba import rotated
from .gradbench.gmm import log_posterior


@family(d=2, k=2, points=4)
def gmm(d: int = 4, k: int = 8, points: int = 256, seed: int = 0, dtype: DTypeLike = np.float64) -> Network:
    """Fitting a mixture of ``k`` Gaussians in R^d to points: the logarithm of the posterior of all its parameters.

    One output, so that reverse mode wins by the number of parameters, ``k (1 + d + d (d + 1) / 2)``. The layer is one,
    and wide inside: all points times all components, where the arithmetic is.

    Args:
        d: dimensions.
        k: components.
        points: to fit.
        seed: of the points and the start.
        dtype: float64 or float32.

    Raises:
        InputError: a size below 1. LimitError: more memory than there is.
    """
    require_positive(d=d, k=k, points=points)
    require_memory(8 * points * k * d)
    rng = np.random.default_rng(seed)
    layer = log_posterior(rng.standard_normal((points, d)), k, 0, 1.0)
    return Network([layer], name="gmm", example=0.5 * rng.standard_normal(layer.n)).astype(float_dtype(dtype))


CAMERA = 11  #: rotation 3, centre 3, focal length, principal point 2, radial distortion 2


class Reprojection(Layer):
    """Where cameras see points, less where they saw them, times a weight; and how far the weights are from 1.

    A camera is a rotation vector r, a centre C, a focal length f, a principal point p_0 and two coefficients of radial
    distortion. ``w (f (1 + k_1 |p|^2 + k_2 |p|^4) p + p_0 - seen)`` with ``p`` from ``Rot(r) (X - C)``, and
    ``1 - w^2``, for every observation. The inputs are all cameras, all points X and the weights w.

    Args:
        cameras, points: how many.
        pairs: (observations, 2), which camera sees which point.
        seen: (observations, 2).

    Source: Srajer, Kukelova & Fitzgibbon (2018), section 4.2.
    """

    def __init__(self, cameras: int, points: int, pairs: Array, seen: Array) -> None:
        self.cameras, self.points, self.seen = cameras, points, seen
        self.who, self.what = pairs[:, 0].copy(), pairs[:, 1].copy()
        count = len(pairs)
        self.n, self.m = CAMERA * cameras + 3 * points + count, 3 * count

    def function(self, x: Any, params: Any, xp: Any = np) -> Any:
        first, count = CAMERA * self.cameras, len(self.who)
        cameras = x[:first].reshape(self.cameras, CAMERA)[self.who]
        points = x[first : first + 3 * self.points].reshape(self.points, 3)[self.what]
        weights = x[first + 3 * self.points :]
        turned = rotated(xp.transpose(cameras[:, :3], (1, 0)), xp.transpose(points - cameras[:, 3:6], (1, 0)), xp)
        moved = xp.transpose(turned, (1, 0))
        p = moved[:, :2] / moved[:, 2:]
        square = xp.sum(xp.square(p), axis=1, keepdims=True)
        bent = p * (1.0 + cameras[:, 9:10] * square + cameras[:, 10:11] * xp.square(square))
        error = bent * cameras[:, 6:7] + cameras[:, 7:9] - xp.asarray(self.seen, dtype=x.dtype)
        return xp.concatenate([(weights[:, None] * error).reshape(2 * count), 1.0 - xp.square(weights)])


@family(cameras=2, points=3)
def bundle(cameras: int = 4, points: int = 24, seed: int = 0, dtype: DTypeLike = np.float64) -> Network:
    """Bundle adjustment: the reprojection errors of points that cameras see, every point by two of them.

    The Jacobian has as many rows as it has columns, nearly, and 15 numbers in a row that are not zero. Neither mode
    knows that: both take it as dense, and the smaller of n and m decides. (One that compresses columns needs 15
    tangents.)

    Args:
        cameras: at least 2 of them see everything.
        points: in space.
        seed: of cameras and points.
        dtype: float64 or float32.

    Raises:
        InputError: a size below 1. LimitError: more memory than there is.
    """
    require_positive(cameras=cameras, points=points)
    require_memory(8 * 3 * 2 * points * (CAMERA * cameras + 5 * points))
    rng = np.random.default_rng(seed)
    pairs = np.array([(camera % cameras, point) for point in range(points) for camera in (point, point + 1)])
    views = rng.standard_normal((cameras, CAMERA)) * 0.1
    views[:, 5] -= 4.0  # in front of the points
    views[:, 6] += 1.0
    layer = Reprojection(cameras, points, pairs, 0.1 * rng.standard_normal((len(pairs), 2)))
    weights = 1.0 + 0.1 * rng.standard_normal(len(pairs))
    example = np.concatenate([views.ravel(), rng.standard_normal(3 * points) * 0.5, weights])
    return Network([layer], name="bundle", example=example).astype(float_dtype(dtype))


class TaylorDense(Dense):
    """A dense layer of a function of (t, x) and of its derivatives: (a, a_t, a_x, a_xx), one sample after the other.

    ``z = W a + b`` and ``z_* = W a_*``; behind tanh ``y_t = s z_t``, ``y_x = s z_x`` and
    ``y_xx = s z_xx - 2 y s z_x^2`` with ``s = 1 - y^2``: Taylor mode of second order, one layer at a time.

    Args:
        W, b: (outputs, inputs), (outputs,).
        samples: at which the function is looked at.
        last: without the tanh.

    Source: Griewank & Walther, Evaluating Derivatives (2nd ed., SIAM 2008), section 13.1.
    """

    batched = False

    def __init__(self, W: Array, b: Array, samples: int, last: bool) -> None:
        super().__init__(W, b)
        self.samples, self.final, self.inputs, self.outputs = samples, last, self.n, self.m
        self.n, self.m = 4 * samples * self.inputs, 4 * samples * self.outputs

    def function(self, x: Any, params: Any, xp: Any = np) -> Any:
        W, b = params
        z = xp.matmul(x.reshape(4 * self.samples, self.inputs), W.T).reshape(4, self.samples, self.outputs)
        value, t, first, second = z[0] + b, z[1], z[2], z[3]
        if not self.final:
            value = xp.tanh(value)
            slope = 1.0 - xp.square(value)
            second = slope * (second - 2.0 * (value * xp.square(first)))
            t, first = slope * t, slope * first
        return xp.stack([value, t, first, second], axis=0).reshape(self.m)


class Burgers(Layer):
    """``u_t + u u_x - viscosity u_xx`` at every sample, from (u, u_t, u_x, u_xx)."""

    def __init__(self, samples: int, viscosity: float) -> None:
        self.samples, self.viscosity = samples, viscosity
        self.n, self.m = 4 * samples, samples

    def function(self, x: Any, params: Any, xp: Any = np) -> Any:
        u, t, first, second = (x[i * self.samples : (i + 1) * self.samples] for i in range(4))
        return (t + u * first - self.viscosity * second) * (1.0 / math.sqrt(self.samples))


@family(wrt="params", samples=3, width=3, depth=2)
def physics_informed(
    samples: int = 64, width: int = 32, depth: int = 4, seed: int = 0, dtype: DTypeLike = np.float64
) -> Network:
    """How far a network u(t, x) is from obeying Burgers' equation: a loss with derivatives of the network inside.

    The mean square of ``u_t + u u_x - 0.01 u_xx`` over random places. The inner derivatives, to two inputs, are pushed
    along with the values; the outer one, to thousands of parameters, is to be pulled: each direction where it is
    cheap. Differentiate it with ``wrt="params"``, where reverse mode wins by orders of magnitude.

    Args:
        samples: places.
        width: units of the hidden layers, which are tanh.
        depth: dense layers.
        seed: of the weights and the places.
        dtype: float64 or float32.

    Raises:
        InputError: a size below 1. LimitError: more memory than there is.

    Source: Raissi, Perdikaris & Karniadakis, Physics-informed neural networks (2019).
    """
    require_positive(samples=samples, width=width, depth=depth)
    require_memory(32 * samples * width)
    rng = np.random.default_rng(seed)
    sizes = [2, *[width] * (depth - 1), 1]
    layers: list[Layer] = [
        TaylorDense(drawn(rng, sizes[i + 1], sizes[i]), small(rng, sizes[i + 1]), samples, i == depth - 1)
        for i in range(depth)
    ]
    places = np.zeros((4, samples, 2))
    places[0] = rng.uniform(-1.0, 1.0, (samples, 2))
    places[1, :, 0] = places[2, :, 1] = 1.0  # the derivatives of (t, x) to t and to x
    layers += [Burgers(samples, 0.01), SquaredError(np.zeros(samples))]
    return Network(layers, name="physics_informed", example=places.ravel()).astype(float_dtype(dtype))
