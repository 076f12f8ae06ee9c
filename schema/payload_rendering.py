"""Payload documents rendered: compiled once each, for many objects in one statement a level.

In one round statements with the same text and values run once. Compiled payload documents read whole rows, so that
different documents about the same objects ask for the same.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Hashable, Iterable, Mapping, Sequence
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from hub import ids
from hub.errors import HubError
from schema.context import Context, Ground
from schema.opening import ground
from schema.plan import Plan, Reads, Request
from schema.viewer_class import class_of
from webhooks.rendering import Shown, Wanted

if TYPE_CHECKING:
    from graphql.execution.values import VariableValues

    from hub.db import Database
    from hub.direct import Made, Row
    from hub.viewer import Viewer
    from schema.payload_document import PayloadDocuments

REMEMBERED = 1_000
BATCH = 100
"""Objects that are read in one statement."""


class PayloadRendering:
    """Renders the payload documents of one schema on one database; see ``webhooks.rendering``."""

    def __init__(self, documents: PayloadDocuments, database: Database) -> None:
        self._documents = documents
        self._database = database

    async def __call__(
        self, document: str | None, noun: str, numbers: Sequence[int], viewer: Viewer, /
    ) -> Mapping[int, Any]:
        """One document for some objects. Raises what went wrong for the first of them that failed."""
        (found,) = await self.many([Wanted(document, noun, numbers, viewer)])
        for wrong in found.failed.values():
            raise wrong
        return found.shown

    async def many(self, wanted: Sequence[Wanted]) -> list[Shown]:
        """Many documents in one round."""
        once = Once(self._database)
        known = await ground(once)
        rounds = [Round(self._documents, self._database, once, known, each) for each in wanted]
        for together in _alike(rounds):
            every = sorted({number for each in together for number in each.wanted.ids})
            for start in range(0, len(every), BATCH):
                for each in together:
                    await each.render(every[start : start + BATCH])
        return [each.found for each in rounds]


class Once:
    """A database that is asked the same question once. It lives for one round of rendering."""

    def __init__(self, database: Reads) -> None:
        self._database = database
        self._known: dict[Hashable, Sequence[Row]] = {}

    async def read_made(self, statement: Made, values: Mapping[str, Any]) -> Sequence[Row]:
        """The rows, read the first time."""
        key = (statement.text, repr(statement.parameters(values)))
        if key not in self._known:
            self._known[key] = await self._database.read_made(statement, values)
        return self._known[key]


class Round:
    """One wanted document in one round."""

    def __init__(
        self, documents: PayloadDocuments, database: Database, once: Reads, known: Ground, wanted: Wanted
    ) -> None:
        self.wanted = wanted
        self.found = Shown()
        self._documents = documents
        self._database = database
        self._once = once
        self._known = known

    async def render(self, keys: Sequence[int]) -> None:
        """Answer for those of the keys that are wanted; all of them are read, for others want them too."""
        among = frozenset(keys)
        own = [number for number in self.wanted.ids if number in among]
        if not own:
            return
        try:
            ready = self._documents.ready(self.wanted)
        except HubError as wrong:
            self.found.failed.update(dict.fromkeys(own, wrong))
            return
        if isinstance(ready.plan, Plan):
            await self._compiled(ready.plan, ready.variables, own, keys)
        elif ready.plan is not None:
            await self._ordinary(own)

    async def _compiled(
        self, plan: Plan, variables: VariableValues, own: Sequence[int], keys: Sequence[int]
    ) -> None:
        """Answer by a plan. Where that fails, the fault is looked for in either half: the rest need not suffer."""
        context = Context(self._database, self.wanted.viewer, ground=self._known)
        request = Request(context, variables, self._once)
        try:
            self.found.shown.update(await plan.run_many(request, own, keys))
        except Exception:  # noqa: BLE001 - whatever it is, the ordinary executor says it better
            if len(own) == 1:
                await self._ordinary(own)
                return
            for half in (own[: len(own) // 2], own[len(own) // 2 :]):
                await self._compiled(plan, variables, half, half)

    async def _ordinary(self, own: Sequence[int]) -> None:
        answer = self._documents.answering(self.wanted, self._database)
        for number in own:
            try:
                self.found.shown[number] = await answer(ids.encode(self.wanted.noun, number))
            except Exception as wrong:  # noqa: BLE001 - a document reads anything, so anything may go wrong in it
                self.found.failed[number] = wrong


def _alike(rounds: Sequence[Round]) -> Iterable[list[Round]]:
    """What can be read together: the same noun, seen alike."""
    groups: dict[Hashable, list[Round]] = defaultdict(list)
    for each in rounds:
        groups[each.wanted.noun, _seen_alike(each.wanted.viewer)].append(each)
    return groups.values()


@lru_cache(REMEMBERED)
def _seen_alike(viewer: Viewer) -> Hashable:
    return class_of(viewer), viewer.channel_ids, viewer.default_channel_id, viewer.customer_id
