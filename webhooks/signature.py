"""The signature of Standard Webhooks 1.0.0: HMAC-SHA256 over id, timestamp and the very bytes of the body."""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import secrets
from collections.abc import Sequence

PREFIX = "whsec_"
KEY_BYTES = 32
KEY_LIMITS = range(24, 65)
"""How many bytes a key may have, by the specification."""


def new_secret() -> str:
    """A new secret, as the receiver is given it."""
    return PREFIX + base64.b64encode(secrets.token_bytes(KEY_BYTES)).decode()


def key(secret: str) -> bytes:
    """The key that a secret stands for: the bytes, never the text. Raises ``ValueError`` for a text that is none."""
    try:
        plain = base64.b64decode(secret.removeprefix(PREFIX), validate=True)
    except binascii.Error as wrong:
        raise ValueError(
            "The webhook secret is not base64: give whsec_ and 24 to 64 bytes in base64."
        ) from wrong
    if not secret.startswith(PREFIX) or len(plain) not in KEY_LIMITS:
        raise ValueError("The webhook secret is not of the form whsec_ and 24 to 64 bytes in base64.")
    return plain


def sign(secret: str, message: str, timestamp: int, body: bytes) -> str:
    """One signature. ``message`` is the webhook-id, ``timestamp`` counts seconds since 1970."""
    if "." in message:
        raise ValueError(f'Webhook id "{message}" holds a dot, which would blur where it ends.')
    signed = b"%s.%d.%s" % (message.encode(), timestamp, body)
    return "v1," + base64.b64encode(hmac.digest(key(secret), signed, hashlib.sha256)).decode()


def headers(valid: Sequence[str], message: str, timestamp: int, body: bytes) -> dict[str, str]:
    """The three headers. While a secret is being changed, ``valid`` holds both, and either verifies."""
    return {
        "webhook-id": message,
        "webhook-timestamp": str(timestamp),
        "webhook-signature": " ".join(sign(secret, message, timestamp, body) for secret in valid),
    }
