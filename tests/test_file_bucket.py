"""Files in a bucket that speaks S3: sent, shown, cut, replaced, removed; and what becomes of it when it is away."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from hub import file, file_bucket, file_store
from hub.file_pool import Inspected
from hub.file_store import AwayError
from tests.bucket import BUCKET, Bucket, bucket
from tests.running import Server, make_settings, serving
from tests.sending import asset, fetch, offered, opened, picture, rendition_url, sent


@pytest.fixture(scope="module")
def store() -> Iterator[Bucket]:
    with bucket() as there:
        yield there


@pytest.fixture(scope="module")
def server(
    store: Bucket, module_database_url: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Server]:
    settings = store.settings(make_settings(module_database_url, tmp_path_factory.mktemp("var")))
    with serving(settings) as there:
        yield there


def content_of(server: Server, code: str) -> str:
    return str(asset(server, code)["address"]).removeprefix("hub:files/")


def copies(server: Server) -> Path:
    return server.settings.var / "copies"


def test_a_picture_is_kept_in_the_bucket_and_shown_from_it(server: Server, store: Bucket) -> None:
    assert sent(server, picture(), code="cup").status == 201
    content = content_of(server, "cup")
    assert f"of/the/hub/{content[:2]}/{content}" in store.names()
    assert not (server.settings.var / "files").exists()
    url = asset(server, "cup")["url"]
    for _ in "12":  # from the bucket, then from the copy
        shown = fetch(server, url)
        assert (shown.status, shown.headers["content-type"]) == (200, "image/jpeg")
        assert (copies(server) / content[:2] / content[2:4] / content).read_bytes() == shown.body
    part = fetch(server, url, Range="bytes=10-19")
    assert (part.status, part.body) == (206, shown.body[10:20])
    small = fetch(server, rendition_url(server, "cup", "width: 60"))
    assert opened(small).size == (60, 40)


def test_a_large_file_goes_in_parts_and_comes_back_whole(server: Server, store: Bucket) -> None:
    document = b"%PDF-1.7\n" + bytes(range(256)) * 80_000 + b"\n%%EOF\n"
    assert sent(server, document, code="manual", fileName="manual.pdf").status == 201
    content = content_of(server, "manual")
    key = f"of/the/hub/{content[:2]}/{content}"
    assert (
        "-" in store.client.head_object(Bucket=BUCKET, Key=key)["ETag"]
    )  # S3's mark of a file sent in parts
    shown = fetch(server, asset(server, "manual")["url"])
    assert shown.body == document
    assert shown.headers["content-disposition"].startswith("attachment")


def test_what_the_bucket_mixed_up_is_never_given_out(server: Server, store: Bucket) -> None:
    sent(server, picture((50, 50)), code="mixed")
    content = content_of(server, "mixed")
    store.client.put_object(Bucket=BUCKET, Key=f"of/the/hub/{content[:2]}/{content}", Body=b"<script>")
    for url in (asset(server, "mixed")["url"], rendition_url(server, "mixed", "width: 5")):
        answer = fetch(server, url)
        assert (answer.status, answer.code) == (503, "FILES_UNAVAILABLE")
        assert b"script" not in answer.body


def test_unused_files_are_removed_from_the_bucket_on_request(server: Server, store: Bucket) -> None:
    sent(server, picture((31, 17)), code="short")
    content = content_of(server, "short")
    server.data('mutation { assetDelete(key: "short") { userErrors { code } } }')
    there = file_store.opened(server.settings)
    assert content in [each.hash for each in there.every()]
    store.client.put_object(Bucket=BUCKET, Key="of/somebody/else", Body=b"theirs")
    store.client.put_object(Bucket=BUCKET, Key="of/the/hub/notes.txt", Body=b"theirs too")
    now = file.grace(-1)  # a day from now on everything that is unused was so before
    with server.database.read() as tx:
        found = dict(file.unused(tx, now))
        assert not dict(file.stray(tx, there, now))
    assert set(found) == {content}
    assert file.remove(server.database, there, content, now)
    assert not [key for key in store.names() if content in key]
    assert {"of/somebody/else", "of/the/hub/notes.txt"} <= set(store.names())


def test_while_the_bucket_is_away_nothing_is_kept_and_what_was_copied_is_shown(
    server: Server, store: Bucket, tmp_path: Path
) -> None:
    sent(server, picture((44, 22)), code="seen")
    url = asset(server, "seen")["url"]
    assert fetch(server, url).status == 200
    away = server.settings.model_copy(update={"files_endpoint": "http://127.0.0.1:9"})
    with serving(away.model_copy(update={"port": make_settings("postgresql://x", tmp_path).port})) as other:
        assert fetch(other, url).status == 200
        data = picture((45, 22))
        upload = offered(other, len(data), code="unsent")["upload"]["url"]
        refused = fetch(other, upload, "PUT", data)
        assert (refused.status, refused.code) == (503, "FILES_UNAVAILABLE")
        assert asset(other, "unsent") is None
        shutil.rmtree(copies(server))
        assert fetch(other, url).status == 503
        assert fetch(server, upload, "PUT", data).status == 201  # the address is as good as before
    assert fetch(server, url).status == 200


def test_a_wrong_bucket_is_told_of_in_a_sentence(server: Server, tmp_path: Path) -> None:
    wrong = file_bucket.opened(server.settings.model_copy(update={"files": "s3://not-there"}))
    (tmp_path / "a").write_bytes(b"a")
    with pytest.raises(AwayError, match="Bucket not-there does not serve files"):
        wrong.put(tmp_path / "a", "0" * 64)


def test_a_process_that_dies_between_bucket_and_row_leaves_a_file_that_is_found(
    server: Server, store: Bucket, tmp_path: Path
) -> None:
    (tmp_path / "a").write_bytes(b"left behind")
    content = file_store.hashed(tmp_path / "a")
    there = file_store.opened(server.settings)
    there.put(tmp_path / "a", content)
    with server.database.read() as tx:
        assert dict(file.stray(tx, there, file.grace(-1))) == {content: 11}
        assert not dict(file.stray(tx, there, file.grace(1)))
    assert file.remove(server.database, there, content, file.grace(-1))
    assert not [key for key in store.names() if content in key]
    told = file.Content(tmp_path / "a", content, 11, Inspected("application/pdf", "document", None, None))
    with server.database.engine.begin() as tx:
        assert file.keep(tx, there, told) == f"hub:files/{content}"
        tx.rollback()
