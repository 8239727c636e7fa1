"""ATen's operations as functions over an array namespace, by ATen's names; one family to a file.

Each is called ``f(xp, x, **keywords)`` with the operation's first argument and, by ATen's names, those others that are
not as they are by default. Source: the schemas of ``native_functions.yaml`` of PyTorch.
"""

from . import choices, elementwise, moving, products, reductions, windows
from .table import FREE, OPERATIONS, POINTWISE

__all__ = ["FREE", "OPERATIONS", "POINTWISE", "choices", "elementwise", "moving", "products", "reductions", "windows"]
