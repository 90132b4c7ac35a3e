"""An audit finds what the cache has wrong, and calls nothing wrong that is only on its way."""

import itertools
import json
import signal
import threading
from collections.abc import Callable, Iterator
from typing import Any
from uuid import UUID, uuid4

import pytest
import typer
from click.testing import Result
from psycopg.conninfo import make_conninfo
from typer.testing import CliRunner

from caas_worker import audit, holds, worker
from caas_worker.cli import audit as command
from caas_worker.db import Database
from caas_worker.errors import CaasError, RulesOutdated, SettingsError
from caas_worker.pipeline import Line
from caas_worker.settings import Settings
from tests.integration.test_drain import add_tutors, enqueue, failing
from tests.interleaving import one, plain_role, worker_as
from tests.people import (
    Rows,
    add_booking,
    add_client,
    add_listing,
    add_profile,
    add_review,
    add_tutor,
    connect_people,
    total,
)

Drain = Callable[..., worker.Summary]
MakeLine = Callable[..., Line]


@pytest.fixture
def check(db: Database, line: Line) -> Callable[..., audit.Report]:
    """Audits everyone: `check(repair=True)`."""
    return lambda **options: audit.audit(db, options.pop("line", line), audit.everyone(db, 100), **options)


@pytest.fixture
def run(pooled_url: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., Result]]:
    """Runs the command: `run("--all")`."""
    monkeypatch.setenv("CAAS_DATABASE_URL", pooled_url)
    kept = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    app = typer.Typer()
    command.register(app)
    yield lambda *arguments: CliRunner().invoke(app, list(arguments))
    for number, handler in kept.items():
        signal.signal(number, handler)


def counts(report: audit.Report) -> dict[str, int]:
    """What is not 0."""
    return {name: value for name, value in vars(report).items() if value and name != "differences"}


def town(app: Rows, tutors: int = 12) -> list[UUID]:
    """Tutors with sessions and reviews, a client, an agent who recruited the first two."""
    client, agent = add_client(app), add_profile(app, "AGENT")
    ids = [add_tutor(app) for _ in range(tutors)]
    for tutor in ids:
        listing = add_listing(app, tutor)
        for _ in range(2):
            add_booking(app, listing, client)
        add_review(app, client, tutor, 4)
    for recruit in ids[:2]:
        connect_people(app, agent, recruit, "AGENT_REFERRAL")
    return ids


def test_a_cache_that_is_right_has_no_difference(app: Rows, drain: Drain, check: Callable[..., audit.Report]) -> None:
    town(app)
    drain()
    report = check()
    assert counts(report) == {"checked": 14, "same": 14}
    assert (report.exit_code, report.differences) == (0, [])


@pytest.mark.parametrize(
    ("damage", "field"),
    [
        ("total_score = total_score - 1", "total"),
        ("role_type = 'CLIENT'", "role"),
        ("reason = 'unverified'", "reason"),
        ("gate_failed = true", "gate_failed"),
        ("calculation_version = 'tutor-v1.0'", "version"),
        ("score_breakdown = jsonb_set(score_breakdown, '{performance}', '99')", "breakdown"),
        ("score_breakdown = score_breakdown - 'performance'", "breakdown"),
        ("computed_score = total_score, total_score = 3", "hold"),
    ],
)
def test_a_row_that_was_changed_by_hand_is_found_and_repaired(
    app: Rows, drain: Drain, check: Callable[..., audit.Report], damage: str, field: str
) -> None:
    tutor = town(app)[4]
    drain()
    before = one(app, "select to_jsonb(s) - 'generation' - 'calculated_at' - 'source_changed_at' from caas.scores as s "
                 "where profile_id = %s", tutor)  # fmt: skip
    app.execute(f"update caas.scores set {damage} where profile_id = %s", (tutor,))
    report = check()
    assert counts(report) == {"checked": 14, "same": 13, "different": 1} | (
        {"not_followed": 1} if "total_score =" in damage else {}
    )
    assert report.exit_code == 1
    [found] = report.differences
    assert (found["profile_id"], found["kind"]) == (tutor, "different")
    assert found.keys() - {"profile_id", "kind"} == {field}
    if field == "breakdown":
        assert found["breakdown"]["cached"].keys() == {"performance"}
    assert check().repaired == 0

    assert check(repair=True).repaired == 1
    assert one(app, "select reasons || array[priority::text] from caas.recalculation_queue") == ["audit", "10"]
    assert counts(check()) | {"not_followed": 0} == {"checked": 14, "same": 13, "pending": 1, "not_followed": 0}
    drain()
    assert counts(check()) == {"checked": 14, "same": 14}
    assert before == one(
        app,
        "select to_jsonb(s) - 'generation' - 'calculated_at' - 'source_changed_at' from caas.scores as s "
        "where profile_id = %s",
        tutor,
    )


def test_missing_rows_and_orphans_are_found_and_repaired(
    app: Rows, drain: Drain, check: Callable[..., audit.Report]
) -> None:
    tutor = town(app)[4]
    drain()
    nobody = uuid4()
    app.execute(
        "insert into caas.scores select (jsonb_populate_record(s, jsonb_build_object('profile_id', %s::uuid))).* "
        "from caas.scores as s where profile_id = %s",
        (nobody, tutor),
    )
    app.execute("delete from caas.scores where profile_id = %s", (tutor,))
    report = check(repair=True)
    assert counts(report) == {"checked": 15, "same": 13, "missing": 1, "orphans": 1, "repaired": 2}
    found = {row["profile_id"]: row for row in report.differences}
    assert (found[tutor]["kind"], found[tutor]["total"]["cached"]) == ("missing", None)
    assert (found[nobody]["kind"], found[nobody]["total"]["fresh"]) == ("orphans", None)
    drain()
    assert counts(check()) == {"checked": 14, "same": 14}
    assert total(app, nobody) is None
    assert total(app, tutor) is not None


def test_a_profile_that_came_and_went_is_nobody(db: Database, line: Line) -> None:
    assert counts(audit.audit(db, line, [[uuid4()]])) == {}
    assert counts(audit.audit(db, line, [])) == {}


def test_holds_are_no_differences(app: Rows, db: Database, drain: Drain, check: Callable[..., audit.Report]) -> None:
    tutor = town(app)[4]
    drain()
    holds.hold(db, tutor, 7, reason="test", actor="test")
    drain()
    assert total(app, tutor) == 7
    assert counts(check()) == {"checked": 14, "same": 14}
    app.execute("update caas.scores set computed_score = 99 where profile_id = %s", (tutor,))
    report = check()
    assert [row.keys() - {"profile_id", "kind"} for row in report.differences] == [{"total"}]
    app.execute("update caas.scores set total_score = 8 where profile_id = %s", (tutor,))
    report = check()
    assert report.differences[0]["hold"] == {"cached": 8, "fresh": 7}
    check(repair=True)
    drain()
    assert counts(check()) == {"checked": 14, "same": 14}
    assert total(app, tutor) == 7


def agent_town(app: Rows) -> dict[str, Any]:
    """One of each who a mark can mean in other words than by its own id."""
    client, agent, tutor = add_client(app), add_profile(app, "AGENT"), add_tutor(app)
    listing = add_listing(app, tutor)
    booking = add_booking(app, listing, client, type="paid")
    connect_people(app, agent, tutor, "AGENT_REFERRAL")
    return {"client": client, "agent": agent, "tutor": tutor, "listing": listing, "booking": booking}


@pytest.mark.parametrize(
    ("change", "differ"),
    [
        ("update bookings set status = 'Cancelled' where id = %(booking)s", {"tutor", "agent"}),
        ("update profiles set roles = '{CLIENT}' where id = %(tutor)s", {"tutor", "agent"}),
        ("update profiles set identity_verified = false where id = %(tutor)s", {"tutor"}),
        ("delete from profiles where id = %(tutor)s", {"tutor", "agent"}),
        ("update listings set profile_id = %(client)s where id = %(listing)s", {"tutor", "agent"}),
        ("truncate bookings cascade", {"tutor", "agent"}),
    ],
)
def test_who_has_a_mark_is_pending_in_whatever_words_the_mark_means_them(
    app: Rows, drain: Drain, line: Line, check: Callable[..., audit.Report], change: str, differ: set[str]
) -> None:
    people = agent_town(app)
    drain()
    assert counts(check()) == {"checked": 3, "same": 3}
    app.execute(change, people)
    before = check()
    assert counts(before).keys() <= {"checked", "same", "pending"}
    assert before.pending >= len(differ)
    for _ in range(9):
        line.fold(whole=True)
        report = check()
        assert counts(report).keys() <= {"checked", "same", "pending", "not_followed"}
        if line.run_batch(1, whole=True) is None:
            break
    drain()
    assert counts(check()).keys() == {"checked", "same"}


@pytest.mark.parametrize("column", ["profile_id", "agent_id", "listing_id", "booking_id", "everyone"])
def test_marks_explain_a_difference_only_of_whom_they_mean(
    app: Rows, drain: Drain, check: Callable[..., audit.Report], column: str
) -> None:
    people = agent_town(app)
    drain()
    app.execute("update caas.scores set total_score = total_score + 1")
    who = {"profile_id": "client", "agent_id": "agent", "listing_id": "tutor", "booking_id": "tutor"}
    if column == "everyone":
        app.execute("insert into caas.changes (reason, everyone) values ('test', true)")
    else:
        key = people[column.removesuffix("_id")] if column in ("listing_id", "booking_id") else people[who[column]]
        app.execute(f"insert into caas.changes (reason, {column}) values ('test', %s)", (key,))
    meant = {"client", "agent", "tutor"} if column == "everyone" else {who[column]}
    if meant == {"tutor"}:
        meant = {"tutor", "agent"}
    report = check()
    assert (report.pending, report.different) == (len(meant), 3 - len(meant))
    assert {row["profile_id"] for row in report.differences} == {
        people[name] for name in ("client", "agent", "tutor") if name not in meant
    }


def test_a_mark_of_everyone_that_has_passed_somebody_means_them_no_more(
    app: Rows, drain: Drain, check: Callable[..., audit.Report]
) -> None:
    first, second, third = sorted(add_tutors(app, 3))
    enqueue(app, [first, second, third])
    drain()
    app.execute("update caas.scores set total_score = total_score + 1")
    app.execute("insert into caas.changes (reason, everyone, profile_id) values ('test', true, %s)", (second,))
    report = check()
    assert [row["profile_id"] for row in report.differences] == [first, second]
    assert report.pending == 1


def test_too_many_marks_to_look_into_make_every_difference_pending(
    app: Rows, drain: Drain, check: Callable[..., audit.Report], monkeypatch: pytest.MonkeyPatch
) -> None:
    tutors = add_tutors(app, 3)
    enqueue(app, tutors)
    drain()
    app.execute("update caas.scores set total_score = total_score + 1")
    enqueue(app, [uuid4() for _ in range(5)])
    assert check().different == 3
    monkeypatch.setattr(audit, "MOST_MARKS", 5)
    assert (check().different, check().pending) == (0, 3)


def test_dead_due_and_failed_are_told_apart(
    app: Rows, make_line: MakeLine, drain: Drain, check: Callable[..., audit.Report]
) -> None:
    dead, due, swept, fails = tutors = add_tutors(app, 4)
    enqueue(app, tutors)
    drain()
    app.execute("update caas.scores set total_score = total_score + 1 where profile_id = any(%s)", ([due, swept],))
    app.execute("update caas.scores set next_due_at = now() - interval '1 second' where profile_id = %s", (due,))
    app.execute(
        "update caas.scores set next_due_at = now() - interval '1 second', swept = true where profile_id = %s", (swept,)
    )
    enqueue(app, [dead])
    worker.drain(make_line(failing(dead), max_attempts=1), batch_size=10)
    assert one(app, "select profile_id from caas.dead_entries") == dead
    line = make_line(failing(dead, fails))
    app.execute("update caas.scores set calculation_version = 'scripted-v1', total_score = 50, score_breakdown = '{}' "
                "where profile_id = %s", (dead,))  # fmt: skip
    app.execute("delete from caas.rules")
    report = check(line=line)
    assert (report.dead, report.due, report.failed, report.different) == (1, 1, 1, 1)
    assert report.exit_code == 1
    assert [row["profile_id"] for row in report.differences] == [swept]


def test_what_profiles_say_otherwise_is_counted_and_repaired(
    app: Rows, drain: Drain, check: Callable[..., audit.Report], make_line: MakeLine
) -> None:
    tutor, listed = add_tutors(app, 2)
    enqueue(app, [tutor, listed])
    drain()
    app.execute("update profiles set caas_score = 3")
    app.execute("insert into caas.score_follow values (%s)", (listed,))
    report = check(repair=True)
    assert counts(report) == {"checked": 2, "same": 2, "not_followed": 1, "repaired": 1}
    assert report.exit_code == 0
    assert check(line=make_line(follow_profiles=False)).not_followed == 0
    drain()
    assert one(app, "select array_agg(distinct caas_score) from profiles") == [32]
    assert check().not_followed == 0


def test_without_that_column_there_is_nothing_to_follow(
    app: Rows, make_line: MakeLine, check: Callable[..., audit.Report]
) -> None:
    add_tutor(app)
    app.execute("alter table profiles drop column caas_score")
    line = make_line()
    worker.drain(line, batch_size=10)
    assert counts(check(line=line)) == {"checked": 1, "same": 1}


def test_an_audit_computes_in_batches_and_writes_nothing(
    app: Rows, url: str, settings: Settings, drain: Drain, monkeypatch: pytest.MonkeyPatch
) -> None:
    enqueue(app, add_tutors(app, 25))
    drain()
    sizes: list[int] = []
    compute = Line.compute
    monkeypatch.setattr(Line, "compute", lambda line, ids: sizes.append(len(ids)) or compute(line, ids))
    done: list[int] = []
    with Database(make_conninfo(url, options="-c default_transaction_read_only=on")) as reading:
        line = worker.line(reading, settings)
        report = audit.audit(reading, line, audit.everyone(reading, 10), progress=done.append)
    assert (sizes, done, report.same) == ([10, 10, 5], [10, 20, 25], 25)


def test_an_audit_that_is_told_to_stop_finishes_its_batch(app: Rows, db: Database, line: Line, drain: Drain) -> None:
    enqueue(app, add_tutors(app, 25))
    drain()
    stop = threading.Event()
    report = audit.audit(db, line, audit.everyone(db, 10), progress=lambda _: stop.set(), stop=stop)
    assert report.checked == 10


def test_differences_are_listed_up_to_a_limit_and_counted_beyond(
    app: Rows, drain: Drain, check: Callable[..., audit.Report], monkeypatch: pytest.MonkeyPatch
) -> None:
    enqueue(app, add_tutors(app, 12))
    drain()
    app.execute("update caas.scores set total_score = 1")
    monkeypatch.setattr(audit, "MOST_DIFFERENCES", 5)
    report = check(repair=True)
    assert (report.different, len(report.differences), report.repaired) == (12, 5, 12)


def test_an_audit_during_live_traffic_reports_no_false_difference(
    app: Rows, connect: Callable[..., Rows], db: Database, make_line: MakeLine, drain: Drain
) -> None:
    tutors = town(app, 30)
    drain()
    wrong = tutors[-1]
    app.execute("update caas.scores set total_score = total_score + 1 where profile_id = %s", (wrong,))
    end = threading.Event()
    errors: list[BaseException] = []
    written = itertools.count()

    def guarded(work: Callable[[], None]) -> None:
        try:
            while not end.is_set():
                work()
        except BaseException as error:
            errors.append(error)

    def writer(number: int) -> Callable[[], None]:
        own = connect()
        client = one(app, "select id from profiles where 'CLIENT' = any(roles)")
        listings = own.execute(
            "select id, profile_id from listings where profile_id <> %s order by id", (wrong,)
        ).fetchall()

        def write() -> None:
            turn = next(written) * 7 + number
            listing, tutor = listings[turn % len(listings)]
            with own.transaction():
                add_booking(own, listing, client)
                own.execute("update profiles set available_free_help = not available_free_help where id = %s", (tutor,))
            if turn % 3 == 0:
                add_review(own, client, tutor, turn % 5 + 1)
            if turn % 11 == 0:
                own.execute("delete from bookings where listing_id = %s", (listing,))
                own.execute("delete from profiles where id = %s", (add_tutor(own),))

        return write

    working = make_line()

    def work() -> None:
        working.fold()
        working.run_batch(7)

    threads = [
        threading.Thread(target=guarded, args=(job,)) for job in (*(writer(number) for number in range(3)), work, work)
    ]
    threads.pop()  # one worker: a line is for one thread
    for thread in threads:
        thread.start()
    try:
        line = make_line()
        reports = [audit.audit(db, line, audit.everyone(db, 8)) for _ in range(25)]
    finally:
        end.set()
        for thread in threads:
            thread.join()
    assert errors == []
    assert next(written) > 100
    for report in reports:
        assert {row["profile_id"] for row in report.differences} <= {wrong}, report.differences
        assert (report.missing, report.orphans, report.failed) == (0, 0, 0)
    assert sum(report.pending + report.moving for report in reports) > 0, "no traffic was met at all"
    assert all(report.different == 1 for report in reports), "what is wrong is found in spite of the traffic"
    drain()
    assert [row["profile_id"] for row in audit.audit(db, line, audit.everyone(db, 8)).differences] == [wrong]


def test_a_profile_that_is_published_while_it_is_looked_at_is_looked_at_again(
    app: Rows, db: Database, line: Line, make_line: MakeLine, drain: Drain, monkeypatch: pytest.MonkeyPatch
) -> None:
    [tutor] = add_tutors(app, 1)
    enqueue(app, [tutor])
    drain()
    compute, other, turns = Line.compute, make_line(), itertools.count()

    def compute_and_change(asked: Line, ids: Any, **options: Any) -> Any:
        if asked is line and next(turns) < most:
            app.execute("update profiles set available_free_help = not available_free_help")
            worker.drain(other, batch_size=10)
        return compute(asked, ids, **options)

    monkeypatch.setattr(Line, "compute", compute_and_change)
    most = 1
    assert counts(audit.audit(db, line, [[tutor]])) == {"checked": 1, "same": 1}
    most = 1_000
    report = audit.audit(db, line, [[tutor]])
    assert counts(report) == {"checked": 1, "moving": 1}
    assert report.exit_code == 0


def test_a_sample_is_random_and_reads_few_pages_of_a_large_table(app: Rows, db: Database) -> None:
    app.execute("insert into profiles (roles, bio) select '{TUTOR}', repeat('x', 300) from generate_series(1, 20000)")
    app.execute("truncate caas.changes")
    app.execute(
        "insert into caas.scores (profile_id, total_score, score_breakdown, score_inputs, calculation_version, "
        "gate_failed, calculated_at, source_changed_at, generation) select id, 0, '{}', jsonb_build_object('a', "
        "repeat('y', 300)), 'x-v1', false, now(), now(), 1 from profiles"
    )
    pages = one(app, "select pg_relation_size('profiles') / 8192")
    assert pages > 800

    def rows_read(count: int) -> tuple[int, int]:
        statement = audit.statements("audit")
        counted = (
            "select coalesce(sum(seq_tup_read), 0), coalesce(sum(idx_tup_fetch), 0) from pg_stat_xact_user_tables "
            "where relid in ('public.profiles'::regclass, 'caas.scores'::regclass)"
        )
        with db.transaction() as connection:
            for relation, query in (("public.profiles", "sample"), ("caas.scores", "sample_orphans")):
                wanted = {"relation": relation, "pages": audit.PAGES_PER_PROFILE * count + audit.FEWEST_PAGES}
                share = connection.execute(statement["share"], wanted).fetchone()
                assert share is not None
                connection.execute(statement[query], {"share": share[0], "most": count}).fetchall()
            return connection.execute(counted).fetchone()  # type: ignore[return-value]

    few, looked_up = rows_read(5)
    assert 0 < few < 6_000, "of 40,000"
    assert looked_up < 3_000
    [batch] = audit.sample(db, 5, 100)
    assert 1 <= len(batch) <= 5
    drawn = {key for _ in range(20) for batch in audit.sample(db, 5, 100) for key in batch}
    assert len(drawn) > 80
    batches = list(audit.sample(db, 250, 100))
    assert [len(batch) for batch in batches] == [100, 100, 50]
    assert sorted(itertools.chain(*batches)) == list(itertools.chain(*batches))


def test_a_sample_meets_orphans_too(app: Rows, db: Database, line: Line, drain: Drain) -> None:
    enqueue(app, add_tutors(app, 3))
    drain()
    app.execute("alter table profiles disable trigger user")
    app.execute("delete from profiles where id = (select id from profiles limit 1)")
    report = audit.audit(db, line, audit.sample(db, 10, 100))
    assert counts(report) == {"checked": 3, "same": 2, "orphans": 1}


def test_profiles_in_partitions_are_sampled(app: Rows, db: Database) -> None:
    app.execute("create table parts (id uuid primary key) partition by hash (id)")
    for number in range(2):
        app.execute(f"create table part_{number} partition of parts for values with (modulus 2, remainder {number})")
    app.execute("insert into parts select gen_random_uuid() from generate_series(1, 5000)")
    query = audit.statements("audit")["share"]
    with db.transaction() as connection:
        pages = one(app, "select (pg_relation_size('part_0') + pg_relation_size('part_1')) / 8192")
        share = connection.execute(query, {"relation": "public.parts", "pages": 10}).fetchone()
    assert share == (pytest.approx(100 * 10 / pages),)


def test_other_rules_than_the_published_ones_are_no_audit(
    app: Rows, drain: Drain, check: Callable[..., audit.Report]
) -> None:
    enqueue(app, add_tutors(app, 3))
    drain()
    app.execute("insert into caas.rules (role_type, version) values ('TUTOR', 'tutor-v99.0') "
                "on conflict (role_type) do update set version = excluded.version")  # fmt: skip
    with pytest.raises(RulesOutdated, match=r"TUTOR tutor-v99\.0"):
        check()


def test_a_role_that_does_not_see_every_row_is_told_so(app: Rows, url: str, settings: Settings, drain: Drain) -> None:
    add_profile(app, "AGENT")
    drain()
    with plain_role(app, ours=True) as role, worker_as(url, role) as db:
        line = worker.line(db, settings)
        app.execute("alter table profiles enable row level security")
        with pytest.raises(CaasError, match="row-level security"):
            audit.audit(db, line, audit.everyone(db, 10))


def test_the_command_tells_scripts_and_people(app: Rows, drain: Drain, run: Callable[..., Result]) -> None:
    tutor = town(app)[4]
    drain()
    summary = json.loads(run("--all", "--json").stdout)
    assert (summary["checked"], summary["same"], summary["differences"]) == (14, 14, [])
    app.execute("update caas.scores set total_score = 1 where profile_id = %s", (tutor,))
    result = run("--json")
    assert result.exit_code == 1
    [found] = json.loads(result.stdout)["differences"]
    assert (found["profile_id"], found["total"]["cached"]) == (str(tutor), 1)
    result = run("--all", "--repair")
    assert result.exit_code == 1
    assert f"{tutor} differs" in result.output
    assert "14 compared: 13 same, 1 different" in result.output
    assert "1 marked. Running workers compute them; without any: caas-worker drain" in result.output
    drain()
    result = run("--sample", "5")
    assert (result.exit_code, "5 compared: 5 same" in result.output) == (0, True)


@pytest.mark.parametrize("arguments", [["--sample", "0"], ["--sample", "-1"], ["--sample", "x"], ["--some"]])
def test_what_is_no_sample_is_refused(run: Callable[..., Result], arguments: list[str]) -> None:
    assert run(*arguments).exit_code == 2


def test_a_sample_of_everyone_is_refused(run: Callable[..., Result]) -> None:
    assert isinstance(run("--sample", "5", "--all").exception, SettingsError)


def test_an_empty_marketplace_is_in_order(run: Callable[..., Result]) -> None:
    for arguments in ([], ["--all"]):
        result = run(*arguments)
        assert (result.exit_code, "0 compared: there is nobody" in result.output) == (0, True)
