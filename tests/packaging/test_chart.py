"""The chart: rendered as expected, fit for Kubernetes, and fit for the worker."""

import os
import pathlib
import re
import tempfile
import tomllib
import unittest

import kubernetes_validate
import yaml

from helm import CHART, PACKAGES, ROOT, VALUES, helm, rendered, template
from program import Simulator
from worker import DOCKERFILE, Container

GOLDEN = pathlib.Path(__file__).with_name("golden")
CASES = sorted(path.stem for path in VALUES.glob("*.yaml"))
# The oldest that the chart is for, and the newest that there are schemas of.
KUBERNETES = ("1.27", "1.37")
# They belong to the Prometheus operator.
OF_THE_OPERATOR = {"ServiceMonitor", "PrometheusRule"}
WORLD = (ROOT / "examples/world.toml").read_text()
# What the files of the Secret hold, if they are no keys of the simulated cloud.
TOKEN = "0123456789abcdef0123456789abcdef"
SECRETS = {
    "broker-url": "amqp://worker:s3cr3t@127.0.0.1:1/%2f",
    "amqp": "amqp://worker:s3cr3t@127.0.0.1:1/%2f",
    "store-url": "postgres://worker@127.0.0.1:1/crossgrant",
    "database": "postgres://worker@127.0.0.1:1/crossgrant",
    "store-password": "s3cr3t",
    "resource": "resource-secret",
    "cen": "cen-secret",
    "night-shift": TOKEN,
    "bot": TOKEN[::-1],
    "door": "door-" + TOKEN,
    "webhook": "whsec_MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=",
}


def world():
    """The small world, with a role that trusts the token of the pod and may assume the other one."""
    pod = 'uid = "1250123456123456"\nroles = [{{ name = "crossgrant-pod", oidc_tokens = ["{}"] }}]'.format(TOKEN)
    return WORLD.replace('uid = "1250123456123456"', pod, 1)


def leaves(values, path=()):
    """The paths of all values that hold no others by name."""
    if isinstance(values, dict) and values:
        return {leaf for name, inner in values.items() for leaf in leaves(inner, (*path, name))}
    return {path}


def at(values, path):
    """The value at a path, or None."""
    for name in path:
        values = values.get(name) if isinstance(values, dict) else None
    return values


def pod(documents):
    """The pod of the worker, whatever makes it."""
    workload = documents.get("StatefulSet") or documents["Deployment"]
    return workload["spec"]["template"]["spec"]


class Rendered(unittest.TestCase):
    """What Helm makes of the chart."""

    maxDiff = None

    def test_each_case_is_as_in_its_golden_file(self):
        for case in CASES:
            path = GOLDEN / f"{case}.yaml"
            if os.environ.get("CROSSGRANT_BLESS"):
                path.write_text(rendered("v3", case)[0])
            for version in PACKAGES:
                with self.subTest(case, helm=version):
                    made, golden = rendered(version, case)[0], path.read_text()
                    self.assertEqual(list(yaml.safe_load_all(made)), list(yaml.safe_load_all(golden)))

    def test_every_value_is_another_one_in_some_case(self):
        usual = yaml.safe_load((CHART / "values.yaml").read_text())
        cases = [yaml.safe_load((VALUES / f"{case}.yaml").read_text()) for case in CASES]
        same = {
            ".".join(path)
            for path in leaves(usual)
            if all(at(case, path) in (None, at(usual, path)) for case in cases)
        }
        self.assertEqual(same, set())

    def test_helm_finds_nothing_to_complain_of(self):
        for version in PACKAGES:
            done = helm(version, "lint", "--strict", CHART, "--values", VALUES / "sqlite-all.yaml")
            self.assertEqual(done.returncode, 0, done.stdout + done.stderr)

    def test_the_schemas_of_kubernetes_take_every_document(self):
        for case in CASES:
            documents = rendered("v3", case)[1]
            for kind, document in documents.items():
                if kind in OF_THE_OPERATOR:
                    continue
                for version in KUBERNETES:
                    with self.subTest(case, kind=kind, kubernetes=version):
                        kubernetes_validate.validate(document, version, strict=True)
        with self.assertRaises(kubernetes_validate.ValidationError):
            kubernetes_validate.validate({**documents["Service"], "spec": {"porst": []}}, KUBERNETES[0], strict=True)

    def test_wrong_values_are_refused_with_their_place(self):
        for wrong, says in {
            "store.kind=mysql": "/store/kind",
            "storre.kind=sqlite": "storre",
            "drainSeconds=0": "/drainSeconds",
            "drainSeconds=20s": "/drainSeconds",
            "store.postgresql.workers=-1": "/store/postgresql/workers",
            "secret.brokerUrl=a/b": "/secret/brokerUrl",
            "door.key=a/b": "/door/key",
            "webhook.secret=a/b": "/webhook/secret",
            "networkPolicy.broker.ports[0]=70000": "/networkPolicy/broker/ports/0",
            "config=": "config: the text of crossgrant.toml",
            "secret.name=": "secret.name: the Secret with the URL of the broker",
        }.items():
            for version in PACKAGES:
                with self.subTest(wrong, helm=version):
                    done = template(version, "--values", VALUES / "sqlite.yaml", "--set", wrong)
                    self.assertNotEqual(done.returncode, 0)
                    # Helm 3 writes dots for slashes.
                    self.assertIn(says.strip("/").replace("/", "."), done.stderr.replace("/", "."))

    def test_the_example_of_the_documents_is_rendered(self):
        (example,) = re.findall(r"```yaml\n(.*?)```", (ROOT / "docs/operations.md").read_text(), re.DOTALL)
        with tempfile.NamedTemporaryFile("w", suffix=".yaml") as file:
            file.write(example)
            file.flush()
            for version in PACKAGES:
                done = template(version, "--values", file.name)
                self.assertEqual(done.returncode, 0, done.stderr)

    def test_versions_and_users_are_those_of_the_program_and_the_image(self):
        chart = yaml.safe_load((CHART / "Chart.yaml").read_text())
        manifest = tomllib.loads((ROOT / "Cargo.toml").read_text())
        self.assertEqual(chart["appVersion"], manifest["package"]["version"])
        user, group = re.search(r"^USER (\d+):(\d+)$", DOCKERFILE, re.MULTILINE).groups()
        for case in CASES:
            security = pod(rendered("v3", case)[1])["securityContext"]
            ids = [security[name] for name in ("runAsUser", "runAsGroup", "fsGroup")]
            self.assertEqual(ids, [int(user), int(group), int(group)], case)


class Started(unittest.TestCase):
    """What the worker makes of what is rendered."""

    @classmethod
    def setUpClass(cls):
        cls.cloud = cls.enterClassContext(Simulator(world()))

    def container(self, documents):
        """The container of the worker, with each of its volumes as a folder; and where these are."""
        spec = pod(documents)
        root = pathlib.Path(self.enterContext(tempfile.TemporaryDirectory()))
        (container,) = spec["containers"]
        sources = {volume["name"]: volume for volume in spec["volumes"]}
        mounts = {}
        for number, mount in enumerate(container["volumeMounts"]):
            folder = root / str(number)
            folder.mkdir()
            source = sources.get(mount["name"], {})
            for name, text in self.files(documents, source).items():
                (folder / name).write_text(text)
                # As the group of the pod sees them.
                (folder / name).chmod(0o440)
            mounts[mount["mountPath"]] = folder
        environment = {variable["name"]: variable["value"] for variable in container["env"]}
        made = Container(root, environment, mounts)
        # The configuration names places that are mounted as well.
        for mounted in mounts.values():
            for file in mounted.glob("*.toml"):
                file.chmod(0o640)
                file.write_text(made.ours(file.read_text()))
        return made, mounts

    @staticmethod
    def files(documents, source):
        """The files of a volume."""
        if "configMap" in source:
            assert source["configMap"]["name"] == documents["ConfigMap"]["metadata"]["name"]
            return documents["ConfigMap"]["data"]
        if "secret" in source:
            return SECRETS
        if "projected" in source:
            (token,) = source["projected"]["sources"]
            return {token["serviceAccountToken"]["path"]: TOKEN}
        return {}

    def endpoints(self):
        """The cloud of this test instead of the vendor's."""
        products = ("CBN", "STS", "SMARTAG", "VPC")
        return {f"CROSSGRANT_CLOUD_ENDPOINTS_{product}": self.cloud.url for product in products}

    def test_the_worker_takes_the_configuration_of_each_case(self):
        for case in CASES:
            with self.subTest(case):
                container, _ = self.container(rendered("v3", case)[1])
                found = container.findings(**self.endpoints())
                for check in ("configuration", "credential"):
                    self.assertTrue(all(one["ok"] for one in found[check]), found)
                self.assertEqual(len(found["credential"]), 2)
                (store,) = found["store"]
                if case.startswith("sqlite"):
                    self.assertTrue(store["ok"], store)
                    self.assertIn("/store/crossgrant.db", store["says"])
                else:
                    self.assertIn("cannot connect to the database crossgrant at 127.0.0.1", store["says"])

    def test_a_worker_answers_the_probes_and_scrapes_and_stops_within_its_grace_period(self):
        documents = rendered("v3", "sqlite-all")[1]
        container, mounts = self.container(documents)
        spec = pod(documents)
        (told,) = spec["containers"]
        monitor = documents["ServiceMonitor"]["spec"]["endpoints"][0]
        name = documents["Service"]["metadata"]["name"]
        with container.serve(told["args"], **self.endpoints()) as worker:
            for probe, status in {"livenessProbe": 200, "startupProbe": 200, "readinessProbe": 503}.items():
                path = told[probe]["httpGet"]["path"]
                # A probe comes by the address of the pod. There is no broker here, so the worker is not ready.
                self.assertEqual(worker.get(path, "10.1.2.3:9180")[0], status, probe)
            for host in ("10.1.2.3:9180", f"{name}.network.svc:9180", f"{name}:9180"):
                status, metrics = worker.get(monitor["path"], host)
                self.assertEqual(status, 200, host)
                self.assertIn("crossgrant_store_usable 1", metrics)
            self.assertEqual(worker.get(monitor["path"], "evil.example")[0], 403)
            store = mounts["/var/lib/crossgrant"] / "store"
            self.assertEqual(store.stat().st_mode & 0o777, 0o700)
            asked, code = worker.stop()
        self.assertLessEqual(asked, spec["terminationGracePeriodSeconds"])
        self.assertEqual(code, 0)


if __name__ == "__main__":
    unittest.main()
