"""Python source that is generated for one plan, and the values that it names.

Every identifier in it is made here or stands in ``schema.compiled_value``; whatever a document says, such as a response
key, goes in as a literal or as a constant.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

INDENT = "    "


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

    def function(self, parameters: str, expression: str) -> str:
        """The name of a function that gives an expression; equal ones are one."""
        body = f"({parameters}):\n{INDENT * 2}return {expression}"
        if body not in self._functions:
            name = f"f{len(self._functions)}"
            self._functions[body] = name
            self._lines.append(f"{INDENT}def {name}{body}")
        return self._functions[body]

    def line(self, text: str) -> None:
        """A statement that stands before what follows."""
        self._lines.append(INDENT + text)

    def text(self, result: str) -> str:
        """The whole function, ``answer(v)``."""
        return "\n".join(["def answer(v):", *self._lines, f"{INDENT}return {result}", ""])

    def made(self, result: str) -> Callable[[Any], Any]:
        """The function itself."""
        exec(compile(self.text(result), "<plan>", "exec"), self._names)  # noqa: S102 - see the module's first lines
        function: Callable[[Any], Any] = self._names["answer"]
        return function


def mapping(entries: Mapping[str, str]) -> str:
    """A dictionary of expressions by literal keys."""
    return "{" + ", ".join(f"{key!r}: {expression}" for key, expression in entries.items()) + "}"
