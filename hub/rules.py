"""Rules that no constraint can say, kept by triggers: trees without cycles, old slugs, sums, what is fixed once made."""

from __future__ import annotations

import sqlalchemy as sa

from hub import (
    asset_version,
    cart,
    customer_group,
    customer_value,
    erasure,
    identity_rule,
    order_rules,
    search_rule,
    source_record,
    stock_rules,
)
from hub.db import raw

TREE = """
CREATE OR REPLACE FUNCTION rule_tree_{table}() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    -- One at a time: two moves that are fine alone can close a circle together.
    PERFORM pg_advisory_xact_lock(hashtext('tree of {table}'));
    IF EXISTS (
        WITH RECURSIVE above(id) AS (
            SELECT NEW.parent_id
            UNION
            SELECT node.parent_id FROM "{table}" node JOIN above ON node.id = above.id WHERE node.parent_id IS NOT NULL
        )
        SELECT FROM above WHERE id = NEW.id
    ) THEN
        RAISE EXCEPTION '{title} "%" would be above itself: choose another parent.', NEW.code
            USING ERRCODE = 'check_violation';
    END IF;
    RETURN NULL;
END $$;
CREATE OR REPLACE TRIGGER rule_tree_moved AFTER UPDATE OF parent_id ON "{table}"
    FOR EACH ROW WHEN (NEW.parent_id IS NOT NULL AND NEW.parent_id IS DISTINCT FROM OLD.parent_id)
    EXECUTE FUNCTION rule_tree_{table}();
CREATE OR REPLACE TRIGGER rule_tree_made AFTER INSERT ON "{table}"
    FOR EACH ROW WHEN (NEW.parent_id IS NOT NULL) EXECUTE FUNCTION rule_tree_{table}();
"""

SLUG = """
CREATE OR REPLACE FUNCTION rule_slug_{table}() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'DELETE' THEN
        DELETE FROM former_slug WHERE entity = '{table}' AND entity_id = OLD.id;
        RETURN NULL;
    END IF;
    DELETE FROM former_slug WHERE entity = '{table}' AND slug = NEW.slug;
    IF TG_OP = 'UPDATE' AND OLD.slug IS NOT NULL THEN
        INSERT INTO former_slug (entity, slug, entity_id) VALUES ('{table}', OLD.slug, OLD.id)
        ON CONFLICT (entity, slug) DO UPDATE SET entity_id = excluded.entity_id;
    END IF;
    RETURN NULL;
END $$;
CREATE OR REPLACE TRIGGER rule_slug_made AFTER INSERT ON "{table}"
    FOR EACH ROW WHEN (NEW.slug IS NOT NULL) EXECUTE FUNCTION rule_slug_{table}();
CREATE OR REPLACE TRIGGER rule_slug_changed AFTER UPDATE OF slug ON "{table}"
    FOR EACH ROW WHEN (NEW.slug IS DISTINCT FROM OLD.slug) EXECUTE FUNCTION rule_slug_{table}();
CREATE OR REPLACE TRIGGER rule_slug_gone AFTER DELETE ON "{table}"
    FOR EACH ROW EXECUTE FUNCTION rule_slug_{table}();
"""

SUMS = """
CREATE OR REPLACE FUNCTION rule_order_sums() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    -- A line that moves changes two orders.
    changed bigint[] := CASE WHEN TG_TABLE_NAME = 'order' THEN ARRAY[(to_jsonb(NEW)->>'id')::bigint]
        ELSE ARRAY[(to_jsonb(NEW)->>'order_id')::bigint, (to_jsonb(OLD)->>'order_id')::bigint] END;
    wrong record;
BEGIN
    SELECT o.number, o.subtotal, coalesce(sum(line.total), 0) AS lines INTO wrong
    FROM "order" o LEFT JOIN order_line line ON line.order_id = o.id WHERE o.id = ANY (changed)
    GROUP BY o.id HAVING o.subtotal <> coalesce(sum(line.total), 0);
    IF FOUND THEN
        RAISE EXCEPTION 'The subtotal of order "%" is %, but its lines add up to %.',
            wrong.number, wrong.subtotal, wrong.lines USING ERRCODE = 'check_violation';
    END IF;
    RETURN NULL;
END $$;
DROP TRIGGER IF EXISTS order_sums ON "order";
DROP TRIGGER IF EXISTS order_line_sums ON order_line;
CREATE CONSTRAINT TRIGGER order_sums AFTER INSERT OR UPDATE OF subtotal ON "order"
    DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION rule_order_sums();
CREATE CONSTRAINT TRIGGER order_line_sums AFTER INSERT OR DELETE OR UPDATE OF total, order_id ON order_line
    DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION rule_order_sums();
"""

FIXED = """
CREATE OR REPLACE FUNCTION rule_fixed() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION '% of % "%" is fixed once made: make another one instead.',
        TG_ARGV[0], replace(TG_TABLE_NAME, '_', ' '), OLD.code USING ERRCODE = 'check_violation';
END $$;
"""

FIXED_COLUMN = """
CREATE OR REPLACE TRIGGER rule_fixed_{column} BEFORE UPDATE OF "{column}" ON "{table}"
    FOR EACH ROW WHEN (NEW."{column}" IS DISTINCT FROM OLD."{column}") EXECUTE FUNCTION rule_fixed('{column}');
"""

FIXED_COLUMNS = (
    ("attribute", "code"),
    ("attribute", "type"),
    ("attribute", "localizable"),
    ("attribute", "per_channel"),
    ("attribute", "unit_family"),
    ("attribute_option", "code"),
    ("locale", "code"),
    ("channel", "code"),
    ("price_list", "currency"),
)
"""What stored values are shaped by or refer to in text, so that a change of it would leave them wrong."""

USED = """
CREATE OR REPLACE FUNCTION rule_attribute_used() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    sku text;
BEGIN
    SELECT coalesce(product.slug, product.id::text) INTO sku FROM product
    WHERE product.attributes ? OLD.code LIMIT 1;
    IF NOT FOUND THEN
        SELECT variant.sku INTO sku FROM variant
        WHERE variant.attributes ? OLD.code OR variant.axes ? OLD.code LIMIT 1;
    END IF;
    IF FOUND THEN
        RAISE EXCEPTION 'Attribute "%" is still used by "%" and perhaps others: remove its values first.', OLD.code, sku
            USING ERRCODE = 'restrict_violation';
    END IF;
    RETURN OLD;
END $$;
CREATE OR REPLACE TRIGGER rule_attribute_used BEFORE DELETE ON attribute
    FOR EACH ROW EXECUTE FUNCTION rule_attribute_used();
"""


FORM = """
CREATE OR REPLACE FUNCTION rule_gtin_form() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    NEW.value := lpad(NEW.value, 14, '0');
    RETURN NEW;
END $$;
CREATE OR REPLACE TRIGGER rule_gtin_form BEFORE INSERT OR UPDATE OF type, value ON identifier
    FOR EACH ROW WHEN (NEW.type = 'gtin' AND length(NEW.value) < 14) EXECUTE FUNCTION rule_gtin_form();

CREATE OR REPLACE FUNCTION rule_email_form() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    NEW.value := lower(NEW.value);
    RETURN NEW;
END $$;
CREATE OR REPLACE TRIGGER rule_email_form BEFORE INSERT OR UPDATE OF type, value ON customer_identifier
    FOR EACH ROW WHEN (NEW.type = 'email' AND NEW.value <> lower(NEW.value)) EXECUTE FUNCTION rule_email_form();
"""
"""One form for what must be unique: written otherwise, by SQL, the same number or address would be there twice."""


OPTION_USED = """
CREATE OR REPLACE FUNCTION rule_option_used() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    -- Null where the attribute itself goes: it is unused then.
    named text := (SELECT attribute.code FROM attribute WHERE attribute.id = OLD.attribute_id);
    chosen CONSTANT jsonpath := '$.*.* ? (@[*] == $code)';
    vars CONSTANT jsonb := jsonb_build_object('code', OLD.code);
    user_ text;
BEGIN
    SELECT coalesce(product.slug, product.id::text) INTO user_ FROM product
    WHERE jsonb_path_exists(product.attributes -> named, chosen, vars) LIMIT 1;
    IF NOT FOUND THEN
        SELECT variant.sku INTO user_ FROM variant
        WHERE jsonb_path_exists(variant.attributes -> named, chosen, vars) OR variant.axes -> named = vars -> 'code'
        LIMIT 1;
    END IF;
    IF FOUND THEN
        RAISE EXCEPTION 'Option "%" of attribute "%" is still used by "%" and perhaps others: change their values first.',
            OLD.code, named, user_ USING ERRCODE = 'restrict_violation';
    END IF;
    RETURN OLD;
END $$;
CREATE OR REPLACE TRIGGER rule_option_used BEFORE DELETE ON attribute_option
    FOR EACH ROW EXECUTE FUNCTION rule_option_used();
"""


def install(connection: sa.Connection) -> None:
    """Make the triggers. Doing it again changes nothing."""
    scripts = [
        TREE.format(table="category", title="Category"),
        TREE.format(table="company", title="Company"),
        *(SLUG.format(table=table) for table in ("product", "category", "collection")),
        SUMS,
        *order_rules.scripts(),
        *cart.scripts(),
        asset_version.SCRIPT,
        FIXED,
        *(FIXED_COLUMN.format(table=table, column=column) for table, column in FIXED_COLUMNS),
        USED,
        OPTION_USED,
        FORM,
        search_rule.REVISIONS,
        *stock_rules.scripts(),
        erasure.statements(),
        source_record.APPEND_ONLY,
        *customer_group.scripts(),
        identity_rule.TYPES,
        customer_value.START,
    ]
    for script in scripts:
        raw(connection).execute(script.encode())  # as it stands: a percent sign in it is no placeholder
