"""Every backend behind one face, and a real redis-server, for the tests of all of them."""

import re
import shutil
import signal
import socketserver
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from threading import Thread

import pytest

from mcpguard.store import ABSENT, BACKENDS, Store
from mcpguard.store.clock import Instant, uptime
from mcpguard.store.ledger import Kind, Limit
from mcpguard.store.memory import MemoryStore
from mcpguard.store.sqlite import SqliteStore

if sys.version_info >= (3, 12):
    from typing import override
else:
    from typing_extensions import override

NAMES = tuple(BACKENDS)
_HOUR = Limit(10, 3_600_000)


def uses(store: Store) -> list[Callable[[], object]]:
    """Everything a store can be asked, once."""
    return [
        lambda: store.take("k", _HOUR, 1, 1000),
        lambda: store.give_back("k", _HOUR, "lease", 1),
        lambda: store.get("k"),
        lambda: store.put("k", 1, ABSENT),
        lambda: store.delete("k", 1),
        lambda: store.list(""),
        store.version,
        lambda: store.add("k", 1),
        lambda: store.counts(""),
        lambda: store.reset("k"),
    ]


@dataclass
class Hands:
    """A clock that a test moves: the machine's boots, its uptime, and what its wall clock says."""

    boot: str = "first"
    up: int = 5_000
    wall: int = 1_000_000
    passed: int = 0

    def __call__(self) -> Instant:
        return Instant(self.boot, self.up, self.wall)

    def go(self, milliseconds: int) -> None:
        self.up += milliseconds
        self.wall += milliseconds
        self.passed += milliseconds


@dataclass
class Backend:
    """A store under test. `now`: milliseconds; `go` lets some pass; `again` is another opening."""

    name: str
    store: Store
    now: Callable[[], float]
    go: Callable[[int], None]
    again: Callable[[], Store]
    clock: Hands = field(default_factory=Hands)


@contextmanager
def backend(name: str, server: "RedisServer | None" = None) -> Iterator[Backend]:
    with tempfile.TemporaryDirectory(prefix="mcpguard-") as folder:
        made = _MAKE[name](Path(folder), server)
        yield made
        made.store.close()


def _memory(_: Path, __: object) -> Backend:
    clock = Hands()
    store = MemoryStore(clock)
    return Backend("memory", store, lambda: clock.passed, clock.go, lambda: store, clock)


def _sqlite(folder: Path, _: object) -> Backend:
    clock = Hands()
    path = folder / "data" / "store.db"
    store = SqliteStore(path, clock)
    return Backend(
        "sqlite",
        store,
        lambda: clock.passed,
        clock.go,
        lambda: SqliteStore(path, clock),
        clock,
    )


def _redis(_: Path, server: "RedisServer | None") -> Backend:
    assert server is not None
    server.empty()
    store = BACKENDS["redis"](server.url)

    def now() -> float:
        return uptime() * 1000

    def go(milliseconds: int) -> None:
        """Asks the server until it is later: its time is the real one."""
        end = now() + milliseconds
        while now() < end:
            store.version()

    return Backend("redis", store, now, go, lambda: BACKENDS["redis"](server.url))


_MAKE = {"memory": _memory, "sqlite": _sqlite, "redis": _redis}


class RedisServer:
    """A redis-server of its own on a socket in a folder of its own."""

    def __init__(self, *options: str) -> None:
        if shutil.which("redis-server") is None:
            pytest.fail("redis-server not found: install it (Debian: apt-get install redis-server)")
        self.folder = Path(tempfile.mkdtemp(prefix="mcpguard-redis-"))
        self.socket = self.folder / "s"
        self.url = f"unix://{self.socket}"
        self.options = options
        self.process = self._start()

    def _start(self) -> subprocess.Popen[str]:
        place = ("--port", "0", "--unixsocket", str(self.socket), "--dir", str(self.folder))
        process = subprocess.Popen(
            ["redis-server", *place, "--save", "", *self.options],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        assert process.stdout is not None
        said = []
        for line in process.stdout:
            said.append(line)
            if "eady to accept connections" in line:
                return process
        pytest.fail(f"redis-server did not start: {''.join(said)}")

    def kill(self) -> None:
        self.process.kill()
        self._reap()

    def restart(self) -> None:
        self.process = self._start()

    def empty(self) -> None:
        self.do("FLUSHALL")

    def do(self, *command: str) -> str:
        """One command to the server, as a person would give it."""
        done = subprocess.run(
            ["redis-cli", "-s", str(self.socket), *command],
            capture_output=True,
            text=True,
            check=True,
        )
        return done.stdout.strip()

    def stop_answering(self) -> None:
        self.process.send_signal(signal.SIGSTOP)

    def close(self) -> None:
        self.process.kill()
        self._reap()
        shutil.rmtree(self.folder)

    def _reap(self) -> None:
        self.process.wait()
        if self.process.stdout is not None:
            self.process.stdout.close()


Use = tuple[float, int]
"""When units were used, in milliseconds, and how many."""


def most_in_a_window(limit: Limit, uses: Sequence[Use], slack: float = 0.0) -> float:
    """How much of `limit` the fullest stretch of time had; over 1 is over the limit.

    Says from the uses alone what a limit means; it knows nothing of leases. `slack`: milliseconds
    by which a clock of whole ones may be off.
    """
    worst = 0.0
    ordered = sorted(uses)
    for first, (start, _) in enumerate(ordered):
        total = 0
        for when, units in ordered[first:]:
            if limit.kind is Kind.SLIDING and when >= start + limit.window:
                break
            total += units
            worst = max(worst, total / _allowed(limit, when - start + slack))
    return worst


def _allowed(limit: Limit, stretch: float) -> float:
    if limit.kind is Kind.SLIDING:
        return limit.amount
    return limit.size + limit.amount * stretch / limit.window


GREETINGS = {b"HELLO": b"%1\r\n$5\r\nproto\r\n:3\r\n", b"CLIENT": b"+OK\r\n"}


@contextmanager
def answering(*answers: bytes, greets: bool = True) -> Iterator[str]:
    """The URL of a server that gives these answers in turn, then the last one for ever.

    `greets`: it answers as a Redis does to the commands with which a client begins.
    """
    left = [*answers]

    class Conversation(socketserver.BaseRequestHandler):
        @override
        def handle(self) -> None:
            while said := self.request.recv(65536):
                for command in re.findall(rb"\*\d+\r\n\$\d+\r\n(\w+)\r\n", said):
                    self.request.sendall(answer(command))

    def answer(command: bytes) -> bytes:
        if greets and command in GREETINGS:
            return GREETINGS[command]
        return left.pop(0) if len(left) > 1 else left[0]

    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Conversation) as server:
        server.daemon_threads = True
        Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        yield f"redis://127.0.0.1:{server.server_address[1]}/0"
        server.shutdown()
