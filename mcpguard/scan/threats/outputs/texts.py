"""What of a result a model may come to read: every string and key of it, blobs of text decoded."""

from bisect import bisect_right
from collections.abc import Iterator

from mcpguard.errors import ScanError
from mcpguard.model import Json, JsonObject
from mcpguard.scan.threats.text import Hidden, Normal, normalise
from mcpguard.wire.blobs import PICTURES, texts

__all__ = ["DEPTH", "PACKED", "SEGMENT", "Text", "gathered", "pointer", "said"]

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


def said(value: Json) -> list[str]:
    """Every string and key of `value` but the protocol's own, in order; long ones and keys once.

    What is short is told as often as it is there: it may be a word of an order.

    Raises:
        ScanError: it is nested too deep.
    """
    return _Walk().over(value)


def pointer(value: Json, number: int) -> str:
    """The RFC 6901 pointer to the text of that `number` in `said`; to its object, for a key."""
    walk = _Walk(number)
    walk.over(value)
    return "".join(f"/{_token(str(each))}" for each in walk.place)


class _Walk:
    """One walk over a value. Where a text stands is told of a `wanted` one alone.

    A pointer to each would have every key above it once more for each text below.
    """

    __slots__ = ("_known", "_path", "_texts", "_wanted", "place")

    def __init__(self, wanted: int = -1) -> None:
        self._wanted = wanted
        self._known = set[tuple[bool, str]]()
        self._texts = list[str]()
        self._path = list[str | int]()
        self.place: tuple[str | int, ...] = ()

    def over(self, value: Json) -> list[str]:
        self._walk(value, DEPTH)
        return self._texts

    def _add(self, text: str, *, key: bool = False) -> None:
        if text in _OWN:
            return
        if key or len(text) > SHORT:
            if (key, text) in self._known:
                return
            self._known.add((key, text))
        if len(self._texts) == self._wanted:
            self.place = tuple(self._path)
        self._texts.append(text)

    def _walk(self, value: Json, depth: int) -> None:
        if isinstance(value, str):
            self._add(value)
        elif isinstance(value, dict):
            self._members(value, _deeper(depth))
        elif isinstance(value, list):
            below = _deeper(depth)
            for number, each in enumerate(value):
                self._under(number, each, below)

    def _members(self, value: JsonObject, depth: int) -> None:
        packed = _packed(value)
        for key, each in value.items():
            self._add(key, key=True)
            if key == packed and isinstance(each, str):
                for text in texts(each, value.get("mimeType")):
                    self._under(key, text, depth)
            else:
                self._under(key, each, depth)

    def _under(self, step: str | int, value: Json, depth: int) -> None:
        self._path.append(step)
        self._walk(value, depth)
        self._path.pop()


SHORT = 32
"""Characters of a text that is told as often as it is there."""


def _deeper(depth: int) -> int:
    if not depth:
        raise ScanError(f"result: nested more than {DEPTH} deep")
    return depth - 1


def _packed(value: JsonObject) -> str:
    """The member that is base64: a picture's `data`, a resource's `blob`."""
    if str(value.get("type")) in PICTURES and isinstance(value.get("mimeType"), str):
        return "data"
    return "blob" if "uri" in value else ""


def _token(key: str) -> str:
    return key.replace("~", "~0").replace("/", "~1")


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
