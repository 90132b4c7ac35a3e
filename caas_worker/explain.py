"""Explain: a score in words, with what would raise it. Computed for people who ask, beside the line."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any
from uuid import UUID

from caas_worker.model import Profile, Score, Stats
from caas_worker.strategies import Registry
from caas_worker.strategies.base import Component, Explains, Strategy, round_half_up
from caas_worker.strategies.words import count, moment, number


@dataclass(frozen=True, slots=True)
class Bucket:
    """A bucket of the breakdown and its components."""

    name: str
    points: float
    maximum: float | None
    """None where the strategy does not explain itself; so are the other maxima."""
    components: tuple[Component, ...]


@dataclass(frozen=True, slots=True)
class Raise:
    """A change that would raise the score, all else staying as it is."""

    words: str
    bucket: str | None
    """Of the component that it is about; None: the identity gate."""
    component: str | None
    points: float | None
    """Raw points that it brings, wherever they come in."""
    gain: int | None
    """Points of the total that it brings: 0 where rounding swallows them, None where that is not known before."""
    total: int | None
    """The total then."""


@dataclass(frozen=True, slots=True)
class Explanation:
    """Where a score comes from. Plain values throughout: `dataclasses.asdict` gives what JSON can hold."""

    profile_id: UUID
    at: datetime
    """The time that it holds for."""
    role: str | None
    version: str
    total: int
    reason: str | None
    """None, unverified or unsupported_role."""
    raw_points: float
    raw_maximum: float | None
    arithmetic: str | None
    """How raw points become the total, in a sentence."""
    buckets: tuple[Bucket, ...]
    flags: tuple[str, ...]
    """Of the breakdown, such as provisional."""
    raises: tuple[Raise, ...]
    """The one that brings most first."""
    notes: tuple[str, ...]
    """Sentences."""
    inputs: dict[str, Any]
    next_due_at: datetime | None


def explain(
    registry: Registry, profile: Profile, statistics: Mapping[str, Mapping[UUID, Stats]], now: datetime
) -> Explanation:
    """The score that `registry.score` gives for the same arguments, in words.

    Args:
        statistics: rows by function, then profile, of at least what the profile `needs`.
    """
    score = registry.score(profile, statistics, now)
    strategy = registry.route(profile)
    components: Sequence[Component] = ()
    own: dict[str, Stats] = {}
    if strategy is not None and not score.gate_failed:
        own = {function: statistics[function][profile.profile_id] for function in strategy.statistics}
        if isinstance(strategy, Explains):
            components = strategy.explain(profile, own, now)
    raw, maximum = _raw(score), _maximum(components)
    if strategy is None or score.gate_failed:
        raises = _past_the_gate(score)
    else:
        raises = _raises(strategy, profile, own, now, score, components)
    return Explanation(
        profile_id=profile.profile_id,
        at=now,
        role=score.role_type,
        version=score.version,
        total=score.total,
        reason=score.reason,
        raw_points=raw,
        raw_maximum=maximum,
        arithmetic=_arithmetic(score, raw, maximum),
        buckets=_buckets(score, components),
        flags=tuple(name for name, value in score.breakdown.items() if value is True),
        raises=raises,
        notes=tuple(dict.fromkeys(_notes(registry, profile, score, strategy, components))),
        inputs=dict(score.inputs),
        next_due_at=score.next_due_at,
    )


def _points(score: Score) -> dict[str, float]:
    return {name: value for name, value in score.breakdown.items() if not isinstance(value, bool)}


def _raw(score: Score) -> float:
    return float(sum(_points(score).values()))


def _maximum(components: Sequence[Component]) -> float | None:
    maxima = [component.maximum for component in components if component.maximum is not None]
    return sum(maxima) if maxima else None


def _is_percentage(score: Score, raw: float, maximum: float) -> bool:
    """Whether the total is the raw points in percent of their maximum, as with the rules that come along."""
    return round_half_up(raw / maximum * 100) == score.total


def _arithmetic(score: Score, raw: float, maximum: float | None) -> str | None:
    if maximum is None or not _is_percentage(score, raw, maximum):
        return None
    text = f"{number(raw)} of {count(maximum, 'raw point')}, {score.total} of 100 after rounding"
    if maximum == 100:
        return f"{text}. A raw point is worth one point of the total."
    exact, worth = number(raw / maximum * 100), count(100 / maximum, "point")
    return f"{text} ({exact} before). A raw point is worth {worth} of the total."


def _buckets(score: Score, components: Sequence[Component]) -> tuple[Bucket, ...]:
    parts: dict[str, list[Component]] = {name: [] for name in _points(score)}
    for component in components:
        parts.setdefault(component.bucket, []).append(component)
    points = _points(score)
    return tuple(Bucket(name, points.get(name, 0), _maximum(told), tuple(told)) for name, told in parts.items())


def _is_full(component: Component) -> bool:
    return component.maximum is not None and component.points >= component.maximum - 1e-9


def _past_the_gate(score: Score) -> tuple[Raise, ...]:
    if not score.gate_failed:
        return ()
    words = "Verify the identity: only then does anything else count."
    return (Raise(words, bucket=None, component=None, points=None, gain=None, total=None),)


def _raises(
    strategy: Strategy,
    profile: Profile,
    own: Mapping[str, Stats],
    now: datetime,
    score: Score,
    components: Sequence[Component],
) -> tuple[Raise, ...]:
    raw, maximum = _raw(score), _maximum(components)
    found: list[Raise] = []
    seen: list[tuple[Any, Any]] = []
    for component in components:
        change = component.raises
        if change is None or _is_full(component):
            continue
        if change.profile or change.stats:
            if (change.profile, change.stats) in seen:
                continue
            seen.append((change.profile, change.stats))
            changed = {function: {**row, **change.stats.get(function, {})} for function, row in own.items()}
            then = strategy.score(replace(profile, **change.profile), changed, now)
            points, total = _raw(then) - raw, then.total
        elif component.maximum is not None and maximum is not None and _is_percentage(score, raw, maximum):
            points = component.maximum - component.points
            total = round_half_up((raw + points) / maximum * 100)
        else:
            found.append(Raise(change.words, component.bucket, component.name, None, None, None))
            continue
        found.append(Raise(change.words, component.bucket, component.name, points, total - score.total, total))
    useful = (one for one in found if one.gain is None or one.gain > 0)
    return tuple(sorted(useful, key=lambda one: (-(one.gain or 0), -round(one.points or 0, 9))))


def _notes(
    registry: Registry, profile: Profile, score: Score, strategy: Strategy | None, components: Sequence[Component]
) -> Iterator[str]:
    ruled = ", ".join(registry.roles)
    if strategy is None:
        has = f"has the role {', '.join(sorted(profile.roles))}" if profile.roles else "has no role"
        yield f"The profile {has}. Rules exist for {ruled}; without one of these roles the total is 0."
    elif score.gate_failed:
        yield (
            "The identity is not verified: the total is 0 until it is, whatever the profile achieved. No statistics "
            "were read."
        )
    others = sorted(profile.roles & {*registry.roles} - {score.role_type})
    if others:
        yield (f"The profile also has the role {', '.join(others)}. Of {ruled} only the first that it has is scored.")
    if score.inputs.get("unforeseen"):
        fields = ", ".join(map(str, score.inputs["unforeseen"]))
        yield f"The rule does not foresee the shape of what is stored in {fields}: what it can't read gives no points."
    for component in components:
        if component.note:
            yield component.note
    if score.next_due_at:
        yield f"Time alone may next change the score on {moment(score.next_due_at)}: it is computed anew then."
