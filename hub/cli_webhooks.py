"""``hub webhooks``: prove that every endpoint has a delivery of everything that it asks for."""

from __future__ import annotations

import typer

app = typer.Typer(help="Webhooks.", no_args_is_help=True)


@app.callback()
def webhooks() -> None:
    """Webhooks."""


@app.command()
def verify() -> None:
    """Count anew from the feed what each endpoint should have, and compare. Fails on a fault. Reads only."""
    import sqlalchemy as sa

    from hub import config, migrations
    from webhooks import check

    settings = config.load()
    database = migrations.prepared(settings)
    faults = counted = 0
    with database.engine.connect().execution_options(isolation_level="REPEATABLE READ") as tx:
        tx.execute(sa.text("SET TRANSACTION READ ONLY"))
        for count in check.counts(tx, settings.feed_days):
            for sentence in count.sentences():
                typer.echo(sentence, err=True)
            faults += count.faults
            counted += 1
            typer.echo(
                f"{count.name}: sequences {count.first} to {count.last},"
                f" {count.matching} matching, {count.deliveries} deliveries."
            )
    database.close()
    typer.echo(f"Endpoints: {counted}. Faults: {faults}.")
    raise typer.Exit(1 if faults else 0)
