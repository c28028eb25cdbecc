"""The host of a proxy under test: starts it over pipes or a socketpair, waits with a limit."""

import os
import select
import socket
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Self

from tests.waiting import PATIENCE

ROOT = Path(__file__).parents[2]
RELAY = (sys.executable, str(ROOT / "tests/faults/relay_proxy.py"))
LIMIT = PATIENCE
"""Seconds after which a test gives up; no test waits this long when the code is right."""
TICK = b'{"tick":true}'
"""What `RELAY` says once a second while a request waits: on a slow machine, between any lines."""


class Host:
    """`program` running behind our three pipes (or one socketpair for stdin and stdout)."""

    def __init__(
        self,
        program: Sequence[str],
        *,
        driver: str = "",
        sockets: bool = False,
        stderr: int | None = subprocess.PIPE,
        env: dict[str, str] | None = None,
    ) -> None:
        full = {**os.environ, "PYTHONPATH": str(ROOT), "MCPGUARD_DRIVER": driver, **(env or {})}
        if sockets:
            ours, theirs = socket.socketpair()
            self.process = subprocess.Popen(
                program, stdin=theirs.fileno(), stdout=theirs.fileno(), stderr=stderr, env=full
            )
            theirs.close()
            self.sock: socket.socket | None = ours
            self.input = self.output = ours.fileno()
        else:
            self.process = subprocess.Popen(
                program, stdin=-1, stdout=-1, stderr=stderr, env=full, bufsize=0
            )
            self.sock = None
            assert self.process.stdin
            assert self.process.stdout
            self.input = self.process.stdin.fileno()
            self.output = self.process.stdout.fileno()
        self.buffer = b""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.process.kill()
        self.process.wait()
        for stream in (self.process.stdin, self.process.stdout, self.process.stderr, self.sock):
            if stream is not None:
                stream.close()

    def send(self, data: bytes) -> None:
        while data:
            data = data[os.write(self.input, data) :]

    def line(self, limit: float = LIMIT) -> bytes:
        """The next line but for `TICK`, without its newline; what is left at the end of file."""
        while (found := self.next(limit)) == TICK:
            pass
        return found

    def next(self, limit: float = LIMIT) -> bytes:
        """As `line`, `TICK` too."""
        chunks = [self.buffer]
        while b"\n" not in chunks[-1]:
            assert select.select([self.output], [], [], limit)[0], "no line came"
            chunks.append(os.read(self.output, 65536))
            if not chunks[-1]:
                break
        line, _, self.buffer = b"".join(chunks).partition(b"\n")
        return line

    def rest(self, limit: float = LIMIT) -> bytes:
        """Everything up to the end of file, but for `TICK`."""
        chunks = [self.buffer]
        while chunks[-1] or len(chunks) == 1:
            assert select.select([self.output], [], [], limit)[0], "no end of file"
            chunks.append(os.read(self.output, 65536))
        self.buffer = b""
        return b"".join(chunks).replace(TICK + b"\n", b"")

    def end_input(self) -> None:
        if self.sock is not None:
            self.sock.shutdown(socket.SHUT_WR)
        elif self.process.stdin is not None:
            self.process.stdin.close()

    def finish(self, data: bytes) -> None:
        """Send `data` and nothing after it."""
        self.send(data)
        self.end_input()

    def fill(self, data: bytes) -> int:
        """Write `data` again and again until the other side takes no more; the bytes it took."""
        os.set_blocking(self.input, False)
        total = 0
        while select.select([], [self.input], [], 0.7)[1]:
            try:
                total += os.write(self.input, data)
            except BlockingIOError:
                continue
        os.set_blocking(self.input, True)
        return total

    def exit(self) -> tuple[int, float]:
        """The exit code, and the seconds it took from now."""
        began = time.monotonic()
        code = self.process.wait(LIMIT)
        return code, time.monotonic() - began

    def errors(self) -> bytes:
        assert self.process.stderr is not None
        text: bytes = self.process.stderr.read()
        return text

    def peak_rss(self) -> int:
        """KiB. The most memory the proxy itself ever held."""
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        return int(status.split("VmHWM:")[1].split()[0])


class Life:
    """A named pipe that the server and all it starts hold open: it ends when the last of them does.

    In the server's shell: `exec 9>"$path"; echo up >&9`.
    """

    def __init__(self, folder: Path) -> None:
        self.path = folder / "life"
        os.mkfifo(self.path)
        self._fd = os.open(self.path, os.O_RDONLY | os.O_NONBLOCK)

    def up(self) -> None:
        """Wait until the server is there."""
        assert select.select([self._fd], [], [], LIMIT)[0], "the server never came up"
        assert os.read(self._fd, 100).startswith(b"up")

    def gone(self, limit: float = LIMIT) -> None:
        """Wait until nobody holds it."""
        poll = select.poll()
        poll.register(self._fd, select.POLLIN | select.POLLHUP)
        while True:
            assert poll.poll(limit * 1000), "somebody of the server's group is still alive"
            if not os.read(self._fd, 100):
                break
        os.close(self._fd)


class Aside:
    """A named pipe between a test and the server, past the proxy. The test holds both its ends."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "aside"
        os.mkfifo(self.path)
        self._fd = os.open(self.path, os.O_RDWR | os.O_NONBLOCK)

    def say(self, text: bytes) -> None:
        os.write(self._fd, text)

    def hear(self) -> bytes:
        assert select.select([self._fd], [], [], LIMIT)[0], "the server said nothing"
        return os.read(self._fd, 1000)
