"""Who asks: the GraphQL schema and its endpoint."""

from __future__ import annotations


def printed() -> str:
    """The schema as GraphQL prints it, with a line feed at the end."""
    from schema.app import schema  # its modules are part of this package, which must be there first

    return schema().as_str() + "\n"


def events() -> str:
    """Every webhook event with its JSON Schema and an example, as JSON."""
    from schema.event_schema import catalogue

    return catalogue().decode()
