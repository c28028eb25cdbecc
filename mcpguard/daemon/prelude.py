"""The first bytes of a session, moved while the event loop is still being imported.

Importing the loop takes longer than everything else before the first answer. A thread imports it;
meanwhile this thread passes on what comes, as long as that is simple: short writes that cannot
block, no end of file, no end of the session. At anything else, and when the import is done, a driver
takes over where this stopped; nothing is lost in between, as all state is in the relay.
"""

import importlib
import os
import select
import stat
import sys
import threading

from mcpguard.daemon.child import Child
from mcpguard.daemon.flow import READ_SIZE, Relay
from mcpguard.model import Side

__all__ = ["can_wait", "fits", "serve_while_importing"]

SHORT = getattr(select, "PIPE_BUF", 512)
"""Bytes. What a pipe that `select` calls writable takes without blocking (POSIX.1-2017, PIPE_BUF)."""

MODULES = ("mcpguard.daemon.drivers", "uvloop", "anyio._backends._asyncio")
"""What a driver needs. One that is missing here is missed, or done without, by the driver itself."""

HOST_IN, HOST_OUT = 0, 1


def can_wait(fd: int) -> bool:
    """Whether an event loop can wait for `fd`: a pipe, a socket or a terminal, but no file."""
    mode = os.fstat(fd).st_mode
    return stat.S_ISFIFO(mode) or stat.S_ISSOCK(mode) or os.isatty(fd)


def fits(driver: str) -> bool:
    """Whether the session that `driver` (empty: the fastest) will run can begin here."""
    if sys.platform == "win32" or driver not in {"", "uvloop", "asyncio"}:
        return False
    return can_wait(HOST_IN) and can_wait(HOST_OUT)


def serve_while_importing(relay: Relay, child: Child) -> None:
    """Run `relay` on our stdio and `child` until the drivers are imported or things get complicated.

    Only where `fits` says so.
    """
    reader, writer = os.pipe()
    thread = threading.Thread(target=_import, args=(writer,), name="importer", daemon=True)
    thread.start()
    try:
        while _turn(relay, child, reader):
            pass
    finally:
        thread.join()
        os.close(reader)


def _import(done: int) -> None:
    try:
        for name in MODULES:
            try:
                importlib.import_module(name)
            except ImportError:
                continue
    finally:
        os.close(done)


def _turn(relay: Relay, child: Child, done: int) -> bool:
    """Wait for bytes from either side and pass them on. False: it is the driver's turn."""
    ready, _, _ = select.select([done, HOST_IN, child.stdout], [], [])
    if done in ready:
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
