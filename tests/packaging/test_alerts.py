"""The alerts of the chart and the queries of the dashboard ask for what the worker has, and alert when they should."""

import json
import pathlib
import re
import subprocess
import sys
import tempfile
import unittest

import yaml

from helm import CHART, ROOT
from worker import Container

HERE = pathlib.Path(__file__).parent
ALERTS = CHART / "files/alerts.yaml"
METRICS = ROOT / "src/telemetry/metrics/tests.rs"
DASHBOARD = ROOT / "deploy/compose/dashboard.json"
# What a sample of each type is called.
ENDINGS = {"counter": ["_total"], "gauge": [""], "histogram": ["_bucket", "_count", "_sum"]}
# An account, so that the worker starts, and nobody at any place.
ENVIRONMENT = {
    "CROSSGRANT_ADMIN_LISTEN": "127.0.0.1:9180",
    "CROSSGRANT_BROKER_URL": "amqp://worker:s3cr3t@127.0.0.1:1/%2f",
    "CROSSGRANT_STORE_PATH": "/var/lib/crossgrant/crossgrant.db",
    "CROSSGRANT_ACCOUNT_1688000000000001_ACCESS_KEY_ID": "key",
    "CROSSGRANT_ACCOUNT_1688000000000001_ACCESS_KEY_SECRET": "secret",
    **{f"CROSSGRANT_CLOUD_ENDPOINTS_{product}": "http://127.0.0.1:1" for product in ("CBN", "STS", "SMARTAG", "VPC")},
}


def promtool(*arguments):
    """Runs Prometheus' tool."""
    found = subprocess.run([HERE / "promtool.sh", pathlib.Path(sys.prefix, "promtool")], capture_output=True, text=True)
    if found.returncode != 0:
        raise AssertionError(f"there is no promtool, and Debian's package cannot be had: {found.stderr}")
    return subprocess.run([found.stdout.strip(), *arguments], capture_output=True, text=True, timeout=60)


def alerts():
    """Every alert of the chart."""
    (group,) = yaml.safe_load(ALERTS.read_text())["groups"]
    return group["rules"]


class Alerts(unittest.TestCase):
    """What Prometheus makes of the files."""

    def test_every_alert_fires_when_it_should_and_only_then(self):
        done = promtool("test", "rules", HERE / "alerts_test.yaml")
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        fired = set(re.findall(r'alertname="(\w+)"\}', (HERE / "alerts_test.yaml").read_text()))
        self.assertEqual({alert["alert"] for alert in alerts()}, fired, "an alert that is never tried")

    def test_prometheus_takes_its_configuration_of_the_compose_file(self):
        with tempfile.TemporaryDirectory() as folder:
            for source in (ROOT / "deploy/compose/prometheus.yml", ALERTS):
                pathlib.Path(folder, source.name).write_text(source.read_text())
            done = promtool("check", "config", pathlib.Path(folder, "prometheus.yml"))
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)

    def test_every_query_asks_for_metrics_that_the_worker_has(self):
        folder = pathlib.Path(self.enterContext(tempfile.TemporaryDirectory()))
        container = Container(folder, ENVIRONMENT, {"/var/lib/crossgrant": folder / "store"})
        with container.serve(["serve"]) as worker:
            _, metrics = worker.get("/metrics", "127.0.0.1")
        # A metric shows only once it has a value, so the list comes from where a test of the worker holds it against all of them.
        types = dict(re.findall(r'\("(crossgrant_\w+)", "(\w+)", "\w*"\)', METRICS.read_text()))
        shown = dict(re.findall(r"^# TYPE (\w+) (\w+)$", metrics, re.MULTILINE))
        self.assertGreater(len(shown), len(types) / 2)
        self.assertLessEqual(shown.items(), types.items())
        known = {name + ending for name, kind in types.items() for ending in ENDINGS[kind]}
        panels = json.loads(DASHBOARD.read_text())["panels"]
        queries = [alert["expr"] for alert in alerts()] + [target["expr"] for panel in panels for target in panel["targets"]]
        asked = {name for query in queries for name in re.findall(r"crossgrant_\w+", query)}
        self.assertGreater(len(asked), 15)
        self.assertEqual(asked - known, set())
        for label, value in re.findall(r'(type|half_done)="([^"]+)"', " ".join(queries)):
            self.assertIn(f'{label}="{value}"', metrics)

    def test_prometheus_takes_every_query_of_the_dashboard(self):
        panels = json.loads(DASHBOARD.read_text())["panels"]
        rules = [
            {"record": f"panel:{panel['id']}{target['refId']}", "expr": target["expr"]}
            for panel in panels
            for target in panel["targets"]
        ]
        with tempfile.NamedTemporaryFile("w", suffix=".yaml") as file:
            yaml.safe_dump({"groups": [{"name": "dashboard", "rules": rules}]}, file)
            file.flush()
            done = promtool("check", "rules", file.name)
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)


if __name__ == "__main__":
    unittest.main()
