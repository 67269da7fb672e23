"""The tools of AsyncAPI and OpenAPI judge what the program says of itself, and two SDKs of CloudEvents read its events."""

import copy
import functools
import json
import os
import pathlib
import re
import subprocess
import tempfile
import unittest

from cloudevents.core.formats.json import JSONFormat
from cloudevents.core.v1.event import CloudEvent

from program import BINARY, ROOT, lines, worker
from recording import job, recording

HERE = pathlib.Path(__file__).resolve().parent / "contract"
# Where `make outside` has put the tools.
MODULES = ROOT / "target/outside-node"
# Jobs of other ends: one is rejected, one fails and one is planned.
OTHERS = [
    {"id": "bad", "kind": "grant"},
    job("grant", "VPC", "nowhere"),
    {**json.loads(pathlib.Path(ROOT, "examples/grant.json").read_text()), "mode": "plan"},
]


@functools.cache
def schema(name):
    """Asks the program for a document of the contract."""
    done = subprocess.run([BINARY, "schema", name], capture_output=True, text=True, check=True)
    return json.loads(done.stdout)


def said(command, **more):
    """Runs a tool; what it says, and whether it found no fault."""
    quiet = {"REDOCLY_TELEMETRY": "off", "REDOCLY_SUPPRESS_UPDATE_NOTICE": "true", "NO_COLOR": "1"}
    done = subprocess.run(
        [str(part) for part in command], capture_output=True, text=True, env={**os.environ, **quiet}, **more
    )
    return done.returncode == 0, done.stdout + done.stderr


def judged(what, document):
    """Lets the tool of a format judge a document."""
    with tempfile.TemporaryDirectory() as folder:
        file = pathlib.Path(folder, f"{what}.json")
        file.write_text(json.dumps(document))
        if what == "asyncapi":
            return said(["node", HERE / "judge.cjs", MODULES, what, file])
        redocly = MODULES / "node_modules/.bin/redocly"
        return said([redocly, "lint", file, "--config", HERE / "redocly.yaml", "--format", "codeframe"])


@functools.cache
def events():
    """Every event of the recorded runs, and of some jobs that do not complete."""
    world = ROOT / "examples/world.toml"
    others = worker(["run", "JOBS", "--simulate", world], "", OTHERS)
    return recording().events + lines(others)


class Contract(unittest.TestCase):
    """Looks at what `crossgrant schema` prints, and at events."""

    def test_asyncapi_is_valid_and_a_broken_one_is_not(self):
        good, why = judged("asyncapi", schema("asyncapi"))
        self.assertTrue(good, why)
        broken = copy.deepcopy(schema("asyncapi"))
        broken["operations"]["takeJob"]["channel"] = {"$ref": "#/channels/nowhere"}
        self.assertFalse(judged("asyncapi", broken)[0])

    def test_openapi_is_valid_and_a_broken_one_is_not(self):
        good, why = judged("openapi", schema("openapi"))
        self.assertTrue(good, why)
        broken = copy.deepcopy(schema("openapi"))
        broken["paths"]["/v1/status"]["get"]["security"] = [{"nothing": []}]
        self.assertFalse(judged("openapi", broken)[0])

    def test_there_are_events_of_many_types(self):
        types = {event["type"].removeprefix("crossgrant.job.") for event in events()}
        self.assertLessEqual({"accepted", "rejected", "waiting", "completed", "planned", "failed"}, types)

    def test_the_sdk_of_python_reads_every_event(self):
        for event in events():
            with self.subTest(event["id"]):
                read = JSONFormat().read(CloudEvent, json.dumps(event).encode())
                self.assertEqual(read.get_id(), event["id"])
                self.assertEqual(read.get_dataschema(), event["dataschema"])
                self.assertEqual(read.get_extension("sequence"), event["sequence"])
                self.assertIsNotNone(read.get_time().tzinfo)
                self.assertEqual(read.get_data(), event["data"])

    def test_the_sdk_of_javascript_reads_every_event_and_its_schemas_fit(self):
        good, why = self.read_by_javascript(events())
        self.assertTrue(good, why)

    def test_an_event_that_is_none_is_seen(self):
        for change in ({"sequence": "1"}, {"source": ""}, {"data": {}}, {"dataschema": "urn:crossgrant:schema:none:v1"}):
            good, why = self.read_by_javascript([{**events()[0], **change}])
            self.assertFalse(good, f"{change}: {why}")

    def read_by_javascript(self, them):
        """Hands events to the other judge."""
        text = "\n".join(json.dumps(event) for event in them)
        return said(["node", HERE / "judge.cjs", MODULES, "events", ROOT / "schemas/v1"], input=text)

    def test_events_of_a_job_sort_by_their_sequence_as_text(self):
        jobs = {}
        for event in events():
            self.assertRegex(event["source"], r"^/crossgrant/[A-Za-z0-9._~%-]+$")
            jobs.setdefault(event["data"]["uid"], []).append((event["time"], event["sequence"]))
        self.assertGreater(max(len(said) for said in jobs.values()), 2)
        for said_of_one in jobs.values():
            numbers = sorted({sequence for _, sequence in said_of_one})
            self.assertEqual([int(number) for number in numbers], list(range(1, len(numbers) + 1)))
            self.assertTrue(all(re.fullmatch("[0-9]{10}", number) for number in numbers))


if __name__ == "__main__":
    unittest.main()
