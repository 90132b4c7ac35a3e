"""Settings: read once, refused in words, frozen."""

from pathlib import Path

import pytest
from pydantic import ValidationError

from caas_worker.errors import SettingsError
from caas_worker.settings import Settings

pytestmark = pytest.mark.quick


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty working folder: the developer's own .env does not leak in."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_defaults_are_complete() -> None:
    settings = Settings.load()
    assert settings.database_url is None
    assert (settings.batch_size, settings.lease_seconds, settings.max_attempts) == (100, 60, 4)


def test_environment_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CAAS_DATABASE_URL", "postgresql://somewhere/marketplace")
    monkeypatch.setenv("CAAS_BATCH_SIZE", "7")
    monkeypatch.setenv("CAAS_FOLLOW_PROFILES", "false")
    monkeypatch.setenv("SENTRY_DSN", "https://key@sentry.test/1")
    settings = Settings.load()
    assert settings.database_url is not None
    assert settings.database_url.get_secret_value() == "postgresql://somewhere/marketplace"
    assert (settings.batch_size, settings.follow_profiles) == (7, False)
    assert settings.sentry_dsn is not None


def test_env_file_is_read_and_the_environment_wins(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (folder / ".env").write_text("# ours\nexport CAAS_BATCH_SIZE=9\nCAAS_POOL_SIZE='3'\nOTHER_PROGRAMS=own\n")
    monkeypatch.setenv("CAAS_POOL_SIZE", "5")
    settings = Settings.load()
    assert (settings.batch_size, settings.pool_size) == (9, 5)


def test_an_empty_value_is_no_value(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CAAS_DATABASE_URL", "")
    monkeypatch.setenv("CAAS_BATCH_SIZE", "")
    settings = Settings.load()
    assert (settings.database_url, settings.batch_size) == (None, 100)


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("CAAS_BATCH_SIZ", "CAAS_BATCH_SIZE"),
        ("CAAS_DATABSE_URL", "CAAS_DATABASE_URL"),
        ("CAAS_DATABASE", "CAAS_DATABASE_URL"),
        ("CAAS_LEASE_SECOND", "CAAS_LEASE_SECONDS"),
        ("CAAS_FOLLOW_PROFILE", "CAAS_FOLLOW_PROFILES"),
    ],
)
def test_an_unknown_name_is_refused_with_the_nearest_one(
    monkeypatch: pytest.MonkeyPatch, written: str, meant: str
) -> None:
    monkeypatch.setenv(written, "1")
    with pytest.raises(SettingsError, match=f"{written} is no setting.* Did you mean {meant}\\?"):
        Settings.load()


def test_a_name_that_resembles_nothing_is_refused_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CAAS_XYZZY", "1")
    with pytest.raises(SettingsError, match=r"CAAS_XYZZY is no setting.*caas-worker settings"):
        Settings.load()


def test_unknown_names_in_the_env_file_are_refused_too(folder: Path) -> None:
    (folder / ".env").write_text("CAAS_BATCH_SIZ=9\n")
    with pytest.raises(SettingsError, match="Did you mean CAAS_BATCH_SIZE"):
        Settings.load()


@pytest.mark.parametrize(
    "name",
    [
        "CAAS_TEST_DATABASE_URL",
        "CAAS_TEST_ANYTHING",
        "CAAS_SERVICE_HOST",
        "CAAS_SERVICE_PORT",
        "CAAS_SERVICE_PORT_HTTP",
        "CAAS_PORT",
        "CAAS_PORT_8000_TCP",
        "CAAS_PORT_8000_TCP_PROTO",
        "CAAS_PORT_8000_TCP_PORT",
        "CAAS_PORT_8000_TCP_ADDR",
        "CAAS_PORT_53_UDP_ADDR",
        "CAAS_WORKER_SERVICE_HOST",
        "CAAS_WORKER_SERVICE_PORT",
        "CAAS_WORKER_SERVICE_PORT_METRICS",
        "CAAS_WORKER_PORT",
        "CAAS_WORKER_PORT_8000_TCP_ADDR",
        "CAAS_READ_API_PORT_80_TCP",
    ],
)
def test_names_of_tests_and_what_kubernetes_injects_are_let_through(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.setenv(name, "tcp://10.0.0.7:8000")
    assert Settings.load() == Settings()


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("CAAS_BATCH_SIZE", "many"),
        ("CAAS_BATCH_SIZE", "0"),
        ("CAAS_BATCH_SIZE", "10001"),
        ("CAAS_BATCH_SIZE", "1.5"),
        ("CAAS_POLL_INTERVAL", "0"),
        ("CAAS_POLL_INTERVAL", "nan"),
        ("CAAS_LEASE_SECONDS", "inf"),
        ("CAAS_MAX_ATTEMPTS", "0"),
        ("CAAS_BACKOFF_SECONDS", "-1"),
        ("CAAS_FOLLOW_PROFILES", "perhaps"),
    ],
)
def test_a_bad_value_is_refused_in_a_sentence_that_names_it(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str
) -> None:
    monkeypatch.setenv(name, value)
    with pytest.raises(SettingsError) as refused:
        Settings.load()
    message = str(refused.value)
    assert message.startswith(f"{name}: ")
    assert repr(value) in message
    assert "\n" not in message
    assert refused.value.__suppress_context__, "the library's own traceback would be shown"


def test_every_bad_value_is_named_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CAAS_BATCH_SIZE", "0")
    monkeypatch.setenv("CAAS_POOL_SIZE", "0")
    with pytest.raises(SettingsError) as refused:
        Settings.load()
    assert [line.partition(":")[0] for line in str(refused.value).splitlines()] == ["CAAS_BATCH_SIZE", "CAAS_POOL_SIZE"]


def test_an_env_file_that_is_no_text_is_refused_in_a_sentence(folder: Path) -> None:
    (folder / ".env").write_bytes(b"CAAS_BATCH_SIZE=\xff\xfe\n")
    with pytest.raises(SettingsError, match=r"\.env"):
        Settings.load()


def test_settings_can_not_be_changed() -> None:
    with pytest.raises(ValidationError):
        Settings.load().batch_size = 7


def test_secrets_are_not_printed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CAAS_DATABASE_URL", "postgresql://u:hunter2@somewhere/marketplace")
    monkeypatch.setenv("SENTRY_DSN", "https://hunter2@sentry.test/1")
    assert "hunter2" not in repr(Settings.load()) + str(Settings.load())
    monkeypatch.setenv("CAAS_BATCH_SIZE", "0")
    with pytest.raises(SettingsError) as refused:
        Settings.load()
    assert "hunter2" not in str(refused.value)


def test_every_setting_says_what_it_is() -> None:
    silent = [name for name, field in Settings.model_fields.items() if not (field.description or "").endswith(".")]
    assert silent == []


def test_variables_are_named_after_the_settings() -> None:
    variables = Settings.variables()
    assert variables["CAAS_BATCH_SIZE"] == "batch_size"
    assert variables["SENTRY_DSN"] == "sentry_dsn"
    assert set(variables.values()) == set(Settings.model_fields)
