"""Stats: what the rules read, in one round trip per function and batch."""

import json
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from psycopg import Connection, sql
from psycopg.rows import TupleRow, dict_row
from psycopg.types.numeric import FloatLoader

from caas_worker.db import Clock, Database
from caas_worker.model import Profile, RoleDetails, Stats, Unreadable, stored
from caas_worker.sql import statements


def database_clock(connection: Connection[TupleRow]) -> datetime:
    """The transaction's own time."""
    row = connection.execute(statements("stats")["now"]).fetchone()
    assert row is not None
    now: datetime = row[0]
    return now


@dataclass(frozen=True, slots=True)
class Gathered:
    """What the strategies need to know of a batch."""

    now: datetime
    """The one time that all of it holds for."""
    profiles: Mapping[UUID, Profile]
    """Those that exist."""
    unreadable: Mapping[UUID, Exception]
    """Those that exist with facts of no sensible shape."""
    statistics: Mapping[str, Mapping[UUID, Stats]]
    """By function, then profile."""


def gather(
    db: Database,
    profile_ids: Sequence[UUID],
    needs: Callable[[Profile], Sequence[str]],
    clock: Clock = database_clock,
    *,
    share: float = 1,
    cells: bool = False,
) -> Gathered:
    """Facts and statistics of the profiles, with the functions that each one `needs`.

    With `cells`, statistics read cells where they are built: right for a batch whose cells are refreshed. Else they
    count in the application's rows.

    A `share` of a batch gets that share of the statement timeout, so that finding the one profile whose statistics
    take too long takes about as long as two batches may, not as many as there are profiles.

    One transaction, which begins after the claim was committed: only then does it see every change that the claim
    covers.
    """
    queries = statements("stats")
    with db.transaction(lazily=True, share_of_timeout=share, cells=cells) as connection:
        now = clock(connection)
        cursor = connection.cursor(row_factory=dict_row)
        cursor.execute(queries["facts"], {"profile_ids": list(profile_ids)})
        profiles: dict[UUID, Profile] = {}
        unreadable: dict[UUID, Exception] = {}
        wanted: dict[str, list[UUID]] = defaultdict(list)
        for facts in cursor:
            profile_id = facts["profile_id"]
            try:
                profile = _profile(facts)
                for function in needs(profile):
                    wanted[function].append(profile_id)
                profiles[profile_id] = profile
            except Exception as error:
                if facts["identity_verified"]:
                    unreadable[profile_id] = error
                else:
                    # the gate is decided first, from its own column: nobody keeps a score by being unreadable
                    profiles[profile_id] = Profile(profile_id, roles=_roles(facts["roles"]))
        statistics = {function: read(connection, function, ids, now) for function, ids in wanted.items()}
    return Gathered(now, profiles, unreadable, statistics)


def read(
    connection: Connection[TupleRow], function: str, profile_ids: Sequence[UUID], now: datetime
) -> dict[UUID, Stats]:
    """One row of the set-returning `function(profile_ids uuid[], as_of timestamptz)` per id.

    Numerics come as float: rules round to nine decimals before they decide (scoring, conventions).
    """
    cursor = connection.cursor(row_factory=dict_row)
    cursor.adapters.register_loader("numeric", FloatLoader)
    cursor.execute(
        sql.SQL("select * from {}(%s::uuid[], %s::timestamptz)").format(sql.Identifier("caas", function)),
        (list(profile_ids), now),
    )
    return {row.pop("profile_id"): row for row in cursor}


def _profile(facts: dict[str, Any]) -> Profile:
    facts = dict(facts)
    by_role = json.loads(facts.pop("role_details"))
    roles = _roles(facts.pop("roles"))
    return Profile(roles=roles, role_details={role: _details(**fields) for role, fields in by_role.items()}, **facts)


def _roles(carried: Sequence[str | None] | None) -> frozenset[str]:
    return frozenset(role.strip().upper() for role in carried or () if role)


def _details(*, qualifications: str | None, is_too_long: bool | None, **fields: Any) -> RoleDetails:
    """Role details, whatever was stored for qualifications: what can't be read gives no points and stops nobody."""
    return RoleDetails(qualifications=Unreadable() if is_too_long else stored(qualifications or "null"), **fields)
