"""One request, against servers that do what no receiver should."""

from __future__ import annotations

import asyncio
import gzip
import ssl
import time
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from ipaddress import ip_address, ip_network
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from hub.outside import Allowed
from webhooks import signature
from webhooks.post import MASK, Answer, Post, Target, seconds

HERE: Allowed = (ip_network("127.0.0.0/8"),)
SECRET = signature.new_secret()
Talk = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


def target(port: int, scheme: str = "http", timeout: int = 2, host: str = "127.0.0.1") -> Target:
    return Target(f"{scheme}://{host}:{port}/hooks", [SECRET], timeout)


def visited(
    talk: Talk,
    *,
    allowed: Allowed = HERE,
    tls: ssl.SSLContext | None = None,
    times: int = 1,
    host: str = "127.0.0.1",
    timeout: int = 2,
) -> list[Answer]:
    """What comes of requests to a server that talks so."""

    async def run() -> list[Answer]:
        server = await asyncio.start_server(talk, "127.0.0.1", 0, ssl=tls)
        port = server.sockets[0].getsockname()[1]
        async with server, Post(allowed) as post:
            scheme = "https" if tls else "http"
            aim = target(port, scheme, timeout, host)
            return [await post.send(aim, f"msg_{number}", b"{}") for number in range(times)]

    return asyncio.run(run())


def saying(answer: bytes, heard: list[bytes] | None = None) -> Talk:
    """A server that says one thing to everyone, and keeps the connection."""

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while head := await reader.readuntil(b"\r\n\r\n"):
            await reader.readexactly(2)
            if heard is not None:
                heard.append(head)
            writer.write(answer)

    async def talking(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await talk(reader, writer)
        except (asyncio.IncompleteReadError, ConnectionError):
            writer.close()

    return talking


OK = b"HTTP/1.1 204 No Content\r\n\r\n"


def test_request_is_what_the_standard_asks_for() -> None:
    heard: list[bytes] = []
    (answer,) = visited(saying(OK, heard))
    head = heard[0].decode().lower()
    assert head.startswith("post /hooks http/1.1\r\n")
    for line in (
        "content-type: application/json",
        "accept-encoding: identity",
        "content-length: 2",
        "webhook-id: msg_0",
    ):
        assert f"\r\n{line}\r\n" in head
    assert (answer.outcome, answer.status) == ("delivered", 204)


def test_own_headers_are_sent_and_not_shown() -> None:
    heard: list[bytes] = []

    async def run() -> Answer:
        server = await asyncio.start_server(saying(OK, heard), "127.0.0.1", 0)
        async with server, Post(HERE) as post:
            port = server.sockets[0].getsockname()[1]
            own = {"x-api-key": "geheim", "webhook-id": "forged"}
            aim = Target(f"http://127.0.0.1:{port}/hooks", [SECRET], 2, own)
            return await post.send(aim, "msg_1", b"{}")

    answer = asyncio.run(run())
    assert b"x-api-key: geheim" in heard[0].lower()
    assert b"forged" not in heard[0]
    assert answer.request is not None
    assert answer.request["headers"]["x-api-key"] == MASK
    assert "geheim" not in str(answer.request)


def test_redirect_is_a_failure_and_not_followed() -> None:
    heard: list[bytes] = []
    (answer,) = visited(
        saying(b"HTTP/1.1 302 Found\r\nlocation: /elsewhere\r\ncontent-length: 0\r\n\r\n", heard)
    )
    assert (answer.outcome, answer.status, len(heard)) == ("refused", 302, 1)


def test_cookies_are_not_kept() -> None:
    heard: list[bytes] = []
    visited(saying(b"HTTP/1.1 200 OK\r\nset-cookie: id=1\r\ncontent-length: 0\r\n\r\n", heard), times=2)
    assert len(heard) == 2
    assert b"cookie" not in heard[1].lower()


def test_proxy_of_the_environment_is_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "HTTP_PROXY", "https_proxy", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    monkeypatch.setenv("no_proxy", "")
    (answer,) = visited(saying(OK))
    assert answer.outcome == "delivered"


def test_connection_is_used_again() -> None:
    connections: list[int] = []
    inner = saying(OK)

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        connections.append(1)
        await inner(reader, writer)

    answers = visited(talk, times=5)
    assert [each.status for each in answers] == [204] * 5
    assert len(connections) == 1


def test_answer_is_read_only_so_far_and_never_unpacked() -> None:
    bomb = gzip.compress(b"0" * 50_000_000)
    head = f"HTTP/1.1 200 OK\r\ncontent-encoding: gzip\r\ncontent-length: {len(bomb)}\r\n\r\n".encode()
    began = time.monotonic()
    (answer,) = visited(saying(head + bomb))
    assert answer.outcome == "delivered"
    assert len(answer.response or "") <= 2_000
    assert time.monotonic() - began < 10


def test_endless_answer_is_cut() -> None:
    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n")
        try:
            while True:
                writer.write(b"400\r\n" + b"x" * 1024 + b"\r\n")
                await writer.drain()
        except ConnectionError:
            writer.close()

    (answer,) = visited(talk)
    assert (answer.outcome, answer.status) == ("delivered", 200)


@pytest.mark.parametrize(
    "drop", [b"HTTP/1.1 200 OK\r\nx-", b"HTTP/1.1 200 OK\r\ncontent-length: 9999\r\n\r\n"]
)
def test_slow_drip_ends_at_the_timeout(drop: bytes) -> None:
    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(drop)
        try:
            while True:
                writer.write(b"a")
                await writer.drain()
                await asyncio.sleep(0.05)
        except ConnectionError:
            writer.close()

    began = time.monotonic()
    (answer,) = visited(talk, timeout=1)
    assert answer.outcome == "failed"
    assert answer.error == "No complete answer within 1 s."
    assert time.monotonic() - began < 10


def test_connecting_has_a_shorter_time() -> None:
    aim = target(1, timeout=30)
    assert (aim.limits.total, aim.limits.connect) == (30, 5)
    assert target(1, timeout=1).limits.connect == 0.5


@pytest.mark.parametrize(
    "said",
    [b"nonsense\r\n\r\n", b"", b"HTTP/1.1 999999 No\r\n\r\n", b"HTTP/1.1 200 OK\r\n" + b"a: b\r\n" * 5_000],
)
def test_nonsense_is_a_failure(said: bytes) -> None:
    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(said)
        writer.close()

    (answer,) = visited(talk)
    assert (answer.outcome, answer.status) == ("failed", None)
    assert answer.error


def test_text_that_postgresql_cannot_keep_is_cleaned() -> None:
    (answer,) = visited(saying(b"HTTP/1.1 500 No\r\ncontent-length: 4\r\n\r\na\x00\xffb"))
    assert answer.response == "a��b"


@pytest.mark.parametrize(
    ("status", "header", "expected"),
    [
        (429, "7", 7.0),
        (503, "7", 7.0),
        (500, "7", None),
        (429, "soon", None),
        (429, "-5", None),
        (429, "99999999999999999999", 999999999.0),
    ],
)
def test_retry_after_counts_with_429_and_503(status: int, header: str, expected: float | None) -> None:
    (answer,) = visited(
        saying(f"HTTP/1.1 {status} No\r\nretry-after: {header}\r\ncontent-length: 0\r\n\r\n".encode())
    )
    assert (answer.outcome, answer.status, answer.retry_after) == ("refused", status, expected)


def test_retry_after_may_be_a_date() -> None:
    later = datetime.now(UTC) + timedelta(seconds=90)
    assert seconds(format_datetime(later, usegmt=True)) == pytest.approx(90, abs=2)
    assert seconds(format_datetime(later - timedelta(days=1), usegmt=True)) == 0
    assert seconds("Sun, 99 Nov 2026 00:00:00 GMT") is None


def certified(folder: Path, name: str) -> tuple[Path, ssl.SSLContext]:
    """A certificate of this machine by an authority of its own, and a server that shows it."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ip_address(name))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    folder.mkdir()
    pem, own = folder / "ca.pem", folder / "key.pem"
    pem.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    own.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pem, own)
    return pem, context


def test_tls_is_verified(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pem, server = certified(tmp_path / "right", "127.0.0.1")
    (unknown,) = visited(saying(OK), tls=server)
    assert unknown.outcome == "failed"
    assert "CERTIFICATE_VERIFY_FAILED" in (unknown.error or "")
    monkeypatch.setenv("SSL_CERT_FILE", str(pem))
    (known,) = visited(saying(OK), tls=server)
    assert known.outcome == "delivered"
    other, elsewhere = certified(tmp_path / "other", "127.0.0.2")
    monkeypatch.setenv("SSL_CERT_FILE", str(other))
    (wrong,) = visited(saying(OK), tls=elsewhere)
    assert wrong.outcome == "failed"


@pytest.mark.parametrize(
    "host", ["127.0.0.1", "localhost", "2130706433", "0x7f000001", "127.1", "localhost."]
)
def test_what_is_not_opened_is_refused_without_a_request(host: str) -> None:
    heard: list[bytes] = []
    (answer,) = visited(saying(OK, heard), allowed=(), host=host)
    assert answer.outcome in ("blocked", "failed")
    assert heard == []
    if answer.outcome == "blocked":
        assert "HUB_WEBHOOK_ALLOWED_NETWORKS" in (answer.error or "")


@pytest.mark.parametrize(
    ("host", "reached"), [("localhost", True), ("LocalHost", True), ("127.0.0.1", False)]
)
def test_a_host_is_opened_by_its_name_alone(host: str, reached: bool) -> None:
    (answer,) = visited(saying(OK), allowed=("localhost",), host=host)
    assert answer.outcome == ("delivered" if reached else "blocked")
