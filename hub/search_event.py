"""Events of search: what was asked, shown, clicked, put into a cart and ordered, so that staff see what is not found.

They tell of nobody: a session is a keyed hash, and addresses and long numbers in queries are covered before they are
stored. Events are not part of what the hub keeps of the shop: the feed has none of them, and they go after some time.
"""

from __future__ import annotations

import hmac
import re
import unicodedata
import uuid
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import ARRAY, insert
from sqlalchemy.orm import Mapped, mapped_column

from hub import gtin, token
from hub.db import Base, Id, Json
from hub.erasure import Person

KINDS = ("query", "impression", "click", "cart", "order")
LONGEST_QUERY = 200
"""Characters of a query that are kept: a longer one was pasted, not asked."""

LONGEST_NUMBER = 7
"""Digits from which on a number may be somebody's; shorter ones are sizes, models and years."""

SIGNATURE = 16
"""Characters at the end of an answer's name that only the hub can make."""

PURGED_AT_ONCE = 50_000
POPULAR_DAYS = 30
POPULAR_SESSIONS = 3
"""Different sessions that ask a query before others are offered it."""

MOST_POPULAR = 5_000
"""Queries of one channel and locale that are offered."""

CONTROLS = ("Cc", "Cs", "Co", "Cn")
"""Kinds of characters that nobody types and no report can show."""

_EMAIL = re.compile(r"\S+@\S+")
_NUMBER = re.compile(rf"\+?\d(?:[\s./()-]*\d){{{LONGEST_NUMBER - 1},}}")


class SearchEvent(Base):
    """One event. ``query_id``: the answer of search that it is about; the other columns as far as the kind has them.

    ``query``: the words, in one form; ``results``: how many there were; null where that is not
    known, or filters left none, which says nothing of the words. ``position``: where the product stood, from 1 on.
    ``key``: the sender's, so that an event that is sent twice counts once.
    """

    __tablename__ = "search_event"
    __table_args__ = (
        sa.CheckConstraint(f"kind IN {KINDS!r}", name="kind"),
        sa.Index("ix_search_event_channel_id_at", "channel_id", "at"),
        sa.Index("ix_search_event_at", "at"),
        sa.Index("ix_search_event_query_id", "query_id"),
        sa.Index("uq_search_event_key", "key", unique=True, postgresql_where=sa.text("key IS NOT NULL")),
    )

    id: Mapped[Id]
    at: Mapped[datetime] = mapped_column(sa.DateTime(timezone=True), server_default=sa.func.now())
    kind: Mapped[str]
    channel_id: Mapped[int] = mapped_column(sa.ForeignKey("channel.id", ondelete="CASCADE"))
    locale: Mapped[str | None]
    query_id: Mapped[str]
    session: Mapped[bytes | None] = mapped_column(sa.LargeBinary)
    query: Mapped[str | None]
    results: Mapped[int | None]
    product_id: Mapped[int | None]
    position: Mapped[int | None]
    key: Mapped[str | None]


class SearchPhrase(Base):
    """A query that others are offered: asked by several sessions lately, with results."""

    __tablename__ = "search_phrase"

    channel_id: Mapped[int] = mapped_column(
        sa.ForeignKey("channel.id", ondelete="CASCADE"), primary_key=True, autoincrement=False
    )
    locale: Mapped[str] = mapped_column(primary_key=True)
    phrase: Mapped[str] = mapped_column(primary_key=True)
    sessions: Mapped[int]


@dataclass(frozen=True)
class Period:
    """Whose events count, and from when until when. ``locale``: null for all."""

    channel_id: int
    since: datetime
    until: datetime
    locale: str | None = None


def new_id(secret: str) -> str:
    """What an answer of search is called in events: signed, so that whoever answers knows the hub's own again."""
    name = uuid.uuid4().hex
    return name + _signature(secret, name)


def is_own(secret: str, query_id: str) -> bool:
    """Whether an answer of this hub was called so."""
    name, signature = query_id[:-SIGNATURE], query_id[-SIGNATURE:]
    return bool(name) and hmac.compare_digest(_signature(secret, name).encode(), signature.encode())


def _signature(secret: str, name: str) -> str:
    return token.keyed_hash(secret, f"search answer {name}").hex()[:SIGNATURE]


def unknown(tx: sa.Connection, query_ids: Collection[str]) -> set[str]:
    """Those of the ids under which no query is noted."""
    if not query_ids:
        return set()
    wanted = sa.literal(sorted(query_ids), ARRAY(sa.Text))
    noted = sa.select(SearchEvent.query_id).where(
        SearchEvent.query_id == sa.any_(wanted), SearchEvent.kind == "query"
    )
    return {*query_ids} - {*tx.scalars(noted)}


def covered(text: str) -> str:
    """A query as it is kept: one form, cut, with addresses and long numbers covered. A GTIN is nobody's: it stays."""
    shown = "".join(" " if unicodedata.category(each) in CONTROLS else each for each in text)
    said = " ".join(_EMAIL.sub("[e-mail]", shown).split())[:LONGEST_QUERY].lower()
    return _NUMBER.sub(_cover, said)


def says_nothing(text: str) -> bool:
    """Whether a query holds no letter and no digit: it was not asked of the shop's range, and tells nothing of it."""
    return not any(each.isalnum() for each in text)


def counted(text: str, results: int | None, *, filtered: bool) -> int | None:
    """How many results count for a query; null where none were found and its words are not to blame."""
    return None if results == 0 and (filtered or says_nothing(text)) else results


def _cover(found: re.Match[str]) -> str:
    digits = re.sub(r"\D", "", found[0])
    known = len(digits) in (8, 12, 13, 14) and gtin.check_digit(digits[:-1]) == digits[-1]
    return digits if known and not found[0].startswith("+") else "[number]"


def session_hash(secret: str, session: str | None) -> bytes | None:
    """What is kept of a session: enough to tell two apart, and nothing that leads back."""
    return None if not session else token.keyed_hash(secret, f"search session {session}")[:16]


def record(tx: sa.Connection, rows: Sequence[Json]) -> int:
    """Keep events; how many were new. One whose key is there already is left alone."""
    if not rows:
        return 0
    names = [column.name for column in SearchEvent.__table__.columns if column.name != "id"]
    now = datetime.now(UTC)
    whole = [{"at": now} | {name: row[name] for name in names if name in row} for row in rows]
    filled = [dict.fromkeys(names) | row for row in whole]
    kept = insert(SearchEvent).values(filled).on_conflict_do_nothing().returning(SearchEvent.id)
    return len(tx.execute(kept).all())


def purge(tx: sa.Connection, days: int) -> bool:
    """Forget events that are older; whether there may be more of them."""
    old = sa.select(SearchEvent.id).where(
        SearchEvent.at < sa.func.now() - sa.cast(timedelta(days=days), sa.Interval)
    )
    chosen = old.order_by(SearchEvent.at).limit(PURGED_AT_ONCE)
    return tx.execute(sa.delete(SearchEvent).where(SearchEvent.id.in_(chosen))).rowcount == PURGED_AT_ONCE


POPULAR = sa.text(
    """
    WITH found AS (
        SELECT channel_id, coalesce(locale, '') AS locale, query AS phrase, count(DISTINCT session) AS sessions,
            row_number() OVER (PARTITION BY channel_id, coalesce(locale, '')
                ORDER BY count(DISTINCT session) DESC, query) AS place
        FROM search_event
        WHERE kind = 'query' AND results > 0 AND query <> '' AND query NOT LIKE '%[%'
            AND at > now() - make_interval(days => :days)
        GROUP BY 1, 2, 3 HAVING count(DISTINCT session) >= :least
    ), gone AS (
        DELETE FROM search_phrase p WHERE NOT EXISTS (SELECT FROM found f WHERE f.place <= :most
            AND (f.channel_id, f.locale, f.phrase) = (p.channel_id, p.locale, p.phrase))
    )
    INSERT INTO search_phrase (channel_id, locale, phrase, sessions)
    SELECT channel_id, locale, phrase, sessions FROM found WHERE place <= :most
    ON CONFLICT (channel_id, locale, phrase) DO UPDATE SET sessions = excluded.sessions
        WHERE search_phrase.sessions <> excluded.sessions
    """
)


def popularise(tx: sa.Connection) -> None:
    """Find anew which queries are offered to others."""
    tx.execute(POPULAR, {"days": POPULAR_DAYS, "least": POPULAR_SESSIONS, "most": MOST_POPULAR})


def erase(tx: sa.Connection, person: Person) -> dict[str, int]:
    """Forget queries that tell of a person."""
    events = sa.delete(SearchEvent).where(person.named_in(SearchEvent.query))
    phrases = sa.delete(SearchPhrase).where(person.named_in(SearchPhrase.phrase))
    return {"search_event": tx.execute(events).rowcount, "search_phrase": tx.execute(phrases).rowcount}


REPORT = """
WITH asked AS MATERIALIZED (
    SELECT query_id, query, session, results FROM search_event
    WHERE kind = 'query' AND channel_id = :channel AND at >= :since AND at < :until
        AND (CAST(:locale AS text) IS NULL OR locale = :locale)
), acts AS (
    SELECT e.query_id, count(*) FILTER (WHERE e.kind = 'click') AS clicks,
        count(*) FILTER (WHERE e.kind = 'cart') AS carts, count(*) FILTER (WHERE e.kind = 'order') AS orders,
        sum(e.position) FILTER (WHERE e.kind = 'click') AS places,
        count(e.position) FILTER (WHERE e.kind = 'click') AS placed
    FROM search_event e JOIN (SELECT DISTINCT query_id FROM asked) a USING (query_id)
    WHERE e.kind IN ('click', 'cart', 'order') GROUP BY 1
)
SELECT asked.query, count(*) AS asked, count(DISTINCT asked.session) AS sessions,
    count(*) FILTER (WHERE results = 0) AS without_results, avg(results)::float AS results,
    count(*) FILTER (WHERE acts.clicks > 0) AS clicked,
    coalesce(sum(acts.clicks), 0)::bigint AS clicks, coalesce(sum(acts.carts), 0)::bigint AS carts,
    coalesce(sum(acts.orders), 0)::bigint AS orders,
    (sum(acts.places)::float / nullif(sum(acts.placed), 0))::float AS position
FROM asked LEFT JOIN acts USING (query_id)
GROUP BY asked.query HAVING {having} ORDER BY {order}, asked.query LIMIT :first
"""

REPORTS = {
    "TOP": ("true", "asked DESC"),
    "ZERO_RESULTS": ("count(*) FILTER (WHERE results = 0) > 0", "without_results DESC"),
    "LOW_CLICKS": (
        "count(*) >= 5 AND avg(results) > 0",
        "(count(*) FILTER (WHERE acts.clicks > 0))::float / count(*), asked DESC",
    ),
}
"""Which queries a report shows, and in which order. One is rarely clicked only once it was asked a few times."""


def report(kind: str) -> sa.TextClause:
    """The statement of a report, for ``:channel :locale :since :until :first``."""
    having, order = REPORTS[kind]
    return sa.text(REPORT.format(having=having, order=order))


def phrases(channel_id: int, locale: str | None) -> sa.Select[str, int]:
    """The queries that are offered, most asked first."""
    return (
        sa.select(SearchPhrase.phrase, SearchPhrase.sessions)
        .where(SearchPhrase.channel_id == channel_id, SearchPhrase.locale == (locale or ""))
        .order_by(SearchPhrase.sessions.desc(), SearchPhrase.phrase)
    )
