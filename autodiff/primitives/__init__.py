"""Primitives: NumPy's ufuncs with their derivative rules, and their forms for complex arguments."""

from .table import PRIMITIVES, Primitive, find_primitive, primitive

__all__ = ["PRIMITIVES", "Primitive", "find_primitive", "primitive"]
