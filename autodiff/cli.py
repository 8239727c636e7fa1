"""The command line: the only place that prints and exits."""

from __future__ import annotations

import json
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.table import Table

from .errors import AutodiffError
from .terminal import console, errors, note, plain, print_table, progress
from .version import __version__

if TYPE_CHECKING:
    from .bench.records.folder import Folder
    from .bench.report.report import Report

app = typer.Typer(
    add_completion=False,
    no_args_is_help=True,
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,
    help="What differentiating costs: forward against reverse mode of layered networks, measured.",
    epilog="Exit status: 0 done, 1 the work failed or was interrupted, 2 the request was wrong.",
)


class Device(StrEnum):
    """What ``--device`` takes."""

    cpu = "cpu"
    gpu = "gpu"


class Wrt(StrEnum):
    """What ``--wrt`` takes."""

    input = "input"
    params = "params"


class Operation(StrEnum):
    """What ``--operation`` takes."""

    jacobian = "jacobian"
    gradient = "gradient"
    jvp = "jvp"
    vjp = "vjp"
    value = "value"


UsageError: type[Exception] = typer.BadParameter.__mro__[2]  # click's, wherever typer keeps it


def _version(wanted: bool) -> None:
    if wanted:
        console.print(f"autodiff {__version__}", highlight=False)
        raise typer.Exit


@app.callback()
def _main(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    pass


@app.command()
def bench(
    sweep: Annotated[
        list[str] | None,
        typer.Option("--sweep", "-s", metavar="NAME|FILE", help="A shipped sweep or a TOML file; may be given again."),
    ] = None,
    quick: Annotated[
        bool,
        typer.Option("--quick", help="Fewer sizes, every second of a sweep's points, short rounds, one pass: a look."),
    ] = False,
    full: Annotated[bool, typer.Option("--full", help="More points, long rounds, five passes: for a paper.")] = False,
    engines: Annotated[str, typer.Option(metavar="A,B", help="Measure these engines instead of the sweeps' own.")] = "",
    passes: Annotated[
        int | None, typer.Option(min=1, max=100, help="How often everything is measured (default 3; quick 1, full 5).")
    ] = None,
    threads: Annotated[
        int | None, typer.Option(min=1, help="Threads of every process, pinned to as many cores (default 1).")
    ] = None,
    peer_python: Annotated[
        list[str] | None,
        typer.Option(
            "--peer-python",
            metavar="PEER=PATH",
            help="Measure this package by another interpreter; may be given again.",
        ),
    ] = None,
    device: Annotated[Device | None, typer.Option(help="Where peers that know both run (default cpu).")] = None,
    budget: Annotated[
        str | None, typer.Option(metavar="TIME", help="Fit the run into 90s, 10m or 1h, by fewer rounds (then passes).")
    ] = None,
    max_seconds: Annotated[
        float | None, typer.Option(metavar="S", help="Skip what is predicted to take longer a call (default 30).")
    ] = None,
    timeout: Annotated[
        float | None,
        typer.Option(metavar="S", help="Stop a measurement that takes longer (default: the sweep's, else 60)."),
    ] = None,
    self_check: Annotated[
        bool, typer.Option("--self-check", help="Measure every engine against itself: the noise floor.")
    ] = False,
    baseline: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="At the end, autodiff compare with this earlier run."),
    ] = None,
    fail_above: Annotated[
        float | None, typer.Option(metavar="R", help="With --baseline: exit 1 for times surely above R times its.")
    ] = None,
    out: Annotated[
        Path | None, typer.Option(metavar="DIR", help="A new folder (default results/<time>-<host>).")
    ] = None,
    resume: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Go on with a run that was cut short; it says what to measure.")
    ] = None,
    resume_anyway: Annotated[
        bool, typer.Option("--resume-anyway", help="Also on another machine or with other packages; marked.")
    ] = False,
) -> None:
    """Run the sweeps: verify every engine, time it, write CSV, plots and a report, and print the summary.

    Shipped sweeps: [bold]n[/], [bold]m[/] (cost against inputs and outputs), [bold]depth[/] (with memory),
    [bold]grid[/] (the n x m map), [bold]products[/] (matrix-matrix against vector-matrix), [bold]real[/],
    [bold]bottleneck[/] (what mixed mode gains), [bold]memory[/] (checkpointing), [bold]seeds[/] (what the k-th tangent
    or cotangent costs); and, when asked for by name, [bold]constants[/] (what derivatives cost over f, layer by layer),
    [bold]checkpoints[/] (against their optimum), [bold]batch[/], [bold]batch-jacobian[/], [bold]precision[/] and
    [bold]threads[/] (what each of these changes), [bold]peers[/] (against JAX, PyTorch, autograd and CasADi),
    [bold]small[/] (PyTensor, TensorFlow, MLX and Enzyme, too), [bold]seeds-peers[/], [bold]jax-bottleneck[/], or
    [bold]all[/].
    A file of your own may name a network or an engine of yours as [bold]module:name[/]. Every sweep ends in a table of
    who won, by how much, which [bold]SWEEP.csv[/] holds in full; [bold]COLUMNS.md[/] in the run's folder says what
    columns mean, [bold]roofline.png[/] shows all engines under what the machine allows.
    Each measurement is on disk before the next one starts. Ctrl-C finishes the measurement in progress and reports, a
    second one stops at once; [bold]--resume[/] goes on from there.
    """
    from .bench.judge.sides import read_side
    from .bench.records.folder import locked

    given = {
        "sweep": sweep, "quick": quick, "full": full, "engines": engines, "passes": passes, "threads": threads,
        "device": device and device.value, "budget": budget, "max_seconds": max_seconds, "timeout": timeout,
        "self_check": self_check, "peer_python": peer_python,
    }  # fmt: skip
    if fail_above is not None and baseline is None:
        raise typer.BadParameter("--fail-above needs --baseline DIR to compare with")
    _check_ratio(fail_above)
    if baseline is not None:
        read_side(baseline)  # before hours are spent on measuring
    if resume_anyway and resume is None:
        raise typer.BadParameter("--resume-anyway goes with --resume DIR")
    if resume is not None and out is not None:
        raise typer.BadParameter("--resume writes into the folder that it goes on with; leave --out out")
    from .bench.run.opening import opened

    folder, request = opened(given, out, resume)
    from .bench.run.session import carry_out  # a second of imports, which a wrong request need not wait for

    with locked(folder), progress() as show:
        outcome = carry_out(
            request,
            folder,
            show,
            new=resume is None,
            anyway=resume_anyway,
            tell=lambda text: errors.print(plain(text), highlight=False, soft_wrap=True),
        )
    _print_summary(outcome.report, folder)
    failures = [*outcome.failures, *_wrong(outcome.report)]
    if baseline is not None and not outcome.interrupted:
        failures += _compare(baseline, folder.path, fail_above)
    _print_failures(failures)
    if outcome.interrupted:
        errors.print(
            f"interrupted: what was measured is kept and reported; autodiff bench --resume {folder.path} goes on",
            highlight=False,
            soft_wrap=True,
        )
    if failures or outcome.interrupted:
        raise typer.Exit(1)


def _wrong(report: Report) -> list[str]:
    """A sentence about the engines that were wrong or broke."""
    wrong = report.wrong
    if wrong.empty:
        return []
    first = wrong.iloc[0]
    return [
        f"{len(wrong)} engine cases were wrong or failed, the first: {first['sweep']}, {first['case']}, "
        f"{first['engine']}: {first['reason']}"
    ]


@app.command()
def report(folder: Annotated[Path, typer.Argument(metavar="DIR", help="The folder of a run.")]) -> None:
    """Write CSV, plots and report of a run again, from its records, and print the summary."""
    from .bench.records.folder import open_run
    from .bench.report.report import write

    opened, request = open_run(folder)
    _print_summary(write(opened, request), opened)


@app.command()
def compare(
    a: Annotated[
        Path,
        typer.Argument(
            metavar="A", help="The folder of a run, a JSON file of pytest-benchmark, or a log of GradBench."
        ),
    ],
    b: Annotated[Path, typer.Argument(metavar="B", help="The one that is judged against A.")],
    fail_above: Annotated[
        float | None, typer.Option(metavar="R", help="Exit 1 if a time is surely above R times that of A.")
    ] = None,
    markdown: Annotated[bool, typer.Option("--markdown", help="Print Markdown, for a pull request.")] = False,
    absolute: Annotated[
        bool, typer.Option("--absolute", help="Judge times as they are, also where the whole machine was slower.")
    ] = False,
    floor: Annotated[
        float | None, typer.Option(metavar="R", help="The least ratio that counts as a change (default 1.05).")
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Compare also what comes from different machines.")] = False,
) -> None:
    """Compare two runs, case by case: what is slower in B, what is faster, and what only looks so.

    A and B are folders of runs, JSON files that pytest-benchmark saved, in any project, or logs of GradBench
    ([bold].jsonl[/]), of any tool. A change is a ratio beyond the noise floor whose 99 % interval does not hold 1;
    intervals are widened by what differs between the runs, as the machine's kernels and f itself tell. The same code is
    called different in one case of a hundred at most. Three passes a side are the least that is worth while, five are
    better on a busy machine. What sets two runs apart for one engine alone nobody can know: measure rivals in one run,
    [bold]bench --engines reverse,reverse@b[/].

    Logs match by eval, input and function; against a run of the sweep [bold]gradbench[/] a log's tool stands against
    every engine, where sizes are the same. Answers that were not valid are left out, each with the reason. One process
    made all runs of a log, so that its intervals say less: a change is beyond 1.10 there, and [bold]--fail-above[/]
    allows for as much.
    """
    _check_ratio(fail_above)
    failures = _compare(a, b, fail_above, markdown=markdown, absolute=absolute, floor=floor, force=force)
    _print_failures(failures)
    if failures:
        raise typer.Exit(1)


def _check_ratio(fail_above: float | None) -> None:
    if fail_above is not None and not 0 < fail_above < float("inf"):
        raise typer.BadParameter(f"--fail-above is {fail_above:g}; expected a ratio above 0, such as 1.1")


def _compare(
    a: Path,
    b: Path,
    fail_above: float | None,
    markdown: bool = False,
    absolute: bool = False,
    floor: float | None = None,
    force: bool = False,
) -> list[str]:
    """Print a comparison; returns a sentence if anything is surely above the ratio."""
    from .bench.judge.compare import compare as find
    from .bench.judge.comparison import shown

    made = find(a, b, floor=floor, absolute=absolute, force=force)
    if markdown:
        console.print(made.to_markdown(), markup=False, highlight=False, soft_wrap=True, end="")
    else:
        changed = made.table[made.table["verdict"].isin(["slower", "faster"])]
        console.print()
        console.print(f"[bold]B against A:[/] {plain(made.headline)}", highlight=False)
        print_table(shown(made.means), [["sweep"]] if made.means["sweep"].nunique() == 1 else [])
        if not changed.empty:
            console.print()
            print_table(shown(changed.sort_values("ratio", ascending=False)), [["A", "B"]])
        for text in made.notes:
            note(text)
    found = [] if fail_above is None else made.failures(fail_above)
    return [f"surely above {fail_above:g} times A: {'; '.join(found)}"] if found else []


def _print_failures(failures: list[str]) -> None:
    for failure in failures:
        errors.print(f"[red]error:[/] {plain(failure)}", highlight=False, soft_wrap=True)


WRT = "Differentiate with respect to this (default: the input; the parameters of a problem that is a loss)."


@app.command()
def plan(
    network: Annotated[str, typer.Argument(metavar="NETWORK", help="module:name, problem(key=value, ...) or a file.")],
    wrt: Annotated[Wrt | None, typer.Option(help=WRT)] = None,
    memory: Annotated[
        str | None, typer.Option(metavar="BYTES", help="Tape that one adjoint elimination may need, e.g. 64MiB.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Print the cheapest bracketing of a network's Jacobian, and what it, forward and reverse would do and take.

    NETWORK is a Network in a module ([bold]mymodule:net[/]), a problem ([bold]autoencoder(n=512, bottleneck=8)[/]) or a
    chain file: JSON as the library writes it, or text with the number of factors and a line [bold]m n e[/] for each.

    Try [bold]autodiff plan "autoencoder(n=512, bottleneck=8)"[/]: the chain is split where it is narrow. Then
    [bold]autodiff plan "digits_loss()"[/]: one output, thousands of parameters.
    """
    from .arrays import read_size
    from .chain import ChainProblem, bracket
    from .describe import described, orders_table, usual_wrt
    from .engines.costs import chain_problem
    from .engines.planned import orders

    given = described(network)
    if isinstance(given, ChainProblem) and wrt is Wrt.params:
        raise typer.BadParameter("a chain file has no parameters; --wrt params needs a network")
    chosen = wrt.value if wrt else usual_wrt(network)
    if chosen == "params" and memory is not None:
        raise typer.BadParameter("--memory bounds the steps of a bracketing; --wrt params has none to choose")
    if not isinstance(given, ChainProblem) and chosen == "params":
        found = orders(given, "params")
        if as_json:
            console.print_json(json.dumps({"wrt": "params", "orders": [one.to_dict() for one in found]}))
            return
        best = min(found, key=lambda one: one.seconds)
        _say(
            f"{given}, with respect to its parameters\n"
            "There is nothing to bracket: every product f_L' ... f_l' is part of the result, so the choice is between\n"
            f"forward and reverse, and here it is {best.name}. (--wrt input plans the Jacobian of the input.)\n"
        )
        _say(orders_table(found))
        return
    problem = given if isinstance(given, ChainProblem) else chain_problem(given)
    best_plan = bracket(problem, memory_limit=None if memory is None else read_size(memory, "--memory"))
    counted = [] if isinstance(given, ChainProblem) else orders(given, "input", best_plan)
    if as_json:
        more = {"wrt": "input", "orders": [one.to_dict() for one in counted]} if counted else {}
        console.print_json(json.dumps(best_plan.to_dict() | more))
        return
    _say(f"{best_plan}\n")
    _say("\n".join(filter(None, [orders_table(counted), best_plan.limit()])) if counted else best_plan.explain())


@app.command()
def show(
    network: Annotated[str, typer.Argument(metavar="NETWORK", help="module:name, or problem(key=value, ...).")],
    engine: Annotated[str, typer.Option("--engine", "-e", metavar="NAME", help="Whose program.")] = "reverse",
    wrt: Annotated[Wrt | None, typer.Option(help=WRT)] = None,
    operation: Annotated[
        Operation, typer.Option(help="What it computes; a jvp or a vjp of one seed.")
    ] = Operation.jacobian,
    values: Annotated[
        bool, typer.Option("--values", help="Run it at the example input (a seed is all ones), and show the numbers.")
    ] = False,
    everything: Annotated[bool, typer.Option("--all", help="Every instruction, also of a long program.")] = False,
) -> None:
    """Print an engine's program: every product with its shapes and counts, in the order of multiplication.

    Try [bold]autodiff show "product(n=128)" --engine reverse[/], where rows are multiplied from the right,
    (1 x 128)(128 x 128), and then [bold]--engine forward[/], where a whole matrix is multiplied from the left.
    """
    from .chain import ChainProblem
    from .describe import described, usual_wrt
    from .engines.registry import ORDERS
    from .engines.registry import engine as find_engine
    from .program.printing import listing
    from .program.program import Program

    found = find_engine(engine)
    given = described(network)
    if isinstance(given, ChainProblem):
        raise typer.BadParameter("a chain file holds sizes and costs, and no functions to show; name a network")
    chosen = wrt.value if wrt else usual_wrt(network)
    ours = found.family.partition("@")[0] == "numpy"  # a peer would have to trace the network before it can answer
    made = found.layout(given, chosen, operation=operation.value) if ours else None
    program = getattr(made, "program", None)
    if not isinstance(program, Program) or made is None:
        names = ", ".join(order.name for order in ORDERS)
        raise typer.BadParameter(f"engine {found.label} writes no program that could be shown; those that do: {names}")
    variables = "input" if chosen == "input" else "parameters"
    of = "" if operation is Operation.value else f" with respect to the {variables}"
    _say(f"{found.label}, {operation.value}{of}: {given}\n")
    arrays = None
    if values:
        import numpy as np

        from .executors.stepping import steps

        shape = {"jvp": (given.variables(chosen), 1), "vjp": (1, given.m)}.get(operation.value)
        seed = None if shape is None else np.ones(shape, given.dtype)
        arrays = dict(steps(program, given.example_input(), seed))
    _say(listing(program, arrays, full=everything))


def _say(text: str) -> None:
    console.print(text, highlight=False, markup=False, soft_wrap=True)


@app.command()
def env(
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
    calibrate: Annotated[
        bool, typer.Option("--calibrate", help="Measure the executors' rates now, in some seconds, and keep them.")
    ] = False,
) -> None:
    """Print the machine as the measurements see it, and what is wrong with it.

    Orders and executors are chosen by the rates that are kept of this machine, or by a typical one's.
    """
    from .machine.host import busy_warning, environment

    if calibrate:
        from .machine.tables import calibrate as measure

        lost = measure()
        if lost:
            errors.print(f"[yellow]note:[/] the rates could not be kept: {plain(lost)}", highlight=False)
    found = environment()
    if as_json:
        console.print_json(json.dumps(found))
        return
    table = Table(show_header=False, box=None)
    for key, value in found.items():
        if key not in ("warnings", "rates"):
            text = ", ".join(f"{k} {v}" for k, v in value.items()) if isinstance(value, dict) else str(value)
            table.add_row(f"[bold]{key}[/]", text)
    console.print(table)
    _print_rates(found["rates"])
    noise = [*found["warnings"], busy_warning(found["busy_share"], "just now")]
    for warning in filter(None, noise if any(noise) else ["nothing found that would make timings noisy"]):
        note(warning)


def _print_rates(rates: dict[str, Any]) -> None:
    kept = f"measured {rates['measured']}, kept in {rates['file']}"
    what = kept if rates["measured"] else "of a typical machine: autodiff env --calibrate measures those of this one"
    table = Table(box=None, header_style="bold", title=f"rates in ns, {what}", title_justify="left", title_style="")
    table.add_column("executor")
    for name in next(iter(rates["seconds"].values())):
        table.add_column(name, justify="right")
    for executor, own in rates["seconds"].items():
        table.add_row(executor, *(f"{1e9 * seconds:.4g}" for seconds in own.values()))
    console.print(table)
    if rates["note"]:
        note(rates["note"])


def _print_summary(made: Report, folder: Folder) -> None:
    for text in made.notes:
        note(text)
    for section in made.sections:
        console.print()
        console.print(f"[bold]{plain(section.title)}[/]", highlight=False)
        console.print(plain(section.note), highlight=False)
        print_table(section.table, section.spare)
    console.print()
    console.print(f"{len(made.files)} files written to", highlight=False, end=" ")
    console.print(str(folder.path), highlight=False, soft_wrap=True, markup=False)
    console.print(f"start with {folder.report}", highlight=False, soft_wrap=True, markup=False)


@app.command()
def gradbench(
    engine: Annotated[str, typer.Option("--engine", "-e", metavar="NAME", help="What differentiates.")] = "auto",
) -> None:
    """Be a tool of GradBench: read its messages from standard input, and write the answers to standard output.

    Answers the evals [bold]ba[/], [bold]det[/], [bold]gmm[/], [bold]hello[/], [bold]ht[/], [bold]llsq[/],
    [bold]lse[/], [bold]lstm[/] and [bold]ode[/]; those of second derivatives are refused when they are defined, with
    the reason. Messages are JSON objects, one a line; try

      echo '{"id": 0, "kind": "evaluate", "module": "hello", "function": "double", "input": 3.0}' | autodiff gradbench

    In a clone of GradBench, this package beside its own tools:

      ./gradbench run --eval "./gradbench repo eval gmm" --tool "autodiff gradbench --engine compiled-reverse"

    Building, tracing and laying out a function is a timing called [bold]prepare[/], before those called
    [bold]evaluate[/]. Engines are [bold]auto[/] (order and executor by predicted time), [bold]reverse[/],
    [bold]forward[/], [bold]mixed[/], each also with [bold]compiled-[/] before it, or a peer's.
    """
    import sys

    from .gradbench import serve

    serve(sys.stdin, sys.stdout, engine)


INTERRUPTED = 130  #: what Typer makes of a Ctrl-C that nobody has caught


def main() -> None:
    """The console script: whatever is wrong with a request becomes one line and exit status 2."""
    try:
        status = app(standalone_mode=False)
    except typer.Abort:
        status = 1
    except AutodiffError as error:
        status = _fail(str(error))
    except OSError as error:
        _fail(f"{error.filename or 'file'}: {error.strerror or error}")
        status = 1
    except UsageError as error:
        if type(error).__name__ == "NoArgsIsHelpError":
            error.show()  # type: ignore[attr-defined]
            raise SystemExit(2) from None
        context = getattr(error, "ctx", None)
        hint = f" (see {context.command_path} --help)" if context else ""
        status = _fail(error.format_message().rstrip(".") + hint)  # type: ignore[attr-defined]
    raise SystemExit(1 if status == INTERRUPTED else status or 0)


def _fail(message: str) -> int:
    errors.print(f"[red]error:[/] {plain(message)}", highlight=False, soft_wrap=True)
    return 2


if __name__ == "__main__":
    main()
