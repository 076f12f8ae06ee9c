"""Assets: pictures, films, documents and 3D models, and what they show."""

from __future__ import annotations

from typing import ClassVar

import sqlalchemy as sa
from sqlalchemy.orm import Mapped

from hub.db import Base, Id, Json, belongs, written
from hub.provenance import Sourced
from hub.registry import Kept, KeptModel

KINDS = ("image", "video", "document", "model")


class Asset(KeptModel, Sourced, Base):
    """A file that products refer to, by its address."""

    __tablename__ = "asset"
    __kept__: ClassVar[Kept] = Kept("asset", scope="catalogue", key="code", deep=("alt",))
    __table_args__ = (
        sa.CheckConstraint(f"kind IN {KINDS!r}", name="kind"),
        sa.CheckConstraint("code <> ''", name="code"),
    )

    id: Mapped[Id]
    code: Mapped[str] = written(unique=True, required=True, kind="key")
    address: Mapped[str] = written(required=True, kind="address")
    kind: Mapped[str] = written(server_default="image", kind="asset_kind")
    media_type: Mapped[str | None] = written(kind="line")
    width: Mapped[int | None] = written(kind="count")
    height: Mapped[int | None] = written(kind="count")
    alt: Mapped[Json] = written(server_default="{}", kind="texts")


class ProductAsset(KeptModel, Sourced, Base):
    """An asset shown with a product, in a role (``gallery``, ``manual`` …) and an order."""

    __tablename__ = "product_asset"
    __kept__: ClassVar[Kept] = Kept(
        "product", scope="catalogue", root="product_id", collection="assets", match=("asset", "role")
    )
    __table_args__ = (sa.UniqueConstraint("product_id", "asset_id", "role"),)

    id: Mapped[Id]
    product_id: Mapped[int] = belongs("product.id")
    asset_id: Mapped[int] = written(
        sa.ForeignKey("asset.id"), refers="asset", name="asset", required=True, index=True
    )
    role: Mapped[str] = written(server_default="gallery", kind="code")
    position: Mapped[int] = written(server_default="0")


class VariantAsset(KeptModel, Sourced, Base):
    """An asset shown with one variant, before those of its product."""

    __tablename__ = "variant_asset"
    __kept__: ClassVar[Kept] = Kept(
        "product",
        scope="catalogue",
        root="product_id",
        parent="variant_id",
        collection="assets",
        match=("asset", "role"),
    )
    __table_args__ = (
        sa.UniqueConstraint("variant_id", "asset_id", "role"),
        sa.ForeignKeyConstraint(
            ["variant_id", "product_id"], ["variant.id", "variant.product_id"], ondelete="CASCADE"
        ),
    )

    id: Mapped[Id]
    product_id: Mapped[int]
    variant_id: Mapped[int]
    asset_id: Mapped[int] = written(
        sa.ForeignKey("asset.id"), refers="asset", name="asset", required=True, index=True
    )
    role: Mapped[str] = written(server_default="gallery", kind="code")
    position: Mapped[int] = written(server_default="0")


def url(address: str) -> str:
    """Where a file is fetched: an address of the web as it stands, a file that the hub keeps below this server."""
    return address.replace("hub:", "/", 1) if address.startswith("hub:") else address
