"""Manifests: what Kubernetes accepts, and names that are those of the code."""

from __future__ import annotations

import asyncio
import os
import re
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest
import redis.asyncio
import redis.exceptions
import yaml
from manifests import (
    K8S,
    OVERLAYS,
    REDIS_PASSWORD,
    SECRETS,
    Object,
    built,
    config,
    container,
    copy_of_k8s,
    environment,
    kustomize,
    label,
    of_kind,
    one,
    secret_names,
)
from prometheus_tools import ROOT, problems, promtool, series
from starlette.routing import Route, WebSocketRoute

from gateway import __version__, limits
from gateway.agents.config.agent import Agent
from gateway.agents.file.loader import load_agents
from gateway.app import build
from gateway.settings import Settings, load_settings, variables
from gateway.simulator.caller.gateway_process import free_port

pytestmark = pytest.mark.needs("kubectl")

STRICT_VERSION = "1.33"
OF_OPERATORS = {"monitoring.coreos.com/v1", "keda.sh/v1alpha1", "cert-manager.io/v1"}
"""Kinds that Kubernetes itself does not know; their queries are tested apart."""
NGINX = "nginx.ingress.kubernetes.io"
INGRESSES = ("gateway", "gateway-pages")


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_kubernetes_accepts_each_object(overlay: str) -> None:
    objects = built(overlay)
    assert [refused for refused in map(refusal, objects) if refused] == []
    assert {found["kind"] for found in objects} >= {"ConfigMap", "Deployment", "Service"}


def refusal(found: Object) -> str:
    """Return which object is not accepted, and why; empty if it is."""
    if found["apiVersion"] in OF_OPERATORS:
        return "" if found["spec"] else label(found)
    try:
        kubernetes_validate.validate(found, STRICT_VERSION, strict=True)
    except kubernetes_validate.ValidationError as error:
        return f"{label(found)}: {error}"
    return ""


def test_what_kubernetes_does_not_accept_would_be_found() -> None:
    wrong = {**one("single", "Service"), "spec": {"ports": [{"port": "eighty"}]}}
    with pytest.raises(kubernetes_validate.ValidationError):
        kubernetes_validate.validate(wrong, STRICT_VERSION, strict=True)


def test_only_the_example_makes_a_secret_and_its_values_are_empty_in_the_repository() -> None:
    secrets = {
        overlay for overlay in OVERLAYS for found in built(overlay) if found["kind"] == "Secret"
    }
    assert secrets == {"example"}
    assert set(secret_names()) == set(SECRETS)
    text = (K8S / "overlays/example/secrets.env.example").read_text()
    assert [line for line in text.splitlines() if line[:1] != "#" and line[-1:] != "="] == []
    assert (K8S / "overlays/.gitignore").read_text().splitlines()[-1] == "secrets.env"
    assert not (K8S / "overlays/example/secrets.env").exists()


# --- Settings ---


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_every_setting_is_one_and_together_they_serve(overlay: str) -> None:
    given = environment(overlay)
    secrets = {name: value for name, value in SECRETS.items() if name != "REDIS_PASSWORD"}
    assert set(given) | set(secrets) <= set(variables())
    assert not set(given) & set(secrets)
    store = load_settings(given | secrets).store.get_secret_value()
    if overlay == "single":
        assert store.startswith("memory")
    else:
        assert store == f"redis://:{REDIS_PASSWORD}@gateway-redis:6379/0"


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_the_container_reads_what_is_built(overlay: str) -> None:
    names = {found["metadata"]["name"] for found in built(overlay)}
    settings, secrets = container(overlay)["envFrom"]
    assert settings["configMapRef"]["name"] in names
    secret = secrets["secretRef"]["name"]
    assert secret in names if overlay == "example" else secret == "gateway-secrets"
    pod = one(overlay, "Deployment")["spec"]["template"]["spec"]
    maps = [v["configMap"]["name"] for v in pod["volumes"] if "configMap" in v]
    assert set(maps) <= names
    assert pod["serviceAccountName"] in names


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_paths_are_where_something_is_mounted(overlay: str) -> None:
    mounts = {mount["mountPath"] for mount in container(overlay)["volumeMounts"]}
    given = config(overlay, "gateway-settings")
    agents = Path(given["GATEWAY_AGENTS"])
    assert {str(agents.parent), given["GATEWAY_DATA_DIR"]} <= mounts
    assert "GATEWAY_TWIML_DIR" not in given, "the templates are the image's"
    assert agents.name in config(overlay, "gateway-agents")


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_agents_are_accepted(overlay: str, tmp_path: Path) -> None:
    for name, text in config(overlay, "gateway-agents").items():
        (tmp_path / name).write_text(text)
        assert load_agents(tmp_path / name).agents


# --- The overlay that an operator edits ---


@pytest.fixture
def mine(tmp_path: Path) -> Path:
    """An operator's copy of the example."""
    overlays = copy_of_k8s(tmp_path) / "overlays"
    (overlays / "example").rename(overlays / "mine")
    return overlays / "mine"


def edit(overlay: Path, *changes: tuple[str, str]) -> tuple[Object, ...]:
    """Change texts in an operator's overlay, and build it."""
    file = overlay / "kustomization.yaml"
    text = file.read_text()
    for old, new in changes:
        assert text.count(old) == 1, f"{old} stands there {text.count(old)} times"
        text = text.replace(old, new)
    file.write_text(text)
    return kustomize(overlay)


def test_the_host_is_written_in_one_place(mine: Path) -> None:
    address = "GATEWAY_PUBLIC_URL=https://"
    objects = edit(mine, (f"{address}gateway.example.com", f"{address}voice.example.net"))
    assert "gateway.example.com" not in yaml.safe_dump_all(objects)
    for name in ("gateway", "gateway-pages"):
        spec = of_kind(objects, "Ingress", name)["spec"]
        assert spec["rules"][0]["host"] == "voice.example.net"
        assert spec["tls"][0]["hosts"] == ["voice.example.net"]
    certificate = of_kind(objects, "Certificate", "gateway-tls")["spec"]
    assert certificate["dnsNames"] == ["voice.example.net"]
    assert certificate["secretName"] == spec["tls"][0]["secretName"]
    issuer = of_kind(objects, certificate["issuerRef"]["kind"], certificate["issuerRef"]["name"])
    solver = issuer["spec"]["acme"]["solvers"][0]["http01"]["ingress"]
    assert solver["ingressClassName"] == spec["ingressClassName"]


def test_image_agents_and_secrets_are_those_of_the_overlay(mine: Path) -> None:
    (mine / "agents.yaml").write_text("agents: {mine: {}}\n")
    objects = edit(mine, ("registry.example.com/gateway", "registry.example.net/voice"))
    pod = of_kind(objects, "Deployment")["spec"]["template"]["spec"]
    assert pod["containers"][0]["image"] == f"registry.example.net/voice:{__version__}"
    names = {found["metadata"]["name"]: found for found in objects}
    (agents,) = (v["configMap"]["name"] for v in pod["volumes"] if v["name"] == "agents")
    assert names[agents]["data"] == {"agents.yaml": "agents: {mine: {}}\n"}
    secret = pod["containers"][0]["envFrom"][1]["secretRef"]["name"]
    assert set(names[secret]["data"]) == set(SECRETS)
    redis = of_kind(objects, "Deployment", "gateway-redis")["spec"]["template"]["spec"]
    for box in (pod["containers"][0], redis["containers"][0]):
        (reference,) = (v["valueFrom"]["secretKeyRef"] for v in box["env"] if "valueFrom" in v)
        assert reference == {"name": secret, "key": "REDIS_PASSWORD"}


@pytest.mark.parametrize("overlay", ["single", "redis", "keda"])
def test_the_example_stands_on_each_of_the_others(mine: Path, overlay: str) -> None:
    objects = edit(mine, ("\n  - ../redis\n", f"\n  - ../{overlay}\n"))
    assert len(objects) > len(built(overlay))


def test_records_outlive_the_pod_with_the_component(mine: Path) -> None:
    volumes = one("example", "Deployment")["spec"]["template"]["spec"]["volumes"]
    assert {"name": "data", "emptyDir": {"sizeLimit": "2Gi"}} in volumes
    line = "../../components/records"
    objects = edit(mine, (f"  # - {line}", f"  - {line}"))
    volumes = of_kind(objects, "Deployment")["spec"]["template"]["spec"]["volumes"]
    (data,) = (volume for volume in volumes if volume["name"] == "data")
    claim = of_kind(objects, "PersistentVolumeClaim", data["persistentVolumeClaim"]["claimName"])
    assert "emptyDir" not in data
    kubernetes_validate.validate(claim, STRICT_VERSION, strict=True)
    # An upgrade runs old and new pods side by side.
    assert claim["spec"]["accessModes"] == ["ReadWriteMany"]


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_the_way_to_postgresql_is_opened_and_nothing_else(overlay: str, tmp_path: Path) -> None:
    copy = copy_of_k8s(tmp_path)
    before = kustomize(copy / "overlays" / overlay)
    file = copy / "overlays" / overlay / "kustomization.yaml"
    text, line = file.read_text(), "../../components/postgresql"
    assert (line in text) == (overlay == "example")
    if overlay == "example":
        file.write_text(text.replace(f"# - {line}", f"- {line}"))
    else:
        file.write_text(text.replace("components:\n", f"components:\n  - {line}\n", 1))
    after = kustomize(copy / "overlays" / overlay)
    changed = [(was, now) for was, now in zip(before, after, strict=True) if was != now]
    ((was, now),) = changed
    assert (now["kind"], now["metadata"]["name"]) == ("NetworkPolicy", "gateway")
    kubernetes_validate.validate(now, STRICT_VERSION, strict=True)
    ways = now["spec"]["egress"]
    (opened,) = [way for way in ways if way not in was["spec"]["egress"]]
    assert opened["ports"] == [{"protocol": "TCP", "port": 5432}]
    ways.remove(opened)
    assert now == was


def test_templates_of_ones_own_are_read_from_where_they_are_mounted(mine: Path) -> None:
    line = "../../components/twiml"
    objects = edit(mine, (f"  # - {line}", f"  - {line}"))
    pod = of_kind(objects, "Deployment")["spec"]["template"]["spec"]
    mounts = {m["mountPath"]: m["name"] for m in pod["containers"][0]["volumeMounts"]}
    (settings,) = (
        found["data"] for found in objects if found["metadata"]["name"].startswith("gateway-set")
    )
    volume = mounts[settings["GATEWAY_TWIML_DIR"]]
    assert {"name": volume, "configMap": {"name": "gateway-twiml"}} in pod["volumes"]
    kubernetes_validate.validate(of_kind(objects, "Deployment"), STRICT_VERSION, strict=True)


# --- Redis ---


@pytest.mark.needs("redis-server")
async def test_redis_asks_for_the_password_and_does_not_start_without_one(tmp_path: Path) -> None:
    """The container's own command, with the machine's redis-server."""
    box = container("redis", "gateway-redis")
    port = free_port()
    command = [*box["command"], *box["args"], "--port", str(port), "--bind", "127.0.0.1"]
    without = await asyncio.create_subprocess_exec(
        *command,
        env={"PATH": os.environ["PATH"], "REDIS_PASSWORD": ""},
        cwd=tmp_path,
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.PIPE,
    )
    _, complaint = await without.communicate()
    assert without.returncode != 0
    assert b"REDIS_PASSWORD" in complaint
    server = await asyncio.create_subprocess_exec(
        *command,
        env={"PATH": os.environ["PATH"], "REDIS_PASSWORD": REDIS_PASSWORD},
        cwd=tmp_path,
        stdout=asyncio.subprocess.PIPE,
    )
    try:
        assert server.stdout is not None
        while b"Ready to accept connections" not in (line := await server.stdout.readline()):
            assert line, "redis-server has ended"
        stranger = redis.asyncio.Redis(port=port)
        with pytest.raises(redis.exceptions.AuthenticationError):
            await stranger.set("key", "value")
        await stranger.aclose()
        address = environment("redis")["GATEWAY_STORE"].replace(
            "gateway-redis:6379", f"127.0.0.1:{port}"
        )
        gateway = redis.asyncio.Redis.from_url(address)
        assert await gateway.ping() is True
        await gateway.aclose()
    finally:
        server.terminate()
        await server.wait()


def test_only_the_gateway_reaches_redis() -> None:
    policy = one("redis", "NetworkPolicy", "gateway-redis")["spec"]
    labels = one("redis", "Deployment", "gateway-redis")["spec"]["template"]["metadata"]["labels"]
    assert policy["podSelector"]["matchLabels"].items() <= labels.items()
    (rule,) = policy["ingress"]
    (peer,) = rule["from"]
    gateway = one("redis", "Deployment")["spec"]["template"]["metadata"]["labels"]
    assert peer["podSelector"]["matchLabels"].items() <= gateway.items()
    assert "egress" not in policy
    assert set(policy["policyTypes"]) == {"Ingress", "Egress"}


# --- Time ---


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_a_pod_has_more_time_to_stop_than_its_calls_to_end(overlay: str) -> None:
    pod = one(overlay, "Deployment")["spec"]["template"]["spec"]
    drain_s = float(config(overlay, "gateway-settings")["GATEWAY_DRAIN_SECONDS"])
    (_, pause_s) = container(overlay)["lifecycle"]["preStop"]["exec"]["command"]
    assert pod["terminationGracePeriodSeconds"] >= drain_s + int(pause_s) + 30
    assert drain_s >= Agent.model_fields["max_call_s"].default, "what is left then is handed over"


def test_the_ingress_does_not_cut_the_longest_call() -> None:
    for name in INGRESSES:
        annotations = one("single", "Ingress", name)["metadata"]["annotations"]
        for which in ("read", "send"):
            assert int(annotations[f"{NGINX}/proxy-{which}-timeout"]) > limits.agents.MAX_CALL_MAX_S


def test_only_pages_have_a_rate_limit() -> None:
    """All of Twilio's webhooks come from a few addresses."""
    limits = {
        name: {
            key.removeprefix(f"{NGINX}/"): int(value)
            for key, value in one("single", "Ingress", name)["metadata"]["annotations"].items()
            if "/limit-" in key
        }
        for name in INGRESSES
    }
    assert limits["gateway"] == {}
    pages = limits["gateway-pages"]
    assert set(pages) == {"limit-rps", "limit-burst-multiplier", "limit-connections"}
    # A page with its files, for a few people behind one address.
    assert pages["limit-rps"] * pages["limit-burst-multiplier"] >= 100
    paths = {rule["path"] for rule in paths_of("gateway-pages")}
    assert paths == {"/phone", "/phone/line", "/photo"}


# --- Ports and paths ---


def paths_of_the_code() -> set[str]:
    asgi = build(load_settings({}, simulated=True)).asgi
    return {r.path for r in asgi.routes if isinstance(r, Route | WebSocketRoute)}


def paths_of(ingress: str) -> list[Object]:
    found: list[Object] = one("redis", "Ingress", ingress)["spec"]["rules"][0]["http"]["paths"]
    return found


def test_ports_are_those_of_the_code() -> None:
    default = Settings.model_fields["port"].default
    assert [p["containerPort"] for p in container("single")["ports"]] == [default]
    ports = one("single", "Service")["spec"]["ports"]
    assert [p["targetPort"] for p in ports] == [p["name"] for p in container("single")["ports"]]
    assert "GATEWAY_PORT" not in config("single", "gateway-settings")
    endpoint = one("single", "ServiceMonitor")["spec"]["endpoints"][0]
    assert endpoint["port"] in {p["name"] for p in ports}


def test_probes_and_scrapes_ask_for_paths_that_exist() -> None:
    paths, box = paths_of_the_code(), container("single")
    probes = {kind: box[f"{kind}Probe"]["httpGet"] for kind in ("startup", "liveness", "readiness")}
    assert {probe["path"] for probe in probes.values()} == {"/healthz"}
    monitor = one("single", "ServiceMonitor")["spec"]["endpoints"][0]
    assert {monitor["path"], "/readyz", "/healthz"} <= paths


@pytest.mark.parametrize("overlay", ["redis", "keda"])
def test_a_full_pod_leaves_new_calls_to_others(overlay: str) -> None:
    assert container(overlay)["readinessProbe"]["httpGet"]["path"] == "/readyz"


def test_calls_that_run_are_answered_by_full_pods_too() -> None:
    of_path = {
        rule["path"]: rule["backend"]["service"]["name"]
        for name in INGRESSES
        for rule in paths_of(name)
    }
    begins = {path for path, service in of_path.items() if service == "gateway"}
    assert begins == {"/twilio/voice", "/twilio/media", "/openai/webhook", "/phone/line"}
    running = one("redis", "Service", "gateway-running")
    assert running["spec"]["publishNotReadyAddresses"] is True
    ready = one("redis", "Service")
    assert running["spec"]["selector"] == ready["spec"]["selector"]
    scraped = one("redis", "ServiceMonitor")["spec"]["selector"]["matchLabels"].items()
    assert scraped <= ready["metadata"]["labels"].items()
    assert not scraped <= running["metadata"]["labels"].items()


def test_the_ingress_leads_to_every_webhook_and_to_nothing_for_operators() -> None:
    rules = [rule for name in INGRESSES for rule in paths_of(name)]
    for name in INGRESSES:
        host = one("single", "Ingress", name)["spec"]["rules"][0]["host"]
        assert config("single", "gateway-settings")["GATEWAY_PUBLIC_URL"] == f"https://{host}"

    def open_to_all(path: str) -> bool:
        return any(
            path == r["path"]
            or (r["pathType"] == "Prefix" and path.startswith(r["path"].rstrip("/") + "/"))
            for r in rules
        )

    paths = paths_of_the_code()
    outside = {path for path in paths if path.startswith(("/twilio", "/openai", "/photo"))}
    assert {path for path in paths if open_to_all(path)} == outside
    assert len(outside) >= 7


# --- Safety ---


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_no_container_can_do_more_than_it_needs(overlay: str) -> None:
    for found in built(overlay):
        if found["kind"] != "Deployment":
            continue
        pod = found["spec"]["template"]["spec"]
        assert pod["enableServiceLinks"] is False
        assert pod["automountServiceAccountToken"] is False
        assert pod["securityContext"]["runAsNonRoot"] is True
        assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
        for box in pod["containers"]:
            context = box["securityContext"]
            assert context["readOnlyRootFilesystem"] is True
            assert context["allowPrivilegeEscalation"] is False
            assert context["capabilities"] == {"drop": ["ALL"]}
            assert {"startupProbe", "livenessProbe", "readinessProbe"} <= set(box)
            assert "cpu" in box["resources"]["requests"]
            assert "cpu" not in box["resources"]["limits"], "a throttled call has holes"
            assert re.search(r":\d+\.\d+\.\d+(-\w+)?$", box["image"]), "an exact version"


def test_the_image_is_of_this_version() -> None:
    assert container("single")["image"] == f"gateway:{__version__}"


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_traffic_out_is_names_https_and_redis(overlay: str) -> None:
    rules = one(overlay, "NetworkPolicy")["spec"]["egress"]
    ports = {port["port"] for rule in rules for port in rule["ports"]}
    assert ports == {53, 443} | ({6379} if overlay != "single" else set())
    assert all(rule.get("to") for rule in rules)
    text = (K8S / "base/networkpolicy.yaml").read_text()
    for known in ("13.79.45.80/28", "23.98.140.64/28", "40.67.149.176/28", "40.83.204.240/28"):
        assert known in text
    assert "5061" in text


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_selectors_select_the_pods(overlay: str) -> None:
    labels = one(overlay, "Deployment")["spec"]["template"]["metadata"]["labels"]
    wanted: list[dict[str, Any]] = [
        one(overlay, "Service")["spec"]["selector"],
        one(overlay, "PodDisruptionBudget")["spec"]["selector"]["matchLabels"],
        one(overlay, "NetworkPolicy")["spec"]["podSelector"]["matchLabels"],
        one(overlay, "Deployment")["spec"]["selector"]["matchLabels"],
    ]
    assert all(selector.items() <= labels.items() for selector in wanted)
    service = one(overlay, "Service")["metadata"]["labels"]
    monitor = one(overlay, "ServiceMonitor")["spec"]["selector"]["matchLabels"]
    assert monitor.items() <= service.items()


# --- Scaling ---


def test_pods_are_added_by_calls_long_before_they_are_full() -> None:
    most = int(config("redis", "gateway-settings")["GATEWAY_MAX_CALLS"])
    scaler = one("redis", "HorizontalPodAutoscaler")["spec"]
    (metric,) = scaler["metrics"]
    assert metric["type"] == "Pods"
    assert metric["pods"]["metric"]["name"] in series()
    assert int(metric["pods"]["target"]["averageValue"]) <= 0.7 * most
    assert scaler["scaleTargetRef"]["name"] == one("redis", "Deployment")["metadata"]["name"]


def test_keda_scales_by_the_same() -> None:
    spec = one("keda", "ScaledObject")["spec"]
    (trigger,) = spec["triggers"]
    assert trigger["type"] == "prometheus"
    assert problems(trigger["metadata"]["query"]) == []
    scaler = one("redis", "HorizontalPodAutoscaler")["spec"]
    target = scaler["metrics"][0]["pods"]["target"]["averageValue"]
    assert trigger["metadata"]["threshold"] == target
    assert spec["scaleTargetRef"]["name"] == "gateway"
    assert (
        f'namespace="{one("keda", "Deployment")["metadata"]["namespace"]}"'
        in (trigger["metadata"]["query"])
    )


def of_the_adapter() -> str:
    """The query of the rule that stands above the autoscaler, for one namespace."""
    text = (K8S / "overlays/redis/horizontalpodautoscaler.yaml").read_text()
    rule = "\n".join(line[2:] for line in text.splitlines() if line.startswith("#   "))
    query = str(yaml.safe_load(rule)[0]["metricsQuery"])
    for name, value in {
        "<<.GroupBy>>": "namespace",
        "<<.Series>>": "gateway_calls_active",
        "<<.LabelMatchers>>": 'namespace="gateway"',
    }.items():
        query = query.replace(name, value)
    return f"sum({query})"


@pytest.mark.needs("promtool")
def test_a_thousand_sip_calls_are_one_pod_and_a_thousand_streams_are_seventeen(
    tmp_path: Path,
) -> None:
    (trigger,) = one("keda", "ScaledObject")["spec"]["triggers"]
    pods = int(trigger["metadata"]["threshold"])
    units: list[dict[str, Any]] = []
    for media, sip, wanted in ((1000, 0, 17), (0, 1000, 1), (10_000, 0, 167), (0, 10_000, 10)):
        calls = {"media-streams": media, "sip": sip}
        units.append(
            {
                "interval": "1m",
                "input_series": [
                    {
                        "series": f'gateway_calls_active{{namespace="gateway",pod="{pod}",'
                        f'path="{path}",state="{state}"}}',
                        "values": str(count // 4),
                    }
                    for path, count in calls.items()
                    for pod in (1, 2)
                    for state in ("expected", "talking")
                ],
                "promql_expr_test": [
                    {
                        "expr": f"ceil(({query}) / {pods})",
                        "eval_time": "0",
                        "exp_samples": [{"labels": "{}", "value": wanted}],
                    }
                    for query in (trigger["metadata"]["query"], of_the_adapter())
                ],
            }
        )
    file = tmp_path / "units.yaml"
    file.write_text(yaml.safe_dump({"tests": units}))
    promtool("test", "rules", file)


@pytest.mark.parametrize("overlay", ["redis", "keda"])
def test_nobody_else_sets_the_number_of_pods(overlay: str) -> None:
    assert "replicas" not in one(overlay, "Deployment")["spec"]
    kinds = [found["kind"] for found in built(overlay)]
    assert kinds.count("HorizontalPodAutoscaler") + kinds.count("ScaledObject") == 1


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_dashboards_and_rules_are_built_in(overlay: str) -> None:
    files = {path.name for path in (K8S / "dashboards").glob("*.json")}
    assert set(config(overlay, "gateway-dashboards")) == files
    assert one(overlay, "PrometheusRule")["spec"]["groups"]


@pytest.mark.parametrize("page", ["kubernetes.md", "runbook.md"])
def test_files_and_commands_that_the_documents_name_exist(page: str) -> None:
    text = (ROOT / "docs/operations" / page).read_text("utf-8")
    paths = set(re.findall(r"`(k8s/[\w./-]+)`", text))
    paths |= {f"k8s/{found}" for found in re.findall(r"`(components/\w+)`", text)}
    assert paths
    assert [path for path in sorted(paths) if not (ROOT / path).exists()] == []
    makefile = (ROOT / "Makefile").read_text()
    for target in set(re.findall(r"`?make (k8s[\w-]*)", text)):
        assert f"\n{target}:" in makefile
    named_settings = set(re.findall(r"\b(?:GATEWAY|TWILIO|OPENAI)_[A-Z_]+", text))
    assert named_settings <= set(variables()), named_settings - set(variables())
