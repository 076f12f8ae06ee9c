"""``hub reconcile``: what another system has, beside what the hub has."""

from __future__ import annotations

import asyncio
import tempfile
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import orjson
import typer

if TYPE_CHECKING:
    from collections.abc import Iterator

    from hub.config import Settings
    from hub.reconcile import Difference, Total

LARGEST = 4 * 1024**3
"""Bytes that an address may answer."""

app = typer.Typer(
    help="Compare what another system has with the hub.",
    context_settings={"allow_interspersed_args": True},  # options may stand behind the file
    subcommand_metavar="",
)


@app.callback(invoke_without_command=True)
def reconcile(
    source: Annotated[
        str, typer.Argument(metavar="FILE|URL", help="Its records: JSONL or CSV, also packed.")
    ],
    *,
    system: Annotated[
        str, typer.Option(help="The other system's name, as in external ids and ownership rules.")
    ],
    noun: Annotated[str, typer.Option(help="What the records are: product, customer, order or stock.")],
    mapping: Annotated[
        str | None, typer.Option(help="The mapping that reads them, as imports do; stock needs none.")
    ] = None,
    repair: Annotated[
        bool, typer.Option("--repair", help="Write what the other system owns, and nothing else.")
    ] = False,
    as_json: Annotated[
        bool, typer.Option("--json", help="One JSON object a line; the last one is the total.")
    ] = False,
) -> None:
    """List every difference and who is right about it. Exit code 0: none; 3: there are some."""
    from hub import config, migrations
    from hub.errors import NotFound
    from hub.mapping import load
    from hub.reconcile import Source
    from hub.reconcile import reconcile as compare

    settings = config.load()
    database = migrations.prepared(settings)

    def show(each: Difference) -> None:
        typer.echo(orjson.dumps(asdict(each), default=str) if as_json else _line(each))

    try:
        with _local(source, settings) as path:
            if not path.is_file():
                raise NotFound(f'File "{path}" does not exist: name one that does, or an address.')
            records = Source(noun, None if mapping is None else load(mapping), path)
            total = compare(database, system, records, path, show, repair=repair)
    finally:
        database.close()
    typer.echo(orjson.dumps({"total": asdict(total)}) if as_json else _sum_up(total, repair=repair))
    raise typer.Exit(0 if total.records == total.same and total.only_here == 0 else 3)


def _line(each: Difference) -> str:
    who = "nobody's rule says who is right" if each.right is None else f"{each.right} is right ({each.rule})"
    named = f'{each.noun} "{each.key}"'
    said = {
        "refused": f"! {named}: {each.there}",
        "only_there": f"+ {named} is only there: {who}",
        "only_here": f"- {named} is only here: {who}",
        "differs": f"~ {named} {each.path}: here {each.here}, there {each.there}: {who}",
    }
    return said[each.kind]


def _sum_up(total: Total, *, repair: bool) -> str:
    right = ", ".join(f"{count} × {system}" for system, count in sorted(total.right.items())) or "none"
    said = (
        f"Records {total.records} = same {total.same} + different {total.different} + only there {total.only_there}"
        f" + refused {total.refused}. Only here: {total.only_here}. Values that differ: {total.values} (right: {right})."
    )
    return f"{said} Repaired: {total.repaired}." if repair else said


@contextmanager
def _local(source: str, settings: Settings) -> Iterator[Path]:
    """The file itself, or what an address answers, in a file that goes again."""
    if not source.startswith(("http://", "https://")):
        yield Path(source)
        return
    with tempfile.TemporaryDirectory(prefix="hub-reconcile-") as folder:
        path = Path(folder) / (Path(source.partition("?")[0]).name or "records.jsonl")
        asyncio.run(_fetch(source, path, settings))
        yield path


async def _fetch(url: str, path: Path, settings: Settings) -> None:
    """Read an address into a file. Raises ``Invalid`` for one that files are not fetched from either."""
    from hub.file_fetch import Fetcher

    async with Fetcher(settings.webhook_allowed_networks, LARGEST) as fetcher:
        await fetcher.fetch(url, path)
