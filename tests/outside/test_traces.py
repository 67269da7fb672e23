"""The trace of one payer change, as a collector has received it, reads as the story that docs/traces.md tells (`make outside`)."""

import base64
import json
import os
import re
import unittest

from program import ROOT

# Written by collector.py, for real_processes::traces::recorded_for_others.
SPANS = json.loads((ROOT / "target/tmp/spans.json").read_text())
PUBLISHER = "00f067aa0ba902b7"
TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"
DOCUMENT = ROOT / "docs/traces.md"
BLOCK = re.compile(r"```json\n(.*?)```\n", re.S)
# What differs from run to run.
DRAWN = {"crossgrant.job.uid", "crossgrant.cloud.request_id", "crossgrant.wait.expected_at", "messaging.message.id", "server.port"}
# What every span of a job has.
COMMON = {"crossgrant.job.id", "crossgrant.job.kind", "crossgrant.requester", "crossgrant.instance.id", "crossgrant.cen.id"}


def hexadecimal(text):
    """An id as people write it; protobuf's JSON has it in base64."""
    return base64.b64decode(text or "").hex()


def attributes(span):
    """The attributes, with … for what differs from run to run, and without what every span of a job has."""
    told = {}
    for attribute in span.get("attributes", []):
        (value,) = attribute["value"].values()
        prefix = r"site\d+-\d+"
        told[attribute["key"]] = re.sub(prefix, "crossgrant", value) if isinstance(value, str) else value
    return {key: "…" if key in DRAWN else told[key] for key in sorted(told) if key not in COMMON}


def story(spans):
    """The spans of the job in their order, each with its calls; what is told twice in the same words is told once."""
    spans = sorted(spans, key=lambda span: int(span["startTimeUnixNano"]))
    name = {hexadecimal(span["spanId"]): re.sub(r"site\d+-\d+", "crossgrant", span["name"]) for span in spans}
    told = []
    for span in (span for span in spans if span["kind"] != "SPAN_KIND_CLIENT"):
        own = hexadecimal(span["spanId"])
        parent = hexadecimal(span.get("parentSpanId"))
        calls = sorted({call["name"] for call in spans if hexadecimal(call.get("parentSpanId")) == own and call["kind"] == "SPAN_KIND_CLIENT"})
        links = [name.get(hexadecimal(link["spanId"]), "sweep") for link in span.get("links", [])]
        entry = {"name": name[own], "kind": span["kind"], "parent": "the publisher" if parent == PUBLISHER else name[parent]}
        entry |= {"links": links} if links else {}
        entry |= {"calls": calls} if calls else {}
        entry["attributes"] = attributes(span)
        if entry not in told:
            told.append(entry)
    return told


class Traces(unittest.TestCase):
    """Reads the recorded spans."""

    def setUp(self):
        self.job = [span for span in SPANS if hexadecimal(span["traceId"]) == TRACE]

    def test_it_reads_as_its_story(self):
        told = story(self.job)
        if os.environ.get("CROSSGRANT_BLESS"):
            block = "```json\n[\n" + ",\n".join(json.dumps(entry, ensure_ascii=False) for entry in told) + "\n]\n```\n"
            text = DOCUMENT.read_text()
            DOCUMENT.write_text(BLOCK.sub(lambda _: block, text) if BLOCK.search(text) else text.rstrip("\n") + "\n\n" + block)
        self.assertEqual(told, json.loads(BLOCK.search(DOCUMENT.read_text())[1]))

    def test_no_span_is_long_and_none_hangs_in_the_air(self):
        known = {hexadecimal(span["spanId"]) for span in self.job} | {PUBLISHER}
        for span in self.job:
            self.assertIn(hexadecimal(span.get("parentSpanId")), known, span)
            self.assertLess(int(span["endTimeUnixNano"]) - int(span["startTimeUnixNano"]), 3_000_000_000, span)

    def test_it_shows_no_secret(self):
        text = json.dumps(SPANS)
        for secret in ["resource-secret", "cen-secret", "resource-key", "cen-key", "ACS3-HMAC"]:
            self.assertNotIn(secret, text)

    def test_the_sweep_has_a_trace_of_its_own(self):
        (swept, *_) = [span for span in SPANS if span["name"] == "sweep"]
        self.assertNotEqual(hexadecimal(swept["traceId"]), TRACE)
        (ended,) = [span for span in self.job if span["name"] == "end of the wait"]
        sweeps = {hexadecimal(span["spanId"]) for span in SPANS if span["name"] == "sweep"}
        self.assertTrue(sweeps & {hexadecimal(link["spanId"]) for link in ended["links"]}, ended)


if __name__ == "__main__":
    unittest.main()
