"""Autograd's special functions, with the forward rule of ``expit`` that it lacks (as of 1.8)."""

from __future__ import annotations

from typing import Any

from . import load

_special = load("autograd.scipy.special")
_extend = load("autograd.extend")

expit: Any = _extend.primitive(load("scipy.special").expit)
_extend.defvjp(expit, lambda y, z: lambda g: g * y * (1.0 - y))
_extend.defjvp(expit, lambda g, y, z: g * y * (1.0 - y))


def __getattr__(name: str) -> Any:
    """Every other function is Autograd's own."""
    return getattr(_special, name)
