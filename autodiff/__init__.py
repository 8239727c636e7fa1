"""autodiff: forward against reverse mode, measured.

A layered network is a composition ``f = f_L o ... o f_1``; every way of differentiating it is an order of
multiplying ``f_L' ... f_1'``. This package holds engines, one per order, and a harness that measures them.
"""

from importlib import import_module
from typing import Any

from . import problems, testing
from .api import gradient, jacobian, jvp, linearize, plan, value_and_gradient, value_and_jacobian, vjp
from .chain import ChainProblem, Plan
from .engines import Engine, Prepared, engine, engines, register
from .errors import AutodiffError, DTypeError, InputError, LimitError, UnknownNameError, UnsupportedError
from .layers import (
    GRU,
    LSTM,
    RNN,
    AvgPool,
    Batched,
    BatchNorm,
    Concatenate,
    Conv1d,
    Conv2d,
    CrossEntropy,
    Dense,
    Dropout,
    Elementwise,
    Flatten,
    Function,
    GlobalAvgPool,
    Layer,
    LayerNorm,
    MaxPool,
    Misfit,
    Parallel,
    Peaks,
    Permute,
    Repeat,
    Reshape,
    Residual,
    RMSNorm,
    RungeKutta,
    SelfAttention,
    Softmax,
    SquaredError,
    Upsample,
)
from .network import Network
from .primitives import primitive
from .version import __version__ as __version__

__all__ = [
    "GRU",
    "LSTM",
    "RNN",
    "AutodiffError",
    "AvgPool",
    "BatchNorm",
    "Batched",
    "ChainProblem",
    "Concatenate",
    "Conv1d",
    "Conv2d",
    "CrossEntropy",
    "DTypeError",
    "Dense",
    "Dropout",
    "Elementwise",
    "Engine",
    "Flatten",
    "Function",
    "GlobalAvgPool",
    "InputError",
    "Layer",
    "LayerNorm",
    "LimitError",
    "MaxPool",
    "Misfit",
    "Network",
    "Parallel",
    "Peaks",
    "Permute",
    "Plan",
    "Prepared",
    "RMSNorm",
    "Repeat",
    "Reshape",
    "Residual",
    "RungeKutta",
    "SelfAttention",
    "Softmax",
    "SquaredError",
    "UnknownNameError",
    "UnsupportedError",
    "Upsample",
    "engine",
    "engines",
    "gradient",
    "jacobian",
    "jvp",
    "linearize",
    "plan",
    "primitive",
    "problems",
    "register",
    "testing",
    "value_and_gradient",
    "value_and_jacobian",
    "vjp",
]


def __getattr__(name: str) -> Any:
    """``ad.jax`` is imported when it is asked for, since it imports JAX; ``ad.losses`` too, since few ask for it."""
    if name in ("jax", "losses"):
        return import_module(f".{name}", __name__)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
