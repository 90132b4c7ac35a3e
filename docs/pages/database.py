"""docs/reference/database.md: our tables, views, functions and watch lists, from the SQL that `migrate up` installs."""

import re
from collections.abc import Callable

from caas_worker.shipped import Shipped
from caas_worker.sql import statements
from docs.pages import ddl
from docs.pages.text import bullets, code, document, listed, paragraph, prose

SOURCE = "caas.source_"


def relations() -> list[ddl.Table]:
    """Every table and view of ours, as the installed files leave them."""
    shipped = Shipped.load()
    made = ddl.tables(
        *(file.text for file in shipped.migrations),
        *(statements("migrate")[name].decode() for name in ("ledger", "describe_ledger")),
        *(file.text for file in shipped.views),
    )
    return list(made.values())


def page() -> str:
    shipped = Shipped.load()
    tables = [relation for relation in relations() if not relation.is_view]
    views = [relation for relation in relations() if relation.is_view]
    return document(
        "Database objects",
        "migrations/, views/, triggers/",
        paragraph(
            "Everything that `caas-worker migrate up` installs. It is in the schema `caas`, except the view "
            "`public.caas_scores`, which your application reads, and the triggers on your tables. No table has a "
            "foreign key to one of yours: its check would lock your rows. Only their owner and the role `caas_worker` "
            "may use what is in the schema. You may grant `execute` on `caas.enqueue` (with `usage` on the schema) and "
            "`select` on `public.caas_scores` to other roles; see [security](../explanation/security.md)."
        ),
        "## What readers see",
        *(_view(view, _plain) for view in views if not view.name.startswith(SOURCE)),
        "## Tables",
        *map(_table, tables),
        "## Source views",
        paragraph(
            "Your tables as the rules read them: each column by its name, as one type, whatever its type in your "
            "table. The rules read nothing else of yours. The views read with their owner's rights. While one exists, "
            "dropping or altering a column that it names fails; see [change a watched "
            "column](../how-to/change-a-watched-column.md)."
        ),
        *(_view(view, prose) for view in views if view.name.startswith(SOURCE)),
        "## Watched tables",
        paragraph(
            "Each watched table has four statement triggers, `caas_mark_insert`, `caas_mark_update`, "
            "`caas_mark_delete` and `caas_mark_truncate`, on the table itself and on each of its partitions. They "
            "call the function `caas.mark_<table>()`. A truncate marks everyone."
        ),
        bullets(_watch(ddl.watch(file.path)) for file in shipped.triggers),
        "## Functions",
        *(_function(ddl.function(file.path)) for file in shipped.functions),
    )


def _table(table: ddl.Table) -> str:
    lines = [f"### {code(table.name)}", "", paragraph(prose(table.comments.get("", ""))), ""]
    columns = [
        f"{code(name)} {_plain(kind)}{': ' + prose(table.comments[name]) if name in table.comments else ''}"
        for name, kind in table.columns.items()
    ]
    lines.append(bullets(columns))
    keys = [f"{code(name)}: {prose(rule)}" for name, rule in table.constraints.items()]
    keys += [f"{code(name)}: {_index(rule)}" for name, rule in table.indexes.items()]
    lines += ["", "Constraints and indexes:", "", bullets(keys)]
    return "\n".join(lines)


def _view(view: ddl.Table, kind_of: Callable[[str], str]) -> str:
    columns = [f"{code(name)} {kind_of(kind)}: {prose(view.comments[name])}" for name, kind in view.columns.items()]
    return "\n".join([f"### {code(view.name)}", "", paragraph(prose(view.comments[""])), "", bullets(columns)])


def _plain(kind: str) -> str:
    required = " not null" in kind or " as identity" in kind
    return prose(kind.replace(" not null", "") if required else f"{kind}, may be null")


def _index(rule: str) -> str:
    unique, rest = ("unique index", rule.removeprefix("unique ")) if rule.startswith("unique ") else ("index", rule)
    return prose(f"{unique} on {rest}")


def _watch(watch: ddl.Watch) -> str:
    given = watch.arguments
    keys = [key.split(" as ") for key in given["keys"]]
    marked = ", ".join(code(key[0]) + (f" as {code(key[1])}" if len(key) > 1 else "") for key in keys)
    events = ["insert"] * (given.get("inserts") != "false")
    columns = dict.fromkeys((*(key[0] for key in keys), *given.get("columns", ())))
    events.append(f"update of {listed(columns)}")
    events.append("delete" + (" (ends with the score removed)" if given.get("deletes") == "true" else ""))
    condition = f" Only rows where {given['condition']}." if "condition" in given else ""
    return f"{code(watch.table)} marks {marked}, old and new. On: {'; '.join(events)}.{condition}"


def _function(function: ddl.Function) -> str:
    lines = [f"### {code(function.name)}", "", paragraph(prose(function.comment)), ""]
    lines += ["```sql", function.signature, "```"]
    if function.runs_as_owner:
        lines += ["", "Runs as its owner."]
    return "\n".join([*lines, "", _header(function.header)])


def _header(text: str) -> str:
    return "\n\n".join(_block(block) for block in text.split("\n\n"))


def _block(block: str) -> str:
    """A paragraph, or a list where the lines are names, two blanks or more, and what they mean."""
    if not re.match(r"\w+ {2,}\S", block):
        return paragraph(prose(block))
    items: list[str] = []
    for line in block.splitlines():
        if item := re.match(r"(\w+) +(.*)$", line):
            items.append(f"{code(item[1])}: {prose(item[2])}")
        else:
            items[-1] += f" {prose(line)}"
    return bullets(items)
