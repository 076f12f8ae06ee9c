"""The compiled executor, as those see it who ask: how many statements, who answered, and what is shared with whom."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import pytest

from hub.db import Database
from hub.errors import Forbidden
from hub.ids import encode
from hub.viewer import Viewer
from schema import opening, payload_document, payload_rendering
from schema.app import schema
from schema.context import Context, Ground
from schema.document import HEAVIEST, REMEMBERED
from schema.execution import Answered, Asked, Execution
from schema.payload_rendering import PayloadRendering
from schema.plan import Plan
from tests.reading import STAFF, STOREFRONT, Asking, customer_viewer, fill, scoped
from tests.shop import all_rows
from tests.test_statement_counts import LIST, ORDERS
from webhooks.rendering import Wanted

DETAIL = """query($slug: String!) { product(slug: $slug, channel: "web") { id slug name nameLocale
    type { code } attributes { code value ... on ChoiceValue { choice { name } } } assets { role asset { url alt } }
    variants { totalCount nodes { sku product { slug } price { amount } attribute(code: "care") { value inherited } }
        pageInfo { endCursor } } } }"""


@dataclass
class Both:
    """Asks both executors. ``statements``: what the compiled one took the last time."""

    database: Database
    runner: asyncio.Runner
    compiled: Execution
    ordinary: Execution
    statements: int = 0

    def compile(self, query: str, viewer: Viewer = STAFF, **variables: Any) -> Answered:
        """The answer of the compiled executor, which must be what the ordinary one answers, byte by byte."""
        before = self.database.statements
        answered = self.runner.run(self.compiled.run(Asked(query, variables), viewer))
        self.statements = self.database.statements - before
        expected = self.runner.run(self.ordinary.run(Asked(query, variables), viewer))
        assert answered.text == expected.text
        assert answered.errors == expected.errors
        assert answered.actual == expected.actual
        return answered

    def __call__(self, query: str, viewer: Viewer = STAFF, **variables: Any) -> Any:
        """The data, which the compiled executor must have answered."""
        answered = self.compile(query, viewer, **variables)
        assert answered.executor == "compiled", (answered.bailed, answered.errors)
        return answered.data


@pytest.fixture(scope="module")
def both(module_database: Database) -> Iterator[Both]:
    """The catalogue, and both executors on it."""
    fill(module_database)
    with asyncio.Runner() as runner:
        yield Both(
            module_database,
            runner,
            Execution(schema(), module_database),
            Execution(schema(), module_database, compiled=False),
        )
        runner.run(module_database.direct.aclose())
        runner.run(module_database.async_engine.dispose())


def test_all_levels_of_a_page_are_one_statement(both: Both) -> None:
    both(LIST, first=24)
    levels_and_scope = both.statements
    both(LIST, first=1)
    # the scope's channel; then the levels; the attributes' definitions; the options that values name
    assert both.statements == levels_and_scope <= 4


def test_customers_down_to_assets_are_one_statement(both: Both) -> None:
    both(ORDERS, first=24)
    assert both.statements == 2  # the locales of a scope without a channel, and the rest


def test_a_detail_is_found_by_every_way(both: Both) -> None:
    assert both(DETAIL, slug="alpha")["product"]["slug"] == "alpha"
    assert both(DETAIL, slug="nothing")["product"] is None
    assert both('{ variant(gtin: "4006381333931") { sku } }')["variant"] == {"sku": "alpha-red"}
    assert both('{ product(externalId: {system: "erp", id: "A-1"}) { slug } }')["product"] == {
        "slug": "alpha"
    }
    assert both('{ customer(email: "ADA@example.com") { givenName } }')["customer"] == {"givenName": "Ada"}


def test_what_is_wrong_is_said_by_the_ordinary_executor(both: Both) -> None:
    answered = both.compile('{ products(first: -1, channel: "web") { nodes { id } } }')
    assert (answered.executor, answered.bailed) == ("ordinary", "Invalid")
    assert answered.errors[0]["path"] == ["products"]
    assert not answered.needless


def test_arguments_below_nothing_are_not_looked_at(both: Both) -> None:
    query = '{ product(slug: "nothing") { variants(first: -1) { nodes { sku } } } }'
    assert both(query) == {"product": None}
    assert both.compile(query.replace("nothing", "alpha")).bailed == "Invalid"
    # A row joined to its parent's that is not there is as little of a parent.
    orphan = '{ category(code: "tops") { parent { products(after: "bm90aGluZw") { totalCountCapped } } } }'
    assert both(orphan) == {"category": {"parent": None}}


def test_a_filter_beside_a_rule_that_shows_nothing_is_compiled(both: Both) -> None:
    lists = 'channels(channel: "web") { nodes { priceLists { priceList { prices(filter: {startsAt: {eq: "2031-01-01T00:00:00Z"}}) { totalCount } } } } }'
    shown = both(f"{{ {lists} }}", STOREFRONT)["channels"]["nodes"]
    assert all(
        each["priceList"]["prices"] == {"totalCount": 0} for node in shown for each in node["priceLists"]
    )


def test_bails_are_counted_by_cause_and_needless_ones_apart(
    both: Both, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    execution = Execution(schema(), both.database)

    def ask(query: str) -> Answered:
        return both.runner.run(execution.run(Asked(query), STAFF))

    ask('{ products(first: 1, channel: "web") { nodes { slug } } }')
    ask('{ products(first: -1, channel: "web") { nodes { slug } } }')
    monkeypatch.setattr(Plan, "run", lambda *_: 1 / 0)
    assert ask('{ products(first: 1, channel: "web") { nodes { slug } } }').needless
    figures = execution.figures
    assert dict(figures.answered) == {"compiled": 1, "ordinary": 2}
    assert dict(figures.bailed) == {"Invalid": 1, "ZeroDivisionError": 1}
    assert figures.needless == 1
    assert "needlessly" in caplog.text
    names = {sample.name for metric in figures.collect() for sample in metric.samples}
    assert "hub_graphql_bailed_needlessly_total" in names


QUERY = '{ products(channel: "web", sort: {field: SLUG}) { nodes { slug } } }'


def test_viewers_of_different_classes_share_no_plan(both: Both) -> None:
    execution = both.compiled
    both(QUERY)
    both(QUERY, STOREFRONT)
    both(QUERY, replace(STAFF, channel_ids=frozenset({1})))
    both(QUERY, scoped(STAFF, "catalogue:read"))
    document = execution.documents.get(QUERY)
    plans = len(document.plans)
    assert plans == 4
    web = int(all_rows(both.database, "SELECT id FROM channel WHERE code = 'web'")[0][0])
    both(QUERY, replace(STAFF, channel_ids=frozenset({web}), token_id=7, default_locale="de"))
    assert len(document.plans) == plans  # who asks alike sees alike


def test_who_asks_is_bound_and_never_part_of_a_plan(both: Both) -> None:
    query = "{ customers { nodes { givenName } } }"
    numbers = dict(all_rows(both.database, "SELECT given_name, id FROM customer"))
    web = int(all_rows(both.database, "SELECT id FROM channel WHERE code = 'web'")[0][0])
    for name in ("Ada", "Bo", "Ada"):
        viewer = replace(customer_viewer(int(numbers[name])), default_channel_id=web)
        assert both(query, viewer)["customers"]["nodes"] == [{"givenName": name}]


def test_only_what_was_read_with_the_token_is_kept_for_its_next_request(both: Both) -> None:
    """Nobody looks again at a channel that was read on the way, so the next request reads it anew."""

    def statements(ground: Ground, viewer: Viewer = STAFF) -> int:
        before = both.database.statements
        context = Context(both.database, viewer, ground=ground)
        assert both.runner.run(context.scope("web")).channel is not None
        return both.database.statements - before

    nothing = Ground({}, None, None)
    assert [statements(nothing), statements(nothing)] == [1, 1]
    everything = both.runner.run(opening.ground(both.database))
    assert [statements(everything), statements(everything)] == [0, 0]
    with pytest.raises(Forbidden):
        statements(everything, replace(STAFF, channel_ids=frozenset({0})))


def test_included_or_not_are_two_plans(both: Both) -> None:
    query = 'query($w: Boolean!) { product(slug: "alpha") { slug id @include(if: $w) } }'
    assert list(both(query, w=True)["product"]) == ["slug", "id"]
    assert list(both(query, w=False)["product"]) == ["slug"]


def test_a_node_is_planned_for_its_noun(both: Both) -> None:
    query = "query($ids: [ID!]!) { nodes(ids: $ids) { __typename id ... on Product { slug } } }"
    asking = Asking(both.database, both.runner)
    ids = [asking.id("product", "slug", "alpha"), asking.id("category", "code", "tops")]
    assert [each["__typename"] for each in both(query, ids=ids)["nodes"]] == ["Product", "Category"]
    assert both.compile(query, ids=["nonsense"]).executor == "ordinary"


def test_response_keys_are_literals(both: Both) -> None:
    assert both('{ product(slug: "alpha") { __class__: slug f0: id r: slug n: slug } }')["product"] == {
        "__class__": "alpha",
        "f0": "cHJvZHVjdDox",
        "r": "alpha",
        "n": "alpha",
    }


def test_documents_without_end_leave_a_bounded_store(both: Both) -> None:
    execution = Execution(schema(), both.database)
    for number in range(REMEMBERED + 100):
        execution.read(Asked(f"{{ a{number} }}"))
    assert len(execution.documents) == REMEMBERED
    for number in range(50):
        execution.read(Asked(f"{{ a{number} }} #" + " " * 100_000))
    assert len(execution.documents) <= HEAVIEST / 100_000


def test_a_cursor_goes_on_where_the_ordinary_executor_ended(both: Both) -> None:
    query = """query($after: String, $before: String, $first: Int, $last: Int) { products(channel: "web",
        sort: {field: NAME}, first: $first, last: $last, after: $after, before: $before) {
            edges { cursor node { slug } } pageInfo { hasNextPage hasPreviousPage startCursor endCursor } totalCount } }"""
    first = both(query, first=2)["products"]
    rest = both(query, first=10, after=first["pageInfo"]["endCursor"])["products"]
    back = both(query, last=2, before=rest["edges"][0]["cursor"])["products"]
    assert back["edges"] == first["edges"]
    assert len(rest["edges"]) + 2 == first["totalCount"]


# Payload documents


SMALL = "query ($id: ID!) {{ product(id: $id) {{ {field} variants {{ nodes {{ sku }} }} }} }}"


def rendering(both: Both) -> PayloadRendering:
    return payload_document.of(schema()).renderer(both.database)


async def one(answer: Any, global_id: str) -> Any:
    return await answer(global_id)


def products(both: Both) -> list[int]:
    return [int(number) for (number,) in all_rows(both.database, "SELECT id FROM product ORDER BY id")]


def test_many_documents_about_the_same_objects_ask_once(both: Both) -> None:
    fields = ("slug", "name", "id type { code }", "createdAt", "attributes { code }")
    wanted = [Wanted(SMALL.format(field=field), "product", products(both), STAFF) for field in fields]
    before = both.database.statements
    one = both.runner.run(rendering(both).many(wanted[:1]))
    alone = both.database.statements - before
    every = both.runner.run(rendering(both).many(wanted))
    more = both.database.statements - before - alone
    assert every[0] == one[0]
    # channels and locales, products, variants; then the types, and the attributes
    assert (alone, more) == (3, 5)


def test_batches_answer_what_single_renderings_do(both: Both) -> None:
    documents = [SMALL.format(field="slug nameTranslations { locale text } version"), None]
    for viewer in (STAFF, replace(STOREFRONT, default_channel_id=1)):
        for document in documents:
            wanted = Wanted(document, "product", [*products(both), 10**9], viewer)
            (found,) = both.runner.run(rendering(both).many([wanted]))
            assert not found.failed
            answer = payload_document.of(schema()).answering(wanted, both.database)
            for number in wanted.ids:
                assert found.shown[number] == both.runner.run(one(answer, encode("product", number)))


def test_one_object_that_fails_holds_back_itself_alone(both: Both, monkeypatch: pytest.MonkeyPatch) -> None:
    numbers = products(both)
    bad = numbers[1]

    async def run_many(self: Plan, request: Any, wanted: Any, keys: Any) -> Any:
        if bad in wanted:
            raise ValueError("a fault of this object")
        return await real(self, request, wanted, keys)

    real = Plan.run_many
    monkeypatch.setattr(Plan, "run_many", run_many)
    monkeypatch.setattr(payload_rendering, "BATCH", 3)
    wanted = Wanted(SMALL.format(field="slug"), "product", numbers, STAFF)
    (found,) = both.runner.run(rendering(both).many([wanted]))
    assert sorted(found.shown) == numbers
    assert not found.failed
    assert found.shown[bad]["product"]["variants"]["nodes"]


def test_a_document_that_cannot_be_read_fails_without_the_others(both: Both) -> None:
    wrong = "query ($id: ID!) { product(id: $id) { nonsense } }"
    good = SMALL.format(field="slug")
    wanted = [Wanted(each, "product", products(both)[:2], STAFF) for each in (wrong, good)]
    first, second = both.runner.run(rendering(both).many(wanted))
    assert not first.shown
    assert len(first.failed) == len(second.shown) == 2
