"""A headless Chromium, for what a visitor sees."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

NAMES = ("chromium-headless-shell", "chromium", "chromium-browser", "google-chrome")
MISSING = "There is no Chromium: install one, on Debian with `apt-get install chromium-headless-shell`."


def chromium() -> str:
    """Its path. Without one a test skips, and says so; under CI=true it fails, unless .ci/run says that none can be had."""
    found = next((path for name in NAMES if (path := shutil.which(name))), None)
    if found is not None:
        return found
    if os.environ.get("CI") == "true" and os.environ.get("WITHOUT_BROWSER") != "true":
        pytest.fail(MISSING)
    pytest.skip(MISSING)


def seen(address: str, folder: Path, picture: Path | None = None) -> str:
    """The document as the browser has it once it is shown, and a picture of it."""
    command = [
        chromium(),
        "--headless",
        "--no-sandbox",  # in a container as root it does not start otherwise; it reads our own pages alone
        "--disable-gpu",
        "--disable-dev-shm-usage",
        "--disable-background-networking",
        f"--user-data-dir={folder}",
        "--window-size=1200,1400",
        *([f"--screenshot={picture}"] if picture else ["--dump-dom"]),
        address,
    ]
    done = subprocess.run(command, capture_output=True, text=True, timeout=90, check=True)
    return done.stdout
