"""GradBench's problems as families, with made inputs of any size: what its logs time, through this package's harness.

``gmm`` is a family of its own, and ``bundle`` is ``ba`` with its Jacobian dense.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import DTypeLike

from ...arrays import Array, float_dtype
from ...errors import LimitError
from ...layers import Function, Layer
from ...network import Network
from ..families import family, require_memory, require_positive
from .ba import VARIABLES, errors, summed
from .det import LARGEST, expansion
from .ht import FINGERS, JOINTS, POSE, Hand, distances
from .llsq import squared_distance
from .lse import log_sum_exp
from .lstm import sequence_loss
from .ode import last_component, solved

BONES = 2 + FINGERS * JOINTS  #: forearm, wrist, and those of the fingers
CHARACTERS = 14  #: elements of a character, and of a state, as in GradBench's text


@family(n=6, m=3)
def llsq(n: int = 1024, m: int = 128, seed: int = 0, dtype: DTypeLike = np.float64) -> Network:
    """The squared distance of a polynomial of m coefficients to the sign function, at n points: linear least squares.

    One output: reverse mode takes two products with the matrix of powers. Forward mode multiplies that matrix by the
    identity if it is dense, m products more; where it knows the identity as such, it costs what reverse mode does.

    Args:
        n: points.
        m: coefficients.
        seed: of the coefficients.
        dtype: float64 or float32.

    Raises:
        InputError: a size below 1, or a single point. LimitError: more memory than there is.
    """
    require_positive(n=n - 1, m=m)
    require_memory(8 * n * m)
    return _made("llsq", [squared_distance(n, m)], _numbers(seed, m), dtype)


@family(n=5)
def lse(n: int = 10000, seed: int = 0, dtype: DTypeLike = np.float64) -> Network:
    """The logarithm of a sum of n exponentials.

    One output and n inputs: reverse mode takes a few evaluations of f, however many inputs there are. Forward mode's
    first tangents are a diagonal that is summed, so that with its structure kept it takes no more.

    Args:
        n: numbers.
        seed: of the numbers.
        dtype: float64 or float32.

    Raises:
        InputError: a size below 1. LimitError: more memory than there is.
    """
    require_positive(n=n)
    require_memory(8 * n)
    return _made("lse", [Function(_log_sum_exp, n)], 10.0 * _numbers(seed, n), dtype)


def _log_sum_exp(x: Any, xp: Any) -> Any:
    return log_sum_exp(x, xp)


@family(wrt="params", n=3, s=2)
def ode(n: int = 1000, s: int = 10, seed: int = 0, dtype: DTypeLike = np.float64) -> Network:
    """The last of n equations ``y_0' = x_0, y_i' = x_i y_(i-1)`` after s Runge-Kutta steps, of their coefficients.

    One output, n parameters that all steps share: reverse mode wins by n, and keeps what every step needs.

    Args:
        n: equations.
        s: steps.
        seed: of the coefficients.
        dtype: float64 or float32.

    Raises:
        InputError: a size below 1. LimitError: more memory than there is.
    """
    require_positive(n=n, s=s)
    require_memory(8 * n * s * 8)
    x = 0.5 + np.abs(_numbers(seed, n))
    return _made("ode", [*solved(x, s), Function(last_component, n)], np.zeros(n), dtype)


@family(ell=3)
def det(ell: int = 6, seed: int = 0, dtype: DTypeLike = np.float64) -> Network:
    """The determinant of an ell x ell matrix by the expansion of every minor, ell! terms.

    One output and ell^2 inputs: reverse mode wins by ell^2 against dense tangents.

    Args:
        ell: rows.
        seed: of the matrix.
        dtype: float64 or float32.

    Raises:
        InputError: a size below 1. LimitError: a matrix beyond 12 x 12.
    """
    require_positive(ell=ell)
    if ell > LARGEST:
        raise LimitError(f"the minors of a {ell} x {ell} matrix do not fit into memory; ell is at most {LARGEST}")
    return _made("det", [expansion(ell)], _numbers(seed, ell * ell), dtype)


@family(l=1, c=2)
def diagonal_lstm(
    l: int = 2,  # noqa: E741  (GradBench's name)
    c: int = 64,
    seed: int = 0,
    dtype: DTypeLike = np.float64,
) -> Network:
    """The loss of an LSTM of l layers, whose weight matrices are diagonal, over c characters: GradBench's ``lstm``.

    One output, ``112 l + 42`` inputs: reverse mode wins. It is one layer, so that nothing can be checkpointed.

    Args:
        l: layers.
        c: characters.
        seed: of the parameters, the state and the text.
        dtype: float64 or float32.

    Raises:
        InputError: a size below 1, or a single character. LimitError: more memory than there is.
    """
    require_positive(l=l, c=c - 1)
    require_memory(8 * l * c * CHARACTERS * 16)
    rng = np.random.default_rng(seed)
    state = rng.uniform(-1.0, 1.0, (l, 2, CHARACTERS))
    text = rng.integers(0, 2, (c, CHARACTERS)).astype(float)
    layer = sequence_loss(state, text)
    return _made("diagonal_lstm", [layer], rng.uniform(-1.0, 1.0, layer.n), dtype)


@family(points=3, vertices=5)
def hand(points: int = 200, vertices: int = 544, seed: int = 0, dtype: DTypeLike = np.float64) -> Network:
    """Distances of measured points to a hand's skin, of its pose and the points' places in their triangles: ``ht``.

    28 inputs and three outputs a point: forward mode wins. The bones' motions are few, and so are their tangents.

    Args:
        points: that are measured.
        vertices: of the skin, of which those are moved that a measured point lies between.
        seed: of everything.
        dtype: float64 or float32.

    Raises:
        InputError: a size below 1. LimitError: more memory than there is.
    """
    require_positive(points=points, vertices=vertices)
    require_memory(8 * BONES * 4 * vertices)
    rng = np.random.default_rng(seed)
    bones = np.tile(np.eye(4), (2, BONES, 1, 1))
    bones[:, :, :3] += 0.1 * rng.standard_normal((2, BONES, 3, 4))
    parents = np.array([-1, 0, *(1 if bone % JOINTS == 0 else bone + 1 for bone in range(FINGERS * JOINTS))])
    places = np.vstack([rng.standard_normal((3, vertices)), np.ones((1, vertices))])
    weights = rng.dirichlet(np.ones(BONES), vertices).T
    skin = (weights[:, None] * places).reshape(4 * BONES, vertices)
    corners, shares = rng.integers(0, vertices, (3, points)), rng.dirichlet(np.ones(3), points).T
    used, again = np.unique(corners, return_inverse=True)  # no others are moved
    measured = rng.standard_normal((points, 3))
    corners = again.reshape(corners.shape)
    made = Hand(parents, bones[0], bones[1], skin[:, used], corners, shares, measured, mirrored=False)
    x = np.concatenate([np.zeros(made.moves), 0.4 * rng.standard_normal(POSE)])
    return _made("hand", [distances(made)], x, dtype)


@family(observations=3)
def reprojections(observations: int = 128, seed: int = 0, dtype: DTypeLike = np.float64) -> Network:
    """Reprojection errors of observations, compressed to two sums whose gradients hold their whole Jacobian: ``ba``.

    Rows of different observations have no variable in common, so that two cotangents give them all. Forward mode pushes
    16 tangents an observation through all of them, so that its cost grows like their square.

    Args:
        observations: of a point by a camera, each.
        seed: of cameras and points.
        dtype: float64 or float32.

    Raises:
        InputError: a size below 1. LimitError: more memory than there is.
    """
    require_positive(observations=observations)
    require_memory(8 * (VARIABLES + 1) * observations)
    rng = np.random.default_rng(seed)
    x = 0.3 * rng.standard_normal((VARIABLES + 1, observations))
    x[13] += 4.0  # in front of the camera
    x[14:] += 1.0
    return _made("reprojections", [errors(observations), summed(observations)], x.ravel(), dtype)


def _numbers(seed: int, size: int) -> Array:
    return np.random.default_rng(seed).standard_normal(size)


def _made(name: str, layers: list[Layer], x: Array, dtype: DTypeLike) -> Network:
    return Network(layers, name=name, example=x).astype(float_dtype(dtype))
