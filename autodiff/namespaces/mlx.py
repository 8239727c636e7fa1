"""NumPy's names over MLX, for layers that are to be differentiated by it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from ..errors import UnsupportedError
from . import load

#: MLX's functions that are NumPy's, by the same name
SAME = """abs add arctan arctan2 ceil concatenate cos cosh divide exp expm1 floor log log10 log1p log2 logaddexp matmul
    max maximum mean min minimum multiply negative outer power prod reciprocal reshape sign sin sinh sqrt square stack
    subtract sum tan tanh transpose where"""


#: what MLX 0.32 computes in single precision, also of float64, by the name that a layer calls it by
SINGLE = "cos exp expit logaddexp sin"


class MlxNamespace:
    """The names that layers use.

    Raises:
        UnsupportedError: MLX is not installed.
    """

    def __init__(self) -> None:
        self.core = core = load("mlx.core")
        self.special = self
        self.pi = float(np.pi)
        for name in SAME.split():
            setattr(self, name, getattr(core, name))
        self.expit = core.sigmoid
        for name in SINGLE.split():
            setattr(self, name, self._single(name, getattr(self, name)))

    def _single(self, name: str, function: Callable[..., Any]) -> Callable[..., Any]:
        def called(x: Any, *more: Any) -> Any:
            if x.dtype == self.core.float64:
                raise UnsupportedError(
                    f"needs {name}, which MLX computes in single precision; network.astype('float32')"
                )
            return function(x, *more)

        return called

    def asarray(self, values: Any, dtype: Any = None) -> Any:
        """``values`` as an array of ``dtype``; left to itself, MLX makes float32 of NumPy's float64."""
        return values.astype(dtype) if isinstance(values, self.core.array) else self.core.array(values, dtype=dtype)

    def real(self, x: Any) -> Any:
        """``x``, which is real: complex steps are not taken through MLX."""
        return x

    def split(self, flat: Any, sizes: Sequence[int]) -> Any:
        """A vector cut up."""
        return self.core.split(flat, np.cumsum(sizes)[:-1].tolist())
