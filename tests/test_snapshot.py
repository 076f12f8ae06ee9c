"""Snapshots: the state of everything and the cursor at which it is true, and the proof of whatever follows from it."""

from __future__ import annotations

import gzip
import hashlib
import json
import random
import threading
import time
import tracemalloc
from collections.abc import Callable
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from typer.testing import CliRunner

from hub import feed, ids, postgres, registry, sequencer, snapshot, state, states, verify_file
from hub.db import Database
from hub.errors import Invalid, NotFound
from hub.save import Mode, save
from hub.states import EVERYTHING
from hub.token import EVERY_SCOPE
from hub.viewer import Viewer
from tests.capturing import ERP, SHOP, Log, drain, run
from tests.test_capture_soak import Writer, shop

__all__ = ["shop"]


@pytest.fixture
def log(database: Database) -> Log:
    made = Log(database)
    made.write(SHOP)
    return made


def taken(
    database: Database, path: Path, types: list[str] | None = None, since: str | None = None
) -> list[Any]:
    """The lines of a snapshot that is taken now."""
    with snapshot.writing(path) as file:
        snapshot.begin(database, EVERYTHING, types, since).write(file, lambda *_: None)
    return lines(path)


def lines(path: Path) -> list[Any]:
    whole = path.read_bytes()
    whole = gzip.decompress(whole) if path.suffix == ".gz" else whole
    return [json.loads(line) for line in whole.split(b"\n") if line]


def pending(database: Database) -> int:
    with database.read() as tx:
        return int(run(tx, "SELECT count(*) FROM pending")[0][0])


def save_at_random(database: Database, chance: random.Random, stop: threading.Event) -> None:
    """Write as mutations and imports do, now and then many at once."""
    while not stop.is_set():
        with database.write(ERP) as tx:
            numbers = [chance.randint(1, 40) for _ in range(chance.choice([1, 3, 200]))]
            rows = [
                {
                    "slug": f"saved-{number}",
                    "type": {"key": "default"},
                    "name": {"de": chance.choice(["eins", "zwei", None])},
                    "variants": [{"sku": f"saved-{number}-{chance.randint(1, 3)}"}],
                }
                for number in set(numbers)
            ]
            save(tx, "product", rows, mode=Mode.UPSERT)
        time.sleep(chance.uniform(0, 0.05))


def sequence_at_random(database: Database, chance: random.Random, stop: threading.Event) -> None:
    """A sequencer that is behind for a while, again and again."""
    while not stop.is_set():
        with database.engine.begin() as tx:
            sequencer.step(tx, chance.randint(1, 50))
        time.sleep(chance.choice([0, 0, 0, 0.1, 0.5]))


def test_a_snapshot_shows_every_object_as_one_document(log: Log, tmp_path: Path) -> None:
    header, first, _, product, _, end = taken(log.database, tmp_path / "s.jsonl", ["product", "category"])
    with log.database.read() as tx:
        ends = feed.read_ends(tx)
    assert header["format"] == "hub-snapshot"
    assert (header["cursor"], header["sequence"], header["epoch"]) == (ends.cursor(7), 7, ends.epoch.hex)
    assert (header["types"], header["since"], header["channels"]) == (["category", "product"], None, None)
    assert first == {
        "type": "category",
        "id": ids.encode("category", 1),
        "version": 1,
        "state": {"code": "coffee", "position": 0},
    }
    assert (product["id"], product["version"]) == (ids.encode("product", 1), 1)
    assert product["state"] == {
        "slug": "kaffee",
        "type": ids.encode("product_type", 1),
        "name": {"de": "Kaffee"},
        "attributes": {"colour": {"*": {"de": "braun", "en": "brown"}}},
        "variants": {
            ids.encode("variant", number): {"sku": sku, "position": 0}
            for number, sku in ((1, "K-250"), (2, "K-500"))
        },
        "prices": {
            ids.encode("price", number): {
                "variant_id": ids.encode("variant", number),
                "price_list": ids.encode("price_list", 1),
                "currency": "EUR",
                "amount": amount,
                "min_quantity": 1,
                "open": True,
                "tax_included": True,
            }
            for number, amount in ((1, "4.9"), (2, "8.9"))
        },
    }
    whole = (tmp_path / "s.jsonl").read_bytes()
    digest = hashlib.sha256(whole[: whole[:-1].rindex(b"\n") + 1]).hexdigest()
    assert end == {"end": True, "records": 4, "counts": {"category": 2, "product": 2}, "sha256": digest}


def test_what_is_not_sequenced_yet_is_not_in_the_snapshot(log: Log, tmp_path: Path) -> None:
    before = taken(log.database, tmp_path / "before.jsonl")
    with log.database.write(ERP) as tx:
        run(tx, "UPDATE product SET slug = 'later', attributes = '{}' WHERE id = 1")
        run(tx, "DELETE FROM category WHERE code = 'tea'")
        run(tx, "INSERT INTO category (code) VALUES ('new')")
        run(tx, "DELETE FROM price WHERE variant_id = 3")
        run(tx, "UPDATE variant SET product_id = 1 WHERE id = 3")
    with log.database.write(ERP) as tx:
        run(tx, "UPDATE product SET slug = 'even later' WHERE id = 1")
    after = taken(log.database, tmp_path / "after.jsonl")
    assert after[1:] == [*before[1:-1], after[-1]]
    assert after[0]["cursor"] == before[0]["cursor"]
    assert verify_file.snapshot(log.database, tmp_path / "after.jsonl").faults == []
    drain(log.database)
    assert taken(log.database, tmp_path / "drained.jsonl")[1:] != before[1:]
    assert verify_file.snapshot(log.database, tmp_path / "after.jsonl").faults == []
    assert verify_file.mirror(log.database, tmp_path / "after.jsonl").faults == []


ODD = (
    # What SQL may leave in a column, in the order in which it is written.
    *(
        "{}",
        '{"a": {"*": {}}}',
        '{"a": {"*": {"de": null}}}',
        '{"a": {"*": {"de": 1}}}',
        '{"a": {"*": {"de": true}}}',
    ),
    *(
        '{"a": "flat"}',
        '{"a": {"web": {"de": {"deep": [1, true, null]}}}}',
        '{"a": {"web": {"de": {"deep": [1, 1]}}}}',
    ),
    *(
        '{"a": {"web": {"de": {}}}}',
        '{"a/b~c": {"": {"de": "x"}}}',
        '{"a": 1}',
        '{"a": {"*": {"de": 1.0}}}',
        "{}",
    ),
)


def test_paths_apply_exactly_whatever_sql_wrote(log: Log, tmp_path: Path) -> None:
    for place, attributes in enumerate(ODD):
        path = tmp_path / f"{place}.jsonl"
        taken(log.database, path)
        log.write(
            f"UPDATE product SET attributes = '{attributes}', slug = NULLIF('{place % 3}', '0') WHERE id = 1"
        )
        log.write(
            f"UPDATE variant SET attributes = '{attributes}', axes = '{attributes}', name = '{{}}' WHERE id = 2"
        )
        assert verify_file.snapshot(log.database, path).faults == []
        assert verify_file.mirror(log.database, path).faults == []
    assert all(verify_file.snapshot(log.database, path).faults == [] for path in tmp_path.iterdir())


def test_every_row_keeps_something_when_it_is_shown() -> None:
    """A consumer takes away what is empty: a row without a value would be taken for one that is gone."""
    for part in registry.parts():
        shown = state.of(part.name).columns
        sure = [
            column.name
            for column in part.table.columns
            if column.name in shown and not column.nullable and column.name not in part.kept.deep
        ]
        assert part.is_root or set(sure) - part.kept.personal, part.name
        own = {name for name, _, _ in shown.values()}
        assert not part.is_root or not own & {
            each.kept.collection for each in registry.parts() if each.kept.aggregate in (part.name, None)
        }


# The proof


def changed(path: Path, place: int, **values: Any) -> None:
    """Alter one line of a file, and its digest, so that only the proof can tell."""
    found = lines(path)
    if values:
        found[place] |= values
    else:
        del found[place]
        found[-1]["records"] -= 1
    found[-1].pop("sha256", None)
    path.write_text("".join(json.dumps(line) + "\n" for line in found))


def test_the_proof_names_what_is_wrong_in_a_file(log: Log, tmp_path: Path) -> None:
    path = tmp_path / "s.jsonl"
    coffee, cup = ids.encode("category", 1), ids.encode("product", 1)
    kept = taken(log.database, path, ["product", "category"])
    whole = path.read_bytes()

    def faults() -> list[list[str]]:
        return [proof(log.database, path).faults for proof in (verify_file.snapshot, verify_file.mirror)]

    assert faults() == [[], []]
    changed(path, 1, state={"code": "coffee", "position": 1})
    assert faults() == [[f"Category {coffee}: /position is 1 by the file, 0 in the database."]] * 2
    path.write_bytes(whole)
    changed(path, 3, version=2)
    assert faults() == [[f"Product {cup} is at version 2 by the file, at 1 in the database."]] * 2
    path.write_bytes(whole)
    changed(path, 1)
    assert faults() == [[f"Category {coffee} is in the database, and missing in the file."]] * 2
    path.write_bytes(whole)
    changed(path, 1, id=ids.encode("category", 9))
    assert (
        faults()
        == [
            [
                f"Category {coffee} is in the database, and missing in the file.",
                f"Category {ids.encode('category', 9)} is in the file, and not in the database.",
            ]
        ]
        * 2
    )
    path.write_bytes(whole.replace(b"Kaffee", b"Kaffea"))
    assert (
        faults()[0][0] == "The file was changed after it was written: its digest differs from its last line."
    )
    path.write_bytes(whole[: whole[:-1].rindex(b"\n") + 1])
    assert faults() == [["The file ends without its last line: it was cut short."], []]
    path.write_bytes(whole[:-400])
    assert len(faults()[0]) > 1
    path.write_bytes(gzip.compress(whole)[:-30])
    assert faults()[0][0].startswith("The file is cut short or damaged: ")
    path.write_bytes(whole.replace(whole.split(b"\n")[1], whole.split(b"\n")[1] * 2))
    assert faults()[0][0].startswith("Line 2 holds no object: ")
    first = json.dumps(kept[1]).encode() + b"\n"
    path.write_bytes(whole.split(b"\n")[0] + b"\n" + first + whole.split(b"\n", 1)[1])
    assert f"Category {coffee} is in the file 2 times." in faults()[0]


def test_the_proof_names_what_is_wrong_in_the_feed(log: Log, tmp_path: Path) -> None:
    path = tmp_path / "s.jsonl"
    taken(log.database, path, ["category"])
    coffee = ids.encode("category", 1)
    for position in (3, 4, 5):
        log.write(f"UPDATE category SET position = {position} WHERE code = 'coffee'")
    assert verify_file.snapshot(log.database, path).faults == []
    with log.database.write(ERP) as tx:
        run(tx, "DELETE FROM feed WHERE aggregate = 'category' AND version = 3")
    assert verify_file.snapshot(log.database, path).faults == [
        f"Category {coffee} version 4 follows version 2: what lies between is missing in the feed."
    ]
    with log.database.write(ERP) as tx:
        run(tx, "DELETE FROM feed WHERE aggregate = 'category' AND version = 4")
    assert verify_file.snapshot(log.database, path).faults == [
        f"Category {coffee} is at version 2 by the file, at 4 in the database.",
        f"Category {coffee}: /position is 3 by the file, 5 in the database.",
    ]


def without_undoing(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(states, "LATER", states.NOTHING)


def with_an_earlier_cursor(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(feed.Ends, "cursor", lambda ends, at: feed.encode(feed.Position(at - 1, ends.epoch)))


def without_what_is_pending(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(
        verify_file,
        "FOLLOWING",
        verify_file.FOLLOWING.replace("FROM pending WHERE", "FROM pending WHERE false AND"),
    )


def without_pruning(patch: pytest.MonkeyPatch) -> None:
    def put(document: dict[str, Any], path: str, new: Any) -> None:
        if new is not None or path.count("/") == 1:
            kept(document, path, new)

    kept = state.put
    patch.setattr(state, "put", put)


@pytest.mark.parametrize(
    "fault", [without_undoing, with_an_earlier_cursor, without_what_is_pending, without_pruning]
)
def test_a_hub_that_is_broken_is_found_out(
    log: Log, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fault: Callable[[pytest.MonkeyPatch], None]
) -> None:
    log.write(
        'UPDATE product SET slug = \'then\', attributes = attributes || \'{"a": {"*": {"*": 1}}}\' WHERE id = 1'
    )
    with log.database.write(ERP) as tx:
        run(tx, "UPDATE product SET slug = 'now', attributes = '{}' WHERE id = 1")
    path = tmp_path / "s.jsonl"
    with monkeypatch.context() as patch:
        fault(patch)
        taken(log.database, path)
        assert verify_file.snapshot(log.database, path).faults != []
    taken(log.database, path)
    assert verify_file.snapshot(log.database, path).faults == []


def test_a_cursor_that_is_not_the_files_own_is_found_out(log: Log, tmp_path: Path) -> None:
    path = tmp_path / "s.jsonl"
    log.write("UPDATE category SET position = 3 WHERE code = 'coffee'")
    taken(log.database, path, ["category"])
    log.write("UPDATE category SET position = 4 WHERE code = 'coffee'")
    whole = path.read_bytes()
    with log.database.read() as tx:
        ends = feed.read_ends(tx)
    coffee = ids.encode("category", 1)
    changed(path, 0, cursor=ends.cursor(ends.last - 2))
    assert verify_file.snapshot(log.database, path).faults == [
        f"Category {coffee} version 2 follows version 2: what lies between is missing in the feed."
    ]
    assert (
        f"Category {coffee}: /position is 3 by the file, 0 in the database."
        in verify_file.mirror(log.database, path).faults
    )
    path.write_bytes(whole)
    changed(path, 0, cursor=ends.cursor(ends.last))
    assert len(verify_file.snapshot(log.database, path).faults) == 2
    changed(path, 0, cursor=ends.cursor(ends.last + 1))
    with pytest.raises(feed.AheadError, match="was never given out by this hub"):
        verify_file.snapshot(log.database, path)
    changed(path, 0, cursor=feed.encode(feed.Position(1, uuid4())))
    with pytest.raises(feed.AheadError, match="another database"):
        verify_file.mirror(log.database, path)


def test_a_mirror_needs_no_first_and_no_last_line(log: Log, tmp_path: Path) -> None:
    path = tmp_path / "mirror.jsonl"
    found = taken(log.database, path)[1:-1]
    random.shuffle(found)
    path.write_text("".join(json.dumps(line) + "\n" for line in found))
    assert verify_file.mirror(log.database, path).faults == []
    log.write("DELETE FROM category WHERE code = 'tea'")
    tea = ids.encode("category", 2)
    assert verify_file.mirror(log.database, path).faults == [
        f"Category {tea} is in the file, and not in the database."
    ]
    with pytest.raises(Invalid, match="is no snapshot"):
        verify_file.snapshot(log.database, path)
    with pytest.raises(NotFound, match="There is no file"):
        verify_file.snapshot(log.database, tmp_path / "nowhere")


def test_what_changed_since_is_no_whole_snapshot(log: Log, tmp_path: Path) -> None:
    cursor = taken(log.database, tmp_path / "s.jsonl")[0]["cursor"]
    taken(log.database, tmp_path / "since.jsonl", since=cursor)
    with pytest.raises(Invalid, match="holds only what changed since"):
        verify_file.snapshot(log.database, tmp_path / "since.jsonl")


# Who sees what


def test_a_token_bound_to_channels_gets_what_concerns_them(log: Log, tmp_path: Path) -> None:
    log.write(
        """INSERT INTO channel (code, currency, order_prefix) VALUES ('shop', 'EUR', 'S');
        INSERT INTO price_list (code, currency) VALUES ('shop', 'EUR');
        INSERT INTO channel_price_list (channel_id, price_list_id) VALUES (1, 1), (2, 2);
        INSERT INTO listing (product_id, channel_id, starts_at) VALUES (1, 1, now()), (1, 2, now()), (2, 2, now());
        INSERT INTO price (product_id, variant_id, price_list_id, currency, amount) VALUES (1, 1, 2, 'EUR', 1);
        UPDATE product SET attributes = '{"claim": {"web": {"*": "ours"}, "shop": {"*": "theirs"}, "*": {"*": "all"}}}';
        INSERT INTO "order" (number, channel_id, currency, subtotal, total, placed_at)
            VALUES ('W1', 1, 'EUR', 0, 0, now()), ('S1', 2, 'EUR', 0, 0, now())"""
    )
    bound = Viewer(None, "app", frozenset(EVERY_SCOPE), channel_ids=frozenset({1}))
    path = tmp_path / "bound.jsonl"
    with snapshot.writing(path) as file:
        snapshot.begin(log.database, bound, None, None).write(file, lambda *_: None)
    header, *found, _ = lines(path)
    of = {noun: [line["state"] for line in found if line["type"] == noun] for noun in header["types"]}
    assert header["channels"] == ["web"]
    assert [each["code"] for each in of["channel"]] == ["web"]
    assert [each["code"] for each in of["price_list"]] == ["retail"]
    assert [each["number"] for each in of["order"]] == ["W1"]
    (product,) = of["product"]
    assert [each["channel"] for each in product["listings"].values()] == [ids.encode("channel", 1)]
    assert {each["price_list"] for each in product["prices"].values()} == {ids.encode("price_list", 1)}
    assert product["attributes"]["claim"] == {"web": {"*": "ours"}, "*": {"*": "all"}}

    log.write(
        "UPDATE listing SET ends_at = now() + interval '1 day'",
        "UPDATE price SET amount = amount + 1",
        """UPDATE product SET attributes = '{"claim": {"web": {"*": "new"}, "shop": {"*": "new"}}}'""",
        """UPDATE "order" SET email = 'ada@example.com'""",
    )
    log.write("INSERT INTO listing (product_id, channel_id, starts_at) VALUES (2, 1, now())")
    assert verify_file.snapshot(log.database, path).faults == []
    assert verify_file.mirror(log.database, path).faults == []
    changed(path, 1, version=1, state={"code": "no"})
    assert verify_file.mirror(log.database, path).faults != []


# The command


def test_the_command_writes_a_file_and_proves_it(
    log: Log, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from hub.cli import app

    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HUB_VAR", str(tmp_path))
    monkeypatch.setenv("HUB_DATABASE_URL", log.database.url)
    told = CliRunner().invoke(app, ["export", "--snapshot", "--types", "product, category"])
    assert told.exit_code == 0, told.output
    header, *found, _ = lines(Path("snapshot.jsonl.gz"))
    assert told.stdout == (
        "Objects: 4 = category 2 + product 2.\n"
        f"True at sequence 7. Cursor: {header['cursor']}\n"
        f"File: snapshot.jsonl.gz ({Path('snapshot.jsonl.gz').stat().st_size:,} bytes).\n"
    )
    printed = CliRunner().invoke(
        app, ["export", "--snapshot", "--types", "product,category", "--output", "-"]
    )
    assert [json.loads(line) for line in printed.stdout.splitlines()][1:-1] == found
    assert printed.stderr.strip().startswith("Objects: 4 = category 2 + product 2.\n")
    log.write("DELETE FROM category WHERE code = 'tea'")
    since = CliRunner().invoke(
        app, ["export", "--snapshot", "--since", header["cursor"], "--output", "since.jsonl"]
    )
    assert since.stdout.startswith("Objects: 1 = deleted 1.\n")
    proved = CliRunner().invoke(app, ["feed", "verify", "--snapshot", "snapshot.jsonl.gz"])
    assert proved.stdout == (
        "Objects in the file: 4. Changes replayed: 1. Objects in the database: 3. Faults: 0.\n"
    )
    mirrored = CliRunner().invoke(app, ["feed", "verify", "--mirror", "snapshot.jsonl.gz"])
    assert mirrored.stdout == (
        "Objects in the file: 4. Changes replayed: 0. Objects in the database: 4. Faults: 0.\n"
    )
    with log.database.write(ERP) as tx:
        run(tx, "DELETE FROM feed WHERE type = 'category.deleted'")
    red = CliRunner().invoke(app, ["feed", "verify", "--snapshot", "snapshot.jsonl.gz"])
    assert (red.exit_code, "Faults: 1." in red.stdout) == (1, True)
    assert (
        red.stderr.strip() == f"Category {ids.encode('category', 2)} is in the file, and not in the database."
    )


def test_a_file_that_could_not_be_finished_is_not_there(log: Log, tmp_path: Path) -> None:
    path = tmp_path / "s.jsonl.gz"
    path.write_text("the one before")

    def tell(done: int, total: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt), snapshot.writing(path) as file:
        snapshot.begin(log.database, EVERYTHING, None, None).write(file, tell)
    assert [each.name for each in tmp_path.iterdir()] == [path.name]
    assert path.read_text() == "the one before"


def test_memory_is_flat(database: Database, tmp_path: Path) -> None:
    def peak(count: int) -> int:
        with database.write(ERP) as tx:
            run(tx, f"INSERT INTO category (code) SELECT 'c{count}-' || n FROM generate_series(1, {count}) n")
        drain(database)
        tracemalloc.start()
        try:
            with snapshot.writing(path) as file:
                assert (
                    snapshot.begin(database, EVERYTHING, None, None).write(file, lambda *_: None).records
                    >= count
                )
            return tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()

    path = tmp_path / "s.jsonl.gz"
    first = peak(2_000)
    assert peak(10_000) < first * 1.3


@pytest.mark.soak
@pytest.mark.timeout(600)
def test_every_snapshot_and_the_feed_after_it_are_the_database(
    shop: Database, tmp_path: Path, soak_seconds: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(snapshot, "PART", 50)
    seed = random.randrange(10**6)
    print(f"seed {seed}")
    chance, stop = random.Random(seed), threading.Event()
    writers: list[Any] = [Writer(postgres.libpq(shop.url), seed + place, stop) for place in range(2)]
    threads = [*writers, threading.Thread(target=save_at_random, args=(shop, random.Random(seed), stop))]
    threads.append(threading.Thread(target=sequence_at_random, args=(shop, random.Random(seed), stop)))
    for thread in threads:
        thread.start()
    files: list[Path] = []
    waiting = 0
    until = time.monotonic() + soak_seconds / 2
    while time.monotonic() < until:
        time.sleep(chance.uniform(0, soak_seconds / 15))
        waiting += bool(pending(shop))
        files.append(tmp_path / f"{len(files)}.jsonl{chance.choice(['', '.gz'])}")
        with snapshot.writing(files[-1]) as file:
            snapshot.begin(shop, EVERYTHING, None, None).write(file, lambda *_: None)
    stop.set()
    for thread in threads:
        thread.join()
    assert [writer.tally.broken for writer in writers] == [[], []]

    replayed = 0
    for path in files:
        forwards, backwards = verify_file.snapshot(shop, path), verify_file.mirror(shop, path)
        assert (forwards.faults, backwards.faults) == ([], []), path
        replayed += forwards.records
    print(
        f"{len(files)} snapshots, {waiting} while changes waited, {replayed} changes replayed, {pending(shop)} left"
    )
    assert min(len(files), waiting, replayed) > 0
