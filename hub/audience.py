"""Whom a change concerns: the one rule by which the feed, subscriptions and webhooks show it to some channels only.

An aggregate concerns a channel when it is part of what the channel sells or keeps:

- a product that is or once was listed there, planned listings included, and the stock of its variants;
- an order that is or once was of the channel;
- the channel itself, and a price list that it sells or once sold by.

All other nouns (categories, assets, customers, locations …) belong to no channel and concern every one. Of a product that
concerns a channel, the listings in other channels, the prices of lists that the channel does not sell by now and the
attribute values for other channels are left out, with the events that they alone mean. A change of which nothing is
left is no concern of the channel.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import ARRAY, JSONB
from sqlalchemy.orm import Mapped, mapped_column

from hub.db import Base
from hub.registry import Part, parts
from hub.viewer import Viewer

CHANNELS = ARRAY(sa.BigInteger)


class Audience(Base):
    """The channels that an aggregate ever concerned. The sequencer adds to it; its rows outlive the aggregate."""

    __tablename__ = "audience"

    aggregate: Mapped[str] = mapped_column(primary_key=True)
    aggregate_id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    channel_id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)


# Called with many records at once, most of which pass or fail at the first look.
VIEW = """
CREATE OR REPLACE FUNCTION hub_concerns(of_aggregate text, of_id bigint, of_changes jsonb, channels bigint[])
RETURNS boolean LANGUAGE plpgsql STABLE AS $$
BEGIN
    IF channels IS NULL THEN
        RETURN true;
    ELSIF of_aggregate = 'channel' THEN
        RETURN of_id = ANY (channels);
    ELSIF of_aggregate = ANY ('{{{heard}}}') THEN
        RETURN EXISTS (SELECT FROM audience a
            WHERE a.aggregate = of_aggregate AND a.aggregate_id = of_id AND a.channel_id = ANY (channels));
    ELSIF of_aggregate = 'stock' THEN
        -- The level of a variant that is gone is told to all: nobody can say any more whose it was.
        RETURN coalesce((
            SELECT EXISTS (SELECT FROM audience a WHERE a.aggregate = 'product' AND a.aggregate_id = v.product_id
                AND a.channel_id = ANY (channels))
            FROM variant v WHERE v.id = coalesce((SELECT s.variant_id FROM stock s WHERE s.id = of_id),
                (jsonb_path_query_first(of_changes, '$[*] ? (@.t == "stock")') #>> '{{o,variant_id}}')::bigint,
                (jsonb_path_query_first(of_changes, '$[*] ? (@.t == "stock")') #>> '{{n,variant_id}}')::bigint)), true);
    END IF;
    RETURN true;
END $$;

-- Of a flat map, the attribute values that are for all channels or for some of these.
CREATE OR REPLACE FUNCTION hub_own_values(flat jsonb, codes text[], absent jsonb) RETURNS jsonb LANGUAGE sql IMMUTABLE AS $$
    SELECT CASE WHEN flat IS NOT NULL AND flat <> 'null' THEN coalesce(jsonb_object_agg(key, own), '{{}}') END
    FROM (
        SELECT key, CASE WHEN key NOT LIKE 'attributes/%' OR jsonb_typeof(value) <> 'object' THEN value ELSE coalesce(
            (SELECT jsonb_object_agg(channel, below) FROM jsonb_each(value) AS each (channel, below)
                WHERE channel = '*' OR channel = ANY (codes)), absent) END AS own
        FROM jsonb_each(CASE jsonb_typeof(flat) WHEN 'object' THEN flat ELSE '{{}}' END)
    ) kept WHERE own IS NOT NULL
$$;

-- Whether a row of a table is for some of these channels. "named" is its flat map, or a change's context.
CREATE OR REPLACE FUNCTION hub_is_own(of_table text, named jsonb, channels bigint[], lists bigint[]) RETURNS boolean
LANGUAGE sql IMMUTABLE AS $$
    SELECT CASE
        WHEN of_table = ANY ('{{{by_channel}}}') THEN coalesce((named ->> 'channel_id')::bigint = ANY (channels), false)
        WHEN of_table = ANY ('{{{by_list}}}') THEN coalesce((named ->> 'price_list_id')::bigint = ANY (lists), false)
        ELSE true END
$$;

-- What is left of one changed row; null where that is nothing.
CREATE OR REPLACE FUNCTION hub_own_change(change jsonb, channels bigint[], lists bigint[], codes text[]) RETURNS jsonb
LANGUAGE plpgsql STABLE AS $$
DECLARE
    of_table text := change ->> 't';
    o jsonb := nullif(change -> 'o', 'null');
    n jsonb := nullif(change -> 'n', 'null');
BEGIN
    IF of_table = ANY ('{{{within}}}') THEN
        RETURN CASE WHEN hub_is_own(of_table, coalesce(n, '{{}}') || coalesce(change -> 'c', '{{}}'), channels, lists)
            OR hub_is_own(of_table, o, channels, lists)
            OR change ->> 'op' = 'U' AND NOT change ? 'c' AND hub_is_own(of_table, hub_row_within(of_table, change -> 'k'), channels, lists)
            THEN change END;
    ELSIF of_table <> ALL ('{{{valued}}}') OR NOT EXISTS (
        SELECT FROM jsonb_object_keys(coalesce(o, '{{}}') || coalesce(n, '{{}}')) AS key WHERE key LIKE 'attributes/%')
    THEN
        RETURN change;
    ELSIF change ->> 'op' <> 'U' THEN
        RETURN change || jsonb_build_object('o', hub_own_values(o, codes, NULL), 'n', hub_own_values(n, codes, NULL));
    END IF;
    o := hub_own_values(o, codes, 'null');
    n := hub_own_values(n, codes, 'null');
    o := coalesce((SELECT jsonb_object_agg(key, value) FROM jsonb_each(o) WHERE value IS DISTINCT FROM n -> key), '{{}}');
    n := coalesce((SELECT jsonb_object_agg(key, value) FROM jsonb_each(n) WHERE o ? key), '{{}}');
    RETURN CASE WHEN o <> '{{}}' THEN change || jsonb_build_object('o', o, 'n', n) END;
END $$;

-- Records from before changes named their context: the row tells it, while it is there.
CREATE OR REPLACE FUNCTION hub_row_within(of_table text, key jsonb) RETURNS jsonb LANGUAGE plpgsql STABLE AS $$
BEGIN
{rows}    RETURN NULL;
END $$;

-- What a change is to some channels; both null where it is no concern of theirs. No channels: all of it.
CREATE OR REPLACE FUNCTION hub_view(of_aggregate text, of_id bigint, of_type text, of_events text[], of_changes jsonb,
    channels bigint[], OUT events text[], OUT changes jsonb) LANGUAGE plpgsql STABLE AS $$
DECLARE
    lists bigint[];
    codes text[];
    own jsonb;
    own_events text[];
BEGIN
    IF NOT hub_concerns(of_aggregate, of_id, of_changes, channels) THEN
        RETURN;
    END IF;
    -- Most changes of products hold nothing that is for some channels only.
    IF channels IS NULL OR of_aggregate <> 'product'
        OR NOT of_changes @? '$[*] ? ({for_some})' AND strpos(of_changes::text, '"attributes/') = 0 THEN
        events := of_events;
        changes := of_changes;
        RETURN;
    END IF;
    lists := ARRAY(SELECT s.price_list_id FROM channel_price_list s WHERE s.channel_id = ANY (channels));
    codes := ARRAY(SELECT c.code FROM channel c WHERE c.id = ANY (channels));
    SELECT jsonb_agg(left_.change ORDER BY left_.place),
        hub_gather(hub_events(left_.change ->> 't', left_.change ->> 'op', nullif(left_.change -> 'o', 'null'),
            nullif(left_.change -> 'n', 'null')))
    INTO own, own_events
    FROM (
        SELECT each.place, hub_own_change(each.change, channels, lists, codes) AS change
        FROM jsonb_array_elements(of_changes) WITH ORDINALITY AS each (change, place)
    ) left_ WHERE left_.change IS NOT NULL;
    IF own IS NULL THEN
        RETURN;
    END IF;
    changes := own;
    events := CASE WHEN own = of_changes THEN of_events ELSE of_type || ARRAY(
        SELECT DISTINCT meaning FROM unnest(own_events) AS meaning WHERE meaning <> of_type ORDER BY meaning) END;
END $$;
"""

ROW_WITHIN = """    IF of_table = '{table}' THEN
        RETURN (SELECT jsonb_build_object('{column}', r."{column}") FROM "{table}" r WHERE r.id = (key #>> '{{}}')::bigint);
    END IF;
"""

# What records say of whom aggregates concern.
HEARD = """
    SELECT DISTINCT heard.aggregate, heard.aggregate_id, heard.channel_id
    FROM {records} r CROSS JOIN LATERAL jsonb_array_elements(r.changes) AS c
    CROSS JOIN LATERAL (VALUES (c -> 'o'), (c -> 'n')) AS side (row_)
    CROSS JOIN LATERAL (SELECT
        CASE c ->> 't'{nouns} END, CASE c ->> 't'{numbers} END, CASE c ->> 't'{channels} END
    ) AS heard (aggregate, aggregate_id, channel_id)
    WHERE r.aggregate = ANY ('{{{aggregates}}}') AND heard.aggregate_id IS NOT NULL AND heard.channel_id IS NOT NULL
"""

KEEP = "INSERT INTO audience (aggregate, aggregate_id, channel_id) {heard} ON CONFLICT DO NOTHING"


def statements(kept: Sequence[Part]) -> str:
    """The SQL functions. They can be made again at any time."""
    within = [part for part in kept if part.kept.within]
    return VIEW.format(
        heard=",".join(sorted({part.kept.audience[0] for part in kept if part.kept.audience})),
        within=",".join(part.name for part in within),
        for_some=" || ".join(f'@.t == "{part.name}"' for part in within),
        by_channel=",".join(part.name for part in within if part.kept.within == "channel_id"),
        by_list=",".join(part.name for part in within if part.kept.within == "price_list_id"),
        valued=",".join(part.name for part in kept if "attributes" in part.kept.deep),
        rows="".join(ROW_WITHIN.format(table=part.name, column=part.kept.within) for part in within),
    )


def kept_from(records: str) -> str:
    """SQL that notes whom the aggregates of some records concern. ``records``: a table like the feed."""
    saying = [part for part in parts() if part.kept.audience]
    whens: dict[str, list[str]] = {"nouns": [], "numbers": [], "channels": []}
    for part in saying:
        noun, column = part.kept.audience or ("", "")
        number = "r.aggregate_id" if column == part.kept.root else f"(row_ ->> '{column}')::bigint"
        channel = "r.aggregate_id" if part.kept.root == "channel_id" else "(row_ ->> 'channel_id')::bigint"
        for name, value in (("nouns", f"'{noun}'"), ("numbers", number), ("channels", channel)):
            whens[name].append(f" WHEN '{part.name}' THEN {value}")
    aggregates = ",".join(sorted({str(part.kept.aggregate) for part in saying}))
    heard = HEARD.format(
        records=records, aggregates=aggregates, **{name: "".join(each) for name, each in whens.items()}
    )
    return KEEP.format(heard=heard)


def install(tx: sa.Connection) -> None:
    """Note once what a feed from before says; the sequencer goes on with it."""
    if tx.scalar(sa.select(Audience.channel_id).limit(1)) is None:
        tx.execute(sa.text(kept_from("feed")))


def channels_of(viewer: Viewer, channel_id: int | None = None) -> list[int] | None:
    """The channels that a viewer is shown changes for, or the one asked for; null for all."""
    if channel_id is not None:
        return [channel_id]
    return None if viewer.channel_ids is None else sorted(viewer.channel_ids)


def view(record: Any, channels: Any) -> Any:
    """What a record of the feed is to some channels: its ``events`` and ``changes``, to be joined laterally.

    ``record``: a table like the feed, or an alias of it. ``channels``: ids, or SQL for them.
    """
    shown = sa.func.hub_view(
        record.c.aggregate,
        record.c.aggregate_id,
        record.c.type,
        record.c.events,
        record.c.changes,
        sa.cast(channels, CHANNELS),
    ).table_valued(sa.column("events", ARRAY(sa.Text)), sa.column("changes", JSONB), name="shown")
    return shown.lateral()
