"""The signatures of Standard Webhooks 1.0.0, over id, timestamp and the very bytes of the body.

``v1`` is HMAC-SHA256 with a secret that both sides know; ``v1a`` is Ed25519, of which the receiver knows the public
key only. An endpoint may have either, or both: a verifier takes the one it knows and passes over the other.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import secrets
from collections.abc import Callable, Sequence
from functools import lru_cache

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

PREFIX = "whsec_"
PRIVATE = "whsk_"
PUBLIC = "whpk_"
KEY_BYTES = 32
KEY_LIMITS = range(24, 65)
"""How many bytes a symmetric key may have, by the specification."""

SEED_BYTES = 32
"""A private key is this seed; the form that other systems exchange has the public key behind it, 64 bytes together."""

REMEMBERED = 4_096
"""Keys that are kept ready: reading one takes longer than signing with it."""

Sign = Callable[[bytes], str]


def new_secret() -> str:
    """A new symmetric secret, as the receiver is given it."""
    return PREFIX + base64.b64encode(secrets.token_bytes(KEY_BYTES)).decode()


def new_private_key() -> str:
    """A new private key, which never leaves the hub."""
    made = Ed25519PrivateKey.generate()
    return (
        PRIVATE + base64.b64encode(made.private_bytes_raw() + made.public_key().public_bytes_raw()).decode()
    )


def public_key(private: str) -> str:
    """The public key of a private one, as the receiver is given it. Raises ``ValueError`` for a text that is none."""
    return PUBLIC + base64.b64encode(_private(private).public_key().public_bytes_raw()).decode()


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
    """One signature, of the kind that the secret is for. ``message`` is the webhook-id, ``timestamp`` Unix seconds."""
    return _signer(secret)(_content(message, timestamp, body))


def headers(valid: Sequence[str], message: str, timestamp: int, body: bytes) -> dict[str, str]:
    """The three headers. While a secret is being changed, ``valid`` holds both, and either verifies."""
    content = _content(message, timestamp, body)
    return {
        "webhook-id": message,
        "webhook-timestamp": str(timestamp),
        "webhook-signature": " ".join(_signer(secret)(content) for secret in valid),
    }


def _content(message: str, timestamp: int, body: bytes) -> bytes:
    if "." in message:
        raise ValueError(f'Webhook id "{message}" holds a dot, which would blur where it ends.')
    return b"%s.%d.%s" % (message.encode(), timestamp, body)


@lru_cache(REMEMBERED)
def _signer(secret: str) -> Sign:
    if secret.startswith(PRIVATE):
        private = _private(secret)
        return lambda content: "v1a," + base64.b64encode(private.sign(content)).decode()
    keyed = hmac.new(key(secret), digestmod=hashlib.sha256)

    def symmetric(content: bytes) -> str:
        made = keyed.copy()
        made.update(content)
        return "v1," + base64.b64encode(made.digest()).decode()

    return symmetric


def _private(text: str) -> Ed25519PrivateKey:
    try:
        plain = base64.b64decode(text.removeprefix(PRIVATE), validate=True)
    except binascii.Error as wrong:
        raise ValueError(
            "The webhook private key is not base64: give whsk_ and 64 bytes in base64."
        ) from wrong
    if not text.startswith(PRIVATE) or len(plain) not in (SEED_BYTES, 2 * SEED_BYTES):
        raise ValueError("The webhook private key is not of the form whsk_ and 64 bytes in base64.")
    made = Ed25519PrivateKey.from_private_bytes(plain[:SEED_BYTES])
    if plain[SEED_BYTES:] not in (b"", made.public_key().public_bytes_raw()):
        raise ValueError("The webhook private key and the public key behind it do not belong together.")
    return made
