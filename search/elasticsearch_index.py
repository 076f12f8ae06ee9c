"""The index in Elasticsearch: generations are indices of their own, an alias names the one in use.

Whose turn it is to write or build is decided in the database, by advisory locks: they end with the process that holds
them, and every hub on one database sees the same.
"""

from __future__ import annotations

import secrets
import zlib
from collections.abc import Collection, Iterator
from contextlib import contextmanager

import sqlalchemy as sa
from elasticsearch import BadRequestError, Elasticsearch

from hub.config import Settings
from hub.db import Database
from search import elasticsearch_mapping
from search.elasticsearch_client import WRITE_SECONDS, connected, told
from search.elasticsearch_reader import STATE_ID, ElasticsearchReader
from search.elasticsearch_writer import ElasticsearchWriter, state_document
from search.engine import Health, LostTurnError, MissingError, State


def of(settings: Settings, database: Database) -> ElasticsearchIndex:
    """The index that the settings name."""
    return ElasticsearchIndex(connected(settings), settings.elasticsearch_prefix, database)


class LockTurn:
    """A turn that a lock in the database holds: it is lost with the connection."""

    def __init__(self, connection: sa.Connection) -> None:
        self._connection = connection

    def check(self) -> None:
        """Raise ``LostTurnError`` where the connection is gone, and the lock with it."""
        try:
            self._connection.execute(sa.text("SELECT 1"))
        except sa.exc.SQLAlchemyError as error:
            raise LostTurnError("The connection that held it is gone.") from error


class ElasticsearchIndex:
    """The index with names that begin with ``prefix``; ``database`` decides whose turn it is."""

    engine = "elasticsearch"

    def __init__(self, client: Elasticsearch, prefix: str, database: Database, *, shards: int = 1) -> None:
        self.client = client
        # What changes the cluster waits for its nodes: longer than a question may.
        self._patient = client.options(request_timeout=WRITE_SECONDS)
        self.alias = f"{prefix}-products"
        self._database = database
        self._shards = shards

    def mapping(self) -> str:
        """A fingerprint of everything that decides how a document becomes terms."""
        return elasticsearch_mapping.mapping()

    def current(self) -> str | None:
        """The generation in use; null while there is none."""
        with told():
            said = self.client.options(ignore_status=404).indices.get_alias(name=self.alias)
        return None if said.get("status") else next(iter(said), None)

    @contextmanager
    def reading(self) -> Iterator[ElasticsearchReader]:
        """Questions to the generation in use."""
        yield ElasticsearchReader(self.client, self.alias)

    def opened(self, generation: str) -> ElasticsearchReader:
        """Questions to any generation."""
        return ElasticsearchReader(self.client, generation)

    @contextmanager
    def writing(self) -> Iterator[LockTurn | None]:
        """This process's turn to write, until the end of the block."""
        with self._turn("writer") as turn:
            yield turn

    @contextmanager
    def building(self) -> Iterator[LockTurn | None]:
        """This process's turn to build another generation."""
        with self._turn("builder") as turn:
            yield turn

    def create(self, state: State) -> str:
        """Make an empty generation."""
        name = f"{self.alias}-{secrets.token_hex(6)}"
        with told():
            self._patient.indices.create(
                index=name,
                mappings=elasticsearch_mapping.MAPPINGS,
                settings=elasticsearch_mapping.settings(self._shards),
            )
            self._patient.index(index=name, id=STATE_ID, document=state_document(state))
        return name

    def unfinished(self) -> list[str]:
        """Generations that are not in use; which of them were begun, their state says."""
        current = self.current()
        with told():
            # After a restart they are found before they can be read.
            self._patient.options(ignore_status=408).cluster.health(
                index=f"{self.alias}-*", wait_for_status="yellow", timeout=PATIENCE
            )
            said = self._patient.indices.get(
                index=f"{self.alias}-*", expand_wildcards="all", features="aliases"
            )
        return [name for name in said if name != current]

    def writer(self, generation: str, *, bulk: bool = False) -> ElasticsearchWriter:  # noqa: ARG002 - the other engine needs more room
        """The writer of a generation."""
        return ElasticsearchWriter(self.client, generation)

    def adopt(self, generation: str) -> None:
        """Take a generation into use in one step: questions see the old one or the new one."""
        old = self.current()
        actions = [{"add": {"index": generation, "alias": self.alias}}]
        if old and old != generation:
            actions.append({"remove": {"index": old, "alias": self.alias}})
        with told():
            self._patient.indices.update_aliases(actions=actions)

    def drop(self, generation: str) -> None:
        """Remove a generation."""
        with told():
            self._patient.options(ignore_status=404).indices.delete(index=generation)

    def tidy(self, keep: Collection[str] = ()) -> None:
        """Remove the generations that were in use before; what is being built stays."""
        for generation in self.unfinished():
            try:
                filled = self.opened(generation).state().filled
            except MissingError:
                self._drop_nameless(generation)
                continue
            if filled is None and generation not in keep:
                self.drop(generation)

    def _drop_nameless(self, generation: str) -> None:
        """Remove what does not say what it is, unless somebody is just making it."""
        with self.building() as turn:
            if turn:
                self.drop(generation)

    def is_spoilt(self, generation: str) -> bool:  # noqa: ARG002 - the contract's
        """The engine keeps watch over its own files."""
        return False

    def admits(self, generation: str) -> bool:
        """Add the fields that it lacks; a field that is kept in another way cannot be."""
        try:
            with told():
                self._patient.indices.put_mapping(
                    index=generation, properties=elasticsearch_mapping.PROPERTIES
                )
        except BadRequestError:
            return False
        return True

    def health(self) -> Health:
        """The cluster's health as far as the index in use is concerned."""
        with told():
            said = self.client.options(ignore_status=408).cluster.health(index=self.alias, timeout="1s")
        status: Health = said["status"]
        return status

    @contextmanager
    def _turn(self, name: str) -> Iterator[LockTurn | None]:
        lock = {"space": LOCKS, "lock": zlib.crc32(f"{self.alias} {name}".encode()) - HALF}
        connection = self._database.engine.connect().execution_options(isolation_level="AUTOCOMMIT")
        try:
            mine = connection.scalar(sa.text("SELECT pg_try_advisory_lock(:space, :lock)"), lock)
            yield LockTurn(connection) if mine else None
        finally:
            try:
                connection.execute(sa.text("SELECT pg_advisory_unlock_all()"))
            except sa.exc.SQLAlchemyError:
                # A broken connection holds no lock; the pool must not keep it.
                connection.invalidate()
            connection.close()


PATIENCE = "10s"
"""How long indices may take to become readable."""

LOCKS = 4_823_101
"""The space of the advisory locks of search."""

HALF = 2**31
"""Locks are numbered with signed numbers of 32 bits."""
