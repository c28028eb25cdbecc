"""Ends a session that does not answer: by a signal to its process, once that is known to be it.

The kernel says which process listens on a socket. That number may be another process's by now, so
the process has to be as old as the socket, and is held (pidfd_open(2)) before its age is read: what
is signalled is what was looked at.
"""

import os
import select
import signal
import sys
from pathlib import Path
from typing import Final, NamedTuple

from mcpguard.control.client import Connection
from mcpguard.control.places import SUFFIX, folder
from mcpguard.errors import ControlError

__all__ = ["Holder", "end", "holder"]

PATIENCE: Final = 3.0
"""Seconds for a process to end at SIGUSR1, as it does by itself, before SIGKILL ends it."""

SLACK: Final = 2.0
"""Seconds by which a socket may seem older than its process: clocks are set."""

_BY_HAND: Final = "end it by hand, once you know its process: kill -USR1 PID, then kill -KILL PID"


class Holder(NamedTuple):
    """Who listens for a session. `age`: seconds since its socket was made."""

    pid: int
    age: float


def holder(data_dir: Path, session: str, now: float) -> Holder:
    """The process behind the socket of `session`. Raises ControlError when nobody says.

    `now`: seconds since the epoch.
    """
    try:
        with folder(data_dir) as place, Connection(place, session) as line:
            found = os.stat(session + SUFFIX, dir_fd=place.fd, follow_symlinks=False)
            pid = line.pid
    except OSError as error:
        text = f"the socket of session {session} cannot be looked at: {error.strerror}"
        raise ControlError(text, hint=_BY_HAND) from error
    if pid is None or pid == os.getpid():
        what = f"the system does not say which process session {session} is"
        raise ControlError(what, hint=_BY_HAND)
    return Holder(pid, now - found.st_mtime)


def end(who: Holder, *, patience: float = PATIENCE) -> str:
    """End that process; the signal that did it, or empty: it had ended already.

    Raises ControlError: it is not the one that made the socket, or it cannot be signalled.
    """
    if sys.platform != "linux":
        raise ControlError(f"process {who.pid} cannot be held on this system", hint=_BY_HAND)
    try:
        held = os.pidfd_open(who.pid)
    except ProcessLookupError:
        return ""
    except OSError as error:
        raise _unsignalled(who, error) from error
    try:
        _check(who)
        for number, wait in ((signal.SIGUSR1, patience), (signal.SIGKILL, PATIENCE)):
            signal.pidfd_send_signal(held, number)
            if select.select([held], [], [], wait)[0]:
                return number.name
    except ProcessLookupError:
        return ""
    except OSError as error:
        raise _unsignalled(who, error) from error
    finally:
        os.close(held)
    hint = "it waits in the system's kernel: see its state with ps, and what disk it waits for"
    raise ControlError(f"process {who.pid} was killed and has not ended", hint=hint)


def _check(who: Holder) -> None:
    """Raises ControlError for a process that began after the socket was made."""
    if _age(who.pid) + SLACK < who.age:
        raise ControlError(
            f"process {who.pid} is younger than the session's socket: it is another one",
            hint="see what still runs with: mcpguard status",
        )


def _age(pid: int) -> float:
    """Seconds since the process began (proc(5), stat, field 22). Raises OSError."""
    fields = Path(f"/proc/{pid}/stat").read_text(errors="replace").rpartition(")")[2].split()
    up = float(Path("/proc/uptime").read_text().split()[0])
    return up - int(fields[19]) / os.sysconf("SC_CLK_TCK")


def _unsignalled(who: Holder, error: OSError) -> ControlError:
    text = f"process {who.pid} cannot be ended: {error.strerror}"
    return ControlError(text, hint=f"end it as its user: kill -USR1 {who.pid}")
