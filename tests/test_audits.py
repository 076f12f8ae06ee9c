"""GraphQL over HTTP to the letter: the 61 audits of the package graphql-http, against a running server."""

from __future__ import annotations

import json
import subprocess

from tests import nodejs
from tests.running import Server

AUDITS = 61
"""As many as graphql-http 1.23 has: a version with others is looked at before it is taken."""


def test_every_audit_of_graphql_over_http_passes(module_server: Server) -> None:
    told = json.dumps({"url": f"{module_server.url}/graphql", "token": module_server.token})
    run = subprocess.run(
        [*nodejs.program("audits.mjs"), told], capture_output=True, text=True, timeout=60, check=False
    )
    assert run.returncode == 0, run.stderr
    audits = [json.loads(line) for line in run.stdout.splitlines()]
    assert len({audit["id"] for audit in audits}) == AUDITS
    assert [audit for audit in audits if audit["status"] != "ok"] == []
