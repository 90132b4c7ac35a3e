"""Letters: what session reports and alerts say (scoring 8, 11), as plain text and as HTML that say the same."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Decimal
from html import escape
from typing import Any
from uuid import UUID

UNKNOWN = "N/A"
COACHING = (
    "Coaching: look with the tutor at why sessions were moved, and agree on times that can be kept and on notice "
    "that is early."
)
LOW_SAMPLE = "There were fewer than 5 sessions in 30 days: the rate says little yet."


@dataclass(frozen=True, slots=True)
class Letter:
    """What is sent."""

    subject: str
    text: str
    html: str


@dataclass(frozen=True, slots=True)
class Report:
    """The facts of a session report: of people, only their ids."""

    booking_id: UUID
    profile_id: UUID
    client_id: UUID | None
    status: str
    starts: str | None
    """The scheduled start in words, with its time zone."""
    subject: str
    risk_level: str | None
    components: Mapping[str, Any]
    """Of the tutor's reschedule_risk (scoring 7); empty: it has none yet."""


@dataclass(frozen=True, slots=True)
class Alert:
    """The facts of an alert."""

    alert_id: UUID
    profile_id: UUID
    alert_type: str
    status: str
    score_value: Decimal
    booking_id: UUID | None
    raised: str | None
    """When, in words."""
    resolved: str | None
    """When, in words; None: it lasts."""


@dataclass(frozen=True, slots=True)
class Kind:
    """An alert type in words."""

    title: str
    score: str
    scale: str
    meaning: str


KINDS = {
    "poor_first_session": Kind(
        "Poor first session",
        "First session risk",
        "of 120; higher is worse, an alert from 50 on",
        "The tutor's latest first session with a client showed several signs of one that the client does not repeat: "
        "no goals asked for, confusion, little encouragement, no next steps, or a late or broken start.",
    ),
    "high_reliability_risk": Kind(
        "High reliability risk",
        "Health score",
        "of 100; higher is better, an alert below 55, or with half of the sessions missed or moved",
        "In the last 7 days the tutor missed sessions, moved them or began them late so often that clients can't rely "
        "on the next one.",
    ),
    "churn_risk": Kind(
        "Churn risk",
        "Churn risk score",
        "of 1; higher is worse, an alert from 0.6 on",
        "In the last 14 days the tutor taught less, less steadily or ever less: like one who is about to leave.",
    ),
}


def report_letter(report: Report, tutor_url: str | None = None) -> Letter:
    """The report on a session (scoring 11).

    Args:
        report: its facts.
        tutor_url: a tutor's page, with {profile_id}; None: no link.
    """
    risk = report.components
    sessions = _number(risk.get("sessions_30d"))
    moved = _number(risk.get("tutor_reschedules_7d"))
    facts = [
        ("Session", str(report.booking_id)),
        ("Date", report.starts or UNKNOWN),
        ("Tutor", str(report.profile_id)),
        ("Student", str(report.client_id or UNKNOWN)),
        ("Status", report.status),
        ("Reschedule rate, 30 days", per_cent(_number(risk.get("tutor_reschedules_30d")), sessions)),
        ("Reschedule risk", report.risk_level or UNKNOWN),
    ]
    if moved:
        facts.append(("Rescheduled by the tutor, 7 days", f"{moved:f}"))
    return _letter(
        _with_id(report.subject, report.booking_id),
        "Session report",
        facts,
        _judgement(report, _number(risk.get("reschedule_rate_30d")) if sessions else None),
        _page(tutor_url, report.profile_id),
    )


def _judgement(report: Report, rate: Decimal | None) -> list[str]:
    """Where the rate stands, how much that says, and what to do."""
    sentences = []
    threshold = _number(report.components.get("threshold"))
    if rate is not None and threshold is not None:
        stands = "above" if rate > threshold else "at or below"
        sentences.append(f"The 30-day rate is {stands} the tutor's threshold of {_plain(threshold)} %.")
    if rate is not None and report.components.get("low_sample"):
        sentences.append(LOW_SAMPLE)
    if report.components.get("is_high_risk") or report.risk_level == "high":
        sentences.append(COACHING)
    return sentences


def alert_letter(alert: Alert, tutor_url: str | None = None) -> Letter:
    """The letter about an alert (scoring 8), also about one that has ended before it was sent.

    Args:
        alert: its facts.
        tutor_url: a tutor's page, with {profile_id}; None: no link.
    """
    kind = KINDS[alert.alert_type]
    facts = [
        ("Tutor", str(alert.profile_id)),
        (kind.score, f"{_plain(alert.score_value)} {kind.scale}"),
        ("Since", alert.raised or UNKNOWN),
        ("State", alert.status),
    ]
    if alert.resolved:
        facts.append(("Resolved", alert.resolved))
    if alert.booking_id:
        facts.append(("Session", str(alert.booking_id)))
    sentences = [kind.meaning]
    if alert.status == "resolved":
        sentences.append("The alert has ended since: there is nothing left to do.")
    word = "Alert, resolved" if alert.status == "resolved" else "Alert"
    return _letter(
        f"{word}: {kind.title.lower()}, tutor {alert.profile_id}",
        kind.title,
        facts,
        sentences,
        _page(tutor_url, alert.profile_id),
    )


def per_cent(part: Decimal | None, whole: Decimal | None) -> str:
    """A rate with one decimal, from its counts: rounded to two before, 6 of 11 would be 54.6 %."""
    if part is None or not whole:
        return UNKNOWN
    return f"{(100 * part / whole).quantize(Decimal('0.1'), ROUND_HALF_UP)} %"


def _number(value: Any) -> Decimal | None:
    """What a component holds, as it stands in JSON."""
    is_number = isinstance(value, int | float | Decimal) and not isinstance(value, bool)
    return Decimal(str(value)) if is_number else None


def _plain(number: Decimal) -> str:
    """Without an exponent and without zeros at the end."""
    text = f"{number:f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def _with_id(subject: str, booking_id: UUID) -> str:
    return subject if str(booking_id) in subject else f"{subject} {booking_id}".strip()


def _page(tutor_url: str | None, profile_id: UUID) -> str | None:
    return tutor_url.replace("{profile_id}", str(profile_id)) if tutor_url else None


def _letter(
    subject: str, title: str, facts: Sequence[tuple[str, str]], sentences: Sequence[str], link: str | None
) -> Letter:
    return Letter(subject, _text(title, facts, sentences, link), _html(subject, title, facts, sentences, link))


def _text(title: str, facts: Sequence[tuple[str, str]], sentences: Sequence[str], link: str | None) -> str:
    parts = [title, "\n".join(f"{name}: {value}" for name, value in facts), *sentences]
    if link:
        parts.append(f"The tutor's page: {link}")
    return "\n\n".join(parts) + "\n"


_PAGE = """\
<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{subject}</title>
</head>
<body style="margin:0;padding:16px;background:#f3f4f6;color:#1f2937;\
font:16px/1.5 -apple-system,'Segoe UI',Roboto,Helvetica,Arial,sans-serif">
<div style="max-width:560px;margin:0 auto;padding:20px;background:#ffffff;border-radius:8px">
<h1 style="margin:0 0 12px;font-size:20px;line-height:1.3">{title}</h1>
<table role="presentation" style="width:100%;border-collapse:collapse;font-size:15px">
{facts}
</table>
{sentences}
</div>
</body>
</html>
"""
_FACT = """\
<tr>
<td style="width:34%;padding:6px 12px 6px 0;border-top:1px solid #e5e7eb;vertical-align:top;color:#5b6472">{name}</td>
<td style="padding:6px 0;border-top:1px solid #e5e7eb;vertical-align:top;word-break:break-word">{value}</td>
</tr>"""
_SENTENCE = '<p style="margin:16px 0 0">{sentence}</p>'
_LINK = (
    '<p style="margin:20px 0 0"><a href="{link}" style="display:inline-block;padding:10px 16px;border-radius:6px;'
    "background:#1d4ed8;color:#ffffff;text-decoration:none\">The tutor's page</a></p>"
)


def _html(
    subject: str, title: str, facts: Sequence[tuple[str, str]], sentences: Sequence[str], link: str | None
) -> str:
    paragraphs = [_SENTENCE.format(sentence=escape(sentence)) for sentence in sentences]
    if link:
        paragraphs.append(_LINK.format(link=escape(link)))
    return _PAGE.format(
        subject=escape(subject),
        title=escape(title),
        facts="\n".join(_FACT.format(name=escape(name), value=escape(value)) for name, value in facts),
        sentences="\n".join(paragraphs),
    )
