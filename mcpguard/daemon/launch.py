"""The reviewed launch: what `lock` writes down about a command, and what `proxy` checks before it.

The server inherits mcpguard's working directory, and relative arguments are resolved against it. An
argument that names a regular file (see `_named`) is pinned by the SHA-256 of its bytes, unless a
person named it as data; a directory is not. The program itself is pinned too, unless it is a
launcher (`npx`, `node`, `python`...) that everybody updates: those are known by name. What a launch
leaves open is said by `remarks`.

Not closed: a file can be changed between the hash and the moment the server reads it. The server
is started in the very next system calls; whoever can write the file at will is inside anyway.
"""

import hashlib
import os
import stat
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from mcpguard.config.flags import typed
from mcpguard.daemon.child import find_executable
from mcpguard.daemon.environment import base_environment, is_code, refuse_names
from mcpguard.errors import LaunchError, UnreachableError, UsageError
from mcpguard.lock.lockfile import DATA, Launch
from mcpguard.model import Finding, Severity
from mcpguard.private import regular

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
    """What a launcher takes before its script: letters of one-dash options, and long ones.

    `code` is followed by code, `module` by the name of a module, `value` by something else.
    `loads`: options of those whose value is code too, or names it; `loads_if`: options with the
    values of which that is true. `script`: options whose value is the script. `verbs`: words before
    it. `wraps`: what it starts is a command of its own, behind `operands` words.
    """

    code: str = ""
    module: str = ""
    value: str = ""
    long_code: frozenset[str] = frozenset()
    long_value: frozenset[str] = frozenset()
    loads: frozenset[str] = frozenset()
    loads_if: tuple[tuple[str, Callable[[str], bool]], ...] = ()
    script: frozenset[str] = frozenset()
    verbs: frozenset[str] = frozenset()
    wraps: bool = False
    operands: int = 0


def _words(words: str) -> frozenset[str]:
    return frozenset(words.split())


def _imports_category(value: str) -> bool:
    """Whether `-W value` has Python import a warning's class (`error::module.Class`)."""
    return "." in "".join(value.split(":")[2:3])


_PY = _Options(
    "c", "m", "WX", frozenset(), frozenset({"--check-hash-based-pycs"}),
    loads_if=(
        ("-W", _imports_category), ("-X", lambda v: v.startswith(("presite=", "pycache_prefix="))),
    ),
)  # fmt: skip
_JS_LOADS = _words(
    "--experimental-loader --import --loader --require --env-file --env-file-if-exists"
    " --experimental-config-file --openssl-config --snapshot-blob"
)
_JS = _Options(
    "ep", "", "rC", frozenset({"--eval", "--print", "--run"}),
    _JS_LOADS | _words("--conditions --icu-data-dir --input-type --title --tsconfig"),
    _JS_LOADS | {"-r", "--tsconfig"},
)  # fmt: skip
_SH = _Options(
    "c", "", "oO", frozenset({"--command", "--init-command"}),
    _words("--init-file --rcfile"), _words("--init-file --rcfile"),
)  # fmt: skip

INTERPRETERS: Mapping[str, _Options] = {
    **dict.fromkeys(("py", "pypy", "python", "pythonw"), _PY),
    **dict.fromkeys(("node", "nodejs", "ts-node", "tsx"), _JS),
    **dict.fromkeys(("ash", "bash", "dash", "fish", "ksh", "mksh", "sh", "zsh"), _SH),
    "lua": _Options("e", "", "l", loads=_words("-l")),
    "perl": _Options("eE", "", "IMm", loads=_words("-I -M -m")),
    "php": _Options(
        "rBRE", "", "cdzfF", loads=_words("-c -d -z"), script=_words("-f -F --file --process-file")
    ),
    "ruby": _Options("e", "", "CEIr", loads=_words("-I -r")),
}
"""Programs that run a script which is their first argument that is no option."""

_BUN_LOADS = _words("--preload --require --import --config --env-file --tsconfig-override")
_DENO_LOADS = _words("--preload --require --import --config --import-map --env-file")
_JAVA_LOADS = _words(
    "-cp -classpath --class-path -p --module-path --upgrade-module-path --patch-module"
)
_NPM = _Options(
    "c", "", "pwC", frozenset({"--call"}),
    _words("--package --prefix --registry --cache --workspace --userconfig --dir --filter"),
    _words("-p --package --prefix --userconfig"),
    verbs=_words("exec x dlx run run-script"), wraps=True,
)  # fmt: skip
_UV_LOADS = _words(
    "--with --with-editable --with-requirements --python --project --directory --env-file --from"
    " --config-file --constraints --overrides --build-constraints --spec"
)
_UV = _Options(
    "", "m", "pwcb", frozenset(),
    _UV_LOADS | _words(
        "--extra --group --only-group --no-group --package --index --index-url --default-index"
        " --extra-index-url --find-links --cache-dir --color --prerelease --resolution --link-mode"
        " --refresh-package --upgrade-package --reinstall-package --index-strategy --pip-args"
    ),
    _UV_LOADS | _words("-p -w -c -b"),
    verbs=_words("run tool"), wraps=True,
)  # fmt: skip
_BARE = _Options(wraps=True)

_STARTERS: Mapping[str, _Options] = {
    **INTERPRETERS,
    **dict.fromkeys(("bunx", "npm", "npx", "pnpm", "pnpx", "yarn"), _NPM),
    **dict.fromkeys(("pipx", "uv", "uvx"), _UV),
    **dict.fromkeys(("busybox", "nohup", "setsid", "toybox"), _BARE),
    "bun": _Options(
        "ep", "", "rcd", frozenset({"--eval", "--print"}),
        _BUN_LOADS | _words("--cwd --define --conditions"), _BUN_LOADS | {"-r", "-c"},
        verbs=_words("run x"),
    ),
    "deno": _Options(
        "", "", "c", frozenset(),
        _DENO_LOADS | _words("--cert --location --lock --seed"), _DENO_LOADS | {"-c"},
        verbs=_words("run serve task eval"),
    ),
    "dotnet": _Options(verbs=_words("exec run")),
    "go": _Options(verbs=_words("run")),
    "java": _Options(
        long_value=_JAVA_LOADS | _words("--add-modules --add-opens --add-exports --add-reads"),
        loads=_JAVA_LOADS, script=_words("-jar -m --module"),
    ),
    "caffeinate": _Options(value="tw", wraps=True),
    "chrt": _Options(
        value="DPT", long_value=_words("--sched-deadline --sched-period --sched-runtime"),
        wraps=True, operands=1,
    ),
    "flock": _Options(
        "c", "", "Ew", frozenset({"--command"}),
        _words("--conflict-exit-code --timeout --wait"), wraps=True, operands=1,
    ),
    "ionice": _Options(value="cn", long_value=_words("--class --classdata"), wraps=True),
    "nice": _Options(value="n", long_value=_words("--adjustment"), wraps=True),
    "stdbuf": _Options(value="ioe", long_value=_words("--input --output --error"), wraps=True),
    "taskset": _Options(wraps=True, operands=1),
    "time": _Options(value="fo", long_value=_words("--format --output"), wraps=True),
    "timeout": _Options(
        value="ks", long_value=_words("--kill-after --signal"), wraps=True, operands=1
    ),
    "xargs": _Options(
        value="adEILnPs",
        long_value=_words("--arg-file --delimiter --max-args --max-chars --max-procs"), wraps=True,
    ),
}  # fmt: skip
"""Every program of which it is known where the code stands among its arguments."""

MAX_WRAPPERS = 16
"""Words of one command that are programs which start others: `env`, `nice`, `timeout`..."""

_SYSTEM = (
    "/bin/", "/nix/store/", "/opt/", "/sbin/", "/snap/", "/usr/",
    "/Applications/", "/Library/", "/System/",
    "C:\\Program Files", "C:\\Windows\\",
)  # fmt: skip
"""Where the system's package managers install programs."""

_SAFE_PATH = frozenset("IP")
"""Python's letters that keep the working directory off the module path (-I, -P)."""

_CODE_SUFFIXES = (
    ".bash", ".bat", ".cjs", ".class", ".cmd", ".cts", ".dll", ".dylib", ".egg", ".exe", ".go",
    ".jar", ".java", ".js", ".jsx", ".kts", ".lua", ".mjs", ".mts", ".node", ".phar", ".php",
    ".pl", ".pm", ".ps1", ".py", ".pyc", ".pyd", ".pyw", ".pyz", ".rb", ".sh", ".so", ".tcl",
    ".ts", ".tsx", ".war", ".wasm", ".whl", ".zsh",
)  # fmt: skip
"""File names that end so are code, which is never data."""

MAX_PATH = 4096
"""Characters. What stands behind a `=` and is longer is no path (PATH_MAX)."""


def describe(
    argv: Sequence[str], env_names: Collection[str] = (), data: Collection[str] = ()
) -> Launch:
    """The launch as it is now, for a lockfile. `env_names`: variables passed beyond the base ones.

    `data`: arguments (or what stands after their `=`) whose bytes may change and are not pinned.
    Raises UsageError for an empty command, a refused name (one that `env` is to set, too), an `env`
    whose command cannot be told, or `data` that is none, UnreachableError for a missing program.
    """
    if not argv:
        raise UsageError("there is no command to run", hint="put it after --: -- CMD ARGS...")
    refuse_names(env_names)
    _refuse_command(argv)
    names = tuple(sorted(set(env_names)))
    return Launch(tuple(argv), CWD_RULE, names, _files(argv, _data_arguments(argv, data)))


def _refuse_command(argv: Sequence[str]) -> None:
    """Raise UsageError for a command that sets a variable to code, or hides what it starts."""
    wrappers = sum(1 for word in argv if _stem(word) == "env" or _options(word).wraps)
    if wrappers > MAX_WRAPPERS:
        raise UsageError(
            f"{wrappers} words of the command are programs that start others; at most"
            f" {MAX_WRAPPERS} may be",
            hint="put the command in a script and lock the script, whose bytes are checked",
        )
    refuse_names(filter(is_code, (each.partition("=")[0] for each in _entry(argv).variables)))


def _data_arguments(argv: Sequence[str], data: Collection[str]) -> set[str]:
    found = set()
    code = _code(argv)
    for name in data:
        named = [each for each in argv[1:] if name in {each, each.partition("=")[2]}]
        if not named:
            raise UsageError(
                f"--data {name}: the command has no such argument",
                hint="name it as it stands in the command",
            )
        if not code.isdisjoint(named):
            raise UsageError(
                f"--data {name}: it is the code that is run, which is always pinned",
                hint="leave it out; --data none takes back what is locked as data",
            )
        found.update(named)
    return found


def verify(launch: Launch, argv: Sequence[str] = (), lock: Path | None = None) -> None:
    """Compare `argv` (empty: the locked command) and today's files with `launch`.

    `lock`: the file that it is of, for what is told to be typed.
    Raises LaunchError naming the argument or file that is not the reviewed one, UsageError for a
    command that `describe` refuses, and UnreachableError when the program is missing.
    """
    if launch.cwd not in {"", CWD_RULE}:
        raise LaunchError(
            f"launch.cwd: {launch.cwd!r} is not a rule mcpguard knows",
            hint=f"lock the server again; the rule is {CWD_RULE!r}",
        )
    if argv and tuple(argv) != launch.argv:
        raise _other_command(launch.argv, argv, lock)
    _refuse_command(launch.argv)
    data = {argument for argument, pin in launch.files.items() if pin == DATA}
    for argument in sorted(data & _code(launch.argv)):
        raise LaunchError(
            f"{argument} is not the reviewed file: it is code, and the lockfile calls it data",
            hint=f"see what changed; review it without that: {_again(lock)} --data none",
        )
    _compare(launch, _files(launch.argv, data), lock)


def remarks(launch: Launch) -> tuple[Finding, ...]:
    """One sentence for each part of the launch that is not pinned, or may be pinned too well."""
    said = (*_open_code(launch.argv), *_open_files(launch))
    return tuple(Finding("launch.unpinned", Severity.INFO, "", each) for each in said)


def _open_code(argv: Sequence[str]) -> Iterator[str]:
    name, launcher, entry = _stem(argv[0]), _is_launcher(argv[0]), _entry(argv)
    if launcher and Path(argv[0]).is_absolute() and not argv[0].startswith(_SYSTEM):
        yield f"{argv[0]} is a launcher outside of the system's directories: it is not pinned"
    if launcher and name in RUNNERS:
        yield f"{name} starts what it finds in {RUNNERS[name]}: that code is not pinned"
    elif entry.rest:
        yield from _open_code(entry.rest)
        if not _is_launcher(entry.rest[0]) and not _is_regular(entry.rest[0]):
            yield f"{entry.rest[0]} is looked up on PATH at every start: it is not pinned"
    elif name in INTERPRETERS or entry.code:
        yield from _open_script(name, entry)
    elif launcher:
        yield f"{name}: arguments that are files are pinned, and nothing else that it loads"
    else:
        yield from _open_inside(argv)


def _open_inside(argv: Sequence[str]) -> Iterator[str]:
    """Of a program that is not known: it may start what is, behind words of its own."""
    for index, word in enumerate(argv[1:], 1):
        if _stem(word) in INTERPRETERS or (_stem(word) in RUNNERS and _is_launcher(word)):
            yield from _open_code(argv[index:])
            return


def _open_script(name: str, entry: "_Entry") -> Iterator[str]:
    for option, value in entry.named:
        if not _file_of(value):
            yield f"{name} {option}: what it loads is not pinned"
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
    elif entry.script and not _file_of(entry.script):
        yield f"{entry.script} is no file here: what {name} finds for it is not pinned"


def _open_files(launch: Launch) -> Iterator[str]:
    code = _code(launch.argv)
    for argument, pin in launch.files.items():
        if pin == DATA:
            yield f"{argument} is data: its bytes are not pinned"
        elif argument in code and _through_link(_file_of(argument)):
            yield (
                f"{argument} is reached through a link: its bytes are pinned, not where it leads,"
                " nor what it loads from there"
            )
        elif argument not in code:
            yield (
                f"{argument} is pinned: once its bytes change, the server is not started; if it is"
                f" data, lock it with --data {argument}"
            )


def _again(lock: Path | None, *words: str) -> str:
    return typed("lock", "--update", "-o", str(lock or "FILE"), *words)


def _other_command(locked: Sequence[str], given: Sequence[str], lock: Path | None) -> LaunchError:
    hint = f"start the reviewed command, or review this one: {_again(lock, '--', *given)}"
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


def _compare(locked: Launch, now: Mapping[str, str], lock: Path | None) -> None:
    for argument, pin in locked.files.items():
        if argument not in now:
            raise _other_file(
                locked, lock, argument, "is not the reviewed file: it is missing here"
            )
        if now[argument] != pin:
            raise _other_file(locked, lock, argument, "is not the reviewed file: its bytes changed")
    for argument in now:
        if argument not in locked.files:
            raise _other_file(locked, lock, argument, "is a file now and was none at the review")


def _other_file(locked: Launch, lock: Path | None, argument: str, what: str) -> LaunchError:
    hint = f"see what changed; if it is meant, review it: {_again(lock)}"
    if argument not in _code(locked.argv):
        hint += f"; if it is data that changes by nature: {_again(lock, '--data', argument)}"
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


def _code(argv: Sequence[str]) -> set[str]:
    """The words of the command that are code, or name it: never data."""
    entry = _entry(argv)
    ending = {word for word in argv if word.lower().endswith(_CODE_SUFFIXES)}
    return {argv[0], entry.script, *entry.loads, *ending}


class _Entry(NamedTuple):
    """How a program is told what to run; one of the first three. `rest`: the command it wraps.

    `loads`: other words that are code. `named`: options that load some, with their values.
    `variables`: what `env` sets, as `NAME=VALUE`.
    """

    script: str = ""
    module: str = ""
    code: str = ""
    safe: bool = False
    rest: tuple[str, ...] = ()
    loads: tuple[str, ...] = ()
    named: tuple[tuple[str, str], ...] = ()
    variables: tuple[str, ...] = ()


def _entry(argv: Sequence[str]) -> _Entry:
    """What the command runs beside its program. Of an unknown one: what `env` behind it sets.

    Raises UsageError for an `env` whose command cannot be told.
    """
    name = _stem(argv[0])
    if name == "env":
        variables, rest = _behind_env(argv[1:])
        return _wrapping(_Entry(variables=variables), rest) if rest else _Entry()
    if name in _STARTERS:
        return _first_word(argv[1:], _STARTERS[name])
    return _Entry() if name in LAUNCHERS else _Entry(variables=_set_inside(argv))


def _set_inside(argv: Sequence[str]) -> tuple[str, ...]:
    """The variables that every `env` among the words of an unknown program is given."""
    found: list[str] = []
    for index, word in enumerate(argv[1:], 1):
        if word == "env" or (_stem(word) == "env" and _is_regular(word)):
            found += _behind_env(argv[index + 1 :], strict=False)[0]
    return tuple(found)


def _wrapping(seen: _Entry, rest: tuple[str, ...]) -> _Entry:
    """`seen` of a program that starts the command `rest`."""
    inner = _entry(rest)
    return inner._replace(
        rest=rest,
        loads=(*seen.loads, rest[0], *inner.loads),
        variables=(*seen.variables, *inner.variables),
    )


_ENV_VALUES = _words("-u --unset -a --argv0")
"""Options of `env` whose value is the next word."""

_ENV_FLAGS = _words(
    "- -- --argv0 --block-signal --debug --default-signal --ignore-environment --ignore-signal"
    " --list-signal-handling --null --unset"
)
"""Options of `env` that have no value, or have it behind `=`."""


def _behind_env(
    words: Sequence[str], *, strict: bool = True
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The variables that `env` is given, and the command behind its options and them.

    Raises UsageError for an option that is not known; without `strict`, only for `-S`.
    """
    variables: list[str] = []
    waiting = iter(words)
    for word in waiting:
        if not word.startswith("-"):
            if "=" not in word:
                return tuple(variables), (word, *waiting)
            variables.append(word)
        elif word in _ENV_VALUES or _bare(word) in {"u", "a"} or (not strict and _lenient(word)):
            next(waiting, "")
        elif not _is_env_flag(word) and (strict or _splits(word)):
            raise UsageError(
                f"env {word.partition('=')[0]}: with this option of env it cannot be told what is"
                " started",
                hint="leave it out; the words behind -S are given one by one: env A=1 CMD ARGS...",
            )
    return tuple(variables), ()


_ENV_LENIENT = _words("--argv0 --chdir --unset")


def _lenient(word: str) -> bool:
    """Whether the next word is the value of `word`, of an `env` whose options are not all known."""
    shortened = len(word) > len("--") and any(each.startswith(word) for each in _ENV_LENIENT)
    return shortened or _bare(word) in {"C", "L", "P", "U"}


def _bare(word: str) -> str:
    """The letters of a one-dash word, without those of `env` that take no value."""
    return "" if word.startswith("--") else word[1:].lstrip("i0v")


def _is_env_flag(word: str) -> bool:
    if word.startswith("--") or word == "-":
        return word.partition("=")[0] in _ENV_FLAGS
    return not _bare(word) or _bare(word)[0] in "ua"


def _splits(word: str) -> bool:
    """Whether `env` takes `word` for `-S`: among other letters, or shortened, as GNU's does."""
    long = word.partition("=")[0]
    return _bare(word).startswith("S") or (
        len(long) > len("--") and "--split-string".startswith(long)
    )


def _first_word(words: Sequence[str], options: _Options) -> _Entry:
    waiting = iter(words)
    seen = _Entry()
    operands = options.operands
    for word in waiting:
        if word in options.verbs:
            continue
        if operands and (word == "--" or not word.startswith("-")):
            operands -= word != "--"
            continue
        if word in {"-", "--"} or not word.startswith("-"):
            return _started(next(waiting, "") if word == "--" else word, waiting, options, seen)
        seen = _option(word, waiting, options, seen)
        if seen.script or seen.module or seen.code:
            return seen
    return seen


def _started(word: str, waiting: Iterator[str], options: _Options, seen: _Entry) -> _Entry:
    """`word` is the script, or begins a command of its own."""
    if not options.wraps or not word:
        return seen._replace(script=word)
    return _wrapping(seen, (word, *waiting))


def _option(word: str, waiting: Iterator[str], options: _Options, seen: _Entry) -> _Entry:
    """What is known with this option too, whose value may be the next word."""
    name, equals, value = word.partition("=")
    if word.startswith("--"):
        name = name.replace("_", "-")  # node takes either
    if name in options.long_code:
        return seen._replace(code=name)
    if word in options.script:
        return seen._replace(script=next(waiting, ""))
    if name in options.long_value and not equals:
        value = next(waiting, "")
        return _loading(name, value, (value,), options, seen)
    if word.startswith("--"):
        return _loading(name, value, (word,), options, seen)
    return _letters(word, waiting, options, seen)


def _letters(word: str, waiting: Iterator[str], options: _Options, seen: _Entry) -> _Entry:
    plain, letter, glued = _taking(word[1:], options)
    seen = seen._replace(safe=seen.safe or not _SAFE_PATH.isdisjoint(plain))
    if not letter:
        return seen
    if letter in options.code:
        return seen._replace(code=f"-{letter}")
    value = glued or next(waiting, "")
    if letter in options.module:
        return seen._replace(module=value)
    if f"-{letter}" in options.script:
        return seen._replace(script=value)
    return _loading(f"-{letter}", value, (word, value), options, seen)


def _loading(
    name: str, value: str, words: Sequence[str], options: _Options, seen: _Entry
) -> _Entry:
    if name not in options.loads and not any(
        name == option and loads(value) for option, loads in options.loads_if
    ):
        return seen
    return seen._replace(loads=(*seen.loads, *words), named=(*seen.named, (name, value)))


def _taking(letters: str, options: _Options) -> tuple[str, str, str]:
    """One-dash options taken apart at the first that takes a value: before it, it, behind it."""
    for index, letter in enumerate(letters):
        if letter in options.code + options.module + options.value:
            return letters[:index], letter, letters[index + 1 :]
    return letters, "", ""


def _options(program: str) -> _Options:
    return _STARTERS.get(_stem(program), _Options())


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
    """The regular file that the argument names, or nothing."""
    return next(filter(_is_regular, _named(argument)), "")


def _named(argument: str) -> Iterator[str]:
    """What may be a path in it: `FILE`, `--x=y=FILE`, a `file:` URL, `@FILE`, `FILE:name`."""
    while argument:
        yield argument
        if argument[:5].lower() == "file:":
            yield _path_of_url(argument[5:])
        yield argument.removeprefix("@")
        path, _, name = argument.rpartition(":")
        if name.isidentifier():
            yield path
        argument = argument[-MAX_PATH:].partition("=")[2]


def _path_of_url(said: str) -> str:
    """The path of a `file:` URL without its scheme; what is behind `?` or `#` names no file."""
    from urllib.parse import unquote

    path = said.partition("#")[0].partition("?")[0]
    if path.startswith("//"):  # the host, which may be empty
        path = "/" + path[2:].partition("/")[2]
    return unquote(path).removeprefix("/" if os.name == "nt" else "")


def _through_link(name: str) -> bool:
    """Whether the path is, or leads through, a link; links of the system's own do not count.

    Those are below the root (`/tmp` on macOS), and in the system's directories.
    """
    path = Path(name).absolute()
    if not name or str(path).startswith(_SYSTEM):
        return False
    return any(each.is_symlink() for each in (path, *path.parents) if len(each.parts) > _TOP)


_TOP = 2
"""Parts of a path right below the root."""


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
    try:
        with regular(Path(path)) as file:
            return f"sha256:{hashlib.file_digest(file, 'sha256').hexdigest()}"
    except OSError as error:
        raise UnreachableError(
            f"{argument}: cannot be read to check it: {error.strerror}",
            hint="make the file readable for this user",
        ) from error
