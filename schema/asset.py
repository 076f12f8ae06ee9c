"""Assets: pictures, films, documents and 3D models, and what they show."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from enum import Enum
from typing import Any

import sqlalchemy as sa
import strawberry

from hub import asset as tables
from hub import rendition
from hub.asset_version import AssetVersion as VersionTable
from hub.file import PREFIX
from schema import rule
from schema.declare import column, computed, many, noun, one, scoped, text
from schema.look_up import by_code
from schema.node import Aggregate, Node, Provenance, where_from
from schema.scalar import Long
from schema.spec import Argument


@strawberry.enum(description="What an asset is.")
class AssetKind(Enum):
    """What an asset is."""

    IMAGE = "image"
    VIDEO = "video"
    DOCUMENT = "document"
    MODEL = "model"


@strawberry.enum(
    description="How a picture is fitted into width and height. CONTAIN: whole, within them. COVER: it fills them, and what"
    " is farthest from its focal point is cut off. PAD: whole, on a ground of exactly that size."
)
class RenditionFit(Enum):
    """How a picture is fitted into width and height."""

    CONTAIN = "contain"
    COVER = "cover"
    PAD = "pad"


@strawberry.enum(description="The form that a rendition is written in.")
class RenditionFormat(Enum):
    """The form that a rendition is written in."""

    WEBP = "webp"
    AVIF = "avif"
    JPEG = "jpeg"
    PNG = "png"


RENDITION = {
    "width": Argument(
        type=int | None, description="Pixels across, at most 4096; null for what follows from height."
    ),
    "height": Argument(
        type=int | None, description="Pixels down, at most 4096; null for what follows from width."
    ),
    "fit": Argument(
        type=RenditionFit, description="How it is fitted where both are named.", default=RenditionFit.CONTAIN
    ),
    "format": Argument(
        type=RenditionFormat | None,
        description="Its form; null for WEBP in another size, else as it is kept.",
    ),
    "quality": Argument(type=int | None, description="1 to 100; null for what suits the form."),
}


def url(  # noqa: PLR0913 - what names a rendition, and the columns that tell of its file
    address: str,
    _: Any,
    *,
    code: str,
    kind: str,
    media_type: str | None,
    file_name: str | None,
    file_key: str | None,
    focus_x: int,
    focus_y: int,
    width: int | None,
    height: int | None,
    fit: RenditionFit,
    format: RenditionFormat | None,  # noqa: A002 - the argument's name in the API
    quality: int | None,
) -> str:
    """Where an asset's file, or a rendition of it, is fetched. Raises ``hub.errors.HubError`` for one that is not made."""
    made = None
    if (width, height, format, quality) != (None, None, None, None):
        chosen = (format or RenditionFormat.WEBP).value
        made = rendition.wished(width, height, fit.value, chosen, quality)
    content = rendition.hash_of(address)
    if content is None or file_key is None or media_type is None:
        return address.replace("hub:", "/", 1) if address.startswith("hub:") else address
    if made is None or kind != "image":
        return rendition.file_address(content, media_type, file_name or code)
    return rendition.address(content, file_key, replace(made, focus_x=focus_x, focus_y=focus_y))


def version_url(file: str, media_type: str, file_name: str | None) -> str:
    """Where the file of one version is fetched, as long as the asset is there."""
    return rendition.file_address(file, media_type, file_name or "file")


def version_address(file: str) -> str:
    """The address that an asset has that has this file."""
    return PREFIX + file


@noun(
    VersionTable.__table__,
    "A file that an asset had: its address goes on to lead to that file when the asset has another one.",
    scope="catalogue",
    rows=rule.staff_only,
)
class AssetVersion(Node):
    """A file that an asset had."""

    number: Long = column("Its number, from 1 on.", filter=True, sort=True)
    url: str = computed("Where this very file is fetched, as a path on this server.", version_url)
    address: str = computed("Give it to assetUpdate as address to have this file again.", version_address)
    file_name: str | None = column("How it is called when it is saved; null without a name.")
    media_type: str = column("Its media type.")
    bytes: Long = column("Its size.")
    width: int | None = column("Pixels across; null where it has none.")
    height: int | None = column("Pixels down; null where it has none.")
    actor: str = column("Who gave it to the asset, for example token:7.")
    source: str = column("The system that it came from.")
    at: datetime = column("Since when the asset had it.")


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
    url: str = scoped(
        "Where its file is fetched; a path on this server for a file that the hub keeps. With arguments that of a"
        " rendition, which is made when it is first fetched and never larger than the picture; files that are no"
        " pictures, and those elsewhere, have none and are answered as they are.",
        "address",
        url,
        others=("code", "kind", "media_type", "file_name", "file_key", "focus_x", "focus_y"),
        arguments=RENDITION,
    )
    kind: AssetKind = column("What it is.", filter=True)
    media_type: str | None = column(
        "Its media type, for example image/jpeg; null where unknown.", filter=True
    )
    width: int | None = column("Pixels across; null where it has none or they are unknown.", filter=True)
    height: int | None = column("Pixels down; null where it has none or they are unknown.", filter=True)
    bytes: Long | None = column("Size of its file; null for a file elsewhere.", filter=True)
    file_name: str | None = column("How its file is called when it is saved; null for its code.", filter=True)
    focus_x: int = column("What is seen when it is cut: percent from the left.")
    focus_y: int = column("What is seen when it is cut: percent from the top.")
    versions: list[AssetVersion] = many(
        "AssetVersion",
        "Every file that it had, the first one first. Staff and apps only.",
        key="asset_id",
        order=("number",),
    )
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
