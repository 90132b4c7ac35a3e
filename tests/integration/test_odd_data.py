"""One person's data never stops the others, and what nobody foresaw is that person's own failure (promise 4)."""

import time
from collections.abc import Callable, Iterable
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import psycopg
import pytest

from caas_worker import appraisal, cache, cells, stats, worker
from caas_worker.model import Entry, Scored
from caas_worker.pipeline import Line
from caas_worker.strategies import Registry
from tests.interleaving import Rows, one
from tests.people import add_booking, add_client, add_listing, add_tutor, total

MakeLine = Callable[..., Line]
UNFORESEEN = [
    ValueError("what nobody thought of"),
    RecursionError("maximum recursion depth exceeded"),
    MemoryError(),
    psycopg.DataError("the driver could not read it"),
    psycopg.InternalError("the driver itself"),
    TypeError("a lone \ud800 surrogate, a \0, and 100 kB: " + "x" * 100_000),
]


def ids_of(arguments: Iterable[Any]) -> set[UUID]:
    """The profiles that a step's call is about."""
    found: set[UUID] = set()
    for argument in arguments:
        if isinstance(argument, UUID):
            found.add(argument)
        elif isinstance(argument, Entry):
            found.add(argument.profile_id)
        elif isinstance(argument, Scored):
            found |= argument.rows.keys() | argument.missing
        elif isinstance(argument, list | tuple | set | frozenset):
            found |= ids_of(argument)
        elif hasattr(argument, "profile_id"):
            found.add(argument.profile_id)
    return found


STEPS: list[tuple[Any, str, str]] = [
    (cells, "refresh", "CELLS_FAILED"),
    (stats, "gather", "STATISTICS_FAILED"),
    (stats, "_profile", "PROFILE_UNREADABLE"),
    (Registry, "score", "STRATEGY_FAILED"),
    (cache, "row", "STRATEGY_FAILED"),
    (appraisal, "_first_sessions", "CACHE_REFUSED"),
    (appraisal, "read", "CACHE_REFUSED"),
    (appraisal, "appraise", "QUALITY_FAILED"),
    (cache, "publish", "CACHE_REFUSED"),
]


@pytest.mark.parametrize("error", UNFORESEEN, ids=lambda error: type(error).__name__)
@pytest.mark.parametrize(("place", "step", "code"), STEPS, ids=[step for _, step, _ in STEPS])
def test_what_nobody_foresaw_is_one_profiles_failure_wherever_it_comes(
    app: Rows, make_line: MakeLine, monkeypatch: pytest.MonkeyPatch, place: Any, step: str, code: str, error: Exception
) -> None:
    guilty, *others = [add_tutor(app) for _ in range(5)]
    works = getattr(place, step)

    def stumble(*arguments: Any, **named: Any) -> Any:
        about = ids_of([*arguments, *named.values()])
        if isinstance(arguments[0], dict) and "profile_id" in arguments[0]:
            about.add(arguments[0]["profile_id"])
        is_publishing_a_failure = step == "publish" and not arguments[3].rows
        if guilty in about and not is_publishing_a_failure:
            raise error
        return works(*arguments, **named)

    monkeypatch.setattr(place, step, stumble)
    summary = worker.drain(make_line(max_attempts=2), batch_size=10)
    assert (summary.processed, summary.failed, summary.dead, summary.remaining) == (4, 2, 1, 0)
    assert summary.error_types == {code: 2}
    assert [total(app, tutor) for tutor in others] == [32] * 4
    message, attempts = app.execute("select message, attempts from caas.dead_entries").fetchone() or ("", 0)
    assert attempts == 2
    assert len(message) < 3_000
    monkeypatch.undo()
    app.execute("select caas.enqueue(%s, 'mended')", ([guilty],))
    assert worker.drain(make_line(), batch_size=10).processed == 1
    assert total(app, guilty) == 32


def first_session(app: Rows, tutor: UUID, turns: str | None) -> UUID:
    at = datetime.now(UTC) - timedelta(days=2)
    booking = add_booking(app, add_listing(app, tutor), add_client(app), scheduled_start=at)
    app.execute("insert into session_transcripts (booking_id, turns) values (%s, %s::jsonb)", (booking, turns))
    return booking


READABLE = '[{"speaker": "tutor", "text": "hello", "confidence": %s}]'


@pytest.mark.parametrize(
    ("turns", "is_judged"),
    [
        (READABLE % "1e5000", True),
        (READABLE % ("1" * 5_001), True),
        (READABLE % "-0.1e-400", True),
        (READABLE % ("[" * 400 + "]" * 400), True),
        ("[" * 5_000 + "]" * 5_000, False),
        (READABLE % ("[" * 5_000 + "]" * 5_000), False),
        (None, False),
        ('"hello"', False),
        ("1e5000", False),
        ("null", False),
        ('{"speaker": "tutor", "text": "hello"}', False),
    ],
    ids=lambda value: str(value)[:60],
)
def test_a_transcript_of_any_content_stops_nobody(
    app: Rows, make_line: MakeLine, turns: str | None, is_judged: bool
) -> None:
    odd, plain = add_tutor(app), add_tutor(app)
    booking = first_session(app, odd, turns)
    first_session(app, plain, READABLE % "0.9")
    summary = worker.drain(make_line(), batch_size=10)
    assert (summary.failed, summary.remaining) == (0, 0)
    assert total(app, odd) == total(app, plain)
    judged = one(app, "select count(*) from caas.session_scores where score_type = 'fsrs' and booking_id = %s", booking)
    assert judged == int(is_judged)


@pytest.mark.parametrize(
    "damage",
    [
        "insert into role_details (profile_id, role_type, qualifications) values (%s, 'TUTOR', '[1e5000, \"QTS\"]')",
        "insert into role_details (profile_id, role_type, qualifications) "
        "values (%s, 'TUTOR', (repeat('[', 5000) || repeat(']', 5000))::jsonb)",
        "insert into role_details (profile_id, role_type, qualifications) select %s, 'TUTOR', "
        "jsonb_agg(md5(n::text)) from generate_series(1, 400000) as n",
        "insert into role_details (profile_id, role_type, degree_level) values (%s, 'TUTOR', repeat('x', 30000000))",
        "insert into role_details (profile_id, role_type, qualifications) "
        "values (%s, 'TUTOR', jsonb_build_object('education', repeat('y', 90000)))",
        "insert into role_details (profile_id, role_type) select %s, 'TUTOR' || n from generate_series(1, 3000) as n",
        "update profiles set bio_video_url = repeat(' ', 10000000) where id = %s",
    ],
    ids=["a number", "brackets", "400,000 names", "a long degree", "a long education", "many roles", "a long text"],
)
def test_odd_values_give_no_points_and_the_gate_still_closes(app: Rows, make_line: MakeLine, damage: str) -> None:
    tutor, plain = add_tutor(app), add_tutor(app)
    app.execute(damage.encode(), (tutor,))
    line = make_line()
    begun = time.monotonic()
    assert worker.drain(line, batch_size=10).failed == 0
    assert time.monotonic() - begun < 10
    assert total(app, tutor) in (32, 41)  # QTS beside the number counts
    assert total(app, plain) == 32
    inputs = one(app, "select score_inputs from caas.scores where profile_id = %s", tutor)
    assert len(str(inputs)) < 3_000
    app.execute("update profiles set identity_verified = false where id = %s", (tutor,))
    worker.drain(line, batch_size=10)
    assert (total(app, tutor), one(app, "select reason from caas.scores where profile_id = %s", tutor)) == (
        0,
        "unverified",
    )


def test_what_could_not_be_read_or_was_cut_is_named(app: Rows, make_line: MakeLine) -> None:
    unreadable, long = add_tutor(app), add_tutor(app)
    app.execute(
        "insert into role_details (profile_id, role_type, qualifications) "
        "values (%s, 'TUTOR', (repeat('[', 5000) || repeat(']', 5000))::jsonb)",
        (unreadable,),
    )
    app.execute(
        "insert into role_details (profile_id, role_type, qualifications, degree_level) "
        "select %s, 'TUTOR', jsonb_agg('Q' || n), repeat('d', 300) from generate_series(1, 80) as n",
        (long,),
    )
    worker.drain(make_line(), batch_size=10)
    inputs = {
        key: one(app, "select score_inputs from caas.scores where profile_id = %s", key) for key in (unreadable, long)
    }
    assert inputs[unreadable]["unforeseen"] == ["qualifications"]
    assert inputs[long]["cut"] == ["degree", "qualifications"]
    assert (len(inputs[long]["qualifications"]), len(inputs[long]["degree"])) == (50, 200)


def test_who_can_not_be_read_at_all_does_not_keep_a_score_without_an_identity(
    app: Rows, make_line: MakeLine, monkeypatch: pytest.MonkeyPatch
) -> None:
    tutor = add_tutor(app)
    worker.drain(make_line(), batch_size=10)

    def stumble(**_: Any) -> Any:
        raise ValueError("what nobody thought of")

    monkeypatch.setattr(stats, "_details", stumble)
    app.execute("insert into role_details (profile_id, role_type) values (%s, 'TUTOR')", (tutor,))
    assert worker.drain(make_line(max_attempts=1), batch_size=10).error_types == {"PROFILE_UNREADABLE": 1}
    assert total(app, tutor) == 32
    app.execute("update profiles set identity_verified = false where id = %s", (tutor,))
    assert worker.drain(make_line(max_attempts=1), batch_size=10).failed == 0
    assert total(app, tutor) == 0
