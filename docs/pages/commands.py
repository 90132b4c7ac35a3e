"""docs/reference/commands.md: the command tree of caas_worker.cli.app."""

import inspect
import re
import types
import typing
from collections.abc import Iterator
from enum import Enum
from pathlib import Path
from typing import Any
from uuid import UUID

import typer

from caas_worker.cli import app
from caas_worker.errors import EXIT_CODES
from docs.pages.text import bullets, code, document, paragraph

OWN_EXIT_CODES = {
    "demo": "1: scores computed anew differ from those that the demo kept.",
    "run": "3: the database does not answer at the start. Once it works, it waits for the database.",
    "serve": "3: the database does not answer at the start. Once it serves, it waits for the database.",
    "drain": "1: an attempt at a profile failed. A profile that does not exist (PROFILE_NOT_FOUND) leaves it 0.",
    "verify": "1: something is missing or wrong. Hints leave it 0.",
    "health": "1: no worker of this host has said lately that it lives.",
    "score get": "1: the profile exists and has no score yet, or there is no such profile.",
    "score recalculate": "1: a profile was not scored: unknown, failed, or still in the queue when the time was over.",
    "score compare": "1: the cached score is not what would be computed now.",
    "audit": "1: a cached score is not what would be computed now, or is missing, or is nobody's.",
    "smoke": "1: a step of the line failed.",
    "aggregate": "1: a tutor failed. 130: it was interrupted.",
    "mail send": "1: a mail failed for good, or the mail server is away.",
    "queue purge": "1: the question was answered with no.",
    "rules publish": "1: the question was answered with no.",
    "migrate down": "1: the question was answered with no.",
    "uninstall": "1: the question was answered with no.",
}
"""What a command's exit code means beyond the table that all share."""

WITHOUT_A_DATABASE = {"settings"}
ENDLESS = {"run", "serve"}
"""They wait for tables that are missing instead of ending; the database has to answer when they start."""
WITHOUT_OUR_TABLES = {
    *ENDLESS, "settings", "demo", "verify", "uninstall", "smoke", "migrate up", "migrate down",
    "migrate status", "triggers enable", "triggers disable",
}  # fmt: skip
"""They do their work, or say what is missing, where nothing is installed."""
REFUSING = {"demo", "uninstall", "migrate up", "migrate down", "migrate status", "triggers enable", "triggers disable"}
"""They may be refused by what they find in the database (MigrationRefused)."""
SAYING_WHAT_IS_MISSING = {*ENDLESS, "verify"}
"""They say which rights are missing, and go on."""
WITH_THE_PUBLISHED_RULES = {"drain", "audit", "score recalculate", "aggregate"}
"""They write, or compare with, what the published rules made."""

NUMBERS = range(1, max(EXIT_CODES.values()) + 1)

TYPES = {int: "integer", float: "number", str: "text", UUID: "uuid", Path: "path"}

_DEFAULT_IN_HELP = re.compile(r"\s*\[default: (?P<default>[^]]+)]")


def tree() -> Iterator[tuple[str, Any]]:
    """Every command and group below `caas-worker`, with the words that call it, in the order of `--help`."""
    yield from _walk(typer.main.get_command(app), ())


def _walk(command: Any, words: tuple[str, ...]) -> Iterator[tuple[str, Any]]:
    yield " ".join(words), command
    for name, child in getattr(command, "commands", {}).items():
        if not child.hidden:
            yield from _walk(child, (*words, name))


def leaves() -> Iterator[tuple[str, Any]]:
    """The commands that do something."""
    return ((words, command) for words, command in tree() if words and not hasattr(command, "commands"))


def exit_codes(words: str) -> set[int]:
    """Every code other than 0 that a command may end with by itself."""
    codes = {1, 2}
    if words not in WITHOUT_A_DATABASE:
        codes |= {3, 6}
    if words not in WITHOUT_OUR_TABLES:
        codes.add(4)
    if words in REFUSING:
        codes.add(5)
    if words in WITH_THE_PUBLISHED_RULES:
        codes.add(7)
    if words not in WITHOUT_A_DATABASE | REFUSING | SAYING_WHAT_IS_MISSING:
        codes.add(8)
    return codes


def page() -> str:
    parts = [
        paragraph(
            "Every command works on the database that `CAAS_DATABASE_URL` names; where it is unset, on the embedded "
            "server's, which the command starts and leaves to end with its last user. Results go to standard output, "
            "sentences for people to standard error. See [settings](settings.md)."
        ),
    ]
    for words, command in tree():
        group = hasattr(command, "commands")
        title = f"caas-worker {words}".strip()
        parts.append(f"## {code(title) if words else 'Options of every command'}")
        if words:
            parts.append(paragraph(command.help or ""))
        if group and words:
            parts.append(bullets(code(f"caas-worker {words} {name}") for name in command.commands))
        if not words:
            parts.append(paragraph("They stand before the command: `caas-worker --verbose drain`."))
        parts.append(bullets(_parameter(parameter, command) for parameter in _shown(command)))
        if words in OWN_EXIT_CODES:
            parts.append(paragraph(f"Exit code {OWN_EXIT_CODES[words]}"))
    return document("Commands", "caas_worker/cli", *parts, _exit_codes())


def _shown(command: Any) -> list[Any]:
    own = (parameter for parameter in command.params if parameter.name not in ("install_completion", "show_completion"))
    return [parameter for parameter in own if not parameter.hidden]


def _parameter(parameter: Any, command: Any) -> str:
    kind, several = _kind(command.callback, parameter.name)
    text = parameter.help or ""
    default = parameter.default
    if found := _DEFAULT_IN_HELP.search(text):
        default, text = found["default"], _DEFAULT_IN_HELP.sub("", text)
    names = [*parameter.opts, *parameter.secondary_opts]
    argument = not names[0].startswith("-")
    shown = " ".join(
        [code(parameter.name.upper() if argument else ", ".join(names))] + ([kind] if kind != "flag" else [])
    )
    facts = [_range(parameter)]
    if argument:
        facts.append("one or more" if several else "required" if parameter.required else "optional")
    elif kind != "flag" and default is not None:
        facts.append(f"default {default}")
    facts_text = ", ".join(fact for fact in facts if fact)
    return f"{shown}{f' ({facts_text})' if facts_text else ''}{f': {text}' if text else ''}"


def _kind(callback: Any, name: str) -> tuple[str, bool]:
    """What a parameter takes, by the annotation of the function behind the command, and whether it takes several."""
    annotation = inspect.get_annotations(callback, eval_str=True)[name]
    if typing.get_origin(annotation) is typing.Annotated:
        annotation = typing.get_args(annotation)[0]
    if isinstance(annotation, types.UnionType):
        annotation = next(part for part in typing.get_args(annotation) if part is not type(None))
    several = typing.get_origin(annotation) is list
    if several:
        annotation = typing.get_args(annotation)[0]
    if issubclass(annotation, Enum):
        return " or ".join(str(choice.value) for choice in annotation), several
    return ("flag" if annotation is bool else TYPES[annotation]), several


def _range(parameter: Any) -> str:
    low, high = getattr(parameter, "min", None), getattr(parameter, "max", None)
    if low is not None and high is not None:
        return f"{low:,} to {high:,}"
    if low is not None:
        return f"at least {low:,}"
    return f"at most {high:,}" if high is not None else ""


def _exit_codes() -> str:
    meanings: dict[int, list[str]] = {}
    for error, number in EXIT_CODES.items():
        meanings.setdefault(number, []).append(code(error.__name__))
    lines = ["`0`: done."]
    for number, names in sorted(meanings.items()):
        note = {
            1: ", or what the command itself says above.",
            2: ", or a word of the command line that is no command, option or value.",
        }.get(number, ".")
        lines.append(f"`{number}`: {', '.join(names)}{note}")
    lines.append("`130`, `143`: ended at once by a second Ctrl-C or SIGTERM; the first one ends in order.")
    table = ["| command | " + " | ".join(str(number) for number in NUMBERS) + " |", "|---" * (len(NUMBERS) + 1) + "|"]
    for words, _ in leaves():
        marks = " | ".join("x" if number in exit_codes(words) else "" for number in NUMBERS)
        table.append(f"| {code(f'caas-worker {words}')} | {marks} |".replace("|  |", "| |").replace("|  |", "| |"))
    return (
        "## Exit codes\n\n"
        + paragraph("An error is one message on standard error, after `caas-worker:`. See [errors](errors.md).")
        + "\n\n"
        + bullets(lines)
        + "\n\n"
        + "\n".join(table)
    )
