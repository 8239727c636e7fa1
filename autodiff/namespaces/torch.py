"""NumPy's names over PyTorch tensors, for layers that are to be traced or run by PyTorch."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import Any

from . import load

#: PyTorch's functions that are NumPy's, by the same name, for tensors
SAME = """abs arctan arctan2 ceil cos cosh exp expm1 floor log log10 log1p log2 matmul outer ravel real reciprocal
    reshape sign sin sinh sqrt square tan tanh trunc where"""
#: functions of two arguments either of which may be a number
PAIRED = "add divide logaddexp maximum minimum multiply power subtract"


class TorchNamespace:
    """The names that layers use, on one device.

    Args:
        device: where constants are put; each is converted once and kept, as a module would keep a buffer.

    Raises:
        UnsupportedError: PyTorch is not installed.
    """

    abs: Any
    exp: Any
    log: Any
    matmul: Any
    real: Any
    tanh: Any
    where: Any

    def __init__(self, device: str = "cpu") -> None:
        self.torch = torch = load("torch")
        self.device = device
        self.special = torch.special
        self.pi = torch.pi
        self._constants: dict[tuple[int, Any], tuple[Any, Any]] = {}
        for name in SAME.split():
            setattr(self, name, getattr(torch, name))
        self.absolute = torch.abs
        for name in PAIRED.split():
            setattr(self, name, functools.partial(self._paired, getattr(torch, {"power": "pow"}.get(name, name))))

    def _paired(self, function: Callable[[Any, Any], Any], a: Any, b: Any) -> Any:
        """A function of two tensors, one of which may be a number."""
        tensor = self.torch.Tensor
        if not isinstance(b, tensor):
            b = self.torch.as_tensor(b, dtype=a.dtype, device=a.device)
        elif not isinstance(a, tensor):
            a = self.torch.as_tensor(a, dtype=b.dtype, device=b.device)
        return function(a, b)

    def asarray(self, values: Any, dtype: Any = None) -> Any:
        """``values`` as a tensor of ``dtype`` on the namespace's device; a tensor stays where it is."""
        if isinstance(values, self.torch.Tensor):
            return values.to(dtype)
        key = id(values), dtype
        if key not in self._constants:  # the values are kept too, so that their id stays theirs
            made = self.torch.tensor(values, dtype=dtype, device=self.device)
            self._constants[key] = values, made
        return self._constants[key][1]

    def pieces(self, flat: Any, sizes: Sequence[int]) -> Sequence[Any]:
        """A vector cut up; one split, since the adjoints of slices would add up vectors as long as ``flat``."""
        found: Sequence[Any] = self.torch.split(flat, sizes)
        return found

    def concatenate(self, arrays: Sequence[Any], axis: int = 0) -> Any:
        """One after the other along an axis."""
        return self.torch.cat(tuple(arrays), dim=axis)

    def stack(self, arrays: Sequence[Any], axis: int = 0) -> Any:
        """One after the other along a new axis."""
        return self.torch.stack(tuple(arrays), dim=axis)

    def sum(self, x: Any, axis: Any = None, keepdims: bool = False) -> Any:
        """The sum over ``axis``."""
        return self.torch.sum(x, dim=axis, keepdim=keepdims)

    def mean(self, x: Any, axis: Any = None, keepdims: bool = False) -> Any:
        """The mean over ``axis``."""
        return self.torch.mean(x, dim=axis, keepdim=keepdims)

    def max(self, x: Any, axis: Any = None, keepdims: bool = False) -> Any:
        """The largest over ``axis``; equal ones share the derivative."""
        return self.torch.amax(x, dim=() if axis is None else axis, keepdim=keepdims)

    def min(self, x: Any, axis: Any = None, keepdims: bool = False) -> Any:
        """The least over ``axis``; equal ones share the derivative."""
        return self.torch.amin(x, dim=() if axis is None else axis, keepdim=keepdims)

    def clip(self, x: Any, low: Any = None, high: Any = None) -> Any:
        """``x`` between two bounds."""
        return self.torch.clip(x, low, high)

    def transpose(self, x: Any, axes: Sequence[int] | None = None) -> Any:
        """The axes in another order, in reverse if none is given."""
        return x.permute(*(reversed(range(x.ndim)) if axes is None else axes))

    def convolved(
        self,
        x: Any,
        W: Any,
        stride: Sequence[int],
        padding: Sequence[int],
        dilation: Sequence[int],
        groups: int,
    ) -> Any:
        """PyTorch's own convolution; of x without a batch axis, with one, or with more."""
        function = self.torch.nn.functional.conv1d if len(stride) == 1 else self.torch.nn.functional.conv2d
        lead = x.shape[: -len(stride) - 1]
        batch = x.reshape(-1, *x.shape[len(lead) :])
        y = function(batch, W, None, tuple(stride), tuple(padding), tuple(dilation), groups)
        return y.reshape(*lead, *y.shape[1:])
