"""NumPy's names over PyTorch tensors, for layers that are to be traced or run by PyTorch."""

from __future__ import annotations

from typing import Any

from . import load


class TorchNamespace:
    """The names that layers use, on one device.

    Args:
        device: where constants are put; each is converted once and kept, as a module would keep a buffer.

    Raises:
        UnsupportedError: PyTorch is not installed.
    """

    def __init__(self, device: str = "cpu") -> None:
        self.torch = torch = load("torch")
        self.device = device
        self._constants: dict[tuple[int, Any], tuple[Any, Any]] = {}
        self.exp, self.log, self.log1p, self.sin, self.tanh = torch.exp, torch.log, torch.log1p, torch.sin, torch.tanh
        self.matmul, self.where, self.real = torch.matmul, torch.where, torch.real

    def asarray(self, values: Any, dtype: Any = None) -> Any:
        """``values`` as a tensor of ``dtype`` on the namespace's device; a tensor stays where it is."""
        if isinstance(values, self.torch.Tensor):
            return values.to(dtype)
        key = id(values), dtype
        if key not in self._constants:  # the values are kept too, so that their id stays theirs
            made = self.torch.tensor(values, dtype=dtype, device=self.device)
            self._constants[key] = values, made
        return self._constants[key][1]

    def sum(self, x: Any, axis: Any = None, keepdims: bool = False) -> Any:
        """The sum over ``axis``."""
        return self.torch.sum(x, dim=axis, keepdim=keepdims)

    def mean(self, x: Any, axis: Any = None, keepdims: bool = False) -> Any:
        """The mean over ``axis``."""
        return self.torch.mean(x, dim=axis, keepdim=keepdims)

    def max(self, x: Any, axis: Any = (), keepdims: bool = False) -> Any:
        """The largest over ``axis``; equal ones share the derivative."""
        return self.torch.amax(x, dim=axis, keepdim=keepdims)
