"""Files from their sending to their rendition, over HTTP."""

from __future__ import annotations

import hashlib
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from PIL import Image

from hub.token import Wish
from tests.running import Server
from tests.sending import asset, fetch, offered, opened, picture, rendition, rendition_url, sent
from tests.shop import all_rows


def test_a_picture_is_sent_kept_and_shown(module_server: Server) -> None:
    data = picture()
    taken = sent(module_server, data, code="cup", fileName="cup.jpg")
    assert taken.status == 201
    kept = asset(module_server, "cup")
    assert taken.json["asset"] == {"id": kept["id"], "code": "cup"}
    assert taken.json["file"]["address"] == kept["address"]
    assert (kept["kind"], kept["mediaType"], kept["width"], kept["height"]) == (
        "IMAGE",
        "image/jpeg",
        600,
        400,
    )
    shown = fetch(module_server, kept["url"])
    assert shown.status == 200
    assert hashlib.sha256(shown.body).hexdigest() == kept["address"].removeprefix("hub:files/")
    assert len(shown.body) == kept["bytes"]
    assert shown.headers["content-type"] == "image/jpeg"
    assert shown.headers["content-disposition"] == 'inline; filename="cup.jpg"'
    assert shown.headers["x-content-type-options"] == "nosniff"
    assert "sandbox" in shown.headers["content-security-policy"]
    assert shown.headers["cache-control"] == "public, max-age=31536000, immutable"


def test_pixels_are_kept_to_the_bit(module_server: Server) -> None:
    data = picture(quality=71)
    sent(module_server, data, code="bits")
    shown = opened(fetch(module_server, asset(module_server, "bits")["url"]))
    import io

    assert shown.tobytes() == Image.open(io.BytesIO(data)).tobytes()


def test_what_was_fetched_is_fetched_in_parts_or_not_again(module_server: Server) -> None:
    sent(module_server, picture(), code="parts")
    url = asset(module_server, "parts")["url"]
    whole = fetch(module_server, url)
    part = fetch(module_server, url, Range="bytes=100-199")
    assert (part.status, part.body) == (206, whole.body[100:200])
    assert part.headers["content-range"] == f"bytes 100-199/{len(whole.body)}"
    assert fetch(module_server, url, Range="bytes=99999999-").status == 416
    assert fetch(module_server, url, If_None_Match=whole.headers["etag"]).status == 304
    head = fetch(module_server, url, "HEAD")
    assert (head.body, head.headers["content-length"]) == (b"", str(len(whole.body)))


@pytest.mark.parametrize(
    ("arguments", "size"),
    [
        ("width: 300", (300, 200)),
        ("height: 100", (150, 100)),
        ("width: 100, height: 100", (100, 67)),
        ("width: 100, height: 100, fit: COVER", (100, 100)),
        ("width: 100, height: 100, fit: PAD", (100, 100)),
        ("width: 2000", (600, 400)),
        ("width: 2000, height: 2000, fit: COVER", (400, 400)),
        ("format: WEBP", (600, 400)),
    ],
)
@pytest.mark.parametrize("form", ["WEBP", "AVIF", "JPEG", "PNG"])
def test_a_rendition_has_the_size_and_form_asked_for(
    module_server: Server, arguments: str, size: tuple[int, int], form: str
) -> None:
    if asset(module_server, "sizes") is None:
        assert sent(module_server, picture(), code="sizes").status == 201
    asked = arguments if "format" in arguments else f"{arguments}, format: {form}"
    made = rendition(module_server, "sizes", asked)
    assert made.status == 200, made.body
    form = "WEBP" if "format" in arguments else form
    assert made.headers["content-type"] == f"image/{form.lower()}"
    assert (opened(made).size, opened(made).format) == (size, form)


def test_what_is_cut_off_lies_far_from_the_focal_point(module_server: Server) -> None:
    sent(module_server, picture((900, 300)), code="focus", focusX=0)
    red = opened(rendition(module_server, "focus", "width: 90, height: 90, fit: COVER, format: PNG"))
    assert red.getpixel((45, 45))[0] > 180  # type: ignore[index] # a colour picture
    module_server.data(
        'mutation { assetUpdate(input: {code: "focus", focusX: 100}) { userErrors { code } } }'
    )
    blue = opened(rendition(module_server, "focus", "width: 90, height: 90, fit: COVER, format: PNG"))
    assert blue.getpixel((45, 45))[2] > 180  # type: ignore[index] # a colour picture


def test_an_address_takes_one_file_once(module_server: Server) -> None:
    data = picture()
    made = offered(module_server, len(data), code="once")["upload"]["url"]
    broken = fetch(module_server, made, "PUT", data[:200])
    assert (broken.status, broken.code) == (422, "INVALID")
    assert fetch(module_server, made, "POST", data).status == 201
    again = fetch(module_server, made, "PUT", data)
    assert (again.status, again.code) == (410, "GONE")
    assert len(asset(module_server, "once")["versions"]) == 1


def test_an_address_that_was_never_given_out_takes_nothing(module_server: Server) -> None:
    guess = fetch(module_server, "/uploads/" + "a" * 43, "PUT", picture())
    assert (guess.status, guess.code) == (404, "NOT_FOUND")


def test_no_more_is_taken_than_was_said(module_server: Server) -> None:
    made = offered(module_server, 100, code="long")["upload"]["url"]
    assert (answer := fetch(module_server, made, "PUT", picture())).status == 413, answer
    stream = iter([b"x" * 60, b"x" * 60])
    chunked = fetch(module_server, made, "PUT", stream, Transfer_Encoding="chunked")
    assert (chunked.status, chunked.code) == (413, "LIMIT")
    assert asset(module_server, "long") is None


def test_a_file_that_is_too_large_is_refused_before_it_is_sent(module_server: Server) -> None:
    refused = offered(module_server, 500_000_000, code="huge")["userErrors"]
    assert [(each["field"], each["code"]) for each in refused] == [(["size"], "LIMIT")]


@pytest.mark.parametrize(
    ("wrong", "field"),
    [
        ({"code": ""}, ["input", "code"]),
        ({"code": "x", "address": "https://example.com/a.jpg"}, ["input", "address"]),
        ({"code": "x", "focusX": 101}, None),
        ({"code": "x", "checksum": "abc"}, ["checksum"]),
    ],
)
def test_what_could_not_be_an_asset_is_refused_before_the_file_is_sent(
    module_server: Server, wrong: dict[str, Any], field: list[str] | None
) -> None:
    refused = offered(module_server, 100, **wrong)["userErrors"]
    assert [each["code"] for each in refused] == ["INVALID"]
    assert field is None or refused[0]["field"] == field


def test_bytes_that_changed_on_the_way_are_refused(module_server: Server) -> None:
    data = picture()
    made = offered(module_server, len(data), code="sum", checksum="0" * 64)["upload"]["url"]
    assert fetch(module_server, made, "PUT", data).code == "INVALID"
    other = offered(module_server, len(data), code="sum", checksum=hashlib.sha256(data).hexdigest())
    assert fetch(module_server, other["upload"]["url"], "PUT", data).status == 201


def test_an_asset_keeps_every_file_that_it_had(module_server: Server) -> None:
    sent(module_server, picture(), code="new", fileName="one.jpg")
    first = asset(module_server, "new")
    sent(module_server, picture((40, 40), "PNG"), code="new", fileName="two.png")
    second = asset(module_server, "new")
    assert (second["id"], second["version"]) == (first["id"], first["version"] + 1)
    assert [each["number"] for each in second["versions"]] == [1, 2]
    assert [each["mediaType"] for each in second["versions"]] == ["image/jpeg", "image/png"]
    assert second["url"] == second["versions"][1]["url"] != first["url"]
    assert fetch(module_server, second["versions"][0]["url"]).headers["content-type"] == "image/jpeg"
    back = {"code": "new", "address": second["versions"][0]["address"]}
    module_server.data(
        "mutation($input: AssetInput!) { assetUpdate(input: $input) { userErrors { code } } }",
        {"input": back},
    )
    assert asset(module_server, "new")["mediaType"] == "image/jpeg"
    assert len(asset(module_server, "new")["versions"]) == 3


def test_one_content_sent_twice_at_once_is_kept_once(module_server: Server) -> None:
    data = picture((321, 123))
    together = threading.Barrier(6)

    def one(number: int) -> int:
        made = offered(module_server, len(data), code=f"twin-{number}")["upload"]["url"]
        together.wait()
        return fetch(module_server, made, "PUT", data).status

    with ThreadPoolExecutor(6) as threads:
        assert set(threads.map(one, range(6))) == {201}
    addresses = {asset(module_server, f"twin-{number}")["address"] for number in range(6)}
    assert len(addresses) == 1
    content = addresses.pop().removeprefix("hub:files/")
    folder = module_server.settings.var / "files" / content[:2]
    assert [path.name for path in folder.iterdir() if path.name.startswith(content)] == [content]


def test_a_row_cannot_name_a_file_that_is_not_there(module_server: Server) -> None:
    wrong = {"code": "nothing", "address": "hub:files/" + "0" * 64}
    made = module_server.data(
        "mutation($input: AssetInput!) { assetCreate(input: $input) { userErrors { code message } } }",
        {"input": wrong},
    )
    assert made["assetCreate"]["userErrors"][0]["code"] == "INVALID"
    assert "upload it first" in made["assetCreate"]["userErrors"][0]["message"]


def test_what_a_row_says_of_its_file_is_what_the_file_is(module_server: Server) -> None:
    sent(module_server, picture(), code="lies")
    lie = {"code": "lies", "mediaType": "text/html", "width": 5, "kind": "DOCUMENT"}
    module_server.data(
        "mutation($input: AssetInput!) { assetUpdate(input: $input) { userErrors { code } } }", {"input": lie}
    )
    kept = asset(module_server, "lies")
    assert (kept["mediaType"], kept["width"], kept["kind"]) == ("image/jpeg", 600, "IMAGE")


def test_nobody_but_the_hub_makes_addresses_of_renditions(module_server: Server) -> None:
    sent(module_server, picture(), code="signed")
    url = rendition_url(module_server, "signed", "width: 200")
    assert fetch(module_server, url).status == 200
    for other in (
        url.replace("w200", "w201"),
        url.replace("q80", "q81"),
        url.replace(".webp", ".png"),
        url + "x",
    ):
        assert fetch(module_server, other).status == 404


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        ("width: 0", "INVALID"),
        ("width: 5000", "LIMIT"),
        ("height: -1", "INVALID"),
        ("quality: 101", "INVALID"),
    ],
)
def test_a_rendition_that_is_not_made_is_refused_by_name(
    module_server: Server, arguments: str, code: str
) -> None:
    sent(module_server, picture(), code="refused")
    answer = module_server.graphql(f'{{ asset(code: "refused") {{ url({arguments}) }} }}')
    assert answer["errors"][0]["extensions"]["code"] == code


def test_an_asset_elsewhere_is_answered_as_it_is(module_server: Server) -> None:
    module_server.data(
        'mutation { assetCreate(input: {code: "far", address: "https://example.com/a.jpg"}) { userErrors { code } } }'
    )
    assert rendition_url(module_server, "far", "width: 100") == "https://example.com/a.jpg"


def test_a_file_goes_when_its_asset_goes(module_server: Server) -> None:
    sent(module_server, picture((77, 78)), code="gone")
    url, small = asset(module_server, "gone")["url"], rendition_url(module_server, "gone", "width: 20")
    assert fetch(module_server, small).status == 200
    module_server.data('mutation { assetDelete(key: "gone") { userErrors { code } } }')
    assert fetch(module_server, url).status == 404
    assert fetch(module_server, small).status == 404


def test_only_who_writes_the_catalogue_sends_files(module_server: Server) -> None:
    reader = module_server.new_token(Wish(kind="app", name="reader", scopes=["catalogue:read"]))
    answer = module_server.graphql(
        'mutation { assetUploadCreate(input: {code: "a"}, size: 5) { upload { url } } }', token=reader
    )
    assert answer["errors"][0]["extensions"]["code"] == "FORBIDDEN"


def test_a_token_that_is_revoked_meanwhile_writes_nothing(module_server: Server) -> None:
    token = module_server.new_token(Wish(kind="staff", name="leaving"))
    data = picture()
    made = offered(module_server, len(data), token, code="late")["upload"]["url"]
    all_rows(module_server.database, "SELECT 1")
    with module_server.database.engine.begin() as tx:
        import sqlalchemy as sa

        tx.execute(sa.text("UPDATE token SET revoked_at = now() WHERE name = 'leaving'"))
    refused = fetch(module_server, made, "PUT", data)
    assert (refused.status, refused.code) == (403, "FORBIDDEN")
    assert asset(module_server, "late") is None
