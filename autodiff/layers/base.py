"""The idea everything stands on: a layer is a function, stated once, in NumPy.

Derivatives, counts and memory follow from the function: it is traced with values that answer NumPy's protocols, and
peers trace it with their own namespace. Nothing else has to be written to add a layer.
"""

from __future__ import annotations

import copy
import math
from abc import ABC, abstractmethod
from typing import Any, Self

import numpy as np

from ..arrays import Array, as_floats, as_vector
from ..errors import InputError


class Layer(ABC):
    """A differentiable function ``f : R^n -> R^m`` with parameters.

    Attributes:
        n: inputs; 0 while the layer takes whatever size the layer before it gives.
        m: outputs; 0 while n is 0.
        in_shape, out_shape: the axes that the n inputs and m outputs have, in C order, such as (channels, height,
            width); (n,) and (m,) where a layer says nothing else.
        params: the parameter arrays, of any shapes; :class:`~autodiff.Network` makes them views of its one vector.
        batched: :meth:`function` also takes leading axes, (..., n) to (..., m).
        path: where it stands in the module that it comes from, such as ``encoder.layers.0``; empty if from none.
        sources: what that module calls the parameters.
        opaque_linearize: None; a layer whose function is plain Python may be given a method
            ``opaque_linearize(x) -> (y, push, pull)``: y = f(x) (m,), ``push(V)`` is f'(x) V for tangents (n, k),
            ``pull(U)`` is U f'(x) for cotangents (k, m).
    """

    n: int
    m: int
    params: tuple[Array, ...] = ()
    batched: bool = False
    path: str = ""
    sources: tuple[str, ...] = ()
    opaque_linearize: Any = None

    @property
    def kind(self) -> str:
        """The name that error messages use."""
        return type(self).__name__

    @property
    def title(self) -> str:
        """Its kind, and where it comes from."""
        return f"{self.kind} {self.path}" if self.path else self.kind

    @property
    def in_shape(self) -> tuple[int, ...]:
        """The axes of the inputs."""
        return (self.n,)

    @property
    def out_shape(self) -> tuple[int, ...]:
        """The axes of the outputs."""
        return (self.m,)

    def sized(self, n: int) -> Layer:
        """This layer, with ``n`` inputs where it has no size of its own yet."""
        return self

    def shaped(self, shape: tuple[int, ...]) -> Layer:
        """This layer behind one whose outputs have these axes, where it has no size of its own yet.

        Raises:
            InputError: it cannot take them; naming the axis.
        """
        return self.sized(math.prod(shape))

    def with_params(self, params: tuple[Array, ...]) -> Self:
        """A copy of this layer with other parameters of the same shapes, shared and not copied."""
        made = copy.copy(self)
        made.params = params
        return made

    @abstractmethod
    def function(self, x: Any, params: Any, xp: Any = np) -> Any:
        """``f(x)``, stated against the array namespace ``xp``.

        Args:
            x: (n,); (..., n) too where the layer is ``batched``.
            params: a tuple of arrays, shaped as :attr:`params`.
            xp: a namespace with NumPy's names. Constants go through ``xp.asarray(c, dtype=x.dtype)``. ``xp.real`` is
                where a derivative stops; choose by the real part, ``xp.where(xp.real(x) > 0, ...)``.
        """

    def __call__(self, x: object) -> Array:
        """``y = f(x)`` for x (n,), gives y (m,), at the precision of the parameters, of x if there are none.

        Raises:
            InputError: the wrong shape, NaN or infinity; or the function gives another shape than (m,).
            DTypeError: integers, objects, or a float wider than the parameters.
        """
        dtype = np.result_type(*self.params) if self.params else as_floats(x, "x").dtype
        layer = self if self.n else self.sized(np.size(x))  # type: ignore[arg-type]
        point = as_vector(x, layer.n, "x", dtype)
        with np.errstate(all="ignore"):
            y = np.asarray(layer.function(point, layer.params, np), dtype)
        if y.shape != (layer.m,):
            raise InputError(f"{self.title} gives shape {y.shape}; expected ({layer.m},)")
        return y

    def __repr__(self) -> str:
        return f"{self.kind}({self.n or '?'} -> {self.m or '?'})"
