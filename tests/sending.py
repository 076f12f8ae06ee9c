"""Sending files to a hub and fetching them, as its users do: over HTTP, byte by byte."""

from __future__ import annotations

import io
import json
import urllib.error
import urllib.request
from dataclasses import dataclass
from typing import Any

from PIL import Image

from tests.running import Server

CREATE = """mutation($input: AssetInput!, $size: Long!, $mediaType: String, $checksum: String) {
  assetUploadCreate(input: $input, size: $size, mediaType: $mediaType, checksum: $checksum) {
    upload { url expiresAt maxBytes } userErrors { field code message } } }"""

ASSET = """query($code: String!) { asset(code: $code) { id version code address url kind mediaType bytes width height fileName
  focusX focusY versions { number url address fileName mediaType bytes width height actor } } }"""


@dataclass(frozen=True)
class Answer:
    """What came back over HTTP."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        """The body's JSON."""
        return json.loads(self.body)

    @property
    def code(self) -> str:
        """The code of the refusal."""
        return str(self.json["errors"][0]["extensions"]["code"])


def fetch(server: Server, path: str, method: str = "GET", body: Any = None, **headers: str) -> Answer:
    """One request."""
    sent = {name.replace("_", "-"): value for name, value in headers.items()}
    request = urllib.request.Request(server.url + path, body, sent, method=method)
    try:
        with urllib.request.urlopen(request, timeout=60) as response:
            return Answer(
                response.status, {k.lower(): v for k, v in response.headers.items()}, response.read()
            )
    except urllib.error.HTTPError as error:
        with error:
            return Answer(error.code, {k.lower(): v for k, v in error.headers.items()}, error.read())


def offered(server: Server, size: int, token: str | None = None, **asset: Any) -> Any:
    """What the mutation answers for a file of that size."""
    said = {name: asset.pop(name) for name in ("mediaType", "checksum") if name in asset}
    return server.data(CREATE, {"input": asset, "size": size} | said, token=token)["assetUploadCreate"]


def sent(server: Server, data: bytes, **asset: Any) -> Answer:
    """Ask for an address and send the file there."""
    made = offered(server, len(data), **asset)
    assert not made["userErrors"], made["userErrors"]
    return fetch(server, made["upload"]["url"], "PUT", data)


def asset(server: Server, code: str) -> Any:
    """What staff see of an asset; null without it."""
    return server.data(ASSET, {"code": code})["asset"]


def rendition(server: Server, code: str, arguments: str) -> Answer:
    """A rendition of an asset, by the address that the API gives."""
    return fetch(server, rendition_url(server, code, arguments))


def rendition_url(server: Server, code: str, arguments: str) -> str:
    """Its address."""
    asked = f'{{ asset(code: "{code}") {{ url({arguments}) }} }}'
    return str(server.data(asked)["asset"]["url"])


def picture(
    size: tuple[int, int] = (600, 400), form: str = "JPEG", mode: str = "RGB", **options: Any
) -> bytes:
    """A picture: red on the left, blue on the right."""
    made = Image.new("RGB", size, (220, 30, 30))
    made.paste((30, 30, 220), (size[0] // 2, 0, *size))
    target = io.BytesIO()
    made.convert(mode).save(target, form, **options)
    return target.getvalue()


def opened(answer: Answer) -> Image.Image:
    """The picture that came."""
    found = Image.open(io.BytesIO(answer.body))
    found.load()
    return found
