"""The files that commands write: whole or not at all, and never over a log of mcpguard's."""

import contextlib
import os
import tempfile
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from mcpguard.audit.verify import begins_as_log
from mcpguard.config.flags import data_dir
from mcpguard.errors import UsageError
from mcpguard.evidence.receiptlog import HEAD, LOG

__all__ = ["PRIVATE", "opened", "refuse_logs", "replace"]

PRIVATE = 0o600
"""Mode of what may hold what was said in a call."""


def refuse_logs(path: Path, inputs: Iterable[Path] = ()) -> None:
    """Raises UsageError when `path` is one of `inputs`, by whatever name, or a log of mcpguard's.

    A log is what is in a place of the data directory that holds them, and any file that begins as
    one: its records cannot be had a second time. AuditError for one that cannot be read.
    """
    target = Path(os.path.realpath(path))
    home = data_dir().resolve()
    if target in {home / LOG, home / HEAD} or target.is_relative_to(home / "audit"):
        raise _refused(path, "a place of mcpguard's own logs")
    if not target.is_file():
        return
    if any(each.exists() and each.samefile(target) for each in inputs):
        raise _refused(path, "what is read")
    if begins_as_log(target):
        raise _refused(path, "an audit log, or a copy of one")


def _refused(path: Path, what: str) -> UsageError:
    return UsageError(
        f"{path}: nothing is written there: it is {what}",
        hint="name another file; delete a copy first that nobody needs any more",
    )


@contextmanager
def opened(
    path: Path, mode: int | None = None, last: Callable[[str], None] = lambda _: None
) -> Iterator[BinaryIO]:
    """A file to write, which has the name `path` once all went well: nothing else changes it.

    Written beside it, synced, renamed over it. `mode`: the permissions; None keeps those of an
    existing file. A symbolic link stays one. A pipe or a device is written to as it comes. `last`
    is given the temporary file's name right before it is renamed, and stops that by raising. Raises
    UsageError, also for an OSError of the body.
    """
    target = Path(os.path.realpath(path))
    try:
        if path.exists() and not (path.is_file() or path.is_dir()):
            with path.open("wb") as stream:
                yield stream
            return
        old = target.stat().st_mode & 0o7777 if target.exists() else 0o666 & ~_umask()
        handle, temporary = tempfile.mkstemp(dir=target.parent, prefix=f".{target.name}.")
    except OSError as error:
        raise _unwritable(path, error) from error
    try:
        with os.fdopen(handle, "wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        os.chmod(temporary, old if mode is None else mode)  # noqa: PTH101 - as the calls below
        last(temporary)
        os.replace(temporary, target)  # noqa: PTH105
    except OSError as error:
        raise _unwritable(path, error) from error
    finally:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(temporary)  # noqa: PTH108
    _sync_directory(target.parent)


def replace(path: Path, data: bytes, *, last: Callable[[str], None] = lambda _: None) -> None:
    """Write all of `data` or nothing; see `opened`. The mode of an existing file is kept."""
    with opened(path, last=last) as file:
        file.write(data)


def _unwritable(path: Path, error: OSError) -> UsageError:
    return UsageError(
        f"{path}: cannot be written: {error.strerror}",
        hint="name a file you may write with -o FILE",
    )


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


def _sync_directory(directory: Path) -> None:
    if os.name != "posix":
        return
    with contextlib.suppress(OSError):  # some file systems cannot; the rename itself has happened
        handle = os.open(directory, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
