"""Starts the server unless somebody has, and waits until it answers."""

import os
import socket
import struct
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import IO

from caas_worker.embedded.account import Account
from caas_worker.embedded.folder import PORT, Folder
from caas_worker.embedded.locks import locked, open_locked
from caas_worker.embedded.messages import Order, Report
from caas_worker.embedded.programs import Programs, reachable_programs
from caas_worker.errors import EmbeddedServerError

POLL_SECONDS = 0.02
ANSWER_SECONDS = 5
# SSLRequest of the frontend/backend protocol: its length and its code.
TLS_REQUEST = struct.pack("!ii", 8, 80877103)
LOG_KEEP_BYTES = 10_000_000


def take_hold(folder: Folder, deadline: float, say: Callable[[str], None]) -> int:
    """A descriptor with a share in the users' lock. Once we have it no supervisor can decide that nobody is there."""
    patience = time.monotonic() + 1
    while (hold := open_locked(folder.users_lock, shared=True)) is None:
        now = time.monotonic()
        if now > deadline:
            raise EmbeddedServerError(_with_log(f"An earlier server in {folder.path} does not end.", folder))
        if now > patience:
            say("The embedded server is just ending; waiting to start it again.")
            patience = deadline
        time.sleep(POLL_SECONDS)
    return hold


@dataclass
class Starter:
    """One user's attempt. The user has a hold already, so a server that is there will not go away."""

    folder: Folder
    programs: Programs
    account: Account
    options: dict[str, str]
    grace_seconds: float
    say: Callable[[str], None]
    said: int = 0
    ordered: bool = False

    def await_server(self, deadline: float) -> Report:
        """The report of a server that answers.

        Raises:
            EmbeddedServerError: it failed to start, or took longer than the deadline.
        """
        while time.monotonic() < deadline:
            report = self._look_or_order()
            if report is not None:
                if self.ordered or report.postmaster is None:
                    self._say_news(report)
                if report.postmaster is not None and _answers(report.socket_dir):
                    return report
            time.sleep(POLL_SECONDS)
        raise EmbeddedServerError(_with_log("The embedded server did not get ready in time.", self.folder))

    def _look_or_order(self) -> Report | None:
        """What the living supervisor reports so far; where there is none, order one."""
        with locked(self.folder.start_lock):
            lock = open_locked(self.folder.supervisor_lock)
            report = Report.read(self.folder.report)
            if lock is None:
                return report
            try:
                if self.ordered:
                    failure = report and report.failure
                    raise EmbeddedServerError(
                        _with_log(failure or "The embedded server's supervisor ended unexpectedly.", self.folder)
                    )
                if report is not None and report.postmaster is not None:
                    self.say("The embedded server's supervisor was killed; starting the server again.")
                self.folder.report.unlink(missing_ok=True)
                self._order(lock)
                self.ordered = True
            finally:
                os.close(lock)
        return None

    def _order(self, lock: int) -> None:
        programs = reachable_programs(self.programs, self.account, self.folder.path)
        order = Order(
            str(self.folder.path), str(programs.bin_dir), programs.version, self.grace_seconds, lock, self.options
        )
        # PG* variables are settings of the user's own connections; some of them would reach the server too.
        environment = {name: value for name, value in os.environ.items() if not name.startswith("PG")}
        environment["PYTHONPATH"] = os.pathsep.join(os.path.abspath(entry) for entry in sys.path)
        with _open_log(self.folder) as log:
            done = subprocess.run(
                [sys.executable, "-P", "-m", "caas_worker.embedded.supervisor", order.to_json()],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd="/",
                env=environment,
                start_new_session=True,
                pass_fds=(lock,),
            )
        if done.returncode != 0:
            raise EmbeddedServerError(_with_log("The embedded server's supervisor could not be started.", self.folder))

    def _say_news(self, report: Report) -> None:
        for sentence in report.sentences[self.said :]:
            self.say(sentence)
        self.said = max(self.said, len(report.sentences))


def _answers(socket_dir: str) -> bool:
    """Whether a server answers: a report outlives for a moment a server that was killed, and so does its socket.

    To connect proves nothing, the kernel does that alone. To "do you speak TLS?" only a live server says N or S.
    """
    with socket.socket(socket.AF_UNIX) as probe:
        probe.settimeout(ANSWER_SECONDS)
        try:
            probe.connect(f"{socket_dir}/.s.PGSQL.{PORT}")
            probe.sendall(TLS_REQUEST)
            return probe.recv(1) in (b"N", b"S")
        except OSError:
            return False


def _open_log(folder: Folder) -> IO[bytes]:
    """The server's log, to append to; the one before is kept once it is long."""
    if folder.log.exists() and folder.log.stat().st_size > LOG_KEEP_BYTES:
        folder.log.replace(folder.log.with_suffix(".log.1"))
    return os.fdopen(os.open(folder.log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600), "ab")


def _with_log(message: str, folder: Folder) -> str:
    return f"{message} The end of {folder.log}:\n{folder.log_tail()}"
