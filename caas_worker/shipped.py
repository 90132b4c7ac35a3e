"""The SQL that the product installs: files beside the package in a checkout, inside it in a wheel."""

import hashlib
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

_PACKAGE = Path(__file__).parent

TRIGGER_MAKERS = ("watch", "attach")


def _folder(name: str) -> Path:
    packed = _PACKAGE / "shipped" / name
    return packed if packed.is_dir() else _PACKAGE.parent / name


@dataclass(frozen=True)
class SqlFile:
    """One shipped SQL file. `name` is what the ledger knows it by, `stem` the object or step it is about."""

    name: str
    path: Path
    made_by: tuple["SqlFile", ...] = ()
    """Functions that make something of this file: when one changes, this file is to be replayed, too."""

    @property
    def stem(self) -> str:
        return self.path.stem

    @cached_property
    def text(self) -> str:
        return self.path.read_text(encoding="utf-8")

    @cached_property
    def sha256(self) -> str:
        return hashlib.sha256("".join(file.text for file in (self, *self.made_by)).encode()).hexdigest()

    @property
    def rollback(self) -> str:
        """The SQL that undoes a migration."""
        return self.path.with_suffix(".rollback.sql").read_text(encoding="utf-8")


@dataclass(frozen=True)
class Shipped:
    """Everything that `migrate` installs, each list in the order of installation."""

    migrations: tuple[SqlFile, ...]
    views: tuple[SqlFile, ...]
    functions: tuple[SqlFile, ...]
    triggers: tuple[SqlFile, ...]

    @classmethod
    def load(cls, migrations: Path | None = None, triggers: Path | None = None, views: Path | None = None) -> "Shipped":
        """Read the shipped files, or those of other folders (for tests)."""
        migrations, triggers = migrations or _folder("migrations"), triggers or _folder("triggers")
        views = views or _folder("views")
        functions = tuple(
            SqlFile(f"functions/{path.name}", path) for path in sorted((migrations / "functions").glob("*.sql"))
        )
        makers = tuple(file for file in functions if file.stem in TRIGGER_MAKERS)
        return cls(
            migrations=tuple(
                SqlFile(f"migrations/{path.name}", path)
                for path in sorted(migrations.glob("[0-9]*.sql"))
                if not path.name.endswith(".rollback.sql")
            ),
            views=tuple(SqlFile(f"views/{path.name}", path) for path in sorted(views.glob("*.sql"))),
            functions=functions,
            triggers=tuple(SqlFile(f"triggers/{path.name}", path, makers) for path in sorted(triggers.glob("*.sql"))),
        )
