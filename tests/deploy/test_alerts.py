"""The alert rules: promtool accepts and tests them, and what they name is there."""

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.deploy.exported import exported, metric_names
from tests.deploy.tools import DEPLOY, ROOT, accepts, understood
from tests.docs.test_links_and_names import anchors

FOLDER = DEPLOY / "prometheus"


def load(name: str) -> Any:
    return yaml.safe_load((FOLDER / name).read_text(encoding="utf-8"))


RULES = [rule for group in load("alerts.yml")["groups"] for rule in group["rules"]]
CASES = load("alerts.test.yml")["tests"]

every_rule = pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule["alert"])


@pytest.mark.parametrize(
    ("expr", "names"),
    [
        ("max(a:b_c) == 0", {"a:b_c"}),
        ('sum by (le, x) (rate(b{route="/x/{id} d"}[5m])) / on () e offset 5m > 0.5', {"b", "e"}),
        ("(max(caas_worker_up) or vector(0)) < 1 unless on () (max(up) == 0)", {"caas_worker_up", "up"}),
        ("histogram_quantile(0.95, sum without (x) (rate(h_bucket[$__rate_interval]))) > bool 1e3", {"h_bucket"}),
    ],
)
def test_metric_names_of_an_expression(expr: str, names: set[str]) -> None:
    assert metric_names(expr) == names


def test_promtool_accepts_the_rules() -> None:
    accepts("promtool", "check", "rules", "alerts.yml", cwd=FOLDER)


def test_every_alert_fires_when_it_should_and_not_just_below() -> None:
    accepts("promtool", "test", "rules", "alerts.test.yml", cwd=FOLDER)


def test_promtool_accepts_the_scrape_config() -> None:
    accepts("promtool", "check", "config", "prometheus.yml", cwd=FOLDER)


@every_rule
def test_an_alert_names_metrics_that_there_are(rule: dict[str, Any]) -> None:
    names = metric_names(rule["expr"])
    assert names
    assert names <= exported()


def test_the_cases_name_metrics_that_there_are() -> None:
    named = set().union(*(metric_names(series["series"]) for case in CASES for series in case["input_series"]))
    assert named <= exported()


@every_rule
def test_every_alert_has_cases_in_which_it_fires_and_its_text(rule: dict[str, Any]) -> None:
    fires = [
        expected["labels"]
        for case in CASES
        for at in case.get("promql_expr_test", [])
        for expected in at["exp_samples"]
    ]
    texts = [at["alertname"] for case in CASES for at in case.get("alert_rule_test", []) if at["exp_alerts"]]
    assert f'{{alertname="{rule["alert"]}"}}' in fires
    assert texts.count(rule["alert"]) == 1


@every_rule
def test_an_alert_says_how_bad_it_is_what_it_means_and_what_to_do(rule: dict[str, Any]) -> None:
    assert rule["labels"]["severity"] in {"critical", "warning"}
    annotations = rule["annotations"]
    assert annotations["summary"]
    commands = re.findall(r"`caas-worker ([^`]+)`", annotations["description"])
    assert commands
    for command in commands:
        understood(command.split())
    path, _, anchor = annotations["runbook_url"].partition("#")
    page = ROOT / path
    assert page == ROOT / "docs/how-to/when-scores-stand-still.md"
    assert anchor in anchors(page)


@every_rule
def test_age_and_depth_ignore_what_may_take_its_time(rule: dict[str, Any]) -> None:
    assert "caas_stalest_score_seconds" not in metric_names(rule["expr"])
    if "caas_queue_depth" in metric_names(rule["expr"]):
        assert 'priority=~"manual|live"' in rule["expr"]


def test_the_page_names_every_alert() -> None:
    page = Path(ROOT / "docs/how-to/watch.md").read_text(encoding="utf-8")
    assert set(re.findall(r"`(Caas\w+)`", page)) == {rule["alert"] for rule in RULES}
