"""Rules of search: what staff decide about words and places, as data, for one channel and locale or for all.

A set of rules is one document. Every state that it ever had is kept by the database itself, whoever wrote it, so that
any of them can be shown, compared and restored.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any, ClassVar

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.orm import Mapped, mapped_column

from hub.db import Base, Id, Json, written
from hub.errors import HubError
from hub.locale import Locale
from hub.provenance import Sourced
from hub.registry import Kept, KeptModel
from hub.search_rule_check import checked

if TYPE_CHECKING:
    from hub.draft import Draft


class SearchRuleSet(KeptModel, Sourced, Base):
    """Rules of search that belong together: synonyms, stop words, boosts, buries, pins and redirects.

    ``rules`` has the form that ``hub.search_rule_check`` describes. ``revision`` goes up by one whenever anything of the
    set changes. Without a channel it holds in all of them, without a locale in all of them.
    """

    __tablename__ = "search_rule_set"
    __kept__: ClassVar[Kept] = Kept("search_rule_set", scope="search", key="code", derived=("revision",))
    __table_args__ = (
        sa.CheckConstraint("code <> ''", name="code"),
        sa.CheckConstraint("jsonb_typeof(rules) = 'object'", name="rules"),
    )

    id: Mapped[Id]
    code: Mapped[str] = written(unique=True, required=True, kind="code")
    channel_id: Mapped[int | None] = written(
        sa.ForeignKey("channel.id"), refers="channel", name="channel", index=True
    )
    locale_id: Mapped[int | None] = written(
        sa.ForeignKey("locale.id"), refers="locale", name="locale", index=True
    )
    active: Mapped[bool] = written(server_default="true")
    note: Mapped[str | None] = written(kind="line")
    rules: Mapped[Json] = written(server_default="{}", kind="search_rules")
    revision: Mapped[int] = mapped_column(server_default="1")

    @classmethod
    def complete(cls, tx: sa.Connection, drafts: Sequence[Draft]) -> None:
        """Refuse rules that could not be carried out, and turn what they name into ids."""
        for draft in drafts:
            if "rules" in draft.values:
                try:
                    draft.values["rules"] = checked(tx, draft.values["rules"])
                except HubError as wrong:
                    draft.refuse(wrong, "rules")


class SearchRuleRevision(Base):
    """A state that a set of rules had from ``at`` on. The database adds them; nothing changes one.

    They stay when the set is deleted, and its last state says so: ``deleted``. A set that is made under the code of a
    deleted one takes them up, and goes on counting behind them.
    """

    __tablename__ = "search_rule_revision"
    __table_args__ = (
        sa.UniqueConstraint("rule_set_id", "revision"),
        sa.Index("ix_search_rule_revision_rule_set_id", "rule_set_id"),
        sa.Index("ix_search_rule_revision_code", "code"),
    )

    id: Mapped[Id]
    rule_set_id: Mapped[int]
    code: Mapped[str] = mapped_column(server_default="")
    revision: Mapped[int]
    deleted: Mapped[bool] = mapped_column(server_default="false")
    channel_id: Mapped[int | None]
    locale_id: Mapped[int | None]
    active: Mapped[bool]
    note: Mapped[str | None]
    rules: Mapped[Json]
    actor: Mapped[str]
    source: Mapped[str]
    at: Mapped[datetime] = mapped_column(sa.DateTime(timezone=True), server_default=sa.func.now())


REVISIONS = """
CREATE OR REPLACE FUNCTION rule_search_revision() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    NEW.revision := OLD.revision + CASE WHEN
        (NEW.code, NEW.channel_id, NEW.locale_id, NEW.active, NEW.note, NEW.rules) IS DISTINCT FROM
        (OLD.code, OLD.channel_id, OLD.locale_id, OLD.active, OLD.note, OLD.rules) THEN 1 ELSE 0 END;
    RETURN NEW;
END $$;
CREATE OR REPLACE TRIGGER rule_search_revision BEFORE UPDATE ON search_rule_set
    FOR EACH ROW EXECUTE FUNCTION rule_search_revision();

CREATE OR REPLACE FUNCTION rule_search_taken_up() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    former bigint;
BEGIN
    SELECT r.rule_set_id INTO former FROM search_rule_revision r
        WHERE r.code = NEW.code AND r.deleted AND r.rule_set_id <> NEW.id
            AND NOT EXISTS (SELECT FROM search_rule_set s WHERE s.id = r.rule_set_id)
        ORDER BY r.id DESC LIMIT 1;
    IF former IS NOT NULL THEN
        UPDATE search_rule_revision SET rule_set_id = NEW.id WHERE rule_set_id = former;
        SELECT max(revision) + 1 INTO NEW.revision FROM search_rule_revision WHERE rule_set_id = NEW.id;
    END IF;
    RETURN NEW;
END $$;
CREATE OR REPLACE TRIGGER rule_search_taken_up BEFORE INSERT ON search_rule_set
    FOR EACH ROW EXECUTE FUNCTION rule_search_taken_up();

CREATE OR REPLACE FUNCTION rule_search_history() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    mark jsonb := hub_mark();
BEGIN
    INSERT INTO search_rule_revision
        (rule_set_id, code, revision, channel_id, locale_id, active, note, rules, source, actor)
    VALUES (NEW.id, NEW.code, NEW.revision, NEW.channel_id, NEW.locale_id, NEW.active, NEW.note, NEW.rules,
        mark ->> 0, mark ->> 1)
    ON CONFLICT (rule_set_id, revision) DO NOTHING;
    RETURN NULL;
END $$;
CREATE OR REPLACE TRIGGER rule_search_history AFTER INSERT OR UPDATE ON search_rule_set
    FOR EACH ROW EXECUTE FUNCTION rule_search_history();

CREATE OR REPLACE FUNCTION rule_search_ended() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    mark jsonb := hub_mark();
BEGIN
    INSERT INTO search_rule_revision
        (rule_set_id, code, revision, deleted, channel_id, locale_id, active, rules, source, actor)
    VALUES (OLD.id, OLD.code, OLD.revision + 1, true, OLD.channel_id, OLD.locale_id, false, '{}',
        mark ->> 0, mark ->> 1);
    RETURN NULL;
END $$;
CREATE OR REPLACE TRIGGER rule_search_ended AFTER DELETE ON search_rule_set
    FOR EACH ROW EXECUTE FUNCTION rule_search_ended();

DROP TRIGGER IF EXISTS rule_search_kept ON search_rule_revision;
UPDATE search_rule_revision r SET code = s.code FROM search_rule_set s WHERE s.id = r.rule_set_id AND r.code = '';

CREATE OR REPLACE FUNCTION rule_search_kept() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF to_jsonb(OLD) - 'rule_set_id' = to_jsonb(NEW) - 'rule_set_id'
        AND NOT EXISTS (SELECT FROM search_rule_set WHERE id = OLD.rule_set_id) THEN
        RETURN NEW;
    END IF;
    RAISE EXCEPTION 'Revision % of a set of search rules cannot be changed: restore it, or save the set anew.',
        OLD.revision USING ERRCODE = 'check_violation';
END $$;
CREATE OR REPLACE TRIGGER rule_search_kept BEFORE UPDATE ON search_rule_revision
    FOR EACH ROW EXECUTE FUNCTION rule_search_kept();
"""

_table = SearchRuleSet.__table__
_narrow = (
    sa.case((_table.c.channel_id.is_(None), 1), else_=0),
    sa.case((_table.c.locale_id.is_(None), 1), else_=0),
    _table.c.code,
)
_holding = (
    _table.c.active,
    sa.or_(
        _table.c.channel_id.is_(None), _table.c.channel_id == sa.bindparam("channel", type_=sa.BigInteger)
    ),
    sa.or_(
        _table.c.locale_id.is_(None),
        _table.c.locale_id.in_(
            sa.select(Locale.id).where(Locale.code == sa.any_(sa.bindparam("locales", type_=ARRAY(sa.Text))))
        ),
    ),
)

STAMPS = sa.select(_table.c.id, _table.c.revision).where(*_holding).order_by(*_narrow)
"""Which sets hold in ``:channel`` (null: where there is none) for one of ``:locales``, the most particular first."""

SETS = (
    sa.select(_table.c.id, _table.c.revision, _table.c.code, _table.c.rules)
    .where(*_holding)
    .order_by(*_narrow)
)
"""The same, with what they say."""


def locales(wanted: str | None) -> list[str]:
    """The locales whose rules hold for texts in ``wanted``: it, and the languages that it is a kind of."""
    if wanted is None:
        return []
    return [wanted.rsplit("-", cut)[0] for cut in range(wanted.count("-") + 1)]


def history(code: str) -> sa.Select[Any]:
    """The set that a code names now, otherwise the one that it named last: ``id``, and the ``channel_id`` that it had."""
    table, past = SearchRuleSet.__table__, SearchRuleRevision.__table__
    living = sa.select(table.c.id, table.c.channel_id, sa.true().label("lives")).where(table.c.code == code)
    gone = (
        sa.select(past.c.rule_set_id, past.c.channel_id, sa.false())
        .where(past.c.code == code, past.c.deleted)
        .order_by(past.c.id.desc())
        .limit(1)
    )
    found = sa.union_all(living, gone.where(~sa.exists(living.with_only_columns(table.c.id)))).subquery()
    return sa.select(found)


def revisions(number: int, most: int) -> sa.Select[Any]:
    """The latest states of a set, newest first."""
    table = SearchRuleRevision.__table__
    return sa.select(table).where(table.c.rule_set_id == number).order_by(table.c.revision.desc()).limit(most)


def difference(old: Json, new: Json) -> list[tuple[str, Any, Any]]:
    """What two documents of rules differ in: kind of rule, what was taken away, what was added; null for neither."""
    found: list[tuple[str, Any, Any]] = []
    for kind in sorted(old.keys() | new.keys()):
        before, after = old.get(kind, []), new.get(kind, [])
        found += [(kind, rule, None) for rule in before if rule not in after]
        found += [(kind, None, rule) for rule in after if rule not in before]
    return found
