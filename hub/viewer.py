"""The viewer: who asks, how far they see, and in whose name they write."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from hub.db import Writer
from hub.errors import Forbidden, Path

Kind = Literal["staff", "app", "storefront", "customer"]
Verb = Literal["read", "write"]

PREVIEW = "catalogue:preview"
"""The scope that lets a storefront read windows at another moment, for previews."""


ERASE = "customers:erase"
"""The scope that lets a token erase a person for good."""


@dataclass(frozen=True)
class Viewer:
    """What a token opens.

    ``token_id``: null for the hub's own command line. ``scopes``: ``family:verb`` entries. ``channel_ids``: the
    channels it is bound to, null for all of them. ``default_channel_id`` and ``default_locale`` stand in where a query
    names none. ``system`` becomes the source of what it writes. ``customer_id``: set for a customer's token alone.
    """

    token_id: int | None
    kind: Kind
    scopes: frozenset[str]
    channel_ids: frozenset[int] | None = None
    default_channel_id: int | None = None
    default_locale: str | None = None
    system: str = "hub"
    customer_id: int | None = None

    def may(self, scope: str, verb: Verb) -> bool:
        """Whether the token opens that family of nouns for reading or for writing."""
        return f"{scope}:{verb}" in self.scopes

    def require(self, scope: str, verb: Verb, path: Path = ()) -> None:
        """Raises ``hub.errors.Forbidden`` where ``may`` says no."""
        if not self.may(scope, verb):
            raise Forbidden(
                f'This token lacks the scope "{scope}:{verb}": ask for a token that has it.', path
            )

    def require_scope(self, scope: str) -> None:
        """Raises ``hub.errors.Forbidden`` for a token without that one scope."""
        if scope not in self.scopes:
            raise Forbidden(f'This token lacks the scope "{scope}": ask for a token that has it.')

    def reaches(self, channel_id: int) -> bool:
        """Whether the channel is one that the token is bound to."""
        return self.channel_ids is None or channel_id in self.channel_ids

    @property
    def writes(self) -> bool:
        """Whether the token opens anything at all for writing."""
        return any(scope.endswith(":write") for scope in self.scopes)

    @property
    def sees_personal(self) -> bool:
        """Whether the viewer sees personal data, also where other nouns hold it: an order's address."""
        return self.may("customers", "read")

    @property
    def sees_unlisted(self) -> bool:
        """Whether the viewer sees drafts and what is not on offer now: staff and apps do."""
        return self.kind in ("staff", "app")

    def require_moment(self, moment: datetime | None, path: Path) -> None:
        """Raises ``hub.errors.Forbidden`` for a look at another moment than now, where that is closed.

        A storefront's token stands in web pages: with it anyone could read tomorrow's prices.
        """
        if moment is not None and not self.sees_unlisted and PREVIEW not in self.scopes:
            raise Forbidden(
                f'This token reads what is on offer now: {path[-1]} needs the scope "{PREVIEW}".', path
            )

    @property
    def writer(self) -> Writer:
        """How the viewer signs what it writes."""
        actor = "hub" if self.token_id is None else f"token:{self.token_id}"
        return Writer(actor=actor, source=self.system)
