"""The program under test: a simulated cloud of its own for a test, and the worker's commands."""

import json
import os
import pathlib
import subprocess
import tempfile

ROOT = pathlib.Path(__file__).resolve().parents[2]
BINARY = pathlib.Path(os.environ.get("CROSSGRANT", ROOT / "target/debug/crossgrant"))
# The billing hour of the simulated cloud and of the worker that runs against it.
HOUR = "2s"
# Seconds a command of the worker may take.
PATIENCE = 60


class Simulator:
    """Runs `crossgrant simulate` on a free port, with a world of its own, for the length of a `with`."""

    def __init__(self, world):
        self._world = world

    def __enter__(self):
        self._dir = tempfile.TemporaryDirectory()
        world = pathlib.Path(self._dir.name, "world.toml")
        world.write_text(self._world)
        command = [BINARY, "simulate", "--listen", "127.0.0.1:0", "--hour", HOUR, "--world", world]
        log = pathlib.Path(self._dir.name, "log")
        with log.open("w") as errors:
            self._process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=errors, text=True)
        self.url = self._process.stdout.readline().strip()
        if not self.url:
            said = log.read_text()
            self.__exit__()
            raise AssertionError(f"the simulated cloud did not start: {said}")
        self.host = self.url.removeprefix("http://")
        return self

    def __exit__(self, *_):
        self._process.terminate()
        self._process.wait(10)
        self._process.stdout.close()
        self._dir.cleanup()


def worker(arguments, configuration, jobs):
    """Runs a command of the worker with a configuration; the argument `JOBS` becomes the file of the jobs."""
    with tempfile.TemporaryDirectory() as folder:
        config, file = pathlib.Path(folder, "crossgrant.toml"), pathlib.Path(folder, "jobs.json")
        config.write_text(configuration)
        file.write_text(json.dumps(jobs))
        arguments = [str(file) if argument == "JOBS" else argument for argument in arguments]
        clean = {"PATH": os.environ.get("PATH", ""), "HOME": folder}
        done = subprocess.run(
            [BINARY, "--config", config, *arguments],
            cwd=folder,
            env=clean,
            capture_output=True,
            text=True,
            timeout=PATIENCE,
        )
    return done


def lines(done):
    """Reads what a command printed, one JSON object to a line."""
    return [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]
