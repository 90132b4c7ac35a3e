"""Every function of ours, from the catalog: closed to everybody, pinned to a path, and as good as its volatility."""

import re

from caas_worker.shipped import Shipped
from tests.interleaving import Rows

OURS = """
    from pg_proc as p
    where p.pronamespace = 'caas'::regnamespace
"""
SAFE_PATH = "search_path=pg_catalog, pg_temp"


def names(app: Rows, condition: str) -> set[str]:
    return {row[0] for row in app.execute(f"select p.proname {OURS} and {condition}".encode()).fetchall()}


def test_there_are_functions_of_every_kind(app: Rows, shipped: Shipped) -> None:
    assert len(names(app, "true")) > len(shipped.functions)
    assert "enqueue" in names(app, "p.prosecdef")
    assert len(names(app, "p.prorettype = 'trigger'::regtype")) == len(shipped.triggers)


def test_public_may_execute_none(app: Rows) -> None:
    anybodys = "(p.proacl is null or exists (select from aclexplode(p.proacl) as a where a.grantee = 0))"
    assert names(app, anybodys) == set()


def test_every_function_pins_its_search_path_with_temporary_objects_last(app: Rows) -> None:
    rows = app.execute(f"select p.proname, p.proconfig {OURS}".encode()).fetchall()
    paths = {name: [c for c in config or [] if c.startswith("search_path=")] for name, config in rows}
    # the application's own triggers on profiles run under it: see its header, and test_escalation.py
    assert paths.pop("follow") == ["search_path=pg_catalog, public, pg_temp"]
    assert {name for name, path in paths.items() if path != [SAFE_PATH]} == set()


def test_those_that_run_as_their_owner_are_few_and_look_nowhere_else(app: Rows, shipped: Shipped) -> None:
    marking = {f"mark_{file.stem}" for file in shipped.triggers}
    assert names(app, "p.prosecdef") == marking | {"enqueue"}
    assert names(app, f"p.prosecdef and not coalesce('{SAFE_PATH}' = any(p.proconfig), false)") == set()


def test_those_that_run_as_their_owner_execute_no_text(app: Rows) -> None:
    assert names(app, r"p.prosecdef and p.prosrc ~* '\mexecute\M'") == set()


def test_every_function_that_is_created_names_its_volatility(shipped: Shipped) -> None:
    files = [*shipped.migrations, *shipped.functions]
    created = [
        (name, head)
        for file in files
        for name, head in re.findall(
            r"create (?:or replace )?function ([\w.%]+)\((.*?)\bas \$", re.sub(r"--.*", "", file.text), re.DOTALL
        )
    ]
    assert len(created) > len(shipped.functions)
    silent = {name for name, head in created if not re.search(r"^ *(volatile|stable|immutable)$", head, re.MULTILINE)}
    assert silent == set()


def test_what_is_not_volatile_writes_nothing(app: Rows) -> None:
    writes = r"\m(insert into|update (caas|public)|delete from|nextval|for update)\M"
    assert names(app, f"p.provolatile <> 'v' and p.prosrc ~* '{writes}'") == set()
