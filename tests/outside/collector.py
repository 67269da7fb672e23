"""A collector of traces: takes OTLP over HTTP with the types that OpenTelemetry publishes, and writes all spans to a file as JSON.

`collector.py FILE` says its URL in its first line, and ends with its standard input.
"""

import json
import pathlib
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from google.protobuf.json_format import MessageToDict
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest, ExportTraceServiceResponse

FILE = pathlib.Path(sys.argv[1])
SPANS, LOCK = [], threading.Lock()


class Collector(BaseHTTPRequestHandler):
    """Answers as a collector does."""

    protocol_version = "HTTP/1.1"

    def do_POST(self):
        body = self.rfile.read(int(self.headers["content-length"]))
        assert (self.path, self.headers["content-type"]) == ("/v1/traces", "application/x-protobuf"), self.headers
        request = ExportTraceServiceRequest.FromString(body)
        with LOCK:
            for group in request.resource_spans:
                for spans in group.scope_spans:
                    SPANS.extend(MessageToDict(span) for span in spans.spans)
            written = FILE.with_suffix(".part")
            written.write_text(json.dumps(SPANS, indent=1))
            written.rename(FILE)
        answer = ExportTraceServiceResponse().SerializeToString()
        self.send_response(200)
        self.send_header("content-type", "application/x-protobuf")
        self.send_header("content-length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    def log_message(self, *_):
        pass


SERVER = ThreadingHTTPServer(("127.0.0.1", 0), Collector)
print(f"http://127.0.0.1:{SERVER.server_port}", flush=True)
threading.Thread(target=SERVER.serve_forever, daemon=True).start()
sys.stdin.read()
