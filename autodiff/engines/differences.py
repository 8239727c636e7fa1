"""Derivatives without derivative rules: difference quotients and the complex-step method.

They cost two and one evaluations of f per column, and are here as the independent check of the others and because
people use them. They call the network's plain function and nothing else.
"""

from __future__ import annotations

from abc import abstractmethod
from typing import Any, ClassVar

import numpy as np

from ..arrays import Array
from ..network import Network
from ..primitives.stepped import Stepped
from .base import Engine, Prepared


class Perturbed(Prepared):
    """Runs that perturb one variable at a time (or one direction), in private copies of x and of the parameters.

    Subclasses say of which numbers the copies are, how f is evaluated, and give :meth:`_column` and :meth:`_direction`.
    How much memory f takes while it is evaluated is not known; ``nbytes`` is what is held between runs.
    """

    def __init__(self, network: Network, wrt: str, operation: str, seeds: int) -> None:
        super().__init__(network, wrt, operation, seeds)
        self.count = seeds if operation == "jvp" else network.variables(wrt)
        self.scratch_size = network.variables(wrt) if operation == "jvp" else 0
        held, real = network.n + network.params.size, network.m + self.scratch_size
        self.nbytes = held * self._number().itemsize + real * network.dtype.itemsize

    def allocate(self) -> None:
        network = self.network
        self.x = np.empty(network.n, self._number())
        self.theta = np.empty(network.params.size, self._number())
        self.column = np.empty(network.m, network.dtype)
        self.scratch = np.empty(self.scratch_size, network.dtype)
        #: the vector that is perturbed
        self.variables = self.x if self.wrt == "input" else self.theta

    def _run(self, x: Array, seed: Array | None, out: Array) -> None:
        np.copyto(self.x, x)
        np.copyto(self.theta, self.network.params)
        base = x if self.wrt == "input" else self.network.params
        with np.errstate(all="ignore"):
            for index in range(self.count):
                if seed is None:
                    self._column(base, index)
                else:
                    self._direction(base, seed[:, index])
                out[:, index] = self.column

    @abstractmethod
    def _number(self) -> np.dtype[Any]:
        """The dtype of the private copies."""

    @abstractmethod
    def _column(self, base: Array, index: int) -> None:
        """The derivative with respect to variable ``index``, into ``self.column``."""

    @abstractmethod
    def _direction(self, base: Array, v: Array) -> None:
        """The derivative along v, into ``self.column``."""


class FiniteDifferenceRun(Perturbed):
    """``(f(x + h e) - f(x - h e)) / 2h`` with ``h = eps^(1/3) max(1, |x_i|)``, exactly representable.

    The step balances truncation h^2 against rounding eps/h. Source: Press et al., Numerical Recipes (3rd ed.),
    section 5.7.
    """

    def allocate(self) -> None:
        super().allocate()
        self.step = float(np.finfo(self.network.dtype).eps) ** (1 / 3)
        self.parts = self.network.parts(self.theta)

    def _number(self) -> np.dtype[Any]:
        return self.network.dtype

    def _value(self) -> Any:
        return self.network.function(self.x, self.parts)

    def _column(self, base: Array, index: int) -> None:
        at = base[index]
        h = self.step * max(1.0, abs(float(at)))
        up, down = at.dtype.type(at + h), at.dtype.type(at - h)
        self.variables[index] = up
        np.copyto(self.column, self._value(), casting="same_kind")
        self.variables[index] = down
        self.column -= self._value()
        self.column /= up - down
        self.variables[index] = at

    def _direction(self, base: Array, v: Array) -> None:
        scaled = self.scratch  # the step that moves every variable by at most step * max(1, |x_i|)
        np.abs(base, out=scaled)
        np.maximum(scaled, 1.0, out=scaled)
        np.divide(v, scaled, out=scaled)
        largest = max(float(scaled.max()), -float(scaled.min()))
        if not largest:
            self.column.fill(0.0)
            return
        h = self.step / largest
        np.multiply(v, h, out=scaled)
        np.add(base, scaled, out=self.variables)
        np.copyto(self.column, self._value(), casting="same_kind")
        np.subtract(base, scaled, out=self.variables)
        self.column -= self._value()
        self.column /= 2 * h
        np.copyto(self.variables, base)


class ComplexStepRun(Perturbed):
    """``Im f(x + ih e) / h``: no difference is taken, so h may be tiny and the result is exact to rounding.

    It computes in complex128 for float32 networks too. Functions without a complex form of their own are continued by
    :class:`autodiff.primitives.stepped.Stepped`.

    Source: Squire & Trapp, Using complex variables to estimate derivatives of real functions, SIAM Review 40 (1998).
    """

    step = 1e-40  #: small enough that h^2 vanishes beside 1, large enough that no product of h underflows

    def allocate(self) -> None:
        super().allocate()
        self.point = Stepped(self.x)
        self.parts = self.network.parts(Stepped(self.theta))

    def _number(self) -> np.dtype[Any]:
        return np.dtype(np.complex128)

    def _take(self) -> None:
        y = self.network.function(self.point, self.parts)
        np.divide(np.imag(y), self.step, out=self.column, casting="same_kind")

    def _column(self, base: Array, index: int) -> None:
        self.variables[index] = complex(base[index], self.step)
        self._take()
        self.variables[index] = base[index]

    def _direction(self, base: Array, v: Array) -> None:
        self.variables.imag = v
        self.variables.imag *= self.step
        self._take()
        self.variables.imag = 0.0


class _Differences(Engine):
    operations: ClassVar[frozenset[str]] = frozenset({"jacobian", "gradient", "jvp"})
    run: ClassVar[Any]

    def build(self, network: Network, wrt: str, operation: str, seeds: int) -> Prepared:
        made: Prepared = self.run(network, wrt, operation, seeds)
        return made


class FiniteDifference(_Differences):
    """``finite-difference``: central differences; about two thirds of the digits."""

    name: ClassVar[str] = "finite-difference"
    analytic: ClassVar[bool] = False
    run = FiniteDifferenceRun


class ComplexStep(_Differences):
    """``complex-step``: exact, one complex evaluation of f per column."""

    name: ClassVar[str] = "complex-step"
    run = ComplexStepRun
