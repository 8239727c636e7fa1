"""Reverse mode in little memory: a few states are kept, and the layers between them are evaluated again.

:class:`~autodiff.engines.reverse.Reverse` keeps what every layer's derivative reads. Here s states are held at most,
the network's input among them; the way down turns one layer at a time, and each time the state before it is advanced
to from the nearest one below, as :mod:`.revolve` says.
"""

from __future__ import annotations

from functools import partial
from typing import ClassVar

from ..arrays import as_size
from ..errors import InputError, LimitError
from ..linear.terms import Terms
from ..network import Network
from ..program.builder import Segment
from ..program.value import Value
from .base import Prepared
from .revolve import Advance, Store, advances, schedule, useful
from .running import ProgramEngine, ProgramRun
from .writer import Writer


class ReverseCheckpointed(ProgramEngine):
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
        self.checkpoints = None if checkpoints is None else as_size(checkpoints, "checkpoints")
        self.memory = None if memory is None else as_size(memory, "memory")
        if checkpoints is not None and memory is not None:
            raise InputError(f"{self.name} takes checkpoints={checkpoints} or memory={memory}, not both")

    def supports(self, network: Network, wrt: str = "input", operation: str = "jacobian") -> str:
        if operation == "jvp":
            return f"{self.name} pulls cotangents and would need the whole Jacobian for a jvp; use forward"
        return super().supports(network, wrt, operation)

    def write(self, w: Writer) -> None:
        write(w, self.checkpoints or w.depth.bit_length())  # ceil(log2(depth + 1))

    def build(self, network: Network, wrt: str, operation: str, seeds: int) -> Prepared:
        if self.memory is None:
            return super().build(network, wrt, operation, seeds)

        def holding(checkpoints: int) -> ProgramRun:
            return self.written(lambda w: write(w, checkpoints), network, wrt, operation, seeds)

        def needed(run: ProgramRun) -> int:
            return run.nbytes + run.result_nbytes

        high = checkpoints = max(network.depth - 1, 1)  # more would not be used, and few take long to write
        best = holding(checkpoints)
        while needed(best) > self.memory and checkpoints > 1:
            high, checkpoints = checkpoints, checkpoints // 2
            best = holding(checkpoints)
        if needed(best) > self.memory:
            raise LimitError(
                f"{self.name} of {network.name} with one checkpoint takes {needed(best):,} bytes, its result included; "
                f"memory is {self.memory:,}"
            )
        while high - checkpoints > 1:  # more states take more memory
            middle = (checkpoints + high) // 2
            made = holding(middle)
            if needed(made) <= self.memory:
                checkpoints, best = middle, made
            else:
                high = middle
        return best


def write(w: Writer, checkpoints: int) -> None:
    """The program that holds at most so many states.

    A state is held for as long as a later step reads it, which the layout of the memory sees. How a state is advanced
    over a layer is written once, as a segment that is called with other states; a layer is turned only once.
    """
    b, lowest = w.b, w.lowest
    b.seeds_lead = True
    U: Terms = w.output_seeds() if w.seed is None else w.dense_seeds(w.seed, False, (w.network.m,))
    running = w.x
    for number in range(lowest):
        running, _ = w.linearize(number, running)
    turned = w.depth - lowest
    slots: dict[int, Value] = {0: running}
    segments: dict[int, Segment] = {}
    for action in schedule(turned, useful(turned, checkpoints)):
        if isinstance(action, Store):
            slots[action.slot] = running
            continue
        if isinstance(action, Advance):
            running = slots[action.slot]
            for number in range(lowest + action.start, lowest + action.stop):
                if number not in segments:
                    segments[number] = b.segment(partial(_value, w, number), running)
                running = b.run(segments[number], running)
            continue
        b.forget()  # or what has been computed before would be kept, instead of being computed again
        number = lowest + action.layer
        y, J = w.linearize(number, running if action.slot is None else slots[action.slot])
        if number == w.depth - 1:
            w.keep(y)
        U, own = J.pull(U, w.wrt == "input" or number > lowest, w.wrt == "params")
        if w.wrt == "params":
            w.param_rows(own, number, hold=False)
    if w.wrt == "input":
        w.rows(U)


def _value(w: Writer, number: int, x: Value) -> Value:
    y, _ = w.linearize(number, x)
    return y


__all__ = ["ReverseCheckpointed", "advances", "schedule", "write"]
