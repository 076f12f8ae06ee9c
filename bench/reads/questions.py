"""What is asked: three documents, and many sets of variables for each."""

from __future__ import annotations

import base64
from dataclasses import dataclass
from random import Random
from typing import TYPE_CHECKING, Any

import orjson

if TYPE_CHECKING:
    from bench.reads.ground import Ground

SETS = 300
"""Sets of variables of a document."""
PAGE = 24
PEOPLE = 20

PRODUCT = """id slug name attributes { code value } assets { role asset { url alt } }
        variants(first: 10) { nodes { sku name price { amount currency } } }"""

LIST = f"""query List($after: String) {{
    products(first: {PAGE}, after: $after) {{
        nodes {{ {PRODUCT} }}
        pageInfo {{ hasNextPage }} }} }}"""

DETAIL = f"""query Detail($slug: String!) {{
    product(slug: $slug) {{ {PRODUCT} }} }}"""

CUSTOMERS = f"""query Customers($after: String) {{
    customers(first: {PEOPLE}, after: $after) {{
        nodes {{ id fullName email
            orders(first: 10) {{ nodes {{ number placedAt total currency
                lines {{ name quantity unitPrice total variant {{ sku product {{ name }} }} }} }} }} }}
        pageInfo {{ hasNextPage }} }} }}"""


@dataclass(frozen=True)
class Question:
    """A document with its sets of variables. ``kind``: the kind of token that asks it; ``within``: the ratio aimed at."""

    name: str
    document: str
    kind: str
    variables: list[dict[str, Any]]
    within: float

    @property
    def bodies(self) -> list[bytes]:
        """The requests as they are sent."""
        return [orjson.dumps({"query": self.document, "variables": each}) for each in self.variables]


def cursor(mark: str, number: int) -> str:
    """The cursor of a row in a list by id, as the hub writes it."""
    return base64.urlsafe_b64encode(orjson.dumps([mark, number])).decode().rstrip("=")


def number(given: str | None) -> int:
    """The id in a cursor; 0 before the first."""
    return (
        0
        if given is None
        else int(orjson.loads(base64.urlsafe_b64decode(given + "=" * (-len(given) % 4)))[1])
    )


def questions(ground: Ground, marks: dict[str, str]) -> list[Question]:
    """The three questions. ``marks``: the mark of cursors by list."""
    chance = Random(1)  # noqa: S311 - the same variables on every run
    products = [chance.randrange(ground.products - PAGE) for _ in range(SETS)]
    people = [chance.randrange(ground.customers - PEOPLE) for _ in range(SETS)]
    return [
        Question(
            "list", LIST, "storefront", [{"after": cursor(marks["products"], each)} for each in products], 1.5
        ),
        Question("detail", DETAIL, "storefront", [{"slug": f"product-{each + 1}"} for each in products], 2.0),
        Question(
            "customers",
            CUSTOMERS,
            "staff",
            [{"after": cursor(marks["customers"], each)} for each in people],
            1.5,
        ),
    ]
