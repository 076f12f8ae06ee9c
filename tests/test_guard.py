"""The guard's addresses, one by one, and that it stands where the connection is made."""

from __future__ import annotations

import asyncio
import socket
from ipaddress import ip_address, ip_network
from typing import Any

import aiohttp
import pytest
from aiohttp.abc import AbstractResolver, ResolveResult

from hub import outside
from hub.errors import Invalid
from webhooks import signature
from webhooks.post import Answer, Post, Target

PUBLIC = [
    "1.1.1.1",
    "8.8.8.8",
    "93.184.216.34",
    "100.63.255.255",
    "100.128.0.0",
    "172.15.255.255",
    "172.32.0.0",
    "192.167.255.255",
    "198.17.255.255",
    "198.20.0.0",
    "223.255.255.255",
    "2606:4700:4700::1111",
    "2a00:1450:4001:82a::200e",
    "2001:200::1",
    "::ffff:8.8.8.8",
]
REFUSED = [
    "0.0.0.0",
    "0.1.2.3",
    "10.0.0.1",
    "10.255.255.255",
    "100.64.0.1",
    "100.127.255.255",
    "127.0.0.1",
    "127.255.255.254",
    "169.254.0.1",
    "168.63.129.16",
    "169.254.169.254",
    "172.16.0.1",
    "172.31.255.255",
    "192.0.0.1",
    "192.0.0.192",
    "192.0.2.1",
    "192.31.196.1",
    "192.52.193.1",
    "192.88.99.1",
    "192.168.0.1",
    "192.175.48.1",
    "198.18.0.1",
    "198.19.255.255",
    "198.51.100.7",
    "203.0.113.9",
    "224.0.0.1",
    "239.255.255.255",
    "240.0.0.1",
    "255.255.255.255",
    "::",
    "::1",
    "::7f00:1",
    "::ffff:127.0.0.1",
    "::ffff:10.0.0.1",
    "::ffff:169.254.169.254",
    "::ffff:0:7f00:1",
    "64:ff9b::a9fe:a9fe",
    "64:ff9b::7f00:1",
    "64:ff9b:1::1",
    "100::1",
    "2001::1",
    "2001:0:4136:e378:8000:63bf:3fff:fdd2",
    "2001:2::1",
    "2001:10::1",
    "2001:20::1",
    "2001:db8::1",
    "2002:7f00:1::",
    "2002:a9fe:a9fe::1",
    "2620:4f:8000::1",
    "3fff::1",
    "5f00::1",
    "fc00::1",
    "fd00:ec2::254",
    "fe80::1",
    "fe80::1%eth0",
    "fec0::1",
    "ff02::1",
    "4000::1",
]


@pytest.mark.parametrize("text", PUBLIC)
def test_public_address_is_permitted(text: str) -> None:
    assert outside.permits(ip_address(text))


@pytest.mark.parametrize("text", REFUSED)
def test_private_or_special_address_is_refused(text: str) -> None:
    with pytest.raises(outside.RefusedError, match="HUB_WEBHOOK_ALLOWED_NETWORKS"):
        outside.check(ip_address(text))


@pytest.mark.parametrize(
    ("text", "permitted"),
    [
        ("127.0.0.1", True),
        ("::ffff:127.0.0.1", True),
        ("10.1.2.3", True),
        ("10.2.2.3", False),
        ("fd00::5", True),
        ("fd00::5%3", True),
        ("fd01::5", False),
        ("::1", False),
        ("64:ff9b::7f00:1", False),
    ],
)
def test_opened_networks_and_no_others(text: str, permitted: bool) -> None:
    allowed = [ip_network(network) for network in ("127.0.0.0/8", "10.1.0.0/16", "fd00::/16")]
    assert outside.permits(ip_address(text), allowed) is permitted


@pytest.mark.parametrize(
    "text",
    [
        "",
        "erp",
        "/hooks",
        "ftp://erp.example.com",
        "file:///etc/passwd",
        "https://",
        "https:///hooks",
        "https://erp.example.com:99999/",
        "https://user:geheim@erp.example.com/",
        "https://erp.example.com/#part",
        "http://127.0.0.1/",
        "http://[::1]:80/",
        "http://[::ffff:127.0.0.1]/",
        "http://169.254.169.254/latest/meta-data/",
        "http://2130706433/",
        "http://0x7f000001/",
        "http://0x7f.1/",
        "http://0177.0.0.1/",
        "http://017700000001/",
        "http://127.1/",
        "http://127.0.1/",
        "http://10.1/",
        "http://127.0.0.1./",
        "http://0/",
        "http://255.255.255.255/",
        "http://[64:ff9b::7f00:1]/",
        "http://[2002:7f00:1::]/",
        "http://[2001:0:4136:e378:8000:63bf:3fff:fdd2]/",
        "http://[fe80::1]/",
        "http://[ff02::1]/",
        "http://[::]/",
        "http://@127.0.0.1/",
        "http://user@erp.example.com/",
        "http://erp.example.com@127.0.0.1/",
        "http://erp.example.com:0/",
        "https://erp.example.com:22/",
        "https://erp.example.com:25/",
        "https://erp.example.com:6000/",
        "https://erp.example.com/a b",
        "https://erp.example.com/\r\nx: y",
        "https://erp.example.com/\x00",
    ],
)
def test_wrong_endpoint_address_is_refused_when_saved(text: str) -> None:
    with pytest.raises(Invalid) as refused:
        outside.address(text)
    assert "geheim" not in refused.value.message


@pytest.mark.parametrize(
    "address", ["100.100.100.200", "fd00:ec2::254", "fd20:ce::254", "::ffff:100.100.100.200"]
)
def test_metadata_is_not_opened_with_the_private_networks_of_a_named_host(address: str) -> None:
    assert not outside.permits(ip_address(address), outside.PRIVATE)
    assert outside.permits(ip_address("100.100.100.201"), outside.PRIVATE)


def test_endpoint_address_is_kept_as_given() -> None:
    assert outside.address("https://erp.example.com/hooks?shop=1") == "https://erp.example.com/hooks?shop=1"
    assert outside.address("http://10.0.0.1:8080/", [ip_network("10.0.0.0/8")]) == "http://10.0.0.1:8080/"


@pytest.mark.parametrize(
    ("host", "named"),
    [
        ("erp.internal", True),
        ("ERP.Internal.", True),
        ("erp.internal.evil.example", False),
        ("evil-erp.internal", False),
        ("internal", False),
        ("", False),
    ],
)
def test_hosts_are_opened_by_their_whole_name(host: str, named: bool) -> None:
    assert outside.is_named(host, ["erp.internal", ip_network("10.0.0.0/8")]) is named


def test_a_named_host_may_be_private_and_nothing_else() -> None:
    for text in (
        "10.0.0.1",
        "172.16.0.1",
        "192.168.1.1",
        "127.0.0.1",
        "100.64.0.1",
        "::1",
        "fd00::1",
        "8.8.8.8",
    ):
        assert outside.permits(ip_address(text), outside.PRIVATE), text
    for text in ("169.254.169.254", "fe80::1", "224.0.0.1", "0.0.0.0", "240.0.0.1", "64:ff9b::a9fe:a9fe"):
        assert not outside.permits(ip_address(text), outside.PRIVATE), text


class Turning(AbstractResolver):
    """A name server that gives another answer each time."""

    def __init__(self, answers: list[str]) -> None:
        self.answers = answers

    async def resolve(self, host: str, port: int = 0, family: Any = 0) -> list[ResolveResult]:
        del family  # the answer says its own
        flags = socket.AI_NUMERICHOST | socket.AI_NUMERICSERV
        return [
            ResolveResult(
                hostname=host,
                host=answer,
                port=port,
                family=socket.AF_INET6 if ":" in answer else socket.AF_INET,
                proto=0,
                flags=flags,
            )
            for answer in self.answers.pop(0).split()
        ]

    async def close(self) -> None:
        pass


async def visit(url: str, *answers: str, allowed: str | None = None) -> int:
    connector = aiohttp.TCPConnector(
        resolver=Turning(list(answers)),
        use_dns_cache=False,
        force_close=True,
        socket_factory=outside.socket_factory([ip_network(allowed)] if allowed else []),
    )
    async with aiohttp.ClientSession(connector=connector) as session:
        for _ in answers or [None]:
            async with session.get(url) as response:
                last = response.status
    return last


@pytest.fixture
def port() -> Any:
    """A server that would answer whoever reached it."""
    loop = asyncio.new_event_loop()

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 204 No Content\r\n\r\n")
        writer.close()

    server = loop.run_until_complete(asyncio.start_server(answer, "0.0.0.0", 0))
    yield loop, server.sockets[0].getsockname()[1]
    server.close()
    loop.run_until_complete(server.wait_closed())
    loop.close()


def refused(loop: asyncio.AbstractEventLoop, url: str, *answers: str, allowed: str | None = None) -> None:
    with pytest.raises(aiohttp.ClientConnectorError) as caught:
        loop.run_until_complete(visit(url, *answers, allowed=allowed))
    assert isinstance(caught.value.os_error, outside.RefusedError)


def test_opened_server_is_reached(port: Any) -> None:
    loop, number = port
    assert loop.run_until_complete(visit(f"http://127.0.0.1:{number}/", allowed="127.0.0.0/8")) == 204
    assert (
        loop.run_until_complete(visit(f"http://a.test:{number}/", "127.0.0.1", allowed="127.0.0.0/8")) == 204
    )


@pytest.mark.parametrize("host", ["127.0.0.1", "[::ffff:127.0.0.1]"])
def test_literal_is_refused_when_connecting(port: Any, host: str) -> None:
    loop, number = port
    refused(loop, f"http://{host}:{number}/")


@pytest.mark.parametrize("host", ["2130706433", "127.1"])
def test_old_spellings_of_a_literal_are_refused(port: Any, host: str) -> None:
    loop, number = port
    with pytest.raises(aiohttp.ClientError):
        loop.run_until_complete(visit(f"http://{host}:{number}/", "127.0.0.1"))


def test_name_of_a_private_address_is_refused(port: Any) -> None:
    loop, number = port
    refused(loop, f"http://shop.test:{number}/", "127.0.0.1")
    refused(loop, f"http://shop.test:{number}/", "::ffff:127.0.0.1")


def test_name_that_turns_private_on_the_second_look_is_refused(port: Any) -> None:
    loop, number = port
    # 127.0.0.2 alone is opened and stands for a public address; the server listens on both.
    assert (
        loop.run_until_complete(visit(f"http://shop.test:{number}/", "127.0.0.2", allowed="127.0.0.2/32"))
        == 204
    )
    refused(loop, f"http://shop.test:{number}/", "127.0.0.2", "127.0.0.1", allowed="127.0.0.2/32")


def test_deliveries_look_a_name_up_anew_for_each_connection(port: Any) -> None:
    loop, number = port

    async def run() -> list[Answer]:
        aim = Target(f"http://shop.test:{number}/", [signature.new_secret()], 2)
        names = Turning(["127.0.0.2", "127.0.0.1"])
        found = []
        for _ in range(2):  # the system forgets what it looked up, and so does a new client
            async with Post([ip_network("127.0.0.2/32")], names) as post:
                found.append(await post.send(aim, "msg_1", b"{}"))
        return found

    first, second = loop.run_until_complete(run())
    assert first.outcome == "delivered"
    assert second.outcome == "blocked"
    assert "127.0.0.1 is private" in (second.error or "")


def test_one_private_address_among_public_ones_is_never_taken(port: Any) -> None:
    loop, number = port

    async def run() -> Answer:
        aim = Target(f"http://shop.test:{number}/", [signature.new_secret()], 2)
        async with Post([ip_network("127.0.0.2/32")], Turning(["127.0.0.1 127.0.0.2"])) as post:
            return await post.send(aim, "msg_1", b"{}")

    assert loop.run_until_complete(run()).outcome == "delivered"
