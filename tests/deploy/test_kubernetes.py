"""The manifests: Kubernetes' schemas accept them, they call and set what is there, and name each other right."""

import os
import subprocess
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest
import yaml

from caas_worker.errors import EXIT_CODES, DatabaseUnavailable, NotInstalled
from tests.deploy.tools import DEPLOY, PATIENCE_SECONDS, called, known, understood

KUBERNETES = [*yaml.safe_load_all((DEPLOY / "kubernetes/caas-worker.yml").read_text(encoding="utf-8"))]


def resource(kind: str, name: str) -> dict[str, Any]:
    (found,) = (one for one in KUBERNETES if (one["kind"], one["metadata"]["name"]) == (kind, name))
    return found


def template(of: dict[str, Any]) -> dict[str, Any]:
    spec = of["spec"]["jobTemplate"]["spec"] if of["kind"] == "CronJob" else of["spec"]
    return spec["template"]


def title(of: dict[str, Any]) -> str:
    return f"{of['kind']} {of['metadata']['name']}"


RUNNING = [one for one in KUBERNETES if one["kind"] in {"Deployment", "Job", "CronJob"}]
every_resource = pytest.mark.parametrize("one", KUBERNETES, ids=title)
everything_that_runs = pytest.mark.parametrize("one", RUNNING, ids=title)


@every_resource
@pytest.mark.parametrize("version", ["1.25", kubernetes_validate.latest_version()])
def test_kubernetes_accepts_it(one: dict[str, Any], version: str) -> None:
    kubernetes_validate.validate(one, version, strict=True)


@every_resource
def test_it_goes_into_any_namespace(one: dict[str, Any]) -> None:
    assert "namespace" not in one["metadata"]
    assert one["metadata"]["labels"]["app.kubernetes.io/component"]


def test_all_run_one_image() -> None:
    images = {container["image"] for one in RUNNING for container in template(one)["spec"]["containers"]}
    assert len(images) == 1
    assert not images.pop().endswith(":latest")


@everything_that_runs
def test_a_pod_calls_a_command_that_there_is(one: dict[str, Any]) -> None:
    (container,) = template(one)["spec"]["containers"]
    for words in called(container["command"][-1]) if "command" in container else [container["args"]]:
        understood(words)
    known({variable["name"] for variable in container.get("env", [])})


@everything_that_runs
def test_a_pod_may_do_nothing_but_its_work(one: dict[str, Any]) -> None:
    pod = template(one)["spec"]
    assert pod["enableServiceLinks"] is False
    assert pod["automountServiceAccountToken"] is False
    assert pod["securityContext"]["runAsNonRoot"] is True
    assert pod["securityContext"]["runAsUser"] == 10001
    (container,) = pod["containers"]
    assert container["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
    assert container["resources"]["requests"].keys() == {"cpu", "memory"}
    assert container["resources"]["limits"].keys() == {"memory"}
    assert [mount["mountPath"] for mount in container["volumeMounts"]] == ["/tmp"]
    read = [source["secretRef"]["name"] for source in container["envFrom"]]
    assert read == (["caas-worker", "caas-owner"] if one["kind"] == "Job" else ["caas-worker"])


def test_the_example_secret_is_nobodys() -> None:
    secret = resource("Secret", "caas-worker-example")
    known({*secret["stringData"]})
    assert all("change-me" in value for value in secret["stringData"].values())


@everything_that_runs
def test_a_deployment_waits_for_the_batch(one: dict[str, Any]) -> None:
    if one["kind"] == "Deployment":
        assert template(one)["spec"]["terminationGracePeriodSeconds"] > PATIENCE_SECONDS


def test_selectors_find_their_pods() -> None:
    pods = {one["metadata"]["name"]: template(one)["metadata"]["labels"] for one in RUNNING}
    for one in KUBERNETES:
        if one["kind"] in {"Deployment", "PodDisruptionBudget"}:
            assert one["spec"]["selector"]["matchLabels"] == pods[one["metadata"]["name"]]
        elif one["kind"] == "Service":
            assert one["spec"]["selector"] == pods[one["metadata"]["name"]]


@pytest.mark.parametrize(("name", "option"), [("caas-worker", "--metrics-port"), ("credibility", "--port")])
def test_ports_are_those_of_the_command(name: str, option: str) -> None:
    pod = template(resource("Deployment", name))
    (container,) = pod["spec"]["containers"]
    port = container["args"][container["args"].index(option) + 1]
    assert [offered["containerPort"] for offered in container["ports"]] == [int(port)]
    assert pod["metadata"]["annotations"]["prometheus.io/port"] == port


def test_no_service_puts_settings_into_pods() -> None:
    assert not [one for one in KUBERNETES if one["kind"] == "Service" and one["metadata"]["name"].startswith("caas")]


def test_a_service_lives_without_the_database_but_is_not_asked() -> None:
    (container,) = template(resource("Deployment", "credibility"))["spec"]["containers"]
    assert container["livenessProbe"]["tcpSocket"] == {"port": "http"}
    assert container["readinessProbe"]["httpGet"] == {"path": "/api/caas/health", "port": "http"}


@pytest.mark.parametrize(
    ("code", "lives"),
    [(0, True), (1, False), (EXIT_CODES[DatabaseUnavailable], True), (EXIT_CODES[NotInstalled], True)],
)
def test_a_worker_is_restarted_only_when_it_is_silent(code: int, lives: bool, tmp_path: Path) -> None:
    (container,) = template(resource("Deployment", "caas-worker"))["spec"]["containers"]
    (tmp_path / "caas-worker").write_text(f'#!/bin/sh\n[ "$*" = health ] || exit 99\nexit {code}\n')
    (tmp_path / "caas-worker").chmod(0o755)
    probe = container["livenessProbe"]["exec"]["command"]
    path = f"{tmp_path}:{os.environ['PATH']}"
    assert (subprocess.run(probe, env={"PATH": path}, check=False).returncode == 0) is lives
    understood(container["readinessProbe"]["exec"]["command"][1:])
