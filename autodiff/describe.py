"""Networks and chains from what a user types: ``module:name``, ``problem(key=value)``, or a file."""

from __future__ import annotations

import ast
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .chain import ChainProblem
from .errors import InputError
from .network import Network
from .problems import families, find_family

if TYPE_CHECKING:
    from .engines.planned import Order


def described(text: str) -> Network | ChainProblem:
    """A network (:func:`network_from`), or what a chain file holds.

    Raises:
        InputError: no such file or module, or it holds something else. UnknownNameError: no such problem.
    """
    if _CALL.fullmatch(text.strip()) or (_NAME.fullmatch(text.strip()) and not Path(text).exists()):
        return network_from(text)
    return ChainProblem.load(Path(text))


def usual_wrt(text: str) -> str:
    """What a problem is usually differentiated with respect to, "input" or "params"; "input" of anything else."""
    known = families().get(text.partition("(")[0].strip())
    return "input" if known is None else known.wrt


_CALL = re.compile(r"[A-Za-z_][\w.:]*\s*\(.*\)", re.DOTALL)
_NAME = re.compile(r"[A-Za-z_][\w.]*:[A-Za-z_][\w.]*|[A-Za-z_]\w*")


def network_from(text: str) -> Network:
    """A network by ``problem(key=value, ...)``, or ``module:name``, which may take keywords too.

    Raises:
        InputError: the module cannot be imported, has no such network, or the arguments cannot be read.
        UnknownNameError: no such problem or argument.
    """
    text = text.strip()
    name, _, rest = text.partition("(")
    return find_family(name.strip())(**_keywords(rest.rstrip(")"), text))


def _keywords(arguments: str, text: str) -> dict[str, Any]:
    try:
        call = ast.parse(f"f({arguments})", mode="eval").body
        assert isinstance(call, ast.Call)
        keywords = {str(keyword.arg): ast.literal_eval(keyword.value) for keyword in call.keywords}
    except (SyntaxError, ValueError, AssertionError, RecursionError) as error:
        raise InputError(f"{text!r} cannot be read; write it like mlp(n=64, m=1, depth=4)") from error
    if call.args or len(keywords) < len(call.keywords):
        twice = "an argument stands twice" if not call.args else "write every argument as key=value"
        raise InputError(f"{text!r}: {twice}")
    return keywords


def orders_table(orders: list[Order]) -> str:
    """Orders, a row each: what they multiply and move, the memory they work in, the seconds they should take."""
    from .machine.rates import kept
    from .text import seconds_text

    rows: list[tuple[str, ...]] = [("", "multiply-adds", "elements moved", "bytes of memory", "predicted", "relative")]
    least = min(one.seconds for one in orders)
    for one in orders:
        counts = (one.work.fma, one.work.elements, one.nbytes)
        ratio = one.seconds / least
        shown = f"{ratio:.3g}" if ratio < 100 else f"{ratio:,.0f}"
        rows.append((one.name, *(f"{count:,}" for count in counts), seconds_text(one.seconds), shown))
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = []
    for name, *cells in rows:
        numbers = (cell.rjust(width) for cell, width in zip(cells, widths[1:], strict=True))
        lines.append("  ".join([name.ljust(widths[0]), *numbers]))
    where = "this machine" if kept().rates else "a typical core, see autodiff env"
    return "\n".join([*lines, f"counted on the programs, f(x) included; seconds for NumPy's executor on {where}"])
