"""The compose file and its proxy: names are those of the code, and nginx reads its file."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from gateway.settings import Settings, variables

FOLDER = Path(__file__).parents[2] / "docs/operations/compose"
PROXY = (FOLDER / "proxy/nginx.conf").read_text("utf-8")
INGRESS = Path(__file__).parents[2] / "k8s/base/ingress.yaml"


@pytest.fixture(scope="module")
def services() -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load((FOLDER / "compose.yaml").read_text("utf-8"))["services"]
    return found


def gateways(services: dict[str, Any]) -> list[dict[str, Any]]:
    return [service for name, service in services.items() if name.startswith("gateway-")]


def test_settings_are_known_to_the_gateway(services: dict[str, Any]) -> None:
    example = re.findall(r"^([A-Z_]+)=", (FOLDER / "env.example").read_text("utf-8"), re.MULTILINE)
    given = {name for service in gateways(services) for name in service["environment"]}
    assert given
    assert {*given, *example} - {"REDIS_PASSWORD", "POSTGRES_PASSWORD"} <= set(variables())


def test_each_gateway_stands_in_the_proxy_at_its_own_address(services: dict[str, Any]) -> None:
    addresses = [one["networks"]["inside"]["ipv4_address"] for one in gateways(services)]
    assert len(addresses) == len(set(addresses)) > 1
    assert re.findall(r"^\s*server ([\d.]+):8080 ", PROXY, re.MULTILINE) == addresses


def test_no_container_is_stopped_before_its_calls_have_drained(services: dict[str, Any]) -> None:
    drain_s = Settings.model_fields["drain_s"].default
    for service in (*gateways(services), services["proxy"]):
        assert int(service["stop_grace_period"].removesuffix("s")) > drain_s


def test_the_proxy_serves_what_the_ingress_serves() -> None:
    ingress = [
        path["path"]
        for document in yaml.safe_load_all(INGRESS.read_text("utf-8"))
        for rule in document["spec"]["rules"]
        for path in rule["http"]["paths"]
    ]
    served = set(re.findall(r"location (?:= )?(/\S*) \{", PROXY)) - {"/"}
    for path in ingress:
        assert any(f"{path}/".startswith(one) or path.startswith(one) for one in served), path
    assert all(any(path.startswith(one.rstrip("/")) for path in ingress) for one in served)


@pytest.mark.needs("nginx", "openssl")
def test_nginx_reads_its_file(tmp_path: Path) -> None:
    names = ("-keyout", "key.pem", "-out", "certificate.pem", "-subj", "/CN=localhost")
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", *names],
        cwd=tmp_path,
        check=True,
        capture_output=True,
    )
    (tmp_path / "nginx.conf").write_text(f"pid {tmp_path}/pid;\n{PROXY}")
    done = subprocess.run(
        ["nginx", "-t", "-c", str(tmp_path / "nginx.conf"), "-p", str(tmp_path)],
        check=False,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
