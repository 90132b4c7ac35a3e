"""The dashboard: what Grafana needs for an import, and that its queries name metrics that there are."""

import json
import re
from itertools import combinations
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.deploy.exported import exported, family, kinds, metric_names
from tests.deploy.tools import DEPLOY, ROOT, accepts

BOARD = json.loads((DEPLOY / "grafana/caas-worker.json").read_text(encoding="utf-8"))
PANELS = [panel for panel in BOARD["panels"] if panel["type"] != "row"]
EXPRESSIONS = [target["expr"] for panel in PANELS for target in panel["targets"]]

every_panel = pytest.mark.parametrize("panel", PANELS, ids=lambda panel: f"{panel['id']} {panel['title']}")


def test_it_can_be_imported() -> None:
    assert BOARD["schemaVersion"] >= 39
    assert BOARD["uid"] == "caas-worker"
    assert BOARD["title"]
    assert "id" not in BOARD
    (variable,) = BOARD["templating"]["list"]
    assert (variable["name"], variable["type"], variable["query"]) == ("datasource", "datasource", "prometheus")


def test_panels_have_ids_and_titles_of_their_own() -> None:
    ids = [panel["id"] for panel in BOARD["panels"]]
    assert len({*ids}) == len(ids)
    places = [(panel["title"], panel["type"]) for panel in BOARD["panels"]]
    assert len({*places}) == len(places)


def test_panels_lie_within_the_grid_and_beside_each_other() -> None:
    cells: dict[int, set[tuple[int, int]]] = {}
    for panel in BOARD["panels"]:
        at = panel["gridPos"]
        assert at["x"] >= 0
        assert at["x"] + at["w"] <= 24
        cells[panel["id"]] = {
            (x, y) for x in range(at["x"], at["x"] + at["w"]) for y in range(at["y"], at["y"] + at["h"])
        }
    for one, other in combinations(cells, 2):
        assert not cells[one] & cells[other], (one, other)


@every_panel
def test_a_panel_says_what_it_shows_in_which_unit(panel: dict[str, Any]) -> None:
    assert panel["description"].endswith(".")
    defaults = panel["fieldConfig"]["defaults"]
    assert defaults["unit"]
    steps = defaults["thresholds"]["steps"]
    assert steps[0]["value"] is None
    values = [step["value"] for step in steps[1:]]
    assert values == sorted(values)


@every_panel
def test_a_panel_asks_the_chosen_source_for_metrics_that_there_are(panel: dict[str, Any]) -> None:
    assert panel["targets"]
    assert len({target["refId"] for target in panel["targets"]}) == len(panel["targets"])
    for asked in (panel, *panel["targets"]):
        assert asked["datasource"] == {"type": "prometheus", "uid": "${datasource}"}
    for target in panel["targets"]:
        names = metric_names(target["expr"])
        assert names
        assert names <= exported()


def test_promtool_accepts_every_query(tmp_path: Path) -> None:
    rules = [
        {"record": f"panel:{number}", "expr": expr.replace("$__rate_interval", "1m")}
        for number, expr in enumerate(EXPRESSIONS)
    ]
    (tmp_path / "rules.yml").write_text(yaml.safe_dump({"groups": [{"name": "panels", "rules": rules}]}))
    accepts("promtool", "check", "rules", tmp_path / "rules.yml")


def test_every_metric_is_on_it() -> None:
    shown = {family(name) for expr in EXPRESSIONS for name in metric_names(expr)}
    assert shown == {*kinds()}


def test_the_page_names_every_metric() -> None:
    page = (ROOT / "docs/how-to/watch.md").read_text(encoding="utf-8")
    table = dict(re.findall(r"^\| `(caas_\w+)` \| (\w+) \|", page, re.MULTILINE))
    assert table == kinds()
