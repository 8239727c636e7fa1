"""NumPy's names over PyTensor's symbolic variables, which get the shapes that layers ask for."""

from __future__ import annotations

import operator
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from . import load

#: PyTensor's functions that are NumPy's, by the same name
SAME = """abs add arctan arctan2 ceil cos cosh exp expm1 floor log log10 log1p log2 logaddexp matmul max maximum mean
    min minimum outer power prod reciprocal sign sin sinh sqrt square sum tan tanh transpose where"""


class PytensorArray:
    """A symbolic variable as an array: its shape is a tuple of integers, which PyTensor infers where it can."""

    __array_ufunc__ = None  # NumPy's arrays leave what they do with this one to it

    def __init__(self, held: Any) -> None:
        self.held = held

    @property
    def shape(self) -> tuple[int, ...]:
        """Of the value."""
        return tuple(self.held.type.shape)

    @property
    def ndim(self) -> int:
        """Axes."""
        return int(self.held.type.ndim)

    @property
    def dtype(self) -> np.dtype[Any]:
        """Of the value."""
        found: np.dtype[Any] = np.dtype(str(self.held.dtype))
        return found

    @property
    def T(self) -> PytensorArray:  # noqa: N802
        """The transpose."""
        return PytensorArray(self.held.T)

    def reshape(self, *shape: Any) -> PytensorArray:
        """The same elements in another shape."""
        return PytensorArray(self.held.reshape(shape[0] if isinstance(shape[0], tuple) else shape))

    def __getitem__(self, index: Any) -> PytensorArray:
        return PytensorArray(self.held[index])

    def __neg__(self) -> PytensorArray:
        return PytensorArray(-self.held)


def _binary(name: str, turned: bool) -> Callable[[PytensorArray, Any], PytensorArray]:
    function = getattr(operator, name)

    def applied(self: PytensorArray, other: Any) -> PytensorArray:
        pair = (self.held, bare(other))
        return PytensorArray(function(*(pair[::-1] if turned else pair)))

    return applied


for _name in ("add", "sub", "mul", "truediv", "pow", "matmul"):
    setattr(PytensorArray, f"__{_name}__", _binary(_name, turned=False))
    setattr(PytensorArray, f"__r{_name}__", _binary(_name, turned=True))
for _name in ("gt", "ge", "lt", "le"):
    setattr(PytensorArray, f"__{_name}__", _binary(_name, turned=False))


def bare(value: Any) -> Any:
    """What a :class:`PytensorArray` holds; anything else as it is."""
    if isinstance(value, list | tuple):
        return type(value)(bare(one) for one in value)
    return value.held if isinstance(value, PytensorArray) else value


class PytensorNamespace:
    """The names that layers use.

    Raises:
        UnsupportedError: PyTensor is not installed.
    """

    def __init__(self) -> None:
        self.tensor = tensor = load("pytensor.tensor")
        self.special = self
        self.pi = float(np.pi)
        for name in SAME.split():
            setattr(self, name, _wrapped(getattr(tensor, name)))
        self.expit = _wrapped(tensor.sigmoid)
        self.stack = _wrapped(tensor.stack)

    def concatenate(self, arrays: Sequence[Any], axis: int = 0) -> Any:
        """One after the other along an axis."""
        return PytensorArray(self.tensor.concatenate([bare(one) for one in arrays], axis=axis))

    def asarray(self, values: Any, dtype: Any = None) -> Any:
        """``values`` as an array of ``dtype``, a constant if they are NumPy's."""
        if isinstance(values, PytensorArray):
            return PytensorArray(values.held.astype(dtype))
        return PytensorArray(self.tensor.as_tensor_variable(np.asarray(values, dtype)))

    def real(self, x: Any) -> Any:
        """``x``, which is real: complex steps are not taken through PyTensor."""
        return x

    def reshape(self, x: PytensorArray, shape: Any) -> PytensorArray:
        """The same elements in another shape."""
        return x.reshape(shape)


def _wrapped(function: Callable[..., Any]) -> Callable[..., Any]:
    def called(*given: Any, **named: Any) -> Any:
        return PytensorArray(function(*map(bare, given), **named))

    return called
