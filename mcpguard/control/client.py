"""Asks running sessions, from another process: finds their sockets, speaks line by line."""

import os
import socket
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Self

import orjson

from mcpguard.control.operations import MAX_ANSWER, OPERATION_LIMIT, VERSION
from mcpguard.control.places import (
    SUFFIX,
    Folder,
    folder,
    offered,
    peer_pid,
    peer_uid,
    same_user,
)
from mcpguard.errors import ControlError, McpguardError, RefusalError, UsageError
from mcpguard.model import Json, JsonObject

__all__ = ["TIMEOUT", "Connection", "Found", "Sign", "connected", "find", "one", "signed"]

TIMEOUT: Final = OPERATION_LIMIT + 5.0
"""Seconds for one answer: a little more than the session itself takes for anything."""

GREETING: Final = 5.0
"""Seconds for a session to say who it is. One that does not is stuck, or stopped."""

AGAIN: Final = 0.02
"""Seconds between two tries to connect to a session that has its hands full."""

_ERRORS: Final[dict[str, Callable[..., McpguardError]]] = {
    "usage": UsageError,
    "refused": RefusalError,
    "failed": ControlError,
}

Sign = Callable[[str, JsonObject, str], Sequence[JsonObject]]
"""(verb, args, nonce) -> signatures, `{"key": id, "signature": base64}` each."""


class Connection:
    """A conversation with one session. Close it, or use it as a context."""

    def __init__(self, place: Folder, session: str, *, patience: float = GREETING) -> None:
        """Raises ControlError: nobody listens, or somebody else does.

        `patience`: seconds to wait for a session that has its hands full.
        """
        self.session = session
        self._sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._sock.settimeout(GREETING)
        self._got = b""
        self.pid: int | None = None
        """The process that listens; None where the system does not say."""
        try:
            self._connect(place.address(session + SUFFIX), patience)
            self._refuse_strangers(place)
        except OSError as error:
            self.close()
            raise _unreachable(place.path / (session + SUFFIX), error) from error
        except BaseException:
            self.close()
            raise

    def _connect(self, address: str, patience: float) -> None:
        """Linux says at once that the queue is full, and takes nobody in: so ask again."""
        deadline = time.monotonic() + patience
        while True:
            try:
                self._sock.connect(address)
            except BlockingIOError:
                if time.monotonic() >= deadline:
                    raise
                time.sleep(AGAIN)
            else:
                return

    def _refuse_strangers(self, place: Folder) -> None:
        peer, self.pid = peer_uid(self._sock), peer_pid(self._sock)
        if peer is None or not (same_user(peer, os.geteuid()) or peer == 0):
            raise ControlError(
                f"{place.path / (self.session + SUFFIX)}: another user answers there",
                hint="find out who may write to that directory, and move the socket away",
            )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Hang up."""
        self._sock.close()

    def ask(
        self,
        verb: str,
        args: JsonObject | None = None,
        signatures: Sequence[JsonObject] = (),
        *,
        within: float = TIMEOUT,
    ) -> Json:
        """The result. Raises ControlError, RefusalError or UsageError with the session's words."""
        request: JsonObject = {"v": VERSION, "verb": verb, "args": args or {}}
        if signatures:
            request["signatures"] = list(signatures)
        deadline = time.monotonic() + within
        try:
            self._sock.settimeout(within)
            self._sock.sendall(orjson.dumps(request) + b"\n")
            return _result(self._line(deadline), self.session)
        except TimeoutError:
            raise ControlError(
                f"session {self.session} did not answer {verb} within {within:g} seconds",
                hint=f"it is stuck or stopped; end it with: mcpguard kill --session {self.session}",
            ) from None
        except OSError as error:
            raise ControlError(
                f"session {self.session} hung up: {error.strerror}",
                hint="see what still runs with: mcpguard status",
            ) from error

    def _line(self, deadline: float) -> bytes:
        chunks, size = [self._got], len(self._got)
        while b"\n" not in chunks[-1]:
            left = deadline - time.monotonic()
            if left <= 0:
                raise TimeoutError
            self._sock.settimeout(left)
            chunk = self._sock.recv(1 << 16)
            size += len(chunk)
            if not chunk:
                raise ConnectionResetError(0, "it closed the connection; it may just have ended")
            if size > MAX_ANSWER + (1 << 16):
                raise ControlError(
                    f"session {self.session} answers without end",
                    hint=f"end it with: mcpguard kill --session {self.session}",
                )
            chunks.append(chunk)
        line, _, self._got = b"".join(chunks).partition(b"\n")
        return line

    def hello(self) -> JsonObject:
        """Who answers, and a nonce. Raises ControlError when it is not the session of that name."""
        told = self.ask("hello", within=GREETING)
        if not isinstance(told, dict) or told.get("session") != self.session:
            raise ControlError(
                f"the socket of session {self.session} is answered by another one",
                hint="see what runs with: mcpguard status",
            )
        return told


def _result(line: bytes, session: str) -> Json:
    try:
        told = orjson.loads(line)
    except orjson.JSONDecodeError:
        told = None
    match told:
        case {"ok": True, "result": result}:
            answer: Json = result
            return answer
        case {"ok": False, "kind": str(kind), "error": str(error), "hint": str(hint)}:
            raise _ERRORS.get(kind, ControlError)(error, hint=hint)
        case _:
            raise ControlError(
                f"session {session} answers what is no answer",
                hint="use the same version of mcpguard as the session",
            )


def _unreachable(path: Path, error: OSError) -> ControlError:
    if isinstance(error, ConnectionRefusedError | FileNotFoundError):
        return ControlError(f"{path}: that session has ended", hint="mcpguard status: what runs")
    if isinstance(error, PermissionError):
        hint = "run this as the user whose session it is"
        return ControlError(f"{path}: this user may not speak with it", hint=hint)
    if isinstance(error, BlockingIOError | TimeoutError):
        hint = "too many ask at once, or it is stuck: try again, or mcpguard kill --server NAME"
        return ControlError(f"{path}: the session does not take another connection", hint=hint)
    return ControlError(f"{path}: cannot be reached: {error.strerror}", hint="mcpguard status")


@dataclass(frozen=True, slots=True)
class Found:
    """A socket that is there. `hello`: what its session says; empty, and `problem`, if nothing.

    `hint`: what to do about that. `ended`: nobody listens any more.
    """

    session: str
    hello: JsonObject
    problem: str = ""
    ended: bool = False
    hint: str = ""

    @property
    def server(self) -> str:
        """The name of its server."""
        return str(self.hello.get("server", ""))


def find(data_dir: Path, wanted: str = "") -> list[Found]:
    """The sessions that run, or those that `wanted` names: an id, its beginning, a server's name.

    Raises ControlError when sockets are not offered here, their directory cannot be used, or
    `wanted` names none of those that answer and may be one that does not.
    """
    if not offered():
        raise ControlError(
            "control sockets are not offered on this system",
            hint="mcpguard kill works; what happened: mcpguard audit",
        )
    try:
        with folder(data_dir) as place:
            found = [_look(place, session) for session in place.sessions()]
    except FileNotFoundError:
        return []
    named = [each for each in found if not each.ended and _named(each, wanted)]
    silent = [each for each in found if each.problem and not each.ended]
    if silent and not named:
        raise ControlError(
            f"{wanted!r} names no session that answers, but {len(silent)} could not be asked: "
            + "; ".join(each.problem for each in silent[:8]),
            hint=f"mcpguard kill --server NAME ends one unasked. {silent[0].hint}",
        )
    return named


SHORTEST = 4
"""Characters of an id's beginning that name it."""


def _named(found: Found, wanted: str) -> bool:
    begins = len(wanted) >= SHORTEST and found.session.startswith(wanted)
    return not wanted or begins or wanted in {found.session, found.server}


def _look(place: Folder, session: str) -> Found:
    try:
        with Connection(place, session) as line:
            return Found(session, line.hello())
    except ControlError as error:
        ended = isinstance(error.__cause__, ConnectionRefusedError | FileNotFoundError)
        return Found(session, {}, error.message, ended, error.hint)


def one(data_dir: Path, wanted: str) -> Found:
    """The one session that `wanted` names, or the only one. Raises ControlError."""
    found = find(data_dir, wanted)
    if len(found) == 1:
        return found[0]
    if not found:
        what = f"no session {wanted!r} runs" if wanted else "no session runs"
        raise ControlError(what, hint="see what runs with: mcpguard status")
    names = ", ".join(f"{each.session} ({each.server})" for each in found[:8])
    raise ControlError(
        f"{len(found)} sessions could be meant: {names}", hint="name one with --session ID"
    )


@contextmanager
def connected(data_dir: Path, session: str) -> Iterator[Connection]:
    """A conversation with the session of that id. Raises ControlError."""
    try:
        with folder(data_dir) as place, Connection(place, session) as line:
            yield line
    except FileNotFoundError:
        raise ControlError(
            f"no session {session} runs", hint="see what runs with: mcpguard status"
        ) from None


def signed(line: Connection, verb: str, args: JsonObject, sign: Sign) -> Json:
    """Asks for a nonce, then for `verb`, signed over it. Raises as `Connection.ask`."""
    nonce = line.hello().get("nonce")
    if not isinstance(nonce, str) or not nonce.startswith(line.session + ":"):
        raise ControlError(
            f"session {line.session} gives a nonce that is not its own",
            hint="do not sign anything for it",
        )
    return line.ask(verb, args, sign(verb, args, nonce))
