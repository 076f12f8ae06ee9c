"""One file fetched from an address elsewhere: only from where the hub may connect to, and no more than is taken.

A redirect is followed a few times, each as an address of its own: the guard stands at every connection.
"""

from __future__ import annotations

import ssl
from pathlib import Path
from types import TracebackType
from typing import Self

import aiohttp
from yarl import URL

from hub import outside
from hub.errors import HubError, Invalid, Limit
from hub.outside import Allowed, RefusedError
from hub.resolver import Resolver

MOST_REDIRECTS = 5
PIECE = 256 * 1024
TIMES = aiohttp.ClientTimeout(total=300.0, connect=10.0, sock_read=30.0)
REDIRECTS = frozenset({301, 302, 303, 307, 308})
WHOLE = 200


class Fetcher:
    """An HTTP client that knows no proxy, cookie, password or packed answer."""

    def __init__(self, allowed: Allowed, most_bytes: int) -> None:
        self._allowed, self._most = allowed, most_bytes
        self._names, tls = Resolver(), ssl.create_default_context()
        self._outside = self._session(outside.networks(allowed), tls)
        self._inside = self._session((*outside.networks(allowed), *outside.PRIVATE), tls)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._outside.close()
        await self._inside.close()
        await self._names.close()

    async def fetch(self, address: str, target: Path) -> None:
        """Write what an address answers to ``target``. Raises ``hub.errors.Invalid`` or ``Limit``."""
        try:
            await self._follow(address, target)
        except aiohttp.ClientConnectorError as error:
            refused = isinstance(error.os_error, RefusedError)
            why = str(error.os_error) if refused else f"it cannot be reached: {error.os_error}"
            raise _failed(address, why) from error
        except TimeoutError as error:
            raise _failed(address, "it did not answer in time.") from error
        except (aiohttp.ClientError, OSError, ValueError) as error:
            raise _failed(address, f"{type(error).__name__}: {error}") from error

    async def _follow(self, address: str, target: Path) -> None:
        url = URL(outside.address(address, self._allowed))
        for _ in range(MOST_REDIRECTS + 1):
            async with self._session_for(url).get(url, timeout=TIMES, allow_redirects=False) as answer:
                if answer.status not in REDIRECTS:
                    await self._write(address, answer, target)
                    return
                url = self._next(url, answer.headers.get("location", ""))
        raise _failed(address, f"it leads on more than {MOST_REDIRECTS} times.")

    def _next(self, url: URL, location: str) -> URL:
        following = url.join(URL(location)).with_fragment(None)
        if url.scheme == "https" and following.scheme != "https":
            raise Invalid("the address leads from https to one that is not.")
        return URL(outside.address(str(following), self._allowed))

    async def _write(self, address: str, answer: aiohttp.ClientResponse, target: Path) -> None:
        if answer.status != WHOLE:
            raise _failed(address, f"it answered {answer.status}.")
        if answer.headers.get("content-encoding", "identity") != "identity":
            raise _failed(address, "it answered packed, although that was not asked for.")
        if (answer.content_length or 0) > self._most:
            raise self._too_long(address)
        total = 0
        with target.open("wb") as file:
            async for piece in answer.content.iter_chunked(PIECE):
                total += len(piece)
                if total > self._most:
                    raise self._too_long(address)
                file.write(piece)

    def _too_long(self, address: str) -> HubError:
        return Limit(
            f'Address "{address}" answers with more than {self._most} bytes: no more are taken (HUB_FILE_MEGABYTES).'
        )

    def _session_for(self, url: URL) -> aiohttp.ClientSession:
        return self._inside if outside.is_named(url.host, self._allowed) else self._outside

    def _session(self, networks: tuple[outside.Network, ...], tls: ssl.SSLContext) -> aiohttp.ClientSession:
        return aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(
                socket_factory=outside.socket_factory(networks),
                ssl=tls,
                resolver=self._names,
                limit_per_host=2,  # a shop's pictures lie on its supplier's one server
            ),
            cookie_jar=aiohttp.DummyCookieJar(),
            headers={"user-agent": "commerce-hub", "accept-encoding": "identity"},
            auto_decompress=False,  # a few bytes could become gigabytes
            trust_env=False,
        )


def _failed(address: str, why: str) -> HubError:
    return Invalid(f'Address "{address}" was not fetched: {why[:500]}')
