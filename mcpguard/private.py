"""Files of this user alone: refused when others can reach them, given their name whole or not.

A name that is taken is never taken over. What is read is a regular file: a pipe in its place would
never begin, a device never end.
"""

import errno
import os
import stat
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from io import BufferedReader
from pathlib import Path
from typing import NamedTuple

if sys.platform == "win32":  # never run: no Windows machine at hand
    import msvcrt

    _LOCK_AT = 1 << 62
    """Offset of the locked byte: msvcrt locks a range, and what it is about must stay readable."""

    def lock(fd: int) -> None:
        """Locks the file, or raises OSError at once when somebody else has it."""
        os.lseek(fd, _LOCK_AT, os.SEEK_SET)
        msvcrt.locking(fd, msvcrt.LK_NBLCK, 1)
else:
    import fcntl

    def lock(fd: int) -> None:
        """Locks the file, or raises OSError at once when somebody else has it."""
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)


__all__ = [
    "READERS",
    "WRITERS",
    "Fault",
    "draft",
    "fault_of",
    "give_name",
    "lock",
    "publish",
    "regular",
    "rewrite",
]

READERS = stat.S_IRWXG | stat.S_IRWXO
"""Mode bits with which anybody else can read, write or enter."""

WRITERS = stat.S_IWGRP | stat.S_IWOTH
"""Mode bits with which anybody else can write."""


_READ = (
    os.O_RDONLY
    | getattr(os, "O_CLOEXEC", 0)
    | getattr(os, "O_NONBLOCK", 0)
    | getattr(os, "O_BINARY", 0)
)
"""Without blocking: opening a pipe waits for who writes into it, otherwise."""


def regular(path: Path, *, links: bool = True) -> BufferedReader:
    """The regular file at `path`, to be read. Raises OSError, for anything else at once.

    `links`: a link is followed; without, it is no regular file either.
    """
    fd = os.open(path, _READ if links else _READ | getattr(os, "O_NOFOLLOW", 0))
    mode = os.fstat(fd).st_mode
    if stat.S_ISREG(mode):
        return os.fdopen(fd, "rb")
    os.close(fd)
    if stat.S_ISDIR(mode):
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(path))
    raise OSError(errno.EINVAL, "it is not a regular file", str(path))


class Fault(NamedTuple):
    """Why a file is not this user's alone, and what to do about it."""

    what: str
    hint: str


def fault_of(
    path: Path,
    status: os.stat_result,
    *,
    refused: int = READERS,
    kind: Callable[[int], bool] = stat.S_ISREG,
) -> Fault | None:
    """What is wrong with `path`, whose open descriptor's or own `status` this is; None: nothing.

    `refused`: mode bits that it must not have. `kind`: what it must be, of `stat.S_IS*`. Windows
    has neither such bits nor such owners.
    """
    if not kind(status.st_mode):
        return Fault("not a plain file or folder", "move it away; links are not followed")
    if os.name == "nt":
        return None
    if status.st_uid != os.geteuid():
        owner = f"belongs to user {status.st_uid}, this is {os.geteuid()}"
        return Fault(owner, "run as the owner, or name another place")
    if status.st_mode & refused:
        take = "go=" if refused == READERS else "go-w"
        mode = f"open to others (mode {stat.S_IMODE(status.st_mode):04o})"
        return Fault(mode, f"find out who was there, then run: chmod {take} {path}")
    return None


def publish(path: Path, content: bytes) -> bool:
    """Gives `content` the name `path` (0600, in a folder made 0700), on the disk and whole.

    False: the name is taken, and what has it stays. So of two at the same time one is first. Raises
    OSError.
    """
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    with draft(path) as made:
        _fill(made, content)
        return give_name(made, path)


def rewrite(path: Path, content: bytes) -> None:
    """Puts `content` in the place of what has the name `path`, if anything: 0600, on the disk.

    Whole or not at all, and nothing else is left. Raises OSError.
    """
    with draft(path) as made:
        _fill(made, content)
        made.replace(path)


def _fill(made: Path, content: bytes) -> None:
    with made.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())


@contextmanager
def draft(path: Path) -> Iterator[Path]:
    """An empty 0600 file beside `path`, under a name that nobody has; no such name at the end."""
    made = path.with_name(f".{path.name}.{os.urandom(8).hex()}")
    os.close(os.open(made, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))
    try:
        yield made
    finally:
        made.unlink(missing_ok=True)


def give_name(made: Path, path: Path) -> bool:
    """Links the draft `made` to `path`. A link never replaces a file: False when one is there."""
    try:
        os.link(made, path)
    except FileExistsError:
        return False
    return True
