"""docs/reference/marketplace.md: what the product needs of the application's database."""

import re
from importlib.resources import files

from caas_worker.application import COLUMNS, INDEXES
from caas_worker.shipped import Shipped
from docs.pages import ddl
from docs.pages.text import bullets, code, document, paragraph


def page() -> str:
    sample = ddl.tables(files("caas_worker.marketplace").joinpath("schema.sql").read_text(encoding="utf-8"))
    views = ddl.tables(*(file.text for file in Shipped.load().views))
    return document(
        "The marketplace's tables",
        "caas_worker/application.py, views/ and the sample marketplace",
        paragraph(
            "These tables are the application's. The product watches and reads them and never creates or alters them. "
            "The one column that workers write is `profiles.caas_score`, where that exists and `CAAS_FOLLOW_PROFILES` "
            "is not false; sessions that come by HTTP are written "
            "[under a role of their own](../explanation/security.md#roles). `caas-worker migrate up` refuses a "
            "database that lacks a table or column below, and `caas-worker verify` names it. Further columns and "
            "tables do no harm."
        ),
        paragraph(
            "The types are those of the sample marketplace that the demo and the tests use. Yours may be others: the "
            "[source views](database.md#source-views) cast each column to one type, which is named below where it is "
            "not the sample's. `migrate up` fails where PostgreSQL has no such cast. A cast can round (a `numeric` "
            "rating of 4.5 is read as 5), or fail when it meets a value that does not fit."
        ),
        paragraph(
            "Two things are not cast, because triggers compare and mark your own columns: the ids of profiles, "
            "listings and bookings are of the type `uuid`, and a watched column needs a type that PostgreSQL can "
            "compare for equality (`jsonb`, not `json`). `migrate up` refuses a table that breaks either rule."
        ),
        "## Tables and columns",
        *(_table(columns, sample[table], views[f"source_{table}"]) for table, columns in COLUMNS.items()),
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


def _table(columns: tuple[str, ...], sample: ddl.Table, view: ddl.Table) -> str:
    lines = [f"{code(name)} {_types(sample.columns[name], view.columns[name])}" for name in columns]
    return f"### {code(sample.name.removeprefix('public.'))}\n\n{bullets(lines)}"


def _types(kind: str, cast: str) -> str:
    own = re.split(r" (?:not null|primary key|unique|references|constraint|default|generated)\b", kind)[0]
    own = own.removeprefix("public.")
    return own if own == cast else f"{own}, read as {cast}"
