"""The engine that chooses, for people who only want the derivative."""

from __future__ import annotations

from typing import ClassVar

from .mixed import Mixed


class Auto(Mixed):
    """``auto``: forward, reverse or the optimal bracketing, as :class:`~autodiff.engines.mixed.Mixed` chooses."""

    name: ClassVar[str] = "auto"

    def __init__(self) -> None:
        super().__init__()
