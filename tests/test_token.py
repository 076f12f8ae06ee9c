from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import sqlalchemy as sa

from hub import token
from hub.db import HUB, Database
from hub.errors import Code, HubError
from hub.token import Wish
from hub.viewer import Viewer
from tests.shop import all_rows, opened

SECRET = "a secret of at least thirty-two characters"


def made(database: Database, wish: Wish) -> tuple[int, str]:
    with database.write(HUB) as tx:
        return token.create(tx, SECRET, wish)


def viewer(database: Database, text: str, secret: str = SECRET) -> Viewer | None:
    with database.read() as tx:
        row = tx.execute(token.authenticate(secret, text)).mappings().first()
    return None if row is None else token.viewer(row)


def refused(database: Database, wish: Wish) -> HubError:
    with pytest.raises(HubError) as caught:
        made(database, wish)
    assert all_rows(database, "SELECT * FROM token") == []
    return caught.value


@pytest.mark.parametrize(
    ("kind", "prefix"), [("staff", "hubs_"), ("app", "huba_"), ("storefront", "hubp_"), ("customer", "hubc_")]
)
def test_text_tells_its_kind_and_carries_a_checksum(kind: str, prefix: str) -> None:
    text = token.generate(kind)
    assert text.startswith(prefix)
    assert token.well_formed(text)
    assert len({token.generate(kind) for _ in range(100)}) == 100


def test_one_wrong_character_is_told_without_the_database() -> None:
    text = token.generate("staff")
    for place in range(len(text)):
        other = "A" if text[place] != "A" else "B"
        assert not token.well_formed(text[:place] + other + text[place + 1 :])
    assert not token.well_formed(text + "A")
    assert not token.well_formed("")


def test_checksum_is_the_published_crc_32() -> None:
    # CRC-32 of "123456789" is CBF43926 (its usual check value), 3421780262 in decimal; in base 62 three:
    number, digits = 0xCBF43926, ""
    while number:
        number, digit = divmod(number, 62)
        digits = token.DIGITS[digit] + digits
    assert token.checksum("123456789") == digits.rjust(6, "0")


def test_a_token_opens_with_its_text_and_the_hubs_secret_only(database: Database) -> None:
    number, text = made(database, Wish(kind="staff", name="admin"))
    found = viewer(database, text)
    assert found is not None
    assert (found.token_id, found.kind, found.system) == (number, "staff", "admin")
    assert viewer(database, text, "another secret of thirty-two characters!") is None
    assert viewer(database, token.generate("staff")) is None


def test_the_text_is_stored_nowhere(database: Database) -> None:
    _, text = made(database, Wish(kind="staff", name="admin"))
    stored = all_rows(database, "SELECT t::text FROM token t")[0][0]
    assert text not in stored
    assert text[5:-4] not in stored
    assert stored.count(text[-4:]) == 1


def test_staff_may_everything_and_an_app_what_it_names(database: Database) -> None:
    staff = viewer(database, made(database, Wish(kind="staff", name="admin"))[1])
    app = viewer(database, made(database, Wish(kind="app", name="erp", scopes=["stock:write"]))[1])
    assert staff is not None
    assert app is not None
    assert all(staff.may(family, verb) for family in token.SCOPES for verb in token.VERBS)
    assert app.may("stock", "write")
    assert not app.may("stock", "read")
    assert not app.may("catalogue", "write")


def test_the_system_becomes_the_source_of_what_it_writes(database: Database) -> None:
    number, text = made(database, Wish(kind="app", name="nightly", system="erp", scopes=["settings:write"]))
    found = viewer(database, text)
    assert found is not None
    with database.write(found.writer) as tx:
        tx.execute(sa.text("INSERT INTO locale (code) VALUES ('en')"))
    assert all_rows(database, "SELECT provenance->'*'->>0, provenance->'*'->>1 FROM locale") == [
        ("erp", f"token:{number}")
    ]


def test_a_token_is_bound_to_its_channels(database: Database) -> None:
    opened(database)
    channel_id = all_rows(database, "SELECT id FROM channel")[0][0]
    found = viewer(database, made(database, Wish(kind="storefront", name="web", channels=["web"]))[1])
    assert found is not None
    assert found.channel_ids == frozenset({channel_id})
    assert found.default_channel_id == channel_id
    assert found.reaches(channel_id)
    assert not found.reaches(channel_id + 1)
    assert not found.sees_unlisted


WRONG: list[tuple[dict[str, Any], Code, tuple[str | int, ...]]] = [
    ({"kind": "robot"}, Code.INVALID, ("kind",)),
    ({"name": " "}, Code.REQUIRED, ("name",)),
    ({"kind": "app"}, Code.REQUIRED, ("scopes",)),
    ({"scopes": ["catalogue:read", "everything"]}, Code.INVALID, ("scopes", 1)),
    ({"kind": "storefront", "scopes": ["orders:read"]}, Code.INVALID, ("scopes", 0)),
    ({"kind": "storefront", "scopes": ["catalogue:write"]}, Code.INVALID, ("scopes", 0)),
    ({"kind": "customer"}, Code.REQUIRED, ("customer",)),
    ({"customer_id": 1}, Code.REQUIRED, ("customer",)),
    ({"kind": "customer", "customer_id": 1}, Code.NOT_FOUND, ("customer",)),
    ({"channels": ["nowhere"]}, Code.NOT_FOUND, ("channels", 0)),
    ({"default_channel": "nowhere"}, Code.NOT_FOUND, ("channels", 0)),
    ({"default_locale": "xx-yy"}, Code.INVALID, ("default_locale",)),
    ({"expires_at": datetime(2020, 1, 1, tzinfo=UTC)}, Code.INVALID, ("expires_at",)),
]


@pytest.mark.parametrize(("wish", "code", "path"), WRONG)
def test_a_wish_that_no_token_can_have_is_refused(
    database: Database, wish: dict[str, Any], code: Code, path: tuple[str | int, ...]
) -> None:
    error = refused(database, Wish(**({"kind": "staff", "name": "admin"} | wish)))
    assert (error.code, error.path) == (code, path)


def test_a_revoked_token_opens_nothing_more(database: Database) -> None:
    number, text = made(database, Wish(kind="staff", name="admin"))
    for _ in range(2):
        with database.write(HUB) as tx:
            token.revoke(tx, number)
    assert viewer(database, text) is None
    with pytest.raises(HubError, match="does not exist"), database.write(HUB) as tx:
        token.revoke(tx, number + 1)


def test_an_expired_token_opens_nothing_more(database: Database) -> None:
    _, text = made(
        database, Wish(kind="staff", name="admin", expires_at=datetime.now(UTC) + timedelta(hours=1))
    )
    assert viewer(database, text) is not None
    with database.write(HUB) as tx:
        tx.execute(sa.text("UPDATE token SET expires_at = now() - interval '1 second'"))
    assert viewer(database, text) is None


def test_use_is_noted_once_a_minute(database: Database) -> None:
    number, _ = made(database, Wish(kind="staff", name="admin"))

    def touched() -> Any:
        with database.write(HUB) as tx:
            token.touch(tx, [number])
        return all_rows(database, "SELECT last_used_at FROM token")[0][0]

    first = touched()
    assert first is not None
    assert touched() == first
    with database.write(HUB) as tx:
        tx.execute(sa.text("UPDATE token SET last_used_at = now() - interval '61 seconds'"))
    assert touched() > first
