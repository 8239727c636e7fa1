"""GradBench's eval ``ba``: reprojection errors of cameras and points, with their sparse Jacobian."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from ...arrays import Array
from ...layers import Function
from ...network import Network
from .fields import floats, integer, number
from .task import Maker, Run, Task

CAMERA, POINT = 11, 3
VARIABLES = CAMERA + POINT + 1  #: of one observation: camera, point, weight
BLOCK = 512  #: observations that are differentiated together: their arrays, some 4 kB each, stay in the L2 cache


def errors(size: int) -> Function:
    """Errors (3, size) of observations, of (16, size): camera (11), point (3), weight w and w again, feature apart.

    A camera is rotation r, centre, focal length f, principal point u, radial distortion k::

        X' = R(r) (X - centre),  p = (X'_1, X'_2) / X'_3,  s = 1 + k_1 |p|^2 + k_2 |p|^4
        reprojection error = w (f s p + u - feature),  weight's error = 1 - w^2

    The second w is the variable of the weight's error, so that this row of a block shares no column with the others,
    and its cotangent can be carried by one of theirs. The feature is the parameter, (2, size).

    Source: ADBench (Microsoft, 2018), objective ``ba``.
    """

    def f(x: Any, params: Any, xp: Any) -> Any:
        v = x.reshape(VARIABLES + 1, size)
        local = rotated(v[0:3], v[11:14] - v[3:6], xp)
        p = local[:2] / local[2:]
        square = xp.sum(xp.square(p), axis=0)
        distortion = 1.0 + square * (v[9] + square * v[10])
        projected = v[6] * (distortion * p) + v[7:9]
        weight_error = 1.0 - xp.square(v[15:16])
        return xp.concatenate([v[14] * (projected - params[0]), weight_error], axis=0).reshape(3 * size)

    return Function(f, (VARIABLES + 1) * size, (np.zeros((2, size)),))


def rotated(r: Any, X: Any, xp: Any) -> Any:
    """X (3, k) rotated about axes r (3, k) by angles |r|; Rodrigues' formula, to first order for an angle of zero."""
    square = xp.sum(xp.square(r), axis=0)
    turns = xp.real(square) > 0.0
    angle = xp.sqrt(xp.where(turns, square, 1.0))
    axis = r / angle
    cosine = xp.cos(angle)
    along = xp.sum(axis * X, axis=0) * (1.0 - cosine)
    full = cosine * X + xp.sin(angle) * crossed(axis, X, xp) + along * axis
    return xp.where(turns, full, X + crossed(r, X, xp))


def crossed(a: Any, b: Any, xp: Any) -> Any:
    """Cross products of vectors (3, k)."""
    return xp.stack([a[1] * b[2] - a[2] * b[1], a[2] * b[0] - a[0] * b[2], a[0] * b[1] - a[1] * b[0]])


@dataclass(frozen=True)
class Adjustment:
    """All cameras (11, n), points (3, m), weights (p,) and features (2, p), and who observed what, (p,) each."""

    cameras: Array
    points: Array
    weights: Array
    features: Array
    camera: Array
    point: Array

    @classmethod
    def of(cls, given: Any) -> Adjustment:
        """From the input of a message, which has one of each, to be repeated.

        Raises:
            InputError: a field is missing or wrong.
        """
        n, m, p = (integer(given, name) for name in ("n", "m", "p"))
        cam, x, feat = floats(given, "cam", CAMERA), floats(given, "x", POINT), floats(given, "feat", 2)
        repeated = [np.repeat(one[:, None], count, axis=1) for one, count in ((cam, n), (x, m), (feat, p))]
        return cls(repeated[0], repeated[1], np.full(p, number(given, "w")), repeated[2],
                   np.arange(p) % n, np.arange(p) % m)  # fmt: skip

    @property
    def size(self) -> int:
        """Observations."""
        return self.weights.size

    def block(self, at: Array, x: Array, features: Array) -> None:
        """The variables (16, k) and the features (2, k) of observations, written into these arrays."""
        np.take(self.cameras, self.camera[at], axis=1, out=x[:CAMERA])
        np.take(self.points, self.point[at], axis=1, out=x[CAMERA : CAMERA + POINT])
        x[VARIABLES - 1 :] = self.weights[at]
        np.take(self.features, at, axis=1, out=features)


@dataclass(frozen=True, kw_only=True)
class Blocks(Task):
    """A task over all observations, one block after the other by the same run; the last block is filled up.

    Attributes:
        data: the observations.
    """

    data: Adjustment

    def evaluate(self, run: Run, seed: Array | None) -> Any:
        """The blocks' results: values (p, 3), or Jacobians (p, 2, 16) with their sparse positions."""
        size = self.network.m // 3
        x, features = self.x.reshape(VARIABLES + 1, size), self.network.params.reshape(2, size)
        compressed = self.operation == "compressed"
        kept = np.empty((self.data.size, 2, VARIABLES + 1) if compressed else (self.data.size, 3))
        for start in range(0, self.data.size, size):
            at = np.minimum(np.arange(start, start + size), self.data.size - 1)
            self.data.block(at, x, features)
            made = run(self.x, seed)
            count = min(size, self.data.size - start)
            made = _rows(made, size) if compressed else made.reshape(3, size).T
            kept[start : start + count] = made[:count]
        return (*positions(self.data), kept) if compressed else kept


def _rows(made: Array, size: int) -> Array:
    """A block's rows (size, 2, 16) from what its vjp (2, 16 size) or its jvp (3 size, 15) gives."""
    if made.shape[0] == 2:
        return made.reshape(2, VARIABLES + 1, size).transpose(2, 0, 1)
    columns = made.reshape(3, size, VARIABLES)
    weight = np.stack([columns[2, :, -1], np.zeros(size)], axis=1)
    return np.concatenate([columns[:2].transpose(1, 0, 2), weight[:, :, None]], axis=2)


def positions(data: Adjustment) -> tuple[Array, Array]:
    """Where the Jacobian (3 p, 11 n + 3 m + p) is not zero: where its rows begin (3 p + 1,), and columns (31 p,)."""
    p, after = data.size, CAMERA * data.cameras.shape[1]
    weights = after + POINT * data.points.shape[1] + np.arange(p)
    columns = np.empty((p, 2, VARIABLES), np.int64)
    columns[:, :, :CAMERA] = (CAMERA * data.camera[:, None] + np.arange(CAMERA))[:, None]
    columns[:, :, CAMERA:-1] = (after + POINT * data.point[:, None] + np.arange(POINT))[:, None]
    columns[:, :, -1] = weights[:, None]
    begins = np.concatenate([np.arange(0, 2 * p + 1) * VARIABLES, 2 * p * VARIABLES + 1 + np.arange(p)])
    return begins, np.concatenate([columns.ravel(), weights])


def compression(size: int) -> dict[str, Array]:
    """Seeds for a block's Jacobian: cotangents (2, 3 size), of the two coordinates; or tangents (16 size, 15).

    Source: Curtis, Powell & Reid, On the estimation of sparse Jacobian matrices (1974).
    """
    U, V = np.zeros((2, 3, size)), np.zeros((VARIABLES + 1, size, VARIABLES))
    U[0, [0, 2]] = U[1, 1] = 1.0
    for k in range(VARIABLES):
        V[k, :, k] = 1.0
    V[VARIABLES, :, VARIABLES - 1] = 1.0
    return {"vjp": U.reshape(2, -1), "jvp": V.reshape(-1, VARIABLES)}


def _task(given: Any, output: Any, operation: str) -> Task:
    data = Adjustment.of(given)
    size = min(BLOCK, data.size)
    seeds = compression(size) if operation == "compressed" else {}
    network = Network([errors(size)], name="ba")
    return Blocks(network, np.zeros((VARIABLES + 1) * size), output, operation, seeds=seeds, data=data)


def _errors(kept: Array) -> dict[str, Any]:
    first = {"elements": kept[0, :2].tolist(), "repeated": len(kept)}
    return {"reproj_error": first, "w_err": {"element": float(kept[0, 2]), "repeated": len(kept)}}


def _sparse(result: tuple[Array, Array, Array]) -> dict[str, Any]:
    """The first block, and the last element of all: what the eval asks of the matrix."""
    begins, columns, kept = result
    count = 2 * VARIABLES
    values = [*kept[0, :, :VARIABLES].ravel().tolist(), float(kept[-1, 0, VARIABLES])]
    ends = {name: [*one[:count].tolist(), int(one[-1])] for name, one in (("rows", begins), ("cols", columns))}
    return {**ends, "vals": values}


FUNCTIONS: dict[str, Maker] = {
    "objective": lambda given: _task(given, _errors, "value"),
    "jacobian": lambda given: _task(given, _sparse, "compressed"),
}
