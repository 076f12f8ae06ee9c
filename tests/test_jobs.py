"""Jobs: an export that is asked for, watched, fetched, cancelled, killed, and refused."""

from __future__ import annotations

import gzip
import json
import os
import signal
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from hub import export_job, feed, ids, job, job_runner
from hub.config import Settings
from hub.db import Database
from hub.token import Wish
from tests.capturing import ERP, SHOP, drain, run
from tests.running import Server, serving, wait_until
from tests.test_house import HOUSE

JOB = "id kind status progress { done total } url size expiresAt error cursor attempts finishedAt"
EXPORT = f"""mutation ($input: BulkExportInput!, $key: String) {{
    bulkExport(input: $input, idempotencyKey: $key) {{ job {{ {JOB} }} userErrors {{ field code message }} }} }}"""
LOOK = f"query ($id: ID!) {{ job(id: $id) {{ {JOB} }} }}"
CANCEL = (
    f"mutation ($id: ID!) {{ jobCancel(id: $id) {{ job {{ {JOB} }} userErrors {{ field code message }} }} }}"
)


@pytest.fixture(scope="module")
def shop(module_server: Server) -> Server:
    """A served shop with a little of everything."""
    with module_server.database.write(ERP) as tx:
        run(tx, SHOP)
    drain(module_server.database)
    return module_server


def export(server: Server, token: str | None = None, key: str | None = None, **given: Any) -> dict[str, Any]:
    answer: dict[str, Any] = server.data(EXPORT, {"input": given, "key": key}, token=token)["bulkExport"]
    return answer


def ended(
    server: Server, job: dict[str, Any], token: str | None = None, seconds: float = 30
) -> dict[str, Any]:
    """The job when it has ended."""

    def look() -> dict[str, Any]:
        found: dict[str, Any] = server.data(LOOK, {"id": job["id"]}, token=token)["job"]
        return found

    wait_until(lambda: look()["finishedAt"] is not None, seconds)
    return look()


def fetch(url: str, **headers: str) -> tuple[int, bytes, dict[str, str]]:
    request = urllib.request.Request(url, headers=headers)
    try:
        with urllib.request.urlopen(request, timeout=30) as answer:
            return answer.status, answer.read(), dict(answer.headers)
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read(), dict(error.headers)


def objects(packed: bytes) -> list[Any]:
    return [json.loads(line) for line in gzip.decompress(packed).split(b"\n") if line]


def test_an_export_is_asked_for_watched_and_fetched(shop: Server) -> None:
    asked = export(shop, types=["product", "category"])
    assert asked["userErrors"] == []
    assert asked["job"]["kind"] == "EXPORT"
    done = ended(shop, asked["job"])
    assert (done["status"], done["error"], done["attempts"]) == ("DONE", None, 1)
    status, packed, headers = fetch(shop.url + done["url"])
    assert (status, headers["content-type"], len(packed)) == (200, "application/gzip", done["size"])
    header, *lines, end = objects(packed)
    assert (header["cursor"], header["types"]) == (done["cursor"], ["category", "product"])
    assert [line["type"] for line in lines] == ["category"] * 2 + ["product"] * 2
    assert end["counts"] == {"category": 2, "product": 2}
    assert done["progress"] == {"done": 4, "total": 4}


@pytest.fixture(scope="module")
def packed(shop: Server) -> tuple[dict[str, Any], bytes]:
    """A finished export and its file."""
    done = ended(shop, export(shop)["job"])
    return done, fetch(shop.url + done["url"])[1]


@contextmanager
def held_up(server: Server) -> Iterator[None]:
    """Whoever reads categories waits until the block ends."""
    with server.database.engine.begin() as tx:
        run(tx, "LOCK TABLE category IN ACCESS EXCLUSIVE MODE")
        yield


def processes(of: int) -> list[int]:
    """The processes that do the jobs of a relay."""
    found = []
    for place in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            words = place.joinpath("cmdline").read_bytes().split(b"\0")
            parent = place.joinpath("stat").read_text().rpartition(")")[2].split()[1]
            if b"hub.job_process" in words and int(parent) == of:
                found.append(int(place.name))
    return found


def is_running(pid: int) -> bool:
    with suppress(OSError):
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    return False


def begun(server: Server, **given: Any) -> dict[str, Any]:
    """A job that is running and held up."""
    asked: dict[str, Any] = export(server, **given)["job"]
    wait_until(lambda: waiting(server.database) > 0)
    return asked


WAITING = (
    "datname = current_database() AND wait_event_type = 'Lock' AND query LIKE '%states_category_category%'"
)
"""Of the database's sessions those of exports that are held up."""


def waiting(database: Database) -> int:
    with database.read() as tx:
        return int(run(tx, f"SELECT count(*) FROM pg_stat_activity WHERE {WAITING}")[0][0])


# Fetching


def test_a_download_goes_on_where_it_stopped(shop: Server, packed: tuple[dict[str, Any], bytes]) -> None:
    done, whole = packed
    address = shop.url + done["url"]
    tag = fetch(address)[2]["etag"]
    status, rest, headers = fetch(address, Range="bytes=100-", **{"If-Range": tag})
    assert (status, rest) == (206, whole[100:])
    assert headers["content-range"] == f"bytes 100-{len(whole) - 1}/{len(whole)}"
    assert fetch(address, Range="bytes=100-", **{"If-Range": '"another"'})[1] == whole
    assert fetch(address, Range=f"bytes={len(whole)}-")[0] == 416


def test_only_the_signed_address_leads_to_the_file(
    shop: Server, packed: tuple[dict[str, Any], bytes]
) -> None:
    done, _ = packed
    path, _, query = done["url"].partition("?")
    expires, _, signature = query.partition("&signature=")
    later = f"expires={int(expires.removeprefix('expires=')) + 1}"
    other = "0" if signature[0] != "0" else "1"
    for wrong in (
        path,
        f"{path}?{expires}",
        f"{path}?{later}&signature={signature}",
        f"{path}?{expires}&signature={other}{signature[1:]}",
        f"{path}?expires=%C2%B2&signature={signature}",
        f"{path}x?{query}",
        f"/exports/{ids.encode('job', 99)}/{path.rpartition('/')[2]}?{query}",
    ):
        status, body, _ = fetch(shop.url + wrong)
        assert (status, json.loads(body)["errors"][0]["extensions"]["code"]) == (403, "FORBIDDEN"), wrong


def test_an_address_ends_with_its_time_and_with_its_result(shop: Server) -> None:
    done = ended(shop, export(shop, types=["channel"])["job"])
    _, number = ids.decode(done["id"])
    name = done["url"].partition("?")[0].rpartition("/")[2]
    past = export_job.address(shop.settings.secret, number, name, datetime(2024, 1, 1, tzinfo=UTC))
    assert fetch(shop.url + past)[0] == 410
    folder = export_job.folder(shop.settings.var, number)
    assert [file.name for file in folder.iterdir()] == [name]
    with shop.database.write(ERP) as tx:
        run(tx, "UPDATE job SET expires_at = now() WHERE id = %s", [number])
    assert fetch(shop.url + done["url"])[0] == 410
    job_runner.tidy(shop.database, shop.settings)
    assert not folder.exists()
    found = shop.data(LOOK, {"id": done["id"]})["job"]
    assert (found["status"], found["url"], found["size"]) == ("DONE", None, None)


def test_a_revoked_token_takes_its_results_and_jobs_along(shop: Server) -> None:
    with held_up(shop):
        token = shop.new_token(Wish(kind="app", name="gone", scopes=["catalogue:read"]))
        first = export(shop, token, types=["product"])["job"]
        ended_first = ended(shop, first, token)
        second = export(shop, token, types=["category"])["job"]
        wait_until(lambda: waiting(shop.database) > 0)
        with shop.database.write(ERP) as tx:
            run(tx, "UPDATE token SET revoked_at = now() WHERE name = 'gone'")
        failed = ended(shop, second)
    assert (failed["status"], failed["error"]) == (
        "FAILED",
        "The token that asked for it was revoked or has expired.",
    )
    assert fetch(shop.url + ended_first["url"])[0] == 410


# Ending early


def test_a_cancelled_job_ends_at_once(shop: Server) -> None:
    with held_up(shop):
        asked = begun(shop, types=["category"])
        (process,) = processes(os.getpid())
        at = time.monotonic()
        cancelled = shop.data(CANCEL, {"id": asked["id"]})["jobCancel"]["job"]
        wait_until(lambda: not is_running(process))
        took = time.monotonic() - at
    assert (cancelled["status"], cancelled["url"]) == ("CANCELLED", None)
    assert took < 10
    _, number = ids.decode(asked["id"])
    wait_until(lambda: not export_job.folder(shop.settings.var, number).exists())
    again = shop.data(CANCEL, {"id": asked["id"]})["jobCancel"]
    assert (again["job"]["status"], again["userErrors"]) == ("CANCELLED", [])


def test_a_job_whose_process_is_killed_is_begun_anew(shop: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(job_runner, "AGAIN", timedelta())
    with held_up(shop):
        asked = begun(shop, types=["category"])
        (process,) = processes(os.getpid())
        os.kill(process, signal.SIGKILL)
        wait_until(lambda: [process] != processes(os.getpid()) != [])
    done = ended(shop, asked)
    assert (done["status"], done["attempts"], done["progress"]["done"]) == ("DONE", 2, 2)
    assert objects(fetch(shop.url + done["url"])[1])[-1]["records"] == 2


def test_a_job_that_loses_the_database_is_begun_anew(shop: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(job_runner, "AGAIN", timedelta())
    with held_up(shop):
        asked = begun(shop, types=["category"])
        with shop.database.read() as tx:
            run(tx, f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE {WAITING}")
        wait_until(lambda: shop.data(LOOK, {"id": asked["id"]})["job"]["attempts"] == 2)
    assert ended(shop, asked)["status"] == "DONE"


RELAY = """
from datetime import timedelta
from hub import config, job
from hub.app import relay
job.LEASE = timedelta(seconds=3)
relay(config.load())
"""


def test_a_job_outlives_the_relay_that_ran_it(settings: Settings) -> None:
    environment = os.environ | {"HUB_DATABASE_URL": str(settings.database_url), "HUB_VAR": str(settings.var)}
    with serving(settings, relay=False) as server:
        with server.database.write(ERP) as tx:
            run(tx, SHOP)
        relays = []
        try:
            with held_up(server):
                relays.append(subprocess.Popen([sys.executable, "-c", RELAY], env=environment, cwd=HOUSE))
                asked = begun(server, types=["category"])
                (process,) = processes(relays[0].pid)
                relays[0].kill()
                wait_until(lambda: not is_running(process))
                relays.append(subprocess.Popen([sys.executable, "-c", RELAY], env=environment, cwd=HOUSE))
                wait_until(lambda: server.data(LOOK, {"id": asked["id"]})["job"]["attempts"] > 1)
            done = ended(server, asked)
        finally:
            for relay in relays:
                relay.terminate()
                relay.wait()
        assert (done["status"], objects(fetch(server.url + done["url"])[1])[-1]["records"]) == ("DONE", 2)


def test_a_relay_that_stops_gives_its_job_back(settings: Settings) -> None:
    with serving(settings, relay=False) as server:
        with held_up(server):
            stop, again = threading.Event(), threading.Event()
            threads = job_runner.threads(server.database, server.settings, stop)
            for thread in threads:
                thread.start()
            asked = begun(server, types=["category"])
            stop.set()
            for thread in threads:
                thread.join()
            found = server.data(LOOK, {"id": asked["id"]})["job"]
            assert (found["status"], found["attempts"], processes(os.getpid())) == ("QUEUED", 0, [])
        threads = job_runner.threads(server.database, server.settings, again)
        for thread in threads:
            thread.start()
        assert ended(server, asked)["status"] == "DONE"
        again.set()
        for thread in threads:
            thread.join()


def test_a_job_that_always_ends_its_process_fails_in_the_end(database: Database, settings: Settings) -> None:
    with serving(settings, relay=False) as server:
        asked = export(server, types=["category"])["job"]
        for _ in range(job.MOST_ATTEMPTS):
            with database.write(ERP) as tx:
                assert job.claim(tx, uuid4()) is not None
                run(tx, "UPDATE job SET lease_until = now() - interval '1 s'")
        with database.write(ERP) as tx:
            assert job.claim(tx, uuid4()) is None
        failed = server.data(LOOK, {"id": asked["id"]})["job"]
    assert (failed["status"], failed["attempts"]) == ("FAILED", 5)
    assert failed["error"] == "It was begun 5 times, and never came to its end: the relay's log says more."


# Limits


def test_a_token_has_few_jobs_at_once_and_room_for_so_much(settings: Settings) -> None:
    small = settings.model_copy(update={"export_gigabytes": 1e-9})
    with serving(small, relay=False) as server:
        asked = [export(server)["job"] for _ in range(job.MOST_OPEN)]
        refused = export(server)
        assert refused["job"] is None
        assert refused["userErrors"] == [
            {
                "field": ["input"],
                "code": "LIMIT",
                "message": "This token has 3 jobs that are not done: wait for one, or cancel it.",
            }
        ]
        server.data(CANCEL, {"id": asked[0]["id"]})
        asked.append(export(server)["job"])
        stop = threading.Event()
        for thread in job_runner.threads(server.database, small, stop):
            thread.start()
        failed = ended(server, asked[1])
        stop.set()
    assert failed["error"] == (
        "The results of this token would take up more than 1e-09 GB: ask for fewer types, or wait until others have"
        " expired."
    )


def test_one_key_makes_one_job(shop: Server) -> None:
    first, again = (export(shop, key="nightly", types=["channel"]) for _ in range(2))
    assert first["job"]["id"] == again["job"]["id"]
    other = export(shop, key="nightly", types=["product"])
    assert other["userErrors"][0]["code"] == "IDEMPOTENCY_MISMATCH"


# Who may see what


def test_a_job_shows_what_its_token_sees(shop: Server) -> None:
    with shop.database.write(ERP) as tx:
        run(
            tx,
            """INSERT INTO customer (given_name, email) VALUES ('Ada', 'ada@example.com');
            INSERT INTO "order" (number, channel_id, currency, subtotal, total, email, placed_at)
                VALUES ('A-1', 1, 'EUR', 0, 0, 'ada@example.com', now())""",
        )
    drain(shop.database)
    token = shop.new_token(Wish(kind="app", name="orders", scopes=["orders:read"]))
    header, *lines, _ = objects(fetch(shop.url + ended(shop, export(shop, token)["job"], token)["url"])[1])
    assert (header["types"], header["scopes"]) == (["cart", "order", "pending_message"], ["orders:read"])
    assert [line["state"]["number"] for line in lines] == ["A-1"]
    assert "ada@example.com" not in json.dumps(lines)
    refused = shop.graphql(EXPORT, {"input": {"types": ["order", "customer"]}}, token=token)
    assert refused["errors"][0]["extensions"]["code"] == "FORBIDDEN"
    unknown = shop.graphql(EXPORT, {"input": {"types": ["orders"]}}, token=token)
    (wrong,) = unknown["data"]["bulkExport"]["userErrors"]
    assert wrong["field"] == ["input", "types", "0"]
    assert wrong["message"].startswith('"orders" is no type of object: name some of ')


def test_storefronts_export_nothing(shop: Server) -> None:
    token = shop.new_token(Wish(kind="storefront", name="shop"))
    refused = shop.graphql(EXPORT, {"input": {"types": ["product"]}}, token=token)
    assert refused["errors"][0]["extensions"]["code"] == "FORBIDDEN"


def test_a_token_lists_its_own_jobs_and_staff_all(shop: Server) -> None:
    listing = """query ($filter: JobFilter, $after: String) { jobs(filter: $filter, first: 1, after: $after) {
        nodes { id status url } pageInfo { hasNextPage endCursor } } }"""
    token = shop.new_token(Wish(kind="app", name="own", scopes=["catalogue:read"]))
    own = [ended(shop, export(shop, token, types=["asset"])["job"], token)["id"] for _ in range(2)]
    first = shop.data(listing, token=token)["jobs"]
    then = shop.data(listing, {"after": first["pageInfo"]["endCursor"]}, token=token)["jobs"]
    assert [node["id"] for node in (*first["nodes"], *then["nodes"])] == own[::-1]
    assert (first["pageInfo"]["hasNextPage"], then["pageInfo"]["hasNextPage"]) == (True, False)
    by_staff = shop.data(listing, {"filter": {"status": ["DONE"], "kind": "EXPORT"}})["jobs"]["nodes"]
    assert [(node["id"], node["url"]) for node in by_staff] == [(own[1], None)]
    assert shop.data(listing, {"filter": {"status": ["FAILED"]}}, token=token)["jobs"]["nodes"] == []
    other = shop.new_token(Wish(kind="app", name="other", scopes=["catalogue:read"]))
    assert shop.data(LOOK, {"id": own[0]}, token=other)["job"] is None
    refused = shop.data(CANCEL, {"id": own[0]}, token=other)["jobCancel"]["userErrors"]
    assert [(error["field"], error["code"]) for error in refused] == [(["id"], "NOT_FOUND")]


# What changed since


def test_an_export_since_a_cursor_has_what_changed_and_what_is_gone(shop: Server) -> None:
    with shop.database.write(ERP) as tx:
        run(tx, "INSERT INTO category (code) VALUES ('short-lived'), ('kept'), ('untouched')")
    drain(shop.database)
    before = ended(shop, export(shop, types=["category", "product"])["job"])
    with shop.database.write(ERP) as tx:
        run(tx, "DELETE FROM category WHERE code = 'short-lived'")
        run(tx, "UPDATE category SET position = 7 WHERE code = 'kept'")
        run(tx, "INSERT INTO collection (code) VALUES ('not asked for')")
    with shop.database.write(ERP) as tx:
        run(tx, "UPDATE category SET position = 8 WHERE code = 'kept'")
    drain(shop.database)
    done = ended(shop, export(shop, types=["category", "product"], since=before["cursor"])["job"])
    header, *lines, end = objects(fetch(shop.url + done["url"])[1])
    assert (header["since"], header["cursor"]) == (before["cursor"], done["cursor"])
    kept, gone = sorted(lines, key=lambda line: "deleted" in line)
    assert (kept["version"], kept["state"]) == (3, {"code": "kept", "position": 8})
    assert (gone["type"], gone["version"], gone["deleted"]) == ("category", 2, True)
    assert (end["records"], end["counts"], end["deleted"]) == (2, {"category": 1}, {"category": 1})


def test_a_cursor_that_leads_nowhere_is_refused(shop: Server) -> None:
    with shop.database.read() as tx:
        ends = feed.read_ends(tx)
    elsewhere = feed.encode(feed.Position(1, uuid4()))
    for since, code, sentence in (
        ("nonsense", "INVALID", '"nonsense" is not an id of this hub.'),
        (
            ends.cursor(ends.last + 5),
            "INVALID",
            f"The feed ends at sequence {ends.last}, {ends.last + 5} was never",
        ),
        (elsewhere, "INVALID", "The cursor is of another database's feed"),
    ):
        (error,) = export(shop, since=since)["userErrors"]
        assert (error["field"], error["code"]) == (["input", "since"], code)
        assert error["message"].startswith(sentence)
        assert error["message"].endswith(feed.CURSORS) == (since == "nonsense")
    with shop.database.write(ERP) as tx:
        run(tx, "UPDATE head SET first = 4")
    try:
        (error,) = export(shop, since=ends.cursor(2))["userErrors"]
    finally:
        with shop.database.write(ERP) as tx:
            run(tx, "UPDATE head SET first = 1")
    assert error["code"] == "GONE"
    assert error["message"].startswith("The feed starts at sequence 4 now, what follows 2 is gone")
