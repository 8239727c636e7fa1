"""Complex steps run every function: NumPy's complex arrays, ordered by their real parts.

``f'(x) v = Im f(x + ih v) / h`` needs the analytic continuation of f. For some functions NumPy's complex numbers have
none (``logaddexp``), for others another function (``absolute`` is the modulus, ``maximum`` looks at imaginary parts
too). A :class:`Stepped` array takes the forms of :mod:`autodiff.primitives.complex_forms` there.

Source: Squire & Trapp, Using complex variables to estimate derivatives of real functions, SIAM Review 40 (1998).
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from ..arrays import Array
from ..errors import UnsupportedError
from .complex_forms import COMPLEX_FORMS, Form, complex_form

__all__ = ["COMPLEX_FORMS", "Stepped"]

HARMLESS = {"casting", "dtype", "order", "subok"}  #: keywords of a ufunc that a form may overlook
EXTREMES = (np.maximum, np.minimum, np.fmax, np.fmin)


class Stepped(np.ndarray[Any, Any]):
    """A complex128 array that stands for real numbers and, in its imaginary part, for a tiny step of them.

    What comes of it is such an array again, of elements too. Comparisons, ``real`` and conditions see the real part
    alone and give plain arrays.
    """

    def __new__(cls, values: Any) -> Stepped:
        """A view of a complex128 array, or an array of the given numbers."""
        return np.asarray(values, np.complex128).view(cls)

    def __array_ufunc__(self, ufunc: np.ufunc, method: str, *inputs: Any, **keywords: Any) -> Any:
        plain = [one.view(np.ndarray) if isinstance(one, Stepped) else one for one in inputs]
        form = complex_form(ufunc)
        if form is None and method == "__call__" and not keywords:  # nearly always
            return _stepped(_numpys(ufunc, method, plain, keywords))
        out: tuple[Any, ...] = keywords.pop("out", ())
        if keywords.get("dtype") is not None and np.dtype(keywords["dtype"]).kind == "f":
            del keywords["dtype"]  # what is a real number to the function is complex here
        if form is None:
            if out:
                keywords["out"] = tuple(_plain(one) for one in out)
            found = _numpys(ufunc, method, plain, keywords)
        else:
            found = _formed(form, ufunc, method, [np.asarray(one) for one in plain], keywords)
            if out:
                np.copyto(_plain(out[0]), found, casting="unsafe")
        return out[0] if len(out) == 1 else _stepped(found)

    def __array_function__(self, function: Any, kinds: Any, args: Any, keywords: Any) -> Any:
        if function in FUNCTIONS:
            return FUNCTIONS[function](*args, **keywords)
        if function in CONJUGATING:
            raise UnsupportedError(f"np.linalg.{function.__name__} is not analytic; complex steps cannot go through it")
        return _stepped(super().__array_function__(function, kinds, args, keywords))

    # -- elements are arrays without axes, since NumPy's complex scalars would order themselves

    def __getitem__(self, key: Any) -> Any:
        return _stepped(super().__getitem__(key))

    def __iter__(self) -> Iterator[Any]:
        return (self[index] for index in range(len(self)))

    # -- methods that would take another path than the function of their name

    @property  # type: ignore[misc]  # without the setter
    def real(self) -> Any:
        """The numbers themselves, without their derivative."""
        return _plain(self).real

    @property  # type: ignore[misc]  # without the setter
    def imag(self) -> Any:
        """The steps."""
        return _plain(self).imag

    def astype(self, dtype: Any, *args: Any, **keywords: Any) -> Any:
        """To floats: this array, with its steps; to anything else: the real parts."""
        return self if np.dtype(dtype).kind in "fc" else self.real.astype(dtype, *args, **keywords)

    def clip(self, min: Any = None, max: Any = None) -> Any:  # type: ignore[override]
        """The numbers between two bounds."""
        return _clip(self, min, max)

    def dot(self, other: Any) -> Any:  # type: ignore[override]
        """``np.dot``."""
        return np.dot(self, other)

    def trace(self, *args: Any, **keywords: Any) -> Any:
        """``np.trace``."""
        return np.trace(_plain(self), *args, **keywords)

    def var(self, *args: Any, **keywords: Any) -> Any:
        """The variance, of squares and not of moduli."""
        return _var(self, *args, **keywords)

    def std(self, *args: Any, **keywords: Any) -> Any:
        """The standard deviation, of squares and not of moduli."""
        return np.sqrt(_var(self, *args, **keywords))


def _plain(value: Any) -> Any:
    return value.view(np.ndarray) if isinstance(value, Stepped) else value


def _stepped(found: Any) -> Any:
    """Complex results as stepped arrays; others as they are."""
    if type(found) is np.ndarray and found.dtype.char == "D":
        return found.view(Stepped)
    if isinstance(found, (tuple, list)):
        return type(found)([_stepped(one) for one in found]) if type(found) in (tuple, list) else found
    if isinstance(found, (np.ndarray, np.complexfloating)) and found.dtype.kind == "c":
        return np.asarray(found).view(Stepped)
    return _plain(found)


def _numpys(ufunc: np.ufunc, method: str, inputs: list[Any], keywords: dict[str, Any]) -> Any:
    try:
        return getattr(ufunc, method)(*inputs, **keywords)
    except TypeError as error:
        if ufunc.signature is None and not any(kinds.startswith("D" * ufunc.nin) for kinds in ufunc.types):
            name = ufunc.__name__
            raise UnsupportedError(
                f"{name} has no complex form; give it one by autodiff.primitive({name}, ..., complex_form=...)"
            ) from error
        raise


def _formed(form: Form, ufunc: np.ufunc, method: str, inputs: list[Array], keywords: dict[str, Any]) -> Any:
    plainly = keywords.pop("where", True) is True and (method == "reduce" or keywords.keys() <= HARMLESS)
    if method == "__call__" and plainly:
        return form(*inputs)
    if method == "reduce" and plainly:
        return _reduce(form, ufunc, inputs[0], **keywords)
    raise UnsupportedError(
        f"{ufunc.__name__}.{method} cannot be done on complex steps with where= or {sorted(keywords)}"
    )


def _reduce(
    form: Form, ufunc: np.ufunc, z: Array, axis: Any = 0, keepdims: bool = False, initial: Any = None, **_: Any
) -> Any:
    axes = range(z.ndim) if axis is None else np.atleast_1d(axis).tolist()
    positions = [range(z.ndim)[one] for one in axes]
    kept = tuple(1 if i in positions else size for i, size in enumerate(z.shape))
    left = [i for i in range(z.ndim) if i not in positions]
    count = math.prod(z.shape[i] for i in positions)
    flat = z.transpose(*positions, *left).reshape(count, *(z.shape[i] for i in left))
    if ufunc in EXTREMES:  # all that are equal share the derivative
        best = ufunc.reduce(flat.real, axis=0)
        tied = flat.real == best
        found = best + 1j * (np.sum(flat.imag, axis=0, where=tied) / np.sum(tied, axis=0))
    else:
        found = functools.reduce(form, flat)
    if initial is not None:
        found = form(np.asarray(found), np.asarray(initial))
    return np.reshape(found, kept) if keepdims else found


# -- functions that are no ufuncs, and would not be analytic


def _clip(z: Any, a_min: Any = None, a_max: Any = None, *, min: Any = None, max: Any = None) -> Any:
    low, high = a_min if min is None else min, a_max if max is None else max
    found = z if low is None else np.maximum(z, low)
    return found if high is None else np.minimum(found, high)


def _where(condition: Any, *choices: Any) -> Any:
    condition = condition.real if isinstance(condition, Stepped) else condition
    return _stepped(np.where(condition, *(_plain(one) for one in choices)))


def _var(z: Any, axis: Any = None, dtype: Any = None, out: None = None, ddof: float = 0, keepdims: bool = False) -> Any:
    centred = z - np.mean(z, axis=axis, keepdims=True)
    total = np.sum(np.square(centred), axis=axis, keepdims=keepdims)
    return total * (total.size / (centred.size - ddof * total.size))


def _norm(z: Any, ord: Any = None, axis: Any = None, keepdims: bool = False) -> Any:
    vectors = axis is not None and not isinstance(axis, tuple)
    if ord is not None and not (ord == 2 and (vectors or z.ndim == 1)):
        raise UnsupportedError("np.linalg.norm on complex steps is Euclidean only; write another one out")
    return np.sqrt(np.sum(np.square(z), axis=axis, keepdims=keepdims))


FUNCTIONS: dict[Any, Callable[..., Any]] = {
    np.clip: _clip,
    np.imag: lambda z: z.imag,
    np.linalg.norm: _norm,
    np.real: lambda z: z.real,
    np.std: lambda z, *args, **keywords: np.sqrt(_var(z, *args, **keywords)),
    np.var: _var,
    np.vdot: lambda a, b: np.dot(np.ravel(a), np.ravel(b)),
    np.where: _where,
}
CONJUGATING = {
    getattr(np.linalg, name)
    for name in ("cholesky", "cond", "eigh", "eigvalsh", "lstsq", "matrix_rank", "pinv", "qr", "svd")
}
