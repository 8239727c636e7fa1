"""The engine that chooses, for people who only want the derivative."""

from __future__ import annotations

import sys
from typing import ClassVar

from ..machine.rates import EXECUTORS, predicted
from ..network import Network
from ..program.program import Program
from .base import Prepared
from .choice import WORTH, Choice
from .forward import Forward
from .mixed import Mixed
from .reverse import Reverse
from .running import ProgramEngine, ProgramRun, compiled

COMPILED = f"{__package__.rpartition('.')[0]}.executors.compiled"
ENGINES: dict[str, type[ProgramEngine]] = {"forward": Forward, "reverse": Reverse, "mixed": Mixed}


class Auto(Mixed):
    """``auto``: order and executor together, by predicted time.

    Forward, reverse and the plan are priced in NumPy and, where Numba is installed and every function has a loop that
    can be called, compiled. Numba is imported only after it has been chosen, and what it gains has to be worth that.
    ``run.engine`` is what was chosen.
    """

    name: ClassVar[str] = "auto"

    def __init__(self) -> None:
        super().__init__()

    @property
    def executors(self) -> tuple[str, ...]:
        return EXECUTORS

    def load(self) -> None:
        for mixed in (Mixed(), compiled(Mixed)()):
            if not mixed.available():
                mixed.load()

    def build(self, network: Network, wrt: str, operation: str, seeds: int) -> Prepared:
        choice = Choice(network, wrt, operation, seeds)
        best: tuple[float, str, str] | None = None
        for executor in EXECUTORS:
            if executor == "compiled" and compiled(Mixed)().available():
                continue
            name = choice.best(executor)
            seconds = choice.seconds(name, executor)
            if best is None or (seconds < worth() * best[0] and can_be_compiled(choice.program(name))):
                best = seconds, executor, name
        assert best is not None
        _, executor, name = best
        return ProgramRun(_engine(executor, name), network, wrt, operation, seeds, choice.program(name))

    def evaluation(self, network: Network) -> Prepared:
        made = super().evaluation(network)
        assert isinstance(made, ProgramRun)
        seconds = {executor: predicted(executor, made.program) for executor in EXECUTORS}
        gains = seconds["compiled"] < worth() * seconds["numpy"]
        if gains and not compiled(Mixed)().available() and can_be_compiled(made.program):
            made.engine = _engine("compiled", "forward")
        return made


def worth() -> float:
    """Of NumPy's time, what the compiled executor must be predicted to take; anything less once it is loaded."""
    return 1.0 if COMPILED in sys.modules else WORTH


def _engine(executor: str, name: str) -> ProgramEngine:
    return (ENGINES[name] if executor == "numpy" else compiled(ENGINES[name]))()


def can_be_compiled(program: Program) -> bool:
    """Every function of a program has a loop that can be called by its address. Numba is not needed to know."""
    from ..errors import UnsupportedError
    from ..executors.loops import inner_loop

    code = program.code
    if any(one.kind == "call" for one in code.instructions):
        return False
    try:
        for ufunc in {one.ufunc for one in code.instructions if one.ufunc is not None}:
            inner_loop(ufunc, code.dtype)
    except UnsupportedError:
        return False
    return True
