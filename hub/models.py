"""Every module of the hub that declares tables. A new noun adds its file; nothing is listed by hand."""

from __future__ import annotations

import importlib
import pkgutil
from functools import cache
from pathlib import Path


@cache
def load() -> None:
    """Import each module of ``hub`` that declares a table, so that the registry and the migrations see all of them."""
    here = Path(__file__).parent
    for module in pkgutil.iter_modules([str(here)]):
        if not module.ispkg and "__tablename__" in (here / f"{module.name}.py").read_text():
            importlib.import_module(f"hub.{module.name}")
