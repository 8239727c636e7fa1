"""What the orders of a network would do, counted on the programs that they write, and what that should take."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from ..chain import Plan
from ..machine.rates import predicted
from ..network import Network
from ..program.count import Work
from ..program.program import Program
from .bracketed import write_plan
from .forward import Forward
from .reverse import Reverse
from .running import ProgramEngine
from .writer import Writer


@dataclass(frozen=True, slots=True)
class Order:
    """One order of multiplication, prepared for a Jacobian.

    Attributes:
        name: "plan", "forward" or "reverse".
        work: of one run, the evaluation of f included.
        nbytes: of working memory, the result not included.
        seconds: that NumPy's executor should take.
    """

    name: str
    work: Work
    nbytes: int
    seconds: float

    def to_dict(self) -> dict[str, Any]:
        """Ready for JSON."""
        return {
            "name": self.name,
            "multiply_adds": self.work.fma,
            "elements": self.work.elements,
            "calls": self.work.calls,
            "bytes": self.nbytes,
            "seconds": self.seconds,
        }


def orders(network: Network, wrt: str = "input", plan: Plan | None = None) -> list[Order]:
    """A bracketing where there is one, forward and reverse, each by its program.

    Args:
        network: f.
        wrt: "input" or "params".
        plan: of the Jacobian with respect to the input.

    Raises:
        UnsupportedError: "params" of a network that has none.
    """

    def counted(name: str, program: Program) -> Order:
        work = program.work
        return Order(name, work, program.nbytes, predicted("numpy", program))

    def written(engine: ProgramEngine) -> Program:
        made: Any = engine.layout(network, wrt)
        program: Program = made.program
        return program

    found = []
    if plan is not None:
        w = Writer.of(network, "input", "jacobian", 1)
        write_plan(w, plan)
        found.append(counted("plan", w.program()))
    return [*found, counted("forward", written(Forward())), counted("reverse", written(Reverse()))]
