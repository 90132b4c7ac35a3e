"""The phrases that the first-session rule listens for (scoring 6): English lists of our own, or those of a file."""

import hashlib
import json
import re
import tomllib
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any, Self

from caas_worker.errors import SettingsError

VERSION = "fsrs-v1"

WORD = re.compile(r"[^\W_]+(?:'[^\W_]+)*")
APOSTROPHES = dict.fromkeys(map(ord, "\u2018\u2019\u201b\u02bc\u2032\u00b4\uff07`"), "'")
"""What people and their keyboards write for an apostrophe."""

GOAL_SETTING = (
    "what would you like to",
    "what do you want to",
    "what do you hope to",
    "what are you hoping to",
    "what are you aiming for",
    "what are your goals",
    "what is your goal",
    "what's your goal",
    "what is our goal",
    "what's our goal",
    "do you have a goal",
    "what should we work on",
    "what shall we work on",
    "what are we working on",
    "what should we focus on",
    "what shall we focus on",
    "where would you like to start",
    "where should we start",
    "where shall we start",
    "what do you need help with",
    "what can i help you with",
    "how can i help you",
    "what are you struggling with",
    "what do you find difficult",
    "what do you find hardest",
    "what would help you most",
    "is there anything you'd like to",
    "is there anything you want to",
    "which topic",
    "which topics",
)

CONFUSION = (
    "i don't get it",
    "i don't get this",
    "i don't get that",
    "i don't understand",
    "i do not understand",
    "i still don't get it",
    "i didn't understand",
    "i can't follow",
    "i'm not following",
    "i'm confused",
    "i am confused",
    "this is confusing",
    "that's confusing",
    "so confusing",
    "i'm lost",
    "i am lost",
    "you lost me",
    "i'm stuck",
    "i am stuck",
    "i have no idea",
    "i have no clue",
    "what do you mean",
    "what does that mean",
    "makes no sense",
    "doesn't make sense",
    "can you explain",
    "could you explain",
    "can you repeat",
    "could you repeat",
    "can you say that again",
)

WRAP_UP = (
    "in summary",
    "to summarise",
    "to summarize",
    "let's summarise",
    "let's summarize",
    "to sum up",
    "let's sum up",
    "to recap",
    "let's recap",
    "quick recap",
    "let's review what",
    "what did we learn",
    "what did you learn",
    "what have you learned",
    "today we learned",
    "today we learnt",
    "today we covered",
    "we've covered",
    "main points",
    "key points",
    "next step",
    "next steps",
    "next time",
    "next session",
    "next lesson",
    "next week",
    "for homework",
    "your homework",
    "before we meet again",
    "practise until",
)

ENCOURAGEMENT = (
    "well done",
    "great job",
    "good job",
    "nice job",
    "great work",
    "good work",
    "nice work",
    "great effort",
    "good effort",
    "great progress",
    "good progress",
    "great question",
    "good question",
    "good thinking",
    "great thinking",
    "good try",
    "nice try",
    "keep it up",
    "keep going",
    "you can do it",
    "you can do this",
    "you've got this",
    "you're getting it",
    "you're doing great",
    "you're doing well",
    "i'm proud of you",
    "spot on",
    "excellent",
    "brilliant",
    "fantastic",
)

NEGATIVE = (
    "that's wrong",
    "you're wrong",
    "wrong again",
    "you always get this wrong",
    "what's wrong with you",
    "you should know this",
    "you should know that",
    "you should already know",
    "how do you not know",
    "how can you not",
    "i already told you",
    "i just told you",
    "i've told you",
    "i already explained",
    "i just explained",
    "pay attention",
    "you never listen",
    "you're not listening",
    "you aren't listening",
    "you're not trying",
    "not good enough",
    "that's stupid",
    "that's silly",
    "that's ridiculous",
    "lazy",
    "hopeless",
    "too slow",
    "hurry up",
    "waste of time",
    "wasting my time",
)


@dataclass(frozen=True, slots=True)
class Phrases:
    """What to listen for. Case, punctuation and the spelling of apostrophes make no difference."""

    goal_setting: tuple[str, ...] = GOAL_SETTING
    confusion: tuple[str, ...] = CONFUSION
    wrap_up: tuple[str, ...] = WRAP_UP
    """A summary, or next steps."""
    encouragement: tuple[str, ...] = ENCOURAGEMENT
    negative: tuple[str, ...] = NEGATIVE

    @classmethod
    def load(cls, path: Path) -> Self:
        """Our lists, but for those that a TOML file replaces.

        Raises:
            SettingsError: the file can't be read, or a list in it is none of ours, empty, or not of phrases.
        """
        try:
            lists = tomllib.loads(path.read_text(encoding="utf-8-sig"))
        except OSError as error:
            raise SettingsError(f"The phrase file {path} can't be read: {error.strerror}.") from None
        except UnicodeDecodeError:
            raise SettingsError(f"The phrase file {path} is not UTF-8 text.") from None
        except tomllib.TOMLDecodeError as error:
            raise SettingsError(f"The phrase file {path} is not TOML: {error}.") from None
        known = [field.name for field in fields(cls)]
        for name, phrases in lists.items():
            if name not in known:
                raise SettingsError(f"{path}: {name} is no phrase list. There are {', '.join(known)}.")
            if reason := fault(phrases):
                raise SettingsError(f"{path}: {name} {reason}.")
        return cls(**{name: tuple(phrases) for name, phrases in lists.items()})

    @property
    def version(self) -> str:
        """Of the rule with these phrases: other lists are another rule."""
        if self == Phrases():
            return VERSION
        lists = json.dumps(asdict(self), sort_keys=True)
        return f"fsrs/{hashlib.sha256(lists.encode()).hexdigest()[:8]}-v1"


def fault(phrases: Any) -> str | None:
    """What is wrong with a list of phrases."""
    if not isinstance(phrases, list):
        return "is not a list of phrases"
    if not phrases:
        return "is empty; leave it out to keep our own list"
    for phrase in phrases:
        if not isinstance(phrase, str):
            return f"holds {phrase!r}, which is not text"
        if not words(phrase):
            return f"holds {phrase!r}, which has no words"
    return None


def words(text: str) -> list[str]:
    """Letters, digits and the apostrophes between them, in one spelling; quotation marks belong to no word."""
    return WORD.findall(text.translate(APOSTROPHES).casefold())
