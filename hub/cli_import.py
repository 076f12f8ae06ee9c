"""``hub import``: files into the hub."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from hub.errors import Invalid, NotFound

if TYPE_CHECKING:
    from hub.asset_import import Done, Import
    from hub.asset_source import Source
    from hub.change import Changed
    from hub.db import Database
    from hub.import_preview import Difference
    from hub.importing import Progress, Summary
    from hub.mapping import Mapping

app = typer.Typer(help="Files into the hub.", no_args_is_help=True)

SHOWN = 200
"""Lines of a dry run's differences; the rest is counted."""


@app.callback()
def import_() -> None:
    """Files into the hub."""


FILE = typer.Argument(help="JSON lines, CSV or a table, plain or gzip.")
MAPPING = typer.Option(help="A shipped mapping's name, or a mapping's file.")
CHANNEL = typer.Option(help="The channel to list in, or that orders come from; made if missing.")
LOCALE = typer.Option(help="The locale of the file's texts.")
DRY_RUN = typer.Option("--dry-run", help="Show what would change; write nothing.")
REJECTS = typer.Option(help="Where refused records go; in this folder, named after the file, if none.")


@app.command()
def products(
    file: Annotated[Path, FILE],
    *,
    mapping: Annotated[str, MAPPING],
    channel: Annotated[str | None, CHANNEL] = None,
    locale: Annotated[str | None, LOCALE] = None,
    dry_run: Annotated[bool, DRY_RUN] = False,
    rejects: Annotated[Path | None, REJECTS] = None,
) -> None:
    """Import products. A run that was cut short goes on where it was when the same command is given again."""
    _run("product", file, mapping, channel, locale, rejects, dry_run=dry_run)


@app.command()
def records(
    file: Annotated[Path, FILE],
    *,
    mapping: Annotated[str, MAPPING],
    locale: Annotated[str | None, LOCALE] = None,
    dry_run: Annotated[bool, DRY_RUN] = False,
    rejects: Annotated[Path | None, REJECTS] = None,
) -> None:
    """Import records of people: each is kept as it came, and records of one person become one customer."""
    _run("source_record", file, mapping, None, locale, rejects, dry_run=dry_run)


@app.command()
def customers(
    file: Annotated[Path, FILE],
    *,
    mapping: Annotated[str, MAPPING],
    locale: Annotated[str | None, LOCALE] = None,
    dry_run: Annotated[bool, DRY_RUN] = False,
    rejects: Annotated[Path | None, REJECTS] = None,
) -> None:
    """Import customers, as products are imported."""
    _run("customer", file, mapping, None, locale, rejects, dry_run=dry_run)


@app.command()
def orders(
    file: Annotated[Path, FILE],
    *,
    mapping: Annotated[str, MAPPING],
    channel: Annotated[str | None, CHANNEL] = None,
    locale: Annotated[str | None, LOCALE] = None,
    dry_run: Annotated[bool, DRY_RUN] = False,
    rejects: Annotated[Path | None, REJECTS] = None,
) -> None:
    """Import orders of the past, one line each, as products are imported."""
    _run("order", file, mapping, channel, locale, rejects, dry_run=dry_run)


@app.command()
def assets(
    place: Annotated[Path, typer.Argument(help="A folder or a ZIP.")],
    *,
    match: Annotated[
        list[str] | None,
        typer.Option(
            help="How files are named, as {sku}_{position}; also {gtin}, {slug}, {role} and {any}. Again for another way:"
            " the first that tells a product counts. Without one: SKU or GTIN, then _ or - and a position, or none."
        ),
    ] = None,
    role: Annotated[
        str, typer.Option(help="What they are shown as, where their names do not say it.")
    ] = "gallery",
    system: Annotated[str, typer.Option(help="The system that they come from.")] = "files",
    dry_run: Annotated[bool, DRY_RUN] = False,
    rejects: Annotated[
        Path | None, typer.Option(help="Where the list of refused files goes; in this folder if none.")
    ] = None,
) -> None:
    """Import files, each linked to the product that its name tells. The same files again change nothing."""
    from hub import asset_match, asset_source, config, file_store, migrations
    from hub.asset_import import Import
    from hub.file_pool import Pool

    patterns = [asset_match.pattern(each) for each in match or asset_match.DEFAULT]
    target = rejects or Path(f"{place.resolve().stem}.rejects.csv")
    settings = config.load()
    with asset_source.opened(place) as source:
        database, pool = migrations.prepared(settings), Pool(settings.file_megapixels * 1_000_000)
        run = Import(
            database=database,
            store=file_store.opened(settings),
            pool=pool,
            incoming=settings.var / "incoming",
            most_bytes=settings.file_megabytes * 1_000_000,
            patterns=patterns,
            role=role,
            system=system,
            dry_run=dry_run,
        )
        try:
            _import_files(run, source, target)
        finally:
            pool.close()
            database.close()


def _import_files(run: Import, source: Source, target: Path) -> None:
    from hub import asset_import
    from hub.importing import Progress

    lines: list[str] = []
    refused: list[Done] = []
    with _bar() as tell:
        done = 0

        def told(each: Done) -> None:
            nonlocal done
            done += 1
            tell(Progress(done, len(source.names), done))
            if each.error is not None:
                refused.append(each)
            elif each.outcome != "unchanged":
                lines.append(f"{'+' if each.outcome == 'created' else '~'} {each.name}: {each.says}")

        summary = run.run(source, told)
    for line in lines[: SHOWN if run.dry_run else 0]:
        typer.echo(line)
    if run.dry_run and len(lines) > SHOWN:
        typer.echo(f"… and {len(lines) - SHOWN} lines more.")
    counts = " + ".join(f"{name} {count}" for name, count in summary.counts.items())
    typer.echo(f"Read {summary.read} = {counts}.")
    asset_import.write_rejects(refused, target)
    if refused:
        typer.echo(f"Rejects: {target} ({_counted(len(refused), 'file')}).")
    if run.dry_run:
        typer.echo("A dry run: nothing was written.")


def _run(
    noun: str,
    file: Path,
    mapping: str,
    channel: str | None,
    locale: str | None,
    rejects: Path | None,
    *,
    dry_run: bool,
) -> None:
    from hub import config, import_rejects, migrations
    from hub.mapping import load

    how = load(mapping).listed_in(channel, locale)
    if how.noun != noun:
        raise Invalid(
            f'Mapping "{how.name}" makes {how.target.plural}: give it to `hub import {how.target.plural}`.'
        )
    target = rejects or import_rejects.default_path(file)
    if not target.parent.is_dir():
        raise NotFound(
            f'Folder "{target.parent}" for the rejects does not exist: make it, or name another file.'
        )
    settings = config.load()
    database = migrations.prepared(settings)
    try:
        with _bar() as tell:
            summary, refused = (_preview if dry_run else _import)(
                database, file, how, tell, target, settings.secret
            )
    finally:
        database.close()
    _sum_up(summary, refused, target, dry_run=dry_run)


def _import(
    database: Database, file: Path, how: Mapping, tell: Callable[[Progress], None], target: Path, secret: str
) -> tuple[Summary, int]:
    from hub import import_rejects, importing

    summary = importing.run(database, file, how, tell, secret=secret)
    with database.read() as tx:
        refused = import_rejects.write(tx, summary.run, file, how.form, target)
    importing.finish(database, summary.run)
    return summary, refused


def _preview(
    database: Database, file: Path, how: Mapping, tell: Callable[[Progress], None], target: Path, secret: str
) -> tuple[Summary, int]:
    from hub.import_preview import preview

    lines: list[str] = []
    others: Counter[str] = Counter()

    def show(difference: Difference) -> None:
        if difference.noun == how.noun:
            lines.extend(_told(difference))
        else:
            others[difference.noun.replace("_", " ")] += 1

    done = preview(database, file, how, tell, show, target, secret=secret)
    for line in lines[:SHOWN]:
        typer.echo(line)
    if len(lines) > SHOWN:
        typer.echo(f"… and {len(lines) - SHOWN} lines more.")
    if others:
        typer.echo("Besides: " + ", ".join(f"{count} × {noun}" for noun, count in others.items()) + ".")
    return done


def _told(difference: Difference) -> Iterator[str]:
    """A new object in one line; of one that changes, every value that does."""
    sign = {"CREATED": "+", "DELETED": "-"}.get(difference.kind, "~")
    told = f'{sign} {difference.noun} "{difference.key}"'
    if sign != "~":
        yield f"{told}: {len(difference.changed)} values"
        return
    yield told
    yield from (f"    {_value(each)}" for each in difference.changed)


def _value(each: Changed) -> str:
    old, new = (str(side)[:200] for side in (each.old, each.new))
    return f"{each.path}: {old} → {new}"


@contextmanager
def _bar() -> Iterator[Callable[[Progress], None]]:
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

    columns = (
        TextColumn("{task.fields[number]:,} records"),
        BarColumn(),
        TaskProgressColumn(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("", number=0, total=None)
        yield lambda at: bar.update(task, completed=at.offset, total=at.size, number=at.number)


def _sum_up(summary: Summary, refused: int, target: Path, *, dry_run: bool) -> None:
    made = ", ".join(_counted(count, noun.replace("_", " ")) for noun, count in summary.made.items())
    if summary.resumed:
        typer.echo(f"Went on after record {summary.resumed}.")
    if made:
        typer.echo(f"Made first: {made}.")
    typer.echo(
        f"Read {summary.read} = created {summary.created} + updated {summary.updated}"
        f" + unchanged {summary.unchanged} + skipped {summary.skipped}. Values refused: {summary.refused}."
    )
    if refused:
        typer.echo(f"Rejects: {target} ({_counted(refused, 'record')}).")
    if dry_run:
        typer.echo("A dry run: nothing was written.")


def _counted(count: int, noun: str) -> str:
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"
