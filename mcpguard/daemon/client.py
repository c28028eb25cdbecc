"""Our own MCP client on one server process: requests matched by id, whatever else the server says.

Raw on purpose: the SDK is lenient, slow to import and would parse a hostile server for us. Used
where mcpguard looks at a server by itself (`probe`); the proxy never needs it.
"""

import contextlib
import os
from collections import deque
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final

import anyio
import anyio.to_thread

from mcpguard.daemon import child as processes
from mcpguard.daemon.flow import READ_SIZE
from mcpguard.daemon.log import printable
from mcpguard.errors import SurfaceError, UnreachableError, WireError
from mcpguard.model import JsonObject
from mcpguard.proxy.denial import METHOD_NOT_FOUND
from mcpguard.wire import jsonrpc
from mcpguard.wire.framing import MAX_LINE, Dropped, Framer
from mcpguard.wire.methods import LIST_CHANGED

__all__ = ["Client", "RefusedError", "connect"]

MAX_RECEIVED = 64 * 1024 * 1024
"""Bytes one server may send while it is looked at. Its surface is held in memory and in a file."""

STDERR_TAIL = 8 * 1024
"""Bytes of the server's stderr kept to show a person when it fails. The rest is read and let go."""

TAIL_LINES = 12
"""Lines of that tail shown: enough for the end of a traceback."""

CLOSING_GRACE = 0.3
"""Seconds given to the last words on stderr of a server whose stdout has ended."""

_REFUSED: Final[JsonObject] = {
    "code": METHOD_NOT_FOUND,
    "message": "mcpguard is only reading what this server lists; nobody is there to answer",
}

_ANSWERS: Final[Mapping[str, JsonObject]] = {"ping": {}, "roots/list": {"roots": []}}
"""Server requests that get a result, so that a server goes on. Others are refused."""


class RefusedError(Exception):
    """The server answered with a JSON-RPC error."""

    def __init__(self, method: str, error: JsonObject) -> None:
        code, message = error.get("code"), error.get("message")
        self.code = code if type(code) is int else 0
        self.text = message if isinstance(message, str) else ""
        super().__init__(f"{method}: error {self.code}: {printable(self.text)[:200]}")


class _Waiter:
    """One request in flight. `answer` stays None when the server is gone."""

    __slots__ = ("answer", "done")

    def __init__(self) -> None:
        self.done = anyio.Event()
        self.answer: jsonrpc.Response | None = None


class Client:
    """Requests and notifications to one server. Made by `connect`.

    `changed_at`: monotonic seconds of the last list_changed notification. `unread`: lines that are
    no MCP message, `fault` is why the last of them is none.
    """

    def __init__(self, child: processes.Child, name: str) -> None:
        self.child = child
        self.name = name
        self.changed_at = anyio.current_time()
        self.heard = False
        self.unread = 0
        self.fault = ""
        self._framer = Framer()
        self._waiting: dict[jsonrpc.Id, _Waiter] = {}
        self._next = 1
        self._received = 0
        self._gone = False
        self._failure: SurfaceError | None = None
        self._writing = anyio.Lock()
        self._tail: deque[bytes] = deque()
        self._stderr_ended = anyio.Event()

    async def request(self, method: str, params: JsonObject) -> JsonObject:
        """The result. Raises RefusedError, UnreachableError (the server is gone), SurfaceError."""
        waiter, given = _Waiter(), self._next
        self._next += 1
        self._waiting[given] = waiter
        try:
            await self._send(jsonrpc.encode_request(given, method, params))
            if not self._gone:
                await waiter.done.wait()
        finally:
            self._waiting.pop(given, None)
        return await self._outcome(method, waiter.answer)

    async def notify(self, method: str, params: JsonObject) -> None:
        """Send a notification."""
        await self._send(jsonrpc.encode_notification(method, params))

    async def _outcome(self, method: str, answer: jsonrpc.Response | None) -> JsonObject:
        if self._failure is not None:
            raise self._failure
        if answer is None:
            with anyio.move_on_after(CLOSING_GRACE):
                await self._stderr_ended.wait()
            words = self.last_words()
            raise UnreachableError(f"{self.name} ended before it answered {method}{words}")
        if answer.result is None:
            raise RefusedError(method, answer.error or {})
        return answer.result

    def last_words(self) -> str:
        """The end of the server's stderr as indented, printable lines after a newline, or empty."""
        text = b"".join(self._tail)[-STDERR_TAIL:].decode(errors="replace")
        lines = [line for line in text.splitlines() if line.strip()][-TAIL_LINES:]
        return "".join(f"\n  | {printable(line)[:300]}" for line in lines)

    async def _send(self, line: bytes) -> None:
        async with self._writing:
            view = memoryview(line)
            while view and not self._gone:
                view = view[await self._write(view) :]

    async def _write(self, view: memoryview) -> int:
        try:
            return os.write(self.child.stdin, view)
        except BlockingIOError:
            with contextlib.suppress(anyio.ClosedResourceError):
                await anyio.wait_writable(self.child.stdin)
            return 0
        except OSError:  # the reader notices the end of stdout and tells whoever waits
            return len(view)

    async def listen(self) -> None:
        """Read stdout until it ends; then nobody is answered any more."""
        with contextlib.suppress(OSError):
            while (chunk := await _read(self.child.stdout)) and self._failure is None:
                await self._take(chunk)
        self._gone = True
        for waiter in self._waiting.values():
            waiter.done.set()

    async def drain(self) -> None:
        """Read stderr until it ends, so that the server never waits for it; keep the tail."""
        with contextlib.suppress(OSError):
            while chunk := await _read(self.child.stderr):
                self._tail.append(chunk[-STDERR_TAIL:])
                while sum(map(len, self._tail)) > 2 * STDERR_TAIL:
                    self._tail.popleft()
        self._stderr_ended.set()

    async def _take(self, chunk: bytes) -> None:
        self._received += len(chunk)
        if self._received > MAX_RECEIVED:
            self._fail(f"sent more than {MAX_RECEIVED >> 20} MiB")
        for line in self._framer.feed(chunk):
            if isinstance(line, bytes):
                await self._line(line)
            elif self._waiting:
                self._over_long(line)

    def _over_long(self, piece: Dropped) -> None:
        if piece.first:
            self._fail(f"sent a line longer than {MAX_LINE >> 20} MiB, the most any client reads")

    def _fail(self, what: str) -> None:
        self._failure = SurfaceError(
            f"{self.name} {what}", hint="a server like this cannot be locked; ask its maintainer"
        )

    async def _line(self, line: bytes) -> None:
        try:
            message = jsonrpc.parse_server(line)
        except WireError as error:  # noise: SDK clients skip it too, the answer may still come
            self.unread += bool(line.strip())
            self.fault = error.message if line.strip() else self.fault
            return
        if isinstance(message, jsonrpc.Response):
            self._answer(message)
        elif isinstance(message, jsonrpc.Request):
            await self._send(_reply(message))
        elif message.method in LIST_CHANGED:
            self.changed_at = anyio.current_time()

    def _answer(self, message: jsonrpc.Response) -> None:
        # Popped before it is used: a second answer with this id finds nothing.
        waiter = self._waiting.pop(message.id, None)
        if waiter is not None:
            self.heard = True
            waiter.answer = message
            waiter.done.set()


def _reply(asked: jsonrpc.Request) -> bytes:
    answer = _ANSWERS.get(asked.method)
    if answer is None:
        return jsonrpc.encode_error(asked.id, _REFUSED)
    return jsonrpc.encode_result(asked.id, answer)


async def _read(fd: int) -> bytes:
    try:
        await anyio.wait_readable(fd)
    except NotImplementedError:  # Windows: pipes are no sockets
        return await anyio.to_thread.run_sync(os.read, fd, READ_SIZE, abandon_on_cancel=True)
    return os.read(fd, READ_SIZE)


@asynccontextmanager
async def connect(argv: Sequence[str], env: Mapping[str, str]) -> AsyncIterator[Client]:
    """Start `argv` with exactly `env` and speak to it; it is ended on the way out, always.

    Raises UnreachableError when it cannot be started.
    """
    child = processes.spawn(argv, env)
    try:
        if os.name == "posix":
            os.set_blocking(child.stdin, False)
        async with anyio.create_task_group() as tasks:
            client = Client(child, Path(argv[0]).name)
            tasks.start_soon(client.listen)
            tasks.start_soon(client.drain)
            try:
                yield client
            finally:
                with anyio.CancelScope(shield=True):
                    anyio.notify_closing(child.stdin)
                    await processes.stop(child)
                tasks.cancel_scope.cancel()
    except ExceptionGroup as group:  # the body's own error; the two readers raise none
        raise group.exceptions[0] from None
    finally:
        if child.poll() is None:
            child.abandon()
        else:
            child.release()
