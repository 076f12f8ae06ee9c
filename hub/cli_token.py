"""``hub token``: what opens the API."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Annotated

import typer

app = typer.Typer(help="Tokens that open the API.", no_args_is_help=True)


@app.callback()
def token() -> None:
    """Tokens that open the API."""


@app.command()
def create(
    name: Annotated[str, typer.Argument(help="What people call it.")],
    kind: Annotated[str, typer.Option(help="staff, app, storefront or customer")] = "staff",
    scope: Annotated[
        list[str] | None, typer.Option(help="A scope such as catalogue:read; repeat it.")
    ] = None,
    channel: Annotated[
        list[str] | None, typer.Option(help="A channel's code; repeat it. All if none.")
    ] = None,
    locale: Annotated[str | None, typer.Option(help="The locale where a query names none.")] = None,
    system: Annotated[
        str | None, typer.Option(help="The source of what it writes; the name if none.")
    ] = None,
    customer: Annotated[
        str | None, typer.Option(help="A customer token's customer, by the API's id.")
    ] = None,
    days: Annotated[int | None, typer.Option(help="Days that it lives; for ever if none.", min=1)] = None,
) -> None:
    """Make a token and print it. It is kept as a hash only: it cannot be printed again."""
    from hub import config, migrations
    from hub.db import HUB
    from hub.token import Wish
    from hub.token import create as make

    settings = config.load()
    wish = Wish(
        kind=kind,  # type: ignore[arg-type]  # checked by create, which says what is right
        name=name,
        scopes=scope or None,
        channels=channel or None,
        system=system,
        default_channel=channel[0] if channel and len(channel) == 1 else None,
        default_locale=locale,
        customer_id=None if customer is None else _number(customer),
        expires_at=None if days is None else datetime.now(UTC) + timedelta(days=days),
    )
    database = migrations.prepared(settings)
    with database.write(HUB) as tx:
        _, text = make(tx, settings.secret, wish)
    database.close()
    typer.echo(text)


def _number(customer: str) -> int:
    """The customer's number inside the hub. Raises ``NotFound``."""
    from hub import ids
    from hub.errors import NotFound

    try:
        noun, number = ids.decode(customer)
    except ValueError as wrong:
        raise NotFound(str(wrong), ("customer",)) from wrong
    if noun != "customer":
        raise NotFound(f'"{customer}" is the id of a {noun}: give that of a customer.', ("customer",))
    return number
