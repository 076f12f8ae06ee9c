"""``hub demo``: a shop to look at, filled once and then served."""

from __future__ import annotations

import json
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from ipaddress import ip_network
from threading import Thread
from typing import TYPE_CHECKING, Annotated

import typer

from hub.errors import Invalid

if TYPE_CHECKING:
    from rich.console import Console

    from hub.config import Settings
    from hub.db import Database
    from hub.demo.fill import Progress, Report
    from hub.demo.sample import Sample
    from hub.demo.shop import Shop
    from hub.file_store import Store

app = typer.Typer(help="Fill a generated shop once, then serve it and print addresses and tokens.")

FILE = "demo.json"
LOOPBACK = ip_network("127.0.0.0/8")
PATIENCE_SECONDS = 0.2


@app.callback(invoke_without_command=True)
def demo(
    *,
    scale: Annotated[
        float | None, typer.Option(help="Multiplies products, customers and orders; 1 for a new shop.")
    ] = None,
    serve: Annotated[bool, typer.Option(help="Serve the shop once it is filled.")] = True,
) -> None:
    """Fill a generated shop, serve it, print addresses and tokens. A shop that is there already is only served."""
    from hub import config, listening

    settings = settled(config.load())
    if serve:
        listening.check(settings)
    # Not before the port is known to be free: the file would be that of a demo that runs.
    (settings.var / FILE).unlink(missing_ok=True)
    tokens = _fill(settings, scale)
    if serve:
        _serve(settings, tokens)


def settled(settings: Settings) -> Settings:
    """The settings, with receivers on this machine let in where nothing else was said."""
    if not settings.development:
        raise Invalid("The demo is no shop for production: leave HUB_ENV out, or set it to development.")
    if settings.webhook_allowed_networks:
        return settings
    return settings.model_copy(update={"webhook_allowed_networks": (LOOPBACK,)})


def _fill(settings: Settings, scale: float | None) -> dict[str, str]:
    from hub import file_store, migrations
    from hub.demo import keys, shop

    database = migrations.prepared(settings)
    try:
        with database.read() as tx:
            stands = shop.state(tx)
        chosen = shop.chosen(stands, scale, datetime.now(UTC).date())
        if stands.filled:
            typer.echo(f"The demo of {chosen.day} is there, at scale {chosen.scale:g}.")
            _draw(database, chosen, file_store.opened(settings))
        else:
            _make(database, chosen, file_store.opened(settings), resumed=stands.shop is not None)
        return keys.ready(database, settings.secret, settings.var)
    finally:
        database.close()


def _make(database: Database, shop: Shop, store: Store, *, resumed: bool) -> None:
    from hub.demo.fill import fill

    if resumed:
        typer.echo(f"The fill of {shop.day} was interrupted: it is resumed, and what it wrote stays.")
    began = time.monotonic()
    with _bars() as progress:
        report = fill(database, shop, store, progress)
    _summarise(report, time.monotonic() - began)


def _draw(database: Database, shop: Shop, store: Store) -> None:
    """The pictures, where the database came without its files."""
    from hub.demo.fill import draw, is_drawn

    if not is_drawn(database, store):
        with _bars() as progress:
            draw(database, shop, store, progress)


@contextmanager
def _bars() -> Iterator[Progress]:
    from rich.progress import MofNCompleteColumn
    from rich.progress import Progress as Bars

    with Bars(*Bars.get_default_columns(), MofNCompleteColumn()) as bars:
        tasks = {}

        def show(title: str, done: int, total: int) -> None:
            if title not in tasks:
                tasks[title] = bars.add_task(title)
            bars.update(tasks[title], completed=done, total=total)

        yield show


def _summarise(report: Report, seconds: float) -> None:
    for line in summary(report):
        typer.echo(line)
    typer.echo(f"{'Picture files':14} {report.pictures:7} drawn")
    typer.echo(f"Filled in {seconds:.0f} s.")


def summary(report: Report) -> list[str]:
    """One line a noun: what there is = what was made now + what was there before."""
    return [
        f"{noun.replace('_', ' ').capitalize():14} {report.made[noun] + report.kept[noun]:7}"
        f" = {report.made[noun]} made + {report.kept[noun]} there before"
        for noun in dict.fromkeys([*report.made, *report.kept])
    ]


def _serve(settings: Settings, tokens: dict[str, str]) -> None:
    from hub.app import serve

    Thread(target=_announce, args=(settings, tokens), name="announce", daemon=True).start()
    try:
        serve(settings)
    finally:
        (settings.var / FILE).unlink(missing_ok=True)  # who reads it takes it that someone answers


def _announce(settings: Settings, tokens: dict[str, str]) -> None:
    """Once everything answers, say so: to programs in a file, to people on the terminal."""
    from hub.demo import frame, keys

    while not _is_ready(settings.url):
        time.sleep(PATIENCE_SECONDS)
    told = {
        "url": settings.url,
        "graphql": f"{settings.url}/graphql",
        "tokens": tokens,
        "channels": list(frame.CHANNELS),
    }
    keys.write_private(settings.var / FILE, json.dumps(told, indent=2))
    _show(settings, tokens)


def _is_ready(url: str) -> bool:
    try:
        with urllib.request.urlopen(f"{url}/ready", timeout=10) as answer:  # noqa: S310 - our own address
            return bool(answer.status == 200)  # noqa: PLR2004 - OK
    except OSError:
        return False


def _show(settings: Settings, tokens: dict[str, str]) -> None:
    from rich.console import Console

    from hub.demo import sample

    console = Console(highlight=False, soft_wrap=True)
    _show_addresses(console, settings.url, tokens)
    for number, query in enumerate(sample.QUERIES, start=1):
        _show_sample(console, f"{number}. {query.title}", query)
    _show_sample(console, sample.SUBSCRIBE.title, sample.SUBSCRIBE)
    console.print("\n[bold]Start a receiver[/] with that secret in another terminal")
    console.print(f"  {sample.RECEIVER}", markup=False)
    _show_sample(console, sample.CHANGE.title, sample.CHANGE)
    console.print("\nReady. Stop with Ctrl-C.")


def _show_addresses(console: Console, url: str, tokens: dict[str, str]) -> None:
    console.print(f"\n[bold]GraphQL[/]   {url}/graphql  (GraphiQL in a browser)")
    console.print(f"[bold]State[/]     {url}/ready  {url}/metrics")
    console.print("\n[bold]Tokens[/], to be sent as  Authorization: Bearer …")
    for name, text in tokens.items():
        console.print(f"  {name:12} {text}")


def _show_sample(console: Console, title: str, shown: Sample) -> None:
    console.print(f"\n[bold]{title}[/]  (token: {shown.token})")
    console.print(f"  {shown.document}", markup=False)
