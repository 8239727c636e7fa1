"""Layers over arrays with axes, and those that only arrange them: other shapes, other orders, nothing at all."""

from __future__ import annotations

import copy
import math
from abc import abstractmethod
from typing import Any, Self

import numpy as np

from ..arrays import as_size
from ..errors import InputError
from .base import Layer

Shape = tuple[int, ...]


class Shaped(Layer):
    """A layer whose inputs have axes: given to it, or those of what the layer before it gives.

    A subclass says in :meth:`outputs` what axes come out, and computes with x of shape (..., *in_shape) in
    :meth:`mapped`.
    """

    batched = True
    n = m = 0
    _in: Shape = ()
    _out: Shape = ()

    @property
    def in_shape(self) -> Shape:
        return self._in or (self.n,)

    @property
    def out_shape(self) -> Shape:
        return self._out or (self.m,)

    @abstractmethod
    def outputs(self, shape: Shape) -> Shape:
        """The axes that come of these axes.

        Raises:
            InputError: they do not fit, naming the axis.
        """

    @abstractmethod
    def mapped(self, x: Any, params: Any, xp: Any) -> Any:
        """f of x (..., *in_shape), with any axes behind the leading ones that have as many elements as out_shape."""

    def fixed(self, shape: object) -> Self:
        """This layer itself, for inputs with these axes from now on; None leaves it as it is."""
        if shape is not None:
            self._fix(as_shape(shape, f"the shape of {self.kind}"))
        return self

    def _fix(self, shape: Shape) -> None:
        self._in, self._out = shape, tuple(self.outputs(shape))
        self.n, self.m = math.prod(shape), math.prod(self._out)

    def sized(self, n: int) -> Layer:
        return self.shaped((n,))

    def shaped(self, shape: Shape) -> Layer:
        if self.n:
            return self
        layer = copy.copy(self)
        layer._fix(shape)
        return layer

    def function(self, x: Any, params: Any, xp: Any = np) -> Any:
        lead = tuple(x.shape[:-1])
        y = self.mapped(x.reshape(*lead, *self._in), params, xp)
        return y.reshape(*lead, self.m)


def as_shape(value: object, what: str) -> Shape:
    """A size or several as a tuple of integers of at least 1.

    Raises:
        InputError: anything else.
    """
    sizes = value if isinstance(value, (tuple, list)) else (value,)
    if not sizes:
        raise InputError(f"{what} is empty; expected sizes such as (3, 32, 32)")
    return tuple(as_size(size, what) for size in sizes)


def as_sizes(value: object, count: int, what: str, least: int = 1) -> Shape:
    """One integer for all of ``count`` axes, or one for each.

    Raises:
        InputError: anything else.
    """
    sizes: tuple[Any, ...] = tuple(value) if isinstance(value, (tuple, list)) else (value,) * count
    plain = all(isinstance(one, (int, np.integer)) and not isinstance(one, bool) and one >= least for one in sizes)
    if len(sizes) != count or not plain:
        raise InputError(f"{what} is {value!r}; expected an integer of at least {least}, or {count} of them")
    return tuple(int(one) for one in sizes)


class Reshape(Shaped):
    """The same numbers, in C order, with other axes.

    Args:
        shape: the axes that come out; one size may be -1.
        n: inputs; left out, the layer takes what the layer before it gives.

    Raises:
        InputError: as many elements do not have that shape.
    """

    def __init__(self, shape: object, n: int | None = None) -> None:
        sizes: tuple[Any, ...] = tuple(shape) if isinstance(shape, (tuple, list)) else (shape,)
        if not sizes or list(sizes).count(-1) > 1:
            raise InputError(f"the shape of Reshape is {shape!r}; expected sizes, one of which may be -1")
        self.shape: Shape = tuple(-1 if one == -1 else as_size(one, "a size of Reshape") for one in sizes)
        self.fixed(n)
        if n is None and -1 not in self.shape:
            self.fixed(math.prod(self.shape))

    def outputs(self, shape: Shape) -> Shape:
        count, known = math.prod(shape), math.prod(size for size in self.shape if size != -1)
        made = tuple(count // known if size == -1 else size for size in self.shape)
        if math.prod(made) != count or 0 in made:
            raise InputError(f"{count} numbers, of shape {shape}, cannot have shape {self.shape}")
        return made

    def mapped(self, x: Any, params: Any, xp: Any) -> Any:
        return x


class Flatten(Shaped):
    """All axes as one; the numbers stay where they are."""

    def __init__(self, shape: object | None = None) -> None:
        self.fixed(shape)

    def outputs(self, shape: Shape) -> Shape:
        return (math.prod(shape),)

    def mapped(self, x: Any, params: Any, xp: Any) -> Any:
        return x


class Permute(Shaped):
    """The axes in another order, as ``np.transpose``.

    Args:
        order: every axis once, such as (1, 2, 0).
        shape: of the inputs; left out, the layer takes what the layer before it gives.

    Raises:
        InputError: not every axis once.
    """

    def __init__(self, order: tuple[int, ...] | list[int], shape: object | None = None) -> None:
        self.order: tuple[int, ...] = tuple(order) if isinstance(order, (tuple, list)) else ()
        if not self.order or sorted(self.order) != list(range(len(self.order))):
            raise InputError(f"the order of Permute is {order!r}; expected every axis once, such as (1, 0)")
        self.fixed(shape)

    def outputs(self, shape: Shape) -> Shape:
        if len(shape) != len(self.order):
            raise InputError(f"it orders {len(self.order)} axes; shape {shape} has {len(shape)}")
        return tuple(shape[axis] for axis in self.order)

    def mapped(self, x: Any, params: Any, xp: Any) -> Any:
        lead = len(x.shape) - len(self.order)
        return xp.transpose(x, (*range(lead), *(lead + axis for axis in self.order)))


class Dropout(Shaped):
    """As in inference: nothing is dropped, ``y = x``.

    Args:
        rate: of the units that training would drop; kept for the record.
        shape: of the inputs; left out, the layer takes what the layer before it gives.

    Raises:
        InputError: a rate outside [0, 1).
    """

    def __init__(self, rate: float = 0.5, shape: object | None = None) -> None:
        if isinstance(rate, bool) or not isinstance(rate, (int, float)) or not 0 <= rate < 1:
            raise InputError(f"the rate of Dropout is {rate!r}; expected a number from 0 to below 1")
        self.rate = float(rate)
        self.fixed(shape)

    def outputs(self, shape: Shape) -> Shape:
        return shape

    def mapped(self, x: Any, params: Any, xp: Any) -> Any:
        return x
