"""caas.release and caas.restore: the application's own migrations of columns that the rules read."""

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from uuid import uuid4

import psycopg
import pytest
from psycopg.conninfo import make_conninfo

from caas_worker import migrate, worker
from caas_worker.db import Database
from caas_worker.errors import NotInstalled
from caas_worker.settings import Settings
from caas_worker.shipped import Shipped
from caas_worker.verify import Check, verify
from tests.interleaving import DEADLINE_SECONDS, one, until
from tests.migration.inventory import everything
from tests.migration.older_rows import audited, drain, registry
from tests.migration.test_down import quiet
from tests.people import add_booking, add_client, add_listing, add_review, add_tutor, marks

Owner = psycopg.Connection[Any]

VIEW = "caas.source_profile_reviews"
HALF_STARS = "alter table profile_reviews alter rating type numeric(2, 1)"


@pytest.fixture
def stranger(app: Owner) -> Iterator[str]:
    """A role that was granted nothing; gone afterwards with all that it got."""
    name = f"caas_test_{uuid4().hex}"
    app.execute(f"create role {name}".encode())
    yield name
    app.execute(f"drop owned by {name}; drop role {name}".encode())


def source_views(conninfo: str) -> dict[str, Check]:
    """What verify says of the source views that it finds wrong."""
    with Database(conninfo) as db:
        return {check.subject: check for check in verify(db, Shipped.load()) if not check.ok and not check.hint}


def test_a_column_that_a_rule_reads_can_not_be_altered_or_dropped_in_passing(app: Owner) -> None:
    before = everything(app)
    with pytest.raises(psycopg.errors.FeatureNotSupported, match=f"view {VIEW} depends on column"):
        app.execute(HALF_STARS)
    with pytest.raises(psycopg.errors.DependentObjectsStillExist, match=f"view {VIEW} depends on column rating"):
        app.execute("alter table profile_reviews drop column rating")
    with pytest.raises(psycopg.errors.DependentObjectsStillExist, match=f"view {VIEW} depends on table"):
        app.execute("drop table profile_reviews")
    app.execute("alter table profile_reviews drop column comment, add column likes integer")
    app.execute("alter table profile_reviews add column comment text, drop column likes")
    assert {line for line in everything(app) ^ before if "comment" not in line} == set()


def test_the_applications_migration_goes_through_in_one_transaction(app: Owner, url: str) -> None:
    before = everything(app)
    with app.transaction():
        assert one(app, "select caas.release('public.profile_reviews')") == ["source_profile_reviews"]
        app.execute(HALF_STARS)
        assert one(app, "select caas.restore()") == ["source_profile_reviews"]
    changed = everything(app) ^ before
    assert all("rating" in line for line in changed)
    assert any("numeric(2,1)" in line for line in changed)
    assert source_views(url) == {}
    assert marks(app) == []


def test_nobody_else_sees_a_moment_without_the_view(app: Owner, url: str) -> None:
    tutor, client = add_tutor(app), add_client(app)
    add_booking(app, add_listing(app, tutor), client)
    drain(url)
    enough, summaries = threading.Event(), list[worker.Summary]()

    def work() -> None:
        with Database(url) as db:
            line = worker.line(db, Settings(), registry())
            while not enough.is_set():
                summaries.append(worker.drain(line, batch_size=10))

    with ThreadPoolExecutor(1) as pool:
        working = pool.submit(work)
        try:
            for number in range(5):
                add_review(app, client, tutor, 5)
                seen = len(summaries)
                until(lambda seen=seen: len(summaries) > seen or working.done(), "the worker to go on")
                with app.transaction():
                    app.execute("select caas.release('profile_reviews'), caas.release('bookings')")
                    app.execute(f"alter table profile_reviews alter rating type numeric({2 + number}, 1)")
                    app.execute("select pg_sleep(0.05)")
                    app.execute("select caas.restore()")
        finally:
            enough.set()
        working.result(DEADLINE_SECONDS)
    assert sum(summary.failed + summary.dead for summary in summaries) == 0
    add_review(app, client, tutor, 4)
    app.execute("update profile_reviews set rating = 4.5")
    drain(url)
    assert audited(url).same == 2


def test_grants_come_back_as_they_were(app: Owner, stranger: str) -> None:
    def grants() -> list[tuple[Any, ...]]:
        return app.execute(
            "select r.rolname, a.privilege_type, a.is_grantable from pg_class as c cross join aclexplode(c.relacl) as a"
            " left join pg_roles as r on r.oid = a.grantee where c.oid = %s::regclass order by 1, 2",
            (VIEW,),
        ).fetchall()

    before = grants()
    assert ("caas_worker", "SELECT", False) in before
    with app.transaction():
        app.execute("select caas.release('profile_reviews')")
        for grantee in (stranger, "public"):
            app.execute(f"alter default privileges grant all on tables to {grantee}".encode())
        app.execute("select caas.restore()")
    assert grants() == before


def test_a_second_release_in_one_transaction_changes_nothing(app: Owner) -> None:
    before = everything(app)
    with app.transaction():
        app.execute("select caas.release('profile_reviews')")
        assert one(app, "select caas.release('profile_reviews')") == []
        app.execute("select caas.restore()")
        assert one(app, "select caas.restore()") == []
    assert everything(app) == before


def test_several_tables_are_released_and_restored_together(app: Owner) -> None:
    before = everything(app)
    with app.transaction():
        for table in ("bookings", "profiles", "listings"):
            app.execute("select caas.release(%s::regclass)", (table,))
        assert one(app, "select caas.restore()") == ["source_bookings", "source_listings", "source_profiles"]
    assert everything(app) == before


def test_a_view_that_no_longer_fits_undoes_the_whole_migration(app: Owner) -> None:
    def drop_what_a_rule_reads() -> None:
        with app.transaction():
            app.execute("select caas.release('profile_reviews')")
            app.execute("alter table profile_reviews drop column rating; create table later (id integer)")
            app.execute("select caas.restore()")

    before = everything(app)
    with pytest.raises(psycopg.errors.UndefinedColumn, match=r"r\.rating"):
        drop_what_a_rule_reads()
    assert everything(app) == before
    assert one(app, "select caas.restore()") == []


def test_restoring_nothing_is_harmless(app: Owner) -> None:
    before = everything(app)
    assert one(app, "select caas.restore()") == []
    assert everything(app) == before


def test_releasing_a_table_that_nothing_of_ours_reads_is_harmless(app: Owner) -> None:
    app.execute("create table notes (id integer); create view read_notes as select id from notes")
    before = everything(app)
    assert one(app, "select caas.release('notes')") == []
    assert one(app, "select caas.restore()") == []
    assert everything(app) == before


def test_a_view_of_the_applications_over_a_released_table_is_left_alone(app: Owner) -> None:
    app.execute("create view stars as select rating from profile_reviews")
    before = everything(app)
    with app.transaction():
        app.execute("select caas.release('profile_reviews')")
        assert one(app, "select count(*) from stars") == 0
        app.execute("select caas.restore()")
    assert everything(app) == before


def test_callers_need_no_search_path(app: Owner, url: str) -> None:
    before = everything(app)
    with psycopg.connect(make_conninfo(url, options="-c search_path=")) as tool:
        tool.execute("select caas.release('public.profile_reviews')")
        tool.execute("alter table public.profile_reviews alter rating type bigint")
        tool.execute("alter table public.profile_reviews alter rating type integer")
        tool.execute("select caas.restore()")
    assert everything(app) == before


@pytest.mark.parametrize("mending", ["restore", "migrate up"])
def test_a_restore_that_was_forgotten_is_told_and_mended(app: Owner, url: str, shipped: Shipped, mending: str) -> None:
    before = everything(app)
    app.execute("select caas.release('profile_reviews')")
    add_review(app, add_client(app), add_tutor(app), 5)
    assert {reason for reason, *_ in marks(app)} == {"profiles", "profile_reviews"}, "the application writes on"
    with pytest.raises(NotInstalled, match=f'"{VIEW}" does not exist. Run: caas-worker migrate up'):
        drain(url)
    [check] = source_views(url).values()
    assert (check.area, check.subject) == ("source view", VIEW)
    assert check.todo == "run as its owner: select caas.restore(); or run: caas-worker migrate up"

    if mending == "restore":
        assert one(app, "select caas.restore()") == ["source_profile_reviews"]
    else:
        assert migrate.up(url, shipped, quiet) > 0
        assert migrate.up(url, shipped, quiet) == 0
    assert source_views(url) == {}
    assert everything(app) == before
    drain(url)
    assert audited(url).same == 2


def test_migrate_up_names_the_column_that_a_migration_took_away(app: Owner, url: str, shipped: Shipped) -> None:
    app.execute("select caas.release('profile_reviews')")
    app.execute("alter table profile_reviews rename column rating to stars")
    with pytest.raises(Exception, match=r"profile_reviews \(rating\)"):
        migrate.up(url, shipped, quiet)
    app.execute("alter table profile_reviews rename column stars to rating")
    assert migrate.up(url, shipped, quiet) > 0
