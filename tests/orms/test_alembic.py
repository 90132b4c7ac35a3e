"""Alembic beside an installed database: it proposes nothing about anything of ours."""

import re
from pathlib import Path

import pytest

from tests.orms.conftest import Run
from tests.people import Rows

INI = """
[alembic]
script_location = %(here)s
"""

ENVIRONMENT = """
import os

import psycopg
from alembic import context
from sqlalchemy import MetaData, create_engine


def engine(name):
    return create_engine("postgresql+psycopg://", creator=lambda: psycopg.connect(os.environ[name]))


models = MetaData()
models.reflect(engine("MODELS"))
with engine("DATABASE").connect() as connection:
    context.configure(connection=connection, target_metadata=models, OPTIONS)
    with context.begin_transaction():
        context.run_migrations()
"""

TEMPLATE = """
revision = ${repr(up_revision)}
down_revision = ${repr(down_revision)}


def upgrade():
    ${upgrades if upgrades else "pass"}
"""


OPTIONS = {
    "the defaults": "",
    "all schemas but ours": "include_schemas=True,"
    " include_name=lambda name, kind, parents: (kind, name) != ('schema', 'caas')",
}


@pytest.mark.parametrize("options", OPTIONS.values(), ids=OPTIONS)
def test_autogenerate_proposes_what_the_models_lack_and_nothing_of_ours(
    app: Rows, url: str, marketplace: str, run: Run, tmp_path: Path, options: str
) -> None:
    app.execute("create table public.forgotten (id integer)")
    (tmp_path / "alembic.ini").write_text(INI)
    (tmp_path / "env.py").write_text(ENVIRONMENT.replace("OPTIONS", options))
    (tmp_path / "script.py.mako").write_text(TEMPLATE)
    (tmp_path / "versions").mkdir()
    run("alembic", "revision", "--autogenerate", "--message", "next", MODELS=marketplace, DATABASE=url)
    [revision] = (tmp_path / "versions").glob("*.py")
    proposed = re.findall(r"^    (\w.*)$", revision.read_text(), flags=re.MULTILINE)
    assert proposed == ["op.drop_table('forgotten')"]
