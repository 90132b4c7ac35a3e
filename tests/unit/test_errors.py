"""The error tree: drawn as it is, one exit code for each error, driver errors in this product's words."""

import re

import psycopg
import pytest
from psycopg_pool import PoolTimeout, TooManyRequests

from caas_worker import errors
from caas_worker.db import translate
from caas_worker.errors import (
    EXIT_CODES,
    CaasError,
    DatabaseError,
    DatabaseUnavailable,
    NotInstalled,
    exit_code,
)

pytestmark = pytest.mark.quick

ALL = [kind for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, CaasError)]


def drawn() -> dict[str, str | None]:
    """Name and parent of each error in the tree of the module's docstring, four characters to a level."""
    found: dict[str, str | None] = {}
    path: list[str] = []
    for branches, name in re.findall(r"^([│├└─ ]*)(\w+Error|\w+(?=  ))(?=  |$)", errors.__doc__ or "", re.MULTILINE):
        depth = len(branches) // 4
        path = [*path[:depth], name]
        found[name] = path[depth - 1] if depth else None
    return found


def test_the_drawn_tree_is_the_tree() -> None:
    parents = {kind.__name__: kind.__bases__[0].__name__ if kind is not CaasError else None for kind in ALL}
    assert drawn() == parents


@pytest.mark.parametrize("kind", ALL, ids=lambda kind: kind.__name__)
def test_default_message_is_the_docstring(kind: type[CaasError]) -> None:
    assert "__doc__" in vars(kind)
    assert str(kind()) == (kind.__doc__ or "").strip() != ""
    assert str(kind("another")) == "another"


def test_codes_are_unique() -> None:
    codes = [kind.code for kind in ALL]
    assert len(set(codes)) == len(codes)
    assert all(re.fullmatch(r"[A-Z_]+", code) for code in codes)


@pytest.mark.parametrize("kind", ALL, ids=lambda kind: kind.__name__)
def test_every_error_ends_the_process_with_a_failure(kind: type[CaasError]) -> None:
    assert 1 <= exit_code(kind()) <= 125


def test_a_new_error_ends_like_its_parent() -> None:
    class NewKind(DatabaseUnavailable):
        """A new kind."""

    assert exit_code(NewKind()) == exit_code(DatabaseUnavailable()) == 3


def test_exit_codes_tell_apart_what_a_caller_can_act_upon() -> None:
    assert {kind.__name__: code for kind, code in EXIT_CODES.items()} == {
        "CaasError": 1,
        "SettingsError": 2,
        "HoldRefused": 2,
        "DatabaseUnavailable": 3,
        "DatabaseError": 1,
        "NotInstalled": 4,
        "MigrationRefused": 5,
        "EmbeddedServerError": 6,
        "RulesOutdated": 7,
        "NotPermitted": 8,
    }


@pytest.mark.parametrize(
    ("driver_error", "kind"),
    [
        (psycopg.OperationalError("connection refused"), DatabaseUnavailable),
        (PoolTimeout("couldn't get a connection after 10 s"), DatabaseUnavailable),
        (psycopg.errors.ConnectionFailure("lost"), DatabaseUnavailable),
        (psycopg.errors.AdminShutdown("terminating connection"), DatabaseUnavailable),
        (psycopg.errors.CrashShutdown("terminating connection"), DatabaseUnavailable),
        (psycopg.errors.CannotConnectNow("the database system is starting up"), DatabaseUnavailable),
        (psycopg.errors.TooManyConnections("sorry, too many clients already"), DatabaseUnavailable),
        (psycopg.errors.QueryCanceled("canceling statement due to statement timeout"), DatabaseError),
        (psycopg.errors.LockNotAvailable("canceling statement due to lock timeout"), DatabaseError),
        (psycopg.errors.DivisionByZero("division by zero"), DatabaseError),
        (psycopg.errors.UndefinedTable('relation "caas.changes" does not exist'), NotInstalled),
        (psycopg.errors.UndefinedFunction("function caas.fold(integer) does not exist"), NotInstalled),
        (psycopg.errors.InvalidSchemaName('schema "caas" does not exist'), NotInstalled),
        (psycopg.errors.UndefinedTable('relation "profiles" does not exist'), DatabaseError),
        (psycopg.DataError("timestamp too large (after year 10K): 'infinity'"), DatabaseError),
        (TooManyRequests("the pool has already 9 requests waiting"), DatabaseUnavailable),
    ],
    ids=lambda value: f"{type(value).__name__}: {value}"[:50] if isinstance(value, Exception) else value.__name__,
)
def test_driver_errors_are_translated(driver_error: psycopg.Error, kind: type[CaasError]) -> None:
    translated = translate(driver_error)
    assert type(translated) is kind
    assert str(driver_error).splitlines()[0] in str(translated)


@pytest.mark.parametrize(
    ("driver_error", "one_profile"),
    [
        (psycopg.errors.DivisionByZero("division by zero"), True),
        (psycopg.errors.NumericValueOutOfRange("integer out of range"), True),
        (psycopg.errors.QueryCanceled("canceling statement due to statement timeout"), True),
        (psycopg.errors.InsufficientPrivilege("permission denied for table bookings"), False),
        (psycopg.errors.UndefinedTable('relation "profiles" does not exist'), False),
        (psycopg.DataError("timestamp too large (after year 10K): 'infinity'"), True),
    ],
    ids=lambda value: type(value).__name__,
)
def test_an_error_that_one_profiles_rows_can_cause_is_told_from_everyones(
    driver_error: psycopg.Error, one_profile: bool
) -> None:
    translated = translate(driver_error)
    assert isinstance(translated, DatabaseError)
    assert translated.may_be_one_profile is one_profile
