"""A host in plain bytes: starts `mcpguard proxy` (or anything), writes lines, reads lines.

Everything it waits for has a deadline; nothing sleeps.
"""

import json
import os
import queue
import re
import subprocess
import sys
import threading
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import IO, Any, Self, TypeAlias

from tests import tools
from tests.waiting import PATIENCE

SERVERS = tools.FIXTURES / "servers"
ROGUE = (sys.executable, "-I", str(SERVERS / "rogue.py"))
RECORDER = (sys.executable, "-I", str(SERVERS / "recorder.py"))
OFFICE = (sys.executable, "-I", str(SERVERS / "office.py"))

Message: TypeAlias = dict[str, Any]
Ident: TypeAlias = "int | str"
INITIALIZE = {
    "protocolVersion": "2025-11-25",
    "capabilities": {"sampling": {}, "elicitation": {}, "roots": {"listChanged": True}},
    "clientInfo": {"name": "host", "version": "1"},
}
END = None


def line(**message: object) -> bytes:
    """One message as the official clients write it."""
    return json.dumps({"jsonrpc": "2.0", **message}, separators=(",", ":")).encode() + b"\n"


def ask(ident: Ident, method: str, /, **params: object) -> bytes:
    return line(id=ident, method=method, params=params)


def call(ident: Ident, name: str, /, **arguments: object) -> bytes:
    return ask(ident, "tools/call", name=name, arguments=arguments)


def result(ident: Ident, /, **body: object) -> bytes:
    """The whole line that carries `body` back, without its newline."""
    return line(id=ident, result=body)[:-1]


def said(ident: Ident, words: str, /, **more: object) -> bytes:
    """The whole line of a tool result with one text."""
    return result(ident, content=[{"type": "text", "text": words}], **more)


def blocked(ident: Ident, rule: str, why: str) -> bytes:
    return said(ident, f"Blocked by mcpguard [{rule}]: {why}", isError=True)


def error(ident: Ident, code: int, message: str) -> bytes:
    return line(id=ident, error={"code": code, "message": message})[:-1]


class Session:
    """A running command seen from its host."""

    def __init__(self, command: Sequence[str], cwd: Path, env: dict[str, str]) -> None:
        self.process = subprocess.Popen(
            command,
            cwd=cwd,
            env=env,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        self.lines: queue.SimpleQueue[bytes | None] = queue.SimpleQueue()
        self.heard: list[bytes] = []
        self.stderr = b""
        self._readers = [
            threading.Thread(target=self._read_lines, daemon=True),
            threading.Thread(target=self._read_stderr, daemon=True),
        ]
        for reader in self._readers:
            reader.start()

    @property
    def _stdin(self) -> IO[bytes]:
        assert self.process.stdin is not None
        return self.process.stdin

    def _read_lines(self) -> None:
        assert self.process.stdout is not None
        for found in iter(self.process.stdout.readline, b""):
            self.lines.put(found)
        self.lines.put(END)

    def _read_stderr(self) -> None:
        assert self.process.stderr is not None
        for found in iter(self.process.stderr.readline, b""):
            self.stderr += found

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(5)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        for reader in self._readers:
            reader.join(PATIENCE)
        for pipe in (self.process.stdin, self.process.stdout, self.process.stderr):
            if pipe is not None and not pipe.closed:
                _close(pipe)

    def send(self, *data: bytes) -> None:
        """Write bytes as they are."""
        self._stdin.write(b"".join(data))
        self._stdin.flush()

    def line(self) -> bytes | None:
        """The next line without its newline, or None at the end."""
        try:
            found = self.lines.get(timeout=PATIENCE)
        except queue.Empty:
            heard, talk = self.heard[-3:], self.stderr[-2000:]
            message = f"nothing came for {PATIENCE} s; heard {heard!r}; stderr {talk!r}"
            raise AssertionError(message) from None
        if found is END:
            return None
        self.heard.append(found.removesuffix(b"\n"))
        return self.heard[-1]

    def until(self, ident: Ident) -> list[bytes]:
        """Every line up to the answer for `ident`, which is the last."""
        found: list[bytes] = []
        while True:
            got = self.line()
            assert got is not None, (
                f"ended before the answer to {ident!r}: {found!r} {self.stderr[-2000:]!r}"
            )
            found.append(got)
            if is_answer(got, ident):
                return found

    def answer(self, ident: Ident) -> bytes:
        """The line that answers `ident`; what came before it stays in `heard`."""
        return self.until(ident)[-1]

    def exchange(self, data: bytes, ident: Ident) -> bytes:
        self.send(data)
        return self.answer(ident)

    def start(self, ident: Ident = "start", **more: object) -> Message:
        """The handshake of 2025-11-25; the initialize result."""
        self.send(ask(ident, "initialize", **{**INITIALIZE, **more}))
        found = json.loads(self.answer(ident))
        self.send(line(method="notifications/initialized"))
        body: Message = found["result"]
        return body

    def names(self, method: str = "tools/list", ident: Ident = "names") -> list[str]:
        """What a list holds, by name or URI."""
        [(_, items)] = [
            (key, value)
            for key, value in self.body(method, ident).items()
            if isinstance(value, list)
        ]
        return [item.get("uriTemplate", item.get("uri", item.get("name"))) for item in items]

    def body(self, method: str, ident: Ident = "body", /, **params: object) -> Message:
        found: Message = json.loads(self.exchange(ask(ident, method, **params), ident))["result"]
        return found

    def wait_for(self, method: str) -> bytes:
        """The next line that is `method`."""
        while (got := self.line()) is not None:
            if json.loads(got).get("method") == method:
                return got
        message = f"ended before {method}: {self.stderr[-2000:]!r}"
        raise AssertionError(message)

    def finish(self) -> tuple[int, list[bytes]]:
        """Close stdin; the exit code and the lines that still came."""
        _close(self._stdin)
        late: list[bytes] = []
        while (got := self.line()) is not None:
            late.append(got)
        code = self.process.wait(PATIENCE)
        for reader in self._readers:
            reader.join(PATIENCE)
        return code, late


def _close(pipe: IO[bytes]) -> None:
    try:
        pipe.close()
    except BrokenPipeError:
        return


def is_answer(raw: bytes, ident: Ident) -> bool:
    """Tell the answer for `ident`, type and all: 7 is not "7", 1 is not true."""
    found = json.loads(raw)
    if "method" in found or "id" not in found:
        return False
    return json.dumps(found["id"]) == json.dumps(ident)


class Place:
    """A directory of its own with a lock for one server command; starts the proxy there."""

    def __init__(
        self, base: Path, command: Sequence[str], env: dict[str, str] | None = None
    ) -> None:
        self.base, self.command = base, tuple(command)
        self.lock, self.audit = base / "mcp-lock.json", base / "audit.jsonl"
        (base / "home").mkdir(parents=True, exist_ok=True)
        kept = {
            name: os.environ[name]
            for name in ("PATH", "LANG", "COVERAGE_PROCESS_START")
            if name in os.environ
        }
        self.env = {**kept, "HOME": str(base / "home"), **(env or {})}

    def mcpguard(self, *arguments: str, **env: str) -> "subprocess.CompletedProcess[bytes]":
        """Run the installed command to its end."""
        return subprocess.run(
            [str(tools.MCPGUARD), *arguments],
            cwd=self.base,
            env={**self.env, **env},
            capture_output=True,
            timeout=PATIENCE,
            check=False,
        )

    def make_lock(self, *options: str, **env: str) -> None:
        done = self.mcpguard("lock", "-o", str(self.lock), *options, "--", *self.command, **env)
        assert done.returncode == 0, done.stderr.decode()

    def proxy_command(self, *options: str) -> list[str]:
        chosen = ["--lock", str(self.lock), "--audit-log", str(self.audit), *options]
        return [str(tools.MCPGUARD), "proxy", *chosen, "--", *self.command]

    def proxy(self, *options: str, **env: str) -> Session:
        return Session(self.proxy_command(*options), self.base, {**self.env, **env})

    def direct(self, **env: str) -> Session:
        return Session(self.command, self.base, {**self.env, **env})

    def records(self) -> list[Message]:
        """Every audit record, after `mcpguard audit verify` found the file whole."""
        done = self.mcpguard("audit", "verify", str(self.audit))
        assert done.returncode == 0, (done.stdout + done.stderr).decode()
        return [json.loads(found) for found in self.audit.read_bytes().splitlines()]

    def reasons(self) -> set[str]:
        """The reasons of everything that was denied or dropped."""
        found = {str(record.get("reason", "")) for record in self.records()}
        return found - {"ok", ""}


def mapped_ids(lines: Sequence[bytes]) -> list[bytes]:
    """Lines as a server saw them, the ids it was given replaced by w0, w1, ... in order."""
    names: dict[bytes, bytes] = {}

    def name(found: "re.Match[bytes]") -> bytes:
        return b'"id":' + names.setdefault(found[1], b"w%d" % len(names))

    return [re.sub(rb'"id":("[^"]*"|-?[0-9]+)', name, found, count=1) for found in lines]
