"""The first session risk (scoring 6): what a transcript tells, 0 to 120, higher is worse."""

import re
from collections.abc import Iterable, Sequence
from functools import lru_cache
from typing import Any

from caas_worker.quality.model import QualityScore
from caas_worker.quality.phrases import Phrases, words

FIRST_TURNS = 3
LAST_TURNS = 3
CONFUSED_FROM = 3
NEGATIVE_FROM = 2
LATE_MINUTES = 5
HIGH_RISK_FROM = 50


def fsrs(turns: Any, *, tech_issue: bool, minutes_late: float | None, phrases: Phrases) -> QualityScore | None:
    """The score of a first session, or None without a turn that names its speaker.

    Args:
        turns: as they were stored: a list of objects with `speaker` and `text`; others among them are ignored.
        minutes_late: None: nobody knows when it began, which is no fault.
    """
    spoken = usable(turns)
    if not spoken:
        return None
    tutor = [text for speaker, text in spoken if speaker == "tutor"]
    student = [text for speaker, text in spoken if speaker == "student"]
    tutor_words, student_words = count_words(tutor), count_words(student)
    goals = occurrences(tutor[:FIRST_TURNS], phrases.goal_setting)
    confusion = occurrences(student, phrases.confusion)
    wrap_ups = occurrences(tutor[-LAST_TURNS:], phrases.wrap_up)
    encouragement = occurrences(tutor, phrases.encouragement)
    negative = occurrences(tutor, phrases.negative)
    is_late = minutes_late is not None and minutes_late > LATE_MINUTES
    points = {
        "goal_setting_points": 0 if goals else 25,
        "confusion_points": 20 if confusion >= CONFUSED_FROM else 0,
        "tutor_share_points": 20 if 4 * tutor_words > 3 * (tutor_words + student_words) else 0,
        "wrap_up_points": 0 if wrap_ups else 20,
        "encouragement_points": 0 if encouragement else 15,
        "negative_points": 10 if negative >= NEGATIVE_FROM else 0,
        "tech_or_late_points": 10 if tech_issue or is_late else 0,
    }
    value = float(sum(points.values()))
    return QualityScore(
        score_type="fsrs",
        version=phrases.version,
        value=value,
        level="high_risk" if value >= HIGH_RISK_FROM else "stable",
        components={
            **points,
            "goal_setting_phrases": goals,
            "confusion_phrases": confusion,
            "wrap_up_phrases": wrap_ups,
            "encouragement_phrases": encouragement,
            "negative_phrases": negative,
            "tutor_turns": len(tutor),
            "student_turns": len(student),
            "tutor_words": tutor_words,
            "student_words": student_words,
            "tech_issue": tech_issue,
            "minutes_late": minutes_late,
        },
    )


def usable(turns: Any) -> list[tuple[str, str]]:
    """Speaker, and text in one spelling, of the turns of tutor and student that say something."""
    found = []
    for turn in turns if isinstance(turns, list) else []:
        if not isinstance(turn, dict):
            continue
        speaker, text = turn.get("speaker"), turn.get("text")
        if not isinstance(speaker, str) or not isinstance(text, str) or not text.strip():
            continue
        if (name := speaker.strip().casefold()) in ("tutor", "student"):
            found.append((name, " ".join(words(text))))
    return found


def count_words(texts: Iterable[str]) -> int:
    """Of texts in one spelling."""
    return sum(len(text.split()) for text in texts)


def occurrences(texts: Sequence[str], phrases: tuple[str, ...]) -> int:
    """How often any of the phrases is said; what is part of a longer one that is said counts with it, once."""
    spoken = pattern(phrases)
    return sum(len(spoken.findall(text)) for text in texts)


@lru_cache(maxsize=16)
def pattern(phrases: tuple[str, ...]) -> re.Pattern[str]:
    """Any of the phrases in a text in one spelling: whole words, the longest where several begin."""
    wanted = sorted({" ".join(words(phrase)) for phrase in phrases} - {""}, key=len, reverse=True)
    return re.compile(rf"(?<!\S)(?:{'|'.join(map(re.escape, wanted)) or '(?!)'})(?!\S)")
