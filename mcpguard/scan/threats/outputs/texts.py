"""What of a result a model may come to read: every string and key of it, blobs of text decoded."""

from bisect import bisect_right
from collections.abc import Iterable, Iterator, Mapping
from typing import NamedTuple

from mcpguard.errors import ScanError
from mcpguard.model import Json, JsonObject
from mcpguard.scan.threats.text import Hidden, Normal, normalise
from mcpguard.wire.blobs import PICTURES, texts

__all__ = ["DEPTH", "PACKED", "SEGMENT", "Said", "Text", "gathered", "joined", "named", "said"]

DEPTH = 64
"""Nesting, as on the wire."""

PACKED = PICTURES | {"blob"}
"""Without one of these, as a key or a text, nothing is base64 by what MCP says."""

SEGMENT = 2048
"""Characters that are read together: most of a text needs no reading."""

LONGEST_SEGMENT = 8192
"""Characters. A run without a blank is cut there."""


_OWN = frozenset({"content", "structuredContent", "text", "type", "isError"})
"""Keys and values of the protocol itself, which are in every result and say nothing."""


class Said(NamedTuple):
    """A string, with the RFC 6901 pointer to it (to its object, for a key)."""

    where: str
    text: str


def gathered(value: Json, into: list[str], depth: int) -> None:
    """Append every string and key of `value`: quickly, for a first look at all of them.

    Raises:
        ScanError: it is nested too deep.
    """
    if isinstance(value, str):
        into.append(value)
    elif isinstance(value, dict):
        below = _deeper(depth)
        for key, each in value.items():
            into.append(key)
            if isinstance(each, str):
                into.append(each)
            elif each is not None:
                gathered(each, into, below)
    elif isinstance(value, list):
        below = _deeper(depth)
        for each in value:
            gathered(each, into, below)


def said(value: Json) -> list[Said]:
    """Every string and key of `value` but the protocol's own, each text once, in order.

    Raises:
        ScanError: it is nested too deep.
    """
    found: dict[str, str] = {}
    _walk(value, "", found, DEPTH)
    return [Said(where, text) for text, where in found.items()]


def _walk(value: Json, where: str, found: dict[str, str], depth: int) -> None:
    if isinstance(value, str):
        if value not in _OWN:
            found.setdefault(value, where)
    elif isinstance(value, dict):
        _members(value, where, found, _deeper(depth))
    elif isinstance(value, list):
        for number, each in enumerate(value):
            _walk(each, f"{where}/{number}", found, _deeper(depth))


def _deeper(depth: int) -> int:
    if not depth:
        raise ScanError(f"result: nested more than {DEPTH} deep")
    return depth - 1


def _members(value: JsonObject, where: str, found: dict[str, str], depth: int) -> None:
    packed = _packed(value)
    for key, each in value.items():
        if key not in _OWN:
            found.setdefault(key, where)
        here = f"{where}/{_token(key)}"
        if key == packed and isinstance(each, str):
            for text in texts(each, value.get("mimeType")):
                _walk(text, here, found, depth)
        else:
            _walk(each, here, found, depth)


def _packed(value: JsonObject) -> str:
    """The member that is base64: a picture's `data`, a resource's `blob`."""
    if str(value.get("type")) in PICTURES and isinstance(value.get("mimeType"), str):
        return "data"
    return "blob" if "uri" in value else ""


def _token(key: str) -> str:
    return key.replace("~", "~0").replace("/", "~1")


def joined(texts: Iterable[Said]) -> str:
    """All texts as one, each on its own line, as a model is shown them."""
    return "\n".join(each.text for each in texts)


def named(texts: Mapping[str, str]) -> list[Said]:
    """`texts`, JSON pointer -> text."""
    return [Said(where, text) for where, text in texts.items()]


class Text:
    """A long text, read segment by segment: `text` is the reading, `hidden` what nobody sees."""

    __slots__ = ("_outs", "_parts", "_same", "_starts", "hidden", "source", "text")

    def __init__(self, source: str) -> None:
        self.source = source
        self._parts: list[Normal] = []
        self._same: list[int] = []
        self._starts: list[int] = []
        self._outs: list[int] = []
        self.hidden: list[Hidden] = []
        at = out = 0
        while at < len(source) or not self._parts:
            end = _cut(source, at)
            written = source[at:end]
            part = normalise(written)
            self._parts.append(part)
            self._same.append(part.same() if part.source == written else 0)
            self._starts.append(at)
            self._outs.append(out)
            self.hidden += (
                each._replace(start=each.start + at, end=each.end + at) for each in part.hidden
            )
            at, out = max(end, at + 1), out + len(part.text)
        self.text = "".join(part.text for part in self._parts)

    def added(self) -> Iterator[tuple[int, str]]:
        """What the reading says and the source does not: where it begins in the reading."""
        begin, changed = 0, list[str]()
        for out, same, part in zip(self._outs, self._same, self._parts, strict=True):
            if same and changed:
                yield begin, "".join(changed)
                changed = []
            if same < len(part.text) and not changed:
                begin = out + same
            changed += (part.text[same:],) if same < len(part.text) else ()
        if changed:
            yield begin, "".join(changed)

    def span(self, start: int, end: int) -> tuple[int, int]:
        """The characters of the source that `start` to `end` of the reading stand for."""
        return self._place(start, start + 1)[0], self._place(max(start, end - 1), end)[1]

    def _place(self, start: int, end: int) -> tuple[int, int]:
        number = max(0, bisect_right(self._outs, start) - 1)
        out, at = self._outs[number], self._starts[number]
        first, last = self._parts[number].span(start - out, max(end - out, start - out + 1))
        return at + first, at + last


def _cut(source: str, at: int) -> int:
    """Where the segment that begins at `at` ends: behind a line, else a blank, else anywhere."""
    least, most = at + SEGMENT, at + SEGMENT + LONGEST_SEGMENT
    line = source.find("\n", least, at + 2 * SEGMENT)
    blank = line if line >= 0 else source.find(" ", least, most)
    return blank + 1 if blank >= 0 else min(len(source), most)
