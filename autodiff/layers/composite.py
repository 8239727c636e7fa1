"""Layers made of layers: skip connections, branches, and one layer several times."""

from __future__ import annotations

import copy
import math
from collections.abc import Iterable, Sequence
from typing import Any, Self

import numpy as np

from ..arrays import Array, as_size
from ..errors import InputError
from .base import Layer
from .chaining import Shape, Unrolled, chain, distinct

Branch = Iterable[Layer | Unrolled] | Layer | Unrolled


class Composite(Layer):
    """Branches, chains of layers that all take x, and one way of putting together what they give.

    Parameters that several layers have, the same array, stand once among :attr:`params`.

    Attributes:
        branches: the chains, sized once the inputs are known.
        places: which of the parameters every layer has, branch by branch.
    """

    def __init__(self, branches: Iterable[Branch], shape: object | None = None) -> None:
        if not isinstance(branches, Iterable):
            raise InputError(f"{self.kind} takes a list of branches, not {type(branches).__name__}")
        given = [[one] if isinstance(one, (Layer, Unrolled)) else one for one in branches]
        for one in given:
            if not isinstance(one, Iterable):
                raise InputError(f"{self.kind} takes layers, or lists of layers, not {type(one).__name__}")
        self.branches: Sequence[Sequence[Layer | Unrolled]] = [list(one) for one in given]
        self.n = self.m = 0
        self._shape: Shape = ()
        self._out: Shape = ()
        self.places: list[tuple[int, ...]] = []
        if shape is not None:
            sizes = tuple(shape) if isinstance(shape, (tuple, list)) else (shape,)
            self._settle(tuple(as_size(size, f"the shape of {self.kind}") for size in sizes))
        else:
            known = next(filter(None, (_inputs(branch[0]) for branch in self.branches if branch)), None)
            if known is not None:
                self._settle(known)

    @property
    def in_shape(self) -> Shape:
        return self._shape or (self.n,)

    @property
    def out_shape(self) -> Shape:
        return self._out or (self.m,)

    def sized(self, n: int) -> Layer:
        return self.shaped((n,))

    def shaped(self, shape: Shape) -> Layer:
        if self.n:
            return self
        made = copy.copy(self)
        made._settle(shape)
        return made

    def _settle(self, shape: Shape) -> None:
        made: list[list[Layer]] = []
        for number, branch in enumerate(self.branches):
            try:
                made.append(chain(branch, shape) if branch else [])
            except InputError as error:
                where = f"branch {number}, " if len(self.branches) > 1 else ""
                raise InputError(f"{where}{error}") from None
        self.branches = made
        outs = [one[-1].out_shape if one else shape for one in made]
        self._shape, self.n = shape, math.prod(shape)
        for branch in made:
            if branch and branch[0].n != self.n:
                raise InputError(f"its layer 0 ({branch[0].kind}) takes {branch[0].n} inputs, not {self.n}")
        self._out = self.joined_shape(outs)
        self.m = math.prod(self._out)
        layers = [layer for branch in made for layer in branch]
        arrays, self.places = distinct(layers)
        self.params, self.batched = tuple(arrays), all(layer.batched for layer in layers)

    def with_params(self, params: tuple[Array, ...]) -> Self:
        made = super().with_params(params)
        places = iter(self.places)
        made.branches = [
            [layer.with_params(tuple(params[i] for i in next(places))) for layer in branch]  # type: ignore[union-attr]
            for branch in self.branches
        ]
        return made

    def joined_shape(self, shapes: list[Shape]) -> Shape:
        """The axes of what comes of the branches' results, whose axes are given.

        Raises:
            InputError: they do not fit together.
        """
        raise NotImplementedError

    def joined(self, x: Any, results: list[Any], xp: Any) -> Any:
        """The branches' results (..., size) put together, (..., m)."""
        raise NotImplementedError

    def function(self, x: Any, params: Any, xp: Any = np) -> Any:
        places, results = iter(self.places), []
        for branch in self.branches:
            y = x
            for layer in branch:
                assert isinstance(layer, Layer)
                y = layer.function(y, tuple(params[i] for i in next(places)), xp)
            results.append(y)
        return self.joined(x, results, xp)

    def __repr__(self) -> str:
        inside = "; ".join(", ".join(layer.kind for layer in branch) for branch in self.branches)
        return f"{self.kind}([{inside}]: {self.n or '?'} -> {self.m or '?'})"


def _inputs(first: Layer | Unrolled) -> Shape | None:
    """The axes of what a branch takes that begins so, where it knows them."""
    if isinstance(first, Unrolled):
        try:
            first = first.unrolled(None)[0]
        except InputError:
            return None
    return first.in_shape if isinstance(first, Layer) and first.n else None


class Residual(Composite):
    """``y = shortcut(x) + body(x)``: a skip connection.

    Args:
        layers: the body, applied one after the other.
        shortcut: layers on the other way, such as a projection; x itself if left out.
        shape: of the inputs; left out, the layer takes what the layer before it gives.

    Raises:
        InputError: both ways give other sizes.

    Source: He et al., Deep Residual Learning for Image Recognition (2016).
    """

    def __init__(self, layers: Branch, shortcut: Branch = (), shape: object | None = None) -> None:
        super().__init__([layers, shortcut], shape)

    def joined_shape(self, shapes: list[Shape]) -> Shape:
        if math.prod(shapes[0]) != math.prod(shapes[1]):
            raise InputError(f"the body gives shape {shapes[0]}, the shortcut {shapes[1]}; they are to be added")
        return shapes[0]

    def joined(self, x: Any, results: list[Any], xp: Any) -> Any:
        return results[1] + results[0]


class Parallel(Composite):
    """What several branches make of the same x, one after the other along the first axis.

    Args:
        branches: layers, or lists of layers.
        shape: of the inputs; left out, the layer takes what the layer before it gives.

    Raises:
        InputError: the results differ in another axis than the first.
    """

    def __init__(self, branches: Iterable[Branch], shape: object | None = None) -> None:
        super().__init__(branches, shape)
        if not self.branches:
            raise InputError(f"{self.kind} needs at least one branch")

    def joined_shape(self, shapes: list[Shape]) -> Shape:
        rest = shapes[0][1:]
        if any(shape[1:] != rest for shape in shapes):
            raise InputError(f"the branches give shapes {shapes}; they may differ in axis 0 only")
        return (sum(shape[0] for shape in shapes), *rest)

    def joined(self, x: Any, results: list[Any], xp: Any) -> Any:
        return results[0] if len(results) == 1 else xp.concatenate(results, axis=-1)


class Concatenate(Parallel):
    """x, and behind it along the first axis what the layers make of it: the skip connection of a U-Net.

    Args:
        layers: applied one after the other.
        shape: of the inputs; left out, the layer takes what the layer before it gives.

    Raises:
        InputError: the result differs from x in another axis than the first.

    Source: Ronneberger, Fischer & Brox, U-Net (2015).
    """

    def __init__(self, layers: Branch, shape: object | None = None) -> None:
        super().__init__([(), layers], shape)


class Repeat(Unrolled):
    """One layer ``times`` times, one behind the other, with the same parameters: each time is a layer of the chain.

    Args:
        layer: from some inputs to as many outputs.
        times: how often.

    Raises:
        InputError: no layer, or no integer of at least 1.
    """

    def __init__(self, layer: Layer, times: int) -> None:
        if not isinstance(layer, Layer):
            raise InputError(f"Repeat takes a layer, not {type(layer).__name__}")
        self.layer, self.times = layer, as_size(times, "times")

    def unrolled(self, shape: Shape | None) -> list[Layer]:
        if shape is None and not self.layer.n:
            raise InputError(f"its {self.layer.kind} does not say how many inputs it takes; give it a size")
        layer = self.layer if shape is None else self.layer.shaped(shape)
        if layer.n != layer.m:
            raise InputError(f"{layer.kind} takes {layer.n} inputs and gives {layer.m}; it cannot be repeated")
        return [layer] * self.times
