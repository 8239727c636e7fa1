"""The Jacobian as an operator of SciPy's; :func:`autodiff.linearize` makes it. Importing this imports SciPy."""

from __future__ import annotations

import threading
from typing import Any

import numpy as np
from scipy.sparse.linalg import LinearOperator

from .arrays import Array
from .engines import Prepared
from .engines.forward import Forward
from .engines.reverse import Reverse
from .engines.running import ProgramEngine, compiled
from .engines.writer import Writer
from .errors import DTypeError, InputError, UnsupportedError
from .network import Network
from .program.layout import place
from .program.split import resolved, split

ORDERS: dict[str, type[ProgramEngine]] = {"jvp": Forward, "vjp": Reverse}


class Product(Prepared):
    """A jvp or vjp at one point: what does not depend on the seed is done on preparation.

    Attributes:
        y: f(x), (m,).
    """

    def __init__(self, network: Network, x: Array, wrt: str, operation: str, seeds: int, executor: str) -> None:
        super().__init__(network, wrt, operation, seeds)
        self.x, self.executor = x, executor

    def allocate(self) -> None:
        """Run what does not depend on the seed, and make the rest ready."""
        order = ORDERS[self.operation]
        engine = (order if self.executor == "numpy" else compiled(order))()
        execution = engine.execution()
        w = Writer.of(self.network, self.wrt, self.operation, self.seeds)
        engine.write(w)
        before, after = split(w.b.code)
        first = execution(before, place(before, reuse=False))
        self._context.run(first.run, self.x, None, self.x)
        self.y: Array = first.value.copy()
        after = resolved(after, before, first.memory)
        elements = place(after)
        self.second = execution(after, elements)
        self.nbytes = first.memory.nbytes + elements * self._dtype.itemsize

    def _run(self, x: Array, seed: Array | None, out: Array) -> None:
        self.second.run(x, seed, out)


class Jacobian(LinearOperator):  # type: ignore[misc]  # SciPy has no types
    """f'(x), (m, n), or df/dtheta, (m, p); see :func:`autodiff.linearize`.

    Vectors are converted to the operator's dtype; threads are given turns; a pickled one is prepared again.

    Attributes:
        network: f, a copy.
        x: the point (n,), a copy.
        wrt: "input" or "params".
        y: f(x), (m,).
    """

    def __init__(self, network: Network, x: Array, wrt: str, executor: str | None) -> None:
        if executor not in (None, "compiled", "numpy"):
            raise InputError(f'executor is {executor!r}; expected "compiled", "numpy" or None')
        super().__init__(network.dtype, (network.m, network.variables(wrt)))
        self.network, self.x, self.wrt, self._asked = network.copy(), x.copy(), wrt, executor
        self._products: dict[tuple[str, int], Product] = {}
        self._preparing = False
        self._lock = threading.RLock()
        self._executor = executor or ("numpy" if compiled(Forward)().available() else "compiled")
        self.y = self._product("jvp", 1).y

    def _product(self, operation: str, seeds: int) -> Product:
        made = self._products.get((operation, seeds))
        if made is not None:
            return made
        with self._lock:
            if self._preparing:
                raise InputError("this operator was called from within its own preparation; linearize again for that")
            self._preparing = True
            try:
                made = self._products.get((operation, seeds)) or self._prepared(operation, seeds)
            finally:
                self._preparing = False
            self._products[operation, seeds] = made
        return made

    def _prepared(self, operation: str, seeds: int) -> Product:
        made = Product(self.network, self.x, self.wrt, operation, seeds, self._executor)
        try:
            made.allocate()
        except UnsupportedError:
            if self._asked or self._executor == "numpy":
                raise
            self._executor = "numpy"  # a function without a loop that can be called by its address
            made = Product(self.network, self.x, self.wrt, operation, seeds, self._executor)
            made.allocate()
        return made

    def _times(self, operation: str, seed: Array) -> Array:
        if seed.dtype.kind not in "fiub":
            raise DTypeError(f"a vector is {seed.dtype}; the Jacobian is of {self.dtype} and takes real numbers")
        seed = np.ascontiguousarray(seed, self.network.dtype)
        if not seed.size:
            none: Array = np.zeros((self.shape[0], 0) if operation == "jvp" else (0, self.shape[1]), self.network.dtype)
            return none
        k = seed.shape[1 if operation == "jvp" else 0]
        return self._product(operation, k)(self.x, seed)

    def _matvec(self, v: Array) -> Array:
        product: Array = self._times("jvp", v.reshape(-1, 1))[:, 0]
        return product

    def _matmat(self, V: Array) -> Array:
        return self._times("jvp", V)

    def _rmatvec(self, u: Array) -> Array:
        product: Array = self._times("vjp", u.reshape(1, -1))[0]
        return product

    def _rmatmat(self, U: Array) -> Array:
        return self._times("vjp", U.T).T

    def __reduce__(self) -> Any:
        return type(self), (self.network, self.x, self.wrt, self._asked)
