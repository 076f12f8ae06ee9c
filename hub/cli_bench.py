"""``hub bench``: measure. A bench is a module with ``measure(settings, tell)``, which gives its figures by name."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer(help="Measure.", no_args_is_help=True)

BENCHES = {"import": "hub.bench_import"}
"""Where each bench is. Its module is loaded when it runs."""

Target = Annotated[Path | None, typer.Option("--json", help="Write the figures here, too.")]


@app.callback()
def bench() -> None:
    """Measure."""


@app.command(name="import")
def import_(*, json: Target = None) -> None:
    """Import Icecat into a database of its own; compare with COPY into one plain table."""
    _run(["import"], json)


@app.command(name="all")
def all_(*, json: Target = None) -> None:
    """Every bench, once."""
    _run(list(BENCHES), json)


def _run(names: list[str], target: Path | None) -> None:
    from rich.console import Console
    from rich.progress import Progress

    from hub import config

    settings = config.load()
    figures: dict[str, dict[str, float]] = {}
    with Progress(console=Console(stderr=True), transient=True) as bar:
        for name in names:
            task = bar.add_task(name, total=None)
            figures[name] = import_module(BENCHES[name]).measure(
                settings, lambda at, task=task: bar.update(task, completed=at.offset, total=at.size)
            )
    for name, found in figures.items():
        for figure, number in found.items():
            typer.echo(f"{name} {figure}: {number:,}")
    if target is not None:
        import orjson

        target.write_bytes(orjson.dumps(figures, option=orjson.OPT_INDENT_2))
