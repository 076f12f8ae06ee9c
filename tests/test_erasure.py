"""Erasure: nothing of the person is left in any table, the proof stays, and the feed is still proved."""

from __future__ import annotations

import json
import threading
from datetime import UTC, datetime
from typing import Any

import pytest
import sqlalchemy as sa

from hub import erasure, ids, verify
from hub.db import HUB
from hub.token import Wish
from hub.token import create as create_token
from tests.receiving import receiving
from tests.running import Server, wait_until
from tests.shop import WRITER, all_rows, opened, written
from tests.test_changes import PAGE, all_of, settled
from webhooks import due
from webhooks.delivery import BODIES_LOCK, LANE_LOCK, Claimed, lock_lanes

EMAIL, SECOND, PHONE = "ada.winter@example.org", "ada@second.example", "+4930901820"
PERSONAL = (EMAIL, SECOND, PHONE, "third@adal", "Adalwine", "Wintersteiner", "Lindenstr", "53111")
"""What must not be found any more."""

ERASE = """mutation ($id: ID!, $reason: String!, $key: String) {
    customerErase(id: $id, reason: $reason, idempotencyKey: $key) {
        erasedId erasure { id erasedAt counts { what count } } userErrors { field code message }
    }
}"""
ENDPOINT = "mutation ($input: WebhookEndpointInput!) { webhookEndpointCreate(input: $input) { webhookEndpoint { id } secret } }"
DELIVERIES = """{ webhookDeliveries(first: 100) { nodes {
    id type erasedAt deliveredAt body attempts { response }
} } }"""
RESEND = "mutation ($ids: [ID!]) { webhookResend(ids: $ids) { userErrors { code message } } }"


@pytest.fixture
def hub(server: Server) -> Server:
    opened(server.database)
    return server


def person(hub: Server) -> str:
    """A customer of whom much is known; the global id."""
    address = {
        "code": "home",
        "name": "Adalwine Wintersteiner",
        "street": "Lindenstr. 1",
        "postal_code": "53111",
        "country": "DE",
    }
    row = {
        "given_name": "Adalwine",
        "family_name": "Wintersteiner",
        "email": EMAIL,
        "phone": PHONE,
        "identifiers": [
            {"type": "email", "value": EMAIL, "verified": True},
            {"type": "email", "value": SECOND, "verified": True},
            {"type": "phone", "value": PHONE},
        ],
        "addresses": [address],
        "external_ids": [{"system": "crm", "id": "c-17"}, {"system": "newsletter", "id": EMAIL}],
    }
    (made,) = written(hub.database, "customer", row)
    assert made.id is not None, made
    number = ids.encode("customer", made.id)
    snapshot = {
        "name": "Adalwine Wintersteiner",
        "street": "Lindenstr. 1",
        "postal_code": "53111",
        "country": "DE",
    }
    order = {"channel": {"key": "web"}, "lines": [{"name": "Shirt", "quantity": 2, "unit_price": "5"}]}
    known = order | {"customer": {"id": made.id}, "billing_address": snapshot, "shipping_address": snapshot}
    for each in (known | {"number": "known", "email": EMAIL}, order | {"number": "guest", "email": SECOND}):
        assert written(hub.database, "order", each)[0].outcome == "created"
    return number


def local(number: str) -> int:
    return ids.decode(number)[1]


def erase(hub: Server, number: str, reason: str = "asked for by letter", **more: Any) -> Any:
    return hub.data(ERASE, {"id": number, "reason": reason, **more})["customerErase"]


def dumped(hub: Server) -> str:
    """Every table, as it would stand in a backup."""
    lines = []
    for (table,) in all_rows(
        hub.database,
        "SELECT relname FROM pg_class WHERE relkind IN ('r', 'p') AND relnamespace = 'public'::regnamespace",
    ):
        for (row,) in all_rows(hub.database, f'SELECT to_jsonb(t)::text FROM "{table}" t'):
            lines.append(f"{table}: {row}")
    for (body,) in all_rows(
        hub.database, "SELECT convert_from(body, 'UTF8') FROM webhook_delivery WHERE body IS NOT NULL"
    ):
        lines.append(f"body: {body}")
    return "\n".join(lines)


def found(hub: Server) -> list[str]:
    """The lines of a dump in which something of the person stands."""
    return [line for line in dumped(hub).splitlines() if any(each in line for each in PERSONAL)]


def test_nothing_of_the_person_is_found_in_any_table(hub: Server) -> None:
    with receiving() as receiver:
        document = "query ($id: ID!) { node(id: $id) { ... on Customer { email fullName } ... on Order { email number } } }"
        given = {"url": receiver.url, "eventTypes": ["customer.*", "order.*"], "document": document}
        created = hub.data(ENDPOINT, {"input": given})["webhookEndpointCreate"]
        receiver.tell(secret=created["secret"])
        number = person(hub)
        variables = {"input": {"id": number, "givenName": "Adalwine", "phone": "12"}}
        update = 'mutation ($input: CustomerInput!) { customerUpdate(input: $input, idempotencyKey: "once") { outcome } }'
        hub.graphql(update, variables)
        written(
            hub.database,
            "customer",
            {"id": local(number), "family_name": "Wintersteiner-Sommer", "phone": None},
        )
        with hub.database.write(HUB) as tx:
            wish = Wish(kind="customer", name="Adalwine Wintersteiner", customer_id=ids.decode(number)[1])
            create_token(tx, hub.settings.secret, wish)
        settled(hub)
        wait_until(lambda: len(receiver.log()) >= 4, 20)
        assert any(EMAIL in each.raw.decode() for each in receiver.log())
        assert len({line.partition(":")[0] for line in found(hub)}) >= 6
        done = erase(hub, number)
        assert (done["erasedId"], done["userErrors"]) == (number, [])
        counts = {each["what"]: each["count"] for each in done["erasure"]["counts"]}
        assert counts["customer"] == counts["external_id"] == counts["token"] == 1
        assert counts["order"] == 2
        assert counts["record"] >= 4
        assert counts["delivery"] >= 4
        assert found(hub) == []
        settled(hub)
        wait_until(lambda: "customer.erased" in json.dumps([each.body for each in receiver.log()]), 20)
        assert found(hub) == []
    report = verify.verify(hub.database)
    assert report.faults == []


def test_what_was_proposed_and_what_waits_for_an_order_is_forgotten(hub: Server) -> None:
    number = person(hub)
    owned = {"code": "crm", "noun": "customer", "path": "*", "system": "crm", "others": "propose"}
    assert written(hub.database, "field_owner", owned)[0].outcome == "created"
    told = {
        "id": local(number),
        "family_name": "Wintersteiner-Sommer",
        "identifiers": [{"type": "email", "value": "third@adalwine.example"}],
        "addresses": [{"code": "work", "street": "Lindenstr. 2", "country": "DE"}],
    }
    written(hub.database, "customer", told)
    opened_ = [path for (path,) in all_rows(hub.database, "SELECT path FROM proposal WHERE status = 'open'")]
    assert {"/family_name", "/addresses/new:work", "/identifiers/new:email,third@adalwine.example"} < {
        *opened_
    }
    message = """mutation ($order: Reference!, $text: String!) { orderNoteAdd(order: $order, text: $text,
        message: {system: "erp", id: "M-1"}) { outcome userErrors { message } } }"""
    kept = hub.data(message, {"order": {"key": "unseen"}, "text": f"Write to {EMAIL}."})["orderNoteAdd"]
    assert kept["outcome"] == "KEPT", kept
    settled(hub)
    counts = {each["what"]: each["count"] for each in erase(hub, number)["erasure"]["counts"]}
    assert (counts["proposal"], counts["pending_message"]) == (len(opened_), 1)
    assert found(hub) == []
    assert all_rows(hub.database, "SELECT DISTINCT status FROM proposal") == [("dismissed",)]
    assert all_rows(hub.database, "SELECT status FROM pending_message") == [("dismissed",)]
    settled(hub)
    assert found(hub) == []
    assert verify.verify(hub.database).faults == []


RECORD_ADD = """mutation ($rows: [SourceRecordInput!]!) { sourceRecordAdd(rows: $rows) {
    results { recordId customerId outcome userErrors { field code message } } userErrors { code message } } }"""


def recorded(hub: Server, *rows: Any) -> Any:
    return hub.data(RECORD_ADD, {"rows": list(rows)})["sourceRecordAdd"]["results"]


def records() -> list[Any]:
    """Two records of the person, told by two systems, one under an id that is an address; and one of somebody else."""
    home = {"street": "Lindenstr. 1", "postalCode": "53111", "city": "Bonn", "country": "DE"}
    same = {"familyName": "Wintersteiner", "birthDate": "1984-07-21", "addresses": [home]}
    shop = {"system": "shop", "externalId": EMAIL, "givenName": "Adalwine", "email": EMAIL, "phone": PHONE}
    till = {
        "system": "till",
        "externalId": "t-1",
        "givenName": "Adalwine",
        "payload": {"note": f"call {SECOND}"},
    }
    other = {
        "system": "till",
        "externalId": "t-2",
        "givenName": "Bela",
        "familyName": "Berg",
        "email": "b@berg.example",
    }
    return [shop | same, till | same, other]


def test_records_and_what_identity_made_of_them_go_and_are_not_taken_in_again(hub: Server) -> None:
    one, same, other = recorded(hub, *records())
    assert one["customerId"] == same["customerId"] != other["customerId"]
    newer = records()[1] | {"identifiers": [{"type": "card", "value": "LINDENSTR-7781"}]}
    recorded(hub, newer)
    decide = """mutation ($one: ID!, $other: ID!) { identityDecide(oneId: $one, otherId: $other, decision: EXCLUDE,
        reason: "Adalwine is not Bela") { customerIds userErrors { message } } }"""
    told = hub.data(decide, {"one": one["customerId"], "other": other["customerId"]})["identityDecide"]
    assert told["userErrors"] == []
    settled(hub)
    held = {line.partition(":")[0] for line in found(hub)}
    assert held >= {
        "source_record",
        "identity_record",
        "identity_decision",
        "customer",
        "external_id",
        "feed",
    }
    merged = all_rows(hub.database, "SELECT id FROM customer WHERE merged_into_id IS NOT NULL")
    done = erase(hub, ids.encode("customer", merged[0][0]))
    assert done["userErrors"] == []
    counts = {each["what"]: each["count"] for each in done["erasure"]["counts"]}
    assert (counts["customer"], counts["source_record"], counts["identity_record"]) == (2, 3, 2)
    settled(hub)
    assert found(hub) == []
    for table in ("identity_key", "identity_link", "customer_value"):
        kept = all_rows(
            hub.database,
            f"SELECT count(*) FROM {table} t, customer c WHERE c.erased_at IS NOT NULL"
            f" AND to_jsonb(t)->>'{'one_id' if table == 'identity_link' else 'customer_id'}' = c.id::text",
        )
        assert kept == [(0,)], table
    again = recorded(hub, records()[2], *(records()[:2]))
    assert [each["outcome"] for each in again] == ["refused"] * 3
    for each in again[1:]:
        assert [(error["code"], error["field"][-1]) for error in each["userErrors"]] == [
            ("FORBIDDEN", "externalId")
        ]
    assert found(hub) == []
    assert [each["outcome"] for each in recorded(hub, records()[2])] == ["unchanged"]
    assert verify.verify(hub.database).faults == []


def test_a_record_whose_customer_was_deleted_goes_with_the_person(hub: Server) -> None:
    (made,) = recorded(hub, records()[0])
    with hub.database.write(WRITER) as tx:
        tx.execute(sa.text("DELETE FROM customer"))
    settled(hub)
    assert any(line.startswith("source_record") for line in found(hub))
    assert erase(hub, made["customerId"])["userErrors"] == []
    assert found(hub) == []


def test_amounts_lines_and_dates_of_orders_stay_and_the_proof_names_nobody(hub: Server) -> None:
    number = person(hub)
    kept = "SELECT number, total, created_at, (SELECT count(*) FROM order_line l WHERE l.order_id = o.id) FROM \"order\" o JOIN aggregate a ON a.type = 'order' AND a.id = o.id ORDER BY 1"
    before = all_rows(hub.database, kept)
    proof = erase(hub, number, "asked for by letter of 3 May")["erasure"]
    assert all_rows(hub.database, kept) == before
    assert all_rows(
        hub.database, 'SELECT DISTINCT email, billing_address, shipping_address FROM "order"'
    ) == [(None, None, None)]
    ((actor, reason, hashes, erased_at),) = all_rows(
        hub.database, "SELECT actor, reason, identifiers, erased_at FROM erasure"
    )
    assert (actor[:6], reason, len(hashes)) == ("token:", "asked for by letter of 3 May", 3)
    assert proof["erasedAt"][:19] == erased_at.isoformat()[:19]
    with hub.database.read() as tx:
        assert erasure.was_erased(tx, hub.settings.secret, EMAIL.upper())
        assert not erasure.was_erased(tx, hub.settings.secret, "somebody@else.example")
        assert not erasure.was_erased(tx, "another secret", EMAIL)


def test_the_feed_keeps_every_record_and_says_what_was_erased(hub: Server) -> None:
    number = person(hub)
    settled(hub)
    before = all_of(hub)
    erase(hub, number)
    settled(hub)
    query = PAGE.replace("path old new", "path old new erased")
    after = hub.data(query, {"first": 1000})["changes"]["nodes"]
    assert [(each["sequence"], each["entityVersion"]) for each in after[: len(before)]] == [
        (each["sequence"], each["entityVersion"]) for each in before
    ]
    (made,) = [each for each in after if each["type"] == "customer.created"]
    paths = {each["path"].split("/")[1]: each for each in made["changedPaths"]}
    assert paths["email"] == {"path": "/email", "old": None, "new": None, "erased": True}
    assert paths["addresses"]["erased"]
    assert paths["addresses"]["new"]["country"] == "DE"
    told = next(each for each in after if "customer.erased" in each["events"])
    assert {each["path"] for each in told["changedPaths"]} >= {"/email", "/givenName", "/erasedAt"} or told[
        "changedPaths"
    ]
    assert not [each for each in PERSONAL if each in json.dumps(after)]


def test_what_was_delivered_is_not_sent_again(hub: Server) -> None:
    with receiving() as receiver:
        created = hub.data(ENDPOINT, {"input": {"url": receiver.url, "eventTypes": ["customer.created"]}})[
            "webhookEndpointCreate"
        ]
        receiver.tell(secret=created["secret"])
        number = person(hub)
        wait_until(lambda: len(receiver.log()) == 1, 20)
        wait_until(
            lambda: hub.data(DELIVERIES)["webhookDeliveries"]["nodes"][0]["deliveredAt"] is not None, 10
        )
        erase(hub, number)
        (delivery,) = [
            each
            for each in hub.data(DELIVERIES)["webhookDeliveries"]["nodes"]
            if each["type"] == "customer.created"
        ]
        assert delivery["erasedAt"]
        assert delivery["body"] is None
        (refused,) = hub.data(RESEND, {"ids": [delivery["id"]]})["webhookResend"]["userErrors"]
        assert refused["code"] in ("GONE", "INVALID")
        assert "was erased with the person" in refused["message"]


def test_a_delivery_on_its_way_is_made_anew_from_what_is_left(hub: Server) -> None:
    with receiving() as receiver:
        created = hub.data(ENDPOINT, {"input": {"url": receiver.url, "eventTypes": ["customer.created"]}})[
            "webhookEndpointCreate"
        ]
        receiver.tell(secret=created["secret"], status=500)
        number = person(hub)
        wait_until(lambda: len(receiver.log()) == 1, 20)
        erase(hub, number)
        assert found(hub) == []
        receiver.tell(status=204)
        with hub.database.write(HUB) as tx:
            tx.execute(sa.text("UPDATE webhook_delivery SET due_at = now() WHERE due_at IS NOT NULL"))
        wait_until(lambda: len(receiver.log()) == 2, 20)
        assert EMAIL in receiver.log()[0].raw.decode()
        assert not [each for each in PERSONAL if each in receiver.log()[1].raw.decode()]
        assert receiver.log()[0].id == receiver.log()[1].id


def test_who_was_erased_takes_no_personal_data_any_more(hub: Server) -> None:
    number = person(hub)
    erase(hub, number)
    order = {"number": "known", "status": "confirmed"}
    assert written(hub.database, "order", order)[0].outcome == "updated"
    for noun, row in (
        ("customer", {"id": local(number), "email": "new@example.org"}),
        ("customer", {"id": local(number), "addresses": [{"code": "home", "city": "Bonn", "country": "DE"}]}),
        ("customer", {"id": local(number), "identifiers": [{"type": "email", "value": "new@example.org"}]}),
        ("order", {"number": "known", "email": "new@example.org"}),
    ):
        (refused,) = written(hub.database, noun, row)
        assert refused.outcome == "refused", row
        assert "was erased and takes no personal data any more" in refused.errors[0].message
    again = erase(hub, number)
    assert again["userErrors"] == []
    assert again["erasure"]["id"]


def test_who_comes_back_after_an_erasure_is_somebody_new(hub: Server) -> None:
    """What another system still knows is refused by its own id, and taken for somebody new by the address alone."""
    number = person(hub)
    erase(hub, number)
    create = """mutation ($input: CustomerInput!) { customerCreate(input: $input) {
        customer { id email } userErrors { code message } } }"""
    given = {"email": EMAIL, "givenName": "Adalwine"}
    made = hub.data(create, {"input": given})["customerCreate"]
    assert made["userErrors"] == []
    assert made["customer"]["email"] == EMAIL
    assert made["customer"]["id"] != number
    orders = 'SELECT count(*) FROM "order" WHERE customer_id = :id'
    assert all_rows(hub.database, orders, id=local(made["customer"]["id"])) == [(0,)]
    (refused,) = written(
        hub.database, "customer", {"external_ids": [{"system": "crm", "id": "c-17"}], "email": SECOND}
    )
    assert (refused.outcome, refused.errors[0].code) == ("refused", "INVALID")
    with hub.database.read() as tx:
        assert erasure.was_erased(tx, hub.settings.secret, EMAIL)


def test_a_customer_that_was_deleted_is_erased_from_the_feed(hub: Server) -> None:
    number = person(hub)
    with hub.database.write(WRITER) as tx:
        tx.execute(sa.text('DELETE FROM "order"'))
        tx.execute(sa.text("DELETE FROM customer"))
    settled(hub)
    assert found(hub)
    assert erase(hub, number)["userErrors"] == []
    assert found(hub) == []
    assert verify.verify(hub.database).faults == []


def test_others_keep_what_is_theirs(hub: Server) -> None:
    other = {
        "given_name": "Bela",
        "email": "bela@example.org",
        "identifiers": [{"type": "email", "value": "bela@example.org"}],
    }
    written(hub.database, "customer", other)
    written(
        hub.database,
        "order",
        {"number": "belas", "channel": {"key": "web"}, "email": "bela@example.org", "lines": []},
    )
    number = person(hub)
    settled(hub)
    before = dumped(hub).count("bela@example.org")
    erase(hub, number)
    assert dumped(hub).count("bela@example.org") == before > 4


def test_a_reason_is_needed_and_names_nobody(hub: Server) -> None:
    number = person(hub)
    for reason, code, says in (
        (" ", "REQUIRED", "An erasure needs a reason"),
        (f"{EMAIL} asked for it", "INVALID", "The reason names the person"),
        ("for adalwine wintersteiner", "INVALID", "The reason names the person"),
        ("x" * 501, "INVALID", "give at most 500"),
    ):
        done = erase(hub, number, reason)
        assert (done["erasedId"], done["erasure"]) == (None, None)
        (error,) = done["userErrors"]
        assert (error["field"], error["code"]) == (["reason"], code)
        assert says in error["message"]
    writer = hub.new_token(Wish(kind="app", name="app", scopes=("customers:read", "customers:write")))
    (error,) = hub.graphql(ERASE, {"id": number, "reason": "x"}, token=writer)["errors"]
    assert error["extensions"]["code"] == "FORBIDDEN"
    assert "customers:erase" in error["message"]
    assert erase(hub, ids.encode("customer", 999_999))["userErrors"][0]["code"] == "NOT_FOUND"
    assert all_rows(hub.database, "SELECT count(*) FROM customer WHERE email IS NOT NULL") == [(1,)]


def test_the_same_request_again_is_answered_alike(hub: Server) -> None:
    number = person(hub)
    assert erase(hub, number, key="k") == erase(hub, number, key="k")
    assert all_rows(hub.database, "SELECT count(*) FROM erasure") == [(1,)]


def test_no_body_that_tells_of_the_person_is_stored_while_they_are_erased(hub: Server) -> None:
    """The erasure waits for whoever works on the lanes of what it empties, and those who store bodies wait for it."""
    with receiving() as receiver:
        given = {"url": receiver.url, "eventTypes": ["customer.created"]}
        created = hub.data(ENDPOINT, {"input": given})["webhookEndpointCreate"]
        receiver.tell(secret=created["secret"])
        endpoint = local(created["webhookEndpoint"]["id"])
        number = person(hub)
        wait_until(lambda: len(receiver.log()) == 1, 20)
        wait_until(lambda: hub.data(DELIVERIES)["webhookDeliveries"]["nodes"][0]["deliveredAt"], 20)
        somebody = made_for_somebody_else(hub, endpoint)
        kept: list[set[int]] = []

        def keep() -> None:
            with hub.database.engine.begin() as tx:
                kept.append(due.keep_bodies(tx, [somebody]))

        erasing = threading.Thread(target=lambda: kept.append({len(erase(hub, number)["userErrors"])}))
        keeping = threading.Thread(target=keep)
        with hub.database.engine.begin() as lanes:
            lock_lanes(lanes, [endpoint])
            erasing.start()
            wait_until(lambda: waits_for(hub, LANE_LOCK + endpoint), 20)
            keeping.start()
            wait_until(lambda: waits_for(hub, BODIES_LOCK), 20)
            assert kept == []
        erasing.join()
        keeping.join()
    assert sorted(kept, key=len) == [set(), {0}]
    assert found(hub) == []


def made_for_somebody_else(hub: Server, endpoint: int) -> Claimed:
    """A delivery about another object, taken before the erasure, with a body that names the person."""
    add = """INSERT INTO webhook_delivery (endpoint_id, type, aggregate, aggregate_id, occurred_at)
        VALUES (:endpoint, 'category.updated', 'category', 1, now()) RETURNING id, message, xmin::text"""
    with hub.database.engine.begin() as tx:
        row = tx.execute(sa.text(add), {"endpoint": endpoint}).one()
        (last,) = tx.execute(sa.text("SELECT coalesce(max(id), 0) FROM erasure")).one()
    return Claimed(
        id=row.id,
        endpoint_id=endpoint,
        sequence=None,
        purpose="change",
        message=row.message,
        type="category.updated",
        aggregate="category",
        aggregate_id=1,
        occurred_at=datetime.now(UTC),
        body=f'{{"by": "{EMAIL}"}}'.encode(),
        attempts=0,
        failures=0,
        seen=row.xmin,
        erased=last,
    )


def waits_for(hub: Server, lock: int) -> bool:
    """Whether somebody waits for an advisory lock."""
    waiting = """SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted
        AND (classid::bigint << 32) + objid::bigint = :lock"""
    return all_rows(hub.database, waiting, lock=lock) != [(0,)]


def test_what_is_written_meanwhile_is_erased_or_refused(hub: Server) -> None:
    """Writers of the same customer's orders and addresses race with the erasure."""
    number = person(hub)
    start = threading.Barrier(5)
    outcomes: list[str] = []

    def write(place: int) -> None:
        start.wait()
        for turn in range(10):
            address = {"code": f"a{place}-{turn}", "city": "Adalwinestadt", "country": "DE"}
            row = {
                "number": f"race-{place}-{turn}",
                "channel": {"key": "web"},
                "customer": {"id": local(number)},
                "email": EMAIL,
                "lines": [],
            }
            noun, each = (
                ("customer", {"id": local(number), "addresses": [address]}) if place % 2 else ("order", row)
            )
            try:
                outcomes.append(written(hub.database, noun, each)[0].outcome)
            except sa.exc.OperationalError:  # a deadlock, which a mutation would try again
                outcomes.append("deadlock")

    threads = [threading.Thread(target=write, args=(place,)) for place in range(4)]
    for each in threads:
        each.start()
    start.wait()
    assert erase(hub, number)["userErrors"] == []
    for each in threads:
        each.join()
    settled(hub)
    assert found(hub) == []
    assert "Adalwinestadt" not in dumped(hub)
    assert "refused" in outcomes
    assert verify.verify(hub.database).faults == []
