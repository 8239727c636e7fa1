"""What values answer to NumPy's ufuncs, and so to arithmetic and comparisons."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy

from ..errors import UnsupportedError
from ..primitives.table import Primitive, find_primitive
from .builder import Builder
from .functions import PRODUCTS, extreme, sum_
from .shapes import FUNCTIONS
from .value import Mask, Value

np: Any = numpy  # to NumPy's own types a value is no array

COMPARISONS: dict[Any, tuple[bool, float]] = {  #: whether the operands change places, and what equality gives
    np.greater: (False, 0.0),
    np.greater_equal: (False, 1.0),
    np.less: (True, 0.0),
    np.less_equal: (True, 1.0),
}
POWERS: dict[float, Any] = {2.0: np.square, 0.5: np.sqrt, -1.0: np.reciprocal}


def called(b: Builder, ufunc: Any, method: str, inputs: tuple[Any, ...], keywords: dict[str, Any]) -> Any:
    """``ufunc(*inputs)``, or ``ufunc.reduce(x, axis)``.

    Raises:
        UnsupportedError: what cannot be recorded, with what to write instead.
    """
    if method != "__call__":
        return _reduced(ufunc, method, inputs, keywords)
    if keywords:
        fix = f"write y = np.{ufunc.__name__}(...)" if "out" in keywords else "leave it out"
        raise UnsupportedError(f"np.{ufunc.__name__} is recorded without {', '.join(keywords)}=; {fix}")
    if ufunc in OWN:
        return OWN[ufunc](b, ufunc, *inputs)
    lifted = tuple([b.lift(one) for one in inputs])
    made = find_primitive(ufunc)
    return b.record("map", lifted, b.map(ufunc, *lifted), made)


def _reduced(ufunc: Any, method: str, inputs: tuple[Any, ...], keywords: dict[str, Any]) -> Value:
    if method == "reduce" and not set(keywords) - {"axis", "keepdims"}:
        axis, keep = keywords.get("axis", 0), keywords.get("keepdims", False)
        if ufunc is np.add:
            return sum_(inputs[0], axis, keepdims=keep)
        if ufunc in (np.maximum, np.minimum):
            return extreme(ufunc, inputs[0], axis, keep)
    raise UnsupportedError(f"np.{ufunc.__name__}.{method} cannot be recorded; np.sum and np.mean can")


def _product(b: Builder, ufunc: Any, first: Any, second: Any) -> Value:
    return PRODUCTS[ufunc](first, second)


def _negative(b: Builder, ufunc: Any, x: Any) -> Any:
    return np.multiply(x, -1.0)  # NumPy 2.4.6 has a wrong loop for np.negative


def _compare(b: Builder, ufunc: Any, first: Any, second: Any) -> Mask:
    swapped, equal = COMPARISONS[ufunc]
    a, c = map(b.lift, (second, first) if swapped else (first, second))
    difference = a if c.key == b.lift(0.0).key else b.map(np.subtract, a, c)
    return Mask(b.map(np.heaviside, difference, equal))


def _power(b: Builder, ufunc: Any, base: Any, exponent: Any) -> Any:
    if not isinstance(exponent, Value) and np.ndim(exponent) == 0:
        number = float(exponent)
        if number == 0.0:
            return b.map(np.power, base, number)  # 1, whatever x is: it has no derivative
        if number == 1.0:
            return b.lift(base)
        if number in POWERS:
            return called(b, POWERS[number], "__call__", (base,), {})
        rule = Primitive(np.power, (lambda x, _, y: number * np.power(x, number - 1.0), None), transcendental=True)
        lifted = b.lift(base), b.lift(number)
        return b.record("map", lifted, b.map(np.power, *lifted), rule)
    lifted = b.lift(base), b.lift(exponent)
    return b.record("map", lifted, b.map(np.power, *lifted), find_primitive(np.power))


OWN: dict[Any, Callable[..., Any]] = {  #: ufuncs that are recorded as something else
    **dict.fromkeys(PRODUCTS, _product),
    **dict.fromkeys(COMPARISONS, _compare),
    **dict.fromkeys((np.power, np.float_power), _power),
    np.negative: _negative,
}

__all__ = ["FUNCTIONS", "called"]
