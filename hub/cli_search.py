"""``hub search``: build the index anew, prove that it says what the database says, and see what it is busy with."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from hub.db import Database
    from search.engine import Index

app = typer.Typer(help="The search index.", no_args_is_help=True)
park = typer.Typer(help="Documents that the engine refused.", no_args_is_help=True)
app.add_typer(park, name="park")

STILL_SECONDS = 10
"""A build that did not go on for so long is said to stand still."""

SHOWN = 20
"""Faults and refused documents that are printed one by one."""


@app.callback()
def search() -> None:
    """The search index."""


def _opened() -> tuple[Database, Index]:
    from hub import config, migrations
    from search.app import opened

    settings = config.load()
    database = migrations.prepared(settings)
    return database, opened(settings, database)


def _done(work: Callable[[Database, Index], None]) -> None:
    """Do the work. An engine that does not answer is told in one line."""
    from search.engine import UnavailableError
    from search.rebuild import RebuildError

    database, index = _opened()
    try:
        work(database, index)
    except (UnavailableError, RebuildError, TimeoutError) as error:
        typer.echo(error, err=True)
        raise typer.Exit(1) from None
    finally:
        database.close()


@app.command()
def rebuild() -> None:
    """Fill another index from the database beside the one in use, then take it into use. Searches go on all the while.

    One that was killed goes on where it stopped.
    """
    _done(_rebuild)


def _rebuild(database: Database, index: Index) -> None:
    import time

    from rich.progress import MofNCompleteColumn, Progress

    from search.rebuild import rebuild as build

    began = time.monotonic()
    with Progress(*Progress.get_default_columns(), MofNCompleteColumn(), transient=True) as bar:
        task = bar.add_task("Products")
        built = build(database, index, lambda done, total: bar.update(task, completed=done, total=total))
    if built is None:
        typer.echo("Another process is building the index already: wait until it has.", err=True)
        raise typer.Exit(1)
    with index.reading() as reader:
        typer.echo(f"Documents: {reader.count()}. Seconds: {time.monotonic() - began:.1f}.")


@app.command()
def verify(
    *, repair: Annotated[bool, typer.Option("--repair", help="Index anew what differs.")] = False
) -> None:
    """Compare every document with the database. Fails on a fault that is not repaired."""
    _done(lambda database, index: _verify(database, index, repair=repair))


def _verify(database: Database, index: Index, *, repair: bool) -> None:
    from rich.progress import MofNCompleteColumn, Progress

    from search.verify import verify as compare

    with Progress(*Progress.get_default_columns(), MofNCompleteColumn(), transient=True) as bar:
        task = bar.add_task("Documents")
        report = compare(
            database,
            index,
            repair=repair,
            progress=lambda done, total: bar.update(task, completed=done, total=total),
        )
    for fault in report.faults[:SHOWN]:
        typer.echo(fault, err=True)
    parked = f" Parked: {report.parked}." if report.parked else ""
    typer.echo(
        f"Products: {report.products}. Documents: {report.documents}."
        f" Faults: {len(report.faults)}. Remaining: {report.remaining}.{parked}"
    )
    raise typer.Exit(1 if report.remaining else 0)


@app.command()
def status() -> None:
    """Say which engine is in use, how far the index is behind, and what waits. Fails where search cannot answer."""
    _done(_status)


def _status(database: Database, index: Index) -> None:
    from search.app import ready

    found = ready(database, index)
    behind = "never began" if found.lag is None else f"{found.lag} changes behind"
    health = f" Health: {found.health}." if found.health else ""
    typer.echo(
        f"Engine: {found.engine}.{health} Index: {found.generation or 'none'}. Documents: {found.documents}."
        f" {behind.capitalize()}, {found.stale_seconds:.0f} s. Queued: {found.queued}. Parked: {found.parked}."
    )
    if found.outdated:
        typer.echo(
            "Its documents were made by other rules than this version's: the relay builds another index."
        )
    if found.build:
        still = (
            f", still for {found.build.still_seconds:.0f} s"
            if found.build.still_seconds > STILL_SECONDS
            else ""
        )
        typer.echo(
            f"Building {found.build.generation}: {found.build.stage}, {found.build.done} of {found.build.total} products{still}."
        )
    if found.trouble:
        typer.echo(f"Nothing is indexed for {found.trouble.seconds:.0f} s: {found.trouble.reason}", err=True)
    if found.problem:
        typer.echo(found.problem, err=True)
        raise typer.Exit(1)


@park.callback()
def park_() -> None:
    """Documents that the engine refused."""


@park.command("list")
def park_list() -> None:
    """Show the documents that the engine refused, with its reasons."""
    _done(_park_list)


def _park_list(database: Database, _: Index) -> None:
    from hub import ids
    from search import queue

    with database.read() as tx:
        rows, total = queue.parked(tx, SHOWN), queue.parked_count(tx)
    for row in rows:
        place = f"channel {ids.encode('channel', row['channel_id'])}" if row["channel_id"] else "staff"
        typer.echo(
            f"Product {ids.encode('product', row['product_id'])} for {place}, since {row['parked_at']:%Y-%m-%d %H:%M} UTC,"
            f" attempts {row['attempts']}: {row['reason']}"
        )
    typer.echo(f"Parked: {total}.")


@park.command("retry")
def park_retry() -> None:
    """Let the relay try them again."""
    _done(_park_retry)


def _park_retry(database: Database, index: Index) -> None:
    from search import queue
    from search.engine import UnavailableError

    generation = index.current()
    if generation is None:
        raise UnavailableError('Search has no index yet: run "hub search rebuild".')
    with database.engine.begin() as tx:
        products = queue.retry(tx, generation)
    typer.echo(f"Products in the queue: {products}.")
