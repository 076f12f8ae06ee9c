"""Names into addresses, each look-up in a thread of its own: a name server that does not answer delays nobody else."""

from __future__ import annotations

import asyncio
import socket
from concurrent.futures import ThreadPoolExecutor

from aiohttp.abc import AbstractResolver, ResolveResult

THREADS = 64
"""Names that may be looked up at one time. Threads are made as they are needed."""

NUMERIC = socket.AI_NUMERICHOST | socket.AI_NUMERICSERV


class Resolver(AbstractResolver):
    """Asks the system, as every other program on the machine does."""

    def __init__(self) -> None:
        self._threads = ThreadPoolExecutor(THREADS, thread_name_prefix="names")

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        """The addresses of a host. Raises ``OSError`` where there is none."""
        loop = asyncio.get_running_loop()
        found = await loop.run_in_executor(self._threads, _look_up, host, port, family)
        return [
            ResolveResult(hostname=host, host=address, port=port, family=kind, proto=protocol, flags=NUMERIC)
            for kind, protocol, address in found
        ]

    async def close(self) -> None:
        """Let the threads end by themselves: one may still wait for its answer."""
        self._threads.shutdown(wait=False, cancel_futures=True)


def _look_up(host: str, port: int, family: socket.AddressFamily) -> list[tuple[int, int, str]]:
    infos = socket.getaddrinfo(host, port, family=family, type=socket.SOCK_STREAM, flags=socket.AI_ADDRCONFIG)
    return [(kind, protocol, _plain(target)) for kind, _, protocol, _, target in infos]


def _plain(target: tuple[object, ...]) -> str:
    """The address; a link-local one names the way out with it."""
    address = str(target[0])
    scope = target[3] if len(target) > 2 else 0  # noqa: PLR2004 - IPv6 has four parts, IPv4 two
    return f"{address}%{scope}" if scope and "%" not in address else address
