"""What commands print: JSON for scripts, tables for people."""

import json
from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]


def print_json(value: Any) -> None:
    """One JSON document on standard output; times in ISO 8601, numerics as numbers."""
    typer.echo(json.dumps(value, default=_plain))


def _plain(item: Any) -> Any:
    if isinstance(item, Decimal):
        return float(item)
    return item.isoformat() if hasattr(item, "isoformat") else str(item)


def print_table(columns: Sequence[str], rows: Iterable[Sequence[Any]], *, title: str | None = None) -> None:
    """A table on standard output."""
    table = Table(title=title, title_justify="left")
    for column in columns:
        table.add_column(column, no_wrap=column == "profile_id", overflow="fold")
    for row in rows:
        table.add_row(*("" if cell is None else escape(str(cell)) for cell in row))
    Console().print(table)


def print_fields(fields: Mapping[str, Any], *, title: str | None = None) -> None:
    """Names and values, one a line."""
    table = Table.grid(padding=(0, 2))
    for name, value in fields.items():
        table.add_row(f"[bold]{escape(name)}[/bold]", "" if value is None else escape(str(value)))
    console = Console()
    if title:
        console.print(title, style="bold underline")
    console.print(table)
