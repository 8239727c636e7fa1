"""Array namespaces for packages whose own is not NumPy's, and how such a package is found.

A layer states its function once against a namespace ``xp``. ``jax.numpy`` and ``autograd.numpy`` serve as they are;
PyTorch and CasADi get one here with the names that layers use: ``asarray exp log log1p matmul max mean real sin sum
tanh where``, with ``axis`` and ``keepdims`` as NumPy has them. Nothing here imports a package before it is used.
"""

from __future__ import annotations

import importlib
from typing import Any

from ..errors import UnsupportedError


def install_line(package: str) -> str:
    """What to type to have the package."""
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


__all__ = ["install_line", "load"]
