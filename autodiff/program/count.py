"""Counting work: what one operation costs, in units that a machine has rates for."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Work:
    """Exact counts of what an operation does.

    Attributes:
        fma: fused multiply-adds of products.
        elementwise: arithmetic operations outside products (one per element).
        transcendental: evaluations of tanh, exp and the like.
        elements: array elements read or written, each operand counted once.
        calls: array operations issued, each of which pays the interpreter's overhead.
    """

    fma: int = 0
    elementwise: int = 0
    transcendental: int = 0
    elements: int = 0
    calls: int = 0

    @property
    def flops(self) -> int:
        """Floating-point operations: two per multiply-add, one per elementwise operation."""
        return 2 * self.fma + self.elementwise + self.transcendental

    def __add__(self, other: Work) -> Work:
        return Work(
            self.fma + other.fma,
            self.elementwise + other.elementwise,
            self.transcendental + other.transcendental,
            self.elements + other.elements,
            self.calls + other.calls,
        )

    def __mul__(self, times: int) -> Work:
        return Work(
            self.fma * times,
            self.elementwise * times,
            self.transcendental * times,
            self.elements * times,
            self.calls * times,
        )


NOTHING = Work()


def product(m: int, n: int, k: int, times: int = 1) -> Work:
    """The work of ``times`` products ``(m, n) (n, k)``."""
    return Work(fma=m * n * k, elements=m * n + n * k + m * k, calls=1) * times


def passes(size: int, count: int = 1, transcendental: int = 0, operands: int = 2) -> Work:
    """The work of ``count`` array operations over ``size`` elements, ``transcendental`` of them costly."""
    return Work(
        elementwise=size * (count - transcendental),
        transcendental=size * transcendental,
        elements=size * count * operands,
        calls=count,
    )
