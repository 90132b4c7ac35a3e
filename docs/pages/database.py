"""docs/reference/database.md: our tables, functions and watch lists, from the SQL that `migrate up` installs."""

import re

from caas_worker.shipped import Shipped
from caas_worker.sql import statements
from docs.pages import ddl
from docs.pages.text import bullets, code, document, listed, paragraph, prose


def page() -> str:
    shipped = Shipped.load()
    tables = ddl.tables(
        *(file.text for file in shipped.migrations),
        *(statements("migrate")[name].decode() for name in ("ledger", "describe_ledger")),
        *(statements("roles")[name].decode() for name in ("rule", "describe_rule")),
    )
    return document(
        "Database objects",
        "migrations/ and triggers/",
        paragraph(
            "Everything that `caas-worker migrate up` installs, all in the schema `public` beside the application's "
            "tables. No table has a foreign key to the application's: its check would lock the application's rows. "
            "Nobody but their owner and the role `caas_worker` may use any of it until it is granted, except that "
            "`caas_reader` reads `caas_scores`; see [security](../explanation/security.md)."
        ),
        "## Tables",
        *(_table(table) for table in tables.values() if not table.query),
        "## Views",
        *(_view(table) for table in tables.values() if table.query),
        "## Watched tables",
        paragraph(
            "Each watched table has four statement triggers, `caas_mark_insert`, `caas_mark_update`, "
            "`caas_mark_delete` and `caas_mark_truncate`, on the table itself and on each of its partitions; their "
            "function `caas_mark_<table>()`; and a guard view `caas_guard_<table>`, always empty, which keeps the "
            "watched columns from being dropped or changed under the function. A truncate marks everyone."
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
    if rules := [f"{code(name)}: {prose(table.comments[name])}" for name in table.policies if name]:
        lines += ["", "Row-level security, with these policies:", "", bullets(rules)]
    if triggers := [f"{code(name)}: {prose(when)}" for name, when in table.triggers.items()]:
        lines += ["", "Triggers:", "", bullets(triggers)]
    return "\n".join(lines)


def _view(view: ddl.Table) -> str:
    columns = bullets(f"{code(name)}: {prose(view.comments[name])}" for name in view.columns)
    return "\n".join([f"### {code(view.name)}", "", paragraph(prose(view.comments[""])), "", columns])


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
