"""Layers: functions with parameters; one family to a file."""

from .activations import ACTIVATIONS, Activation
from .arranged import Dropout, Flatten, Permute, Reshape, Shaped
from .attention import SelfAttention
from .base import Layer
from .batched import Batched
from .chaining import Unrolled
from .composite import Concatenate, Parallel, Repeat, Residual
from .convolution import Conv1d, Conv2d
from .dense import Dense
from .elementwise import Elementwise
from .function import Function
from .losses import CrossEntropy, SquaredError
from .normalisation import BatchNorm, LayerNorm, RMSNorm, Softmax
from .ode import RungeKutta
from .peaks import Misfit, Peaks
from .pooling import AvgPool, GlobalAvgPool, MaxPool, Upsample
from .recurrent import GRU, LSTM, RNN

__all__ = [
    "ACTIVATIONS",
    "GRU",
    "LSTM",
    "RNN",
    "Activation",
    "AvgPool",
    "BatchNorm",
    "Batched",
    "Concatenate",
    "Conv1d",
    "Conv2d",
    "CrossEntropy",
    "Dense",
    "Dropout",
    "Elementwise",
    "Flatten",
    "Function",
    "GlobalAvgPool",
    "Layer",
    "LayerNorm",
    "MaxPool",
    "Misfit",
    "Parallel",
    "Peaks",
    "Permute",
    "RMSNorm",
    "Repeat",
    "Reshape",
    "Residual",
    "RungeKutta",
    "SelfAttention",
    "Shaped",
    "Softmax",
    "SquaredError",
    "Unrolled",
    "Upsample",
]
