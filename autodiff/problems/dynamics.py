"""What evolves: a neural differential equation, heat in a rod, an arm of several joints."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import DTypeLike

from ..arrays import Array, float_dtype
from ..errors import InputError
from ..layers import Dense, Layer, RungeKutta
from ..network import Network
from .drawn import drawn, small
from .families import family, require_memory, require_positive
from .images import as_choice


@family(n=3, hidden=4, steps=2)
def neural_ode(
    n: int = 16,
    hidden: int = 32,
    steps: int = 16,
    horizon: float = 1.0,
    method: str = "rk4",
    seed: int = 0,
    dtype: DTypeLike = np.float64,
) -> Network:
    """The state after ``horizon`` of ``dx/dt = W_2 tanh(W_1 x + b_1) + b_2``, by Runge-Kutta steps.

    As many outputs as inputs: the Jacobian with respect to the initial state takes as much arithmetic in both modes,
    and forward mode, which keeps nothing and has no way back, should be somewhat faster. With respect to the
    parameters, of which there are many more than outputs, reverse mode wins; its memory grows with the steps.

    Args:
        n: components of the state.
        hidden: units of the field.
        steps: of the method, each a layer.
        horizon: time that all steps take together.
        method: "euler", "midpoint", "heun" or "rk4".
        seed: of the weights and the initial state.
        dtype: float64 or float32.

    Raises:
        InputError: a size below 1, or a horizon that is not positive. UnknownNameError: no such method. LimitError:
            more memory than there is.

    Source: Chen et al., Neural Ordinary Differential Equations (2018).
    """
    require_positive(n=n, hidden=hidden, steps=steps)
    require_memory(16 * n * hidden)
    rng = np.random.default_rng(seed)
    field = [Dense(drawn(rng, hidden, n), small(rng, hidden), "tanh"), Dense(drawn(rng, n, hidden), small(rng, n))]
    made = RungeKutta(field, steps, horizon / steps, method)
    return Network([made], name="neural_ode", example=rng.standard_normal(n)).astype(float_dtype(dtype))


class HeatStep(Layer):
    """One explicit step of heat along a rod, ``u_i' = u_i + r (k_i (u_(i+1) - u_i) - k_(i-1) (u_i - u_(i-1)))``.

    No heat leaves at the ends. The rod has regions of equal length with one diffusivity each; those of all regions
    either travel along as the first inputs, or are given numbers.

    Args:
        cells: of the rod.
        ratio: r, the time step over the square of the cell.
        regions: how many; the first inputs are their diffusivities.
        diffusivity: (cells,) numbers instead, for regions of 0.
        start: (cells,) the state of the first step, whose inputs are the diffusivities alone.
        last: the outputs are the state alone.
    """

    batched = True

    def __init__(
        self,
        cells: int,
        ratio: float,
        regions: int = 0,
        diffusivity: Array | None = None,
        start: Array | None = None,
        last: bool = False,
    ) -> None:
        self.cells, self.ratio, self.regions, self.diffusivity = cells, ratio, regions, diffusivity
        self.start, self.last = start, last
        self.n = regions + (0 if start is not None else cells)
        self.m = (0 if last else regions) + cells

    def function(self, x: Any, params: Any, xp: Any = np) -> Any:
        regions, lead = self.regions, tuple(x.shape[:-1])
        u = x[..., regions:] if self.start is None else xp.asarray(self.start, dtype=x.dtype)
        if regions:
            ones = xp.asarray(np.ones((regions, self.cells // regions)), dtype=x.dtype)
            k = (x[..., :regions, None] * ones).reshape(*lead, self.cells)
        else:
            k = xp.asarray(self.diffusivity, dtype=x.dtype)
        flux = self.ratio * (k[..., :-1] * (u[..., 1:] - u[..., :-1]))
        wall = xp.asarray(np.zeros((*lead, 1)), dtype=x.dtype)
        change = xp.concatenate([flux, wall], axis=-1) - xp.concatenate([wall, flux], axis=-1)
        state = u + change
        return state if self.last or not regions else xp.concatenate([x[..., :regions], state], axis=-1)


@family(cells=6, steps=3, regions=2)
def heat(
    cells: int = 64,
    steps: int = 64,
    regions: int = 4,
    to: str = "diffusivity",
    seed: int = 0,
    dtype: DTypeLike = np.float64,
) -> Network:
    """Heat along a rod after ``steps`` explicit time steps, as a function of the diffusivities or of the first state.

    To the *diffusivity* of ``regions``: few inputs and many outputs, the case that forward mode is made for, and the
    sensitivities that a fit of them needs. To the *state*: as many inputs as outputs, every step a banded matrix, of
    which neither mode knows; reverse and forward take as much arithmetic.

    Args:
        cells: of the rod, a multiple of the regions.
        steps: in time, each a layer.
        regions: of equal length, with one diffusivity each.
        to: "diffusivity" or "state".
        seed: of the diffusivities and the first state.
        dtype: float64 or float32.

    Raises:
        InputError: a size below 1, or cells that do not divide into the regions. LimitError: more memory than there is.
    """
    as_choice("to", to, ("diffusivity", "state"))
    require_positive(cells=cells, steps=steps, regions=regions)
    if cells % regions or cells < 2:
        raise InputError(f"cells is {cells}; expected a multiple of {regions} regions, at least 2")
    require_memory(8 * cells * steps)
    rng = np.random.default_rng(seed)
    k, ratio = rng.uniform(0.5, 1.5, regions), 0.25  # stable: k r is below a half
    place = np.linspace(0.0, 1.0, cells)
    state = sum(rng.standard_normal() * np.cos(math.pi * mode * place) for mode in range(1, 6))
    if to == "state":
        everywhere = np.repeat(k, cells // regions)
        layers: list[Layer] = [HeatStep(cells, ratio, diffusivity=everywhere) for _ in range(steps)]
        return Network(layers, name="heat", example=state).astype(float_dtype(dtype))
    layers = [
        HeatStep(cells, ratio, regions, start=None if i else np.asarray(state), last=i == steps - 1)
        for i in range(steps)
    ]
    return Network(layers, name="heat", example=k).astype(float_dtype(dtype))


class Joint(Layer):
    """One joint of an arm: the pose (R, p) times a turn by the first remaining angle and the link behind it.

    Inputs and outputs are (the angles that are still to come, R row by row, p); the first joint starts at the origin.
    ``R' = R Rot(axis, angle)``, ``p' = p + R' link``, the turn by Rodrigues' formula.

    Args:
        axis: (3,), of length 1.
        link: (3,).
        remaining: angles that come in.
        first: no pose comes in.
    """

    batched = True

    def __init__(self, axis: Array, link: Array, remaining: int, first: bool) -> None:
        x, y, z = axis
        self.cross = np.array([[0.0, -z, y], [z, 0.0, -x], [-y, x, 0.0]])
        self.square, self.link = self.cross @ self.cross, link
        self.remaining, self.first = remaining, first
        self.n = remaining + (0 if first else 12)
        self.m = remaining - 1 + 12

    def function(self, x: Any, params: Any, xp: Any = np) -> Any:
        lead, k = tuple(x.shape[:-1]), self.remaining
        angle = x[..., :1, None]
        identity, cross, square = (xp.asarray(one, dtype=x.dtype) for one in (np.eye(3), self.cross, self.square))
        R = identity + xp.sin(angle) * cross + (1.0 - xp.cos(angle)) * square
        if not self.first:
            R = xp.matmul(x[..., k : k + 9].reshape(*lead, 3, 3), R)
        p = xp.matmul(R, xp.asarray(self.link, dtype=x.dtype))
        if not self.first:
            p = p + x[..., k + 9 :]
        rest = [x[..., 1:k]] if k > 1 else []
        return xp.concatenate([*rest, R.reshape(*lead, 9), p], axis=-1)


class Carried(Layer):
    """Where the points of a tool are, ``R q_j + p``, from the pose (R, p): (12,) to (3 points,)."""

    batched = True
    n = 12

    def __init__(self, points: Array) -> None:
        self.points, self.m = points, points.size

    def function(self, x: Any, params: Any, xp: Any = np) -> Any:
        lead = tuple(x.shape[:-1])
        R, p = x[..., :9].reshape(*lead, 3, 3), x[..., None, 9:]
        turned = xp.transpose(R, (*range(len(lead)), len(lead) + 1, len(lead)))
        return (xp.matmul(xp.asarray(self.points, dtype=x.dtype), turned) + p).reshape(*lead, self.m)


@family(joints=3, points=2)
def robot_arm(joints: int = 7, points: int = 64, seed: int = 0, dtype: DTypeLike = np.float64) -> Network:
    """Where ``points`` of a tool are, as a function of the angles of the arm's joints: forward kinematics.

    Few inputs, many outputs, and all of it through a pose of 12 numbers: forward mode is made for this, pushing one
    tangent a joint. Mixed mode may multiply at the pose, and gains where there are more joints than 12.

    Args:
        joints: of the arm, each a layer.
        points: of the tool.
        seed: of the arm and its angles.
        dtype: float64 or float32.

    Raises:
        InputError: a size below 1. LimitError: more memory than there is.
    """
    require_positive(joints=joints, points=points)
    require_memory(8 * 3 * points)
    rng = np.random.default_rng(seed)
    axes = rng.standard_normal((joints, 3))
    axes /= np.linalg.norm(axes, axis=1, keepdims=True)
    links = rng.uniform(0.2, 0.5, (joints, 1)) * np.array([0.0, 0.0, 1.0])
    layers: list[Layer] = [Joint(axes[i], links[i], joints - i, i == 0) for i in range(joints)]
    layers.append(Carried(0.1 * rng.standard_normal((points, 3))))
    angles = rng.uniform(-1.5, 1.5, joints)
    return Network(layers, name="robot_arm", example=angles).astype(float_dtype(dtype))
