"""Layers: functions with parameters; one family to a file."""

from .activations import ACTIVATIONS, Activation
from .base import Layer
from .batched import Batched
from .dense import Dense
from .elementwise import Elementwise
from .function import Function
from .losses import CrossEntropy, SquaredError
from .peaks import Misfit, Peaks

__all__ = [
    "ACTIVATIONS",
    "Activation",
    "Batched",
    "CrossEntropy",
    "Dense",
    "Elementwise",
    "Function",
    "Layer",
    "Misfit",
    "Peaks",
    "SquaredError",
]
