"""A smoke test goes down the whole line and leaves nothing behind, whoever works at the same time."""

import json
import threading
from collections.abc import Callable
from typing import Any
from uuid import UUID

import psycopg
import pytest
import typer
from click.testing import Result
from psycopg import sql
from typer.testing import CliRunner

from caas_worker import holds, worker
from caas_worker.cli import chores
from caas_worker.db import Database
from caas_worker.errors import DatabaseUnavailable
from caas_worker.pipeline import Line
from caas_worker.settings import Settings
from caas_worker.smoke import STEPS, Smoke, smoke
from caas_worker.strategies import Registry
from caas_worker.strategies.agent import AgentStrategy
from caas_worker.strategies.client import ClientStrategy
from caas_worker.strategies.tutor import TutorStrategy
from tests.integration.test_drain import Scripted, add_tutors, enqueue
from tests.interleaving import one, plain_role, worker_as
from tests.people import Rows, add_client, add_profile, add_tutor, connect_people

Drain = Callable[..., worker.Summary]
Try = Callable[..., Smoke]

TRIGGER = (
    "create function their_trigger() returns trigger language plpgsql as "
    "$$ begin raise notice 'a mail is sent'; return null; end $$; "
    "create trigger their_trigger after insert on profiles for each row execute function their_trigger()"
)


@pytest.fixture
def attempt(db: Database, settings: Settings) -> Try:
    """One smoke test: `attempt(insert=True)`."""
    registry = Registry([TutorStrategy(), ClientStrategy(), AgentStrategy()])
    return lambda **options: smoke(options.pop("db", db), settings, options.pop("registry", registry), **options)


@pytest.fixture
def run(pooled_url: str, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Result]:
    """Runs the command: `run("--json")`."""
    monkeypatch.setenv("CAAS_DATABASE_URL", pooled_url)
    app = typer.Typer()
    chores.register(app)
    return lambda *arguments: CliRunner().invoke(app, ["smoke", *arguments])


def everything(app: Rows) -> dict[str, Any]:
    """Every row of every table, with who wrote it."""
    tables = app.execute(
        "select oid::regclass::text from pg_class where relkind = 'r' "
        "and relnamespace in ('public'::regnamespace, 'caas'::regnamespace)"
    ).fetchall()
    return {
        table: app.execute(
            sql.SQL("select xmin::text, ctid::text, t.* from {} as t order by ctid").format(sql.SQL(table))
        ).fetchall()
        for (table,) in tables
    }


def steps(run: Smoke) -> dict[str, bool]:
    return {step.step: step.ok for step in run.steps}


def failed(run: Smoke) -> str:
    """Step and note of the failure, which is the last step."""
    assert not run.ok
    assert [step.ok for step in run.steps] == [*([True] * (len(run.steps) - 1)), False]
    assert run.todo
    return f"{run.steps[-1].step}: {run.steps[-1].note}"


@pytest.mark.parametrize("insert", [None, True, False])
def test_every_step_works_and_nothing_is_left(app: Rows, drain: Drain, attempt: Try, insert: bool | None) -> None:
    agent, tutor = add_profile(app, "AGENT"), add_tutor(app)
    connect_people(app, agent, tutor, "AGENT_REFERRAL")
    add_client(app)
    drain()
    add_tutor(app)
    before = everything(app)
    run = attempt(insert=insert)
    assert steps(run) == dict.fromkeys(STEPS, True)
    assert run.ok
    assert all(step.milliseconds > 0 for step in run.steps)
    assert run.synthetic == (insert is not False)
    assert run.total == 32 if run.synthetic else run.total is not None
    assert ("trigger" if run.synthetic else "by hand") in run.steps[0].note
    assert everything(app) == before


def test_where_nothing_was_ever_computed_it_says_that_the_rules_are_not_published(app: Rows, attempt: Try) -> None:
    run = attempt()
    assert run.ok
    assert "TUTOR tutor-v" in run.steps[5].note
    assert one(app, "select count(*) from caas.rules") == 0


def test_the_profile_of_somebody_in_the_queue_is_good_enough(app: Rows, line: Line, attempt: Try) -> None:
    """After a new rule everyone stands there."""
    enqueue(app, add_tutors(app, 3))
    line.fold(whole=True)
    before = everything(app)
    run = attempt(insert=False)
    assert run.ok, run
    assert everything(app) == before


def test_entries_that_come_first_are_not_claimed_instead(app: Rows, line: Line, attempt: Try) -> None:
    for priority in (0, 10, 90):
        enqueue(app, add_tutors(app, 3), priority=priority)
        line.fold(whole=True)
    for insert in (True, False):
        run = attempt(insert=insert)
        assert (run.ok, run.synthetic) == (True, insert), run


def test_an_entry_of_another_worker_is_left_alone(app: Rows, line: Line, attempt: Try) -> None:
    tutors = add_tutors(app, 3)
    enqueue(app, tutors)
    line.fold(whole=True)
    line.claimant.claim(2)
    before = everything(app)
    run = attempt(insert=False)
    assert run.ok, run
    assert run.profile_id in tutors
    assert everything(app) == before
    line.claimant.claim(3)
    line.claimant.settle()
    app.execute("update caas.recalculation_queue set token = gen_random_uuid(), lease_until = now() + interval '1 h'")
    assert "--insert" in failed(attempt(insert=False))


def test_somebody_elses_lock_is_not_waited_for(
    app: Rows, connect: Callable[..., Rows], line: Line, attempt: Try
) -> None:
    first, second = add_tutors(app, 2)
    enqueue(app, [first, second])
    line.fold(whole=True)
    holder = connect(autocommit=False)
    holder.execute("select from caas.recalculation_queue where profile_id = %s for update", (first,))
    for _ in range(5):
        run = attempt(insert=False)
        assert run.ok, run
        assert run.profile_id == second
    holder.execute("select from caas.recalculation_queue where profile_id = %s for update", (second,))
    assert failed(attempt(insert=False)).startswith("mark: every profile that was tried is being worked on")
    assert attempt().ok


def test_workers_and_writers_at_the_same_time_are_not_disturbed(
    app: Rows, connect: Callable[..., Rows], make_line: Callable[..., Line], attempt: Try
) -> None:
    tutors = add_tutors(app, 20)
    enqueue(app, tutors)
    worker.drain(make_line(), batch_size=10)
    end = threading.Event()
    errors: list[BaseException] = []
    lost: list[int] = []

    def write() -> None:
        own = connect()
        turn = 0
        while not end.is_set():
            turn += 1
            own.execute(
                "update profiles set available_free_help = not available_free_help where id = %s", (tutors[turn % 20],)
            )

    def work() -> None:
        line = make_line()
        while not end.is_set():
            line.fold()
            batch = line.run_batch(7)
            lost.append(batch.endings.get("lost", 0) + batch.endings.get("failed", 0) if batch else 0)

    def guarded(job: Callable[[], None]) -> None:
        try:
            job()
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=guarded, args=(job,)) for job in (write, work, work)]
    for thread in threads:
        thread.start()
    try:
        runs = [attempt(insert=number % 2 == 0) for number in range(60)]
    finally:
        end.set()
        for thread in threads:
            thread.join()
    assert errors == []
    assert sum(lost) == 0
    assert [run for run in runs if run.synthetic and not run.ok] == []
    assert {run.steps[-1].note.partition(";")[0] for run in runs if not run.ok} <= {
        "every profile that was tried is being worked on",
        "there is no profile, or none that nobody is working on",
    }
    assert sum(run.ok and not run.synthetic for run in runs) > 0
    assert {key for run in runs if (key := run.profile_id) and not run.synthetic} <= set(tutors)
    assert one(app, "select count(*) from profiles") == 20


def test_a_held_score_is_no_fault(app: Rows, db: Database, drain: Drain, attempt: Try) -> None:
    tutor = add_tutor(app)
    drain()
    holds.hold(db, tutor, 7, reason="test", actor="test")
    drain()
    run = attempt(insert=False)
    assert (run.ok, run.total) == (True, 7)


def test_triggers_of_the_application_do_not_run_unless_that_is_asked_for(app: Rows, drain: Drain, attempt: Try) -> None:
    add_tutor(app)
    drain()
    app.execute(TRIGGER)
    run = attempt()
    assert (run.ok, run.synthetic) == (True, False)
    assert "triggers, rules or policies of the application's, which --insert would run" in run.steps[0].note
    run = attempt(insert=True)
    assert (run.ok, run.synthetic) == (True, True)


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ("alter table profiles alter column email set not null", "null value"),
        ("alter table profiles add constraint known check (display_name is not null)", "known"),
        ("alter table profiles add foreign key (id) references accounts (id)", "foreign key"),
    ],
)
def test_a_table_that_takes_no_synthetic_profile_is_tried_with_an_existing_one(
    app: Rows, drain: Drain, attempt: Try, change: str, why: str
) -> None:
    app.execute("create table accounts (id uuid primary key)")
    tutor = add_tutor(app, email="a@example.org", display_name="A")
    app.execute("insert into accounts values (%s)", (tutor,))
    drain()
    app.execute(change)
    before = everything(app)
    for insert in (None, True):
        run = attempt(insert=insert)
        assert (run.ok, run.synthetic, run.profile_id) == (True, False, tutor)
        assert why in run.steps[0].note
    assert everything(app) == before


def test_a_worker_needs_no_more_than_it_has(app: Rows, url: str, drain: Drain, attempt: Try) -> None:
    tutor = add_tutor(app)
    drain()
    before = everything(app)
    with plain_role(app, ours=True) as role:
        app.execute(f"revoke insert, update, delete on all tables in schema public from {role}")
        with worker_as(url, role) as db:
            run = attempt(db=db)
            assert (run.ok, run.synthetic, run.profile_id) == (True, False, tutor), run
            assert run.steps[0].note == "by hand: this role may not insert profiles"
            assert attempt(db=db, insert=True).steps[0].note == run.steps[0].note
    assert everything(app) == before


def test_nobody_to_try_with_is_a_failure_that_says_so(app: Rows, attempt: Try) -> None:
    assert "there is no profile, or none" in failed(attempt(insert=False))
    assert one(app, "select count(*) from caas.changes") == 0


FAULTS = {
    "alter table profiles disable trigger user": "mark: The insert left no mark",
    "drop function caas.mark_profiles() cascade": "mark: The insert left no mark",
    "alter table caas.changes rename to changed": "mark: relation",
    "drop function caas.fold(integer, bigint, bigint[], interval)": "fold: function",
    "drop function caas.claim(integer, uuid, interval, bigint[], boolean)": "claim: function",
    "drop function caas.network_stats(uuid[], timestamptz)": "stats: function",
    "create or replace function caas.network_stats(profile_ids uuid[], as_of timestamptz default now()) returns table "
    "(profile_id uuid, referral_count int, connection_count int, is_agent_referred bool) language plpgsql stable as "
    "$$ begin return query select 1 / 0, 0, 0, false; end $$": "stats: DatabaseError: division by zero",
    "drop function caas.refresh_pairs(uuid, uuid[])": "stats: function",
    "create or replace function caas.refresh_pairs(claim_token uuid, claimed uuid[]) returns void language plpgsql as "
    "$$ begin perform 1 / 0; end $$": "stats: DatabaseError: division by zero",
    "drop function caas.quality_sums(uuid[], timestamptz, text)": "cache: function",
    "insert into caas.rules (role_type, version) values ('TUTOR', 'tutor-v99.0')": "cache: Other rules are published",
    "drop function caas.cache(uuid, uuid[], jsonb, uuid[], boolean, jsonb)": "cache: function",
    "alter table caas.scores add check (total_score <> 32)": "cache: new row for relation",
    "alter table caas.tutor_scores add check (score_type <> 'ths')": "cache: new row for relation",
}


@pytest.mark.parametrize(("fault", "said"), FAULTS.items(), ids=FAULTS.values())
def test_a_fault_is_named_by_its_step(app: Rows, attempt: Try, fault: str, said: str) -> None:
    app.execute(fault.encode())
    before = everything(app)
    assert failed(attempt()).startswith(said)
    assert everything(app) == before


def test_a_rule_that_fails_is_named_by_its_step(attempt: Try) -> None:
    def fail(_: object) -> None:
        raise ValueError("no score for this one")

    assert failed(attempt(registry=Registry([Scripted(fail)]))) == "strategy: ValueError: no score for this one"


def test_a_quality_rule_that_fails_is_named_by_its_step(attempt: Try, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise ValueError("no quality for this one")

    monkeypatch.setattr("caas_worker.appraisal.appraise", fail)
    assert failed(attempt()) == "cache: A quality rule failed: no quality for this one"


def test_a_reader_who_does_not_see_the_row_is_told_at_the_last_step(
    app: Rows, attempt: Try, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("caas_worker.smoke.read.read_many", lambda *_: {})
    assert failed(attempt()).startswith("read: The row that was just written")
    assert one(app, "select count(*) from profiles") == 0


def test_a_database_that_goes_away_is_no_step_of_the_line(
    app: Rows, attempt: Try, monkeypatch: pytest.MonkeyPatch
) -> None:
    def cut(*_: object, **__: object) -> None:
        app.execute(
            "select pg_terminate_backend(pid) from pg_stat_activity where application_name = 'caas-worker' "
            "and datname = current_database()"
        )
        raise psycopg.OperationalError("cut")

    monkeypatch.setattr("caas_worker.smoke.rules.publish", cut)
    with pytest.raises(DatabaseUnavailable):
        attempt()


def test_the_command_prints_a_line_for_every_step(app: Rows, run: Callable[..., Result]) -> None:
    result = run()
    assert result.exit_code == 0
    assert [line.split()[:2] for line in result.stdout.splitlines()[:7]] == [[step, "✓"] for step in STEPS]
    assert "every step works; everything is rolled back" in result.stdout
    answer = json.loads(run("--json").stdout)
    assert (answer["ok"], answer["synthetic"], answer["total"], answer["todo"]) == (True, True, 32, "")
    assert UUID(answer["profile_id"])
    assert [step["step"] for step in answer["steps"]] == list(STEPS)
    app.execute("alter table profiles disable trigger user")
    result = run()
    assert result.exit_code == 1
    assert result.stdout.splitlines()[0].startswith("mark     ✗")
    assert result.stdout.splitlines()[1] == "fold     not tried"
    assert "caas-worker verify" in result.stdout
    assert json.loads(run("--json").stdout)["ok"] is False


def test_bad_arguments_are_refused(run: Callable[..., Result]) -> None:
    assert run("--profile", "x").exit_code == 2
