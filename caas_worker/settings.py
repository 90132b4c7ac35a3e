"""Settings from the environment and `.env`, checked once at the edge; the rest of the code gets a frozen object."""

import difflib
import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Literal, Self

from dotenv import dotenv_values
from pydantic import Field, SecretStr, ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict

from caas_worker.errors import SettingsError

PREFIX = "CAAS_"

# What Kubernetes puts into every container of a namespace that has a service of such a name.
_KUBERNETES_SERVICE = re.compile(
    r"^CAAS_(?:[A-Z0-9_]+_)?(SERVICE_(HOST|PORT)(_[A-Z0-9_]+)?|PORT(_\d+_(TCP|UDP|SCTP)(_(PROTO|PORT|ADDR))?)?)$"
)


class Settings(BaseSettings):
    """What can be set, each with its unit and default. `caas-worker settings` prints the effective values."""

    model_config = SettingsConfigDict(
        env_prefix=PREFIX,
        env_file=".env",
        env_ignore_empty=True,
        frozen=True,
        extra="ignore",
        populate_by_name=True,
    )

    database_url: SecretStr | None = Field(
        default=None, description="Connection string of the marketplace's PostgreSQL; unset: the embedded server."
    )
    data_dir: Path | None = Field(
        default=None, description="Folder of the embedded server; unset: a folder of this user's."
    )
    postgres_bin: Path | None = Field(
        default=None, description="Folder with the embedded server's programs (postgres, initdb); unset: the wheel's."
    )
    batch_size: int = Field(default=100, ge=1, le=10_000, description="Profiles in one batch of a drain.")
    run_batch_size: int = Field(default=500, ge=1, le=10_000, description="Profiles in one batch of `run`.")
    fold_size: int = Field(default=2_000, ge=1, le=100_000, description="Marks folded at a time.")
    poll_interval: float = Field(
        default=0.3, gt=0, le=60, description="Longest pause in seconds between two looks at an idle queue."
    )
    busy_share: float = Field(
        default=0.1,
        gt=0,
        le=1,
        description=(
            "Share of its time that a worker is at work while it keeps up, in rests of up to the poll interval; "
            "after longer turns it is a quarter, with full batches 1."
        ),
    )
    debounce_seconds: float = Field(
        default=0,
        ge=0,
        le=3600,
        description="How long a profile's first change waits for others, to be computed with them; 0: not at all.",
    )
    time_zone: str = Field(
        default="UTC", description="What a day is in the quality scores, as in Europe/London. One for all workers."
    )
    phrases: Path | None = Field(
        default=None, description="TOML file with phrase lists of the first-session rule; unset: our own lists."
    )
    lease_seconds: float = Field(
        default=60, ge=1, le=3600, description="How long a claimed batch stays its worker's before others may take it."
    )
    max_attempts: int = Field(
        default=4, ge=1, le=100, description="Attempts at a profile before it is set aside as dead."
    )
    backoff_seconds: float = Field(
        default=5, ge=0, le=3600, description="Pause before the second attempt; it doubles with each further one."
    )
    statement_timeout: float = Field(default=15, gt=0, le=3600, description="Longest statement, in seconds.")
    sweep_size: int = Field(
        default=100,
        ge=1,
        le=100_000,
        description="Profiles whose time has come that one worker marks in a second; at midnight it is everyone's.",
    )
    pool_size: int = Field(
        default=4,
        ge=1,
        le=100,
        description="Database connections one process may hold; `serve` three more, to compute.",
    )
    heartbeat_seconds: float = Field(default=5, gt=0, le=300, description="How often a worker says that it lives.")
    follow_profiles: bool = Field(
        default=True, description="Copy each total to profiles.caas_score, where that column exists."
    )
    worker_api_key: SecretStr | None = Field(
        default=None,
        description="Keys of the routes that calculate, comma-separated, each valid. Unset: these routes are closed.",
    )
    api_key: SecretStr | None = Field(
        default=None,
        description="Keys of the routes for tutors and sessions, comma-separated, each valid. Unset: they are closed.",
    )
    cors_origins: str = Field(
        default="",
        description="Origins whose pages may call the service from a browser, comma-separated: https://example.org.",
    )
    smtp_url: SecretStr | None = Field(
        default=None,
        description="Mail server: smtp://user:password@host:587 (STARTTLS where offered) or smtps://. Unset: no mail.",
    )
    admin_email: str | None = Field(
        default=None, description="Who gets session reports and alerts by mail. Unset: nobody."
    )
    mail_from: str | None = Field(default=None, description="Sender of the mails; unset: CAAS_ADMIN_EMAIL.")
    tutor_url: str | None = Field(
        default=None, description="A tutor's page, for links in mails: https://example.org/tutors/{profile_id}."
    )
    cold_read_seconds: float = Field(
        default=10, gt=0, le=60, description="How long a read may wait for a score that was never computed."
    )
    drain_seconds: float = Field(
        default=20, gt=0, le=300, description="Longest drain by HTTP, in seconds: less than the caller's own time-out."
    )
    calculations_per_minute: int = Field(
        default=600,
        ge=1,
        le=1_000_000,
        description="Calculations that one key, or one address without a key, may ask the service for in a minute.",
    )
    forwarded_allow_ips: str = Field(
        default="127.0.0.1", description="Addresses of the proxies whose X-Forwarded-For is believed, comma-separated."
    )
    metrics_port: int | None = Field(
        default=None, ge=1, le=65_535, description="Where `run` offers its metrics; unset: nowhere."
    )
    metrics_host: str = Field(default="127.0.0.1", description="Address that `run` offers its metrics at.")
    log_format: Literal["text", "json"] = Field(
        default="text", description="Log lines for people, or JSON for scripts."
    )
    log_level: Literal["debug", "info", "warning", "error"] | None = Field(
        default=None,
        description="Log lines of this importance and above; unset: info for `run` and `serve`, else warning.",
    )
    sentry_dsn: SecretStr | None = Field(
        default=None, validation_alias="SENTRY_DSN", description="Where errors are reported; unset: nowhere."
    )

    @classmethod
    def load(cls) -> Self:
        """The settings of this process.

        Raises:
            SettingsError: a value is out of range, or a CAAS_ name is unknown; the message names the nearest one.
        """
        try:
            env_file = {name: value for name, value in dotenv_values(".env").items() if value is not None}
            refuse_unknown(env_file | dict(os.environ))
            return cls()
        except UnicodeDecodeError:
            raise SettingsError("The file .env in this folder is not UTF-8 text.") from None
        except ValidationError as error:
            lines = [
                f"{_variable(str(problem['loc'][0]))}: {problem['msg']} (is {problem['input']!r})"
                for problem in error.errors()
            ]
            raise SettingsError("\n".join(lines)) from None

    @classmethod
    def variables(cls) -> dict[str, str]:
        """Environment variable of each field."""
        return {_variable(name): name for name in cls.model_fields}


def _variable(field: str) -> str:
    alias = Settings.model_fields[field].validation_alias if field in Settings.model_fields else None
    return alias if isinstance(alias, str) else field if field.isupper() else PREFIX + field.upper()


def refuse_unknown(environment: Mapping[str, str]) -> None:
    """Raise SettingsError for a CAAS_ name that is no setting, suggesting the nearest that is."""
    known = Settings.variables()
    for name in sorted(environment):
        if not name.startswith(PREFIX) or name in known or name.startswith("CAAS_TEST_"):
            continue
        if _KUBERNETES_SERVICE.match(name):
            continue
        nearest = difflib.get_close_matches(name, known, n=1)
        hint = f" Did you mean {nearest[0]}?" if nearest else " `caas-worker settings` lists those there are."
        raise SettingsError(f"{name} is no setting of caas-worker.{hint}")
