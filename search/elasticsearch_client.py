"""The connection to Elasticsearch, and its failures in the hub's words.

Nothing here needs more than the engine's core: no ``GET /``, no scripts, nothing that works by query.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import urlsplit, urlunsplit

from elasticsearch import (
    ApiError,
    AuthenticationException,
    AuthorizationException,
    ConnectionTimeout,
    Elasticsearch,
    NotFoundError,
    TransportError,
)
from elasticsearch.serializer import OrjsonSerializer

from hub.config import Settings
from search.engine import BusyError, MissingError, UnavailableError

QUESTION_SECONDS = 5.0
WRITE_SECONDS = 60.0
BLOCKED = "cluster_block_exception"

NO_INDEX = 'Search has no index yet: wait for the relay to make it, or run "hub search rebuild".'


def connected(settings: Settings) -> Elasticsearch:
    """A client for the address in the settings; it connects with its first question."""
    key = settings.elasticsearch_api_key
    authority: dict[str, Any] = {}
    if settings.elasticsearch_ca:
        authority["ca_certs"] = str(settings.elasticsearch_ca)
    return Elasticsearch(
        [_with_port(url) for url in (settings.elasticsearch_url or "").split(",")],
        api_key=key.get_secret_value() if key else None,
        request_timeout=QUESTION_SECONDS,
        retry_on_timeout=False,
        max_retries=1,
        serializer=OrjsonSerializer(),
        **authority,
    )


def _with_port(url: str) -> str:
    """The address with its port, which the client wants to be told even where it is the usual one."""
    parts = urlsplit(url.strip())
    if parts.port is not None:
        return url.strip()
    port = 443 if parts.scheme == "https" else 80
    return urlunsplit(parts._replace(netloc=f"{parts.netloc}:{port}"))


@contextmanager
def told() -> Iterator[None]:
    """Turn what the engine or the way to it fails with into ``UnavailableError`` or one of its kinds."""
    try:
        yield
    except NotFoundError as error:
        raise MissingError(NO_INDEX) from error
    except (AuthenticationException, AuthorizationException) as error:
        if _is_blocked(error):
            raise BusyError(f"The search engine takes no writes at the moment: {_reason(error)}") from error
        raise UnavailableError(
            "The search engine refuses the hub's credentials: see HUB_ELASTICSEARCH_URL."
        ) from error
    except ConnectionTimeout as error:
        raise UnavailableError("The search engine did not answer in time: try again.") from error
    except TransportError as error:
        raise UnavailableError("The search engine cannot be reached: reads by id still work.") from error
    except ApiError as error:
        if error.status_code in (429, 502, 503, 504) or _is_blocked(error):
            raise BusyError(f"The search engine is too busy: {_reason(error)}") from error
        raise


def _is_blocked(error: ApiError) -> bool:
    """A full disk makes the engine refuse writes with a block, whose status was 403 and is 429."""
    return error.error == BLOCKED


def _reason(error: ApiError) -> str:
    return f"{error.error}. It is tried again."
