"""Elementwise functions, stated once against a namespace."""

from __future__ import annotations

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
