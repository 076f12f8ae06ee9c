"""A receiver of webhooks: pip install standardwebhooks, then WEBHOOK_SECRET=whsec_… python examples/receiver.py"""

import os
from http.server import BaseHTTPRequestHandler, HTTPServer

from standardwebhooks import Webhook, WebhookVerificationError


class Receiver(BaseHTTPRequestHandler):
    """Takes what the hub signed, and nothing else."""

    def do_POST(self) -> None:
        """Verify the bytes as they came, before anything reads them."""
        body = self.rfile.read(int(self.headers["content-length"]))
        try:
            event = Webhook(os.environ["WEBHOOK_SECRET"]).verify(body, dict(self.headers))
        except WebhookVerificationError:
            self.send_response(400)
        else:
            print(event["sequence"], event["type"], event["entity"], flush=True)
            self.send_response(204)
        self.end_headers()


HTTPServer(("127.0.0.1", int(os.environ.get("PORT", "9000"))), Receiver).serve_forever()
