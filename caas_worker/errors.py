"""Every error that this product raises, in one tree. A class's docstring is its default message.

CaasError
├── SettingsError             a setting or argument is wrong
├── DatabaseUnavailable       the server does not answer, or went away
│   └── DatabaseBusy          all connections of this process are at work
├── DatabaseError             the server answered with an error that repeating will not cure
│   └── NotPermitted          this role lacks a right
├── RulesOutdated             other rules are published than this installation has
├── NotInstalled              our tables are missing or too old
├── MigrationRefused          going on would harm what is there
├── EmbeddedServerError       the embedded PostgreSQL can't be started
├── ProfileNotFound           there is no profile with this id
├── HoldRefused               a score can't be pinned like that
├── NotComputed               a score could not be computed in time
└── RequestRefused            an HTTP request is answered without being carried out
    ├── InvalidRequest        the request is not as documented
    │   ├── AlertResolved     an alert that has ended can't be acknowledged
    │   ├── DuplicateSession  there is a session with this id
    │   ├── SessionCompleted  the session was completed with other values
    │   └── SessionEnded      the session was cancelled, rescheduled or missed
    ├── KeyRefused            the key is missing or wrong
    ├── KeyNotSet             the route's key is not configured, so it stays closed
    ├── TutorNotFound         nothing is known of a tutor with this id
    ├── AlertNotFound         there is no alert with this id
    ├── SessionNotFound       there is no session with this id
    ├── SessionsNotGranted    the database does not let this service write sessions
    ├── TooLarge              the body is larger than any of ours
    └── TooManyRequests       more calculations were asked for than are allowed
"""

import re
from collections.abc import Mapping
from typing import ClassVar

# SQLSTATE classes: cardinality, data, constraint, function and limit errors, a function's own RAISE, internal errors;
# 57014 is a statement that took too long.
ONE_PROFILES_STATES = ("21", "22", "23", "2F", "38", "39", "54", "57014", "P0", "XX")

# What a server can't do, connections, transactions, missing or forbidden objects, resources, objects in use, operators,
# the system: their messages name objects.
STATES_WITHOUT_VALUES = ("08", "0A", "25", "40", "42", "53", "55", "57", "58")

# Data and constraints: their messages quote values, and names of objects.
STATES_THAT_QUOTE = ("22", "23")
QUOTED = re.compile(r'"([^"]*)"|»([^«]*)«|„([^“]*)“|«([^»]*)»|“([^”]*)”')
"""In the languages that a server may speak."""

FORBIDDEN = "42501"


class CaasError(Exception):
    """The command could not be carried out."""

    code: ClassVar[str] = "ERROR"

    def __init__(self, message: str | None = None) -> None:
        super().__init__(message or (self.__doc__ or "").strip())


class SettingsError(CaasError):
    """A setting is wrong."""

    code = "SETTINGS"


class DatabaseUnavailable(CaasError):
    """The database does not answer. Check CAAS_DATABASE_URL and that the server runs."""

    code = "DATABASE_UNAVAILABLE"


class DatabaseBusy(DatabaseUnavailable):
    """All connections to the database are at work. Ask again later."""

    code = "DATABASE_BUSY"


class DatabaseError(CaasError):
    """The database answered with an error."""

    code = "DATABASE_ERROR"

    def __init__(
        self,
        message: str | None = None,
        sqlstate: str | None = None,
        names: Mapping[str, str] | None = None,
        *,
        is_servers: bool = False,
    ) -> None:
        """Make an error.

        Args:
            names: of the objects that it is about, by kind: table, column, constraint.
            is_servers: the server's own words, and not those of a function that somebody wrote.
        """
        super().__init__(message)
        self.sqlstate = sqlstate
        self.names = dict(names or {})
        self.is_servers = is_servers

    @property
    def impersonal(self) -> str:
        """What may leave the database: the message without quoted values, or its code; and the names of objects."""
        state = self.sqlstate or ""
        if state.startswith(STATES_WITHOUT_VALUES):
            return str(self)
        if state.startswith(STATES_THAT_QUOTE) and self.is_servers:
            return f"{self._without_values()} [{state}]{self._about()}"
        return f"{DatabaseError.__name__} [{state}]{self._about()}"

    def _without_values(self) -> str:
        """The first sentence: what follows it repeats rows."""
        sentence = str(self).split(". ", maxsplit=1)[0].removesuffix(f" [{self.sqlstate}]")
        known = {*self.names.values()}
        return QUOTED.sub(lambda match: match[0] if {*match.groups()} & known else "…", sentence)

    def _about(self) -> str:
        return "".join(f", {kind} {name}" for kind, name in self.names.items())

    @property
    def is_deadlock(self) -> bool:
        """Whether it waited for who waited for it: once more, and it goes through."""
        return self.sqlstate == "40P01"

    @property
    def may_be_one_profile(self) -> bool:
        """Whether a single profile's rows can be the cause; what is missing, forbidden, full or busy is everyone's.

        Without a state it is the driver's own: it could not write or read a value.
        """
        return self.sqlstate is None or self.sqlstate.startswith(ONE_PROFILES_STATES)


class NotInstalled(CaasError):
    """This database has no caas_worker tables, or older ones. Run: caas-worker migrate up"""

    code = "NOT_INSTALLED"


class NotPermitted(DatabaseError):
    """This role lacks a right. As this role, caas-worker verify says what is missing."""

    code = "NOT_PERMITTED"

    def __init__(self, message: str | None = None) -> None:
        super().__init__(message, FORBIDDEN)


class RulesOutdated(CaasError):
    """Other rules are published than this installation has."""

    code = "RULES_OUTDATED"

    @classmethod
    def against(cls, published: str) -> "RulesOutdated":
        """The error that names the published rules, as "ROLE version"."""
        return cls(
            f"Other rules are published than this installation has: {published}. Install the release, or "
            "the time zone and phrases, that they belong to; or, to make everyone's score one of this installation's "
            "rules: caas-worker rules publish"
        )


class MigrationRefused(CaasError):
    """The migration was refused."""

    code = "MIGRATION_REFUSED"


class EmbeddedServerError(CaasError):
    """The embedded PostgreSQL can't be started. Set CAAS_DATABASE_URL to use a server of your own."""

    code = "EMBEDDED_SERVER"


class ProfileNotFound(CaasError):
    """There is no profile with this id."""

    code = "PROFILE_NOT_FOUND"


class HoldRefused(CaasError):
    """The score can't be pinned like that."""

    code = "HOLD_REFUSED"


class NotComputed(CaasError):
    """The score could not be computed in time. It stays in the queue; ask again later."""

    code = "NOT_COMPUTED"


class RequestRefused(CaasError):
    """The request was refused."""

    code = "REFUSED"


class InvalidRequest(RequestRefused):
    """The request is not as documented. The description of every route stands at /docs."""

    code = "INVALID_REQUEST"

    def __init__(self, message: str | None = None, where: str | None = None) -> None:
        super().__init__(message)
        self.where = where
        """What is wrong, as in "body.tutor_id"."""


class AlertResolved(InvalidRequest):
    """The alert was resolved: it can't be acknowledged any more."""

    code = "ALERT_RESOLVED"


class DuplicateSession(InvalidRequest):
    """There is a session with this id already."""

    code = "DUPLICATE_SESSION"


class SessionCompleted(InvalidRequest):
    """The session was completed with other values, which stay."""

    code = "SESSION_COMPLETED"


class SessionEnded(InvalidRequest):
    """The session was cancelled, rescheduled or missed: it can't be completed."""

    code = "SESSION_ENDED"


class KeyRefused(RequestRefused):
    """The key is missing or wrong."""

    code = "UNAUTHORIZED"

    def __init__(self, message: str | None = None, challenge: str = "Bearer") -> None:
        super().__init__(message)
        self.challenge = challenge
        """How a key is presented, for the header WWW-Authenticate."""


class KeyNotSet(RequestRefused):
    """This route is closed: its key is not set."""

    code = "KEY_NOT_SET"


class TutorNotFound(RequestRefused):
    """There is no tutor with this id, or nothing is computed for them yet."""

    code = "TUTOR_NOT_FOUND"


class AlertNotFound(RequestRefused):
    """There is no alert with this id."""

    code = "ALERT_NOT_FOUND"


class SessionNotFound(RequestRefused):
    """There is no session with this id."""

    code = "SESSION_NOT_FOUND"


class SessionsNotGranted(RequestRefused):
    """This service may not write sessions. Run: caas-worker migrate up; then grant caas_sessions to its login role."""

    code = "SESSIONS_NOT_GRANTED"


class TooLarge(RequestRefused):
    """The body is too large: 64 KiB are enough for every route."""

    code = "TOO_LARGE"


class TooManyRequests(RequestRefused):
    """More calculations were asked for than are allowed. Ask again later."""

    code = "TOO_MANY_REQUESTS"

    def __init__(self, message: str | None = None, retry_after: int = 60) -> None:
        super().__init__(message)
        self.retry_after = retry_after
        """Seconds until the next is allowed."""


EXIT_CODES: dict[type[CaasError], int] = {
    CaasError: 1,
    SettingsError: 2,
    HoldRefused: 2,
    DatabaseUnavailable: 3,
    DatabaseError: 1,
    NotInstalled: 4,
    MigrationRefused: 5,
    EmbeddedServerError: 6,
    RulesOutdated: 7,
    NotPermitted: 8,
}


def exit_code(error: CaasError) -> int:
    """The process exit code for an error: its own class's, else its nearest ancestor's."""
    return next(EXIT_CODES[kind] for kind in type(error).__mro__ if kind in EXIT_CODES)


HTTP_STATUSES: dict[type[CaasError], int] = {
    CaasError: 503,
    ProfileNotFound: 404,
    InvalidRequest: 400,
    KeyRefused: 401,
    TutorNotFound: 404,
    AlertNotFound: 404,
    SessionNotFound: 404,
    TooLarge: 413,
    TooManyRequests: 429,
}
"""503: the service can't do now what was asked: the database is away, a key or a grant is missing, rules differ."""


def http_status(error: CaasError) -> int:
    """The HTTP status for an error: its own class's, else its nearest ancestor's."""
    return next(HTTP_STATUSES[kind] for kind in type(error).__mro__ if kind in HTTP_STATUSES)


def impersonal(error: BaseException) -> str:
    """An error in words that may leave the database: nothing that a row may have said.

    PostgreSQL's messages of some classes, and those of errors that nobody foresaw, repeat values. What they are about
    is named all the same: code, table, column, constraint.
    """
    if isinstance(error, DatabaseError):
        return error.impersonal
    return str(error) if isinstance(error, CaasError) else type(error).__name__
