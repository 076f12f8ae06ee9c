"""How inputs write a column."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Field:
    """How a column is written: kept in the column's ``info`` under ``field``.

    ``refers``: the noun that an input names by id, key or external id, for a foreign key.
    ``required``: must be given when the row is made.
    ``name``: the input's field, where it differs from the column (``parent`` for ``parent_id``).
    ``kind``: how a value is checked and normalised, a name in ``hub.value``; null takes it from the column's type.
    """

    refers: str | None = None
    required: bool = False
    name: str | None = None
    kind: str | None = None


@dataclass(frozen=True)
class Condition:
    """What an input may ask of the stored row, without being stored itself (``__conditions__`` of a model, by field name).

    ``kind``: how it is checked, a name in ``hub.value``. ``says``: its description. The model's ``complete`` refuses.
    """

    kind: str
    says: str
