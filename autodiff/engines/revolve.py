"""Binomial checkpointing: which layers to evaluate again, and which states to hold, to turn a chain in little memory.

Source: Griewank & Walther, Algorithm 799: revolve, ACM Transactions on Mathematical Software 26 (2000), 19-45;
Evaluating Derivatives (2nd ed., SIAM 2008), chapter 12. As there, all layers count as equally costly.
"""

from __future__ import annotations

from collections.abc import Iterator
from math import comb
from typing import NamedTuple

from ..arrays import as_size


class Advance(NamedTuple):
    """Evaluate layers ``start`` to ``stop - 1``, from state ``start`` in ``slot``; state ``stop`` is then running."""

    start: int
    stop: int
    slot: int


class Store(NamedTuple):
    """Copy the running state, number ``state``, into ``slot``."""

    state: int
    slot: int


class Pull(NamedTuple):
    """Evaluate ``layer`` with its residuals and pull the cotangents through; None for ``slot``: it is running."""

    layer: int
    slot: int | None


Action = Advance | Store | Pull


def advances(layers: int, checkpoints: int) -> int:
    """Layer evaluations that only advance the state, the least with which ``layers`` can be turned.

    ``t(l, s) = r l - beta(s+1, r-1)`` with ``beta(s, r) = C(s+r, s)`` and r the least with ``l <= beta(s, r)``: no
    layer is advanced over more than r times. ``t(l, 1) = l (l-1) / 2``, and ``t(l, s) = l - 1`` from s = l - 1 on.
    Every layer is evaluated once more when it is turned. Source: Griewank & Walther (2000).

    Args:
        layers: l, at least 1.
        checkpoints: s, states held at a time, the input being one of them; at least 1.

    Raises:
        InputError: a number that is no integer of at least 1.
    """
    layers, checkpoints = as_size(layers, "layers"), as_size(checkpoints, "checkpoints")
    s = useful(layers, checkpoints)
    r = _repetitions(layers, s)
    return r * layers - _beta(s + 1, r - 1)


def schedule(layers: int, checkpoints: int) -> list[Action]:
    """What to do, in order, to turn layers l-1 to 0 with the :func:`advances` and the stores both at their least.

    State i is the input of layer i; state 0 lies in slot 0 from the start. There are fewer than 3 l actions, found
    in O(l) whatever the depth.

    Args:
        layers: l, at least 1.
        checkpoints: s, slots; at least 1.

    Raises:
        InputError: a number that is no integer of at least 1.
    """
    layers, checkpoints = as_size(layers, "layers"), as_size(checkpoints, "checkpoints")
    return list(_actions(layers, useful(layers, checkpoints)))


def _actions(layers: int, slots: int) -> Iterator[Action]:
    """The actions of :func:`schedule`: l layers are cut at k, those above k are turned first with one slot less."""
    todo = [(0, layers, slots, _repetitions(layers, slots))]
    while todo:
        start, l, s, r = todo.pop()  # noqa: E741
        slot = slots - s
        if l == 1:
            yield Pull(start, slot)
            continue
        while l <= _beta(s, r - 1):  # a part needs at most the repetitions of the whole, and at least two less
            r -= 1
        k = _cut(l, s, r)
        yield Advance(start, start + k, slot)
        todo.append((start, k, s, r - 1))
        if l - k == 1:
            yield Pull(start + k, None)
        else:
            yield Store(start + k, slot + 1)
            todo.append((start + k, l - k, s - 1, r))


def _cut(l: int, s: int, r: int) -> int:  # noqa: E741
    """How far to advance before the next store; every cut with ``k <= beta(s, r-1)``, ``l-k <= beta(s-1, r)`` and
    neither part below the same with r-1 needs the fewest advances, this one also the fewest stores."""
    if s == 1:
        return l - 1
    if l <= _beta(s, r - 1) + _beta(s - 2, r - 1):
        return max(_beta(s, r - 2), 1)
    if l >= _beta(s, r) - _beta(s - 3, r):
        return _beta(s, r - 1)
    return l - _beta(s - 1, r - 1) - _beta(s - 2, r - 1)


def _beta(s: int, r: int) -> int:
    """``C(s+r, s)``, the most layers that s states can turn with r repetitions; 0 where s or r is negative."""
    return comb(s + r, s) if s >= 0 and r >= 0 else 0


def _repetitions(layers: int, s: int) -> int:
    """The least r with ``layers <= beta(s, r)``, by bisection."""
    low, high = -1, 1
    while _beta(s, high) < layers:
        low, high = high, 2 * high
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if _beta(s, middle) >= layers else (middle, high)
    return high


def useful(layers: int, checkpoints: int) -> int:
    """The last layer is turned from the running state, so l - 1 slots hold all there is to hold."""
    return max(min(checkpoints, layers - 1), 1)
