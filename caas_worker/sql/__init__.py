"""Every statement that Python sends, named, one file per step.

A file holds blocks of `-- name: what it does` followed by one statement with %(named)s parameters.
"""

import re
from functools import cache
from importlib.resources import files

_BLOCK = re.compile(r"^-- (?P<name>[a-z_]+): .+\n(?P<text>(?:(?!-- [a-z_]+: ).*\n?)*)", re.MULTILINE)


@cache
def statements(step: str) -> dict[str, bytes]:
    """The statements of one step's file, by name."""
    text = (files(__package__) / f"{step}.sql").read_text(encoding="utf-8")
    return {block["name"]: block["text"].strip().encode() for block in _BLOCK.finditer(text)}
