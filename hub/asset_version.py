"""Versions of assets: every file that an asset had, so that a link can go on to name the one that it was made for."""

from __future__ import annotations

from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, mapped_column

from hub.db import Base, Id, belongs
from hub.file import File


class AssetVersion(Base):
    """A file that an asset had from ``at`` on; ``number`` counts from 1. The database adds them; nothing changes one."""

    __tablename__ = "asset_version"
    __table_args__ = (sa.UniqueConstraint("asset_id", "number"),)

    id: Mapped[Id]
    asset_id: Mapped[int] = belongs("asset.id")
    number: Mapped[int]
    file: Mapped[str] = mapped_column(sa.ForeignKey(File.hash), index=True)
    file_name: Mapped[str | None]
    media_type: Mapped[str]
    bytes: Mapped[int]
    width: Mapped[int | None]
    height: Mapped[int | None]
    actor: Mapped[str]
    source: Mapped[str]
    at: Mapped[datetime] = mapped_column(sa.DateTime(timezone=True), server_default=sa.func.now())


# Triggers of one moment fire in the order of their names: before hub_provenance, which looks at what this one sets.
SCRIPT = r"""
CREATE OR REPLACE FUNCTION asset_file() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    kept file%ROWTYPE;
BEGIN
    IF NEW.address LIKE 'hub:files/%' THEN
        SELECT * INTO kept FROM file WHERE hash = substr(NEW.address, 11) FOR KEY SHARE;
        IF NOT FOUND THEN
            RAISE EXCEPTION 'File "%" is not one that the hub keeps: upload it first, with assetUploadCreate.',
                substr(NEW.address, 11) USING ERRCODE = 'check_violation';
        END IF;
        NEW.file := kept.hash;
        NEW.file_key := kept.key;
        NEW.kind := kept.kind;
        NEW.media_type := kept.media_type;
        NEW.bytes := kept.bytes;
        NEW.width := kept.width;
        NEW.height := kept.height;
    ELSE
        NEW.file := NULL;
        NEW.file_key := NULL;
        NEW.bytes := NULL;
    END IF;
    RETURN NEW;
END $$;
CREATE OR REPLACE TRIGGER asset_file BEFORE INSERT OR UPDATE ON asset
    FOR EACH ROW EXECUTE FUNCTION asset_file();

CREATE OR REPLACE FUNCTION rule_asset_version() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    mark jsonb := hub_mark();
BEGIN
    INSERT INTO asset_version (asset_id, number, file, file_name, media_type, bytes, width, height, source, actor)
    SELECT NEW.id, coalesce(max(number), 0) + 1, NEW.file, NEW.file_name, NEW.media_type, NEW.bytes, NEW.width,
        NEW.height, mark ->> 0, mark ->> 1
    FROM asset_version WHERE asset_id = NEW.id;
    RETURN NULL;
END $$;
CREATE OR REPLACE TRIGGER rule_asset_version_made AFTER INSERT ON asset
    FOR EACH ROW WHEN (NEW.file IS NOT NULL) EXECUTE FUNCTION rule_asset_version();
CREATE OR REPLACE TRIGGER rule_asset_version_replaced AFTER UPDATE ON asset
    FOR EACH ROW WHEN (NEW.file IS NOT NULL AND NEW.file IS DISTINCT FROM OLD.file)
    EXECUTE FUNCTION rule_asset_version();

CREATE OR REPLACE FUNCTION rule_asset_version_kept() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'Version % of an asset cannot be changed: give the asset another file.', OLD.number
        USING ERRCODE = 'check_violation';
END $$;
CREATE OR REPLACE TRIGGER rule_asset_version_kept BEFORE UPDATE ON asset_version
    FOR EACH ROW EXECUTE FUNCTION rule_asset_version_kept();

-- From now on its grace runs, if no other version has it.
CREATE OR REPLACE FUNCTION rule_file_released() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    UPDATE file SET released_at = now() WHERE hash IN (SELECT o.file FROM old_rows o);
    RETURN NULL;
END $$;
CREATE OR REPLACE TRIGGER rule_file_released AFTER DELETE ON asset_version REFERENCING OLD TABLE AS old_rows
    FOR EACH STATEMENT EXECUTE FUNCTION rule_file_released();
"""
"""What an asset's columns say of its file is what the file is, whoever writes the row."""
