"""The alerts fire on what was recorded of their faults, and on nothing else; alerts and dashboard ask for what the worker has."""

import json
import pathlib
import re
import subprocess
import sys
import tempfile
import unittest

import yaml

from helm import ROOT
from worker import Container

HERE = pathlib.Path(__file__).parent
ALERTS = ROOT / "deploy/prometheus/alerts.yaml"
METRICS = ROOT / "src/telemetry/metrics/tests.rs"
DASHBOARD = ROOT / "deploy/grafana/crossgrant.json"
RUNBOOK = ROOT / "docs/runbook.md"
# What every section of the runbook says.
PARTS = ["**It means**", "**Look**", "**Do**", "**Wake**"]
# What fires in each recording, of the names after "Crossgrant".
FIRES = {
    "quiet": set(),
    "quiet-two": set(),
    "absent": {"Absent"},
    "disk-full": {"StoreUnusable"},
    "store-slow": {"StoreSlow"},
    "broker-down": {"BrokerDisconnected"},
    "no-consumer": {"BrokerDisconnected"},
    # What the broker does not take stays in the outbox.
    "broker-blocked": {"BrokerBlocked", "OutboxStuck"},
    "no-right-to-events": {"BrokerDisconnected", "OutboxStuck"},
    "half-done": {"HalfDone"},
    "parked": {"Parked"},
    "overdue": {"Overdue"},
    "sweep": {"SweepLate"},
    "key-refused": {"AccountUnusable"},
    "keys-end": {"KeysEnd"},
    "throttled": {"Throttled"},
    "unknown-code": {"UnknownErrorCode"},
    "budget": {"BudgetShort"},
    "paused": {"Paused"},
    "batch-open": {"BatchOpen"},
    "rejected": {"Rejections"},
    "queue-full": {"OutboxRefused"},
    "no-queue": {"Undeliverable"},
    "dead-lettered": {"DeadLettered"},
    "clock": {"ClockOff"},
    "log-full": {"LogLinesDropped"},
}
# What Prometheus or its operator adds.
OF_PROMETHEUS = {"instance", "pod", "job", "le"}
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


def promtool(*arguments, given=None):
    """Runs Prometheus' tool."""
    found = subprocess.run([HERE / "promtool.sh", pathlib.Path(sys.prefix, "promtool")], capture_output=True, text=True)
    if found.returncode != 0:
        raise AssertionError(f"there is no promtool, and Debian's package cannot be had: {found.stderr}")
    command = [found.stdout.strip(), *arguments]
    return subprocess.run(command, input=given, capture_output=True, text=True, timeout=60)


def alerts():
    """Every alert."""
    (group,) = yaml.safe_load(ALERTS.read_text())["groups"]
    return group["rules"]


def panels():
    """Every panel of the dashboard that asks for something."""
    return [panel for panel in json.loads(DASHBOARD.read_text())["panels"] if panel["type"] != "row"]


def played(recording, fires):
    """The test of promtool that plays a recording: nothing fires before the fault, and this afterwards."""
    step = recording["step"]
    scrapes = max(scrapes_in(series["values"]) for series in recording["input_series"])
    fired = 'group by (alertname) (last_over_time(ALERTS{alertstate="firing"}[1000h]))'
    samples = [{"labels": f'{{alertname="Crossgrant{name}"}}', "value": 1} for name in sorted(fires)]
    return {
        "interval": f"{step}s",
        "input_series": recording["input_series"],
        "promql_expr_test": [
            {"expr": fired, "eval_time": f"{recording['before'] * step}s", "exp_samples": []},
            {"expr": fired, "eval_time": f"{scrapes * step}s", "exp_samples": samples},
        ],
    }


def scrapes_in(values):
    """How many scrapes a series of promtool holds."""
    return sum(1 + int((re.search(r"x(\d+)$", value) or [0, 0])[1]) - ("_x" in value) for value in values.split())


class Alerts(unittest.TestCase):
    """What Prometheus makes of the files."""

    def test_every_alert_fires_on_what_was_recorded_of_its_fault_and_on_nothing_else(self):
        recordings = {file.stem: yaml.safe_load(file.read_text()) for file in (HERE / "recorded").glob("*.yaml")}
        self.assertEqual(recordings.keys(), FIRES.keys())
        tried = {f"Crossgrant{name}" for fires in FIRES.values() for name in fires}
        self.assertEqual({alert["alert"] for alert in alerts()}, tried, "an alert that is never tried")
        for name, recording in recordings.items():
            with self.subTest(name), tempfile.NamedTemporaryFile("w", suffix=".yaml") as file:
                # Between two scrapes that are more than five minutes apart Prometheus sees nothing.
                every = f"{max(60, recording['step'])}s"
                test = {"rule_files": [str(ALERTS)], "evaluation_interval": every, "tests": [played(recording, FIRES[name])]}
                yaml.safe_dump(test, file)
                file.flush()
                done = promtool("test", "rules", file.name)
                self.assertEqual(done.returncode, 0, done.stdout + done.stderr)

    def test_every_metric_that_an_alert_asks_for_is_recorded(self):
        asked = {name for alert in alerts() for name in re.findall(r"crossgrant_\w+", alert["expr"])}
        for file in (HERE / "recorded").glob("*.yaml"):
            recorded = {re.match(r"\w+", series["series"])[0] for series in yaml.safe_load(file.read_text())["input_series"]}
            # These begin with their first case.
            self.assertLessEqual(asked - recorded, {name for name in asked if "_cloud_" in name}, file.name)

    def test_prometheus_takes_its_configuration_of_the_compose_file(self):
        with tempfile.TemporaryDirectory() as folder:
            for source in (ROOT / "deploy/compose/prometheus.yml", ALERTS):
                pathlib.Path(folder, source.name).write_text(source.read_text())
            done = promtool("check", "config", pathlib.Path(folder, "prometheus.yml"))
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)

    def test_every_alert_has_its_section_in_the_runbook(self):
        sections = re.split(r"^## ", RUNBOOK.read_text(), flags=re.MULTILINE)[1:]
        by_anchor = {section.splitlines()[0].strip().lower().replace(" ", "-"): section for section in sections}
        for alert in alerts():
            page, anchor = alert["annotations"]["runbook_url"].split("#")
            self.assertEqual((ROOT / page).resolve(), RUNBOOK)
            self.assertEqual(anchor, alert["alert"].lower())
            section = by_anchor.get(anchor, "")
            self.assertEqual([part for part in PARTS if part not in section], [], alert["alert"])
        about_alerts = {anchor for anchor in by_anchor if anchor.startswith("crossgrant")}
        self.assertEqual(about_alerts, {alert["alert"].lower() for alert in alerts()}, "a section of no alert")

    def test_every_query_asks_for_metrics_and_labels_that_the_worker_has(self):
        folder = pathlib.Path(self.enterContext(tempfile.TemporaryDirectory()))
        container = Container(folder, ENVIRONMENT, {"/var/lib/crossgrant": folder / "store"})
        with container.serve(["serve"]) as worker:
            _, metrics = worker.get("/metrics", "127.0.0.1")
        checked = promtool("check", "metrics", given=metrics)
        self.assertEqual((checked.returncode, checked.stdout, checked.stderr), (0, "", ""))
        # Some metrics show only with their first case, so the list comes from where a test of the worker holds it against all.
        rows = re.findall(r'\("((?:crossgrant|process)_\w+)", "(\w+)", "\w*", "([\w ]*)"\)', METRICS.read_text())
        types = {name: kind for name, kind, _ in rows}
        shown = dict(re.findall(r"^# TYPE (\w+?)(?:_total)? (\w+)$", metrics, re.MULTILINE))
        self.assertGreater(len(shown), len(types) * 3 / 4)
        self.assertLessEqual(shown.items(), types.items())
        labels = {name + ending: set(words.split()) for name, kind, words in rows for ending in ENDINGS[kind]}
        queries = [alert["expr"] for alert in alerts()]
        queries += [target["expr"] for panel in panels() for target in panel["targets"]]
        for query in queries:
            asked = re.findall(r"((?:crossgrant|process)_\w+)(?:\{([^}]*)\})?", query)
            self.assertEqual([name for name, _ in asked if name not in labels], [], query)
            for name, matchers in asked:
                self.assertLessEqual(set(re.findall(r"(\w+)\s*[=!]", matchers)), labels[name] | OF_PROMETHEUS, query)
            of_all = set().union(*(labels[name] for name, _ in asked), OF_PROMETHEUS)
            for grouped in re.findall(r"\b(?:by|without|on)\s*\(([\w, ]*)\)", query):
                self.assertLessEqual({label for label in re.split(r"[, ]+", grouped) if label}, of_all, query)
        for label, value in re.findall(r'(type|half_done|class)="([^"]+)"', " ".join(queries)):
            self.assertIn(f'{label}="{value}"', metrics)
        legends = {
            (panel["title"], label): re.findall(r"(?:crossgrant|process)_\w+", target["expr"])
            for panel in panels()
            for target in panel["targets"]
            for label in re.findall(r"\{\{(\w+)\}\}", target.get("legendFormat", ""))
        }
        for (title, label), names in legends.items():
            self.assertTrue(label in OF_PROMETHEUS or any(label in labels[name] for name in names), (title, label))

    def test_prometheus_takes_every_query_of_the_dashboard(self):
        rules = [
            {"record": f"panel:{panel['id']}{target['refId']}", "expr": target["expr"]}
            for panel in panels()
            for target in panel["targets"]
        ]
        with tempfile.NamedTemporaryFile("w", suffix=".yaml") as file:
            yaml.safe_dump({"groups": [{"name": "dashboard", "rules": rules}]}, file)
            file.flush()
            done = promtool("check", "rules", file.name)
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)


if __name__ == "__main__":
    unittest.main()
