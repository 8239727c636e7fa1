"""Recurrent networks over a sequence: every step is a layer of the chain, all steps have the same parameters.

What travels along the chain is (the inputs that are still to come, the outputs so far where they are wanted, the
state), so that the depth of the network is the length of the sequence.
"""

from __future__ import annotations

from abc import abstractmethod
from typing import Any, ClassVar

import numpy as np

from ..arrays import Array, as_floats, as_size
from ..errors import InputError
from ..namespaces import special
from .base import Layer
from .chaining import Shape, Unrolled

OUTPUTS = ("last", "all")


class Recurrent(Unrolled):
    """A recurrent network over x (length, inputs), from a state of zeros.

    Args:
        W: (gates * units, inputs), what the gates see of the input, one gate after the other.
        U: (gates * units, units), what they see of the state before.
        b: bias (gates * units,).
        length: steps of the sequence; left out, it follows from the layer before.
        outputs: "last", h of the last step (units,), or "all", of every step (length, units).

    Raises:
        InputError: sizes that do not fit together, or no such outputs.
    """

    gates: ClassVar[int]
    states: ClassVar[int] = 1

    def __init__(self, W: object, U: object, b: object, length: int | None = None, outputs: str = "last") -> None:
        weights, recurrent = as_floats(W, "W"), as_floats(U, "U")
        if weights.ndim != 2 or recurrent.ndim != 2 or weights.shape[0] != recurrent.shape[0]:
            raise InputError(
                f"W {weights.shape} and U {recurrent.shape} of {self.kind} are no matrices of equal height"
            )
        self.units, self.inputs = recurrent.shape[1], weights.shape[1]
        if recurrent.shape[0] != self.gates * self.units:
            raise InputError(
                f"U of {self.kind} has shape {recurrent.shape}; {self.gates} gates of {self.units} units have "
                f"{self.gates * self.units} rows"
            )
        if outputs not in OUTPUTS:
            raise InputError(f"outputs is {outputs!r}; expected {' or '.join(OUTPUTS)}")
        self.params: tuple[Array, ...] = (weights, recurrent, self._bias(b, weights))
        self.length = None if length is None else as_size(length, "length")
        self.outputs = outputs

    def _bias(self, b: object, weights: Array) -> Array:
        bias = as_floats(b, "b", weights.dtype)
        if bias.shape != weights.shape[:1]:
            raise InputError(f"b of {self.kind} has shape {bias.shape}; expected {weights.shape[:1]}")
        return bias

    @abstractmethod
    def cell(self, x: Any, states: list[Any], params: Any, xp: Any) -> list[Any]:
        """The states after one step, h first; ``states`` is empty before the first, which is a state of zeros."""

    def unrolled(self, shape: Shape | None) -> list[Layer]:
        length = self.length
        if shape is not None:
            size = int(np.prod(shape))
            if size % self.inputs or (length is not None and size != length * self.inputs):
                wanted = f"{length} of {self.inputs}" if length else f"steps of {self.inputs}"
                raise InputError(f"it takes {wanted} inputs, not {size} of shape {shape}")
            length = size // self.inputs
        if length is None:
            raise InputError("it does not say how long the sequence is; give it length=")
        return [Step(self, number, length) for number in range(length)]


class Step(Layer):
    """One step of a recurrent network; see the module for what it takes and gives."""

    batched = True

    def __init__(self, network: Recurrent, number: int, length: int) -> None:
        self.network, self.number, self.length = network, number, length
        self.params = network.params
        state = network.units * network.states
        self.kept = number * network.units if network.outputs == "all" else 0  # outputs so far
        rest = (length - number) * network.inputs
        self.n = rest + self.kept + (state if number else 0)
        later = rest - network.inputs
        self.last = number == length - 1
        own = network.units if network.outputs == "all" else 0
        self.m = self.kept + network.units if self.last else later + self.kept + own + state

    @property
    def kind(self) -> str:
        return f"{self.network.kind} step"

    @property
    def out_shape(self) -> Shape:
        every = self.last and self.network.outputs == "all"
        return (self.length, self.network.units) if every else (self.m,)

    def function(self, x: Any, params: Any, xp: Any = np) -> Any:
        one = self.network
        rest = (self.length - self.number) * one.inputs
        start = rest + self.kept
        count = one.states if self.number else 0
        states = [x[..., start + i * one.units : start + (i + 1) * one.units] for i in range(count)]
        made = one.cell(x[..., : one.inputs], states, params, xp)
        before = [x[..., one.inputs : start]] if start > one.inputs else []
        output = [made[0]] if self.last or one.outputs == "all" else []
        parts = [*before, *output, *([] if self.last else made)]
        return parts[0] if len(parts) == 1 else xp.concatenate(parts, axis=-1)


def _applied(W: Any, x: Any, xp: Any) -> Any:
    return xp.matmul(W, x) if len(x.shape) == 1 else xp.matmul(x, W.T)


class RNN(Recurrent):
    """``h' = tanh(W x + U h + b)``; arguments as :class:`Recurrent`'s.

    Source: Elman, Finding Structure in Time (1990).
    """

    gates = 1

    def cell(self, x: Any, states: list[Any], params: Any, xp: Any) -> list[Any]:
        W, U, b = params
        z = _applied(W, x, xp) + b
        return [xp.tanh(z + _applied(U, states[0], xp) if states else z)]


class LSTM(Recurrent):
    """``c' = f c + i g, h' = o tanh(c')``, where i, f, o are the sigmoid and g the tanh of W x + U h + b.

    The gates stand in the order i, f, g, o, as in PyTorch; arguments as :class:`Recurrent`'s.

    Source: Hochreiter & Schmidhuber, Long Short-Term Memory (1997); Gers et al., Learning to Forget (2000).
    """

    gates, states = 4, 2

    def cell(self, x: Any, states: list[Any], params: Any, xp: Any) -> list[Any]:
        W, U, b = params
        z = _applied(W, x, xp) + b
        if states:
            z = z + _applied(U, states[0], xp)
        k, expit = self.units, special(xp).expit
        into, forget = expit(z[..., :k]), expit(z[..., k : 2 * k])
        new, out = xp.tanh(z[..., 2 * k : 3 * k]), expit(z[..., 3 * k :])
        c = into * new
        if states:
            c = forget * states[1] + c
        return [out * xp.tanh(c), c]


class GRU(Recurrent):
    """``h' = (1 - z) g + z h``: r, z are the sigmoid of W x + U h + b, and ``g = tanh(W x + b + r (U h + c))``.

    The gates stand in the order r, z, g, as in PyTorch; b has (4 units,): theirs, then c. Other arguments as
    :class:`Recurrent`'s.

    Source: Cho et al., Learning Phrase Representations using RNN Encoder-Decoder (2014).
    """

    gates = 3

    def _bias(self, b: object, weights: Array) -> Array:
        bias, wanted = as_floats(b, "b", weights.dtype), weights.shape[0] + self.units
        if bias.shape != (wanted,):
            raise InputError(f"b of {self.kind} has shape {bias.shape}; expected ({wanted},), the gates', then c")
        return bias

    def cell(self, x: Any, states: list[Any], params: Any, xp: Any) -> list[Any]:
        W, U, b = params
        k, expit = self.units, special(xp).expit
        seen = _applied(W, x, xp) + b[: 3 * k]
        if not states:
            reset, update = expit(seen[..., :k]), expit(seen[..., k : 2 * k])
            return [(1.0 - update) * xp.tanh(seen[..., 2 * k :] + reset * b[3 * k :])]
        h = states[0]
        known = _applied(U, h, xp)
        gates = expit(seen[..., : 2 * k] + known[..., : 2 * k])
        reset, update = gates[..., :k], gates[..., k:]
        new = xp.tanh(seen[..., 2 * k :] + reset * (known[..., 2 * k :] + b[3 * k :]))
        return [new + update * (h - new)]
