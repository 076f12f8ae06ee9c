"""Assets: pictures, films, documents and 3D models, and what they show."""

from __future__ import annotations

from enum import Enum

import sqlalchemy as sa
import strawberry

from hub import asset as tables
from schema import rule
from schema.declare import column, computed, noun, one, text
from schema.look_up import by_code
from schema.node import Aggregate, Provenance, where_from


@strawberry.enum(description="What an asset is.")
class AssetKind(Enum):
    """What an asset is."""

    IMAGE = "image"
    VIDEO = "video"
    DOCUMENT = "document"
    MODEL = "model"


@noun(
    tables.Asset,
    "A picture, a film, a document or a 3D model.",
    rows=rule.shown_assets,
    single="asset",
    plural="assets",
    look_ups={"code": by_code(tables.Asset)},
)
class Asset(Aggregate):
    """A picture, a film, a document or a 3D model."""

    code: str = column("Its code.", filter=True, sort=True)
    address: str = column("Where its file is.", filter=True)
    url: str = computed(
        "Where its file is fetched; a path on this server for a file that the hub keeps.", tables.url
    )
    kind: AssetKind = column("What it is.", filter=True)
    media_type: str | None = column(
        "Its media type, for example image/jpeg; null where unknown.", filter=True
    )
    width: int | None = column("Pixels across; null where it has none or they are unknown.", filter=True)
    height: int | None = column("Pixels down; null where it has none or they are unknown.", filter=True)
    alt: str | None = text(
        "What it shows, for those who cannot see it; null without a text in the locale chain.", filter=True
    )


def _of_product() -> sa.Subquery:
    link = tables.ProductAsset.__table__
    columns = [link.c[name] for name in ("id", "product_id", "asset_id", "role", "position", "provenance")]
    return sa.select(*columns, sa.false().label("inherited")).subquery("product_asset_link")


def _of_variant() -> sa.Subquery:
    """The variant's own, then those of its product."""
    from hub.product import Variant

    own, shared, variant = tables.VariantAsset.__table__, tables.ProductAsset.__table__, Variant.__table__
    names = ("asset_id", "role", "position", "provenance")
    first = sa.select(
        own.c.id,
        own.c.product_id,
        *(own.c[name] for name in names),
        sa.false().label("inherited"),
        own.c.variant_id,
    )
    then = sa.select(
        shared.c.id,
        shared.c.product_id,
        *(shared.c[name] for name in names),
        sa.true().label("inherited"),
        variant.c.id.label("variant_id"),
    ).join(variant, variant.c.product_id == shared.c.product_id)
    return sa.union_all(first, then).subquery("variant_asset_link")


OF_PRODUCT = _of_product()
OF_VARIANT = _of_variant()


@noun(
    OF_PRODUCT,
    "An asset as it is shown with a product or variant.",
    scope="catalogue",
    rows=rule.of_listed_products,
)
class AssetLink:
    """An asset as it is shown with a product or variant."""

    asset: Asset | None = one(
        "Asset", "The asset; null for a token that does not see it.", via="asset_id", same_rule=True
    )
    role: str = column("What it is shown as: gallery, manual or any other role.", filter=True)
    position: int = column("Its place among the assets shown.")
    inherited: bool = column("Whether a variant has it from its product.")
    provenance: list[Provenance] | None = where_from()
