"""``hub search``: build the index anew, and prove that it says what the database says."""

from __future__ import annotations

from typing import Annotated

import typer

app = typer.Typer(help="The search index.", no_args_is_help=True)

SHOWN = 20
"""Faults that are printed one by one."""


@app.callback()
def search() -> None:
    """The search index."""


@app.command()
def rebuild() -> None:
    """Fill another index from the database beside the one in use, then take it into use. Searches go on all the while."""
    import time

    from rich.progress import MofNCompleteColumn, Progress

    from hub import config, migrations
    from search.app import opened
    from search.rebuild import rebuild as build

    settings = config.load()
    database = migrations.prepared(settings)
    index = opened(settings)
    began = time.monotonic()
    with Progress(*Progress.get_default_columns(), MofNCompleteColumn(), transient=True) as bar:
        task = bar.add_task("Products")
        folder = build(database, index, lambda done, total: bar.update(task, completed=done, total=total))
    database.close()
    if folder is None:
        typer.echo("Another process is building the index already: wait until it has.", err=True)
        raise typer.Exit(1)
    typer.echo(f"Documents: {index.reader().count()}. Seconds: {time.monotonic() - began:.1f}.")


@app.command()
def verify(
    *, repair: Annotated[bool, typer.Option("--repair", help="Index anew what differs.")] = False
) -> None:
    """Compare every document with the database. Fails on a fault that is not repaired."""
    from rich.progress import MofNCompleteColumn, Progress

    from hub import config, migrations
    from search.app import opened
    from search.index import UnavailableError
    from search.verify import verify as compare

    settings = config.load()
    database = migrations.prepared(settings)
    try:
        with Progress(*Progress.get_default_columns(), MofNCompleteColumn(), transient=True) as bar:
            task = bar.add_task("Documents")
            report = compare(
                database,
                opened(settings),
                repair=repair,
                progress=lambda done, total: bar.update(task, completed=done, total=total),
            )
    except (UnavailableError, TimeoutError) as error:
        typer.echo(error, err=True)
        raise typer.Exit(1) from None
    finally:
        database.close()
    for fault in report.faults[:SHOWN]:
        typer.echo(fault, err=True)
    typer.echo(
        f"Products: {report.products}. Documents: {report.documents}."
        f" Faults: {len(report.faults)}. Remaining: {report.remaining}."
    )
    raise typer.Exit(1 if report.remaining else 0)
