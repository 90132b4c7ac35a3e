"""docs/how-to/add-a-strategy.md: the Python in it works as printed. (The SQL: tests/integration.)"""

import tomllib
from pathlib import Path

import pytest

from caas_worker.strategies import GROUP, Registry
from caas_worker.strategies.tutor import TutorStrategy
from docs.pages import ddl
from tests.docs.example import ADD_A_STRATEGY, blocks, files, load

FILES = files(ADD_A_STRATEGY)


def test_it_names_the_files_to_write() -> None:
    assert list(FILES) == [
        "views/workshops.sql",
        "migrations/functions/workshop_stats.sql",
        "triggers/workshops.sql",
        "caas_worker/strategies/host.py",
        "tests/spec/test_host.py",
    ]


def test_the_strategy_passes_its_own_cases(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    load("caas_worker.strategies.host", FILES["caas_worker/strategies/host.py"], tmp_path, monkeypatch)
    cases = load("test_host", FILES["tests/spec/test_host.py"], tmp_path, monkeypatch)
    cases.test_the_host_rule()


def test_the_entry_point_registers_it_beside_the_tutor_rule(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    host = load("caas_worker.strategies.host", FILES["caas_worker/strategies/host.py"], tmp_path, monkeypatch)
    [text] = blocks(ADD_A_STRATEGY, "toml")
    points = tomllib.loads(text)["project"]["entry-points"][GROUP]
    assert points == {
        "tutor": f"{TutorStrategy.__module__}:TutorStrategy",
        "host": f"{host.HostStrategy.__module__}:HostStrategy",
    }
    Registry([TutorStrategy(), host.HostStrategy()])


def test_the_reference_understands_its_sql(tmp_path: Path) -> None:
    [view] = ddl.tables(FILES["views/workshops.sql"]).values()
    assert view.columns.keys() == view.comments.keys() - {""}
    for name in ("migrations/functions/workshop_stats.sql", "triggers/workshops.sql"):
        (tmp_path / Path(name).name).write_text(FILES[name], encoding="utf-8")
    assert ddl.function(tmp_path / "workshop_stats.sql").comment
    assert ddl.watch(tmp_path / "workshops.sql").arguments["columns"] == ("held_at", "seats", "taken")
