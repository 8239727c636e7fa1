"""Elementwise functions, stated once against a namespace."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from ..errors import UnknownNameError
from ..namespaces import special


@dataclass(frozen=True, slots=True)
class Activation:
    """One elementwise function phi.

    Attributes:
        name: what users call it.
        function: phi(z, xp), for z of any shape.
    """

    name: str
    function: Callable[[Any, Any], Any]

    def __reduce__(self) -> tuple[Any, ...]:
        return activation, (self.name,)  # a lambda cannot be pickled


SELU = 1.0507009873554805, 1.6732632423543772  #: scale and alpha, Klambauer et al., Self-Normalizing Networks (2017)


def _exponential(z: Any, xp: Any) -> Any:
    """``exp(z) - 1`` below 0, and 0 above, where exp could overflow."""
    return xp.expm1(xp.where(xp.real(z) > 0, 0.0, z))


def _gelu_tanh(z: Any, xp: Any) -> Any:
    return 0.5 * z * (1.0 + xp.tanh(math.sqrt(2.0 / math.pi) * (z + 0.044715 * (z * xp.square(z)))))


def _hardtanh(z: Any, xp: Any) -> Any:
    return xp.where(xp.real(z) > -1, xp.where(xp.real(z) < 1, z, 1.0), -1.0)


ACTIVATIONS: dict[str, Activation] = {
    name: Activation(name, function)
    for name, function in (
        ("identity", lambda z, xp: z),
        ("tanh", lambda z, xp: xp.tanh(z)),
        ("sigmoid", lambda z, xp: special(xp).expit(z)),  # keeps its negative tail, which (1 + tanh(z/2))/2 does not
        ("relu", lambda z, xp: xp.where(xp.real(z) > 0, z, 0.0)),  # the subgradient 0 at z = 0
        ("softplus", lambda z, xp: xp.logaddexp(z, 0.0)),
        ("sin", lambda z, xp: xp.sin(z)),
        ("exp", lambda z, xp: xp.exp(z)),
        ("square", lambda z, xp: xp.square(z)),
        ("gelu", lambda z, xp: 0.5 * z * (1.0 + special(xp).erf(math.sqrt(0.5) * z))),
        ("gelu_tanh", _gelu_tanh),
        ("silu", lambda z, xp: z * special(xp).expit(z)),
        ("elu", lambda z, xp: xp.where(xp.real(z) > 0, z, _exponential(z, xp))),
        ("leaky_relu", lambda z, xp: xp.where(xp.real(z) > 0, z, 0.01 * z)),
        ("selu", lambda z, xp: SELU[0] * xp.where(xp.real(z) > 0, z, SELU[1] * _exponential(z, xp))),
        ("mish", lambda z, xp: z * xp.tanh(xp.logaddexp(z, 0.0))),
        ("hardtanh", _hardtanh),  # the slope 0 at -1 and 1
        ("abs", lambda z, xp: xp.absolute(z)),  # the slope 0 at 0
        ("sqrt", lambda z, xp: xp.sqrt(z)),
        ("log", lambda z, xp: xp.log(z)),
        ("cos", lambda z, xp: xp.cos(z)),
    )
}


def activation(name: str) -> Activation:
    """The activation of that name.

    Raises:
        UnknownNameError: with the near matches.
    """
    try:
        return ACTIVATIONS[name]
    except (KeyError, TypeError):
        raise UnknownNameError("activation", name, ACTIVATIONS) from None
