"""A small town, what of its tables is watched, and who is marked: for the tests of marks."""

from typing import Any

from psycopg import Connection

Rows = Connection[Any]

PEOPLE = {"ana": 1, "ben": 2, "cleo": 3, "dan": 4, "eve": 5}
LISTINGS = {"maths": 11, "music": 12}
BOOKINGS = {"lesson": 21, "trial": 26}
IDS = {name: f"00000000-0000-0000-0000-{number:012}" for name, number in (PEOPLE | LISTINGS | BOOKINGS).items()}
LESSON = IDS["lesson"]
REVIEW, EDGE, LINK, RESCHEDULE, NEW = (f"00000000-0000-0000-0000-{number:012}" for number in (22, 23, 24, 25, 99))
NAMES = {number: name for name, number in IDS.items()} | {NEW: "new"}

TOWN = f"""
    insert into profiles (id, roles) values
        ('{IDS["ana"]}', '{{TUTOR}}'), ('{IDS["ben"]}', '{{TUTOR}}'), ('{IDS["cleo"]}', '{{CLIENT}}'),
        ('{IDS["dan"]}', '{{CLIENT}}'), ('{IDS["eve"]}', '{{AGENT}}');
    insert into role_details (profile_id, role_type) values ('{IDS["ana"]}', 'TUTOR');
    insert into listings (id, profile_id) values ('{IDS["maths"]}', '{IDS["ana"]}'), ('{IDS["music"]}', '{IDS["ben"]}');
    insert into bookings (id, listing_id, client_id, scheduled_start, scheduled_end)
    values
        ('{LESSON}', '{IDS["maths"]}', '{IDS["cleo"]}', '2026-01-05 10:00Z', '2026-01-05 11:00Z'),
        ('{IDS["trial"]}', null, null, '2026-01-06 10:00Z', '2026-01-06 11:00Z');
    insert into profile_reviews (id, reviewer_id, reviewee_id, booking_id, rating)
    values ('{REVIEW}', '{IDS["cleo"]}', '{IDS["ana"]}', '{LESSON}', 4);
    insert into profile_graph (id, source_profile_id, target_profile_id, relationship_type, status)
    values ('{EDGE}', '{IDS["ana"]}', '{IDS["ben"]}', 'SOCIAL', 'ACTIVE');
    insert into student_integration_links (id, profile_id, integration_type)
    values ('{LINK}', '{IDS["ana"]}', 'GOOGLE_CALENDAR');
    insert into platform_events (profile_id, event_type, occurred_at) values
        ('{IDS["ana"]}', 'message_response', '2026-01-05Z'), ('{IDS["dan"]}', 'page_view', '2026-01-05Z');
    insert into reschedules (id, booking_id, initiator) values ('{RESCHEDULE}', '{LESSON}', 'tutor');
    insert into session_transcripts (booking_id) values ('{LESSON}');
    delete from caas.changes;
"""

WATCHED: dict[str, tuple[set[str], dict[str, str]]] = {
    "profiles": (
        {"ana"},
        {
            "status": "'inactive'", "roles": "'{CLIENT}'", "identity_verified": "true", "dbs_verified": "true",
            "dbs_expiry_date": "now()", "available_free_help": "true", "bio": "'Hello'", "bio_video_url": "'v'",
            "avatar_url": "'a'", "business_verified": "true",
        },
    ),
    "role_details": (
        {"ana"},
        {
            "role_type": "'AGENT'", "degree_level": "'PHD'", "qualifications": """'["QTS"]'""",
            "teaching_experience": "1",
        },
    ),
    "bookings": (
        {"maths", "cleo"},
        {
            "status": "'Completed'", "type": "'free_help'", "recording_url": "'r'", "payment_status": "'Failed'",
            "cancelled_by": "'tutor'", "no_show_by": "'client'", "scheduled_start": "'2026-01-06Z'",
            "scheduled_end": "'2026-01-07Z'", "actual_start": "now()", "actual_end": "now()", "session_number": "2",
            "tech_issue": "true", "engagement_score": "0.5", "learning_objectives_met": "false",
            "id": f"case when listing_id is null then id else '{NEW}' end",
        },
    ),
    "profile_reviews": (
        {"ana"},
        {"rating": "5", "reviewer_id": f"'{IDS['dan']}'", "booking_id": "null", "id": f"'{NEW}'"},
    ),
    "profile_graph": (
        {"ana", "ben"},
        {
            "status": "'BLOCKED'", "relationship_type": "'AGENT_REFERRAL'", "created_at": "'2020-01-01Z'",
            "id": f"'{NEW}'",
        },
    ),
    "student_integration_links": (
        {"ana"},
        {"is_active": "false", "integration_type": "'GOOGLE_CLASSROOM'", "id": f"'{NEW}'"},
    ),
    "platform_events": (
        {"ana"},
        {"event_type": "'page_view'", "occurred_at": "now()", "metadata": "'{}'", "id": "id + 100"},
    ),
    "reschedules": (
        {"lesson"},
        {
            "initiator": "'student'", "original_time": "now()", "new_time": "now()", "reason": "'Ill'",
            "reason_code": "'ILL'", "cancelled_at": "now()", "id": f"'{NEW}'",
        },
    ),
    "session_transcripts": ({"lesson"}, {"turns": "'[]'"}),
}  # fmt: skip
"""By table: who is marked when one of these columns takes this value."""

MOVES = [
    ("profiles", "id", NEW, {"ana", "new"}),
    ("role_details", "profile_id", IDS["ben"], {"ana", "ben"}),
    ("bookings", "listing_id", IDS["music"], {"maths", "music", "cleo"}),
    ("bookings", "client_id", IDS["dan"], {"maths", "cleo", "dan"}),
    ("profile_reviews", "reviewee_id", IDS["ben"], {"ana", "ben"}),
    ("profile_graph", "source_profile_id", IDS["cleo"], {"ana", "ben", "cleo"}),
    ("profile_graph", "target_profile_id", IDS["cleo"], {"ana", "ben", "cleo"}),
    ("student_integration_links", "profile_id", IDS["ben"], {"ana", "ben"}),
    ("platform_events", "profile_id", IDS["ben"], {"ana", "ben"}),
    ("reschedules", "booking_id", IDS["trial"], {"lesson", "trial"}),
    ("session_transcripts", "booking_id", IDS["trial"], {"lesson", "trial"}),
    ("listings", "profile_id", IDS["cleo"], {"ana", "ben", "cleo"}),
]

INSERTS = {
    "profiles": ("(id, roles) values (%(new)s, '{TUTOR}')", {"new"}),
    "role_details": ("(profile_id, role_type) values (%(ben)s, 'TUTOR')", {"ben"}),
    "listings": ("(profile_id) values (%(ben)s)", set()),
    "bookings": (
        "(listing_id, client_id, scheduled_start, scheduled_end) values (%(music)s, %(dan)s, now(), now())",
        {"music", "dan"},
    ),
    "profile_reviews": ("(reviewer_id, reviewee_id, rating) values (%(dan)s, %(ben)s, 5)", {"ben"}),
    "profile_graph": ("(source_profile_id, target_profile_id) values (%(cleo)s, %(ben)s)", {"cleo", "ben"}),
    "student_integration_links": ("(profile_id) values (%(ben)s)", {"ben"}),
    "platform_events": (
        "(profile_id, event_type) values (%(ben)s, 'login'), (%(cleo)s, 'message_response'), (%(dan)s, 'page_view')",
        {"ben", "cleo"},
    ),
    "reschedules": ("(booking_id) values (%(trial)s)", {"trial"}),
    "session_transcripts": ("(booking_id) values (%(trial)s)", {"trial"}),
}


def marked(app: Rows, table: str | None = None) -> list[str]:
    """Names of the marked, as often as they are marked (of one table's marks, or of all).

    Beside a profile, a booking says on which day what changed counts, and marks nobody.
    """
    rows = app.execute(
        "select key::text from caas.changes cross join lateral "
        "(values (profile_id), (listing_id), (case when profile_id is null then booking_id end)) as keys (key) "
        "where key is not null and coalesce(reason = %s, true) and not everyone",
        (table,),
    ).fetchall()
    return sorted(NAMES.get(key, key) for (key,) in rows)


def put(app: Rows, statement: str) -> None:
    """Execute a statement with the town's names as parameters."""
    app.execute(statement.encode(), IDS | {"new": NEW} if "%(" in statement else None)
