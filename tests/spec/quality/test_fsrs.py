"""The edges of the first session risk (scoring 6), as tables of cases.

Turns are written t: (tutor) and s: (student), a slash between two. Points are of one signal, all of them add up to the
score.
"""

import time
from typing import Any

import pytest

from caas_worker.quality.fsrs import fsrs
from caas_worker.quality.model import QualityScore
from caas_worker.quality.phrases import Phrases
from tests.spec.tables import Case, cases

pytestmark = pytest.mark.quick

PHRASES = Phrases(
    goal_setting=("what would you like", "hi"),
    confusion=("i don't get it", "don't get", "confused", "very confused", "lost", "lost track", "track"),
    wrap_up=("next time", "to sum up"),
    encouragement=("well done",),
    negative=("wrong", "wrong again"),
)

SIGNALS = """
case                                  | turns                                                           || signal        | points
goals in the first turn               | t: What would you like?                                         || goal_setting  | 0
goals in the third                    | t: a / s: b / t: c / s: d / t: what would you like              || goal_setting  | 0
goals in the fourth are too late      | t: a / t: b / t: c / t: what would you like                     || goal_setting  | 25
goals that the student names          | t: a / s: what would you like                                   || goal_setting  | 25
no goals                              | t: a                                                            || goal_setting  | 25
no tutor                              | s: a                                                            || goal_setting  | 25
not a word of its own                 | t: this is a chip                                               || goal_setting  | 25
a word of its own                     | t: Hi!                                                          || goal_setting  | 0
a phrase across two turns             | t: what would / t: you like                                     || goal_setting  | 25
not confused                          | s: a                                                            || confusion     | 0
confused twice                        | s: confused / s: lost                                           || confusion     | 0
confused three times                  | s: confused / s: lost / s: I don't get it                       || confusion     | 20
three times in one turn               | s: lost, lost, lost                                             || confusion     | 20
a longer phrase counts once           | s: very confused, very confused                                 || confusion     | 0
three longer ones                     | s: very confused, very confused. Very confused                  || confusion     | 20
a phrase in the middle of another     | s: I don't get it, I don't get it                               || confusion     | 0
the longest from where it begins      | s: lost track, lost track                                        || confusion     | 0
two short ones and a long one         | s: I don't get it / s: I don't get / s: I don't get that        || confusion     | 20
a confused tutor                      | t: lost, lost, lost                                             || confusion     | 0
exactly 75 % of the words             | t: a b c / s: d                                                 || tutor_share   | 0
more than 75 %                        | t: a b c d / s: e                                               || tutor_share   | 20
75.01 %                               | t: 7501 words / s: 2499 words                                   || tutor_share   | 20
75 % of many                          | t: 7500 words / s: 2500 words                                   || tutor_share   | 0
only the tutor                        | t: a                                                            || tutor_share   | 20
only the student                      | s: a                                                            || tutor_share   | 0
no words at all                       | t: ... / s: ?!                                                  || tutor_share   | 0
a contraction is one word             | t: don't don't don't / s: a                                     || tutor_share   | 0
punctuation is no word                | t: a - b - c / s: d                                             || tutor_share   | 0
a summary in the last turn            | t: a / t: See you next time!                                    || wrap_up       | 0
a summary in the last but two         | t: to sum up / s: a / t: b / s: c / t: d / s: e                 || wrap_up       | 0
a summary before that                 | t: to sum up / t: b / t: c / t: d                               || wrap_up       | 20
a summary by the student              | t: a / s: to sum up                                             || wrap_up       | 20
no summary                            | t: a                                                            || wrap_up       | 20
no tutor to sum up                    | s: to sum up                                                    || wrap_up       | 20
encouraged in any turn                | t: a / t: b / t: c / t: well done / t: d / t: e / t: f / t: g   || encouragement | 0
encouraged by the student             | t: a / s: well done                                             || encouragement | 15
never encouraged                      | t: a                                                            || encouragement | 15
not negative                          | t: a                                                            || negative      | 0
negative once                         | t: wrong                                                        || negative      | 0
negative twice                        | t: wrong / t: wrong                                             || negative      | 10
negative once, in more words          | t: wrong again                                                  || negative      | 0
a negative student                    | t: wrong / s: wrong                                             || negative      | 0
"""  # noqa: E501

TROUBLE = """
case                     | tech_issue | minutes_late || points
none                     | no         | 0            || 0
nobody knows of a start  | no         | null         || 0
early                    | no         | -9           || 0
five minutes late        | no         | 5            || 0
more than five           | no         | 5.01         || 10
a technical issue        | yes        | null         || 10
both count once          | yes        | 90           || 10
"""

SPELLINGS = """
case                    | said                            || found
as in the list          | "i don't get it"                || yes
upper case              | "I DON'T GET IT"                || yes
a typographic one       | "I don\\u2019t get it!"         || yes
a modifier letter       | "I don\\u02bct get it"          || yes
a grave accent          | "I don`t get it"                || yes
an opening quote        | "I don\\u2018t get it"          || yes
no apostrophe           | "I dont get it"                 || no
a space instead         | "I don t get it"                || no
punctuation between     | "I... don't -- get, it"         || yes
line breaks between     | "I don't\\n\\tget\\u00a0it"     || yes
in quotation marks      | "She said 'I don't get it'"     || yes
in curly ones           | "\\u2018I don\\u2019t get it\\u2019"  || yes
underscores around      | "_I don't get it_"              || yes
the end of a word       | "Hawaii don't get it"           || no
the start of a word     | "I don't get item one"          || no
a word between          | "I don't really get it"         || no
"""


@pytest.mark.parametrize("case", cases(SIGNALS), ids=lambda case: case.name)
def test_signals(case: Case) -> None:
    name = f"{case.expected['signal']}_points"
    assert score(turns(case.given["turns"])).components[name] == case.expected["points"]


@pytest.mark.parametrize("case", cases(TROUBLE), ids=lambda case: case.name)
def test_trouble(case: Case) -> None:
    found = score(turns("t: a"), **case.given)
    assert found.components["tech_or_late_points"] == case.expected["points"]


@pytest.mark.parametrize("case", cases(SPELLINGS), ids=lambda case: case.name)
def test_spellings(case: Case) -> None:
    listed = Phrases(confusion=("i don't get it",))
    found = fsrs([said("student", case.given["said"])], tech_issue=False, minutes_late=0, phrases=listed)
    assert found is not None
    assert found.components["confusion_phrases"] == case.expected["found"]


def test_the_list_may_be_spelt_in_any_way_too() -> None:
    listed = Phrases(negative=("That\u2019s  WRONG!",))
    found = fsrs([said("tutor", "that's wrong")], tech_issue=False, minutes_late=0, phrases=listed)
    assert found is not None
    assert found.components["negative_phrases"] == 1


SCORES = """
case                    | turns                                                                     | tech_issue || value | level
a good session          | t: What would you like? / s: a b c d e f g / t: Well done! Next time      | no         || 0     | stable
a confused student      | t: what would you like / s: lost, lost, lost, a b / t: next time          | no         || 35    | stable
and a technical issue   | t: what would you like / s: lost, lost, lost, a b / t: next time          | yes        || 45    | stable
only a goal             | t: what would you like / s: a b                                           | no         || 35    | stable
only encouragement      | t: well done / s: a b                                                     | no         || 45    | stable
only a summary          | t: next time / s: a                                                       | no         || 40    | stable
only the student        | s: a                                                                      | no         || 60    | high_risk
exactly 50              | t: well done / t: what would you like / t: a / t: b / t: wrong, wrong     | no         || 50    | high_risk
everything at its worst | s: lost lost lost / t: wrong wrong wrong wrong wrong wrong wrong wrong no no | yes     || 120   | high_risk
"""  # noqa: E501


@pytest.mark.parametrize("case", cases(SCORES), ids=lambda case: case.name)
def test_signals_add_up(case: Case) -> None:
    found = score(turns(case.given["turns"]), tech_issue=case.given["tech_issue"])
    assert {"value": found.value, "level": found.level} == case.expected


@pytest.mark.parametrize(
    "stored",
    [
        pytest.param(None, id="nothing"),
        pytest.param([], id="no turn"),
        pytest.param({"speaker": "tutor", "text": "hi"}, id="an object"),
        pytest.param("tutor: hi", id="a text"),
        pytest.param(7, id="a number"),
        pytest.param(["tutor"], id="texts"),
        pytest.param([["tutor", "hi"]], id="lists"),
        pytest.param([None, 7, True, []], id="anything"),
        pytest.param([{"text": "hi"}], id="no speaker"),
        pytest.param([{"speaker": None, "text": "hi"}], id="a null speaker"),
        pytest.param([{"speaker": "", "text": "hi"}], id="a blank speaker"),
        pytest.param([{"speaker": 1, "text": "hi"}], id="a number for a speaker"),
        pytest.param([{"speaker": "Speaker 1", "text": "hi"}], id="a stranger"),
        pytest.param([{"Speaker": "tutor", "Text": "hi"}], id="other keys"),
        pytest.param([{"speaker": "tutor"}], id="no text"),
        pytest.param([{"speaker": "tutor", "text": None}], id="a null text"),
        pytest.param([{"speaker": "tutor", "text": ["hi"]}], id="a list for a text"),
        pytest.param([{"speaker": "tutor", "text": " \n"}], id="a blank text"),
    ],
)
def test_without_a_usable_turn_there_is_no_score(stored: Any) -> None:
    assert fsrs(stored, tech_issue=True, minutes_late=60, phrases=PHRASES) is None


def test_unusable_turns_are_ignored() -> None:
    unusable = [None, {"speaker": "tutor", "text": " "}, {"speaker": "parent", "text": "wrong " * 9}, {"text": "x"}]
    found = score([*unusable, said("tutor", "what would you like"), *unusable, said("student", "a b c d")])
    assert found.components["goal_setting_points"] == 0
    assert (found.components["tutor_turns"], found.components["tutor_words"]) == (1, 4)


@pytest.mark.parametrize("speaker", ["tutor", "TUTOR", "Tutor", " tutor\n"])
def test_speakers_in_any_spelling(speaker: str) -> None:
    assert score([said(speaker, "hi")]).components["tutor_turns"] == 1


def test_the_risk_shows_what_it_comes_from() -> None:
    session = "t: What would you like? / s: fractions and decimals / t: Well done. More next time."
    found = score(turns(session), minutes_late=6.5)
    assert (found.score_type, found.version, found.level) == ("fsrs", PHRASES.version, "stable")
    assert found.value == 10
    assert found.components == {
        "goal_setting_points": 0,
        "confusion_points": 0,
        "tutor_share_points": 0,
        "wrap_up_points": 0,
        "encouragement_points": 0,
        "negative_points": 0,
        "tech_or_late_points": 10,
        "goal_setting_phrases": 1,
        "confusion_phrases": 0,
        "wrap_up_phrases": 1,
        "encouragement_phrases": 1,
        "negative_phrases": 0,
        "tutor_turns": 2,
        "student_turns": 1,
        "tutor_words": 9,
        "student_words": 3,
        "tech_issue": False,
        "minutes_late": 6.5,
    }


def test_our_own_phrases_hear_a_good_session() -> None:
    session = turns(
        "t: Hello! What would you like to work on today? / s: I don't get it when it comes to fractions, honestly"
        " / t: Great question, let's see. / s: Oh, so that is why you turn the second one round and then multiply them"
        " / t: Spot on! To recap: turn it round. Next time we will do decimals."
    )
    found = fsrs(session, tech_issue=False, minutes_late=0, phrases=Phrases())
    assert found is not None
    assert (found.value, found.version) == (0, "fsrs-v1")


def test_our_own_phrases_hear_another() -> None:
    session = turns(
        "t: That's wrong. You should know this, pay attention. / s: I'm confused. I don't understand, what do you mean?"
    )
    found = fsrs(session, tech_issue=False, minutes_late=0, phrases=Phrases())
    assert found is not None
    assert found.components["confusion_phrases"] == 3
    assert found.components["negative_phrases"] == 3
    assert found.value == 25 + 20 + 20 + 15 + 10


@pytest.mark.parametrize("text", ["i don't get " * 100_000, "lost " * 300_000, "'" * 600_000, "x" * 600_000])
def test_long_transcripts_take_no_time(text: str) -> None:
    began = time.perf_counter()
    score([said("student", text), said("tutor", text)])
    score([said("student", text[:50]), said("tutor", text[:50])] * 10_000)
    assert time.perf_counter() - began < 10


def score(stored: Any, *, tech_issue: bool = False, minutes_late: float | None = 0) -> QualityScore:
    found = fsrs(stored, tech_issue=tech_issue, minutes_late=minutes_late, phrases=PHRASES)
    assert found is not None
    return found


def said(speaker: str, text: str) -> dict[str, str]:
    return {"speaker": speaker, "text": text}


def turns(session: str) -> list[dict[str, str]]:
    """The turns of a session; the text `7 words` stands for seven of them."""
    found = []
    for turn in session.split(" / "):
        speaker, text = turn.split(": ", 1)
        number, _, unit = text.partition(" ")
        found.append(said({"t": "tutor", "s": "student"}[speaker], "word " * int(number) if unit == "words" else text))
    return found
