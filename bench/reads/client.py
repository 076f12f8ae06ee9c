"""The client that asks: a process of its own that does little else than wait, so that it takes little from the others."""

from __future__ import annotations

import json
import selectors
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

END = b"\r\n\r\n"
LENGTH = b"content-length: "
PIECE = 1 << 18


@dataclass(frozen=True)
class Seen:
    """What a slot gave. Times in milliseconds; ``failed``: answers that were not 200, or had errors."""

    requests: int
    failed: int
    seconds: float
    p50: float
    p99: float
    cpu: float


class Connection:
    """One keep-alive connection with at most one request on its way."""

    def __init__(self, port: int) -> None:
        self.socket = socket.create_connection(("127.0.0.1", port))
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.held = bytearray()
        self.sent_at = 0.0

    def send(self, request: bytes) -> None:
        """Send a request."""
        self.held.clear()
        self.sent_at = time.perf_counter()
        self.socket.sendall(request)

    def receive(self) -> bytes | None:
        """What has come in, as soon as the answer is whole; null before."""
        piece = self.socket.recv(PIECE)
        if not piece:
            raise ConnectionError("The server closed the connection.")
        self.held += piece
        head = self.held.find(END)
        if head < 0:
            return None
        start = self.held.lower().index(LENGTH, 0, head) + len(LENGTH)
        length = int(self.held[start : self.held.index(b"\r", start)])
        return bytes(self.held) if len(self.held) >= head + len(END) + length else None


def slot(port: int, requests: Sequence[bytes], concurrency: int, seconds: float) -> Seen:
    """Ask one after the other on each of so many connections, for so long."""
    selector = selectors.DefaultSelector()
    began, cpu = time.perf_counter(), time.process_time()
    turn, times, failed = 0, [], 0
    for _ in range(concurrency):
        connection = Connection(port)
        selector.register(connection.socket, selectors.EVENT_READ, connection)
        connection.send(requests[turn % len(requests)])
        turn += 1
    waiting = concurrency
    while waiting:
        for key, _ in selector.select():
            connection = key.data
            answer = connection.receive()
            if answer is None:
                continue
            now = time.perf_counter()
            times.append(now - connection.sent_at)
            failed += not answer.startswith(b"HTTP/1.1 200") or b'"errors":' in answer
            if now - began >= seconds:
                selector.unregister(connection.socket)
                connection.socket.close()
                waiting -= 1
            else:
                connection.send(requests[turn % len(requests)])
                turn += 1
    passed = time.perf_counter() - began
    times.sort()
    return Seen(
        requests=len(times),
        failed=failed,
        seconds=passed,
        p50=times[len(times) // 2] * 1000,
        p99=times[min(int(len(times) * 0.99), len(times) - 1)] * 1000,
        cpu=time.process_time() - cpu,
    )


def request(body: bytes, token: str) -> bytes:
    """The bytes of a request."""
    head = (
        "POST /graphql HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-type: application/json\r\n"
        f"authorization: Bearer {token}\r\ncontent-length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body


class Client:
    """The client process."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process

    def ask(self, port: int, requests: Path, concurrency: int, seconds: float) -> Seen:
        """One slot. ``requests``: a file with the pickled requests."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        order = {"port": port, "requests": str(requests), "concurrency": concurrency, "seconds": seconds}
        self._process.stdin.write(json.dumps(order) + "\n")
        self._process.stdin.flush()
        return Seen(**json.loads(self._process.stdout.readline()))


@contextmanager
def client() -> Iterator[Client]:
    """A client process, ended with the block."""
    process = subprocess.Popen(
        [sys.executable, "-m", "bench.reads.client_process"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        yield Client(process)
    finally:
        process.communicate()
