"""A file that the processes of one user share: read with care, replaced whole, changed by one at a time."""

import contextlib
import os
import stat
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Final

try:
    import fcntl
except ImportError:  # no locks on this system: each process goes ahead by itself
    fcntl = None  # type: ignore[assignment]  # looked at before each use

POLL: Final = 0.02  # seconds between two looks at another process's lock
OTHERS_MAY_WRITE: Final = stat.S_IWGRP | stat.S_IWOTH
OTHERS_MAY_READ: Final = stat.S_IRGRP | stat.S_IROTH
_CAREFULLY: Final = getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_CLOEXEC", 0)


class FileRefused(Exception):
    """Why the file is not believed."""


def content_of(path: Path, *, limit: int, refused: int = OTHERS_MAY_WRITE) -> bytes:
    """What the file holds, if it is a regular file of this user's own.

    Owner and mode are looked at where the system has them. `refused` are the bits of a mode that it may not
    have, `limit` is in bytes.

    Raises:
        OSError: it cannot be read; `FileNotFoundError` when it is not there.
        FileRefused: it is not to be believed.
    """
    opened = os.open(path, os.O_RDONLY | _CAREFULLY)
    try:
        about = os.fstat(opened)
        if not stat.S_ISREG(about.st_mode):
            raise FileRefused("it is no regular file")
        if hasattr(os, "geteuid"):
            if about.st_uid != os.geteuid():
                raise FileRefused("it belongs to another user")
            if about.st_mode & refused & OTHERS_MAY_WRITE:
                raise FileRefused("others may write it")
            if about.st_mode & refused:
                raise FileRefused("others may read it")
        # By the descriptor, so that what was judged is what is read.
        with open(opened, "rb", closefd=False) as file:
            content = file.read(limit + 1)
    finally:
        os.close(opened)
    if len(content) > limit:
        raise FileRefused(f"it is larger than {limit} bytes")
    return content


def replace(path: Path, content: bytes) -> None:
    """Put the content in place of what was there, whole or not at all, for this user alone (mode 0600).

    Raises:
        OSError: it cannot be written.
    """
    # Not synced to disk: what a crash loses is fetched again.
    opened, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with open(opened, "wb") as file:  # noqa: PTH123 - a descriptor
            file.write(content)
        os.replace(name, path)  # noqa: PTH105 - mkstemp gives a string
    except OSError:
        with contextlib.suppress(OSError):
            os.unlink(name)  # noqa: PTH108 - mkstemp gives a string
        raise


class Turns:
    """Whose turn it is, among the processes that share a file: a lock on `.lock` beside it.

    Nothing here raises; `complain` is told why no turns can be taken.
    """

    def __init__(self, path: Path, complain: Callable[[str], None]) -> None:
        self.held: set[int] = set()
        self._lock = f"{path}.lock"
        self._complain = complain

    def take(self) -> int | None:
        """The turn, as a number to give back; None while another process has it.

        -1 where no turns can be taken, for then there is nobody to wait for.
        """
        if fcntl is None:
            return -1
        try:
            lock = os.open(self._lock, os.O_RDWR | os.O_CREAT | _CAREFULLY, 0o600)
        except OSError as error:
            self._complain(f"cannot be locked: {error}")
            return -1
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            os.close(lock)
            return None if isinstance(error, BlockingIOError) else -1
        self.held.add(lock)
        return lock

    def end(self, lock: int | None) -> None:
        """Give back what `take` gave."""
        if lock is None or lock not in self.held:
            return
        self.held.discard(lock)
        os.close(lock)

    def start_anew(self) -> None:
        """In the child of a fork: a lock lasts until the last process that has it open closes it."""
        for lock in self.held:
            with contextlib.suppress(OSError):
                os.close(lock)
        self.held = set()
