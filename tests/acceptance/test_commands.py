"""What an engineer, a cron job and an operator do with the installed product."""

from datetime import UTC, datetime, timedelta
from uuid import uuid4

import psycopg
import pytest

from caas_worker import __version__
from tests.acceptance.conftest import Product
from tests.people import Rows, add_client, add_review, add_tutor, publish_rules, total


def test_the_wheel_brings_its_own_sql(product: Product) -> None:
    assert product.call("--version").strip() == f"caas-worker {__version__}"
    files = product.read("migrate", "status", "--json")
    assert {file["state"] for file in files} == {"installed"}
    assert any(file["name"] == "migrations/0001_line.sql" for file in files)
    assert any(file["name"] == "triggers/bookings.sql" for file in files)


def test_a_database_that_is_in_order_passes_verify(product: Product) -> None:
    out = product.call("verify")
    assert "✗" not in out
    assert "everything is in place" in out


def test_verify_names_each_fault_and_the_remedy(product: Product, app: Rows) -> None:
    app.execute("drop trigger caas_mark_update on bookings")
    app.execute("alter table listings disable trigger caas_mark_delete")
    app.execute("drop view caas.source_listings")
    app.execute("drop index caas.scores_to_sweep")
    app.execute("drop index bookings_of_a_listing_by_time")
    app.execute("alter table profiles drop column bio cascade")
    faults = {
        f"{check['area']}: {check['subject']}": check["todo"]
        for check in _checks(product)
        if not check["ok"] and not check["hint"]
    }
    assert faults.keys() == {
        "application: profiles.bio",
        "index: scores_to_sweep",
        "trigger: public.bookings",
        "trigger: public.listings",
        "source view: caas.source_listings",
        "source view: caas.source_profiles",
    }
    assert "caas-worker migrate up" in faults["trigger: public.bookings"]
    assert "caas-worker triggers enable" in faults["trigger: public.listings"]
    hints = [check["todo"] for check in _checks(product) if check["hint"] and not check["ok"]]
    assert hints == [
        "statistics read the whole table; run: create index concurrently on bookings (listing_id, scheduled_start)"
    ]


def _checks(product: Product) -> list[dict[str, object]]:
    checks: list[dict[str, object]] = product.read("verify", "--json", code=1)
    return checks


def test_cron_gets_one_json_summary(product: Product, app: Rows) -> None:
    publish_rules(app)
    tutor = add_tutor(app)
    summary = product.read("drain")
    assert summary["processed"] == 1
    assert summary["remaining"] == 0
    assert total(app, tutor) == 32


def test_cron_is_not_told_of_a_failure_for_a_profile_that_never_was(product: Product, app: Rows) -> None:
    app.execute("select caas.enqueue(array[%s], 'typing error')", (uuid4(),))
    summary = product.read("drain")
    assert (summary["failed"], summary["error_types"]) == (1, {"PROFILE_NOT_FOUND": 1})


def test_a_score_is_read_and_recomputed_by_hand(product: Product, app: Rows) -> None:
    tutor = add_tutor(app)
    product.call("score", "get", str(tutor), code=1)
    assert "recalculate" in product.said
    answer = product.read("score", "recalculate", str(tutor), "--json")
    assert [score["total_score"] for score in answer["scores"]] == [32]
    assert product.read("score", "get", str(tutor), "--json")["total_score"] == 32
    assert "performance" in product.call("score", "get", str(tutor))


def test_a_recalculation_names_the_profiles_that_do_not_exist(product: Product, app: Rows) -> None:
    tutor, nobody = add_tutor(app), uuid4()
    product.call("score", "recalculate", str(tutor), str(nobody), code=1)
    assert f"{nobody}: there is no such profile" in product.said
    assert total(app, tutor) == 32


def test_where_one_profile_stands(product: Product, app: Rows) -> None:
    tutor = add_tutor(app)
    app.execute("select caas.fold(100)")
    assert product.read("queue", "status", "--profile", str(tutor), "--json")["state"] == "ready"
    assert product.read("queue", "status", "--json")["ready"] == 1
    product.call("drain")
    assert product.read("queue", "status", "--profile", str(tutor), "--json")["state"] == "nothing to do"


def test_a_backfill_marks_everyone_and_says_how_many(product: Product, app: Rows) -> None:
    for _ in range(5):
        add_tutor(app)
    product.call("drain")
    assert product.read("backfill", "--json")["marked"] == 5
    assert product.read("drain")["processed"] == 5


def test_the_kill_switch_and_back(product: Product, app: Rows) -> None:
    tutor, client = add_tutor(app), add_client(app)
    product.call("drain")
    product.call("triggers", "disable")
    add_review(app, client, tutor, 5)
    assert product.read("drain")["processed"] == 0
    product.call("triggers", "enable")
    assert product.read("drain")["processed"] == 2


def test_uninstall_leaves_the_application_as_it_was(product: Product, app: Rows) -> None:
    tutor = add_tutor(app)
    product.call("uninstall", code=1)
    product.call("uninstall", "--yes")
    add_review(app, add_client(app), tutor, 5)
    left = app.execute("select to_regnamespace('caas'), to_regclass('public.caas_scores')").fetchone()
    assert left == (None, None)
    assert app.execute("select count(*) from pg_trigger where tgname like 'caas%'").fetchone() == (0,)


@pytest.mark.parametrize(
    ("arguments", "environment", "code", "sentence"),
    [
        (["score", "get", "not-a-uuid"], {}, 2, "valid UUID"),
        (["drain", "--max-batches", "0"], {}, 2, "greater than or equal"),
        (["drain"], {"CAAS_BATCH_SIZE": "many"}, 2, "CAAS_BATCH_SIZE"),
        (["drain"], {"CAAS_BATCHSIZE": "5"}, 2, "Did you mean CAAS_BATCH_SIZE?"),
        (["drain"], {"CAAS_DATABASE_URL": "postgresql://127.0.0.1:1/none"}, 3, "does not answer"),
        (["drain"], {"CAAS_DATABASE_URL": "pass=w0rd no such thing"}, 2, "no connection string"),
        (["nonsense"], {}, 2, "No such command"),
    ],
)
def test_bad_input_gets_a_sentence_and_an_exit_code(
    product: Product, arguments: list[str], environment: dict[str, str], code: int, sentence: str
) -> None:
    product.call(*arguments, code=code, **environment)
    assert sentence in product.said


def test_a_database_without_our_tables_is_named(bare: Product, database_url: str) -> None:
    bare.environment["CAAS_DATABASE_URL"] = database_url
    bare.call("drain", code=4)
    assert "caas-worker migrate up" in bare.said
    bare.call("migrate", "up", code=5)
    assert "lacks what the rules read" in bare.said
    bare.call("verify", code=1)


def test_settings_hide_the_secrets(product: Product) -> None:
    out = product.call("settings", "--json", CAAS_DATABASE_URL="postgresql://me:s3cret@db/x")
    assert "s3cret" not in out
    assert "CAAS_LEASE_SECONDS" in out


def test_nothing_waits_behind_a_migration_that_cannot_have_its_lock(product: Product, url: str, app: Rows) -> None:
    app.execute("drop trigger caas_mark_insert on profiles")
    with psycopg.connect(url) as busy:
        busy.execute("lock table profiles in row exclusive mode")
        migration = product.start("migrate", "up")
        for _ in range(20):
            app.execute("update profiles set bio = bio")
        assert migration.poll() is None
        busy.rollback()
    assert migration.wait(30) == 0


def test_what_falls_due_is_swept_from_cron(product: Product, app: Rows) -> None:
    tutor = add_tutor(app, dbs_verified=True, dbs_expiry_date=datetime.now(UTC) + timedelta(days=1))
    product.read("drain")
    assert product.read("sweep", "--json") == {"marked": 0}
    app.execute("update caas.scores set next_due_at = now()")
    assert product.read("sweep", "--json", "--max-profiles", "5") == {"marked": 1}
    assert "0 marked" in (product.call("sweep") or product.said)
    assert product.read("drain")["processed"] == 1
    assert total(app, tutor) == 36


def test_an_operator_lists_and_retries_what_was_set_aside(product: Product, app: Rows) -> None:
    publish_rules(app)
    tutor = add_tutor(app)
    app.execute("alter table caas.scores add constraint nobody_may_be_scored check (total_score > 100) not valid")
    summary = product.read("drain", code=1, CAAS_MAX_ATTEMPTS="1")
    assert (summary["dead"], summary["error_types"]) == (1, {"CACHE_REFUSED": 1})
    [entry] = product.read("queue", "failed", "--json")
    assert (entry["profile_id"], entry["error"]) == (str(tutor), "CACHE_REFUSED")
    assert "CACHE_REFUSED" in product.call("queue", "failed", "--last", "7d")
    product.call("queue", "failed", "--last", "a while", code=2)
    assert "is no time" in product.said
    product.call("queue", "retry", code=2)
    assert "Say whom" in product.said
    app.execute("alter table caas.scores drop constraint nobody_may_be_scored")
    assert product.read("queue", "retry", "--all", "--json") == {"retried": 1, "profile_ids": [str(tutor)]}
    assert product.read("drain")["processed"] == 1
    product.call("queue", "retry", str(tutor))
    assert "nothing to do" in product.said


def test_an_older_release_waits_until_an_operator_makes_its_rules_the_published_ones(
    product: Product, app: Rows
) -> None:
    product.read("drain")
    app.execute("update caas.rules set version = 'tutor-v99' where role_type = 'TUTOR'")
    product.call("drain", code=7)
    assert "Other rules are published than this installation has: TUTOR tutor-v99" in product.said
    standing = {rule["role"]: rule["standing"] for rule in product.read("rules", "status", "--json")}
    assert standing.pop("TUTOR") == "differs"
    assert {"AGENT", "CLIENT", "sqs", "ths"} < standing.keys()
    assert set(standing.values()) == {"published"}
    assert "tutor-v99" in product.call("rules", "status")
    product.call("rules", "publish", "--yes")
    assert "published TUTOR tutor-v5.9" in product.said
    product.read("drain")
