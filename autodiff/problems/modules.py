"""PyTorch's modules where a network is named."""

from __future__ import annotations

import sys
from typing import Any

from ..errors import InputError
from ..network import Network


def is_module(found: object) -> bool:
    """It is a PyTorch module, which nobody can have without having imported PyTorch."""
    torch = sys.modules.get("torch")
    return torch is not None and isinstance(found, torch.nn.Module)


def converted(found: Any, name: str) -> Any:
    """The network of a PyTorch module; anything else as it is.

    The example is the module's attribute ``example_input``, or ``example_input`` or ``example`` of the Python module
    that it is named in; each a tensor, or a function that gives one.

    Raises:
        InputError: there is no example, or what :meth:`autodiff.Network.from_torch` says.
    """
    if not is_module(found):
        return found
    home = sys.modules.get(name.partition(":")[0])
    places = [(found, "example_input"), (home, "example_input"), (home, "example")]
    example = next((getattr(owner, key) for owner, key in places if hasattr(owner, key)), None)
    if example is None:
        module, _, own = name.partition(":")
        text = (
            f"set {own.partition('(')[0]}.example_input, or example_input in {module}, to a tensor of the input's shape"
        )
        raise InputError(f"{name} is a PyTorch module and has no example input; {text}")
    return Network.from_torch(found, example() if callable(example) else example, name=name)
