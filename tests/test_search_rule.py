"""Rules of search in the API: saved, undone, tried, and held to at once."""

from __future__ import annotations

from typing import Any

import pytest

from hub.db import Json
from hub.ids import encode
from hub.token import Wish
from tests.running import Server, wait_until
from tests.searching import MARKET, SHOP, WEB, Shop, eventually
from tests.shop import all_rows

SEARCH = """query($query: String!, $channel: String, $locale: String) {
  productSearch(query: $query, channel: $channel, locale: $locale) {
    nodes { name } redirect { url category } appliedRules { set kind place } } }"""
PLAIN = 'query($query: String!) { products(search: $query, channel: "web", locale: "de") { nodes { name } } }'
ERRORS = "userErrors { field code message }"
CREATE = f"""mutation($input: SearchRuleSetInput!) {{ searchRuleSetCreate(input: $input) {{
  searchRuleSet {{ id code revision version rules channel {{ code }} }} {ERRORS} }} }}"""
UPDATE = f"""mutation($input: SearchRuleSetInput!, $ifVersion: Long) {{
  searchRuleSetUpdate(input: $input, ifVersion: $ifVersion) {{
  searchRuleSet {{ revision version rules }} {ERRORS} }} }}"""
RESTORE = f"""mutation($code: String!, $revision: Int!) {{
  searchRuleSetRestore(code: $code, revision: $revision) {{ searchRuleSet {{ revision rules note }} {ERRORS} }} }}"""
REVISIONS = """query($code: String!) { searchRuleRevisions(code: $code) {
  revision actor note rules changes { kind removed added } } }"""
PREVIEW = f"""query($query: String!, $draft: SearchRulesInput!, $replaces: String) {{
  searchRulesPreview(query: $query, draft: $draft, replaces: $replaces, channel: "web", locale: "de") {{
    live {{ total hits {{ product {{ name }} }} }}
    draft {{ total hits {{ product {{ name }} shares {{ name score }} }} applied {{ set kind place }} }}
    moved {{ product {{ name }} before after }} {ERRORS} }} }}"""


@pytest.fixture(scope="module")
def shop(module_server: Server) -> Shop:
    made = Shop(module_server.database, module_server.settings.var / "search")
    made.write(SHOP)
    made.write("UPDATE attribute SET filterable = true WHERE code = 'brand'")
    wait_until(lambda: module_server.get("/ready")[0] == 200)
    for name in ("Sofa aus Leder", "Sofa aus Stoff", "Sessel", "Regal"):
        made.product({"de": name, "en": name}, channels=(WEB, MARKET))
    eventually(lambda: len(made.ask("sofa")) == 2)
    eventually(lambda: len(made.ask("regal")) == 1)
    eventually(lambda: len(made.ask("sessel", MARKET, "en")) == 1)
    return made


@pytest.fixture
def hub(module_server: Server, shop: Shop) -> Server:
    shop.write("DELETE FROM search_rule_set")
    shop.write("DELETE FROM search_rule_revision")
    return module_server


@pytest.fixture(scope="module")
def storefront(module_server: Server, shop: Shop) -> str:
    assert shop.database is module_server.database
    return module_server.new_token(Wish(kind="storefront", name="shop", channels=("web", "market")))


def found(hub: Server, query: str, token: str, channel: str = "web", locale: str = "de") -> Any:
    variables = {"query": query, "channel": channel, "locale": locale}
    return hub.data(SEARCH, variables, token=token)["productSearch"]


def names(answer: Any) -> list[str]:
    return [node["name"] for node in answer["nodes"]]


def product(shop: Shop, name: str) -> Json:
    ((number,),) = shop.write("SELECT id FROM product WHERE name ->> 'de' = %s", name)
    return {"id": encode("product", number)}


def saved(hub: Server, rules: Json, code: str = "base", **more: Any) -> Any:
    payload = hub.data(CREATE, {"input": {"code": code, "rules": rules, **more}})["searchRuleSetCreate"]
    assert payload["userErrors"] == []
    return payload["searchRuleSet"]


def refused(hub: Server, rules: Json) -> tuple[str, list[str], str]:
    payload = hub.data(CREATE, {"input": {"code": "bad", "rules": rules}})["searchRuleSetCreate"]
    (error,) = payload["userErrors"]
    return error["code"], error["field"], error["message"]


def test_a_saved_synonym_holds_for_the_next_question_and_goes_with_its_set(
    hub: Server, storefront: str
) -> None:
    assert names(found(hub, "couch", storefront)) == []
    saved(hub, {"synonyms": [{"words": ["Couch", "Sofa"]}]}, channel={"key": "web"}, locale={"key": "de"})
    assert len(names(found(hub, "Couch", storefront))) == 2
    assert len(hub.data(PLAIN, {"query": "couch"}, token=storefront)["products"]["nodes"]) == 2
    assert names(found(hub, "couch", storefront, "market", "en")) == []
    payload = hub.data(UPDATE, {"input": {"code": "base", "active": False}})["searchRuleSetUpdate"]
    assert payload["searchRuleSet"]["revision"] == 2
    assert names(found(hub, "couch", storefront)) == []


def test_a_deleted_set_keeps_its_states_and_comes_back(hub: Server, storefront: str) -> None:
    code = "kept"
    saved(hub, {"synonyms": [{"words": ["Couch", "Sofa"]}]}, code=code, channel={"key": "web"})
    hub.data(UPDATE, {"input": {"code": code, "rules": {"synonyms": [{"words": ["Diwan", "Sofa"]}]}}})
    gone = f'mutation {{ searchRuleSetDelete(key: "{code}") {{ {ERRORS} }} }}'
    assert hub.data(gone)["searchRuleSetDelete"]["userErrors"] == []
    assert names(found(hub, "diwan", storefront)) == []
    told = "query($code: String!) { searchRuleRevisions(code: $code) { revision deleted rules changes { kind } } }"
    states = hub.data(told, {"code": code})["searchRuleRevisions"]
    assert [(each["revision"], each["deleted"]) for each in states] == [(3, True), (2, False), (1, False)]
    assert states[0]["rules"] == {}
    refusal = hub.data(RESTORE, {"code": code, "revision": 3})["searchRuleSetRestore"]["userErrors"][0]
    assert (refusal["code"], refusal["field"]) == ("INVALID", ["revision"])
    back = hub.data(RESTORE, {"code": code, "revision": 1})["searchRuleSetRestore"]
    assert (back["userErrors"], back["searchRuleSet"]["revision"]) == ([], 4)
    assert len(names(found(hub, "couch", storefront))) == 2
    assert names(found(hub, "couch", storefront, "market", "en")) == []
    states = hub.data(told, {"code": code})["searchRuleRevisions"]
    assert [each["revision"] for each in states] == [4, 3, 2, 1]
    # A set that is made under the code of a deleted one goes on behind it.
    hub.data(gone)
    assert (
        hub.data(CREATE, {"input": {"code": code}})["searchRuleSetCreate"]["searchRuleSet"]["revision"] == 6
    )


def test_pins_and_redirects_are_told(hub: Server, shop: Shop, storefront: str) -> None:
    saved(
        hub,
        {
            "pins": [{"when": {"query": "sofa"}, "products": [product(shop, "Regal")]}],
            "redirects": [{"when": {"query": "kontakt"}, "url": "/kontakt"}],
        },
    )
    answer = found(hub, " SOFA!", storefront)
    assert (names(answer)[0], answer["appliedRules"]) == ("Regal", None)
    assert found(hub, "kontakt", storefront)["redirect"] == {"url": "/kontakt", "category": None}


def test_a_set_without_a_channel_holds_in_all(hub: Server, storefront: str) -> None:
    saved(hub, {"synonyms": [{"from": ["fauteuil"], "to": ["sessel"]}]})
    for channel, locale in (("web", "de"), ("market", "en")):
        assert names(found(hub, "fauteuil", storefront, channel, locale)) == ["Sessel"]


def test_every_state_is_kept_shown_and_restored(hub: Server, storefront: str) -> None:
    made = saved(hub, {"stopWords": ["Billig"]}, note="First words.")
    assert (made["revision"], made["rules"]) == (1, {"stopWords": ["billig"]})
    change = {"code": "base", "note": "Two of them.", "rules": {"stopWords": ["teuer"]}}
    assert hub.data(UPDATE, {"input": change})["searchRuleSetUpdate"]["userErrors"] == []
    newest, oldest = hub.data(REVISIONS, {"code": "base"})["searchRuleRevisions"]
    assert (newest["revision"], newest["note"], newest["actor"][:6]) == (2, "Two of them.", "token:")
    assert newest["changes"] == [
        {"kind": "stopWords", "removed": "billig", "added": None},
        {"kind": "stopWords", "removed": None, "added": "teuer"},
    ]
    assert oldest["rules"] == {"stopWords": ["billig"]}
    payload = hub.data(RESTORE, {"code": "base", "revision": 1})["searchRuleSetRestore"]
    assert payload["searchRuleSet"] == {
        "revision": 3,
        "rules": {"stopWords": ["billig"]},
        "note": "Restored revision 1.",
    }
    missing = hub.data(RESTORE, {"code": "base", "revision": 9})["searchRuleSetRestore"]["userErrors"]
    assert [(each["code"], each["field"]) for each in missing] == [("NOT_FOUND", ["revision"])]


def test_what_psql_writes_is_kept_too_and_no_state_is_changed(hub: Server, shop: Shop) -> None:
    saved(hub, {"stopWords": ["billig"]})
    shop.write('UPDATE search_rule_set SET rules = \'{"stopWords": ["x"]}\'')
    rows = all_rows(hub.database, "SELECT revision, rules FROM search_rule_revision ORDER BY revision")
    assert rows == [(1, {"stopWords": ["billig"]}), (2, {"stopWords": ["x"]})]
    with pytest.raises(Exception, match="cannot be changed"):
        shop.write("UPDATE search_rule_revision SET note = 'other'")


def test_a_lost_version_is_a_conflict(hub: Server) -> None:
    saved(hub, {"stopWords": ["billig"]})
    change = {"input": {"code": "base", "note": "Late."}, "ifVersion": 7}
    (error,) = hub.data(UPDATE, change)["searchRuleSetUpdate"]["userErrors"]
    assert error["code"] == "CONFLICT"


def test_a_changed_rule_is_in_the_feed_and_touches_no_document(hub: Server, shop: Shop) -> None:
    with shop.index.reading() as reader:
        before = reader.generation
    saved(hub, {"stopWords": ["billig"]})
    text = 'query { changes(types: ["searchruleset.*"], last: 1) { nodes { type } } }'
    text = text.replace(", last: 1", ", first: 1000")
    wait_until(
        lambda: any(node["type"] == "searchruleset.created" for node in hub.data(text)["changes"]["nodes"])
    )
    with shop.index.reading() as reader:
        assert reader.generation == before


def test_a_draft_is_tried_without_being_saved(hub: Server, shop: Shop, storefront: str) -> None:
    draft = {
        "pins": [{"when": {"query": "sofa"}, "products": [product(shop, "Sessel")]}],
        "boosts": [{"condition": {"products": [product(shop, "Sofa aus Stoff")]}, "points": 50}],
    }
    before = names(found(hub, "sofa", storefront))
    preview = hub.data(PREVIEW, {"query": "sofa", "draft": draft})["searchRulesPreview"]
    live = [hit["product"]["name"] for hit in preview["live"]["hits"]]
    drafted = [hit["product"]["name"] for hit in preview["draft"]["hits"]]
    assert live == before
    assert drafted == ["Sessel", "Sofa aus Stoff", "Sofa aus Leder"]
    assert {"name": "rule: draft boosts 1", "score": 50} in preview["draft"]["hits"][1]["shares"]
    assert preview["moved"][0] == {"product": {"name": "Sessel"}, "before": None, "after": 1}
    assert preview["userErrors"] == []
    assert names(found(hub, "sofa", storefront)) == before


def test_a_draft_may_stand_for_a_set(hub: Server, shop: Shop) -> None:
    saved(hub, {"pins": [{"when": {"query": "sofa"}, "products": [product(shop, "Regal")]}]})
    preview = hub.data(PREVIEW, {"query": "sofa", "draft": {}, "replaces": "base"})["searchRulesPreview"]
    assert preview["live"]["hits"][0]["product"]["name"] == "Regal"
    assert "Regal" not in [hit["product"]["name"] for hit in preview["draft"]["hits"]]


def test_a_draft_that_could_not_be_saved_says_why(hub: Server) -> None:
    draft = {"stopWords": ["!!!"]}
    preview = hub.data(PREVIEW, {"query": "sofa", "draft": draft})["searchRulesPreview"]
    assert preview["live"] is None
    assert [(each["code"], each["field"]) for each in preview["userErrors"]] == [
        ("REQUIRED", ["draft", "stopWords", "0"])
    ]


WHEN: Json = {"query": "sofa"}
NOBODY: Json = {"id": encode("product", 10**9)}
BAD: list[tuple[Json, str, list[str | int]]] = [
    ({"synonyms": [{"words": ["sofa"]}]}, "REQUIRED", ["synonyms", 0, "words"]),
    ({"synonyms": [{"words": ["sofa", "SOFA"]}]}, "REQUIRED", ["synonyms", 0, "words"]),
    ({"synonyms": [{}]}, "REQUIRED", ["synonyms", 0, "from"]),
    ({"synonyms": [{"from": ["a"], "to": ["a"]}]}, "INVALID", ["synonyms", 0, "to"]),
    (
        {"synonyms": [{"from": ["a"], "to": ["b"]}, {"from": ["b"], "to": ["a"]}]},
        "INVALID",
        ["synonyms", 0],
    ),
    ({"synonyms": [{"words": ["a", "x " * 9]}]}, "LIMIT", ["synonyms", 0, "words", 1]),
    ({"stopWords": ["x"] * 1_001}, "LIMIT", ["stopWords"]),
    ({"pins": [{"when": WHEN, "products": [NOBODY]}]}, "NOT_FOUND", ["pins", 0, "products", 0]),
    ({"pins": [{"when": WHEN, "products": []}]}, "REQUIRED", ["pins", 0, "products"]),
    ({"pins": [{"when": {"query": "?"}, "products": []}]}, "REQUIRED", ["pins", 0, "products"]),
    ({"redirects": [{"when": WHEN}]}, "REQUIRED", ["redirects", 0, "url"]),
    ({"redirects": [{"when": WHEN, "url": "javascript:alert(1)"}]}, "INVALID", ["redirects", 0, "url"]),
    ({"redirects": [{"when": {"query": "?"}, "url": "/a"}]}, "REQUIRED", ["redirects", 0, "when", "query"]),
    (
        {"redirects": [{"when": WHEN, "category": {"key": "nowhere"}}]},
        "NOT_FOUND",
        ["redirects", 0, "category"],
    ),
    ({"boosts": [{"condition": {"available": True}}]}, "REQUIRED", ["boosts", 0, "factor"]),
    (
        {"boosts": [{"condition": {"available": True}, "factor": 11}]},
        "INVALID",
        ["boosts", 0, "factor"],
    ),
    (
        {"boosts": [{"condition": {"attribute": {"code": "none", "values": ["x"]}}, "points": 1}]},
        "NOT_FOUND",
        ["boosts", 0, "condition", "attribute", "code"],
    ),
    (
        {"buries": [{"condition": {"attribute": {"code": "secret", "values": ["x"]}}}]},
        "INVALID",
        ["buries", 0, "condition", "attribute", "code"],
    ),
    (
        {"buries": [{"condition": {"attribute": {"code": "brand", "min": 1}}}]},
        "INVALID",
        ["buries", 0, "condition", "attribute", "values"],
    ),
    ({"buries": [{"condition": {"type": ["nothing"]}}]}, "NOT_FOUND", ["buries", 0, "condition", "type", 0]),
    (
        {
            "buries": [
                {
                    "condition": {"available": False},
                    "startsAt": "2026-02-01T00:00:00Z",
                    "endsAt": "2026-01-01T00:00:00Z",
                }
            ]
        },
        "INVALID",
        ["buries", 0, "endsAt"],
    ),
]


@pytest.mark.parametrize(("rules", "code", "path"), BAD)
def test_rules_that_could_not_be_carried_out_are_refused(
    hub: Server, rules: Json, code: str, path: list[str | int]
) -> None:
    said, field, message = refused(hub, rules)
    assert (said, field[:2]) == (code, ["input", "rules"])
    assert field[2 : 2 + len(path)] == [str(step) for step in path]
    assert message.endswith(".")
    assert all_rows(hub.database, "SELECT count(*) FROM search_rule_set") == [(0,)]


def test_rules_need_their_scope_and_storefronts_have_none(hub: Server, storefront: str) -> None:
    reader = hub.new_token(Wish(kind="app", name="reader", scopes=("catalogue:read", "search:read")))
    other = hub.new_token(Wish(kind="app", name="other", scopes=("catalogue:write", "catalogue:read")))
    given = {"input": {"code": "mine", "rules": {}}}
    for token in (storefront, reader, other):
        assert hub.graphql(CREATE, given, token=token)["errors"][0]["extensions"]["code"] == "FORBIDDEN"
    listing = "query { searchRuleSets { nodes { code } } }"
    assert hub.data(listing, token=reader)["searchRuleSets"]["nodes"] == []
    for text in (listing, 'query { searchRuleRevisions(code: "x") { revision } }'):
        for token in (storefront, other):
            assert hub.graphql(text, token=token)["errors"][0]["extensions"]["code"] == "FORBIDDEN"


def test_a_token_bound_to_a_channel_writes_rules_of_that_channel_only(hub: Server) -> None:
    scopes = ("catalogue:read", "search:read", "search:write", "settings:read")
    bound = hub.new_token(Wish(kind="app", name="bound", scopes=scopes, channels=("web",)))
    saved(hub, {}, "everywhere")
    for given, allowed in (
        ({"code": "own", "channel": {"key": "web"}}, True),
        ({"code": "others", "channel": {"key": "market"}}, False),
        ({"code": "all"}, False),
    ):
        payload = hub.data(CREATE, {"input": given}, token=bound)["searchRuleSetCreate"]
        assert (payload["userErrors"] == []) is allowed, given
    change = {"input": {"code": "everywhere", "active": False}}
    (error,) = hub.data(UPDATE, change, token=bound)["searchRuleSetUpdate"]["userErrors"]
    assert error["code"] == "FORBIDDEN"
    shown = hub.data("{ searchRuleSets { nodes { code } } }", token=bound)["searchRuleSets"]["nodes"]
    assert sorted(node["code"] for node in shown) == ["everywhere", "own"]


def test_a_token_bound_to_a_channel_reads_the_history_of_what_holds_there(hub: Server) -> None:
    scopes = ("catalogue:read", "search:read", "settings:read")
    bound = hub.new_token(Wish(kind="app", name="reader of web", scopes=scopes, channels=("web",)))
    saved(hub, {}, "everywhere")
    for code in ("web", "market"):
        payload = hub.data(CREATE, {"input": {"code": code, "channel": {"key": code}}})["searchRuleSetCreate"]
        assert payload["userErrors"] == []
    for code in ("everywhere", "web"):
        assert len(hub.data(REVISIONS, {"code": code}, token=bound)["searchRuleRevisions"]) == 1
    (error,) = hub.graphql(REVISIONS, {"code": "market"}, token=bound)["errors"]
    assert error["extensions"]["code"] == "NOT_FOUND"
