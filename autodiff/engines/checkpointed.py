"""Reverse mode in little memory: a few states are kept, and the layers between them are evaluated again.

:class:`~autodiff.engines.reverse.Reverse` keeps the residuals of every layer. Here s states are held at most, the
network's input among them; the way down turns one layer at a time, and each time the state before it is advanced
to from the nearest one below. Where to put the states is binomial checkpointing: no other way evaluates fewer layers.
Source: Griewank & Walther, Algorithm 799: revolve, ACM Transactions on Mathematical Software 26 (2000), 19-45;
Evaluating Derivatives (2nd ed., SIAM 2008), chapter 12. As there, all layers count as equally costly.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from math import comb
from typing import ClassVar, NamedTuple

import numpy as np

from ..arrays import Array, aligned_empty
from ..errors import InputError, LimitError
from ..layers.base import Derivative
from ..network import Network
from .base import Engine, Prepared, chain_work
from .memory import ChainMemory, PingPong
from .pulling import pull


class Advance(NamedTuple):
    """Evaluate layers ``start`` to ``stop - 1``, from state ``start`` in ``slot``; state ``stop`` is then running."""

    start: int
    stop: int
    slot: int


class Store(NamedTuple):
    """Copy the running state, number ``state``, into ``slot``."""

    state: int
    slot: int


class Turn(NamedTuple):
    """Evaluate ``layer`` with its residuals and pull the cotangents through; None for ``slot``: it is running."""

    layer: int
    slot: int | None


Action = Advance | Store | Turn


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
    _check(layers=layers, checkpoints=checkpoints)
    s = _useful(layers, checkpoints)
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
    _check(layers=layers, checkpoints=checkpoints)
    return list(_actions(layers, _useful(layers, checkpoints)))


def _actions(layers: int, slots: int) -> Iterator[Action]:
    """The actions of :func:`schedule`: l layers are cut at k, those above k are turned first with one slot less."""
    todo = [(0, layers, slots, _repetitions(layers, slots))]
    while todo:
        start, l, s, r = todo.pop()  # noqa: E741
        slot = slots - s
        if l == 1:
            yield Turn(start, slot)
            continue
        while l <= _beta(s, r - 1):  # a part needs at most the repetitions of the whole, and at least two less
            r -= 1
        k = _cut(l, s, r)
        yield Advance(start, start + k, slot)
        todo.append((start, k, s, r - 1))
        if l - k == 1:
            yield Turn(start + k, None)
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


def _useful(layers: int, checkpoints: int) -> int:
    """The last layer is turned from the running state, so l - 1 slots hold all there is to hold."""
    return max(min(checkpoints, layers - 1), 1)


def _check(**numbers: int | None) -> None:
    """Refuse numbers that are no integers of at least 1; None passes."""
    for name, number in numbers.items():
        if number is not None and (isinstance(number, bool) or not isinstance(number, int) or number < 1):
            raise InputError(f"{name} is {number!r}; expected an integer of at least 1")


class ReverseCheckpointed(Engine):
    """``reverse-checkpointed``: what ``reverse`` computes, with the states between layers partly recomputed.

    Left alone it holds ``ceil(log2(depth + 1))`` states; both the memory and the evaluations per layer then grow
    like the logarithm of the depth.

    Args:
        checkpoints: at most so many states are held at a time, the network's input being one of them. With respect
            to the parameters the first is the input of the first layer that has any.
        memory: bytes that the run and its result may take; as many states are held as fit.

    Raises:
        InputError: both are given, or one is no integer of at least 1; on preparation, ``memory`` below what one
            state needs, with the bytes that would do.
    """

    name: ClassVar[str] = "reverse-checkpointed"
    operations: ClassVar[frozenset[str]] = frozenset({"jacobian", "gradient", "vjp"})

    def __init__(self, checkpoints: int | None = None, memory: int | None = None) -> None:
        _check(checkpoints=checkpoints, memory=memory)
        if checkpoints is not None and memory is not None:
            raise InputError(f"{self.name} takes checkpoints={checkpoints} or memory={memory}, not both")
        self.checkpoints, self.memory = checkpoints, memory

    def supports(self, network: Network, wrt: str = "input", operation: str = "jacobian") -> str:
        if operation == "jvp":
            return f"{self.name} pulls cotangents and would need the whole Jacobian for a jvp; use forward"
        return super().supports(network, wrt, operation)

    def build(self, network: Network, wrt: str, operation: str, seeds: int) -> Prepared:
        made = CheckpointedRun(network, network.derivatives(), wrt, operation, seeds)
        if self.memory is None:
            made.hold(self.checkpoints or network.depth.bit_length())  # ceil(log2(depth + 1))
        else:
            made.hold(self._fitting(made, self.memory))
        return made

    def _fitting(self, run: CheckpointedRun, limit: int) -> int:
        """The most checkpoints with which the run and its result stay within ``limit`` bytes."""
        room = limit - run.fixed_nbytes - run.result_nbytes
        for checkpoints in range(run.most_checkpoints(room), 0, -1):
            if run.slot_sizes(checkpoints, room) is not None:
                return checkpoints
        needed = limit - room + sum(run.slot_sizes(1) or ()) * run.network.dtype.itemsize
        raise LimitError(
            f"{self.name} of {run.network.name} with one checkpoint takes {needed:,} bytes, its result included; "
            f"memory is {limit:,}"
        )


class CheckpointedRun(Prepared):
    """One pass down over layers that are advanced to again and again; :meth:`hold` says with how many states.

    A state is copied into a slot as large as the largest it ever holds, and x stays where the caller has it. Values
    alternate between two places, residuals and scratch have one each. A layer reads its input until its cotangents
    are pulled, and that is done before anything else is evaluated.

    Layers below the first that is differentiated (with respect to the parameters: the first that has any) are
    advanced over once, and its input takes the place of x.
    """

    def __init__(self, network: Network, chain: Sequence[Derivative], wrt: str, operation: str, seeds: int) -> None:
        super().__init__(network, wrt, operation, seeds)
        self.chain = chain
        self.rows = seeds if operation == "vjp" else network.m
        to_input = wrt == "input"
        self.lowest = 0 if to_input else next(i for i, d in enumerate(chain) if d.parameters)
        self.turned = len(chain) - self.lowest
        self.memory = ChainMemory(chain, keep_primal=False, keep_residuals=False, cotangents=self.rows, tangents=0)
        pulled = [chain[i] for i in range(len(chain) - 1, self.lowest - 1, -1)]
        if not to_input:  # the lowest layer gives only parameter cotangents
            pulled = pulled[:-1]
        shapes, inplace = [(self.rows, d.shape[1]) for d in pulled], [d.inplace for d in pulled]
        self.buffers = PingPong(shapes, inplace, network.dtype, into_result=to_input)
        self.fixed_nbytes = self.memory.nbytes + self.buffers.nbytes  #: without the states that are held

    # -- how many states

    def hold(self, checkpoints: int) -> None:
        """Settle on at most so many states, the first one included."""
        self.checkpoints = _useful(self.turned, checkpoints)
        self._sizes = self.slot_sizes(self.checkpoints) or []
        self.actions = [self._raised(action) for action in _actions(self.turned, self.checkpoints)]
        self.nbytes = self.fixed_nbytes + sum(self._sizes) * self.network.dtype.itemsize
        self.work = chain_work(self._downward()) + chain_work([(d, "at", 1) for d in self.chain[self.lowest :]])
        for derivative, count in zip(self.chain, self.advanced(), strict=True):
            self.work += derivative.work("value") * count

    def _raised(self, action: Action) -> Action:
        """An action of the schedule, which counts layers from the lowest that is turned."""
        match action:
            case Advance(start, stop, slot):
                return Advance(start + self.lowest, stop + self.lowest, slot)
            case Store(state, slot):
                return Store(state + self.lowest, slot)
            case Turn(layer, place):
                return Turn(layer + self.lowest, place)

    def slot_sizes(self, checkpoints: int, room: int | None = None) -> list[int] | None:
        """Elements of every slot, 0 for a state that is the caller's x; None if they take more than ``room`` bytes."""
        slots = _useful(self.turned, checkpoints)
        sizes = [0] * slots
        sizes[0] = self.chain[self.lowest].shape[1] if self.lowest else 0
        total, itemsize = sizes[0], self.network.dtype.itemsize
        for action in itertools.chain([None], _actions(self.turned, slots)):
            if isinstance(action, Store):
                more = self.chain[self.lowest + action.state].shape[1] - sizes[action.slot]
                if more > 0:
                    sizes[action.slot] += more
                    total += more
            if room is not None and total * itemsize > room:
                return None
        return sizes

    def most_checkpoints(self, room: int) -> int:
        """A bound from above: all slots are full at once, so they hold at least the smallest states there are."""
        states = sorted(d.shape[1] for d in self.chain[self.lowest + 1 :])
        taken = itertools.accumulate(states, initial=self.chain[self.lowest].shape[1] if self.lowest else 0)
        fitting = sum(1 for elements in taken if elements * self.network.dtype.itemsize <= room)
        return min(fitting, _useful(self.turned, self.turned))

    def advanced(self) -> list[int]:
        """How often a run evaluates every layer without turning it."""
        change = np.zeros(len(self.chain) + 1, np.int64)
        change[0] += self.lowest > 0
        change[self.lowest] -= self.lowest > 0
        for action in self.actions:
            if isinstance(action, Advance):
                change[action.start] += 1
                change[action.stop] -= 1
        counts: list[int] = np.cumsum(change)[:-1].tolist()
        return counts

    def _downward(self) -> list[tuple[Derivative, str, int]]:
        """What one run does with cotangents, for the counting."""
        done: list[tuple[Derivative, str, int]] = []
        for index in range(len(self.chain) - 1, self.lowest - 1, -1):
            d = self.chain[index]
            to_params, to_input = self.wrt == "params" and d.parameters, self.wrt == "input" or index > self.lowest
            if index == len(self.chain) - 1 and self.operation == "jacobian":
                done += [(d, name, 1) for name, wanted in (("dense_params", to_params), ("dense", to_input)) if wanted]
            else:
                both = "vjp_both" if to_params and to_input else "vjp_params" if to_params else "vjp"
                done.append((d, both, self.rows))
        return done

    # -- the run

    def allocate(self) -> None:
        self.memory.allocate()
        lowest_first: list[Array | None] = [None] if self.wrt == "params" else []
        lowest_first += reversed(self.buffers.allocate())
        self.targets = lowest_first  #: from layer ``lowest`` up
        slots = [aligned_empty(size, self.network.dtype) for size in self._sizes]
        views: dict[tuple[int, int], Array] = {}  # made once: a run makes no arrays, not even views of them

        def place(state: int, slot: int | None) -> Array | None:
            if slot is None or not slots[slot].size:
                return None
            size = self.chain[state].shape[1]
            return views.setdefault((slot, size), slots[slot][:size])

        self.base = place(self.lowest, 0)
        self.steps = [(action, place(action[0], action.slot)) for action in self.actions]

    def _run(self, x: Array, seed: Array | None, out: Array) -> None:
        if self.base is not None:
            np.copyto(self.base, self._advance(x, 0, self.lowest))
        running, U = x, seed
        for action, place in self.steps:
            if isinstance(action, Store):
                assert place is not None  # only x takes no memory, and x is never stored
                np.copyto(place, running)
                continue
            if action.slot is not None:
                running = x if place is None else place
            if isinstance(action, Advance):
                running = self._advance(running, action.start, action.stop)
            else:
                self.chain[action.layer].at(running)
                U = self._pull(action.layer, U, out)

    def _advance(self, state: Array, start: int, stop: int) -> Array:
        for index in range(start, stop):
            state = self.chain[index].value(state)
        return state

    def _pull(self, layer: int, U: Array | None, out: Array) -> Array | None:
        """One layer's cotangents, started from its derivative where there are none yet; None after the last layer."""
        derivative, target = self.chain[layer], self.targets[layer - self.lowest]
        if self.wrt == "input":
            target = out if target is None else target
            return derivative.dense(target) if U is None else derivative.vjp(U, target)
        own = out[:, self.network.slices[layer]] if derivative.parameters else None
        return pull(derivative, U, target, own)
