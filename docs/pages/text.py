"""Plain Markdown: paragraphs and lists wrapped at 120 characters."""

import re
import textwrap
from collections.abc import Iterable

WIDTH = 120


def document(title: str, source: str, *parts: str) -> str:
    """A page: title, where it comes from, parts with a blank line between them."""
    note = f"<!-- Generated from {source} by `python -m docs.generate`; change the source, not this page. -->"
    return "\n\n".join([f"# {title}", paragraph(note), *(part for part in parts if part)]) + "\n"


def paragraph(text: str, indent: str = "") -> str:
    """Text as one wrapped paragraph."""
    return textwrap.fill(
        " ".join(text.split()),
        WIDTH,
        initial_indent=indent,
        subsequent_indent=indent,
        break_long_words=False,
        break_on_hyphens=False,
    )


def bullets(items: Iterable[str]) -> str:
    """A list, an item a bullet."""
    return "\n".join(f"- {paragraph(item, '  ')[2:]}" for item in items)


def prose(text: str) -> str:
    """Text from a comment: what Markdown would take for markup is escaped."""
    return re.sub(r"([<*])", r"\\\1", text)


def code(text: str) -> str:
    """Inline code."""
    return f"`{text}`"


def listed(names: Iterable[str]) -> str:
    """Names as inline code, with commas."""
    return ", ".join(code(name) for name in names)
