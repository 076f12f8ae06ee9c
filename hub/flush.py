"""What happens once per transaction, at its commit: pieces become one record for each aggregate, versions go up.

The order matters. Versions are bumped in the order of (type, id), so that commits do not wait for each other in a
circle; a record's id is drawn while its version's row is locked, so that the order of ids is the order of versions.
A record's time is that of the flush: a transaction that was open for an hour has not waited for the relay for an hour.
"""

from __future__ import annotations

from collections.abc import Sequence

from hub.registry import Part

FOLDING = """
CREATE OR REPLACE AGGREGATE hub_concat(jsonb) (SFUNC = jsonb_concat, STYPE = jsonb, INITCOND = '{}');
CREATE OR REPLACE AGGREGATE hub_gather(text[]) (SFUNC = array_cat, STYPE = text[], INITCOND = '{}');

-- What of "this" differs from "other"; a key that only the other has is null.
CREATE OR REPLACE FUNCTION hub_differing(this jsonb, other jsonb) RETURNS jsonb LANGUAGE sql IMMUTABLE AS $$
    SELECT coalesce(jsonb_object_agg(key, coalesce(this -> key, 'null')), '{}') FROM jsonb_object_keys(this || other) AS key
    WHERE coalesce(this -> key, 'null') IS DISTINCT FROM coalesce(other -> key, 'null')
$$;

-- A whole row holds no entry for a key that is not there.
CREATE OR REPLACE FUNCTION hub_present(row_ jsonb) RETURNS jsonb LANGUAGE sql IMMUTABLE AS $$
    SELECT coalesce(jsonb_object_agg(key, value), '{}') FROM jsonb_each(row_)
    WHERE NOT (value = 'null' AND strpos(key, '/') > 0)
$$;

-- A name for this transaction that no other ever has: its number, which a restored server may give out again, and its
-- beginning, which never comes back. Nothing of it lies in the session, where a pooler or a SET could leave it behind.
CREATE OR REPLACE FUNCTION hub_token() RETURNS uuid LANGUAGE sql STABLE AS $$
    SELECT (lpad(to_hex(pg_current_xact_id()::text::bigint), 16, '0')
        || lpad(to_hex((extract(epoch FROM now()) * 1000000)::bigint), 16, '0'))::uuid
$$;
"""

# A transaction that was flushed and goes on changing the same aggregates extends its own records: they fall back into
# pieces (statement 0, before all others) and are folded again, without a second bump.
REOPEN = """
CREATE OR REPLACE FUNCTION hub_reopen(mine uuid) RETURNS void LANGUAGE sql AS $$
    INSERT INTO frag (token, statement, aggregate, aggregate_id, "table", key, before, after, context)
    SELECT mine, 0, p.aggregate, p.aggregate_id, c ->> 't', c -> 'k', nullif(c -> 'o', 'null'), nullif(c -> 'n', 'null'),
        c -> 'c'
    FROM pending p CROSS JOIN jsonb_array_elements(p.changes) AS c
    WHERE p.token = mine
        AND (p.aggregate, p.aggregate_id) IN (SELECT f.aggregate, f.aggregate_id FROM frag f WHERE f.token = mine);
    UPDATE pending p SET changes = '[]' WHERE p.token = mine
        AND (p.aggregate, p.aggregate_id) IN (SELECT f.aggregate, f.aggregate_id FROM frag f WHERE f.token = mine);
$$;

-- What came out even after all takes its version back.
CREATE OR REPLACE FUNCTION hub_unbump(mine uuid) RETURNS void LANGUAGE sql AS $$
    WITH gone AS (
        DELETE FROM pending WHERE token = mine AND changes = '[]' RETURNING aggregate, aggregate_id, kind
    ), back AS (
        UPDATE aggregate a SET
            version = a.version - 1,
            deleted_at = CASE g.kind WHEN 'CREATED' THEN a.updated_at WHEN 'UPDATED' THEN a.deleted_at END
        FROM gone g WHERE a.type = g.aggregate AND a.id = g.aggregate_id AND a.version > 1
    )
    DELETE FROM aggregate a USING gone g WHERE a.type = g.aggregate AND a.id = g.aggregate_id AND a.version = 1
$$;
"""

# Only tables that several statements of the transaction touched can hold a row twice. In the fold a row's old values
# end with its first delete, and its new values begin with its last insert: what lies between belongs to another life
# of the same key.
FOLD = """
    repeated AS MATERIALIZED (
        SELECT "table" FROM piece GROUP BY "table" HAVING min(statement) <> max(statement)
    ), lives AS (
        SELECT *,
            min(statement) FILTER (WHERE after IS NULL) OVER this AS first_end,
            max(statement) FILTER (WHERE before IS NULL) OVER this AS last_start
        FROM piece WHERE "table" IN (SELECT "table" FROM repeated)
        WINDOW this AS (PARTITION BY aggregate, aggregate_id, "table", key)
    ), folded AS (
        SELECT min(statement) AS statement, aggregate, aggregate_id, "table", key,
            min(statement) IS NOT DISTINCT FROM min(statement) FILTER (WHERE before IS NULL) AS is_made,
            max(statement) IS NOT DISTINCT FROM max(statement) FILTER (WHERE after IS NULL) AS is_gone,
            hub_concat(before ORDER BY statement DESC)
                FILTER (WHERE statement <= coalesce(first_end, statement)) AS before,
            hub_concat(after ORDER BY statement)
                FILTER (WHERE statement >= coalesce(last_start, statement)) AS after,
            hub_concat(coalesce(context, '{{}}') ORDER BY statement) AS context
        FROM lives GROUP BY aggregate, aggregate_id, "table", key
    ), change AS (
        SELECT statement, aggregate, aggregate_id, "table", key, before, after, context
        FROM piece WHERE "table" NOT IN (SELECT "table" FROM repeated)
        UNION ALL
        SELECT statement, aggregate, aggregate_id, "table", key,
            CASE WHEN is_made THEN NULL WHEN is_gone THEN hub_present(before) ELSE hub_differing(before, after) END,
            CASE WHEN is_made THEN hub_present(after) WHEN is_gone THEN NULL ELSE hub_differing(after, before) END,
            CASE WHEN NOT (is_made OR is_gone) THEN nullif(context, '{{}}') END
        FROM folded WHERE NOT (is_made AND is_gone) AND (is_made OR is_gone OR hub_differing(before, after) <> '{{}}')
    )"""

TAKE = """
    change AS (SELECT * FROM piece)"""

# What a changed row says in a record.
TOLD = """jsonb_build_object('t', {row}."table", 'k', {row}.key, 'op', {row}.op, 'o', {row}.before, 'n', {row}.after)
                || CASE WHEN {row}.op = 'U' AND {row}.context IS NOT NULL
                    THEN jsonb_build_object('c', {row}.context) ELSE '{{}}' END"""

BUMP = """ON CONFLICT (type, id) DO UPDATE SET
            version = a.version + excluded.version,
            created_at = CASE WHEN a.deleted_at IS NULL OR excluded.deleted_at IS NOT NULL
                THEN a.created_at ELSE excluded.created_at END,
            updated_at = greatest(a.updated_at, excluded.updated_at),
            actor = excluded.actor, source = excluded.source, deleted_at = excluded.deleted_at"""

RECORD = """
    WITH piece AS MATERIALIZED (
        DELETE FROM frag WHERE token = NEW.token
        RETURNING statement, aggregate, aggregate_id, "table", key, before, after, context
    ), {change}, each AS (
        SELECT *, CASE WHEN before IS NULL THEN 'I' WHEN after IS NULL THEN 'D' ELSE 'U' END AS op FROM change
    ), grouped AS (
        SELECT aggregate, aggregate_id,
            CASE max(op) FILTER (WHERE "table" = ANY ('{{{roots}}}'))
                WHEN 'I' THEN 'CREATED' WHEN 'D' THEN 'DELETED' ELSE 'UPDATED' END AS kind,
            hub_gather(hub_events("table", op, before, after)) FILTER (WHERE "table" = ANY ('{{{eventful}}}')) AS meanings,
            jsonb_agg({told} ORDER BY statement) AS changes
        FROM each GROUP BY aggregate, aggregate_id
    ), record AS (
        SELECT *, replace(aggregate, '_', '') || '.' || lower(kind) AS event FROM grouped
    ), bumped AS (
        INSERT INTO aggregate AS a (type, id, version, created_at, updated_at, actor, source, deleted_at)
        SELECT r.aggregate, r.aggregate_id, CASE WHEN p.id IS NULL THEN 1 ELSE 0 END,
            now(), now(), hub_actor(), hub_source(), CASE r.kind WHEN 'DELETED' THEN now() END
        FROM record r LEFT JOIN pending p
            ON p.token = NEW.token AND p.aggregate = r.aggregate AND p.aggregate_id = r.aggregate_id
        ORDER BY r.aggregate, r.aggregate_id
        {bump} RETURNING type, id, version
    )
    INSERT INTO pending AS p (token, type, aggregate, aggregate_id, version, kind, events, changes,
        actor, source, reason, occurred_at)
    SELECT NEW.token, r.event, r.aggregate, r.aggregate_id, b.version, r.kind,
        r.event || ARRAY(
            SELECT DISTINCT meaning FROM unnest(r.meanings) AS meaning WHERE meaning <> r.event ORDER BY meaning),
        r.changes, hub_actor(), hub_source(), nullif(current_setting('hub.reason', true), ''), clock_timestamp()
    FROM record r JOIN bumped b ON b.type = r.aggregate AND b.id = r.aggregate_id
    ORDER BY r.aggregate, r.aggregate_id
    ON CONFLICT (token, aggregate, aggregate_id) DO UPDATE SET
        type = excluded.type, kind = excluded.kind, events = excluded.events, changes = excluded.changes;
"""

# One changed row, as most small writes leave it: plain statements cost less than the one that serves every size. In
# the hub's names nothing is called like a column.
SINGLE = """
CREATE OR REPLACE FUNCTION hub_flush_single(mine uuid) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    one record;
    its_kind text;
    its_event text;
    its_events text[];
    its_version bigint;
BEGIN
    DELETE FROM frag WHERE token = mine
        RETURNING aggregate, aggregate_id, "table", key, before, after, context,
            CASE WHEN before IS NULL THEN 'I' WHEN after IS NULL THEN 'D' ELSE 'U' END AS op INTO STRICT one;
    its_kind := CASE WHEN one."table" <> ALL ('{{{roots}}}') THEN 'UPDATED'
        WHEN one.op = 'I' THEN 'CREATED' WHEN one.op = 'D' THEN 'DELETED' ELSE 'UPDATED' END;
    its_event := replace(one.aggregate, '_', '') || '.' || lower(its_kind);
    its_events := ARRAY[its_event];
    IF one."table" = ANY ('{{{eventful}}}') THEN
        its_events := its_events || ARRAY(
            SELECT DISTINCT meaning FROM unnest(hub_events(one."table", one.op, one.before, one.after)) AS meaning
            WHERE meaning <> its_event ORDER BY meaning);
    END IF;
    INSERT INTO aggregate AS a (type, id, version, created_at, updated_at, actor, source, deleted_at)
        VALUES (one.aggregate, one.aggregate_id, 1, now(), now(), hub_actor(), hub_source(),
            CASE its_kind WHEN 'DELETED' THEN now() END)
        {bump} RETURNING a.version INTO its_version;
    INSERT INTO pending (token, type, aggregate, aggregate_id, version, kind, events, changes,
            actor, source, reason, occurred_at)
        VALUES (mine, its_event, one.aggregate, one.aggregate_id, its_version, its_kind, its_events,
            jsonb_build_array({told}), hub_actor(), hub_source(),
            nullif(current_setting('hub.reason', true), ''), clock_timestamp());
END $$;
"""

# A transaction that touched each table once, as a bulk load does and most small writes do, is spared the fold.
# One plan serves all sizes: planning anew costs a small commit more than the flush itself, and without nested loops and
# scans of whole tables a plan that was made for one row is still right for 100,000.
FLUSH = """
CREATE OR REPLACE FUNCTION hub_flush() RETURNS trigger LANGUAGE plpgsql
SET search_path = {schema}, pg_temp SET work_mem = '64MB'
SET plan_cache_mode = force_generic_plan SET enable_nestloop = off SET enable_seqscan = off AS $$
DECLARE
    again boolean;
BEGIN
    DELETE FROM tx_open WHERE token = NEW.token;
    again := EXISTS (SELECT FROM pending WHERE token = NEW.token);
    IF again THEN
        PERFORM hub_reopen(NEW.token);
    ELSIF (SELECT count(*) FROM (SELECT FROM frag WHERE token = NEW.token LIMIT 2) AS few) = 1 THEN
        PERFORM hub_flush_single(NEW.token);
        RETURN NULL;
    END IF;
    IF EXISTS (SELECT FROM frag WHERE token = NEW.token GROUP BY "table" HAVING min(statement) <> max(statement)) THEN
        {folded}
    ELSE
        {taken}
    END IF;
    IF again THEN
        PERFORM hub_unbump(NEW.token);
    END IF;
    RETURN NULL;
END $$;

DROP TRIGGER IF EXISTS hub_flush ON tx_open;
CREATE CONSTRAINT TRIGGER hub_flush AFTER INSERT ON tx_open
    DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION hub_flush();
ALTER TABLE tx_open ENABLE ALWAYS TRIGGER hub_flush;
"""


def statements(parts: Sequence[Part], schema: str) -> str:
    """The SQL of the flush for these tables. It can be run again at any time."""
    roots = ",".join(part.name for part in parts if part.is_root)
    eventful = ",".join(part.name for part in parts if part.kept.events)
    shared = {"roots": roots, "eventful": eventful, "bump": BUMP}
    each = TOLD.format(row="each")
    folded, taken = (
        RECORD.format(change=change.format().strip(), told=each, **shared) for change in (FOLD, TAKE)
    )
    single = SINGLE.format(told=TOLD.format(row="one"), **shared)
    return (
        FOLDING + REOPEN + _events(parts) + single + FLUSH.format(schema=schema, folded=folded, taken=taken)
    )


def _events(parts: Sequence[Part]) -> str:
    """A function that says what a changed row means beyond its aggregate's update; it may name nulls."""
    cases = "".join(
        f"    IF of_table = '{part.name}' THEN\n"
        f"        RETURN ARRAY[{', '.join(f'({event.when})::text' for event in part.kept.events)}];\n"
        f"    END IF;\n"
        for part in parts
        if part.kept.events
    )
    return f"""
CREATE OR REPLACE FUNCTION hub_events(of_table text, op text, o jsonb, n jsonb) RETURNS text[] LANGUAGE plpgsql STABLE AS $$
BEGIN
{cases}    RETURN NULL;
END $$;
"""
