"""The edges of the tutor rule and of the statistics behind it (scoring 1.1 and 1.2), as tables of cases.

Left of the double bar stands what the application wrote (rows.py explains the words), right of it what the cached
score says: statistics and facts by name, and the bucket's `points`. A dash leaves a cell out. All tutors of a table
are scored in one batch, so that statistics which reach into another tutor's rows would show.
"""

from collections.abc import Callable
from typing import Any
from uuid import UUID

from psycopg.types.json import Jsonb

from tests.people import Rows, add, add_tutor
from tests.spec.conftest import Published
from tests.spec.rows import link, relate, review, teach
from tests.spec.tables import cases, rounded

SESSIONS = """
case                                        | sessions                                 || completed_sessions | retention_rate | completed_free_sessions_count | points
no session is provisional                   | -                                        || 0                  | 0              | 0                             | 30
the first session ends that                 | 1 unrecorded                             || 1                  | 0              | 0                             | 0
a type of null is paid                      | 2 unrecorded with a                      || 2                  | 1              | 0                             | 15
the label paid is paid                      | 2 labelled paid with a                   || 2                  | 1              | 0                             | 15
free sessions are counted apart             | 3 free                                   || 0                  | 0              | 3                             | 30
a free session is no second booking         | 1 unrecorded with a, 1 free with a       || 1                  | 0              | 1                             | 0
planned and cancelled sessions do not count | 1 booked, 1 cancelled, 1 rescheduled     || 0                  | 0              | 0                             | 30
missed and unlogged sessions do not count   | 1 missed, 1 pending, 1 free pending      || 0                  | 0              | 0                             | 30
a cancelled session is no second booking    | 1 unrecorded with a, 1 cancelled with a  || 1                  | 0              | 0                             | 0
one client of two came again                | 2 unrecorded with a, 1 unrecorded with b || 3                  | 0.5            | 0                             | 7.5
many visits are one client                  | 7 unrecorded with a, 2 unrecorded        || 9                  | 0.333333333    | 0                             | 5
"""  # noqa: E501


def test_sessions_and_returning_clients_earn_performance_points(app: Rows, published: Published) -> None:
    def write(tutor: UUID, sessions: str = "") -> None:
        teach(app, tutor, sessions)

    check(app, published, SESSIONS, "performance", write)


REVIEWS = """
case                          | sessions            | reviews  || avg_rating  | points
no review                     | 1 unrecorded        | -        || 0           | 0
one review                    | 1 unrecorded        | 3        || 3           | 9
the mean of all               | 1 unrecorded        | 5, 4, 4  || 4.333333333 | 13
one's own review is ignored   | 1 unrecorded        | 3, own 5 || 3           | 9
only one's own review is none | 1 unrecorded        | own 5    || 0           | 0
the best                      | 2 unrecorded with a | 5, 5     || 5           | 30
not on top of the provisional | -                   | 5        || 5           | 30
not below the provisional     | -                   | 1        || 1           | 30
"""


def test_ratings_by_others_earn_performance_points(app: Rows, published: Published) -> None:
    def write(tutor: UUID, sessions: str = "", reviews: int | str = "") -> None:
        teach(app, tutor, sessions)
        review(app, tutor, str(reviews))

    check(app, published, REVIEWS, "performance", write)


QUALIFICATIONS = """
case                           | degree_level | years | qualifications                                  || degree    | points
nothing                        | -            | -     | -                                               || null      | 0
a bachelor's degree            | BACHELORS    | -     | []                                              || BACHELORS | 10
degrees are flat               | PHD          | -     | []                                              || PHD       | 10
degrees in any case            | bAcHeLoRs    | -     | []                                              || BACHELORS | 10
another degree                 | DIPLOMA      | -     | []                                              || DIPLOMA   | 0
nine years                     | -            | 9     | []                                              || null      | 0
ten years                      | -            | 10    | []                                              || null      | 10
QTS in any case                | -            | -     | ["qTs"]                                         || null      | 10
QTS twice                      | -            | -     | ["QTS", "qts"]                                  || null      | 10
PGCE alone                     | -            | -     | ["PGCE"]                                        || null      | 0
part of a name is another name | -            | -     | ["QTS pending"]                                 || null      | 0
an object                      | -            | -     | {"certifications": ["QTS"], "education": "PHD"} || PHD       | 20
an object without certificates | -            | -     | {"education": "masters"}                        || MASTERS   | 10
an object without education    | -            | -     | {"certifications": ["QTS"]}                     || null      | 10
an empty object                | -            | -     | {}                                              || null      | 0
an object of nulls             | -            | -     | {"certifications": null, "education": null}     || null      | 0
degree_level wins              | DIPLOMA      | -     | {"education": "PHD"}                            || DIPLOMA   | 0
a blank degree_level does not  | "  "         | -     | {"education": "PHD"}                            || PHD       | 10
an empty degree_level does not | ""           | -     | {"education": "PHD"}                            || PHD       | 10
blank education                | -            | -     | {"education": " "}                              || null      | 0
"""  # noqa: E501


def test_qualifications_in_both_shapes_earn_points(app: Rows, published: Published) -> None:
    check(app, published, QUALIFICATIONS, "qualifications", role_details(app), unforeseen=None)


UNFORESEEN = """
case                        | qualifications                              || unforeseen                                                    | points
a number                    | 7                                           || ["qualifications"]                                            | 0
a text                      | "QTS"                                       || ["qualifications"]                                            | 0
a truth value               | true                                        || ["qualifications"]                                            | 0
a list of objects           | [{"name": "QTS"}]                           || ["qualifications"]                                            | 0
a list with a number        | [7, "PGCE"]                                 || ["qualifications"]                                            | 0
a list of lists             | [["QTS"]]                                   || ["qualifications"]                                            | 0
certifications in a text    | {"certifications": "QTS"}                   || ["qualifications.certifications"]                             | 0
certifications in an object | {"certifications": {"QTS": true}}           || ["qualifications.certifications"]                             | 0
education in a list         | {"education": ["PHD"]}                      || ["qualifications.education"]                                  | 0
both                        | {"certifications": 7, "education": 7}       || ["qualifications.education", "qualifications.certifications"] | 0
the rest still counts       | {"certifications": ["QTS"], "education": 7} || ["qualifications.education"]                                  | 10
"""  # noqa: E501


def test_a_shape_that_no_rule_foresees_gives_no_points_and_is_named(app: Rows, published: Published) -> None:
    check(app, published, UNFORESEEN, "qualifications", role_details(app))


GRAPH = """
case                        | edges                                                         || referral_count | connection_count | is_agent_referred | points
nobody                      | -                                                             || 0              | 0                | no                | 0
ten connections             | SOCIAL me>1..10                                               || 0              | 10               | no                | 0
eleven connections          | SOCIAL me>1..11                                               || 0              | 11               | no                | 8
eleven, from the other end  | SOCIAL 1..11>me                                               || 0              | 11               | no                | 8
both directions count once  | SOCIAL me>1..10, SOCIAL 1..10>me                              || 0              | 10               | no                | 0
directions add up           | SOCIAL me>1..5, SOCIAL 6..11>me                               || 0              | 11               | no                | 8
the same edge twice         | SOCIAL me>1..10, SOCIAL me>1                                  || 0              | 10               | no                | 0
oneself is nobody           | SOCIAL me>1..10, SOCIAL me>me                                 || 0              | 10               | no                | 0
referring oneself           | AGENT_REFERRAL me>me                                          || 0              | 0                | no                | 0
pending is not yet          | SOCIAL me>1..11 PENDING                                       || 0              | 0                | no                | 0
blocked is no more          | SOCIAL me>1..10, SOCIAL me>11 BLOCKED                         || 0              | 10               | no                | 0
one referral                | AGENT_REFERRAL me>1                                           || 1              | 0                | no                | 4
a referral given twice      | AGENT_REFERRAL me>1, AGENT_REFERRAL me>1                      || 1              | 0                | no                | 4
three referrals             | AGENT_REFERRAL me>1..3                                        || 3              | 0                | no                | 12
four earn no more           | AGENT_REFERRAL me>1..4                                        || 4              | 0                | no                | 12
a pending referral          | AGENT_REFERRAL me>1 PENDING                                   || 0              | 0                | no                | 0
a blocked referral          | AGENT_REFERRAL me>1 BLOCKED                                   || 0              | 0                | no                | 0
referred by an agent        | AGENT_REFERRAL 1>me                                           || 0              | 0                | yes               | 8
referred, but pending       | AGENT_REFERRAL 1>me PENDING                                   || 0              | 0                | no                | 0
the bonus comes once        | SOCIAL me>1..11, AGENT_REFERRAL 12>me                         || 0              | 11               | yes               | 8
a referral is no connection | SOCIAL me>1..10, AGENT_REFERRAL me>11                         || 1              | 10               | no                | 4
everything                  | SOCIAL me>1..11, AGENT_REFERRAL me>1..5, AGENT_REFERRAL 12>me || 5              | 11               | yes               | 20
"""  # noqa: E501


def test_referrals_and_connections_earn_network_points(app: Rows, published: Published) -> None:
    def write(tutor: UUID, edges: str = "") -> None:
        relate(app, tutor, edges)

    check(app, published, GRAPH, "network", write)


DBS = """
case                    | verified | expires               || dbs_valid | points
never checked           | no       | -                     || no        | 5
verified without expiry | yes      | -                     || no        | 5
verified and current    | yes      | now() + '1 day'       || yes       | 10
verified, expired       | yes      | now() - interval '1s' || no        | 5
current, not verified   | no       | now() + '1 day'       || no        | 5
verified for good       | yes      | 'infinity'            || yes       | 10
never valid             | yes      | '-infinity'           || no        | 5
"""


def test_a_current_dbs_check_earns_safety_points(app: Rows, published: Published) -> None:
    def write(tutor: UUID, verified: bool, expires: str = "null") -> None:
        query = f"update profiles set dbs_verified = %s, dbs_expiry_date = {expires} where id = %s"
        app.execute(query, (verified, tutor))

    check(app, published, DBS, "safety", write)


TOOLS = """
case                              | tools                                | video            || bio_video | points
nothing                           | -                                    | -                || no        | 0
a calendar                        | GOOGLE_CALENDAR                      | -                || no        | 5
a classroom                       | GOOGLE_CLASSROOM                     | -                || no        | 5
both tools                        | GOOGLE_CALENDAR, GOOGLE_CLASSROOM    | -                || no        | 5
a disconnected tool               | GOOGLE_CALENDAR off                  | -                || no        | 0
disconnected, then connected anew | GOOGLE_CALENDAR off, GOOGLE_CALENDAR | -                || no        | 5
a tool that no rule knows         | ZOOM                                 | -                || no        | 0
a video                           | -                                    | https://v.test/1 || yes       | 5
an empty video                    | -                                    | ""               || no        | 0
a blank video                     | -                                    | " \\n\\t "       || no        | 0
a calendar and a video            | GOOGLE_CALENDAR                      | https://v.test/1 || yes       | 10
"""


def test_connected_tools_and_a_video_earn_digital_points(app: Rows, published: Published) -> None:
    def write(tutor: UUID, tools: str = "", video: str | None = None) -> None:
        link(app, tutor, tools)
        app.execute("update profiles set bio_video_url = %s where id = %s", (video, tutor))

    check(app, published, TOOLS, "digital", write)


ENGAGEMENT = """
case                                    | sessions                                 || virtual_usage_rate | manual_session_log_rate | points
four of five recorded                   | 4 recorded, 1 unrecorded                 || 0.8                | 0                       | 0
five of six recorded                    | 5 recorded, 1 unrecorded                 || 0.833333333        | 0                       | 5
a blank recording is none               | 4 recorded, 1 blank                      || 0.8                | 0                       | 0
a recording of blank lines is none      | 4 recorded, 1 newline                    || 0.8                | 0                       | 0
recorded free sessions do not count     | 1 unrecorded, 9 free recorded            || 0                  | 0                       | 0
recorded sessions not yet logged do not | 1 unrecorded, 9 pending recorded         || 0                  | 0                       | 0
four logged sessions are no habit       | 4 unrecorded                             || 0                  | 0                       | 0
five are                                | 5 unrecorded                             || 0                  | 1                       | 5
five blank recordings are five logged   | 5 blank                                  || 0                  | 1                       | 5
four logged and one forgotten           | 4 unrecorded, 1 pending                  || 0                  | 0.8                     | 0
five logged and one forgotten           | 5 unrecorded, 1 pending                  || 0                  | 0.833333333             | 5
eight and two                           | 8 unrecorded, 2 pending                  || 0                  | 0.8                     | 0
free sessions make no fifth             | 4 unrecorded, 1 free                     || 0                  | 0                       | 0
recorded sessions make no fifth         | 4 unrecorded, 1 recorded                 || 0.2                | 0                       | 0
free sessions are not forgotten         | 5 unrecorded, 5 free pending             || 0                  | 1                       | 5
recorded sessions are not forgotten     | 5 unrecorded, 5 pending recorded         || 0                  | 1                       | 5
cancelled sessions are not forgotten    | 5 unrecorded, 2 cancelled, 2 rescheduled || 0                  | 1                       | 5
planned and missed ones neither         | 5 unrecorded, 2 booked, 2 missed         || 0                  | 1                       | 5
"""  # noqa: E501


def test_recorded_and_logged_sessions_earn_digital_points(app: Rows, published: Published) -> None:
    def write(tutor: UUID, sessions: str) -> None:
        teach(app, tutor, sessions)

    check(app, published, ENGAGEMENT, "digital", write)


FREE_HELP = """
case                             | available | sessions               || completed_free_sessions_count | points
neither                          | no        | -                      || 0                             | 0
available                        | yes       | -                      || 0                             | 5
given, but no longer available   | no        | 4 free                 || 4                             | 4
five at most                     | yes       | 6 free                 || 6                             | 10
five at most, also not available | no        | 6 free                 || 6                             | 5
paid sessions are no free help   | no        | 2 labelled paid        || 0                             | 0
only what was held               | no        | 1 free, 3 free pending || 1                             | 1
"""


def test_free_help_earns_social_impact_points(app: Rows, published: Published) -> None:
    def write(tutor: UUID, available: bool, sessions: str = "") -> None:
        app.execute("update profiles set available_free_help = %s where id = %s", (available, tutor))
        teach(app, tutor, sessions)

    check(app, published, FREE_HELP, "social_impact", write)


def check(app: Rows, published: Published, table: str, bucket: str, write: Callable[..., None], **always: Any) -> None:
    """Write a tutor for each case, score them all at once, compare what each table line expects.

    A name in `always` is expected of every line; None: to be absent.
    """
    tutors = {}
    for case in cases(table):
        tutors[case.name] = add_tutor(app)
        write(tutors[case.name], **case.given)
    expected = {case.name: case.expected | always for case in cases(table)}
    seen = {}
    for name, tutor in tutors.items():
        score = published(tutor)
        facts = score["score_inputs"] | {"points": score["score_breakdown"][bucket]}
        seen[name] = {column: rounded(facts.get(column)) for column in expected[name]}
    assert seen == expected


def role_details(app: Rows) -> Callable[..., None]:
    """Writes the tutor's role_details; without any cell there is no row."""

    def write(tutor: UUID, **given: Any) -> None:
        columns: dict[str, Any] = {}
        if "degree_level" in given:
            columns["degree_level"] = given["degree_level"]
        if "years" in given:
            columns["teaching_experience"] = given["years"]
        if "qualifications" in given:
            columns["qualifications"] = Jsonb(given["qualifications"])
        if columns:
            add(app, "role_details", profile_id=tutor, role_type="TUTOR", **columns)

    return write
