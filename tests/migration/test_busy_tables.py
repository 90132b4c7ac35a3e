"""Migrations and an application that is busy: who has to wait, and for how long."""

import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any

import psycopg
import pytest

from caas_worker import ledger, migrate
from caas_worker.errors import MigrationRefused
from caas_worker.ledger import Say
from caas_worker.shipped import Shipped
from tests.migration import older_release
from tests.migration.conftest import Up
from tests.migration.inventory import names_of_ours
from tests.migration.test_down import quiet, write_everywhere
from tests.people import add_booking, add_client, add_listing, add_tutor

Owner = psycopg.Connection[Any]
Holder = Callable[..., psycopg.Connection[Any]]

A_MOMENT_SECONDS = 1.2
"""The longest that the application's writes may take: a fifth of a second for a lock, the rest for a busy machine."""


@pytest.fixture
def hold(marketplace: str) -> Iterator[Holder]:
    """Opens a transaction of the application that did this and does not end."""
    opened: list[psycopg.Connection[Any]] = []

    def open_one(statement: str) -> psycopg.Connection[Any]:
        connection = psycopg.connect(marketplace, application_name="checkout")
        opened.append(connection)
        connection.execute(statement.encode())
        return connection

    yield open_one
    for connection in opened:
        connection.close()


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """No migration of this test tries again for longer than half a second."""
    monkeypatch.setattr(migrate, "open_ledger", partial(ledger.open_ledger, patience_seconds=0.5))


Migration = Callable[[str, Shipped, Say], object]
REMOVALS: dict[str, Migration] = {
    "uninstall": migrate.uninstall,
    "down": migrate.down,
    "off": partial(migrate.switch, on=False),
}


def test_up_names_who_holds_a_table_and_goes_on_later(up: Up, owner: Owner, hold: Holder) -> None:
    holder = hold("update bookings set status = status")
    with pytest.raises(MigrationRefused) as refused:
        up(patience_seconds=0.5)
    assert (
        f"public.bookings stayed locked for 0 s by pid {holder.info.backend_pid} checkout idle in transaction"
        in str(refused.value)
    )
    write_everywhere(owner)
    holder.rollback()
    assert up() > 0
    assert up() == 0


@pytest.mark.usefixtures("impatient")
@pytest.mark.parametrize("removal", REMOVALS)
def test_removing_names_who_holds_a_table_and_goes_on_later(
    marketplace: str, up: Up, owner: Owner, hold: Holder, shipped: Shipped, removal: str
) -> None:
    up()
    holder = hold("update profiles set bio = bio")
    with pytest.raises(
        MigrationRefused, match=f"public.profiles stayed locked .* pid {holder.info.backend_pid} checkout"
    ):
        REMOVALS[removal](marketplace, shipped, quiet)
    write_everywhere(owner)
    holder.rollback()
    REMOVALS[removal](marketplace, shipped, quiet)


@pytest.mark.parametrize("removal", ["up", *REMOVALS])
def test_a_migration_waits_until_the_transaction_ends(
    marketplace: str, up: Up, hold: Holder, shipped: Shipped, removal: str
) -> None:
    if removal != "up":
        up()
    holder = hold("update bookings set status = status")
    waits = threading.Event()

    def say(message: str) -> None:
        if message.startswith("public.bookings is busy"):
            waits.set()

    with ThreadPoolExecutor(1) as pool:
        running = pool.submit({"up": migrate.up, **REMOVALS}[removal], marketplace, shipped, say)
        assert waits.wait(timeout=20)
        assert not running.done()
        holder.commit()
        running.result(timeout=20)


@pytest.mark.usefixtures("impatient")
@pytest.mark.parametrize(
    "reading",
    ["select * from caas.scores", "select caas.enqueue(array[gen_random_uuid()], 'word')"],
)
def test_uninstall_is_refused_in_words_while_somebody_reads_scores(
    marketplace: str, up: Up, owner: Owner, hold: Holder, shipped: Shipped, reading: str
) -> None:
    up()
    holder = hold(reading)
    with pytest.raises(MigrationRefused, match=f"stayed locked .* pid {holder.info.backend_pid} checkout"):
        migrate.uninstall(marketplace, shipped, quiet)
    write_everywhere(owner)
    holder.rollback()
    migrate.uninstall(marketplace, shipped, quiet)
    assert names_of_ours(owner) == set()


def longest_while(act: Callable[[], object], work: Callable[[], object]) -> float:
    """The longest time that `act` took, which was done again and again while `work` went on, in seconds."""
    longest = 0.0
    with ThreadPoolExecutor(1) as pool:
        running = pool.submit(work)
        while not running.done():
            begun = time.monotonic()
            act()
            longest = max(longest, time.monotonic() - begun)
        running.result()
    return longest


def longest_write_while(app: Owner, work: Callable[[], object]) -> float:
    """The longest time that one of the application's writes took while `work` went on, in seconds."""
    tutor, client = add_tutor(app), add_client(app)
    listing = add_listing(app, tutor)

    def write() -> None:
        add_booking(app, listing, client)
        app.execute("update profiles set bio = bio || 'x' where id = %s", (tutor,))

    return longest_while(write, work) / 2


def test_writers_wait_a_moment_at_most_while_up_waits_for_a_table(
    marketplace: str, owner: Owner, hold: Holder, shipped: Shipped
) -> None:
    hold("update bookings set status = status")

    def migrate_in_vain() -> None:
        with pytest.raises(MigrationRefused):
            migrate.up(marketplace, shipped, quiet, patience_seconds=1.5)

    assert longest_write_while(owner, migrate_in_vain) < A_MOMENT_SECONDS


def test_writers_wait_a_moment_at_most_while_all_is_installed_and_removed(
    marketplace: str, up: Up, owner: Owner, shipped: Shipped
) -> None:
    def install_and_remove() -> None:
        for _ in range(3):
            up()
            migrate.switch(marketplace, shipped, quiet, on=False)
            migrate.switch(marketplace, shipped, quiet, on=True)
            migrate.uninstall(marketplace, shipped, quiet)

    assert longest_write_while(owner, install_and_remove) < A_MOMENT_SECONDS


def test_a_transaction_that_outlasts_the_removal_of_other_tables_commits(
    marketplace: str, up: Up, owner: Owner, hold: Holder, shipped: Shipped
) -> None:
    up()
    holder = hold("insert into profiles (roles) values ('{TUTOR}')")
    with ThreadPoolExecutor(1) as pool:
        left = threading.Event()
        running = pool.submit(
            migrate.uninstall,
            marketplace,
            shipped,
            lambda said: left.set() if said.startswith("public.profiles is") else None,
        )
        assert left.wait(timeout=20)
        holder.execute("update profiles set bio = 'later'")
        holder.execute("insert into listings (title) values ('written after its triggers had gone')")
        holder.commit()
        running.result(timeout=20)
    assert owner.execute("select bio from profiles").fetchall() == [("later",)]
    assert names_of_ours(owner) == set()


def test_grants_wait_for_nobody_who_writes(up: Up, owner: Owner, hold: Holder) -> None:
    up()
    owner.execute("revoke all (caas_score) on profiles from caas_worker")
    holder = hold("update profiles set bio = bio; select * from bookings for update; select * from caas.scores")
    assert up(patience_seconds=0) == 2, "select and update on the column"
    holder.rollback()


def test_the_cache_of_an_older_release_moves_without_holding_its_readers_up(up: Up, owner: Owner, hold: Holder) -> None:
    older_release.install(owner)
    holder = hold("select * from caas_scores")

    def migrate_in_vain() -> None:
        with pytest.raises(MigrationRefused, match=f"stayed locked .* pid {holder.info.backend_pid} checkout"):
            up(patience_seconds=1.5)

    assert longest_while(lambda: owner.execute("select * from caas_scores"), migrate_in_vain) < A_MOMENT_SECONDS
    holder.rollback()
    assert longest_while(lambda: owner.execute("select * from caas_scores"), up) < A_MOMENT_SECONDS


def test_a_second_migration_waits_and_then_says_why_it_gave_up(marketplace: str, shipped: Shipped) -> None:
    with (
        ledger.open_ledger(marketplace, quiet),
        pytest.raises(MigrationRefused, match="Another migration is running on this database"),
    ):
        migrate.up(marketplace, shipped, quiet, patience_seconds=0.3)
    assert migrate.up(marketplace, shipped, quiet) > 0
