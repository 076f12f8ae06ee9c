"""The bench's receiver as a program of its own: it notes when each body came, and verifies one in a hundred."""

from __future__ import annotations

import asyncio
import json
import time
from typing import Any

import uvloop
from standardwebhooks import Webhook, WebhookVerificationError

SAMPLE = 100
COUNTERS = ("/family_name", "/on_hand")
"""Where the writer puts the number of each change."""

ANSWER = b"HTTP/1.1 204 No Content\r\n\r\n"

came: list[tuple[str, int, float]] = []
verdicts = {"verified": 0, "wrong": 0}
secrets: dict[str, Webhook] = {}


class Receiver(asyncio.Protocol):
    """One connection, which may carry many requests."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """A connection begins."""
        self.transport: Any = transport
        self.data = b""

    def data_received(self, data: bytes) -> None:
        """Take every whole request out of what came."""
        self.data += data
        while (end := self.data.find(b"\r\n\r\n")) >= 0:
            head = self.data[:end].split(b"\r\n")
            headers = {
                name.lower(): value.strip() for name, _, value in (line.partition(b":") for line in head[1:])
            }
            whole = end + 4 + int(headers.get(b"content-length", 0))
            if len(self.data) < whole:
                return
            body, self.data = self.data[end + 4 : whole], self.data[whole:]
            method, path, _ = head[0].decode().split(" ")
            self.transport.write(told(path, body) if method == "PUT" else heard(path, headers, body))


def heard(path: str, headers: dict[bytes, bytes], body: bytes) -> bytes:
    """Note a delivery."""
    at = time.time()
    changed = json.loads(body)["changed"]
    came.extend((path, int(change["new"]), at) for change in changed if change["path"] in COUNTERS)
    if len(came) % SAMPLE == 0:
        verify(path, headers, body)
    return ANSWER


def verify(path: str, headers: dict[bytes, bytes], body: bytes) -> None:
    """Have the published package verify it."""
    plain = {name.decode(): value.decode() for name, value in headers.items()}
    try:
        secrets[path].verify(body, plain)
    except WebhookVerificationError:
        verdicts["wrong"] += 1
    else:
        verdicts["verified"] += 1


def told(path: str, body: bytes) -> bytes:
    """Do what the bench asks for."""
    if path == "/secrets":
        secrets.update({each: Webhook(secret) for each, secret in json.loads(body).items()})
    elif path == "/forget":
        came.clear()
    answer = (
        str(len(came))
        if path == "/count"
        else json.dumps({"came": came, **verdicts} if path == "/log" else None)
    )
    return b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n%s" % (len(answer), answer.encode())


async def serve() -> None:
    """Serve until killed."""
    server = await asyncio.get_running_loop().create_server(Receiver, "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)  # noqa: T201 - where to find it
    await server.serve_forever()


if __name__ == "__main__":
    uvloop.run(serve())
