"""The guard: which addresses a delivery may connect to.

It stands where the socket is made, after the name was resolved, so that neither a literal address nor a name that
resolves to another address the second time gets past it.
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
AddressInfo = tuple[int, int, int, str, tuple[Any, ...]]

REFUSED_4: tuple[Network, ...] = tuple(
    IPv4Network(network)
    for network in (
        "0.0.0.0/8",  # this network
        "10.0.0.0/8",  # private
        "100.64.0.0/10",  # shared by carriers
        "127.0.0.0/8",  # loopback
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


class RefusedError(OSError):
    """The address is not one that a delivery may connect to."""


def permits(address: Address, allowed: Sequence[Network] = ()) -> bool:
    """Whether a delivery may go there: a public address, or one in a network that the operator opened."""
    plain = _plain(address)
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
            f"Address {address} is private or special: deliveries go to public addresses,"
            f" and to networks named in HUB_WEBHOOK_ALLOWED_NETWORKS."
        )


def socket_factory(allowed: Sequence[Network]) -> Callable[[AddressInfo], socket.socket]:
    """Make the sockets of an aiohttp connector, each only for an address that is permitted."""

    def make(info: AddressInfo) -> socket.socket:
        family, kind, protocol, _, target = info
        check(ip_address(target[0]), allowed)
        return socket.socket(family, kind, protocol)

    return make


def address(text: str, allowed: Sequence[Network] = ()) -> str:
    """An endpoint's address as it is kept.

    Raises ``hub.errors.Invalid`` for what is no web address, for one that carries a password, and for a literal
    address that no delivery would reach. A name is only judged when connecting.
    """
    try:
        url = URL(text)
        port = url.port
    except ValueError as wrong:
        raise Invalid(_no_address(text)) from wrong
    if url.scheme not in ("http", "https") or not url.host or not port:
        raise Invalid(_no_address(text))
    if url.user or url.password or url.fragment:
        raise Invalid(
            f'Address "{url.with_user(None)}" carries a user, password or fragment: leave them out.'
        )
    _check_literal(url.host, allowed)
    return str(url)


def _no_address(text: str) -> str:
    return f'Address "{text[:200]}" is no web address: give one like https://erp.example.com/hooks.'


def _check_literal(host: str, allowed: Sequence[Network]) -> None:
    try:
        literal = ip_address(host)
    except ValueError:
        return
    try:
        check(literal, allowed)
    except RefusedError as refused:
        raise Invalid(str(refused)) from refused
