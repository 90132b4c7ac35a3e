"""The client rule in words (scoring 1.3). The points are those of the rule's own functions."""

from collections.abc import Sequence

from caas_worker.model import Profile, Stats
from caas_worker.strategies import client
from caas_worker.strategies.base import Change, Component, is_blank
from caas_worker.strategies.words import component, count, number

[CLIENT] = client.ClientStrategy.statistics
BIO = "A few words about me, what I would like to learn, and when I have time for it."
AVATAR = "https://example.org/avatar"
WINDOW = (
    "Bookings and answers count for six calendar months from their own time (UTC), then no more. Bookings that the "
    "tutor cancelled or missed never count: nobody pays for another's fault."
)


def components(profile: Profile, known: Stats) -> Sequence[Component]:
    """Every component of a verified client's score, bucket by bucket."""
    return [
        *_reliability(known),
        _rating(known),
        *_profile(profile),
        _response_time(known),
    ]


def _reliability(known: Stats) -> list[Component]:
    settled = known["settled_bookings"]
    if settled == 0:
        return [
            component(
                "reliability",
                "provisional",
                50,
                50,
                "50 while no booking of the last six months is settled, in place of the other components.",
                "No booking of the last six months is settled.",
                note=f"The 50 points for reliability are provisional: from the first settled booking on, attendance, "
                f"cancellations and payments decide. {WINDOW}",
            )
        ]
    parts = [_attendance(known), _cancellation(known), _payment(known)]
    rounding = client.reliability(known) - sum(part.points for part in parts)
    if abs(rounding) > 1e-9:
        parts.append(
            Component(
                "reliability",
                "rounding",
                rounding,
                None,
                "Reliability is rounded by itself, halves up, before the buckets are added.",
                f"{number(client.reliability(known) - rounding)} is rounded to {client.reliability(known)}.",
            )
        )
    return parts


def _attendance(known: Stats) -> Component:
    settled, attended = known["settled_bookings"], known["attended_bookings"]
    points, _, _ = client.parts_of_reliability(known)
    return component(
        "reliability",
        "attendance",
        points,
        25,
        "Attended ÷ settled bookings of the last six months, times 25.",
        f"{attended} of {count(settled, 'settled booking')} attended.",
        Change(
            "Attend every booking for six months: those missed or cancelled count until then.",
            stats={CLIENT: {"attended_bookings": settled, "cancelled_bookings": 0}},
        ),
        WINDOW,
    )


def _cancellation(known: Stats) -> Component:
    settled, cancelled = known["settled_bookings"], known["cancelled_bookings"]
    _, points, _ = client.parts_of_reliability(known)
    return component(
        "reliability",
        "cancellation",
        points,
        15,
        "Share of settled bookings of the last six months that the client did not cancel, times 15.",
        f"{cancelled} of {count(settled, 'settled booking')} cancelled by the client.",
        Change(
            "Cancel no booking for six months, but attend instead.",
            stats={CLIENT: {"attended_bookings": known["attended_bookings"] + cancelled, "cancelled_bookings": 0}},
        ),
    )


def _payment(known: Stats) -> Component:
    payable, paid = known["payable_bookings"], known["paid_bookings"]
    _, _, points = client.parts_of_reliability(known)
    return component(
        "reliability",
        "payment",
        points,
        10,
        "Paid ÷ payable settled bookings, times 10; 10 without any.",
        f"{paid} of {count(payable, 'payable booking')} paid." if payable else "No settled booking had to be paid.",
        Change(
            f"Pay what is open ({payable - paid} of {payable}): {count(10 / payable, 'raw point')} each."
            if payable
            else "Pay what is open.",
            stats={CLIENT: {"paid_bookings": payable}},
        ),
    )


def _rating(known: Stats) -> Component:
    average = known["avg_rating"]
    return component(
        "reviews",
        "rating",
        client.reviews(known),
        30,
        "Average rating received ÷ 5, times 30; 0 without any review.",
        f"{number(average)} of 5 over the reviews." if average else "No review yet.",
        Change(
            "Earn better reviews from tutors: 0.6 raw points for each tenth of a star, "
            f"{number(30 - client.reviews(known))} for an average of 5.",
            stats={CLIENT: {"avg_rating": 5.0}},
        ),
    )


def _profile(profile: Profile) -> list[Component]:
    length, limit = len(profile.bio or ""), client.LONG_BIO_CHARACTERS
    pictured = not is_blank(profile.avatar_url)
    return [
        component(
            "engagement",
            "bio",
            5 * client.has_long_bio(profile),
            5,
            f"5 for a bio of more than {limit} characters that is not blank.",
            "There is no bio." if is_blank(profile.bio) else f"The bio has {count(length, 'character')}.",
            Change(f"Write a bio of more than {limit} characters: 5 raw points.", profile={"bio": BIO}),
        ),
        component(
            "engagement",
            "avatar",
            5 * pictured,
            5,
            "5 for an avatar.",
            "There is an avatar." if pictured else "There is no avatar.",
            Change("Add an avatar: 5 raw points.", profile={"avatar_url": AVATAR}),
        ),
    ]


def _response_time(known: Stats) -> Component:
    minutes = known["median_response_minutes"]
    points = client.answering(minutes)
    return component(
        "engagement",
        "response time",
        points,
        10,
        "10 for answers at once, falling to 0 at a median of 24 hours, over the last six months; 0 without data.",
        "No answer of the last six months has a time."
        if minutes is None
        else f"The median answer took {_time(minutes)}.",
        Change(
            f"Answer messages sooner: {number(10 / 24)} raw points for each hour less than 24, "
            f"{number(10 - points)} for answers at once.",
            stats={CLIENT: {"median_response_minutes": 0.0}},
        ),
    )


def _time(minutes: float) -> str:
    return count(minutes, "minute") if minutes < 120 else f"{number(minutes / 60)} hours"
