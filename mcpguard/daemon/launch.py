"""The reviewed launch: what `lock` writes down about a command, and what `proxy` checks before it.

The server inherits mcpguard's working directory, and relative arguments are resolved against it. An
argument that is a regular file (or the part after `=` of one like `--config=FILE`) is pinned by
the SHA-256 of its bytes, unless a person named it as data; a directory is not. The program itself
is pinned too, unless it is a launcher (`npx`, `node`, `python`...) that everybody updates: those
are known by name. What a launch leaves open is said by `remarks`.

Not closed: a file can be changed between the hash and the moment the server reads it. The server
is started in the very next system calls; whoever can write the file at will is inside anyway.
"""

import hashlib
import os
import stat
from collections.abc import Collection, Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from mcpguard.daemon.child import find_executable
from mcpguard.daemon.environment import base_environment, refuse_names
from mcpguard.errors import LaunchError, UnreachableError, UsageError
from mcpguard.lock.lockfile import DATA, Launch
from mcpguard.model import Finding, Severity

__all__ = ["CWD_RULE", "LAUNCHERS", "describe", "remarks", "verify"]

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

_NODE = "the working directory (node_modules, .npmrc), a cache or the registry"
_PYTHON = "a project, a cache or the index"
_IMAGES = "this machine or the registry under that name"

RUNNERS: Mapping[str, str] = {
    **dict.fromkeys(("bun", "bunx", "npm", "npx", "pnpm", "pnpx", "yarn"), _NODE),
    **dict.fromkeys(("pipx", "uv", "uvx"), _PYTHON),
    **dict.fromkeys(("docker", "podman"), _IMAGES),
}
"""Launchers that find or fetch what they start -> where they find it."""


class _Options(NamedTuple):
    """What an interpreter takes before its script: letters of one-dash options, and long ones.

    `code` is followed by code, `module` by the name of a module, `value` by something else.
    """

    code: str = ""
    module: str = ""
    value: str = ""
    long_code: frozenset[str] = frozenset()
    long_value: frozenset[str] = frozenset()


_PY = _Options("c", "m", "WX", frozenset(), frozenset({"--check-hash-based-pycs"}))
_JS = _Options(
    "ep", "", "rC", frozenset({"--eval", "--print"}),
    frozenset({"--conditions", "--experimental-loader", "--import", "--loader", "--require"}),
)  # fmt: skip
_SH = _Options("c", "", "oO", frozenset(), frozenset({"--init-file", "--rcfile"}))

INTERPRETERS: Mapping[str, _Options] = {
    **dict.fromkeys(("py", "python"), _PY),
    **dict.fromkeys(("node", "nodejs", "tsx"), _JS),
    **dict.fromkeys(("bash", "sh", "zsh"), _SH),
    "php": _Options("r", "", "cdz"),
    "ruby": _Options("e", "", "CEIr"),
}
"""Launchers that run a script which is their first argument that is no option."""

_SAFE_PATH = frozenset("IP")
"""Python's letters that keep the working directory off the module path (-I, -P)."""

_CODE_SUFFIXES = frozenset(
    {
        ".bat", ".cjs", ".cmd", ".cts", ".dll", ".exe", ".jar", ".js", ".jsx", ".mjs", ".mts",
        ".php", ".pl", ".ps1", ".py", ".pyz", ".rb", ".sh", ".so", ".ts", ".tsx", ".wasm", ".whl",
    }
)  # fmt: skip
"""File names that end so are code, of which nobody asks whether it is data."""

HASH_CHUNK = 1024 * 1024
"""Bytes a read while a file is hashed."""


def describe(
    argv: Sequence[str], env_names: Collection[str] = (), data: Collection[str] = ()
) -> Launch:
    """The launch as it is now, for a lockfile. `env_names`: variables passed beyond the base ones.

    `data`: arguments (or what stands after their `=`) whose bytes may change and are not pinned.
    Raises UsageError for an empty command, a refused name or `data` that is none, UnreachableError
    for a missing program.
    """
    if not argv:
        raise UsageError("there is no command to run", hint="put it after --: -- CMD ARGS...")
    refuse_names(env_names)
    names = tuple(sorted(set(env_names)))
    return Launch(tuple(argv), CWD_RULE, names, _files(argv, _data_arguments(argv, data)))


def _data_arguments(argv: Sequence[str], data: Collection[str]) -> set[str]:
    found = set()
    for name in data:
        named = [each for each in argv[1:] if name in {each, each.partition("=")[2]}]
        if not named:
            raise UsageError(
                f"--data {name}: the command has no such argument",
                hint="name it as it stands in the command",
            )
        if _entry(argv).script in named:
            raise UsageError(
                f"--data {name}: it is the code that is run, which is always pinned",
                hint="name arguments that are data, such as a database",
            )
        found.update(named)
    return found


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
    data = {argument for argument, pin in launch.files.items() if pin == DATA}
    _compare(launch, _files(launch.argv, data))


def remarks(launch: Launch) -> tuple[Finding, ...]:
    """One sentence for each part of the launch that is not pinned, or may be pinned too well."""
    said = (*_open_code(launch.argv), *_open_files(launch))
    return tuple(Finding("launch.unpinned", Severity.INFO, "", each) for each in said)


def _open_code(argv: Sequence[str]) -> Iterator[str]:
    name = _stem(argv[0])
    if not _is_launcher(argv[0]):
        return
    entry = _entry(argv)
    if name in RUNNERS:
        yield f"{name} starts what it finds in {RUNNERS[name]}: that code is not pinned"
    elif name == "env" and entry.rest:
        yield from _open_code(entry.rest)
        if not _is_launcher(entry.rest[0]) and not _is_regular(entry.rest[0]):
            yield f"{entry.rest[0]} is looked up on PATH at every start: it is not pinned"
    elif name in INTERPRETERS:
        yield from _open_script(name, entry)
    else:
        yield f"{name}: arguments that are files are pinned, and nothing else that it loads"


def _open_script(name: str, entry: "_Entry") -> Iterator[str]:
    if entry.code:
        yield (
            f"{name} {entry.code}: the words of the code are pinned, the programs and files that it"
            " names are not"
        )
    elif entry.module:
        first = "" if entry.safe else ", in the working directory first (-P prevents that)"
        yield f"-m {entry.module} is looked up at every start{first}: its code is not pinned"
    elif entry.script and _is_directory(entry.script):
        yield f"{entry.script} is a directory: the code in it is not pinned"
    elif entry.script and not _is_regular(entry.script):
        yield f"{entry.script} is no file here: what {name} finds for it is not pinned"


def _open_files(launch: Launch) -> Iterator[str]:
    code = {launch.argv[0], _entry(launch.argv).script}
    for argument, pin in launch.files.items():
        if pin == DATA:
            yield f"{argument} is data: its bytes are not pinned"
        elif argument not in code and Path(argument).suffix.lower() not in _CODE_SUFFIXES:
            yield (
                f"{argument} is pinned: once its bytes change, the server is not started; if it is"
                f" data, lock it with --data {argument}"
            )


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


def _compare(locked: Launch, now: Mapping[str, str]) -> None:
    for argument, pin in locked.files.items():
        if argument not in now:
            raise _other_file(locked, argument, "is not the reviewed file: it is missing here")
        if now[argument] != pin:
            raise _other_file(locked, argument, "is not the reviewed file: its bytes changed")
    for argument in now:
        if argument not in locked.files:
            raise _other_file(locked, argument, "is a file now and was none at the review")


def _other_file(locked: Launch, argument: str, what: str) -> LaunchError:
    hint = "see what changed; if it is meant, review it: mcpguard lock --update"
    if argument not in {locked.argv[0], _entry(locked.argv).script}:
        hint += f"; if it is data that changes by nature: mcpguard lock --update --data {argument}"
    return LaunchError(f"{argument} {what}", hint=hint)


def _files(argv: Sequence[str], data: Collection[str] = ()) -> dict[str, str]:
    """Argument -> `sha256:` digest, for the program (unless a launcher) and every file argument.

    Those of `data` are given `DATA` for a digest, whether there is a file or none.
    """
    program = argv[0]
    path = find_executable(program, base_environment(os.environ))
    found = {} if _is_launcher(program) else {program: _digest(program, path)}
    for argument in argv[1:]:
        file = _file_of(argument)
        if argument in data:
            found[argument] = DATA
        elif file:
            found[argument] = _digest(argument, file)
    return found


class _Entry(NamedTuple):
    """How an interpreter is told what to run; one of the first three. `rest`: what `env` runs."""

    script: str = ""
    module: str = ""
    code: str = ""
    safe: bool = False
    rest: tuple[str, ...] = ()


def _entry(argv: Sequence[str]) -> _Entry:
    """What the command runs beside its program; empty for a program that is no interpreter."""
    name = _stem(argv[0])
    if not _is_launcher(argv[0]):
        return _Entry()
    if name == "env":
        rest = _behind_env(argv[1:])
        return _entry(rest)._replace(rest=rest) if rest else _Entry()
    options = INTERPRETERS.get(name)
    return _Entry() if options is None else _first_word(argv[1:], options)


def _behind_env(words: Sequence[str]) -> tuple[str, ...]:
    """The command that `env` is given, behind its options and variables."""
    waiting = iter(words)
    for word in waiting:
        if word in {"-u", "--unset", "-C", "--chdir"}:
            next(waiting, "")
        elif not word.startswith("-") and "=" not in word:
            return (word, *waiting)
    return ()


def _first_word(words: Sequence[str], options: _Options) -> _Entry:
    waiting = iter(words)
    safe = False
    for word in waiting:
        if word == "--":
            return _Entry(next(waiting, ""))
        if word == "-" or not word.startswith("-"):
            return _Entry(word)
        if word in options.long_code:
            return _Entry(code=word)
        if word in options.long_value:
            next(waiting, "")
        elif not word.startswith("--"):
            plain, letter, glued = _taking(word[1:], options)
            safe = safe or not _SAFE_PATH.isdisjoint(plain)
            if letter and letter in options.code:
                return _Entry(code=f"-{letter}")
            value = glued or (next(waiting, "") if letter else "")
            if letter and letter in options.module:
                return _Entry(module=value, safe=safe)
    return _Entry()


def _taking(letters: str, options: _Options) -> tuple[str, str, str]:
    """One-dash options taken apart at the first that takes a value: before it, it, behind it."""
    for index, letter in enumerate(letters):
        if letter in options.code + options.module + options.value:
            return letters[:index], letter, letters[index + 1 :]
    return letters, "", ""


def _is_launcher(program: str) -> bool:
    path = Path(program)
    # A relative path is a file of whatever directory the host has open, not an installed launcher.
    if path.name != program and not path.is_absolute():
        return False
    return _stem(program) in LAUNCHERS


def _stem(program: str) -> str:
    """`python` for `/usr/bin/python3.11`, `npx` for `npx.cmd`."""
    path = Path(program)
    stem = path.stem if path.suffix.lower() in {".exe", ".cmd", ".bat"} else path.name
    return stem.lower().rstrip("0123456789.")


def _file_of(argument: str) -> str:
    for candidate in (argument, argument.partition("=")[2]):
        if candidate and _is_regular(candidate):
            return candidate
    return ""


def _is_directory(name: str) -> bool:
    try:
        return Path(name).is_dir()
    except (OSError, ValueError):
        return False


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
