"""The port that the server will listen on, looked at before anything is done for it."""

from __future__ import annotations

import socket
from typing import TYPE_CHECKING

from hub.errors import InUse, Invalid

if TYPE_CHECKING:
    from hub.config import Settings


def check(settings: Settings, setting: str = "port") -> None:
    """Raises ``InUse`` where something else listens there, ``Invalid`` for a host that is not this machine's.

    ``setting``: the one that names the port.
    """
    port = getattr(settings, setting)
    try:
        family, _, _, _, address = socket.getaddrinfo(settings.host, port, type=socket.SOCK_STREAM)[0]
    except socket.gaierror as unknown:
        raise Invalid(
            f'HUB_HOST is "{settings.host}", which names no address: set it to one of this machine.'
        ) from unknown
    with socket.socket(family) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(address)
        except OSError as taken:
            raise InUse(
                f"Port {port} of {settings.host} cannot be listened on ({taken.strerror}):"
                f" stop what listens there, or set HUB_{setting.upper()} to another port."
            ) from taken
