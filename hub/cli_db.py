"""``hub db``: the database in use."""

from __future__ import annotations

import typer

app = typer.Typer(help="The database in use.", no_args_is_help=True)


@app.callback()
def db() -> None:
    """The database in use."""


@app.command()
def url() -> None:
    """Print its address for psql. An embedded one is started, and left running for psql to find."""
    from hub import config, postgres

    typer.echo(postgres.libpq(postgres.address(config.load(), stays=True)))
