"""Mail: one message after another over SMTP, and what became of each."""

import contextlib
import re
import smtplib
import ssl
from dataclasses import dataclass
from datetime import UTC, datetime
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP
from enum import Enum
from ipaddress import ip_address
from typing import Literal, Self
from urllib.parse import SplitResult, parse_qs, unquote, urlsplit

from caas_worker.errors import SettingsError
from caas_worker.settings import Settings

TIMEOUT_SECONDS = 10.0
LONGEST_WORDS = 200
LONGEST_LINE = 200
PORTS = {"smtp": 25, "smtps": 465}
NOT_NOW = 421
"""The server ends the connection: it goes down, or this connection has had its share."""
LOGIN_WANTED = {530, 534, 535, 538}
"""Refusals that a login would cure: the fault of the settings, never of a message."""

_EXAMPLE = "Examples: smtp://user:password@mail.example.org:587, smtps://mail.example.org"
_ADDRESS = re.compile(r"<?[^\s<>@]+@[^\s<>@]+>?")


class Ending(Enum):
    """What became of a message."""

    SENT = "the server took it"
    REFUSED = "the server will never take it"
    POSTPONED = "the server will not take it now"
    BROKEN = "the connection ended under way; perhaps the server has it"
    AWAY = "the server was not reached, or takes nothing from us"


@dataclass(frozen=True, slots=True)
class Answer:
    """What became of a message, and why."""

    ending: Ending
    words: str | None = None
    """Short, without addresses and secrets."""


@dataclass(frozen=True, slots=True)
class MailServer:
    """Where mail is handed in, and how."""

    host: str
    port: int
    user: str | None
    password: str
    tls: Literal["always", "offered", "required", "off"]

    @classmethod
    def parse(cls, url: str) -> Self:
        """The server of smtp://[user[:password]@]host[:port][?starttls=required|off], or the same with smtps://.

        Raises:
            SettingsError: it is none; the message does not repeat it: it may hold a password.
        """
        try:
            parts = urlsplit(url.strip())
            host, port = parts.hostname, parts.port
            user, password = (unquote(part or "", errors="strict") for part in (parts.username, parts.password))
        except ValueError:
            raise SettingsError(
                f"CAAS_SMTP_URL is no address of a mail server: / ? # @ : and % in a password are "
                f"written %2F %3F %23 %40 %3A %25. {_EXAMPLE}"
            ) from None
        if parts.scheme not in PORTS or not host or parts.path not in ("", "/") or parts.fragment:
            raise SettingsError(f"CAAS_SMTP_URL is no address of a mail server. {_EXAMPLE}")
        if not (user + password).isascii() or not (user + password).isprintable():
            raise SettingsError("CAAS_SMTP_URL: a user or password that is not ASCII can't be sent to a mail server.")
        return cls(host, port or PORTS[parts.scheme], user or None, password, _tls(parts))

    @property
    def is_this_machine(self) -> bool:
        """Whether what is sent there passes no network."""
        try:
            return ip_address(self.host).is_loopback
        except ValueError:
            return self.host == "localhost"


def _tls(parts: SplitResult) -> Literal["always", "offered", "required", "off"]:
    options = parse_qs(parts.query, keep_blank_values=True)
    asked = options.pop("starttls", ["offered"])
    if options or (parts.scheme == "smtps" and parts.query):
        raise SettingsError("CAAS_SMTP_URL: the one option is starttls, and only with smtp://.")
    match asked:
        case ["required"]:
            return "required"
        case ["off"]:
            return "off"
        case ["offered"]:
            return "always" if parts.scheme == "smtps" else "offered"
    raise SettingsError("CAAS_SMTP_URL: starttls is required or off; without it, STARTTLS is used where offered.")


def address(text: str, setting: str) -> Address:
    """The one address that a setting holds, with or without a name. An international domain is written as xn--….

    Raises:
        SettingsError: it holds none, or several.
    """
    message = EmailMessage()
    with contextlib.suppress(ValueError, IndexError):
        message["From"] = text.strip()
        [found] = message["From"].addresses
        is_whole = found.username and found.domain and not message["From"].defects
        if is_whole and found.addr_spec.isascii() and " " not in found.addr_spec:
            return Address(found.display_name, found.username, found.domain)
    raise SettingsError(f"{setting} is no e-mail address. Examples: alerts@example.org, Alerts <alerts@example.org>")


class _Away(Exception):
    """The server can't be used."""


class Mailer:
    """Sends messages, several over one connection, which `close` ends. For one thread.

    Args:
        server: where they are handed in.
        sender: whom they are from.
        timeout: the longest wait for one answer of the server, in seconds.
    """

    def __init__(self, server: MailServer, sender: Address, *, timeout: float = TIMEOUT_SECONDS) -> None:
        self.sender = sender
        self._server = server
        self._timeout = timeout
        self._smtp: smtplib.SMTP | None = None
        self._is_fresh = False

    @classmethod
    def of(cls, settings: Settings) -> Self:
        """The one that the settings ask for.

        Raises:
            SettingsError: a setting is missing or wrong.
        """
        if settings.smtp_url is None:
            raise SettingsError(f"CAAS_SMTP_URL is not set: there is no mail server to send with. {_EXAMPLE}")
        if settings.admin_email is None:
            raise SettingsError("CAAS_ADMIN_EMAIL is not set: there is nobody to write to.")
        admin = address(settings.admin_email, "CAAS_ADMIN_EMAIL")
        sender = address(settings.mail_from, "CAAS_MAIL_FROM") if settings.mail_from else admin
        return cls(MailServer.parse(settings.smtp_url.get_secret_value()), sender)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def message(self, recipient: str, subject: str, text: str, html: str, name: str) -> EmailMessage:
        """A message with two alternatives. It has its name in its Message-ID, whenever it is made.

        Raises:
            ValueError: the recipient is nobody, or can't stand in a header.
        """
        subject = " ".join(subject.split())
        # where a line has no room for a subject, it begins in the next, and some then show none
        message = EmailMessage(policy=SMTP.clone(max_line_length=LONGEST_LINE) if subject.isascii() else SMTP)
        message["From"] = self.sender
        message["To"] = recipient
        addressed = message["To"].addresses
        if not addressed or not all(one.username and one.domain for one in addressed):
            raise ValueError("there is nobody to send it to")
        message["Subject"] = subject
        message["Date"] = datetime.now(UTC)
        message["Message-ID"] = f"<{name}@{self.sender.domain}>"
        message["Auto-Submitted"] = "auto-generated"
        # quoted-printable passes every server, whatever its line length and its eighth bit
        message.set_content(text, cte="quoted-printable")
        message.add_alternative(html, subtype="html", cte="quoted-printable")
        return message

    def send(self, message: EmailMessage) -> Answer:
        """Send one message; never raises for what a server, a network or an address does."""
        try:
            smtp = self._connected()
        except _Away as error:
            self.close()
            return Answer(Ending.AWAY, str(error))
        was_fresh, self._is_fresh = self._is_fresh, False
        answer, code = self._hand_in(smtp, message)
        if code == NOT_NOW and not was_fresh:
            self.close()
            return self.send(message)
        if answer.ending in (Ending.BROKEN, Ending.AWAY):
            self.close()
        return answer

    def close(self) -> None:
        """Take leave of the server, if there is a connection; the next `send` makes another."""
        smtp, self._smtp = self._smtp, None
        if smtp is not None:
            with contextlib.suppress(smtplib.SMTPException, OSError):
                smtp.quit()
            smtp.close()

    def _hand_in(self, smtp: smtplib.SMTP, message: EmailMessage) -> tuple[Answer, int | None]:
        """What became of it, and the code of the server's answer if that was no yes."""
        try:
            smtp.send_message(message)
        except smtplib.SMTPRecipientsRefused as error:
            # none was taken; one who may be taken later is worth another attempt
            code, said = min(error.recipients.values(), key=lambda refusal: refusal[0])
            return self._refusal(code, said), code
        except smtplib.SMTPResponseException as error:
            return self._refusal(error.smtp_code, error.smtp_error), error.smtp_code
        except (smtplib.SMTPNotSupportedError, ValueError):
            return Answer(Ending.REFUSED, "the server can't take an address that is spelled like this"), None
        except (smtplib.SMTPException, OSError) as error:
            return Answer(Ending.BROKEN, self._words("the connection broke off", error)), None
        return Answer(Ending.SENT), None

    def _refusal(self, code: int, said: bytes | str) -> Answer:
        words = self._words(f"the server said {code}", said)
        if code in LOGIN_WANTED or code == NOT_NOW:
            return Answer(Ending.AWAY, words)
        return Answer(Ending.REFUSED if code >= 500 else Ending.POSTPONED, words)

    def _connected(self) -> smtplib.SMTP:
        if self._smtp is not None:
            # a server may have ended it since: better known before a message is under way
            with contextlib.suppress(smtplib.SMTPException, OSError):
                if self._smtp.noop()[0] == 250:
                    return self._smtp
            self.close()
        try:
            self._smtp = self._connect()
            self._prepare(self._smtp)
        except smtplib.SMTPAuthenticationError as error:
            raise _Away(f"the mail server refused the login ({error.smtp_code})") from None
        except ssl.SSLCertVerificationError as error:
            raise _Away(f"the mail server's certificate is not trusted: {error.verify_message}") from None
        except smtplib.SMTPResponseException as error:
            raise _Away(self._words(f"the mail server said {error.smtp_code}", error.smtp_error)) from None
        except (smtplib.SMTPException, OSError, UnicodeError) as error:
            raise _Away(self._words("the mail server can't be used", error)) from None
        self._is_fresh = True
        return self._smtp

    def _connect(self) -> smtplib.SMTP:
        server = self._server
        if server.tls == "always":
            context = ssl.create_default_context()
            return smtplib.SMTP_SSL(server.host, server.port, timeout=self._timeout, context=context)
        return smtplib.SMTP(server.host, server.port, timeout=self._timeout)

    def _prepare(self, smtp: smtplib.SMTP) -> None:
        """Encrypt and log in, as far as the settings ask for it."""
        server = self._server
        smtp.ehlo_or_helo_if_needed()
        is_private = server.tls == "always"
        if server.tls in ("offered", "required"):
            if smtp.has_extn("starttls"):
                smtp.starttls(context=ssl.create_default_context())
                smtp.ehlo()
                is_private = True
            elif server.tls == "required":
                raise _Away("the mail server does not offer STARTTLS")
        if server.user is None:
            return
        if not is_private and server.tls != "off" and not server.is_this_machine:
            raise _Away(
                "the mail server does not offer STARTTLS; a password is sent unencrypted only with starttls=off"
            )
        smtp.login(server.user, server.password)

    def _words(self, what: str, said: bytes | str | BaseException) -> str:
        """One short line, without what an answer may repeat: addresses, the user, the password."""
        text = said.decode("utf-8", "replace") if isinstance(said, bytes) else str(said) or type(said).__name__
        for secret in filter(None, (self._server.password, self._server.user)):
            text = text.replace(secret, "…")
        text = " ".join(_ADDRESS.sub("…", text).replace("\0", "").split())
        return f"{what}: {text}"[:LONGEST_WORDS].rstrip(": ")
