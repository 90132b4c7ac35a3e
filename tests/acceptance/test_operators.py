"""Operators at the command line: a score pinned, compared, explained; dead entries forgotten; the queue watched."""

import json

from tests.acceptance.conftest import Product
from tests.people import Rows, add_client, add_review, add_tutor, total


def test_a_score_is_held_compared_explained_and_released(product: Product, app: Rows) -> None:
    tutor = str(add_tutor(app, display_name="Ann Example"))
    product.read("drain")
    why = ("--reason", "case 1182", "--actor", "ann", "--for", "1h")
    held = product.read("score", "hold", tutor, "--score", "0", *why, "--json")
    assert held["score"] == total(app, tutor) == 0  # type: ignore[arg-type]
    [standing] = product.read("score", "holds", "--json")
    assert (standing["profile_id"], standing["actor"], standing["reason"]) == (tutor, "ann", "case 1182")
    assert "case 1182" in product.call("score", "holds")
    explained = product.call("score", "explain", tutor)
    assert "held at 0" in explained
    assert "What would raise it" in explained
    assert "Ann Example" not in explained
    assert product.read("score", "explain", tutor, "--json")["total"] == 32
    product.call("score", "compare", tutor)
    assert product.read("score", "release", tutor, "--actor", "bob", "--json")["released"] is True
    assert total(app, tutor) == 32  # type: ignore[arg-type]
    product.call("score", "release", tutor)
    assert "nothing to do" in product.said
    [trail] = product.read("score", "holds", tutor, "--json")
    assert (trail["stands"], trail["released_by"]) == (False, "bob")


def test_a_score_that_differs_is_told_with_its_reason(product: Product, app: Rows) -> None:
    tutor = add_tutor(app)
    product.read("drain")
    add_review(app, add_client(app), tutor, 5)
    app.execute("update profiles set available_free_help = true where id = %s", (tutor,))
    differing = product.call("score", "compare", str(tutor), "--json", code=1)
    fields = {field["name"]: (field["cached"], field["fresh"]) for field in json.loads(differing)["fields"]}
    assert fields["total"] == (32, 36)
    product.call("score", "compare", str(tutor), code=1)
    assert "A computation is on its way: the profile is marked (profile_reviews)." in product.said


def test_bad_words_are_a_sentence(product: Product, app: Rows) -> None:
    tutor = str(add_tutor(app))
    product.call("score", "hold", tutor, "--score", "101", "--reason", "r", code=2)
    product.call("score", "hold", tutor, "--score", "1", "--reason", " ", code=2)
    product.call("score", "hold", tutor, "--score", "1", "--reason", "r", "--for", "soon", code=2)
    product.call("score", "explain", "nobody", code=2)
    product.call("score", "explain", "00000000-0000-0000-0000-000000000009", code=1)
    assert "There is no profile" in product.said
    product.call("queue", "purge", code=2)
    assert "Say whom" in product.said
    product.call("queue", "monitor", "--duration", "forever", code=2)


def test_dead_entries_are_forgotten_for_good_only_when_told(product: Product, app: Rows) -> None:
    tutor = add_tutor(app, dbs_expiry_date="2030-01-01")
    app.execute("delete from caas.changes")
    app.execute(
        "insert into caas.dead_entries (profile_id, error, message, attempts, reasons, first_changed_at, "
        "last_changed_at, died_at) "
        "values (%s, 'STRATEGY_FAILED', 'm', 4, '{test}', now(), now(), now() - interval '9 d')",
        (tutor,),
    )
    assert product.read("queue", "purge", "--older-than", "30d", "--yes", "--json")["purged"] == 0
    assert product.read("queue", "purge", "--older-than", "7d", "--yes", "--json")["profile_ids"] == [str(tutor)]
    assert product.read("queue", "status", "--json")["dead"] == 0


def test_the_queue_is_watched_line_by_line(product: Product, app: Rows) -> None:
    add_tutor(app)
    text = product.call("queue", "monitor", "--duration", "1s", "--every", "0.5", "--json")
    looks = [json.loads(line) for line in text.splitlines()]
    assert len(looks) >= 2
    assert looks[0]["marks"] == 1
    assert {"marks_per_second", "scores_per_second", "oldest_seconds", "depth"} <= looks[0].keys()
    assert "marks 1" in product.call("queue", "monitor", "--duration", "1s")


def test_what_postgresql_says_of_a_row_is_for_a_terminal_and_no_log(product: Product, app: Rows) -> None:
    tutor = add_tutor(app, display_name="Ann Smith")
    product.read("drain")
    app.execute(
        "create function refuse() returns trigger language plpgsql as "
        "$$ begin raise exception 'not %', (select display_name from public.profiles limit 1); end $$; "
        "create trigger refuse before insert on caas.holds for each statement execute function refuse()"
    )
    product.call("score", "hold", str(tutor), "--score", "1", "--reason", "a test", code=1)
    assert product.said == "caas-worker: DatabaseError [P0001]\n"
