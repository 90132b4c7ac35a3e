"""Reads this project's SQL files, as far as the reference needs: tables, indexes, comments, functions, watch lists.

It knows the forms that these files use and refuses what it does not know of a table, so that no column goes missing
from the reference in silence.
"""

import re
from dataclasses import dataclass, field
from pathlib import Path

PREFIX = "caas_"
THE_MOVE = "alter table caas.%I rename to %I"
"""Stands in the DO block of migration 0008, which moves everything to the schema caas."""
DROPPED_BY_THE_MOVE = (
    "view public.caas_changes",
    "caas_every_score",
    "caas_readers_see_",
    "caas_refuse_strangers",
    "row level security",
)


@dataclass
class Table:
    """A table or view as the migrations leave it; comments by column, its own under the empty name."""

    name: str
    columns: dict[str, str] = field(default_factory=dict)
    constraints: dict[str, str] = field(default_factory=dict)
    indexes: dict[str, str] = field(default_factory=dict)
    comments: dict[str, str] = field(default_factory=dict)
    is_view: bool = False


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
    """A watch list: the arguments of its caas.watch call, by name, lists as tuples."""

    table: str
    header: str
    arguments: dict[str, tuple[str, ...] | str]


def tables(*texts: str) -> dict[str, Table]:
    """The tables and views that the statements of these texts make, one text after the other, without their schema."""
    found: dict[str, Table] = {}
    for text in texts:
        if THE_MOVE in text:
            found = {name.removeprefix(PREFIX): _moved(table) for name, table in found.items()}
        for statement in statements(text):
            if not any(name in statement for name in DROPPED_BY_THE_MOVE):
                _apply(statement, found)
    return found


def statements(text: str) -> list[str]:
    """The statements of a text, without comments. Of a DO block its views and comments, of a function nothing."""
    bare = re.sub(r"^\s*--.*$", "", text, flags=re.MULTILINE)
    bare = re.sub(r"^do \$\$$(.*?)^\$\$", _spoken, bare, flags=re.MULTILINE | re.DOTALL)
    bare = re.sub(r"(\$\w*\$).*?\1", "$…$", bare, flags=re.DOTALL)
    return [part.strip() for part in re.split(r";\s*$", bare, flags=re.MULTILINE) if part.strip()]


def _spoken(block: re.Match[str]) -> str:
    written = re.findall(r"^\s*((?:create view|comment on) .*?;)$", block[1], flags=re.MULTILINE | re.DOTALL)
    return "".join(f"{statement}\n" for statement in written)


def _moved(table: Table) -> Table:
    """A table after 0008: in the schema caas, its constraints and indexes without the prefix, too."""
    return Table(
        f"caas.{table.name.removeprefix(PREFIX)}",
        table.columns,
        {name.removeprefix(PREFIX): rule for name, rule in table.constraints.items()},
        {name.removeprefix(PREFIX): rule for name, rule in table.indexes.items()},
        table.comments,
    )


def _apply(statement: str, found: dict[str, Table]) -> None:
    flat = re.sub(r"\) with \([^()]*\)$", ")", " ".join(statement.split()))
    if made := re.match(r"create table (?:if not exists )?((?:\w+\.)?(\w+)) \((.*)\)$", flat):
        table = found[made[2]] = Table(made[1])
        for item in split(made[3]):
            _item(item, table)
    elif made := re.match(r"create (unique )?index (\w+) on (?:\w+\.)?(\w+) (.*)$", flat):
        found[made[3]].indexes[made[2]] = (made[1] or "") + made[4]
    elif made := re.match(
        r"create view (\w+\.(\w+)) (?:with \(security_barrier\) )?as select (.*?) from \w+\.(\w+) as .*$", flat
    ):
        base = found.get(made[4], Table(made[4]))
        found[made[2]] = Table(made[1], dict(_selected(column, base) for column in split(made[3])), is_view=True)
    elif made := re.match(r"comment on (?:table|view) (?:\w+\.)?(\w+) is '(.*)'$", flat):
        found[made[1]].comments[""] = made[2].replace("''", "'")
    elif made := re.match(r"comment on column (?:\w+\.)?(\w+)\.(\w+) is '(.*)'$", flat):
        found[made[1]].comments[made[2]] = made[3].replace("''", "'")
    elif made := re.match(r"alter table (?:\w+\.)?(\w+) (add .*)$", flat):
        for item in split(made[2]):
            _item(re.sub(r"^add (column )?", "", item), found[made[1]])
    elif made := re.match(r"alter table (?:\w+\.)?(\w+) drop (column|constraint) (\w+)$", flat):
        found[made[1]].columns.pop(made[3], None)
        found[made[1]].constraints.pop(made[3], None)
    elif made := re.match(r"drop (?:table|view) (?:if exists )?(?:\w+\.)?(\w+)$", flat):
        del found[made[1]]
    elif made := re.match(r"drop index (?:\w+\.)?(\w+)$", flat):
        for table in found.values():
            table.indexes.pop(made[1], None)
    elif flat.startswith(
        ("alter table", "create table", "create index", "create view", "create policy", "create trigger")
    ):
        raise ValueError(f"docs/pages/ddl.py does not know this form: {flat[:100]}")


def _selected(column: str, base: Table) -> tuple[str, str]:
    """Name and type of a view's column: `b.id::uuid as id`, or `s.profile_id`, which has its table's type."""
    value, _, name = column.partition(" as ")
    source, _, kind = value.partition("::")
    name = name or source.rpartition(".")[2]
    return name, kind or base.columns.get(name, "").partition(" default ")[0]


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
    words = comment[1].replace("''", "'")
    return Function(f"caas.{path.stem}", header(text), signature[1], words, "\nsecurity definer\n" in text)


def watch(path: Path) -> Watch:
    """The one caas.watch call of a file."""
    text = path.read_text(encoding="utf-8")
    call = re.search(r"select caas.watch\((.*)\);\s*$", text, re.DOTALL)
    assert call, f"{path} does not call caas.watch"
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
