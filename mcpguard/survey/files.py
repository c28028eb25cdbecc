"""Files of hosts as they lie on the disk: read with care, never more than a bound of them."""

import os
import shutil
import stat
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from mcpguard.config.files import plain_bytes
from mcpguard.errors import HostError
from mcpguard.hosts.launchers import unwrapped

__all__ = ["MAX_FILE", "others_can_read", "others_can_write", "read", "started_files"]

MAX_FILE = 64 * 1024 * 1024
"""Bytes. Claude Code keeps its history in the same file; more is no configuration."""

_POSIX = os.name == "posix"


def read(path: Path, most: int = MAX_FILE) -> bytes:
    """All of the regular file at `path`, of at most `most` bytes. Raises HostError.

    A pipe or a device is refused, never waited for.
    """
    try:
        return plain_bytes(path, most)
    except OSError as error:
        raise HostError(
            f"{path}: cannot be read: {error.strerror}",
            hint="name a file you may read: --config FILE",
        ) from error
    except ValueError as error:  # a NUL, or half a surrogate pair
        raise HostError(f"{path}: no file has such a name", hint="mend the entry") from error


def others_can_read(path: Path) -> bool:
    """Whether any user of the machine can read `path`. Always false where there are no modes."""
    if not _POSIX:
        return False
    try:
        real = path.resolve(strict=True)
        open_ = real.stat().st_mode & stat.S_IROTH
        return bool(open_) and all(each.stat().st_mode & stat.S_IXOTH for each in real.parents)
    except (OSError, RuntimeError):
        return False


def others_can_write(path: Path) -> bool:
    """Whether any user of the machine can change or replace `path`, by its mode or a directory's.

    A sticky directory (`/tmp`) lets only the owner of a file replace it.
    """
    if not _POSIX:
        return False
    try:
        real = path.resolve(strict=True)
        if real.stat().st_mode & stat.S_IWOTH:
            return True
        return any(_replaceable(each) for each in real.parents)
    except (OSError, RuntimeError):
        return False


def _replaceable(directory: Path) -> bool:
    mode = directory.stat().st_mode
    return bool(mode & stat.S_IWOTH) and not mode & stat.S_ISVTX


def started_files(
    words: Sequence[str], directory: Path | None, environ: Mapping[str, str]
) -> Iterator[Path]:
    """The files that starting `words` runs, as far as they are named: program, script arguments."""
    inner = unwrapped(words)
    if not inner:
        return
    program = shutil.which(inner[0], path=environ.get("PATH"))
    if program:
        yield Path(program)
    for word in inner[1:]:
        named = Path(os.path.expanduser(word))  # noqa: PTH111 - a text that may be no path
        path = named if named.is_absolute() or directory is None else directory / named
        if not word.startswith("-") and len(word) < MAX_PATH and "\0" not in word:
            yield from (each for each in [path] if _is_file(each))


MAX_PATH = 4096
"""Characters. Linux's PATH_MAX; a longer argument is no file's name."""


def _is_file(path: Path) -> bool:
    try:
        return path.is_file()
    except OSError:
        return False
