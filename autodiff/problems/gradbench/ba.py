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
PARTS = ("rows", "cols", "vals")  #: of a sparse matrix, as the protocol calls them
BLOCK = 512  #: observations that are differentiated together: their arrays, some 4 kB each, stay in the L2 cache


def errors(size: int) -> Function:
    """Errors (3, size) of observations, of (16, size): camera (11), point (3), weight w, and w once more.

    A camera is rotation r, centre, focal length f, principal point u, radial distortion k::

        X' = R(r) (X - centre),  p = (X'_1, X'_2) / X'_3,  s = 1 + k_1 |p|^2 + k_2 |p|^4
        reprojection error = w (f s p + u - feature),  weight's error = 1 - w^2

    The second w is the variable of the weight's error, so that this row of a block shares no column with the others.
    Features are the parameter, (2, size).

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


def summed(size: int) -> Function:
    """``(sum_i (e_1i + e_3i), sum_i e_2i)`` of errors e (3, size): U e, where U compresses the rows of their Jacobian.

    Rows that are added up here have no columns in common, so that what is in one of them is in the sum as it was.

    Source: Curtis, Powell & Reid, On the estimation of sparse Jacobian matrices (1974).
    """

    def f(e: Any, xp: Any) -> Any:
        sums = xp.sum(e.reshape(3, size), axis=1)
        return xp.stack([sums[0] + sums[2], sums[1]])

    return Function(f, 3 * size)


def rotated(r: Any, X: Any, xp: Any) -> Any:
    """X (3, k) rotated about axes r (3, k) by angles |r|; Rodrigues' formula, to first order for an angle of zero."""
    square = xp.sum(xp.square(r), axis=0)
    turns = xp.real(square) > 0.0
    safe = xp.where(turns, square, 1.0)
    angle = xp.sqrt(safe)
    cosine = xp.where(turns, xp.cos(angle), 1.0)
    sine = xp.where(turns, xp.sin(angle) / angle, 1.0)
    along = xp.sum(r * X, axis=0) * ((1.0 - cosine) / safe)
    return cosine * X + sine * crossed(r, X, xp) + along * r


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

    def evaluate(self, run: Run) -> Any:
        """The blocks' results: values (p, 3); or of the Jacobian where rows begin, columns, and values (31 p,)."""
        size, total = self.network.params.size // 2, self.data.size
        x, features = self.x.reshape(VARIABLES + 1, size), self.network.params.reshape(2, size)
        sparse = self.operation == "jacobian"
        kept, weights = np.empty((total, 2, VARIABLES) if sparse else (total, 3)), np.empty(total if sparse else 0)
        for start in range(0, total, size):
            stop = min(start + size, total)
            self.data.block(np.minimum(np.arange(start, start + size), total - 1), x, features)
            made = run(self.x)
            if sparse:
                rows = made.reshape(2, VARIABLES + 1, size)[:, :, : stop - start]
                kept[start:stop], weights[start:stop] = rows[:, :VARIABLES].transpose(2, 0, 1), rows[0, VARIABLES]
            else:
                kept[start:stop] = made.reshape(3, size)[:, : stop - start].T
        return (*positions(self.data), np.concatenate([kept.ravel(), weights])) if sparse else kept


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


def _task(given: Any, output: Any, operation: str) -> Task:
    data = Adjustment.of(given)
    size = min(BLOCK, data.size)
    layers = [errors(size), *([summed(size)] if operation == "jacobian" else [])]
    return Blocks(Network(layers, name="ba"), np.zeros((VARIABLES + 1) * size), output, operation, data=data)


def _errors(kept: Array) -> dict[str, Any]:
    first = {"elements": kept[0, :2].tolist(), "repeated": len(kept)}
    return {"reproj_error": first, "w_err": {"element": float(kept[0, 2]), "repeated": len(kept)}}


def _sparse(result: tuple[Array, Array, Array]) -> dict[str, Any]:
    """The first block, and the last element of all: what the eval asks of the matrix."""
    return {name: [*one[: 2 * VARIABLES].tolist(), one[-1].item()] for name, one in zip(PARTS, result, strict=True)}


FUNCTIONS: dict[str, Maker] = {
    "objective": lambda given: _task(given, _errors, "value"),
    "jacobian": lambda given: _task(given, _sparse, "jacobian"),
}
