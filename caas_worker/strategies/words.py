"""Words that the explanations of several rules have in common."""

from datetime import UTC, datetime, timedelta

from caas_worker.model import Profile
from caas_worker.strategies.base import Change, Component, dbs_is_valid

FOR_GOOD_YEAR = 9999
"""Of an expiry date that the application gave as infinity (caas.profile_facts)."""
DBS_TERM = timedelta(days=365)
"""How far ahead a renewed check is taken to expire."""


def component(
    bucket: str,
    name: str,
    points: float,
    maximum: float,
    rule: str,
    because: str,
    raises: Change | None = None,
    note: str | None = None,
) -> Component:
    """A component that has nothing to raise once it is at its maximum."""
    full = points >= maximum - 1e-9
    return Component(bucket, name, float(points), maximum, rule, because, None if full else raises, note)


def number(value: float) -> str:
    """At most two decimals, and no more than needed: 7.5, 14.1, 1,200."""
    text = f"{value:,.2f}".rstrip("0").rstrip(".")
    return "0" if text == "-0" else text


def percent(rate: float) -> str:
    """A rate as 68 %, with one decimal where it has any."""
    return f"{rate * 100:,.1f}".removesuffix(".0") + " %"


def count(amount: float, one: str, many: str | None = None) -> str:
    """1 session, 3 sessions, no session."""
    if not amount:
        return f"no {one}"
    shown = number(amount)
    return f"{shown} {one if shown == '1' else many or one + 's'}"


def moment(time: datetime) -> str:
    """A time to the minute, in UTC."""
    return f"{time.astimezone(UTC):%Y-%m-%d %H:%M} UTC"


def identity(bucket: str) -> Component:
    """The points that everybody past the identity gate has."""
    return component(bucket, "identity", 5, 5, "5 for a verified identity.", "The identity is verified.")


def dbs(bucket: str, profile: Profile, now: datetime) -> Component:
    """The points for a valid DBS check."""
    expiry = profile.dbs_expiry_date
    valid = dbs_is_valid(profile, now)
    note = None
    if valid and expiry and expiry.year < FOR_GOOD_YEAR:
        because = f"The check is valid until {moment(expiry)}."
        note = f"The DBS check expires on {moment(expiry)}: its 5 raw points go then, unless it is renewed before."
    elif valid:
        because = "The check is valid for good."
    elif not profile.dbs_verified:
        because = "No DBS check is verified."
    elif expiry is None:
        because = "The check is verified, but has no expiry date."
    else:
        because = f"The check expired on {moment(expiry)}."
    if not profile.dbs_verified:
        what = "Have a DBS check verified that has not expired"
    else:
        what = "Enter when the DBS check expires" if expiry is None else "Renew the DBS check"
    return component(
        bucket,
        "DBS",
        5 * valid,
        5,
        "5 for a verified DBS check that has not expired; without an expiry date 0.",
        because,
        Change(f"{what}: 5 raw points.", profile={"dbs_verified": True, "dbs_expiry_date": now + DBS_TERM}),
        note,
    )
