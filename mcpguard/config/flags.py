"""The settings of a session: the flags of `proxy`, the rule for commands, the data directory.

Read by the lean parser here and rendered as help by `mcpguard.cli`. Every flag takes effect. The
working directory is never searched for settings: it belongs to whatever the host has open.
"""

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final, NamedTuple

from mcpguard.errors import UsageError
from mcpguard.model import Mode

__all__ = [
    "APPROVERS",
    "DATA_DIR_VARIABLE",
    "OPTIONS",
    "STATE",
    "Option",
    "ProxySettings",
    "command",
    "data_dir",
    "data_place",
    "parse_proxy",
    "typed",
]

DATA_DIR_VARIABLE = "MCPGUARD_DATA_DIR"
"""Environment variable. Names the data directory in place of the platform's own."""

APPROVERS = "approvers"
"""Name of the directory in the data directory that holds who may approve."""

STATE = "state.db"
"""Name of the SQLite store in the data directory, unless the settings name another."""

MAX_TIMEOUT = 30 * 24 * 3600.0
"""Seconds. A longer wait is a typing error; a loop's clock would take it without complaint."""


MAX_WORD = 128
"""Characters of a name. It stands in every audit record."""


@dataclass(frozen=True, slots=True)
class ProxySettings:
    """What `mcpguard proxy` was asked for. `command`: empty means the locked one."""

    command: tuple[str, ...] = ()
    lock: Path | None = None
    mode: Mode = Mode.ENFORCE
    print_effective: bool = False
    deny_style: str = "result"
    audit_log: Path | None = None
    timeout: float = 3600.0
    """Seconds a request may stay unanswered."""
    name: str = ""
    env: tuple[str, ...] = ()
    log_format: str = "auto"
    log_output: Path | None = None
    config: Path | None = None
    """None: the file in the user's configuration directory, if there is one."""
    policy: str | None = None
    """A preset's word, or a file of settings."""


def _seconds(text: str) -> float:
    wanted = f"a number of seconds above 0 and at most {MAX_TIMEOUT:.0f} (30 days)"
    try:
        value = float(text)
    except ValueError:
        raise ValueError(wanted) from None
    if not 0 < value <= MAX_TIMEOUT:  # nan is neither
        raise ValueError(wanted)
    return value


def _word(text: str) -> str:
    if not text or len(text) > MAX_WORD or not text.isprintable():
        raise ValueError(f"1 to {MAX_WORD} printable characters")
    return text


def _path(text: str) -> Path:
    if not text:
        raise ValueError("the name of a file")
    return Path(text)


def _policy(text: str) -> str:
    if not text:
        raise ValueError("a preset's name, or the name of a file")
    return text


class Option(NamedTuple):
    """A flag of `proxy`. `setting`: the field of `ProxySettings` it sets.

    `metavar`: empty for a switch, which sets `value`. `choices`: the only values, or empty for what
    `parse` takes.
    """

    flag: str
    setting: str
    help: str
    metavar: str = ""
    value: Any = None
    default: str = ""
    choices: tuple[str, ...] = ()
    parse: Callable[[str], Any] = str
    repeat: bool = False


OPTIONS: Final = (
    Option(
        "--lock",
        "lock",
        "The reviewed lockfile. Required unless --audit-only.",
        metavar="FILE",
        parse=_path,
    ),
    Option(
        "--config",
        "config",
        "The settings to read. Default: mcpguard.yaml in the configuration directory, if it is"
        " there (mcpguard config path).",
        metavar="FILE",
        parse=_path,
    ),
    Option(
        "--policy",
        "policy",
        "What the settings are laid over: permissive, baseline, strict, or a file of settings."
        " It wins over `preset` in the settings.",
        metavar="NAME|FILE",
        parse=_policy,
    ),
    Option(
        "--filter-only",
        "mode",
        "Hide what is not locked; let calls through, recording what would have been blocked.",
        value=Mode.FILTER_ONLY,
    ),
    Option("--audit-only", "mode", "Block nothing, record everything.", value=Mode.AUDIT_ONLY),
    Option(
        "--print-effective",
        "print_effective",
        "Print what this session would allow, and exit.",
        value=True,
    ),
    Option(
        "--deny-style",
        "deny_style",
        "How a blocked call is answered: a tool result the model reads, or a JSON-RPC error.",
        metavar="STYLE",
        default="result",
        choices=("result", "jsonrpc"),
    ),
    Option(
        "--audit-log",
        "audit_log",
        "The audit log to append to. Default: in the data directory, by server name.",
        metavar="FILE",
        parse=_path,
    ),
    Option(
        "--timeout",
        "timeout",
        "Seconds a request may stay unanswered.",
        metavar="SECONDS",
        default="3600",
        parse=_seconds,
    ),
    Option(
        "--name",
        "name",
        "The server's name in the audit log. Default: the lockfile's.",
        metavar="NAME",
        parse=_word,
    ),
    Option(
        "--env",
        "env",
        "Pass this variable to the server. Only without --lock, which names its own. Repeatable.",
        metavar="NAME",
        parse=_word,
        repeat=True,
    ),
    Option(
        "--log-format",
        "log_format",
        "What mcpguard says about the session: sentences (pretty) or JSON lines. auto: JSON in a"
        " file, sentences on stderr.",
        metavar="FORMAT",
        default="auto",
        choices=("auto", "pretty", "jsonl"),
    ),
    Option(
        "--log-output",
        "log_output",
        "Append it to a file instead of stderr.",
        metavar="FILE",
        parse=_path,
    ),
)
"""Every flag of `proxy`, in the order of its help."""

_BY_FLAG: Final[Mapping[str, Option]] = MappingProxyType(
    {option.flag: option for option in OPTIONS}
)


def parse_proxy(argv: Sequence[str]) -> ProxySettings:
    """The settings that `argv` (after `proxy`) asks for. Raises UsageError, naming what to type.

    `--flag value` and `--flag=value`; the server's command follows `--` or is the first word that
    is no flag.
    """
    flags, words = _split(argv)
    values: dict[str, Any] = {}
    seen: dict[str, str] = {}
    for option, text in flags:
        value = _value(option, text)
        if option.repeat:
            values[option.setting] = (*values.get(option.setting, ()), value)
        elif option.setting in values:
            raise _twice(seen[option.setting], option.flag)
        else:
            values[option.setting] = value
        seen[option.setting] = option.flag
    settings = ProxySettings(command=command(words), **values)
    _check(settings)
    return settings


def _split(argv: Sequence[str]) -> tuple[list[tuple[Option, str | None]], Sequence[str]]:
    flags: list[tuple[Option, str | None]] = []
    rest = iter(range(len(argv)))
    for index in rest:
        word = argv[index]
        if word == "--":
            return flags, argv[index + 1 :]
        if not word.startswith("-") or word == "-":
            return flags, argv[index:]
        flag, equals, text = word.partition("=")
        option = _find(flag)
        if not option.metavar and equals:
            raise UsageError(f"{flag} takes no value", hint=f"write {flag} alone")
        flags.append((option, _argument(option, argv, rest) if not equals else text))
    return flags, ()


def _argument(option: Option, argv: Sequence[str], rest: Iterator[int]) -> str | None:
    if not option.metavar:
        return None
    index = next(rest, None)
    if index is None or argv[index].startswith("--"):
        raise UsageError(
            f"{option.flag} needs a value", hint=f"write {option.flag} {option.metavar}"
        )
    return argv[index]


def _find(flag: str) -> Option:
    option = _BY_FLAG.get(flag)
    if option is not None:
        return option
    from difflib import get_close_matches

    near = get_close_matches(flag, _BY_FLAG, 1)
    hint = f"did you mean {near[0]}?" if near else "see: mcpguard proxy --help"
    raise UsageError(f"proxy has no option {flag}", hint=hint)


def _value(option: Option, text: str | None) -> Any:  # noqa: ANN401 - the type is the setting's
    if text is None:
        return option.value
    if option.choices and text not in option.choices:
        raise UsageError(
            f"{option.flag}: {text!r} is not a choice", hint="one of: " + ", ".join(option.choices)
        )
    try:
        return option.parse(text)
    except ValueError as error:
        raise UsageError(f"{option.flag}: {text!r} cannot be used", hint=f"give {error}") from None


def _twice(first: str, second: str) -> UsageError:
    if first == second:
        return UsageError(f"{first} is given twice", hint="give it once")
    return UsageError(f"{first} and {second} exclude each other", hint="give one of them")


def _check(settings: ProxySettings) -> None:
    if settings.lock is None and settings.mode is not Mode.AUDIT_ONLY:
        raise UsageError(
            "proxy needs a lockfile: without one only --audit-only runs",
            hint="review the server first: mcpguard lock -o mcp-lock.json -- CMD ARGS..., "
            "then: mcpguard proxy --lock mcp-lock.json -- CMD ARGS...",
        )
    if settings.lock is None and not settings.command:
        raise UsageError(
            "there is no command to run", hint="put the server's command after --: -- CMD ARGS..."
        )
    if settings.lock is not None and settings.env:
        raise UsageError(
            "--env is for sessions without a lockfile; a lockfile names its own variables",
            hint=f"run: {typed('lock', '--update', '-o', str(settings.lock), '--env', 'NAME')},"
            " and review the change",
        )


def command(argv: Sequence[str]) -> tuple[str, ...]:
    """The server's command as an argv: every command line of mcpguard is read by this one rule.

    One word alone that holds white space and names no file is a quoted command string: it is split
    once, as a POSIX shell would split it, with nothing expanded. Raises UsageError.
    """
    words = tuple(argv)
    spaced = bool(words) and any(char.isspace() for char in words[0])
    if not spaced or os.path.exists(words[0]):  # noqa: PTH110 - Path raises for a long command
        return words
    import shlex

    if len(words) > 1:
        return _with_more(words)

    try:
        return tuple(shlex.split(words[0]))
    except ValueError as error:
        raise UsageError(
            f"the command {words[0]!r} cannot be split: {error}",
            hint="close the quotes, or give the words one by one after --",
        ) from None


def _with_more(words: tuple[str, ...]) -> tuple[str, ...]:
    """`words`, if the first names a program although it holds white space; else UsageError."""
    import shlex
    import shutil

    if shutil.which(words[0]) is not None:
        return words
    ours = shlex.join(words[1:]) if words[1].startswith("-") else "[OPTIONS]"
    raise UsageError(
        f"{words[0]!r} is no program, and a quoted command stands alone: more words follow it",
        hint=f"mcpguard's options come before the command: mcpguard ... {ours} -- {words[0]};"
        " the server's own belong inside the quotes",
    )


def typed(*words: str) -> str:
    """The command line of mcpguard that has these words, for a hint: quoted as a shell wants it."""
    import shlex

    return shlex.join(("mcpguard", *words))


def data_dir() -> Path:
    """The directory of audit logs and the install's key, made 0700. Raises UsageError."""
    path = data_place()
    try:
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise UsageError(
            f"{path}: the data directory cannot be made: {error.strerror}",
            hint=f"set {DATA_DIR_VARIABLE} to a directory this user may write to",
        ) from error
    return path


def data_place() -> Path:
    """Where `data_dir` is, whether or not it is there. Raises UsageError.

    `MCPGUARD_DATA_DIR`, else the platform's (`~/.local/share/mcpguard` on Linux). Never in
    the working directory: it would have the keys and blocks of whoever made that.
    """
    chosen = os.environ.get(DATA_DIR_VARIABLE)
    if not chosen:
        import platformdirs

        path = Path(platformdirs.user_data_dir("mcpguard", appauthor=False))
    else:
        path = Path(chosen)
        if not path.is_absolute():
            raise UsageError(
                f"{DATA_DIR_VARIABLE}: {chosen!r} is not an absolute path",
                hint="write the whole path; the working directory is never searched",
            )
    return path
