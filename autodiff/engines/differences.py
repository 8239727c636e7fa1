"""Derivatives without derivative rules: difference quotients and the complex-step method.

They cost two and one evaluations of f per column, and are here as the independent check of the others and because
people use them.
"""

from __future__ import annotations

from abc import abstractmethod
from typing import Any, ClassVar

import numpy as np

from ..arrays import Array
from ..layers.work import passes
from ..network import Network
from .base import Engine, Evaluation, Prepared


class Perturbed(Prepared):
    """Runs that perturb one variable at a time (or one direction) and evaluate f in private copies.

    Subclasses give the network's number type and :meth:`_column`.
    """

    evaluations: int = 1

    def __init__(self, network: Network, private: Network, wrt: str, operation: str, seeds: int) -> None:
        super().__init__(network, wrt, operation, seeds)
        self.private = private
        self.evaluation = Evaluation(private)
        self.count = seeds if operation == "jvp" else network.variables(wrt)
        self.scratch_size = network.variables(wrt) if operation == "jvp" else 0
        held = network.n + network.params.size + network.m
        real = network.m + self.scratch_size
        self.nbytes = self.evaluation.nbytes + held * private.dtype.itemsize + real * network.dtype.itemsize
        column = self.evaluation.work * self.evaluations + passes(network.m, 2)
        self.work = column * self.count

    def allocate(self) -> None:
        self.evaluation.allocate()
        self.x = np.empty(self.private.n, self.private.dtype)
        self.column = np.empty(self.network.m, self.network.dtype)
        self.scratch = np.empty(self.scratch_size, self.network.dtype)
        #: the vector that is perturbed, and the one it is a perturbation of
        self.variables = self.x if self.wrt == "input" else self.private.params

    def _run(self, x: Array, seed: Array | None, out: Array) -> None:
        np.copyto(self.x, x)
        np.copyto(self.private.params, self.network.params)
        base = x if self.wrt == "input" else self.network.params
        for index in range(self.count):
            if seed is None:
                self._column(base, index)
            else:
                self._direction(base, seed[:, index])
            out[:, index] = self.column

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

    evaluations = 2

    def __init__(self, network: Network, wrt: str, operation: str, seeds: int) -> None:
        super().__init__(network, network.copy(), wrt, operation, seeds)
        self.step = float(np.finfo(network.dtype).eps) ** (1 / 3)

    def _column(self, base: Array, index: int) -> None:
        at = base[index]
        h = self.step * max(1.0, abs(float(at)))
        up, down = at.dtype.type(at + h), at.dtype.type(at - h)
        self.variables[index] = up
        np.copyto(self.column, self.evaluation.value(self.x))
        self.variables[index] = down
        self.column -= self.evaluation.value(self.x)
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
        np.copyto(self.column, self.evaluation.value(self.x))
        np.subtract(base, scaled, out=self.variables)
        self.column -= self.evaluation.value(self.x)
        self.column /= 2 * h
        np.copyto(self.variables, base)


class ComplexStepRun(Perturbed):
    """``Im f(x + ih e) / h``: no difference is taken, so h may be tiny and the result is exact to rounding.

    Source: Squire & Trapp, Using complex variables to estimate derivatives of real functions, SIAM Review 40 (1998).
    """

    step = 1e-40  #: small enough that h^2 vanishes beside 1, large enough that no product of h underflows

    def __init__(self, network: Network, wrt: str, operation: str, seeds: int) -> None:
        super().__init__(network, network.complex(), wrt, operation, seeds)

    def _column(self, base: Array, index: int) -> None:
        self.variables[index] = complex(base[index], self.step)
        np.divide(self.evaluation.value(self.x).imag, self.step, out=self.column, casting="same_kind")
        self.variables[index] = base[index]

    def _direction(self, base: Array, v: Array) -> None:
        np.multiply(v, self.step, out=self.variables.imag)
        np.divide(self.evaluation.value(self.x).imag, self.step, out=self.column, casting="same_kind")
        self.variables.imag.fill(0.0)


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
