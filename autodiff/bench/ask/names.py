"""The names that measurements are kept under beside those of sweeps, cases and engines; the seeds of all numbers."""

from __future__ import annotations

VALUE = "value"  #: stands in an engine's place for the evaluation of f that derivatives are compared with
#: the same, by executor: a derivative is compared with f run by what runs it
VALUES = {"numpy": VALUE, "compiled": f"compiled-{VALUE}"}
#: stands in an engine's place for the bare matrix products that a jvp or a vjp cannot do without, by executor
PRODUCTS = {"numpy": "products", "compiled": "compiled-products"}
STANDING = (*VALUES.values(), *PRODUCTS.values())  #: all of these, which are no engines
AGAIN = "@again"  #: marks the second of two measurements of the same engine, in a process of its own
FLOOR = "@identity"  #: begins the case under which the floors of engines are kept
SEEDS = {"input": 1, "verification": 2, "jvp and vjp": 3}  #: of every random number in a measurement
OURS = "numpy"  #: the family of this package's engines, in whose process f and the machine are measured too
MACHINE = "@machine"  #: the sweep under which the records of the machine's rates are kept
MODEL = "model"  #: the name of an executor's calibration among the kernels
COMPILED = "compiled-"  #: begins the name of a kernel that the compiled executor runs, as it does an engine's
