"""The engine that chooses: forward when there are no more variables than outputs, else reverse."""

from __future__ import annotations

from typing import ClassVar

from ..network import Network
from .base import Engine, Prepared
from .forward import Forward
from .reverse import Reverse


class Auto(Engine):
    """``auto``: ``forward`` if n <= m, else ``reverse``; the rule counts multiplications and knows no machine."""

    name: ClassVar[str] = "auto"
    operations: ClassVar[frozenset[str]] = frozenset({"jacobian", "gradient", "jvp", "vjp"})

    def choose(self, network: Network, wrt: str, operation: str) -> Engine:
        """The engine that will do the work."""
        if operation in ("jvp", "vjp"):
            return Forward() if operation == "jvp" else Reverse()
        return Forward() if network.variables(wrt) <= network.m else Reverse()

    def build(self, network: Network, wrt: str, operation: str, seeds: int) -> Prepared:
        return self.choose(network, wrt, operation).build(network, wrt, operation, seeds)
