"""A real mail server for tests, which keeps what it takes and misbehaves on demand."""

import asyncio
import contextlib
import socket
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from email import message_from_bytes, policy
from email.message import EmailMessage
from typing import Any

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, AuthResult, Envelope, Session
from pydantic import SecretStr

from caas_worker.settings import Settings

Refuses = Callable[[Envelope], str | None]


def nobody(_: Envelope) -> str | None:
    """Refuses nobody."""
    return None


@dataclass
class Mailbox:
    """What a server took, and how it answers; each `refuses_…` may return another answer than yes."""

    port: int
    letters: list[EmailMessage] = field(default_factory=list)
    recipients: list[list[str]] = field(default_factory=list)
    connections: int = 0
    refuses_sender: Refuses = nobody
    refuses_recipient: Refuses = nobody
    refuses_letter: Refuses = nobody
    hangs_up: Refuses = nobody
    """Ends the connection instead of an answer to the letter's text."""
    falls_silent: Refuses = nobody
    """Never answers the letter's text."""
    ends_idle_connections: bool = False

    @property
    def url(self) -> str:
        return f"smtp://127.0.0.1:{self.port}"

    @property
    def names(self) -> list[str]:
        """The Message-ID of each letter."""
        return [letter["Message-ID"] for letter in self.letters]

    def settings(self, **changes: Any) -> Settings:
        """Settings that send here."""
        return Settings(**{"smtp_url": SecretStr(self.url), "admin_email": "admin@example.org", **changes})

    async def handle_EHLO(  # noqa: N802
        self, _: SMTP, session: Session, __: Envelope, hostname: str, responses: list[str]
    ) -> list[str]:
        session.host_name = hostname
        self.connections += 1
        return responses

    async def handle_NOOP(self, server: SMTP, _: Session, __: Envelope, ___: str) -> str:  # noqa: N802
        if self.ends_idle_connections:
            _hang_up(server)
        return "250 OK"

    async def handle_MAIL(  # noqa: N802
        self, _: SMTP, __: Session, envelope: Envelope, sender: str, ___: list[str]
    ) -> str:
        envelope.mail_from = sender
        return self.refuses_sender(envelope) or "250 OK"

    async def handle_RCPT(  # noqa: N802
        self, _: SMTP, __: Session, envelope: Envelope, recipient: str, ___: list[str]
    ) -> str:
        if answer := self.refuses_recipient(envelope):
            return answer
        envelope.rcpt_tos.append(recipient)
        return "250 OK"

    async def handle_DATA(self, server: SMTP, _: Session, envelope: Envelope) -> str:  # noqa: N802
        if answer := self.refuses_letter(envelope):
            return answer
        if self.hangs_up(envelope):
            _hang_up(server)
            return "250 nobody hears this"
        if self.falls_silent(envelope):
            await asyncio.Event().wait()
        assert isinstance(envelope.content, bytes)
        letter = message_from_bytes(envelope.content, policy=policy.default)
        assert isinstance(letter, EmailMessage)
        self.letters.append(letter)
        self.recipients.append(list(envelope.rcpt_tos))
        return "250 OK"


def _hang_up(server: SMTP) -> None:
    assert isinstance(server.transport, asyncio.Transport)
    server.transport.abort()


def knows(user: str, password: str) -> Callable[..., AuthResult]:
    """An authenticator that lets this one in."""

    def check(_: SMTP, __: Session, ___: Envelope, ____: str, given: Any) -> AuthResult:
        return AuthResult(success=(given.login, given.password) == (user.encode(), password.encode()), handled=False)

    return check


def free_port() -> int:
    """A port of this machine's that nobody listens at."""
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


@contextlib.contextmanager
def serving(**options: Any) -> Iterator[Mailbox]:
    """A mail server; the options are aiosmtpd's."""
    mailbox = Mailbox(free_port())
    controller = Controller(mailbox, hostname="127.0.0.1", port=mailbox.port, **options)
    controller.start()
    mailbox.connections = 0
    try:
        yield mailbox
    finally:
        controller.stop()
