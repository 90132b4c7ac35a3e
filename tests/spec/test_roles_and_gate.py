"""Which rule scores a profile, and the identity gate before it (scoring 1), as tables of cases."""

from typing import Any

import pytest

from tests.people import Rows, add, add_booking, add_client, add_listing, add_profile, add_tutor
from tests.spec.conftest import Published
from tests.spec.rows import teach
from tests.spec.tables import cases

ROLES = """
case                             | roles                       | verified || role_type | total_score | reason           | gate_failed | calculation_version
a tutor                          | ["TUTOR"]                   | yes      || TUTOR     | 32          | null             | no          | tutor-v5.9
roles in any case                | ["Tutor"]                   | yes      || TUTOR     | 32          | null             | no          | tutor-v5.9
roles with blanks around         | [" tutor "]                 | yes      || TUTOR     | 32          | null             | no          | tutor-v5.9
a tutor among other roles        | ["Client", "TUTOR"]         | yes      || TUTOR     | 32          | null             | no          | tutor-v5.9
whatever the order               | ["agent", "tutor", "staff"] | yes      || TUTOR     | 32          | null             | no          | tutor-v5.9
an unverified tutor              | ["TUTOR"]                   | no       || TUTOR     | 0           | unverified       | yes         | tutor-v5.9
an unverified tutor among others | ["client", "Tutor"]         | no       || TUTOR     | 0           | unverified       | yes         | tutor-v5.9
a client                         | ["CLIENT"]                  | yes      || CLIENT    | 50          | null             | no          | client-v1.0
an unverified client             | ["CLIENT"]                  | no       || CLIENT    | 0           | unverified       | yes         | client-v1.0
a client who is an agent, too    | ["AGENT", "client"]         | yes      || CLIENT    | 50          | null             | no          | client-v1.0
an agent                         | ["agent"]                   | yes      || AGENT     | 5           | null             | no          | agent-v1.0
an unverified agent              | ["AGENT"]                   | no       || AGENT     | 0           | unverified       | yes         | agent-v1.0
no role at all                   | []                          | yes      || null      | 0           | unsupported_role | no          | unsupported-v1
an unknown role                  | ["STAFF"]                   | yes      || null      | 0           | unsupported_role | no          | unsupported-v1
a part of a role                 | ["TUTOR_TRAINEE"]           | yes      || null      | 0           | unsupported_role | no          | unsupported-v1
"""  # noqa: E501


def test_role_and_identity_decide_which_rule_scores(app: Rows, published: Published) -> None:
    expected = {case.name: case.expected for case in cases(ROLES)}
    profiles = {
        case.name: add_profile(app, *case.given["roles"], identity_verified=case.given["verified"])
        for case in cases(ROLES)
    }
    seen = {
        name: {column: published(profile)[column] for column in expected[name]} for name, profile in profiles.items()
    }
    assert seen == expected


@pytest.mark.parametrize(("roles", "verified"), [(["TUTOR"], False), (["STAFF"], True), (["STAFF"], False)], ids=str)
def test_a_score_of_nothing_has_no_points_whatever_was_achieved(
    app: Rows, published: Published, roles: list[str], verified: bool
) -> None:
    profile = add_profile(app, *roles, identity_verified=verified, available_free_help=True)
    teach(app, profile, "5 recorded with a, 3 free")
    score = published(profile)
    assert score["score_breakdown"] == {}
    assert score["total_score"] == 0


def test_the_gate_opens_and_closes_with_the_verification(app: Rows, published: Published) -> None:
    tutor = add_profile(app, "TUTOR", identity_verified=False)
    verify = "update profiles set identity_verified = %s where id = %s"
    history: list[tuple[Any, ...]] = []
    for verified in (False, True, False):
        app.execute(verify, (verified, tutor))
        score = published(tutor)
        history.append((score["total_score"], score["gate_failed"], score["reason"]))
    assert history == [(0, True, "unverified"), (32, False, None), (0, True, "unverified")]


ROLE_TYPES = """
case                               | rows                              || qualifications
the role's own details             | {"TUTOR": "PHD"}                  || 10
a role type in any case            | {"tutor": "PHD"}                  || 10
another role's details             | {"AGENT": "PHD", "CLIENT": "PHD"} || 0
the role's own among others        | {"AGENT": "PHD", "TUTOR": "NONE"} || 0
of two spellings the exact one     | {"tutor": "NONE", "TUTOR": "PHD"} || 10
of two spellings not the other one | {"tutor": "PHD", "TUTOR": "NONE"} || 0
"""


def test_role_details_are_those_of_the_scored_role(app: Rows, published: Published) -> None:
    expected = {case.name: case.expected["qualifications"] for case in cases(ROLE_TYPES)}
    tutors = {}
    for case in cases(ROLE_TYPES):
        tutors[case.name] = add_tutor(app)
        for role_type, degree in case.given["rows"].items():
            add(app, "role_details", profile_id=tutors[case.name], role_type=role_type, degree_level=degree)
    seen = {name: published(tutor)["score_breakdown"]["qualifications"] for name, tutor in tutors.items()}
    assert seen == expected


def test_a_tutor_who_is_booked_as_a_client_earns_nothing_by_it(app: Rows, published: Published) -> None:
    tutor, pupil = add_tutor(app), add_tutor(app)
    add_booking(app, add_listing(app, tutor), pupil)
    add_booking(app, add_listing(app, tutor), add_client(app))
    assert published(tutor)["score_inputs"]["completed_sessions"] == 2
    assert published(pupil)["score_inputs"]["completed_sessions"] == 0
