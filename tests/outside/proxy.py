"""A proxy between the worker and a simulated cloud that keeps every request as it came, and every answer."""

import http.client
import typing

from server import Server

# Headers of an answer that are about the connection it came by.
CONNECTION = {"content-length", "transfer-encoding", "connection"}


class Exchange(typing.NamedTuple):
    """A request as it was on the wire, and its answer."""

    method: str
    target: str
    headers: list
    body: bytes
    status: int
    answer: bytes

    def header(self, name):
        """Returns a header's value; `None` when it is not there."""
        values = [value for key, value in self.headers if key.lower() == name]
        assert len(values) < 2, f"{name} is there twice"
        return values[0] if values else None


class Proxy(Server):
    """Passes everything on unchanged, `Host` included."""

    def __init__(self, host):
        self._upstream = host
        self.exchanges = []

    def respond(self, method, target, headers, body):
        """Sends a request to the simulated cloud, byte for byte, and keeps it."""
        connection = http.client.HTTPConnection(self._upstream, timeout=30)
        try:
            connection.putrequest(method, target, skip_host=True, skip_accept_encoding=True)
            for name, value in headers:
                connection.putheader(name, value)
            connection.endheaders(body)
            answer = connection.getresponse()
            content = answer.read()
        finally:
            connection.close()
        self.exchanges.append(Exchange(method, target, headers, body, answer.status, content))
        return answer.status, [pair for pair in answer.getheaders() if pair[0].lower() not in CONNECTION], content
