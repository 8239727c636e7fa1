"""GradBench's eval ``lstm``: the loss of a recurrent network whose weight matrices are diagonal."""

from __future__ import annotations

from typing import Any

import numpy as np

from ...arrays import Array
from ...errors import InputError
from ...layers import Function
from ...namespaces import special
from ...network import Network
from .fields import floats
from .task import Maker, Task, scalar, vector


def sequence_loss(state: Array, sequence: Array) -> Function:
    """The mean loss of predicting every next character, of (main, extra) one after the other.

    In layer i, with i the layer's input, h and c its state, and every weight a vector (b,)::

        f = expit(w_f i + b_f), g = expit(w_g h + b_g), o = expit(w_o i + b_o)
        c' = f c + g tanh(w_c h + b_c),  h' = o tanh c'

    main (l, 2, 4, b) are w and b of f, g, o and c; extra (3, b) scale the input, and scale and shift the last h to the
    prediction p, whose loss against the next character y is ``-y . (p - log(2 + sum exp p)) / b``.

    Layers and characters are walked together: in turn t all layers are computed at once, layer i for character t - i.

    Args:
        state: h and c before the first character, (l, 2, b).
        sequence: characters as vectors (c, b), at least two.

    Source: ADBench (Microsoft, 2018), objective ``lstm``.
    """
    (layers, _, b), steps = state.shape, len(sequence) - 1

    def f(x: Any, xp: Any) -> Any:
        main = x[: 8 * layers * b].reshape(layers, 2, 4, b)
        scale, out_weight, out_bias = x[8 * layers * b :].reshape(3, b)
        gates = [xp.transpose(main[:, kind], (1, 0, 2)) for kind in (0, 1)]  # (4, l, b), weights and biases
        seen = xp.asarray(sequence[:-1], dtype=x.dtype) * scale
        tops = xp.stack(_walked(seen, state, gates, xp))[layers - 1 :, -1]  # (steps, b), of the last layer
        predicted = tops * out_weight + out_bias
        total = xp.log(2.0 + xp.sum(xp.exp(predicted), axis=1, keepdims=True))
        loss = xp.sum(xp.asarray(sequence[1:], dtype=x.dtype) * (predicted - total))
        return loss * (-1.0 / (steps * b))

    return Function(f, 8 * layers * b + 3 * b)


def _walked(seen: Any, state: Array, gates: list[Any], xp: Any) -> list[Any]:
    """h of all layers (l, b) after every turn; seen (steps, b) is what the first layer is given."""
    layers, steps = len(state), seen.shape[0]
    h, c = (xp.asarray(np.ascontiguousarray(state[:, kind]), dtype=seen.dtype) for kind in (0, 1))
    weights, biases = ([_pair(one, 0), _pair(one, 1)] for one in gates)
    walked = []
    for turn in range(steps + layers - 1):
        first = min(turn, steps - 1)  # the character of the first layer, or any where it has none
        given = [seen[first : first + 1], *([h[:-1]] if layers > 1 else [])]  # a layer is given h of the one before
        made = _cell(xp.concatenate(given, axis=0), h, c, [*weights, *biases], xp)
        layer = np.arange(layers)[:, None]
        now = (layer <= turn) & (turn - layer < steps)  # the layers that have a character in this turn
        if not now.all():
            chosen = xp.asarray(now * np.ones(seen.shape[1]), dtype=seen.dtype) > 0.5
            made = tuple(xp.where(chosen, new, old) for new, old in zip(made, (h, c), strict=True))
        h, c = made
        walked.append(h)
    return walked


def _pair(gates: Any, kind: int) -> Any:
    """Of the gates' parameters (4, l, b) those that see the layer's input, kind 0, or its h, kind 1: (2, l, b)."""
    return gates.reshape(2, 2, *gates.shape[1:])[:, kind]


def _cell(given: Any, h: Any, c: Any, params: list[Any], xp: Any) -> tuple[Any, Any]:
    """h and c after a turn; all arrays (layers, b), the parameters (2, layers, b)."""
    expit = special(xp).expit
    of_input = expit(params[0] * given + params[2])
    of_state = params[1] * h + params[3]
    c = of_input[0] * c + expit(of_state[0]) * xp.tanh(of_state[1])
    return of_input[1] * xp.tanh(c), c


def _made(given: Any) -> tuple[Network, Array]:
    sequence = floats(given, "sequence", None, None)
    length, b = sequence.shape
    state = floats(given, "state", None, b)
    if length < 2 or not b or not len(state) or len(state) % 2:
        raise InputError(f"sequence {sequence.shape} and state {state.shape} are no (c, b) and (2 l, b) with c above 1")
    main, extra = floats(given, "main_params", len(state), 4 * b), floats(given, "extra_params", 3, b)
    f = sequence_loss(state.reshape(-1, 2, b), sequence)
    return Network([f], name="lstm"), np.concatenate([main.ravel(), extra.ravel()])


FUNCTIONS: dict[str, Maker] = {
    "objective": lambda given: Task(*_made(given), scalar),
    "jacobian": lambda given: Task(*_made(given), vector, "gradient"),
}
