"""The chain product of a Jacobian, ``F_q ... F_2 F_1``, and the order of multiplication that costs least."""

from .bracket import bracket
from .plan import Plan, Step
from .problem import ChainProblem, Factor

__all__ = ["ChainProblem", "Factor", "Plan", "Step", "bracket"]
