"""Signatures, judged by the published verifier and by vectors that were not made with this code."""

from __future__ import annotations

import base64
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st
from standardwebhooks import Webhook, WebhookVerificationError

from webhooks import signature

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
BODY = '{"name":"Käse 10 €"}'.encode()


def signed(
    body: bytes = BODY, *, at: int | None = None, valid: tuple[str, ...] = (SECRET,)
) -> dict[str, str]:
    return signature.headers(valid, "msg_1", int(time.time()) if at is None else at, body)


def test_fixed_vector() -> None:
    # The example of the specification's reference implementations.
    made = signature.sign(SECRET, "msg_p5jXN8AQM9LWM0D4loKWxJek", 1614265330, b'{"test": 2432232314}')
    assert made == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="


def test_vector_computed_by_openssl() -> None:
    # printf '%s' 'msg_1.1700000000.{}' | openssl dgst -sha256 -mac HMAC -macopt hexkey:000102…1f -binary | base64
    secret = "whsec_" + base64.b64encode(bytes(range(32))).decode()
    assert (
        signature.sign(secret, "msg_1", 1700000000, b"{}")
        == "v1,fhksJF5ElKjlPoT/jtefCO5XjQPvhf7Dhf/8R1ad9yU="
    )


def test_published_verifier_accepts() -> None:
    assert Webhook(SECRET).verify(BODY, signed()) == {"name": "Käse 10 €"}


@given(st.text(), st.from_regex(r"[A-Za-z0-9_]{1,40}", fullmatch=True))
def test_published_verifier_accepts_any_text(text: str, message: str) -> None:
    secret = signature.new_secret()
    body = text.encode("utf-8", "surrogatepass")
    if b"\xed" in body:
        return
    made = signature.headers([secret], message, int(time.time()), body)
    Webhook(secret).verify(body, made, json_parse=False)


def test_flipped_byte_is_refused() -> None:
    headers = signed()
    for place in range(len(BODY)):
        flipped = bytearray(BODY)
        flipped[place] ^= 1
        with pytest.raises((WebhookVerificationError, UnicodeDecodeError)):
            Webhook(SECRET).verify(bytes(flipped), headers)


@pytest.mark.parametrize(
    ("age", "accepted"), [(0, True), (295, True), (305, False), (-295, True), (-305, False)]
)
def test_old_and_future_timestamps_are_refused(age: int, accepted: bool) -> None:
    headers = signed(at=int(time.time()) - age)
    if accepted:
        Webhook(SECRET).verify(BODY, headers)
    else:
        with pytest.raises(WebhookVerificationError, match="timestamp"):
            Webhook(SECRET).verify(BODY, headers)


@pytest.mark.parametrize("header", ["webhook-id", "webhook-timestamp"])
def test_swapped_header_is_refused(header: str) -> None:
    headers = signed()
    other = {"webhook-id": "msg_2", "webhook-timestamp": str(int(headers["webhook-timestamp"]) - 1)}
    with pytest.raises(WebhookVerificationError, match="No matching signature"):
        Webhook(SECRET).verify(BODY, headers | {header: other[header]})


def test_both_secrets_verify_while_one_replaces_the_other() -> None:
    new, old, foreign = signature.new_secret(), signature.new_secret(), signature.new_secret()
    headers = signed(valid=(new, old))
    Webhook(new).verify(BODY, headers)
    Webhook(old).verify(BODY, headers)
    with pytest.raises(WebhookVerificationError):
        Webhook(foreign).verify(BODY, headers)
    with pytest.raises(WebhookVerificationError):
        Webhook(old).verify(BODY, signed(valid=(new,)))


def test_secrets_are_of_the_published_form_and_never_repeat() -> None:
    made = {signature.new_secret() for _ in range(50)}
    assert len(made) == 50
    assert all(secret.startswith("whsec_") and len(signature.key(secret)) == 32 for secret in made)


@pytest.mark.parametrize(
    "secret",
    [
        "",
        "whsec_",
        "whsec_!!!",
        "whsec_" + base64.b64encode(b"x" * 23).decode(),
        "whsec_" + base64.b64encode(b"x" * 65).decode(),
        base64.b64encode(b"x" * 32).decode(),
    ],
)
def test_wrong_secret_is_refused(secret: str) -> None:
    with pytest.raises(ValueError, match="secret is not"):
        signature.sign(secret, "msg_1", 0, b"")


def test_dot_in_the_id_is_refused() -> None:
    with pytest.raises(ValueError, match="dot"):
        signature.sign(SECRET, "msg.1", 0, b"")
