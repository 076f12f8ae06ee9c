"""A server elsewhere whose files a hub fetches: some of them as they should be, others in every way that they should not."""

from __future__ import annotations

import gzip
import io
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Event
from urllib.parse import parse_qs, urlsplit

from PIL import Image

PATIENCE_SECONDS = 30
HELD, LET_GO = Event(), Event()
"""``/held`` answers once ``/let-go`` was asked for; ``/is-held`` once somebody asked for ``/held``."""


def picture(colour: str) -> bytes:
    target = io.BytesIO()
    Image.new("RGB", (60, 40), colour).save(target, "PNG")
    return target.getvalue()


class Host(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        path, asked = urlsplit(self.path).path, parse_qs(urlsplit(self.path).query)
        match path:
            case "/held" | "/is-held" | "/let-go":
                self._answer(self._held(path))
            case "/moved":
                self._answer(b"", 302, location=asked["to"][0])
            case "/round":
                self._answer(b"", 302, location="/round")
            case "/page":
                self._answer(b"<!doctype html><p>No picture", type_="image/png")
            case "/packed":
                self._answer(gzip.compress(b"0" * 10_000_000), content_encoding="gzip")
            case "/declared":
                self.send_response(200)
                self.send_header("content-length", str(10**12))
                self.end_headers()
            case "/endless":
                self._endless()
            case "/broken":
                self.send_response(200)
                self.send_header("content-length", "5000")
                self.end_headers()
                self.wfile.write(picture("blue"))
                self.close_connection = True
            case _ if path.endswith(".png"):
                self._answer(picture(path[1:-4]))
            case _:
                self._answer(b"nothing", 404)

    def _answer(self, body: bytes, status: int = 200, type_: str = "text/plain", **headers: str) -> None:
        self.send_response(status)
        self.send_header("content-type", type_)  # whatever it says, the bytes count
        self.send_header("content-length", str(len(body)))
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()
        self.wfile.write(body)

    def _held(self, path: str) -> bytes:
        if path == "/let-go":
            LET_GO.set()
        if path == "/is-held":
            return str(HELD.wait(PATIENCE_SECONDS)).encode()
        if path == "/held":
            HELD.set()
            LET_GO.wait(PATIENCE_SECONDS)
        return picture("red")

    def _endless(self) -> None:
        self.send_response(200)
        self.send_header("transfer-encoding", "chunked")
        self.end_headers()
        try:
            while True:
                self.wfile.write(b"10000\r\n" + b"0" * 0x10000 + b"\r\n")
        except OSError:
            self.close_connection = True

    def log_message(self, *_: object) -> None:
        pass


if __name__ == "__main__":
    server = ThreadingHTTPServer(("127.0.0.1", 0), Host)
    sys.stdout.write(f"http://127.0.0.1:{server.server_port}\n")
    sys.stdout.flush()
    server.serve_forever()
