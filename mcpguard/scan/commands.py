"""Which programs a command line runs: POSIX shell quoting, wrappers looked through.

Not `shlex`: it reads a line end as a blank and forgets which operators were quoted, and both would
hide a second command.
"""

from collections.abc import Iterator, Mapping, Sequence

from mcpguard.scan.semantics import Refused, Resolution, Resolved, Resource

__all__ = ["MAX_COMMAND", "NESTED", "resolve_command"]

MAX_COMMAND = 32 * 1024
"""Characters; longer lines are programs, and nobody reviews what they run."""

NESTED = 4
"""How many wrappers in wrappers are looked through."""

_BREAKS = frozenset(";&|\n")
_BLANKS = frozenset(" \t")
_REFUSED = {
    "`": "the command substitutes another command's output",
    "(": "the command has a subshell",
    ")": "the command has a subshell",
    "<": "the command redirects",
    ">": "the command redirects",
    "\r": "the command has control characters",
}
_KEYWORDS = frozenset(
    {"!", "[[", "case", "coproc", "do", "done", "elif", "else", "esac", "fi", "for", "function"}
    | {"if", "in", "select", "then", "time", "until", "while", "{", "}"}
)
_HIDING = frozenset(
    {".", "alias", "enable", "eval", "exec", "export", "hash", "set", "shopt", "source", "trap"}
    | {"unalias", "busybox", "chroot", "parallel", "script", "setpriv", "su", "unshare", "watch"}
    | {"xargs"}
)
"""Builtins and programs that run another one, or change what runs, and are not looked through."""

_SHELLS = frozenset({"ash", "bash", "dash", "ksh", "mksh", "sh", "zsh"})

_PLACES = frozenset({"", "/bin", "/usr/bin"})
"""Where a wrapper or a shell is the system's own; elsewhere it is a program like any other."""

_WRAPPERS: Mapping[str, frozenset[str]] = {
    "command": frozenset(),
    "doas": frozenset({"-u"}),
    "env": frozenset({"-u", "--unset", "-C", "--chdir"}),
    "ionice": frozenset({"-c", "-n"}),
    "nice": frozenset({"-n", "--adjustment"}),
    "nohup": frozenset(),
    "setsid": frozenset(),
    "stdbuf": frozenset({"-i", "-o", "-e"}),
    "sudo": frozenset({"-u", "-g"}),
    "timeout": frozenset({"-k", "-s", "--kill-after", "--signal"}),
}
"""Wrapper -> its options that take a value of their own."""

_FLAGS = frozenset(
    {"--", "-n", "-H", "-E", "-i", "-c", "-f", "-w", "--preserve-status", "--foreground"}
    | {"--ignore-environment", "--wait"}
)
"""Options of wrappers without a value; with any other one the line is refused."""

_RAISING = frozenset({"doas", "sudo"})
"""Wrappers that are a permission of their own: both they and what they run have to be covered."""

_HARMLESS = frozenset(
    {"CI", "COLUMNS", "DEBIAN_FRONTEND", "FORCE_COLOR", "LANG", "LANGUAGE", "LINES", "NODE_ENV"}
    | {"NO_COLOR", "RUST_BACKTRACE", "RUST_LOG", "TERM", "TZ"}
)
"""Variables that change what a program prints, not what runs; `LC_*` too."""


class _RefusedError(ValueError):
    """Why a command line cannot be resolved."""


def resolve_command(command: str | Sequence[str], action: str = "run") -> Resolution:
    """Every program that a POSIX shell line, or an argument vector, starts.

    Looked through: `env`, `nohup`, `timeout` and their like, `sh -c`; `sudo` counts as a program
    besides. Refused: substitutions, subshells, redirections other than to /dev/null and between
    outputs, keywords, variables where a program is named, assignments beyond the harmless ones,
    relative paths to programs, `eval`, `xargs` and others that run what is not looked at.
    """
    try:
        if isinstance(command, str):
            programs = list(_line(command, NESTED))
        else:
            programs = list(_program(list(command), NESTED))
    except _RefusedError as error:
        return Refused(str(error))
    if not programs:
        return Refused("the command is empty")
    return tuple(Resolved(Resource.COMMAND, action, (each,)) for each in dict.fromkeys(programs))


def _line(text: str, depth: int) -> Iterator[str]:
    if len(text) > MAX_COMMAND:
        raise _RefusedError(f"the command has more than {MAX_COMMAND} characters")
    for words in _Reader(text).commands():
        yield from _program(_unassigned(words), depth, typed=True)


def _program(words: list[str], depth: int, *, typed: bool = False) -> Iterator[str]:
    """The programs that one simple command runs. `typed`: into a shell, so keywords count."""
    if not depth:
        raise _RefusedError("the command has too many wrappers in wrappers")
    if not words:
        raise _RefusedError("the command is empty, or only sets variables")
    name = _named(words[0], typed=typed)
    place, _, base = name.rpartition("/")
    if place in _PLACES and base in _WRAPPERS:
        if base in _RAISING:
            yield name
        yield from _program(_inner(base, words[1:]), depth - 1)
    elif place in _PLACES and base in _SHELLS and len(words) > 1:
        yield from _shell(name, words[1:], depth)
    else:
        yield name


def _named(word: str, *, typed: bool) -> str:
    if not word or not word.isprintable() or any(each in word for each in " $*?[{\\"):
        raise _RefusedError("the program's name is not written plainly")
    if typed and (word in _KEYWORDS or word.startswith(("~", "#"))):
        raise _RefusedError("the command has shell keywords, a comment or a home path")
    base = word.rpartition("/")[2]
    if base in _HIDING:
        raise _RefusedError("the command runs what is not looked at")
    if "/" in word and (word[0] != "/" or {"", ".", ".."} & set(word[1:].split("/"))):
        raise _RefusedError("the program's path is relative, or not in its shortest form")
    return word


def _unassigned(words: list[str]) -> list[str]:
    """Without the assignments in front, which must be harmless."""
    for at, word in enumerate(words):
        name, equals, _ = word.partition("=")
        if not equals or not name.isidentifier() or not name.isascii():
            return words[at:]
        if name not in _HARMLESS and not name.startswith("LC_"):
            raise _RefusedError("the command sets a variable that may change what runs")
    return []


def _inner(wrapper: str, words: list[str]) -> list[str]:
    """What a wrapper runs: its options, assignments and (timeout) duration taken away."""
    at = 0
    while at < len(words) and words[at].startswith("-"):
        option = words[at]
        if option == "--":
            at += 1
            break
        if option in _WRAPPERS[wrapper]:
            at += 1
        elif option not in _FLAGS and option.partition("=")[0] not in _WRAPPERS[wrapper]:
            raise _RefusedError("a wrapper has an option that is not known")
        at += 1
    rest = words[at:]
    if wrapper == "timeout":
        rest = rest[1:]
    return _unassigned(rest) if wrapper in {"env", "sudo"} else rest


def _shell(name: str, words: list[str], depth: int) -> Iterator[str]:
    """`sh -c TEXT` is TEXT; a shell with a script, or to type into, is itself a program."""
    option = words[0]
    if option in {"-c", "-lc", "-ec", "-ce", "-cl"} and len(words) > 1:
        yield from _line(words[1], depth - 1)
    elif option.startswith(("-", "+")) and option not in {"--version", "--help"}:
        raise _RefusedError("a shell has options that are not looked through")
    else:
        yield name


class _Reader:
    """Splits a line as POSIX.1-2017 section 2.3 does, as far as it is plain; refuses the rest."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._at = 0
        self._words: list[str] = []
        self._word: list[str] | None = None

    def commands(self) -> Iterator[list[str]]:
        """The words of each simple command; quotes removed."""
        while self._at < len(self._text):
            letter = self._text[self._at]
            if self._text.startswith("\\\n", self._at):
                self._at += 2
            elif letter in _BREAKS:
                self._at += 1
                self._end_word()
                if self._words:
                    yield self._words
                self._words = []
            elif letter in _BLANKS:
                self._at += 1
                self._end_word()
            elif not (self._word is None and self._harmless_redirection()):
                self._take(letter)
        self._end_word()
        if self._words:
            yield self._words

    def _end_word(self) -> None:
        if self._word is not None:
            self._words.append("".join(self._word))
            self._word = None

    def _take(self, letter: str) -> None:
        if self._word is None:
            if letter == "#":
                raise _RefusedError("the command has a comment in it")
            self._word = []
        if letter in _REFUSED or letter < " " or letter == "\x7f":
            raise _RefusedError(_REFUSED.get(letter, "the command has control characters"))
        self._at += 1
        match letter:
            case "'":
                self._word.append(self._until_quote())
            case '"':
                self._double(self._word)
            case "\\":
                self._word.append(self._next())
            case "$":
                self._variable(self._word)
            case _:
                self._word.append(letter)

    def _until_quote(self) -> str:
        end = self._text.find("'", self._at)
        if end < 0:
            raise _RefusedError("a quote of the command is not closed")
        inner, self._at = self._text[self._at : end], end + 1
        return inner

    def _next(self) -> str:
        if self._at >= len(self._text):
            raise _RefusedError("the command ends with a backslash")
        self._at += 1
        return self._text[self._at - 1]

    def _double(self, word: list[str]) -> None:
        while True:
            if self._at >= len(self._text):
                raise _RefusedError("a quote of the command is not closed")
            letter = self._next()
            if letter == '"':
                return
            if letter == "`":
                raise _RefusedError(_REFUSED["`"])
            if letter == "$":
                self._variable(word)
            elif letter == "\\":
                after = self._next()
                word.append(_ESCAPED.get(after, "\\" + after))
            else:
                word.append(letter)

    def _variable(self, word: list[str]) -> None:
        """`$NAME` stays as it is, so that it names no program; `$(`, `${` and `$'` are refused."""
        if self._text[self._at : self._at + 1] in {"(", "{", "'", '"', "["}:
            raise _RefusedError("the command substitutes or expands more than a plain variable")
        word.append("$")

    def _harmless_redirection(self) -> bool:
        """Skip `2>&1`, `>/dev/null` and their like."""
        rest = self._text[self._at : self._at + 16]
        for plain in _REDIRECTIONS:
            after = rest[len(plain) : len(plain) + 1]
            if rest.startswith(plain) and (not after or after in _BREAKS or after in _BLANKS):
                self._at += len(plain)
                return True
        return False


_ESCAPED = {"$": "$", "`": "`", '"': '"', "\\": "\\", "\n": ""}
"""What a backslash and a letter stand for between double quotes; others stay as they are."""

_REDIRECTIONS = tuple(
    f"{stream}>{blank}{target}"
    for stream in ("", "1", "2", "&")
    for blank in ("", " ")
    for target in ("/dev/null", "&1", "&2")
)
