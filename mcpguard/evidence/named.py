"""What stands under a name that says that it is secret: in members, in JSON in texts, in lines.

`{"password": "x"}` is a member, also where it stands in a text. In other text `password=x` and
`token: x` are read as lines, `--password x` as part of a command and `<password>x</password>` as
XML, and what its place alone calls a password: `https://anna:x@host`, `curl -u anna:x`. Too much is
taken out there rather than too little.
"""

from collections.abc import Iterator, Sequence
from typing import Final
from unicodedata import normalize

import orjson

from mcpguard.errors import ScanError
from mcpguard.evidence.commands import LINE, WORD, Option, hidden, options_of, texts
from mcpguard.model import Json, JsonObject
from mcpguard.scan.needles import Meter, compiled, matches
from mcpguard.scan.redact import merged, placeholder, replaced
from mcpguard.scan.sites import Span

__all__ = ["readable"]

MAX_LINES = 1000
"""Texts of one capture in which there is such a name with a value, and such names in them."""

KIND: Final = "named"
_NOT_SHOWN: Final = placeholder(KIND)

_NAMED: Final = (
    "passw", "passphrase", "passcode", "secret", "token", "apikey", "authorization", "credential",
    "privatekey", "accesskey", "signingkey", "encryptionkey", "sessionid", "sessionkey", "cookie",
)  # fmt: skip
"""What a member's name holds, letters alone, whose value is never shown, whatever it looks like."""

_CALLED: Final = frozenset({"auth", "bearer", "jwt", "otp", "pass", "pin", "pwd", "sshpass"})
"""The same for whole names, which others begin with: an author is no secret."""

_HELD = "|".join(r"[ _.\-0-9]?".join(word) for word in _NAMED)
_NAME = rf"(?:(?:{_HELD})[\w.\-]*|(?:^|[^a-z])(?:{'|'.join(sorted(_CALLED))})[\d_.\-]*)"
_CLOSED = r"""[\\"'`\])*]*"""
"""What may stand between a name and its sign: `"password": x`, `x['token'] = y`, `**Token**: x`."""

_QUOTED = r""""(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.|'')*'"""
_BLOCK = r"[|>][^\r\n]*(?:\r?\n[ \t]+[^\r\n]*)+"
_OPENED = r"[\[{](?:[^\r\n]*[\[{,])?[ \t]*\r?\n(?:.|\n)*"
_SIGN = r"(?:[ \t]*:=?|[ \t]+={1,2}>?|=>|={1,2}[ \t])[ \t]*"
_SCHEME = r"(?:(?:basic|bearer|digest|negotiate|token)[ \t]+)?"
_ASSIGNED = rf"^[ \t]*(?:export[ \t]+)?[\w.\-]*(?:{_HELD})[\w.\-]*="

_NAMES = rf"(?:[\w.\-]*(?:{_HELD})\w*|(?:{'|'.join(sorted(_CALLED))}))"
_OPTION = rf"(?:^|[\s\"'])--{_NAMES}[ \t]+"
_AUTHORITY = r"""[A-Za-z][\w+.\-]*://[^\s/@:"'?#<>]*:([^\s/"'?#<>]+)@"""
_WORD = rf"""({_QUOTED}|[^\s;&|"'<>\-][^\s;&|"'<>]*)"""
_ELEMENT = rf"<(?:[\w.\-]+:)?{_NAMES}(?:\s[^<>]*)?>"

_SUSPECT: Final = rf"(?im){_NAME}{_CLOSED}[ \t]*[:=]|{_OPTION}|{_AUTHORITY}|{_ELEMENT}"
"""RE2. In every text that has a match of `_LINES`."""

_LINES: Final = (
    rf"(?im)(?:{_NAME}{_CLOSED}{_SIGN}|{_ASSIGNED})({_QUOTED}|{_BLOCK}|{_OPENED}|\S[^\r\n]*)",
    rf"""(?im){_NAME}{_CLOSED}=({_QUOTED}|["'][^\r\n]*|{_SCHEME}[^\s;&"'<>]+)""",
    rf"(?im){_OPTION}{_WORD}",
    _AUTHORITY,
    rf"(?i){_ELEMENT}\s*(<!\[CDATA\[(?:[^\]]|\][^\]])*\]\]>|[^<]*[^<\s])\s*</",
)
"""RE2, whose first group is the value.

`name: value`, `name = value` and a line `NAME=value`: quoted, a block of YAML, all that follows a
bracket which the line leaves open, or the rest of the line. Then `name=value` within a line:
quoted, or up to a blank or what separates parameters. Then `--name value` of a command, and what
stands before the host of a URL; then what is in an element of XML.
"""
_FLAG: Final = rf"(?i)--{_NAMES}"
"""RE2. An option that is a word of its own, in a list of words."""

_OPENS: Final = ("-", "/")
"""How a word with an option begins."""

_PICTURES: Final = frozenset({"image", "audio"})


def readable(value: Json) -> tuple[Json, int]:
    """`value` without what its name says is secret, and how many places that were.

    Without base64 too, which nobody reads. Raises ScanError when too much looks like secrets,
    RecursionError for what is nested too deep.
    """
    look = _Look(options_of(texts(value)))
    return look.of(value), look.taken


class _Look:
    """Goes through one value."""

    def __init__(self, options: Sequence[Option]) -> None:
        self.taken = 0
        self._options = options
        self._places = [pattern for option in options for pattern in option.lines]
        self._meter = Meter(MAX_LINES)

    def of(self, value: Json) -> Json:
        if isinstance(value, str):
            return self._text(value)
        if isinstance(value, list):
            return self._list(value)
        return self._members(value) if isinstance(value, dict) else value

    def _list(self, value: list[Json]) -> list[Json]:
        """Its entries, without the words of a command that follow such an option."""
        made: list[Json] = []
        before: Json = None
        for each in value:
            word = before if isinstance(before, str) else ""
            shown = self._word(word, each) if isinstance(each, str) else None
            self.taken += shown is not None
            made.append(self.of(each) if shown is None else shown)
            before = each
        return made

    def _word(self, before: str, word: str) -> str | None:
        """A word of a command without its password, which may be all of it; None: it has none."""
        if _is_value(before, word):
            return _NOT_SHOWN
        if not self._options or not (before[:1] in _OPENS or word[:1] in _OPENS):
            return None
        if compiled(WORD).search(f"{before}\n{word}".encode()) is None:
            return None
        self._meter.spend()
        told = (hidden(option, before, word) for option in self._options)
        return next((f"{lead}{_NOT_SHOWN}" for lead in told if lead is not None), None)

    def _members(self, value: JsonObject) -> JsonObject:
        kind = value.get("type")
        picture = isinstance(kind, str) and kind in _PICTURES
        made: JsonObject = {}
        for key, each in value.items():
            if isinstance(each, str) and (key == "blob" or (picture and key == "data")):
                made[key] = f"[{len(each)} characters of base64]"
            elif _is_secret(key):
                made[key] = _NOT_SHOWN
                self.taken += 1
            else:
                made[key] = self.of(each)
        return made

    def _text(self, text: str) -> str:
        """Reads JSON in `text` as such. Without a secret in it, it is looked at as lines, too.

        Of a name that stands twice in an object only one was read.
        """
        for brackets in ("{}", "[]"):
            start, end = text.find(brackets[0]), text.rfind(brackets[1]) + 1
            if not 0 <= start < end:
                continue
            try:
                inner: Json = orjson.loads(text[start:end])
            except ValueError:
                continue
            before = self.taken
            shown = self.of(inner)
            if self.taken > before:
                said = _written(shown)
                return self._lines(text[:start]) + said + self._lines(text[end:])
            break
        return self._lines(text)

    def _lines(self, text: str) -> str:
        raw = text.encode()
        named = _LINES if compiled(_SUSPECT).search(raw) is not None else ()
        suspect = bool(self._places) and (b"-" in raw or b"/" in raw)
        suspect = suspect and compiled(LINE).search(raw) is not None
        if not named and not suspect:
            return text
        self._meter.spend()
        placed = self._places if suspect else []
        spans = merged(span for each in (*named, *placed) for span in self._values(each, text))
        self.taken += len(spans)
        return replaced(text, spans)

    def _values(self, pattern: str, text: str) -> Iterator[Span]:
        for match in matches(pattern, text, self._meter):
            start, end = match.inner, match.inner_end
            if end - start > 1 and text[start] == text[end - 1] and text[start] in "\"'":
                start, end = start + 1, end - 1
            if start < end and text[start:end] != _NOT_SHOWN:
                yield Span(start, end, KIND)


def _is_value(option: str, word: str) -> bool:
    if not option.startswith("--") or not word or word.startswith("-"):
        return False
    return compiled(_FLAG).fullmatch(option.encode("utf-8", "replace")) is not None


def _is_secret(key: str) -> bool:
    shown = normalize("NFKD", key).encode("ascii", "ignore").decode()
    letters = "".join(filter(str.isalpha, shown)).lower()
    return letters in _CALLED or any(word in letters for word in _NAMED)


def _written(value: Json) -> str:
    """Raises ScanError for what was read and is nested too deep to be written."""
    try:
        return orjson.dumps(value).decode()
    except orjson.JSONEncodeError as error:
        raise ScanError("JSON in a text is nested too deep") from error
