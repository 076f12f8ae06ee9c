"""A receiver as a process of its own: it verifies with the published package, and answers as it is told.

``PUT /control`` sets what it does, ``GET /log`` tells what came. None of the hub's own code runs in it.
"""

from __future__ import annotations

import base64
import json
import os
import signal
import sys
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Lock
from typing import Any

from standardwebhooks import Webhook, WebhookVerificationError

log: list[dict[str, Any]] = []
control: dict[str, Any] = {}
lock = Lock()


class Receiver(BaseHTTPRequestHandler):
    """``secret`` verifies; ``status`` is answered; ``poison`` is a text whose bodies get 500; ``kill`` is a process.

    ``echo`` answers a challenge: as JSON where it is ``json``, as plain text otherwise.
    """

    protocol_version = "HTTP/1.1"

    def do_PUT(self) -> None:
        with lock:
            control.update(json.loads(self._body()))
        self._answer(204)

    def do_GET(self) -> None:
        with lock:
            self._answer(200, json.dumps(log).encode())

    def do_POST(self) -> None:
        arrived, body = time.time(), self._body()
        with lock:
            told = dict(control)
            control.pop("kill", None)
        verified = self._verified(body, told["secret"])
        status = told.get("status", 204) if verified else 400
        status = 500 if told.get("poison", "\0") in body.decode() else status
        with lock:
            log.append(
                {
                    "id": self.headers["webhook-id"],
                    "timestamp": self.headers["webhook-timestamp"],
                    "signature": self.headers["webhook-signature"],
                    "body": base64.b64encode(body).decode(),
                    "path": self.path,
                    "verified": verified,
                    "status": status,
                    "arrived": arrived,
                    "sent": {name.lower(): value for name, value in self.headers.items()},
                }
            )
        if told.get("kill"):
            os.kill(told["kill"], signal.SIGKILL)
        time.sleep(told.get("delay", 0))
        challenge = json.loads(body).get("challenge") if told.get("echo") else None
        if challenge:
            answer = json.dumps({"challenge": challenge}) if told["echo"] == "json" else challenge
            self._answer(200, answer.encode())
        else:
            self._answer(status, told.get("answer", "").encode(), **told.get("headers", {}))

    def _verified(self, body: bytes, secret: str) -> bool:
        try:
            Webhook(secret).verify(body, dict(self.headers))
        except (WebhookVerificationError, UnicodeDecodeError):
            return False
        return True

    def _body(self) -> bytes:
        return self.rfile.read(int(self.headers.get("content-length", 0)))

    def _answer(self, status: int, body: bytes = b"", **headers: str) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        pass


server = ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), Receiver)
server.daemon_threads = True
print(server.server_port, flush=True)
server.serve_forever()
