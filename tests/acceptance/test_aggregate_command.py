"""`caas-worker aggregate` in real processes, as cron and operators run it."""

import json
import signal
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

from tests.acceptance.conftest import Product, Wait
from tests.interleaving import Rows, one
from tests.people import add_booking, add_client, add_listing, add_tutor, total
from tests.proof.tables import QualityTables

DAY = timedelta(days=1)


def add_taught_tutor(app: Rows) -> UUID:
    """A tutor with sessions in each of the windows."""
    tutor, client = add_tutor(app), add_client(app)
    listing = add_listing(app, tutor)
    for age in (1, 3, 20, 60):
        start = datetime.now(UTC) - age * DAY
        times: dict[str, Any] = {"actual_start": start, "actual_end": start + timedelta(hours=1)}
        add_booking(app, listing, client, scheduled_start=start, **times)
    return tutor


def compare(app: Rows) -> None:
    """The quality tables are what the oracle says of the time that they were computed at."""
    QualityTables.load(app).compare(one(app, "select max(calculated_at) from caas.tutor_scores"))


def today(app: Rows) -> str:
    return str(one(app, "select (now() at time zone 'UTC')::date"))


def test_cron_has_everything_built_anew_and_gets_one_json_document(product: Product, app: Rows) -> None:
    tutors = [add_taught_tutor(app) for _ in range(3)]
    said = product.read("aggregate", "--json")
    compare(app)
    assert (said["tutors"], said["successes"], said["failures"], said["success_rate"]) == (3, 3, 0, 100.0)
    assert (said["rows"], said["day"], said["errors"]) == (3 * (4 + 3), today(app), {})
    assert sorted(of["profile_id"] for of in said["results"]) == sorted(map(str, tutors))
    app.execute("update caas.tutor_daily_aggregates set sessions = 9, sessions_completed = 9")
    assert product.call("aggregate", "--quiet") == ""
    assert product.said == ""
    compare(app)
    assert product.call("aggregate") == ""
    assert "3 tutors, 3 succeeded, 0 failed (100.00 %), 21 rows" in product.said


def test_a_past_day_is_filled_in_once(product: Product, app: Rows) -> None:
    tutor = add_taught_tutor(app)
    day = str(datetime.now(UTC).date() - 10 * DAY)
    [result] = product.read("aggregate", "--date", day, "--diff", "--json")["results"]
    assert result["changes"]["30day"]["sessions_completed"] == {"before": None, "after": 1}
    product.call("aggregate", "--date", day, "--tutors", str(tutor), "--verbose")
    assert "1 had metrics of that day, which stay as they were published" in product.said
    assert one(app, "select count(*) from caas.tutor_performance_metrics where calculation_date = %s", day) == 3
    assert "sessions_completed" in product.call(
        "aggregate", "--date", str(datetime.now(UTC).date() - 9 * DAY), "--diff"
    )


def test_who_fails_is_set_aside_and_told_with_exit_code_1(product: Product, app: Rows) -> None:
    tutors = [add_taught_tutor(app) for _ in range(3)]
    app.execute(f"alter table caas.scores add constraint not_this_one check (profile_id <> '{tutors[1]}') not valid")
    printed = product.call("aggregate", code=1)
    assert printed == f"{tutors[1]} failed CACHE_REFUSED\n"
    assert "3 tutors, 2 succeeded, 1 failed (66.67 %)" in product.said
    assert [total(app, tutor) is None for tutor in tutors] == [False, True, False]
    [dead] = product.read("queue", "failed", "--json")
    assert (dead["profile_id"], dead["attempts"]) == (str(tutors[1]), 4)
    said = json.loads(product.call("aggregate", "--json", "--tutors", f"{tutors[1]},{uuid4()}", code=1))
    assert (said["failures"], said["success_rate"]) == (2, 0.0)


def test_ctrl_c_leaves_what_was_begun_in_the_queue(product: Product, app: Rows, eventually: Wait) -> None:
    tutors = [add_taught_tutor(app) for _ in range(3)]
    app.execute("select caas.recalculate(%s, 'held')", (tutors[:1],))
    app.execute("select caas.claim(10, gen_random_uuid(), interval '1 h')")
    process = product.start("aggregate", "--json")
    eventually(lambda: total(app, tutors[1]) is not None and total(app, tutors[2]) is not None)
    assert process.poll() is None  # it waits for what somebody else holds
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=20)
    assert (process.returncode, "Traceback" in err) == (130, False)
    said = json.loads(out)
    assert (said["interrupted"], said["successes"], said["failures"]) == (True, 2, 1)
    assert said["errors"][str(tutors[0])].startswith("INTERRUPTED")
    assert one(app, "select count(*) from caas.recalculation_queue where profile_id = %s", tutors[0]) == 1
    app.execute("update caas.recalculation_queue set lease_until = now() - interval '1 s'")
    assert product.read("drain")["remaining"] == 0
    compare(app)


def test_running_workers_share_the_work(product: Product, app: Rows, eventually: Wait) -> None:
    tutors = [add_taught_tutor(app) for _ in range(5)]
    product.start("run", "--workers", "2")
    eventually(lambda: all(total(app, tutor) is not None for tutor in tutors))
    app.execute("update caas.tutor_daily_aggregates set sessions = 9, sessions_completed = 9")
    assert product.read("aggregate", "--json")["successes"] == 5
    compare(app)


def test_what_is_too_old_goes_into_the_archive(product: Product, app: Rows, tmp_path: Path) -> None:
    tutor, archive = add_taught_tutor(app), tmp_path / "metrics.jsonl"
    for age in (90, 91, 92):
        app.execute(
            "insert into caas.tutor_performance_metrics (profile_id, time_window, calculation_date, "
            "sessions_completed, no_show_count, calculated_at) "
            "values (%s, '7day', (now() at time zone 'UTC')::date - %s, 1, 0, now())",
            (tutor, age),
        )
    for unwritable in (tmp_path / "no" / "such", Path("/dev/full")):
        product.call("aggregate", "--cleanup", "--archive", str(unwritable), code=2)
        assert f"caas-worker: --archive {unwritable}: " in product.said
    assert one(app, "select count(*) from caas.tutor_performance_metrics where time_window = '7day'") in (3, 4)
    said = product.read("aggregate", "--cleanup", "--archive", str(archive), "--json")
    assert said["removed"] == 2
    rows = [json.loads(line) for line in archive.read_text().splitlines()]
    assert {(row["profile_id"], row["time_window"], row["sessions_completed"]) for row in rows} == {
        (str(tutor), "7day", 1)
    }
    assert len({row["calculation_date"] for row in rows}) == 2
    assert one(app, "select count(*) from caas.tutor_performance_metrics where time_window = '7day'") == 2


def test_bad_words_and_a_database_that_is_not_there_are_a_sentence(
    product: Product, bare: Product, database_url: str
) -> None:
    product.call("aggregate", "--verbose", "--quiet", code=2)
    assert "Say --verbose or --quiet, not both." in product.said
    product.call("aggregate", "--date", "2026-02-30", code=2)
    assert "that is no day" in product.said
    product.call("aggregate", "--tutors", "ann", code=2)
    assert "ann is no id" in product.said
    product.call("aggregate", "--cleanup", "--retention-days", "0", code=2)
    product.call("aggregate", code=3, CAAS_DATABASE_URL="postgresql://127.0.0.1:1/none")
    assert "does not answer" in product.said
    bare.call("aggregate", "--json", code=4, CAAS_DATABASE_URL=database_url)
    assert "caas-worker migrate up" in bare.said
