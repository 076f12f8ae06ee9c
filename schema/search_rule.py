"""Rules of search: sets of them, and every state that a set ever had."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import sqlalchemy as sa
from strawberry.scalars import JSON

from hub.search_rule import SearchRuleSet as Table
from schema import rule, search_rule_input
from schema.declare import column, noun, one
from schema.look_up import by_code
from schema.node import Aggregate

if TYPE_CHECKING:
    from hub.viewer import Viewer
    from schema.channel import Channel
    from schema.locale import Locale

assert search_rule_input.__name__  # imported for the input of rules, which it makes known


def bound_sets(row: Any, viewer: Viewer) -> sa.ColumnElement[bool] | None:
    """Sets of rules: staff and apps see those of all channels, and of those that their token is bound to."""
    if not viewer.sees_unlisted:
        return sa.false()
    if viewer.channel_ids is None:
        return None
    return sa.or_(row.channel_id.is_(None), row.channel_id == sa.any_(rule.CHANNELS))


@noun(
    Table,
    "Rules of search that belong together: synonyms, stop words, boosts, buries, pins and redirects.",
    rows=bound_sets,
    requires="staff",
    single="searchRuleSet",
    plural="searchRuleSets",
    look_ups={"code": by_code(Table)},
)
class SearchRuleSet(Aggregate):
    """Rules of search that belong together."""

    code: str = column("Its code.", filter=True, sort=True)
    channel: Channel | None = one(
        "Channel", "The channel that it holds in; null: in all.", via="channel_id", filter=True
    )
    locale: Locale | None = one(
        "Locale",
        "The locale whose texts are searched while it holds, and those that are a kind of it; null: all.",
        via="locale_id",
        filter=True,
    )
    active: bool = column("Whether it holds.", filter=True)
    note: str | None = column("What its last change was for; null without a note.")
    revision: int = column("How many states it has had; searchRuleRevisions tells them.")
    rules: JSON = column("Its rules by kind, in the form of SearchRulesInput.")
