"""The schema put together: what can be asked, and what can be told."""

from __future__ import annotations

import logging
from functools import cache

import strawberry
from graphql import GraphQLError
from strawberry.schema.config import StrawberryConfig
from strawberry.tools import create_type
from strawberry.types import ExecutionContext

from schema import (
    asset_fetch,
    asset_upload,
    cart_command,
    change,
    customer_erasure,
    identity_command,
    listing_command,
    mutation,
    order_command,
    pending_message_command,
    product_search_root,
    proposal_command,
    query,
    sales_report,
    search_event,
    search_rule_history,
    search_rule_preview,
    search_suggest,
    shortcut,
    stock_command,
    token,
    variant_command,
    webhook_event,
    webhook_preview,
    webhook_sending,
)
from schema import job as work
from schema import saved_search as saved
from schema import search_index as indexed
from schema import webhook_delivery as deliveries
from schema import webhook_endpoint as endpoints
from schema.change import ChangeConnection, FeedEnds
from schema.document import Prepared
from schema.identity_command import IdentityCandidate
from schema.job import JobConnection, JobNode
from schema.product_search_answer import ProductSearchConnection
from schema.sales_report import SalesReportRow
from schema.saved_search import SavedSearch
from schema.scalar import SCALARS
from schema.search_event import SearchReportRow
from schema.search_index import SearchIndex, SearchParkedConnection
from schema.search_rule_history import SearchRuleState
from schema.search_rule_preview import SearchRulesPreview
from schema.search_suggest import SearchSuggestions
from schema.subscription import Subscription
from schema.webhook_delivery import WebhookDeliveryConnection
from schema.webhook_endpoint import WebhookEndpoint
from schema.webhook_event import WebhookEventType
from schema.webhook_preview import WebhookPreview


@strawberry.type(name="Query", description="What can be asked of the hub.")
class Root(query.Query):  # type: ignore[misc,valid-type]  # made when it is imported
    """What can be asked of the hub."""

    changes: ChangeConnection = change.FIELD
    feed: FeedEnds = change.ENDS
    webhook_endpoint: WebhookEndpoint | None = endpoints.SINGLE
    webhook_endpoints: list[WebhookEndpoint] = endpoints.PLURAL
    webhook_deliveries: WebhookDeliveryConnection = deliveries.FIELD
    webhook_event_types: list[WebhookEventType] = webhook_event.FIELD
    webhook_preview: WebhookPreview = webhook_preview.FIELD
    job: JobNode | None = work.SINGLE
    jobs: JobConnection = work.PLURAL
    search_index: SearchIndex = indexed.STATUS
    search_parked: SearchParkedConnection = indexed.FIELD
    saved_search: SavedSearch | None = saved.SINGLE
    saved_searches: list[SavedSearch] = saved.PLURAL
    product_search: ProductSearchConnection | None = product_search_root.FIELD
    search_suggest: SearchSuggestions = search_suggest.FIELD
    search_rule_revisions: list[SearchRuleState] = search_rule_history.REVISIONS
    search_rules_preview: SearchRulesPreview = search_rule_preview.FIELD
    search_report: list[SearchReportRow] = search_event.REPORT
    sales_report: list[SalesReportRow] = sales_report.FIELD
    identity_candidates: list[IdentityCandidate] = identity_command.CANDIDATES


class Schema(strawberry.Schema):
    """Strawberry's schema, which leaves the logging of errors to ``schema.errors``."""

    def process_errors(
        self, errors: list[GraphQLError], execution_context: ExecutionContext | None = None
    ) -> None:
        """Errors are logged where they are masked; those that tell the caller something are not ours."""
        for error in errors:
            logging.getLogger("hub.schema").debug("%s", error.message, extra={"context": execution_context})


@cache
def schema() -> Schema:
    """The schema of the hub."""
    told = [
        *mutation.fields(),
        *shortcut.fields(),
        *listing_command.fields(),
        *asset_upload.fields(),
        *asset_fetch.fields(),
        *order_command.fields(),
        *pending_message_command.fields(),
        *proposal_command.fields(),
        *cart_command.fields(),
        *stock_command.fields(),
        *variant_command.fields(),
        *token.fields(),
        *customer_erasure.fields(),
        *identity_command.fields(),
        *endpoints.fields(),
        *webhook_sending.fields(),
        *work.fields(),
        *saved.fields(),
        *search_event.fields(),
        *search_rule_history.fields(),
        *indexed.fields(),
    ]
    return Schema(
        query=Root,
        subscription=Subscription,
        mutation=create_type("Mutation", told, description="What the hub can be told."),
        types=query.TYPES,
        extensions=[Prepared],
        config=StrawberryConfig(scalar_map=SCALARS),
    )
