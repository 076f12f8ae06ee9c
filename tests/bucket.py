"""A store that speaks S3, as a process of its own."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import boto3
from pydantic import SecretStr

from hub.config import Settings
from tests.running import free_port, wait_until

BUCKET = "files"
SECRET = "a secret of the bucket"


@dataclass(frozen=True)
class Bucket:
    """The store: its address, its process, and a client that looks into it."""

    url: str
    process: subprocess.Popen[bytes]
    client: Any

    def settings(self, own: Settings) -> Settings:
        """The settings of a hub that keeps its files there."""
        return own.model_copy(
            update={
                "files": f"s3://{BUCKET}/of/the/hub",
                "files_endpoint": self.url,
                "files_region": "eu-central-1",
                "files_access_key": "hub",
                "files_secret_key": SecretStr(SECRET),
            }
        )

    def names(self) -> list[str]:
        """What lies in it."""
        return [each["Key"] for each in self.client.list_objects_v2(Bucket=BUCKET).get("Contents", ())]


@contextmanager
def bucket() -> Iterator[Bucket]:
    """Run the store until the block ends."""
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    process = subprocess.Popen(
        [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    client = boto3.client(
        "s3",
        endpoint_url=url,
        region_name="eu-central-1",
        aws_access_key_id="hub",
        aws_secret_access_key=SECRET,
    )
    try:
        wait_until(lambda: _made(client))
        yield Bucket(url, process, client)
    finally:
        client.close()
        process.kill()
        process.wait()


def _made(client: Any) -> bool:
    from botocore.exceptions import EndpointConnectionError

    try:
        client.create_bucket(Bucket=BUCKET, CreateBucketConfiguration={"LocationConstraint": "eu-central-1"})
    except EndpointConnectionError:
        return False
    return True
