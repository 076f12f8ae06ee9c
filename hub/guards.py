"""What the database does for every kept table by itself: provenance, windows, external ids, no TRUNCATE."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from hub.flat import captured, levels
from hub.registry import Part

WINDOW = {"starts_at", "ends_at", "open", "turns_at"}
"""The columns that make a table one with windows."""

SHARED = """
CREATE OR REPLACE FUNCTION hub_no_truncate() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'Table "%" cannot be truncated: that would be a change without a record. Use DELETE.', TG_TABLE_NAME
        USING ERRCODE = 'feature_not_supported';
END $$;

CREATE OR REPLACE FUNCTION hub_fixed_id() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'The id of % % cannot become %: others know it by its id. Make a new one and delete the old.',
        TG_TABLE_NAME, OLD.id, NEW.id USING ERRCODE = 'feature_not_supported';
END $$;

CREATE OR REPLACE FUNCTION hub_window() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    NEW.open := coalesce(NEW.starts_at <= now(), true) AND coalesce(now() < NEW.ends_at, true);
    NEW.turns_at := CASE WHEN NEW.open THEN NEW.ends_at WHEN now() < NEW.starts_at THEN NEW.starts_at END;
    RETURN NEW;
END $$;

-- The paths of the values that differ below a column captured key by key, each with who wrote it now.
CREATE OR REPLACE FUNCTION hub_marks(path text, old jsonb, new jsonb, levels integer, mark jsonb) RETURNS jsonb
LANGUAGE plpgsql IMMUTABLE AS $$
DECLARE
    marks jsonb := '{}';
    key text;
BEGIN
    FOR key IN SELECT jsonb_object_keys(
        CASE jsonb_typeof(old) WHEN 'object' THEN old ELSE '{}' END
        || CASE jsonb_typeof(new) WHEN 'object' THEN new ELSE '{}' END)
    LOOP
        IF old -> key IS NOT DISTINCT FROM new -> key THEN
            CONTINUE;
        ELSIF levels > 1 THEN
            marks := marks || hub_marks(path || '/' || key, old -> key, new -> key, levels - 1, mark);
        ELSE
            marks := marks || jsonb_build_object(path || '/' || key, mark);
        END IF;
    END LOOP;
    RETURN marks;
END $$;
"""

PROVENANCE = """
CREATE OR REPLACE FUNCTION hub_provenance_{table}() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    mark jsonb := hub_mark();
    marks jsonb := {plain};
BEGIN
{deep}    NEW.provenance := OLD.provenance || marks;
    RETURN NEW;
END $$;
CREATE OR REPLACE TRIGGER hub_provenance BEFORE UPDATE ON "{table}" FOR EACH ROW WHEN ({changed})
    EXECUTE FUNCTION hub_provenance_{table}();
ALTER TABLE "{table}" ENABLE ALWAYS TRIGGER hub_provenance;
"""

# Triggers of one moment fire in the order of their names: the clock before the provenance that looks at its work.
# A row without bounds that is open needs no clock, and most prices are that.
CLOCK = """
CREATE OR REPLACE TRIGGER hub_clock BEFORE INSERT OR UPDATE ON "{table}" FOR EACH ROW
    WHEN (NOT NEW.open OR num_nonnulls(NEW.starts_at, NEW.ends_at, NEW.turns_at) > 0) EXECUTE FUNCTION hub_window();
ALTER TABLE "{table}" ENABLE ALWAYS TRIGGER hub_clock;
"""

NO_TRUNCATE = """
CREATE OR REPLACE TRIGGER hub_no_truncate BEFORE TRUNCATE ON "{table}" EXECUTE FUNCTION hub_no_truncate();
ALTER TABLE "{table}" ENABLE ALWAYS TRIGGER hub_no_truncate;
"""

FLAT = """
DO $$ BEGIN
    ALTER TABLE "{table}" ADD CONSTRAINT "ck_{table}_{column}_flat"
        CHECK (jsonb_typeof("{column}") = 'object' AND NOT "{column}" @? '$.* ? (@ == null)');
EXCEPTION WHEN duplicate_object THEN
    NULL;
END $$;
"""

# Whoever reads JSON takes its numbers for floats: one that is none would stop the feed and all who follow it.
NUMBERS = """
DO $$ BEGIN
    ALTER TABLE "{table}" ADD CONSTRAINT "ck_{table}_{column}_numbers" CHECK (NOT "{column}"
        @? '$.** ? (@.type() == "number" && (@ > 1.7976931348623157e308 || @ < -1.7976931348623157e308))') NOT VALID;
EXCEPTION WHEN duplicate_object THEN
    NULL;
END $$;
"""

# What reads texts takes them for texts: one that is a list would stop whoever reads many, such as the search lane.
TEXTS = """
DO $$ BEGIN
    ALTER TABLE "{table}" ADD CONSTRAINT "ck_{table}_{column}_texts"
        CHECK (NOT "{column}" @? 'strict $.* ? (@.type() != "string")') NOT VALID;
EXCEPTION WHEN duplicate_object THEN
    NULL;
END $$;
"""

REFERENCED = """
CREATE OR REPLACE FUNCTION hub_references_{table}_d() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    DELETE FROM external_id USING old_rows o WHERE entity = '{table}' AND entity_id = o.id;
{more}    RETURN NULL;
END $$;
CREATE OR REPLACE TRIGGER hub_references_d AFTER DELETE ON "{table}" REFERENCING OLD TABLE AS old_rows
    FOR EACH STATEMENT EXECUTE FUNCTION hub_references_{table}_d();
ALTER TABLE "{table}" ENABLE ALWAYS TRIGGER hub_references_d;
CREATE OR REPLACE TRIGGER hub_fixed_id BEFORE UPDATE OF id ON "{table}" FOR EACH ROW WHEN (OLD.id <> NEW.id)
    EXECUTE FUNCTION hub_fixed_id();
ALTER TABLE "{table}" ENABLE ALWAYS TRIGGER hub_fixed_id;
"""

PROPOSED = """    DELETE FROM proposal p USING old_rows o WHERE p.noun = '{table}' AND p.object_id = o.id;
"""

MOVED = """
CREATE OR REPLACE FUNCTION hub_references_{table}_u() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    UPDATE external_id SET aggregate_id = n."{root}" FROM new_rows n JOIN old_rows o USING (id)
    WHERE o."{root}" <> n."{root}" AND entity = '{table}' AND entity_id = n.id;
    RETURN NULL;
END $$;
CREATE OR REPLACE TRIGGER hub_references_u AFTER UPDATE ON "{table}"
    REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows
    FOR EACH STATEMENT EXECUTE FUNCTION hub_references_{table}_u();
ALTER TABLE "{table}" ENABLE ALWAYS TRIGGER hub_references_u;
"""

REFERENCE = """
CREATE OR REPLACE FUNCTION hub_external_id() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    CASE NEW.entity
{cases}    ELSE
        RAISE EXCEPTION 'External id "%" of system "%" is for a "%": the hub has no such noun.',
            NEW.value, NEW.system, NEW.entity USING ERRCODE = 'foreign_key_violation';
    END CASE;
    IF NEW.aggregate_id IS NULL THEN
        RAISE EXCEPTION 'External id "%" of system "%" is for % %, which does not exist: make it first.',
            NEW.value, NEW.system, NEW.entity, NEW.entity_id USING ERRCODE = 'foreign_key_violation';
    END IF;
    RETURN NEW;
END $$;
CREATE OR REPLACE TRIGGER hub_external_id BEFORE INSERT OR UPDATE OF entity, entity_id, aggregate, aggregate_id
    ON external_id FOR EACH ROW EXECUTE FUNCTION hub_external_id();
ALTER TABLE external_id ENABLE ALWAYS TRIGGER hub_external_id;
"""


def of_table(part: Part) -> Iterator[str]:
    """The guards of one table."""
    yield _provenance(part)
    yield NO_TRUNCATE.format(table=part.name)
    if has_window(part):
        yield CLOCK.format(table=part.name)
    for column in part.kept.deep:
        yield FLAT.format(table=part.name, column=column)
        if levels(column) > 1:
            yield NUMBERS.format(table=part.name, column=column)
    for texts, declared in part.fields().values():
        if declared.kind == "texts":
            yield TEXTS.format(table=part.name, column=texts.name)


def of_references(parts: Sequence[Part]) -> str:
    """External ids name objects of many tables: they go with their object, and there is none without one.

    What was proposed for an object goes with it too.

    The row is locked as a foreign key would lock it, so that it cannot go while its external id comes.
    """
    if all(part.name != "external_id" for part in parts):
        return ""
    named = [part for part in parts if part.is_root or part.kept.key]
    cases = "".join(
        f"    WHEN '{part.name}' THEN\n"
        f"""        SELECT '{part.kept.aggregate}', "{part.kept.root}" INTO NEW.aggregate, NEW.aggregate_id\n"""
        f"""        FROM "{part.name}" WHERE id = NEW.entity_id FOR KEY SHARE;\n"""
        for part in named
    )
    proposed = any(part.name == "proposal" for part in parts)
    gone = "".join(
        REFERENCED.format(table=part.name, more=_proposed(part) if proposed else "") for part in named
    )
    moved = "".join(MOVED.format(table=part.name, root=part.kept.root) for part in named if not part.is_root)
    return REFERENCE.format(cases=cases) + gone + moved


def _proposed(part: Part) -> str:
    """Nothing is proposed for a noun that has commands of its own, which proposals are too."""
    return PROPOSED.format(table=part.name) if part.is_root and not part.kept.own_commands else ""


def has_window(part: Part) -> bool:
    """Whether rows of this table are on and off by time."""
    return set(part.table.columns.keys()) >= WINDOW


def _provenance(part: Part) -> str:
    """Values that the database derives have no writer of their own."""
    silent = {*part.kept.derived, *part.kept.deep}
    own = [column.name for column in captured(part) if column.name not in silent and not column.primary_key]
    plain = ", ".join(
        f"CASE WHEN {_distinct(name)} THEN '{name}' ELSE '' END, CASE WHEN {_distinct(name)} THEN mark END"
        for name in own
    )
    deep = "".join(
        f"    IF {_distinct(name)} THEN\n"
        f"""        marks := marks || hub_marks('{name}', OLD."{name}", NEW."{name}", {levels(name)}, mark);\n"""
        f"    END IF;\n"
        for name in part.kept.deep
    )
    stored = [column.name for column in part.table.columns if column.computed is None]
    return PROVENANCE.format(
        table=part.name,
        plain=f"jsonb_build_object({plain}) - ''" if own else "'{}'",
        deep=deep,
        changed=" OR ".join(_distinct(name) for name in stored),
    )


def _distinct(name: str) -> str:
    return f'OLD."{name}" IS DISTINCT FROM NEW."{name}"'
