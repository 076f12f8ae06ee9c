"""``hub feed``: prove that the feed and the database say the same."""

from __future__ import annotations

import typer

app = typer.Typer(help="The change feed.", no_args_is_help=True)


@app.callback()
def feed() -> None:
    """The change feed."""


@app.command()
def verify() -> None:
    """Undo the whole feed in memory and compare: every value, every version, every sequence. Fails on a fault."""
    from rich.progress import MofNCompleteColumn, Progress

    from hub import config, migrations
    from hub.verify import verify as compare

    database = migrations.prepared(config.load())
    with Progress(*Progress.get_default_columns(), MofNCompleteColumn(), transient=True) as bar:
        task = bar.add_task("Records")
        report = compare(
            database, lambda done, total: bar.update(task, completed=done, total=max(done, total))
        )
    database.close()
    for fault in report.faults:
        typer.echo(fault, err=True)
    typer.echo(
        f"Records: {report.records} from sequence {report.first} on. Aggregates: {report.aggregates}."
        f" Rows compared: {report.rows}. Faults: {report.wrong}."
    )
    raise typer.Exit(1 if report.wrong else 0)
