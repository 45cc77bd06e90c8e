"""What `kubectl kustomize` makes of an overlay, and how to find things in it."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import yaml

K8S = Path(__file__).parent.parent.parent / "k8s"
OVERLAYS = ("single", "redis", "keda", "example")
SECRETS_FILE = K8S / "overlays/example/secrets.env.example"
REDIS_PASSWORD = "0123456789abcdef"
SECRETS = {
    "OPENAI_API_KEY": "sk-real",
    "OPENAI_PROJECT_ID": "proj_1",
    "OPENAI_WEBHOOK_SECRET": "whsec_c2VjcmV0",
    "TWILIO_ACCOUNT_SID": "AC" + "0" * 32,
    "TWILIO_AUTH_TOKEN": "token",
    "GATEWAY_STORE_KEY": "a-key",
    "GATEWAY_ADMIN_TOKEN": "a-token",
    "REDIS_PASSWORD": REDIS_PASSWORD,
}
"""What an operator fills in."""
Object = dict[str, Any]


def secret_names() -> list[str]:
    """Return the names in the example of the secrets, in its order."""
    lines = SECRETS_FILE.read_text().splitlines()
    return [line.split("=")[0] for line in lines if not line.startswith("#")]


def copy_of_k8s(folder: Path, secrets: Mapping[str, str] = SECRETS) -> Path:
    """Return a copy of k8s/ in which the secrets are filled in."""
    copy = Path(shutil.copytree(K8S, folder / "k8s"))
    filled = "".join(f"{name}={secrets[name]}\n" for name in secret_names())
    (copy / "overlays/example/secrets.env").write_text(filled)
    return copy


def kustomize(folder: Path) -> tuple[Object, ...]:
    """Return every object that a folder builds."""
    kubectl = shutil.which("kubectl")
    assert kubectl, (
        "kubectl is not installed: apt-get install kubernetes-client, or kubectl from its vendor "
        "(1.22 or newer)"
    )
    done = subprocess.run(
        [kubectl, "kustomize", str(folder)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert "deprecated" not in done.stderr.lower(), done.stderr
    return tuple(yaml.load_all(done.stdout, yaml.CSafeLoader))


@cache
def built(overlay: str) -> tuple[Object, ...]:
    """Return every object of an overlay."""
    with TemporaryDirectory() as folder:
        return kustomize(copy_of_k8s(Path(folder)) / "overlays" / overlay)


def label(found: Object) -> str:
    return f"{found['kind']} {found['metadata']['name']}"


def of_kind(objects: tuple[Object, ...], kind: str, name: str = "gateway") -> Object:
    """Return the one object of that kind and name."""
    found = [o for o in objects if o["kind"] == kind and o["metadata"]["name"] == name]
    assert len(found) == 1, f"there are {len(found)} of {kind}/{name}"
    return found[0]


def one(overlay: str, kind: str, name: str = "gateway") -> Object:
    """Return the one object of an overlay of that kind and name."""
    return of_kind(built(overlay), kind, name)


def config(overlay: str, name: str) -> dict[str, str]:
    """Return the data of the ConfigMap of that name, to which a hash was added."""
    found = [
        o["data"]
        for o in built(overlay)
        if o["kind"] == "ConfigMap" and o["metadata"]["name"].startswith(name)
    ]
    assert len(found) == 1
    return dict(found[0])


def container(overlay: str, deployment: str = "gateway") -> Object:
    containers = one(overlay, "Deployment", deployment)["spec"]["template"]["spec"]["containers"]
    assert len(containers) == 1
    found: Object = containers[0]
    return found


def environment(overlay: str) -> dict[str, str]:
    """Return the settings of the gateway's container as Kubernetes sets them, without secrets."""
    given = config(overlay, "gateway-settings")
    for variable in container(overlay).get("env", []):
        if "value" in variable:
            given[variable["name"]] = variable["value"].replace("$(REDIS_PASSWORD)", REDIS_PASSWORD)
    return given
