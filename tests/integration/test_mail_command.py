"""caas-worker mail: what a scheduler and an operator are told."""

import json
import signal
from collections.abc import Callable, Iterator
from threading import Event
from typing import Any
from uuid import uuid4

import pytest
from aiosmtpd.smtp import Envelope
from typer.testing import CliRunner

from caas_worker.cli import mail as command
from caas_worker.errors import SettingsError
from tests.integration.test_outbox import add_alert, add_report, make_due
from tests.interleaving import Rows, one
from tests.mailbox import Mailbox, free_port, serving

Run = Callable[..., Any]


@pytest.fixture
def mailbox() -> Iterator[Mailbox]:
    with serving() as running:
        yield running


@pytest.fixture(autouse=True)
def no_signals(monkeypatch: pytest.MonkeyPatch) -> None:
    """The command listens to the signals of its process, which here is the tests'."""
    monkeypatch.setattr(signal, "signal", lambda *_: None)


@pytest.fixture
def run(pooled_url: str, mailbox: Mailbox, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Runs the command: `run("send", "--json")`."""
    monkeypatch.setenv("CAAS_DATABASE_URL", pooled_url)
    monkeypatch.setenv("CAAS_SMTP_URL", mailbox.url)
    monkeypatch.setenv("CAAS_ADMIN_EMAIL", "admin@example.org")
    return lambda *arguments: CliRunner().invoke(command.app, arguments)


def answer(result: Any) -> dict[str, object]:
    found = json.loads(result.stdout)
    assert isinstance(found, dict)
    return found


def test_send_sends_all_that_is_due(app: Rows, mailbox: Mailbox, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("caas_worker.outbox.LIMIT", 2)
    add_alert(app)
    for _ in range(4):
        add_report(app)
    result = run("send", "--json")
    assert result.exit_code == 0
    said = answer(result)
    assert said.pop("duration_ms")
    assert said == {"sent": 5, "failed": 0, "postponed": 0, "returned": 0, "trouble": None, "remaining": 0}
    assert len(mailbox.letters) == 5
    again = run("send")
    assert again.exit_code == 0
    assert again.output == "0 sent, 0 to be tried again, 0 failed, 0 still due\n"


def test_send_ends_with_1_when_some_failed_for_good(app: Rows, mailbox: Mailbox, run: Run) -> None:
    add_report(app)
    mailbox.refuses_recipient = lambda _: "550 nobody"
    result = run("send")
    assert result.exit_code == 1
    assert "0 sent, 0 to be tried again, 1 failed, 0 still due" in result.output
    assert "caas-worker mail retry" in result.output
    assert run("send").exit_code == 0


def test_send_ends_with_0_when_some_wait_for_another_attempt(app: Rows, mailbox: Mailbox, run: Run) -> None:
    add_report(app)
    mailbox.refuses_recipient = lambda _: "451 later"
    result = run("send")
    assert result.exit_code == 0
    assert "0 sent, 1 to be tried again, 0 failed, 0 still due" in result.output


def test_send_ends_with_1_when_the_mail_server_is_away(app: Rows, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    for _ in range(3):
        add_report(app)
    monkeypatch.setenv("CAAS_SMTP_URL", f"smtp://127.0.0.1:{free_port()}")
    result = run("send")
    assert result.exit_code == 1
    assert "0 sent, 1 to be tried again, 0 failed, 2 still due" in result.output
    assert "Connection refused" in result.output


def test_send_begins_nothing_after_max_seconds(app: Rows, mailbox: Mailbox, run: Run) -> None:
    for _ in range(3):
        add_report(app)

    def slow(_: Envelope) -> None:
        Event().wait(0.2)

    mailbox.refuses_letter = slow
    result = run("send", "--max-seconds", "0.1", "--json")
    assert result.exit_code == 0
    said = answer(result)
    assert (said["sent"], said["returned"], said["remaining"]) == (1, 2, 2)


@pytest.mark.parametrize("missing", ["CAAS_SMTP_URL", "CAAS_ADMIN_EMAIL"])
def test_send_says_what_is_not_set(run: Run, monkeypatch: pytest.MonkeyPatch, missing: str) -> None:
    monkeypatch.delenv(missing)
    result = run("send")
    assert isinstance(result.exception, SettingsError)
    assert f"{missing} is not set" in str(result.exception)


def test_status_counts_by_state(app: Rows, mailbox: Mailbox, run: Run) -> None:
    empty = {"pending": 0, "sent": 0, "failed": 0, "oldest_pending_seconds": None, "last_error": None}
    assert answer(run("status", "--json")) == {"reports": empty, "alerts": empty}
    add_alert(app, email_status="none", email_due_at=None)
    add_report(app)
    run("send")
    mailbox.refuses_recipient = lambda _: "550 nobody"
    add_report(app)
    add_alert(app)
    run("send")
    mailbox.refuses_recipient = lambda _: "451 later"
    add_report(app)
    app.execute("update caas.email_reports set created_at = now() - interval '2 hours' where status = 'pending'")
    run("send")
    kinds = json.loads(run("status", "--json").stdout)
    assert kinds["alerts"] == {**empty, "failed": 1, "last_error": "the server said 550: nobody"}
    assert 7200 <= kinds["reports"].pop("oldest_pending_seconds") < 7300
    assert kinds["reports"] == {"pending": 1, "sent": 1, "failed": 1, "last_error": "the server said 451: later"}
    shown = run("status").output
    assert "reports" in shown
    assert "451" in shown


def test_retry_makes_what_failed_due_again(app: Rows, mailbox: Mailbox, run: Run) -> None:
    add_report(app)
    add_alert(app)
    sent = add_report(app)
    app.execute("update caas.email_reports set status = 'sent' where booking_id = %s", (sent,))
    mailbox.refuses_recipient = lambda _: "550 nobody"
    assert run("send").exit_code == 1
    mailbox.refuses_recipient = lambda _: None
    assert answer(run("retry", "--json")) == {"reports": 1, "alerts": 1}
    assert one(app, "select max(attempts) from caas.email_reports where status = 'pending'") == 0
    assert "nothing to do" in run("retry").output
    assert answer(run("send", "--json"))["sent"] == 2
    assert len(mailbox.letters) == 2


def test_retry_of_a_session_that_is_gone_fails_again(app: Rows, run: Run) -> None:
    add_report(app)
    app.execute("delete from bookings")
    assert run("send").exit_code == 1
    assert "1 reports and 0 alerts are due again" in run("retry").output
    make_due(app)
    assert run("send").exit_code == 1
    assert "the session is gone" in run("status", "--json").stdout


def test_an_alert_of_a_tutor_that_is_gone_is_sent(app: Rows, mailbox: Mailbox, run: Run) -> None:
    add_alert(app, profile_id=uuid4())
    assert run("send").exit_code == 0
    assert len(mailbox.letters) == 1
