"""What letters say: session reports (scoring 11) and alerts (scoring 8)."""

import re
from decimal import Decimal
from html import unescape
from typing import Any
from uuid import UUID

import pytest

from caas_worker.letters import (
    COACHING,
    KINDS,
    LOW_SAMPLE,
    Alert,
    Letter,
    Report,
    alert_letter,
    per_cent,
    report_letter,
)

pytestmark = pytest.mark.quick

SESSION = UUID("00000000-0000-0000-0000-00000000000a")
TUTOR = UUID("00000000-0000-0000-0000-00000000000b")
STUDENT = UUID("00000000-0000-0000-0000-00000000000c")
ALERT = UUID("00000000-0000-0000-0000-00000000000d")
RISK = {
    "reschedule_rate_7d": 50.0, "reschedule_rate_30d": 12.5, "reschedule_rate_90d": 4.0,
    "sessions_7d": 2, "sessions_30d": 8, "sessions_90d": 25,
    "tutor_reschedules_7d": 1, "tutor_reschedules_30d": 1, "tutor_reschedules_90d": 1,
    "is_high_risk": False, "threshold": 15.0, "low_sample": False,
}  # fmt: skip


def report(level: str | None = "medium", **risk: Any) -> Report:
    return Report(
        booking_id=SESSION,
        profile_id=TUTOR,
        client_id=STUDENT,
        status="Completed",
        starts="Tuesday, 3 March 2026, 10:00 (UTC)",
        subject=f"Session report {SESSION}",
        risk_level=level,
        components=RISK | risk if level else {},
    )


def alert(kind: str, status: str = "open", **facts: Any) -> Alert:
    defaults = {"score_value": Decimal("61.50"), "booking_id": None, "raised": "Monday (UTC)", "resolved": None}
    return Alert(ALERT, TUTOR, kind, status, **{**defaults, **facts})


def words(letter: Letter) -> str:
    """What the HTML says, without its tags."""
    return " ".join(unescape(re.sub(r"<[^>]+>", " ", letter.html)).split())


def test_a_report_says_what_was_asked_for() -> None:
    assert report_letter(report(), "https://example.org/tutors/{profile_id}").text == (
        "Session report\n"
        "\n"
        f"Session: {SESSION}\n"
        "Date: Tuesday, 3 March 2026, 10:00 (UTC)\n"
        f"Tutor: {TUTOR}\n"
        f"Student: {STUDENT}\n"
        "Status: Completed\n"
        "Reschedule rate, 30 days: 12.5 %\n"
        "Reschedule risk: medium\n"
        "Rescheduled by the tutor, 7 days: 1\n"
        "\n"
        "The 30-day rate is at or below the tutor's threshold of 15 %.\n"
        "\n"
        f"The tutor's page: https://example.org/tutors/{TUTOR}\n"
    )


@pytest.mark.parametrize(
    "letter",
    [
        report_letter(report("high", is_high_risk=True, low_sample=True)),
        report_letter(report(None)),
        alert_letter(alert("churn_risk", "resolved", resolved="Tuesday (UTC)", booking_id=SESSION)),
    ],
)
def test_both_alternatives_say_the_same(letter: Letter) -> None:
    said = words(letter)
    for line in letter.text.splitlines():
        for part in line.split(": ", 1):
            assert part in said


@pytest.mark.parametrize(
    ("risk", "shown"),
    [
        ({}, "12.5 %"),
        ({"tutor_reschedules_30d": 49, "sessions_30d": 400}, "12.3 %"),
        ({"tutor_reschedules_30d": 6, "sessions_30d": 11}, "54.5 %"),
        ({"tutor_reschedules_30d": 1, "sessions_30d": 22}, "4.5 %"),
        ({"tutor_reschedules_30d": 0}, "0.0 %"),
        ({"tutor_reschedules_30d": 8}, "100.0 %"),
        ({"tutor_reschedules_30d": 0, "sessions_30d": 0}, "N/A"),
        ({"tutor_reschedules_30d": None}, "N/A"),
    ],
)
def test_the_rate_has_one_decimal_or_is_not_there(risk: dict[str, Any], shown: str) -> None:
    assert f"Reschedule rate, 30 days: {shown}\n" in report_letter(report(**risk)).text


def test_a_tutor_without_a_score_has_no_rate_and_no_risk() -> None:
    text = report_letter(report(None)).text
    assert "Reschedule rate, 30 days: N/A\nReschedule risk: N/A\n" in text
    assert "threshold" not in text


@pytest.mark.parametrize(
    ("rate", "threshold", "stands"),
    [
        (15.01, 15.0, "above the tutor's threshold of 15 %"),
        (15.0, 15.0, "at or below the tutor's threshold of 15 %"),
        (0.0, 0, "at or below the tutor's threshold of 0 %"),
        (20.0, 12.5, "above the tutor's threshold of 12.5 %"),
        (100.0, 100.0, "at or below the tutor's threshold of 100 %"),
    ],
)
def test_where_the_rate_stands(rate: float, threshold: float, stands: str) -> None:
    text = report_letter(report(reschedule_rate_30d=rate, threshold=threshold)).text
    assert f"The 30-day rate is {stands}.\n" in text


@pytest.mark.parametrize(("moved", "said"), [(0, False), (None, False), (1, True), (12, True)])
def test_the_weeks_reschedules_are_named_if_there_are_any(moved: int | None, said: bool) -> None:
    text = report_letter(report(tutor_reschedules_7d=moved)).text
    assert (f"Rescheduled by the tutor, 7 days: {moved}\n" in text) is said


@pytest.mark.parametrize(
    ("level", "is_high_risk", "coached"),
    [("low", False, False), ("medium", False, False), ("low", True, True), ("high", True, True), ("high", False, True)],
)
def test_a_high_risk_brings_a_coaching_line(level: str, is_high_risk: bool, coached: bool) -> None:
    assert (COACHING in report_letter(report(level, is_high_risk=is_high_risk)).text) is coached


def test_few_sessions_are_said_to_say_little() -> None:
    assert LOW_SAMPLE in report_letter(report(low_sample=True)).text
    assert LOW_SAMPLE not in report_letter(report()).text
    assert LOW_SAMPLE not in report_letter(report(low_sample=True, sessions_30d=0)).text


def test_no_page_no_link() -> None:
    letter = report_letter(report())
    assert "page" not in letter.text
    assert "href" not in letter.html


@pytest.mark.parametrize("subject", ["", "Session report", f"Session report {SESSION}", f"[{SESSION}] done"])
def test_the_subject_carries_the_session_id_once(subject: str) -> None:
    told = Report(SESSION, TUTOR, None, "Completed", None, subject, None, {})
    assert report_letter(told).subject.count(str(SESSION)) == 1


def test_nothing_of_a_row_becomes_html() -> None:
    told = Report(
        SESSION, TUTOR, None, "<script>alert(1)</script>", "<b>", "\"><img src=x> & 'more'", "<i>", {"threshold": "<u>"}
    )
    letter = report_letter(told, 'https://example.org/?a=1&b="><script>{profile_id}')
    assert not re.search(r"<(script|b|img|i|u)\b", letter.html)
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in letter.html
    assert f'href="https://example.org/?a=1&amp;b=&quot;&gt;&lt;script&gt;{TUTOR}"' in letter.html
    assert "<script>alert(1)</script>" in letter.text


def test_braces_of_a_row_are_left_alone() -> None:
    told = Report(SESSION, TUTOR, None, "{0} {title}", None, "{subject}", None, {})
    letter = report_letter(told, "https://example.org/{}/{profile_id}/{other}")
    assert "{0} {title}" in letter.html
    assert f"https://example.org/{{}}/{TUTOR}/{{other}}" in letter.text


def test_nothing_is_loaded_from_elsewhere() -> None:
    html = report_letter(report(), "https://example.org/{profile_id}").html
    assert not re.search(r"<(img|link|script|iframe)\b|src=|url\(|@import", html)


@pytest.mark.parametrize(
    ("kind", "value", "score"),
    [
        ("poor_first_session", "65", "First session risk: 65 of 120; higher is worse"),
        ("high_reliability_risk", "48.20", "Health score: 48.2 of 100; higher is better"),
        ("churn_risk", "0.710", "Churn risk score: 0.71 of 1; higher is worse"),
    ],
)
def test_an_alert_says_its_score_and_what_it_means(kind: str, value: str, score: str) -> None:
    letter = alert_letter(alert(kind, score_value=Decimal(value)), "https://example.org/{profile_id}")
    assert letter.subject == f"Alert: {KINDS[kind].title.lower()}, tutor {TUTOR}"
    assert letter.text.startswith(f"{KINDS[kind].title}\n\nTutor: {TUTOR}\n{score}")
    assert "\nSince: Monday (UTC)\nState: open\n\n" in letter.text
    assert KINDS[kind].meaning in letter.text
    assert f"https://example.org/{TUTOR}" in letter.text
    assert "Session:" not in letter.text


def test_an_alert_about_a_session_names_it() -> None:
    assert f"\nSession: {SESSION}\n" in alert_letter(alert("poor_first_session", booking_id=SESSION)).text


def test_an_alert_that_has_ended_says_so() -> None:
    letter = alert_letter(alert("churn_risk", "resolved", resolved="Tuesday (UTC)"))
    assert letter.subject == f"Alert, resolved: churn risk, tutor {TUTOR}"
    assert "\nState: resolved\nResolved: Tuesday (UTC)\n" in letter.text
    assert "there is nothing left to do" in letter.text


@pytest.mark.parametrize(
    ("part", "whole", "shown"), [(1, 2000, "0.1 %"), (1999, 2000, "100.0 %"), (1, 3, "33.3 %"), (5454, 9999, "54.5 %")]
)
def test_rates_are_rounded_once_and_half_up(part: int, whole: int, shown: str) -> None:
    assert per_cent(Decimal(part), Decimal(whole)) == shown
