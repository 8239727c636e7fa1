"""Engines of other packages, beside ours: each in the idiom that its own documentation advises.

Importing these modules imports none of the packages; that happens when something is prepared.
"""

from ..base import Engine
from .autograd import AutogradForward, AutogradReverse
from .casadi import CasadiAuto, CasadiForward, CasadiReverse
from .enzyme import EnzymeForward, EnzymeReverse
from .jax import JaxForward, JaxMixed, JaxReverse
from .mlx import MlxForward, MlxReverse
from .pytensor import PytensorForward, PytensorReverse
from .tensorflow import TensorflowForward, TensorflowReverse
from .torch import TorchCompileForward, TorchCompileReverse, TorchForward, TorchReverse

PEERS: tuple[type[Engine], ...] = (
    JaxForward,
    JaxReverse,
    JaxMixed,
    TorchForward,
    TorchReverse,
    TorchCompileForward,
    TorchCompileReverse,
    AutogradForward,
    AutogradReverse,
    CasadiForward,
    CasadiReverse,
    CasadiAuto,
    PytensorForward,
    PytensorReverse,
    TensorflowForward,
    TensorflowReverse,
    MlxForward,
    MlxReverse,
    EnzymeForward,
    EnzymeReverse,
)

__all__ = ["PEERS"]
