"""A receiver of the soak as a program of its own: it verifies with the published package, and is often unwell.

Arguments: port, secret, journal, mood, a file whose being there makes it well, a text that poisons it. None of the
hub's own code runs in it. Each request is written down before it is answered.
"""

from __future__ import annotations

import json
import os
import random
import sys
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from standardwebhooks import Webhook, WebhookVerificationError

HANG_SECONDS = 2.5
SLOW_SECONDS = {"slow": 0.03, "crawling": 0.4}
"""How long it may take at most, by mood."""

FAILING = 0.2
HANGING = 0.03


class Receiver(BaseHTTPRequestHandler):
    """``well``: 204 to everything. ``slow``, ``crawling``, ``failing``, ``hanging`` and ``poisoned`` say how it is unwell."""

    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        """Verify, write down, answer."""
        body = self.rfile.read(int(self.headers.get("content-length", 0)))
        verified = self._verified(body)
        status, wait = self._mood(body) if verified else (400, 0.0)
        line = {
            "at": time.time(),
            "id": self.headers["webhook-id"],
            "verified": verified,
            "status": status,
            "hung": wait >= HANG_SECONDS,
            "body": json.loads(body),
        }
        os.write(journal, json.dumps(line).encode() + b"\n")
        time.sleep(wait)
        self.send_response(status)
        self.send_header("content-length", "0")
        self.end_headers()

    def _verified(self, body: bytes) -> bool:
        try:
            Webhook(secret).verify(body, dict(self.headers))
        except WebhookVerificationError:
            return False
        return True

    def _mood(self, body: bytes) -> tuple[int, float]:
        """The status to answer and the seconds to wait before."""
        if well.exists():
            return 204, 0.0
        if mood == "failing" and random.random() < FAILING:
            return random.choice((500, 503, 429, 404, 302)), 0.0
        if mood == "hanging" and random.random() < HANGING:
            return 204, HANG_SECONDS
        if mood == "poisoned" and poison in body:
            return 500, 0.0
        return 204, random.uniform(0, SLOW_SECONDS.get(mood, 0.0))

    def log_message(self, *_: object) -> None:
        """The journal is the log."""


class Server(ThreadingHTTPServer):
    """One thread for each connection."""

    daemon_threads = True

    def handle_error(self, *_: object) -> None:
        """A sender that is killed breaks its connections: nothing to tell of."""


if __name__ == "__main__":
    _, port, secret, path, mood, sign, text = sys.argv
    journal = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    well, poison = Path(sign), text.encode()
    Server(("127.0.0.1", int(port)), Receiver).serve_forever()
