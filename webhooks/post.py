"""One request to an endpoint, and what its answer means."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from types import TracebackType
from typing import Self

import aiohttp

from webhooks import guard, signature
from webhooks.delivery import Outcome
from webhooks.guard import Network, RefusedError

READ_BYTES = 4_096
"""How much of an answer is read; the rest is left in the wire, however long it is."""

LONGEST_TEXT = 2_000
GONE = 410
PATIENCE = frozenset({429, 503})
"""Statuses that may say when to come back."""


@dataclass(frozen=True)
class Target:
    """Where a delivery goes. ``secrets``: those that sign now. ``timeout``: seconds for the whole request."""

    url: str
    secrets: Sequence[str]
    timeout: int


@dataclass(frozen=True)
class Answer:
    """What came back. ``status``: null without an answer. ``retry_after``: seconds, null where nothing was said."""

    outcome: Outcome
    status: int | None = None
    error: str | None = None
    response: str | None = None
    retry_after: float | None = None

    @property
    def gone(self) -> bool:
        """Whether the receiver wants nothing more, ever."""
        return self.status == GONE


class Post:
    """An HTTP client that connects only to permitted addresses, follows no redirect and knows no proxy or cookie."""

    def __init__(self, allowed: Sequence[Network] = ()) -> None:
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=0, socket_factory=guard.socket_factory(allowed)),
            cookie_jar=aiohttp.DummyCookieJar(),
            headers={"content-type": "application/json", "user-agent": "commerce-hub"},
            auto_decompress=False,  # a few bytes could become gigabytes
            trust_env=False,
        )

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._session.close()

    async def send(self, target: Target, message: str, body: bytes) -> Answer:
        """Post the body, signed now. Whatever goes wrong on the way is an answer too."""
        headers = signature.headers(target.secrets, message, int(time.time()), body)
        try:
            return await self._send(target, headers, body)
        except aiohttp.ClientConnectorError as error:
            refused = isinstance(error.os_error, RefusedError)
            return Answer("blocked" if refused else "failed", error=clean(str(error.os_error)))
        except TimeoutError:
            return Answer("failed", error=f"No complete answer within {target.timeout} s.")
        except (aiohttp.ClientError, OSError, ValueError) as error:
            return Answer("failed", error=clean(f"{type(error).__name__}: {error}"))

    async def _send(self, target: Target, headers: dict[str, str], body: bytes) -> Answer:
        timeout = aiohttp.ClientTimeout(total=target.timeout)
        async with self._session.post(
            target.url, data=body, headers=headers, timeout=timeout, allow_redirects=False
        ) as response:
            said = clean((await _beginning(response)).decode(errors="replace"))
            return _answer(response.status, said, response.headers.get("retry-after"))


async def _beginning(response: aiohttp.ClientResponse) -> bytes:
    """The first bytes of the answer. A connection with more in it is closed, not used again."""
    read = b""
    while len(read) < READ_BYTES and (chunk := await response.content.read(READ_BYTES - len(read))):
        read += chunk
    if not response.content.at_eof():
        response.close()
    return read


def _answer(status: int, said: str, retry_after: str | None) -> Answer:
    if 200 <= status < 300:  # noqa: PLR2004 - the standard's own range
        return Answer("delivered", status, response=said)
    later = seconds(retry_after) if status in PATIENCE else None
    return Answer("refused", status, f"Answered {status} instead of 2xx.", said, later)


def seconds(retry_after: str | None) -> float | None:
    """The seconds that ``Retry-After`` asks for, as a number or a date; null for nothing or nonsense."""
    if retry_after is None:
        return None
    if retry_after.isdecimal():
        return float(retry_after[:9])
    try:
        moment = parsedate_to_datetime(retry_after)
    except ValueError:
        return None
    return max((moment.replace(tzinfo=moment.tzinfo or UTC) - datetime.now(UTC)).total_seconds(), 0.0)


def clean(text: str) -> str:
    """Text that the database takes: cut, without zero bytes and half characters."""
    return text[:LONGEST_TEXT].replace("\x00", "�").encode(errors="replace").decode()
