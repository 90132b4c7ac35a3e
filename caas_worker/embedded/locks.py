"""Advisory locks on files, which the kernel takes back from whoever ends, also by SIGKILL.

flock belongs to the open file, not to the process: a child that inherits the descriptor keeps the lock too. The
supervisor and its PostgreSQL build on that; everything else opens its own descriptor, which no child inherits.
"""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


def open_lock(path: Path) -> int:
    """A descriptor to lock, of a file that is made if missing and that only its owner can open."""
    return os.open(path, os.O_RDWR | os.O_CREAT, 0o600)


def lock_now(descriptor: int, *, shared: bool = False) -> bool:
    """Take the lock unless somebody is in the way."""
    try:
        fcntl.flock(descriptor, (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def unlock(descriptor: int) -> None:
    """Give the lock back and keep the descriptor."""
    fcntl.flock(descriptor, fcntl.LOCK_UN)


def open_locked(path: Path, *, shared: bool = False) -> int | None:
    """A locked descriptor, or None when somebody is in the way."""
    descriptor = open_lock(path)
    if lock_now(descriptor, shared=shared):
        return descriptor
    os.close(descriptor)
    return None


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Hold the lock alone, waiting for whoever has it: only for locks that nobody holds for long."""
    descriptor = open_lock(path)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)
