"""``hub files``: contents that nothing uses any more, found and removed."""

from __future__ import annotations

from typing import Annotated

import typer

app = typer.Typer(help="Files that the hub keeps.", no_args_is_help=True)

SHOWN = 20


@app.callback()
def files() -> None:
    """Files that the hub keeps."""


@app.command()
def unused(
    *,
    remove: Annotated[bool, typer.Option("--remove", help="Remove them for good.")] = False,
    days: Annotated[
        float | None,
        typer.Option(
            help="How long they must have been unused; HUB_FILE_UNUSED_DAYS if none is named.", min=0
        ),
    ] = None,
) -> None:
    """List files that no asset has had for some days, in no version. Nothing is removed unless --remove asks for it."""
    from hub import config, file, file_store, migrations
    from hub.rendition import Cache

    settings = config.load()
    database, store = migrations.prepared(settings), file_store.opened(settings)
    before = file.grace(settings.file_unused_days if days is None else days)
    try:
        with database.read() as tx:
            found = [*file.unused(tx, before), *file.stray(tx, store, before)]
        for content, size in found[:SHOWN]:
            typer.echo(f"{content}  {size:,} bytes")
        if len(found) > SHOWN:
            typer.echo(f"… and {len(found) - SHOWN} more.")
        total = sum(size for _, size in found)
        if not remove:
            typer.echo(
                f"Unused: {len(found)} files, {total:,} bytes. Nothing was removed: --remove does that."
            )
            return
        cache = Cache(settings.var / "renditions", int(settings.rendition_gigabytes * 1e9))
        gone = 0
        for content, _ in found:
            if file.remove(database, store, content, before):
                cache.forget(content)
                gone += 1
        typer.echo(f"Removed {gone} of {len(found)} files, which were {total:,} bytes together.")
    finally:
        database.close()
