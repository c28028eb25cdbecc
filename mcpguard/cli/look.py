"""What the commands share that look at a server: options, the look itself, reading a lockfile."""

import contextlib
import math
import os
import sys
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

import anyio
import click

from mcpguard.cli import render
from mcpguard.config.files import lock_unread, plain_bytes
from mcpguard.daemon.environment import server_environment
from mcpguard.daemon.probe import TIMEOUT, Eras, probe
from mcpguard.errors import McpguardError, UsageError
from mcpguard.lock import lockfile
from mcpguard.lock.lockfile import Lockfile
from mcpguard.lock.surface import Surface
from mcpguard.survey.starting import ended_by_signals

if sys.version_info >= (3, 12):
    from typing import override
else:
    from typing_extensions import override

__all__ = [
    "DEFAULT_LOCK",
    "Progress",
    "command_argument",
    "lock_option",
    "read_lockfile",
    "surface_of",
    "timeout_option",
]

DEFAULT_LOCK = Path("mcp-lock.json")
"""In the working directory: these commands are run by a person or CI inside the repository."""

PATIENCE = 1.0
"""Seconds before progress is shown; most servers answer sooner."""

_F = TypeVar("_F", bound=Callable[..., Any])


def command_argument(function: _F) -> _F:
    """The server's command: everything after `--`, or one quoted string."""
    return click.argument("command", nargs=-1, type=click.UNPROCESSED, metavar="[-- CMD ARGS...]")(
        function
    )


class _Seconds(click.FloatRange):
    """So many seconds, and a number: nan is in no range and outside none."""

    @override
    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> float:
        found: float = super().convert(value, param, ctx)
        if math.isnan(found):
            self.fail(f"{value} is no number of seconds.", param, ctx)
        return found


def timeout_option(function: _F) -> _F:
    """`--timeout`."""
    return click.option(
        "--timeout",
        type=_Seconds(0.1, 3600.0),
        default=TIMEOUT,
        show_default=True,
        metavar="SECONDS",
        help="How long each start of the server may take to answer everything.",
    )(function)


def lock_option(function: _F) -> _F:
    """`--lock FILE`."""
    return click.option(
        "--lock",
        type=click.Path(path_type=Path),
        default=DEFAULT_LOCK,
        show_default=True,
        metavar="FILE",
        help="The lockfile to compare with.",
    )(function)


def read_lockfile(path: Path) -> Lockfile:
    """The lockfile at `path`. Raises LockfileError."""
    try:
        data = plain_bytes(path)
    except OSError as error:
        raise lock_unread(path, error) from error
    return lockfile.parse(data, str(path))


def surface_of(
    argv: Sequence[str], names: Iterable[str], *, timeout: float, eras: Eras = Eras.BOTH
) -> Surface:
    """Start `argv` with the base environment and the variables `names`, and read all it lists.

    A signal that would end us ends the server first, then us (128 + n).
    """
    if not argv:
        raise UsageError(
            "there is no server to start", hint="put its command after --: -- CMD ARGS..."
        )
    env = _environment(names)
    caught: list[int] = []
    outcome = anyio.run(_look, argv, env, timeout, eras, caught)
    if caught:
        render.talk("mcpguard: interrupted; the server was ended")
        raise click.exceptions.Exit(128 + caught[0])
    if isinstance(outcome, McpguardError):
        raise outcome
    if outcome is None:
        raise click.Abort
    return outcome


def _environment(names: Iterable[str]) -> dict[str, str]:
    names = tuple(names)
    unset = [name for name in names if name not in os.environ]
    env = server_environment(os.environ, names)
    if unset:
        raise UsageError(
            f"the environment variable {unset[0]} is to be passed to the server but is not set",
            hint=f"set {unset[0]} for mcpguard too, or lock the server without --env {unset[0]}",
        )
    return env


async def _look(
    argv: Sequence[str],
    env: Mapping[str, str],
    timeout: float,  # noqa: ASYNC109 - handed on: each process has its own
    eras: Eras,
    caught: list[int],
) -> Surface | McpguardError | None:
    outcome: Surface | McpguardError | None = None
    progress = Progress()
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(progress.run)
        await tasks.start(ended_by_signals, tasks.cancel_scope, caught)
        try:
            outcome = await probe(argv, env=env, timeout=timeout, eras=eras, say=progress.say)
        except McpguardError as error:
            outcome = error  # raised inside the group it would come out wrapped
        finally:
            progress.close()
            tasks.cancel_scope.cancel()
    return outcome


class Progress:
    """What is being waited for, on stderr. On a terminal one line that changes, else one line."""

    def __init__(self) -> None:
        self._begun = time.monotonic()
        self._phase = self._shown = ""
        self._tty = sys.stderr.isatty()

    def say(self, phase: str) -> None:
        """The wait is now for `phase`."""
        self._phase = phase

    async def run(self) -> None:
        """Show the phase and the seconds, once they are more than `PATIENCE`."""
        await anyio.sleep(PATIENCE)
        while True:
            self._show(time.monotonic() - self._begun)
            await anyio.sleep(0.25 if self._tty else 1.0)

    def _show(self, seconds: float) -> None:
        if self._tty:
            self._shown = self._phase
            line = f"{self._phase} ... {seconds:.0f} s"[: render.width() - 1]
            sys.stderr.write(f"\r\x1b[K{line}")
            sys.stderr.flush()
        elif not self._shown:
            self._shown = self._phase
            render.talk(f"mcpguard: {self._phase} ...")

    def close(self) -> None:
        """Take the line away."""
        if self._tty and self._shown:
            with contextlib.suppress(OSError):
                sys.stderr.write("\r\x1b[K")
                sys.stderr.flush()
