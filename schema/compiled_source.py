"""Python source that is generated for one plan, and the values that it names.

Every identifier in it is made here or stands in ``schema.compiled_value``; whatever a document says, such as a response
key, goes in as a literal or as a constant.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

INDENT = "    "
MOST_KEPT = 3
"""Showings that are kept beside a new one."""
COUNTING = (
    "    def json(o):",
    "        nonlocal n",
    "        if type(o) is dict or type(o) is list:",
    "            n += objects(o)",
    "        return o",
)
"""Passes a JSON value on, and counts the objects in it."""


class Source:
    """The body of one generated function: inner functions, each of them one expression."""

    def __init__(self, names: Mapping[str, Any]) -> None:
        self._names = dict(names)
        self._constants: dict[int, str] = {}
        self._kept: list[Any] = []
        self._functions: dict[str, str] = {}
        self._lines: list[str] = []

    def constant(self, value: Any) -> str:
        """The name that a value goes by."""
        if id(value) not in self._constants:
            name = f"C{len(self._constants)}"
            self._constants[id(value)] = name
            self._kept.append(value)  # while it lives, nothing else has its id
            self._names[name] = value
        return self._constants[id(value)]

    def function(self, parameters: str, expression: str, objects: int = 0) -> str:
        """The name of a function that gives an expression; equal ones are one. ``objects``: how many it makes."""
        counting = f"{INDENT * 2}nonlocal n\n{INDENT * 2}n += {objects}\n" if objects else ""
        body = f"({parameters}):\n{counting}{INDENT * 2}return {expression}"
        if body not in self._functions:
            name = f"f{len(self._functions)}"
            self._functions[body] = name
            self._lines.append(f"{INDENT}def {name}{body}")
        return self._functions[body]

    def kept(self, function: str) -> str:
        """The name of a function of a list with ``shown`` that keeps there what ``function`` makes of it."""
        name, key = f"k{len(self._lines)}", self.constant(object())
        self._lines += [
            f"    def {name}(x):",
            "        nonlocal n",
            f"        kept = x.shown.get({key})",
            "        if kept is None:",
            "            before = n",
            f"            made = {function}(x)",
            f"            if len(x.shown) > {MOST_KEPT}:",
            "                x.shown.clear()",
            f"            kept = x.shown[{key}] = (made, n - before)",
            "        else:",
            "            n += kept[1]",
            "        return kept[0]",
        ]
        return name

    def line(self, text: str) -> None:
        """A statement that stands before what follows."""
        self._lines.append(INDENT + text)

    def text(self, result: str) -> str:
        """The whole function, ``answer(v)``, which gives the result and how many objects are in it."""
        lines = [f"{INDENT}n = 0", *COUNTING, *self._lines, f"{INDENT}return {result}, n"]
        return "\n".join(["def answer(v):", *lines, ""])

    def made(self, result: str) -> Callable[[Any], Any]:
        """The function itself."""
        exec(compile(self.text(result), "<plan>", "exec"), self._names)  # noqa: S102 - see the module's first lines
        function: Callable[[Any], Any] = self._names["answer"]
        return function


def mapping(entries: Mapping[str, str]) -> str:
    """A dictionary of expressions by literal keys."""
    return "{" + ", ".join(f"{key!r}: {expression}" for key, expression in entries.items()) + "}"
