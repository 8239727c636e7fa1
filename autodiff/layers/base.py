"""The two ideas everything stands on: a layer is a function, its derivative is a linear map.

Shapes are fixed by the mathematics: for ``f : R^n -> R^m`` tangents are columns ``V (n, k)``, cotangents
are rows ``U (k, m)`` and the derivative ``f'(x)`` is ``(m, n)``.
"""

from __future__ import annotations

import copy
from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import DTypeLike

from ..arrays import Array, as_vector, float_dtype
from ..errors import InputError
from .work import NOTHING, Cost, Work

NO_PARAMS: Array = np.empty(0)


@dataclass(frozen=True, slots=True)
class Sizes:
    """Elements of working memory that a derivative asks for.

    Attributes:
        primal: the value y.
        residual: what must live from ``at`` until the last product with f'(x).
        scratch: what is needed only inside one call, so that all layers can share it.
    """

    primal: int
    residual: int
    scratch: int = 0


class Layer(ABC):
    """A differentiable function ``f : R^n -> R^m`` with parameters theta in R^p (p may be 0).

    Attributes:
        n: inputs; 0 while the layer takes whatever size the layer before it gives.
        m: outputs; 0 while n is 0.
        params: the p parameters, one flat vector; :class:`~autodiff.Network` makes it a view of its own.
    """

    n: int
    m: int
    params: Array = NO_PARAMS

    @property
    def kind(self) -> str:
        """The name that error messages use."""
        return type(self).__name__

    def sized(self, n: int) -> Layer:
        """This layer, with ``n`` inputs where it has no size of its own yet."""
        return self

    def bind(self, params: Array) -> Self:
        """A copy of this layer whose parameters are the given vector (p,), shared and not copied."""
        bound = copy.copy(self)
        bound.params = params
        return bound

    def parts(self, params: Any) -> Any:
        """The flat parameters (p,) as :meth:`function` may take them instead, so that peers split them only once.

        A layer that overrides this returns a tuple of arrays, nested if it likes, and its function takes either form.
        """
        return params

    @abstractmethod
    def function(self, x: Any, params: Any, xp: Any = np) -> Any:
        """``f(x)``, stated once against the array namespace ``xp``, so that any AD tool can trace it.

        Args:
            x: (..., n); the leading axes are a batch.
            params: the flat parameters (p,), in the arrays of ``xp``.
            xp: a namespace with NumPy's names; complex numbers must come through analytically.
        """

    @abstractmethod
    def derivative_of(self, dtype: np.dtype[Any]) -> Derivative:
        """The derivative object of this layer, without memory; :meth:`derivative` gives one ready to use."""

    def batched_derivative_of(self, size: int, dtype: np.dtype[Any]) -> Derivative | None:
        """The block-diagonal derivative of ``size`` copies as one matrix product, for layers that know how.

        None leaves it to :class:`~autodiff.layers.batched.BlockDiagonal`, which goes sample by sample.
        """
        return None

    def derivative(self, dtype: DTypeLike = np.float64, cotangents: int = 1) -> Derivative:
        """A derivative with memory of its own: call ``at(x)``, then ``jvp``, ``vjp`` or ``dense``.

        Args:
            dtype: float64 or float32.
            cotangents: the most cotangents that one ``vjp`` will be given.

        Raises:
            InputError: for a layer that does not know its size yet.
        """
        if not self.n:
            raise InputError(f"{self.kind} does not know its size yet; give it one, or put it into a Network")
        found = float_dtype(dtype)
        layer = self if self.params.dtype == found or not self.params.size else self.bind(self.params.astype(found))
        made = layer.derivative_of(found)
        sizes = made.sizes(cotangents)
        made.bind(*(np.empty(size, found) for size in (sizes.primal, sizes.residual, sizes.scratch)))
        return made

    def __call__(self, x: object) -> Array:
        """``y = f(x)`` for x (n,), gives y (m,). Raises what :func:`autodiff.arrays.as_floats` raises."""
        dtype = self.params.dtype if self.params.size else np.dtype(np.float64)
        n = self.n or np.size(x)  # type: ignore[arg-type]
        layer = self.sized(n)
        return np.asarray(layer.function(as_vector(x, layer.n, "x", dtype), self.params))

    def __repr__(self) -> str:
        return f"{self.kind}({self.n or '?'} -> {self.m or '?'})"


class Derivative(ABC):
    """``f'(x)`` as a linear map, made once for a layer and re-pointed at each new x by ``at``.

    The parameter methods are the same three for ``df/dtheta``; a layer without parameters leaves them.

    Attributes:
        shape: (m, n).
        parameters: p.
        inplace: ``jvp(V, out=V)`` and ``vjp(U, out=U)`` are allowed (the derivative is diagonal).
        constant: f'(x) does not depend on x, and ``dense()`` gives it without copying.
    """

    inplace: bool = False
    constant: bool = False

    def __init__(self, shape: tuple[int, int], dtype: np.dtype[Any], parameters: int = 0) -> None:
        self.shape = shape
        self.dtype = dtype
        self.parameters = parameters

    # -- memory

    @abstractmethod
    def sizes(self, cotangents: int = 1, tangents: int | None = None) -> Sizes:
        """The working memory for at most ``cotangents`` rows and ``tangents`` columns in one call.

        None for ``tangents`` stands for any number.
        """

    @abstractmethod
    def bind(self, primal: Array, residual: Array, scratch: Array) -> None:
        """Take flat arrays of at least :meth:`sizes` elements to work in; nothing is allocated after that."""

    # -- evaluation

    @abstractmethod
    def value(self, x: Array) -> Array:
        """``y = f(x)`` for x (n,), in the primal memory; complex arrays must come through analytically."""

    @abstractmethod
    def at(self, x: Array) -> Array:
        """``y = f(x)``, keeping the residuals that f'(x) needs. y (m,) is valid until the memory is reused."""

    # -- the linear map

    @abstractmethod
    def jvp(self, V: Array, out: Array | None = None) -> Array:
        """``f'(x) V`` for tangents V (n, k), gives (m, k)."""

    @abstractmethod
    def vjp(self, U: Array, out: Array | None = None) -> Array:
        """``U f'(x)`` for cotangents U (k, m), gives (k, n). U is left as it was unless ``out`` is U."""

    @abstractmethod
    def dense(self, out: Array | None = None) -> Array:
        """``f'(x)`` itself, (m, n)."""

    def columns(self, start: int, stop: int, out: Array) -> Array:
        """``f'(x)[:, start:stop]`` into ``out`` (m, stop - start); layers that know their columns override it."""
        return self.jvp(_unit(self.shape[1], start, stop, self.dtype), out)

    def rows(self, start: int, stop: int, out: Array) -> Array:
        """``f'(x)[start:stop]`` into ``out`` (stop - start, n); layers that know their rows override it."""
        return self.vjp(np.ascontiguousarray(_unit(self.shape[0], start, stop, self.dtype).T), out)

    # -- the same for the parameters

    def jvp_params(self, T: Array, out: Array | None = None) -> Array:
        """``df/dtheta T`` for parameter tangents T (p, k), gives (m, k)."""
        raise NotImplementedError(f"{type(self).__name__} has no parameters")

    def vjp_params(self, U: Array, out: Array | None = None) -> Array:
        """``U df/dtheta`` for cotangents U (k, m), gives (k, p)."""
        raise NotImplementedError(f"{type(self).__name__} has no parameters")

    def dense_params(self, out: Array | None = None) -> Array:
        """``df/dtheta`` itself, (m, p)."""
        raise NotImplementedError(f"{type(self).__name__} has no parameters")

    def params_columns(self, start: int, stop: int, out: Array) -> Array:
        """``df/dtheta[:, start:stop]`` into ``out`` (m, stop - start)."""
        return self.jvp_params(_unit(self.parameters, start, stop, self.dtype), out)

    def params_rows(self, start: int, stop: int, out: Array) -> Array:
        """``df/dtheta[start:stop]`` into ``out`` (stop - start, p)."""
        return self.vjp_params(np.ascontiguousarray(_unit(self.shape[0], start, stop, self.dtype).T), out)

    def vjp_both(self, U: Array, out: Array, params_out: Array) -> Array:
        """``U f'(x)`` into ``out`` and ``U df/dtheta`` into ``params_out``, sharing what the two have in common."""
        self.vjp_params(U, params_out)
        return self.vjp(U, out)

    # -- cost

    @abstractmethod
    def work(self, operation: str, k: int = 1) -> Work:
        """Exact counts of one call, ``operation`` being a method's name and k the tangents or cotangents.

        This is the one place where a layer's cost is counted; plans and predictions read it. The methods are value,
        at, jvp, vjp, dense and, with parameters, jvp_params, vjp_params, dense_params.
        """

    def work_both(self, k: int = 1) -> Work:
        """Exact counts of one ``vjp_both``."""
        return self.work("vjp_params", k) + self.work("vjp", k)

    @property
    def cost(self) -> Cost:
        """Multiply-adds per tangent and per cotangent, and bytes kept for the adjoint."""
        jvp, vjp = self.work("jvp"), self.work("vjp")
        dense = NOTHING if self.constant else self.work("dense")
        return Cost(
            tangent=jvp.fma + jvp.elementwise,
            cotangent=vjp.fma + vjp.elementwise,
            dense=dense.fma + dense.elementwise,
            memory=self.sizes().residual * self.dtype.itemsize,
            shape=self.shape,
        )


def _unit(size: int, start: int, stop: int, dtype: np.dtype[Any]) -> Array:
    """Columns ``start`` to ``stop`` of the identity, (size, stop - start)."""
    block = np.zeros((size, stop - start), dtype)
    np.fill_diagonal(block[start:stop], 1.0)
    return block
