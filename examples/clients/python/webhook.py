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
    said = headers["webhook-id"], headers["webhook-timestamp"]
    signed = ".".join(said).encode() + b"." + body
    good = {"v1," + base64.b64encode(hmac.digest(key, signed, hashlib.sha256)).decode() for key in keys}
    fresh = abs(time.time() - int(said[1])) < 300
    return fresh and any(hmac.compare_digest(one, other) for one in headers["webhook-signature"].split() for other in good)


class Receiver(http.server.BaseHTTPRequestHandler):
    """Answers first, and works afterwards."""

    def do_POST(self):
        body = self.rfile.read(int(self.headers["content-length"]))
        signed = is_signed(self.headers, body)
        self.send_response(204 if signed else 401)
        self.end_headers()
        if signed and self.headers["webhook-id"] not in SEEN:
            SEEN.add(self.headers["webhook-id"])
            event = json.loads(body)
            print(event["type"], event["subject"], event["data"].get("message", ""), flush=True)


def main():
    """Serves until it is stopped."""
    server = http.server.ThreadingHTTPServer(("", int(sys.argv[1])), Receiver)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(sys.argv[2], sys.argv[3])
    server.socket = context.wrap_socket(server.socket, server_side=True)
    server.serve_forever()


if __name__ == "__main__":
    main()
