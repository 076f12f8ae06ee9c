"""Who may do what: the rule of every root field and mutation, written down by hand beside the schema.

A field that stands in no list has no rule, and ``tests/test_access.py`` fails for it.
"""

from __future__ import annotations

from graphql import (
    GraphQLInputObjectType,
    GraphQLList,
    GraphQLNonNull,
    GraphQLSchema,
    get_named_type,
    is_required_argument,
    is_required_input_field,
)

from hub import ids

NOUNS_READ = {
    "catalogue:read": "asset assets attribute attributes category categories collection collections priceList priceLists "
    "product products productType productTypes relationType relationTypes variant variants proposal proposals",
    "settings:read": "channel channels locale locales fieldOwner fieldOwners",
    "customers:read": "company companies customer customers",
    "orders:read": "order orders cart carts pendingMessage pendingMessages",
    "stock:read": "location locations reorderProposals reservations stockLevel stockLevels stockMovements",
    "search:read": "searchRuleSet searchRuleSets",
}
QUERIES = NOUNS_READ | {
    "feed:read": "changes feed",
    "webhooks:read": "webhookEndpoint webhookEndpoints webhookDeliveries webhookPreview",
    "settings:read": NOUNS_READ["settings:read"] + " searchIndex searchParked",
    "search:read": NOUNS_READ["search:read"]
    + " savedSearch savedSearches searchRuleRevisions searchRulesPreview searchReport",
    "catalogue:read": NOUNS_READ["catalogue:read"] + " productSearch searchSuggest",
    "orders:read": NOUNS_READ["orders:read"] + " salesReport",
}
"""Root fields by the scope that opens them."""
OPEN = {"webhookEventTypes", "job", "jobs", "node", "nodes"}
"""Root fields that every token may ask: the list of event types is no secret, a job is that of the token which began it,
and ``node`` and ``nodes`` go by the noun of the id."""
CLOSED = frozenset(
    [
        "priceList",
        "priceLists",
        "changes",
        "feed",
        "searchRuleSet",
        "searchRuleSets",
        "savedSearch",
        "savedSearches",
        "searchIndex",
        "searchParked",
        "salesReport",
    ]
)
"""Root fields that are for staff and apps, whatever scopes another token has."""
BESIDE = {"searchRulesPreview": "catalogue:read"}
"""Scopes that a field needs beside its own."""

_NOUNS_WRITTEN = {
    "catalogue:write": "attribute category collection priceList productType relationType asset product variant",
    "settings:write": "channel locale fieldOwner",
    "customers:write": "company customer",
    "orders:write": "cart order",
    "stock:write": "location stock",
    "search:write": "searchRuleSet savedSearch",
    "webhooks:write": "webhookEndpoint",
}
_COMMANDS = {
    "catalogue:write": "priceUpsert productAssetsSet listingUpsert listingEnd assetUploadCreate assetFetch",
    "settings:write": "tokenCreate tokenRevoke searchParkedRetry",
    "orders:write": "orderPlace orderTransition fulfilmentCreate fulfilmentUpdate returnCreate refundCreate"
    " orderPaymentUpsert orderExternalIdUpsert orderNoteAdd orderEditStage orderEditApply orderEditDiscard"
    " pendingMessageRetry pendingMessageDismiss cartCheckout",
    "stock:write": "stockSet stockMove reservationCreate reservationRelease reorderProposalDismiss",
    "search:write": "searchRuleSetRestore",
    "webhooks:write": "webhookSecretRotate webhookVerify webhookEndpointBulkPause webhookEndpointBulkEnable webhookTest"
    " webhookResend webhookSendCurrent",
    "customers:erase": "customerErase",
    "catalogue:read": "searchEvent",
}
VERBS = ("Create", "Update", "Delete", "BulkUpsert")
OWN = {"bulkExport", "jobCancel", "proposalAccept", "proposalDismiss"}
"""Mutations that go by what the token may read, by whose job it is, and by what a proposal is about."""


def queries(schema: GraphQLSchema) -> dict[str, str]:
    """The scope of every root field that needs one. Fails where the lists are not those of the schema."""
    assert schema.query_type is not None
    return _ruled(QUERIES, set(schema.query_type.fields), OPEN)


def mutations(schema: GraphQLSchema) -> dict[str, str]:
    """The scope of every mutation that needs one. Fails where the lists are not those of the schema."""
    assert schema.mutation_type is not None
    known = set(schema.mutation_type.fields)
    ruled = dict(_COMMANDS)
    for scope, nouns in _NOUNS_WRITTEN.items():
        named = {f"{noun}{verb}" for noun in nouns.split() for verb in VERBS} & known
        ruled[scope] = " ".join([ruled.get(scope, ""), *sorted(named)])
    return _ruled(ruled, known, OWN)


def _ruled(rules: dict[str, str], known: set[str], others: set[str]) -> dict[str, str]:
    found = {name: scope for scope, names in rules.items() for name in names.split()}
    assert known - set(found) - others == set(), (
        "a field without a rule: write down in tests/access.py who may"
    )
    assert set(found) - known == set(), "a rule for what is no field"
    return found


def document(schema: GraphQLSchema, kind: str, name: str) -> str:
    """The smallest document that asks for a root field, with some value for whatever it must be given."""
    root = schema.query_type if kind == "query" else schema.mutation_type
    assert root is not None
    field = root.fields[name]
    given = [
        f"{key}: {some(each.type)}"
        for key, each in field.args.items()
        if is_required_argument(each) or key in ("id", "channel")
    ]
    below = " { __typename }" if hasattr(get_named_type(field.type), "fields") else ""
    arguments = f"({', '.join(given)})" if given else ""
    return f"{kind} {{ {name}{arguments}{below} }}"


def some(type_: object) -> str:
    """A literal that an argument takes."""
    if isinstance(type_, GraphQLNonNull):
        return some(type_.of_type)
    if isinstance(type_, GraphQLList):
        return f"[{some(type_.of_type)}]"
    if isinstance(type_, GraphQLInputObjectType):
        needed = {k: v for k, v in type_.fields.items() if is_required_input_field(v)}
        # A reference names no field as required: it is given in one of several ways.
        needed = needed or {k: v for k, v in type_.fields.items() if k == "key"}
        return "{" + ", ".join(f"{k}: {some(v.type)}" for k, v in needed.items()) + "}"
    if hasattr(type_, "values"):
        return str(next(iter(type_.values)))
    return _SCALARS.get(str(type_), '"web"')


_SCALARS = {
    "ID": f'"{ids.encode("webhook_endpoint", 1)}"',
    "Int": "1",
    "Long": "1",
    "Float": "1",
    "Boolean": "true",
    "Decimal": '"1"',
    "DateTime": '"2026-01-31T12:00:00Z"',
    "Date": '"2026-01-31"',
    "JSON": "{}",
}
