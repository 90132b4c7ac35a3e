"""A backup by a role that may read everything and nothing more: pg_dump works, and what it wrote can be restored."""

import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest
from psycopg.conninfo import conninfo_to_dict

from caas_worker import follow, holds, migrate, worker
from caas_worker.db import Database
from caas_worker.embedded.programs import wheel_bin_dir
from caas_worker.errors import EmbeddedServerError
from caas_worker.pipeline import Line
from caas_worker.settings import Settings
from caas_worker.shipped import Shipped
from caas_worker.strategies import Registry
from caas_worker.strategies.agent import AgentStrategy
from caas_worker.strategies.client import ClientStrategy
from caas_worker.strategies.tutor import TutorStrategy
from caas_worker.verify import OUR_TABLES
from tests.conftest import Databases
from tests.interleaving import Rows, one
from tests.people import add_booking, add_client, add_listing, add_profile, add_review, add_tutor, total
from tests.security.conftest import OURS, Login, allowed, faults


def programs(app: Rows) -> Path:
    """A folder with pg_dump and pg_restore that are no older than the server.

    Those beside the server's own programs, else the distribution's newest. The test is skipped where there are none, or
    with CAAS_TEST_REQUIRE_TOOLS=1 fails.
    """
    if named := os.environ.get("CAAS_TEST_POSTGRES_BIN"):
        folders = [Path(named)]
    else:
        try:
            folders = [wheel_bin_dir()]
        except EmbeddedServerError:
            folders = []
    folders += sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)
    if path := shutil.which("pg_dump"):
        folders.append(Path(path).resolve().parent)
    wanted = app.info.server_version // 10_000
    for folder in folders:
        if (folder / "pg_dump").is_file() and (folder / "pg_restore").is_file() and major(folder) >= wanted:
            return folder
    missing = f"there is no pg_dump of PostgreSQL {wanted} or later"
    if os.environ.get("CAAS_TEST_REQUIRE_TOOLS") == "1":
        pytest.fail(missing)
    pytest.skip(missing)


def major(folder: Path) -> int:
    """The version of a folder's pg_dump; 0 where it does not run here."""
    done = subprocess.run([folder / "pg_dump", "--version"], capture_output=True, text=True, check=False)
    found = re.search(r"\(PostgreSQL\) (\d+)", done.stdout)
    return int(found[1]) if found else 0


def run(program: Path, conninfo: str, *arguments: str) -> None:
    """Run one of the programs on a database; it has to end with 0 and without a warning."""
    command = [program, "--no-password", f"--dbname={conninfo}", *arguments]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stderr) == (0, "")


@pytest.fixture
def backup(app: Rows, login: Login) -> str:
    """The conninfo of a role that reads everything, and that row-level security would bind."""
    conninfo = login("pg_read_all_data")
    name = conninfo_to_dict(conninfo)["user"]
    assert one(app, "select not rolsuper and not rolbypassrls from pg_roles where rolname = %s", name)
    return conninfo


@pytest.fixture
def restored(databases: Databases) -> Iterator[str]:
    """An empty database to restore into."""
    conninfo = databases.create()
    yield conninfo
    databases.drop(conninfo)


def everything(app: Rows) -> dict[str, Any]:
    """Every row of ours and the sequence, and what readers see."""
    found: dict[str, Any] = {
        table: app.execute(f"select t from caas.{table} as t order by t::text".encode()).fetchall()
        for table in OUR_TABLES
    }
    found["migrations"] = app.execute("select name, sha256 from caas.migrations order by name").fetchall()
    found["generation"] = one(app, "select last_value from caas.generation")
    found["seen"] = app.execute("select s from public.caas_scores as s order by profile_id").fetchall()
    return found


def make_line(db: Database) -> Line:
    return worker.line(db, Settings(), Registry([TutorStrategy(), ClientStrategy(), AgentStrategy()]))


def test_a_dump_by_a_role_that_only_reads_is_restored_and_goes_on(
    app: Rows, db: Database, line: Line, backup: str, restored: str, tmp_path: Path
) -> None:
    folder = programs(app)
    tutor, client, agent = add_tutor(app), add_client(app), add_profile(app, "AGENT")
    add_review(app, client, tutor, 5, booking_id=add_booking(app, add_listing(app, tutor), client))
    worker.drain(line, batch_size=10)
    holds.hold(db, client, 7, reason="fraud", actor="ann")
    late = add_tutor(app)
    assert None not in [total(app, profile) for profile in (tutor, client, agent)]
    before, rights = everything(app), {role: allowed(app, role) for role in (*OURS, "public")}
    assert len(before["scores"]) == 3
    assert before["changes"] != []

    dump = tmp_path / "dump"
    run(folder / "pg_dump", backup, "--format=custom", f"--file={dump}")
    run(folder / "pg_restore", restored, "--exit-on-error", str(dump))

    with psycopg.connect(restored, autocommit=True) as copy, Database(restored) as copied:
        assert everything(copy) == before
        assert faults(copied) == {}
        assert {role: allowed(copy, role) for role in rights} == rights
        assert migrate.up(restored, Shipped.load(), lambda _: None) == 0
        # the marks that were waiting are worked off there, new ones are made, and numbers go on where they were
        another = add_tutor(copy)
        assert worker.drain(make_line(copied), batch_size=10).failed == 0
        assert (total(copy, late), total(copy, another)) == (32, 32)
        assert one(copy, "select caas_score from profiles where id = %s", another) == 32
        assert follow.follow(copied, [late]) == 0
    assert everything(app) == before, "the database that was dumped is as it was"


def test_the_scores_alone_are_dumped_too(app: Rows, backup: str, line: Line, tmp_path: Path) -> None:
    folder = programs(app)
    for _ in range(3):
        add_profile(app, "AGENT")
    worker.drain(line, batch_size=10)
    dump = tmp_path / "dump.sql"
    run(folder / "pg_dump", backup, "--data-only", "--table=caas.scores", f"--file={dump}")
    copied = dump.read_text().partition("COPY caas.scores ")[2].partition("\n\\.\n")[0]
    assert len(copied.splitlines()) == 1 + 3, "agents are among them: the filter is the view's"
