"""The guard: which addresses outside the hub may connect to, to deliver a webhook or to fetch a file.

It stands where the socket is made, after the name was resolved, so that neither a literal address nor a name that
resolves to another address the second time gets past it. What the operator allows is networks, and hosts by name: a
named host may lie in a private network, and still not where the machine's own metadata or a multicast group is.
"""

from __future__ import annotations

import socket
from collections.abc import Callable, Sequence
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address
from typing import Any

from yarl import URL

from hub.errors import Invalid

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network
Allowed = Sequence[Network | str]
"""What the operator opened: networks, and hosts by name."""

AddressInfo = tuple[int, int, int, str, tuple[Any, ...]]

REFUSED_4: tuple[Network, ...] = tuple(
    IPv4Network(network)
    for network in (
        "0.0.0.0/8",  # this network
        "10.0.0.0/8",  # private
        "100.64.0.0/10",  # shared by carriers
        "127.0.0.0/8",  # loopback
        "168.63.129.16/32",  # a cloud's own services, at an address that looks public
        "169.254.0.0/16",  # link-local, and the clouds' metadata
        "172.16.0.0/12",  # private
        "192.0.0.0/24",  # protocol assignments
        "192.0.2.0/24",  # documentation
        "192.31.196.0/24",  # AS112
        "192.52.193.0/24",  # AMT
        "192.88.99.0/24",  # 6to4 relays
        "192.168.0.0/16",  # private
        "192.175.48.0/24",  # AS112
        "198.18.0.0/15",  # benchmarks
        "198.51.100.0/24",  # documentation
        "203.0.113.0/24",  # documentation
        "224.0.0.0/4",  # multicast
        "240.0.0.0/4",  # reserved, and broadcast
    )
)
GLOBAL_6 = IPv6Network("2000::/3")
"""All that is given out for the public internet; loopback, mapped, NAT64, local and multicast lie outside."""

REFUSED_6: tuple[Network, ...] = tuple(
    IPv6Network(network)
    for network in (
        "2001::/23",  # protocol assignments: Teredo, ORCHID, benchmarks
        "2001:db8::/32",  # documentation
        "2002::/16",  # 6to4, which carries any IPv4 address
        "2620:4f:8000::/48",  # AS112
        "3fff::/20",  # documentation
    )
)


PRIVATE: tuple[Network, ...] = (
    *map(IPv4Network, ("10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16")),
    *map(IPv6Network, ("::1/128", "fc00::/7")),
)
"""Where a host that the operator named may lie."""

METADATA = frozenset(map(ip_address, ("100.100.100.200", "169.254.169.254", "fd00:ec2::254", "fd20:ce::254")))
"""Where clouds tell a machine its secrets. A network around it does not open such an address, only its own address does."""

PORTS = frozenset(
    (
        *(1, 7, 9, 11, 13, 15, 17, 19, 20, 21, 22, 23, 25, 37, 42, 43, 53, 69, 77, 79, 87, 95, 101, 102, 103),
        *(104, 109, 110, 111, 113, 115, 117, 119, 123, 135, 137, 139, 143, 161, 179, 389, 427, 465, 512, 513),
        *(514, 515, 526, 530, 531, 532, 540, 548, 554, 556, 563, 587, 601, 636, 989, 990, 993, 995, 1719),
        *(1720, 1723, 2049, 3659, 4045, 4190, 5060, 5061, 6000, 6566, 6665, 6666, 6667, 6668, 6669, 6679),
        *(6697, 10080),
    )
)
"""Ports of other protocols, which a browser does not speak HTTP to either (the Fetch standard's port blocking)."""


class RefusedError(OSError):
    """The address is not one that the hub may connect to."""


def permits(address: Address, allowed: Sequence[Network] = ()) -> bool:
    """Whether the hub may go there: a public address, or one in a network that the operator opened."""
    plain = _plain(address)
    if plain in METADATA:
        return any(plain in network and network.num_addresses == 1 for network in allowed)
    return any(plain in network for network in allowed) or _public(plain)


def _plain(address: Address) -> Address:
    """The address that the system connects to: a mapped one is its IPv4 address, a zone only names the way out."""
    if isinstance(address, IPv4Address):
        return address
    return address.ipv4_mapped or IPv6Address(address.packed)


def _public(address: Address) -> bool:
    if isinstance(address, IPv4Address):
        return not any(address in network for network in REFUSED_4)
    return address in GLOBAL_6 and not any(address in network for network in REFUSED_6)


def check(address: Address, allowed: Sequence[Network] = ()) -> None:
    """Raises ``RefusedError`` for an address that is neither public nor opened."""
    if not permits(address, allowed):
        raise RefusedError(
            f"Address {address} is private or special: the hub connects to public addresses,"
            f" and to networks named in HUB_WEBHOOK_ALLOWED_NETWORKS."
        )


def socket_factory(allowed: Sequence[Network]) -> Callable[[AddressInfo], socket.socket]:
    """Make the sockets of an aiohttp connector, each only for an address that is permitted."""

    def make(info: AddressInfo) -> socket.socket:
        family, kind, protocol, _, target = info
        check(ip_address(target[0]), allowed)
        return socket.socket(family, kind, protocol)

    return make


def networks(allowed: Allowed) -> tuple[Network, ...]:
    """The networks among what the operator opened."""
    return tuple(each for each in allowed if not isinstance(each, str))


def is_named(host: str | None, allowed: Allowed) -> bool:
    """Whether the operator opened a host by its name. A dot at its end and its letters' case make no difference."""
    plain = (host or "").rstrip(".").lower()
    return any(isinstance(each, str) and each.rstrip(".").lower() == plain for each in allowed)


def address(text: str, allowed: Allowed = ()) -> str:
    """An endpoint's address as it is kept.

    Raises ``hub.errors.Invalid`` for what is no web address, for one that carries a password, for a port of another
    protocol, and for a literal address that no delivery would reach. A name is only judged when connecting.
    """
    if any(letter.isspace() or not letter.isprintable() for letter in text):
        raise Invalid(_no_address(text))
    try:
        url = URL(text)
        host, port = url.host, url.port
    except ValueError as wrong:  # a host that begins with xn-- and is no international name is one too
        raise Invalid(_no_address(text)) from wrong
    if url.scheme not in ("http", "https") or not host or not port:
        raise Invalid(_no_address(text))
    if url.user or url.password or url.fragment or "@" in (url.raw_authority or ""):
        raise Invalid(
            f'Address "{url.with_user(None)}" carries a user, password or fragment: leave them out.'
        )
    if port in PORTS:
        raise Invalid(f"Port {port} belongs to another protocol: take 443, 80, or one from 1024 on.")
    _check_literal(host, allowed)
    return str(url)


def _no_address(text: str) -> str:
    return f'Address "{text[:200]}" is no web address: give one like https://erp.example.com/hooks.'


def _check_literal(host: str, allowed: Allowed) -> None:
    found = literal(host)
    try:
        if found is not None and not is_named(host, allowed):
            check(found, networks(allowed))
    except RefusedError as refused:
        raise Invalid(str(refused)) from refused


def literal(host: str) -> Address | None:
    """The address that a host spells out, null for a name.

    Systems also read ``2130706433``, ``0x7f.1`` and ``0177.0.0.1`` as 127.0.0.1.
    """
    try:
        return ip_address(host)
    except ValueError:
        pass
    try:
        return IPv4Address(socket.inet_aton(host.rstrip(".")))
    except (OSError, UnicodeEncodeError):
        return None
