"""Where the control sockets are, and who may speak on them.

    <data dir>/run/<session id>.sock       directory 0700, socket 0600, both of this user

The directory is opened once, as a directory and through no link, and everything in it is named
below that descriptor. On Linux a socket is reached through /proc/self/fd, so that the path may have
any length; elsewhere one that is longer than `MAX_ADDRESS` cannot be used.
"""

import contextlib
import os
import socket
import stat
import struct
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from mcpguard.errors import ControlError

__all__ = [
    "MAX_ADDRESS",
    "SUFFIX",
    "Folder",
    "folder",
    "may_speak",
    "offered",
    "peer_pid",
    "peer_uid",
    "same_user",
    "session_name",
]

SUFFIX: Final = ".sock"

MAX_ADDRESS = 103
"""Bytes of a socket's address (unix(7): 107 on Linux, 103 on macOS and the BSDs)."""

MAX_SESSION = 64
"""Characters of a session's id."""

MAX_CREDENTIALS = 128
"""Bytes. More than the longest answer, the BSDs' with its sixteen groups."""

_CREDENTIALS: Final = (
    (socket.SOL_SOCKET, socket.SO_PEERCRED, struct.Struct("=iIi"))
    if hasattr(socket, "SO_PEERCRED")
    else (0, 1, struct.Struct("=IIh"))
)
"""Level, option and form of what the kernel knows of a peer; the user stands second in both.

Linux, unix(7): process, user, group. macOS and FreeBSD, LOCAL_PEERCRED of sys/un.h: a version, the
user, the number of groups.
"""


def offered() -> bool:
    """Whether this system has Unix sockets that tell who speaks. Windows has not."""
    return hasattr(socket, "AF_UNIX") and sys.platform != "win32"


def session_name(text: str) -> bool:
    """Whether `text` can be a session's id: ASCII letters and digits, at most `MAX_SESSION`."""
    return 0 < len(text) <= MAX_SESSION and text.isascii() and text.isalnum()


class Folder:
    """The directory of sockets, open. `path` is for messages; everything goes through `fd`."""

    def __init__(self, path: Path, fd: int) -> None:
        self.path = path
        self.fd = fd

    def sessions(self) -> list[str]:
        """The ids of all sockets in it, in order; some may be dead."""
        names = os.listdir(self.fd)  # noqa: PTH208 - pathlib knows no descriptors
        ids = (name.removesuffix(SUFFIX) for name in names if name.endswith(SUFFIX))
        return sorted(filter(session_name, ids))

    def address(self, name: str) -> str:
        """What to bind or connect to for the entry `name`. Raises ControlError if it is too long.

        Only while the folder is open.
        """
        short = f"/proc/self/fd/{self.fd}/{name}"
        if sys.platform == "linux" and os.path.isdir(f"/proc/self/fd/{self.fd}"):  # noqa: PTH112
            return short
        full = str(self.path / name)
        if len(os.fsencode(full)) > MAX_ADDRESS:
            raise ControlError(
                f"{full}: longer than the {MAX_ADDRESS} bytes a socket's path can have here",
                hint="set MCPGUARD_DATA_DIR to a shorter directory",
            )
        return full


@contextmanager
def folder(data_dir: Path, *, make: bool = False) -> Iterator[Folder]:
    """The directory of sockets below `data_dir`, made if `make`.

    Raises ControlError: it is a link or no directory, belongs to somebody else, or cannot be opened
    or made; FileNotFoundError: it is not there and was not to be made.
    """
    path = data_dir / "run"
    try:
        fd = _opened(path, make=make)
    except FileNotFoundError:
        raise
    except OSError as error:
        raise ControlError(
            f"{path}: the directory of control sockets cannot be used: {error.strerror}",
            hint="it must be a directory of this user and no link; move away what is there",
        ) from error
    try:
        _own(path, fd)
        yield Folder(path, fd)
    finally:
        os.close(fd)


def _opened(path: Path, *, make: bool) -> int:
    if make:
        with contextlib.suppress(FileExistsError):
            path.mkdir(mode=0o700)
    return os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)


def _own(path: Path, fd: int) -> None:
    """Raises ControlError for another user's directory; closes ours to everybody else."""
    found = os.fstat(fd)
    if not same_user(found.st_uid, os.geteuid()):
        raise ControlError(
            f"{path}: the directory of control sockets belongs to user {found.st_uid}",
            hint="run this as that user, or name another data directory: MCPGUARD_DATA_DIR",
        )
    if found.st_uid == os.geteuid() and stat.S_IMODE(found.st_mode) & 0o077:
        os.fchmod(fd, 0o700)


def same_user(theirs: int, ours: int) -> bool:
    """Whether user `ours` may use what user `theirs` made: it is his own, or he is root."""
    return ours in {theirs, 0}


def may_speak(peer: int | None, ours: int) -> bool:
    """Whether user `peer` may speak with a session of user `ours`: himself, or root.

    None: the system does not say who it is, so nobody.
    """
    return peer is not None and same_user(ours, peer)


def peer_pid(sock: socket.socket) -> int | None:
    """The process that listens at the other end of `sock`; None where the system does not say."""
    if sys.platform != "linux":
        return None
    try:
        raw = sock.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS[2].size)
        return int(_CREDENTIALS[2].unpack(raw)[0]) or None
    except (OSError, struct.error):
        return None


def peer_uid(sock: socket.socket) -> int | None:
    """The user at the other end of `sock`, as the kernel knows him; None where it does not say."""
    level, option, form = _CREDENTIALS
    try:
        raw = sock.getsockopt(level, option, max(form.size, MAX_CREDENTIALS))
        return int(form.unpack_from(raw)[1])
    except (OSError, struct.error):
        return None
