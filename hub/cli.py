"""The command line. Each module ``hub/cli_<name>.py`` brings its ``app``, which becomes ``hub <name>``.

Commands import what they need when called, so that ``--help`` answers at once.
"""

from __future__ import annotations

import pkgutil
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from typing import Annotated

import typer

from hub.errors import HubError

app = typer.Typer(
    help="One GraphQL hub for products, customers, orders and stock.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
)


@app.command()
def serve(
    *,
    relay: Annotated[bool, typer.Option(help="Run the relay in this process too.")] = True,
) -> None:
    """Serve GraphQL at HUB_HOST and HUB_PORT until interrupted."""
    from hub import config
    from hub.app import serve as run

    run(config.load(), relay=relay)


@app.command()
def relay(
    *,
    check: Annotated[
        bool, typer.Option("--check", help="Only say whether changes are being numbered.")
    ] = False,
    metrics_port: Annotated[
        int | None,
        typer.Option(
            help="Answer /metrics, /health and /ready there; as HUB_RELAY_METRICS_PORT.", min=1, max=65535
        ),
    ] = None,
) -> None:
    """Number changes, turn windows, index and send webhooks until interrupted. Any number may run."""
    from hub import config
    from hub.app import relay as run

    settings = config.load()
    if not check:
        run(settings.model_copy(update={"relay_metrics_port": metrics_port}) if metrics_port else settings)
        return
    from hub import health, postgres
    from hub.db import Database

    found = health.findings(
        health.checks(Database(postgres.address(settings)), lag_seconds=settings.relay_lag_seconds)
    )
    for name, finding in found.items():
        typer.echo(f"{name}: {finding.detail}")
    raise typer.Exit(0 if all(finding.ok for finding in found.values()) else 1)


@app.command()
def migrate() -> None:
    """Bring the database to the shape that this version expects. Doing it again changes nothing."""
    from hub import config, migrations, postgres

    migrations.upgrade(postgres.address(config.load()))
    typer.echo(f"The database is at migration {migrations.newest()}.")


@app.command()
def backup(
    folder: Annotated[Path, typer.Argument(help="Where to; a folder that is not there yet.")],
) -> None:
    """Write database, files and key into a folder, as of one moment. Writes go on meanwhile."""
    from hub import backup as backing
    from hub import config, migrations

    settings = config.load()
    database = migrations.prepared(settings)
    try:
        with _files_bar() as tell:
            done = backing.write(database.url, settings, folder, tell)
    finally:
        database.close()
    typer.echo(f"Backed up to sequence {done.sequence}, with {done.files:,} files: {folder}.")
    typer.echo("It holds the key that opens every secret: keep it where nobody reads it.")
    for content in done.missing:
        typer.echo(f"File {content} is not in the store: nothing of it was backed up.", err=True)
    raise typer.Exit(1 if done.missing else 0)


@app.command()
def restore(folder: Annotated[Path, typer.Argument(help="A folder that hub backup wrote.")]) -> None:
    """Restore a backup into an empty database. Consumers that had come further are told so by the feed."""
    from hub import config, postgres
    from hub import restore as restoring

    settings = config.load()
    with _files_bar() as tell:
        done = restoring.read(postgres.address(settings), settings, folder, tell)
    typer.echo(f"Restored to sequence {done.sequence}, with {done.files:,} files.")
    typer.echo(
        "The feed has another epoch: cursors from before are refused, and the search index is built anew."
    )


@contextmanager
def _files_bar() -> Iterator[Callable[[int, int], None]]:
    from rich.console import Console
    from rich.progress import Progress

    with Progress(console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("Files", total=None)
        yield lambda done, total: bar.update(task, completed=done, total=total)


@app.command()
def schema(
    *,
    events: Annotated[
        bool, typer.Option("--events", help="Print the JSON Schema of each webhook event instead.")
    ] = False,
) -> None:
    """Print the GraphQL schema."""
    import schema as house

    typer.echo(house.events() if events else house.printed(), nl=False)


def main() -> None:
    """Run the command line; what the hub refuses is one line on stderr and exit code 1."""
    # Ending by the signal itself would skip what runs at exit, and leave the embedded database without its hub.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    try:
        app()
    except HubError as refusal:
        sys.stderr.write(f"{refusal.message}\n")
        raise SystemExit(1) from None


for module in pkgutil.iter_modules([str(Path(__file__).parent)], prefix="hub."):
    if module.name.startswith("hub.cli_"):
        app.add_typer(import_module(module.name).app, name=module.name.removeprefix("hub.cli_"))
