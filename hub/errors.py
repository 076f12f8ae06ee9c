"""What can go wrong on purpose: a code for programs, a sentence for people, a path into the input."""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum

Path = tuple[str | int, ...]


class Code(StrEnum):
    """The codes that all refusals share."""

    REQUIRED = "REQUIRED"
    INVALID = "INVALID"
    NOT_FOUND = "NOT_FOUND"
    DUPLICATE = "DUPLICATE"
    CONFLICT = "CONFLICT"
    IDEMPOTENCY_MISMATCH = "IDEMPOTENCY_MISMATCH"
    FORBIDDEN = "FORBIDDEN"
    IN_USE = "IN_USE"
    LIMIT = "LIMIT"
    GONE = "GONE"
    OUT_OF_STOCK = "OUT_OF_STOCK"


class HubError(Exception):
    """A refusal. ``path`` leads to the part of the input that it is about.

    ``early``: it may be carried out once another message has come, such as that of the pieces that came back.
    """

    code: Code = Code.INVALID
    early: bool = False

    def __init__(self, message: str, path: Sequence[str | int] = ()) -> None:
        super().__init__(message)
        self.message = message
        self.path: Path = tuple(path)

    def under(self, *path: str | int) -> HubError:
        """The same refusal, seen from further out."""
        self.path = (*path, *self.path)
        return self


class Required(HubError):
    """Something that must be given is missing."""

    code = Code.REQUIRED


class Invalid(HubError):
    """A value is not what its field takes."""

    code = Code.INVALID


class NotFound(HubError):
    """Something named by the input is not in the hub."""

    code = Code.NOT_FOUND


class Duplicate(HubError):
    """A value that must be the only one of its kind is taken."""

    code = Code.DUPLICATE


class Conflict(HubError):
    """Someone else was first. ``version`` is the current version, where the conflict is about one."""

    code = Code.CONFLICT

    def __init__(self, message: str, path: Sequence[str | int] = (), version: int | None = None) -> None:
        super().__init__(message, path)
        self.version = version


class IdempotencyMismatch(HubError):
    """The key was used before, with another input."""

    code = Code.IDEMPOTENCY_MISMATCH


class Forbidden(HubError):
    """The token does not reach so far."""

    code = Code.FORBIDDEN


class InUse(HubError):
    """Something else stands on it."""

    code = Code.IN_USE


class Limit(HubError):
    """More than the hub takes at once."""

    code = Code.LIMIT


class Gone(HubError):
    """It was there once, and the hub keeps it no longer."""

    code = Code.GONE


class OutOfStock(HubError):
    """More is asked for than can be promised."""

    code = Code.OUT_OF_STOCK
