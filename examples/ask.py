"""Send a GraphQL document to the running demo: python examples/ask.py [TOKEN] 'DOCUMENT', TOKEN one of the demo's."""

import json
import os
import sys
import urllib.error
import urllib.request
from pathlib import Path

demo = json.loads((Path(os.environ.get("HUB_VAR", "var")) / "demo.json").read_text())
*named, document = sys.argv[1:]
headers = {
    "content-type": "application/json",
    "authorization": f"Bearer {demo['tokens'][named[0] if named else 'admin']}",
}
request = urllib.request.Request(demo["graphql"], json.dumps({"query": document}).encode(), headers)
try:
    with urllib.request.urlopen(request, timeout=60) as response:
        answer = json.load(response)
except urllib.error.HTTPError as refused:
    answer = json.load(refused)
answer.pop("extensions", None)  # what the query cost
print(json.dumps(answer, indent=2, ensure_ascii=False))
