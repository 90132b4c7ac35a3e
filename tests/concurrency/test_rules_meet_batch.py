"""A newer rule is published while an older worker's batch is on its way: nobody stays on the older rule (promise 3)."""

import json

from caas_worker import rules
from caas_worker.pipeline import Line
from tests.interleaving import Pause, Rows, one
from tests.people import add_tutor


def publish_newer(app: Rows, line: Line) -> list[str]:
    newer = json.dumps(line.registry.rules | {"TUTOR": "tutor-v99.0"})
    return list(one(app, "select published from caas.publish_rules(%s)", newer))


def test_a_rule_published_during_the_very_first_batch_reaches_its_profiles_too(app: Rows, line: Line) -> None:
    tutor = add_tutor(app)
    rules.publish(line.db, line.registry)
    while line.fold(whole=True).found_any:
        pass
    claim = line.claimant.claim(100, whole=True)
    scored = line.score(claim)
    pause = Pause(app, "caas.recalculation_queue")
    with pause.during(lambda: line.publish(claim, scored)):  # it has compared the rules, and is not committed
        assert one(app, "select count(*) from caas.scores") == 0
        assert publish_newer(app, line) == ["TUTOR tutor-v99.0"]
    version = one(app, "select calculation_version from caas.scores where profile_id = %s", tutor)
    assert version == line.registry.rules["TUTOR"]
    line.claimant.settle()
    while line.fold(whole=True).found_any:
        pass
    assert tutor in line.claimant.claim(100, whole=True).profile_ids
