"""Elementwise functions: the function once against a namespace, and an in-place NumPy kernel with its slope.

A kernel works on arrays it is given and allocates nothing. ``evaluate(z, y)`` writes phi(z) into y;
``linearize(z, y, d)`` also writes phi'(z) into d. In both y may be z itself, so a slope that needs z is taken
before y is written, and one that is cheaper from y (tanh' = 1 - y^2) after.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..arrays import Array
from ..errors import UnknownNameError
from .work import Work, passes


@dataclass(frozen=True, slots=True)
class Activation:
    """One elementwise function phi and its derivative.

    Attributes:
        name: what users call it.
        function: phi(z, xp), stated against an array namespace; analytic for complex z.
        evaluate: phi in place, real or complex: ``evaluate(z, y)``.
        linearize: phi and phi' in place, real: ``linearize(z, y, d)``.
        operations: array operations of ``evaluate``, of ``linearize`` on top of it, and how many of each are
            transcendental.
    """

    name: str
    function: Callable[[Any, Any], Any]
    evaluate: Callable[[Array, Array], object]
    linearize: Callable[[Array, Array, Array], object]
    operations: tuple[int, int, int, int]

    def work(self, operation: str, size: int) -> Work:
        """The work of ``value`` (phi) or ``at`` (phi and phi') over ``size`` elements."""
        value_ops, slope_ops, value_costly, slope_costly = self.operations
        work = passes(size, value_ops, value_costly)
        return work if operation == "value" else work + passes(size, slope_ops, slope_costly)


def _identity(z: Array, y: Array) -> None:
    if y is not z:
        np.copyto(y, z)


def _identity_slope(z: Array, y: Array, d: Array) -> None:
    _identity(z, y)
    d.fill(1.0)


def _tanh_slope(z: Array, y: Array, d: Array) -> None:
    np.tanh(z, out=y)
    np.multiply(y, y, out=d)
    np.subtract(1.0, d, out=d)


def _sigmoid(z: Array, y: Array) -> None:
    np.multiply(z, 0.5, out=y)  # sigma(z) = (1 + tanh(z/2))/2 never overflows
    np.tanh(y, out=y)
    np.multiply(y, 0.5, out=y)
    np.add(y, 0.5, out=y)


def _sigmoid_slope(z: Array, y: Array, d: Array) -> None:
    _sigmoid(z, y)
    np.subtract(1.0, y, out=d)
    np.multiply(d, y, out=d)


def _relu(z: Array, y: Array) -> None:
    if np.iscomplexobj(z):  # by the real part alone, also at 0, where the ordering would look at the imaginary part
        np.copyto(y, np.where(z.real > 0, z, 0.0))
    else:
        np.maximum(z, 0.0, out=y)


def _relu_slope(z: Array, y: Array, d: Array) -> None:
    np.greater(z, 0.0, out=d)  # the subgradient 0 at z = 0
    np.maximum(z, 0.0, out=y)


def _softplus(z: Array, y: Array) -> None:
    if np.iscomplexobj(z):
        np.copyto(y, _softplus_function(z, np))
    else:
        np.logaddexp(z, 0.0, out=y)


def _softplus_slope(z: Array, y: Array, d: Array) -> None:
    np.multiply(z, 0.5, out=d)
    np.tanh(d, out=d)
    np.multiply(d, 0.5, out=d)
    np.add(d, 0.5, out=d)
    np.logaddexp(z, 0.0, out=y)


def _softplus_function(z: Any, xp: Any) -> Any:
    # log(1 + e^z) = max(z, 0) + log(1 + e^-|z|), with |z| by the sign of the real part so that it stays analytic
    positive = xp.real(z) > 0
    return xp.where(positive, z, 0 * z) + xp.log1p(xp.exp(xp.where(positive, -z, z)))


def _sin_slope(z: Array, y: Array, d: Array) -> None:
    np.cos(z, out=d)
    np.sin(z, out=y)


def _exp_slope(z: Array, y: Array, d: Array) -> None:
    np.exp(z, out=y)
    np.copyto(d, y)


def _square_slope(z: Array, y: Array, d: Array) -> None:
    np.multiply(z, 2.0, out=d)
    np.square(z, out=y)


ACTIVATIONS: dict[str, Activation] = {
    activation.name: activation
    for activation in (
        Activation("identity", lambda z, xp: z, _identity, _identity_slope, (0, 1, 0, 0)),
        Activation("tanh", lambda z, xp: xp.tanh(z), lambda z, y: np.tanh(z, out=y), _tanh_slope, (1, 2, 1, 0)),
        Activation("sigmoid", lambda z, xp: 0.5 * xp.tanh(0.5 * z) + 0.5, _sigmoid, _sigmoid_slope, (4, 2, 1, 0)),
        Activation("relu", lambda z, xp: xp.where(xp.real(z) > 0, z, 0 * z), _relu, _relu_slope, (1, 1, 0, 0)),
        Activation("softplus", _softplus_function, _softplus, _softplus_slope, (1, 4, 1, 1)),
        Activation("sin", lambda z, xp: xp.sin(z), lambda z, y: np.sin(z, out=y), _sin_slope, (1, 1, 1, 1)),
        Activation("exp", lambda z, xp: xp.exp(z), lambda z, y: np.exp(z, out=y), _exp_slope, (1, 1, 1, 0)),
        Activation("square", lambda z, xp: z * z, lambda z, y: np.square(z, out=y), _square_slope, (1, 1, 0, 0)),
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
