"""What the sender asks of whoever renders payload documents: many answers of many documents in one round.

The one who renders reads what several answers need once for all of them. So hand over everything that is to be rendered
at one time in one call of ``many``, for all endpoints::

    answers = await render.many([Wanted(row["document"], "product", (1, 2, 3), viewer), ...])

The answers come in the order of what was wanted. Per wanted document ``shown`` has the answer for each id, null for an
object that the viewer does not see; ``failed`` has what went wrong for the ids that have none. One failure holds back
its own id alone, and nothing is raised for it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from hub.viewer import Viewer


@dataclass(frozen=True)
class Wanted:
    """A document to be answered for some objects of one noun. ``document``: null for the noun's default one."""

    document: str | None
    noun: str
    ids: Sequence[int]
    viewer: Viewer


@dataclass
class Shown:
    """The answers of one wanted document by id, and what went wrong instead."""

    shown: dict[int, Any] = field(default_factory=dict)
    failed: dict[int, Exception] = field(default_factory=dict)


class Rendering(Protocol):
    """Renders payload documents on one database, whose connections belong to one event loop."""

    async def __call__(
        self, document: str | None, noun: str, ids: Sequence[int], viewer: Viewer, /
    ) -> Mapping[int, Any]:
        """One document for some objects. Raises what went wrong for the first of them that failed."""

    async def many(self, wanted: Sequence[Wanted]) -> list[Shown]:
        """Many documents in one round. Raises only where nothing can be read at all."""
