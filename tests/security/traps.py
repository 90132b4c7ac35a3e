"""Traps: functions, aggregates and operators in `public` under every name that our SQL uses, with closer types.

PostgreSQL calls, of all functions with a name that the search_path shows, the one whose types fit best, and looks
through pg_catalog no earlier than through public where it is only the better match that counts. So each trap has the
types of an original, or types that the original would have to cast. Whoever runs one leaves its number in a sequence,
which no rollback takes back.
"""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice, product, zip_longest
from pathlib import Path
from typing import Any

from psycopg import Connection
from psycopg.rows import TupleRow, dict_row

from caas_worker import sql as sent
from caas_worker.shipped import Shipped

Rows = Connection[TupleRow]

SCALARS = (
    "bool", "int2", "int4", "int8", "numeric", "float4", "float8", "text", "varchar", '"char"', "name", "uuid", "date",
    "timestamp", "timestamptz", "interval", "json", "jsonb", "oid", "regclass", "regproc", "regprocedure",
    "regnamespace", "regtype", "regrole", "public.booking_status_enum",
)  # fmt: skip
ARRAYS = (
    "int2[]", "int4[]", "int8[]", "float8[]", "numeric[]", "text[]", "varchar[]", "name[]", "uuid[]", "date[]",
    "timestamptz[]", "oid[]", "bool[]", "jsonb[]",
)  # fmt: skip
CLOSER = {
    "text": ("varchar", "name", '"char"', "public.booking_status_enum"),
    "numeric": ("int2", "int4", "int8"),
    "float8": ("numeric", "float4", "int4", "int8"),
    "int8": ("int4", "int2"),
    "int4": ("int2",),
    "oid": ("regclass", "regproc", "regprocedure", "regnamespace", "regrole", "regtype"),
    "regclass": ("oid", "text", "name"),
    "timestamptz": ("timestamp", "date"),
    "timestamp": ("date",),
    "jsonb": ("json",),
    "name": ("text", "varchar"),
    "text[]": ("varchar[]", "name[]"),
}
"""Types that PostgreSQL casts by itself to the one that a function takes."""
ELEMENTS = {"anyelement", "anynonarray", "anycompatible", "anycompatiblenonarray", '"any"', "anyenum"}
ARRAYS_OF = {"anyarray", "anycompatiblearray"}
NUMBERS_AND_TIMES = {
    "int2", "int4", "int8", "numeric", "float4", "float8", "date", "timestamp", "timestamptz", "interval",
}  # fmt: skip
ARITHMETIC = {"+", "-", "*", "/", "%", "^", "#", "&", "|"}
HIDDEN = {"=", "<>", "<", ">", "<=", ">=", "~~", "!~~"}
"""Operators behind words: in, not in, between, like, is distinct from, nullif, case … when."""
NEVER_PLANTED = {
    "internal",
    "cstring",
    "trigger",
    "event_trigger",
    "anyrange",
    "anymultirange",
    "anycompatiblerange",
    "void",
}
MOST_VARIANTS = 60
MOST_REPEATS = 4


@dataclass
class Trap:
    """What is planted, by number."""

    names: list[str] = field(default_factory=lambda: ["none", "none"])

    def number(self, name: str) -> int:
        self.names.append(name)
        return len(self.names) - 1


def our_sql(shipped: Shipped) -> str:
    """Every statement of ours, without comments: what is installed and what Python sends."""
    files = [file.path for file in (*shipped.migrations, *shipped.views, *shipped.functions, *shipped.triggers)]
    files += sorted(Path(sent.__file__).parent.glob("*.sql"))
    return "\n".join(re.sub(r"--.*", "", path.read_text(encoding="utf-8")) for path in files)


def names_called(app: Rows, text: str) -> set[str]:
    """Names before a parenthesis that pg_catalog has as functions which SQL can call."""
    written = set(re.findall(r"\b([a-z_][a-z0-9_]*)\s*\(", text))
    rows = app.execute(
        "select distinct proname from pg_proc where pronamespace = 'pg_catalog'::regnamespace"
        " and not 'internal'::regtype = any(proargtypes)"
    )
    return written & {row[0] for row in rows}


def operators_used(app: Rows, text: str) -> set[str]:
    """Symbols outside quotes that pg_catalog has as binary operators, and those behind words."""
    written = set(re.findall(r"[+\-*/<>=~!@#%^&|`?]+", re.sub(r"'[^']*'", "''", text).replace("%%", "%")))
    rows = app.execute("select distinct oprname from pg_operator where oprleft <> 0 and oprright <> 0")
    return (written | HIDDEN) & {row[0] for row in rows}


def plant(app: Rows, shipped: Shipped, planter: str) -> list[str]:
    """Plant all of them as this role; returns the signatures by number. Anybody may run them."""
    text = our_sql(shipped)
    trap = Trap()
    statements = [
        f"create sequence public.sprung; grant all on sequence public.sprung to public; set role {planter}",
        "set check_function_bodies = off; set search_path = pg_catalog, pg_temp",
        *_functions(app, names_called(app, text), trap),
        *_operators(operators_used(app, text), trap),
        "reset search_path; reset check_function_bodies; reset role",
    ]
    app.execute(";\n".join(statements).encode())
    forget(app)
    return trap.names


def forget(app: Rows) -> None:
    """As if none had been run."""
    app.execute("select pg_catalog.setval('public.sprung'::pg_catalog.regclass, 1::pg_catalog.int8)")


def sprung(app: Rows) -> int:
    """The number of the last trap that was run; 1: none was."""
    row = app.execute("select last_value from public.sprung").fetchone()
    assert row is not None
    return int(row[0])


def _body(number: int, ending: str = "return null;") -> str:
    return (
        "language plpgsql as $$ begin perform pg_catalog.setval('public.sprung'::pg_catalog.regclass,"
        f" {number}::pg_catalog.int8); {ending} end $$"
    )


def _functions(app: Rows, names: set[str], trap: Trap) -> Iterator[str]:
    rows = app.cursor(row_factory=dict_row).execute(
        """
        select
            p.proname as name,
            p.prokind as kind,
            p.proretset as many,
            p.provariadic <> 0 as variadic,
            p.pronargdefaults as defaults,
            p.proargnames as names,
            array(select format_type(t, null) from unnest(p.proargtypes) as t)::text[] as arguments,
            format_type(p.prorettype, null) as returns,
            array(
                select format_type(t, null)
                from unnest(p.proallargtypes, p.proargmodes) with ordinality as a (t, mode, place)
                where a.mode in ('o', 't')
                order by a.place
            )::text[] as columns
        from pg_proc as p
        where p.pronamespace = 'pg_catalog'::regnamespace and p.proname = any(%s)
        order by p.proname, p.oid
        """,
        ([*names],),
    )
    made: set[tuple[str, tuple[str, ...]]] = set()
    for row in rows.fetchall():
        arguments = [SHORT.get(name, name) for name in row["arguments"]]
        if NEVER_PLANTED & {*arguments, row["returns"]}:
            continue
        for chosen, element in _signatures(arguments, row["variadic"], row["defaults"]):
            if (row["name"], chosen) not in made:
                made.add((row["name"], chosen))
                yield _function(row, chosen, element, trap)


SHORT = {
    "boolean": "bool", "smallint": "int2", "integer": "int4", "bigint": "int8", "double precision": "float8",
    "real": "float4", "character varying": "varchar", "timestamp with time zone": "timestamptz",
    "timestamp without time zone": "timestamp", "smallint[]": "int2[]", "integer[]": "int4[]", "bigint[]": "int8[]",
}  # fmt: skip
"""Short names for those of format_type."""


def _signatures(arguments: Sequence[str], variadic: bool, defaults: int) -> Iterator[tuple[tuple[str, ...], str]]:
    """Lists of types that fit at least as well as these, each with the type that stands for a pseudo-type."""
    lists = [list(arguments)]
    if variadic:
        last = arguments[-1]
        single = {"anyarray": "anyelement", "anycompatiblearray": "anycompatible"}.get(last, last.removesuffix("[]"))
        lists += [[*arguments[:-1], *[single] * times] for times in range(1, MOST_REPEATS + 1)]
        if len(arguments) == 1:
            lists += [["text", single] * times for times in range(1, MOST_REPEATS + 1)]
    lists += [list(arguments[:-left]) for left in range(1, defaults + 1)]
    for types in lists:
        open_ones = {*types} & (ELEMENTS | ARRAYS_OF)
        for element in (*SCALARS, *ARRAYS) if open_ones else ("",):
            if ARRAYS_OF & open_ones and element.endswith("[]"):
                continue
            closed = [_closed(name, element) for name in types]
            if open_ones:
                yield tuple(closed), element
            else:
                choices = product(*((name, *CLOSER.get(name, ())) for name in closed))
                for choice in islice(choices, MOST_VARIANTS):
                    yield choice, element


def _function(row: Mapping[str, Any], types: tuple[str, ...], element: str, trap: Trap) -> str:
    """One function, or an aggregate for an aggregate or a window function."""
    name = f'public."{row["name"]}"'
    listed = ", ".join(types)
    number = trap.number(f"{row['name']}({listed})")
    if row["kind"] in ("a", "w"):
        state = "".join(f", {kind}" for kind in types)
        return (
            f"create function public.state_{number}(int8{state}) returns int8 {_body(number)};"
            f" create aggregate {name}({listed or '*'}) (sfunc = public.state_{number}, stype = int8)"
        )
    labels = (row["names"] or [])[: len(types)]
    given = [f'"{label}" {kind}' if label else kind for label, kind in zip_longest(labels, types, fillvalue="")]
    columns = ", ".join(f"c{place} {_closed(kind, element)}" for place, kind in enumerate(row["columns"]))
    if columns:
        returns, ending = f"table ({columns})", "return;"
    elif row["many"]:
        returns, ending = f"setof {_closed(row['returns'], element)}", "return;"
    else:
        returns, ending = _closed(row["returns"], element), "return null;"
    return f"create function {name}({', '.join(given)}) returns {returns} {_body(number, ending)}"


def _closed(name: str, element: str) -> str:
    """A type, with the element's instead of a pseudo-type."""
    short = SHORT.get(name, name)
    return element if short in ELEMENTS else f"{element}[]" if short in ARRAYS_OF else short


def _operators(symbols: Iterable[str], trap: Trap) -> Iterator[str]:
    kinds = (*SCALARS, *ARRAYS)
    for left, right in product(kinds, kinds):
        number = trap.number(f"operator of {left} and {right}")
        function = f"public.meeting_{number}"
        calculated = f"public.sum_{number}"
        yield f"create function {function}({left}, {right}) returns bool {_body(number)}"
        yield f"create function {calculated}({left}, {right}) returns {left} {_body(number)}"
        for symbol in symbols:
            if symbol in ARITHMETIC and not {left, right} <= NUMBERS_AND_TIMES:
                continue
            if symbol in ("->", "->>", "#>", "#>>") and left not in ("json", "jsonb"):
                continue
            by = calculated if symbol in ARITHMETIC | {"||", "->", "->>"} else function
            yield f"create operator public.{symbol} (leftarg = {left}, rightarg = {right}, function = {by})"
