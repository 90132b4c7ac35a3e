"""The newest sessions in words (scoring 9): supportive, and never with the words that the rule forbids."""

from collections.abc import Sequence
from dataclasses import dataclass

from caas_worker.quality.model import SessionQuality, round_half_up

NEWEST = 5
LEAST = 3
TURN = 5

SAID_OF_TRENDS = {
    "improving": " and are rising. Great progress!",
    "stable": " and hold steady.",
    "declining": ". Earlier ones scored a little higher: a small change can bring you back up.",
}
SAID_OF_FEW = {
    0: "Your sessions will have a quality score once they are completed.",
    1: "One session has a quality score so far. The next ones will show where you are heading.",
    2: "Two sessions have a quality score so far. The next ones will show where you are heading.",
}
SUGGESTIONS = {
    "late": "Opening the session five minutes early makes a prompt start easy.",
    "short": "Keeping a short recap or a bonus exercise ready helps to use the whole time.",
    "tech": "A quick check of sound, picture and connection beforehand keeps the session flowing.",
}
"""By the deduction that they help against; where two cost the same, the first is suggested."""


@dataclass(frozen=True, slots=True)
class Summary:
    """How the newest sessions went."""

    trend: str
    """improving, stable, declining or insufficient_data."""
    average_sqs: float | None
    summary: str
    what_went_well: str
    improvement_suggestion: str


def summarize(newest: Sequence[SessionQuality]) -> Summary:
    """The summary of the newest sessions that have a quality score, newest first; at most 5 count."""
    newest = newest[:NEWEST]
    average = round_half_up(mean(newest), 1) if newest else None
    name = trend(newest)
    if name in SAID_OF_TRENDS:
        text = f"Your last {len(newest)} sessions average {average:.1f} out of 100{SAID_OF_TRENDS[name]}"
    else:
        text = SAID_OF_FEW[len(newest)]
    return Summary(name, average, text, what_went_well(newest), suggestion(newest))


def trend(newest: Sequence[SessionQuality]) -> str:
    """The newer half against the rest, the session in the middle being of the rest."""
    if len(newest) < LEAST:
        return "insufficient_data"
    half = len(newest) // 2
    change = round(mean(newest[:half]) - mean(newest[half:]), 9)
    if change > TURN:
        return "improving"
    return "declining" if change < -TURN else "stable"


def mean(sessions: Sequence[SessionQuality]) -> float:
    """The mean quality of at least one session."""
    return sum(session.value for session in sessions) / len(sessions)


def what_went_well(newest: Sequence[SessionQuality]) -> str:
    """What most sessions did without a deduction."""
    if not newest:
        return "You are all set for your first sessions."
    did = {
        "began on time": sum(not session.late for session in newest),
        "ran to full length": sum(not session.short for session in newest),
        "ran without technical trouble": sum(not session.tech for session in newest),
    }
    said, times = max(did.items(), key=lambda deed: deed[1])
    if times == 0:
        return "You were there for your students."
    if len(newest) == 1:
        return f"Your newest session {said}."
    if times == len(newest):
        return f"All your newest sessions {said}."
    return f"{times} of your {len(newest)} newest sessions {said}."


def suggestion(newest: Sequence[SessionQuality]) -> str:
    """What would bring most points back."""
    lost = {
        "late": sum(session.late for session in newest),
        "short": sum(session.short for session in newest),
        "tech": sum(session.tech for session in newest),
    }
    costliest = max(lost, key=lambda deduction: lost[deduction])
    if not lost[costliest]:
        return "Agreeing on one small goal at the start of each session keeps students motivated."
    return SUGGESTIONS[costliest]
