"""What the layers' derivatives cost, counted on the programs that push and pull through them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from ..chain import ChainProblem, Factor
from ..layers.base import Layer
from ..linear.assemble import as_matrix
from ..linear.linearize import Linear
from ..linear.terms import Terms
from ..network import Network
from ..program.builder import Builder
from ..program.count import Work
from ..program.instructions import Code
from ..program.program import code_work
from .branched import Inner
from .writer import Writer, identity

FEW, MORE = 2, 4  #: seeds at which a cost is counted; in between and beyond it is a straight line


@dataclass(frozen=True, slots=True)
class LayerCost:
    """The counted work of one layer.

    Attributes:
        value: of f(x).
        push, pull: of ``f'(x) V`` and ``U f'(x)`` for dense seeds, at ``FEW`` of them and for one more.
        dense: of f'(x) as a matrix.
        kept: bytes that a pull reads of what the value left.
        inner: of a block whose branches are worth multiplying out, how.
    """

    value: Work
    push: tuple[Work, Work]
    pull: tuple[Work, Work]
    dense: Work
    kept: int
    inner: Inner | None = None

    def pushed(self, k: int) -> Work:
        """The work of k tangents."""
        return _line(self.push, k)

    def pulled(self, k: int) -> Work:
        """The work of k cotangents."""
        return _line(self.pull, k)


def layer_costs(network: Network) -> list[LayerCost]:
    """The cost of every layer; layers whose functions take the same steps over the same shapes are counted once."""
    known: dict[Any, LayerCost] = {}
    costs = []
    for number, layer in enumerate(network.layers):
        made = _construction(layer)
        if made not in known:
            w, J = _recorded(network, number)
            steps = J.signature
            if steps not in known:
                known[steps] = _counted(network, number, code_work(w.b.code))
            known[made] = known[steps]
        costs.append(known[made])
    return costs


def _construction(layer: Layer) -> Any:
    """Equal for layers that surely have the same function: of one class, made of the same objects but for params."""
    own = [(name, value if type(value) in (int, str, float) else id(value)) for name, value in vars(layer).items()]
    shapes = [array.shape for array in layer.params]
    return type(layer), *shapes, *(pair for pair in own if pair[0] != "params")


def _recorded(network: Network, number: int) -> tuple[Writer, Linear]:
    w = Writer.of(network, "input", "value", 1)
    _, J = w.linearize(number, w.b.outside("x", (network.layers[number].n,)))
    return w, J


def _counted(network: Network, number: int, value: Work) -> LayerCost:
    layer = network.layers[number]

    def cost(write: Any) -> tuple[Work, int]:
        w, J = _recorded(network, number)
        before = len(w.b.code.instructions)
        written = {id(one.out.buffer) for one in w.b.code.instructions}
        write(w, J)
        own = w.b.code.instructions[before:]
        read = {id(o.buffer): o.buffer.size for one in own for o in one.inputs}
        kept = sum(size for key, size in read.items() if key in written)
        return code_work(Code(network.dtype, own)), kept * network.dtype.itemsize

    def seeds(b: Builder, w: Writer, k: int, size: int, columns: bool) -> Terms:
        shape = (size, k) if columns else (k, size)
        return w.dense_seeds(b.outside("seed", shape), columns, (size,))

    def push(k: int) -> Any:
        return lambda w, J: _settle(w, J.push(seeds(w.b, w, k, layer.n, True)))

    def pull(k: int) -> Any:
        def write(w: Writer, J: Linear) -> None:
            w.b.seeds_lead = True
            _settle(w, J.pull(seeds(w.b, w, k, layer.m, False))[0])

        return write

    dense, _ = cost(lambda w, J: _settle(w, J.push(identity(layer.n))))
    (push_few, _), (push_more, _) = cost(push(FEW)), cost(push(MORE))
    (pull_few, kept), (pull_more, _) = cost(pull(FEW)), cost(pull(MORE))
    push_line, pull_line = (push_few, _slope(push_few, push_more)), (pull_few, _slope(pull_few, pull_more))
    return LayerCost(value, push_line, pull_line, dense, kept, Inner.of(layer, _branch))


def _branch(layers: Sequence[Layer]) -> tuple[ChainProblem, tuple[Inner | None, ...]]:
    """The chain of a branch, and what its layers are inside."""
    network = Network(layers)
    costs = layer_costs(network)
    return chain_problem(network, costs), tuple(one.inner for one in costs)


def _settle(w: Writer, terms: Terms) -> None:
    if terms:
        as_matrix(w.b, terms)


def _minus(one: Work, other: Work) -> Work:
    return one + other * -1


def _slope(few: Work, more: Work) -> Work:
    """Of the line through both; not below 0, where as many seeds as there are samples take other steps."""
    parts = _minus(more, few)
    names = ("fma", "elementwise", "transcendental", "elements", "calls")
    return Work(*(max(getattr(parts, name), 0) // (MORE - FEW) for name in names))


def _line(counted: tuple[Work, Work], k: int) -> Work:
    few, slope = counted
    return few + slope * (k - FEW)


def chain_problem(network: Network, costs: list[LayerCost] | None = None) -> ChainProblem:
    """The Jacobian with respect to the input as a chain of factors; see :func:`autodiff.chain.bracket`.

    Costs are multiply-adds and elementwise operations a seed, counted on the programs; memory is bytes.
    """
    factors = []
    for layer, cost in zip(network.layers, costs or layer_costs(network), strict=True):
        tangent, cotangent = (max(one.fma + one.elementwise, 1) for one in (cost.push[1], cost.pull[1]))
        dense, inner = cost.dense.fma + cost.dense.elementwise, cost.inner
        own = () if inner is None else (inner.cost, inner.tangent, inner.adjoint, inner.dense)
        factors.append(Factor(layer.n, layer.m, tangent, cotangent, cost.kept, dense, *own))
    return ChainProblem(factors)
