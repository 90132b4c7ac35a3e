"""The sample marketplace: its tables are the application's, its people repeat for a seed, its traffic goes on."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any

import psycopg
import pytest
from psycopg import conninfo, sql
from psycopg.rows import dict_row

from caas_worker.errors import CaasError, DatabaseUnavailable, MigrationRefused
from caas_worker.marketplace import people, schema
from caas_worker.marketplace.kinds import KINDS
from caas_worker.marketplace.traffic import APPLICATION_NAME, Traffic

NOW = datetime(2026, 3, 14, 15, 9, 26, tzinfo=UTC)

STAMPS = """
    created_at | timestamp with time zone | not null | now()
    updated_at | timestamp with time zone | not null | now()
"""

COLUMNS = {
    "profiles": f"""
        id | uuid | not null | gen_random_uuid()
        roles | text[] | not null |
        display_name | text | |
        email | text | |
        avatar_url | text | |
        bio | text | |
        bio_video_url | text | |
        identity_verified | boolean | not null | false
        dbs_verified | boolean | not null | false
        dbs_expiry_date | timestamp with time zone | |
        available_free_help | boolean | not null | false
        business_verified | boolean | not null | false
        status | text | | 'active'::text
        caas_score | integer | not null | 0
        {STAMPS}
    """,
    "role_details": """
        profile_id | uuid | not null |
        role_type | text | not null |
        degree_level | text | |
        qualifications | jsonb | not null | '[]'::jsonb
        teaching_experience | integer | |
    """,
    "listings": """
        id | uuid | not null | gen_random_uuid()
        profile_id | uuid | |
        title | text | |
    """,
    "bookings": f"""
        id | uuid | not null | gen_random_uuid()
        listing_id | uuid | |
        client_id | uuid | |
        type | text | |
        status | booking_status_enum | not null | 'Pending'::booking_status_enum
        scheduled_start | timestamp with time zone | not null |
        scheduled_end | timestamp with time zone | not null |
        actual_start | timestamp with time zone | |
        actual_end | timestamp with time zone | |
        cancelled_by | text | |
        no_show_by | text | |
        payment_status | text | |
        recording_url | text | |
        session_number | integer | |
        tech_issue | boolean | | false
        engagement_score | numeric | |
        learning_objectives_met | boolean | |
        {STAMPS}
    """,
    "reschedules": f"""
        id | uuid | not null | gen_random_uuid()
        booking_id | uuid | |
        initiator | text | |
        original_time | timestamp with time zone | |
        new_time | timestamp with time zone | |
        reason | text | |
        reason_code | text | |
        cancelled_at | timestamp with time zone | |
        {STAMPS}
    """,
    "profile_reviews": f"""
        id | uuid | not null | gen_random_uuid()
        reviewer_id | uuid | |
        reviewee_id | uuid | |
        booking_id | uuid | |
        rating | integer | |
        comment | text | |
        {STAMPS}
    """,
    "profile_graph": f"""
        id | uuid | not null | gen_random_uuid()
        source_profile_id | uuid | |
        target_profile_id | uuid | |
        relationship_type | text | |
        status | text | |
        {STAMPS}
    """,
    "student_integration_links": f"""
        id | uuid | not null | gen_random_uuid()
        profile_id | uuid | |
        integration_type | text | |
        is_active | boolean | not null | true
        {STAMPS}
    """,
    "platform_events": """
        id | bigint | not null | identity
        profile_id | uuid | |
        event_type | text | |
        occurred_at | timestamp with time zone | |
        metadata | jsonb | |
    """,
    "session_transcripts": """
        booking_id | uuid | not null |
        turns | jsonb | |
        created_at | timestamp with time zone | not null | now()
    """,
}

READ_COLUMNS = """
    select
        attribute.attname,
        format_type(attribute.atttypid, attribute.atttypmod),
        case when attribute.attnotnull then 'not null' else '' end,
        case
            when attribute.attidentity <> '' then 'identity'
            else coalesce(pg_get_expr(value.adbin, value.adrelid), '')
        end
    from pg_attribute as attribute
    left join pg_attrdef as value on value.adrelid = attribute.attrelid and value.adnum = attribute.attnum
    where attribute.attrelid = to_regclass('public.' || %s) and attribute.attnum > 0
    order by attribute.attnum
"""

FOREIGN_KEYS = {
    "bookings.client_id -> profiles",
    "bookings.listing_id -> listings",
    "listings.profile_id -> profiles",
    "platform_events.profile_id -> profiles",
    "profile_graph.source_profile_id -> profiles",
    "profile_graph.target_profile_id -> profiles",
    "profile_reviews.booking_id -> bookings",
    "profile_reviews.reviewee_id -> profiles",
    "profile_reviews.reviewer_id -> profiles",
    "reschedules.booking_id -> bookings",
    "role_details.profile_id -> profiles",
    "session_transcripts.booking_id -> bookings",
    "student_integration_links.profile_id -> profiles",
}

KEYS_AND_INDEXES = {
    "bookings (client_id, listing_id, scheduled_start)",
    "bookings (listing_id, scheduled_start)",
    "listings (profile_id)",
    "platform_events (profile_id, occurred_at)",
    "profile_graph (source_profile_id)",
    "profile_graph (target_profile_id)",
    "profile_reviews (booking_id)",
    "profile_reviews (reviewee_id, reviewer_id)",
    "student_integration_links (profile_id)",
    "unique bookings (id)",
    "unique listings (id)",
    "unique platform_events (id)",
    "unique profile_graph (id)",
    "unique profile_reviews (id)",
    "unique profiles (id)",
    "unique reschedules (booking_id)",
    "unique reschedules (id)",
    "unique role_details (profile_id, role_type)",
    "unique session_transcripts (booking_id)",
    "unique student_integration_links (id)",
}


@pytest.fixture
def conn(database_url: str) -> Iterator[psycopg.Connection[Any]]:
    """A connection to a database with the sample's tables, empty."""
    with psycopg.connect(database_url, autocommit=True) as connection:
        schema.create(connection)
        yield connection


@pytest.fixture
def traffic(conn: psycopg.Connection[Any], database_url: str) -> Iterator[Traffic]:
    """Traffic, not started, over sixty people."""
    people.populate(conn, people=60, bookings_per_tutor=10, reviews_per_tutor=3)
    traffic = Traffic(database_url, seed=7, per_second=500)
    yield traffic
    traffic.stop()


@contextmanager
def twin_of(database_url: str) -> Iterator[str]:
    """A second empty database on the same server."""
    twin = f"{conninfo.conninfo_to_dict(database_url)['dbname']}_twin"
    with psycopg.connect(database_url, autocommit=True) as connection:
        connection.execute(sql.SQL("create database {}").format(sql.Identifier(twin)))
        try:
            yield conninfo.make_conninfo(database_url, dbname=twin)
        finally:
            connection.execute(sql.SQL("drop database {} with (force)").format(sql.Identifier(twin)))


def one(conn: psycopg.Connection[Any], query: str) -> Any:
    """The first column of the only row."""
    row = conn.execute(query).fetchone()
    assert row is not None
    return row[0]


def checksums(conn: psycopg.Connection[Any]) -> dict[str, str]:
    """One checksum per table over all of its rows, whatever their order."""
    return {
        table: one(conn, f"select md5(string_agg({table}::text, ' ' order by {table}::text)) from {table}")
        for table in COLUMNS
    }


def wait_until(condition: Callable[[], bool], seconds: float = 20) -> None:
    """Look again and again until the condition holds; fail when the time is over."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.01)


@pytest.mark.parametrize("table", COLUMNS)
def test_columns_types_and_defaults_are_the_applications(conn: psycopg.Connection[Any], table: str) -> None:
    expected = [[cell.strip() for cell in line.split("|")] for line in COLUMNS[table].splitlines() if line.strip()]
    assert [list(row) for row in conn.execute(READ_COLUMNS, [table])] == expected


def test_there_are_no_other_tables(conn: psycopg.Connection[Any]) -> None:
    assert {name for (name,) in conn.execute("select tablename from pg_tables where schemaname = 'public'")} == set(
        COLUMNS
    )
    assert set(schema.TABLES) == set(COLUMNS)


def test_every_foreign_key_cascades(conn: psycopg.Connection[Any]) -> None:
    found = conn.execute("""
        select
            conrelid::regclass || '.' || attname || ' -> ' || confrelid::regclass,
            confdeltype::text
        from pg_constraint
        join pg_attribute on attrelid = conrelid and attnum = conkey[1]
        where contype = 'f'
    """).fetchall()
    assert {key for key, _ in found} == FOREIGN_KEYS
    assert {action for _, action in found} == {"c"}


def test_booking_statuses(conn: psycopg.Connection[Any]) -> None:
    assert one(conn, "select enum_range(null::booking_status_enum)::text[]") == [
        "Pending",
        "Confirmed",
        "Pending log",
        "Completed",
        "Cancelled",
        "Rescheduled",
        "No-show",
    ]


def test_indexes(conn: psycopg.Connection[Any]) -> None:
    found = conn.execute(r"""
        select
            case when indexdef like 'CREATE UNIQUE%' then 'unique ' else '' end
            || tablename || ' ' || substring(indexdef from '\(.*\)')
        from pg_indexes
        where schemaname = 'public'
    """)
    assert {index for (index,) in found} == KEYS_AND_INDEXES


@pytest.mark.parametrize("rating", [0, 6])
def test_a_rating_is_one_to_five(conn: psycopg.Connection[Any], rating: int) -> None:
    with pytest.raises(psycopg.errors.CheckViolation, match="a_rating_is_one_to_five_stars"):
        conn.execute("insert into profile_reviews (rating) values (%s)", [rating])


def test_creating_twice_changes_nothing(conn: psycopg.Connection[Any]) -> None:
    conn.execute("insert into profiles (roles) values ('{TUTOR}')")
    schema.create(conn)
    assert schema.is_sample(conn)
    assert one(conn, "select count(*) from profiles") == 1


def test_a_dropped_sample_can_be_created_again(conn: psycopg.Connection[Any]) -> None:
    people.populate(conn, people=5)
    schema.drop(conn)
    assert one(conn, "select count(*) from pg_class where relnamespace = 'public'::regnamespace") == 0
    schema.create(conn)
    assert people.count(conn).bookings == 0


@pytest.mark.parametrize("table", ["profiles", "bookings"])
def test_an_applications_own_tables_are_left_alone(database_url: str, table: str) -> None:
    with psycopg.connect(database_url, autocommit=True) as conn:
        conn.execute(sql.SQL("create table {} (id integer)").format(sql.Identifier(table)))
        with pytest.raises(MigrationRefused, match=table):
            schema.create(conn)
        assert not schema.is_sample(conn)
        with pytest.raises(MigrationRefused):
            schema.drop(conn)
        assert one(conn, "select count(*) from pg_tables where schemaname = 'public'") == 1
        with pytest.raises(MigrationRefused):
            people.populate(conn, people=10)
        with pytest.raises(MigrationRefused):
            Traffic(database_url).start()


def test_it_works_on_a_connection_with_a_transaction_and_rows_as_dicts(database_url: str) -> None:
    with psycopg.connect(database_url, row_factory=dict_row) as conn:
        schema.create(conn)
        assert schema.is_sample(conn)
        made = people.populate(conn, people=20)
        assert conn.info.transaction_status == psycopg.pq.TransactionStatus.IDLE
    with psycopg.connect(database_url) as conn:
        assert people.count(conn) == made


def test_every_tutor_gets_exactly_as_much_as_asked_for(conn: psycopg.Connection[Any]) -> None:
    made = people.populate(conn, people=100, tutor_share=0.4, bookings_per_tutor=25, reviews_per_tutor=7, now=NOW)
    each = conn.execute("""
        select
            (
                select count(*)
                from bookings
                join listings on listings.id = bookings.listing_id
                where listings.profile_id = profiles.id
            ),
            (select count(*) from profile_reviews where reviewee_id = profiles.id)
        from profiles
        where 'TUTOR' = any (upper(roles::text)::text[])
    """).fetchall()
    assert each == [(25, 7)] * 40
    assert (made.tutors, made.agents, made.bookings) == (40, 2, 1000)
    assert made.reviews == one(conn, "select count(*) from profile_reviews") > 280
    assert made == people.count(conn)


@pytest.mark.parametrize(
    ("numbers", "tutors", "bookings"),
    [
        ({"people": 0}, 0, 0),
        ({"people": 1, "tutor_share": 1}, 1, 50),
        ({"people": 30, "tutor_share": 1}, 30, 1500),
        ({"people": 30, "tutor_share": 0}, 0, 0),
        ({"people": 30, "bookings_per_tutor": 0}, 9, 0),
        ({"people": 30, "bookings_per_tutor": 2, "reviews_per_tutor": 0}, 9, 18),
    ],
)
def test_extreme_numbers(conn: psycopg.Connection[Any], numbers: dict[str, Any], tutors: int, bookings: int) -> None:
    made = people.populate(conn, **numbers)
    assert (made.tutors, made.bookings) == (tutors, bookings)


@pytest.mark.parametrize(
    "numbers",
    [
        {"people": -1},
        {"bookings_per_tutor": -1},
        {"reviews_per_tutor": -1},
        {"tutor_share": 1.1},
        {"tutor_share": -0.1},
    ],
)
def test_numbers_that_make_no_sense_are_refused(conn: psycopg.Connection[Any], numbers: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="tutor_share is between 0 and 1"):
        people.populate(conn, **numbers)


def test_only_an_empty_sample_is_filled(conn: psycopg.Connection[Any]) -> None:
    people.populate(conn, people=5)
    before = checksums(conn)
    with pytest.raises(MigrationRefused, match="has people already"):
        people.populate(conn, people=5)
    assert checksums(conn) == before


def test_one_seed_gives_the_same_rows_in_any_database_chunk_and_time_zone(
    conn: psycopg.Connection[Any], database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    people.populate(conn, people=150, bookings_per_tutor=20, seed=3, now=NOW)
    with twin_of(database_url) as twin_url, psycopg.connect(twin_url, autocommit=True) as twin:
        monkeypatch.setattr(people, "PEOPLE_PER_CHUNK", 7)
        monkeypatch.setattr(people, "SESSIONS_PER_CHUNK", 60)
        twin.execute("set timezone to 'America/New_York'")
        schema.create(twin)
        people.populate(twin, people=150, bookings_per_tutor=20, seed=3, now=NOW)
        twin.execute("set timezone to default")
        assert checksums(twin) == checksums(conn)


def test_another_seed_gives_other_rows(conn: psycopg.Connection[Any], database_url: str) -> None:
    people.populate(conn, people=150, bookings_per_tutor=20, seed=3, now=NOW)
    with twin_of(database_url) as twin_url, psycopg.connect(twin_url, autocommit=True) as twin:
        schema.create(twin)
        people.populate(twin, people=150, bookings_per_tutor=20, seed=-4, now=NOW)
        mine, other = checksums(conn), checksums(twin)
        assert [table for table in COLUMNS if mine[table] == other[table]] == []


def test_progress_is_told_step_by_step(conn: psycopg.Connection[Any], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(people, "PEOPLE_PER_CHUNK", 15)
    monkeypatch.setattr(people, "SESSIONS_PER_CHUNK", 40)
    told: list[tuple[str, int, int]] = []
    people.populate(conn, people=20, bookings_per_tutor=10, progress=lambda *news: told.append(news))
    assert told == [
        ("people", 15, 20),
        ("people", 20, 20),
        ("sessions", 4, 6),
        ("sessions", 6, 6),
        ("network", 15, 20),
        ("network", 20, 20),
    ]


def test_people_are_as_various_as_the_rules(conn: psycopg.Connection[Any]) -> None:
    people.populate(conn, people=600, now=NOW)
    for question in (
        "select count(distinct status) = 7 from bookings",
        "select count(distinct coalesce(type, '')) = 3 from bookings",
        "select count(distinct payment_status) = 4 from bookings",
        "select count(distinct cancelled_by) = 2 and count(distinct no_show_by) = 2 from bookings",
        "select count(recording_url) between 1 and count(*) - 1 from bookings where status = 'Completed'",
        "select count(*) > 0 from bookings where tech_issue",
        "select count(*) > 0 from bookings where scheduled_start > '2026-03-14 15:09:26+00'",
        "select count(*) > 0 from bookings where scheduled_start < '2025-04-01'",
        "select count(distinct rating) = 5 and avg(rating) between 3.9 and 4.8 from profile_reviews",
        "select count(distinct (relationship_type, status)) = 6 from profile_graph",
        "select count(distinct (integration_type, is_active)) = 4 from student_integration_links",
        "select count(distinct event_type) = 2 from platform_events",
        "select bool_and(metadata ? 'response_time_minutes') from platform_events where event_type <> 'login'",
        "select count(distinct initiator) = 2 from reschedules",
        "select bool_or(cancelled_at > original_time - interval '24 hours') from reschedules",
        "select count(*) > 0 from session_transcripts where turns -> 0 ->> 'speaker' = 'tutor'",
        "select count(distinct jsonb_typeof(qualifications)) = 2 from role_details",
        "select count(*) > 0 from profiles where not identity_verified",
        "select count(*) > 0 from profiles where 'tutor' = any (roles) or 'Tutor' = any (roles)",
        "select count(*) > 0 from profiles where not upper(roles::text)::text[] && '{TUTOR,CLIENT,AGENT}'",
        "select count(*) > 0 from profiles where 'TUTOR' = any (roles) and cardinality(roles) > 1",
        "select count(distinct status) = 3 from profiles",
        "select bool_and(email like '%@example.com') from profiles",
    ):
        assert one(conn, question), question


def test_nothing_in_the_sample_is_recorded_after_now_or_before_it_began(conn: psycopg.Connection[Any]) -> None:
    people.populate(conn, people=200, now=NOW)
    for table, columns in COLUMNS.items():
        if "updated_at" in columns:
            assert one(conn, f"select max(updated_at) from {table}") <= NOW, table
            assert one(conn, f"select bool_and(created_at <= updated_at) from {table}"), table
    assert one(conn, "select max(occurred_at) from platform_events") <= NOW
    assert one(conn, "select max(scheduled_end) from bookings where status = 'Completed'") <= NOW
    assert one(conn, "select max(scheduled_start) from bookings") > NOW


def test_nobody_teaches_or_knows_oneself(conn: psycopg.Connection[Any]) -> None:
    people.populate(conn, people=40, tutor_share=1)
    own = "select count(*) from bookings join listings on listings.id = listing_id where client_id = profile_id"
    assert one(conn, own) == 0
    assert one(conn, "select count(*) from profile_graph where source_profile_id = target_profile_id") == 0
    assert one(conn, "select count(*) from profile_reviews where reviewer_id = reviewee_id") == 0


def test_statement_triggers_see_all_that_is_filled_in(conn: psycopg.Connection[Any]) -> None:
    conn.execute("create table seen (rows bigint)")
    conn.execute("""
        create function see() returns trigger language plpgsql as $$
        begin
            insert into seen select count(*) from new_rows;
            return null;
        end $$
    """)
    conn.execute("""
        create trigger see after insert on bookings
        referencing new table as new_rows for each statement execute function see()
    """)
    made = people.populate(conn, people=50)
    assert one(conn, "select sum(rows) from seen") == made.bookings


def test_filling_leaves_nothing_behind_in_the_session(conn: psycopg.Connection[Any]) -> None:
    conn.execute("set timezone to 'Asia/Kolkata'")
    people.populate(conn, people=20)
    assert one(conn, "show timezone") == "Asia/Kolkata"
    assert one(conn, "select count(*) from pg_proc where pronamespace = pg_my_temp_schema()") == 0


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_of_transaction_can_happen_at_any_time(traffic: Traffic, kind: str) -> None:
    for _ in range(200):
        event = traffic.perform(kind)
        assert event.kind == kind
        assert event.text
    assert (traffic.transactions, traffic.errors, traffic.counts[kind]) == (200, 0, 200)


def test_all_kinds_occur_in_live_traffic(traffic: Traffic) -> None:
    traffic.start()
    wait_until(lambda: traffic.transactions >= 200 and set(traffic.counts) == set(KINDS))
    traffic.stop()
    assert traffic.errors == 0
    assert len(traffic.latencies) == min(traffic.transactions, 2000)
    assert len(traffic.events) == 200
    median, slowest = traffic.percentile(0.5), traffic.percentile(1)
    assert median is not None
    assert slowest is not None
    assert 0 < median <= slowest


def test_a_posted_review_is_there_when_the_call_returns(traffic: Traffic, conn: psycopg.Connection[Any]) -> None:
    before = set(conn.execute("select id, reviewee_id from profile_reviews"))
    event = traffic.post_review()
    [(_, reviewee)] = set(conn.execute("select id, reviewee_id from profile_reviews")) - before
    assert reviewee == event.profile_id
    assert " reviewed " in event.text
    assert list(traffic.events) == [event]


def test_a_change_of_mind_leaves_no_trace(traffic: Traffic, conn: psycopg.Connection[Any]) -> None:
    before = checksums(conn)
    traffic.perform("change_mind")
    assert checksums(conn) == before


def test_many_sessions_are_closed_by_one_statement(traffic: Traffic, conn: psycopg.Connection[Any]) -> None:
    conn.execute("create table statements (is_one boolean)")
    conn.execute("""
        create function note() returns trigger language plpgsql as $$
        begin
            insert into statements values (true);
            return null;
        end $$
    """)
    conn.execute("create trigger note after insert or update on bookings for each statement execute function note()")
    conn.execute("update bookings set status = 'Cancelled' where status in ('Confirmed', 'Pending log')")
    conn.execute("truncate statements")
    event = traffic.perform("complete_many")
    assert event.text == "The office closed 20 sessions at once"
    assert one(conn, "select count(*) from statements") <= 2


@pytest.mark.parametrize("in_background", [True, False])
def test_traffic_survives_the_loss_of_its_connection(
    traffic: Traffic, conn: psycopg.Connection[Any], in_background: bool
) -> None:
    traffic.post_review()
    if in_background:
        traffic.start()
        wait_until(lambda: traffic.transactions > 20)
    [(was_ended,)] = conn.execute(
        "select pg_terminate_backend(pid) from pg_stat_activity where application_name = %s and datname = %s",
        [APPLICATION_NAME, conn.info.dbname],
    ).fetchall()
    assert was_ended
    if in_background:
        wait_until(lambda: traffic.errors > 0)
        after = traffic.transactions
        wait_until(lambda: traffic.transactions > after + 20)
    else:
        traffic.post_review()
        assert traffic.transactions == 2
    assert traffic.errors == 1
    assert traffic.last_error


def test_stopping_closes_the_connection_and_starting_again_goes_on(
    traffic: Traffic, conn: psycopg.Connection[Any]
) -> None:
    connections = sql.SQL(
        "select count(*) = 0 from pg_stat_activity where application_name = {} and datname = {}"
    ).format(APPLICATION_NAME, conn.info.dbname)
    with traffic:
        wait_until(lambda: traffic.transactions > 0)
    wait_until(lambda: bool(one(conn, connections.as_string(conn))))
    before = traffic.transactions
    with traffic:
        wait_until(lambda: traffic.transactions > before)


def test_stopping_cancels_a_transaction_that_waits(
    traffic: Traffic, conn: psycopg.Connection[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("caas_worker.marketplace.traffic.PATIENCE_SECONDS", 0.1)
    waiting = """
        select count(*) > 0
        from pg_stat_activity
        where datname = current_database() and wait_event_type = 'Lock'
    """
    traffic.start()
    with conn.transaction():
        conn.execute("lock table bookings, profiles in access exclusive mode")
        wait_until(lambda: bool(one(conn, waiting)))
        traffic.stop()
    assert "cancel" in (traffic.last_error or "")


def test_traffic_needs_people_and_a_server(database_url: str) -> None:
    with psycopg.connect(database_url) as conn:
        schema.create(conn)
    with pytest.raises(CaasError, match="fill it with people"):
        Traffic(database_url).start()
    away = Traffic("host=/nonexistent dbname=nowhere")
    with pytest.raises(DatabaseUnavailable):
        away.start()
    assert away.percentile(0.5) is None
    with pytest.raises(ValueError, match="per_second"):
        Traffic(database_url, per_second=0)
