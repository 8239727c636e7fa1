"""Which of this package's problems an eval of GradBench is at an input, as its description says.

``ht`` is none of them: a description does not tell which of GradBench's four hands it is, and they differ in cost.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, NamedTuple

from .side import What

VALUES = ("primal", "objective")  #: what evals call f; anything else is a derivative


class Counterpart(NamedTuple):
    """The problem that an eval is.

    Attributes:
        problem: its family's name.
        keywords: in the order in which a description has their numbers; empty for a number that the cost does not
            depend on.
        wrt: what the eval differentiates with respect to, "input" or "params".
    """

    problem: str
    keywords: tuple[str, ...]
    wrt: str = "input"


EVALS = {
    "llsq": Counterpart("llsq", ("n", "m")),
    "lse": Counterpart("lse", ("n",)),
    "ode": Counterpart("ode", ("n", "s"), "params"),
    "gmm": Counterpart("gmm", ("d", "k", "points")),
    "det": Counterpart("det", ("ell",)),
    "lstm": Counterpart("diagonal_lstm", ("l", "c")),
    "ba": Counterpart("reprojections", ("", "", "", "observations")),  # ba1_n49_m7776_p31843
}
#: characters from which on GradBench's text has one beyond ASCII, and so as many bits each as the family
LONG = 128


def workload(module: str, description: str, function: str) -> What | None:
    """The problem, its keywords and what is computed of it; None for what no family is.

    Args:
        module: the eval's.
        description: of the input, such as ``n=1000,s=10``.
        function: of the module.
    """
    found, numbers = EVALS.get(module), [int(word) for word in re.findall(r"\d{1,18}", description)]
    if found is None or len(numbers) != len(found.keywords):
        return None
    keywords = {name: number for name, number in zip(found.keywords, numbers, strict=True) if name}
    if keywords.get("c", LONG) < LONG:
        return None
    return what_of(found.problem, keywords, "value" if function in VALUES else "derivative", found.wrt)


def what_of(problem: str, keywords: Mapping[str, Any], kind: str, wrt: str) -> What:
    """The same for whoever measured it; a value is one, whatever it might be differentiated with respect to."""
    return problem, frozenset(keywords.items()), kind, "" if kind == "value" else wrt
