"""The two ways to move the bytes of a session: loop callbacks, and blocking reads in threads.

Both run the same `Relay` (the engine) in the event loop's thread and end a session in the same way.
`Callbacks` is the fast one: standing `add_reader` callbacks on raw non-blocking descriptors, one
read, one run of the engine and one write a turn. `Threads` is the portable one: for stdio that is a
file (epoll refuses those), for Windows and for trio.
"""

import asyncio  # the one owner: standing reader callbacks are no part of anyio
import contextlib
import importlib.util
import os
import signal
import sys
from abc import ABC, abstractmethod
from collections.abc import Callable, Coroutine, Mapping
from typing import Any, TypeVar, TypeVarTuple

import anyio
import anyio.lowlevel
import anyio.to_thread
from anyio.abc import TaskGroup

from mcpguard.daemon import child as processes
from mcpguard.daemon.child import Child
from mcpguard.daemon.flow import READ_SIZE, Relay, Sink, has_room
from mcpguard.daemon.log import Stderr
from mcpguard.daemon.prelude import HOST_IN, HOST_OUT, Alarm, can_wait, give_memory_back
from mcpguard.errors import UsageError
from mcpguard.model import Side

if sys.version_info >= (3, 12):
    from typing import override
else:
    from typing_extensions import override

__all__ = ["DRIVERS", "STOP_BUDGET", "Beside", "Callbacks", "Driver", "Threads", "choose", "run"]

STOP_BUDGET = 1.9
"""Seconds from the host's end of file or a signal to our exit. The official SDKs kill after two."""

DRAIN = 0.8
"""Seconds of the stop budget in which what is in flight may be answered before stdin closes."""

KILL_RESERVE = processes.TERM_GRACE + 0.3
"""Seconds of the stop budget kept for SIGTERM, SIGKILL and the last bytes."""

LAST_BYTES = 0.2
"""Seconds for bytes on their way when the server has ended: its last answer, its stderr."""

TICK = 1.0
"""Seconds between two looks at deadlines, only while something is held or in flight."""

TRIM_AFTER = 0.25
"""Seconds from the end of a long write to giving its memory back."""

TRIM_FIRST = 2.0
"""Seconds from the start to giving back what loading the modules and the lockfile left behind."""

BY_SIGNAL = "SIGUSR1"
"""Why a session was killed that a signal has killed."""

Args = TypeVarTuple("Args")
T = TypeVar("T")

Beside = Callable[["Driver"], Coroutine[Any, Any, None]]
"""Runs beside a session from when bytes move until it ends, in its loop: the store's worker, the
control socket, the look for the kill switch. Must not raise: that would end the session."""


class Driver(ABC):
    """One session from the first byte to the exit code. Subclasses move the bytes."""

    def __init__(self, relay: Relay, child: Child, stderr: Stderr, alarm: Alarm) -> None:
        self.beside: tuple[Beside, ...] = ()
        self.relay = relay
        self.child = child
        self.stderr = stderr
        self.alarm = alarm
        self.host = relay.sinks[Side.HOST]
        self.server = relay.sinks[Side.SERVER]
        self.ended: set[Side] = set()
        self.signalled = False
        self.killed = False
        self.ending = False
        self.noted = anyio.Event()

    async def run(self) -> int:
        """Move bytes until the session ends; end the server; give the exit code."""
        try:
            async with anyio.create_task_group() as tasks:
                if sys.platform != "win32":
                    tasks.start_soon(self._signals)
                await self.open(tasks)
                if self.alarm.killed:
                    self.kill(BY_SIGNAL)
                for each in self.beside:
                    tasks.start_soon(each, self)
                await self._conduct()
                tasks.cancel_scope.cancel()
        finally:
            self.close()
            if self.child.returncode is None:
                self.child.kill()
            self.child.release()
        code = self.relay.exit_code
        return processes.ending(self.child) if code is None else code

    @abstractmethod
    async def open(self, tasks: TaskGroup) -> None:
        """Begin to move bytes."""

    @abstractmethod
    def close(self) -> None:
        """Move no more, and leave our stdio as it was found."""

    @abstractmethod
    def close_server_stdin(self) -> None:
        """Write nothing more to the server and close its stdin."""

    @abstractmethod
    def flush(self) -> None:
        """Write what the engine left in the sinks."""

    @property
    @abstractmethod
    def stderr_open(self) -> bool:
        """The server's stderr has not ended yet."""

    def end_of_file(self, side: Side) -> None:
        """`side` will send nothing more. More than once does no harm."""
        if side not in self.ended:
            self.ended.add(side)
            self.relay.closed(side)
        self.note()

    def note(self) -> None:
        """Something happened that the end of a session may wait for."""
        self.noted.set()

    def kill(self, why: str) -> None:
        """End the session now, denying what is in flight; the server gets no time to finish."""
        self.killed = True
        self.relay.kill(why)
        self.flush()
        self.note()

    async def _signals(self) -> None:
        while True:
            await anyio.wait_readable(self.alarm.reader)
            os.read(self.alarm.reader, 1)
            self.signalled = self.alarm.rung
            if self.alarm.killed and not self.killed:
                self.kill(BY_SIGNAL)
            self.note()

    async def _until(self, condition: Callable[[], bool], deadline: float) -> bool:
        with anyio.move_on_after(deadline - anyio.current_time()):
            while not condition():
                self.noted = anyio.Event()
                await self.noted.wait()
        return condition()

    async def _conduct(self) -> None:
        await self._until(self._over, float("inf"))
        self.ending = True
        deadline = anyio.current_time() + STOP_BUDGET
        if self.relay.exit_code is None and Side.SERVER not in self.ended:
            await self._finish_in_flight()
        self.close_server_stdin()
        spare = deadline - KILL_RESERVE - anyio.current_time()
        grace = 0.0 if self.killed else max(0.0, min(processes.EOF_GRACE, spare))
        await processes.stop(self.child, eof_grace=grace)
        await self._deliver()

    def _over(self) -> bool:
        over = bool(self.ended) or self.signalled or self.host.closed
        return over or self.relay.exit_code is not None

    async def _finish_in_flight(self) -> None:
        """The host has gone or we are asked to stop: what it sent before is still done."""
        self.end_of_file(Side.HOST)
        if not self.host.closed:
            await self._until(self._idle, anyio.current_time() + DRAIN)

    def _idle(self) -> bool:
        quiet = not self.relay.answering and not self.server.size
        return quiet or Side.SERVER in self.ended or self.host.closed

    async def _deliver(self) -> None:
        """The server is gone: its last bytes, then errors for what it left unanswered.

        A host that is still there is given all the time it takes to read them.
        """
        await self._until(self._all_read, anyio.current_time() + LAST_BYTES)
        self.end_of_file(Side.SERVER)
        self.flush()
        hurry = self.relay.exit_code is not None or self._leaving()
        limit = anyio.current_time() + LAST_BYTES if hurry else float("inf")
        await self._until(lambda: not self.host.size or (not hurry and self._leaving()), limit)
        with anyio.move_on_after(LAST_BYTES):
            while not self.stderr.drain():  # noqa: ASYNC110 - one driver has no event for it
                await anyio.sleep(LAST_BYTES / 20)

    def _all_read(self) -> bool:
        return Side.SERVER in self.ended and not self.stderr_open

    def _leaving(self) -> bool:
        return self.signalled or Side.HOST in self.ended


class Callbacks(Driver):
    """Reader callbacks on raw descriptors: asyncio's loop or uvloop's."""

    def __init__(self, relay: Relay, child: Child, stderr: Stderr, alarm: Alarm) -> None:
        super().__init__(relay, child, stderr, alarm)
        self._loop = asyncio.get_running_loop()
        self._stderr_open = True
        self._paused = {Side.HOST, Side.SERVER}
        self._resuming: set[Side] = set()
        self._timer: asyncio.TimerHandle | None = None
        self._trimmer: asyncio.TimerHandle | None = None
        self._inputs = {Side.HOST: HOST_IN, Side.SERVER: child.stdout}
        self._outputs = {Side.HOST: HOST_OUT, Side.SERVER: child.stdin}
        self._blocking = [fd for fd in (HOST_IN, HOST_OUT) if os.get_blocking(fd)]

    @override
    async def open(self, tasks: TaskGroup) -> None:
        for fd in (*self._inputs.values(), *self._outputs.values(), self.child.stderr):
            os.set_blocking(fd, False)
        self.host.fd, self.server.fd = self._outputs[Side.HOST], self._outputs[Side.SERVER]
        self.stderr.on_blocked = self._await_stderr
        self._loop.add_reader(self.child.stderr, self._read_stderr)
        self._trimmer = self._loop.call_later(TRIM_FIRST, self._trim)
        self.flush()  # a prelude may have left something

    @property
    @override
    def stderr_open(self) -> bool:
        return self._stderr_open

    @override
    def close(self) -> None:
        for fd in {*self._inputs.values(), self.child.stderr} - {-1}:
            self._loop.remove_reader(fd)
        for fd in {*self._outputs.values(), self.stderr.fd} - {-1}:
            self._loop.remove_writer(fd)
        for timer in (self._timer, self._trimmer):
            if timer is not None:
                timer.cancel()
        self.host.fd = self.server.fd = -1
        for fd in self._blocking:
            with contextlib.suppress(OSError):
                os.set_blocking(fd, True)

    @override
    def close_server_stdin(self) -> None:
        self._abandon(Side.SERVER)
        self._outputs[Side.SERVER] = -1
        self.child.close_stdin()

    @override
    def flush(self) -> None:
        host, server = self.host, self.server
        if host.size or server.size or self._paused:
            if host.size and not host.blocked:
                self._write(Side.HOST, host)
            if server.size and not server.blocked:
                self._write(Side.SERVER, server)
            self._throttle()
        relay = self.relay
        if self._timer is None and relay.busy:
            self._timer = self._loop.call_later(TICK, self._tick)
        if self.ending or relay.exit_code is not None:
            self.note()

    def _readable(self, side: Side, fd: int) -> None:
        try:
            chunk = os.read(fd, READ_SIZE)
        except (BlockingIOError, InterruptedError):
            return
        except OSError:  # ECONNRESET is how a socketpair ends when its peer left bytes unread
            chunk = b""
        if not chunk:
            self._pause(side)
            self.end_of_file(side)
        else:
            waits = self.relay.feed(side, chunk)
            if waits is None and self._timer is not None and not self.ending:
                return
            if waits:
                self._pause(side)
        self.flush()

    def _write(self, side: Side, sink: Sink) -> None:
        fd = self._outputs[side]
        try:
            while sink.size:
                if not sink.write(fd):
                    if not sink.blocked:  # it stays registered until everything is written
                        sink.blocked = True
                        self._loop.add_writer(fd, self._writable, side, sink)
                    return
        except OSError:
            self._abandon(side)
            self.note()
            return
        if sink.blocked:
            self._loop.remove_writer(fd)
            sink.blocked = False
            if self._trimmer is None:
                self._trimmer = self._loop.call_later(TRIM_AFTER, self._trim)

    def _trim(self) -> None:
        self._trimmer = None
        give_memory_back()

    def _writable(self, side: Side, sink: Sink) -> None:
        self._write(side, sink)
        self.flush()

    def _abandon(self, side: Side) -> None:
        sink = self.relay.sinks[side]
        if sink.blocked:
            self._loop.remove_writer(self._outputs[side])
            sink.blocked = False
        sink.close()

    def _pause(self, side: Side) -> None:
        if side not in self._paused:
            self._paused.add(side)
            self._loop.remove_reader(self._inputs[side])

    def _throttle(self) -> None:
        """Read from those sides alone whose sinks have room and whose earlier lines are done."""
        for side in Side:
            if side in self.ended:
                continue
            if not has_room(self.relay.sinks, side):
                self._pause(side)
            elif self.relay.waiting(side):
                self._pause(side)
                self._resume_soon(side)
            elif side in self._paused:
                self._paused.discard(side)
                fd = self._inputs[side]
                self._loop.add_reader(fd, self._readable, side, fd)

    def _resume_soon(self, side: Side) -> None:
        if side not in self._resuming:
            self._resuming.add(side)
            self._loop.call_soon(self._resume, side)

    def _resume(self, side: Side) -> None:
        self._resuming.discard(side)
        self.relay.feed(side, b"")
        self.flush()

    def _tick(self) -> None:
        self._timer = None
        self.relay.tick()
        self.flush()

    def _read_stderr(self) -> None:
        try:
            chunk = os.read(self.child.stderr, READ_SIZE)
        except (BlockingIOError, InterruptedError):
            return
        except OSError:
            chunk = b""
        if chunk:
            self.stderr.pass_on(chunk)
            return
        self._stderr_open = False
        self._loop.remove_reader(self.child.stderr)
        self.note()

    def _await_stderr(self) -> None:
        self._loop.add_writer(self.stderr.fd, self._drain_stderr)

    def _drain_stderr(self) -> None:
        if self.stderr.drain():
            self._loop.remove_writer(self.stderr.fd)


class Threads(Driver):
    """Blocking reads and writes in worker threads: for files, Windows and trio.

    The threads of the last reads may outlive `run`, blocked: end the process with `os._exit`.
    """

    def __init__(self, relay: Relay, child: Child, stderr: Stderr, alarm: Alarm) -> None:
        super().__init__(relay, child, stderr, alarm)
        self._stderr_open = True
        self._stirred = anyio.Event()
        self._long = False
        self._inputs = {Side.HOST: HOST_IN, Side.SERVER: child.stdout}

    @override
    async def open(self, tasks: TaskGroup) -> None:
        for side in Side:
            tasks.start_soon(self._reader, side)
            tasks.start_soon(self._writer, side)
        tasks.start_soon(self._errors)
        tasks.start_soon(self._clock)

    @property
    @override
    def stderr_open(self) -> bool:
        return self._stderr_open

    @override
    def close(self) -> None:
        """Nothing to undo: the descriptors stayed as they were."""

    @override
    def close_server_stdin(self) -> None:
        self.server.close()
        self.child.close_stdin()

    @override
    def flush(self) -> None:
        self._stirred.set()
        self._stirred = anyio.Event()
        if self.ending or self.relay.exit_code is not None:
            self.note()

    async def _when(self, condition: Callable[[], bool]) -> None:
        while not condition():
            await self._stirred.wait()

    async def _reader(self, side: Side) -> None:
        relay = self.relay
        while side not in self.ended:
            await self._when(lambda: has_room(relay.sinks, side))
            if relay.waiting(side):
                relay.feed(side, b"")
                await anyio.lowlevel.checkpoint()
            elif chunk := await _in_thread(_read, self._inputs[side]):
                relay.feed(side, chunk)
            else:
                self.end_of_file(side)
            self.flush()

    async def _writer(self, side: Side) -> None:
        sink = self.relay.sinks[side]
        while not sink.closed:
            await self._when(lambda: bool(sink.size) or sink.closed)
            data = sink.next()
            if not data:
                return
            fd = HOST_OUT if side is Side.HOST else self.child.stdin
            self._long = self._long or len(data) > READ_SIZE
            try:
                sink.wrote(await _in_thread(os.write, fd, data[:READ_SIZE]))
            except OSError:
                sink.close()
                self.note()
            self.flush()

    async def _errors(self) -> None:
        while chunk := await _in_thread(_read, self.child.stderr):
            self.stderr.pass_on(chunk)
        self._stderr_open = False
        self.note()

    async def _clock(self) -> None:
        while True:
            await anyio.sleep(TICK)
            self.stderr.drain()
            if self._long and not self.relay.busy:
                self._long = False
                give_memory_back()
            if self.alarm.rung and not self.signalled:  # where the loop hears no signals
                self.signalled = True
                self.note()
            if self.relay.busy:
                self.relay.tick()
                self.flush()


def _read(fd: int) -> bytes:
    """One blocking read; an error is the end of file."""
    try:
        return os.read(fd, READ_SIZE)
    except OSError:
        return b""


async def _in_thread(work: Callable[[*Args], T], *args: *Args) -> T:
    return await anyio.to_thread.run_sync(work, *args, abandon_on_cancel=True)


DRIVERS: Mapping[str, tuple[type[Driver], str, Mapping[str, Any]]] = {
    "uvloop": (Callbacks, "asyncio", {"use_uvloop": True}),
    "asyncio": (Callbacks, "asyncio", {}),
    "threads": (Threads, "asyncio", {}),
    "trio": (Threads, "trio", {}),
}
"""Name -> driver, anyio backend, its options. MCPGUARD_DRIVER chooses; tests run them all."""


def choose(wanted: str = "") -> str:
    """The name of the driver to use: `wanted` if given, else the fastest one that can be.

    Raises UsageError for an unknown name. Stdio that no loop can wait for always takes threads.
    """
    if wanted and wanted not in DRIVERS:
        raise UsageError(
            f"MCPGUARD_DRIVER={wanted}: no such driver", hint="one of: " + ", ".join(DRIVERS)
        )
    if wanted and DRIVERS[wanted][0] is Threads:
        return wanted
    if sys.platform == "win32" or not (can_wait(HOST_IN) and can_wait(HOST_OUT)):
        return "threads"
    return wanted or ("uvloop" if importlib.util.find_spec("uvloop") else "asyncio")


def run(
    relay: Relay,
    child: Child,
    stderr: Stderr,
    alarm: Alarm,
    *,
    driver: str = "",
    beside: tuple[Beside, ...] = (),
) -> int:
    """Run one session to its end, and `beside` it what does not move bytes; the exit code."""
    kind, backend, options = DRIVERS[choose(driver)]

    async def main() -> int:
        made = kind(relay, child, stderr, alarm)
        made.beside = beside
        try:
            return await made.run()
        finally:
            if backend == "trio":  # closes its descriptor for signals while it is still written to
                signal.set_wakeup_fd(-1)

    return anyio.run(main, backend=backend, backend_options=dict(options))
