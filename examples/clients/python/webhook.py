"""Takes answers of Crossgrant as webhooks: python webhook.py PORT CERTIFICATE KEY. The secret is in the file SECRET_FILE."""

import base64
import hashlib
import hmac
import http.server
import json
import os
import ssl
import sys
import time

SEEN = set()  # Keep these where you keep what came of them: an event can come more than once.


def is_signed(headers, body):
    """Whether the worker has sent it, and not long ago. With two secrets in the file, either may have signed."""
    with open(os.environ["SECRET_FILE"], encoding="utf-8") as file:
        keys = [base64.b64decode(line.strip().removeprefix("whsec_")) for line in file if line.strip()]
    said, sent_at, signatures = (headers.get(f"webhook-{name}", "") for name in ("id", "timestamp", "signature"))
    signed = f"{said}.{sent_at}.".encode() + body
    good = ["v1," + base64.b64encode(hmac.digest(key, signed, hashlib.sha256)).decode() for key in keys]
    fresh = sent_at.isdecimal() and abs(time.time() - int(sent_at)) < 300
    return fresh and any(hmac.compare_digest(one.encode(), other.encode()) for one in signatures.split() for other in good)


class Receiver(http.server.BaseHTTPRequestHandler):
    """Answers within 15 seconds. Where an event must not be lost, store it before the answer, and work afterwards."""

    timeout = 15  # For the caller, too: who connects and says nothing is not waited for.

    def do_POST(self):
        body = self.rfile.read(int(self.headers.get("content-length", 0)))
        signed = is_signed(self.headers, body)
        self.send_response(204 if signed else 401)
        self.end_headers()
        if signed and self.headers["webhook-id"] not in SEEN:
            SEEN.add(self.headers["webhook-id"])
            event = json.loads(body)
            print(event["type"], event["subject"], event["data"].get("message") or event["data"].get("jobs"), flush=True)


def main():
    """Serves until it is stopped."""
    server = http.server.ThreadingHTTPServer(("", int(sys.argv[1])), Receiver)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(sys.argv[2], sys.argv[3])
    # The handshake belongs to the thread of its connection, or one caller who says nothing would stop all others.
    server.socket = context.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
    server.serve_forever()


if __name__ == "__main__":
    main()
