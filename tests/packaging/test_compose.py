"""The compose file: one by the specification, and its simulated cloud and its worker fit each other."""

import json
import pathlib
import re
import subprocess
import tempfile
import unittest

import yaml
from compose_spec import PyCompose

from helm import ROOT
from program import BINARY, lines
from worker import Container, free_port

COMPOSE = ROOT / "deploy/compose.yaml"
SERVICES = yaml.safe_load(COMPOSE.read_text())["services"]


def seconds(text):
    """A duration of a compose file, in seconds."""
    return int(re.fullmatch(r"(\d+)s", text)[1])


class Compose(unittest.TestCase):
    """The file itself."""

    def test_it_is_one_by_the_specification(self):
        known = PyCompose.from_yaml(COMPOSE.read_text())
        self.assertEqual(set(known.service_names()), set(SERVICES))
        with self.assertRaisesRegex(ValueError, "extension key `imag`"):
            PyCompose.from_yaml("services: {a: {imag: b}}")

    def test_everything_is_reached_from_this_machine_alone(self):
        published = [port for service in SERVICES.values() for port in service.get("ports", [])]
        self.assertEqual([port for port in published if not port.startswith("127.0.0.1:")], [])
        self.assertEqual(len(published), len(SERVICES))

    def test_what_is_mounted_is_there(self):
        named = yaml.safe_load(COMPOSE.read_text())["volumes"]
        for name, service in SERVICES.items():
            for mount in service.get("volumes", []):
                source = mount.split(":")[0]
                there = source in named or (COMPOSE.parent / source).exists()
                self.assertTrue(there, f"{name}: {source}")
        build = SERVICES["worker"]["build"]
        self.assertTrue((COMPOSE.parent / build["context"] / build["dockerfile"]).exists())

    def test_prometheus_and_grafana_look_where_the_others_are(self):
        scraped = yaml.safe_load((ROOT / "deploy/compose/prometheus.yml").read_text())
        (job,) = scraped["scrape_configs"]
        self.assertEqual(job["static_configs"], [{"targets": ["worker:9180"]}])
        self.assertEqual(SERVICES["worker"]["environment"]["CROSSGRANT_ADMIN_HOSTS"], "worker")
        places = {mount.split(":")[1]: mount.split(":")[0] for mount in SERVICES["prometheus"]["volumes"]}
        (rules,) = scraped["rule_files"]
        self.assertIn(f"/etc/prometheus/{rules}", places)
        (source,) = yaml.safe_load((ROOT / "deploy/compose/grafana-source.yaml").read_text())["datasources"]
        self.assertEqual(source["url"], "http://prometheus:9090")
        dashboard = json.loads((ROOT / "deploy/grafana/crossgrant.json").read_text())
        panels = [panel for panel in dashboard["panels"] if panel["type"] != "row"]
        self.assertEqual({panel["datasource"]["uid"] for panel in panels}, {source["uid"]})


class Together(unittest.TestCase):
    """The processes of the file, without containers and without the broker, whose image is not ours."""

    def setUp(self):
        self.folder = pathlib.Path(self.enterContext(tempfile.TemporaryDirectory()))
        port = free_port()
        command = [word.replace("0.0.0.0:18080", f"127.0.0.1:{port}") for word in SERVICES["cloud"]["command"]]
        self.assertIn(f"127.0.0.1:{port}", command)
        with (self.folder / "cloud").open("w") as log:
            cloud = subprocess.Popen([BINARY, *command], stdout=subprocess.PIPE, stderr=log, text=True)
        self.addCleanup(cloud.wait, 10)
        self.addCleanup(cloud.terminate)
        self.addCleanup(cloud.stdout.close)
        url = cloud.stdout.readline().strip()
        self.assertEqual(url, f"http://127.0.0.1:{port}", (self.folder / "cloud").read_text())

        service = SERVICES["worker"]
        mounts = {}
        for mount in service["volumes"]:
            source, place = mount.split(":")[:2]
            mounts[place] = COMPOSE.parent / source if source.startswith(".") else self.folder / source
        text = mounts["/etc/crossgrant/crossgrant.toml"].read_text()
        mounts["/etc/crossgrant/crossgrant.toml"] = self.folder / "crossgrant.toml"
        (self.folder / "crossgrant.toml").write_text(text.replace("http://cloud:18080", url))
        # Nobody is there.
        environment = {**service["environment"], "CROSSGRANT_CONFIG": "/etc/crossgrant/crossgrant.toml"}
        environment["CROSSGRANT_BROKER_URL"] = environment["CROSSGRANT_BROKER_URL"].replace("rabbitmq:5672", "127.0.0.1:1")
        self.container = Container(self.folder, environment, mounts)

    def test_the_worker_takes_its_configuration_and_the_cloud_its_keys(self):
        found = self.container.findings()
        # The token for trying it out stands in the file, which doctor warns of.
        trial = [one for one in found.pop("configuration") if not one["ok"]]
        self.assertEqual([one["code"] for one in trial], ["config-open-secret"], trial)
        for check in ("credential", "store"):
            self.assertTrue(all(one["ok"] for one in found[check]), found)

    def test_the_job_of_the_comment_completes(self):
        self.assertIn("exec worker crossgrant submit /examples/payer-change.json --wait", COMPOSE.read_text())
        # Two minutes are the hour there; a grant needs none, and the accounts are the same.
        done = self.container.run("run", "/examples/grant.json")
        (event,) = [line for line in lines(done) if line.get("type") == "crossgrant.job.completed"]
        self.assertEqual(event["data"]["before"]["granted"], False)

    def test_the_worker_answers_prometheus_and_stops_in_its_time(self):
        service = SERVICES["worker"]
        with self.container.serve(service["command"]) as worker:
            self.assertEqual(worker.get("/metrics", "worker:9180")[0], 200)
            asked, code = worker.stop()
        self.assertLessEqual(asked, seconds(service["stop_grace_period"]))
        self.assertEqual(code, 0)


if __name__ == "__main__":
    unittest.main()
