"""One step of the way down, which every reverse-mode run takes."""

from __future__ import annotations

from ..arrays import Array
from ..layers.base import Derivative


def pull(derivative: Derivative, U: Array | None, target: Array | None, own: Array | None) -> Array | None:
    """``U f'(x)`` into ``target`` and ``U df/dtheta`` into ``own``, whichever of the two is wanted.

    None for U stands for the identity, which is not multiplied: the derivative itself is taken.
    """
    if U is None:
        if own is not None:
            derivative.dense_params(own)
        return None if target is None else derivative.dense(target)
    if own is None:
        return None if target is None else derivative.vjp(U, target)
    if target is None:
        derivative.vjp_params(U, own)
        return None
    return derivative.vjp_both(U, target, own)
