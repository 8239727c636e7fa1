"""What a user names as ``module:name``: from the folder that the command is run in, or from any installed package."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path
from typing import Any

from .errors import InputError


def is_reference(text: object) -> bool:
    """It is written ``module:name``."""
    return isinstance(text, str) and ":" in text.partition("(")[0]


def load(text: str) -> Any:
    """What a module holds under a name, which may have dots.

    Raises:
        InputError: no such module or name, or whatever the module raises while it is imported.
    """
    module, _, name = text.partition(":")
    if not all(part.isidentifier() for part in (*module.split("."), *name.split("."))):
        raise InputError(f"{text[:80]!r} is no module:name, such as mymodule:net")
    here = str(Path.cwd())
    if here not in sys.path:
        sys.path.insert(0, here)
    try:
        found: Any = importlib.import_module(module)
    except ModuleNotFoundError as error:
        where = f"looked in {here} and among the installed packages"
        raise InputError(f"{text} cannot be loaded: there is no module {error.name}; {where}") from error
    except KeyboardInterrupt:
        raise
    except BaseException as error:  # a module of somebody else may do anything, sys.exit() included
        raise InputError(f"{text} cannot be loaded: {module} fails with {type(error).__name__}: {error}") from error
    for part in name.split("."):
        try:
            found = getattr(found, part)
        except AttributeError as error:
            raise InputError(f"{text} cannot be loaded: {error}") from error
    return found
