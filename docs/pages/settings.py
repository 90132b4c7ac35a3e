"""docs/reference/settings.md: the fields of caas_worker.settings.Settings."""

import types
import typing
from pathlib import Path
from typing import Any

from pydantic import SecretStr
from pydantic.fields import FieldInfo

from caas_worker.settings import Settings
from docs.pages.text import bullets, code, document, paragraph

TYPES: dict[Any, str] = {
    int: "integer",
    float: "number",
    bool: "true or false",
    str: "text",
    Path: "path",
    SecretStr: "text, secret",
}

BOUNDS = (("ge", "at least {}"), ("gt", "more than {}"), ("le", "at most {}"), ("lt", "less than {}"))


def page() -> str:
    return document(
        "Settings",
        "caas_worker/settings.py",
        paragraph(
            "Settings come from the environment and from a file `.env` in the folder where the command runs; the "
            "environment wins, an empty value counts as unset. They are read once, at the start. "
            "`caas-worker settings` prints the effective values, secrets hidden."
        ),
        paragraph(
            "A name that begins with `CAAS_` and is no setting is an error (exit code 2) that suggests the nearest "
            "one: a misspelt setting would otherwise be a silent default. Exempt are names that begin with "
            "`CAAS_TEST_`, and what Kubernetes puts into the containers of a namespace that has a service of such a "
            "name, for instance `CAAS_WORKER_SERVICE_HOST`."
        ),
        bullets(_line(variable, Settings.model_fields[field]) for variable, field in Settings.variables().items()),
    )


def _line(variable: str, field: FieldInfo) -> str:
    annotation = field.annotation
    if typing.get_origin(annotation) in (types.UnionType, typing.Union):
        annotation = next(part for part in typing.get_args(annotation) if part is not type(None))
    bounds = {name: getattr(rule, name) for rule in field.metadata for name, _ in BOUNDS if hasattr(rule, name)}
    words = typing.get_args(annotation) if typing.get_origin(annotation) is typing.Literal else ()
    facts = [", ".join(words[:-1]) + f" or {words[-1]}" if words else TYPES[annotation]]
    facts += [text.format(f"{bounds[name]:,}") for name, text in BOUNDS if name in bounds]
    if field.default is not None:
        number = isinstance(field.default, int | float) and not isinstance(field.default, bool)
        default = f"{field.default:,}" if number else str(field.default).lower()
        facts.append(f"default {default}")
    return f"{code(variable)} ({', '.join(facts)}): {field.description}"
