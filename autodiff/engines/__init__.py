"""Engines: interchangeable ways of differentiating a network; one to a file."""

from .base import OPERATIONS, Engine, Prepared
from .registry import engine, engines, register

__all__ = ["OPERATIONS", "Engine", "Prepared", "engine", "engines", "register"]
