"""A score in words, for the person at the terminal."""

import json
from collections.abc import Iterable, Mapping
from typing import Any
from uuid import UUID

from rich.console import Console
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from caas_worker.explain import Explanation, Raise
from caas_worker.strategies.base import Component
from caas_worker.strategies.words import moment, number

WIDEST = 120
"""Longer lines are hard to read."""


def show(explanation: Explanation, *, cached: Mapping[str, Any] | None, place: Mapping[str, Any] | None = None) -> None:
    """Print the whole explanation.

    Args:
        cached: the profile's row of caas.scores, with total_score, computed_score, calculated_at, calculation_version
            and source_changed_at; None: there is none yet.
        place: where the profile stands in the queue; None: nowhere.
    """
    console = Console(highlight=False)
    console.width = min(console.width, WIDEST)
    with console.capture() as captured:
        _print(console, explanation, cached, place)
    console.file.write("".join(f"{line.rstrip()}\n" for line in captured.get().splitlines()))


def _print(
    console: Console, explanation: Explanation, cached: Mapping[str, Any] | None, place: Mapping[str, Any] | None
) -> None:
    console.print(Text.assemble((f"{explanation.total} of 100", "bold"), f"  {_title(explanation)}"))
    console.print(Text(f"profile {explanation.profile_id}, computed at {moment(explanation.at)}", "dim"))
    if explanation.arithmetic:
        console.print(Text(explanation.arithmetic))
    for sentence in standing(explanation, cached, place):
        console.print(Text(sentence, "yellow"))
    if explanation.buckets:
        _head(console, "Where the points come from")
        console.print(_points(explanation))
    if explanation.raises:
        _head(console, "What would raise it, each by itself")
        console.print(_raises(explanation.raises))
    if explanation.notes:
        _head(console, "Notes")
        console.print(_sentences(explanation.notes))
    _head(console, "Inputs")
    console.print(_inputs(explanation.inputs))


def way(profile_id: UUID, place: Mapping[str, Any] | None) -> str:
    """Whether a computation is on its way, and what to do if none is."""
    if place is None:
        return f"Nothing is on its way. Compute it: caas-worker score recalculate {profile_id}"
    if place["place"] == "dead":
        return f"It was set aside after {place['error']}. Try it again: caas-worker queue retry {profile_id}"
    return f"A computation is on its way: the profile is {place['state']} ({', '.join(place['reasons'])})."


def standing(
    explanation: Explanation, cached: Mapping[str, Any] | None, place: Mapping[str, Any] | None = None
) -> Iterable[str]:
    """What the cached row says, compared with the fresh score, in sentences."""
    if cached is None:
        yield f"No score is cached yet. {way(explanation.profile_id, place)}"
        return
    name, computed = "The cached score", cached["total_score"]
    if cached["computed_score"] is not None:
        name, computed = "The score underneath", cached["computed_score"]
        yield f"The published score is held at {cached['total_score']}, whatever the rule gives."
    if cached["calculation_version"] != explanation.version:
        yield f"{name} was made by {cached['calculation_version']}, this one by {explanation.version}."
    if computed != explanation.total:
        yield (
            f"{name} is {computed}, of {moment(cached['calculated_at'])}; the last change that it knows is "
            f"of {moment(cached['source_changed_at'])}."
        )
        yield way(explanation.profile_id, place)
    else:
        yield f"{name} is {computed} as well, of {moment(cached['calculated_at'])}."


def _title(explanation: Explanation) -> str:
    named = [explanation.role or "no supported role", explanation.version, *explanation.flags]
    return ", ".join([*named, explanation.reason] if explanation.reason else named)


def _head(console: Console, text: str) -> None:
    console.print()
    console.print(Text(text, "bold underline"))


def _grid() -> Table:
    return Table.grid(padding=(0, 2, 0, 0), expand=False)


def _of(points: float, maximum: float | None) -> str:
    return number(points) if maximum is None else f"{number(points)} of {number(maximum)}"


def _points(explanation: Explanation) -> Table:
    table = _grid()
    table.add_column(no_wrap=True)
    table.add_column(no_wrap=True, justify="right")
    table.add_column(ratio=1)
    for bucket in explanation.buckets:
        table.add_row(Text(bucket.name, "bold"), Text(_of(bucket.points, bucket.maximum), "bold"))
        for component in bucket.components:
            table.add_row(Padding(Text(component.name), (0, 0, 0, 2)), _earned(component), _why(component))
    return table


def _earned(component: Component) -> str:
    if component.maximum is None:
        return ("+" if component.points > 0 else "") + number(component.points)
    return _of(component.points, component.maximum)


def _why(component: Component) -> Text:
    return Text.assemble(component.because, "\n", (f"Rule: {component.rule}", "dim"))


def _raises(raises: Iterable[Raise]) -> Table:
    table = _grid()
    table.add_column(no_wrap=True, justify="right")
    table.add_column(no_wrap=True)
    table.add_column(ratio=1)
    for one in raises:
        gain = "·" if one.gain is None else f"+{one.gain}"
        total = "" if one.total is None else f"→ {one.total}"
        place = f" ({one.bucket}, {one.component})" if one.component else ""
        table.add_row(Text(gain, "green"), Text(total, "bold"), Text.assemble(one.words, (place, "dim")))
    return table


def _sentences(sentences: Iterable[str]) -> Table:
    table = _grid()
    table.add_column()
    table.add_column(ratio=1)
    for sentence in sentences:
        table.add_row("·", Text(sentence))
    return table


def _inputs(inputs: Mapping[str, Any]) -> Table:
    table = _grid()
    table.add_column(no_wrap=True)
    table.add_column(ratio=1, overflow="fold")
    for name, value in inputs.items():
        table.add_row(Text(name, "dim"), Text(_plain(value)))
    return table


def _plain(value: Any) -> str:
    if isinstance(value, float):
        return f"{round(value, 9):.9f}".rstrip("0").rstrip(".")
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)
