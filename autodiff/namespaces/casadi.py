"""NumPy's names over CasADi's matrices, for layers that are to be traced by CasADi."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from . import load
from .casadi_arrays import CasadiArray, asarray, held_shape, matmul, spread, together

Reduction = Callable[[Any], Any]

#: CasADi's elementwise functions that are NumPy's, by the same name, and those by another
SAME = "ceil cos cosh exp expm1 floor log log10 log1p sign sin sinh sqrt tan tanh"
OTHER = {"abs": "fabs", "absolute": "fabs", "arccos": "acos", "arcsin": "asin", "arctan": "atan"}
PAIRED = {"arctan2": "atan2", "maximum": "fmax", "minimum": "fmin", "power": "power"}


class CasadiNamespace:
    """The names that layers use.

    Args:
        single: one direction will go through the products. Then ``W x`` is ``(x^T W^T)^T``, which reads the weights
            as they lie; else it is ``W x``, for which they are transposed once, for all directions. (Measured, 64
            wide: one row with respect to the parameters 99 against 122 us, 64 rows 1.8 against 0.6 ms.)

    Raises:
        UnsupportedError: CasADi is not installed.
    """

    abs: Any
    exp: Any
    log: Any
    log1p: Any
    sin: Any
    tanh: Any

    pi = np.pi

    def __init__(self, single: bool = False) -> None:
        self.casadi = casadi = load("casadi")
        self.single = single
        self.asarray = asarray
        self.special = CasadiSpecial(self)
        for name, own in [*((name, name) for name in SAME.split()), *OTHER.items()]:
            setattr(self, name, _elementwise(getattr(casadi, own)))
        self.square = _elementwise(lambda held: held * held)
        for name, own in PAIRED.items():
            setattr(self, name, _paired(getattr(casadi, own)))

    def real(self, x: CasadiArray) -> CasadiArray:
        """``x`` itself: there are no complex numbers in CasADi."""
        return x

    def matmul(self, a: Any, b: Any) -> CasadiArray:
        """The product of vectors and matrices, as ``numpy.matmul``."""
        return matmul(a, b, self.single)

    def where(self, condition: CasadiArray, a: Any, b: Any) -> CasadiArray:
        """``a`` where the condition holds, else ``b``."""
        a, b = asarray(a), asarray(b)
        shape = np.broadcast_shapes(condition.shape, a.shape, b.shape)
        parts = (spread(part, shape) for part in (condition, a, b))
        return CasadiArray(self.casadi.if_else(*parts), shape)

    def logaddexp(self, a: Any, b: Any) -> CasadiArray:
        """``log(e^a + e^b)`` without overflow: ``max(a, b) + log(1 + e^-|a - b|)``, smooth where a = b too."""
        a, b = asarray(a), asarray(b)
        difference = a - b
        positive = difference > 0
        rest = self.exp(self.where(positive, -difference, difference))
        found: CasadiArray = self.where(positive, a, b) + self.log1p(rest)
        return found

    def clip(self, x: Any, low: Any = None, high: Any = None) -> CasadiArray:
        """``x`` between two bounds."""
        found = asarray(x)
        if low is not None:
            found = together(found, low, self.casadi.fmax)
        return found if high is None else together(found, high, self.casadi.fmin)

    def reshape(self, x: CasadiArray, shape: Any) -> CasadiArray:
        """The same numbers in another shape."""
        return x.reshape(shape)

    def transpose(self, x: CasadiArray, axes: Sequence[int] | None = None) -> CasadiArray:
        """The axes in another order, in reverse if none is given."""
        return x if axes is not None and tuple(axes) == tuple(range(len(x.shape))) else x.T

    def pieces(self, flat: CasadiArray, sizes: Sequence[int]) -> Sequence[CasadiArray]:
        """A vector cut up; one split, since the adjoints of slices would add up vectors as long as ``flat``."""
        parts = self.casadi.vertsplit(flat.held, np.cumsum([0, *sizes]).tolist())
        return [CasadiArray(part, (size,)) for part, size in zip(parts, sizes, strict=True)]

    def concatenate(self, arrays: Sequence[Any], axis: int = 0) -> CasadiArray:
        """One after the other along an axis."""
        given = [asarray(array) for array in arrays]
        shape, position = list(given[0].shape), range(len(given[0].shape))[axis]
        shape[position] = sum(array.shape[position] for array in given)
        join = self.casadi.vertcat if position == len(shape) - 1 else self.casadi.horzcat
        return CasadiArray(join(*(array.held for array in given)), tuple(shape))

    def stack(self, arrays: Sequence[Any], axis: int = 0) -> CasadiArray:
        """One after the other along a new axis."""
        given = [asarray(array) for array in arrays]
        position = range(len(given[0].shape) + 1)[axis]
        shape = (*given[0].shape[:position], 1, *given[0].shape[position:])
        return self.concatenate([array.reshape(shape) for array in given], position)

    def sum(self, x: CasadiArray, axis: int | None = None, keepdims: bool = False) -> CasadiArray:
        """The sum over one axis, or over all."""
        return _reduce(x, axis, keepdims, self.casadi.sum1, self.casadi.sum2)

    def mean(self, x: CasadiArray, axis: int | None = None, keepdims: bool = False) -> CasadiArray:
        """The mean over one axis, or over all."""
        total = self.sum(x, axis, keepdims)
        return total * (math.prod(total.shape) / math.prod(x.shape))

    def max(self, x: CasadiArray, axis: int | None = None, keepdims: bool = False) -> CasadiArray:
        """The largest over one axis, or over all; equal ones share the derivative."""
        casadi, fmax = self.casadi, self.casadi.fmax
        return _reduce(
            x, axis, keepdims, lambda m: _fold(casadi.vertsplit(m), fmax), lambda m: _fold(casadi.horzsplit(m), fmax)
        )

    def min(self, x: CasadiArray, axis: int | None = None, keepdims: bool = False) -> CasadiArray:
        """The least over one axis, or over all; equal ones share the derivative."""
        return -self.max(-x, axis, keepdims)


class CasadiSpecial:
    """The special functions that layers use."""

    def __init__(self, xp: CasadiNamespace) -> None:
        self.xp = xp
        self.erf = _elementwise(xp.casadi.erf)

    def expit(self, z: CasadiArray) -> CasadiArray:
        """``1 / (1 + e^-z)``, by ``e^-|z|`` so that neither tail overflows."""
        positive = z > 0
        small = self.xp.exp(self.xp.where(positive, -z, z))
        found: CasadiArray = self.xp.where(positive, 1.0, small) / (1.0 + small)
        return found


def _elementwise(function: Callable[[Any], Any]) -> Callable[[CasadiArray], CasadiArray]:
    return lambda x: CasadiArray(function(x.held), x.shape)


def _paired(function: Callable[[Any, Any], Any]) -> Callable[[Any, Any], CasadiArray]:
    return lambda a, b: together(a, b, function)


def _fold(parts: list[Any], function: Callable[[Any, Any], Any]) -> Any:
    """The parts joined by a function of two, by halves so that the expression stays shallow."""
    if len(parts) == 1:
        return parts[0]
    middle = len(parts) // 2
    return function(_fold(parts[:middle], function), _fold(parts[middle:], function))


def _reduce(x: CasadiArray, axis: int | None, keepdims: bool, down: Reduction, along: Reduction) -> CasadiArray:
    """A reduction over NumPy's last axis (down the held columns) or its first (along the held rows)."""
    axes = len(x.shape)
    if axis is None:
        flat = _reduce(x.reshape(-1), -1, False, down, along)
        return flat.reshape(*(1,) * axes) if keepdims else flat
    position = range(axes)[axis]
    held = (down if position == axes - 1 else along)(x.held)
    kept = tuple(1 if i == position else size for i, size in enumerate(x.shape))
    made = CasadiArray(load("casadi").reshape(held, *held_shape(kept)), kept)
    return made if keepdims else made.reshape(*(size for i, size in enumerate(kept) if i != position))
