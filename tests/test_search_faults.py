"""What befalls an index: nodes that are killed, full disks, full queues, two that write, builds that are cut off.

After each, verifying finds no fault, and nothing was repaired by hand.
"""

from __future__ import annotations

import inspect
import os
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import FrameType
from typing import Any, Self, cast

import pytest
import sqlalchemy as sa
from elasticsearch import Elasticsearch

from hub import feed, sequencer
from hub.config import Settings
from hub.db import Database
from search import lane, standing, verify
from search import rebuild as rebuilding
from search.document import Batch
from search.elasticsearch_client import connected
from search.elasticsearch_index import ElasticsearchIndex
from search.engine import Index, UnavailableError, Writer, Written
from search.follow import Follower
from search.rebuild import rebuild
from search.tantivy_index import TantivyIndex
from tests import elasticsearch_node
from tests.capturing import drain
from tests.elasticsearch_node import NEWEST, OLDEST, Node
from tests.searching import SHOP, Shop, eventually


@pytest.fixture(scope="module")
def client(testrun_uid: str) -> Iterator[Elasticsearch]:
    with elasticsearch_node.address(testrun_uid) as url:
        opened = connected(Settings(elasticsearch_url=url))
        yield opened.options(request_timeout=60)
        opened.close()


@pytest.fixture(params=["tantivy", "elasticsearch"])
def index(request: pytest.FixtureRequest, database: Database, tmp_path: Path) -> Iterator[Index]:
    if request.param == "tantivy":
        yield TantivyIndex(tmp_path / "search")
        return
    own = ElasticsearchIndex(
        request.getfixturevalue("client"), f"faults-{os.getpid()}-{time.monotonic_ns()}", database
    )
    yield own
    for generation in (own.current(), *own.unfinished()):
        if generation:
            own.drop(generation)


@pytest.fixture(scope="module", params=[NEWEST, pytest.param(OLDEST, marks=pytest.mark.soak(only=True))])
def own_node(request: pytest.FixtureRequest) -> Iterator[Node]:
    """A node of this module's own, to be killed."""
    if not elasticsearch_node.can_be_fetched():
        if os.environ.get("CI") == "true":
            pytest.fail(elasticsearch_node.MISSING)
        pytest.skip(elasticsearch_node.MISSING)
    folder = Path(tempfile.mkdtemp(prefix="hub-node-"))
    folder.chmod(0o755)
    own = Node(request.param, folder)
    try:
        own.start()
        yield own
    finally:
        own.kill()
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def node(own_node: Node) -> Node:
    """It is up, whatever the test before did to it."""
    if not own_node.answers():
        own_node.kill()
        own_node.start()
    return own_node


@pytest.fixture
def shop(node: Node, database: Database) -> Iterator[Shop]:
    """A shop that is indexed on this test's own node."""
    client = connected(Settings(elasticsearch_url=node.url))
    made = Shop(database, ElasticsearchIndex(client, f"faults-{time.monotonic_ns()}", database))
    made.write(SHOP)
    for _ in range(30):
        made.product({"de": "Bestand"})
    made.follow()
    eventually(lambda: len(made.ask("bestand")) == 30, 60)
    yield made
    made.halt()
    client.close()


class Changing:
    """Products come, change and go all the while, with a rest of ``pause`` seconds between."""

    def __init__(self, shop: Shop, pause: float = 0.01) -> None:
        self.shop, self.pause, self.products = shop, pause, list[int]()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run)

    def _run(self) -> None:
        number = 0
        while not self._stop.wait(self.pause):
            number += 1
            self.products.append(self.shop.product({"de": "Bewegt"}))
            if number % 5 == 0:
                self.shop.write("DELETE FROM product WHERE id = %s", self.products.pop(0))
            if number % 7 == 0:
                self.shop.write('UPDATE category SET name = \'{"de": "Anders"}\' WHERE id = 1')

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()


def clean(shop: Shop) -> None:
    """Once the lane is through, the index says what the database says."""
    eventually(shop._caught_up, 90)
    with shop.database.read() as tx:
        assert standing.trouble(tx, shop.index.engine) is None
    report = verify.verify(shop.database, shop.index)
    assert (report.faults, report.parked) == ((), 0)
    assert report.documents > 30


def troubled(shop: Shop) -> bool:
    with shop.database.read() as tx:
        return standing.trouble(tx, shop.index.engine) is not None


def found(shop: Shop) -> bool:
    """Whether what was there before is found. A node that has just begun has no shards yet."""
    try:
        return len(shop.ask("bestand")) == 30
    except UnavailableError:
        return False


@pytest.mark.soak
def test_a_node_that_is_killed_while_it_is_written_loses_nothing(node: Node, shop: Shop) -> None:
    # A busy machine takes long to start a node, and what changes meanwhile is all to be done afterwards.
    with Changing(shop, 0.05):
        time.sleep(1)
        node.kill()
        eventually(lambda: troubled(shop))
        time.sleep(1)
        node.start()
        time.sleep(1)
    clean(shop)


@pytest.mark.soak(only=True)
def test_a_node_that_is_killed_during_a_rebuild_leaves_it_to_be_carried_on(
    node: Node, shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rebuilding, "BATCH", 2)
    monkeypatch.setattr(rebuilding, "BETWEEN_COMMITS", 4)
    old = shop.index.current()

    def killing(done: int, _: int) -> None:
        if done >= 10:
            node.kill()

    # A build ends once it has caught up: slower than that the shop has to change.
    with Changing(shop, 0.2):
        with pytest.raises(UnavailableError):
            rebuild(shop.database, shop.index, killing)
        node.start()
        assert shop.index.current() == old
        eventually(lambda: found(shop), 60)
        with shop.database.read() as tx:
            (half,) = standing.builds(tx)
        monkeypatch.undo()
        assert rebuild(shop.database, shop.index) == half.generation
    eventually(lambda: shop.index.current() == half.generation)
    clean(shop)


@pytest.mark.soak(only=True)
def test_a_node_whose_queue_is_full_is_waited_for(node: Node, shop: Shop) -> None:
    # Room for less than one document: every write is turned away with 429.
    node.stop()
    node.start(**{"indexing_pressure.memory.limit": "100b"})
    with Changing(shop, 0.05):
        eventually(lambda: troubled(shop), 60)
        with shop.database.read() as tx:
            trouble = standing.trouble(tx, "elasticsearch")
        assert trouble
        assert "rejected" in trouble.reason or "reached" in trouble.reason, trouble
        # What is there is found all the while.
        eventually(lambda: found(shop), 60)
    node.stop()
    node.start()
    clean(shop)


@pytest.mark.soak(only=True)
def test_a_full_disk_blocks_writes_until_there_is_room(node: Node, shop: Shop) -> None:
    """The engine looks at its disk every ten seconds."""
    assert isinstance(shop.index, ElasticsearchIndex)
    cluster = shop.index.client.options(request_timeout=30).cluster
    watermark = "cluster.routing.allocation.disk"
    full = {f"{watermark}.threshold_enabled": True, "cluster.info.update.interval": "10s"} | {
        f"{watermark}.watermark.{level}": f"{size}tb"
        for level, size in (("low", 900), ("high", 800), ("flood_stage", 700))
    }
    cluster.put_settings(persistent=full)
    with Changing(shop):
        eventually(lambda: troubled(shop), 60)
        cluster.put_settings(
            persistent={**dict.fromkeys(full), "cluster.info.update.interval": "10s"}
            | {
                f"{watermark}.threshold_enabled": True,
                **{f"{watermark}.watermark.{level}": "1mb" for level in ("low", "high", "flood_stage")},
            }
        )
        # Nobody takes the block away: the engine does when it sees that there is room.
        eventually(lambda: not troubled(shop), 60)
    cluster.put_settings(persistent=dict.fromkeys([*full, "cluster.info.update.interval"]))
    clean(shop)


def test_a_block_on_writes_is_waited_for(client: Elasticsearch, database: Database) -> None:
    index = ElasticsearchIndex(client, f"blocked-{os.getpid()}", database)
    shop = Shop(database, index)
    shop.write(SHOP)
    for _ in range(30):
        shop.product({"de": "Bestand"})
    shop.follow()
    try:
        eventually(lambda: len(shop.ask("bestand")) == 30)
        generation = index.current() or ""
        blocked = "index.blocks.read_only_allow_delete"
        client.indices.put_settings(index=generation, settings={blocked: True})
        product = shop.product({"de": "Wartend"})
        eventually(lambda: troubled(shop))
        assert shop.ask("wartend") == []
        assert len(shop.ask("bestand")) == 30
        client.indices.put_settings(index=generation, settings={blocked: None})
        eventually(lambda: shop.ask("wartend") == [product])
        clean(shop)
    finally:
        shop.halt()
        index.drop(index.current() or "")


LANE = """
import sys, threading
from pathlib import Path
from hub import models
from hub.config import Settings
from hub.db import Database
from search import lane
from search.elasticsearch_client import connected
from search.elasticsearch_index import ElasticsearchIndex
from search.tantivy_index import TantivyIndex
models.load()
database = Database(sys.argv[1])
if sys.argv[2] == "tantivy":
    index = TantivyIndex(Path(sys.argv[3]))
else:
    index = ElasticsearchIndex(connected(Settings(elasticsearch_url=sys.argv[2])), sys.argv[3], database)
"""
RUN = LANE + "lane.run(database, index, threading.Event())\n"
BUILD = (
    LANE
    + """
from search import rebuild
rebuild.BATCH, rebuild.BETWEEN_COMMITS = 2, 2
def slowly(done, total):
    print(done, total, flush=True)
    threading.Event().wait(0.1)
rebuild.rebuild(database, index, slowly)
"""
)


def program(source: str, shop: Shop, **how: Any) -> subprocess.Popen[str]:
    """A process of its own on the shop's index."""
    url = shop.database.engine.url.render_as_string(hide_password=False)
    place: list[str]
    if isinstance(shop.index, ElasticsearchIndex):
        address = next(iter(shop.index.client.transport.node_pool.all())).base_url
        place = [address, shop.index.alias.removesuffix("-products")]
    else:
        assert isinstance(shop.index, TantivyIndex)
        place = ["tantivy", str(shop.index.folder)]
    return subprocess.Popen([sys.executable, "-c", source, url, *place], text=True, **how)


@pytest.fixture
def filled(database: Database, index: Index) -> Iterator[Shop]:
    """A shop of thirty products and more, followed by nobody yet."""
    shop = Shop(database, index)
    shop.write(SHOP)
    for _ in range(40):
        shop.product({"de": "Bestand"})
    drain(database)
    yield shop
    shop.halt()


def test_of_two_relays_one_writes_and_the_other_takes_over(filled: Shop) -> None:
    shop = filled
    stop = threading.Event()
    numbering = threading.Thread(target=sequencer.run, args=(shop.database, stop))
    numbering.start()
    relays = [program(RUN, shop) for _ in range(2)]
    try:
        eventually(lambda: len(shop.ask("bestand")) == 40, 60)
        with Changing(shop):
            for _ in range(2):
                time.sleep(1)
                # Whichever it is: the one with the turn or the one that waits.
                relays[0].kill()
                relays[0].wait()
                relays = [relays[1], program(RUN, shop)]
        clean(shop)
    finally:
        for relay in relays:
            relay.kill()
            relay.wait()
        stop.set()
        numbering.join()


class Always:
    """A turn that is believed to be held."""

    def check(self) -> None:
        return


def test_two_that_write_at_once_are_parted_by_versions(client: Elasticsearch, database: Database) -> None:
    index = ElasticsearchIndex(client, f"two-{os.getpid()}", database)
    shop = Shop(database, index)
    shop.write(SHOP)
    for _ in range(40):
        shop.product({"de": "Bestand"})
    drain(database)
    generation = rebuild(database, index)
    assert generation
    try:
        with Changing(shop):
            stop = threading.Event()
            numbering = threading.Thread(target=sequencer.run, args=(database, stop))
            writers = [threading.Thread(target=follow, args=(shop, generation, stop)) for _ in range(2)]
            for thread in (numbering, *writers):
                thread.start()
            time.sleep(3)
        stop.set()
        for thread in (numbering, *writers):
            thread.join()
        drain(database)
        last = Follower(database, index, generation, Always())
        while last.step():
            pass
        assert verify.verify(database, index).faults == ()
    finally:
        index.drop(generation)


def follow(shop: Shop, generation: str, stop: threading.Event) -> None:
    follower = Follower(shop.database, shop.index, generation, Always())
    while not stop.is_set():
        follower.step()


def test_a_killed_rebuild_leaves_the_old_index_serving_and_is_carried_on(filled: Shop) -> None:
    shop = filled
    old = rebuild(shop.database, shop.index)
    shop.follow()
    building = program(BUILD, shop, stdout=subprocess.PIPE)
    assert building.stdout
    while int(building.stdout.readline().split()[0]) < 10:
        pass
    with shop.database.read() as tx:
        (build,) = standing.builds(tx)
    assert build.total == 40
    assert build.generation != old
    # The one in use is kept true to what happens meanwhile.
    word = shop.product({"de": "Zwischendurch"})
    eventually(lambda: shop.ask("zwischendurch") == [word])
    assert building.poll() is None
    building.kill()
    building.wait()
    building.stdout.close()
    assert shop.index.current() == old
    assert len(shop.ask("bestand")) == 40
    steps = list[tuple[int, int]]()
    assert rebuild(shop.database, shop.index, lambda *step: steps.append(step)) == build.generation
    assert steps[0][0] >= 8
    assert steps[-1] == (41, 41)
    eventually(lambda: shop.index.current() == build.generation)
    clean(shop)


def test_an_index_of_other_rules_is_followed_while_another_is_built(
    filled: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    shop = filled
    rebuild(shop.database, shop.index)
    old = shop.index.current() or ""
    go_on, ids = threading.Event(), rebuilding.product_ids

    def slowly(*arguments: Any, **more: Any) -> Iterator[list[int]]:
        go_on.wait(60)
        yield from ids(*arguments, **more)

    monkeypatch.setattr(rebuilding, "product_ids", slowly)
    monkeypatch.setattr(type(shop.index), "mapping", lambda _: "of tomorrow")
    shop.follow()
    word = shop.product({"de": "Zwischendurch"})
    eventually(lambda: shop.ask("zwischendurch") == [word])
    assert shop.index.current() == old
    shop.write("DELETE FROM product WHERE id = %s", word)
    eventually(lambda: shop.ask("zwischendurch") == [])
    go_on.set()
    eventually(lambda: shop.index.current() != old)
    clean(shop)


class Crash(BaseException):
    """The end of the process, at a line."""


def lines(*functions: Callable[..., Any]) -> list[tuple[Any, int]]:
    found = list[tuple[Any, int]]()
    for function in functions:
        code = inspect.unwrap(function).__code__
        found += [(code, line) for line in sorted({line for *_, line in code.co_lines() if line})[1:]]
    return found


def crashing(at: tuple[Any, int], work: Callable[[], Any]) -> bool:
    """Do the work until that line is reached; gives whether it was."""

    def trace(frame: FrameType, event: str, _: Any) -> Any:
        if frame.f_code is not at[0]:
            return trace if event == "call" else None
        if event == "line" and frame.f_lineno == at[1]:
            raise Crash
        return trace

    sys.settrace(trace)
    try:
        work()
    except Crash:
        return True
    finally:
        sys.settrace(None)
    return False


@pytest.mark.soak
def test_a_rebuild_that_ends_at_any_line_leaves_an_index_that_is_right(filled: Shop, soaking: bool) -> None:
    shop = filled
    rebuild(shop.database, shop.index)
    adopt: Any = type(shop.index).adopt
    crashed = 0
    # With an engine in another process each line takes a second: every fourth is tried in make test.
    step = 1 if soaking or isinstance(shop.index, TantivyIndex) else 4
    for at in lines(rebuild, adopt)[::step]:
        old = shop.index.current()
        crashed += crashing(at, lambda: rebuild(shop.database, shop.index))
        # The old one or the new one, and whole.
        assert len(shop.ask("bestand")) == 40
        if at[0] is adopt.__code__ or at[1] % 4 == 0:
            rebuild(shop.database, shop.index)
            assert shop.index.current() != old
            assert len(shop.ask("bestand")) == 40
    assert crashed > 10 / step
    shop.follow()
    clean(shop)
    eventually(lambda: list(shop.index.unfinished()) == [])


def test_marks_of_what_is_gone_are_forgotten_after_a_day(filled: Shop) -> None:
    shop = filled
    rebuild(shop.database, shop.index)
    generation = shop.index.current() or ""
    shop.write("DELETE FROM product WHERE id IN (SELECT min(id) FROM product)")
    drain(shop.database)
    follower = Follower(shop.database, shop.index, generation, Always())
    while follower.step():
        pass
    lane._purge(shop.database, follower)
    assert marks(follower) == 0, "nothing was forgotten, for nothing is old"
    shop.write("UPDATE feed SET sequenced_at = now() - interval '2 days'")
    shop.product({"de": "Neu"})
    drain(shop.database)
    while follower.step():
        pass
    with shop.database.read() as tx:
        assert feed.sequence_before(tx, lane.MARK_SECONDS) == follower.position - 1
    assert marks(follower) > 0
    follower.close()
    assert verify.verify(shop.database, shop.index).faults == ()


def marks(follower: Follower) -> int:
    """How many marks are old enough to be forgotten, and are now."""
    with follower._database.read() as tx:
        last = feed.sequence_before(tx, lane.MARK_SECONDS)
    return follower.purge(last + 1)


def test_a_question_that_fails_marks_no_index_as_broken(database: Database, tmp_path: Path) -> None:
    index = TantivyIndex(tmp_path / "search")
    shop = Shop(database, index)
    shop.write(SHOP)
    shop.product({"de": "Bestand"})
    drain(database)
    generation = rebuild(database, index) or ""
    for wrong in (ValueError("no such field"), OSError("odd")):
        with pytest.raises(UnavailableError, match="cannot answer this question"), index.reading():
            raise wrong
    assert not index.is_spoilt(generation)
    assert lane.problem(database, index) is None


def test_another_writer_s_lock_is_waited_for(database: Database, tmp_path: Path) -> None:
    index = TantivyIndex(tmp_path / "search")
    shop = Shop(database, index)
    shop.write(SHOP)
    generation = rebuild(database, index) or ""
    writer = index.writer(generation)
    with pytest.raises(UnavailableError, match="is waited for"):
        index.writer(generation)
    writer.close()
    index.writer(generation).close()


def test_stock_that_nobody_sees_writes_no_document(filled: Shop) -> None:
    shop = filled
    rebuild(shop.database, shop.index)
    shop.write("INSERT INTO location (code) VALUES ('main')")
    drain(shop.database)
    shop.write("INSERT INTO stock (variant_id, location_id, on_hand) SELECT id, 1, 5 FROM variant")
    follower = Follower(shop.database, shop.index, shop.index.current() or "", Always())
    drain(shop.database)
    counted = Counting(follower._writer)
    follower._writer = cast("Writer", counted)
    while follower.step():
        pass
    assert counted.written == 80
    counted.written = 0
    shop.write("UPDATE stock SET on_hand = on_hand + 3")
    drain(shop.database)
    while follower.step():
        pass
    assert counted.written == 0
    shop.write("UPDATE stock SET on_hand = 0 WHERE variant_id = (SELECT min(id) FROM variant)")
    drain(shop.database)
    while follower.step():
        pass
    assert counted.written == 2
    follower.close()
    assert verify.verify(shop.database, shop.index).faults == ()


class Counting:
    """A writer whose written documents are counted."""

    def __init__(self, writer: Any) -> None:
        self._writer, self.written = writer, 0

    def put(self, batch: Batch, **how: bool) -> Written:
        done: Written = self._writer.put(batch, **how)
        self.written += done.written
        return done

    def __getattr__(self, name: str) -> Any:
        return getattr(self._writer, name)


def test_a_sequence_is_found_by_its_age(database: Database) -> None:
    shop = Shop(database, Path("unused"))
    shop.write(SHOP)
    drain(database)
    with database.read() as tx:
        assert feed.sequence_before(tx, 3600) == 0
    last = drain(database)
    shop.write("UPDATE feed SET sequenced_at = now() - interval '2 hours' WHERE sequence <= 4")
    with database.read() as tx:
        assert (feed.sequence_before(tx, 3600), last > 4) == (4, True)
        assert tx.scalar(sa.text("SELECT count(*) FROM feed")) == last
