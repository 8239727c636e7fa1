"""The command line: the only place that prints and exits."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from rich.table import Table

from . import __version__
from .errors import AutodiffError

if TYPE_CHECKING:
    import pandas as pd

    from .bench.folder import Folder
    from .bench.report import Report
    from .bench.sweep import Effort

app = typer.Typer(
    add_completion=False,
    no_args_is_help=True,
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,
    help="What differentiating costs: forward against reverse mode of layered networks, measured.",
    epilog="Exit status: 0 done, 1 the work failed or was interrupted, 2 the request was wrong.",
)
UsageError: type[Exception] = typer.BadParameter.__mro__[2]  # click's, wherever typer keeps it
console = Console()
errors = Console(stderr=True)


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
    quick: Annotated[bool, typer.Option("--quick", help="Fewer points, short rounds, one pass: a look.")] = False,
    full: Annotated[bool, typer.Option("--full", help="More points, long rounds, five passes: for a paper.")] = False,
    engines: Annotated[str, typer.Option(metavar="A,B", help="Measure these engines instead of the sweeps' own.")] = "",
    passes: Annotated[
        int | None, typer.Option(min=1, max=100, help="How often everything is measured (default 3; quick 1, full 5).")
    ] = None,
    threads: Annotated[int, typer.Option(min=1, help="BLAS threads; the processes are pinned to as many cores.")] = 1,
    out: Annotated[
        Path | None, typer.Option(metavar="DIR", help="A new folder (default results/<time>-<host>).")
    ] = None,
) -> None:
    """Run the sweeps: verify every engine, time it, write CSV, plots and a report, and print the summary.

    Shipped sweeps: [bold]n[/], [bold]m[/] (cost against inputs and outputs), [bold]depth[/] (with memory),
    [bold]grid[/] (the n x m map), [bold]products[/] (matrix-matrix against vector-matrix), [bold]real[/],
    [bold]bottleneck[/] (what mixed mode gains), [bold]memory[/] (checkpointing).
    Each measurement is on disk before the next one starts; Ctrl-C keeps and reports what was measured.
    """
    from .bench.folder import Request, create
    from .bench.run import check_threads, run
    from .bench.sweep import load_all
    from .engines import engine as find_engine
    from .engines.registry import split_names

    if quick and full:
        raise typer.BadParameter("--quick and --full exclude each other")
    effort: Effort = "quick" if quick else "full" if full else "default"
    names = split_names(engines)
    if engines and not names:
        raise typer.BadParameter("--engines names no engine")
    for name in names:
        find_engine(name)
        if names.count(name) > 1:
            raise typer.BadParameter(f"--engines lists {name} twice")
    check_threads(threads)
    request = Request(
        load_all(sweep or []), names, effort, passes or {"quick": 1, "default": 3, "full": 5}[effort], threads
    )
    folder = create(out)
    with _progress() as progress:
        task = progress.add_task("measuring", total=None)
        outcome = run(request, folder, lambda done, total: progress.update(task, completed=done, total=total))
    _print_summary(outcome.report, folder)
    wrong = outcome.report.wrong
    if not wrong.empty:
        first = wrong.iloc[0]
        outcome.failures.append(
            f"{len(wrong)} engine cases were wrong or failed, the first: {first['sweep']}, {first['case']}, "
            f"{first['engine']}: {first['reason']}"
        )
    for failure in outcome.failures:
        errors.print(f"[red]error:[/] {escape(failure)}", highlight=False, soft_wrap=True)
    if outcome.interrupted:
        errors.print("interrupted: what was measured before is kept and reported", highlight=False)
    if outcome.failures or outcome.interrupted:
        raise typer.Exit(1)


@app.command()
def report(folder: Annotated[Path, typer.Argument(metavar="DIR", help="The folder of a run.")]) -> None:
    """Write CSV, plots and report of a run again, from its records, and print the summary."""
    from .bench.folder import open_run
    from .bench.report import write

    opened, request = open_run(folder)
    _print_summary(write(opened, request), opened)


@app.command()
def plan(
    network: Annotated[str, typer.Argument(metavar="NETWORK", help="module:name, problem(key=value, ...) or a file.")],
    memory: Annotated[
        str | None, typer.Option(metavar="BYTES", help="Tape that one adjoint elimination may need, e.g. 64MiB.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Print the cheapest bracketing of a network's Jacobian, its cost, and what forward and reverse would cost.

    NETWORK is a Network in a module ([bold]mymodule:net[/]), a problem ([bold]autoencoder(n=512, bottleneck=8)[/]) or a
    chain file: JSON as the library writes it, or text with the number of factors and a line [bold]m n e[/] for each.
    """
    from .arrays import read_size
    from .chain import bracket
    from .describe import chain_from

    found = bracket(chain_from(network), memory_limit=None if memory is None else read_size(memory, "--memory"))
    if as_json:
        console.print_json(json.dumps(found.to_dict()))
        return
    console.print(str(found), highlight=False, markup=False, soft_wrap=True)
    console.print()
    console.print(found.explain(), highlight=False, markup=False, soft_wrap=True)


@app.command()
def env(
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Print the machine as the measurements see it, and what is wrong with it."""
    from .machine.host import environment

    found = environment()
    if as_json:
        console.print_json(json.dumps(found))
        return
    table = Table(show_header=False, box=None)
    for key, value in found.items():
        if key != "warnings":
            text = ", ".join(f"{k} {v}" for k, v in value.items()) if isinstance(value, dict) else str(value)
            table.add_row(f"[bold]{key}[/]", text)
    console.print(table)
    for warning in found["warnings"] or ["nothing found that would make timings noisy"]:
        console.print(f"[yellow]note:[/] {warning}", highlight=False)


def _progress() -> Progress:
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TextColumn("left"),
        TimeRemainingColumn(),
        console=errors,
        refresh_per_second=2,
        transient=True,
    )


def _print_summary(made: Report, folder: Folder) -> None:
    for note in made.notes:
        console.print(f"[yellow]note:[/] {escape(note)}", highlight=False, soft_wrap=True)
    for section in made.sections:
        console.print()
        console.print(f"[bold]{section.title}[/]", highlight=False)
        console.print(section.note, highlight=False)
        console.print(_table(section.table))
    console.print()
    console.print(f"{len(made.files)} files written to", highlight=False, end=" ")
    console.print(str(folder.path), highlight=False, soft_wrap=True)
    console.print(f"start with {folder.report}", highlight=False, soft_wrap=True)


def _table(frame: pd.DataFrame) -> Table:
    table = Table(box=None, header_style="bold", pad_edge=False)
    for name in frame.columns:
        table.add_column(str(name), overflow="fold")
    for row in frame.astype(str).to_numpy().tolist():
        table.add_row(*map(escape, row))
    return table


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
    raise SystemExit(status or 0)


def _fail(message: str) -> int:
    errors.print(f"[red]error:[/] {escape(' '.join(message.split()))}", highlight=False, soft_wrap=True)
    return 2


if __name__ == "__main__":
    main()
