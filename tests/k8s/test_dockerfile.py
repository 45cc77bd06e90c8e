"""The Dockerfile, read by a parser: no Docker is needed, and none has built it here."""

from __future__ import annotations

import json
import re
import shlex
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
import yaml
from dockerfile_parse import DockerfileParser
from manifests import container, one
from prometheus_tools import ROOT

from gateway.settings import Settings, variables

pytestmark = pytest.mark.needs("kubectl")

PARSER = DockerfileParser(path=str(ROOT / "Dockerfile"))
STEPS = [(step["instruction"], step["value"]) for step in PARSER.structure]
LAST_STAGE = STEPS[max(i for i, (name, _) in enumerate(STEPS) if name == "FROM") :]


def of(name: str, steps: list[tuple[str, str]] = LAST_STAGE) -> list[str]:
    return [value for instruction, value in steps if instruction == name]


def test_both_stages_stand_on_one_slim_base_of_one_version() -> None:
    assert PARSER.is_multistage
    bases = PARSER.parent_images
    assert len(bases) == 2
    assert len({base.split()[0] for base in bases}) == 1
    assert re.fullmatch(r"python:3\.\d+\.\d+-slim-\w+(@sha256:[0-9a-f]{64})?", bases[0])


def test_nobody_is_root() -> None:
    (user,) = of("USER")
    uid, gid = map(int, user.split(":"))
    pod = one("single", "Deployment")["spec"]["template"]["spec"]["securityContext"]
    assert (uid, gid) == (pod["runAsUser"], pod["runAsGroup"])
    names = [name for name, _ in LAST_STAGE]
    assert names.index("USER") > max(i for i, name in enumerate(names) if name in ("RUN", "COPY"))


def test_ports_paths_and_settings_are_those_of_the_code() -> None:
    port = Settings.model_fields["port"].default
    assert of("EXPOSE") == [str(port)]
    (health,) = of("HEALTHCHECK")
    command = json.loads(health.partition("CMD ")[2])
    assert f"127.0.0.1:{port}/healthz" in command[-1]
    compile(command[-1], "health check", "exec")
    settings = {name for name in PARSER.envs if name.startswith(("GATEWAY_", "OPENAI_", "TWILIO_"))}
    assert settings <= set(variables())
    mounts = {mount["mountPath"] for mount in container("single")["volumeMounts"]}
    assert PARSER.envs["GATEWAY_DATA_DIR"] in mounts
    assert PARSER.envs["OPENBLAS_NUM_THREADS"] == "1"


def test_the_process_gets_the_signals_itself() -> None:
    """Without a shell between: SIGTERM must begin the drain."""
    assert json.loads(of("ENTRYPOINT")[0]) == ["gateway"]
    assert json.loads(of("CMD")[0]) == ["serve"]


def test_what_is_copied_is_there_and_not_ignored() -> None:
    copied = [shlex.split(value)[:-1] for value in of("COPY", STEPS) if "--from" not in value]
    names = {name for sources in copied for name in sources}
    assert all((ROOT / name).exists() for name in names)
    ignored = (ROOT / ".dockerignore").read_text().splitlines()
    assert {line[1:] for line in ignored if line.startswith("!")} == names
    assert "*" in ignored


def test_secrets_and_hosts_are_not_baked_in() -> None:
    text = (ROOT / "Dockerfile").read_text()
    assert not re.search(r"https?://(?!127\.0\.0\.1)", text)
    assert not [name for name, _ in STEPS if name == "ADD"]
    assert not re.search(r"KEY|TOKEN|SECRET", text)


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> zipfile.ZipFile:
    """What the build stage installs, of the very files that it is given."""
    folder = tmp_path_factory.mktemp("wheel")
    source = folder / "src"
    source.mkdir()
    for name in ("pyproject.toml", "constraints.txt", "README.md", "gateway", "twiml"):
        subprocess.run(["cp", "-a", ROOT / name, source], check=True)
    code = "import sys, setuptools.build_meta as b; print(b.build_wheel(sys.argv[1]))"
    command = [sys.executable, "-W", "ignore", "-c", code, str(folder)]
    subprocess.run(command, cwd=source, check=True, capture_output=True)
    return zipfile.ZipFile(next(folder.glob("*.whl")))


def test_the_wheel_has_every_file_that_is_read_at_run_time(wheel: zipfile.ZipFile) -> None:
    names = set(wheel.namelist())
    wanted = {f"gateway/_twiml/{path.name}" for path in (ROOT / "twiml").glob("*.xml")}
    data = (ROOT / "gateway").rglob("*.yaml")
    wanted |= {str(Path("gateway") / path.relative_to(ROOT / "gateway")) for path in data}
    assert wanted <= names
    prices = yaml.safe_load(wheel.read("gateway/ops/billing/prices.yaml"))
    assert prices["models"]
