"""GradBench's eval ``ht``: a hand's pose, as distances of its skin from measured points."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ...arrays import Array
from ...errors import InputError
from ...layers import Function
from ...network import Network
from .fields import entry, floats, integer, positions
from .task import Maker, Task, vector

POSE = 26  #: rotation (3), translation (3), and of five fingers four angles each
FINGERS, JOINTS = 5, 4
SMALL = 1e-4  #: radians below which the hand is not rotated


@dataclass(frozen=True)
class Hand:
    """A hand with b bones, its skin, and what it is compared with.

    Attributes:
        parents: of every bone, -1 for none; parents come first (b,).
        base: of bones in the coordinates of their parents (b, 4, 4).
        inverse: from the hand's coordinates to the bones' (b, 4, 4).
        skin: weighted vertices (4 b, v): vertex times the bone's weight for it, in homogeneous coordinates.
        corners: the vertices whose mean a point is compared with (k, N): the three of a triangle, or one.
        shares: of the corners, before they are moved (k, N).
        points: that are measured (N, 3).
        mirrored: a left hand's model for a right hand, or the reverse.
    """

    parents: Array
    base: Array
    inverse: Array
    skin: Array
    corners: Array
    shares: Array
    points: Array
    mirrored: bool

    @property
    def moves(self) -> int:
        """Coordinates in a triangle that a point's place has: two, or none where it is a vertex."""
        return len(self.corners) - 1

    @property
    def generations(self) -> list[Array]:
        """Bones without a parent, their children, theirs, and so on."""
        depth = np.zeros(self.parents.size, np.intp)
        for bone, parent in enumerate(self.parents):
            depth[bone] = depth[parent] + 1 if parent >= 0 else 0
        return [np.flatnonzero(depth == one) for one in range(depth.max() + 1)]


def distances(hand: Hand) -> Function:
    """``f(u, theta) = point - place of the skin``, (3 N,), point by point; theta (26,) is the pose.

    Bones are turned about their joints, one generation after the other, vertices follow bones by their weights, and
    the whole is rotated and moved. u (2,) moves the place of every point in its own triangle, from where it is: the
    derivative with respect to it has in each row that of the point's own coordinates, so that the Jacobian
    (3 N, 2 N + 26) is held in (3 N, 28).

    Source: Taylor et al., User-specific hand modeling from monocular depth sequences (2014), as ADBench (Microsoft,
    2018) has it.
    """
    turn_of = angles(hand.parents.size)
    moves, N = hand.moves, len(hand.points)

    def f(x: Any, xp: Any) -> Any:
        theta = x[moves:]
        zero = xp.asarray(np.zeros(1), dtype=x.dtype)
        turns = turned(xp.concatenate([zero, theta])[turn_of.ravel()].reshape(turn_of.shape), xp)
        bones = absolute(hand, turns, xp)
        frame = xp.transpose(bones[:, :3], (1, 0, 2)).reshape(3, -1)  # (3, 4 b): all bones side by side
        skin = xp.matmul(frame, xp.asarray(hand.skin, dtype=x.dtype))
        placed = xp.matmul(rotation(theta[:3], hand.mirrored, xp), skin) + theta[3:6].reshape(3, 1)
        corners = [xp.transpose(placed, (1, 0))[one] for one in hand.corners]  # (N, 3) each
        shares = [xp.asarray(one[:, None], dtype=x.dtype) for one in hand.shares]
        if moves:
            shares = [shares[0] + x[0], shares[1] + x[1], shares[2] - x[0] - x[1]]
            place = shares[0] * corners[0] + shares[1] * corners[1] + shares[2] * corners[2]
        else:
            place = corners[0]
        return (xp.asarray(hand.points, dtype=x.dtype) - place).reshape(3 * N)

    return Function(f, moves + POSE)


def angles(bones: int) -> Array:
    """For the angles of every bone about x, z and y (3, b) their position in (0, theta): 0 is an angle that is zero.

    A finger's first bone turns about two axes, its next two about one, and its tip not at all; the wrist before them
    and the forearm behind do not turn either.
    """
    found = np.zeros((3, bones), np.intp)
    for finger in range(FINGERS):
        first, theta = 2 + (JOINTS) * finger, 7 + JOINTS * finger
        for column, own in ((first, (theta, theta + 1)), (first + 1, (theta + 2,)), (first + 2, (theta + 3,))):
            found[: len(own), column] = own
    return found


def turned(angle: Any, xp: Any) -> Any:
    """Rotations (b, 4, 4), about x, then y, then z, by angles about x, z, y (3, b)."""
    sine, cosine = xp.sin(angle), xp.cos(angle)
    (sx, sz, sy), (cx, cz, cy) = ([one[axis] for axis in range(3)] for one in (sine, cosine))
    zero = xp.asarray(np.zeros(angle.shape[1]), dtype=angle.dtype)
    one = xp.asarray(np.ones(angle.shape[1]), dtype=angle.dtype)
    syx, cyx = sy * sx, sy * cx
    rows = [
        cz * cy, cz * syx - sz * cx, cz * cyx + sz * sx, zero,
        sz * cy, sz * syx + cz * cx, sz * cyx - cz * sx, zero,
        -1.0 * sy, cy * sx, cy * cx, zero,
        zero, zero, zero, one,
    ]  # fmt: skip
    return xp.transpose(xp.stack(rows), (1, 0)).reshape(-1, 4, 4)


def absolute(hand: Hand, turns: Any, xp: Any) -> Any:
    """Bones' motions of the hand's coordinates (b, 4, 4), from their turns in their own (b, 4, 4)."""
    own = xp.matmul(xp.asarray(hand.base, dtype=turns.dtype), turns)
    generations = hand.generations
    made = [own[generations[0]]]
    for before, bones in itertools.pairwise(generations):
        parents = np.searchsorted(before, hand.parents[bones])
        made.append(xp.matmul(made[-1][parents], own[bones]))
    order = np.argsort(np.concatenate(generations))
    absolutes = xp.concatenate(made, axis=0)[order]
    return xp.matmul(absolutes, xp.asarray(hand.inverse, dtype=turns.dtype))


def rotation(r: Any, mirrored: bool, xp: Any) -> Any:
    """The rotation (3, 3) about r (3,) by |r|, none where that is below 1e-4, of a hand that is mirrored or not."""
    square = xp.sum(xp.square(r))
    turns = xp.real(square) >= SMALL**2
    angle = xp.sqrt(xp.where(turns, square, 1.0))
    axis = r / angle
    x, y, z = axis[0], axis[1], axis[2]
    s, c = xp.sin(angle), xp.cos(angle)
    zero = xp.asarray(np.zeros(()), dtype=r.dtype)
    cross = xp.stack([zero, -1.0 * z, y, z, zero, -1.0 * x, -1.0 * y, x, zero]).reshape(3, 3)
    unit = np.eye(3)
    own = axis.reshape(3, 1) * axis.reshape(1, 3)
    full = own + c * (xp.asarray(unit, dtype=r.dtype) - own) + s * cross
    found = xp.where(turns, full, xp.asarray(unit, dtype=r.dtype))
    return found * xp.asarray(np.array([-1.0, 1.0, 1.0]), dtype=r.dtype) if mirrored else found


def _hand(given: Any) -> Hand:
    data = entry(given, "data")
    model = entry(data, "model")
    bones = integer(model, "bone_count")
    if bones < 2 + JOINTS * FINGERS:
        raise InputError(f"bone_count is {bones}; expected at least {2 + JOINTS * FINGERS}")
    parents = positions(model, "parents", bones, bones, least=-1)
    if (parents >= np.arange(bones)).any():
        raise InputError("parents: every bone's parent has to come before it")
    base, inverse = (floats(model, name, bones, 4, 4) for name in ("base_relatives", "inverse_base_absolutes"))
    vertices, weights = floats(model, "base_positions", None, 4), floats(model, "weights", None, bones)
    if len(vertices) != len(weights):
        raise InputError(f"weights has {len(weights)} rows; expected one for each of {len(vertices)} base_positions")
    points = floats(data, "points", None, 3)
    corners, shares = _places(given, data, model, len(vertices), len(points))
    used, again = np.unique(corners, return_inverse=True)
    skin = weights[used].T[:, None] * vertices[used].T  # (b, 4, used)
    return Hand(parents, base, inverse, skin.reshape(4 * bones, -1), again.reshape(corners.shape), shares,
                points, entry(model, "is_mirrored") is True)  # fmt: skip


def _places(given: Any, data: Any, model: Any, vertices: int, count: int) -> tuple[Array, Array]:
    """Corners and shares of the places that points are compared with."""
    us: Sequence[Any] = entry(given, "us")
    if not us:
        return positions(data, "correspondences", vertices, count)[None], np.ones((1, count))
    u = floats(given, "us", count, 2).T
    triangles = positions(model, "triangles", vertices, None, 3)
    found = triangles[positions(data, "correspondences", len(triangles), count)]
    return np.ascontiguousarray(found.T), np.stack([u[0], u[1], 1.0 - u[0] - u[1]])


def _task(given: Any, output: Any, operation: str) -> Task:
    hand, theta = _hand(given), floats(given, "theta", POSE)
    x = np.concatenate([np.zeros(hand.moves), theta])
    return Task(Network([distances(hand)], name="ht"), x, output, operation)


FUNCTIONS: dict[str, Maker] = {
    "objective": lambda given: _task(given, vector, "value"),
    "jacobian": lambda given: _task(given, lambda J: J.tolist(), "jacobian"),
}
