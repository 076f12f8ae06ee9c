"""Declarations that do not fit their tables are refused when they are loaded, naming noun and field."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
import sqlalchemy as sa

from schema import nouns, rule
from schema.declare import NOUNS, Noun, column, computed, many, noun, one, text
from schema.node import Translation  # noqa: F401 - localised texts name it in the module of their noun

TABLE = sa.Table(
    "thing",
    sa.MetaData(),
    sa.Column("id", sa.BigInteger, primary_key=True),
    sa.Column("code", sa.Text, nullable=False),
    sa.Column("note", sa.Text),
    sa.Column("size", sa.BigInteger, nullable=False),
    sa.Column("parent_id", sa.BigInteger),
    sa.Column("name", sa.JSON, nullable=False),
)


@pytest.fixture
def declared() -> Iterator[Callable[..., Noun]]:
    """Declares a noun of its own, and takes it back."""
    nouns.load()

    def declare(annotations: dict[str, Any], **fields: Any) -> Noun:
        made = type("Thing", (), {"__annotations__": annotations, "__module__": __name__, **fields})
        noun(TABLE, "A thing.", scope="catalogue")(made)
        return NOUNS["Thing"]

    yield declare
    NOUNS.pop("Thing", None)


@pytest.mark.parametrize(
    ("annotation", "field", "says"),
    [
        (str, lambda: column("x", name="cod"), "reads 'cod'"),
        (str, lambda: column("x", name="note"), "may be null"),
        (str | None, lambda: column("x", name="code"), "is never null"),
        (bool, lambda: column("x", name="size"), "bool does not fit"),
        (str, lambda: column("x", name="code", requires="staff"), "field rule"),
        (str | None, lambda: column("x", name="note", requires="staff", sort=True), "no order may tell"),
        (int, lambda: computed("x", lambda sise: sise), "reads 'sise'"),
        (str | None, lambda: text("x", name="names"), "reads 'names'"),
        (Any, lambda: one("Thing", "x", via="parent_id"), "must allow null"),
        (Any, lambda: one("Channel", "x", via="size"), "must allow null"),
        (Any, lambda: many("Order", "x", key="id"), "another scope"),
        (Any, lambda: many("Nothing", "x", key="id"), "which is no noun"),
    ],
)
def test_a_wrong_declaration_is_refused(
    declared: Callable[..., Noun], annotation: Any, field: Callable[[], Any], says: str
) -> None:
    with pytest.raises(TypeError, match="Thing") as refusal:
        nouns.check(declared({"field": annotation}, field=field()))
    assert says in str(refusal.value)


def test_a_right_declaration_is_taken(declared: Callable[..., Noun]) -> None:
    fields = {"code": column("x"), "note": column("x"), "name": text("x")}
    nouns.check(declared({"code": str, "note": str | None, "name": str | None}, **fields))


def test_every_root_of_the_registry_is_declared() -> None:
    from hub.registry import roots

    assert {each.name for each in roots()} <= {each.name for each in nouns.load().values() if each.plural}


def test_everything_that_can_be_read_is_described() -> None:
    from schema.app import schema

    missing = []
    for name, type_ in schema()._schema.type_map.items():
        if name.startswith("__") or name in ("String", "Int", "Float", "Boolean", "ID", "Mutation"):
            continue
        if not type_.description:
            missing.append(name)
        for field_name, field in getattr(type_, "fields", {}).items():
            if not field.description:
                missing.append(f"{name}.{field_name}")
            missing += [
                f"{name}.{field_name}({each})"
                for each, a in getattr(field, "args", {}).items()
                if not a.description
            ]
    assert missing == []


def test_personal_columns_are_shown_under_the_customers_scope_alone() -> None:
    """A new personal column cannot be declared for other scopes without its field rule."""
    from hub.registry import parts
    from schema.spec import Column, Scoped

    personal = {part.name: part.kept.personal for part in parts() if part.kept.scope != "customers"}
    for each in nouns.load().values():
        for name, spec in each.specs.items():
            read = spec.column if isinstance(spec, Scoped) else name if isinstance(spec, Column) else None
            if read in personal.get(each.table.name if isinstance(each.table, sa.Table) else "", ()):
                assert spec.requires == "personal", f"{each.title}.{name}"


def test_rules_are_named_once() -> None:
    named = {spec.requires for each in nouns.load().values() for spec in each.specs.values() if spec.requires}
    assert named == set(rule.FIELD_RULES)
