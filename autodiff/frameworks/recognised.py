"""Cuts of a graph as the layers that this package has, and the activation behind a linear one put into it."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable
from typing import Any

import numpy as np

from ..arrays import Array
from ..errors import AutodiffError, InputError
from ..layers import (
    AvgPool,
    Batched,
    BatchNorm,
    Conv1d,
    Conv2d,
    Dense,
    Elementwise,
    Flatten,
    GlobalAvgPool,
    Layer,
    LayerNorm,
    MaxPool,
    Permute,
    RMSNorm,
    Softmax,
)
from ..layers.activations import activation
from .cutting import Cut, cut
from .graph import Graph, Ref, Shape, Step
from .operations import FREE
from .operations.elementwise import SAME
from .operations.windows import sides_of, sizes_of
from .piece import Piece

#: operations whose defaults are those of an activation of ours
DEFAULTS = {"elu": "elu", "celu": "elu", "leaky_relu": "leaky_relu", "hardtanh": "hardtanh", "gelu": "gelu"}


def layers_of(graph: Graph) -> list[Layer]:
    """The graph as a chain of layers, each with its path and the names of its parameters.

    Raises:
        InputError: the result does not depend on the input, or a parameter is not finite; naming the module.
    """
    made: list[Layer] = []
    for one in cut(graph):
        if all(step.op in FREE for step in one.steps):
            continue
        layer = _layer(one, graph)
        fused = _fused(made[-1], layer) if made else None
        if fused is None:
            made.append(layer)
        else:
            made[-1] = fused
    return made or [Flatten(graph.source_shape)]


def _layer(one: Cut, graph: Graph) -> Layer:
    steps = [step for step in one.steps if step.op not in FREE]
    main = next((step for step in reversed(steps) if step.path), steps[-1])
    try:
        layer = _own(one, graph) or Piece(one.steps, one.source, one.in_shape, one.out_shape, graph)
    except AutodiffError as error:
        raise InputError(f"{main.place}: {error}") from None
    layer.path = _common(steps)
    names = {id(array): graph.sources[name] for name, array in reversed(list(graph.params.items()))}
    layer.sources = tuple(names[id(array)] for array in layer.params)
    return layer


def _common(steps: list[Step]) -> str:
    """The path of the innermost module that all of these steps stand in."""
    paths = [step.path.split(".") for step in steps]
    shared = [names[0] for names in zip(*paths, strict=False) if len(set(names)) == 1]
    return ".".join(shared)


def _own(one: Cut, graph: Graph) -> Layer | None:
    """A layer of ours, or None where it is none."""
    if len(one.steps) != 1:
        return None
    (step,) = one.steps
    name = SAME.get(step.op) or (DEFAULTS.get(step.op) if not step.keywords else None)
    if step.op == "gelu" and step.keywords:
        name = "gelu_tanh"
    if step.op == "hardtanh" and (step.keywords.get("min_val", -1), step.keywords.get("max_val", 1)) == (-1, 1):
        name = "hardtanh"
    if name:
        return Elementwise(name).shaped(one.in_shape)
    make, known = MAKERS.get(step.op), {**graph.params, **graph.constants}
    arrays = {
        key: known[given.name] if isinstance(given, Ref) else given
        for key, given in step.keywords.items()
        if not isinstance(given, Ref) or given.name in graph.params or given.name in graph.constants
    }
    plain = isinstance(step.x, Ref) and step.x.name == one.source and arrays.keys() == step.keywords.keys()
    honest = all(
        key not in ("weight", "bias") or given.name in graph.params  # a constant would become a parameter
        for key, given in step.keywords.items()
        if isinstance(given, Ref)
    )
    return make(one, arrays) if make and plain and honest else None


def _over(layer: Layer, lead: Shape) -> Layer:
    """The layer for every one of the leading axes."""
    return Batched(layer, math.prod(lead)) if math.prod(lead) > 1 else layer


def _dense(one: Cut, given: dict[str, Any]) -> Layer | None:
    return _over(Dense(given["weight"], given.get("bias")), one.in_shape[:-1])


def _convolution(one: Cut, given: dict[str, Any]) -> Layer | None:
    W: Array = given["weight"]
    axes = W.ndim - 2
    stride, dilation = (sizes_of(given.get(key), axes) for key in ("stride", "dilation"))
    sides = sides_of(given.get("padding", 0), W.shape[2:], dilation)
    if any(before != behind for before, behind in sides):
        return None
    layer = (Conv1d if axes == 1 else Conv2d)(
        W,
        given.get("bias"),
        stride=stride,
        padding=tuple(before for before, _ in sides),
        dilation=dilation,
        groups=given.get("groups", 1),
        shape=one.in_shape[-axes - 1 :],
    )
    return _over(layer, one.in_shape[: -axes - 1])


def _pool(one: Cut, given: dict[str, Any], kind: type[MaxPool] | type[AvgPool]) -> Layer | None:
    kernel = tuple(given["kernel_size"])
    axes = len(kernel)
    known = {"kernel_size", "stride", "padding", "dilation"}
    padding = sizes_of(given.get("padding", 0), axes, 0)
    if given.keys() - known or len(one.in_shape) < axes + 1:
        return None
    layer = kind(
        kernel,
        sizes_of(given["stride"], axes) if given.get("stride") else None,
        padding,
        sizes_of(given.get("dilation"), axes),
        one.in_shape[-axes - 1 :],
    )
    return _over(layer, one.in_shape[: -axes - 1])


def _global_pool(one: Cut, given: dict[str, Any]) -> Layer | None:
    size = given["output_size"]
    axes = len(size) if isinstance(size, (list, tuple)) else 1
    ones = set(size if isinstance(size, (list, tuple)) else [size]) == {1}
    return _over(GlobalAvgPool(one.in_shape[-axes - 1 :]), one.in_shape[: -axes - 1]) if ones else None


def _batch_norm(one: Cut, given: dict[str, Any]) -> Layer | None:
    if given.get("weight") is None or given.get("bias") is None:
        return None  # ours would give it parameters that the module does not have
    mean, variance, weight, bias = (given[key] for key in ("running_mean", "running_var", "weight", "bias"))
    return _over(BatchNorm(mean, variance, weight, bias, given["eps"], one.in_shape[1:]), one.in_shape[:1])


def _layer_norm(one: Cut, given: dict[str, Any]) -> Layer | None:
    if given.get("weight") is None:
        return None
    return LayerNorm(given["weight"], given.get("bias"), given.get("eps", 1e-5), one.in_shape)


def _rms_norm(one: Cut, given: dict[str, Any]) -> Layer | None:
    if given.get("weight") is None:
        return None
    return RMSNorm(given["weight"], None, given.get("eps") or float(np.finfo(given["weight"].dtype).eps), one.in_shape)


def _softmax(one: Cut, given: dict[str, Any], log: bool) -> Layer | None:
    last = given.keys() <= {"dim", "half_to_float"} and given["dim"] in (-1, len(one.in_shape) - 1)
    return Softmax(log, one.in_shape) if last else None


def _permute(one: Cut, given: dict[str, Any]) -> Layer | None:
    rank = len(one.in_shape)
    order = np.arange(rank)
    if "dims" in given:
        order = order[list(given["dims"])]
    else:
        a, b = given.get("dim0", 0), given.get("dim1", 1)
        order[[a, b]] = order[[b, a]]
    return Permute(tuple(order.tolist()), one.in_shape)


MAKERS: dict[str, Callable[[Cut, dict[str, Any]], Layer | None]] = {
    "linear": _dense,
    "conv1d": _convolution,
    "conv2d": _convolution,
    "max_pool1d": lambda one, given: _pool(one, given, MaxPool),
    "max_pool2d": lambda one, given: _pool(one, given, MaxPool),
    "avg_pool1d": lambda one, given: _pool(one, given, AvgPool),
    "avg_pool2d": lambda one, given: _pool(one, given, AvgPool),
    "adaptive_avg_pool1d": _global_pool,
    "adaptive_avg_pool2d": _global_pool,
    "_native_batch_norm_legit_no_training": _batch_norm,
    "layer_norm": _layer_norm,
    "rms_norm": _rms_norm,
    "softmax": lambda one, given: _softmax(one, given, False),
    "log_softmax": lambda one, given: _softmax(one, given, True),
    "permute": _permute,
    "transpose": _permute,
}


def _fused(before: Layer, behind: Layer) -> Layer | None:
    """Both as one layer, where an activation stands behind a linear layer."""
    inner = before.layer if isinstance(before, Batched) else before
    linear = isinstance(inner, (Dense, Conv1d, Conv2d)) and inner.activation == "identity"
    if not linear or not isinstance(behind, Elementwise):
        return None
    assert isinstance(inner, (Dense, Conv1d, Conv2d))
    single = copy.copy(inner)
    single._activation = activation(behind.activation)
    made: Layer = Batched(single, before.size) if isinstance(before, Batched) else single
    made.path, made.sources = before.path, before.sources
    return made
