"""Renditions a second and the memory for them, beside Pillow called directly on the same pictures."""

from __future__ import annotations

import http.client
import io
import multiprocessing
import os
import random
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Annotated, Any

import sqlalchemy as sa
import typer
from PIL import Image, ImageFilter, ImageOps

from bench import Figures, Tell, scratch
from hub import file, rendition
from hub.asset_upload import looked_at
from hub.config import Settings
from hub.db import HUB, Database
from hub.file import File
from hub.file_picture import Wish
from hub.file_pool import AT_ONCE, Pool
from hub.file_store import Folder
from hub.save import save

SIZE = (3000, 2000)
WISHES = (
    Wish(400, 400, "cover", "webp", 80),
    Wish(1200, None, "contain", "webp", 80),
    Wish(800, None, "contain", "jpeg", 82),
    Wish(800, None, "contain", "avif", 60),
)
"""What a shop shows: a tile, a large picture, a mail's, and a modern browser's."""

ASKERS = 8
AGAIN = 20
"""How often each rendition is fetched once it is made."""

Pictures = Annotated[
    int, typer.Option(help="How many pictures of six million pixels, each in four renditions.", min=1)
]


def measure(settings: Settings, tell: Tell, *, pictures: Pictures = 12) -> Figures:
    """Fetch every rendition from a server of its own, twice, and make the same ones with Pillow alone.

    ``made_per_second`` are those that a server made when they were first asked for, ``pillow_per_second`` those of as many
    processes that only call Pillow; ``ratio`` is the one in times of the other. ``kept_per_second``: answers out of what is
    kept. Memory is the most that one process held, in MB.
    """
    total = pictures * len(WISHES)
    with tempfile.TemporaryDirectory() as place, scratch.database(settings) as database:
        paths = [_drawn(Path(place, f"{number}.jpg"), number) for number in range(pictures)]
        asked = _kept(database, paths, Path(place, "var"), settings.file_megapixels)
        with _serving(settings, database, Path(place, "var")) as (address, process):
            made = _fetched(address, asked)
            tell(total, 2 * total)
            kept = _fetched(address, asked * AGAIN)
            memory = _memory(process)
        alone = _pillow(paths)
        tell(2 * total, 2 * total)
    return {
        "renditions": total,
        "made_per_second": round(total / made, 1),
        "pillow_per_second": round(total / alone["seconds"], 1),
        "ratio": round(alone["seconds"] / made, 2),
        "kept_per_second": round(total * AGAIN / kept, 1),
        "server_mb": round(memory[process], 1),
        "peak_mb": round(max(memory[each] for each in memory if each != process), 1),
        "pillow_peak_mb": round(alone["peak"], 1),
    }


def _drawn(path: Path, number: int) -> Path:
    """A picture as a camera makes it: soft shapes, some noise."""
    chance = random.Random(number)  # noqa: S311 - the same pictures each time
    small = Image.frombytes("RGB", (30, 20), chance.randbytes(30 * 20 * 3))
    soft = small.resize(SIZE, Image.Resampling.BICUBIC).filter(ImageFilter.GaussianBlur(3))
    noise = Image.effect_noise(SIZE, 12).convert("RGB")
    Image.blend(soft, noise, 0.15).save(path, "JPEG", quality=90)
    return path


def _kept(database: Database, paths: Sequence[Path], var: Path, megapixels: int) -> list[str]:
    """Keep the pictures as uploads are kept; the addresses of their renditions."""
    pool, store, kept = Pool(megapixels * 1_000_000), Folder(var / "files"), []
    try:
        for path in paths:
            with looked_at(pool, path) as content, database.write(HUB) as tx:
                address = file.keep(tx, store, content)
                save(tx, "asset", [{"code": path.stem, "address": address}])
                key = tx.execute(sa.select(File.key).where(File.hash == content.hash)).scalar_one()
                kept.append((content.hash, key))
    finally:
        pool.close()
    return [rendition.address(content, key, wish) for content, key in kept for wish in WISHES]


@contextmanager
def _serving(settings: Settings, database: Database, var: Path) -> Iterator[tuple[str, int]]:
    """A server as it is started by hand, on the database and the folder; its address and process."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    told = {"HUB_VAR": str(var), "HUB_DATABASE_URL": database.url, "HUB_PORT": str(port)}
    own = {"HUB_SECRET_KEY": settings.secret, "HUB_FILE_MEGAPIXELS": str(settings.file_megapixels)}
    clean = {name: value for name, value in os.environ.items() if not name.startswith("HUB_")}
    command = [sys.executable, "-m", "hub", "serve", "--no-relay"]
    with subprocess.Popen(command, env=clean | told | own, stdout=subprocess.PIPE) as process:  # noqa: S603 - ourselves
        try:
            assert process.stdout is not None
            process.stdout.readline()
            _wait(port)
            yield f"127.0.0.1:{port}", process.pid
        finally:
            process.terminate()


def _wait(port: int) -> None:
    while True:
        with suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
            return
        time.sleep(0.05)


def _fetched(address: str, paths: Sequence[str]) -> float:
    """Seconds in which all were fetched by some at once. Raises ``RuntimeError`` for one that is no picture."""

    def some(own: Sequence[str]) -> None:
        connection = http.client.HTTPConnection(address)
        for path in own:
            connection.request("GET", path)
            answer = connection.getresponse()
            body = answer.read()
            if answer.status != http.HTTPStatus.OK:
                raise RuntimeError(f"{path} answered {answer.status}: {body[:200]!r}")
        connection.close()

    began = time.perf_counter()
    with ThreadPoolExecutor(ASKERS) as threads:
        list(threads.map(some, [paths[start::ASKERS] for start in range(ASKERS)]))
    return time.perf_counter() - began


def _memory(server: int) -> dict[int, float]:
    """The most memory that the server and those of its processes ever held that look at files, in MB."""
    found = {server: _peak(server)}
    for place in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            parent = place.joinpath("stat").read_text().rpartition(")")[2].split()[1]
            if int(parent) == server and b"hub.file_process" in place.joinpath("cmdline").read_bytes():
                found[int(place.name)] = _peak(int(place.name))
    return found


def _peak(process: int) -> float:
    """The most memory that a process ever held, in MB."""
    return int(Path(f"/proc/{process}/status").read_text().partition("VmHWM:")[2].split()[0]) / 1024


def _pillow(paths: Sequence[Path]) -> dict[str, float]:
    """The same renditions by Pillow alone, in as many processes as a server has for them."""
    spawning = multiprocessing.get_context("spawn")
    pipes = [spawning.Pipe() for _ in range(AT_ONCE)]
    processes = [
        spawning.Process(target=_draw, args=(list(paths[number::AT_ONCE]), there))
        for number, (_, there) in enumerate(pipes)
    ]
    for process in processes:
        process.start()
    for here, _ in pipes:  # both have loaded Pillow
        here.recv()
    began = time.perf_counter()
    for here, _ in pipes:
        here.send("go")
    peaks = [here.recv() for here, _ in pipes]
    seconds = time.perf_counter() - began
    for process in processes:
        process.join()
    return {"seconds": seconds, "peak": max(peaks)}


def _draw(paths: list[Path], answer: Connection) -> None:
    answer.send("ready")
    answer.recv()
    for path in paths:
        for wish in WISHES:
            _by_pillow(path, wish)
    answer.send(_peak(os.getpid()))


def _by_pillow(path: Path, wish: Wish) -> bytes:
    """One rendition as Pillow's documentation shows it."""
    with Image.open(path) as opened:
        picture: Image.Image = opened
        if wish.fit == "cover":
            picture = ImageOps.fit(opened, (wish.width or 0, wish.height or 0), Image.Resampling.LANCZOS)
        else:
            opened.thumbnail((wish.width or SIZE[0], wish.height or SIZE[1]), Image.Resampling.LANCZOS)
        made = io.BytesIO()
        options: dict[str, Any] = {"quality": wish.quality} | ({"speed": 8} if wish.format == "avif" else {})
        picture.save(made, wish.format, **options)
        return made.getvalue()
