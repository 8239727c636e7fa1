"""Autograd's special functions, with the forward rules of ``expit`` and ``erf`` that it lacks (as of 1.8)."""

from __future__ import annotations

from typing import Any

from . import load

_special = load("autograd.scipy.special")
_extend = load("autograd.extend")

expit: Any = _extend.primitive(load("scipy.special").expit)
_extend.defvjp(expit, lambda y, z: lambda g: g * y * (1.0 - y))
_extend.defjvp(expit, lambda g, y, z: g * y * (1.0 - y))

erf: Any = _special.erf
_numpy = load("autograd.numpy")
_extend.defjvp(erf, lambda g, y, z: g * (2.0 / _numpy.sqrt(_numpy.pi)) * _numpy.exp(-(z**2)))


def __getattr__(name: str) -> Any:
    """Every other function is Autograd's own."""
    return getattr(_special, name)
