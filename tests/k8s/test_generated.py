"""Files that `make k8s` writes: none is stale, and a stale one is named."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from prometheus_tools import K8S

OPERATOR = "components/monitoring/prometheusrule.yaml"
WRITTEN = sorted(
    [OPERATOR, "prometheus/rules.yaml"]
    + [f"dashboards/{path.name}" for path in (K8S / "dashboards").glob("*.json")]
)


def generate(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    """Run the generator, as make does."""
    command = [sys.executable, str(K8S / "generate"), *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """A copy of k8s/ in which files may be changed."""
    return Path(shutil.copytree(K8S, tmp_path / "k8s"))


def test_no_file_is_stale() -> None:
    done = generate("--check")
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


@pytest.mark.parametrize("name", WRITTEN)
def test_a_file_changed_by_hand_is_named_in_one_sentence(copy: Path, name: str) -> None:
    with (copy / name).open("a") as file:
        file.write("\n")
    done = generate("--check", copy)
    assert done.returncode == 1
    assert done.stdout == f"k8s/{name} is not what k8s/generate would write: run make k8s.\n"


def test_files_that_are_missing_are_named_and_written_again(copy: Path) -> None:
    for name in WRITTEN:
        (copy / name).unlink()
    done = generate("--check", copy)
    assert done.returncode == 1
    assert all(f"k8s/{name}" in done.stdout for name in WRITTEN)
    assert generate(copy).returncode == 0
    assert generate("--check", copy).returncode == 0
    assert all((copy / name).read_text() == (K8S / name).read_text() for name in WRITTEN)


def test_the_operator_gets_the_rules_that_prometheus_gets() -> None:
    resource = yaml.safe_load((K8S / OPERATOR).read_text())
    assert resource["spec"] == yaml.safe_load((K8S / "prometheus/rules.yaml").read_text())
