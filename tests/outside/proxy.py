"""A proxy between the worker and a simulated cloud that keeps every request as it came, and every answer."""

import http.client
import http.server
import threading
import typing


class Exchange(typing.NamedTuple):
    """A request as it was on the wire, and its answer."""

    method: str
    target: str
    headers: list
    body: bytes
    status: int
    answer: bytes

    def header(self, name):
        """A header's value; `None` when it is not there."""
        values = [value for key, value in self.headers if key.lower() == name]
        assert len(values) < 2, f"{name} is there twice"
        return values[0] if values else None


class Proxy:
    """Listens for the length of a `with`, and passes everything on unchanged, `Host` included."""

    def __init__(self, host):
        self._upstream = host
        self.exchanges = []

    def __enter__(self):
        proxy = self

        class Handler(http.server.BaseHTTPRequestHandler):
            """One connection of the worker."""

            protocol_version = "HTTP/1.1"

            def any(self):
                """Passes a request on and keeps it."""
                headers = self.headers.items()
                body = self.rfile.read(int(self.headers.get("content-length") or 0))
                status, answer_headers, answer = proxy.pass_on(self.command, self.path, headers, body)
                proxy.exchanges.append(Exchange(self.command, self.path, headers, body, status, answer))
                self.send_response_only(status)
                for name, value in answer_headers:
                    if name.lower() not in ("content-length", "transfer-encoding", "connection"):
                        self.send_header(name, value)
                self.send_header("content-length", str(len(answer)))
                self.end_headers()
                self.wfile.write(answer)

            do_GET = do_POST = do_PUT = any

            def log_message(self, *_):
                """The tests say what went wrong."""

        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,))
        self._thread.start()
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        return self

    def __exit__(self, *_):
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    def pass_on(self, method, target, headers, body):
        """Sends a request to the simulated cloud, byte for byte."""
        connection = http.client.HTTPConnection(self._upstream, timeout=30)
        try:
            connection.putrequest(method, target, skip_host=True, skip_accept_encoding=True)
            for name, value in headers:
                connection.putheader(name, value)
            connection.endheaders(body)
            answer = connection.getresponse()
            return answer.status, answer.getheaders(), answer.read()
        finally:
            connection.close()
