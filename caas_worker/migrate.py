"""Installing, upgrading and removing our objects in the application's database."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from psycopg import Connection, sql
from psycopg.rows import TupleRow

from caas_worker import catalog, roles
from caas_worker.application import COLUMNS
from caas_worker.catalog import EVENTS, TRIGGERS_PER_RELATION, Relation
from caas_worker.errors import MigrationRefused
from caas_worker.ledger import PATIENCE_SECONDS, Ledger, Say, home, open_ledger
from caas_worker.shipped import Shipped, SqlFile
from caas_worker.sql import statements

Work = Callable[[Connection[TupleRow]], object]

FIRST_OF_THE_SCHEMA = "0008"
"""The migrations before this one name no schema: they made their tables in public, under a prefix."""


@dataclass(frozen=True, slots=True)
class FileState:
    """A shipped file against the ledger: installed, pending (new), changed (will be replayed), edited (refused)."""

    name: str
    state: str


def states(shipped: Shipped, installed: Mapping[str, str]) -> list[FileState]:
    """Every shipped file's state."""

    def state(file: SqlFile, altered: str) -> FileState:
        if file.name not in installed:
            return FileState(file.name, "pending")
        return FileState(file.name, "installed" if installed[file.name] == file.sha256 else altered)

    return [
        *(state(file, "edited") for file in shipped.migrations),
        *(state(file, "changed") for file in (*shipped.views, *shipped.functions, *shipped.triggers)),
    ]


def status(conninfo: str, shipped: Shipped) -> list[FileState]:
    """What `up` would do, file by file."""
    with open_ledger(conninfo, lambda _: None) as ledger:
        return states(shipped, ledger.installed())


def up(conninfo: str, shipped: Shipped, say: Say, *, patience_seconds: float = PATIENCE_SECONDS) -> int:
    """Install what is missing or changed; returns how many steps that took, 0 where all was up to date.

    Each migration in one transaction, then the source views, the functions and the grants, then the triggers, one
    table per transaction. Where a table is watched or read anew, everyone is marked at backfill priority in the same
    transaction.

    Raises:
        MigrationRefused: a table of the application's is missing, somebody else's object bears a name of ours, an
            installed migration was edited, or a table stayed locked. What was done until then stays and does no harm;
            `up` goes on from there.
    """
    with open_ledger(conninfo, say, patience_seconds=patience_seconds) as ledger:
        refuse_missing_columns(ledger.connection)
        refuse_intruders(ledger.connection)
        installed = ledger.installed()
        refuse_edited(shipped, installed)
        refuse_taken_names(ledger.connection)
        refuse_views_of_others(ledger.connection)
        steps = ledger.create()
        for file in shipped.migrations:
            if file.name not in installed:
                say(f"migration {file.stem}")
                ledger.patiently(None, _migrating(ledger, file))
                steps += 1
        steps += _replay_views(ledger, shipped, installed)
        steps += _replay_functions(ledger, shipped, installed)
        steps += roles.admit(ledger)
        steps += sum(_watch(ledger, file, installed) for file in shipped.triggers)
        steps += _retire(ledger, shipped, installed)
        _drop_bridge(ledger)
        with ledger.transaction():
            return steps + ledger.close()


def down(conninfo: str, shipped: Shipped, say: Say, *, count: int = 1) -> int:
    """Undo the newest `count` migrations, after detaching every trigger; returns how many were undone.

    Functions and triggers belong to a release, so they go too. `up` of whichever release is installed then puts its
    own back, and marks everyone, since changes in between went unseen.
    """
    with open_ledger(conninfo, say) as ledger:
        installed = ledger.installed()
        applied = [file for file in reversed(shipped.migrations) if file.name in installed][: max(count, 0)]
        if not applied:
            return 0
        for table in (*shipped.triggers, *_retired(shipped, installed, "triggers")):
            _detach(ledger, table.stem)
        with ledger.transaction() as connection:
            for table in (*shipped.triggers, *_retired(shipped, installed, "triggers")):
                _drop_watch(ledger, connection, table)
            for function in (*shipped.functions, *_retired(shipped, installed, "functions")):
                _drop_function(ledger, connection, function)
            for view in (*shipped.views, *_retired(shipped, installed, "views")):
                _drop_view(ledger, connection, view)
        for file in applied:
            say(f"undo {file.stem}")
            ledger.patiently(None, _undoing(ledger, file))
        return len(applied)


def uninstall(conninfo: str, shipped: Shipped, say: Say) -> None:
    """Remove everything of ours: triggers first, one table at a time, so that the application's writes never fail.

    The roles stay, with nothing granted on the application's tables.

    Raises:
        MigrationRefused: something that is not ours needs something of ours; nothing was changed.
    """
    with open_ledger(conninfo, say) as ledger:
        if (where := home(ledger.connection)) is not None and where.startswith("public."):
            raise MigrationRefused(
                "An earlier release is installed here, in the schema public. Uninstall it with that release, or run "
                "first: caas-worker migrate up"
            )
        if where is None:
            return
        outsiders = [row[0] for row in ledger.connection.execute(ledger.sql["outsiders"]).fetchall()]
        if outsiders:
            raise MigrationRefused(f"Drop first what needs ours: {'; '.join(outsiders)}. Nothing was changed.")
        for table in (*shipped.triggers, *_retired(shipped, ledger.installed(), "triggers")):
            _detach(ledger, table.stem)
        ledger.say("drop the schema caas")
        ledger.patiently(None, _removing(ledger))
        roles.dismiss(ledger)


def switch(conninfo: str, shipped: Shipped, say: Say, *, on: bool) -> int:
    """Enable or disable every trigger of ours; returns how many tables changed.

    Enabling marks everyone in the same transaction: changes in between went unseen.
    """
    changed = 0
    with open_ledger(conninfo, say) as ledger:
        for file in shipped.triggers:
            for relation in catalog.relations(ledger.connection, file.stem):
                if relation.enabled != (relation.triggers if on else 0):
                    say(f"{'enable' if on else 'disable'} triggers of {relation.name}")
                    ledger.patiently(relation.name, _switching(ledger, relation, on))
                    changed += 1
    return changed


def refuse_missing_columns(connection: Connection[TupleRow]) -> None:
    """Raise MigrationRefused where the application's tables are not what the rules read."""
    missing = catalog.missing_columns(connection)
    if missing:
        what = "; ".join(f"{table} ({', '.join(columns) or 'the table'})" for table, columns in missing.items())
        raise MigrationRefused(
            f"This database lacks what the rules read: {what}. Check that CAAS_DATABASE_URL names the marketplace's "
            "database. To try the product without a marketplace: caas-worker demo"
        )


def refuse_intruders(connection: Connection[TupleRow]) -> None:
    """Raise MigrationRefused where somebody else made objects that bear our names: this role would run them."""
    if found := catalog.intruders(connection):
        what = "; ".join(f"{what} of {owner}" for what, owner in found)
        raise MigrationRefused(
            f"Objects with names of caas_worker belong to roles that own none of the application's tables: {what}. "
            "Migrate as their owner if they are an earlier installation, drop them if not."
        )


def refuse_edited(shipped: Shipped, installed: Mapping[str, str]) -> None:
    """Raise MigrationRefused when a migration file is not the one that was installed."""
    edited = [file.name for file in states(shipped, installed) if file.state == "edited"]
    if edited:
        raise MigrationRefused(
            f"{', '.join(edited)} is not the file that was installed here. Migrations run once and are never edited: "
            "restore the file and put the change into a new one."
        )


def refuse_taken_names(connection: Connection[TupleRow]) -> None:
    """Raise MigrationRefused where the application has something of its own that is called public.caas_scores."""
    taken = connection.execute(statements("migrate")["taken"]).fetchone()
    if taken and taken[0] and home(connection) is None:
        raise MigrationRefused(
            "This database has a public.caas_scores that caas_worker did not make. Rename or drop it; nothing was "
            "changed."
        )
    stranger = connection.execute(statements("migrate")["stranger"], {"trusted": list(COLUMNS)}).fetchone()
    if stranger:
        owner, is_trusted, contents = stranger
        if contents:
            raise MigrationRefused(
                f"This database has a schema caas that caas_worker did not make. It holds: {', '.join(contents)}. "
                "Rename it; nothing was changed."
            )
        if not is_trusted:
            raise MigrationRefused(
                f"The schema caas belongs to {owner}, who owns neither this database nor a table that the rules read. "
                "Drop it; nothing was changed."
            )


def refuse_views_of_others(connection: Connection[TupleRow]) -> None:
    """Raise MigrationRefused where other roles' views read what is about to move: they would not see it any more."""
    if found := connection.execute(statements("migrate")["views_of_others"]).fetchall():
        what = ", ".join(f"{view} of {owner}" for view, owner in found)
        raise MigrationRefused(
            f"Views of other roles read tables that move to the schema caas: {what}. Drop them, run this again, and "
            "create them over the view public.caas_scores. Nothing was changed."
        )


def _replay_views(ledger: Ledger, shipped: Shipped, installed: Mapping[str, str]) -> int:
    """The source views, all that is due in one transaction."""
    present = catalog.sources(ledger.connection)
    due = [file for file in shipped.views if installed.get(file.name) != file.sha256 or file.stem not in present]
    if due:
        ledger.say(f"source views: {', '.join(file.stem for file in due)}")
        ledger.patiently(None, _viewing(ledger, due, read_otherwise=any(file.name in installed for file in due)))
    return len(due)


def _viewing(ledger: Ledger, due: list[SqlFile], *, read_otherwise: bool) -> Work:
    def work(connection: Connection[TupleRow]) -> None:
        grants = connection.execute(
            ledger.sql["view_grants"], {"names": [f"source_{file.stem}" for file in due]}
        ).fetchall()
        for file in due:
            connection.execute(sql.SQL("drop view if exists {}").format(_ours(f"source_{file.stem}")))
            connection.execute(file.text.encode())
            connection.execute(ledger.sql["keep_view"], {"name": f"source_{file.stem}", "definition": file.text})
            ledger.record(file.name, file.sha256)
        ledger.close()
        for (grant,) in grants:
            connection.execute(grant.encode())
        if read_otherwise:
            connection.execute(ledger.sql["everyone"], {"reason": "views"})

    return work


def _replay_functions(ledger: Ledger, shipped: Shipped, installed: Mapping[str, str]) -> int:
    present = catalog.functions(ledger.connection)
    due = [file for file in shipped.functions if installed.get(file.name) != file.sha256 or file.stem not in present]
    if due:
        ledger.say(f"functions: {', '.join(file.stem for file in due)}")
        with ledger.transaction() as connection:
            # functions of the language sql name others that may come later in the list
            connection.execute("set local check_function_bodies = off")
            for file in due:
                callers = connection.execute(ledger.sql["callers"], {"function": file.stem}).fetchall()
                # not only replaced: a release may change a signature or the columns returned
                connection.execute(sql.SQL("drop function if exists {}").format(_ours(file.stem)))
                connection.execute(file.text.encode())
                for (closing,) in connection.execute(ledger.sql["close_function"], {"function": file.stem}).fetchall():
                    connection.execute(closing.encode())
                for (role,) in callers:
                    connection.execute(
                        sql.SQL("grant execute on function {} to {}").format(_ours(file.stem), sql.Identifier(role))
                    )
                ledger.record(file.name, file.sha256)
    return len(due)


def _watch(ledger: Ledger, file: SqlFile, installed: Mapping[str, str]) -> int:
    watched = file.stem
    changed = installed.get(file.name) != file.sha256
    steps = 0
    if changed or f"mark_{watched}" not in catalog.functions(ledger.connection):
        ledger.patiently(watched, _defining(ledger, file))
        steps += 1
    for relation in catalog.relations(ledger.connection, watched):
        if relation.is_foreign:
            raise MigrationRefused(
                f"{relation.name} is a foreign table: PostgreSQL has no triggers there that see a statement's rows, so "
                f"its changes would go unseen. Detach it from {watched}."
            )
        if relation.is_stray:
            ledger.say(f"leave {relation.name}, which is no longer part of {watched}")
            ledger.patiently(relation.name, _leaving(ledger, relation))
            steps += 1
        elif changed or relation.triggers < TRIGGERS_PER_RELATION:
            ledger.say(f"watch {relation.name}")
            ledger.patiently(relation.name, _attaching(ledger, watched, relation))
            steps += 1
    return steps


def _defining(ledger: Ledger, file: SqlFile) -> Work:
    def work(connection: Connection[TupleRow]) -> None:
        connection.execute(file.text.encode())
        ledger.record(file.name, file.sha256)
        ledger.close()

    return work


def _attaching(ledger: Ledger, watched: str, relation: Relation) -> Work:
    def work(connection: Connection[TupleRow]) -> None:
        connection.execute(ledger.sql["attach"], {"watched": watched, "relation": relation.name})
        if relation.triggers == TRIGGERS_PER_RELATION and not relation.enabled:
            _switch_relation(connection, relation, on=False)  # replaced triggers are enabled; these were switched off
        elif relation.enabled < TRIGGERS_PER_RELATION:
            connection.execute(ledger.sql["everyone"], {"reason": "installed"})

    return work


def _leaving(ledger: Ledger, relation: Relation) -> Work:
    def work(connection: Connection[TupleRow]) -> None:
        _detaching(relation)(connection)
        connection.execute(ledger.sql["everyone"], {"reason": "detached"})

    return work


def _switching(ledger: Ledger, relation: Relation, on: bool) -> Work:
    def work(connection: Connection[TupleRow]) -> None:
        _switch_relation(connection, relation, on=on)
        if on:
            connection.execute(ledger.sql["everyone"], {"reason": "enabled"})

    return work


def _switch_relation(connection: Connection[TupleRow], relation: Relation, *, on: bool) -> None:
    for event in EVENTS:
        connection.execute(
            sql.SQL("alter table {} {} trigger {}").format(
                _qualified(relation), sql.SQL("enable" if on else "disable"), sql.Identifier(f"caas_mark_{event}")
            )
        )


def _migrating(ledger: Ledger, file: SqlFile) -> Work:
    def work(connection: Connection[TupleRow]) -> None:
        if file.stem < FIRST_OF_THE_SCHEMA:
            connection.execute(f"set local search_path = {_old_home(connection)}, pg_temp".encode())
        connection.execute(file.text.encode())
        ledger.record(file.name, file.sha256)
        ledger.close()

    return work


def _old_home(connection: Connection[TupleRow]) -> str:
    """Where the migrations from before the schema put what they make: public, if one of them did so already."""
    where = home(connection) or ""
    return where.split(".", maxsplit=1)[0]


def _removing(ledger: Ledger) -> Work:
    def work(connection: Connection[TupleRow]) -> None:
        connection.execute(ledger.sql["drop_readers_view"])
        connection.execute(ledger.sql["drop_schema"])

    return work


def _undoing(ledger: Ledger, file: SqlFile) -> Work:
    def work(connection: Connection[TupleRow]) -> None:
        if file.stem < FIRST_OF_THE_SCHEMA:
            connection.execute(f"set local search_path = {_old_home(connection)}, pg_temp".encode())
        connection.execute(file.rollback.encode())
        ledger.forget(file.name)

    return work


def _retired(shipped: Shipped, installed: Mapping[str, str], kind: str) -> list[SqlFile]:
    """What an earlier release installed and this one no longer has."""
    present = {file.name for file in (*shipped.views, *shipped.functions, *shipped.triggers)}
    return [SqlFile(name, Path(name)) for name in installed if name.startswith(f"{kind}/") and name not in present]


def _drop_bridge(ledger: Ledger) -> None:
    """Drop the view that migration 0008 leaves for writes that waited while the marks moved.

    Only now: to attach the triggers, each table was locked against writes since, so that none of those is left.
    """
    row = ledger.connection.execute(ledger.sql["has_bridge"]).fetchone()
    if row and row[0]:
        ledger.patiently(None, lambda connection: connection.execute(ledger.sql["drop_bridge"]))


def _retire(ledger: Ledger, shipped: Shipped, installed: Mapping[str, str]) -> int:
    tables, functions, views = (_retired(shipped, installed, kind) for kind in ("triggers", "functions", "views"))
    present = catalog.functions(ledger.connection)
    for table in tables:
        _detach(ledger, table.stem)
    with ledger.transaction() as connection:
        for table in tables:
            _drop_watch(ledger, connection, table)
        for function in functions:
            if function.stem in present:
                ledger.say(f"drop {function.stem}")
            _drop_function(ledger, connection, function)
        for view in views:
            ledger.say(f"drop source view {view.stem}")
            _drop_view(ledger, connection, view)
            connection.execute(ledger.sql["forget_view"], {"name": f"source_{view.stem}"})
    return len(tables) + len(functions) + len(views)


def _detach(ledger: Ledger, watched: str) -> None:
    for relation in catalog.relations(ledger.connection, watched):
        if relation.triggers:
            ledger.say(f"leave {relation.name}")
            ledger.patiently(relation.name, _detaching(relation))


def _detaching(relation: Relation) -> Work:
    def work(connection: Connection[TupleRow]) -> None:
        for event in EVENTS:
            connection.execute(
                sql.SQL("drop trigger if exists {} on {}").format(
                    sql.Identifier(f"caas_mark_{event}"), _qualified(relation)
                )
            )

    return work


def _drop_watch(ledger: Ledger, connection: Connection[TupleRow], table: SqlFile) -> None:
    connection.execute(sql.SQL("drop function if exists {}").format(_ours(f"mark_{table.stem}")))
    ledger.forget(table.name)


def _drop_function(ledger: Ledger, connection: Connection[TupleRow], function: SqlFile) -> None:
    connection.execute(sql.SQL("drop function if exists {}").format(_ours(function.stem)))
    ledger.forget(function.name)


def _drop_view(ledger: Ledger, connection: Connection[TupleRow], view: SqlFile) -> None:
    connection.execute(sql.SQL("drop view if exists {}").format(_ours(f"source_{view.stem}")))
    ledger.forget(view.name)


def _ours(name: str) -> sql.Identifier:
    return sql.Identifier("caas", name)


def _qualified(relation: Relation) -> sql.SQL:
    # regclass::text, quoted and qualified where needed by the server itself
    return sql.SQL(relation.name)
