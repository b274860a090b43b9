"""The deployment examples name what exists: series and labels, settings, paths and ports."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import promql_parser
import pytest
import yaml
from prometheus_client import CollectorRegistry

from serving.metrics import Metrics
from serving.settings import ROOT, Settings
from tests.serving.conftest import Server

DEPLOY = ROOT / "serving" / "deploy"
SCRAPED = {"job", "instance", "le"}  # labels that Prometheus adds, or histograms


class Recorder(dict[str, str]):
    """An environment that remembers what was asked for."""

    def __init__(self) -> None:
        self.names: set[str] = set()

    def get(self, name: str, default: Any = None) -> Any:
        self.names.add(name)
        return default


def settings_names() -> set[str]:
    environment = Recorder()
    Settings.from_environment(environment)
    return environment.names


def series() -> dict[str, set[str]]:
    """Returns the labels of each series that the service can show."""
    registry = CollectorRegistry()
    Metrics(registry)
    kinds = {"counter": ("_total",), "gauge": ("",), "histogram": ("_bucket", "_sum", "_count")}
    found = {}
    for collector, names in registry._collector_to_names.items():
        labels = set(getattr(collector, "_labelnames", ()))
        for ending in kinds[collector._type]:  # type: ignore[attr-defined]
            name = f"{collector._name}{ending}"  # type: ignore[attr-defined]
            assert name in names
            found[name] = labels
    return found


def used(expression: str) -> tuple[dict[str, set[str]], set[str]]:
    """Returns the labels that selectors name, by series, and those that results are grouped by."""
    selected: dict[str, set[str]] = {}
    grouped: set[str] = set()

    def visit(node: Any) -> None:
        if isinstance(node, promql_parser.VectorSelector):
            selected.setdefault(node.name, set()).update(matcher.name for matcher in node.matchers.matchers)
        if isinstance(node, promql_parser.AggregateExpr) and node.modifier is not None:
            grouped.update(node.modifier.labels)

    promql_parser.walk(promql_parser.parse(expression), visit)
    return selected, grouped


def dashboard() -> Iterator[tuple[str, str]]:
    board = json.loads((DEPLOY / "grafana.json").read_text(encoding="utf-8"))
    for panel in board["panels"]:
        for target in panel.get("targets", ()):
            yield panel["title"], target["expr"].replace("$__rate_interval", "5m").replace("$job", "kefu")


def rules() -> Iterator[tuple[str, str]]:
    loaded = yaml.safe_load((DEPLOY / "alerts.yml").read_text(encoding="utf-8"))
    for group in loaded["groups"]:
        for rule in group["rules"]:
            yield rule["alert"], rule["expr"]


@pytest.mark.parametrize(("title", "expression"), [*dashboard(), *rules()])
def test_dashboard_and_alerts_read_series_that_exist(title: str, expression: str) -> None:
    known = series()
    selected, grouped = used(expression)
    selected.pop("up", None)
    assert selected.keys() <= known.keys(), title
    for name, labels in selected.items():
        assert labels <= known[name] | SCRAPED, title
    assert grouped <= set().union(SCRAPED, *(known[name] for name in selected)), title


def test_prometheus_loads_the_rules_and_asks_the_port_that_is_served() -> None:
    config = yaml.safe_load((DEPLOY / "prometheus.yml").read_text(encoding="utf-8"))
    assert all((DEPLOY / name).is_file() for name in config["rule_files"])
    (job,) = config["scrape_configs"]
    default = Settings()
    assert job["static_configs"][0]["targets"] == [f"{default.host}:{default.port}"]
    assert job["job_name"] == "kefu"  # what rules and dashboard select


def kubernetes() -> dict[str, Any]:
    documents = yaml.safe_load_all((DEPLOY / "kubernetes.yaml").read_text(encoding="utf-8"))
    return {document["kind"]: document for document in documents}


def test_kubernetes_probes_ask_what_answers(server: Server) -> None:
    (container,) = kubernetes()["Deployment"]["spec"]["template"]["spec"]["containers"]
    for probe in ("startupProbe", "readinessProbe", "livenessProbe"):
        asked = container[probe]["httpGet"]
        assert asked["port"] == container["ports"][0]["name"]
        assert server.client.get(asked["path"]).status_code == 200


def test_kubernetes_sets_what_exists() -> None:
    found = kubernetes()
    pod = found["Deployment"]["spec"]["template"]["spec"]
    (container,) = pod["containers"]
    plain = {entry["name"]: entry["value"] for entry in container["env"]}
    secret = found["Secret"]["stringData"]
    assert {name for name in (*plain, *secret) if name != "BENTOML_HOME"} <= settings_names()
    settings = Settings.from_environment({**plain, **secret})
    assert settings.port == container["ports"][0]["containerPort"] and settings.host == "0.0.0.0"
    mounts = {Path(mount["mountPath"]) for mount in container["volumeMounts"]}
    assert settings.state.parent in mounts and Path(plain["BENTOML_HOME"]).parent in mounts  # all else is read-only
    assert container["securityContext"]["readOnlyRootFilesystem"] and pod["securityContext"]["runAsNonRoot"]
    assert {mount["name"] for mount in container["volumeMounts"]} == {volume["name"] for volume in pod["volumes"]}


def test_kubernetes_objects_mean_the_same_pods() -> None:
    found = kubernetes()
    labels = found["Deployment"]["spec"]["template"]["metadata"]["labels"]
    assert found["Service"]["spec"]["selector"] == labels
    for kind in ("Deployment", "PodDisruptionBudget"):
        assert found[kind]["spec"]["selector"]["matchLabels"] == labels
    assert found["NetworkPolicy"]["spec"]["podSelector"]["matchLabels"] == labels
    assert found["HorizontalPodAutoscaler"]["spec"]["scaleTargetRef"]["name"] == found["Deployment"]["metadata"]["name"]
    (container,) = found["Deployment"]["spec"]["template"]["spec"]["containers"]
    ports = [port["port"] for rule in found["NetworkPolicy"]["spec"]["ingress"] for port in rule["ports"]]
    assert ports == [container["ports"][0]["containerPort"]]
    assert found["Service"]["spec"]["ports"][0]["targetPort"] == container["ports"][0]["name"]


def test_the_table_of_settings_is_whole() -> None:
    text = (DEPLOY / "README.md").read_text(encoding="utf-8")
    table = text.split("## Settings")[1].split("\n## ")[0]
    assert set(re.findall(r"^\| `(KEFU_\w+)`", table, flags=re.MULTILINE)) == settings_names()
