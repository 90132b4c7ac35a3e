"""What commands print: JSON for scripts, tables for people."""

import json
from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.markup import escape
from rich.measure import Measurement
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

WIDEST_TABLE = 1_000

Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]


def print_json(value: Any) -> None:
    """One JSON document on standard output; times in ISO 8601, numerics as numbers."""
    typer.echo(json.dumps(value, default=_plain))


def _said(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:.6f}".rstrip("0").rstrip(".")
    return ", ".join(map(_said, value)) if isinstance(value, list | tuple) else str(value)


def progress(what: str, *, hidden: bool) -> Progress:
    """A bar on standard error for the person at the terminal; what is hidden, or no terminal, shows none."""
    console = Console(stderr=True)
    columns = (TextColumn(what), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    return Progress(*columns, console=console, transient=True, disable=hidden or not console.is_terminal)


def _plain(item: Any) -> Any:
    if isinstance(item, Decimal):
        return float(item)
    return item.isoformat() if hasattr(item, "isoformat") else str(item)


def print_table(columns: Sequence[str], rows: Iterable[Sequence[Any]], *, title: str | None = None) -> None:
    """A table on standard output; where it has no room, a few lines for each row."""
    rows = [[_said(cell) for cell in row] for row in rows]
    table = Table(title=title, title_justify="left")
    for column in columns:
        table.add_column(column, no_wrap=column in ("profile_id", "metric"), overflow="fold")
    for row in rows:
        table.add_row(*(escape(cell) for cell in row))
    console = Console()
    natural = Measurement.get(console, console.options.update(max_width=WIDEST_TABLE), table).maximum
    if natural <= console.width or "profile_id" not in columns:
        console.print(table)
        return
    for number, row in enumerate(rows):
        if number:
            console.print()
        print_fields(dict(zip(columns, row, strict=True)))


def print_fields(fields: Mapping[str, Any], *, title: str | None = None) -> None:
    """Names and values, one a line."""
    table = Table.grid(padding=(0, 2))
    table.add_column(no_wrap=True)
    table.add_column(overflow="fold")
    for name, value in fields.items():
        table.add_row(f"[bold]{escape(name)}[/bold]", escape(_said(value)))
    console = Console()
    if title:
        console.print(title, style="bold underline")
    console.print(table)
