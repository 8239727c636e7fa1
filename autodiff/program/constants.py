"""What a program points to: parameters, which may change from run to run, and constants, which do not."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ..arrays import Array
from ..errors import UnsupportedError
from .instructions import Buffer, Operand
from .views import View


class Constants:
    """The fixed buffers of one program.

    Args:
        dtype: of the program.
    """

    def __init__(self, dtype: np.dtype[Any]) -> None:
        self.dtype = dtype
        self._params: dict[int, tuple[Array, Buffer, int]] = {}  # by the owner: itself, and its address
        self._alike: dict[bytes, Buffer] = {}  # constants, by their numbers
        self._own: dict[int, Buffer] = {}  # the same by their ids
        self._numbers: dict[float, Buffer] = {}  # the same, for a quick answer

    def param(self, array: Array, owner: Array | None) -> tuple[Buffer, View]:
        """An array that is never copied, and its place in its owner; see :meth:`.builder.Builder.fixed`."""
        held = array if owner is None else owner
        if id(held) not in self._params:
            flat = array.reshape(-1) if owner is None else owner
            self._params[id(held)] = held, Buffer("fixed", flat.size, flat), flat.__array_interface__["data"][0]
        _, buffer, address = self._params[id(held)]
        offset = (array.__array_interface__["data"][0] - address) // array.itemsize
        return buffer, View(array.shape, tuple([stride // array.itemsize for stride in array.strides]), offset)

    def constant(self, given: Any) -> tuple[Buffer, tuple[int, ...]]:
        """A copy of a number or an array at the program's precision, and its shape; equal ones are the same.

        Raises:
            UnsupportedError: it holds no real numbers.
        """
        number = type(given) is float and given != 0.0  # the two zeros are equal, and are not the same
        if number and given in self._numbers:
            return self._numbers[given], ()
        if np.iscomplexobj(given) and np.ndim(given) == 0:
            raise UnsupportedError("a constant is complex; values are real numbers")
        array = np.asarray(given)
        if array.dtype.kind not in "fiub":
            raise UnsupportedError(f"a constant is {array.dtype}; values are real numbers")
        array = np.array(array, self.dtype, order="C")
        numbers = array.tobytes()  # a function may make its constants anew, or write into them
        if numbers not in self._alike:
            buffer = Buffer("fixed", array.size, array.reshape(-1))
            self._alike[numbers] = self._own[id(buffer)] = buffer
        if number:
            self._numbers[given] = self._alike[numbers]
        return self._alike[numbers], array.shape

    def folded(self, ufunc: Any, inputs: Sequence[Operand]) -> Any:
        """``ufunc`` of constants, computed now; None if one of them is known in a run only, or no floats come out."""
        arrays = []
        for one in inputs:
            array, size = one.buffer.array, self.dtype.itemsize
            if array is None or id(one.buffer) not in self._own:
                return None
            strides = [size * stride for stride in one.strides]
            arrays.append(np.ndarray(one.shape, array.dtype, array, size * one.offset, strides))
        with np.errstate(all="ignore"):
            made = np.asarray(ufunc(*arrays))
        return made if made.dtype.kind == "f" else None
