"""A mail server that takes every letter, and none twice."""

from datetime import datetime
from email.message import EmailMessage
from typing import Any
from uuid import UUID

import psycopg
from pydantic import SecretStr

from caas_worker import outbox
from caas_worker.db import Database
from caas_worker.mail import Answer, Ending, Mailer
from caas_worker.settings import Settings

RECIPIENT = "admin@example.org"
SETTINGS = Settings(smtp_url=SecretStr("smtp://localhost"), admin_email=RECIPIENT)
DUE = (
    "update caas.tutor_alerts set email_due_at = now() where email_status = 'pending'; "
    "update caas.email_reports set due_at = now() where status = 'pending'"
)


class Post(Mailer):
    """Remembers what it was given: a session by its row, as a row that comes later with its id is another session."""

    def __init__(self, app: psycopg.Connection[Any]) -> None:
        configured = Mailer.of(SETTINGS)
        super().__init__(configured._server, configured.sender)
        self._app = app
        self._taken: set[tuple[str, datetime | None]] = set()

    def round(self, db: Database) -> None:
        """Everything that waits is due, and sent."""
        self._app.execute(DUE)
        outbox.send_due(db, self, SETTINGS)

    def send(self, message: EmailMessage) -> Answer:
        """Take it, if it is new."""
        name = message["Message-ID"].strip("<>").partition("@")[0]
        kind, _, key = name.partition("-")
        since = None
        if kind == "session":
            query = "select created_at from bookings where id = %s"
            since = self._app.execute(query, (UUID(key),)).fetchall()[0][0]
            assert key in message["Subject"]
        assert (name, since) not in self._taken, f"{name} was sent before"
        assert message["To"] == RECIPIENT
        self._taken.add((name, since))
        return Answer(Ending.SENT)
