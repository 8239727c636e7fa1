"""Jacobians of JAX functions that are chains of layers, in the order of multiplication that costs least.

``jax.jacfwd`` multiplies ``f_L' ... f_1'`` from the right, ``jax.jacrev`` from the left; where a chain is narrow in the
middle neither is good. Source: Naumann, Matrix-Free Jacobian Chaining (arXiv 2406.11862).
"""

from ..errors import UnsupportedError

try:
    import jax as _jax  # noqa: F401
except ImportError as error:
    raise UnsupportedError("autodiff.jax needs JAX; pip install jax") from error

from .transform import Jacobian, jacobian

__all__ = ["Jacobian", "jacobian"]
