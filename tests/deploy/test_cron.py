"""The crontab: lines that cron reads, commands that are there, and the same by HTTP."""

import http.server
import re
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.deploy.tools import DEPLOY, accepts, called, tool, understood

CRON = (DEPLOY / "cron/caas-worker.cron").read_text(encoding="utf-8")
ENTRY = re.compile(r"^#?(?P<when>(?:[\d*/,-]+ ){5})(?P<user>\S+) (?P<command>.+)$")
FIELDS = ((0, 59), (0, 23), (1, 31), (1, 12), (0, 7))


def entries() -> list[re.Match[str]]:
    return [found for line in CRON.splitlines() if (found := ENTRY.match(line))]


every_entry = pytest.mark.parametrize("entry", entries(), ids=lambda entry: entry["command"][-20:])


def test_cron_knows_every_line() -> None:
    for line in CRON.splitlines():
        assert not line or ENTRY.match(line) or re.match(r"^(# .*|#|[A-Z]+=\S*)$", line), line
    assert [entry["command"].startswith("curl") for entry in entries()] == [False, False, False, True]
    assert sum(line.startswith("#") and bool(ENTRY.match(line)) for line in CRON.splitlines()) == 1


@every_entry
def test_cron_calls_commands_that_there_are(entry: re.Match[str]) -> None:
    for field, (low, high) in zip(entry["when"].split(), FIELDS, strict=True):
        assert field == "*" or low <= int(field) <= high
    assert entry["user"] == "caas"
    assert "%" not in entry["command"], "cron makes a line end of it"
    accepts("sh", "-n", "-c", entry["command"])
    calls = called(entry["command"])
    for words in calls:
        understood(words)
    assert len(calls) == (not entry["command"].startswith("curl"))


def test_one_drain_at_a_time_that_ends_within_its_minute() -> None:
    (drain,) = (entry["command"] for entry in entries() if "caas-worker drain" in entry["command"])
    assert "flock -n " in drain
    ((_, option, seconds),) = called(drain)
    assert option == "--max-seconds"
    assert float(seconds) < 60


class Listener(http.server.BaseHTTPRequestHandler):
    """Keeps what it is asked, and answers as the service does."""

    asked: list[tuple[str, str, str | None]]

    def do_POST(self) -> None:
        self.asked.append((self.command, self.path, self.headers["Authorization"]))
        self.send_response(200)
        self.send_header("Content-Length", "2")
        self.end_headers()
        self.wfile.write(b"{}")

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.fixture
def listener() -> Iterator[http.server.ThreadingHTTPServer]:
    Listener.asked = []
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Listener) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def test_cron_by_http_sends_the_key(listener: http.server.ThreadingHTTPServer, tmp_path: Path) -> None:
    tool("curl")
    assert "#     Authorization: Bearer KEY\n" in CRON
    (tmp_path / "authorization").write_text("Authorization: Bearer KEY\n")
    (entry,) = (entry for entry in entries() if entry["command"].startswith("curl"))
    command = entry["command"].partition(" 2>&1")[0]
    command = command.replace("/etc/caas-worker", str(tmp_path)).replace(":8000", f":{listener.server_port}")
    assert accepts("sh", "-c", command) == "{}"
    assert Listener.asked == [("POST", "/api/caas/worker/process-queue", "Bearer KEY")]


@pytest.mark.parametrize(
    ("shell", "words"),
    [
        ("a; caas-worker sweep 2>&1 | logger -t x", [["sweep"]]),
        ("flock -n f /opt/caas-worker drain --max-seconds 50 > f", [["drain", "--max-seconds", "50"]]),
        ("{ caas-worker audit --all || echo 1; } && caas-worker run", [["audit", "--all"], ["run"]]),
    ],
)
def test_commands_in_a_line_of_shell(shell: str, words: list[list[str]]) -> None:
    assert called(shell) == words
