"""The inbox: messages are verified, stored, and only then answered. What they ask for is done later."""

from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from book import Book
from client import Hub, RefusedError
from standardwebhooks import Webhook, WebhookVerificationError

EVENTS = ["order.*"]
CREATE = """mutation ($url: String!, $types: [String!], $after: String) { webhookEndpointCreate(input: {
  url: $url, description: "ERP", eventTypes: $types, ignoreSources: ["erp"], thin: true, startAfter: $after }) {
  secret userErrors { message } } }"""
LIST = "{ webhookEndpoints { id url } }"
ROTATE = (
    "mutation ($id: ID!) { webhookSecretRotate(id: $id, overlapHours: 0) { secret userErrors { message } } }"
)


def secret(hub: Hub, book: Book, url: str) -> str:
    """The secret of our endpoint, which is registered once. One whose secret was lost by a kill gets another; one that
    somebody took away is registered anew.
    """
    kept = book.setting(f"secret {url}")
    mine = [each["id"] for each in hub.ask(LIST)["webhookEndpoints"] if each["url"] == url]
    if kept is not None and mine:
        return kept
    if mine:
        payload, trouble = hub.command(ROTATE, id=mine[0])
    else:
        payload, trouble = hub.command(CREATE, url=url, types=EVENTS, after=book.setting("cursor"))
    if trouble is not None:
        raise RefusedError(trouble)
    book.keep(f"secret {url}", payload["secret"])
    return str(payload["secret"])


def store(book: Book, message_id: str, event: dict) -> None:
    """Keep a message, and note its order. One that came before is known by its id and changes nothing."""
    entity = event.get("entity") or {}
    if entity.get("type") != "order":
        return  # a test, a handshake
    with book.transaction():
        values = (message_id, event["sequence"], event["type"], entity["id"], entity["version"])
        book.run("INSERT OR IGNORE INTO message VALUES (?, ?, ?, ?, ?)", *values)
        book.note(entity["id"], entity["version"])


def server(port: int, path: Path, key: str, wake: Callable[[], None]) -> ThreadingHTTPServer:
    """A server that takes messages. ``wake`` is called after each."""
    verifier = Webhook(key)

    class Inbox(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def setup(self) -> None:
            super().setup()
            self.book = Book(path)

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers.get("content-length", 0)))
            try:
                event = verifier.verify(body, dict(self.headers))
            except WebhookVerificationError:
                return self.answer(400)
            store(self.book, self.headers["webhook-id"], event)
            wake()
            return self.answer(204)

        def answer(self, status: int) -> None:
            self.send_response(status)
            self.send_header("content-length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Say nothing of each request."""

    made = ThreadingHTTPServer(("127.0.0.1", port), Inbox)
    made.daemon_threads = True
    return made
