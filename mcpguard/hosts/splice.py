"""A host's JSON file as spans of its own bytes: found, checked and replaced, never re-serialised.

Comments (`//`, `/* */`), a UTF-8 byte order mark and any layout are read over and kept. What two
parsers could read differently is refused with its line and column: duplicate keys, trailing
commas, anything that is not RFC 8259 otherwise.
"""

from collections.abc import Iterator, Sequence
from functools import cache
from typing import TYPE_CHECKING, NamedTuple

from mcpguard.errors import HostError
from mcpguard.model import Json
from mcpguard.wire import exact

if TYPE_CHECKING:
    import re2

__all__ = ["MAX_DEPTH", "Edit", "Member", "Node", "find", "parse", "spliced", "value"]

MAX_DEPTH = 100
"""Levels of arrays and objects. Hosts' files have ten; the reader is recursive."""

BOM = b"\xef\xbb\xbf"
_OTHER_BOMS = (b"\xff\xfe", b"\xfe\xff")

_GRAMMAR = (
    rb"(?:[ \t\r\n]+)"
    rb"|(?://[^\r\n]*|/\*[^*]*\*+(?:[^/*][^*]*\*+)*/)"
    rb'|(?:"(?:[^"\\\x00-\x1f]|\\(?:["\\/bfnrt]|u[0-9A-Fa-f]{4}))*")'
    rb"|(?:-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?|true|false|null)"
    rb"|(?:[\[\]{},:])"
)


_KINDS = {
    **dict.fromkeys(b" \t\r\n/", ""),
    **{mark: chr(mark) for mark in b"[]{},:"},
    ord('"'): "string",
}
"""First byte of a token -> what it is; empty for what is read over, a word if not here."""


class Node(NamedTuple):
    """A value: `data[start:end]`. `kind`: object, array, string or word."""

    kind: str
    start: int
    end: int
    members: "tuple[Member, ...]" = ()
    items: "tuple[Node, ...]" = ()


class Member(NamedTuple):
    """One key of an object, unescaped, the offset at which it begins, and its value."""

    key: str
    start: int
    node: Node


class Edit(NamedTuple):
    """`new` in the place of `data[start:end]`."""

    start: int
    end: int
    new: bytes


def parse(data: bytes, *, trailing_commas: bool = False) -> Node:
    """The one value in `data`. Raises HostError with line and column, and without a word of it.

    `trailing_commas`: one may stand before a closing bracket, as in the files of some hosts.
    """
    if data.startswith(_OTHER_BOMS):
        raise HostError("it is UTF-16, not UTF-8", hint="save it as UTF-8")
    try:
        data.decode()
    except UnicodeDecodeError as error:
        raise _error(data, error.start, "bytes that are not UTF-8") from None
    return _Reader(data, trailing_commas=trailing_commas).whole()


def find(node: Node, path: Sequence[str]) -> Node | None:
    """The value at `path` (keys, outermost first), or None where a key or an object is missing."""
    for key in path:
        found = [member.node for member in node.members if member.key == key]
        if not found:
            return None
        node = found[0]
    return node


def value(data: bytes, node: Node) -> Json:
    """What `node` says, comments aside. Raises HostError for a number or text nobody can hold."""
    if node.kind == "object":
        return {member.key: value(data, member.node) for member in node.members}
    if node.kind == "array":
        return [value(data, item) for item in node.items]
    return _scalar(data, node)


def spliced(data: bytes, edits: Sequence[Edit]) -> bytes:
    """`data` with every edit made; they are given in order and do not overlap."""
    parts = []
    at = 0
    for edit in edits:
        parts += [data[at : edit.start], edit.new]
        at = edit.end
    return b"".join([*parts, data[at:]])


def _scalar(data: bytes, node: Node) -> Json:
    try:
        return exact.strict_loads(data[node.start : node.end], big_integers=True)
    except exact.ExactError as error:
        raise _error(data, node.start, f"a value that cannot be used: {error}") from error


def _error(data: bytes, offset: int, what: str) -> HostError:
    before = data[:offset]
    line = before.count(b"\n") + 1
    column = len(before[before.rfind(b"\n") + 1 :].decode("utf-8", "replace")) + 1
    return HostError(
        f"line {line} column {column}: {what}", hint="mend it there first; nothing was changed"
    )


class _Token(NamedTuple):
    kind: str
    """string, word, the mark itself, or empty at the end."""
    start: int
    end: int


@cache
def _grammar() -> "re2._Regexp":
    import re2  # commands that read no host's file never pay for it

    return re2.compile(_GRAMMAR)


def _tokens(data: bytes) -> Iterator[_Token]:
    at = len(BOM) if data.startswith(BOM) else 0
    for found in _grammar().finditer(data, at):
        start, end = found.span()
        if start != at:
            break
        at = end
        kind = _KINDS.get(data[start], "word")
        if kind:
            yield _Token(kind, start, at)
    if at < len(data):
        raise _error(data, at, "this is not JSON")
    yield _Token("", at, at)


class _Reader:
    """A descent over the tokens, one token ahead."""

    def __init__(self, data: bytes, *, trailing_commas: bool = False) -> None:
        self._data = data
        self._lenient = trailing_commas
        self._tokens = _tokens(data)
        self._next = next(self._tokens)

    def whole(self) -> Node:
        node = self._value(0)
        if self._next.kind:
            raise self._wrong("more after the end of the value")
        return node

    def _take(self) -> _Token:
        taken = self._next
        self._next = next(self._tokens, taken)
        return taken

    def _wrong(self, what: str) -> HostError:
        at_end = " (the file ends here)" if not self._next.kind else ""
        return _error(self._data, self._next.start, what + at_end)

    def _expect(self, kind: str, what: str) -> _Token:
        if self._next.kind != kind:
            raise self._wrong(f"{what} is missing")
        return self._take()

    def _value(self, depth: int) -> Node:
        if depth > MAX_DEPTH:
            raise self._wrong(f"nested deeper than {MAX_DEPTH} levels")
        token = self._next
        if token.kind == "{":
            return self._object(depth)
        if token.kind == "[":
            return self._array(depth)
        if token.kind not in {"string", "word"}:
            raise self._wrong("a value is missing")
        self._take()
        return Node(token.kind, token.start, token.end)

    def _object(self, depth: int) -> Node:
        start = self._take().start
        members: list[Member] = []
        seen: set[str] = set()
        while self._more("}", members):
            member = self._member(depth)
            if member.key in seen:
                raise _error(self._data, member.start, "a key that this object already has")
            seen.add(member.key)
            members.append(member)
        return Node("object", start, self._take().end, members=tuple(members))

    def _member(self, depth: int) -> Member:
        token = self._expect("string", "a key")
        key = self._data[token.start + 1 : token.end - 1].decode()
        if "\\" in key:
            key = str(_scalar(self._data, Node("string", token.start, token.end)))
        self._expect(":", "a colon")
        return Member(key, token.start, self._value(depth + 1))

    def _array(self, depth: int) -> Node:
        start = self._take().start
        items: list[Node] = []
        while self._more("]", items):
            items.append(self._value(depth + 1))
        return Node("array", start, self._take().end, items=tuple(items))

    def _more(self, closing: str, so_far: Sequence[object]) -> bool:
        """Whether another part follows; its comma has been read then."""
        if self._next.kind == closing:
            return False
        if not so_far:
            return True
        self._expect(",", f"a comma or {closing}")
        if self._next.kind == closing and not self._lenient:
            raise self._wrong(f"a comma before {closing}")
        return self._next.kind != closing
