"""Write what k8s/ has in two places from one source: `make k8s`; `--check` says what is stale."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import yaml
from dashboards import DASHBOARDS
from grafana import encoded
from rules import GROUPS

K8S: Final = Path(__file__).parent.parent
RULES: Final = "prometheus/rules.yaml"
OPERATOR: Final = "components/monitoring/prometheusrule.yaml"
HEADER: Final = (
    "# Written by `make k8s` from k8s/generate/rules.py: change it there.\n"
    "# severity: page wakes somebody, ticket waits until morning.\n"
)


class _Dumper(yaml.SafeDumper):
    """Writes texts of several lines as blocks, as one would by hand."""


def _text(dumper: yaml.SafeDumper, value: str) -> yaml.ScalarNode:
    style = "|" if "\n" in value else None
    return dumper.represent_scalar("tag:yaml.org,2002:str", value, style=style)


_Dumper.add_representer(str, _text)


def _yaml(document: dict[str, Any]) -> str:
    text: str = yaml.dump(document, Dumper=_Dumper, sort_keys=False, width=10_000)
    return HEADER + text


def generated() -> Iterator[tuple[str, str]]:
    """Yield each file that is written, below k8s/, and what stands in it."""
    groups = list(GROUPS)
    yield RULES, _yaml({"groups": groups})
    yield (
        OPERATOR,
        _yaml({
            "apiVersion": "monitoring.coreos.com/v1",
            "kind": "PrometheusRule",
            "metadata": {"name": "gateway", "labels": {"app.kubernetes.io/name": "gateway"}},
            "spec": {"groups": groups},
        }),
    )  # fmt: skip
    for dashboard in DASHBOARDS:
        yield f"dashboards/{dashboard.name}.json", encoded(dashboard.to_json())


def stale(folder: Path) -> list[str]:
    """Return the files that are not as they would be written now."""
    return [name for name, text in generated() if _read(folder / name) != text]


def _read(file: Path) -> str | None:
    return file.read_text("utf-8") if file.exists() else None


def main(arguments: list[str]) -> int:
    """Write the files, or with `--check` only compare them."""
    folder = Path(arguments[-1]) if arguments and arguments[-1] != "--check" else K8S
    if "--check" not in arguments:
        for name, text in generated():
            (folder / name).write_text(text, "utf-8")
        return 0
    names = stale(folder)
    if names:
        are = "is" if len(names) == 1 else "are"
        files = ", ".join(f"k8s/{name}" for name in names)
        sys.stdout.write(f"{files} {are} not what k8s/generate would write: run make k8s.\n")
    return 1 if names else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
