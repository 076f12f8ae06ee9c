"""``hub feed``: prove that the feed, the database and every consumer say the same."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from hub.verify import Report

app = typer.Typer(help="The change feed.", no_args_is_help=True)


@app.callback()
def feed() -> None:
    """The change feed."""


@app.command()
def verify(
    *,
    snapshot: Annotated[
        Path | None, typer.Option(help="Replay the feed over this snapshot, and compare with the database.")
    ] = None,
    mirror: Annotated[
        Path | None,
        typer.Option(help="Compare this mirror with the database at its cursor, or as it is without one."),
    ] = None,
) -> None:
    """Undo the whole feed in memory and compare: every value, version and sequence. Or prove a file. Fails on a fault."""
    from rich.console import Console
    from rich.progress import MofNCompleteColumn, Progress

    from hub import config, migrations, verify_file
    from hub.errors import Invalid
    from hub.verify import verify as compare

    if snapshot is not None and mirror is not None:
        raise Invalid(
            "A snapshot and a mirror are proved one after another: give one of --snapshot and --mirror."
        )
    database = migrations.prepared(config.load())
    columns = (*Progress.get_default_columns(), MofNCompleteColumn())
    try:
        with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
            task = bar.add_task("Records" if snapshot is mirror is None else "Objects", total=None)

            def tell(done: int, total: int) -> None:
                bar.update(task, completed=done, total=max(done, total))

            if snapshot is not None:
                report = verify_file.snapshot(database, snapshot, tell)
            elif mirror is not None:
                report = verify_file.mirror(database, mirror, tell)
            else:
                report = compare(database, tell)
    finally:
        database.close()
    _sum_up(report, of_file=snapshot is not None or mirror is not None)


def _sum_up(report: Report, *, of_file: bool) -> None:
    for fault in report.faults:
        typer.echo(fault, err=True)
    if of_file:
        told = (
            f"Objects in the file: {report.rows}. Changes replayed: {report.records}."
            f" Objects in the database: {report.aggregates}."
        )
    else:
        told = (
            f"Records: {report.records} from sequence {report.first} on. Aggregates: {report.aggregates}."
            f" Rows compared: {report.rows}."
        )
    typer.echo(f"{told} Faults: {report.wrong}.")
    raise typer.Exit(1 if report.wrong else 0)


@app.command()
def renew() -> None:
    """Give the feed another epoch: every cursor from before is refused, and its holder begins anew from a snapshot.

    For a database that was taken back to an older state, of whose later changes consumers have heard already.
    """
    from hub import config, migrations
    from hub.feed import renew as give_another

    database = migrations.prepared(config.load())
    with database.engine.begin() as tx:
        ends = give_another(tx)
    database.close()
    typer.echo(f"The feed has the epoch {ends.epoch.hex} now. Cursors from before are refused.")
