"""The attack of a soak: everybody writes, everything dies now and then, and afterwards there must be peace."""

from __future__ import annotations

import multiprocessing
import random
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from multiprocessing.context import ForkServerContext, ForkServerProcess
from multiprocessing.synchronize import Event
from typing import Any

import psycopg

from bench.soak import api_writer, import_writer, journal, judge, processes, reader, sql_writer
from bench.soak.api_writer import Api
from bench.soak.cluster import Cluster
from bench.soak.endpoints import PLANS, Plan, Registered
from bench.soak.ground import Ground
from bench.soak.judge import Committed, Effect, Evidence, Told, Window
from bench.soak.processes import Plant
from hub import ids

RELAYS = 2
STEP_SECONDS = 0.05
KILL_SECONDS = (2.5, 6.5)
"""Between two kills of relays: about the five seconds after which another one takes over what it was sending."""

BACK_SECONDS = 2.0
PEACE_SECONDS = 240.0

CHANGES = """query ($after: String) { changes(after: $after, first: 1000) {
    nodes { sequence type events entityType entityId entityVersion kind changedPaths { path old new } reason actor }
    pageInfo { endCursor hasNextPage } } }"""

WRITERS = ("sql1", "sql2", "api3", "imp4")


@dataclass(frozen=True)
class Ways:
    """How a soak is led. ``plant``: a fault in the relays. ``planted``: SQL run when everything stands.

    ``peace``: seconds that everything may take to arrive afterwards. ``late``: seconds that a transaction may stay open.
    ``least``: transactions that must have been tried before the attack may end; a busy machine needs longer for them.
    """

    seconds: float
    seed: int
    kills: bool = True
    writers: Sequence[str] = WRITERS
    plans: Sequence[Plan] = PLANS
    plant: Plant | None = None
    planted: str | None = None
    peace: float = PEACE_SECONDS
    late: float = 2.0
    least: int = 20
    tell: Callable[[str], None] = lambda _: None


@dataclass
class Outcome:
    """What came of it. ``counts`` says how much of everything there was."""

    evidence: Evidence
    counts: Counter[str] = field(default_factory=Counter)
    faults: list[str] = field(default_factory=list)


class Attack:
    """One soak on one ground."""

    def __init__(self, ground: Ground, cluster: Cluster | None, ways: Ways) -> None:
        self.ground, self.cluster, self.ways = ground, cluster, ways
        self.chance = random.Random(ways.seed)
        self.api = Api(ground)
        self.counts: Counter[str] = Counter()
        self.unasked: list[str] = []
        self.context = multiprocessing.get_context("forkserver")
        self.context.set_forkserver_preload(["bench.soak.processes"])
        self.relays: list[ForkServerProcess] = []

    def run(self) -> Outcome:
        """Attack, make peace, and judge."""
        with ExitStack() as stack:
            self.server = stack.enter_context(_process(self.context, processes.serve, self.ground))
            since = self._wait_for_server()
            self.endpoints = [Registered(self.ground, self.api, plan) for plan in self.ways.plans]
            for each in self.endpoints:
                stack.callback(each.kill)
            stack.callback(self._kill_relays)
            self._attack(stack)
            self._make_peace()
            evidence = self._evidence(since)
        return Outcome(evidence, self.counts, [*self.unasked, *judge.faults(evidence)])

    def _wait_for_server(self) -> int:
        self._start_relay()
        self.api.insist("{ __typename }")
        self._until(lambda: self._scalar("SELECT count(*) FROM pending") == 0, 30)
        if self.ways.planted:
            with self.ground.connect() as connection:
                connection.execute(self.ways.planted.encode())
        return int(self._scalar("SELECT sequence FROM head"))

    def _attack(self, stack: ExitStack) -> None:
        """Writers and the reader run; the rest dies around them."""
        stop, read = self.context.Event(), self.context.Event()
        follower = stack.enter_context(
            _process(self.context, reader.follow, self.ground, "reader", self.ways.seed, read)
        )
        writers = [
            stack.enter_context(self._writer(name, place, stop))
            for place, name in enumerate(self.ways.writers)
        ]
        self._until(self._everyone_writes, 60)
        operator = stack.enter_context(self._operator())
        self._disturb()
        operator.set()
        stop.set()
        for name, writer in zip(self.ways.writers, writers, strict=True):
            writer.join(90)
            if writer.exitcode != 0:
                self.unasked.append(f"Writer {name} ended with {writer.exitcode}.")
        self._wait_for_feed()
        read.set()
        follower.join(60)

    def _writer(self, name: str, place: int, stop: Event) -> Any:
        seed = self.ways.seed + place
        if name.startswith("sql"):
            late = self.ways.late if name == "sql2" else 0.0
            return _process(self.context, sql_writer.write, self.ground, name, seed, late, stop)
        target = api_writer.write if name.startswith("api") else import_writer.write
        return _process(self.context, target, self.ground, name, seed, stop)

    def _everyone_writes(self) -> bool:
        """The clock starts when all are up: on a busy machine that takes longer than an attack."""
        self._start_receivers(0)
        return all(any(journal.read(self.ground.journal(name))) for name in self.ways.writers)

    def _disturb(self) -> None:
        """Until time is up: relays die all the time, receivers now and then, the server and PostgreSQL once a minute."""
        began, share = time.monotonic(), self.ways.seconds / max(1, round(self.ways.seconds / 60))
        plan: list[tuple[Callable[[], None], tuple[float, float]]] = [
            (self._kill_relay, KILL_SECONDS),
            (self._kill_receiver, (2.0, 4.0)),
            (self._crash, (share * 0.9, share * 1.1)),
            (self._kill_server, (share * 0.9, share * 1.1)),
        ]
        due = {kill: began + self.chance.uniform(*pause) for kill, pause in plan}
        due[self._crash], due[self._kill_server] = began + share * 0.45, began + share * 0.7
        while (now := time.monotonic()) < began + self.ways.seconds or not self._tried_enough():
            self._start_receivers(now - began)
            for kill, pause in plan if self.ways.kills else ():
                if due[kill] <= now:
                    kill()
                    # From now on, not from when it was due: on a busy machine too everybody lives for a while.
                    due[kill] = time.monotonic() + self.chance.uniform(*pause)
            self._tend()
            time.sleep(STEP_SECONDS)

    def _tried_enough(self) -> bool:
        tried = sum(1 for name in self.ways.writers for _ in journal.read(self.ground.journal(name)))
        return tried >= self.ways.least

    def _start_receivers(self, passed: float) -> None:
        for each in self.endpoints:
            if each.process is None and passed >= each.plan.late * self.ways.seconds:
                each.start()

    @contextmanager
    def _operator(self) -> Iterator[threading.Event]:
        """Somebody who says every now and then that receivers are back, so that nothing waits for its schedule."""
        stop = threading.Event()

        def operate() -> None:
            while not stop.wait(BACK_SECONDS):
                self.ways.tell(self._said())
                for each in self.endpoints:
                    each.back()

        thread = threading.Thread(target=operate, name="operator", daemon=True)
        thread.start()
        try:
            yield stop
        finally:
            stop.set()
            thread.join(60)

    def _kill_relay(self) -> None:
        """Two at a time, now and then: nobody is left to take over at once."""
        for _ in range(2 if self.chance.random() < 0.25 else 1):  # noqa: PLR2004 - a quarter
            if self.relays:
                victim = self.relays.pop(self.chance.randrange(len(self.relays)))
                victim.kill()
                victim.join()
                self.counts["relays killed"] += 1

    def _kill_receiver(self) -> None:
        for each in self.endpoints:
            if each.plan.dies and each.process is not None:
                if each.process.poll() is None:
                    each.kill()
                    self.counts["receivers killed"] += 1
                else:
                    each.start()

    def _kill_server(self) -> None:
        self.server.kill()
        self.server.join()
        self.counts["servers killed"] += 1
        self.server = self.context.Process(target=processes.serve, args=(self.ground,), daemon=True)
        self.server.start()

    def _crash(self) -> None:
        if self.cluster is not None:
            self.cluster.crash()
            self.counts["PostgreSQL crashed"] += 1
            time.sleep(self.chance.uniform(0, 0.5))
            self.cluster.start()

    def _tend(self) -> None:
        """Have two relays. One that ended by itself is a fault, unless it could not start without the database."""
        for each in [each for each in self.relays if not each.is_alive()]:
            self.relays.remove(each)
            if not self.counts["PostgreSQL crashed"]:
                self.unasked.append(f"A relay ended by itself with {each.exitcode}.")
        while len(self.relays) < (RELAYS if self.ways.kills else 1):
            self._start_relay()

    def _start_relay(self) -> None:
        made = self.context.Process(target=processes.relay, args=(self.ground, self.ways.plant), daemon=True)
        made.start()
        self.relays.append(made)

    def _kill_relays(self) -> None:
        for each in self.relays:
            each.kill()
            each.join()
        self.server.kill()
        self.server.join()

    def _make_peace(self) -> None:
        """Everyone is well; what was promised must arrive."""
        (self.ground.folder / "well").touch()
        for each in self.endpoints:
            each.start()
        if not self._until(self._all_arrived, self.ways.peace):
            self.ways.tell("Not everything arrived in time.")

    def _wait_for_feed(self) -> None:
        """Windows close by themselves, and the sequencer numbers what there is."""
        ended = "SELECT (SELECT count(*) FROM listing WHERE turns_at IS NOT NULL) + (SELECT count(*) FROM pending)"
        self._until(lambda: self._scalar(ended) == 0, min(self.ways.peace, 30))

    def _all_arrived(self) -> bool:
        self._tend()
        head = self._scalar("SELECT sequence FROM head")
        done = True
        for each in self.endpoints:
            stands = each.stands()
            if stands["sequence"] != head or stands["undelivered"] or stands["parked"]:
                each.back()
                done = False
        return done

    def _until(self, condition: Callable[[], bool], seconds: float) -> bool:
        until = time.monotonic() + seconds
        while not condition():
            if time.monotonic() > until:
                return False
            time.sleep(0.2)
        return True

    def _scalar(self, statement: str) -> Any:
        with self.ground.connect() as connection:
            row = connection.execute(statement.encode()).fetchone()
        assert row is not None
        return row[0]

    def _said(self) -> str:
        try:
            head, waiting = (
                self._scalar("SELECT sequence FROM head"),
                self._scalar("SELECT count(*) FROM pending"),
            )
        except psycopg.OperationalError:
            return "PostgreSQL is away."
        tried = self._scalar("SELECT count(*) FROM webhook_attempt")
        died = ", ".join(f"{count} {what}" for what, count in self.counts.items())
        return f"{head} changes, {waiting} waiting, {tried} attempts; {died or 'nothing died yet'}"

    def _evidence(self, since: int) -> Evidence:
        lines = [line for name in self.ways.writers for line in journal.read(self.ground.journal(name))]
        committed = [line for line in lines if line["fate"] == "committed"]
        undone = [text for line in lines for text in _never(line)]
        self.counts.update(
            {
                "transactions": len(lines),
                "committed": len(committed),
                "taken back": len(lines) - len(committed),
            }
        )
        evidence = Evidence(
            changes=list(self._changes()),
            since=since,
            committed=[_committed(line) for line in committed],
            undone=undone,
            windows=[Window(**each) for line in committed for each in line["windows"]],
            told=[self._told(each) for each in self.endpoints],
            state=self._state(),
            read=[line["sequence"] for line in journal.read(self.ground.journal("reader"))],
            waiting=self._scalar("SELECT count(*) FROM pending"),
        )
        self.counts.update(_summed(evidence))
        return evidence

    def _changes(self) -> Iterator[dict[str, Any]]:
        after = None
        while True:
            page = self.api.insist(CHANGES, after=after)["changes"]
            yield from page["nodes"]
            after = page["pageInfo"]["endCursor"]
            if not page["pageInfo"]["hasNextPage"]:
                return

    def _told(self, each: Registered) -> Told:
        counted = "SELECT count(*) FROM webhook_delivery WHERE sequence IS NOT NULL AND endpoint_id ="
        stands = each.stands()
        return Told(
            name=each.plan.name,
            types=each.plan.types,
            since=each.since,
            deliveries=self._scalar(f"{counted} {each.number}"),
            undelivered=stands["undelivered"] + stands["parked"],
            receipts=list(each.receipts()),
        )

    def _state(self) -> dict[tuple[str, str], Any]:
        """Names and prices as the tables hold them."""
        found: dict[tuple[str, str], Any] = {}
        with self.ground.connect() as connection:
            for noun in ("product", "category"):
                for number, name in connection.execute(f"SELECT id, name ->> 'de' FROM {noun}".encode()):
                    found[ids.encode(noun, number), "/name/de"] = name  # type: ignore[arg-type]
            prices = "SELECT product_id, id, trim_scale(amount)::text FROM price"
            for product, number, amount in connection.execute(prices.encode()):
                place = f"/prices/{ids.encode('price', number)}/amount"  # type: ignore[arg-type]
                found[ids.encode("product", product), place] = amount  # type: ignore[arg-type]
        return found


@contextmanager
def _process(
    context: ForkServerContext, target: Callable[..., None], *args: Any
) -> Iterator[ForkServerProcess]:
    process = context.Process(target=target, args=args, daemon=True)
    process.start()
    try:
        yield process
    finally:
        process.kill()
        process.join()


def _summed(given: Evidence) -> dict[str, int]:
    """Figures that add up: changes by who made them, requests by what they were."""
    before = sum(change["sequence"] <= given.since for change in given.changes)
    turned = sum(change["sequence"] > given.since and change["actor"] == "hub" for change in given.changes)
    receipts = [receipt for each in given.told for receipt in each.receipts]
    firsts = sum(
        len({receipt.body["sequence"] for receipt in each.receipts if receipt.taken}) for each in given.told
    )
    taken = sum(receipt.taken for receipt in receipts)
    return {
        "changes": len(given.changes),
        "changes of the shop before": before,
        "changes by time": turned,
        "changes by writers": len(given.changes) - before - turned,
        "endpoints": len(given.told),
        "deliveries": sum(each.deliveries for each in given.told),
        "requests": len(receipts),
        "requests taken first": firsts,
        "requests taken again": taken - firsts,
        "requests refused or unanswered": len(receipts) - taken,
    }


def _committed(line: dict[str, Any]) -> Committed:
    any_kind = line.get("any_kind", False)
    effects = (
        Effect(each["entity"], None if any_kind else each["kind"], tuple(each["tokens"]))
        for each in line["effects"]
    )
    return Committed(line["name"], None if line.get("unsigned") else line["name"], tuple(effects))


def _never(line: dict[str, Any]) -> Iterator[str]:
    yield from line["never"]
    if line["fate"] == "undone":
        for each in line["effects"]:
            yield from each["tokens"]
