"""Array namespaces for packages whose own is not NumPy's, and how such a package is found.

A layer states its function once against a namespace ``xp``. ``jax.numpy`` and ``autograd.numpy`` serve as they are;
PyTorch, CasADi, PyTensor, TensorFlow and MLX get one here with the names that layers use. Nothing here imports a
package before it is used.
"""

from __future__ import annotations

import importlib
import itertools
from collections.abc import Sequence
from typing import Any

from ..errors import UnsupportedError

SPECIAL = {
    "numpy": "scipy.special",
    "jax.numpy": "jax.scipy.special",
    "autograd.numpy": "autodiff.namespaces.autograd",
}


def install_line(package: str, extra: str = "peers") -> str:
    """What to type to have the package."""
    if extra != "peers":
        return f"pip install 'autodiff-bench[{extra}]', in an environment of its own where others need other versions"
    return f"pip install {package}, or all peers with pip install 'autodiff-bench[peers]'"


def load(package: str) -> Any:
    """The module of that name.

    Raises:
        UnsupportedError: it is not installed; the message says how to install it.
    """
    try:
        return importlib.import_module(package)
    except ModuleNotFoundError as error:
        if error.name != package:  # the package is there, something that it needs is not
            raise
        raise UnsupportedError(f"{package} is not installed; {install_line(package)}") from None


def special(xp: Any) -> Any:
    """The special functions, ``expit`` and others, for arrays of the namespace ``xp``.

    Raises:
        UnsupportedError: it has none.
    """
    found = getattr(xp, "special", None)
    if found is not None:
        return found
    name = getattr(xp, "__name__", type(xp).__name__)
    if name not in SPECIAL:
        raise UnsupportedError(f"{name} has no special functions; known: {', '.join(SPECIAL)}")
    return importlib.import_module(SPECIAL[name])


def convolution(xp: Any) -> Any:
    """The namespace's own convolution of x (..., channels, *sizes) with W (outputs, channels / groups, *kernel).

    ``own(x, W, stride, padding, dilation, groups)``, one number an axis; None where layers write it as a product.
    """
    if hasattr(xp, "convolved"):
        return xp.convolved
    if getattr(xp, "__name__", "") == "jax.numpy":
        from .jax import convolved

        return convolved
    return None


def pieces(flat: Any, sizes: Sequence[int], xp: Any) -> Sequence[Any]:
    """A vector of ``xp``'s arrays cut up into pieces of given sizes.

    Where the adjoints of slices would add up vectors as long as ``flat`` it is one split (measured with JAX, 64 dense
    layers, the gradient with respect to the parameters: 87 against 412 us). Elsewhere the pieces are slices.
    """
    split = load("jax.lax").split if getattr(xp, "__name__", "") == "jax.numpy" else getattr(xp, "pieces", None)
    if split is not None and sizes:
        found: Sequence[Any] = split(flat, sizes)
        return found
    return [flat[end - size : end] for size, end in zip(sizes, itertools.accumulate(sizes), strict=True)]


__all__ = ["convolution", "install_line", "load", "pieces", "special"]
