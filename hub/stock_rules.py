"""What the database keeps true of stock, whoever writes: a mutation, an import, the relay or ``psql``.

``on_hand`` is the sum of a level's movements, ``reserved`` that of its reservations, ``incoming`` that of its deliveries.
Each can be written from both sides: a movement changes its level, a stated level writes its movement. While the database
writes the other side by itself, ``hub.deriving`` names the transaction, so that the two do not call each other.

All of it is done per statement, so that 10,000 rows cost no 10,000 calls; levels are locked in the order of their ids,
so that two writers wait for each other instead of deadlocking.
"""

from __future__ import annotations

STATED = "stated"
"""The holder of what somebody says is promised outside the hub."""

OUT_OF_STOCK = "HB001"
"""The SQLSTATE of a promise that cannot be made."""

DERIVING = """
CREATE OR REPLACE FUNCTION rule_deriving() RETURNS boolean LANGUAGE sql VOLATILE AS $$
    SELECT current_setting('hub.deriving', true) = pg_current_xact_id()::text
$$;
-- Undone with the statement where that fails, for settings of a transaction are.
CREATE OR REPLACE FUNCTION rule_derive(begins boolean) RETURNS void LANGUAGE sql VOLATILE AS $$
    SELECT set_config('hub.deriving', CASE WHEN begins THEN pg_current_xact_id()::text ELSE '' END, true)
$$;
CREATE OR REPLACE FUNCTION rule_lock_levels(ids bigint[]) RETURNS void LANGUAGE sql VOLATILE AS $$
    SELECT FROM stock WHERE id = ANY (ids) ORDER BY id FOR NO KEY UPDATE
$$;
CREATE OR REPLACE FUNCTION rule_level_name(of_id bigint) RETURNS text LANGUAGE sql STABLE AS $$
    SELECT format('"%s" at "%s"', v.sku, l.code)
    FROM stock s JOIN variant v ON v.id = s.variant_id JOIN location l ON l.id = s.location_id WHERE s.id = of_id
$$;
"""

MOVEMENT = """
CREATE OR REPLACE FUNCTION rule_movement_made() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    received boolean;
BEGIN
    IF rule_deriving() THEN
        RETURN NULL;
    END IF;
    PERFORM rule_lock_levels(ARRAY(SELECT DISTINCT stock_id FROM new_rows));
    PERFORM rule_derive(true);
    UPDATE stock_movement m SET level_after = running.level FROM (
        SELECT n.id, s.on_hand + sum(n.quantity) OVER (PARTITION BY n.stock_id ORDER BY n.id) AS level
        FROM new_rows n JOIN stock s ON s.id = n.stock_id
    ) running WHERE m.id = running.id;
    -- Of what is received nothing is expected any more.
    WITH came AS (
        SELECT stock_id, delivery, sum(quantity) AS quantity FROM new_rows
        WHERE kind = 'received' AND delivery IS NOT NULL GROUP BY stock_id, delivery
    ), closed AS (
        DELETE FROM stock_incoming i USING came c
        WHERE i.stock_id = c.stock_id AND i.reference = c.delivery AND i.quantity <= c.quantity
    )
    UPDATE stock_incoming i SET quantity = i.quantity - c.quantity FROM came c
    WHERE i.stock_id = c.stock_id AND i.reference = c.delivery AND i.quantity > c.quantity;
    received := EXISTS (SELECT FROM new_rows WHERE kind = 'received' AND delivery IS NOT NULL);
    -- One statement for both sides: between two of them a level would look as if it had the pieces twice, or not at all.
    IF received THEN
        UPDATE stock s SET on_hand = s.on_hand + d.quantity, incoming = d.incoming, incoming_at = d.incoming_at
        FROM (SELECT n.stock_id, sum(n.quantity)::bigint AS quantity,
                (SELECT coalesce(sum(i.quantity), 0) FROM stock_incoming i WHERE i.stock_id = n.stock_id) AS incoming,
                (SELECT min(i.expected_at) FROM stock_incoming i WHERE i.stock_id = n.stock_id) AS incoming_at
            FROM new_rows n GROUP BY n.stock_id) d
        WHERE s.id = d.stock_id;
    ELSE
        UPDATE stock s SET on_hand = s.on_hand + d.quantity
        FROM (SELECT stock_id, sum(quantity)::bigint AS quantity FROM new_rows GROUP BY stock_id) d
        WHERE s.id = d.stock_id AND d.quantity <> 0;
    END IF;
    PERFORM rule_derive(false);
    RETURN NULL;
END $$;

CREATE OR REPLACE FUNCTION rule_movement_fixed() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NOT rule_deriving() AND EXISTS (SELECT FROM old_rows) THEN
        RAISE EXCEPTION 'A movement of stock is not changed: write another one that makes up for it.'
            USING ERRCODE = 'check_violation';
    END IF;
    RETURN NULL;
END $$;

CREATE OR REPLACE FUNCTION rule_movement_kept() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    -- Where the level goes, its movements go with it.
    IF EXISTS (SELECT FROM old_rows o JOIN stock s ON s.id = o.stock_id) THEN
        RAISE EXCEPTION 'A movement of stock is not deleted: write another one that makes up for it.'
            USING ERRCODE = 'check_violation';
    END IF;
    RETURN NULL;
END $$;

CREATE OR REPLACE TRIGGER rule_movement_made AFTER INSERT ON stock_movement REFERENCING NEW TABLE AS new_rows
    FOR EACH STATEMENT EXECUTE FUNCTION rule_movement_made();
CREATE OR REPLACE TRIGGER rule_movement_fixed AFTER UPDATE ON stock_movement REFERENCING OLD TABLE AS old_rows
    FOR EACH STATEMENT EXECUTE FUNCTION rule_movement_fixed();
CREATE OR REPLACE TRIGGER rule_movement_kept AFTER DELETE ON stock_movement REFERENCING OLD TABLE AS old_rows
    FOR EACH STATEMENT EXECUTE FUNCTION rule_movement_kept();
CREATE OR REPLACE TRIGGER rule_no_truncate BEFORE TRUNCATE ON stock_movement EXECUTE FUNCTION hub_no_truncate();
ALTER TABLE stock_movement ENABLE ALWAYS TRIGGER rule_movement_made;
ALTER TABLE stock_movement ENABLE ALWAYS TRIGGER rule_movement_fixed;
ALTER TABLE stock_movement ENABLE ALWAYS TRIGGER rule_movement_kept;
ALTER TABLE stock_movement ENABLE ALWAYS TRIGGER rule_no_truncate;
"""

# What somebody states of a level: of a new one everything differs from nothing. PostgreSQL knows nothing of the size of
# changed rows: it would compare each of 10,000 old ones with each new one.
LEVEL = """
CREATE OR REPLACE FUNCTION rule_level_stated_{suffix}() RETURNS trigger LANGUAGE plpgsql SET enable_nestloop = off AS $$
DECLARE
    kind_ CONSTANT text := CASE WHEN hub_source() = 'sql' THEN 'corrected' ELSE 'counted' END;
    wrong record;
BEGIN
    IF rule_deriving() THEN
        RETURN NULL;
    END IF;
    SELECT n.id INTO wrong FROM {rows}
    WHERE n.incoming <> {incoming} OR n.incoming_at IS DISTINCT FROM {incoming_at} LIMIT 1;
    IF FOUND THEN
        RAISE EXCEPTION 'What is incoming for % is the sum of its deliveries: write those.', rule_level_name(wrong.id)
            USING ERRCODE = 'check_violation';
    END IF;
    PERFORM rule_derive(true);
    INSERT INTO stock_movement (stock_id, quantity, kind, document_system, document_id, document_line, level_after)
    SELECT n.id, n.on_hand - {on_hand}, CASE WHEN {documented} THEN 'counted' ELSE kind_ END,
        CASE WHEN {documented} THEN n.document ->> 'system' END, CASE WHEN {documented} THEN n.document ->> 'id' END,
        CASE WHEN {documented} THEN coalesce(n.document ->> 'line', '') ELSE '' END, n.on_hand
    FROM {rows} WHERE n.on_hand <> {on_hand} OR {documented};
    IF EXISTS (SELECT FROM {rows} WHERE n.reserved <> {reserved}) THEN
        PERFORM rule_level_promised(
            ARRAY(SELECT n.id FROM {rows} WHERE n.reserved <> {reserved} ORDER BY n.id),
            ARRAY(SELECT n.reserved - {reserved} FROM {rows} WHERE n.reserved <> {reserved} ORDER BY n.id));
    END IF;
    PERFORM rule_derive(false);
    RETURN NULL;
END $$;
CREATE OR REPLACE TRIGGER rule_level_stated_{suffix} AFTER {operation} ON stock REFERENCING {tables}
    FOR EACH STATEMENT EXECUTE FUNCTION rule_level_stated_{suffix}();
ALTER TABLE stock ENABLE ALWAYS TRIGGER rule_level_stated_{suffix};
"""

# Facts from outside, as a count is: they may leave less than nothing to promise.
PROMISED = f"""
CREATE OR REPLACE FUNCTION rule_level_promised(ids bigint[], differences bigint[]) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    wrong record;
BEGIN
    SELECT d.id, r.others INTO wrong FROM unnest(ids, differences) AS d (id, quantity) CROSS JOIN LATERAL (
        SELECT coalesce(sum(r.quantity) FILTER (WHERE r.holder IS DISTINCT FROM '{STATED}'), 0) AS others,
            coalesce(sum(r.quantity) FILTER (WHERE r.holder = '{STATED}'), 0) AS outside
        FROM reservation r WHERE r.stock_id = d.id) r
    WHERE r.outside + d.quantity < 0 ORDER BY d.id LIMIT 1;
    IF FOUND THEN
        RAISE EXCEPTION 'The hub itself has promised % of %: release these reservations to state fewer.',
            wrong.others, rule_level_name(wrong.id) USING ERRCODE = 'check_violation';
    END IF;
    DELETE FROM reservation r USING unnest(ids, differences) AS d (id, quantity)
    WHERE r.stock_id = d.id AND r.holder = '{STATED}' AND r.quantity + d.quantity = 0;
    UPDATE reservation r SET quantity = r.quantity + d.quantity FROM unnest(ids, differences) AS d (id, quantity)
    WHERE r.stock_id = d.id AND r.holder = '{STATED}';
    INSERT INTO reservation (stock_id, holder, quantity)
    SELECT d.id, '{STATED}', d.quantity FROM unnest(ids, differences) AS d (id, quantity)
    WHERE d.quantity > 0
        AND NOT EXISTS (SELECT FROM reservation r WHERE r.stock_id = d.id AND r.holder = '{STATED}');
END $$;
"""

LEVEL_KEPT = """
CREATE OR REPLACE FUNCTION rule_level_kept() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    promised bigint;
BEGIN
    SELECT sum(quantity) INTO promised FROM reservation WHERE stock_id = OLD.id AND order_line_id IS NOT NULL;
    IF promised > 0 THEN
        RAISE EXCEPTION 'The level of % has % pieces promised to orders: ship or release them first.',
            rule_level_name(OLD.id), promised USING ERRCODE = 'restrict_violation';
    END IF;
    RETURN OLD;
END $$;
CREATE OR REPLACE TRIGGER rule_level_kept BEFORE DELETE ON stock FOR EACH ROW EXECUTE FUNCTION rule_level_kept();
ALTER TABLE stock ENABLE ALWAYS TRIGGER rule_level_kept;
"""

RESERVATION = f"""
CREATE OR REPLACE FUNCTION rule_reserved_{{suffix}}() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    short record;
BEGIN
    IF rule_deriving() THEN
        RETURN NULL;
    END IF;
    PERFORM rule_lock_levels(ARRAY(SELECT DISTINCT stock_id FROM ({{changed}}) c));
    PERFORM rule_derive(true);
    WITH difference AS (
        SELECT stock_id, sum(quantity)::bigint AS quantity FROM ({{changed}}) c GROUP BY stock_id HAVING sum(quantity) <> 0
    ), written AS (
        UPDATE stock s SET reserved = s.reserved + d.quantity FROM difference d WHERE s.id = d.stock_id
        RETURNING s.id, s.backorder, d.quantity, s.on_hand - s.reserved - s.safety AS available
    )
    SELECT * INTO short FROM written WHERE quantity > 0 AND available < 0 AND NOT backorder ORDER BY id LIMIT 1;
    IF FOUND THEN
        RAISE EXCEPTION 'Of % % can be promised, not %: ask for fewer, or allow it to be backordered.',
            rule_level_name(short.id), greatest(short.available + short.quantity, 0), short.quantity
            USING ERRCODE = '{OUT_OF_STOCK}';
    END IF;
    PERFORM rule_derive(false);
    RETURN NULL;
END $$;
CREATE OR REPLACE TRIGGER rule_reserved_{{suffix}} AFTER {{operation}} ON reservation REFERENCING {{tables}}
    FOR EACH STATEMENT EXECUTE FUNCTION rule_reserved_{{suffix}}();
ALTER TABLE reservation ENABLE ALWAYS TRIGGER rule_reserved_{{suffix}};
"""

INCOMING = """
CREATE OR REPLACE FUNCTION rule_incoming_{suffix}() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    levels CONSTANT bigint[] := ARRAY(SELECT DISTINCT stock_id FROM ({changed}) c);
BEGIN
    IF rule_deriving() THEN
        RETURN NULL;
    END IF;
    PERFORM rule_lock_levels(levels);
    PERFORM rule_derive(true);
    UPDATE stock s SET incoming = i.quantity, incoming_at = i.expected_at FROM (
        SELECT level.id, coalesce(sum(i.quantity), 0) AS quantity, min(i.expected_at) AS expected_at
        FROM unnest(levels) AS level (id) LEFT JOIN stock_incoming i ON i.stock_id = level.id GROUP BY level.id
    ) i WHERE s.id = i.id AND (s.incoming, s.incoming_at) IS DISTINCT FROM (i.quantity, i.expected_at);
    PERFORM rule_derive(false);
    RETURN NULL;
END $$;
CREATE OR REPLACE TRIGGER rule_incoming_{suffix} AFTER {operation} ON stock_incoming REFERENCING {tables}
    FOR EACH STATEMENT EXECUTE FUNCTION rule_incoming_{suffix}();
ALTER TABLE stock_incoming ENABLE ALWAYS TRIGGER rule_incoming_{suffix};
"""

# One that opens and closes in one transaction was never there: the delivery came with the level.
REORDER = """
CREATE OR REPLACE FUNCTION rule_reorder() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    WITH over AS (
        SELECT p.id, p.opened_at = now() AS fresh FROM reorder_proposal p JOIN new_rows n ON n.id = p.stock_id
        WHERE p.closed_at IS NULL
            AND (n.reorder_point IS NULL OR n.on_hand - n.reserved - n.safety + n.incoming > n.reorder_point)
    ), gone AS (
        DELETE FROM reorder_proposal p USING over o WHERE p.id = o.id AND o.fresh
    )
    UPDATE reorder_proposal p SET closed_at = now() FROM over o WHERE p.id = o.id AND NOT o.fresh;
    IF EXISTS (SELECT FROM new_rows n
        WHERE n.on_hand - n.reserved - n.safety + n.incoming <= n.reorder_point)
    THEN
        INSERT INTO reorder_proposal (stock_id, quantity, available, incoming)
        SELECT n.id,
            coalesce(n.reorder_quantity, n.reorder_point - (n.on_hand - n.reserved - n.safety + n.incoming) + 1),
            n.on_hand - n.reserved - n.safety, n.incoming
        FROM new_rows n WHERE n.on_hand - n.reserved - n.safety + n.incoming <= n.reorder_point
            AND NOT EXISTS (SELECT FROM reorder_proposal p WHERE p.stock_id = n.id AND p.closed_at IS NULL)
        ORDER BY n.id;
    END IF;
    RETURN NULL;
END $$;
CREATE OR REPLACE TRIGGER rule_reorder_i AFTER INSERT ON stock REFERENCING NEW TABLE AS new_rows
    FOR EACH STATEMENT EXECUTE FUNCTION rule_reorder();
CREATE OR REPLACE TRIGGER rule_reorder_u AFTER UPDATE ON stock REFERENCING NEW TABLE AS new_rows
    FOR EACH STATEMENT EXECUTE FUNCTION rule_reorder();
ALTER TABLE stock ENABLE ALWAYS TRIGGER rule_reorder_i;
ALTER TABLE stock ENABLE ALWAYS TRIGGER rule_reorder_u;
"""

# Levels from before there was a journal: what lay there is its first entry.
OPENING = f"""
DO $$ BEGIN
    PERFORM rule_derive(true);
    INSERT INTO stock_movement (stock_id, quantity, kind, reason, level_after)
    SELECT s.id, s.on_hand, 'counted', 'Opening level', s.on_hand FROM stock s
    WHERE s.on_hand <> 0 AND NOT EXISTS (SELECT FROM stock_movement m WHERE m.stock_id = s.id) ORDER BY s.id;
    INSERT INTO reservation (stock_id, holder, quantity)
    SELECT s.id, '{STATED}', s.reserved FROM stock s
    WHERE s.reserved > 0 AND NOT EXISTS (SELECT FROM reservation r WHERE r.stock_id = s.id) ORDER BY s.id;
    PERFORM rule_derive(false);
END $$;
"""

NEW, OLD = "NEW TABLE AS new_rows", "OLD TABLE AS old_rows"

SIDES = {
    "i": ("INSERT", NEW, "SELECT stock_id, quantity FROM new_rows"),
    "d": ("DELETE", OLD, "SELECT stock_id, -quantity AS quantity FROM old_rows"),
    "u": (
        "UPDATE",
        f"{OLD} {NEW}",
        "SELECT stock_id, quantity FROM new_rows UNION ALL SELECT stock_id, -quantity FROM old_rows",
    ),
}
"""Operation, transition tables and signed quantities, by the end of a trigger's name."""


def scripts() -> list[str]:
    """The SQL that makes the triggers, and opens the journal of levels from before there was one."""
    return [DERIVING, PROMISED, MOVEMENT, *_levels(), LEVEL_KEPT, *_sums(), REORDER, OPENING]


def _levels() -> list[str]:
    made = LEVEL.format(
        suffix="i",
        operation="INSERT",
        tables=NEW,
        rows="new_rows n",
        on_hand="0",
        reserved="0",
        incoming="0",
        incoming_at="NULL",
        documented="n.document IS NOT NULL",
    )
    changed = LEVEL.format(
        suffix="u",
        operation="UPDATE",
        tables=f"{OLD} {NEW}",
        rows="new_rows n JOIN old_rows o USING (id)",
        on_hand="o.on_hand",
        reserved="o.reserved",
        incoming="o.incoming",
        incoming_at="o.incoming_at",
        documented="(n.document IS NOT NULL AND n.document IS DISTINCT FROM o.document)",
    )
    return [made, changed]


def _sums() -> list[str]:
    return [
        script.format(suffix=suffix, operation=operation, tables=tables, changed=changed)
        for script in (RESERVATION, INCOMING)
        for suffix, (operation, tables, changed) in SIDES.items()
    ]
