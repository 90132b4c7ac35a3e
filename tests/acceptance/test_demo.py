"""The demo and the embedded server, as a newcomer meets them."""

import json
import os
import subprocess
from pathlib import Path

import psycopg

from tests.acceptance.conftest import Product, Wait


def servers(folder: Path) -> list[str]:
    found = subprocess.run(["pgrep", "-f", str(folder)], capture_output=True, text=True, check=False).stdout.split()
    return [pid for pid in found if int(pid) != os.getpid()]


def test_the_demo_ends_by_itself_with_a_summary_and_leaves_nothing_running(bare: Product, eventually: Wait) -> None:
    summary = json.loads(bare.call("demo", "--people", "300", "--seconds", "4", "--json"))
    assert summary["transactions"] > 20
    assert summary["errors"] == 0
    assert summary["scored"] > 0
    assert summary["freshness_p50"] < 1
    assert summary["differences"] == 0
    eventually(lambda: not servers(bare.folder))


def test_the_demo_without_a_terminal_prints_plain_lines_and_is_used_again(bare: Product) -> None:
    out = bare.call("demo", "--people", "300", "--seconds", "3")
    assert "freshness p50" in out
    assert "0 differences" in out
    assert "\x1b" not in out
    again = bare.call("demo", "--seconds", "2")
    assert "reusing the marketplace of" in bare.said
    assert "0 differences" in again
    bare.call("demo", "--fresh", "--people", "200", "--seconds", "2")
    assert "clearing" in bare.said


def test_commands_without_a_database_url_share_the_embedded_server(bare: Product) -> None:
    bare.call("demo", "--people", "300", "--seconds", "2")
    assert bare.read("queue", "status", "--json")["scores"] > 200
    assert "everything is in place" in bare.call("verify")


def test_the_demo_leaves_a_database_that_is_not_its_own_alone(bare: Product, database_url: str) -> None:
    with psycopg.connect(database_url, autocommit=True) as connection:
        connection.execute("create table profiles (id uuid primary key)")
    bare.call("demo", "--seconds", "2", code=5, CAAS_DATABASE_URL=database_url)
    assert "profiles" in bare.said
    bare.call("demo", "--fresh", "--seconds", "2", code=5, CAAS_DATABASE_URL=database_url)
