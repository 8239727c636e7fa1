"""Primitives: NumPy's ufuncs, each with its slopes, from which both modes follow.

A slope is the partial derivative of an elementwise function with respect to one argument, written as a function of
the arguments and the value in primitives again: ``slope(*inputs, y)``. It gives a number, or values.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..errors import InputError, UnsupportedError
from .stepped import COMPLEX_FORMS

Slope = Callable[..., Any]


@dataclass(frozen=True, slots=True)
class Primitive:
    """An elementwise ufunc and what differentiation has to know of it.

    Attributes:
        ufunc: what is called.
        slopes: one function an argument, of the arguments and the value; None where the derivative is zero.
        transcendental: it is counted as such, an element costs many multiplications.
    """

    ufunc: np.ufunc
    slopes: tuple[Slope | None, ...]
    transcendental: bool = False


PRIMITIVES: dict[np.ufunc, Primitive] = {}


def _add(ufunc: Any, *slopes: Slope | None, transcendental: bool = False) -> None:
    PRIMITIVES[ufunc] = Primitive(ufunc, slopes, transcendental)


_add(np.positive, lambda x, y: 1.0)
_add(np.add, lambda a, b, y: 1.0, lambda a, b, y: 1.0)
_add(np.subtract, lambda a, b, y: 1.0, lambda a, b, y: -1.0)
_add(np.multiply, lambda a, b, y: b, lambda a, b, y: a)
_add(np.divide, lambda a, b, y: 1.0 / b, lambda a, b, y: -1.0 * (y / b))
_add(np.reciprocal, lambda x, y: -1.0 * np.square(y))
_add(np.square, lambda x, y: 2.0 * x)
_add(np.sqrt, lambda x, y: 0.5 / y)
_add(np.absolute, lambda x, y: np.sign(x))
# 1 where it is chosen, 0 where it is not, a half where both are equal; np.heaviside says the same in twice the time
_add(np.maximum, lambda a, b, y: 0.5 + 0.5 * np.sign(a - b), lambda a, b, y: 0.5 - 0.5 * np.sign(a - b))
_add(np.minimum, lambda a, b, y: 0.5 - 0.5 * np.sign(a - b), lambda a, b, y: 0.5 + 0.5 * np.sign(a - b))
_add(np.sign, None)
_add(np.heaviside, None, None)
for _ufunc, _slope in (
    (np.exp, lambda x, y: y),
    (np.expm1, lambda x, y: y + 1.0),
    (np.log, lambda x, y: 1.0 / x),
    (np.log1p, lambda x, y: 1.0 / (1.0 + x)),
    (np.sin, lambda x, y: np.cos(x)),
    (np.cos, lambda x, y: -1.0 * np.sin(x)),
    (np.tanh, lambda x, y: 1.0 - np.square(y)),
    (np.sinh, lambda x, y: np.cosh(x)),
    (np.cosh, lambda x, y: np.sinh(x)),
    (np.arctan, lambda x, y: 1.0 / (1.0 + np.square(x))),
):
    _add(_ufunc, _slope, transcendental=True)
_add(np.logaddexp, lambda a, b, y: np.exp(a - y), lambda a, b, y: np.exp(b - y), transcendental=True)
_add(
    np.power,
    lambda a, b, y: b * np.power(a, np.where(np.absolute(b) > 0.0, b - 1.0, 1.0)),  # 0 ** 0 has the slope 0
    lambda a, b, y: y * np.log(np.where(np.absolute(a) > 0.0, a, 1.0)),
    transcendental=True,
)


def find_primitive(ufunc: np.ufunc) -> Primitive:
    """The primitive of that ufunc.

    Raises:
        UnsupportedError: it has no rule; the message says how to give it one.
    """
    if ufunc not in PRIMITIVES and ufunc.__name__ in ("expit", "erf"):
        import scipy.special

        if ufunc is scipy.special.expit:
            _add(ufunc, lambda x, y: y * (1.0 - y), transcendental=True)
        elif ufunc is scipy.special.erf:
            _add(ufunc, lambda x, y: 2.0 / math.sqrt(math.pi) * np.exp(-np.square(x)), transcendental=True)
    try:
        return PRIMITIVES[ufunc]
    except KeyError:
        raise UnsupportedError(
            f"np.{ufunc.__name__} has no derivative rule; autodiff.primitive({ufunc.__name__}, slope=...) gives it one"
        ) from None


def primitive(
    ufunc: np.ufunc,
    slope: Slope | None = None,
    slopes: tuple[Slope | None, ...] = (),
    complex_form: Callable[..., Any] | None = None,
) -> None:
    """Make another elementwise ufunc differentiable, in both modes and every engine.

    ``autodiff.primitive(scipy.special.erf, slope=lambda x, y: 2 / np.sqrt(np.pi) * np.exp(-x * x))``

    Args:
        ufunc: one result, no core dimensions.
        slope: dy/dx of a function of one argument, called with x and y and written in NumPy's functions.
        slopes: for more arguments, one each, called with the arguments and y; None where the derivative is zero.
        complex_form: its analytic form for complex arguments, for complex steps, where the ufunc has none.

    Raises:
        InputError: something that is no such ufunc, or another number of slopes than arguments.
    """
    if not isinstance(ufunc, np.ufunc) or ufunc.nout != 1 or ufunc.signature is not None:
        raise InputError(f"primitive takes an elementwise ufunc with one result, not {ufunc!r}")
    given = slopes or ((slope,) if slope is not None else ())
    if len(given) != ufunc.nin:
        raise InputError(f"{ufunc.__name__} takes {ufunc.nin} arguments; {len(given)} slopes were given")
    PRIMITIVES[ufunc] = Primitive(ufunc, tuple(given), transcendental=True)
    if complex_form is not None:
        COMPLEX_FORMS[ufunc] = complex_form
