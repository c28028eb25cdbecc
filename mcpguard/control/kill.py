"""The kill switch: a file that ends every session, or those of one server, and starts no new one.

    <data dir>/kill             every server
    <data dir>/kill.d/<name>    the server of that name, as `file_name` spells it

That the file exists is what counts, whatever it is: its first line is only shown as the reason. So
`touch`, a script or a file that a fleet's own tool puts there does what `mcpguard kill` does. Every
session looks once a second. Killed means: each request that waits is denied, nothing more goes to
the server, which is stopped, and the session ends with the exit code `KILLED`; new sessions refuse
to start with exit code 1. The switch stays until somebody takes the file away. It keeps nobody out
who runs as the same user: whoever can delete files can.
"""

import contextlib
import os
import stat
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

from mcpguard.errors import ControlError, KilledError
from mcpguard.private import regular

__all__ = [
    "KILLED",
    "LOOK",
    "check",
    "clean",
    "engage",
    "engaged",
    "file_name",
    "refuse",
    "release",
    "watch",
    "way_off",
]

KILLED: Final = 77
"""Exit code of a session that was killed (EX_NOPERM of sysexits.h)."""

LOOK: Final = 1.0
"""Seconds between two looks for the file. One costs two system calls."""

EVERY, ONE = "kill", "kill.d"
DELETE = "delete the file"

MAX_REASON = 200
"""Characters of a reason that are shown and recorded."""

MAX_STEM = 150
"""Bytes of a server's name that stand in a file name; file systems take 255."""

_PLAIN = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.")


def check(data_dir: Path, server: str) -> str | None:
    """Why sessions of `server` may not run, in one sentence that names the file; None if they may.

    What cannot be looked at (no permission, a broken disk) counts as a switch that is on.
    """
    found = _switch_of(data_dir, server)
    return found[1] if found is not None else None


def _switch_of(data_dir: Path, server: str) -> tuple[Path, str] | None:
    """The first switch that keeps `server` from running, and the sentence about it."""
    for path in (data_dir / EVERY, data_dir / ONE / file_name(server)):
        why = _engaged(path)
        if why is not None:
            return path, why
    return None


def way_off(path: Path) -> str:
    """The command that turns the switch at `path` off, or where none can name it, what does."""
    if path.parent.name != ONE:
        return "mcpguard kill --off"
    import shlex
    from urllib.parse import unquote

    server = unquote(path.name, errors="surrogatepass")
    if file_name(server) != path.name:  # a long name was cut, or somebody else put it there
        return DELETE
    return f"mcpguard kill --off --server {shlex.quote(server)}"


def _engaged(path: Path) -> str | None:
    try:
        found = os.lstat(path)
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        return f"the kill switch {path} cannot be looked at: {error.strerror}"
    told = _first_line(path) if stat.S_ISREG(found.st_mode) else ""
    return f"the kill switch {path} is on" + (f": {told}" if told else "")


def _first_line(path: Path) -> str:
    try:
        with regular(path, links=False) as file:
            data = file.read(4 * MAX_REASON)
    except OSError:
        return ""
    return clean(data.decode(errors="replace").partition("\n")[0])


def clean(text: str) -> str:
    """At most `MAX_REASON` characters of `text`, what does not print as `?`."""
    return "".join(char if char.isprintable() else "?" for char in text[:MAX_REASON]).strip()


def file_name(server: str) -> str:
    """`server` as the name of a file: no two servers share one. RFC 3986 section 2.1.

    Never hidden, never a directory; a long name is cut and gets its SHA-256.
    """
    raw = server.encode("utf-8", "surrogatepass")
    text = "".join(chr(byte) if chr(byte) in _PLAIN else f"%{byte:02X}" for byte in raw)
    if text.startswith("."):
        text = "%2E" + text[1:]
    if len(text) <= MAX_STEM:
        return text or "%"
    import hashlib  # takes milliseconds before the server starts, for a name nobody has

    return f"{text[:MAX_STEM]}%{hashlib.sha256(raw).hexdigest()}"


def refuse(data_dir: Path, server: str) -> None:
    """Raises KilledError when no session of `server` may start."""
    found = _switch_of(data_dir, server)
    if found is not None:
        path, why = found
        command = way_off(path)
        raise KilledError(
            f"{server} is not started: {why}",
            hint="when it may run again: "
            + (command if command == DELETE else f"{command}, or {DELETE}"),
        )


async def watch(look: Callable[[], str | None], kill: Callable[[str], None]) -> None:
    """Calls `kill` with what `look` says, once, when it says something. Needs anyio."""
    import anyio

    while (why := look()) is None:  # noqa: ASYNC110 - a file has no event on every system
        await anyio.sleep(LOOK)
    kill(why)


def engage(data_dir: Path, server: str | None, why: str) -> Path:
    """Turns the switch on for `server`, or for all (None); the file, which may have been there.

    Raises ControlError. What is there already is left as it is: it works whatever it is.
    """
    path = _path(data_dir, server)
    try:
        path.parent.mkdir(mode=0o700, exist_ok=True)
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL
        fd = os.open(path, flags, 0o600)
    except FileExistsError:
        if os.path.lexists(path):
            return path
        raise _unwritable(path, "something else stands in its place") from None
    except OSError as error:
        raise _unwritable(path, error.strerror or str(error)) from error
    try:  # the file is there, so the switch is on; the reason is for people
        with contextlib.suppress(OSError):
            os.write(fd, clean(why).encode(errors="replace") + b"\n")
    finally:
        os.close(fd)
    return path


def release(data_dir: Path, server: str | None) -> Path | None:
    """Turns the switch off for `server`, or the one for all (None); the file that was deleted.

    None when it was not on. Raises ControlError.
    """
    path = _path(data_dir, server)
    try:
        path.unlink()
    except FileNotFoundError:
        return None
    except OSError as error:
        raise ControlError(
            f"{path}: the kill switch stays on: {error.strerror}", hint="delete it by hand"
        ) from error
    return path


def engaged(data_dir: Path) -> Iterator[Path]:
    """Every switch that is on."""
    if os.path.lexists(data_dir / EVERY):
        yield data_dir / EVERY
    with contextlib.suppress(FileNotFoundError, NotADirectoryError):
        yield from sorted((data_dir / ONE).iterdir())


def _path(data_dir: Path, server: str | None) -> Path:
    return data_dir / EVERY if server is None else data_dir / ONE / file_name(server)


def _unwritable(path: Path, why: str) -> ControlError:
    return ControlError(
        f"{path}: the kill switch cannot be turned on: {why}",
        hint="end the sessions one by one: mcpguard kill --session ID, or kill -USR1 PID",
    )
