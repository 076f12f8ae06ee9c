"""Files in a bucket of S3, or of a store that speaks as S3 does. What is read is copied to this machine first.

A copy is taken for its content only where its bytes have the content's hash, so what a store mixed up is never given out.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from hub.file_store import AwayError, Stored, hashed, is_hash
from hub.local_cache import LocalCache

if TYPE_CHECKING:
    from hub.config import Settings

CONNECT_SECONDS = 5.0
READ_SECONDS = 30.0
ATTEMPTS = 3
MISSING = frozenset({"404", "NoSuchKey"})
SCHEME = "s3://"


def opened(settings: Settings) -> Bucket:
    """The bucket that the settings name, as ``s3://bucket/prefix``."""
    bucket, _, prefix = str(settings.files).removeprefix(SCHEME).partition("/")
    secret = settings.files_secret_key
    client = boto3.client(
        "s3",
        endpoint_url=settings.files_endpoint,
        region_name=settings.files_region,
        aws_access_key_id=settings.files_access_key,
        aws_secret_access_key=secret.get_secret_value() if secret else None,
        config=Config(
            connect_timeout=CONNECT_SECONDS,
            read_timeout=READ_SECONDS,
            retries={"mode": "standard", "total_max_attempts": ATTEMPTS},
            # Stores of other makers know buckets by path, and not every checksum of the maker of S3.
            s3={"addressing_style": "path" if settings.files_endpoint else "auto"},
            request_checksum_calculation="when_required",
            response_checksum_validation="when_required",
        ),
    )
    copies = LocalCache(settings.var / "copies", int(settings.rendition_gigabytes * 1e9))
    return Bucket(client, bucket, f"{prefix.strip('/')}/" if prefix.strip("/") else "", copies)


class Bucket:
    """Contents below a prefix of one bucket."""

    def __init__(self, client: Any, bucket: str, prefix: str, copies: LocalCache) -> None:
        self._client, self._bucket, self._prefix, self._copies = client, bucket, prefix, copies

    def put(self, path: Path, content: str) -> None:
        """Send the file, in parts where it is large: S3 shows nothing of it before it has all."""
        with self._asked():
            if not self._has(content):
                self._client.upload_file(str(path), self._bucket, self._key(content))

    def local(self, content: str) -> Path | None:
        """A copy of it."""
        path = self._copies.folder / content[:2] / content[2:4] / content
        if self._copies.found(path):
            return path
        path.parent.mkdir(parents=True, exist_ok=True)
        part = path.with_name(f"{content}.{secrets.token_hex(4)}.part")
        try:
            if not self._fetch(content, part):
                return None
            part.replace(path)
        finally:
            part.unlink(missing_ok=True)
        self._copies.made(path)
        return path

    def remove(self, content: str) -> None:
        """Delete it, and the copy on this machine; those on others go with time, and are given out by no address."""
        with self._asked():
            self._client.delete_object(Bucket=self._bucket, Key=self._key(content))
        (self._copies.folder / content[:2] / content[2:4] / content).unlink(missing_ok=True)

    def every(self) -> Iterator[Stored]:
        """Every content below the prefix; what else lies there is somebody else's."""
        with self._asked():
            pages = self._client.get_paginator("list_objects_v2")
            for page in pages.paginate(Bucket=self._bucket, Prefix=self._prefix):
                for each in page.get("Contents", ()):
                    content = each["Key"].rpartition("/")[2]
                    if is_hash(content) and each["Key"] == self._key(content):
                        yield Stored(content, each["Size"], each["LastModified"])

    def _key(self, content: str) -> str:
        return f"{self._prefix}{content[:2]}/{content}"

    def _has(self, content: str) -> bool:
        try:
            self._client.head_object(Bucket=self._bucket, Key=self._key(content))
        except ClientError as error:
            if _is_missing(error):
                return False
            raise
        return True

    def _fetch(self, content: str, part: Path) -> bool:
        with self._asked():
            try:
                self._client.download_file(self._bucket, self._key(content), str(part))
            except ClientError as error:
                if _is_missing(error):
                    return False
                raise
        if (found := hashed(part)) != content:
            raise AwayError(f"Bucket {self._bucket} holds under {content} what has the SHA-256 {found}.")
        return True

    @contextmanager
    def _asked(self) -> Iterator[None]:
        """Raises ``AwayError`` in the store's own words."""
        from boto3.exceptions import Boto3Error

        try:
            yield
        except (ClientError, BotoCoreError, Boto3Error) as error:
            raise AwayError(f"Bucket {self._bucket} does not serve files: {error}") from error


def _is_missing(error: ClientError) -> bool:
    return error.response.get("Error", {}).get("Code") in MISSING
