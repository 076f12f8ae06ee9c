"""The ordinary executor: a generic resolver for each kind of field, and loaders that read each level in one statement.

Instances are filled from rows: a column needs no resolver, and nothing here is an ORM object.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

from hub import ids
from schema import attribute_level, attribute_value, rule, sort, sql
from schema import filter as filters
from schema.connection import ARGUMENTS as PAGING
from schema.connection import Counted, Paging
from schema.declare import NOUNS, Noun, Resolver
from schema.loader import build, by_id, remember, values
from schema.node import OWN_NAME, Translation
from schema.spec import (
    Argument,
    Column,
    Computed,
    Identity,
    Looked,
    Many,
    One,
    Paged,
    Scoped,
    Spec,
    Text,
    TextLocale,
    Translations,
    Values,
)

if TYPE_CHECKING:
    from collections.abc import Awaitable

    from schema.context import Context, Scope
    from schema.filter import Where


def resolver(name: str, spec: Spec) -> Resolver | None:
    """What resolves a field; null where the instance's own attribute is the value."""
    make = RESOLVERS.get(type(spec))
    plain = make(spec) if make else None
    return plain if spec.requires is None else _guarded(name, spec, plain)


def _guarded(name: str, spec: Spec, plain: Resolver | None) -> Resolver:
    def guarded(source: Any, info: Any, arguments: dict[str, Any]) -> Any:
        rule.passed(info.context.viewer, spec.requires, name)
        return source.__dict__[name] if plain is None else plain(source, info, arguments)

    return guarded


def _identity(_: Identity) -> Resolver:
    return lambda source, _info, _arguments: ids.encode(source.__noun__.name, source.__dict__["id"])


def _column(_: Column) -> None:
    return None


def _text(spec: Text) -> Resolver:
    return lambda source, _info, _arguments: text_in(source.__dict__[spec.name], source.scope)


def text_in(texts: Mapping[str, str], scope: Scope) -> str | None:
    """The text of the first locale of the chain that has one."""
    locale = locale_in(texts, scope)
    return None if locale is None else texts[locale]


def locale_in(texts: Mapping[str, str], scope: Scope) -> str | None:
    """The first locale of the chain that has a text."""
    return next((locale for locale in scope.locales if texts.get(locale) is not None), None)


def translations(texts: Mapping[str, str]) -> list[Translation]:
    """Every text, by locale."""
    return [Translation(locale=locale, text=text) for locale, text in sorted(texts.items())]


def _text_locale(spec: TextLocale) -> Resolver:
    return lambda source, _info, _arguments: locale_in(source.__dict__[spec.name], source.scope)


def _translations(spec: Translations) -> Resolver:
    return lambda source, _info, _arguments: translations(source.__dict__[spec.name])


def _computed(spec: Computed) -> Resolver:
    return lambda source, _info, _arguments: spec.function(*(source.__dict__[name] for name in spec.columns))


def _scoped(spec: Scoped) -> Resolver:
    def resolve(source: Any, _info: Any, arguments: Any) -> Any:
        own = source.__dict__
        others = {name: own[name] for name in spec.others}
        return spec.function(own[spec.column], source.scope, **others, **arguments)

    return resolve


def _one(spec: One) -> Resolver:
    def resolve(source: Any, info: Any, _arguments: Any) -> Any:
        key = source.__dict__[spec.via]
        if key is None:
            return None
        target = NOUNS[spec.to]
        rule.opened(info.context.viewer, target)
        return by_id(info.context, target, source.scope).load(key)

    return resolve


def _many(spec: Many) -> Resolver:
    def resolve(source: Any, info: Any, arguments: dict[str, Any]) -> Awaitable[list[Any]]:
        context, target = info.context, NOUNS[spec.to]
        rule.opened(context.viewer, target)
        asked = tuple((name, value) for name, value in arguments.items() if value is not None)
        key = (spec, source.__noun__.title, source.scope, asked)
        loader = context.loader(key, _many_batch(context, source.__noun__, spec, source.scope, dict(asked)))
        return loader.load(source.__dict__[spec.here])  # type: ignore[no-any-return]

    return resolve


def _many_batch(
    context: Context, owner: Noun, spec: Many, scope: Scope, asked: dict[str, Any]
) -> Callable[[list[Any]], Awaitable[list[list[Any]]]]:
    target = NOUNS[spec.to]
    fixed = fixed_columns(owner, spec, asked)

    async def batch(keys: list[Any]) -> list[list[Any]]:
        frame = sql.Frame(target, spec.source)
        conditions = [*frame.seen_by(context.viewer), *sql.equal_to(frame, fixed)]
        statement = sql.by_keys(frame, spec.key, conditions, spec.order)
        rows = await context.database.rows(statement, values(context, scope, keys=keys))
        found = defaultdict(list)
        for row in rows:
            found[row["parent"]].append(build(target, row, scope))
        if spec.source is None:
            remember(context, target, scope, [each for some in found.values() for each in some])
        return [found[key] for key in keys]

    return batch


def fixed_columns(owner: Noun, spec: Many, asked: Mapping[str, Any]) -> dict[str, Any]:
    """The columns that related rows must hold, and what they must hold."""
    fixed = {name: owner.name if value == OWN_NAME else value for name, value in spec.where.items()}
    return fixed | {spec.match[name]: value for name, value in asked.items()}


def _looked(spec: Looked) -> Resolver:
    def resolve(source: Any, info: Any, arguments: dict[str, Any]) -> Any:
        asked = tuple(sorted(arguments.items(), key=lambda each: each[0]))
        key = (spec, source.scope, repr(asked))
        batch = _looked_batch(info.context, spec, source.scope, arguments)
        return info.context.loader(key, batch).load(source.__dict__[spec.here])

    return resolve


def _looked_batch(
    context: Context, spec: Looked, scope: Scope, arguments: dict[str, Any]
) -> Callable[[list[Any]], Awaitable[list[Any]]]:
    async def batch(keys: list[Any]) -> list[Any]:
        statement = spec.select(context.viewer, scope, **arguments)
        if statement is None:
            return [None] * len(keys)
        rows = await context.database.rows(statement, values(context, scope, keys=keys))
        found = {row["key"]: _found(spec, row, scope) for row in rows}
        return [found.get(key, spec.missing) for key in keys]

    return batch


def _found(spec: Looked, row: Any, scope: Scope) -> Any:
    return row[spec.value] if spec.to is None else build(NOUNS[spec.to], row, scope)


def _paged(spec: Paged) -> Resolver:
    def resolve(source: Any, info: Any, arguments: dict[str, Any]) -> Any:
        context, target = info.context, NOUNS[spec.to]
        rule.opened(context.viewer, target)
        asked = Listed(context, target, source.scope, arguments)
        loader = context.loader((spec, source.scope, asked.paging, asked.shape), asked.nested(spec))
        return loader.load(source.__dict__[spec.here])

    return resolve


class Listed:
    """One asked list of a noun: its filter, order and page, at the root or below many parents."""

    def __init__(self, context: Context, noun: Noun, scope: Scope, arguments: dict[str, Any]) -> None:
        self.context = context
        self.noun = noun
        self.scope = scope
        self.filter = arguments.get("filter")
        self.sort = arguments.get("sort")
        self.paging = Paging(**{name: arguments.get(name) for name in PAGING})
        self.shape = repr((self.filter, self.sort))

    async def _where(self) -> Where:
        codes = tuple(sorted(filters.attribute_codes(self.filter)))
        known = await attribute_level.known(self.context, codes) if codes else {}
        return filters.Where(
            self.context.viewer, self.scope, {code: each.definition for code, each in known.items()}
        )

    async def conditions(self, frame: sql.Frame) -> list[Any]:
        """The row rule and the filter."""
        return [
            *frame.seen_by(self.context.viewer),
            *filters.conditions(frame, self.filter, await self._where()),
        ]

    async def root(self) -> Any:
        """The page at the root."""
        frame = sql.Frame(self.noun)
        conditions = await self.conditions(frame)
        ordering = sort.ordering(frame, self.scope, self.sort)
        statement = sql.page(frame, conditions, ordering, self.paging.window(ordering))
        rows = await self.context.database.rows(statement, values(self.context, self.scope))

        async def counting(_: list[int]) -> list[Counted]:
            counted = await self.context.database.rows(
                sql.count(frame, conditions), values(self.context, self.scope)
            )
            return [Counted.of(counted[0]["count"])]

        counter = self.context.loader(("count", self.noun.title, self.scope, self.shape), counting)
        return self.paging.page(self._built(rows), ordering, partial(counter.load, 0))

    def nested(self, spec: Paged) -> Callable[[list[Any]], Awaitable[list[Any]]]:
        """What reads the page of each of many parents."""

        async def batch(keys: list[Any]) -> list[Any]:
            frame = sql.Frame(self.noun)
            nest, order = nested(frame, spec)
            conditions = await self.conditions(frame)
            ordering = nested_ordering(frame, spec, order, self.scope, self.sort)
            statement = sql.nested_page(frame, nest, conditions, ordering, self.paging.window(ordering))
            rows = await self.context.database.rows(statement, values(self.context, self.scope, keys=keys))
            found = defaultdict(list)
            for row, instance in self._built(rows):
                found[row["parent"]].append((row, instance))
            counter = self._counter(spec, nest, conditions)
            return [self.paging.page(found[key], ordering, partial(counter.load, key)) for key in keys]

        return batch

    def _counter(self, spec: Paged, nest: sql.Nest, conditions: list[Any]) -> Any:
        async def batch(keys: list[Any]) -> list[Counted]:
            statement = sql.nested_count(nest, conditions)
            rows = await self.context.database.rows(statement, values(self.context, self.scope, keys=keys))
            counts = {row["parent"]: Counted.of(row["count"]) for row in rows}
            return [counts[key] for key in keys]

        return self.context.loader(("count", spec, self.scope, self.shape), batch)

    def _built(self, rows: Sequence[Any]) -> list[tuple[Any, Any]]:
        built = [(row, build(self.noun, row, self.scope)) for row in rows]
        remember(self.context, self.noun, self.scope, [instance for _, instance in built])
        return built


def nested_ordering(
    frame: sql.Frame, spec: Paged, order: Sequence[sql.Key], scope: Scope, asked: Any
) -> sql.Ordering:
    """The ordering of a nested list: as asked for, otherwise its own."""
    ordering = sort.ordering(frame, scope, asked)
    if asked is None and order:
        return sql.Ordering(f"{frame.noun.name} {spec.order}", (*order, *ordering.keys))
    return ordering


def nested(frame: sql.Frame, spec: Paged) -> tuple[sql.Nest, list[sql.Key]]:
    """Where the rows of a nested list come from, and the keys of its own order."""
    if spec.through is None:
        assert spec.key is not None, "A connection is by a key or through a link table."
        return sql.Nest(frame.joined(), frame.c[spec.key]), [sql.Key(frame.c[each]) for each in spec.order]
    link = spec.through.table.alias()
    joined = frame.beside(link.join(frame.table, frame.c.id == link.c[spec.through.there]))
    return sql.Nest(joined, link.c[spec.through.here]), [sql.Key(link.c[each]) for each in spec.order]


def _values(spec: Values) -> Resolver:
    return attribute_value.resolver(spec)


RESOLVERS: dict[type[Spec], Callable[[Any], Resolver | None]] = {
    Identity: _identity,
    Column: _column,
    Text: _text,
    TextLocale: _text_locale,
    Translations: _translations,
    Computed: _computed,
    Scoped: _scoped,
    One: _one,
    Many: _many,
    Paged: _paged,
    Looked: _looked,
    Values: _values,
}


def arguments(spec: Spec) -> dict[str, Argument]:
    """The arguments of a field: its own, and those of a list where it is one."""
    return dict(spec.arguments) | (listing(NOUNS[spec.to]) if isinstance(spec, Paged) else {})


def listing(noun: Noun) -> dict[str, Argument]:
    """The arguments of a list of a noun: filter, sort, page."""
    return {
        "filter": Argument(type=filters.input_of(noun) | None, description="Which of them; null for all."),
        "sort": Argument(
            type=sort.input_of(noun) | None, description="Their order; null for the list's own."
        ),
        **PAGING,
    }
