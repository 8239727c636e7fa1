"""A value while a program is being written: it answers NumPy's protocols by recording what is done to it."""

from __future__ import annotations

import math
from collections.abc import Iterator
from inspect import signature
from typing import TYPE_CHECKING, Any, Never

import numpy
from numpy.lib.mixins import NDArrayOperatorsMixin

from ..errors import InputError, UnsupportedError
from .instructions import Buffer, Operand
from .views import Shape, View

if TYPE_CHECKING:
    from .builder import Builder

np: Any = numpy  # to NumPy's own types a value is no array


class Value(Operand, NDArrayOperatorsMixin):
    """An array of the program, real, of the program's precision.

    Layers' functions compute with values as they would with arrays: arithmetic, NumPy's functions, slices, reshaping.
    """

    __slots__ = ("builder", "origin")

    def __init__(self, builder: Builder, buffer: Buffer, view: View, step: int = 0) -> None:
        self.builder, self.buffer, self.step = builder, buffer, step
        self.shape, self.strides, self.offset = view
        self.origin: tuple[Value, ...] | None = None  # what it was computed from, where that has been recorded

    # -- what an array is asked for

    @property
    def view(self) -> View:
        """Where its elements lie in its buffer."""
        return View(self.shape, self.strides, self.offset)

    @property
    def ndim(self) -> int:
        """Axes."""
        return len(self.shape)

    @property
    def dtype(self) -> numpy.dtype[Any]:
        """The program's precision."""
        return self.builder.dtype

    @property
    def T(self) -> Value:  # noqa: N802  (NumPy's name)
        """The axes in reverse."""
        return self.transpose()

    @property
    def real(self) -> Value:
        """The same numbers, without their derivative: what complex steps see of a real part."""
        return self.builder.look(self, self.view)

    def __len__(self) -> int:
        if not self.shape:
            raise TypeError("a value without axes has no length")
        return self.shape[0]

    def __iter__(self) -> Iterator[Value]:
        return (self[row] for row in range(len(self)))

    def __bool__(self) -> Never:
        raise UnsupportedError("a branch cannot depend on a value; write np.where(condition, a, b)")

    def __float__(self) -> Never:
        raise UnsupportedError(
            "float(value), or a value put into an array of numbers, cannot be recorded; compute with x itself, and put "
            "values together with np.stack or np.concatenate"
        )

    __int__ = __index__ = __complex__ = __float__

    def __array__(self, *args: Any, **keywords: Any) -> Never:
        raise UnsupportedError(
            "np.asarray(value) cannot be recorded, as a value has no numbers yet; compute with x itself, put several "
            "together with np.stack, or give the layer opaque_linearize"
        )

    def __getattr__(self, name: str) -> Never:
        raise AttributeError(f"a value has no {name}; write it with NumPy's functions, such as np.sum and np.where")

    def __setitem__(self, key: object, item: object) -> Never:
        raise UnsupportedError("a value cannot be written into; build it with np.concatenate, np.stack or np.where")

    def __eq__(self, other: object) -> Never:
        raise UnsupportedError("values cannot be compared for equality; np.where(abs(a - b) < tolerance, ...) can")

    __ne__ = __eq__
    __hash__ = object.__hash__

    # -- views

    def __getitem__(self, key: Any) -> Value:
        if isinstance(key, Mask):
            text = "x[condition] has no fixed size and cannot be recorded; use np.where(condition, x, 0)"
            raise UnsupportedError(text)
        if isinstance(key, (list, np.ndarray)):
            return self.builder.gather(self, np.asarray(key), 0)
        return self.builder.index(self, key)

    def reshape(self, *shape: Any) -> Value:
        """The same elements, in C order, in another shape; one size may be -1."""
        sizes = shape[0] if len(shape) == 1 and isinstance(shape[0], (tuple, list)) else shape
        return self.builder.reshape(self, tuple(int(size) for size in sizes))

    def ravel(self) -> Value:
        """All elements in one axis."""
        return self.reshape(-1)

    flatten = ravel

    def transpose(self, *axes: Any) -> Value:
        """The axes in another order; in reverse if none is given."""
        order = axes[0] if len(axes) == 1 and isinstance(axes[0], (tuple, list)) else axes
        return self.builder.transpose(self, tuple(order) or tuple(range(self.ndim))[::-1])

    def swapaxes(self, a: int, b: int) -> Value:
        """Two axes exchanged."""
        order = list(range(self.ndim))
        order[a], order[b] = order[b], order[a]
        return self.transpose(order)

    @property
    def mT(self) -> Value:  # noqa: N802  (NumPy's name)
        """The last two axes exchanged."""
        return self.swapaxes(-2, -1)

    def squeeze(self, axis: Any = None) -> Value:
        """Without axes of one."""
        return np.squeeze(self, axis)

    def take(self, indices: Any, axis: int | None = None) -> Value:
        """Elements at given positions."""
        return np.take(self, indices, axis)

    def dot(self, other: Any) -> Value:
        """``np.dot``."""
        return np.dot(self, other)

    def clip(self, low: Any = None, high: Any = None) -> Value:
        """The numbers between two bounds."""
        return np.clip(self, low, high)

    def copy(self) -> Value:
        """The value itself, as nothing can be written into it."""
        return self

    def sum(self, axis: Any = None, keepdims: bool = False) -> Value:
        """The sum over ``axis``."""
        return np.sum(self, axis=axis, keepdims=keepdims)

    def mean(self, axis: Any = None, keepdims: bool = False) -> Value:
        """The mean over ``axis``."""
        return np.mean(self, axis=axis, keepdims=keepdims)

    def var(self, axis: Any = None, keepdims: bool = False) -> Value:
        """The variance over ``axis``."""
        return np.var(self, axis=axis, keepdims=keepdims)

    def std(self, axis: Any = None, keepdims: bool = False) -> Value:
        """The standard deviation over ``axis``."""
        return np.std(self, axis=axis, keepdims=keepdims)

    def max(self, axis: Any = None, keepdims: bool = False) -> Value:
        """The largest over ``axis``; of ``x.real``, as it has no derivative."""
        return np.max(self, axis=axis, keepdims=keepdims)

    def min(self, axis: Any = None, keepdims: bool = False) -> Value:
        """The least over ``axis``; of ``x.real``, as it has no derivative."""
        return np.min(self, axis=axis, keepdims=keepdims)

    def astype(self, dtype: Any, copy: bool = False) -> Value:
        """The value itself; a program has one precision."""
        if np.dtype(dtype).kind != "f":
            raise UnsupportedError(f"a value cannot become {np.dtype(dtype)}")
        return self

    # -- arithmetic, which is NumPy's

    def __array_ufunc__(self, ufunc: numpy.ufunc, method: str, *inputs: Any, **keywords: Any) -> Any:
        from .ufuncs import called

        return called(self.builder, ufunc, method, inputs, keywords)

    def __array_function__(self, function: Any, kinds: Any, args: Any, keywords: Any) -> Any:
        from .ufuncs import FUNCTIONS  # which sees to it that it is full

        if function not in FUNCTIONS:
            name = f"{function.__module__}.{function.__name__}".replace("numpy", "np")
            raise UnsupportedError(
                f"{name} cannot be recorded; write it with sums, products and elementwise functions of NumPy, or give "
                "the layer opaque_linearize"
            )
        try:
            return FUNCTIONS[function](*args, **keywords)
        except TypeError as error:
            unknown = sorted(keywords.keys() - signature(FUNCTIONS[function]).parameters.keys())
            if unknown:
                name = f"np.{function.__name__}"
                raise UnsupportedError(f"{name} is recorded without {', '.join(unknown)}=; leave it out") from None
            raise error

    __iadd__, __isub__ = NDArrayOperatorsMixin.__add__, NDArrayOperatorsMixin.__sub__  # x += 1 is another value
    __imul__, __itruediv__ = NDArrayOperatorsMixin.__mul__, NDArrayOperatorsMixin.__truediv__
    __ipow__, __imatmul__ = NDArrayOperatorsMixin.__pow__, NDArrayOperatorsMixin.__matmul__

    def __pos__(self) -> Value:
        return self

    def __repr__(self) -> str:
        return f"Value{self.shape}"


class Mask(NDArrayOperatorsMixin):
    """The result of a comparison: 1 where it holds and 0 elsewhere, for ``np.where`` and for products."""

    def __init__(self, value: Value) -> None:
        self.value = value
        self.shape, self.ndim, self.size = value.shape, value.ndim, math.prod(value.shape)

    def __array_ufunc__(self, ufunc: numpy.ufunc, method: str, *inputs: Any, **keywords: Any) -> Any:
        if method != "__call__" or keywords:
            raise UnsupportedError("a condition can only be used in np.where and in products")
        plain = [one.value if isinstance(one, Mask) else one for one in inputs]
        if ufunc in (np.logical_not, np.invert):
            return Mask(1.0 - plain[0])
        if ufunc in (np.logical_and, np.bitwise_and, np.logical_or, np.bitwise_or):
            joined = np.multiply if ufunc in (np.logical_and, np.bitwise_and) else np.maximum
            return Mask(joined(*plain))
        if ufunc is np.multiply:
            return np.multiply(*plain)
        raise UnsupportedError(f"np.{ufunc.__name__} of a condition cannot be recorded; use np.where")

    def __array_function__(self, function: Any, kinds: Any, args: Any, keywords: Any) -> Any:
        return self.value.__array_function__(function, kinds, args, keywords)

    def __getitem__(self, key: Any) -> Mask:
        return Mask(self.value[key])

    def astype(self, dtype: Any, copy: bool = False) -> Value:
        """The zeros and ones."""
        return self.value.astype(dtype)

    def __bool__(self) -> Never:
        raise UnsupportedError("a branch cannot depend on a value; write np.where(condition, a, b)")


def check_shape(value: object, shape: Shape, what: str) -> None:
    """Refuse anything but a value of that shape.

    Raises:
        InputError: with what came.
    """
    if not isinstance(value, Value):
        fix = "put its values together with np.stack" if isinstance(value, (list, tuple)) else "compute it from x"
        raise InputError(f"{what} gives {type(value).__name__}, not a value that depends on its input; {fix}")
    if value.shape != shape:
        raise InputError(f"{what} gives shape {value.shape}; expected {shape}")
