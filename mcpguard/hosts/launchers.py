"""What a command line really starts: shells and wrappers taken off, packages and images named."""

import shlex
import string
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import dropwhile
from typing import Final

__all__ = [
    "Container",
    "Package",
    "Script",
    "assigned",
    "container",
    "packages",
    "program",
    "script",
    "unwrapped",
]

MAX_WRAPPERS = 8
"""Commands in front of a command (`env`, `nice`, a shell) that are taken off."""


@dataclass(frozen=True, slots=True)
class Package:
    """Code that a launcher fetches. `said`: as it was asked for. `pinned`: it is always the same.

    `from_registry`: the version of a registry's package would pin it; else a commit or a digest.
    """

    launcher: str
    said: str
    pinned: bool
    from_registry: bool = True


@dataclass(frozen=True, slots=True)
class Container:
    """`docker run`: the image and the options before it, `--name=value` made two words."""

    image: str
    options: tuple[tuple[str, str], ...]

    @property
    def pinned(self) -> bool:
        """Whether the image is named by its digest."""
        return _hex(self.image.rpartition("@sha256:"), 64)


@dataclass(frozen=True, slots=True)
class Script:
    """Code that stands in the command line itself. `by_shell`: a shell reads it."""

    program: str
    text: str
    by_shell: bool


_SHELLS: Final = frozenset({"sh", "bash", "zsh", "dash", "fish", "ksh", "ash"})
_WINDOWS_SHELLS: Final = frozenset({"cmd", "powershell", "pwsh"})
_CODE: Final = {
    "python": ("-c",), "python3": ("-c",), "node": ("-e", "--eval", "-p", "--print"),
    "bun": ("-e", "--eval"), "deno": ("eval",), "perl": ("-e", "-E"), "ruby": ("-e",),
    "php": ("-r",),
}  # fmt: skip
"""Interpreter -> what its code stands behind."""

_META: Final = frozenset(";|&`$<>(){}\n*?!#")
"""Characters with which a shell's text is more than one plain command."""


def program(words: Sequence[str]) -> str:
    """The command's bare name: no directory, no `.exe`, no `.cmd`, lower case."""
    name = words[0].replace("\\", "/").rpartition("/")[2].lower() if words else ""
    for end in (".exe", ".cmd", ".bat", ".ps1"):
        name = name.removesuffix(end)
    return name


def unwrapped(words: Sequence[str]) -> tuple[str, ...]:
    """The command behind `env`, `nice`, and shells whose text is one plain command."""
    return _taken_apart(words)[1]


def assigned(words: Sequence[str]) -> tuple[tuple[str, str], ...]:
    """The variables that `env` and shells set for the command behind them, with their values."""
    pairs = (word.partition("=") for word in _taken_apart(words)[0])
    return tuple((name, value) for name, _, value in pairs)


def _taken_apart(words: Sequence[str]) -> tuple[list[str], tuple[str, ...]]:
    """`NAME=VALUE` words on the way to the command, and its own words."""
    seen: list[str] = []
    now = tuple(words)
    for _ in range(MAX_WRAPPERS):
        inner = _inner(now)
        own = tuple(dropwhile(_assigns, inner))
        seen += inner[: len(inner) - len(own)]
        if not own:
            break
        now = own
    return seen, now


def _inner(words: tuple[str, ...]) -> tuple[str, ...]:
    name, rest = program(words), words[1:]
    if name == "env":
        return _behind_env(rest)
    if name in {"nice", "nohup", "time", "exec", "command", "stdbuf", "setsid"}:
        return tuple(_from_plain(rest))
    said = script(words)
    if said is None or not said.by_shell or _META & set(said.text.replace("~/", "")):
        return ()
    return _split(said.text, posix=name not in _WINDOWS_SHELLS)


def _split(text: str, *, posix: bool = True) -> tuple[str, ...]:
    try:
        return tuple(shlex.split(text, posix=posix))
    except ValueError:  # a quote that never ends
        return ()


def _assigns(word: str) -> bool:
    name, equals, _ = word.partition("=")
    return bool(equals) and name.isidentifier()


def _behind_env(words: Sequence[str]) -> tuple[str, ...]:
    rest = tuple(words)
    while rest and rest[0].startswith("-"):
        word, rest = rest[0], rest[1:]
        if word == "--":
            break
        option, value = _env_option(word)
        if option and value is None:
            value, rest = " ".join(rest[:1]), rest[1:]
        if option == "S":  # its words come in place of it, options too
            rest = (*_split(value or ""), *rest)
    return rest


_ENV_LONG: Final = {"--split-string": "S", "--unset": "u", "--chdir": "C", "--argv0": "a"}
_ENV_SHORT: Final = frozenset("SuCaPLU")
"""Options of `env` with a value: GNU's, which may be shortened, and those of BSD and macOS."""


def _env_option(word: str) -> tuple[str, str | None]:
    """The option with a value in `word`, empty for none, and what of its value stands there."""
    if word.startswith("--"):
        name, equals, value = word.partition("=")
        found = next((each for long, each in _ENV_LONG.items() if long.startswith(name)), "")
        return found, value if equals else None
    for at, letter in enumerate(word[1:], start=2):
        if letter in _ENV_SHORT:
            return letter, word[at:] or None
    return "", None


def _from_plain(words: Sequence[str]) -> Sequence[str]:
    """From the first word that is neither an option nor a number."""
    for at, word in enumerate(words):
        if not word.startswith("-") and not word.isdigit():
            return words[at:]
    return ()


def script(words: Sequence[str]) -> Script | None:
    """The code in the command line, if it has some."""
    name, rest = program(words), list(words[1:])
    if name in _WINDOWS_SHELLS:
        return _windows(name, rest)
    if name in _SHELLS:
        for at, word in enumerate(rest):
            if word.startswith("-") and not word.startswith("--") and "c" in word[1:]:
                return Script(name, " ".join(rest[at + 1 : at + 2]), by_shell=True)
        return None
    marks = _CODE.get(name) or _CODE.get(name.rstrip("0123456789."), ())
    for at, word in enumerate(rest):
        if word in marks:
            return Script(name, " ".join(rest[at + 1 : at + 2]), by_shell=False)
        if not word.startswith("-"):
            break
    return None


def _windows(name: str, rest: list[str]) -> Script | None:
    marks = {"/c", "/k"} if name == "cmd" else {"-c", "-command", "-encodedcommand", "-enc", "-e"}
    for at, word in enumerate(rest):
        if word.lower() in marks:
            return Script(name, " ".join(rest[at + 1 :]), by_shell=True)
    return None


# --- packages ------------------------------------------------------------------------------------

_NPM_VALUES: Final = frozenset(
    {"--registry", "--prefix", "--cache", "--userconfig", "-w", "--workspace", "-c", "--call",
     "--loglevel", "--node-options", "--script-shell"}
)  # fmt: skip
_UV_VALUES: Final = frozenset(
    {"-p", "--python", "--index", "--index-url", "-i", "--default-index", "--extra-index-url",
     "--find-links", "-f", "--directory", "--project", "--cache-dir", "--config-file",
     "--constraints", "-c", "--overrides", "--env-file", "--exclude-newer", "--with-requirements",
     "--with-editable", "--keyring-provider", "--prerelease", "--resolution", "--pip-args",
     "--suffix", "-P", "--upgrade-package", "--refresh-package"}
)  # fmt: skip
_NPM_SPECS: Final = frozenset({"-p", "--package"})
_PY_SPECS: Final = frozenset({"--from", "--spec", "--with", "-w"})


def packages(words: Sequence[str]) -> list[Package]:
    """The packages that the launcher in `words` fetches and runs; none for another command."""
    name, rest = program(words), list(words[1:])
    launcher, skipped = next((row for row in _launchers(name, rest) if row[0] in _KINDS), ("", 0))
    return _KINDS[launcher](launcher, rest[skipped:]) if launcher else []


def _launchers(name: str, rest: Sequence[str]) -> list[tuple[str, int]]:
    """What the launcher may be called, longest first, and how many words behind it that takes."""
    return [(" ".join([name, *rest[:words]]), words) for words in (2, 1, 0)]


def _npm(launcher: str, rest: Sequence[str]) -> list[Package]:
    named, first = _specs(rest, _NPM_SPECS, _NPM_VALUES)
    return [_node(launcher, each) for each in (named or [first]) if each]


def _python(launcher: str, rest: Sequence[str]) -> list[Package]:
    named, first = _specs(rest, _PY_SPECS, _UV_VALUES)
    has_source = any(word.partition("=")[0] in {"--from", "--spec"} for word in rest)
    wanted = named if has_source else [*named, first]
    return [_py(launcher, each) for each in wanted if each]


def _uv_run(launcher: str, rest: Sequence[str]) -> list[Package]:
    return [_py(launcher, each) for each in _specs(rest, _PY_SPECS, _UV_VALUES)[0]]


def _specs(
    rest: Sequence[str], naming: frozenset[str], valued: frozenset[str]
) -> tuple[list[str], str]:
    """The values of the options `naming`, and the first word that is no option nor a value."""
    named: list[str] = []
    words = iter(rest)
    for word in words:
        option, equals, value = word.partition("=")
        if word == "--":
            return named, next(words, "")
        if not word.startswith("-"):
            return named, word
        if option in naming:
            named.append(value if equals else next(words, ""))
        elif option in valued and not equals:
            next(words, "")
    return named, ""


_ELSEWHERE: Final = (
    "git+",
    "git:",
    "git@",
    "github:",
    "gitlab:",
    "bitbucket:",
    "gist:",
    "http:",
    "https:",
)
_LOCAL: Final = ("./", "../", "/", "~", "file:", ".\\", "..\\")


def _node(launcher: str, said: str) -> Package:
    name, _, version = said.removeprefix("@").partition("@")
    if said.startswith(_LOCAL) or said == ".":
        return Package(launcher, said, pinned=True)
    if said.startswith(_ELSEWHERE) or (not said.startswith("@") and "/" in name):
        return Package(launcher, said, pinned=_commit(said), from_registry=False)
    return Package(launcher, said, pinned=_exact(version))


def _py(launcher: str, said: str) -> Package:
    if said.startswith(_LOCAL) or said == ".":
        return Package(launcher, said, pinned=True)
    if said.startswith(_ELSEWHERE) or " @ " in said:
        return Package(launcher, said, pinned=_commit(said), from_registry=False)
    _, equals, version = said.partition("==")
    if not equals:
        _, equals, version = said.partition("@")
    return Package(launcher, said, pinned=_release(version.strip()))


def _exact(version: str) -> bool:
    """Three numbers, as `1.2.3`, `v1.2.3` or `1.2.3-beta.1` (Semantic Versioning 2.0.0)."""
    core = version.removeprefix("v").partition("+")[0].partition("-")[0].split(".")
    return len(core) == _NUMBERS and all(each.isdecimal() for each in core)


_NUMBERS: Final = 3
_RELEASED: Final = frozenset(string.ascii_letters + string.digits + ".!+_-")
_HEX: Final = frozenset("0123456789abcdef")


def _release(version: str) -> bool:
    """A version of its own (PEP 440), without `*` and without another clause."""
    return version[:1].isdecimal() and _RELEASED.issuperset(version)


def _commit(said: str) -> bool:
    """Whether a repository is named with a whole commit: `#<40 hex>`, `@<40 hex>`."""
    head = said.partition("#")[0]
    return _hex(said.rpartition("#"), 40) or _hex(head.rpartition("@"), 40)


def _hex(parts: tuple[str, str, str], length: int) -> bool:
    """Whether what is behind a mark that is there is `length` hexadecimal digits."""
    return bool(parts[1]) and len(parts[2]) == length and _HEX.issuperset(parts[2])


def _go(launcher: str, rest: Sequence[str]) -> list[Package]:
    found = [each for each in rest[:1] if "@" in each]
    return [Package(launcher, each, pinned=_exact(each.rpartition("@")[2])) for each in found]


def _deno(launcher: str, rest: Sequence[str]) -> list[Package]:
    found = [word for word in rest if word.startswith(("https:", "http:", "npm:", "jsr:"))][:1]
    return [
        Package(launcher, each, _exact(each.rpartition("@")[2].partition("/")[0]), "//" not in each)
        for each in found
    ]


_KINDS: Final[Mapping[str, Callable[[str, Sequence[str]], list[Package]]]] = {
    **dict.fromkeys(("npx", "bunx", "pnpx", "npm exec", "npm x", "pnpm dlx", "yarn dlx"), _npm),
    "bun x": _npm,
    **dict.fromkeys(("uvx", "pipx run", "uv tool run"), _python),
    "uv run": _uv_run,
    "go run": _go,
    "deno run": _deno,
}
"""Launcher -> what it fetches."""


# --- containers ----------------------------------------------------------------------------------

_PLAIN_LONG: Final = frozenset(
    {"--rm", "--init", "--privileged", "--read-only", "--interactive", "--tty", "--detach",
     "--publish-all", "--no-healthcheck", "--oom-kill-disable", "--sig-proxy", "--quiet", "--help",
     "--disable-content-trust", "--replace", "--systemd", "--no-hosts", "--env-host"}
)  # fmt: skip
_PLAIN_SHORT: Final = frozenset("itdPq")
_ENGINES: Final = frozenset({"docker", "podman", "nerdctl", "finch"})


def container(words: Sequence[str]) -> Container | None:
    """What `docker run` and its like are told; None for another command."""
    if program(words) not in _ENGINES or "run" not in words[1:]:
        return None
    rest = list(words[words.index("run") + 1 :])
    options: list[tuple[str, str]] = []
    for name, value, more in _options(rest):
        if not name:
            return Container(value, tuple(options))
        options.append((name, value))
        if not more:
            break
    return Container("", tuple(options))


def _options(rest: list[str]) -> Iterator[tuple[str, str, bool]]:
    """Each option with its value, then the image under an empty name."""
    while rest:
        word = rest.pop(0)
        name, equals, value = word.partition("=")
        if not word.startswith("-"):
            yield "", word, bool(rest)
            return
        if equals or name in _PLAIN_LONG or (name[1:2] != "-" and set(name[1:]) <= _PLAIN_SHORT):
            yield name, value, bool(rest)
        elif name[1:2] != "-" and len(name) > 2:  # noqa: PLR2004 - -v/host:/in
            yield name[:2], name[2:], bool(rest)
        else:
            yield name, rest.pop(0) if rest else "", bool(rest)
