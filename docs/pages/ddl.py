"""Reads this project's SQL files, as far as the reference needs: tables, indexes, comments, functions, watch lists.

It knows the forms that these files use and refuses what it does not know of a table, so that no column goes missing
from the reference in silence.
"""

import re
from dataclasses import dataclass, field
from pathlib import Path


@dataclass
class Table:
    """A table as the migrations leave it; comments by column, the table's own under the empty name."""

    name: str
    columns: dict[str, str] = field(default_factory=dict)
    constraints: dict[str, str] = field(default_factory=dict)
    indexes: dict[str, str] = field(default_factory=dict)
    policies: dict[str, str] = field(default_factory=dict)
    triggers: dict[str, str] = field(default_factory=dict)
    comments: dict[str, str] = field(default_factory=dict)
    query: str = ""
    """Of a view."""


@dataclass(frozen=True)
class Function:
    """A function's file: header comment, signature as written, comment."""

    name: str
    header: str
    signature: str
    comment: str
    runs_as_owner: bool


@dataclass(frozen=True)
class Watch:
    """A watch list: the arguments of its caas_watch call, by name, lists as tuples."""

    table: str
    header: str
    arguments: dict[str, tuple[str, ...] | str]


def tables(*texts: str) -> dict[str, Table]:
    """The tables that the statements of these texts make, one text after the other."""
    found: dict[str, Table] = {}
    for text in texts:
        for statement in statements(text):
            _apply(statement, found)
    return found


def statements(text: str) -> list[str]:
    """The statements of a text, comments and what stands in dollar quotes left out."""
    bare = re.sub(r"^\s*--.*$", "", text, flags=re.MULTILINE)
    bare = re.sub(r"(\$\w*\$).*?\1", "$…$", bare, flags=re.DOTALL)
    return [part.strip() for part in re.split(r";\s*$", bare, flags=re.MULTILINE) if part.strip()]


def _apply(statement: str, found: dict[str, Table]) -> None:
    flat = re.sub(r"\) with \([^()]*\)$", ")", " ".join(statement.split()))
    if made := re.match(r"create table (?:if not exists )?(?:public\.)?(\w+) \((.*)\)$", flat):
        table = found[made[1]] = Table(made[1])
        for item in split(made[2]):
            _item(item, table)
    elif made := re.match(r"create (unique )?index (\w+) on (?:public\.)?(\w+) (.*)$", flat):
        found[made[3]].indexes[made[2]] = (made[1] or "") + made[4]
    elif made := re.match(r"comment on (table|column) (\w+)(?:\.(\w+))? is '(.*)'$", flat):
        found[made[2]].comments[made[3] or ""] = made[4].replace("''", "'")
    elif made := re.match(r"create view (\w+) as (select (.*) from \w+)$", flat):
        columns = dict.fromkeys(split(made[3]), "")
        found[made[1]] = Table(made[1], columns, query=made[2])
    elif made := re.match(r"comment on view (\w+) is '(.*)'$", flat):
        found[made[1]].comments[""] = made[2].replace("''", "'")
    elif made := re.match(r"create policy (\w+) on (\w+) (.*)$", flat):
        found[made[2]].policies[made[1]] = made[3]
    elif made := re.match(r"comment on policy (\w+) on (\w+) is '(.*)'$", flat):
        found[made[2]].comments[made[1]] = made[3].replace("''", "'")
    elif made := re.match(r"create trigger (\w+) (.*) on (\w+) for each (\w+) execute function (\w+)\(\)$", flat):
        found[made[3]].triggers[made[1]] = f"{made[2]}, for each {made[4]}"
    elif made := re.match(r"alter table (\w+) enable row level security$", flat):
        found[made[1]].policies[""] = "row-level security"
    elif made := re.match(r"alter table (\w+) (add .*)$", flat):
        for item in split(made[2]):
            _item(re.sub(r"^add (column )?", "", item), found[made[1]])
    elif made := re.match(r"alter table (\w+) drop (column|constraint) (\w+)$", flat):
        found[made[1]].columns.pop(made[3], None)
        found[made[1]].constraints.pop(made[3], None)
    elif made := re.match(r"drop table (\w+)$", flat):
        del found[made[1]]
    elif made := re.match(r"drop index (\w+)$", flat):
        for table in found.values():
            table.indexes.pop(made[1], None)
    elif flat.startswith(
        ("alter table", "create table", "create index", "create view", "create policy", "create trigger")
    ):
        raise ValueError(f"docs/pages/ddl.py does not know this form: {flat[:100]}")


def _item(item: str, table: Table) -> None:
    if named := re.match(r"constraint (\w+) (.*)$", item):
        table.constraints[named[1]] = named[2]
    elif re.match(r"(primary key|unique|check|foreign key)\b", item):
        table.constraints[""] = item
    else:
        name, kind = item.split(" ", 1)
        table.columns[name] = kind


def split(text: str) -> list[str]:
    """The parts between the commas that stand in no parentheses."""
    parts, depth = [""], 0
    for character in text:
        depth += (character == "(") - (character == ")")
        if character == "," and depth == 0:
            parts.append("")
        else:
            parts[-1] += character
    return [part.strip() for part in parts]


def header(text: str) -> str:
    """The comment that a file begins with."""
    lines = text.splitlines()
    end = next((number for number, line in enumerate(lines) if not line.startswith("--")), len(lines))
    return "\n".join(line.removeprefix("--").removeprefix(" ") for line in lines[:end])


def function(path: Path) -> Function:
    """The one function of a file."""
    text = path.read_text(encoding="utf-8")
    signature = re.search(r"^create or replace function (.*?)\nlanguage ", text, re.MULTILINE | re.DOTALL)
    comment = re.search(r"comment on function [^;]*? is\s+'((?:[^']|'')*)';\s*$", text)
    assert signature, f"{path} has no function in the usual form"
    assert comment, f"{path} has no comment on its function"
    return Function(
        path.stem, header(text), signature[1], comment[1].replace("''", "'"), "\nsecurity definer\n" in text
    )


def watch(path: Path) -> Watch:
    """The one caas_watch call of a file."""
    text = path.read_text(encoding="utf-8")
    call = re.search(r"select caas_watch\((.*)\);\s*$", text, re.DOTALL)
    assert call, f"{path} does not call caas_watch"
    table, *rest = _arguments(call[1])
    arguments = dict(part.split(" => ", 1) for part in rest)
    return Watch(table.strip("'"), header(text), {name: _value(text) for name, text in arguments.items()})


def _arguments(text: str) -> list[str]:
    flat = " ".join(text.split())
    return [flat[: flat.index(",")], *(part.strip() for part in re.split(r",\s*(?=\w+ => )", flat)[1:])]


def _value(text: str) -> tuple[str, ...] | str:
    if text.startswith("array["):
        return tuple(re.findall(r"'([^']*)'", text))
    if text.startswith("'{"):
        return tuple(name.strip() for name in text[2:-2].split(",") if name.strip())
    return text.removeprefix("$$").removesuffix("$$")
