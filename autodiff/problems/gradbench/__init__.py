"""The problems of GradBench, the field's benchmark of AD tools: one eval a file, each a function over ``xp``.

Every file has ``FUNCTIONS``: by the name that the eval's messages use, what makes a :class:`~.task.Task` of an input.
"""

from . import ba, det, gmm, hello, ht, llsq, lse, lstm, ode
from .task import Maker, Task

EVALS: dict[str, dict[str, Maker]] = {
    one.__name__.rpartition(".")[2]: one.FUNCTIONS for one in (ba, det, gmm, hello, ht, llsq, lse, lstm, ode)
}

#: evals that are known and not answered, with the reason
REFUSED = {
    "kmeans": "needs the Hessian's diagonal beside the gradient",
    "particle": "differentiates a function that itself takes derivatives",
    "saddle": "differentiates a function that itself takes derivatives",
}

__all__ = ["EVALS", "REFUSED", "Maker", "Task"]
