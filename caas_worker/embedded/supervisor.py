"""The process that keeps the embedded server: `python -m caas_worker.embedded.supervisor ORDER`.

It starts PostgreSQL as its child, watches the users' lock, and stops the server when nobody has held it for a while.
It never asks who the users are: the kernel takes the lock back from whoever ends. The same goes for the supervisor.
When it is killed, PostgreSQL gets SIGINT from the kernel (on Linux) and its own locks say how far its end has come.
"""

import contextlib
import ctypes
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from types import FrameType

from caas_worker.embedded.account import Account, server_account
from caas_worker.embedded.cluster import await_end_of_earlier_server, clear_socket, is_ready, prepare
from caas_worker.embedded.folder import PORT, Folder, make_socket_dir
from caas_worker.embedded.locks import lock_now, open_lock, unlock
from caas_worker.embedded.messages import Order, Report
from caas_worker.embedded.programs import Programs
from caas_worker.errors import EmbeddedServerError

WATCH_SECONDS = 0.25
READY_POLL_SECONDS = 0.01
# Crash recovery replays at most max_wal_size, 1 GB; pg_ctl gives up after 60 seconds.
READY_SECONDS = 180
# SIGINT writes a checkpoint first; SIGQUIT leaves that to the next start; SIGKILL to a server that hears neither.
STOPS = ((signal.SIGINT, 60.0), (signal.SIGQUIT, 10.0), (signal.SIGKILL, 10.0))
PR_SET_PDEATHSIG = 1


def main() -> None:
    """Leave the starter's process tree, then supervise. The exit status says whether that much went well."""
    order = Order.from_json(sys.argv[1])
    os.set_inheritable(order.lock, False)
    if os.fork():
        os._exit(0)
    signal.signal(signal.SIGTERM, _leave)
    signal.signal(signal.SIGINT, _leave)
    folder = Folder(Path(order.folder))
    users = open_lock(folder.users_lock)
    try:
        supervise(order, folder, users)
    except (EmbeddedServerError, OSError) as error:
        Report(os.getpid(), failure=str(error)).write(folder.report)


def supervise(order: Order, folder: Folder, users: int) -> None:
    """Run one server from its preparation to its end; return holding the users' lock if the end was for want of them.

    Raises:
        EmbeddedServerError: the server could not be started.
    """
    sentences: list[str] = []

    def tell(sentence: str) -> None:
        sentences.append(sentence)
        Report(os.getpid(), sentences=tuple(sentences)).write(folder.report)

    account = server_account()
    programs = Programs(Path(order.bin_dir), order.version)
    server_lock = await_end_of_earlier_server(folder, tell)

    def launch(command: list[str]) -> "subprocess.Popen[bytes]":
        return _launch(command, folder, account, server_lock)

    prepare(folder, programs, account, launch, tell, sync=order.options.get("fsync") != "off")
    socket_dir = make_socket_dir(folder, account)
    clear_socket(socket_dir)
    server = launch(_command(programs, folder, socket_dir, order.options))
    try:
        _await_ready(server, folder)
        Report(os.getpid(), server.pid, str(socket_dir), tuple(sentences)).write(folder.report)
        _watch(server, folder, users, order.grace_seconds)
    finally:
        # First the report: from here on whoever looks waits for our locks, which go with this process.
        folder.report.unlink(missing_ok=True)
        _stop(server)
        with contextlib.suppress(OSError):
            socket_dir.rmdir()


def _watch(server: "subprocess.Popen[bytes]", folder: Folder, users: int, grace_seconds: float) -> None:
    """Return when the server ended by itself, when its folder is gone, or, holding the lock, when nobody uses it."""
    unused_since: float | None = None
    while server.poll() is None and _still_there(folder.users_lock, users):
        if lock_now(users):
            now = time.monotonic()
            unused_since = now if unused_since is None else unused_since
            if now - unused_since >= grace_seconds:
                return
            unlock(users)
        else:
            unused_since = None
        time.sleep(WATCH_SECONDS)


def _still_there(path: Path, descriptor: int) -> bool:
    """Whether the path still leads to the open file: users of a folder made anew would hold another file's lock."""
    try:
        return os.path.samestat(path.stat(), os.fstat(descriptor))
    except OSError:
        return False


def _await_ready(server: "subprocess.Popen[bytes]", folder: Folder) -> None:
    deadline = time.monotonic() + READY_SECONDS
    while not is_ready(folder.pgdata, server.pid):
        if server.poll() is not None:
            raise EmbeddedServerError("PostgreSQL ended while it was starting.")
        if time.monotonic() > deadline:
            raise EmbeddedServerError(f"PostgreSQL did not get ready within {READY_SECONDS} seconds.")
        time.sleep(READY_POLL_SECONDS)


def _stop(server: "subprocess.Popen[bytes]") -> None:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    for signal_number, seconds in STOPS:
        server.send_signal(signal_number)
        with contextlib.suppress(subprocess.TimeoutExpired):
            server.wait(seconds)
            return


def _command(programs: Programs, folder: Folder, socket_dir: Path, options: dict[str, str]) -> list[str]:
    """The server's command line. The last of two equal settings counts: what keeps it private stands last."""
    settings = options | {
        "listen_addresses": "",
        "unix_socket_directories": str(socket_dir),
        "unix_socket_permissions": "0700",
        "port": str(PORT),
        "logging_collector": "off",
        "log_destination": "stderr",
    }
    words = [word for name, value in settings.items() for word in ("-c", f"{name}={value}")]
    return [str(programs.bin_dir / "postgres"), "-D", str(folder.pgdata), *words]


def _launch(command: list[str], folder: Folder, account: Account, server_lock: int) -> "subprocess.Popen[bytes]":
    """Start a child that dies with this process and shares the server's lock with all its own children.

    Only the main thread may call this: the kernel sends the death signal when the thread that forked ends.
    """
    with folder.log.open("ab") as log:
        return subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            cwd="/",
            pass_fds=(server_lock,),
            preexec_fn=_death_signal(os.getpid()),
            **account.run_as(),
        )


def _death_signal(parent: int) -> Callable[[], None] | None:
    """What the child does before exec, and after it has become its own user: a change of user clears the signal."""
    if sys.platform != "linux":
        return None
    prctl = ctypes.CDLL(None, use_errno=True).prctl

    def ask() -> None:
        if prctl(PR_SET_PDEATHSIG, signal.SIGINT, 0, 0, 0) != 0 or os.getppid() != parent:
            os._exit(1)

    return ask


def _leave(_signal: int, _frame: FrameType | None) -> None:
    sys.exit(0)


if __name__ == "__main__":
    main()
