"""What mcpguard says on stderr, and the server's stderr on its way to ours. Never blocks."""

import codecs
import contextlib
import os
import stat
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Protocol

from mcpguard.errors import UsageError
from mcpguard.wire.visible import printable, shows

if TYPE_CHECKING:
    from mcpguard.audit.logfile import LogFile

__all__ = ["EVENTS", "Events", "Log", "Stderr", "open_log", "printable", "sentence", "unusual"]

STDERR_BUFFER = 256 * 1024
"""Bytes kept for a stderr that nobody reads; what comes on top is dropped and counted."""

EVENTS: Final[Mapping[str, str]] = {
    "session.ended": "{why}",
    "session.crashed": "mcpguard itself failed ({what} at {where}): the session ends",
    "session.version": "a newer mcpguard may know the protocol version of this server",
    "item.drifted": "{kind} {name} changed since it was reviewed and is {fate}: {why}",
    "item.doubled": "{kind} {name} is listed twice and is {fate}: nobody can tell them apart",
    "item.not_locked": "{kind} {name} is not in the lockfile and is {fate}",
    "item.denied": "{kind} {name} is {fate} [{rule}]: {why}",
    "item.missing": "{kind} {name} is locked but the server no longer lists it",
    "items.unoffered": "locked, and not listed in this session: {kind} {names}; some servers list"
    " more where they may ask for {unoffered}, which this host or the lockfile's `requests` does"
    " not offer",
    "listing.failed": "the server's {kind} cannot be verified and {fate}: {why}",
    "server.drifted": "the server's {what} changed since it was reviewed",
    "call.denied": "{what} blocked [{rule}]: {detail}",
    "result.withheld": "the result of {what} was withheld [{rule}]: {detail}",
    "rule.warned": "a rule warns of {what} [{rule}]: {detail}",
    "call.waits": "{detail}",
    "approval.callback": "the program's approval raised {detail}: the call is denied",
    "guard.crashed": "mcpguard itself failed ({detail}): nothing is allowed any more",
    "canary.seen": "a planted credential was in {method} ({direction}): something read it that"
    " nobody should read",
    "canaries.unread": "the planted credentials cannot be read, those known before are looked for:"
    " {detail}",
    "quarantine.failed": "a result cannot be kept for a person; enforce withholds it: {detail}",
    "policy.ignored": "a policy of tools in the shared store is not in force here: {detail}",
    "store.lost": "the shared store cannot be used; enforce denies what needs it: {detail}",
    "store.back": "the shared store can be used again",
    "request.denied": "the server's {method} was refused [{rule}]",
    "request.refused": "a request was refused [wire.{reason}]",
    "line.over_long": "a line of the {side} was longer than 8 MiB and dropped",
    "audit.unwritable": "the audit log cannot be written ({detail})",
    "audit.unsigned": "the audit log's newest records are not signed ({detail})",
    "audit.elsewhere": "this session is recorded in {path}, as no log can go on in {detail}",
    "audit.altered": "the audit log {path} was changed after it was written, and goes on in there:"
    " mcpguard audit verify shows where",
    "audit.off": "no audit log ({detail}): this session is not recorded",
    "environment.unset": "the server starts without {names}, which it was locked to get: not set"
    " here; set it in the host's entry, or lock the server without it",
    "sink.unready": "the sink {name} delivers nothing for now, what is recorded waits: {detail};"
    " see: mcpguard config validate",
    "names.off": "other servers are not held against this one's tools: {detail}",
    "control.off": "this session has no control socket: {detail}",
    "guardian.lost": "the guardian of the server was killed, so the server was ended",
    "processes.left": "{count} processes that the server started could not be ended",
    "processes.group_only": "this system shows mcpguard no more than the server's process group:"
    " what leaves the group is not ended",
    "stderr.dropped": "{bytes} bytes of the server's stderr were dropped: nobody read them here",
}
"""Event name -> the sentence for people. Everything that is said is here; what comes without a
sentence all the same is shown as its fields."""

Fields = Mapping[str, Any]

INT_BITS = 64
"""Bits of a number with its sign: no larger one is written as a number."""


def unusual(file: "LogFile", event: Callable[[str, str, Mapping[str, str]], None]) -> None:
    """Says what a person should know of an audit log that a session goes on in."""
    if file.damaged:
        event("audit.elsewhere", "warning", {"detail": file.damaged, "path": str(file.path)})
    if file.altered:
        event("audit.altered", "warning", {"path": str(file.path)})


def sentence(name: str, fields: Fields) -> str:
    """The event for a person: its sentence, else its fields. One line, no control codes."""
    template = EVENTS.get(name)
    try:
        text = template.format_map(fields) if template else _plain(name, fields)
    except KeyError:
        text = _plain(name, fields)
    return printable(text)


def _plain(name: str, fields: Fields) -> str:
    return f"{name}: " + ", ".join(f"{key}={value}" for key, value in fields.items())


class Stderr:
    """Our stderr as a bounded, non-blocking buffer. `fd` may be a log file instead.

    A pipe or socket is made non-blocking (`restore` undoes it); a file or terminal is written as it
    is. What is passed on to a terminal is made `printable` first, all but line breaks and tabs.
    `on_blocked` is called when the buffer begins to wait: the driver then calls `drain`.
    """

    def __init__(self, fd: int = 2) -> None:
        self.fd = fd
        self.on_blocked: Callable[[], None] = _nothing
        self.waiting = bytearray()
        self.dropped = 0
        self._at_line_start = True
        # A character may be cut in two by a read.
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace") if os.isatty(fd) else None
        self._was_blocking = _unblock(fd)

    def pass_on(self, data: bytes) -> None:
        """Bytes of the server's stderr; dropped and counted when the buffer is full."""
        if self._decoder is not None:
            text = self._decoder.decode(data).replace("\r\n", "\n")
            data = "".join(map(_tame, text)).encode(errors="replace")
        if len(self.waiting) + len(data) > STDERR_BUFFER:
            self.dropped += len(data)
            return
        self._put(data)

    def line(self, text: str) -> None:
        """A line of our own; never in the middle of a line of the server's."""
        data = text.encode(errors="replace") + b"\n"
        if len(self.waiting) < 2 * STDERR_BUFFER:
            self._put(data if self._at_line_start else b"\n" + data)

    def drain(self) -> bool:
        """Write what waits. True when nothing waits any more."""
        while self.waiting:
            try:
                written = os.write(self.fd, self.waiting)
            except (BlockingIOError, InterruptedError):
                return False
            except OSError:
                written = len(self.waiting)  # nobody will ever read it
            del self.waiting[:written]
        if self.dropped:
            count, self.dropped = self.dropped, 0
            self.line("mcpguard: " + sentence("stderr.dropped", {"bytes": count}))
        return not self.waiting

    def restore(self) -> None:
        """Make the descriptor blocking again if it was."""
        if self._was_blocking:
            with contextlib.suppress(OSError):
                os.set_blocking(self.fd, True)

    def _put(self, data: bytes) -> None:
        idle = not self.waiting
        self.waiting += data
        self._at_line_start = data[-1:] == b"\n"
        if idle and not self.drain():
            self.on_blocked()


def _tame(char: str) -> str:
    return char if char in "\n\t" else printable(char)


def _nothing() -> None:
    """Before a driver listens, what waits goes out with the next line."""


def _unblock(fd: int) -> bool:
    if sys.platform == "win32":
        return False
    try:
        mode = os.fstat(fd).st_mode
        private = stat.S_ISFIFO(mode) or stat.S_ISSOCK(mode)
        if not private or not os.get_blocking(fd):
            return False
        os.set_blocking(fd, False)
    except OSError:
        return False
    return True


class Events(Protocol):
    """Where events for people go."""

    def event(self, name: str, level: str, fields: Mapping[str, str | int]) -> None:
        """Say `name`. `fields` are names, kinds and counts, never argument values."""


class Log:
    """Events as sentences or as JSON lines. `stderr` carries the server's stderr too.

    `about`: fields of every line, which tell the sessions of one file apart.
    """

    def __init__(self, stderr: Stderr, out: Stderr, form: str) -> None:
        self.stderr = stderr
        self.about: Fields = {}
        self._out = out
        self._render = _jsonl() if form == "jsonl" else _pretty

    def event(self, name: str, level: str, fields: Fields) -> None:
        """See `Events`."""
        self._out.line(self._render(name, level, {**self.about, **fields}))

    def close(self) -> None:
        """Last chance for what waits, then leave the descriptors as they were found."""
        for out in {self.stderr, self._out}:
            out.drain()
            out.restore()


def open_log(form: str = "auto", output: Path | None = None) -> Log:
    """The log on stderr, or appended to `output` (made 0600). Raises UsageError.

    `auto`: sentences on stderr, which hosts show to people as it is, and on a terminal; else JSON.
    """
    stderr = Stderr()
    if output is None:
        return Log(stderr, stderr, form)
    try:
        fd = os.open(output, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    except OSError as error:
        raise UsageError(
            f"{output}: the log cannot be opened: {error.strerror}",
            hint="give --log-output a file in a directory that exists",
        ) from error
    if form == "auto":
        form = "pretty" if os.isatty(fd) else "jsonl"
    return Log(stderr, Stderr(fd), form)


def _pretty(name: str, _level: str, fields: Fields) -> str:
    return "mcpguard: " + sentence(name, fields)


def _jsonl() -> Callable[[str, str, Fields], str]:
    render: Callable[[str, str, Fields], str] | None = None

    def lazily(name: str, level: str, fields: Fields) -> str:
        nonlocal render
        # structlog costs 90 ms and 6 MiB: a session without an event never pays it.
        render = render or _structlog()
        return render(name, level, fields)

    return lazily


def _structlog() -> Callable[[str, str, Fields], str]:
    import orjson
    import structlog

    stamp = structlog.processors.TimeStamper(fmt="iso", utc=True)
    render = structlog.processors.JSONRenderer(serializer=orjson.dumps)

    def line(name: str, level: str, fields: Fields) -> str:
        head = {"event": name, "level": level, "message": sentence(name, fields)}
        said = {key: _encodable(value) for key, value in fields.items()}
        done = render(None, level, stamp(None, level, {**head, **said, **head}))
        return _escaped(done.decode() if isinstance(done, bytes) else done)

    return line


def _encodable(value: object) -> object:
    """What JSON can hold of a field: a lone surrogate or a huge number must not end a session."""
    if isinstance(value, str):
        return value.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    return value if isinstance(value, int) and value.bit_length() < INT_BITS else str(value)


def _escaped(text: str) -> str:
    """JSON whose texts are the same and whose hidden characters are written out."""
    if text.isascii() and text.isprintable():
        return text
    return "".join(char if shows(char) else _unit(char) for char in text)


def _unit(char: str) -> str:
    pair = char.encode("utf-16-be")
    return "".join(f"\\u{pair[at : at + 2].hex()}" for at in range(0, len(pair), 2))
