"""Manifests: what Kubernetes accepts, and names that are those of the code."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest
import yaml
from manifests import K8S, OVERLAYS, Object, all_objects, built, config, container, label, one
from prometheus_tools import ROOT, problems, promtool, series
from starlette.routing import Route, WebSocketRoute

from gateway import __version__, limits
from gateway.agents.config.agent import Agent
from gateway.agents.file.loader import load_agents
from gateway.agents.texts.templates import load_templates
from gateway.app import build
from gateway.settings import Settings, load_settings, variables

pytestmark = pytest.mark.needs("kubectl")

STRICT_VERSION = "1.33"
OF_OPERATORS = {"monitoring.coreos.com/v1", "keda.sh/v1alpha1"}
"""Kinds that Kubernetes itself does not know; their queries are tested apart."""
EXAMPLE = yaml.safe_load((K8S / "base/secret.example.yaml").read_text())
REAL = {
    "OPENAI_API_KEY": "sk-real",
    "OPENAI_PROJECT_ID": "proj_1",
    "OPENAI_WEBHOOK_SECRET": "whsec_c2VjcmV0",
    "TWILIO_ACCOUNT_SID": "AC" + "0" * 32,
    "TWILIO_AUTH_TOKEN": "token",
    "GATEWAY_STORE_KEY": "a-key",
    "GATEWAY_ADMIN_TOKEN": "a-token",
}
PAIRS = all_objects()


@pytest.mark.parametrize("pair", PAIRS, ids=label)
def test_kubernetes_accepts_each_object(pair: tuple[str, Object]) -> None:
    found = pair[1]
    if found["apiVersion"] in OF_OPERATORS:
        assert found["spec"]
    else:
        kubernetes_validate.validate(found, STRICT_VERSION, strict=True)


def test_what_kubernetes_does_not_accept_would_be_found() -> None:
    wrong = {**one("single", "Service"), "spec": {"ports": [{"port": "eighty"}]}}
    with pytest.raises(kubernetes_validate.ValidationError):
        kubernetes_validate.validate(wrong, STRICT_VERSION, strict=True)


def test_the_example_of_a_secret_is_one_and_nothing_is_built_from_it() -> None:
    kubernetes_validate.validate(EXAMPLE, STRICT_VERSION, strict=True)
    assert "Secret" not in {found["kind"] for _, found in PAIRS}
    assert all("..." in text for text in EXAMPLE["stringData"].values())
    assert EXAMPLE["metadata"]["namespace"] == one("redis", "Deployment")["metadata"]["namespace"]


# --- Settings ---


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_every_setting_is_one_and_together_they_serve(overlay: str, tmp_path: Path) -> None:
    given = config(overlay, "gateway-settings")
    assert set(given) | set(EXAMPLE["stringData"]) <= set(variables())
    assert not set(given) & set(EXAMPLE["stringData"])
    assert set(EXAMPLE["stringData"]) == set(REAL)
    settings = load_settings(given | REAL)
    assert settings.store.get_secret_value().startswith(
        "memory" if overlay == "single" else "redis"
    )


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_the_container_reads_what_is_built(overlay: str) -> None:
    names = {found["metadata"]["name"] for found in built(overlay)}
    settings, secrets = container(overlay)["envFrom"]
    assert settings["configMapRef"]["name"] in names
    assert secrets["secretRef"]["name"] == EXAMPLE["metadata"]["name"]
    pod = one(overlay, "Deployment")["spec"]["template"]["spec"]
    maps = [v["configMap"]["name"] for v in pod["volumes"] if "configMap" in v]
    assert set(maps) <= names
    assert pod["serviceAccountName"] in names


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_paths_are_where_something_is_mounted(overlay: str) -> None:
    mounts = {mount["mountPath"] for mount in container(overlay)["volumeMounts"]}
    given = config(overlay, "gateway-settings")
    agents, twiml = Path(given["GATEWAY_AGENTS"]), given["GATEWAY_TWIML_DIR"]
    assert {str(agents.parent), twiml, given["GATEWAY_DATA_DIR"]} <= mounts
    assert agents.name in config(overlay, "gateway-agents")


def test_agents_and_templates_are_accepted(tmp_path: Path) -> None:
    for name, text in config("single", "gateway-agents").items():
        (tmp_path / name).write_text(text)
        assert load_agents(tmp_path / name).agents
    folder = tmp_path / "twiml"
    folder.mkdir()
    for name, text in config("single", "gateway-twiml").items():
        (folder / name).write_text(text)
    load_templates(folder)


def test_templates_are_those_that_are_shipped() -> None:
    shipped = {path.name: path.read_text() for path in (ROOT / "twiml").glob("*.xml")}
    assert config("single", "gateway-twiml") == shipped


# --- Time ---


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_a_pod_has_more_time_to_stop_than_its_calls_to_end(overlay: str) -> None:
    pod = one(overlay, "Deployment")["spec"]["template"]["spec"]
    drain_s = float(config(overlay, "gateway-settings")["GATEWAY_DRAIN_SECONDS"])
    (_, pause_s) = container(overlay)["lifecycle"]["preStop"]["exec"]["command"]
    assert pod["terminationGracePeriodSeconds"] >= drain_s + int(pause_s) + 30
    assert drain_s >= Agent.model_fields["max_call_s"].default, "what is left then is handed over"


def test_the_ingress_does_not_cut_the_longest_call() -> None:
    notes = one("single", "Ingress")["metadata"]["annotations"]
    for which in ("read", "send"):
        assert (
            int(notes[f"nginx.ingress.kubernetes.io/proxy-{which}-timeout"])
            > limits.agents.MAX_CALL_MAX_S
        )


# --- Ports and paths ---


def paths_of_the_code() -> set[str]:
    asgi = build(load_settings({}, simulated=True)).asgi
    return {r.path for r in asgi.routes if isinstance(r, Route | WebSocketRoute)}


def test_ports_are_those_of_the_code() -> None:
    default = Settings.model_fields["port"].default
    assert [p["containerPort"] for p in container("single")["ports"]] == [default]
    ports = one("single", "Service")["spec"]["ports"]
    assert [p["targetPort"] for p in ports] == [p["name"] for p in container("single")["ports"]]
    assert "GATEWAY_PORT" not in config("single", "gateway-settings")
    endpoint = one("single", "ServiceMonitor")["spec"]["endpoints"][0]
    assert endpoint["port"] in {p["name"] for p in ports}


def test_probes_and_scrapes_ask_for_doors_that_exist() -> None:
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
        for rule in one("redis", "Ingress")["spec"]["rules"][0]["http"]["paths"]
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


def test_the_ingress_leads_to_every_webhook_and_to_nothing_of_an_operators() -> None:
    rules = one("single", "Ingress")["spec"]["rules"][0]["http"]["paths"]
    host = one("single", "Ingress")["spec"]["rules"][0]["host"]
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
            tag = box["image"].partition(":")[2]
            assert tag not in ("", "latest")


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
        units.append({
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
                {"expr": f"ceil(({query}) / {pods})", "eval_time": "0",
                 "exp_samples": [{"labels": "{}", "value": wanted}]}
                for query in (trigger["metadata"]["query"], of_the_adapter())
            ],
        })  # fmt: skip
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
