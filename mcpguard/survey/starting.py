"""Servers started to be looked at: each by a process of its own, a few at a time, with a limit.

A process a server, because what is told to one must not reach another: its directory, its
variables, its orphans. It is `mcpguard scan --list`, so a hostile server is parsed there, not here.
"""

import contextlib
import os
import shlex
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Protocol

import anyio
from anyio.abc import ByteReceiveStream, Process, TaskStatus

from mcpguard.daemon.environment import refuse_names
from mcpguard.daemon.prelude import KILL_SIGNALS, STOP_SIGNALS
from mcpguard.errors import HostError, McpguardError, SurfaceError, UnreachableError
from mcpguard.hosts.declared import Server
from mcpguard.hosts.entry import refuse_steering
from mcpguard.lock.surface import ServerFacts, Surface, collect
from mcpguard.model import Era, ItemKind, Json, JsonObject
from mcpguard.wire import exact

__all__ = [
    "AT_ONCE",
    "Progress",
    "Start",
    "ended_by_signals",
    "looked",
    "prepared",
    "surface_from",
]

AT_ONCE = 4
"""Servers that are looked at beside each other: a `npx` alone keeps a core and a disk busy."""

MAX_ANSWER = 256 * 1024 * 1024
"""Bytes of one server's surface as JSON: four times what it may send, for the escapes."""

MAX_SAID = 8 * 1024
"""Bytes kept of what a process says on stderr: its last sentence is the reason."""

SPARE = 15.0
"""Seconds beyond two time-outs (one process an era) until a process that looks is ended."""

GRACE = 5.0
"""Seconds it has to end the server it started, when it is told to stop."""


class Progress(Protocol):
    """Shows on stderr what is waited for."""

    def say(self, phase: str) -> None:
        """The wait is now for `phase`."""

    async def run(self) -> None:
        """Shows it, until it is cancelled."""

    def close(self) -> None:
        """Takes away what it showed."""


@dataclass(frozen=True, slots=True)
class Start:
    """What is started: `words` in `directory` with the variables `env` beside the base ones."""

    name: str
    words: tuple[str, ...]
    env: Mapping[str, str]
    directory: Path


def prepared(name: str, server: Server, directory: Path, environ: Mapping[str, str]) -> Start:
    """The start of `server` as its host would start it, variables filled in.

    Raises HostError or UsageError with what stands in the way.
    """
    refuse_steering(server.env)
    refuse_names(server.env)
    if not directory.is_dir():
        raise HostError(f"{directory}, where its host starts it, is no directory")
    fill = _Filling(environ, directory).filled
    env = {each: fill(value) for each, value in server.env.items()}
    words = tuple(map(fill, server.words))
    if any("\0" in text for text in (*words, *env.values())):
        raise HostError("its command or env holds a NUL, which no program can be given")
    return Start(name, words, env, directory)


@dataclass(frozen=True, slots=True)
class _Filling:
    """`${NAME}`, `${NAME:-default}`, `${env:NAME}`, `${workspaceFolder}` and `${userHome}`."""

    environ: Mapping[str, str]
    directory: Path

    def filled(self, text: str) -> str:
        head, opening, rest = text.partition("${")
        parts = [head]
        while opening:
            inside, closing, rest = rest.partition("}")
            parts.append(self._value(inside) if closing else opening + inside)
            head, opening, rest = rest.partition("${")
            parts.append(head)
        return "".join(parts)

    def _value(self, inside: str) -> str:
        name, has_default, default = inside.removeprefix("env:").partition(":-")
        if inside in {"workspaceFolder", "workspaceRoot"}:
            return str(self.directory)
        if inside == "userHome":
            return str(Path.home())
        if name in self.environ:
            return self.environ[name]
        if has_default:
            return default
        raise HostError(f"it needs ${{{inside}}}, which only its host knows")


Outcome = Surface | McpguardError
"""What one server lists, or why that is not known."""


def looked(
    starts: Sequence[Start], *, timeout: float, progress: Progress
) -> tuple[list[Outcome], int]:
    """What each of `starts` lists, in their order; and the signal that ended the looking, or 0.

    `timeout`: seconds each start of a server may take. After a signal the rest are not looked at.
    """
    outcomes: list[Outcome] = [UnreachableError("it was not looked at: interrupted")] * len(starts)
    caught: list[int] = []
    anyio.run(_look, starts, outcomes, timeout, progress, caught)
    return outcomes, caught[0] if caught else 0


async def _look(
    starts: Sequence[Start],
    outcomes: list[Outcome],
    timeout: float,  # noqa: ASYNC109 - handed on to each process
    progress: Progress,
    caught: list[int],
) -> None:
    limit = anyio.CapacityLimiter(AT_ONCE)
    waiting = dict.fromkeys(range(len(starts)))

    async def one(number: int) -> None:
        async with limit:
            outcomes[number] = await _one(starts[number], timeout)
        waiting.pop(number)
        names = ", ".join(starts[each].name for each in list(waiting)[:3])
        progress.say(f"{len(starts) - len(waiting)} of {len(starts)} servers; waiting for {names}")

    progress.say(f"looking into {len(starts)} servers, at most {AT_ONCE} at a time")
    async with anyio.create_task_group() as beside:
        beside.start_soon(progress.run)
        await beside.start(ended_by_signals, beside.cancel_scope, caught)
        try:
            async with anyio.create_task_group() as tasks:
                for number in range(len(starts)):
                    tasks.start_soon(one, number)
        finally:
            progress.close()
            beside.cancel_scope.cancel()


async def ended_by_signals(
    scope: anyio.CancelScope,
    caught: list[int],
    *,
    task_status: TaskStatus[None] = anyio.TASK_STATUS_IGNORED,
) -> None:
    """Cancels `scope` at the first signal that would end us; its number goes into `caught`."""
    if os.name != "posix":
        task_status.started()
        return
    with anyio.open_signal_receiver(*STOP_SIGNALS, *KILL_SIGNALS) as received:
        task_status.started()  # only now may a server be started
        async for number in received:
            caught.append(int(number))
            scope.cancel()
            return


async def _one(start: Start, timeout: float) -> Outcome:  # noqa: ASYNC109 - as above
    words = start.words if len(start.words) > 1 else (shlex.quote(start.words[0]),)
    named = [word for name in start.env for word in ("--env", name)]
    argv = (
        sys.executable, "-P", "-m", "mcpguard", "scan", "--list", "--format", "json",
        "--timeout", str(timeout), *named, "--", *words,
    )  # fmt: skip
    try:
        process = await anyio.open_process(
            argv,
            stdin=_NULL,
            env={**os.environ, **start.env},
            cwd=start.directory,
            start_new_session=os.name == "posix",
        )
    except OSError as error:
        return UnreachableError(f"it cannot be looked at: {error.strerror}")
    except ValueError as error:  # a text that no system call takes
        return UnreachableError(f"it cannot be looked at: {error}")
    try:
        with anyio.move_on_after(2 * timeout + SPARE):
            return await _heard(process)
        return UnreachableError("it took too long")
    finally:
        with anyio.CancelScope(shield=True):
            await _ended(process)


_NULL: Final = -3
"""`subprocess.DEVNULL`: whoever looks is asked nothing."""


async def _heard(process: Process) -> Outcome:
    answer, said = bytearray(), bytearray()

    async with anyio.create_task_group() as tasks:
        if process.stdout is not None and process.stderr is not None:
            tasks.start_soon(_gather, process.stdout, answer.extend)
            tasks.start_soon(_gather, process.stderr, lambda data: _keep_tail(said, data))
    code = await process.wait()
    if len(answer) > MAX_ANSWER:
        return SurfaceError("it lists more than can be held")
    if code != 0:
        return UnreachableError(_reason(bytes(said)))
    try:
        return surface_from(exact.strict_loads(bytes(answer), big_integers=True))
    except (ValueError, KeyError, TypeError, McpguardError) as error:
        return SurfaceError(f"what it lists could not be taken over: {error}")


async def _gather(stream: ByteReceiveStream, keep: Callable[[bytes], object]) -> None:
    with contextlib.suppress(anyio.EndOfStream, anyio.BrokenResourceError):
        while True:
            keep(await stream.receive())


def _keep_tail(said: bytearray, data: bytes) -> None:
    said += data
    del said[:-MAX_SAID]


def _reason(said: bytes) -> str:
    """The sentence that `mcpguard scan` ended with, without its own name."""
    lines = said.decode(errors="replace").splitlines()
    heads = [line for line in lines if line.startswith("mcpguard scan: ")]
    return heads[-1].removeprefix("mcpguard scan: ") if heads else "it could not be looked at"


async def _ended(process: Process) -> None:
    if process.returncode is None:
        with contextlib.suppress(ProcessLookupError):
            process.terminate()
        with anyio.move_on_after(GRACE):
            await process.wait()
    if process.returncode is None:
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        await process.wait()
    await process.aclose()


def surface_from(said: Json) -> Surface:
    """The surface that `mcpguard scan --list` told. Raises SurfaceError, TypeError, KeyError."""
    said = _object(said)
    facts = _object(said["server"])
    lists = {kind: [*_object(said[kind.value]).values()] for kind in ItemKind}
    return collect(
        ServerFacts(
            era=Era(str(facts["era"])),
            protocol_version=str(facts["protocolVersion"]),
            server_info=_object(facts["serverInfo"]),
            instructions=str(facts["instructions"]),
            capabilities=_object(facts["capabilities"]),
        ),
        lists,
    )


def _object(said: Json) -> JsonObject:
    if not isinstance(said, dict):
        raise TypeError("not an object")
    return said
