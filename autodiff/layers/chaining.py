"""Layers one behind the other: every size settled and checked, and what stands for several layers written out."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable

import numpy as np

from ..arrays import FLOATS
from ..errors import DTypeError, InputError
from .base import Layer

Shape = tuple[int, ...]


class Unrolled(ABC):
    """What stands in a network for several layers, such as the steps of a recurrent network."""

    @property
    def kind(self) -> str:
        """The name that error messages use."""
        return type(self).__name__

    @abstractmethod
    def unrolled(self, shape: Shape | None) -> list[Layer]:
        """The layers, behind one whose outputs have these axes; None at the beginning of a network.

        Raises:
            InputError: it does not fit there.
        """


def chain(layers: Iterable[object], shape: Shape | None = None) -> list[Layer]:
    """The layers with every size settled, checked pair by pair.

    Args:
        layers: layers, and what stands for several.
        shape: the axes of what the first one takes; it has to know by itself if left out.

    Raises:
        InputError: no layers, something that is no layer, or sizes that do not chain.
        DTypeError: a layer's parameters are no floats.
    """
    chained: list[Layer] = []
    for one in layers:
        before = chained[-1].out_shape if chained else shape
        if isinstance(one, Unrolled):
            try:
                made = one.unrolled(before)
            except InputError as error:
                raise InputError(f"layer {len(chained)} ({one.kind}): {error}") from None
        else:
            made = [one]  # type: ignore[list-item]  # which is looked at next
        for layer in made:
            chained.append(_settled(layer, chained, shape))
    if not chained:
        raise InputError("a network needs at least one layer; none was given")
    return chained


def _settled(layer: Layer, before: list[Layer], shape: Shape | None) -> Layer:
    index = len(before)
    if not isinstance(layer, Layer):
        raise InputError(f"layer {index} is {type(layer).__name__}; expected a Layer such as ad.Dense(W, b)")
    if before:
        layer = _behind(layer, index, before[-1])
    elif shape is not None:
        layer = layer.shaped(shape)
    if not layer.n:
        raise InputError(f"layer {index} ({layer.kind}) does not say how many inputs it takes; give it a size")
    _check_params(layer, index)
    return layer


def _check_params(layer: Layer, index: int) -> None:
    place = f"layer {index} ({layer.kind})"
    if not isinstance(layer.params, tuple) or not all(isinstance(array, np.ndarray) for array in layer.params):
        raise InputError(f"{place} has params that are {type(layer.params).__name__}; expected a tuple of NumPy arrays")
    for number, array in enumerate(layer.params):
        if array.dtype not in FLOATS:
            raise DTypeError(f"{place} has params[{number}] of {array.dtype}; make them floats, .astype(np.float64)")


def _behind(layer: Layer, index: int, before: Layer) -> Layer:
    try:
        sized = layer.shaped(before.out_shape)
    except InputError as error:
        raise InputError(f"layer {index} ({layer.kind}) after layer {index - 1} ({before.kind}): {error}") from None
    if sized.n != before.m:
        raise InputError(
            f"layer {index} ({layer.kind}) takes {sized.n} inputs, layer {index - 1} ({before.kind}) gives {before.m}"
        )
    return sized


def distinct(layers: Iterable[Layer]) -> tuple[list[np.ndarray], list[tuple[int, ...]]]:
    """The parameter arrays of some layers, each once, and which of them every layer has.

    Layers share a parameter by having the same array.
    """
    arrays: list[np.ndarray] = []
    known: dict[int, int] = {}
    places = []
    for layer in layers:
        for array in layer.params:
            if id(array) not in known:
                known[id(array)] = len(arrays)
                arrays.append(array)
        places.append(tuple(known[id(array)] for array in layer.params))
    return arrays, places
