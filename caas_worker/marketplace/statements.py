"""The statements of this package's .sql files, each under a line `-- name: …`."""

import re
from importlib.resources import files

_NAME = re.compile(r"^-- name: (\w+)$", re.MULTILINE)


def load(filename: str) -> dict[str, str]:
    """The statements of one file by name, in the order they stand there; what precedes the first name is left out."""
    text = files(__package__).joinpath(filename).read_text(encoding="utf-8")
    _, *parts = _NAME.split(text)
    return {name: statement.strip() for name, statement in zip(parts[::2], parts[1::2], strict=True)}
