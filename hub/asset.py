"""Assets: pictures, films, documents and 3D models, and what they show."""

from __future__ import annotations

from typing import ClassVar

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, mapped_column

from hub.db import Base, Id, Json, belongs, written
from hub.file import File
from hub.provenance import Sourced
from hub.registry import Kept, KeptModel

KINDS = ("image", "video", "document", "model")


class Asset(KeptModel, Sourced, Base):
    """A file that products refer to: one that the hub keeps (``hub:files/…``), or an address elsewhere.

    Of a file that it keeps the database fills in ``file``, ``kind``, ``media_type``, ``bytes``, ``width`` and ``height``
    (``hub.asset_version``). ``focus_x`` and ``focus_y``: what must be seen when a picture is cut, in percent from the
    left and from the top. ``file_name``: how it is called when it is saved.
    """

    __tablename__ = "asset"
    __kept__: ClassVar[Kept] = Kept(
        "asset",
        scope="catalogue",
        key="code",
        deep=("alt",),
        derived=("file", "bytes"),
        hidden=("file_key",),
    )
    __table_args__ = (
        sa.CheckConstraint(f"kind IN {KINDS!r}", name="kind"),
        sa.CheckConstraint("code <> ''", name="code"),
        sa.CheckConstraint("focus_x BETWEEN 0 AND 100 AND focus_y BETWEEN 0 AND 100", name="focus"),
    )

    id: Mapped[Id]
    code: Mapped[str] = written(unique=True, required=True, kind="key")
    address: Mapped[str] = written(required=True, kind="address")
    kind: Mapped[str] = written(server_default="image", kind="asset_kind")
    media_type: Mapped[str | None] = written(kind="line")
    width: Mapped[int | None] = written(kind="count")
    height: Mapped[int | None] = written(kind="count")
    alt: Mapped[Json] = written(server_default="{}", kind="texts")
    file_name: Mapped[str | None] = written(kind="line")
    focus_x: Mapped[int] = written(server_default="50", kind="percent")
    focus_y: Mapped[int] = written(server_default="50", kind="percent")
    file: Mapped[str | None] = mapped_column(sa.ForeignKey(File.hash), index=True)
    bytes: Mapped[int | None]
    file_key: Mapped[str | None]


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
