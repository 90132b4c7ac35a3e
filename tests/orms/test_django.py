"""Django beside an installed database: `inspectdb` finds the application's tables, `makemigrations` nothing to do."""

import json
import re
from pathlib import Path

import pytest
from psycopg.conninfo import conninfo_to_dict

from caas_worker.marketplace.schema import TABLES
from tests.orms.conftest import Run

SETTINGS = """
import json
import os

DATABASES = {name: {"ENGINE": "django.db.backends.postgresql", **known}
             for name, known in json.loads(os.environ["DATABASES"]).items()}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
INSTALLED_APPS = ["shop"]
"""


@pytest.fixture
def django(run: Run, tmp_path: Path, url: str, marketplace: str) -> Run:
    """Runs a command of Django's in a project with one app; `default` is the installed database, `bare` is not."""
    (tmp_path / "settings.py").write_text(SETTINGS)
    (tmp_path / "shop").mkdir()
    for module in ("__init__", "models"):
        (tmp_path / "shop" / f"{module}.py").touch()
    names = {"dbname": "NAME", "user": "USER", "password": "PASSWORD", "host": "HOST", "port": "PORT"}
    databases = {
        alias: {names[key]: value for key, value in conninfo_to_dict(conninfo).items() if key in names}
        for alias, conninfo in (("default", url), ("bare", marketplace))
    }
    variables = {"DJANGO_SETTINGS_MODULE": "settings", "DATABASES": json.dumps(databases)}
    return lambda *arguments: run("django", *arguments, **variables)


def tables(models: str) -> set[str]:
    """The tables that these models are of."""
    return set(re.findall(r"db_table = '(\w+)'", models))


def test_inspectdb_finds_the_applications_tables_and_makemigrations_nothing_to_do(django: Run, tmp_path: Path) -> None:
    models = django("inspectdb")
    assert tables(models) == {*TABLES}
    assert models == django("inspectdb", "--database", "bare")
    (tmp_path / "shop" / "models.py").write_text(models)
    django("makemigrations", "shop")
    assert "No changes detected" in django("makemigrations", "--check")


def test_inspectdb_finds_the_readers_view_where_views_are_asked_for(django: Run) -> None:
    assert tables(django("inspectdb", "--include-views")) == {*TABLES, "caas_scores"}
