"""``hub bench``: measure. Each module ``bench/<name>.py`` with a function ``measure`` becomes ``hub bench <name>``.

``measure(settings, tell, **options)`` gives its figures by name; its further parameters become the command's options.
Its module's first line is the command's help.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from importlib import import_module
from pathlib import Path
from pkgutil import iter_modules
from types import ModuleType
from typing import Annotated, Any, get_type_hints

import typer
from typer.core import TyperGroup

import bench
from bench import Figures, Tell

Target = Annotated[Path | None, typer.Option("--json", help="Write the figures here, too.")]
GIVEN = ("settings", "tell")
COMMANDS = {"imports": "import"}
"""Modules that cannot be called like their command, because Python has the word."""

TOOLS = ("engines", "identity_people", "scratch")
"""What benches share."""


class Benches(TyperGroup):
    """The commands, one for each module: loaded when it is asked for, since a bench brings much with it."""

    def list_commands(self, ctx: Any) -> list[str]:
        """Their names."""
        return [*names(), *super().list_commands(ctx)]

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        """The command of a bench; null where there is none of that name."""
        found = super().get_command(ctx, cmd_name)
        if found is not None or cmd_name not in names():
            return found
        alone = typer.Typer(add_completion=False)
        alone.command(name=cmd_name)(_command(cmd_name))
        return typer.main.get_command(alone)


app = typer.Typer(help="Measure.", no_args_is_help=True, cls=Benches)


def names() -> list[str]:
    """Every bench, as the command line calls it."""
    modules = sorted(each.name for each in iter_modules(bench.__path__) if each.name not in TOOLS)
    return [COMMANDS.get(name, name) for name in modules]


def _module(name: str) -> ModuleType:
    modules = {command: module for module, command in COMMANDS.items()}
    return import_module(f"bench.{modules.get(name, name)}")


def _command(name: str) -> Callable[..., None]:
    module = _module(name)

    def command(json: Path | None = None, **options: Any) -> None:
        _run([name], json, options)

    own = {
        each.name: each.replace(kind=inspect.Parameter.KEYWORD_ONLY)
        for each in inspect.signature(module.measure).parameters.values()
        if each.name not in GIVEN
    }
    hints = get_type_hints(module.measure, include_extras=True)
    json = inspect.Parameter("json", inspect.Parameter.KEYWORD_ONLY, default=None)
    command.__signature__ = inspect.Signature([*own.values(), json])  # type: ignore[attr-defined]
    command.__annotations__ = {each: hints[each] for each in own} | {"json": Target, "return": None}
    command.__doc__ = (module.__doc__ or "").partition("\n")[0]
    return command


def _run(chosen: Sequence[str], target: Path | None, options: Mapping[str, Any]) -> None:
    from rich.console import Console
    from rich.progress import Progress

    from hub import config

    settings = config.load()
    figures: dict[str, Figures] = {}
    with Progress(console=Console(stderr=True), transient=True) as bar:
        for name in chosen:
            task = bar.add_task(name, total=None)
            figures[name] = _module(name).measure(settings, _teller(bar, task), **options)
            _print(name, figures[name])
    if target is not None:
        import orjson

        target.write_bytes(orjson.dumps(figures, option=orjson.OPT_INDENT_2))
    if any(each.get("faults") for each in figures.values()):
        raise typer.Exit(1)


def _teller(bar: Any, task: Any) -> Tell:
    return lambda done, total: bar.update(task, completed=done, total=total)


def _print(name: str, figures: Figures) -> None:
    for figure, value in figures.items():
        typer.echo(
            f"{name} {figure}: {value:,}" if isinstance(value, int | float) else f"{name} {figure}: {value}"
        )


@app.command(name="all")
def all_(*, json: Target = None) -> None:
    """Every bench, once."""
    _run(names(), json, {})
