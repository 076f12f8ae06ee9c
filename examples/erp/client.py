"""The hub as the ERP sees it: one address, one token, GraphQL. It asks until it is answered."""

import http.client
import json
import time
import urllib.parse
from typing import Any

PATIENCE = (0.1, 0.5, 1, 2, 5)
"""Seconds between attempts; the last one is repeated."""

BUSY = (429, 500, 502, 503, 504)


class RefusedError(Exception):
    """The hub answered, and said no. ``code``: what programs go by; null where there is none."""

    def __init__(self, message: str, code: str | None = None) -> None:
        super().__init__(message)
        self.code = code


class Hub:
    """One connection to the hub. Not to be shared between threads."""

    def __init__(self, url: str, token: str) -> None:
        self.url = urllib.parse.urlsplit(url)
        self.headers = {"authorization": f"Bearer {token}", "content-type": "application/json"}
        self.connection: http.client.HTTPConnection | None = None

    def ask(self, document: str, **variables: object) -> Any:
        """The data of the answer. Raises ``RefusedError`` for errors; waits for a hub that is away."""
        body = json.dumps({"query": document, "variables": variables})
        answer = json.loads(self._request("POST", "/graphql", body))
        if answer.get("errors"):
            error = answer["errors"][0]
            raise RefusedError(error["message"], error.get("extensions", {}).get("code"))
        return answer["data"]

    def command(self, document: str, **variables: object) -> tuple[Any, str | None]:
        """The one field of a mutation, and the first of its userErrors as a sentence."""
        (payload,) = self.ask(document, **variables).values()
        errors = payload["userErrors"]
        return payload, errors[0]["message"] if errors else None

    def get(self, path: str) -> bytes:
        """The bytes of a file that the hub made."""
        return self._request("GET", path, None)

    def _request(self, method: str, path: str, body: str | None) -> bytes:
        attempt = 0
        while True:
            try:
                status, answer = self._once(method, path, body)
                if status not in BUSY:
                    return answer
            except (OSError, http.client.HTTPException):
                self.connection = None
            time.sleep(PATIENCE[min(attempt, len(PATIENCE) - 1)])
            attempt += 1

    def _once(self, method: str, path: str, body: str | None) -> tuple[int, bytes]:
        if self.connection is None:
            secure = self.url.scheme == "https"
            made = http.client.HTTPSConnection if secure else http.client.HTTPConnection
            self.connection = made(self.url.netloc, timeout=60)
        self.connection.request(method, path, body, self.headers)
        response = self.connection.getresponse()
        return response.status, response.read()
