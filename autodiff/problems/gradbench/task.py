"""What a function of an eval asks for: a network, a point, and what is wanted of it there."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from ...arrays import Array
from ...network import Network

Run = Callable[[Array], Array]  #: a prepared operation


@dataclass(frozen=True)
class Task:
    """One function of an eval at one input.

    Attributes:
        network: f.
        x: where, (n,).
        output: what the protocol wants of the result, in JSON's types.
        operation: "value" (m,), "gradient" (1, n) or "jacobian" (m, n).
        wrt: "input" or "params".
    """

    network: Network
    x: Array
    output: Callable[[Any], Any]
    operation: str = "value"
    wrt: str = "input"

    def evaluate(self, run: Run) -> Any:
        """The result, by what was prepared for the operation: what is timed."""
        return run(self.x)


Maker = Callable[[Any], Task]  #: from the input of a message, as JSON has it


def scalar(y: Array) -> float:
    """The only output of f, from its value (1,)."""
    return float(y[0])


def vector(J: Array) -> Any:
    """A value (m,), or a Jacobian of a single row (1, n), as a list."""
    return J.reshape(-1).tolist()


def gradient_of(made: Callable[[Any], tuple[Network, Array]], wrt: str = "input") -> dict[str, Maker]:
    """The functions "primal" and "gradient" of an eval whose f has one output.

    Args:
        made: the network and the point, from the input of a message.
        wrt: "input" or "params".
    """

    def primal(given: Any) -> Task:
        return Task(*made(given), scalar)

    def gradient(given: Any) -> Task:
        return Task(*made(given), vector, "gradient", wrt)

    return {"primal": primal, "gradient": gradient}
