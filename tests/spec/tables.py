"""Text tables of cases: a line of headers, then a case a line; what is expected stands after the double bar."""

import json
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Case:
    """One line of a table. A cell with a dash is left out."""

    name: str
    given: dict[str, Any]
    expected: dict[str, Any]


def cases(table: str) -> list[Case]:
    """The lines of a table, the first column being the name of the case."""
    lines = [[half.split("|") for half in line.split("||")] for line in table.strip().splitlines()]
    headers, *body = [[[cell.strip() for cell in half] for half in line] for line in lines]
    found = []
    for given, expected in body:
        assert [len(given), len(expected)] == [len(half) for half in headers], given
        name, *values = given
        found.append(
            Case(
                name,
                {header: value(cell) for header, cell in zip(headers[0][1:], values, strict=True) if cell != "-"},
                {header: value(cell) for header, cell in zip(headers[1], expected, strict=True) if cell != "-"},
            )
        )
    assert len({case.name for case in found}) == len(found), "two cases have one name"
    return found


def value(cell: str) -> Any:
    """Numbers, lists, objects, quoted texts and null as in JSON; yes and no; any other text as it is."""
    if cell in ("yes", "no"):
        return cell == "yes"
    try:
        return json.loads(cell)
    except json.JSONDecodeError:
        return cell


def rounded(seen: Any) -> Any:
    """Numbers to nine decimals, as the rules compare them (scoring, conventions)."""
    return round(seen, 9) if isinstance(seen, float) else seen
