"""Layers: functions, and their derivatives as linear maps; one family to a file."""

from .activations import ACTIVATIONS, Activation
from .base import Derivative, Layer, Sizes
from .batched import Batched
from .dense import Dense
from .elementwise import Elementwise
from .losses import CrossEntropy, SquaredError
from .peaks import Misfit, Peaks
from .work import Cost, Work

__all__ = [
    "ACTIVATIONS",
    "Activation",
    "Batched",
    "Cost",
    "CrossEntropy",
    "Dense",
    "Derivative",
    "Elementwise",
    "Layer",
    "Misfit",
    "Peaks",
    "Sizes",
    "SquaredError",
    "Work",
]
