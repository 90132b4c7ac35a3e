"""The embedded server's folder: where it is, what lies in it, and where its socket goes.

<data_dir>/18/        one folder per major version of PostgreSQL
    pgdata/           the data; pgdata.new while it is being made
    socket/           the server's socket, unless the path is too long for one
    users.lock        held shared by everyone who uses the server
    start.lock        held for a moment by whoever looks whether to start it
    supervisor.lock   held by the supervisor as long as it lives
    server.lock       held by the supervisor and every process of its PostgreSQL
    report.json       what the supervisor has to say
    server.log        what PostgreSQL has to say
"""

import hashlib
import os
import re
import stat
from dataclasses import dataclass
from pathlib import Path

from caas_worker.embedded.account import ROOT, Account, first_closed_folder
from caas_worker.errors import EmbeddedServerError

PORT = 5432
# A socket's path may have 103 bytes on macOS and 107 on Linux.
LONGEST_SOCKET_PATH = 103
# Anything else would need quoting in unix_socket_directories, in a connection string, or in both.
_PLAIN_PATH = re.compile(r"[\w./+-]+", re.ASCII)


@dataclass(frozen=True)
class Folder:
    """The folder of one major version."""

    path: Path

    @property
    def pgdata(self) -> Path:
        return self.path / "pgdata"

    @property
    def half_made(self) -> Path:
        return self.path / "pgdata.new"

    @property
    def users_lock(self) -> Path:
        return self.path / "users.lock"

    @property
    def start_lock(self) -> Path:
        return self.path / "start.lock"

    @property
    def supervisor_lock(self) -> Path:
        return self.path / "supervisor.lock"

    @property
    def server_lock(self) -> Path:
        return self.path / "server.lock"

    @property
    def report(self) -> Path:
        return self.path / "report.json"

    @property
    def log(self) -> Path:
        return self.path / "server.log"

    def log_tail(self, lines: int = 15) -> str:
        """The last lines of the server's log."""
        try:
            return "\n".join(self.log.read_text(errors="replace").splitlines()[-lines:])
        except OSError as error:
            return str(error)


def default_data_dir() -> Path:
    """Where data goes when CAAS_DATA_DIR is unset: /var/lib/caas-worker for root, else a folder of this user's.

    Raises:
        EmbeddedServerError: this user has no home folder.
    """
    if os.geteuid() == ROOT:
        return Path("/var/lib/caas-worker")
    named = Path(os.environ.get("XDG_DATA_HOME", ""))
    try:
        base = named if named.is_absolute() else Path.home() / ".local" / "share"
    except RuntimeError:
        raise EmbeddedServerError("This user has no home folder. Set CAAS_DATA_DIR to a folder of theirs.") from None
    return base / "caas-worker"


def make_folder(data_dir: Path, major: int, account: Account) -> Folder:
    """Make, if missing, and check the folder of one major version.

    Raises:
        EmbeddedServerError: the server's account can't reach it, or it is somebody else's.
    """
    path = data_dir.resolve() / str(major)
    if closed := first_closed_folder(path, account):
        raise EmbeddedServerError(
            f"As root PostgreSQL runs as the user {account.name}, who can't enter {closed}. Set CAAS_DATA_DIR to a "
            "folder that everybody may enter, for instance /var/lib/caas-worker, or run as an ordinary user."
        )
    for folder in (*reversed(path.parents), path):
        if not folder.exists():
            folder.mkdir(exist_ok=True)
            folder.chmod(0o755 if account.switched else 0o700)
    owner = path.stat().st_uid
    if owner != os.geteuid():
        raise EmbeddedServerError(
            f"{path} belongs to the user with number {owner}, not to you. Run as that user, or set CAAS_DATA_DIR to "
            "a folder of your own."
        )
    return Folder(path)


def make_socket_dir(folder: Folder, account: Account) -> Path:
    """The folder for the server's socket, which nobody but the account (and root) may enter: there is no password.

    Raises:
        EmbeddedServerError: a folder of this name is there and isn't ours alone.
    """
    path = socket_dir(folder)
    path.mkdir(mode=0o700, exist_ok=True)
    found = path.lstat()
    ours = stat.S_ISDIR(found.st_mode) and found.st_uid in (os.geteuid(), account.uid)
    if not ours or stat.S_IMODE(found.st_mode) & 0o077:
        raise EmbeddedServerError(f"{path}, meant for the server's socket, is open to others. Remove it.")
    account.give(path)
    return path


def socket_dir(folder: Folder) -> Path:
    """Where the socket goes: into the folder, or under /tmp where the folder's path doesn't fit a socket."""
    inside = folder.path / "socket"
    fits = len(os.fsencode(inside / f".s.PGSQL.{PORT}")) <= LONGEST_SOCKET_PATH
    if fits and _PLAIN_PATH.fullmatch(str(inside)):
        return inside
    name = hashlib.sha256(os.fsencode(folder.path)).hexdigest()[:12]
    return Path("/tmp", f"caas-worker-{os.geteuid()}-{name}")
