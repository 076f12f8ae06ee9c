"""A look at a file before anything of it is written."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from hub import reading
from hub.errors import HubError, Invalid, NotFound
from hub.mapper import Mapper
from hub.mapping import Mapping


def check(path: Path, mapping: Mapping) -> reading.Measure:
    """Look at a file before anything is written. Raises ``HubError`` where it cannot be imported."""
    if not path.is_file():
        raise NotFound(f'File "{path}" does not exist: name one that does.')
    found = reading.measure(path)
    columns = reading.columns(path, mapping.form)
    if columns is not None:
        _check_columns(columns, mapping)
    return found


def _check_columns(columns: Sequence[str], mapping: Mapping) -> None:
    known = Mapper(mapping).known | {reading.ERROR}
    unknown = [name for name in columns if name not in known]
    if unknown and mapping.refuse_unknown:
        raise _unnamed(unknown, mapping)


def _unnamed(unknown: Sequence[str], mapping: Mapping) -> HubError:
    """The refusal of a CSV file with columns that its mapping does not name."""
    named = ", ".join(f'"{name}"' for name in unknown)
    return Invalid(
        f'Mapping "{mapping.name}" does not name the columns {named}: map them, or list them under ignore.'
    )
