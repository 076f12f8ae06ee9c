"""One request to an endpoint, and what its answer means."""

from __future__ import annotations

import ssl
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from functools import cached_property
from types import TracebackType
from typing import Self

import aiohttp
from aiohttp.abc import AbstractResolver
from yarl import URL

from hub import outside
from hub.db import Json
from hub.outside import Allowed, RefusedError
from hub.resolver import Resolver
from webhooks import signature
from webhooks.delivery import Outcome

READ_BYTES = 4_096
"""How much of an answer is read; the rest is left in the wire, however long it is."""

LONGEST_TEXT = 2_000
CONNECT_SECONDS = 5.0
"""The longest that finding the address, connecting and the TLS handshake may take together."""

GONE = 410
PATIENCE = frozenset({429, 503})
"""Statuses that may say when to come back."""

THROTTLING = frozenset({429, 502, 503, 504})
"""Statuses of a receiver that has too much to do."""

MASK = "***"


@dataclass(frozen=True)
class Target:
    """Where a delivery goes. ``secrets``: those that sign now. ``timeout``: seconds for the whole request.

    ``headers``: the endpoint's own, which are secret.
    """

    url: str
    secrets: Sequence[str]
    timeout: int
    headers: Mapping[str, str] = field(default_factory=dict)

    @cached_property
    def address(self) -> URL:
        """The address, taken apart once."""
        return URL(self.url)

    @cached_property
    def limits(self) -> aiohttp.ClientTimeout:
        """The whole request's time, and within it the shorter one for connecting."""
        return aiohttp.ClientTimeout(total=self.timeout, connect=min(CONNECT_SECONDS, self.timeout / 2))


@dataclass(frozen=True)
class Answer:
    """What came back. ``status``: null without an answer. ``retry_after``: seconds, null where nothing was said.

    ``request``: what was sent, as it may be shown; null where nothing was.
    """

    outcome: Outcome
    status: int | None = None
    error: str | None = None
    response: str | None = None
    retry_after: float | None = None
    request: Json | None = None

    @property
    def gone(self) -> bool:
        """Whether the receiver wants nothing more, ever."""
        return self.status == GONE

    @property
    def throttles(self) -> bool:
        """Whether the receiver asks for less at a time."""
        return self.status in THROTTLING


class Post:
    """An HTTP client that connects only to permitted addresses, follows no redirect and knows no proxy or cookie.

    Hosts that the operator named may lie in the private network; they have connections of their own. ``names`` looks
    names up, where the system is not to.
    """

    def __init__(self, allowed: Allowed = (), names: AbstractResolver | None = None) -> None:
        tls = ssl.create_default_context()
        self._allowed = allowed
        self._names = names or Resolver()
        self._outside = _session(outside.networks(allowed), tls, self._names)
        self._inside = _session((*outside.networks(allowed), *outside.PRIVATE), tls, self._names)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._outside.close()
        await self._inside.close()
        await self._names.close()

    async def send(self, target: Target, message: str, body: bytes) -> Answer:
        """Post the body, signed now. Whatever goes wrong on the way is an answer too."""
        headers = signature.headers(target.secrets, message, int(time.time()), body)
        shown = {"url": target.url, "headers": dict.fromkeys(target.headers, MASK) | headers}
        try:
            return await self._send(target, {**target.headers, **headers}, body, shown)
        except aiohttp.ClientConnectorError as error:
            refused = isinstance(error.os_error, RefusedError)
            why = clean(str(error.os_error))
            return Answer("blocked", error=why) if refused else Answer("failed", error=why, request=shown)
        except aiohttp.ConnectionTimeoutError:
            longest = target.limits.connect
            return Answer("failed", error=f"No connection within {longest:g} s.", request=shown)
        except TimeoutError:
            return Answer("failed", error=f"No complete answer within {target.timeout} s.", request=shown)
        except (aiohttp.ClientError, OSError, ValueError) as error:
            return Answer("failed", error=clean(f"{type(error).__name__}: {error}"), request=shown)

    async def _send(self, target: Target, headers: dict[str, str], body: bytes, shown: Json) -> Answer:
        session = self._inside if outside.is_named(target.address.host, self._allowed) else self._outside
        async with session.post(
            target.address, data=body, headers=headers, timeout=target.limits, allow_redirects=False
        ) as response:
            said = clean((await _beginning(response)).decode(errors="replace"))
            return _answer(response.status, said, response.headers.get("retry-after"), shown)


def _session(
    networks: Sequence[outside.Network], tls: ssl.SSLContext, names: AbstractResolver
) -> aiohttp.ClientSession:
    return aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(
            limit=0, socket_factory=outside.socket_factory(networks), ssl=tls, resolver=names
        ),
        cookie_jar=aiohttp.DummyCookieJar(),
        headers={
            "content-type": "application/json",
            "user-agent": "commerce-hub",
            "accept-encoding": "identity",
        },
        auto_decompress=False,  # a few bytes could become gigabytes
        trust_env=False,
    )


async def _beginning(response: aiohttp.ClientResponse) -> bytes:
    """The first bytes of the answer. A connection with more in it is closed, not used again."""
    read = b""
    while len(read) < READ_BYTES and (chunk := await response.content.read(READ_BYTES - len(read))):
        read += chunk
    if not response.content.at_eof():
        response.close()
    return read


def _answer(status: int, said: str, retry_after: str | None, shown: Json) -> Answer:
    if 200 <= status < 300:  # noqa: PLR2004 - the standard's own range
        return Answer("delivered", status, response=said, request=shown)
    later = seconds(retry_after) if status in PATIENCE else None
    return Answer("refused", status, f"Answered {status} instead of 2xx.", said, later, shown)


def seconds(retry_after: str | None) -> float | None:
    """The seconds that ``Retry-After`` asks for, as a number or a date; null for nothing or nonsense."""
    if retry_after is None:
        return None
    if retry_after.isascii() and retry_after.isdecimal():
        return float(retry_after[:9])
    try:
        moment = parsedate_to_datetime(retry_after)
    except (ValueError, OverflowError):
        return None
    return max((moment.replace(tzinfo=moment.tzinfo or UTC) - datetime.now(UTC)).total_seconds(), 0.0)


def clean(text: str) -> str:
    """Text that the database takes: cut, without zero bytes and half characters."""
    return text[:LONGEST_TEXT].replace("\x00", "�").encode(errors="replace").decode()
