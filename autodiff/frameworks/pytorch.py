"""A PyTorch module as layers, by the graph of ATen's operations that ``torch.export`` gives; the only file with torch.

ONNX would need a reader of its nodes, with a table of its names next to ATen's, and Flax one of the jaxpr that
``jax.make_jaxpr`` gives; a model of Keras 3 is a module on its torch backend (not tried), and a jaxpr on its other one.
"""

from __future__ import annotations

import contextlib
import inspect
import warnings
from collections.abc import Iterator
from typing import Any

import numpy as np

from ..arrays import FLOATS, Array
from ..errors import DTypeError, InputError, UnsupportedError
from ..layers import Layer
from ..namespaces import load
from .recognised import layers_of
from .tracing import traced


def read(module: Any, example: Any, training: bool = False) -> tuple[list[Layer], Array]:
    """The layers of a module, and the example as an array.

    Raises:
        UnsupportedError, InputError, DTypeError: as :meth:`autodiff.Network.from_torch` says.
    """
    torch = load("torch")
    if not isinstance(module, torch.nn.Module):
        raise InputError(f"from_torch takes a torch.nn.Module, not {type(module).__name__}")
    if training:
        text = (
            "is not taken: a network is a function, so dropout and batch norm are taken as in inference; leave it out"
        )
        raise InputError(f"training=True {text}")
    _check_signature(module)
    x = _checked(torch, module, example)
    with _inference(module), torch.no_grad(), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torch.export's own deprecations are no concern of the caller
        expected = _called(torch, module, x)
        layers = layers_of(traced(torch, module, x))
        _check_values(layers, x, expected)
    return layers, np.array(x.numpy())


def _check_signature(module: Any) -> None:
    """Refuse a module that takes several tensors.

    Raises:
        InputError: with what to do.
    """
    parameters = list(inspect.signature(module.forward).parameters.values())
    kinds = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)
    needed = [p.name for p in parameters if p.kind in kinds and p.default is inspect.Parameter.empty]
    if len(needed) > 1:
        text = f"takes {len(needed)} inputs ({', '.join(needed)}); a network has one"
        raise InputError(
            f"{type(module).__name__} {text}: wrap it in a module whose forward(x) takes them out of one tensor"
        )


def _checked(torch: Any, module: Any, example: Any) -> Any:
    """The example as a tensor on the CPU, of the module's precision.

    Raises:
        InputError, DTypeError: saying what to pass.
    """
    owner = type(module).__name__
    if example is None:
        text = "for the shapes, batch axis included: from_torch(module, torch.randn(1, 3, 32, 32, dtype=...))"
        raise InputError(f"from_torch needs an example input of {owner} {text}")
    if isinstance(example, (tuple, list, dict)):
        raise InputError(f"the example is a {type(example).__name__}; a network has one input: pass the tensor itself")
    if not isinstance(example, (torch.Tensor, np.ndarray)):
        raise InputError(f"the example is {type(example).__name__}; expected a tensor, or a NumPy array")
    x = torch.as_tensor(example).detach().cpu().contiguous()
    if not x.numel():
        raise InputError(f"the example of shape {tuple(x.shape)} is empty")
    floats = {torch.float32, torch.float64}
    if not x.dtype.is_floating_point:
        text = (
            "derivatives need floats. Embed the tokens first, and pass what the embedding gives to the module behind it"
        )
        raise DTypeError(f"the example is {x.dtype}; {text}")
    kinds = sorted({str(one.dtype) for one in module.parameters() if one.dtype.is_floating_point})
    wrong = [kind for kind in [*kinds, str(x.dtype)] if kind not in map(str, floats)]
    if wrong:
        raise DTypeError(f"{owner} computes with {wrong[0]}; take module.double() or module.float()")
    if len(kinds) == 1 and kinds[0] != str(x.dtype):
        text = f"the parameters of {owner} are {kinds[0]}; pass example.to({kinds[0]}), or convert the module"
        raise DTypeError(f"the example is {x.dtype}, {text}")
    if not torch.isfinite(x).all():
        raise InputError("the example holds NaN or infinite values")
    return x


@contextlib.contextmanager
def _inference(module: Any) -> Iterator[None]:
    """The module in eval mode, and afterwards every part of it in the mode that it was in."""
    modes = [(one, one.training) for one in module.modules()]
    try:
        module.eval()
        yield
    finally:
        for one, mode in modes:
            one.training = mode


def _called(torch: Any, module: Any, x: Any) -> Any:
    """What the module gives.

    Raises:
        InputError: it fails, or gives anything but one tensor.
        DTypeError: a tensor of integers.
    """
    owner = type(module).__name__
    try:
        y = module(x.clone())
    except Exception as error:  # a module of somebody else may raise anything
        line = str(error).strip().partition("\n")[0]
        shape = f"the example of shape {tuple(x.shape)}"
        raise InputError(f"{owner} does not take {shape}: {type(error).__name__}: {line}") from error
    if not isinstance(y, torch.Tensor):
        came = f"{len(y)} results" if isinstance(y, (tuple, list, dict)) else type(y).__name__
        text = "a network has one: wrap it in a module whose forward returns one tensor, such as module(x)[0]"
        raise InputError(f"{owner} gives {came}; {text}")
    if not y.dtype.is_floating_point or not y.numel():
        raise DTypeError(f"{owner} gives {y.dtype} of shape {tuple(y.shape)}; derivatives need floats")
    if y.dtype != x.dtype:
        raise DTypeError(f"{owner} gives {y.dtype} for {x.dtype}; a network has one precision")
    return y


def _check_values(layers: list[Layer], x: Any, expected: Any) -> None:
    """Refuse layers that do not give at the example what the module gives.

    Raises:
        UnsupportedError: with the difference.
    """
    y: Any = x.numpy().reshape(-1)
    with np.errstate(all="ignore"):
        for layer in layers:
            y = layer.function(y, layer.params, np)
    wanted = expected.numpy().reshape(-1)
    tolerance = 1e-9 if wanted.dtype == FLOATS[1] else 1e-3
    off = np.abs(y - wanted).max() / max(np.abs(wanted).max(), 1e-30) if y.shape == wanted.shape else np.inf
    if not off <= tolerance and np.isfinite(wanted).all():
        text = "does it draw random numbers? If not, this is a mistake of this package; please report the module"
        raise UnsupportedError(
            f"the layers made of the module give other values than it does, off by {off:.1e}; {text}"
        )
