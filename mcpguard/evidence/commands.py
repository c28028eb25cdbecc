"""Passwords of commands that are told by their place alone: `curl -u anna:x`, `mysql -px`."""

from collections.abc import Iterable, Iterator
from typing import Final, NamedTuple

from mcpguard.model import Json
from mcpguard.scan.needles import compiled

__all__ = ["LINE", "WORD", "Option", "hidden", "options_of", "texts"]


class _Row(NamedTuple):
    """RE2 all. `command`: what shows that the option is meant.

    `option`: with what stands between it and its word. `lead`: what of the word is no password.
    """

    command: str
    option: str
    lead: str = ""


_GAP = r"(?:[ \t]|\\\r?\n)*"
_LONG = rf"(?:=|[ \t]{_GAP})"
_USER = r"[^\s:\"']*:"

_ROWS: Final = (
    _Row("curl", rf"(?:-[A-Za-z]*[uU]{_GAP}|--(?:proxy-)?user{_LONG})", _USER),
    _Row("curl", rf"--oauth2-bearer{_LONG}"),
    _Row("curl", rf"(?:-E{_GAP}|--(?:proxy-)?cert{_LONG})", _USER),
    _Row(r"(?:https?|xhs?)\s+\S*", rf"-a{_GAP}", _USER),
    _Row(r"(?:mysql|mariadb)\w*", "-p"),
    _Row("sshpass", rf"-p{_GAP}"),
    _Row(
        r"(?:docker|podman|nerdctl|buildah|oras|helm|az|oc)\s+(?:registry\s+)?login", rf"-p{_GAP}"
    ),
    _Row("(?:skopeo|podman|buildah)", rf"--(?:src-|dest-)?creds{_LONG}", _USER),
    _Row("redis-cli", rf"-a{_GAP}"),
    _Row(r"mongo\w*", rf"-p{_GAP}"),
    _Row(r"ldap\w+", rf"-w{_GAP}"),
    _Row("smbclient", rf"(?:-U{_GAP}|--user{_LONG})", r"[^\s%\"']*%"),
    _Row("lftp", rf"-u{_GAP}", r"[^\s,\"']*,"),
    _Row("(?:sqlcmd|bcp|zip|unzip)", rf"-P{_GAP}"),
    _Row("(?:7z[ar]?|7zz|rar|unrar)", "-(?:hp|p)"),
    _Row("openssl", r"-pass(?:in|out)?[ \t]+", "pass:"),
    _Row(r"[wx]freerdp\w*", "/p:"),
)

_BEFORE = r"""(?:^|[\s"'(])"""
_QUOTES = '"' + "'"


class Option(NamedTuple):
    """RE2 whose first group is the password.

    `lines`: in a line. `word`: in two words of a list with a newline between them, or in one.
    """

    lines: tuple[str, ...]
    word: str


def _option(row: _Row) -> Option:
    head = rf"(?m){_BEFORE}{row.option}"
    quoted = [rf"{head}{each}{row.lead}([^{each}\r\n]+){each}" for each in _QUOTES]
    word = r"[^\s;&|\"'<>\\]"
    begun = word if row.lead or _GAP not in row.option else word.replace("]", r"\-]")
    bare = rf"{head}[\"'\\]*{row.lead}({begun}{word}*)"
    apart = row.option.replace(_LONG, r"[=\n]").replace(_GAP, r"\n?").replace(r"[ \t]+", r"\n")
    return Option((*quoted, bare), rf"^{apart}{row.lead}((?s:.+))$")


_OPTIONS: Final = tuple((rf"\b{row.command}(?:\.exe)?\b", _option(row)) for row in _ROWS)


LINE: Final = "|".join(f"(?:{each})" for _, option in _OPTIONS for each in option.lines)
WORD: Final = "(?m)" + "|".join(f"(?:{option.word})" for _, option in _OPTIONS)
"""RE2. In whatever an option hides something, in a line and in words: one search for all."""


def texts(value: Json) -> Iterator[str]:
    """Every text of `value` and every key. Raises RecursionError for what is nested too deep."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, list):
        for each in value:
            yield from texts(each)
    elif isinstance(value, dict):
        for key, each in value.items():
            yield key
            yield from texts(each)


def hidden(option: Option, before: str, word: str) -> str | None:
    """`word` of a list up to the password in it; `before` is the word before it. None: has none."""
    raw = word.encode()
    for lead in (before.encode() + b"\n", b""):
        match = compiled(option.word).search(lead + raw)
        if match is not None and match.start(1) >= len(lead):
            return raw[: match.start(1) - len(lead)].decode()
    return None


def options_of(said: Iterable[str]) -> list[Option]:
    """The options whose command is somewhere in `said`."""
    raw = "\n".join(said).encode("utf-8", "replace")
    return [option for command, option in _OPTIONS if compiled(command).search(raw) is not None]
