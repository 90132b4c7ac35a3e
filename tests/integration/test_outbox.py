"""The outbox: sent once, whatever the mail server, the network or a crash does (scoring 8, 11)."""

import shutil
import ssl
import subprocess
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest
from psycopg.types.json import Jsonb
from pydantic import SecretStr

from caas_worker import outbox
from caas_worker.db import Database
from caas_worker.errors import DatabaseUnavailable, SettingsError
from caas_worker.letters import Letter
from caas_worker.mail import Ending, Mailer, MailServer, address
from caas_worker.outbox import MOST_ATTEMPTS, OUTAGE_ATTEMPTS, SESSION_GONE, Postman, Sent, send_due
from caas_worker.settings import Settings
from caas_worker.sql import statements
from tests.interleaving import Rows, meanwhile, one, until
from tests.mailbox import Mailbox, free_port, knows, serving
from tests.people import add_booking, add_client, add_listing, add_tutor

Refuses = Callable[[Any], str | None]


@pytest.fixture
def mailbox() -> Iterator[Mailbox]:
    with serving() as running:
        yield running


@pytest.fixture
def settings(mailbox: Mailbox) -> Settings:
    return mailbox.settings(tutor_url="https://example.org/tutors/{profile_id}")


def mailer(settings: Settings, timeout: float = 5) -> Mailer:
    assert settings.smtp_url
    sender = address(settings.mail_from or settings.admin_email or "", "CAAS_MAIL_FROM")
    return Mailer(MailServer.parse(settings.smtp_url.get_secret_value()), sender, timeout=timeout)


@pytest.fixture
def send(db: Database, settings: Settings) -> Callable[..., Sent]:
    """One round: `send()`, `send(timeout=0.2)`; with other settings: `send(settings)`."""

    def run(other: Settings = settings, *, timeout: float = 5, **options: Any) -> Sent:
        return send_due(db, mailer(other, timeout), other, **options)

    return run


def add_session(app: Rows) -> tuple[UUID, UUID]:
    """A session of a new tutor's; returns both."""
    tutor = add_tutor(app)
    return add_booking(app, add_listing(app, tutor), add_client(app)), tutor


def add_report(app: Rows, recipient: str = "admin@example.org", subject: str = "Session report") -> UUID:
    """A session whose report is due."""
    session, tutor = add_session(app)
    app.execute(
        "insert into caas.email_reports (booking_id, profile_id, recipient_email, subject) values (%s, %s, %s, %s)",
        (session, tutor, recipient, f"{subject} {session}"),
    )
    return session


def add_alert(app: Rows, kind: str = "churn_risk", **columns: Any) -> UUID:
    """An alert whose mail is due."""
    given = {
        "id": uuid4(), "profile_id": uuid4(), "alert_type": kind, "score_value": 0.7, "raised_at": "2026-03-03 10:00Z",
        "last_checked_at": "2026-03-03 10:00Z", "email_status": "pending", "email_due_at": "2026-03-03 10:00Z",
        **columns,
    }  # fmt: skip
    app.execute(
        f"insert into caas.tutor_alerts ({', '.join(given)}) values ({', '.join(['%s'] * len(given))})".encode(),
        list(given.values()),
    )
    return UUID(str(given["id"]))


def state(app: Rows, session: UUID) -> tuple[str, int, str | None]:
    """Status, attempts and error of a session's report."""
    row = app.execute(
        "select status, attempts, error_message from caas.email_reports where booking_id = %s", (session,)
    ).fetchone()
    assert row is not None
    return row[0], row[1], row[2]


def make_due(app: Rows) -> None:
    """Let the pause or the lease of every letter end."""
    app.execute("update caas.email_reports set due_at = now() where status = 'pending'")
    app.execute("update caas.tutor_alerts set email_due_at = now() where email_status = 'pending'")


# what is sent


def test_a_report_is_sent_once_with_its_headers_and_both_alternatives(
    app: Rows, mailbox: Mailbox, send: Callable[..., Sent]
) -> None:
    session = add_report(app)
    tutor = one(app, "select profile_id from caas.email_reports")
    app.execute(
        "insert into caas.tutor_scores values (%s, 'reschedule_risk', 12.5, 'medium', %s, 'risk-v1', now())",
        (
            tutor,
            Jsonb(
                {
                    "reschedule_rate_30d": 12.5,
                    "tutor_reschedules_30d": 1,
                    "sessions_30d": 8,
                    "threshold": 15.0,
                    "is_high_risk": False,
                }
            ),
        ),
    )
    assert send() == Sent(sent=1)
    assert send() == Sent()
    [letter] = mailbox.letters
    assert mailbox.recipients == [["admin@example.org"]]
    assert letter["Message-ID"] == f"<session-{session}@example.org>"
    assert (letter["From"], letter["To"]) == ("admin@example.org", "admin@example.org")
    assert letter["Subject"] == f"Session report {session}"
    assert letter["Date"]
    assert letter["Auto-Submitted"] == "auto-generated"
    assert letter.get_content_type() == "multipart/alternative"
    text, html = letter.iter_parts()
    assert (text.get_content_type(), html.get_content_type()) == ("text/plain", "text/html")
    student = one(app, "select client_id from bookings")
    for part in (text, html):
        assert part.get_content_charset() == "utf-8"
        said = part.get_content()
        for word in (session, tutor, student, "Completed", "12.5 %", "Monday, 3 March 2025, 10:00 (UTC)", "medium"):
            assert str(word) in said
        assert f"https://example.org/tutors/{tutor}" in said
    assert state(app, session) == ("sent", 1, None)
    assert one(app, "select sent_at is not null from caas.email_reports")


def test_an_alert_is_sent_once(app: Rows, mailbox: Mailbox, send: Callable[..., Sent]) -> None:
    alert = add_alert(app)
    assert send() == Sent(sent=1)
    assert send() == Sent()
    assert mailbox.names == [f"<alert-{alert}@example.org>"]
    assert mailbox.recipients == [["admin@example.org"]]
    assert "Tuesday, 3 March 2026, 10:00 (UTC)" in mailbox.letters[0].as_string()
    assert one(app, "select email_status from caas.tutor_alerts") == "sent"
    assert one(app, "select emailed_at is not null from caas.tutor_alerts")


def test_an_alert_that_resolved_before_it_was_sent_is_sent_with_its_state(
    app: Rows, mailbox: Mailbox, send: Callable[..., Sent]
) -> None:
    add_alert(app, status="resolved", resolved_at="2026-03-04 10:00Z", auto_resolved=True)
    assert send() == Sent(sent=1)
    assert mailbox.letters[0]["Subject"].startswith("Alert, resolved: churn risk")


def test_alerts_of_nobody_and_letters_that_are_not_due_are_left(app: Rows, send: Callable[..., Sent]) -> None:
    add_alert(app, email_status="none", email_due_at=None)
    add_report(app)
    app.execute("update caas.email_reports set due_at = now() + interval '1 minute'")
    assert send() == Sent()


def test_alerts_go_first_and_the_longest_due_before_others(
    app: Rows, mailbox: Mailbox, send: Callable[..., Sent]
) -> None:
    sessions = [add_report(app) for _ in range(3)]
    for session, hours in zip(sessions, (1, 3, 2), strict=True):
        app.execute(
            "update caas.email_reports set due_at = now() - make_interval(hours => %s) where booking_id = %s",
            (hours, session),
        )
    alert = add_alert(app, email_due_at="now")
    assert [send(limit=3), send(limit=3)] == [Sent(sent=3), Sent(sent=1)]
    assert mailbox.names == [
        f"<{name}@example.org>" for name in (f"alert-{alert}", *(f"session-{sessions[place]}" for place in (1, 2, 0)))
    ]


def test_days_are_those_of_the_time_zone(app: Rows, mailbox: Mailbox, send: Callable[..., Sent]) -> None:
    add_report(app)
    app.execute("update bookings set scheduled_start = '2026-03-03 20:30Z', scheduled_end = '2026-03-03 21:30Z'")
    send(mailbox.settings(time_zone="Asia/Tokyo"))
    assert "Wednesday, 4 March 2026, 05:30 (Asia/Tokyo)" in mailbox.letters[0].as_string()


def test_a_session_at_no_time_holds_up_nobody(app: Rows, send: Callable[..., Sent]) -> None:
    add_report(app)
    app.execute("update bookings set scheduled_start = 'infinity', scheduled_end = 'infinity'")
    add_report(app)
    assert send() == Sent(sent=2)


def test_bodies_are_utf_8(app: Rows, mailbox: Mailbox, send: Callable[..., Sent]) -> None:
    session = add_report(app, subject="Bericht über Müllers 第一 Stunde 😀")
    send(mailbox.settings(mail_from="Büro <buero@example.org>", tutor_url="https://example.org/tutör/{profile_id}"))
    [letter] = mailbox.letters
    assert letter["Subject"] == f"Bericht über Müllers 第一 Stunde 😀 {session}"
    assert letter["From"].addresses[0].display_name == "Büro"
    for part in letter.iter_parts():
        assert "https://example.org/tutör/" in part.get_content()


@pytest.mark.parametrize("line_break", ["\n", "\r\n", "\r", "\x0b", "\x85", "\u2028"])
def test_no_row_can_add_a_header(app: Rows, mailbox: Mailbox, send: Callable[..., Sent], line_break: str) -> None:
    session = add_report(app, subject=f"Report{line_break}Bcc: spy@example.org{line_break}{line_break}Hello")
    to_several = add_report(app, recipient=f"admin@example.org{line_break}Bcc: spy@example.org")
    assert send() == Sent(sent=1, failed=1)
    [letter] = mailbox.letters
    assert letter["Bcc"] is None
    assert letter["Subject"] == f"Report Bcc: spy@example.org Hello {session}"
    assert mailbox.recipients == [["admin@example.org"]]
    assert state(app, to_several) == ("failed", 1, "the recipient is no e-mail address")


@pytest.mark.parametrize("recipient", ["", " ", "<>"])
def test_a_report_to_nobody_fails(app: Rows, send: Callable[..., Sent], recipient: str) -> None:
    session = add_report(app, recipient=recipient)
    add_report(app)
    assert send() == Sent(sent=1, failed=1)
    assert state(app, session)[0] == "failed"


def test_a_vanished_sessions_report_is_dropped(app: Rows, mailbox: Mailbox, send: Callable[..., Sent]) -> None:
    session = add_report(app)
    add_report(app)
    app.execute("delete from bookings where id = %s", (session,))
    assert send() == Sent(sent=1, failed=1)
    assert state(app, session) == ("failed", 1, SESSION_GONE)
    assert len(mailbox.letters) == 1


def test_a_round_has_one_connection_and_two_transactions_however_many_letters(
    app: Rows, mailbox: Mailbox, send: Callable[..., Sent], monkeypatch: pytest.MonkeyPatch
) -> None:
    for _ in range(20):
        add_report(app)
        add_alert(app)
    transactions = []
    begin = Database.transaction

    def counted(db: Database) -> Any:
        transactions.append(db)
        return begin(db)

    monkeypatch.setattr(Database, "transaction", counted)
    monkeypatch.setattr(outbox, "RECORD_SECONDS", 60)
    assert send() == Sent(sent=40)
    assert (mailbox.connections, len(transactions)) == (1, 2)
    assert len(set(mailbox.names)) == 40


# what goes wrong at the mail server


def test_a_refused_connection_is_retried_and_nobody_else_is_charged(
    app: Rows, mailbox: Mailbox, send: Callable[..., Sent]
) -> None:
    first, *others = [add_report(app) for _ in range(3)]
    due = one(app, "select array_agg(due_at order by due_at) from caas.email_reports")
    away = mailbox.settings(smtp_url=SecretStr(f"smtp://127.0.0.1:{free_port()}"))
    done = send(away)
    assert (done.postponed, done.returned, done.sent, done.failed) == (1, 2, 0, 0)
    assert done.trouble
    assert "Connection refused" in done.trouble
    assert state(app, first)[:2] == ("pending", 1)
    assert state(app, first)[2] == done.trouble
    assert [state(app, other) for other in others] == [("pending", 0, None)] * 2
    assert one(app, "select array_agg(due_at order by due_at) from caas.email_reports")[:2] == due[1:]
    assert send() == Sent(sent=2)
    make_due(app)
    assert send() == Sent(sent=1)
    assert state(app, first) == ("sent", 2, None)


def test_an_outage_makes_no_letter_fail(app: Rows, mailbox: Mailbox, send: Callable[..., Sent]) -> None:
    session = add_report(app)
    away = mailbox.settings(smtp_url=SecretStr(f"smtp://127.0.0.1:{free_port()}"))
    app.execute("update caas.email_reports set attempts = %s", (MOST_ATTEMPTS - 1,))
    for _ in range(MOST_ATTEMPTS + 2):
        assert send(away).postponed == 1
        make_due(app)
    assert state(app, session)[:2] == ("pending", OUTAGE_ATTEMPTS)
    assert send() == Sent(sent=1)


@pytest.mark.parametrize("asked", ["refuses_sender", "refuses_recipient", "refuses_letter"])
def test_a_refusal_for_now_is_retried_and_others_go_on(
    app: Rows, mailbox: Mailbox, send: Callable[..., Sent], asked: str
) -> None:
    first = add_report(app)
    answers = iter(["451 4.7.1 <admin@example.org>: greylisted, see smtp://x"])
    setattr(mailbox, asked, lambda _: next(answers, None))
    add_report(app)
    assert send() == Sent(sent=1, postponed=1)
    status, attempts, error = state(app, first)
    assert (status, attempts) == ("pending", 1)
    assert error == "the server said 451: 4.7.1 …: greylisted, see smtp://x"
    assert send() == Sent()
    make_due(app)
    assert send() == Sent(sent=1)
    assert len(mailbox.letters) == 2


@pytest.mark.parametrize("asked", ["refuses_sender", "refuses_recipient", "refuses_letter"])
def test_a_refusal_for_good_fails_at_once_and_others_go_on(
    app: Rows, mailbox: Mailbox, send: Callable[..., Sent], asked: str
) -> None:
    first = add_report(app)
    answers = iter(["550 5.1.1 <admin@example.org> is nobody"])
    setattr(mailbox, asked, lambda _: next(answers, None))
    add_report(app)
    assert send() == Sent(sent=1, failed=1)
    assert state(app, first) == ("failed", 1, "the server said 550: 5.1.1 … is nobody")
    make_due(app)
    assert send() == Sent()


def test_after_its_last_attempt_a_letter_fails(app: Rows, mailbox: Mailbox, send: Callable[..., Sent]) -> None:
    session = add_report(app)
    mailbox.refuses_recipient = lambda _: "451 not now"
    pauses = []
    for attempt in range(1, MOST_ATTEMPTS):
        assert send() == Sent(postponed=1)
        assert state(app, session)[:2] == ("pending", attempt)
        pauses.append(one(app, "select extract(epoch from due_at - now())::float8 from caas.email_reports"))
        make_due(app)
    assert send() == Sent(failed=1)
    assert state(app, session) == ("failed", MOST_ATTEMPTS, "the server said 451: not now")
    for pause, planned in zip(pauses, (30, 60, 120, 240, 480, 960, 1920, 3600, 3600), strict=True):
        assert 0.75 * planned < pause <= 1.2 * planned


def test_pauses_differ_so_that_letters_do_not_come_back_together() -> None:
    assert len({outbox.pause_seconds(1) for _ in range(20)}) > 1


def test_a_server_that_hangs_up_under_way_ends_the_round(
    app: Rows, mailbox: Mailbox, send: Callable[..., Sent]
) -> None:
    first, second = add_report(app), add_report(app)
    hang_ups = iter(["now"])
    mailbox.hangs_up = lambda _: next(hang_ups, None)
    done = send()
    assert (done.sent, done.postponed, done.returned) == (0, 1, 1)
    assert state(app, first)[:2] == ("pending", 1)
    assert "broke off" in (state(app, first)[2] or "")
    assert state(app, second) == ("pending", 0, None)
    make_due(app)
    assert send() == Sent(sent=2)


def test_a_letter_that_ends_every_connection_fails_at_last_and_others_are_sent(
    app: Rows, mailbox: Mailbox, send: Callable[..., Sent]
) -> None:
    first = add_report(app)
    mailbox.hangs_up = lambda envelope: "now" if str(first) in str(envelope.content) else None
    others = [add_report(app) for _ in range(3)]
    assert send().postponed == 1
    assert send() == Sent(sent=3)
    for _ in range(MOST_ATTEMPTS - 1):
        make_due(app)
        send()
    assert state(app, first)[:2] == ("failed", MOST_ATTEMPTS)
    assert len(mailbox.letters) == len(others)


def test_a_connection_that_ended_between_letters_is_made_again(
    app: Rows, mailbox: Mailbox, send: Callable[..., Sent]
) -> None:
    mailbox.ends_idle_connections = True
    for _ in range(3):
        add_report(app)
    assert send() == Sent(sent=3)
    assert mailbox.connections == 3


def test_a_connection_that_has_had_its_share_is_made_again(
    app: Rows, mailbox: Mailbox, send: Callable[..., Sent]
) -> None:
    mailbox.refuses_sender = lambda _: "421 enough" if len(mailbox.letters) == mailbox.connections else None
    for _ in range(3):
        add_report(app)
    assert send() == Sent(sent=3)
    assert mailbox.connections == 3


def test_a_server_that_goes_down_is_away(app: Rows, mailbox: Mailbox, send: Callable[..., Sent]) -> None:
    mailbox.refuses_sender = lambda _: "421 going down"
    for _ in range(3):
        add_report(app)
    done = send()
    assert (done.postponed, done.returned, done.trouble) == (1, 2, "the server said 421: going down")


def test_a_silent_server_is_not_waited_for_longer_than_the_time_out(
    app: Rows, mailbox: Mailbox, send: Callable[..., Sent]
) -> None:
    session = add_report(app)
    add_report(app)
    silences = iter(["now"])
    mailbox.falls_silent = lambda _: next(silences, None)
    done = send(timeout=0.3)
    assert (done.postponed, done.returned) == (1, 1)
    assert "timed out" in (state(app, session)[2] or "")
    make_due(app)
    assert send() == Sent(sent=2)


# logins and encryption


def with_user(mailbox: Mailbox, user: str, password: str) -> Settings:
    return mailbox.settings(smtp_url=SecretStr(f"smtp://{user}:{password}@127.0.0.1:{mailbox.port}"))


@pytest.mark.filterwarnings("ignore:Requiring AUTH while not requiring TLS")
def test_a_login_is_used_where_one_is_given(app: Rows, send: Callable[..., Sent]) -> None:
    session = add_report(app)
    options = {"auth_required": True, "auth_require_tls": False, "authenticator": knows("mailer", "s3cr:t/@")}
    with serving(**options) as mailbox:
        for settings, said in (
            (with_user(mailbox, "mailer", "wrong-password"), "the mail server refused the login (535)"),
            (mailbox.settings(), "the server said 530: 5.7.0 Authentication required"),
        ):
            done = send(settings)
            assert (done.postponed, done.failed, done.trouble) == (1, 0, said)
            assert state(app, session)[2] == said
            make_due(app)
        assert send(with_user(mailbox, "mailer", "s3cr%3At%2F%40")) == Sent(sent=1)


def test_a_server_without_logins_is_said(app: Rows, mailbox: Mailbox, send: Callable[..., Sent]) -> None:
    add_report(app)
    with serving(auth_exclude_mechanism=["LOGIN", "PLAIN"], auth_require_tls=False) as without:
        assert send(with_user(without, "mailer", "secret")).trouble == (
            "the mail server can't be used: No suitable authentication method found."
        )
    assert not mailbox.letters


@pytest.fixture
def certificate(tmp_path: Path) -> tuple[Path, Path]:
    """A certificate of this machine's, signed by itself, and its key."""
    if shutil.which("openssl") is None:
        pytest.skip("there is no openssl to make a certificate with")
    certificate, key = tmp_path / "certificate.pem", tmp_path / "key.pem"
    subprocess.run(
        "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj /CN=127.0.0.1 "
        f"-addext subjectAltName=IP:127.0.0.1 -keyout {key} -out {certificate}".split(),
        check=True,
        capture_output=True,
    )
    return certificate, key


@pytest.fixture
def server_side(certificate: tuple[Path, Path]) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*certificate)
    return context


def test_starttls_is_used_where_offered_and_the_certificate_verified(
    app: Rows,
    send: Callable[..., Sent],
    certificate: tuple[Path, Path],
    server_side: ssl.SSLContext,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    add_report(app)
    with serving(tls_context=server_side, require_starttls=True) as mailbox:
        assert "certificate is not trusted" in (send(mailbox.settings()).trouble or "")
        make_due(app)
        monkeypatch.setenv("SSL_CERT_FILE", str(certificate[0]))
        assert send(mailbox.settings()) == Sent(sent=1)
        add_report(app)
        off = mailbox.settings(smtp_url=SecretStr(f"{mailbox.url}?starttls=off"))
        assert send(off).trouble == "the server said 530: Must issue a STARTTLS command first"


def test_smtps_is_encrypted_from_the_start(
    app: Rows,
    send: Callable[..., Sent],
    certificate: tuple[Path, Path],
    server_side: ssl.SSLContext,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    add_report(app)
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate[0]))
    with serving(ssl_context=server_side) as mailbox:
        assert send(mailbox.settings(smtp_url=SecretStr(f"smtps://127.0.0.1:{mailbox.port}"))) == Sent(sent=1)


def test_starttls_that_is_required_is_not_done_without(app: Rows, mailbox: Mailbox, send: Callable[..., Sent]) -> None:
    add_report(app)
    required = mailbox.settings(smtp_url=SecretStr(f"{mailbox.url}?starttls=required"))
    assert send(required).trouble == "the mail server does not offer STARTTLS"
    assert not mailbox.letters


def test_a_password_is_not_sent_unencrypted_to_another_machine(
    app: Rows, send: Callable[..., Sent], monkeypatch: pytest.MonkeyPatch
) -> None:
    add_report(app)
    monkeypatch.setattr(MailServer, "is_this_machine", False)
    with serving(auth_require_tls=False, authenticator=knows("mailer", "secret")) as mailbox:
        assert "unencrypted" in (send(with_user(mailbox, "mailer", "secret")).trouble or "")
        make_due(app)
        asked = mailbox.settings(smtp_url=SecretStr(f"smtp://mailer:secret@127.0.0.1:{mailbox.port}?starttls=off"))
        assert send(asked) == Sent(sent=1)


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("smtp://mail.example.org", MailServer("mail.example.org", 25, None, "", "offered")),
        ("SMTP://Mail.example.org:2525/", MailServer("mail.example.org", 2525, None, "", "offered")),
        ("smtps://u%40h:p%2Fw@mail.example.org", MailServer("mail.example.org", 465, "u@h", "p/w", "always")),
        ("smtp://[::1]:25?starttls=off", MailServer("::1", 25, None, "", "off")),
        ("smtp://u@h:587?starttls=required", MailServer("h", 587, "u", "", "required")),
    ],
)
def test_addresses_of_mail_servers(url: str, expected: MailServer) -> None:
    assert MailServer.parse(url) == expected


@pytest.mark.parametrize(
    "url",
    [
        "", "mail.example.org", "http://u:s3cret@h", "smtp://", "smtp://u:s3cret@", "smtp://u:s3cret@h:many",
        "smtp://u:s3cret@h:99999", "smtp://u:s3cret/x@h", "smtp://u:s3cret#x@h", "smtp://u:s3cret?x@h",
        "smtp://u:s3cret@h/path", "smtp://u:s3cret@h?tls=s3cret", "smtp://u:s3cret@h?starttls=s3cret",
        "smtps://u:s3cret@h?starttls=off", "smtp://u:s3cret%FF@h", "smtp://u:s3cretü@h", "smtp://u:s3cret%0A@h",
        "smtp://u:s3cret@h?starttls=off&starttls=off", "smtp://u:s3cret@[h",
    ],
)  # fmt: skip
def test_a_bad_address_of_a_mail_server_is_said_without_its_password(url: str) -> None:
    with pytest.raises(SettingsError, match="CAAS_SMTP_URL") as raised:
        MailServer.parse(url)
    assert "s3cret" not in str(raised.value)
    assert raised.value.__cause__ is None


@pytest.mark.parametrize("text", ["", "nobody", "a@b, c@d", "a@b\nBcc: c@d", "@", "a@", "@b", "a b@c", "a@exämple.org"])
def test_a_bad_sender_is_said(text: str) -> None:
    with pytest.raises(SettingsError, match="CAAS_MAIL_FROM is no e-mail address"):
        address(text, "CAAS_MAIL_FROM")


def test_a_sender_may_have_a_name(app: Rows, mailbox: Mailbox, db: Database) -> None:
    add_report(app)
    settings = mailbox.settings(mail_from="Caas <caas@mail.example.org>")
    send_due(db, Mailer.of(settings), settings)
    assert mailbox.letters[0]["From"] == "Caas <caas@mail.example.org>"
    assert mailbox.names[0].endswith("@mail.example.org>")


# crashes, and several senders


def test_a_crash_between_sending_and_recording_costs_one_repeat_of_the_same_name(
    app: Rows, mailbox: Mailbox, send: Callable[..., Sent], monkeypatch: pytest.MonkeyPatch
) -> None:
    session = add_report(app)
    with monkeypatch.context() as crash:
        crash.setattr(outbox, "record", lambda *_: exec("raise KeyboardInterrupt"))
        with pytest.raises(KeyboardInterrupt):
            send()
    assert state(app, session) == ("pending", 1, None)
    assert send() == Sent(), "the lease has not ended"
    make_due(app)
    assert send() == Sent(sent=1)
    make_due(app)
    assert send() == Sent()
    assert mailbox.names == [f"<session-{session}@example.org>"] * 2
    assert state(app, session) == ("sent", 2, None)


def test_a_database_that_is_away_for_a_moment_costs_no_repeat(
    app: Rows, send: Callable[..., Sent], monkeypatch: pytest.MonkeyPatch
) -> None:
    session = add_report(app)
    record, outages = outbox.record, iter([1, 2])

    def sometimes(*arguments: Any) -> None:
        if next(outages, None):
            raise DatabaseUnavailable
        record(*arguments)

    monkeypatch.setattr(outbox, "record", sometimes)
    monkeypatch.setattr(outbox, "RECORD_PAUSES_SECONDS", (0.0, 0.0))
    assert send() == Sent(sent=1)
    assert state(app, session)[0] == "sent"


def test_a_letter_that_ends_its_senders_is_given_up(app: Rows, mailbox: Mailbox, send: Callable[..., Sent]) -> None:
    session = add_report(app)
    app.execute("update caas.email_reports set attempts = %s", (MOST_ATTEMPTS,))
    assert send() == Sent(failed=1)
    assert state(app, session)[2] == outbox.GIVEN_UP
    assert not mailbox.letters


def test_a_letter_that_cannot_be_written_holds_up_nobody(
    app: Rows, mailbox: Mailbox, send: Callable[..., Sent], monkeypatch: pytest.MonkeyPatch
) -> None:
    alert = add_alert(app)
    add_report(app)
    monkeypatch.setattr(outbox, "alert_letter", lambda *_: dict[str, Letter]()["x"])
    assert send() == Sent(sent=1, postponed=1)
    assert len(mailbox.letters) == 1
    error = one(app, "select email_error from caas.tutor_alerts where id = %s", alert)
    assert error == "it could not be written: KeyError"


def test_two_senders_at_once_send_each_letter_once(
    app: Rows, db: Database, mailbox: Mailbox, settings: Settings
) -> None:
    for _ in range(30):
        add_report(app)
        add_alert(app)
    together = threading.Barrier(3)

    def work() -> int:
        post, sent = mailer(settings), 0
        together.wait(20)
        while done := send_due(db, post, settings, limit=5).sent:
            sent += done
        return sent

    with meanwhile(work) as one_of_them, meanwhile(work) as another, meanwhile(work) as third:
        pass
    assert one_of_them.result() + another.result() + third.result() == 60
    assert len(mailbox.names) == len(set(mailbox.names)) == 60


def test_no_transaction_is_open_and_nothing_locked_while_the_server_is_slow(
    app: Rows, mailbox: Mailbox, send: Callable[..., Sent]
) -> None:
    session = add_report(app)
    reached, go_on = threading.Event(), threading.Event()

    def wait(_: Any) -> str | None:
        reached.set()
        go_on.wait(20)
        return None

    mailbox.refuses_letter = wait
    with meanwhile(send, finally_=go_on.set) as sending:
        assert reached.wait(20)
        assert one(app, "select count(*) from pg_stat_activity where application_name = 'caas-worker' "
                   "and datname = current_database() and state <> 'idle'") == 0  # fmt: skip
        app.execute("select from caas.email_reports where booking_id = %s for update nowait", (session,))
        assert state(app, session)[:2] == ("pending", 1)
    assert sending.result() == Sent(sent=1)


def test_whose_lease_another_has_taken_over_changes_nothing_unless_it_sent(
    app: Rows, mailbox: Mailbox, send: Callable[..., Sent]
) -> None:
    session = add_report(app)

    def taken_over(_: Any) -> str | None:
        app.execute("update caas.email_reports set attempts = 7, due_at = now() + interval '1 hour'")
        return answers.pop(0)

    answers: list[str | None] = ["550 never", None]
    mailbox.refuses_recipient = taken_over
    send()
    assert state(app, session) == ("pending", 7, None)
    make_due(app)
    send()
    assert state(app, session)[0] == "sent"
    make_due(app)
    assert send() == Sent()


@pytest.mark.parametrize("limits", [{"stop": threading.Event()}, {"max_seconds": 0.0}])
def test_a_round_that_is_ended_gives_back_what_it_took(
    app: Rows, mailbox: Mailbox, send: Callable[..., Sent], limits: dict[str, Any]
) -> None:
    sessions = [add_report(app) for _ in range(2)]
    due = one(app, "select array_agg(due_at order by booking_id) from caas.email_reports")
    if stop := limits.get("stop"):
        stop.set()
    assert send(**limits) == Sent(returned=2)
    assert [state(app, session) for session in sessions] == [("pending", 0, None)] * 2
    assert one(app, "select array_agg(due_at order by booking_id) from caas.email_reports") == due
    assert not mailbox.letters


# the postman


def test_a_postman_sends_what_falls_due_until_it_is_stopped(app: Rows, db: Database, settings: Settings) -> None:
    stop = threading.Event()
    with outbox.delivering(db, settings, stop):
        for _ in range(2):
            session = add_report(app)
            until(lambda: state(app, session)[0] == "sent", "the postman")  # noqa: B023
        assert not stop.is_set()
    assert stop.is_set()
    assert "postman" not in {thread.name for thread in threading.enumerate()}


def test_a_postman_waits_out_a_mail_server_that_is_away(
    app: Rows, db: Database, mailbox: Mailbox, settings: Settings
) -> None:
    mailbox.refuses_sender = lambda _: "421 going down"
    session = add_report(app)
    with outbox.delivering(db, settings, threading.Event()):
        until(lambda: state(app, session)[2], "the outage")
        mailbox.refuses_sender = lambda _: None
        make_due(app)
        until(lambda: state(app, session)[0] == "sent", "the postman")


def test_a_postman_survives_an_error(
    app: Rows, db: Database, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    real, errors = outbox.send_due, iter([DatabaseUnavailable(), ZeroDivisionError()])

    def sometimes(*arguments: Any, **options: Any) -> Sent:
        if error := next(errors, None):
            raise error
        return real(*arguments, **options)

    monkeypatch.setattr(outbox, "send_due", sometimes)
    monkeypatch.setattr(outbox, "LOOK_SECONDS", 0.01)
    session = add_report(app)
    with outbox.delivering(db, settings, threading.Event()):
        until(lambda: state(app, session)[0] == "sent", "the postman")


@pytest.mark.parametrize("missing", ["smtp_url", "admin_email"])
def test_a_postman_without_a_server_or_anybody_to_write_to_goes_home(
    db: Database, mailbox: Mailbox, missing: str
) -> None:
    Postman(db, mailbox.settings(**{missing: None}), threading.Event()).run()


def test_a_postman_with_a_wrong_setting_is_refused(db: Database, mailbox: Mailbox) -> None:
    with pytest.raises(SettingsError):
        Postman(db, mailbox.settings(smtp_url=SecretStr("mail.example.org")), threading.Event())


def test_a_letter_to_several_is_sent_if_one_of_them_may_have_it(mailbox: Mailbox) -> None:
    with mailer(mailbox.settings()) as post:
        message = post.message("a@example.org, b@example.org", "s", "t", "<p>t</p>", "x")
        refusals = iter(["550 not this one"])
        mailbox.refuses_recipient = lambda _: next(refusals, None)
        assert post.send(message).ending is Ending.SENT
        mailbox.refuses_recipient = lambda _: "550 nobody"
        assert post.send(message).ending is Ending.REFUSED
    assert mailbox.recipients == [["b@example.org"]]


def test_nothing_due_costs_one_query_by_index(app: Rows) -> None:
    app.execute(
        "insert into caas.email_reports (booking_id, profile_id, recipient_email, subject, status) "
        "select gen_random_uuid(), gen_random_uuid(), 'a@example.org', '', 'sent' from generate_series(1, 5000)"
    )
    app.execute("analyze caas.email_reports, caas.tutor_alerts")
    with app.cursor() as cursor:
        cursor.execute(
            b"explain (analyze, buffers, format json) " + statements("outbox")["take"],
            {"most": 100, "lease_seconds": 60},
        )
        row = cursor.fetchone()
    assert row is not None
    [plan] = row[0]
    assert plan["Plan"]["Shared Hit Blocks"] + plan["Plan"]["Shared Read Blocks"] <= 10
