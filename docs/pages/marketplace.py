"""docs/reference/marketplace.md: what the product needs of the application's database."""

from importlib.resources import files

from caas_worker.application import COLUMNS, INDEXES
from docs.pages import ddl
from docs.pages.text import bullets, code, document, paragraph


def page() -> str:
    sample = ddl.tables(files("caas_worker.marketplace").joinpath("schema.sql").read_text(encoding="utf-8"))
    return document(
        "The marketplace's tables",
        "caas_worker/application.py and caas_worker/marketplace/schema.sql",
        paragraph(
            "These tables are the application's. The product watches and reads them and never creates or alters them. "
            "The one column that workers write is `profiles.caas_score`, where that exists and `CAAS_FOLLOW_PROFILES` "
            "is not false; sessions that come by HTTP are written "
            "[under a role of their own](../explanation/security.md#roles). `caas-worker migrate up` refuses a "
            "database that lacks a table or column below, and `caas-worker verify` names it. Further columns and "
            "tables do no harm."
        ),
        paragraph(
            "The types are those of the sample marketplace that the demo and the tests use. Names are checked, types "
            "are not: where yours differ (an enum or a `varchar` where `text` is named), try a copy first; "
            "`caas-worker drain` fails at once when a function cannot read a column."
        ),
        "## Tables and columns",
        *(_table(table, columns, sample[table]) for table, columns in COLUMNS.items()),
        "## Indexes",
        paragraph(
            "Statistics follow these indexes, and any that begin with the same columns in the same order. Without one "
            "they read the whole table for every batch; with the first column alone, all that it finds, however long "
            "ago. `caas-worker verify` gives a hint and the statement that makes it."
        ),
        bullets(f"{code(table)} ({', '.join(columns)})" for table, columns in INDEXES),
        paragraph(
            "`role_details` is found by its primary key, which has to begin with `profile_id`; `profiles`, `listings` "
            "and `bookings` by their `id`."
        ),
    )


def _table(table: str, columns: tuple[str, ...], sample: ddl.Table) -> str:
    kinds = {name: kind.split(" not null")[0].split(" primary key")[0] for name, kind in sample.columns.items()}
    lines = [f"{code(name)} {_type(kinds[name])}" for name in columns]
    return f"### {code(table)}\n\n{bullets(lines)}"


def _type(kind: str) -> str:
    for word in (" references", " constraint", " default"):
        kind = kind.split(word)[0]
    return kind.removeprefix("public.")
