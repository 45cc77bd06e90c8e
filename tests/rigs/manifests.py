"""What `kubectl kustomize` makes of an overlay, and how to find things in it."""

from __future__ import annotations

import shutil
import subprocess
from functools import cache
from pathlib import Path
from typing import Any

import yaml

K8S = Path(__file__).parent.parent.parent / "k8s"
OVERLAYS = ("single", "redis", "keda")
Object = dict[str, Any]


@cache
def built(overlay: str) -> tuple[Object, ...]:
    """Every object of an overlay."""
    kubectl = shutil.which("kubectl")
    assert kubectl, (
        "kubectl is not installed: apt-get install kubernetes-client, or kubectl from its vendor "
        "(1.22 or newer)"
    )
    command = [kubectl, "kustomize", str(K8S / "overlays" / overlay)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "deprecated" not in done.stderr.lower(), done.stderr
    return tuple(yaml.safe_load_all(done.stdout))


def all_objects() -> list[tuple[str, Object]]:
    return [(overlay, one) for overlay in OVERLAYS for one in built(overlay)]


def label(pair: tuple[str, Object]) -> str:
    return f"{pair[0]}-{pair[1]['kind']}-{pair[1]['metadata']['name'][:20]}"


def one(overlay: str, kind: str, name: str = "gateway") -> Object:
    """The object of that kind whose name begins so."""
    found = [o for o in built(overlay) if o["kind"] == kind and o["metadata"]["name"] == name]
    assert len(found) == 1, f"{overlay} has {len(found)} of {kind}/{name}"
    return found[0]


def config(overlay: str, name: str) -> dict[str, str]:
    """The data of the ConfigMap of that name, which a hash was added to."""
    found = [
        o["data"] for o in built(overlay)
        if o["kind"] == "ConfigMap" and o["metadata"]["name"].startswith(name)
    ]  # fmt: skip
    assert len(found) == 1
    return dict(found[0])


def container(overlay: str, deployment: str = "gateway") -> Object:
    containers = one(overlay, "Deployment", deployment)["spec"]["template"]["spec"]["containers"]
    assert len(containers) == 1
    found: Object = containers[0]
    return found
