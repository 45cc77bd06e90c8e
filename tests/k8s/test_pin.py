"""Digests of images: `make k8s-pin` writes what the registry says, or nothing."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from manifests import copy_of_k8s, kustomize, of_kind
from prometheus_tools import ROOT

pytestmark = pytest.mark.needs("kubectl")

DOCKER = """#!/bin/sh
# The registry's answers: each image has a digest of its own.
echo "$*" >> "$LOG"
case "$4" in
  python:*) digit=1 ;;
  redis:*) digit=2 ;;
  registry.example.com/gateway:*) digit=$GATEWAY_DIGIT ;;
esac
[ -n "$digit" ] || { echo "no such image" >&2; exit 1; }
printf '{"digest": "sha256:%064d"}' "$digit"
"""


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    copy_of_k8s(tmp_path)
    shutil.copy(ROOT / "Dockerfile", tmp_path)
    docker = tmp_path / "bin/docker"
    docker.parent.mkdir()
    docker.write_text(DOCKER)
    docker.chmod(0o755)
    return tmp_path


def pin(root: Path, overlay: str = "example", digit: str = "3") -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(ROOT / "k8s/generate/pin.py"), overlay, str(root)]
    path = f"{root / 'bin'}:{os.environ['PATH']}"
    environ = {"PATH": path, "LOG": str(root / "asked"), "GATEWAY_DIGIT": digit}
    return subprocess.run(command, capture_output=True, text=True, check=False, env=environ)


def images(root: Path) -> list[str]:
    objects = kustomize(root / "k8s/overlays/example")
    boxes = [
        of_kind(objects, "Deployment", name)["spec"]["template"]["spec"]["containers"][0]
        for name in ("gateway", "gateway-redis")
    ]
    (base,) = re.findall(r"^ARG PYTHON=(.+)$", (root / "Dockerfile").read_text(), re.MULTILINE)
    return [box["image"] for box in boxes] + [base]


def test_digests_stand_beside_the_tags(checkout: Path) -> None:
    before = images(checkout)
    done = pin(checkout)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    digests = [f"sha256:{digit:064d}" for digit in (3, 2, 1)]
    assert images(checkout) == [f"{a}@{b}" for a, b in zip(before, digests, strict=True)]
    asked = (checkout / "asked").read_text().splitlines()
    assert len(asked) == 3
    assert all(line.startswith("buildx imagetools inspect ") for line in asked)


def test_a_second_time_replaces_them(checkout: Path) -> None:
    pin(checkout)
    pin(checkout, digit="4")
    assert images(checkout)[0].endswith(f"@sha256:{4:064d}")
    assert images(checkout)[0].count("@") == 1


def test_what_the_registry_does_not_have_changes_no_file(checkout: Path) -> None:
    before = images(checkout)
    done = pin(checkout, digit="")
    assert done.returncode == 69
    assert done.stderr == "registry.example.com/gateway:0.1.0: no such image\n"
    assert images(checkout) == before


def test_an_overlay_that_does_not_exist_is_named(checkout: Path) -> None:
    done = pin(checkout, "nobodys")
    assert done.returncode == 69
    assert done.stderr == "k8s/overlays/nobodys/kustomization.yaml does not exist\n"
