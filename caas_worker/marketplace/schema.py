"""The application's tables in a database of our own: made only where nothing of that name stands already."""

from importlib.resources import files
from typing import Any

import psycopg
from psycopg import sql
from psycopg.rows import tuple_row

from caas_worker.errors import MigrationRefused

SAMPLE_COMMENT = "caas-worker sample marketplace"

TABLES = (
    "profiles",
    "role_details",
    "listings",
    "bookings",
    "reschedules",
    "profile_reviews",
    "profile_graph",
    "student_integration_links",
    "platform_events",
    "session_transcripts",
)

_ONE_AT_A_TIME = "select pg_advisory_xact_lock(hashtextextended(%s, 0))"
_COMMENT = "select obj_description(to_regclass('public.profiles'), 'pg_class')"
_STANDING = "select name from unnest(%s::text[]) as name where to_regclass('public.' || name) is not null"


def create(conn: psycopg.Connection[Any]) -> None:
    """Create the application's tables in schema public, in one transaction, and mark them as the sample's.

    Does nothing where the mark is there. Raises MigrationRefused if one of the tables exists without it: those are
    somebody's, and nothing is changed.
    """
    with conn.transaction(), conn.cursor(row_factory=tuple_row) as cursor:
        cursor.execute(_ONE_AT_A_TIME, [SAMPLE_COMMENT])
        if is_sample(conn):
            return
        standing = [name for (name,) in cursor.execute(_STANDING, [list(TABLES)])]
        if standing:
            raise MigrationRefused(
                f"This database already has tables of an application ({', '.join(standing)}) that are not the sample "
                "marketplace's. Use an empty database for the sample."
            )
        cursor.execute(files(__package__).joinpath("schema.sql").read_text(encoding="utf-8"))
        cursor.execute(sql.SQL("comment on table public.profiles is {}").format(SAMPLE_COMMENT))


def drop(conn: psycopg.Connection[Any]) -> None:
    """Drop the sample's tables with all who are in them, in one transaction.

    Raises MigrationRefused if the mark is not there, psycopg.errors.DependentObjectsStillExist if somebody else's
    views or constraints hang on them.
    """
    with conn.transaction():
        if not is_sample(conn):
            raise MigrationRefused("This database is not the sample marketplace's, so none of its tables is dropped.")
        tables = sql.SQL(", ").join(sql.Identifier("public", name) for name in TABLES)
        conn.execute(sql.SQL("drop table {}").format(tables))
        conn.execute("drop type public.booking_status_enum")


def is_sample(conn: psycopg.Connection[Any]) -> bool:
    """Whether this database carries the sample marketplace's mark, and may therefore be filled and played with."""
    with conn.transaction(), conn.cursor(row_factory=tuple_row) as cursor:
        row = cursor.execute(_COMMENT).fetchone()
    return row is not None and row[0] == SAMPLE_COMMENT
