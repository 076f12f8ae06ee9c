"""Mirror the demo's objects in a file: python examples/mirror.py FILE [--once] [TYPE …]. Kill it whenever you like."""

import gzip
import json
import os
import sys
import time
from pathlib import Path
from urllib.request import Request, urlopen

DEMO = json.loads((Path(os.environ.get("HUB_VAR", "var")) / "demo.json").read_text())
HEADERS = {"content-type": "application/json", "authorization": f"Bearer {DEMO['tokens']['admin']}"}
BEGIN = "mutation ($types: [String!]) { bulkExport(input: {types: $types}) { job { id finishedAt } userErrors { message } } }"
LOOK = "query ($id: ID!) { job(id: $id) { id finishedAt url error } }"
FOLLOW = """query ($after: String, $wait: Int = 0) { changes(after: $after, first: 1000, wait: $wait) {
  nodes { entityType entityId entityVersion kind changedPaths { path new } } pageInfo { hasNextPage endCursor } } }"""


def ask(document: str, **variables: object) -> dict:
    """The data of an answer."""
    body = json.dumps({"query": document, "variables": variables}).encode()
    return json.load(urlopen(Request(DEMO["graphql"], body, HEADERS)))["data"]


def begin(types: list[str]) -> list:
    """The states of all objects, behind a line that says where the feed goes on; the last line only counts them."""
    begun = ask(BEGIN, types=types or None)["bulkExport"]
    job = begun["job"] or sys.exit(begun["userErrors"][0]["message"])
    while not (job := ask(LOOK, id=job["id"])["job"])["finishedAt"]:
        time.sleep(0.2)
    lines = gzip.decompress(urlopen(DEMO["url"] + (job["url"] or sys.exit(job["error"]))).read())
    return [json.loads(line) for line in lines.splitlines()[:-1]]


def put(state: dict, path: str, new: object) -> None:
    """Set the value at a path; a null takes it away, and what is empty without it."""
    key, slash, below = path[1:].partition("/")
    key = key.replace("~1", "/").replace("~0", "~")
    if slash:
        put(state.setdefault(key, {}), "/" + below, new)
    state[key] = state[key] if slash else new
    if state[key] is None or (slash and not state[key]):
        del state[key]


file, once = Path(sys.argv[1]), "--once" in sys.argv
lines = [json.loads(line) for line in file.open()] if file.exists() else begin(sys.argv[2 + once :])
header, objects = lines[0], {line["id"]: line for line in lines[1:]}
while page := ask(FOLLOW, after=header["cursor"], wait=0 if once else 20)["changes"]:
    for change in (each for each in page["nodes"] if each["entityType"] in header["types"]):
        held = objects.pop(change["entityId"], {"state": {}})
        for each in change["changedPaths"]:
            put(held["state"], each["path"], each["new"])
        held |= {"type": change["entityType"], "id": change["entityId"], "version": change["entityVersion"]}
        objects |= {} if change["kind"] == "DELETED" else {held["id"]: held}
    header["cursor"] = page["pageInfo"]["endCursor"]
    file.with_suffix(".new").write_text("".join(json.dumps(x) + "\n" for x in (header, *objects.values())))
    file.with_suffix(".new").replace(file)  # whoever is killed stands where it stood, or one page further
    if once and not page["pageInfo"]["hasNextPage"]:
        sys.exit(print(f"{len(objects)} objects mirrored."))
