"""Slots: short times in which one contender is asked, in turn with the others.

So what the machine does otherwise falls on all of them.
"""

from __future__ import annotations

import pickle
import statistics
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from bench.reads.client import Client, Seen, request
from bench.reads.contender import Contender
from bench.reads.process import Tree
from bench.reads.questions import Question
from bench.reads.table import Row

ALONE, TOGETHER = 1, 16
"""Connections at one time: for latency, and for throughput."""
WARM_SECONDS = 1.0


@dataclass(frozen=True)
class Slot:
    """What was seen in one slot, and what it took of server and database, in CPU seconds."""

    seen: Seen
    server: float
    database: float

    @property
    def cpu(self) -> float:
        """CPU seconds for each request."""
        return (self.server + self.database) / self.seen.requests


@dataclass
class Slots:
    """All slots of a run."""

    client: Client
    database: Tree
    folder: Path
    tokens: Mapping[str, str]
    alone: dict[tuple[str, str], list[Slot]] = field(default_factory=lambda: defaultdict(list))
    together: dict[tuple[str, str], list[Slot]] = field(default_factory=lambda: defaultdict(list))

    def run(
        self, contenders: Sequence[Contender], asked: Sequence[Question], seconds: float, rounds: int
    ) -> Iterator[int]:
        """Ask in turn; gives how many slots are done."""
        done = 0
        for question in asked:
            for contender in contenders:
                self._slot(contender, question, TOGETHER, WARM_SECONDS)
        for _ in range(rounds):
            for question in asked:
                for concurrency, kept in ((ALONE, self.alone), (TOGETHER, self.together)):
                    for contender in contenders:
                        slot = self._slot(contender, question, concurrency, seconds)
                        kept[question.name, contender.name].append(slot)
                        done += 1
                        yield done

    def _slot(self, contender: Contender, question: Question, concurrency: int, seconds: float) -> Slot:
        server, database = contender.tree.cpu(), self.database.cpu()
        seen = self.client.ask(contender.port, self._requests(question), concurrency, seconds)
        return Slot(seen, contender.tree.cpu() - server, self.database.cpu() - database)

    def _requests(self, question: Question) -> Path:
        path = self.folder / question.name
        if not path.exists():
            token = self.tokens[question.kind]
            path.write_bytes(pickle.dumps([request(body, token) for body in question.bodies]))
        return path

    def row(self, question: Question, contender: Contender) -> Row:
        """What a contender's slots of a question come to."""
        alone = [slot.seen for slot in self.alone[question.name, contender.name]]
        slots = self.together[question.name, contender.name]
        requests = sum(slot.seen.requests for slot in slots)
        costs = [slot.cpu for slot in slots]
        return Row(
            p50=statistics.median(seen.p50 for seen in alone),
            p99=statistics.median(seen.p99 for seen in alone),
            per_second=requests / sum(slot.seen.seconds for slot in slots),
            busy_p99=statistics.median(slot.seen.p99 for slot in slots),
            server=sum(slot.server for slot in slots) / requests * 1000,
            database=sum(slot.database for slot in slots) / requests * 1000,
            memory=contender.tree.memory(),
            client=sum(slot.seen.cpu for slot in slots) / requests * 1000,
            requests=requests + sum(seen.requests for seen in alone),
            failed=sum(slot.seen.failed for slot in slots) + sum(seen.failed for seen in alone),
            spread=max(costs) / min(costs),
        )
