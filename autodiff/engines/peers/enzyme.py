"""Enzyme, through JAX: it differentiates what the compiler has optimised already, and JAX's transformations call it.

Source: Moses & Churavy, Instead of rewriting foreign code for machine learning, automatically synthesize fast gradients
(NeurIPS 2020); the README of EnzymeAD/Enzyme-JAX.
"""

from __future__ import annotations

import functools
from typing import Any, ClassVar

import numpy as np

from ...namespaces import load
from ...network import Network
from .jax import JaxRun, _Jax
from .peer import PeerRun


class _Enzyme(_Jax):
    family = "enzyme"
    package: ClassVar[str] = "enzyme_ad"
    distributions: ClassVar[tuple[str, ...]] = ("enzyme-ad",)
    extra: ClassVar[str] = "enzyme"
    title: ClassVar[str] = "Enzyme"
    minimum: ClassVar[str] = "0.0.11"

    def load(self) -> None:
        load("enzyme_ad.jax")

    def build(self, network: Network, wrt: str, operation: str, seeds: int) -> PeerRun:
        return EnzymeRun(self, network, wrt, operation, seeds)


class EnzymeForward(_Enzyme):
    """``enzyme-forward``: ``jax.jvp`` of ``enzyme_jax_ir``, a tangent after the other."""

    name: ClassVar[str] = "enzyme-forward"
    mode: ClassVar[str] = "forward"
    operations: ClassVar[frozenset[str]] = frozenset({"jacobian", "gradient", "jvp"})


class EnzymeReverse(_Enzyme):
    """``enzyme-reverse``: ``jax.vjp`` of ``enzyme_jax_ir``, a cotangent after the other."""

    name: ClassVar[str] = "enzyme-reverse"
    mode: ClassVar[str] = "reverse"
    operations: ClassVar[frozenset[str]] = frozenset({"jacobian", "gradient", "vjp"})


class EnzymeRun(JaxRun):
    """As JAX's, around a function that Enzyme differentiates; that has no rule for batches, so seeds are mapped."""

    def _derivative(self) -> Any:
        self.f = load("enzyme_ad.jax").enzyme_jax_ir()(functools.partial(self.network.function, xp=self.jax.numpy))
        if self.operation == "value":
            return self.f
        if self.engine.mode == "forward":
            return lambda x, theta, *seed: self._pushed(x, theta, *(one.T for one in seed))
        return self._pulled

    def _pushed(self, x: Any, theta: Any, V: Any = None) -> Any:
        """A column for every row of V."""
        f, z = self.along(x, theta)
        tangents = np.eye(z.size, dtype=self.network.dtype) if V is None else V
        return self.jax.lax.map(lambda v: self.jax.jvp(f, (z,), (v,))[1], tangents).T

    def _pulled(self, x: Any, theta: Any, U: Any = None) -> Any:
        """A row for every row of U."""
        f, z = self.along(x, theta)
        cotangents = np.eye(self.network.m, dtype=self.network.dtype) if U is None else U
        pull = self.jax.vjp(f, z)[1]
        return self.jax.lax.map(lambda u: pull(u)[0], cotangents)
