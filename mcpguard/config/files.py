"""Which files are read, and the text of one: regular, of the user's own or root's, not too large.

The working directory is never looked at: it belongs to whatever the host has open. Where the
system's file is, no environment variable says: what starts mcpguard could set it.
"""

import errno
import os
import stat
import sys
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from mcpguard.errors import LockfileError, PolicyError, UsageError
from mcpguard.private import regular

__all__ = [
    "CONFIG_DIR_VARIABLE",
    "MAX_BYTES",
    "MAX_LOCK",
    "NAME",
    "Places",
    "config_dir",
    "lock_bytes",
    "lock_unread",
    "places",
    "plain_bytes",
    "text_of",
]

CONFIG_DIR_VARIABLE = "MCPGUARD_CONFIG_DIR"
"""Environment variable. Names the user's configuration directory in place of the platform's own."""

NAME = "mcpguard.yaml"
"""The file's name in the user's directory and in the system's."""

MAX_BYTES = 1024 * 1024
"""Bytes. What `policy.document` reads, were each character four bytes."""

MAX_LOCK = 64 * 1024 * 1024
"""Bytes. Lockfiles of real servers have some hundred thousand at most."""

SYSTEM_DIRS = {"darwin": "/Library/Application Support/mcpguard", "": "/etc/mcpguard"}
"""Where an administrator's file is; platformdirs would ask XDG_CONFIG_DIRS, which anybody sets."""

_OTHERS = stat.S_IWGRP | stat.S_IWOTH


class Places(NamedTuple):
    """Where the two files are, whether or not they exist."""

    user: Path
    system: Path


def places() -> Places:
    """The places on this machine for this user."""
    return Places(config_dir() / NAME, _system_dir() / NAME)


def config_dir() -> Path:
    """`MCPGUARD_CONFIG_DIR`, else the platform's directory (`~/.config/mcpguard` on Linux).

    Raises UsageError for a variable that is not absolute: it would mean the working directory.
    """
    chosen = os.environ.get(CONFIG_DIR_VARIABLE)
    if not chosen:
        import platformdirs

        return Path(platformdirs.user_config_dir("mcpguard", appauthor=False))
    if not os.path.isabs(chosen):  # noqa: PTH117 - as below, without another Path
        raise UsageError(
            f"{CONFIG_DIR_VARIABLE}: {chosen!r} is not an absolute path",
            hint="write the whole path; the working directory is never searched",
        )
    return Path(chosen)


def _system_dir() -> Path:
    if sys.platform == "win32":
        import platformdirs

        return Path(platformdirs.site_config_dir("mcpguard", appauthor=False))
    return Path(SYSTEM_DIRS.get(sys.platform, SYSTEM_DIRS[""]))


def text_of(path: Path) -> str | None:
    """The text of the file at `path`; None when there is none.

    Raises:
        UsageError: it cannot be read, is no regular file, is too large, or others can write it.
        PolicyError: it is not UTF-8.
    """
    try:
        opened = regular(path)
    except (FileNotFoundError, NotADirectoryError) as error:
        if path.is_symlink():
            raise UsageError(
                f"{path}: a link to nothing", hint="mend the link, or remove it"
            ) from error
        return None
    except OSError as error:
        raise _unreadable(path, error) from error
    try:
        with opened as file:
            _check(path, os.fstat(file.fileno()))
            data = file.read(MAX_BYTES + 1)
    except OSError as error:
        raise _unreadable(path, error) from error
    if len(data) > MAX_BYTES:
        raise UsageError(f"{path}: more than {MAX_BYTES} bytes", hint="keep only what is needed")
    try:
        return data.decode()
    except UnicodeDecodeError as error:
        raise PolicyError(
            str(path), 0, 0, f"not UTF-8, at byte {error.start}", hint="save it as UTF-8"
        ) from error


def lock_bytes(path: Path) -> bytes:
    """What is in the lockfile at `path`, which is about to say what is allowed.

    Raises OSError as `plain_bytes`, and UsageError for one that anybody can write or replace. Its
    owner and group may, whoever they are: who names a file of a repository or an image trusts them.
    """
    return plain_bytes(path, check=_check_lock)


def lock_unread(path: Path, error: OSError) -> LockfileError:
    """What every command says of a lockfile that `error` keeps it from reading."""
    if isinstance(error, FileNotFoundError):
        return LockfileError(
            f"{path}: there is no such file",
            hint=f"make it: mcpguard lock -o {path} -- CMD ARGS..., or name it with --lock FILE",
        )
    return LockfileError(
        f"{path}: the lockfile cannot be read: {error.strerror}",
        hint="name a lockfile that you may read: --lock FILE",
    )


def _check_lock(path: Path, found: os.stat_result) -> None:
    if sys.platform == "win32":  # its rights are not in the mode
        return
    if found.st_mode & stat.S_IWOTH:
        raise UsageError(
            f"{path}: anybody can write this lockfile (mode {found.st_mode & 0o7777:04o})",
            hint=f"look at what changed in it, then run: chmod o-w {path}",
        )
    for folder in {path.absolute().parent, path.resolve().parent}:
        _check_folder(folder, "another lockfile")
        shared = folder.stat()
        if shared.st_mode & stat.S_IWOTH and found.st_uid not in {os.geteuid(), 0, shared.st_uid}:
            raise UsageError(
                f"{path}: it belongs to user {found.st_uid}, in a folder where anybody can put it",
                hint="keep the lockfile in a folder that not everybody can write",
            )


def _unchecked(_: Path, __: os.stat_result) -> None:
    """Whoever can write it may."""


def plain_bytes(
    path: Path,
    most: int = MAX_LOCK,
    check: Callable[[Path, os.stat_result], None] = _unchecked,
) -> bytes:
    """What is in the regular file at `path`, `most` bytes of it at most, once `check` looked at it.

    Raises OSError for anything else: a repository may hold a link to a device that never ends.
    """
    with regular(path) as file:
        check(path, os.fstat(file.fileno()))
        data = file.read(most + 1)
    if len(data) > most:
        raise OSError(errno.EFBIG, f"it has more than {most} bytes", str(path))
    return data


def _unreadable(path: Path, error: OSError) -> UsageError:
    if isinstance(error, IsADirectoryError):
        return UsageError(f"{path}: it is a directory", hint="name a file of settings")
    return UsageError(
        f"{path}: the settings cannot be read: {error.strerror}",
        hint="nothing runs while settings are there and not known: make it readable, or remove it",
    )


def _check(path: Path, found: os.stat_result) -> None:
    """Raises UsageError for what somebody else can write."""
    if sys.platform == "win32":  # its rights are not in the mode
        return
    if found.st_uid not in {os.geteuid(), 0}:
        raise UsageError(
            f"{path}: it belongs to user {found.st_uid}, who can change what is allowed here",
            hint=f"make it your own: sudo chown {os.geteuid()} {path}",
        )
    if found.st_mode & _OTHERS:
        raise UsageError(
            f"{path}: others than its owner can write it (mode {found.st_mode & 0o7777:04o})",
            hint=f"run: chmod go-w {path}",
        )
    _check_folder(path.absolute().parent, "other settings")


def _check_folder(folder: Path, what: str) -> None:
    """Raises UsageError for a directory in which anybody can put another file in its place."""
    mode = folder.stat().st_mode
    if mode & stat.S_IWOTH and not mode & stat.S_ISVTX:
        raise UsageError(
            f"{folder}: anybody can put {what} there (mode {mode & 0o7777:04o})",
            hint=f"run: chmod o-w {folder}",
        )
