"""The data folder: made whole or not at all, and put right after a crash. Its callers hold the supervisor's lock."""

import contextlib
import locale
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

from caas_worker.embedded.account import Account
from caas_worker.embedded.folder import PORT, Folder
from caas_worker.embedded.locks import lock_now, open_lock
from caas_worker.embedded.programs import Programs
from caas_worker.errors import EmbeddedServerError

INITDB_SECONDS = 300
POLL_SECONDS = 0.02
# How the processes of an earlier server are asked to go, and how long each way is given.
GOODBYES = ((signal.SIGINT, 30.0), (signal.SIGQUIT, 15.0))

Tell = Callable[[str], None]
Launch = Callable[[list[str]], "subprocess.Popen[bytes]"]


def await_end_of_earlier_server(folder: Folder, tell: Tell) -> int:
    """A descriptor that holds the server's lock, once no process of an earlier server is alive.

    Raises:
        EmbeddedServerError: some would not end.
    """
    descriptor = open_lock(folder.server_lock)
    if lock_now(descriptor):
        return descriptor
    tell("Processes of an earlier embedded server are still there; waiting for them to end.")
    for goodbye, seconds in GOODBYES:
        deadline = time.monotonic() + seconds
        if (postmaster := live_postmaster(folder.pgdata)) is not None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(postmaster, goodbye)
        while time.monotonic() < deadline:
            if lock_now(descriptor):
                return descriptor
            time.sleep(POLL_SECONDS)
    os.close(descriptor)
    raise EmbeddedServerError(f"Processes of an earlier server still use {folder.pgdata} and would not end.")


def prepare(folder: Folder, programs: Programs, account: Account, launch: Launch, tell: Tell, *, sync: bool) -> None:
    """Leave a data folder that a server can start on. The caller holds the server's lock as well.

    Raises:
        EmbeddedServerError: initdb failed, or somebody runs a server on the folder by hand.
    """
    if folder.half_made.exists():
        tell(f"An earlier set-up in {folder.half_made} was interrupted; making it anew.")
        shutil.rmtree(folder.half_made)
    if folder.pgdata.exists() and not is_whole(folder.pgdata):
        aside = folder.path / f"pgdata.broken-{time.strftime('%Y%m%dT%H%M%S')}-{os.getpid()}"
        folder.pgdata.rename(aside)
        tell(f"The data in {folder.pgdata} is incomplete; it is kept in {aside} and a new server is set up.")
    if not folder.pgdata.exists():
        _initialise(folder, programs, account, launch, tell, sync=sync)
    elif (folder.pgdata / "postmaster.pid").exists():
        _clear_stale_locks(folder, tell)


def is_whole(pgdata: Path) -> bool:
    """Whether a data folder has what PostgreSQL can't start without.

    Raises:
        OSError: that can't be told. What can't be read is not therefore missing.
    """
    try:
        for needed in ("PG_VERSION", "global/pg_control"):
            (pgdata / needed).stat()
    except (FileNotFoundError, NotADirectoryError):
        return False
    return True


def is_ready(pgdata: Path, postmaster: int) -> bool:
    """Whether this postmaster accepts connections, by the last line of its own lock file (what pg_ctl looks at)."""
    lines = _lock_lines(pgdata)
    return len(lines) >= 8 and lines[0].strip() == str(postmaster) and lines[7].strip() == "ready"


def live_postmaster(pgdata: Path) -> int | None:
    """The process that the data folder's lock file names, if it is alive and really a server on this folder.

    A number alone proves nothing: after a reboot, or in a container, it is soon some other process's.
    """
    first = "".join(_lock_lines(pgdata)[:1]).strip()
    if not first.isdecimal():
        return None
    try:
        if sys.platform == "linux":
            return int(first) if os.readlink(f"/proc/{first}/cwd") == str(pgdata) else None
        command = subprocess.run(["ps", "-o", "command=", "-p", first], capture_output=True, text=True).stdout
        return int(first) if "postgres" in command and str(pgdata) in command else None
    except OSError:
        return None


def _initialise(
    folder: Folder, programs: Programs, account: Account, launch: Launch, tell: Tell, *, sync: bool
) -> None:
    if others := sorted(path.parent for path in folder.path.parent.glob("*/pgdata")):
        tell(
            f"There is data of another PostgreSQL version in {', '.join(map(str, others))}; version {programs.major} "
            "can't use it. Set CAAS_POSTGRES_BIN to programs of that version to go on with it."
        )
    tell(f"Setting up PostgreSQL {programs.version} in {folder.path}; this takes a few seconds, once.")
    folder.half_made.mkdir(mode=0o700)
    account.give(folder.half_made)
    command = [str(programs.bin_dir / "initdb"), "-D", str(folder.half_made), "--username=postgres", "--auth=trust"]
    command += ["--encoding=UTF8", *_locale(programs.major), *([] if sync else ["--no-sync"])]
    with launch(command) as initdb:
        try:
            initdb.wait(INITDB_SECONDS)
        except subprocess.TimeoutExpired:
            initdb.kill()
        except BaseException:
            initdb.kill()
            raise
    if initdb.returncode != 0 or not is_whole(folder.half_made):
        raise EmbeddedServerError(f"PostgreSQL could not be set up in {folder.half_made}.")
    folder.half_made.rename(folder.pgdata)
    _sync_folder(folder.path)


def _locale(major: int) -> list[str]:
    """Text in the order of its code points, the same everywhere; upper and lower for all letters where that can be."""
    if major >= 17:
        return ["--locale=C", "--locale-provider=builtin", "--builtin-locale=C.UTF-8"]
    before = locale.setlocale(locale.LC_CTYPE)
    try:
        locale.setlocale(locale.LC_CTYPE, "C.UTF-8")
    except locale.Error:
        return ["--locale=C"]
    locale.setlocale(locale.LC_CTYPE, before)
    return ["--locale=C", "--lc-ctype=C.UTF-8"]


def _clear_stale_locks(folder: Folder, tell: Tell) -> None:
    """PostgreSQL would take a stale lock file for a live one when its number is some other process's by now."""
    if (postmaster := live_postmaster(folder.pgdata)) is not None:
        raise EmbeddedServerError(
            f"Somebody started a PostgreSQL (process {postmaster}) on {folder.pgdata} by hand. "
            f"Stop it: kill -INT {postmaster}"
        )
    tell("The embedded server was not closed in order last time; PostgreSQL puts its data right from its own log.")
    (folder.pgdata / "postmaster.pid").unlink()


def clear_socket(socket_dir: Path) -> None:
    """Remove an earlier server's socket and its lock file, which name a process as postmaster.pid does."""
    for name in (f".s.PGSQL.{PORT}", f".s.PGSQL.{PORT}.lock"):
        (socket_dir / name).unlink(missing_ok=True)


def _lock_lines(pgdata: Path) -> list[str]:
    try:
        return (pgdata / "postmaster.pid").read_text(errors="replace").splitlines()
    except OSError:
        return []


def _sync_folder(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
