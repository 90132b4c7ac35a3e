"""Rule versions: a newer one marks everyone, and no worker with another one writes (promises 3 and 6)."""

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from typing import Any, ClassVar

import pytest

from caas_worker import rules, worker
from caas_worker.db import Database
from caas_worker.errors import RulesOutdated, SettingsError
from caas_worker.model import Profile, Score
from caas_worker.pipeline import Line
from caas_worker.strategies import Registry
from caas_worker.strategies.client import ClientStrategy
from caas_worker.strategies.tutor import TutorStrategy
from tests.interleaving import Rows, one
from tests.people import add_profile, add_tutor, marks, total

MakeLine = Callable[..., Line]


def versioned(version: str) -> TutorStrategy:
    """The tutor rule under another version, with as many points as the version has characters."""

    class Versioned(TutorStrategy):
        version: ClassVar[str] = ""

        def score(self, profile: Profile, stats: Any, now: datetime) -> Score:
            return replace(super().score(profile, stats, now), total=len(self.version))

    Versioned.version = version
    return Versioned()


@pytest.fixture(autouse=True)
def somebody_scored(app: Rows, line: Line) -> None:
    """Somebody without a role, whom no version concerns."""
    add_profile(app)
    worker.drain(line, batch_size=10)


def everyone_marked(app: Rows) -> int:
    return int(one(app, "select count(*) from caas.changes where everyone and reason = 'rule' and priority = 90"))


def test_what_is_published_first_marks_everyone_and_what_is_published_already_nobody(app: Rows, db: Database) -> None:
    registry = Registry([TutorStrategy(), ClientStrategy()])
    roles = ["CLIENT client-v1.0", "TUTOR tutor-v5.9"]
    quality = [f"{rule} {version}" for rule, version in registry.quality.versions.items()]
    assert rules.publish(db, registry) == sorted(roles + quality)
    assert everyone_marked(app) == 1
    app.execute("delete from caas.changes")
    assert rules.publish(db, registry) == []
    assert marks(app) == []


@pytest.mark.parametrize(
    ("published", "mine", "is_newer"),
    [
        ("tutor-v5.9", "tutor-v5.10", True),
        ("tutor-v5.9", "tutor-v6", True),
        ("tutor-v5.9", "tutor-v5.9.1", True),
        ("tutor-v5.10", "tutor-v5.9", False),
        ("tutor-v5.9", "other-v9.9", False),
    ],
)
def test_a_version_is_newer_by_its_numbers_under_the_same_name(
    app: Rows, db: Database, published: str, mine: str, is_newer: bool
) -> None:
    rules.publish(db, Registry([versioned(published)]))
    app.execute("delete from caas.changes")
    if is_newer:
        assert rules.publish(db, Registry([versioned(mine)])) == [f"TUTOR {mine}"]
    else:
        with pytest.raises(RulesOutdated, match=f"TUTOR {published}"):
            rules.publish(db, Registry([versioned(mine)]))
    assert everyone_marked(app) == is_newer


def test_an_older_worker_writes_nothing_once_a_newer_rule_is_published(app: Rows, make_line: MakeLine) -> None:
    """A rolling deployment: the older worker had claimed and computed before, and is the last to publish."""
    tutor = add_tutor(app)
    older, newer = make_line(versioned("tutor-v5.9")), make_line(versioned("tutor-v5.10"))
    rules.publish(older.db, older.registry)
    worker.drain(older, batch_size=10)
    assert total(app, tutor) == len("tutor-v5.9")

    app.execute("select caas.enqueue(%s, 'asked')", ([tutor],))
    older.fold(whole=True)
    claim = older.claimant.claim(10, whole=True)
    scored = older.score(claim)
    rules.publish(newer.db, newer.registry)
    with pytest.raises(RulesOutdated, match=r"tutor-v5\.10"):
        older.publish(claim, scored)
    assert total(app, tutor) == len("tutor-v5.9")
    older.claimant.release()
    summary = worker.drain(newer, batch_size=10)
    assert (summary.failed, summary.remaining) == (0, 0)
    assert total(app, tutor) == len("tutor-v5.10")
    app.execute("select caas.enqueue(%s, 'asked')", ([tutor],))
    with pytest.raises(RulesOutdated):
        worker.drain(older, batch_size=10)
    assert one(app, "select attempts || ' ' || coalesce(token::text, 'free') from caas.recalculation_queue") == "0 free"


def test_a_worker_without_a_published_role_writes_nothing(app: Rows, make_line: MakeLine) -> None:
    add_tutor(app)
    knows_more, knows_less = make_line(TutorStrategy(), ClientStrategy()), make_line(TutorStrategy())
    rules.publish(knows_more.db, knows_more.registry)
    with pytest.raises(RulesOutdated, match="CLIENT"):
        rules.publish(knows_less.db, knows_less.registry)
    with pytest.raises(RulesOutdated, match="CLIENT"):
        worker.drain(knows_less, batch_size=10)
    assert one(app, "select count(*) from caas.scores where role_type is not null") == 0


def test_going_back_to_an_older_release_is_an_operators_word_and_holds(app: Rows, make_line: MakeLine) -> None:
    tutor = add_tutor(app)
    older, newer = make_line(versioned("tutor-v5.9")), make_line(versioned("tutor-v5.10"), ClientStrategy())
    rules.publish(newer.db, newer.registry)
    worker.drain(newer, batch_size=10)
    assert rules.publish(older.db, older.registry, anyway=True) == ["CLIENT withdrawn", "TUTOR tutor-v5.9"]
    with pytest.raises(RulesOutdated):
        worker.drain(newer, batch_size=10)
    with pytest.raises(RulesOutdated, match=r"TUTOR tutor-v5\.9"):
        rules.publish(newer.db, newer.registry)
    worker.drain(older, batch_size=10)
    assert total(app, tutor) == len("tutor-v5.9")
    standings = {rule.role: rule.standing for rule in rules.standings(newer.db, newer.registry)}
    assert standings == {"CLIENT": "differs", "TUTOR": "differs"} | dict.fromkeys(
        newer.registry.quality.versions, "published"
    )
    assert rules.publish(newer.db, newer.registry, anyway=True) == ["CLIENT client-v1.0", "TUTOR tutor-v5.10"]
    worker.drain(newer, batch_size=10)
    assert total(app, tutor) == len("tutor-v5.10")


@pytest.mark.parametrize("version", ["tutor", "5.9", "tutor-v", "tutor-v5.", "tutor-v5.x", "-v5"])
def test_a_version_without_numbers_to_compare_is_refused(version: str) -> None:
    with pytest.raises(SettingsError, match="has no numbers to compare"):
        Registry([versioned(version)])


def test_the_mark_of_everyone_that_an_installation_left_serves_for_its_first_rules(app: Rows, db: Database) -> None:
    app.execute("select caas.enqueue_everyone('install')")
    assert rules.publish(db, Registry([TutorStrategy()]))
    assert app.execute("select reason from caas.changes where everyone").fetchall() == [("install",)]
