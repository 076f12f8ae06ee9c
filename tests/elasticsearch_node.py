"""A real Elasticsearch for tests, without Docker: Elastic's own minimal distribution, fetched with Maven.

It lacks ``GET /``, scripts, and what works by query (``_delete_by_query``, ``_update_by_query``, ``_reindex``): nothing
in the hub needs them. Texts come to the engine already parted into terms, so that no analyser beyond the core's is
needed either, and the same index definition serves this node and the official image.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import fasteners
import pytest

from tests.running import free_port

NEWEST = "9.5.0"
OLDEST = "8.19.0"
ARTIFACT = "org.elasticsearch.distribution.integ-test-zip:elasticsearch"
LEAST_JAVA = 21
START_SECONDS = 240.0
HEAP = "512m"
QUICK = "-XX:TieredStopAtLevel=1"
"""Compiled once and simply: a node that lives for minutes never gains what compiling again costs two cores."""

MISSING = (
    "There is no Elasticsearch to test with: set HUB_TEST_ELASTICSEARCH_URL, or install Maven and a JDK of"
    f" {LEAST_JAVA} or later, or Docker."
)


def java() -> Path | None:
    """The home of a JDK that Elasticsearch runs on; null where there is none."""
    homes = [Path(os.environ["JAVA_HOME"])] if os.environ.get("JAVA_HOME") else []
    homes += sorted(Path("/usr/lib/jvm").glob("*"), reverse=True)
    return next((home for home in homes if _java_version(home) >= LEAST_JAVA), None)


def _java_version(home: Path) -> int:
    try:
        said = re.search(r'JAVA_VERSION="(\d+)', (home / "release").read_text())
    except OSError:
        return 0
    return int(said[1]) if said else 0


def can_be_fetched() -> bool:
    """Whether this machine can fetch and run the node."""
    return shutil.which("mvn") is not None and java() is not None


def cache() -> Path:
    """Where it is kept between runs: a folder that the unprivileged user can enter."""
    if os.geteuid() == 0:
        return Path("/var/cache/hub-tests")
    return Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "hub-tests"


def installed(version: str) -> Path:
    """The unpacked distribution, fetched the first time; processes that come together wait for each other."""
    folder = cache() / f"elasticsearch-{version}"
    cache().mkdir(parents=True, exist_ok=True)
    with fasteners.InterProcessLock(cache() / f"elasticsearch-{version}.lock"):
        if not folder.exists():
            _unpack(_fetched(version), folder)
    return folder


def _fetched(version: str) -> Path:
    subprocess.run(
        ["mvn", "-q", "-B", "dependency:get", f"-Dartifact={ARTIFACT}:{version}:zip", "-Dtransitive=false"],
        check=True,
    )
    repository = Path.home() / ".m2/repository" / ARTIFACT.replace(".", "/").replace(":", "/")
    return repository / version / f"elasticsearch-{version}.zip"


def _unpack(archive: Path, folder: Path) -> None:
    with tempfile.TemporaryDirectory(dir=folder.parent) as part:
        with zipfile.ZipFile(archive) as packed:
            for member in packed.infolist():
                path = packed.extract(member, part)
                # The library drops the bit that makes a file executable.
                Path(path).chmod(0o755 if member.is_dir() or member.external_attr >> 16 & 0o100 else 0o644)
        (Path(part) / folder.name).rename(folder)


class Node:
    """One node with a folder of its own. It can be stopped, killed and started again on what it wrote."""

    def __init__(self, version: str, folder: Path, *, port: int | None = None) -> None:
        self.version = version
        self.folder = folder
        self.port = port or free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self._process: subprocess.Popen[bytes] | None = None

    def start(self, **settings: object) -> None:
        """Start it and wait until it answers; ``settings`` come on top of its own."""
        self._write(settings)
        home = java()
        assert home, MISSING
        with (self.folder / "output").open("ab") as output:
            self._process = subprocess.Popen(
                [installed(self.version) / "bin/elasticsearch"],
                env={
                    "ES_JAVA_HOME": str(home),
                    "ES_PATH_CONF": str(self.folder / "config"),
                    "ES_JAVA_OPTS": f"-Xms{HEAP} -Xmx{HEAP} {QUICK}",
                    "ES_TMPDIR": str(self.folder / "temporary"),
                    "PATH": os.environ["PATH"],
                },
                stdout=output,
                stderr=output,
                start_new_session=True,
                # It refuses to run as root.
                user="nobody" if os.geteuid() == 0 else None,
                group="nogroup" if os.geteuid() == 0 else None,
            )
        self._wait()

    def _write(self, settings: dict[str, object]) -> None:
        config = self.folder / "config"
        if not config.exists():
            shutil.copytree(installed(self.version) / "config", config)
            options = config / "jvm.options"
            # Older ones write their logs beside the program, where the unprivileged user may not.
            kept = [line for line in options.read_text().splitlines() if "logs/" not in line]
            options.write_text("\n".join(kept) + "\n")
            for name in ("data", "logs", "temporary"):
                (self.folder / name).mkdir()
        said = {
            "discovery.type": "single-node",
            "network.host": "127.0.0.1",
            "http.port": self.port,
            "transport.port": 0,
            "xpack.security.enabled": False,
            "path.data": str(self.folder / "data"),
            "path.logs": str(self.folder / "logs"),
            # A test machine's disk may well be nearly full: that is tested on purpose alone.
            "cluster.routing.allocation.disk.threshold_enabled": False,
            **settings,
        }
        text = "\n".join(f"{name}: {json.dumps(value)}" for name, value in said.items())
        (config / "elasticsearch.yml").write_text(text)
        if os.geteuid() == 0:
            for path in (self.folder, *self.folder.rglob("*")):
                shutil.chown(path, "nobody", "nogroup")

    def _wait(self) -> None:
        deadline = time.monotonic() + START_SECONDS
        while not self.answers():
            assert self._process
            assert self._process.poll() is None, f"Elasticsearch ended:\n{self.said()}"
            assert time.monotonic() < deadline, f"Elasticsearch did not answer in time:\n{self.said()}"
            time.sleep(0.1)

    def answers(self) -> bool:
        """Whether it is up and has a master."""
        try:
            with urllib.request.urlopen(f"{self.url}/_cluster/health", timeout=2) as response:
                return bool(response.status == 200)
        except (urllib.error.URLError, OSError):
            return False

    def said(self) -> str:
        """The end of what it printed."""
        return (self.folder / "output").read_text(errors="replace")[-3000:]

    def kill(self) -> None:
        """End it as a power cut would."""
        self._end(signal.SIGKILL)

    def stop(self) -> None:
        """End it as an operator would."""
        self._end(signal.SIGTERM)

    def _end(self, how: signal.Signals) -> None:
        if self._process and self._process.poll() is None:
            os.killpg(self._process.pid, how)
            self._process.wait(60)
        self._process = None


def serve(version: str, folder: Path, keeper: int) -> None:
    """Run a node until the process ``keeper`` has ended, and remove its folder: nothing is left, however tests end."""
    node = Node(version, folder / "node")
    node.folder.mkdir(parents=True)
    try:
        node.start()
        part = folder / "url.part"
        part.write_text(node.url)
        part.rename(folder / "url")
        while _lives(keeper):
            time.sleep(0.5)
    finally:
        node.kill()
        shutil.rmtree(folder, ignore_errors=True)


def _lives(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    return True


def shared(version: str, run: str) -> str:
    """The address of the run's node; the first worker to ask starts it, and it ends when the run does."""
    folder = Path(tempfile.gettempdir()) / f"hub-elasticsearch-{version}-{run[:12]}"
    # What a run's workers have in common is the process that started them.
    keeper = os.getppid() if os.environ.get("PYTEST_XDIST_WORKER") else os.getpid()
    with fasteners.InterProcessLock(folder.with_name(f"{folder.name}.lock")):
        serving = None
        if not (folder / "url").exists():
            folder.mkdir(mode=0o755)
            installed(version)
            serving = subprocess.Popen(
                [sys.executable, "-m", "tests.elasticsearch_node", version, folder, str(keeper)],
                cwd=Path(__file__).parent.parent,
                start_new_session=True,
            )
        deadline = time.monotonic() + START_SECONDS
        while not (folder / "url").exists():
            assert serving is None or serving.poll() is None, (
                "Elasticsearch did not start: see what it printed."
            )
            assert time.monotonic() < deadline, "Elasticsearch did not start in time."
            time.sleep(0.1)
    return (folder / "url").read_text()


IMAGE = "docker.elastic.co/elasticsearch/elasticsearch"


@contextmanager
def address(run: str, version: str = NEWEST) -> Iterator[str]:
    """The address of an Elasticsearch: the one that is named, a node of our own, or a container.

    Without any of them the test is skipped with one line, and fails under ``CI=true``.
    """
    named = os.environ.get("HUB_TEST_ELASTICSEARCH_URL")
    if named:
        yield named
    elif can_be_fetched():
        yield shared(version, run)
    elif shutil.which("docker"):
        with _container(version) as url:
            yield url
    elif os.environ.get("CI") == "true":
        pytest.fail(MISSING)
    else:
        pytest.skip(MISSING)


@contextmanager
def _container(version: str) -> Iterator[str]:
    port = free_port()
    options = ["-e", "discovery.type=single-node", "-e", "xpack.security.enabled=false"]
    options += ["-e", f"ES_JAVA_OPTS=-Xms{HEAP} -Xmx{HEAP} {QUICK}", "-p", f"127.0.0.1:{port}:9200"]
    command = ["docker", "run", "--rm", "--detach", *options, f"{IMAGE}:{version}"]
    name = subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()
    try:
        node = Node(version, Path(), port=port)
        deadline = time.monotonic() + START_SECONDS
        while not node.answers():
            assert time.monotonic() < deadline, "Elasticsearch did not start in its container."
            time.sleep(0.5)
        yield node.url
    finally:
        subprocess.run(["docker", "kill", name], check=True, capture_output=True)


if __name__ == "__main__":
    serve(sys.argv[1], Path(sys.argv[2]), int(sys.argv[3]))
