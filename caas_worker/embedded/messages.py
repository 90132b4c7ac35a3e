"""What the two sides tell each other: a starter orders a server, its supervisor reports."""

import json
import os
from dataclasses import asdict, dataclass, field
from pathlib import Path


@dataclass(frozen=True)
class Order:
    """What a starter wants, given to the supervisor as its only argument."""

    folder: str
    bin_dir: str
    version: str
    grace_seconds: float
    # Descriptor of the supervisor's lock, taken by the starter and inherited: at no time is it free in between.
    lock: int
    options: dict[str, str] = field(default_factory=dict)

    def to_json(self) -> str:
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, text: str) -> "Order":
        return cls(**json.loads(text))


@dataclass(frozen=True)
class Report:
    """What the supervisor says to everyone who waits. The server answers once `postmaster` is set."""

    supervisor: int
    postmaster: int | None = None
    socket_dir: str = ""
    sentences: tuple[str, ...] = ()
    failure: str | None = None

    def write(self, path: Path) -> None:
        """Publish it whole: a reader sees this report or the one before, never half of one."""
        unfinished = path.with_suffix(".new")
        unfinished.write_text(json.dumps(asdict(self)))
        os.replace(unfinished, path)

    @classmethod
    def read(cls, path: Path) -> "Report | None":
        """The last report, or None when there is none or a crash left an unreadable one.

        Its writer may be of another release than its reader: the server lives on while the package is upgraded.
        """
        try:
            said = json.loads(path.read_text())
            known = {name: said[name] for name in cls.__dataclass_fields__ if name in said}
            return cls(**known | {"sentences": tuple(said["sentences"])})
        except (FileNotFoundError, ValueError, TypeError, KeyError):
            return None
