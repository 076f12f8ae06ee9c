"""What processes have used, as Linux counts it: CPU seconds and memory of a process and all below it."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

TICKS = os.sysconf("SC_CLK_TCK")
PAGE = os.sysconf("SC_PAGE_SIZE")
MEGABYTE = 1024 * 1024

PARENT, USER, CHILD_SYSTEM = 1, 11, 14
"""Places in /proc/<pid>/stat, counted behind the name: see proc(5)."""


@dataclass(frozen=True)
class Tree:
    """A process and all below it."""

    root: int

    def cpu(self) -> float:
        """Seconds of user and system time, those of children that have ended included."""
        parents = {pid: _stat(pid) for pid in _pids()}
        return sum(
            sum(map(int, stat[USER : CHILD_SYSTEM + 1])) / TICKS
            for pid, stat in parents.items()
            if stat and self._holds(pid, parents)
        )

    def memory(self) -> float:
        """Megabytes of resident memory."""
        parents = {pid: _stat(pid) for pid in _pids()}
        return sum(_resident(pid) for pid in parents if self._holds(pid, parents)) / MEGABYTE

    def _holds(self, pid: int, parents: dict[int, list[str]]) -> bool:
        while pid and pid != self.root:
            stat = parents.get(pid)
            pid = int(stat[PARENT]) if stat else 0
        return pid == self.root


def parent(pid: int) -> int:
    """The process that started this one. Raises ``FileNotFoundError`` where it is not on this machine."""
    stat = _stat(pid)
    if not stat:
        raise FileNotFoundError(f"Process {pid} is not on this machine: its CPU cannot be counted.")
    return int(stat[PARENT])


def _pids() -> list[int]:
    return [int(each.name) for each in Path("/proc").iterdir() if each.name.isdigit()]


def _stat(pid: int) -> list[str]:
    """The fields behind the name; none where the process has just ended."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return []
    return text.rpartition(") ")[2].split()


def _resident(pid: int) -> int:
    try:
        return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * PAGE
    except (FileNotFoundError, ProcessLookupError):
        return 0
