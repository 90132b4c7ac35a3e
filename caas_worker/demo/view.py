"""The view: a live screen on a terminal, plain lines elsewhere."""

from rich.console import Group, RenderableType
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from caas_worker.demo.show import Figures, Moved, Show


def milliseconds(seconds: float | None) -> str:
    """`87 ms`, or a dash for nothing yet."""
    return "-" if seconds is None else f"{seconds * 1000:,.0f} ms"


def screen(show: Show, figures: Figures) -> RenderableType:
    """The live screen."""
    numbers = Table.grid(padding=(0, 3))
    for _ in range(4):
        numbers.add_column()
    numbers.add_row(
        _number("application", f"{figures.transactions_per_second:.0f} transactions/s"),
        _number("freshness p50", milliseconds(figures.freshness_p50)),
        _number("marks", f"{figures.marks:,}"),
        _number("in flight", f"{figures.in_flight:,}"),
    )
    numbers.add_row(
        _number("scores", f"{figures.scored_per_second:.0f} computed/s"),
        _number("freshness p99", milliseconds(figures.freshness_p99)),
        _number("queue", f"{figures.queued:,}"),
        _number("dead", f"{figures.dead:,}"),
    )
    tiers = Text("  ").join(_number(tier, f"{tutors:,}") for tier, tutors in sorted(figures.tiers.items()))
    events = Table(expand=True, box=None, padding=(0, 2, 0, 0))
    events.add_column("what the application wrote", ratio=1, no_wrap=True, overflow="ellipsis")
    events.add_column("score", no_wrap=True)
    events.add_column("tier", no_wrap=True)
    events.add_column("after", justify="right", no_wrap=True)
    for moved in reversed(show.moved):
        events.add_row(moved.event.text, _score(moved), moved.tier or "", milliseconds(moved.seconds))
    return Group(
        Panel(
            Group(numbers, tiers),
            title=f"caas-worker demo · {figures.seconds:.0f} s · Ctrl-C ends it",
            title_align="left",
        ),
        Panel(events, title="write → score", title_align="left"),
    )


def line(show: Show, figures: Figures) -> str:
    """One plain line."""
    text = (
        f"{figures.seconds:5.0f} s  {figures.transactions:,} transactions  {figures.scored:,} scores"
        f"  queue {figures.marks + figures.queued:,}"
        f"  freshness p50 {milliseconds(figures.freshness_p50)} p99 {milliseconds(figures.freshness_p99)}"
    )
    done = next((moved for moved in reversed(show.moved) if moved.seconds is not None), None)
    if done:
        tier = f", {done.tier}" if done.tier else ""
        text += f"  | {done.event.text}: {done.before} → {done.after}{tier} after {milliseconds(done.seconds)}"
    return text


def _number(name: str, value: str) -> Text:
    return Text.assemble((f"{name} ", "dim"), (value, "bold"))


def _score(moved: Moved) -> Text:
    before = "-" if moved.before is None else str(moved.before)
    if moved.is_idle:
        return Text(f"{before} not concerned", style="dim")
    if moved.after is None:
        return Text(f"{before} …", style="dim")
    change = moved.after - (moved.before or 0)
    style = "green" if change > 0 else "red" if change < 0 else "dim"
    return Text(f"{before} → {moved.after}", style=style)
