"""Who takes part in the live traffic, and the open transaction that they act in."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate
from random import Random
from typing import Any
from uuid import UUID

import psycopg

from caas_worker.errors import CaasError
from caas_worker.marketplace.statements import load

MOST_PEOPLE = 20_000

_STATEMENTS = load("traffic.sql")


@dataclass(frozen=True)
class Person:
    """Somebody by id and short name ("Emma W."); for a tutor with the ids of the listings."""

    id: UUID
    name: str
    listings: tuple[UUID, ...] = ()


@dataclass(frozen=True)
class Cast:
    """The people that traffic chooses from. Tutors come in order of popularity: the n-th gets 1/n of the first's."""

    tutors: Sequence[Person]
    popularity: Sequence[float]
    clients: Sequence[Person]
    agents: Sequence[Person]

    @classmethod
    def read(cls, conn: psycopg.Connection[Any]) -> "Cast":
        """At most MOST_PEOPLE of each role; tutors stand in for a role that nobody has.

        Raises CaasError if there is no tutor with a listing.
        """

        def people(role: str) -> list[Person]:
            return [
                Person(row[0], short_name(row[1]), *map(tuple, row[2:]))
                for row in conn.execute(_STATEMENTS[role], {"most": MOST_PEOPLE})
            ]

        tutors, clients, agents = people("tutors"), people("clients"), people("agents")
        if not tutors:
            raise CaasError("There is no tutor in this marketplace: fill it with people first.")
        popularity = list(accumulate(1 / place for place in range(1, len(tutors) + 1)))
        return cls(tutors, popularity, clients or tutors, agents or tutors)


class Scene:
    """One transaction of the application while it is open: its cursor, its people, and the dice."""

    def __init__(self, cursor: psycopg.Cursor[Any], cast: Cast, dice: Random) -> None:
        self.cursor = cursor
        self.cast = cast
        self.dice = dice

    def send(self, name: str, **parameters: object) -> Any:
        """Send the statement of this name from traffic.sql; its first row, or None."""
        self.cursor.execute(_STATEMENTS[name], parameters)
        return self.cursor.fetchone() if self.cursor.description else None

    def tutor(self) -> Person:
        """A tutor, the popular ones more often."""
        return self.dice.choices(self.cast.tutors, cum_weights=self.cast.popularity)[0]

    def client(self, *, of: Person) -> Person:
        """A client other than the tutor, unless there is no other."""
        client = self.dice.choice(self.cast.clients)
        return client if client.id != of.id else self.dice.choice(self.cast.clients)


def short_name(display_name: str | None) -> str:
    """First name and initial: "Emma Wilson" becomes "Emma W."."""
    first, *rest = (display_name or "Somebody").split() or ["Somebody"]
    return f"{first} {rest[-1][0]}." if rest else first
