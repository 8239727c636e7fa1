"""Functions of real numbers continued to complex ones, by the real part: what complex steps need of a ufunc.

A form agrees with the real function on the real axis, is analytic near it, and chooses its branch by the real part.
Where values are equal the derivative is shared, as the engines' is.

Source: Martins, Sturdza & Alonso, The complex-step derivative approximation, ACM TOMS 29 (2003), section 3.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

import numpy as np

Form = Callable[..., Any]


def _chosen(first: Callable[[Any, Any], Any]) -> Form:
    """One of two by the real parts; where they are equal the mean, so that both share the derivative."""

    def form(a: Any, b: Any) -> Any:
        equal, ahead = a.real == b.real, first(a.real, b.real)
        return np.where(equal, np.where(a == b, a, 0.5 * (a + b)), np.where(ahead, a, b))

    return form


def _real(ufunc: np.ufunc) -> Form:
    """A ufunc of the real parts alone: its derivative is zero, or it is a comparison."""
    return lambda *inputs: ufunc(*(one.real for one in inputs))


def _within(ufunc: np.ufunc, inside: Callable[[Any], Any]) -> Form:
    """The complex ufunc where the real one is defined, else not a number as the real one."""
    return lambda z: np.where(inside(z.real), ufunc(z), np.nan)


def _absolute(z: Any) -> Any:
    return np.where(z.real == 0, 0.0, np.where(z.real < 0, -z, z))


def _logaddexp(a: Any, b: Any) -> Any:
    ahead = a.real > b.real
    top, low = np.where(ahead, a, b), np.where(ahead, b, a)
    gap = np.where(np.isneginf(low.real), -np.inf, low - np.where(np.isinf(low.real), 0.0, top))
    return top + _log1p(np.exp(gap))


def _log1p(z: Any) -> Any:
    """``log(1 + x + iy)`` with ``|1 + z|^2 = (1 + x)^2 (1 + (y / (1 + x))^2)``, whose digits NumPy's own loses."""
    x, y = z.real, z.imag
    turned = y / (1.0 + x)
    return np.where(x < -1, np.nan, (np.log1p(x) + 0.5 * np.log1p(turned * turned)) + 1j * np.arctan(turned))


def _power(z: Any, w: Any) -> Any:
    defined = (z.real >= 0) | (w.real == np.floor(w.real))
    return np.where(defined, np.power(z, w + 0j), np.nan)


def _arctan2(y: Any, x: Any) -> Any:
    steep = np.abs(y.real) > np.abs(x.real)  # arctan of the ratio that is at most 1; the rest is a multiple of pi / 2
    ratio = np.where(steep, -x, y) / np.where(steep, y, x)
    return np.arctan2(y.real, x.real) + 1j * np.arctan(ratio).imag


def _cbrt(z: Any) -> Any:
    x = np.cbrt(z.real)
    return x + 1j * z.imag / (3.0 * x * x)


def _expit(z: Any) -> Any:
    ahead = z.real > 0
    small = np.exp(np.where(ahead, -z, z))
    return np.where(ahead, 1.0, small) / (1.0 + small)


def _fmod(z: Any, w: Any) -> Any:
    return z - w * np.floor(z.real / w.real)


#: analytic forms of ufuncs near the real axis, for those that have no complex loop or one that is another function; a
#: form takes and gives plain arrays. ``autodiff.primitive(ufunc, complex_form=...)`` adds to them.
COMPLEX_FORMS: dict[np.ufunc, Form] = {
    np.maximum: _chosen(np.greater),
    np.minimum: _chosen(np.less),
    np.fmax: _chosen(lambda a, b: (a > b) | np.isnan(b)),
    np.fmin: _chosen(lambda a, b: (a < b) | np.isnan(b)),
    np.absolute: _absolute,
    np.fabs: _absolute,
    np.copysign: lambda z, w: np.where(np.signbit(z.real) == np.signbit(w.real), z, -z),
    np.conjugate: lambda z: +z,
    np.logaddexp: _logaddexp,
    np.log1p: _log1p,
    np.power: _power,
    np.float_power: _power,
    np.arctan2: _arctan2,
    np.hypot: lambda a, b: np.sqrt(a * a + b * b),
    np.cbrt: _cbrt,
    np.remainder: _fmod,
    np.deg2rad: lambda z: z * (np.pi / 180),
    np.rad2deg: lambda z: z * (180 / np.pi),
    np.radians: lambda z: z * (np.pi / 180),
    np.degrees: lambda z: z * (180 / np.pi),
    **{ufunc: _within(ufunc, lambda x: x >= 0) for ufunc in (np.sqrt, np.log, np.log2, np.log10)},
    **{ufunc: _within(ufunc, lambda x: np.abs(x) <= 1) for ufunc in (np.arcsin, np.arccos, np.arctanh)},
    np.arccosh: _within(np.arccosh, lambda x: x >= 1),
}
for _name, _form in (
    ("vecdot", lambda a, b: np.sum(a * b, axis=-1)),  # NumPy's take conjugates
    ("vecmat", lambda a, b: np.matmul(a[..., None, :], b)[..., 0, :]),
):
    if hasattr(np, _name):  # from NumPy 2.2 on
        COMPLEX_FORMS[getattr(np, _name)] = _form
_REAL = """ceil equal floor greater greater_equal heaviside isfinite isinf isnan less less_equal not_equal rint sign
    signbit trunc"""
for _ufunc in _REAL.split():
    COMPLEX_FORMS[getattr(np, _ufunc)] = _real(getattr(np, _ufunc))


def complex_form(ufunc: np.ufunc) -> Form | None:
    """The form of a ufunc; None leaves it to NumPy's complex numbers."""
    form = COMPLEX_FORMS.get(ufunc)
    if form is None and ufunc.__name__ in ("expit", "log_expit", "xlogy"):
        special = sys.modules["scipy.special"]  # whoever calls one of its functions has imported it
        COMPLEX_FORMS[special.expit] = _expit
        COMPLEX_FORMS[special.log_expit] = lambda z: -_logaddexp(-z, np.zeros(()))
        COMPLEX_FORMS[special.xlogy] = lambda a, b: np.where(a == 0, 0.0, a * np.log(b))
        form = COMPLEX_FORMS.get(ufunc)
    return form
