"""The control socket of one session: one JSON request a line, one JSON answer a line.

It lives in the session's event loop (asyncio, uvloop or trio) and may never slow a call down: few
connections at once, one line of bounded size at a time, a pause after each, and a time-out for
whoever neither speaks nor listens, a short one while others wait for a place. What a connection
says is `Converse`'s to answer.
"""

import contextlib
import errno
import os
import socket
import stat
import sys
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Final

import anyio

from mcpguard.control.places import (
    SUFFIX,
    Folder,
    folder,
    may_speak,
    offered,
    peer_uid,
    session_name,
)
from mcpguard.errors import ControlError

__all__ = [
    "IDLE",
    "MAX_CONNECTIONS",
    "MAX_REQUEST",
    "MAX_SILENCE",
    "PACE",
    "START_AFTER",
    "Answer",
    "Listener",
    "attend",
    "serve",
    "sweep",
]

MAX_REQUEST: Final = 64 * 1024
"""Bytes of a request with its newline. The longest true one is a tenth of it."""

MAX_CONNECTIONS: Final = 8
"""Connections served at once; further ones wait in the kernel's queue, or are turned away by it."""

BACKLOG = 16
"""Connections that wait there."""

IDLE: Final = 10.0
"""Seconds in which a whole line must come, and an answer be taken. A person types elsewhere."""

MAX_SILENCE: Final = 0.5
"""Seconds of `IDLE` that are left to a connection while all places are taken and others wait: a
request of our own clients comes, and their answer is taken, within milliseconds."""

PACE: Final = 0.01
"""Seconds between two answers, two pieces of a line or an answer, and two connections: clients that
ask without end are answered 800 times a second, which is a few per cent of the loop's time."""

START_AFTER: Final = 0.25
"""Seconds from a session's first byte to its socket: the handshake has the loop to itself."""

MAX_SWEPT = 256
"""Dead sockets looked at when a session starts."""

NO_ROOM = 1.0
"""Seconds to wait when the process has no descriptor left for a connection."""

Answer = Callable[[bytes], Awaitable[bytes]]
"""One connection's: a request without its newline -> an answer without one. Never raises."""

Tell = Callable[[Exception], None]
"""Hears of what went wrong."""

_TOO_LONG = (
    b'{"ok":false,"kind":"usage","error":"a request is longer than %d bytes","hint":""}\n'
    % MAX_REQUEST
)


class Listener:
    """A listening socket at `<data dir>/run/<session>.sock`. `close` takes it away again.

    Raises ControlError when there can be none.
    """

    def __init__(self, data_dir: Path, session: str) -> None:
        if not offered():
            raise ControlError(
                "a control socket is not offered on this system",
                hint="use the kill switch's file, and end the host to change settings",
            )
        if not session_name(session):
            raise ControlError(
                f"{session[:80]!r} cannot be the name of a socket",
                hint="a session's id is letters and digits",
            )
        self._data_dir = data_dir
        self.name = session + SUFFIX
        try:
            with folder(data_dir, make=True) as place:
                sweep(place)
                self.sock, self._made = _listening(place, session)
            self.path = place.path / self.name
        except OSError as error:
            raise ControlError(
                f"{data_dir}: no control socket can be made: {error.strerror}",
                hint="the session runs; it is ended by its host, a signal or the kill switch",
            ) from error

    def close(self) -> None:
        """Answer nobody any more; delete the socket, if it still is this one."""
        self.sock.close()
        with contextlib.suppress(OSError, ControlError), folder(self._data_dir) as place:
            found = os.stat(self.name, dir_fd=place.fd, follow_symlinks=False)
            if (found.st_dev, found.st_ino) == self._made:
                os.unlink(self.name, dir_fd=place.fd)


def _listening(place: Folder, session: str) -> tuple[socket.socket, tuple[int, int]]:
    """Bound under another name and moved when it listens: nobody ever finds it deaf."""
    early = f".{session}.new"
    with contextlib.suppress(FileNotFoundError):
        os.unlink(early, dir_fd=place.fd)
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        sock.setblocking(False)
        sock.bind(place.address(early))
        os.chmod(early, 0o600, dir_fd=place.fd)
        sock.listen(BACKLOG)
        found = os.stat(early, dir_fd=place.fd, follow_symlinks=False)
        os.rename(early, session + SUFFIX, src_dir_fd=place.fd, dst_dir_fd=place.fd)
    except BaseException:
        sock.close()
        raise
    return sock, (found.st_dev, found.st_ino)


def sweep(place: Folder) -> list[str]:
    """Deletes sockets that nobody listens on any more; their sessions.

    On Linux alone: elsewhere a socket whose queue is full looks like one that nobody listens on.
    """
    if sys.platform != "linux":
        return []
    return [session for session in place.sessions()[:MAX_SWEPT] if _swept(place, session + SUFFIX)]


def _swept(place: Folder, name: str) -> bool:
    try:
        if not stat.S_ISSOCK(os.stat(name, dir_fd=place.fd, follow_symlinks=False).st_mode):
            return False
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as sock:
            sock.setblocking(False)
            if sock.connect_ex(place.address(name)) != errno.ECONNREFUSED:
                return False
        os.unlink(name, dir_fd=place.fd)
    except (OSError, ControlError):
        return False
    return True


async def attend(data_dir: Path, session: str, converse: Callable[[], Answer], tell: Tell) -> None:
    """The control socket beside a session: whatever goes wrong with it is told, never raised."""
    await anyio.sleep(START_AFTER)
    try:
        await serve(Listener(data_dir, session), converse, tell)
    except Exception as error:  # noqa: BLE001 - the session goes on without a control socket
        tell(error)


def own_user(peer: int | None) -> bool:
    """Whether user `peer` may speak with a session of this process."""
    return may_speak(peer, os.geteuid())


async def serve(
    listener: Listener,
    converse: Callable[[], Answer],
    tell: Tell,
    *,
    idle: float = IDLE,
    allow: Callable[[int | None], bool] = own_user,
) -> None:
    """Answers until it is cancelled; then the socket is gone.

    `converse`: for each connection of a user whom `allow` lets speak. `idle`: seconds, see `IDLE`.
    """

    def greeted(sock: socket.socket) -> Answer | None:
        return converse() if allow(peer_uid(sock)) else None

    house = _House(listener.sock, idle)
    try:
        async with anyio.create_task_group() as tasks:
            while True:
                await house.place()
                sock = await _accepted(listener.sock)
                tasks.start_soon(_connection, sock, greeted, house, tell)
                await anyio.sleep(PACE)
    finally:
        listener.close()


class _House:
    """The places of a socket, and who takes them. `idle`: seconds, see `IDLE`."""

    def __init__(self, listening: socket.socket, idle: float) -> None:
        self._listening = listening
        self._idle = idle
        self._room = anyio.Semaphore(MAX_CONNECTIONS)
        self._awaited: dict[anyio.CancelScope, float] = {}
        """Whoever is to speak or to listen, and since when."""

    async def place(self) -> None:
        """A free one; while somebody waits for it, those who keep silent lose theirs."""
        while True:
            with anyio.move_on_after(MAX_SILENCE / 5):
                await self._room.acquire()
                return
            await anyio.wait_readable(self._listening)
            latest = anyio.current_time() - MAX_SILENCE
            silent = [scope for scope, since in self._awaited.items() if since <= latest]
            for scope in silent[:1]:
                scope.cancel()

    def leave(self) -> None:
        """A place is free."""
        self._room.release()

    @contextlib.contextmanager
    def awaited(self) -> Iterator[None]:
        """Around waiting for the other end: not for ever."""
        with anyio.move_on_after(self._idle) as scope:
            self._awaited[scope] = anyio.current_time()
            try:
                yield
            finally:
                del self._awaited[scope]


async def _accepted(listening: socket.socket) -> socket.socket:
    while True:
        await anyio.wait_readable(listening)
        try:
            sock, _ = listening.accept()
        except (BlockingIOError, InterruptedError, ConnectionError):
            await anyio.sleep(PACE)
        except OSError:  # no descriptor left, most likely: it is still readable, so do not spin
            await anyio.sleep(NO_ROOM)
        else:
            sock.setblocking(False)
            return sock


async def _connection(
    sock: socket.socket,
    greeted: Callable[[socket.socket], Answer | None],
    house: _House,
    tell: Tell,
) -> None:
    try:
        with sock, contextlib.suppress(OSError):
            answer = greeted(sock)
            if answer is not None:
                await _converse(sock, answer, house)
    except Exception as error:  # noqa: BLE001 - a defect here ends this connection alone
        tell(error)
    finally:
        house.leave()


async def _converse(sock: socket.socket, answer: Answer, house: _House) -> None:
    """Line by line. What comes before the answer to the line before it is left in the socket."""
    got = bytearray()
    while True:
        with house.awaited():
            await _line(sock, got)
        line, newline, rest = bytes(got).partition(b"\n")
        if not newline:
            if len(got) >= MAX_REQUEST:
                await _send(sock, _TOO_LONG, house)
            return
        got[:] = rest
        if not await _send(sock, await answer(line) + b"\n", house):
            return
        await anyio.sleep(PACE)


async def _line(sock: socket.socket, got: bytearray) -> None:
    """Until `got` has a newline, or too much for one, or nothing more comes."""
    while b"\n" not in got and len(got) < MAX_REQUEST:
        await anyio.wait_readable(sock)
        with contextlib.suppress(BlockingIOError, InterruptedError):
            chunk = sock.recv(MAX_REQUEST - len(got))
            if not chunk:
                return
            got += chunk
        if b"\n" not in got:  # one that drips byte by byte must not wake the loop for each
            await anyio.sleep(PACE)


async def _send(sock: socket.socket, data: bytes, house: _House) -> bool:
    """Whether all of `data` was taken in time."""
    left = memoryview(data)
    with house.awaited():
        while left:
            await anyio.wait_writable(sock)
            with contextlib.suppress(BlockingIOError, InterruptedError):
                left = left[sock.send(left) :]
            if left:
                await anyio.sleep(PACE)
    return not left
