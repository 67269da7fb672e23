"""The worker as a platform starts it: in the environment of a container, with its mounts in folders of a test."""

import http.client
import json
import os
import pathlib
import re
import socket
import subprocess

from program import BINARY

DOCKERFILE = (pathlib.Path(__file__).resolve().parents[2] / "deploy/Dockerfile").read_text()
# What the image itself sets.
IMAGE_ENVIRONMENT = dict(re.findall(r"^ENV (\w+)=(\S+)$", DOCKERFILE, re.MULTILINE))
# Seconds that a command may take, and a worker until it listens.
PATIENCE = 60


def free_port():
    """A port that was free a moment ago."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


class Container:
    """A container without a container: its environment, and each place that it mounts as a folder or a file of ours."""

    def __init__(self, folder, environment, mounts):
        self.folder = pathlib.Path(folder)
        self._mounts = mounts
        self.port = free_port()
        self.environment = {**IMAGE_ENVIRONMENT, **environment}
        address, port = self.environment["CROSSGRANT_ADMIN_LISTEN"].rsplit(":", 1)
        assert port == "9180", port
        # Of this machine another worker may have the port.
        self.environment["CROSSGRANT_ADMIN_LISTEN"] = f"{address}:{self.port}"

    def ours(self, text):
        """A text with our places instead of those that are mounted."""
        for place in sorted(self._mounts, key=len, reverse=True):
            text = text.replace(place, str(self._mounts[place]))
        return text

    def _around(self, more):
        around = {**self.environment, **more}
        return {"PATH": os.environ.get("PATH", ""), **{name: self.ours(value) for name, value in around.items()}}

    def run(self, *arguments, **more):
        """Runs a command in it, as `exec` does."""
        command = [BINARY, *(self.ours(argument) for argument in arguments)]
        return subprocess.run(
            command, env=self._around(more), cwd=self.folder, capture_output=True, text=True, timeout=PATIENCE
        )

    def findings(self, **more):
        """What `crossgrant doctor` finds in it, by the name of the check."""
        done = self.run("doctor", "--json", **more)
        found = {}
        for line in done.stdout.splitlines():
            finding = json.loads(line)
            found.setdefault(finding["check"], []).append(finding)
        assert found, done.stderr
        return found

    def serve(self, arguments, **more):
        """A worker in it, for this machine alone."""
        more["CROSSGRANT_ADMIN_LISTEN"] = f"127.0.0.1:{self.port}"
        return Worker(self, [BINARY, *(self.ours(argument) for argument in arguments)], self._around(more))


class Worker:
    """A worker that runs, with a service manager that listens to it, for the length of a `with`."""

    def __init__(self, container, command, around):
        self._container, self._command, self._around = container, command, around

    def __enter__(self):
        self._manager = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._manager.bind(str(self._container.folder / "notify"))
        self._manager.settimeout(PATIENCE)
        self._log = (self._container.folder / "log").open("w")
        around = {**self._around, "NOTIFY_SOCKET": str(self._container.folder / "notify")}
        self._process = subprocess.Popen(self._command, env=around, cwd=self._container.folder, stderr=self._log)
        # Its first word says that its checks are made, and that it listens.
        self._hears("STATUS=")
        return self

    def __exit__(self, *_):
        self._process.kill()
        self._process.wait(PATIENCE)
        self._log.close()
        self._manager.close()

    def _hears(self, what):
        while True:
            try:
                said = self._manager.recv(4096).decode()
            except TimeoutError:
                raise AssertionError((self._container.folder / "log").read_text()) from None
            if what in said:
                return said

    def get(self, path, host):
        """The status and the body of an answer to someone who reaches the worker by this name."""
        connection = http.client.HTTPConnection("127.0.0.1", self._container.port, timeout=PATIENCE)
        connection.request("GET", path, headers={"Host": host})
        answer = connection.getresponse()
        status, body = answer.status, answer.read().decode()
        connection.close()
        return status, body

    def stop(self):
        """Tells it to stop. Returns the seconds that it asks for, and its exit code."""
        self._process.terminate()
        said = self._hears("STOPPING=1")
        asked = int(re.search(r"EXTEND_TIMEOUT_USEC=(\d+)", said)[1])
        return asked / 1_000_000, self._process.wait(PATIENCE)
