"""``hub export``: out of the hub into files."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from hub.snapshot import Summary, Tell

app = typer.Typer(help="Out of the hub into files.", no_args_is_help=True)

STANDARD = "-"
"""The output that is the command's own."""


@app.callback(invoke_without_command=True)
def export(
    context: typer.Context,
    *,
    snapshot: Annotated[
        bool,
        typer.Option("--snapshot", help="The state of every object, and the cursor to follow the feed from."),
    ] = False,
    types: Annotated[
        str | None, typer.Option(help="Only these types of objects, with commas between them; all if none.")
    ] = None,
    since: Annotated[
        str | None, typer.Option(help="Only what changed after this cursor; a line also for what is gone.")
    ] = None,
    output: Annotated[
        str, typer.Option(help="The file; packed if it ends in .gz. - prints the lines.")
    ] = "snapshot.jsonl.gz",
) -> None:
    """Out of the hub into files."""
    if context.invoked_subcommand is not None:
        return
    if not snapshot:
        typer.echo(context.get_help())
        raise typer.Exit(2)
    wanted = None if types is None else [name.strip() for name in types.split(",") if name.strip()]
    _sum_up(_write(wanted, since, output), output)


def _write(types: list[str] | None, since: str | None, output: str) -> Summary:
    from hub import config, migrations, snapshot
    from hub.states import EVERYTHING

    if output != STANDARD:
        _check_folder(Path(output))
    database = migrations.prepared(config.load())
    try:
        taking = snapshot.begin(database, EVERYTHING, types, since)
        with _bar() as tell:
            if output == STANDARD:
                return taking.write(typer.get_binary_stream("stdout"), tell)
            with snapshot.writing(Path(output)) as file:
                return taking.write(file, tell)
    finally:
        database.close()


def _check_folder(path: Path) -> None:
    from hub.errors import NotFound

    if not path.parent.is_dir():
        raise NotFound(f'Folder "{path.parent}" for the file does not exist: make it, or name another file.')


@contextmanager
def _bar() -> Iterator[Tell]:
    from rich.console import Console
    from rich.progress import MofNCompleteColumn, Progress

    columns = (*Progress.get_default_columns(), MofNCompleteColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("Objects", total=None)
        yield lambda done, total: bar.update(task, completed=done, total=total)


def _sum_up(summary: Summary, output: str) -> None:
    """What was written, on stderr where the lines themselves are printed."""
    parts = [f"{name} {count}" for name, count in summary.counts.items()]
    if summary.deleted:
        parts.append(f"deleted {summary.deleted.total()}")
    beside = output == STANDARD
    typer.echo(f"Objects: {summary.records} = {' + '.join(parts) or 0}.", err=beside)
    typer.echo(f"True at sequence {summary.header.sequence}. Cursor: {summary.header.cursor}", err=beside)
    if not beside:
        typer.echo(f"File: {output} ({Path(output).stat().st_size:,} bytes).")
