"""Who the server runs as. PostgreSQL refuses root, so root starts it as `nobody`; anybody else as themselves."""

import os
import pwd
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from caas_worker.errors import EmbeddedServerError

ROOT = 0
SERVER_NAME = "nobody"


@dataclass(frozen=True)
class Account:
    """The server's user. `switched` when it isn't the one who starts it."""

    name: str
    uid: int
    gid: int
    switched: bool

    def run_as(self) -> dict[str, Any]:
        """Arguments for subprocess that make a child run as this account."""
        return {"user": self.uid, "group": self.gid, "extra_groups": []} if self.switched else {}

    def give(self, path: Path) -> None:
        """Make the account own a file or folder of ours."""
        if self.switched:
            os.chown(path, self.uid, self.gid, follow_symlinks=False)


def server_account() -> Account:
    """The account that PostgreSQL is to run as.

    Raises:
        EmbeddedServerError: we are root and there is no user `nobody`.
    """
    if os.geteuid() != ROOT:
        return Account("", os.geteuid(), os.getegid(), switched=False)
    try:
        entry = pwd.getpwnam(SERVER_NAME)
    except KeyError:
        raise EmbeddedServerError(
            f"PostgreSQL doesn't run as root, and this system has no user {SERVER_NAME} to run it as. "
            "Run as an ordinary user, or set CAAS_DATABASE_URL."
        ) from None
    return Account(entry.pw_name, entry.pw_uid, entry.pw_gid, switched=True)


def first_closed_folder(path: Path, account: Account) -> Path | None:
    """The topmost existing folder on the way to `path`, itself included, that the account can't enter; None if none.

    Asked by trying as that account: permission bits alone know nothing of access lists and mounts.
    """
    if not account.switched:
        return None
    way = [str(folder) for folder in (*reversed(path.parents), path) if folder.exists()]
    script = 'for folder do [ -x "$folder" ] || { printf %s "$folder"; exit; }; done'
    answer = subprocess.run(
        ["/bin/sh", "-c", script, "sh", *way], check=True, capture_output=True, cwd="/", **account.run_as()
    ).stdout
    return Path(os.fsdecode(answer)) if answer else None
