"""Outbox: take the letters that are due, send them, record how that ended (scoring 8, 11).

No transaction is open while the mail server is spoken to. A letter that is taken is leased: its due time moves on by
LEASE_SECONDS, so that two senders share the work and a killed one's letters come back. A letter that is recorded as
sent is never sent again; the one that a crash between sending and recording repeats has the same Message-ID.
"""

import logging
import random
import threading
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from email.errors import MessageError
from email.message import EmailMessage
from typing import Any, Literal
from uuid import UUID

from psycopg.rows import class_row, dict_row

from caas_worker import sentry
from caas_worker.db import Database
from caas_worker.errors import CaasError, DatabaseUnavailable, impersonal
from caas_worker.letters import Alert, Report, alert_letter, report_letter
from caas_worker.mail import Answer, Ending, Mailer
from caas_worker.settings import Settings
from caas_worker.sql import statements

LIMIT = 100
LEASE_SECONDS = 300.0
SENDING_SECONDS = 120.0
"""No letter is begun later after it was taken. The rest of the lease is for the last one: each answer of a slow server
may take mail.TIMEOUT_SECONDS."""
RECORD_SECONDS = 1.0
"""How much sending a crash may have repeated."""
RECORD_PAUSES_SECONDS = (0.5, 2.0, 8.0)
"""A database that is away for a moment need not cost a repeat."""

MOST_ATTEMPTS = 10
OUTAGE_ATTEMPTS = 5
"""A server that is away is no letter's fault: that takes no more of its attempts than so many."""
FIRST_PAUSE_SECONDS = 30.0
LONGEST_PAUSE_SECONDS = 3600.0

LOOK_SECONDS = 1.0
LONGEST_OUTAGE_PAUSE_SECONDS = 60.0
LEAVE_SECONDS = 30.0

SESSION_GONE = "the session is gone"
GIVEN_UP = f"given up after {MOST_ATTEMPTS} attempts"

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Taken:
    """A letter that is leased."""

    kind: Literal["report", "alert"]
    id: UUID
    """Of the session, or of the alert."""
    attempts: int
    """This one counted."""
    lease: datetime
    """When others may take it."""
    due_at: datetime
    """When it was due."""


@dataclass(frozen=True, slots=True)
class Result:
    """What is to be recorded of a letter."""

    letter: Taken
    status: Literal["sent", "failed", "pending"]
    attempts: int
    error: str | None = None
    pause_seconds: float | None = None
    due_at: datetime | None = None
    """Instead of a pause: when it was due, for one that was not tried."""


@dataclass(frozen=True)
class Sent:
    """What a round did."""

    sent: int = 0
    failed: int = 0
    """For good."""
    postponed: int = 0
    """Tried, and to be tried again."""
    returned: int = 0
    """Given back without an attempt."""
    trouble: str | None = None
    """Why the round ended early: the mail server is away, or broke off."""

    @property
    def taken(self) -> int:
        return self.sent + self.failed + self.postponed + self.returned

    def __add__(self, other: "Sent") -> "Sent":
        return Sent(
            self.sent + other.sent,
            self.failed + other.failed,
            self.postponed + other.postponed,
            self.returned + other.returned,
            other.trouble or self.trouble,
        )


def send_due(
    db: Database,
    post: Mailer,
    settings: Settings,
    *,
    limit: int = LIMIT,
    max_seconds: float | None = None,
    stop: threading.Event | None = None,
) -> Sent:
    """One round: send up to `limit` letters that are due, over one connection.

    It ends early when the mail server is away or breaks off, when `stop` is set, and after `max_seconds`; what it had
    taken and not tried is then given back at once, without an attempt.

    Raises:
        DatabaseUnavailable, DatabaseError: some letters may have been sent and not recorded; those are sent once more.
    """
    over = time.monotonic() + min(SENDING_SECONDS, SENDING_SECONDS if max_seconds is None else max_seconds)
    letters, messages = _take(db, post, settings, limit)
    if not letters:
        return Sent()
    counts: Counter[str] = Counter()
    trouble = None
    with post, _Records(db) as records:
        for letter in letters:
            if trouble or time.monotonic() >= over or (stop is not None and stop.is_set()):
                records.add(Result(letter, "pending", letter.attempts - 1, due_at=letter.due_at))
                counts["returned"] += 1
                continue
            answer = _send(post, letter, messages.get(letter.id))
            if answer.ending in (Ending.AWAY, Ending.BROKEN):
                trouble = answer.words
            result = judge(letter, answer)
            records.add(result)
            counts["postponed" if result.status == "pending" else result.status] += 1
    done = Sent(**counts, trouble=trouble)
    log.log(
        logging.WARNING if trouble or done.failed else logging.INFO,
        "letters",
        extra={"sent": done.sent, "failed": done.failed, "postponed": done.postponed, "trouble": trouble},
    )
    return done


def judge(letter: Taken, answer: Answer) -> Result:
    """What an answer means for a letter: sent, failed for good, or when it is tried again."""
    if answer.ending is Ending.SENT:
        return Result(letter, "sent", letter.attempts)
    is_outage = answer.ending is Ending.AWAY
    if answer.ending is Ending.REFUSED or (letter.attempts >= MOST_ATTEMPTS and not is_outage):
        return Result(letter, "failed", letter.attempts, answer.words)
    attempts = min(letter.attempts, OUTAGE_ATTEMPTS) if is_outage else letter.attempts
    return Result(letter, "pending", attempts, answer.words, pause_seconds(attempts))


def pause_seconds(attempts: int) -> float:
    """How long a letter waits after so many attempts: 30 s, doubling up to an hour, a fifth more or less."""
    pause = min(FIRST_PAUSE_SECONDS * 2.0 ** min(attempts - 1, 20), LONGEST_PAUSE_SECONDS)
    return pause * random.uniform(0.8, 1.2)


def _send(post: Mailer, letter: Taken, message: EmailMessage | Answer | None) -> Answer:
    if message is None:
        return Answer(Ending.REFUSED, SESSION_GONE)
    if isinstance(message, Answer):
        return message
    if letter.attempts > MOST_ATTEMPTS:
        # nobody recorded how the last one ended: perhaps this letter ends its senders
        return Answer(Ending.REFUSED, GIVEN_UP)
    return post.send(message)


def _take(
    db: Database, post: Mailer, settings: Settings, limit: int
) -> tuple[Sequence[Taken], Mapping[UUID, EmailMessage | Answer]]:
    """Lease what is due, and write it; an answer stands for a letter that can't be written, nothing for a session
    that is gone.
    """
    queries = statements("outbox")
    with db.transaction() as connection:
        letters = (
            connection.cursor(row_factory=class_row(Taken))
            .execute(queries["take"], {"most": limit, "lease_seconds": LEASE_SECONDS})
            .fetchall()
        )
        facts: dict[str, list[dict[str, Any]]] = {"alert": [], "report": []}
        for kind, query in (("alert", queries["alerts"]), ("report", queries["reports"])):
            if ids := [letter.id for letter in letters if letter.kind == kind]:
                cursor = connection.cursor(row_factory=dict_row)
                facts[kind] = cursor.execute(query, {"ids": ids, "time_zone": settings.time_zone}).fetchall()
    messages = {row["alert_id"]: _write(post, settings, "alert", row) for row in facts["alert"]}
    messages |= {row["booking_id"]: _write(post, settings, "report", row) for row in facts["report"]}
    return letters, messages


def _write(post: Mailer, settings: Settings, kind: str, row: dict[str, Any]) -> EmailMessage | Answer:
    try:
        if kind == "alert":
            recipient, name = settings.admin_email or "", f"alert-{row['alert_id']}"
            letter = alert_letter(Alert(**row), settings.tutor_url)
        else:
            recipient, name = row.pop("recipient_email"), f"session-{row['booking_id']}"
            letter = report_letter(Report(**row), settings.tutor_url)
    except Exception as error:
        # one letter that can't be written must not hold up the others
        log.exception("a letter could not be written")
        sentry.report(error)
        return Answer(Ending.POSTPONED, f"it could not be written: {type(error).__name__}")
    try:
        return post.message(recipient, letter.subject, letter.text, letter.html, name)
    except (ValueError, IndexError, MessageError):
        return Answer(Ending.REFUSED, "the recipient is no e-mail address")


def record(db: Database, results: Sequence[Result]) -> None:
    """Record results. A letter that another sender has taken over meanwhile is left alone, unless this one sent it."""
    with db.transaction() as connection:
        connection.execute(
            statements("outbox")["record"],
            {
                "kinds": [result.letter.kind for result in results],
                "ids": [result.letter.id for result in results],
                "leases": [result.letter.lease for result in results],
                "statuses": [result.status for result in results],
                "attempts": [result.attempts for result in results],
                "due_ats": [result.due_at for result in results],
                "pauses": [result.pause_seconds for result in results],
                "errors": [result.error for result in results],
            },
        )


@dataclass
class _Records(AbstractContextManager["_Records"]):
    """Records results together, though none much later than RECORD_SECONDS, and the last at the end."""

    db: Database
    _waiting: list[Result] = field(default_factory=list)
    _written_at: float = field(default_factory=time.monotonic)

    def __exit__(self, *_: object) -> None:
        self.write()

    def add(self, result: Result) -> None:
        self._waiting.append(result)
        if time.monotonic() - self._written_at >= RECORD_SECONDS:
            self.write()

    def write(self) -> None:
        """Record what waits; patient with a database that is away or busy."""
        waiting, self._waiting = self._waiting, []
        for pause in (*RECORD_PAUSES_SECONDS, None):
            try:
                if waiting:
                    record(self.db, waiting)
                break
            except CaasError:
                if pause is None:
                    raise
                time.sleep(pause)
                self.db.forget_connections()
        self._written_at = time.monotonic()


class Postman:
    """Sends letters as they fall due, until `stop` is set. For a thread of its own.

    Where no mail server or nobody to write to is set, it has nothing to do, and `run` returns at once.

    Raises:
        SettingsError: a setting is wrong.
    """

    def __init__(self, db: Database, settings: Settings, stop: threading.Event) -> None:
        self._db = db
        self._settings = settings
        self._stop = stop
        self._post = Mailer.of(settings) if settings.smtp_url and settings.admin_email else None

    def run(self) -> None:
        """Look about once a second; wait out a mail server or a database that is away."""
        outage = 0.0
        while self._post is not None and not self._stop.is_set():
            try:
                done = send_due(self._db, self._post, self._settings, stop=self._stop)
                trouble = done.trouble
            except Exception as error:
                log.error("letters wait: %s", impersonal(error), exc_info=not isinstance(error, CaasError))
                if not isinstance(error, CaasError):
                    sentry.report(error)
                if isinstance(error, DatabaseUnavailable):
                    self._db.forget_connections()
                trouble = impersonal(error)
            outage = min(max(outage * 2, LOOK_SECONDS), LONGEST_OUTAGE_PAUSE_SECONDS) if trouble else 0.0
            if trouble or done.taken < LIMIT:
                self._stop.wait(outage or LOOK_SECONDS)


@contextmanager
def delivering(db: Database, settings: Settings, stop: threading.Event) -> Iterator[None]:
    """A postman at work in the background while the block runs; then `stop` is set.

    Raises:
        SettingsError: a setting is wrong.
    """
    thread = threading.Thread(target=Postman(db, settings, stop).run, name="postman", daemon=True)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join(LEAVE_SECONDS)


def status(db: Database) -> dict[str, dict[str, Any]]:
    """Of each kind: letters by state, how long the oldest pending one waits, and why one last failed."""
    with db.transaction() as connection:
        cursor = connection.cursor(row_factory=dict_row)
        rows = cursor.execute(statements("outbox")["status"]).fetchall()
    return {row.pop("kind"): row for row in rows}


def due(db: Database) -> int:
    """How many letters are due now."""
    with db.transaction() as connection:
        row = connection.execute(statements("outbox")["due"]).fetchone()
    assert row is not None
    return int(row[0])


def retry(db: Database) -> dict[str, int]:
    """Make what failed for good due again, with no attempts; returns how many of each kind."""
    with db.transaction() as connection:
        row = connection.cursor(row_factory=dict_row).execute(statements("outbox")["retry"]).fetchone()
    assert row is not None
    return row
