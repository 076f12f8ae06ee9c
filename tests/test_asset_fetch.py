"""Files that lie elsewhere are fetched into the hub, one by one, and never from where the hub must not go."""

from __future__ import annotations

import gzip
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.request import urlopen

import pytest

from hub.token import Wish
from tests.running import Server, make_settings, serving
from tests.sending import asset, fetch, opened
from tests.test_house import HOUSE
from tests.test_jobs import JOB, ended

FETCH = f"""mutation ($codes: [String!], $key: String) {{
    assetFetch(codes: $codes, idempotencyKey: $key) {{ job {{ {JOB} }} userErrors {{ field code message }} }} }}"""


@pytest.fixture(scope="module")
def host() -> Iterator[str]:
    with subprocess.Popen(
        [sys.executable, str(HOUSE / "tests" / "picture_host.py")], stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        yield process.stdout.readline().strip()
        process.kill()


@pytest.fixture(scope="module")
def server(module_database_url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    settings = make_settings(module_database_url, tmp_path_factory.mktemp("var"))
    with serving(settings.model_copy(update={"file_megabytes": 1})) as there:
        yield there


def elsewhere(server: Server, addresses: dict[str, str]) -> None:
    rows = [{"code": code, "address": address} for code, address in addresses.items()]
    made = server.data(
        "mutation ($rows: [AssetInput!]!) { assetBulkUpsert(rows: $rows) { results { userErrors { message } } } }",
        {"rows": rows},
    )
    assert not [error for result in made["assetBulkUpsert"]["results"] for error in result["userErrors"]]


def asked(server: Server, codes: list[str] | None, token: str | None = None) -> dict[str, Any]:
    answer: dict[str, Any] = server.data(FETCH, {"codes": codes}, token=token)["assetFetch"]
    assert answer["userErrors"] == []
    return dict(answer["job"])


def report(server: Server, job: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """What became of each asset, by its code."""
    done = ended(server, job, seconds=60)
    assert (done["kind"], done["status"], done["error"]) == ("FETCH", "DONE", None)
    lines = gzip.decompress(fetch(server, done["url"]).body).splitlines()
    told = [json.loads(line) for line in lines]
    assert done["progress"] == {"done": len(told), "total": len(told)}
    return {line["code"]: line for line in told}


def test_files_elsewhere_are_fetched_looked_at_and_shown(server: Server, host: str) -> None:
    elsewhere(
        server,
        {"green": f"{host}/green.png", "moved": f"{host}/moved?to=/lime.png", "other": f"{host}/navy.png"},
    )
    told = report(server, asked(server, ["green", "moved", "nobody"]))
    assert {code: line["outcome"] for code, line in told.items()} == {"green": "fetched", "moved": "fetched"}
    kept = asset(server, "green")
    assert told["green"] == {
        "id": kept["id"],
        "code": "green",
        "address": f"{host}/green.png",
        "outcome": "fetched",
        "file": kept["address"],
    }
    assert (kept["kind"], kept["mediaType"], kept["width"], len(kept["versions"])) == (
        "IMAGE",
        "image/png",
        60,
        1,
    )
    assert opened(fetch(server, kept["url"])).convert("RGB").getpixel((5, 5)) == (0, 128, 0)
    assert asset(server, "other")["address"] == f"{host}/navy.png"


BAD = {
    "page": ("{host}/page", "INVALID", "Web pages are not taken"),
    "missing": ("{host}/missing", "INVALID", "answered 404"),
    "round": ("{host}/round", "INVALID", "more than 5 times"),
    "packed": ("{host}/packed", "INVALID", "packed"),
    "declared": ("{host}/declared", "LIMIT", "more than 1000000 bytes"),
    "endless": ("{host}/endless", "LIMIT", "more than 1000000 bytes"),
    "broken": ("{host}/broken", "INVALID", "was not fetched"),
    "closed": ("http://127.0.0.1:9/a.png", "INVALID", "belongs to another protocol"),
    "nobody": ("http://127.0.0.1:1025/a.png", "INVALID", "cannot be reached"),
    "unknown": ("http://there-is-no-such-host.invalid/a.png", "INVALID", "cannot be reached"),
    "metadata": ("http://169.254.169.254/latest/meta-data", "INVALID", "private or special"),
    "decimal": ("http://2852039166/latest/meta-data", "INVALID", "private or special"),
    "inside": ("{host}/moved?to=http://10.0.0.1/a.png", "INVALID", "private or special"),
    "file": ("{host}/moved?to=file:///etc/passwd", "INVALID", "no web address"),
    "password": ("{host}/moved?to=http://me:secret@127.0.0.1/a.png", "INVALID", "leave them out"),
}


def test_what_cannot_be_fetched_is_told_of_and_stays_as_it_is(server: Server, host: str) -> None:
    addresses = {code: address.format(host=host) for code, (address, _, _) in BAD.items()}
    elsewhere(server, addresses)
    told = report(server, asked(server, list(BAD)))
    assert told.keys() == BAD.keys()
    for code, (_, expected, said) in BAD.items():
        assert told[code]["outcome"] == "refused", code
        assert told[code]["error"]["code"] == expected, told[code]
        assert said in told[code]["error"]["message"], told[code]
        assert asset(server, code)["address"] == addresses[code]
    assert not list((server.settings.var / "incoming").iterdir())


def test_an_asset_that_has_another_address_meanwhile_keeps_it(server: Server, host: str) -> None:
    elsewhere(server, {"slow": f"{host}/held"})
    job = asked(server, ["slow"])
    assert urlopen(f"{host}/is-held").read() == b"True"
    elsewhere(server, {"slow": "https://example.com/newer.png"})
    urlopen(f"{host}/let-go").close()
    told = report(server, job)
    assert told["slow"]["error"]["code"] == "CONFLICT"
    assert asset(server, "slow")["address"] == "https://example.com/newer.png"


def test_all_that_lie_elsewhere_are_fetched_where_none_is_named(
    server: Server, host: str, tmp_path: Path
) -> None:
    with server.database.engine.begin() as tx:
        from tests.capturing import run

        run(tx, "DELETE FROM asset WHERE address LIKE 'http%'")
    elsewhere(
        server, {f"many-{number}": f"{host}/#{number}.png".replace("#", "olive.png?") for number in range(30)}
    )
    told = report(server, asked(server, None))
    assert len(told) == 30
    assert len({line["file"] for line in told.values()}) == 1  # one content, kept once
    assert report(server, asked(server, None)) == {}


def test_only_who_writes_the_catalogue_has_files_fetched(server: Server) -> None:
    reader = server.new_token(Wish(kind="app", name="reader", scopes=["catalogue:read"]))
    answer = server.graphql(FETCH, {"codes": ["green"]}, token=reader)
    assert answer["errors"][0]["extensions"]["code"] == "FORBIDDEN"


def test_private_networks_are_closed_unless_the_operator_opened_them(
    server: Server, host: str, tmp_path: Path
) -> None:
    import asyncio

    from hub.errors import Invalid
    from hub.file_fetch import Fetcher

    async def attempt(allowed: Any) -> None:
        async with Fetcher(allowed, 1_000_000) as fetcher:
            await fetcher.fetch(f"{host.replace('127.0.0.1', 'localhost')}/green.png", tmp_path / "got")

    with pytest.raises(Invalid, match="private or special"):
        asyncio.run(attempt(()))
    assert not (tmp_path / "got").exists()
    asyncio.run(attempt(("localhost",)))
    assert (tmp_path / "got").exists()
