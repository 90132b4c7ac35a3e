"""What an application may write into the watched tables: statements with small pools of ids, so that they meet."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

from hypothesis import strategies as st
from psycopg import sql
from psycopg.types.json import Jsonb

START = datetime(2026, 2, 20, 12, tzinfo=UTC)
"""The clock at the beginning of a history: with 29 to 31 August six calendar months ago a few days later."""

SECOND, MINUTE, HOUR, DAY = timedelta(seconds=1), timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)
TICK = timedelta(microseconds=1)


def pool(first: int, size: int) -> list[UUID]:
    """So many fixed ids."""
    return [UUID(int=number) for number in range(first, first + size)]


PEOPLE, LISTINGS, BOOKINGS = pool(1, 5), pool(101, 2), pool(201, 5)

half_a_year_ago = datetime(2025, 8, 20, 12, tzinfo=UTC)
moments = st.sampled_from(
    [
        half_a_year_ago - TICK, half_a_year_ago, half_a_year_ago + TICK, half_a_year_ago + HOUR,
        datetime(2025, 8, 29, 9, tzinfo=UTC), datetime(2025, 8, 31, 9, tzinfo=UTC),
        START - 90 * DAY - TICK, START - 90 * DAY, START - 90 * DAY + TICK, START - 89 * DAY,
        START - 6 * DAY - 12 * HOUR, START - 6 * DAY - 12 * HOUR - TICK, START - 5 * DAY, START - 3 * DAY,
        START - 2 * DAY, START - 12 * HOUR - TICK, START - 12 * HOUR, START - 10 * MINUTE, START - TICK, START,
        START + TICK, START + HOUR, START + 12 * HOUR, START + 13 * HOUR - TICK, START + 9 * DAY, START + 400 * DAY,
    ]
)  # fmt: skip
people = st.sampled_from(PEOPLE)
flags = st.booleans()


def maybe(values: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    """One of these values, or NULL."""
    return st.none() | values


def texts(*values: str) -> st.SearchStrategy[str]:
    return st.sampled_from(values)


COLUMNS: Mapping[str, Mapping[str, st.SearchStrategy[Any]]] = {
    "profiles": {
        "id": people,
        "roles": st.sampled_from(
            [["TUTOR"], ["TUTOR"], ["TUTOR"], ["tutor"], ["CLIENT"], ["CLIENT"], [" Client "], ["AGENT"], ["AGENT"],
             ["AGENT", "TUTOR"], ["CLIENT", "AGENT"], ["STAFF"], []]
        ),
        "identity_verified": st.sampled_from([True] * 7 + [False]),
        "dbs_verified": flags,
        "dbs_expiry_date": maybe(moments),
        "available_free_help": flags,
        "business_verified": flags,
        "bio": maybe(texts("", " " * 60, "b" * 50, "b" * 51)),
        "bio_video_url": maybe(texts("\t", "v")),
        "avatar_url": maybe(texts(" ", "a")),
        "status": maybe(texts("active", "active", "inactive", "churned")),
        "display_name": texts("Ana", "Ben"),
    },
    "role_details": {
        "profile_id": people,
        "role_type": texts("TUTOR", "tutor", "CLIENT"),
        "degree_level": maybe(texts("phd", "BACHELORS", "NONE", " ")),
        "qualifications": st.sampled_from(
            [[], ["QTS"], ["qts", 7], {"education": "MASTERS", "certifications": []}, {"certifications": "QTS"}, 5]
        ).map(Jsonb),
        "teaching_experience": maybe(st.sampled_from([9, 10])),
    },
    "listings": {"id": st.sampled_from(LISTINGS), "profile_id": people},
    "bookings": {
        "id": st.sampled_from(BOOKINGS),
        "listing_id": st.sampled_from(LISTINGS),
        "client_id": maybe(people),
        "status": texts(
            "Completed", "Completed", "Completed", "Cancelled", "No-show", "No-show", "Rescheduled", "Pending log",
            "Confirmed",
        ),
        "type": maybe(texts("paid", "free_help")),
        "scheduled_start": moments,
        "scheduled_end": moments,
        "recording_url": maybe(texts("r", " ")),
        "cancelled_by": maybe(texts("tutor", "client")),
        "no_show_by": maybe(texts("tutor", "client")),
        "payment_status": maybe(texts("Succeeded", "Failed")),
        "session_number": maybe(st.sampled_from([1, 1, 2])),
        "actual_start": maybe(moments),
        "actual_end": maybe(moments),
        "tech_issue": maybe(flags),
        "engagement_score": maybe(st.sampled_from([Decimal("0"), Decimal("0.35"), Decimal("1")])),
        "learning_objectives_met": maybe(flags),
    },
    "profile_reviews": {
        "id": st.sampled_from(pool(301, 4)),
        "reviewer_id": maybe(people),
        "reviewee_id": people,
        "booking_id": maybe(st.sampled_from(BOOKINGS)),
        "rating": st.sampled_from([1, 4, 5]),
    },
    "profile_graph": {
        "id": st.sampled_from(pool(401, 5)),
        "source_profile_id": people,
        "target_profile_id": people,
        "relationship_type": texts("AGENT_REFERRAL", "AGENT_REFERRAL", "SOCIAL"),
        "status": texts("ACTIVE", "ACTIVE", "ACTIVE", "PENDING", "BLOCKED"),
        "created_at": moments,
    },
    "student_integration_links": {
        "id": st.sampled_from(pool(501, 3)),
        "profile_id": people,
        "integration_type": texts("GOOGLE_CALENDAR", "GOOGLE_CLASSROOM", "OTHER"),
        "is_active": flags,
    },
    "platform_events": {
        "id": st.integers(1, 5),
        "profile_id": people,
        "event_type": texts("message_response", "message_response", "message_response", "login", "page_view"),
        "occurred_at": moments,
        "metadata": maybe(
            st.sampled_from([{}, *({"response_time_minutes": m} for m in (0, 30, 90.5, 2000, -5, "30", None, True))])
        ).map(lambda value: None if value is None else Jsonb(value)),
    },
    "reschedules": {
        "id": st.sampled_from(pool(601, 3)),
        "booking_id": st.sampled_from(BOOKINGS),
        "initiator": texts("tutor", "student"),
    },
    "session_transcripts": {
        "booking_id": st.sampled_from(BOOKINGS),
        "turns": st.sampled_from(
            [
                [],
                [{"speaker": "tutor", "text": "Hello"}],
                [{"speaker": "tutor", "text": "What is your goal for today? Well done! To sum up, next time: more."}],
                [{"speaker": "student", "text": "I don\u2019t understand. I'm lost. I'm confused."}],
                [
                    {"speaker": "Tutor", "text": "\u2018What is your goal for today?\u2019 'Well done', I'd say."},
                    {"speaker": "student", "text": "''I'm lost'' ' `I'm confused` ' \u2018I don\u2019t get it\u2019"},
                ],
                [{"text": "Nobody said this"}],
            ]
        ).map(Jsonb),
    },
}  # fmt: skip
"""Every watched table: its columns and what they may hold."""

KEYS: Mapping[str, Sequence[str]] = {
    "role_details": ("profile_id", "role_type"),
    "session_transcripts": ("booking_id",),
}
TABLES = (*COLUMNS, "profiles", "listings", "bookings", "bookings", "profile_graph")
"""Those that most depends on come up more often."""


@dataclass(frozen=True, repr=False)
class Write:
    """One statement of the application's."""

    statement: sql.Composed
    values: tuple[Any, ...]
    text: str

    def __repr__(self) -> str:
        return self.text


def _write(text: str, names: Sequence[str], values: Sequence[Any]) -> Write:
    shown = ", ".join(f"{value.obj!r}" if isinstance(value, Jsonb) else f"{value!s}" for value in values)
    return Write(
        sql.SQL(text).format(*map(sql.Identifier, names)),
        tuple(values),
        f"{text.format(*names)} <- {shown}",
    )


@st.composite
def inserts(draw: st.DrawFn, tables: Sequence[str] = TABLES) -> Write:
    """A new row, or, where one has the key, that row changed in every column."""
    table = draw(st.sampled_from(tables))
    columns = COLUMNS[table]
    values = [draw(values) for values in columns.values()]
    keys = KEYS.get(table, ("id",))
    changed = [name for name in columns if name not in keys]
    return _write(
        "insert into {} (" + ", ".join(["{}"] * len(columns)) + ") values (" + ", ".join(["%s"] * len(columns)) + ")"
        " on conflict (" + ", ".join(["{}"] * len(keys)) + ") do update set "
        + ", ".join(["{} = excluded.{}"] * len(changed)),
        [table, *columns, *keys, *(name for column in changed for name in (column, column))],
        values,
    )  # fmt: skip


@st.composite
def updates(draw: st.DrawFn) -> Write:
    """One column of one row, of the rows that share a value, or of all rows."""
    table = draw(st.sampled_from(TABLES))
    columns = COLUMNS[table]
    column = draw(st.sampled_from(list(columns)))
    where = draw(st.sampled_from([KEYS.get(table, ("id",))[0], *columns, None]))
    names, values = [table, column], [draw(columns[column])]
    if where is not None:
        names.append(where)
        values.append(draw(columns[where]))
    return _write("update {} set {} = %s" + (" where {} = %s" if where else ""), names, values)


@st.composite
def deletes(draw: st.DrawFn) -> Write:
    """One row, or all that share a value."""
    table = draw(st.sampled_from(TABLES))
    where = draw(st.sampled_from(list(COLUMNS[table])))
    return _write("delete from {} where {} = %s", [table, where], [draw(COLUMNS[table][where])])


def _ids(*numbers: int) -> list[str]:
    return [f"'{UUID(int=number)}'" for number in numbers]


_TUTOR, _OTHER_TUTOR, _CLIENT, _AGENT, _, _LISTING, _OTHER_LISTING = _ids(1, 2, 3, 4, 5, 101, 102)
FOUNDERS = (
    f"insert into profiles (id, roles, identity_verified) values ({_TUTOR}, '{{TUTOR}}', true), "
    f"({_OTHER_TUTOR}, '{{tutor}}', true), ({_CLIENT}, '{{CLIENT}}', true), ({_AGENT}, '{{AGENT}}', true)",
    f"insert into listings (id, profile_id) values ({_LISTING}, {_TUTOR}), ({_OTHER_LISTING}, {_OTHER_TUTOR})",
    f"insert into profile_graph (source_profile_id, target_profile_id, relationship_type, status, created_at) "
    f"values ({_AGENT}, {_TUTOR}, 'AGENT_REFERRAL', 'ACTIVE', '2026-01-05Z')",
)
"""Two tutors with a listing each, a client, and an agent who recruited the first tutor."""


def _toggle(number: int, flag: str) -> Write:
    return _write("update {} set {} = not {} where {} = %s", ["profiles", flag, flag, "id"], [UUID(int=number)])


toggles = st.sampled_from(
    [
        _toggle(1, "available_free_help"),
        _toggle(1, "available_free_help"),
        _toggle(2, "available_free_help"),
        _toggle(4, "business_verified"),
    ]
)
"""Each changes a founder's score."""
moves = st.builds(
    lambda listing, owner: _write(
        "update {} set {} = %s where {} = %s", ["listings", "profile_id", "id"], [owner, listing]
    ),
    COLUMNS["listings"]["id"],
    st.sampled_from(PEOPLE[:2]),
)
reviews = st.builds(
    lambda review, rating, booking: _write(
        "insert into {} ({}, reviewer_id, reviewee_id, booking_id, rating) select %s, b.client_id, l.profile_id, b.id, "
        "%s from bookings as b join listings as l on l.id = b.listing_id where b.id = %s on conflict ({}) do update "
        "set reviewer_id = excluded.reviewer_id, reviewee_id = excluded.reviewee_id, booking_id = excluded.booking_id, "
        "rating = excluded.rating",
        ["profile_reviews", "id", "id"],
        [review, rating, booking],
    ),
    *(COLUMNS["profile_reviews"][name] for name in ("id", "rating")),
    st.sampled_from(BOOKINGS),
)
"""Of a session's tutor by its client: others seldom count for a session."""
OLD_SESSION = _write(
    "insert into {} (id, listing_id, client_id, status, scheduled_start, scheduled_end) "
    "values (%s, %s, %s, %s, %s, %s)",
    ["bookings"],
    [UUID(int=206), LISTINGS[0], PEOPLE[2], "Completed", START - 30 * DAY, START - 30 * DAY + HOUR],
)
"""Whose tutor has done nothing since: an alert."""
callings = st.builds(
    lambda roles, tutor: _write("update {} set {} = %s where {} = %s", ["profiles", "roles", "id"], [roles, tutor]),
    COLUMNS["profiles"]["roles"],
    st.sampled_from(PEOPLE[:2]),
)
"""A founder is a tutor, or none any more."""
truncates = st.sampled_from(["profile_reviews", "student_integration_links", "platform_events", "profile_graph"]).map(
    lambda table: _write("truncate {}", [table], [])
)
writes = st.one_of(
    inserts(),
    inserts(("bookings", "profile_graph")),
    updates(),
    deletes(),
    toggles,
    toggles,
    toggles,
    moves,
    reviews,
    callings,
)
writes_at_once = st.one_of(writes, writes, writes, writes, truncates)
"""A truncate in a transaction that stays open would make everyone wait for it, as anywhere."""
