"""Programs for Node, with the published packages that tests/node/package-lock.json names."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from pathlib import Path

import fasteners
import pytest

NODE = Path(__file__).parent / "node"


def program(name: str) -> list[str]:
    """The command that runs a file of ``tests/node``. Without Node the test skips loudly; under CI=true it fails."""
    node, npm = shutil.which("node"), shutil.which("npm")
    if node is None or npm is None:
        if os.environ.get("CI") == "true":
            pytest.fail("Node is missing: the published packages for Node must work too.")
        pytest.skip(
            "NODE IS MISSING: what the hub says was not checked with the published packages for Node."
        )
    with fasteners.InterProcessLock(NODE / "node_modules.lock"):
        needed = json.loads((NODE / "package.json").read_text())["dependencies"]
        if not all((NODE / "node_modules" / each).exists() for each in needed):
            subprocess.run([npm, "ci", "--no-audit", "--no-fund"], cwd=NODE, check=True, capture_output=True)
    return [node, str(NODE / name)]
