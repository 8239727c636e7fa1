"""What ``torch.export`` gives, as a graph without PyTorch in it."""

from __future__ import annotations

import logging
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ..arrays import Array
from ..errors import UnsupportedError
from .cutting import needed
from .graph import Graph, Ref, Step
from .operations import OPERATIONS
from .piece import unknown_keyword

#: arguments that change no value
IDLE = {"device", "layout", "pin_memory", "memory_format", "momentum", "cudnn_enable", "cudnn_enabled", "non_blocking"}
IDLE |= {"implicit", "enable_gqa", "dtype", "requires_grad", "copy"}
#: operations of several values of which the first alone can be had
FIRST = ("_native_batch_norm_legit_no_training", "max", "min")


def traced(torch: Any, module: Any, x: Any) -> Graph:
    """The module's operations at an example; those that are not known are taken apart into such as are.

    Raises:
        UnsupportedError: ``torch.export`` fails, or an operation has no counterpart.
    """
    owner = type(module).__name__
    level = logging.root.manager.disable
    logging.disable(logging.CRITICAL)  # what it logs of a failure, whole listings, is said in a line below
    try:
        program = torch.export.export(module, (x,))
        table = torch.export.default_decompositions()
        for op in list(table):
            if _name(op) in OPERATIONS:
                del table[op]
        program = program.run_decompositions(table)
    except Exception as error:  # it raises what it likes
        lines = [line.strip() for line in str(error).splitlines() if line.strip()]
        text = "control flow cannot depend on values: write torch.where, or take one branch in a module of its own"
        told = f"{type(error).__name__}: {lines[0] if lines else ''}"
        raise UnsupportedError(f"torch.export cannot trace {owner} ({told}); {text}") from error
    finally:
        logging.disable(level)
    return _Reader(torch, module, program).graph(x)


@dataclass
class _Reader:
    """Walks a program's nodes; what depends on neither input nor parameters is computed by PyTorch on the way."""

    torch: Any
    module: Any
    program: Any
    constants: dict[str, Any] = field(default_factory=dict)
    steps: list[Step] = field(default_factory=list)
    several: dict[str, Any] = field(default_factory=dict)
    refused: dict[str, UnsupportedError] = field(default_factory=dict)

    def graph(self, x: Any) -> Graph:
        """The whole of it.

        Raises:
            UnsupportedError: an operation that the result needs has no counterpart.
        """
        signature = self.program.graph_signature
        (source,) = signature.user_inputs
        params = self._params(signature.inputs_to_parameters)
        self._buffers(signature)
        for node in self.program.graph.nodes:
            if node.op == "call_function":
                self._read(node)
        result = signature.user_outputs[0]
        steps = needed(tuple(self.steps), result)
        for step in steps:
            if step.name in self.refused:
                raise self.refused[step.name]
        shapes = {node.name: node.meta["val"].shape for node in self.program.graph.nodes if _is_tensor(node)}
        arrays = {name: np.array(one.detach().cpu().numpy()) for name, one in self.constants.items() if _plain(one)}
        return Graph(
            steps,
            source,
            tuple(x.shape),
            result,
            tuple(shapes[result]),
            params,
            dict(signature.inputs_to_parameters),
            arrays,
        )

    def _params(self, names: dict[str, str]) -> dict[str, Array]:
        """By the names in the graph; a tensor with two names is one array."""
        made: dict[int, Array] = {}
        found = {}
        for name, source in names.items():
            tensor = self.module.get_parameter(source)
            if id(tensor) not in made:
                made[id(tensor)] = np.array(tensor.detach().cpu().numpy(), order="C")
            found[name] = made[id(tensor)]
        return found

    def _buffers(self, signature: Any) -> None:
        for name, source in signature.inputs_to_buffers.items():
            held = self.program.state_dict.get(source)
            self.constants[name] = self.program.constants[source] if held is None else held
        for name, source in signature.inputs_to_lifted_tensor_constants.items():
            self.constants[name] = self.program.constants[source]

    def _read(self, node: Any) -> None:
        inputs = [one.name for one in node.all_input_nodes]
        if all(name in self.constants for name in inputs) and not _random(self.torch, node.target):
            arguments = self.torch.fx.node.map_arg((node.args, node.kwargs), lambda one: self.constants[one.name])
            self.constants[node.name] = node.target(*arguments[0], **arguments[1])
            return
        if getattr(node.target, "__name__", "") == "getitem":
            before, index = node.args
            step = Step(node.name, "getitem", Ref(before.name), {"index": index}, _shape(node), *self._where(node))
            if before.name in self.several:
                step = self._first(before.name, index, step)
            self.steps.append(step)
            return
        path, owner = self._where(node)
        op, (x, keywords) = _name(node.target), _bound(node)
        step = Step(node.name, op, x, keywords, _shape(node), path, owner)
        if op in FIRST and not _is_tensor(node):
            self.several[node.name] = step
        self._check(step, node.target)
        self.steps.append(step)

    def _first(self, before: str, index: int, step: Step) -> Step:
        """The operation of several values itself, for its first one."""
        whole: Step = self.several[before]
        if index:
            text = f"{whole.place}: of aten.{whole.op} only the first value can be had, the others are places"
            self.refused[step.name] = UnsupportedError(text)
        elif before in self.refused:
            self.refused[step.name] = self.refused[before]
        return Step(step.name, whole.op, whole.x, whole.keywords, step.shape, whole.path, whole.owner)

    def _check(self, step: Step, target: Any) -> None:
        """Keep why the step cannot be taken, to be said if the result needs it."""
        what, why = f"{step.place}: aten.{step.op}", ""
        if step.op not in OPERATIONS and _random(self.torch, target):
            why = "draws random numbers; a network is a function: leave it out"
        elif step.op not in OPERATIONS:
            fix = "write it with sums, products and elementwise functions, or put a function over xp in its place"
            why = f"has no counterpart; {fix}, by @autodiff.frameworks.operations.table.operation({step.op!r})"
        elif unknown_keyword(step):
            why = f"is known without {unknown_keyword(step)}={step.keywords[unknown_keyword(step)]!r} only"
        if why:
            self.refused[step.name] = UnsupportedError(f"{what} {why}")

    def _where(self, node: Any) -> tuple[str, str]:
        """The path and the class of the module that the node stands in."""
        stack = list((node.meta.get("nn_module_stack") or {}).values())
        if not stack:
            return "", type(self.module).__name__
        path, kind = stack[-1]
        name = kind if isinstance(kind, str) else kind.__name__
        return str(path).removeprefix("L['self']").strip("."), name.rpartition(".")[2]


def _name(target: Any) -> str:
    """The name of an operation without namespace and overload."""
    schema = getattr(target, "_schema", None)
    return str(schema.name).partition("::")[2] if schema is not None else str(getattr(target, "__name__", target))


def _bound(node: Any) -> tuple[Any, dict[str, Any]]:
    """The first argument, and by name those others that are not as they are by default."""
    schema = getattr(node.target, "_schema", None)
    if schema is None:
        return (_referred(node.args[0]) if node.args else None), {}
    first, found = None, {}
    for number, argument in enumerate(schema.arguments):
        if number < len(node.args):
            value = node.args[number]
        elif argument.name in node.kwargs:
            value = node.kwargs[argument.name]
        else:
            continue
        if number == 0:
            first = _referred(value)
        elif argument.name not in IDLE and not (argument.has_default_value() and argument.default_value == value):
            found[argument.name] = _referred(value)
    return first, found


def _referred(value: Any) -> Any:
    """An argument with references for nodes, and lists for its lists."""
    if hasattr(value, "all_input_nodes"):
        return Ref(value.name)
    if isinstance(value, (list, tuple)):
        return [_referred(one) for one in value]
    return value


def _is_tensor(node: Any) -> bool:
    return hasattr(node.meta.get("val"), "shape") and not isinstance(node.meta["val"], (int, float))


def _shape(node: Any) -> tuple[int, ...] | None:
    """The axes of a tensor of floats; None of anything else."""
    value = node.meta.get("val")
    return tuple(value.shape) if _is_tensor(node) and value.dtype.is_floating_point else None


def _plain(value: Any) -> bool:
    return hasattr(value, "detach")


def _random(torch: Any, target: Any) -> bool:
    return torch.Tag.nondeterministic_seeded in getattr(target, "tags", ())
