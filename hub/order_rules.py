"""Rules of orders that no constraint can say: statuses, sums, what is fixed at placement, pieces, refunds, the timeline.

All of them look at whole statements, so that ten thousand rows cost little more than one; orders are locked in the
order of their ids.
"""

from __future__ import annotations

from hub.order_transition import TRANSITIONS

STATUS = """
INSERT INTO order_transition (from_status, to_status, by) VALUES {rows} ON CONFLICT DO NOTHING;

CREATE OR REPLACE FUNCTION rule_order_status() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    wrong record;
BEGIN
    SELECT o.number, o.status AS was, n.status INTO wrong FROM new_rows n JOIN old_rows o USING (id)
    WHERE o.status <> n.status AND NOT EXISTS (
        SELECT FROM order_transition t WHERE t.from_status = o.status AND t.to_status = n.status) LIMIT 1;
    IF FOUND THEN
        RAISE EXCEPTION 'Order "%" is % and cannot become %: it can become %.', wrong.number, wrong.was, wrong.status,
            coalesce((SELECT string_agg(t.to_status, ', ' ORDER BY t.to_status) FROM order_transition t
                WHERE t.from_status = wrong.was), 'nothing any more') USING ERRCODE = 'check_violation';
    END IF;
    PERFORM set_config('hub.orders_made', concat_ws(',', nullif(current_setting('hub.orders_made', true), ''),
        (SELECT string_agg(n.id::text, ',') FROM new_rows n JOIN old_rows o USING (id)
        WHERE o.status = 'draft' AND n.status <> 'draft')), true);
    -- What ends sends nothing more, and holds nothing back from others.
    UPDATE order_line l SET cancelled = l.quantity - l.fulfilled FROM new_rows n JOIN old_rows o USING (id)
    WHERE l.order_id = n.id AND n.status IN ('cancelled', 'closed') AND o.status <> n.status
        AND l.cancelled <> l.quantity - l.fulfilled;
    PERFORM FROM stock s WHERE s.id IN (SELECT r.stock_id FROM reservation r JOIN order_line l ON l.id = r.order_line_id
        JOIN new_rows n ON n.id = l.order_id WHERE n.status IN ('cancelled', 'closed')) ORDER BY s.id FOR NO KEY UPDATE;
    DELETE FROM reservation r USING order_line l, new_rows n
    WHERE l.id = r.order_line_id AND n.id = l.order_id AND n.status IN ('cancelled', 'closed');
    INSERT INTO order_event (order_id, kind, code)
    SELECT n.id, 'status', n.status FROM new_rows n JOIN old_rows o USING (id) WHERE o.status <> n.status ORDER BY n.id;
    RETURN NULL;
END $$;
CREATE OR REPLACE TRIGGER rule_status_u AFTER UPDATE ON "order"
    REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows
    FOR EACH STATEMENT EXECUTE FUNCTION rule_order_status();

-- What is made or placed in this transaction may still get its lines, whatever its status.
CREATE OR REPLACE FUNCTION rule_order_made() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM set_config('hub.orders_made', concat_ws(',', nullif(current_setting('hub.orders_made', true), ''),
        (SELECT string_agg(n.id::text, ',') FROM new_rows n WHERE n.status <> 'draft')), true);
    INSERT INTO order_event (order_id, kind, code) SELECT n.id, 'status', n.status FROM new_rows n ORDER BY n.id;
    RETURN NULL;
END $$;
CREATE OR REPLACE TRIGGER rule_made_i AFTER INSERT ON "order" REFERENCING NEW TABLE AS new_rows
    FOR EACH STATEMENT EXECUTE FUNCTION rule_order_made();
CREATE OR REPLACE FUNCTION rule_orders_made() RETURNS SETOF bigint LANGUAGE sql STABLE AS $$
    SELECT unnest(string_to_array(nullif(current_setting('hub.orders_made', true), ''), ',')::bigint[])
$$;
"""

# The transaction-local setting names the way that may change what is fixed: an applied edit, an erasure, or a merge of customers.
FIXED = """
CREATE OR REPLACE FUNCTION rule_order_fixed() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    wrong record;
    way CONSTANT text := coalesce(current_setting('hub.order_way', true), '');
BEGIN
    IF way = 'edit' THEN
        RETURN NULL;
    END IF;
    SELECT o.number, o.status, CASE
        WHEN n.channel_id <> o.channel_id THEN 'channel'
        WHEN n.currency <> o.currency THEN 'currency'
        WHEN n.customer_id IS DISTINCT FROM o.customer_id THEN 'customer'
        WHEN n.company_id IS DISTINCT FROM o.company_id THEN 'company'
        WHEN n.placed_at IS DISTINCT FROM o.placed_at THEN 'moment of placing'
        WHEN n.email IS DISTINCT FROM o.email THEN 'e-mail address'
        WHEN n.billing_address IS DISTINCT FROM o.billing_address THEN 'billing address'
        WHEN n.shipping_address IS DISTINCT FROM o.shipping_address THEN 'shipping address'
        ELSE 'amounts' END AS what
    INTO wrong FROM new_rows n JOIN old_rows o USING (id)
    WHERE o.status <> 'draft' AND (
        (n.channel_id, n.currency, n.placed_at, n.subtotal, n.shipping_total, n.tax_total, n.total, n.tax_included)
        IS DISTINCT FROM
        (o.channel_id, o.currency, o.placed_at, o.subtotal, o.shipping_total, o.tax_total, o.total, o.tax_included)
        -- A guest may turn out to be a customer; nobody else's order becomes theirs, unless both are one person.
        OR (way <> 'merge' AND o.customer_id IS NOT NULL AND n.customer_id IS DISTINCT FROM o.customer_id)
        OR (o.company_id IS NOT NULL AND n.company_id IS DISTINCT FROM o.company_id)
        OR (way <> 'erasure' AND (n.email, n.billing_address, n.shipping_address)
            IS DISTINCT FROM (o.email, o.billing_address, o.shipping_address)))
        AND NOT EXISTS (SELECT FROM rule_orders_made() AS made WHERE made = o.id)
    LIMIT 1;
    IF FOUND THEN
        RAISE EXCEPTION 'Order "%" is % and its % fixed since it was placed: stage an edit.',
            wrong.number, wrong.status, wrong.what || CASE WHEN wrong.what = 'amounts' THEN ' are' ELSE ' is' END
            USING ERRCODE = 'check_violation';
    END IF;
    RETURN NULL;
END $$;
CREATE OR REPLACE TRIGGER rule_fixed_u AFTER UPDATE ON "order"
    REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows
    FOR EACH STATEMENT EXECUTE FUNCTION rule_order_fixed();
"""

FIXED_PART = """
CREATE OR REPLACE FUNCTION rule_fixed_{table}_{suffix}() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    wrong record;
BEGIN
    IF current_setting('hub.order_way', true) = 'edit' THEN
        RETURN NULL;
    END IF;
    SELECT o.number, o.status INTO wrong FROM ({rows}) changed JOIN "order" o ON o.id = changed.order_id
    WHERE o.status <> 'draft' AND NOT EXISTS (SELECT FROM rule_orders_made() AS made WHERE made = o.id) LIMIT 1;
    IF FOUND THEN
        RAISE EXCEPTION 'Order "%" is % and its {what} are fixed since it was placed: stage an edit.',
            wrong.number, wrong.status USING ERRCODE = 'check_violation';
    END IF;
    RETURN NULL;
END $$;
CREATE OR REPLACE TRIGGER rule_fixed_{suffix} AFTER {operation} ON {table} REFERENCING {tables}
    FOR EACH STATEMENT EXECUTE FUNCTION rule_fixed_{table}_{suffix}();
"""

FIXED_PARTS = (
    (
        "order_line",
        "lines",
        ("order_id", "position", "variant_id", "sku", "name", "quantity", "unit_price", "discount", "tax_rate", "total"),
    ),
    ("order_discount", "discounts", ("order_id", "position", "code", "name", "line", "amount")),
    ("order_tax", "taxes", ("order_id", "position", "name", "rate", "base", "amount")),
)  # fmt: skip
"""The tables whose rows are fixed at placement, their name in messages, and which columns of them."""

# Once noted, pieces that were sent, returned or refunded stay so: they go with their order alone.
NOTED = """
CREATE OR REPLACE FUNCTION rule_noted_{table}_{suffix}() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    wrong record;
BEGIN
    SELECT o.number INTO wrong FROM ({rows}) changed JOIN "order" o ON o.id = changed.order_id LIMIT 1;
    IF FOUND THEN
        RAISE EXCEPTION 'A {title} of order "%" says otherwise already: its {what} stay as they were noted.', wrong.number
            USING ERRCODE = 'check_violation';
    END IF;
    RETURN NULL;
END $$;
CREATE OR REPLACE TRIGGER rule_noted_{suffix} AFTER {operation} ON {table} REFERENCING {tables}
    FOR EACH STATEMENT EXECUTE FUNCTION rule_noted_{table}_{suffix}();
"""

SENT = """
CREATE OR REPLACE FUNCTION rule_fulfilment_line() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    wrong record;
BEGIN
    PERFORM FROM "order" o WHERE o.id IN (SELECT order_id FROM new_rows) ORDER BY o.id FOR NO KEY UPDATE;
    SELECT o.number, o.status, l.position, coalesce(l.sku, l.name) AS what, l.quantity - l.cancelled - l.fulfilled AS left_,
        n.wanted INTO wrong
    FROM (SELECT order_id, line, sum(quantity) AS wanted FROM new_rows GROUP BY order_id, line) n
    JOIN order_line l ON l.order_id = n.order_id AND l.position = n.line JOIN "order" o ON o.id = n.order_id
    WHERE o.status IN ('draft', 'cancelled') OR n.wanted > l.quantity - l.cancelled - l.fulfilled LIMIT 1;
    IF wrong.status IN ('draft', 'cancelled') THEN
        RAISE EXCEPTION 'Order "%" is %: nothing of it is sent.', wrong.number, wrong.status
            USING ERRCODE = 'check_violation';
    ELSIF FOUND THEN
        RAISE EXCEPTION 'Of line % ("%") of order "%" % pieces are left to send, not %: send at most that.',
            wrong.position, wrong.what, wrong.number, wrong.left_, wrong.wanted USING ERRCODE = 'check_violation';
    END IF;
    UPDATE order_line l SET fulfilled = l.fulfilled + n.wanted
    FROM (SELECT order_id, line, sum(quantity) AS wanted FROM new_rows GROUP BY order_id, line) n
    WHERE l.order_id = n.order_id AND l.position = n.line;
    UPDATE "order" o SET status = follows.status
    FROM (
        SELECT l.order_id, CASE WHEN bool_and(l.fulfilled + l.cancelled = l.quantity) THEN 'fulfilled'
            ELSE 'partly_fulfilled' END AS status
        FROM order_line l WHERE l.order_id IN (SELECT order_id FROM new_rows) GROUP BY l.order_id
    ) follows
    WHERE o.id = follows.order_id AND o.status IN ('placed', 'confirmed', 'partly_fulfilled') AND o.status <> follows.status;
    RETURN NULL;
END $$;
CREATE OR REPLACE TRIGGER rule_sent_i AFTER INSERT ON fulfilment_line REFERENCING NEW TABLE AS new_rows
    FOR EACH STATEMENT EXECUTE FUNCTION rule_fulfilment_line();
"""

RETURNED = """
CREATE OR REPLACE FUNCTION rule_order_return_line() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    wrong record;
BEGIN
    PERFORM FROM "order" o WHERE o.id IN (SELECT order_id FROM new_rows) ORDER BY o.id FOR NO KEY UPDATE;
    SELECT o.number, l.position, coalesce(l.sku, l.name) AS what, l.fulfilled - l.returned AS left_, n.wanted INTO wrong
    FROM (SELECT order_id, line, sum(quantity) AS wanted FROM new_rows GROUP BY order_id, line) n
    JOIN order_line l ON l.order_id = n.order_id AND l.position = n.line JOIN "order" o ON o.id = n.order_id
    WHERE n.wanted > l.fulfilled - l.returned LIMIT 1;
    IF FOUND THEN
        RAISE EXCEPTION 'Of line % ("%") of order "%" % pieces are sent and not yet returned, not %: take back at most that.',
            wrong.position, wrong.what, wrong.number, wrong.left_, wrong.wanted USING ERRCODE = 'check_violation';
    END IF;
    UPDATE order_line l SET returned = l.returned + n.wanted
    FROM (SELECT order_id, line, sum(quantity) AS wanted FROM new_rows GROUP BY order_id, line) n
    WHERE l.order_id = n.order_id AND l.position = n.line;
    RETURN NULL;
END $$;
CREATE OR REPLACE TRIGGER rule_returned_i AFTER INSERT ON order_return_line REFERENCING NEW TABLE AS new_rows
    FOR EACH STATEMENT EXECUTE FUNCTION rule_order_return_line();
"""

# Nobody writes what follows from fulfilments and returns.
COUNTED = """
CREATE OR REPLACE FUNCTION rule_order_line_counted() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    wrong record;
BEGIN
    SELECT o.number, n.position INTO wrong FROM {rows} JOIN "order" o ON o.id = n.order_id
    WHERE {changed} (
        n.fulfilled <> coalesce((SELECT sum(f.quantity) FROM fulfilment_line f
            WHERE f.order_id = n.order_id AND f.line = n.position), 0)
        OR n.returned <> coalesce((SELECT sum(r.quantity) FROM order_return_line r
            WHERE r.order_id = n.order_id AND r.line = n.position), 0)) LIMIT 1;
    IF FOUND THEN
        RAISE EXCEPTION 'What is sent and returned of line % of order "%" follows from its fulfilments and returns: make one.',
            wrong.position, wrong.number USING ERRCODE = 'check_violation';
    END IF;
    RETURN NULL;
END $$;
"""

SUMS = """
CREATE OR REPLACE FUNCTION rule_order_parts() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    changed bigint[] := CASE WHEN TG_TABLE_NAME = 'order' THEN ARRAY[(to_jsonb(NEW)->>'id')::bigint]
        ELSE ARRAY[(to_jsonb(NEW)->>'order_id')::bigint, (to_jsonb(OLD)->>'order_id')::bigint] END;
    wrong record;
BEGIN
    SELECT o.number, sum(d.amount) AS named,
        (SELECT coalesce(sum(l.discount), 0) FROM order_line l WHERE l.order_id = o.id) AS taken INTO wrong
    FROM "order" o JOIN order_discount d ON d.order_id = o.id WHERE o.id = ANY (changed) GROUP BY o.id
    HAVING sum(d.amount) <> (SELECT coalesce(sum(l.discount), 0) FROM order_line l WHERE l.order_id = o.id);
    IF FOUND THEN
        RAISE EXCEPTION 'The discounts of order "%" are %, but % was taken off its lines.',
            wrong.number, wrong.named, wrong.taken USING ERRCODE = 'check_violation';
    END IF;
    SELECT o.number, sum(t.amount) AS named, o.tax_total INTO wrong
    FROM "order" o JOIN order_tax t ON t.order_id = o.id WHERE o.id = ANY (changed) GROUP BY o.id
    HAVING sum(t.amount) <> o.tax_total;
    IF FOUND THEN
        RAISE EXCEPTION 'The taxes of order "%" add up to %, but its tax total is %.',
            wrong.number, wrong.named, wrong.tax_total USING ERRCODE = 'check_violation';
    END IF;
    RETURN NULL;
END $$;
DROP TRIGGER IF EXISTS order_discount_sums ON order_discount;
DROP TRIGGER IF EXISTS order_tax_sums ON order_tax;
DROP TRIGGER IF EXISTS order_line_discounts ON order_line;
DROP TRIGGER IF EXISTS order_taxes ON "order";
CREATE CONSTRAINT TRIGGER order_discount_sums AFTER INSERT OR DELETE OR UPDATE OF amount, order_id ON order_discount
    DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION rule_order_parts();
CREATE CONSTRAINT TRIGGER order_tax_sums AFTER INSERT OR DELETE OR UPDATE OF amount, order_id ON order_tax
    DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION rule_order_parts();
CREATE CONSTRAINT TRIGGER order_line_discounts AFTER UPDATE OF discount ON order_line
    DEFERRABLE INITIALLY DEFERRED FOR EACH ROW WHEN (NEW.discount <> OLD.discount) EXECUTE FUNCTION rule_order_parts();
CREATE CONSTRAINT TRIGGER order_taxes AFTER UPDATE OF tax_total ON "order"
    DEFERRABLE INITIALLY DEFERRED FOR EACH ROW WHEN (NEW.tax_total <> OLD.tax_total) EXECUTE FUNCTION rule_order_parts();
"""

REFUNDED = """
CREATE OR REPLACE FUNCTION rule_refund() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    wrong record;
BEGIN
    PERFORM FROM "order" o WHERE o.id IN (SELECT order_id FROM new_rows) ORDER BY o.id FOR NO KEY UPDATE;
    SELECT o.number, o.currency, refunded.amount, coalesce(paid.amount, o.total) AS most,
        CASE WHEN paid.amount IS NULL THEN 'its total is' ELSE 'paid was' END AS says INTO wrong
    FROM "order" o
    CROSS JOIN LATERAL (SELECT sum(r.amount) AS amount FROM refund r WHERE r.order_id = o.id) refunded
    CROSS JOIN LATERAL (
        SELECT sum(CASE WHEN p.state = 'captured' THEN p.amount ELSE 0 END) AS amount
        FROM order_payment p WHERE p.order_id = o.id
    ) paid
    WHERE o.id IN (SELECT order_id FROM new_rows)
        AND (refunded.amount > coalesce(paid.amount, o.total) OR o.status = 'draft') LIMIT 1;
    IF FOUND THEN
        RAISE EXCEPTION 'The refunds of order "%" would be % %, but % %: refund less.',
            wrong.number, wrong.amount, wrong.currency, wrong.says, wrong.most USING ERRCODE = 'check_violation';
    END IF;
    SELECT o.number, r.number AS refund, r.amount, o.currency INTO wrong
    FROM new_rows r JOIN "order" o ON o.id = r.order_id
    WHERE scale(trim_scale(r.amount)) > currency_digits(o.currency) LIMIT 1;
    IF FOUND THEN
        RAISE EXCEPTION '% % has more decimals than the currency: round it first.', wrong.amount, wrong.currency
            USING ERRCODE = 'check_violation';
    END IF;
    RETURN NULL;
END $$;
CREATE OR REPLACE TRIGGER rule_refund_i AFTER INSERT ON refund REFERENCING NEW TABLE AS new_rows
    FOR EACH STATEMENT EXECUTE FUNCTION rule_refund();

CREATE OR REPLACE FUNCTION rule_refund_line() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    wrong record;
BEGIN
    SELECT r.number, r.amount, sum(l.amount) AS lines INTO wrong FROM refund r JOIN refund_line l ON l.refund_id = r.id
    WHERE r.id IN (SELECT refund_id FROM new_rows) GROUP BY r.id HAVING sum(l.amount) > r.amount LIMIT 1;
    IF FOUND THEN
        RAISE EXCEPTION 'Refund "%" is %, but its lines add up to %.', wrong.number, wrong.amount, wrong.lines
            USING ERRCODE = 'check_violation';
    END IF;
    RETURN NULL;
END $$;
CREATE OR REPLACE TRIGGER rule_refund_line_i AFTER INSERT ON refund_line REFERENCING NEW TABLE AS new_rows
    FOR EACH STATEMENT EXECUTE FUNCTION rule_refund_line();
"""

TOLD = """
CREATE OR REPLACE FUNCTION rule_told_{table}_{suffix}() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO order_event (order_id, kind, code, subject)
    SELECT n.order_id, {kind}, {code}, {subject} FROM {rows} ORDER BY n.id;
    RETURN NULL;
END $$;
CREATE OR REPLACE TRIGGER rule_told_{suffix} AFTER {operation} ON {table} REFERENCING {tables}
    FOR EACH STATEMENT EXECUTE FUNCTION rule_told_{table}_{suffix}();
"""

TELLING = (
    ("order_payment", "'payment'", "n.state", "n.reference", "n.state <> o.state"),
    ("fulfilment", "'fulfilment'", "n.status", "n.number", "n.status <> o.status"),
    ("order_return", "'return'", "'returned'", "n.number", None),
    ("refund", "'refund'", "'refunded'", "n.number", None),
    (
        "fulfilment_event",
        "'delivery'",
        "n.code",
        "(SELECT f.number FROM fulfilment f WHERE f.id = n.fulfilment_id)",
        None,
    ),
    ("order_note", "'note'", "CASE WHEN n.public THEN 'public' ELSE 'internal' END", "NULL", None),
    ("order_edit", "'edit'", "n.status", "NULL", "n.status <> o.status"),
)
"""Tables that the timeline tells of: kind, code, subject, and which change of a row is told."""

NEW = "NEW TABLE AS new_rows"
OLD = "OLD TABLE AS old_rows"


def scripts() -> list[str]:
    """The SQL of all of them. It can be run again at any time."""
    seeds = ", ".join(f"('{one}', '{other}', '{by}')" for one, other, by in TRANSITIONS)
    return [
        STATUS.format(rows=seeds),
        FIXED,
        *(script for part in FIXED_PARTS for script in _fixed(*part)),
        SENT,
        RETURNED,
        *_noted(),
        _counted(),
        SUMS,
        REFUNDED,
        *(script for part in TELLING for script in _told(*part)),
    ]


def _fixed(table: str, what: str, columns: tuple[str, ...]) -> list[str]:
    old, new = (f"({', '.join(f'{alias}.{name}' for name in columns)})" for alias in ("o", "n"))
    changed = (
        f"SELECT o.order_id FROM new_rows n JOIN old_rows o USING (id) WHERE {new} IS DISTINCT FROM {old}"
    )
    each = (
        ("i", "INSERT", NEW, "SELECT order_id FROM new_rows"),
        ("d", "DELETE", OLD, "SELECT order_id FROM old_rows"),
        ("u", "UPDATE", f"{OLD} {NEW}", changed),
    )
    return [
        FIXED_PART.format(
            table=table, what=what, suffix=suffix, operation=operation, tables=tables, rows=rows
        )
        for suffix, operation, tables, rows in each
    ]


def _noted() -> list[str]:
    said = (
        ("fulfilment_line", "fulfilment", "lines", ("order_id", "fulfilment_id", "line", "quantity")),
        ("order_return_line", "return", "lines", ("order_id", "order_return_id", "line", "quantity")),
        ("refund_line", "refund", "lines", ("order_id", "refund_id", "line", "amount")),
        ("refund", "refund", "amounts", ("order_id", "amount")),
        ("fulfilment", "fulfilment", "number and location", ("order_id", "number", "location_id")),
        ("order_return", "return", "number and location", ("order_id", "number", "location_id")),
    )
    made = []
    for table, title, what, columns in said:
        old, new = (f"({', '.join(f'{alias}.{name}' for name in columns)})" for alias in ("o", "n"))
        changed = (
            f"SELECT o.order_id FROM new_rows n JOIN old_rows o USING (id) WHERE {new} IS DISTINCT FROM {old}"
        )
        for suffix, operation, tables, rows in (
            ("u", "UPDATE", f"{OLD} {NEW}", changed),
            ("d", "DELETE", OLD, "SELECT order_id FROM old_rows"),
        ):
            made.append(
                NOTED.format(
                    table=table,
                    title=title,
                    what=what,
                    suffix=suffix,
                    operation=operation,
                    tables=tables,
                    rows=rows,
                )
            )
    return made


def _counted() -> str:
    changed = "(n.fulfilled, n.returned) <> (o_.fulfilled, o_.returned) AND"
    pairs = "new_rows n JOIN old_rows o_ ON o_.id = n.id"
    made = COUNTED.replace("counted()", "counted_u()").format(rows=pairs, changed=changed)
    made += COUNTED.replace("counted()", "counted_i()").format(rows="new_rows n", changed="")
    return (
        made
        + f"""
CREATE OR REPLACE TRIGGER rule_counted_u AFTER UPDATE ON order_line REFERENCING {OLD} {NEW}
    FOR EACH STATEMENT EXECUTE FUNCTION rule_order_line_counted_u();
CREATE OR REPLACE TRIGGER rule_counted_i AFTER INSERT ON order_line REFERENCING {NEW}
    FOR EACH STATEMENT EXECUTE FUNCTION rule_order_line_counted_i();
"""
    )


def _told(table: str, kind: str, code: str, subject: str, changed: str | None) -> list[str]:
    said = {"table": table, "kind": kind, "code": code, "subject": subject}
    made = [TOLD.format(**said, suffix="i", operation="INSERT", tables=NEW, rows="new_rows n")]
    if changed is not None:
        rows = f"new_rows n JOIN old_rows o ON o.id = n.id WHERE {changed}"
        made.append(TOLD.format(**said, suffix="u", operation="UPDATE", tables=f"{OLD} {NEW}", rows=rows))
    return made
