"""The product as its users have it: the wheel, installed away from the checkout, in real processes."""

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
Wait = Callable[[Callable[[], Any]], Any]

DIRECT = ("migrate", "triggers", "uninstall")
"""The commands that hold a lock of their session, and so may not go through PgBouncer."""


@dataclass
class Product:
    """Runs `caas-worker` from the installed wheel; DIRECT commands get `direct` over `environment`."""

    site: Path
    folder: Path
    environment: dict[str, str] = field(default_factory=dict)
    direct: dict[str, str] = field(default_factory=dict)
    running: list[subprocess.Popen[str]] = field(default_factory=list)

    @property
    def _environment(self) -> dict[str, str]:
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("CAAS_", "SENTRY_"))}
        return kept | {"PYTHONPATH": str(self.site), "COLUMNS": "120"} | self.environment

    def start(self, *arguments: str, **environment: str) -> subprocess.Popen[str]:
        """A command in the background; ended with the test."""
        direct = self.direct if arguments[0] in DIRECT else {}
        process = subprocess.Popen(
            [sys.executable, "-P", "-m", "caas_worker", *arguments],
            env=self._environment | direct | environment,
            cwd=self.folder,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        self.running.append(process)
        return process

    def call(self, *arguments: str, code: int = 0, **environment: str) -> str:
        """A command's standard output; its exit code must be `code`, and no traceback may be shown."""
        process = self.start(*arguments, **environment)
        out, err = process.communicate(timeout=90)
        assert "Traceback" not in err, err
        assert process.returncode == code, (process.returncode, out, err)
        self.said = err
        return out

    def read(self, *arguments: str, **environment: str) -> Any:
        """A command's JSON."""
        return json.loads(self.call(*arguments, **environment))


@pytest.fixture(scope="session")
def site() -> Iterator[Path]:
    """The wheel, built and unpacked as pip does it, readable for everyone."""
    folder = Path(tempfile.mkdtemp(prefix="caas-wheel-", dir="/tmp"))
    folder.chmod(0o755)
    for command in (
        [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder / "dist")],
        [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--disable-pip-version-check",
         "--target", str(folder / "site"), "--no-index", "--find-links", str(folder / "dist"), "caas-worker"],
    ):  # fmt: skip
        subprocess.run(command, cwd=ROOT, check=True, capture_output=True)
    yield folder / "site"
    shutil.rmtree(folder)


@pytest.fixture
def bare(site: Path) -> Iterator[Product]:
    """The product with no database set, and a data folder of the test's own."""
    folder = Path(tempfile.mkdtemp(prefix="caas-acc-", dir="/tmp"))
    folder.chmod(0o755)
    environment = {"CAAS_DATA_DIR": str(folder / "server")}
    if bin_dir := os.environ.get("CAAS_TEST_POSTGRES_BIN"):
        environment["CAAS_POSTGRES_BIN"] = bin_dir
    product = Product(site, folder, environment)
    yield product
    end(product)
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def product(site: Path, url: str, pooled_url: str, tmp_path: Path) -> Iterator[Product]:
    """The product on the test's migrated database."""
    product = Product(site, tmp_path, {"CAAS_DATABASE_URL": pooled_url}, {"CAAS_DATABASE_URL": url})
    yield product
    end(product)


def end(product: Product) -> None:
    """End what a test left running."""
    for process in product.running:
        if process.poll() is None:
            process.send_signal(signal.SIGTERM)
            try:
                process.communicate(timeout=20)
            except subprocess.TimeoutExpired:
                process.kill()
        for stream in (process.stdout, process.stderr):
            if stream is not None:
                stream.close()


@pytest.fixture
def eventually() -> Wait:
    """Retries until something is true, for at most 20 s; returns it."""

    def wait(look: Callable[[], Any]) -> Any:
        deadline = time.monotonic() + 20
        while not (found := look()):
            assert time.monotonic() < deadline, "it did not happen in 20 s"
            time.sleep(0.05)
        return found

    return wait
