"""Autograd: ``jacobian`` and ``grad`` in reverse, ``make_jvp`` column by column in forward mode.

It traces the Python code anew at every run, over NumPy. Source: Autograd's tutorial and docstrings (HIPS/autograd).
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any, ClassVar

import numpy as np

from ...arrays import Array
from ...layers import Layer
from ...namespaces import load
from ...network import Network
from .peer import Peer, PeerRun, convert


class _Autograd(Peer):
    family = "autograd"
    package: ClassVar[str] = "autograd"
    title: ClassVar[str] = "Autograd"
    minimum: ClassVar[str] = "1.8"  # the first that does without NumPy's private modules

    def output_shape(self, layer: Layer, dtype: np.dtype[Any]) -> tuple[int, ...]:
        autograd, xp, point = load("autograd"), load("autograd.numpy"), np.ones(layer.n, dtype)
        f = functools.partial(layer.function, params=layer.params, xp=xp)
        with np.errstate(all="ignore"):  # the point is arbitrary
            found = autograd.make_jvp(f)(point)(point)[0] if self.mode == "forward" else autograd.make_vjp(f)(point)[1]
        return tuple(found.shape)

    def build(self, network: Network, wrt: str, operation: str, seeds: int) -> PeerRun:
        return AutogradRun(self, network, wrt, operation, seeds)


class AutogradForward(_Autograd):
    """``autograd-forward``: ``autograd.make_jvp``, one evaluation of f for every column."""

    name: ClassVar[str] = "autograd-forward"
    mode: ClassVar[str] = "forward"
    operations: ClassVar[frozenset[str]] = frozenset({"jacobian", "gradient", "jvp"})


class AutogradReverse(_Autograd):
    """``autograd-reverse``: ``autograd.jacobian``, and ``autograd.grad`` for one output."""

    name: ClassVar[str] = "autograd-reverse"
    mode: ClassVar[str] = "reverse"
    operations: ClassVar[frozenset[str]] = frozenset({"jacobian", "gradient", "vjp"})


class AutogradRun(PeerRun):
    """There is nothing to compile; the derivative function of f(x, params) is made once."""

    def compile(self) -> None:
        autograd, argument = load("autograd"), self.argument
        self.f = functools.partial(self.network.function, xp=load("autograd.numpy"))
        self.derivative: Callable[..., Any]
        if self.operation == "value":
            self.derivative = self.f
        elif self.engine.mode == "forward":
            self.derivative = functools.partial(_columns, autograd.make_jvp(self.f, argument))
        elif self.operation == "vjp":
            self.derivative = functools.partial(_rows, autograd.make_vjp(self.f, argument))
        elif self.network.m > 1:
            self.derivative = autograd.jacobian(self.f, argument)
        else:
            gradient = autograd.grad(self.first_output, argument)
            self.derivative = lambda x, theta: gradient(x, theta)[None]

    def bind(self, x: Array, seed: Array | None) -> Callable[[], Any]:
        arguments = [x.copy(), convert(np.copy, self.parameters())]
        if self.engine.mode == "forward" and self.operation != "value":
            tangents = np.eye(self.network.variables(self.wrt), dtype=x.dtype) if seed is None else seed.T.copy()
            arguments.append(tangents)
        elif seed is not None:
            arguments.append(seed.copy())
        return functools.partial(self.derivative, *arguments)

    def to_numpy(self, result: Any) -> Any:
        # some of Autograd's rules divide by arrays of integers, and NumPy makes float64 of that
        return result.astype(self.network.dtype, copy=False)


def _columns(jvp: Any, x: Array, theta: Any, tangents: Array) -> Array:
    """A column for every row of ``tangents``."""
    push = jvp(x, theta)
    return np.stack([push(v)[1] for v in tangents], axis=1)


def _rows(vjp: Any, x: Array, theta: Any, cotangents: Array) -> Array:
    pull, _ = vjp(x, theta)
    return np.stack([pull(u) for u in cotangents])
