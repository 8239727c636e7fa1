"""Convolutions, as one matrix product with all windows: the kernel a matrix, every window a column of another."""

from __future__ import annotations

from typing import Any, ClassVar

from ..arrays import Array, as_floats, as_size
from ..errors import InputError
from ..namespaces import convolution
from .activations import activation as find_activation
from .arranged import Shape, Shaped, as_sizes
from .windows import columns, padded, window_outputs


class Convolution(Shaped):
    """``y[o, i] = phi(sum over c, k of W[o, c, k] x[c, stride i + dilation k - padding] + b[o])``.

    Args:
        W: kernels (outputs, inputs / groups, *sizes).
        b: bias (outputs,), or None.
        activation: the name of phi.
        stride: from one window to the next, one number or one an axis.
        padding: zeros on either side of every axis.
        dilation: from one position of a window to the next.
        groups: the channels fall into so many groups, which do not see each other.
        shape: of the inputs, (channels, *sizes); left out, the layer takes what the layer before it gives.

    Raises:
        InputError: sizes that do not fit together, naming the axis.
        UnknownNameError: no activation of that name.
    """

    spatial: ClassVar[int]

    def __init__(
        self,
        W: object,
        b: object | None = None,
        activation: str = "identity",
        *,
        stride: object = 1,
        padding: object = 0,
        dilation: object = 1,
        groups: int = 1,
        shape: object | None = None,
    ) -> None:
        weights, axes = as_floats(W, "W"), self.spatial
        if weights.ndim != axes + 2 or 0 in weights.shape:
            raise InputError(
                f"W has shape {weights.shape}; {self.kind} takes (outputs, inputs / groups, *{axes} sizes)"
            )
        self.groups = as_size(groups, "groups")
        if weights.shape[0] % self.groups:
            raise InputError(f"{weights.shape[0]} outputs do not fall into {groups} groups")
        self.params: tuple[Array, ...] = (weights,)
        if b is not None:
            bias = as_floats(b, "b", weights.dtype)
            if bias.shape != weights.shape[:1]:
                raise InputError(f"b has shape {bias.shape}; W {weights.shape} needs ({weights.shape[0]},)")
            self.params = weights, bias
        self.kernel: Shape = weights.shape[2:]
        self.stride, self.dilation = as_sizes(stride, axes, "stride"), as_sizes(dilation, axes, "dilation")
        self.padding = as_sizes(padding, axes, "padding", least=0)
        self._activation = find_activation(activation)
        self.fixed(shape)

    @property
    def activation(self) -> str:
        """The name of phi."""
        return self._activation.name

    def outputs(self, shape: Shape) -> Shape:
        weights = self.params[0]
        if len(shape) != self.spatial + 1:
            axes = "height, width" if self.spatial == 2 else "length"
            raise InputError(f"it takes (channels, {axes}), not shape {shape}; pass shape=, or put a Reshape before it")
        if shape[0] != weights.shape[1] * self.groups:
            raise InputError(f"it takes {weights.shape[1] * self.groups} channels on axis 0, not {shape[0]} of {shape}")
        sizes = window_outputs(shape[1:], self.kernel, self.stride, self.padding, self.dilation)
        return (weights.shape[0], *sizes)

    def mapped(self, x: Any, params: Any, xp: Any) -> Any:
        W, *bias = params
        own = convolution(xp)
        if own is not None:
            y = own(x, W, self.stride, self.padding, self.dilation, self.groups)
        else:
            y = self._multiplied(x, W, xp)
        if bias:
            y = y + bias[0].reshape(-1, *(1,) * (len(y.shape) - len(x.shape) + self.spatial))
        return self._activation.function(y, xp)

    def _multiplied(self, x: Any, W: Any, xp: Any) -> Any:
        """W x by one product a group, (..., outputs, windows)."""
        lead, groups, outputs = tuple(x.shape[: -self.spatial - 1]), self.groups, W.shape[0]
        x = padded(x, self.padding, 0.0, xp)
        if groups > 1:
            x = x.reshape(*lead, groups, x.shape[len(lead)] // groups, *x.shape[len(lead) + 1 :])
        found = columns(x, self.kernel, self._out[1:], self.stride, self.dilation, xp)
        if groups == 1:
            return xp.matmul(W.reshape(outputs, -1), found)
        y = xp.matmul(W.reshape(groups, outputs // groups, -1), found)
        return y.reshape(*lead, outputs, y.shape[-1])


class Conv1d(Convolution):
    """A convolution along one axis, of x (channels, length); W is (outputs, inputs / groups, size).

    The arguments, and what is raised, are those of :class:`Convolution`.
    """

    spatial = 1


class Conv2d(Convolution):
    """A convolution over two axes, of x (channels, height, width); W is (outputs, inputs / groups, height, width).

    The arguments, and what is raised, are those of :class:`Convolution`.
    """

    spatial = 2
