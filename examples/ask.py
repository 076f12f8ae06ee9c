"""Send a GraphQL document to the running demo: python examples/ask.py [TOKEN] 'DOCUMENT', TOKEN one of the demo's."""

import json
import os
import sys
import urllib.error
import urllib.request
from pathlib import Path

WIDTH = 100


def pretty(value: object, indent: int = 0) -> str:
    """JSON with each object on one line where it fits there."""
    flat = json.dumps(value, ensure_ascii=False)
    if indent + len(flat) <= WIDTH or not isinstance(value, dict | list) or not value:
        return flat
    names = [f"{json.dumps(name)}: " for name in value] if isinstance(value, dict) else [""] * len(value)
    parts = value.values() if isinstance(value, dict) else value
    inner = "  ".ljust(indent + 2)
    lines = [f"{inner}{name}{pretty(part, indent + 2)}" for name, part in zip(names, parts, strict=True)]
    start, end = "{}" if isinstance(value, dict) else "[]"
    return f"{start}\n" + ",\n".join(lines) + f"\n{' ' * indent}{end}"


def ask(document: str, name: str = "admin") -> dict[str, object]:
    """The answer, without what it cost. ``name``: one of the demo's tokens."""
    path = Path(os.environ.get("HUB_VAR", "var")) / "demo.json"
    if not path.exists():
        sys.exit(f"{path} does not exist: run make demo in the same folder, and wait until it is ready.")
    demo = json.loads(path.read_text())
    headers = {"content-type": "application/json", "authorization": f"Bearer {demo['tokens'][name]}"}
    body = json.dumps({"query": document}).encode()
    try:
        with urllib.request.urlopen(urllib.request.Request(demo["graphql"], body, headers)) as response:
            answer = json.load(response)
    except urllib.error.HTTPError as refused:
        answer = json.load(refused)
    answer.pop("extensions", None)
    return answer


if __name__ == "__main__":
    *named, document = sys.argv[1:]
    print(pretty(ask(document, *named)))
