"""The reviewed launch: what `lock` writes down about a command, and what `proxy` checks before it.

The server inherits mcpguard's working directory, and relative arguments are resolved against it. An
argument that is a regular file (or the part after `=` of one like `--config=FILE`) is pinned by
the SHA-256 of its bytes; a directory is not. The program itself is pinned too, unless it is a
launcher (`npx`, `node`, `python`...) that everybody updates: those are known by name.

Not closed: a file can be changed between the hash and the moment the server reads it. The server
is started in the very next system calls; whoever can write the file at will is inside anyway.
"""

import hashlib
import os
import stat
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path

from mcpguard.daemon.child import find_executable
from mcpguard.daemon.environment import base_environment, refuse_names
from mcpguard.errors import LaunchError, UnreachableError, UsageError
from mcpguard.lock.lockfile import Launch

__all__ = ["CWD_RULE", "LAUNCHERS", "describe", "verify"]

CWD_RULE = "inherit"
"""The one directory rule: the server runs where mcpguard runs."""

LAUNCHERS = frozenset(
    {
        "bun", "bunx", "bash", "cmd", "deno", "docker", "dotnet", "env", "go", "java", "node",
        "nodejs", "npm", "npx", "php", "pipx", "pnpm", "pnpx", "podman", "powershell", "pwsh", "py",
        "python", "ruby", "sh", "tsx", "uv", "uvx", "yarn", "zsh",
    }
)  # fmt: skip
"""Programs known by name, without version (`python3.11`) and extension (`npx.cmd`): their bytes
change with every update, and what they start is pinned by its own argument."""

HASH_CHUNK = 1024 * 1024
"""Bytes a read while a file is hashed."""


def describe(argv: Sequence[str], env_names: Collection[str] = ()) -> Launch:
    """The launch as it is now, for a lockfile. `env_names`: variables passed beyond the base ones.

    Raises UsageError for an empty command or a refused name, UnreachableError for a missing
    program.
    """
    if not argv:
        raise UsageError("there is no command to run", hint="put it after --: -- CMD ARGS...")
    refuse_names(env_names)
    return Launch(tuple(argv), CWD_RULE, tuple(sorted(set(env_names))), _files(argv))


def verify(launch: Launch, argv: Sequence[str] = ()) -> None:
    """Compare `argv` (empty: the locked command) and today's files with `launch`.

    Raises LaunchError naming the argument or file that is not the reviewed one, and
    UnreachableError when the program is missing.
    """
    if launch.cwd not in {"", CWD_RULE}:
        raise LaunchError(
            f"launch.cwd: {launch.cwd!r} is not a rule mcpguard knows",
            hint=f"lock the server again; the rule is {CWD_RULE!r}",
        )
    if argv and tuple(argv) != launch.argv:
        raise _other_command(launch.argv, argv)
    _compare(launch.files, _files(launch.argv))


def _other_command(locked: Sequence[str], given: Sequence[str]) -> LaunchError:
    hint = "start the reviewed command, or review this one: mcpguard lock --update"
    for index, (old, new) in enumerate(zip(locked, given, strict=False)):
        if old != new:
            what = f"argument {index}" if index else "the program"
            return LaunchError(f"{what} is {new!r}, the lockfile has {old!r}", hint=hint)
    if len(given) > len(locked):
        extra = given[len(locked)]
        return LaunchError(
            f"argument {len(locked)} is {extra!r}, the lockfile ends before", hint=hint
        )
    missing = locked[len(given)]
    return LaunchError(f"argument {len(given)} is missing, the lockfile has {missing!r}", hint=hint)


def _compare(locked: Mapping[str, str], now: Mapping[str, str]) -> None:
    hint = "see what changed; if it is meant, review it: mcpguard lock --update"
    for argument, digest in locked.items():
        if argument not in now:
            raise LaunchError(f"{argument} is not the reviewed file: it is missing here", hint=hint)
        if now[argument] != digest:
            raise LaunchError(f"{argument} is not the reviewed file: its bytes changed", hint=hint)
    for argument in now:
        if argument not in locked:
            raise LaunchError(f"{argument} is a file now and was none at the review", hint=hint)


def _files(argv: Sequence[str]) -> dict[str, str]:
    """Argument -> `sha256:` digest, for the program (unless a launcher) and every file argument."""
    program = argv[0]
    path = find_executable(program, base_environment(os.environ))
    found = {} if _is_launcher(program) else {program: _digest(program, path)}
    for argument in argv[1:]:
        file = _file_of(argument)
        if file:
            found[argument] = _digest(argument, file)
    return found


def _is_launcher(program: str) -> bool:
    path = Path(program)
    # A relative path is a file of whatever directory the host has open, not an installed launcher.
    if path.name != program and not path.is_absolute():
        return False
    stem = path.stem if path.suffix.lower() in {".exe", ".cmd", ".bat"} else path.name
    return stem.lower().rstrip("0123456789.") in LAUNCHERS


def _file_of(argument: str) -> str:
    for candidate in (argument, argument.partition("=")[2]):
        if candidate and _is_regular(candidate):
            return candidate
    return ""


def _is_regular(name: str) -> bool:
    try:
        return stat.S_ISREG(Path(name).stat().st_mode)
    except (OSError, ValueError):
        return False


def _digest(argument: str, path: str) -> str:
    hasher = hashlib.sha256()
    try:
        # O_NONBLOCK: a FIFO put in the file's place must not hang the start.
        fd = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0))
        try:
            while chunk := os.read(fd, HASH_CHUNK):
                hasher.update(chunk)
        finally:
            os.close(fd)
    except OSError as error:
        raise UnreachableError(
            f"{argument}: cannot be read to check it: {error.strerror}",
            hint="make the file readable for this user",
        ) from error
    return "sha256:" + hasher.hexdigest()
