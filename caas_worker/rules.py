"""Rule versions: the published ones, which every worker must have to write."""

import json
from dataclasses import dataclass

from caas_worker.db import Database
from caas_worker.errors import DatabaseError, RulesOutdated, SettingsError
from caas_worker.sql import statements
from caas_worker.strategies import Registry

UNKNOWN_ZONE = "22023"


@dataclass(frozen=True, slots=True)
class Rule:
    """One role's rule: this installation's version against the published one."""

    role: str
    installed: str | None
    published: str | None

    @property
    def standing(self) -> str:
        """published, or differs: then a worker of this installation publishes a newer one, and waits with an older."""
        return "published" if self.installed == self.published else "differs"


def publish(db: Database, registry: Registry, *, anyway: bool = False) -> list[str]:
    """Make this installation's rules the published ones; what is new among them marks everyone, at low priority.

    Safe to repeat: every worker does it when it starts.

    Args:
        anyway: also where published rules are newer, or rule a role that this installation has no rule for. What is
            replaced counts as withdrawn: no worker publishes it again by itself.

    Returns:
        What was published now, as "ROLE version".

    Raises:
        RulesOutdated: published rules are newer, or these were withdrawn; nothing was published.
        SettingsError: the database does not know the time zone.
    """
    _check_zone(db, registry.quality.zone)
    with db.transaction() as connection:
        row = connection.execute(
            statements("rules")["publish"], {"rules": json.dumps(registry.rules), "anyway": anyway}
        ).fetchone()
    assert row is not None
    refused, published = row
    if refused:
        raise RulesOutdated.against(", ".join(refused))
    return list(published)


def standings(db: Database, registry: Registry) -> list[Rule]:
    """Every role's rule, installed or published."""
    with db.transaction() as connection:
        published = dict(connection.execute(statements("rules")["published"]).fetchall())
    return [Rule(role, registry.rules.get(role), published.get(role)) for role in sorted(registry.rules | published)]


def _check_zone(db: Database, zone: str) -> None:
    """A zone that only Python knows would make every profile fail."""
    try:
        with db.transaction() as connection:
            connection.execute(statements("rules")["time_in_zone"], {"zone": zone})
    except DatabaseError as error:
        if error.sqlstate != UNKNOWN_ZONE:
            raise
        raise SettingsError(f"CAAS_TIME_ZONE: the database knows no time zone {zone!r}.") from None
