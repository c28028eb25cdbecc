"""The first bytes of a session, moved while the event loop is still being imported.

Importing the loop takes longer than everything else before the first answer. A thread imports it;
meanwhile this thread passes on what comes, as long as that is simple: short writes that cannot
block, no end of file, no end of the session. At anything else, and when the import is done, a
driver takes over where this stopped; nothing is lost in between, as all state is in the relay.
"""

import contextlib
import importlib
import os
import select
import signal
import stat
import sys
import threading
from typing import Any, Self

from mcpguard.daemon.child import Child
from mcpguard.daemon.flow import READ_SIZE, Relay
from mcpguard.model import Side

__all__ = [
    "KILL_SIGNALS",
    "STOP_SIGNALS",
    "Alarm",
    "can_wait",
    "fits",
    "give_memory_back",
    "one_heap",
    "serve_while_importing",
]

SHORT = getattr(select, "PIPE_BUF", 512)
"""Bytes. What a pipe that `select` calls writable takes without blocking (POSIX PIPE_BUF)."""

MODULES = ("mcpguard.daemon.drivers", "uvloop", "anyio._backends._asyncio")
"""What a driver needs. One that cannot be imported is missed, or done without, by the driver."""

HOST_IN, HOST_OUT = 0, 1
"""Our stdin and stdout."""

_STOPPING = (
    "SIGTERM", "SIGINT", "SIGHUP", "SIGQUIT", "SIGUSR2", "SIGALRM", "SIGVTALRM", "SIGPROF",
    "SIGXCPU", "SIGIO", "SIGPWR", "SIGSTKFLT",
)  # fmt: skip
_REAL_TIME = range(getattr(signal, "SIGRTMIN", 0), getattr(signal, "SIGRTMAX", -1) + 1)

STOP_SIGNALS: tuple[Any, ...] = (
    *(getattr(signal, name) for name in _STOPPING if hasattr(signal, name)),
    *_REAL_TIME,
)
"""Each of them ends a session as the host's end of file does. All that would end us unheard, but
for those of a program that failed (SIGSEGV, SIGABRT) and those that Python ignores (SIGPIPE)."""

_ARENA_MAX = -8
"""M_ARENA_MAX of mallopt(3)."""

KILL_SIGNALS = tuple(getattr(signal, name) for name in ("SIGUSR1",) if hasattr(signal, name))
"""Each of them is the kill switch of one proxy: what is in flight is denied, not finished."""


class Alarm:
    """Hears signals from before the server starts until we have ended. Main thread only.

    A loop's own handlers would leave us deaf while they are set and once they are taken back. Left
    as a context, it ignores them: the interpreter's own exit would die of the next one.
    `rung`: one to stop came. `killed`: one to kill. `reader`: a pipe with a byte for either.
    """

    def __init__(self) -> None:
        self.rung = False
        self.killed = False
        self.reader, self._writer = os.pipe()
        for number in (*STOP_SIGNALS, *KILL_SIGNALS):
            signal.signal(number, self._ring)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        heard = (*STOP_SIGNALS, *KILL_SIGNALS)
        if sys.platform != "win32":  # one that came, and finds its handler gone, is a traceback
            signal.pthread_sigmask(signal.SIG_BLOCK, heard)
        for number in heard:
            signal.signal(number, signal.SIG_IGN)

    def _ring(self, number: int, _: object) -> None:
        told = self.killed if number in KILL_SIGNALS else self.rung
        if number in KILL_SIGNALS:
            self.killed = True
        else:
            self.rung = True
        if not told:
            os.write(self._writer, b"!")


def can_wait(fd: int) -> bool:
    """Whether an event loop can wait for `fd`: a pipe, a socket or a terminal, but no file."""
    mode = os.fstat(fd).st_mode
    return stat.S_ISFIFO(mode) or stat.S_ISSOCK(mode) or os.isatty(fd)


def fits(driver: str) -> bool:
    """Whether the session that `driver` (empty: the fastest) will run can begin here."""
    if sys.platform == "win32" or driver not in {"", "uvloop", "asyncio"}:
        return False
    return can_wait(HOST_IN) and can_wait(HOST_OUT)


def serve_while_importing(relay: Relay, child: Child, alarm: Alarm) -> None:
    """Run `relay` until the drivers are imported, or something comes up that needs one.

    Only where `fits` says so.
    """
    reader, writer = os.pipe()
    thread = threading.Thread(target=_import, args=(writer,), name="importer", daemon=True)
    thread.start()
    try:
        while _turn(relay, child, [reader, alarm.reader]):
            pass
    finally:
        thread.join()
        os.close(reader)


def _import(done: int) -> None:
    try:
        for name in MODULES:
            with contextlib.suppress(Exception):  # the main thread meets it again, and says so
                importlib.import_module(name)
    finally:
        os.close(done)


def _turn(relay: Relay, child: Child, enough: list[int]) -> bool:
    """Wait for bytes from either side and pass them on. False: it is the driver's turn."""
    ready, _, _ = select.select([*enough, HOST_IN, child.stdout], [], [])
    if not set(enough).isdisjoint(ready):
        return False
    for side, fd in ((Side.SERVER, child.stdout), (Side.HOST, HOST_IN)):
        if fd in ready and not _pass_on(relay, child, side, fd):
            return False
    return True


def _pass_on(relay: Relay, child: Child, side: Side, fd: int) -> bool:
    try:
        chunk = os.read(fd, READ_SIZE)
    except OSError:
        return False
    if not chunk:
        return False  # the end of file is still there for the driver
    waiting = relay.feed(side, chunk)
    return not waiting and relay.exit_code is None and _write(relay, child)


def _write(relay: Relay, child: Child) -> bool:
    for side, fd in ((Side.HOST, HOST_OUT), (Side.SERVER, child.stdin)):
        sink = relay.sinks[side]
        if not sink.size:
            continue
        if sink.size > SHORT or not select.select([], [fd], [], 0)[1]:
            return False
        try:
            if not sink.write(fd):
                return False
        except OSError:
            return False
    return True


def one_heap() -> None:
    """Threads allocate where all do (mallopt(3)). Before the first of them.

    They have the interpreter in turns, so nobody waits for it, and of a heap of their own malloc
    gives nothing back: what a thread looks through once would stay.
    """
    _call("mallopt", _ARENA_MAX, 1)


def give_memory_back() -> None:
    """Return what long lines left in the heap to the system (malloc_trim(3)).

    Making malloc map long blocks instead would make each of them twice as slow.
    """
    _call("malloc_trim", 0)


def _call(name: str, *arguments: int) -> None:
    """Call `name` of the C library, where it has it."""
    try:
        import _ctypes  # `ctypes` takes 3 ms more, for classes that nobody needs here

        function = _ctypes.dlsym(_ctypes.dlopen(None, 0), name)  # type: ignore[arg-type]
        _ctypes.call_function(function, arguments)
    except (ImportError, AttributeError, OSError):
        return
