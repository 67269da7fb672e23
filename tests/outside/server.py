"""An HTTP server on a free port, for the length of a `with`."""

import http.server
import sys
import threading


class Listener(http.server.ThreadingHTTPServer):
    """Has a thread for each connection, and none of them keeps the tests from ending."""

    daemon_threads = True

    def handle_error(self, request, client_address):
        """Prints an error, but not that a worker hung up: one that has come to its end waits for no answer."""
        if not isinstance(sys.exception(), ConnectionError):
            super().handle_error(request, client_address)


class Server:
    """Answers every request by `respond`, which those who inherit from it have."""

    def respond(self, method, target, headers, body):
        """Returns the status, headers and body that a request gets; its headers are pairs, as they came."""
        raise NotImplementedError

    def __enter__(self):
        server = self

        class Handler(http.server.BaseHTTPRequestHandler):
            """Serves one connection."""

            protocol_version = "HTTP/1.1"

            def any(self):
                """Answers a request."""
                body = self.rfile.read(int(self.headers.get("content-length") or 0))
                status, headers, answer = server.respond(self.command, self.path, self.headers.items(), body)
                self.send_response_only(status)
                for name, value in headers:
                    self.send_header(name, value)
                self.send_header("content-length", str(len(answer)))
                self.end_headers()
                self.wfile.write(answer)

            do_GET = do_POST = do_PUT = any

            def log_message(self, *_):
                """Stays silent: the tests say what went wrong."""

        self._server = Listener(("127.0.0.1", 0), Handler)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,))
        self._thread.start()
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        return self

    def __exit__(self, *_):
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()
