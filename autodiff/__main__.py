"""``python -m autodiff``."""

from .cli import main

main()
