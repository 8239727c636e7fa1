"""NumPy's inner loops and their addresses: the one module that touches NumPy's experimental interface.

A ufunc walks its operands and hands one axis at a time to a loop in C. ``ufunc._resolve_dtypes_and_context`` and
``ufunc._get_strided_loop`` (NumPy 1.24, NEP 43) say where that loop is. Whatever replaces them has to provide, for a
ufunc and a dtype, three addresses ``(loop, context, auxiliary)`` so that

    int loop(context, char **data, const npy_intp *dimensions, const npy_intp *strides, auxiliary)

computes ``dimensions[0]`` elements, strides in bytes, without the interpreter (it may move the pointers in ``data``, as
SciPy's do, so that they are the call's own); for ``np.matmul`` dimensions are
``[N, m, n, p]`` and strides those of the three operands along N, then ``[a_m, a_n, b_n, b_p, out_m, out_p]``. A loop is
not believed: each is tried against its ufunc before it is used.
"""

from __future__ import annotations

import ctypes
import importlib.util
from collections.abc import Sequence
from functools import cache
from typing import Any

import numpy as np

from ..arrays import Array
from ..errors import UnsupportedError

INSTALL = "pip install 'autodiff-bench[fast]'"
CAPSULE = b"numpy_1.24_ufunc_call_info"
Addresses = tuple[int, int, int]
INSIDE = object.__basicsize__  #: bytes into an array object where the address of its data is: its first field
LENGTH = 67  #: elements of a trial: more than the longest unrolled step of NumPy's loops, and a rest
#: strides in elements, of the inputs and of the output; those of a second input are the next in the list
STRIDES = [
    (1, 1),
    (1, 2),
    (1, 3),
    (1, 8),
    (2, 1),
    (2, 2),
    (2, 3),
    (3, 1),
    (3, 2),
    (8, 1),
    (8, 2),
    (8, 8),
    (0, 1),
    (-1, 1),
]
#: m, n, p and which of a, b, out are transposed
PRODUCTS = [
    (4, 5, 3, ""),
    (4, 5, 3, "a"),
    (4, 5, 3, "b"),
    (4, 5, 3, "abo"),
    (1, 9, 4, "b"),
    (9, 4, 1, "a"),
    (1, 7, 1, ""),
]


class _CallInfo(ctypes.Structure):
    _fields_ = [
        ("loop", ctypes.c_void_p),
        ("context", ctypes.c_void_p),
        ("auxiliary", ctypes.c_void_p),
        ("needs_python", ctypes.c_bool),
        ("no_float_errors", ctypes.c_bool),
    ]


_LOOP = ctypes.CFUNCTYPE(ctypes.c_int, *[ctypes.c_void_p] * 5)


@cache
def inner_loop(ufunc: np.ufunc, dtype: np.dtype[Any]) -> Addresses:
    """Where the loop of a ufunc is: ``(loop, context, auxiliary)``, valid as long as the process.

    The same loop serves ``ufunc.reduce``, the output's stride being 0, and ``np.matmul``.

    Raises:
        UnsupportedError: it has no loop of its own for ``dtype``, needs the interpreter, or is wrong.
    """
    reason = wrong(ufunc, dtype)
    if reason:
        raise UnsupportedError(f"{_name(ufunc)} cannot be compiled: {reason}; use the engine without compiled-")
    return _find(ufunc, dtype)


@cache
def _info(ufunc: np.ufunc, dtype: np.dtype[Any]) -> Any:
    """The capsule that owns loop, context and auxiliary data: the cache keeps it alive."""
    given = (*[dtype] * ufunc.nin, *[None] * ufunc.nout)
    try:
        dtypes, info = ufunc._resolve_dtypes_and_context(given)  # type: ignore[attr-defined]
        if any(one.kind == "O" for one in dtypes):
            raise UnsupportedError(f"{_name(ufunc)} calls Python, so its loop cannot run without the interpreter")
        if ufunc.nout != 1 or any(one != dtype for one in dtypes):
            raise UnsupportedError(f"{_name(ufunc)} has no loop from {dtype} to {dtype}")
        ufunc._get_strided_loop(info)  # type: ignore[attr-defined]
    except (TypeError, ValueError, RuntimeError) as error:
        if isinstance(error, UnsupportedError):
            raise
        raise UnsupportedError(f"{_name(ufunc)} has no loop for {dtype}: {error}") from error
    return info


def _find(ufunc: np.ufunc, dtype: np.dtype[Any]) -> Addresses:
    get = ctypes.pythonapi.PyCapsule_GetPointer
    get.restype, get.argtypes = ctypes.c_void_p, [ctypes.py_object, ctypes.c_char_p]
    found = _CallInfo.from_address(get(_info(ufunc, dtype), CAPSULE) or 0)
    if found.needs_python:
        raise UnsupportedError(f"{_name(ufunc)} calls Python, so its loop cannot run without the interpreter")
    return found.loop, found.context or 0, found.auxiliary or 0


def _name(ufunc: np.ufunc) -> str:
    return f"np.{ufunc.__name__}" if getattr(np, ufunc.__name__, None) is ufunc else ufunc.__name__


@cache
def wrong(ufunc: np.ufunc, dtype: np.dtype[Any]) -> str:
    """Why a loop must not be used on this machine, found by trial; empty if it is right.

    Loop and ufunc have to agree to the bit over several strides; and strided results with contiguous ones up to
    rounding, which NumPy itself gets wrong in places (2.4.6: ``np.negative(a[::8], out=o[::2])``).

    Raises:
        UnsupportedError: there is no loop to try.
    """
    return _verdict(ufunc, dtype)[0]


@cache
def sensitive(ufunc: np.ufunc, dtype: np.dtype[Any]) -> bool:
    """Whether last bits depend on strides, as they do where NumPy has a kernel for contiguous operands only."""
    return _verdict(ufunc, dtype)[1]


@cache
def _verdict(ufunc: np.ufunc, dtype: np.dtype[Any]) -> tuple[str, bool]:
    find = _find(ufunc, dtype)
    with np.errstate(all="ignore"):
        return (_try_product(find, dtype), False) if ufunc is np.matmul else _try_map(find, ufunc, dtype)


def _call(addresses: Addresses, operands: Sequence[Array], dimensions: Sequence[int], strides: Sequence[int]) -> None:
    """One call of a loop, through ctypes."""
    words = np.array([*[one.__array_interface__["data"][0] for one in operands], *dimensions, *strides], np.intp)
    data = words.__array_interface__["data"][0]
    sizes = data + 8 * len(operands)
    loop, context, auxiliary = addresses
    _LOOP(loop)(context, data, sizes, sizes + 8 * len(dimensions), auxiliary)


@cache
def _cases(arity: int, dtype: np.dtype[Any]) -> list[tuple[list[Array], list[Array], int]]:
    """The inputs of a trial, the same contiguous, and the output's stride in elements."""
    values = np.linspace(0.1, 3.0, LENGTH).astype(dtype)
    given = [np.roll(values, 13 * k) for k in range(arity)]
    steps = list(dict.fromkeys(step for step, _ in STRIDES))
    spread = {step: [_spread(one, step) for one in given] for step in steps}
    cases = []
    for step, gap in STRIDES:
        chosen = [spread[steps[(steps.index(step) + k) % len(steps)]][k] for k in range(arity)]
        cases.append((chosen, [np.ascontiguousarray(one) for one in chosen], gap))
    return cases


def _try_map(find: Addresses, ufunc: np.ufunc, dtype: np.dtype[Any]) -> tuple[str, bool]:
    if ufunc.signature is not None:
        raise UnsupportedError(f"{_name(ufunc)} works on whole axes; of such only np.matmul is compiled")
    outs = np.full((2, len(STRIDES), LENGTH * 8), 7.0, dtype)
    contiguous = np.empty(LENGTH, dtype)
    rounding = False
    for case, (chosen, plain, gap) in enumerate(_cases(ufunc.nin, dtype)):
        by_numpy, by_loop = outs[0, case, : LENGTH * gap : gap], outs[1, case, : LENGTH * gap : gap]
        ufunc(*chosen, out=by_numpy)
        _call(find, [*chosen, by_loop], [LENGTH], [one.strides[0] for one in (*chosen, by_loop)])
        ufunc(*plain, out=contiguous)
        if not _equal(contiguous, by_numpy):
            rounding = True
            if not np.allclose(contiguous, by_numpy, 64 * float(np.finfo(dtype).eps), 0.0, equal_nan=True):
                where = f"strides of {[one.strides[0] for one in chosen]} and {by_numpy.strides[0]} bytes"
                return f"NumPy {np.__version__} gives wrong numbers for {where} in {dtype}", True
    if not _equal(outs[0], outs[1]):  # between the elements, too
        return f"its loop, called by address, gives other bits than NumPy {np.__version__} in {dtype}", rounding
    return "", rounding


def _spread(values: Array, step: int) -> Array:
    if step <= 0:
        return values[::-1] if step else np.broadcast_to(values[5], values.shape)
    return np.repeat(values, step)[::step]


def _try_product(find: Addresses, dtype: np.dtype[Any]) -> str:
    for m, n, p, transposed in PRODUCTS:
        sizes = {"a": (m, n), "b": (n, p), "o": (m, p)}
        a, b, out = (
            np.linspace(-1.0, 2.0, 2 * rows * columns).astype(dtype).reshape((2, columns, rows)).transpose(0, 2, 1)
            if name in transposed
            else np.linspace(-1.0, 2.0, 2 * rows * columns).astype(dtype).reshape((2, rows, columns))
            for name, (rows, columns) in sizes.items()
        )
        strides = [one.strides[0] for one in (a, b, out)] + [step for one in (a, b, out) for step in one.strides[1:]]
        _call(find, [a, b, out], [2, m, n, p], strides)
        if not _equal(out, np.matmul(a, b, out=np.zeros_like(out))):
            return f"its loop, called by address, gives other bits than NumPy {np.__version__} in {dtype}"
    return ""


def _equal(a: Array, b: Array) -> bool:
    """To the bit, but for the bits of NaN."""
    return a.tobytes() == b.tobytes() or bool(
        np.all((a == b) & (np.signbit(a) == np.signbit(b)) | np.isnan(a) & np.isnan(b))
    )


@cache
def _interface() -> str:
    if ctypes.sizeof(ctypes.c_void_p) != 8:
        return "compiled programs need a machine with addresses of 64 bits"
    if not hasattr(np.ufunc, "_get_strided_loop") or not hasattr(np.ufunc, "_resolve_dtypes_and_context"):
        return f"NumPy {np.__version__} does not tell where its inner loops are (ufunc._get_strided_loop)"
    array = np.empty(1)
    if ctypes.c_void_p.from_address(id(array) + INSIDE).value != array.ctypes.data:
        return f"NumPy {np.__version__} keeps the address of an array's data where it is not looked for"
    try:
        for ufunc in (np.positive, np.add, np.multiply, np.matmul):
            inner_loop(ufunc, np.dtype(np.float64))
    except UnsupportedError as error:
        return str(error)
    return ""


def available() -> str:
    """Why compiled programs cannot run here; empty if they can. Numba is looked for, not loaded."""
    if importlib.util.find_spec("numba") is None:
        return f"compiled programs need Numba: {INSTALL}"
    return _interface()
