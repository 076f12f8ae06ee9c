"""What the fields of a mapping may become: the targets of each noun that files are imported as."""

from __future__ import annotations

import re
from dataclasses import dataclass

NAME = r"[A-Za-z0-9_.:-]+"
EXTERNAL = rf"external_ids\.{NAME}"
ADDRESS = r"(name|company|street|street2|postal_code|city|region|country|phone)"
TEXT = r"(\.[A-Za-z0-9-]+)?"


@dataclass(frozen=True)
class Target:
    """What a record becomes. ``part``: the list of which a record fills one row, null for nouns without.

    ``fields``: the targets that there are; ``keys``: those of them by which an object is found again.
    """

    noun: str
    part: str | None
    fields: re.Pattern[str]
    keys: re.Pattern[str]

    @property
    def plural(self) -> str:
        """What several of them are called."""
        return f"{self.noun}s"


TARGETS = {
    target.noun: target
    for target in (
        Target(
            "product",
            "variants",
            re.compile(
                rf"slug|type|(name|description){TEXT}|categories|collections|assets\[{NAME}\]|{EXTERNAL}"
                rf"|attributes\.[A-Za-z0-9_.-]+|variants\[\]\.(sku|name{TEXT}|{EXTERNAL}"
                r"|attributes\.[A-Za-z0-9_.-]+|axes\.[A-Za-z0-9_.-]+|identifiers\[(gtin|mpn)\]"
                rf"|prices\[{NAME}\](\.compare_at)?)"
            ),
            re.compile(rf"slug|variants\[\]\.sku|{EXTERNAL}"),
        ),
        Target(
            "customer",
            None,
            re.compile(
                rf"given_name|family_name|email|phone|birth_date|locale|company|{EXTERNAL}|identifiers\[(email|phone)\]"
                rf"|addresses\[{NAME}\]\.{ADDRESS}"
            ),
            re.compile(EXTERNAL),
        ),
        Target(
            "source_record",
            None,
            re.compile(
                rf"given_name|family_name|email|phone|birth_date|version|observed_at|{EXTERNAL}"
                rf"|identifiers\[{NAME}\]|addresses\[{NAME}\]\.{ADDRESS}"
            ),
            re.compile(EXTERNAL),
        ),
        Target(
            "order",
            "lines",
            re.compile(
                rf"number|channel|customer\.{EXTERNAL}|company|status|placed_at|email|currency|tax_included"
                rf"|shipping_total|tax_total|{EXTERNAL}|(billing|shipping)_address\.{ADDRESS}"
                r"|lines\[\]\.(sku|name|quantity|unit_price|discount|tax_rate|total)"
            ),
            re.compile(rf"number|{EXTERNAL}"),
        ),
    )
}
