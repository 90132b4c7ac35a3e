"""Several workers on one host: a process each, restarted when one falls, all ended in order by one signal."""

import logging
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

RESTART_PAUSE_SECONDS = 1.0
LOOK_SECONDS = 0.2

log = logging.getLogger(__name__)


@dataclass
class Fleet:
    """`size` processes of one command."""

    command: Sequence[str]
    size: int
    environment: dict[str, str]
    _processes: list[subprocess.Popen[bytes]] = field(default_factory=list)

    @classmethod
    def of_workers(cls, size: int, conninfo: str, further: Mapping[str, str] | None = None) -> "Fleet":
        """Workers on a database; each ends when this process does.

        Args:
            further: variables of their environment.
        """
        return cls(
            command=[sys.executable, "-m", "caas_worker", "run", "--workers", "1", "--of", str(os.getpid())],
            size=size,
            environment={**os.environ, "CAAS_DATABASE_URL": conninfo, **(further or {})},
        )

    def run(self, stop: threading.Event) -> None:
        """Keep all running until `stop` is set, then end each as SIGTERM does and wait for it."""
        self.start()
        while not stop.wait(LOOK_SECONDS):
            for place, process in enumerate(self._processes):
                if process.poll() is not None:
                    log.error("worker %d ended with %s; starting another", process.pid, process.returncode)
                    if stop.wait(RESTART_PAUSE_SECONDS):
                        break
                    self._processes[place] = self._spawn()
        self.end()

    def start(self) -> None:
        """Start all."""
        self._processes = [self._spawn() for _ in range(self.size)]

    def end(self, patience_seconds: float = 60) -> None:
        """Ask all to finish their batch and leave; kill who does not."""
        for process in self._processes:
            if process.poll() is None:
                process.send_signal(signal.SIGTERM)
        deadline = time.monotonic() + patience_seconds
        for process in self._processes:
            try:
                process.wait(max(0.1, deadline - time.monotonic()))
            except subprocess.TimeoutExpired:
                log.error("worker %d did not leave in %.0f s; killing it", process.pid, patience_seconds)
                process.kill()
                process.wait()

    @property
    def pids(self) -> list[int]:
        return [process.pid for process in self._processes]

    def _spawn(self) -> subprocess.Popen[bytes]:
        # a session of its own: Ctrl-C at the terminal is this process's to pass on, once
        return subprocess.Popen(self.command, env=self.environment, stdin=subprocess.DEVNULL, start_new_session=True)
