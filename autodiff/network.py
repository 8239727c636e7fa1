"""A network: a validated chain of layers ``f = f_L o ... o f_1 : R^n -> R^m`` over one flat parameter vector."""

from __future__ import annotations

import functools
import itertools
from collections.abc import Callable, Iterable
from typing import Any

import numpy as np
from numpy.typing import DTypeLike

from .arrays import Array, aligned_empty, as_vector, float_dtype
from .errors import InputError
from .layers.base import Layer
from .layers.chaining import Unrolled, chain, distinct
from .namespaces import load, pieces
from .namespaces.torch import TorchNamespace


class Network:
    """A composition of layers, the first of which is applied first.

    Args:
        layers: at least one; sizes must chain, and layers without a size take the one before's. What stands for
            several layers, such as ``ad.LSTM`` or ``ad.Repeat``, is written out.
        name: what reports call it.
        example: an input (n,) that :meth:`example_input` returns instead of a random one.

    The layers are copied, and the copies' parameters are views of :attr:`params`: writing into that vector
    changes the network, and every engine prepared for it at the network's own dtype. A copy of a network
    (``copy.deepcopy``, ``pickle``) has a vector of its own. Layers that have the same array as a parameter share it:
    it stands in that vector once, and the derivative with respect to it is the sum over all of them.

    Attributes:
        layers: the bound layers.
        params: the parameters of all layers (p,), layer by layer, array by array, row by row.
        shapes: of every layer's parameter arrays.
        slices: where each layer's own parameters lie in ``params``; those that an earlier layer has too are there.
        starts: where each layer's parameter arrays begin in ``params``, shared ones too.
        dtype: float64, or float32 if the parameters are.

    Raises:
        InputError: no layers, something that is no layer, or sizes that do not chain.
        DTypeError: a layer's parameters are no floats.
    """

    def __init__(
        self, layers: Iterable[Layer | Unrolled], name: str = "network", example: object | None = None
    ) -> None:
        if not isinstance(layers, Iterable):
            raise InputError(f"a network takes a list of layers, not {type(layers).__name__}")
        chained = chain(layers)
        self.name = name
        arrays = [array for layer in chained for array in layer.params]
        self._build(chained, np.result_type(*arrays) if arrays else np.dtype(np.float64))
        self._example = None if example is None else as_vector(example, self.n, "example", np.dtype(np.float64)).copy()

    def _build(self, layers: list[Layer], dtype: np.dtype[Any]) -> None:
        self.dtype = dtype
        self._first_uses: dict[int, tuple[int, int]] = {}
        self.shapes = [tuple(array.shape for array in layer.params) for layer in layers]
        arrays, self._places = distinct(layers)
        self._array_shapes = [array.shape for array in arrays]
        self._sizes = [array.size for array in arrays]
        ends = [0, *itertools.accumulate(self._sizes)]
        self.starts = [tuple(ends[place] for place in own) for own in self._places]
        counts = [0, *itertools.accumulate((max(own, default=-1) + 1 for own in self._places), max)]
        self.slices = [slice(ends[before], ends[after]) for before, after in itertools.pairwise(counts)]
        self._params = aligned_empty(ends[-1], dtype)
        if arrays:
            np.concatenate([array.ravel() for array in arrays], out=self._params, casting="same_kind")
        pairs = zip(layers, self.parts(self._params), strict=True)
        self.layers = [layer.with_params(part) for layer, part in pairs]

    def first_use(self, start: int) -> tuple[int, int]:
        """The first layer that has the parameters which begin at ``start``, and which of its arrays, the last such."""
        if not self._first_uses:
            for number, own in enumerate(self.starts):
                for k, begin in enumerate(own):
                    if self._first_uses.setdefault(begin, (number, k))[0] == number:
                        self._first_uses[begin] = number, k
        return self._first_uses[start]

    def __getstate__(self) -> dict[str, Any]:
        return {key: value for key, value in self.__dict__.items() if key != "_params"}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self._build(self.layers, self.dtype)  # the layers come with arrays of their own; here they share one again

    @property
    def params(self) -> Array:
        """The parameters of all layers (p,), in order; assigning copies the numbers into the same vector."""
        return self._params

    @params.setter
    def params(self, values: object) -> None:
        self._params[:] = as_vector(values, self._params.size, "params", self.dtype)

    @property
    def n(self) -> int:
        """Inputs."""
        return self.layers[0].n

    @property
    def m(self) -> int:
        """Outputs."""
        return self.layers[-1].m

    @property
    def depth(self) -> int:
        """Layers."""
        return len(self.layers)

    @property
    def width(self) -> int:
        """The widest value between two layers; for a single layer, its inputs."""
        return max((layer.m for layer in self.layers[:-1]), default=self.n)

    def variables(self, wrt: str) -> int:
        """Columns of the Jacobian with respect to ``wrt``, "input" or "params".

        Raises:
            InputError: another word, or "params" of a network that has none.
        """
        if wrt not in ("input", "params"):
            raise InputError(f'wrt is {wrt!r}; expected "input" or "params"')
        if wrt == "params" and not self.params.size:
            raise InputError(f"{self.name} has no parameters to differentiate; use wrt='input'")
        return self.n if wrt == "input" else self.params.size

    def parts(self, params: Any, xp: Any = np) -> tuple[tuple[Any, ...], ...]:
        """The flat parameters (p,), of any kind of array, as every layer's tuple of arrays."""
        shapes = self._array_shapes
        cut = pieces(params, self._sizes, xp)
        arrays = [one if len(shape) == 1 else one.reshape(shape) for shape, one in zip(shapes, cut)]  # noqa: B905
        return tuple(tuple(arrays[place] for place in own) for own in self._places)

    def function(self, x: Any, params: Any = None, xp: Any = np) -> Any:
        """``f(x)`` in any array namespace, as a pure function of x (n,) and the parameters, flat or in parts."""
        if params is None:
            params = tuple(layer.params for layer in self.layers)
        elif not isinstance(params, tuple):
            params = self.parts(params, xp)
        for layer, part in zip(self.layers, params, strict=True):
            x = layer.function(x, part, xp)
        return x

    def as_jax(self) -> tuple[Callable[[Any, Any], Any], Any]:
        """The plain function ``f(x, params) -> y`` for JAX, and the parameters (p,) as a JAX array of their own.

        Differentiate it with ``jax.grad``, ``jax.jacrev``, ...; a float64 network needs JAX's ``jax_enable_x64``.

        Raises:
            UnsupportedError: JAX is not installed; with the pip line.
            InputError: the network is float64, and JAX is set to make float32 of that; with the line to write.
        """
        jax = load("jax")
        if self.dtype == np.float64 and not jax.config.jax_enable_x64:
            line = 'jax.config.update("jax_enable_x64", True)'
            raise InputError(
                f"{self.name} is float64, and JAX is set to float32; write {line}, or use astype('float32')"
            )
        return functools.partial(self.function, xp=jax.numpy), jax.numpy.array(self.params, copy=True)

    @classmethod
    def from_torch(cls, module: object, example: object = None, name: str = "", training: bool = False) -> Network:
        """The network of a PyTorch module: its values and derivatives, by this package's engines.

        The module is traced by ``torch.export`` for the example's shape. What is one layer there becomes one of ours,
        with its activation; between two values that all others go through, anything else (a residual block, an
        attention) becomes one layer, a :class:`~autodiff.frameworks.piece.Piece`. A layer's ``path`` and ``sources``
        are the module's names for it and for its parameters. The parameters are copied, at the module's precision.

        Dropout and batch normalisation are taken as in inference, whatever mode the module is in. What PyTorch does not
        define is decided as here: of equal numbers, the first has the derivative of a maximum.

        Args:
            module: a ``torch.nn.Module`` whose ``forward`` takes one tensor of floats and gives one.
            example: such a tensor (or NumPy array), batch axis included; the network's input is its elements in C
                order, and it is what :meth:`example_input` returns.
            name: what reports call the network; the class of the module if left out.
            training: refused; see above.

        Raises:
            UnsupportedError: PyTorch is not installed; an operation has no counterpart here, naming it, where it stands
                and what to do; or ``torch.export`` cannot trace the module.
            InputError: no module, no example or a wrong one, several inputs or outputs, training.
            DTypeError: integers, or a precision other than float64 and float32.

        Source: Ansel et al., PyTorch 2 (2024), whose operations, ATen's, are read.
        """
        from .frameworks.pytorch import read

        layers, given = read(module, example, training)
        made = cls(layers, name or type(module).__name__, given.reshape(-1).astype(np.float64))
        return made if made.dtype == given.dtype else made.astype(given.dtype)

    def as_torch(self) -> tuple[Callable[[Any, Any], Any], Any]:
        """The plain function ``f(x, params) -> y`` for PyTorch on the CPU, and the parameters (p,) as a tensor.

        Raises:
            UnsupportedError: PyTorch is not installed; with the pip line.
        """
        xp = TorchNamespace()
        return functools.partial(self.function, xp=xp), xp.torch.tensor(self.params)

    def __call__(self, x: object) -> Array:
        """``y = f(x)`` for x (n,), gives y (m,).

        Raises:
            InputError: the wrong shape, NaN or infinity.
            DTypeError: integers, objects, or a float wider than the network's.
        """
        point = as_vector(x, self.n, "x", self.dtype)
        with np.errstate(all="ignore"):
            y = np.asarray(self.function(point), self.dtype)
        if y.shape != (self.m,):
            raise InputError(f"{self.name} gives shape {y.shape}; expected ({self.m},); call its layers one by one")
        return y

    def astype(self, dtype: DTypeLike) -> Network:
        """A copy of this network at ``dtype``, with parameters of its own."""
        return self._copy(float_dtype(dtype))

    def copy(self) -> Network:
        """A copy with parameters of its own."""
        return self._copy(self.dtype)

    def _copy(self, dtype: np.dtype[Any]) -> Network:
        made = object.__new__(type(self))
        made.__dict__.update(self.__getstate__())
        made._build(self.layers, dtype)
        return made

    def example_input(self, seed: int = 0) -> Array:
        """An input (n,) that the network is meant for: the problem's own data, else standard normal numbers."""
        if self._example is not None:
            return self._example.astype(self.dtype)
        return np.random.default_rng(seed).standard_normal(self.n).astype(self.dtype)

    def __repr__(self) -> str:
        sizes = " -> ".join(str(size) for size in [self.n, *(layer.m for layer in self.layers)])
        if self.depth > 8:
            sizes = f"{self.n} -> ... -> {self.m}"
        return f"Network({self.name}: {sizes}, {self.depth} layers, {self.params.size} parameters, {self.dtype})"
