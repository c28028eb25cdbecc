"""Patterns whose matches are taken out of arguments or a result, wherever a text stands."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final, Protocol, cast

from mcpguard.model import Json, JsonObject
from mcpguard.wire.blobs import packed, packed_in, texts
from mcpguard.wire.methods import REQUEST_KINDS

__all__ = [
    "NO_PATTERN",
    "RE2_HINT",
    "Pattern",
    "Redaction",
    "compile_pattern",
    "redacted",
    "redacted_arguments",
    "redacted_result",
]

NO_PATTERN = "the pattern is no regular expression of RE2"
RE2_HINT = "RE2 has no look-around and no back-references: github.com/google/re2/wiki/Syntax"


class Match(Protocol):
    """What is used of re2's match."""

    def group(self) -> str: ...


class Pattern(Protocol):
    """What is used of re2's pattern."""

    def search(self, text: str) -> Match | None: ...

    def fullmatch(self, text: str) -> Match | None: ...

    def sub(self, repl: Callable[[Match], str], text: str) -> str: ...


@dataclass(frozen=True, slots=True)
class Redaction:
    """Every match of `pattern` becomes `replacement`, taken literally."""

    pattern: Pattern
    replacement: str

    def replace(self, _: Match) -> str:
        """What stands in a match's place; a group reference in it is a plain text."""
        return self.replacement


def compile_pattern(text: str) -> Pattern | None:
    """`text` as a pattern of RE2, or None. Quiet: RE2 would write to stderr on its own."""
    import re2

    options = re2.Options()
    options.log_errors = False
    try:
        return cast(Pattern, re2.compile(text, options))
    except re2.error:
        return None


def redacted(value: Json, redactions: tuple[Redaction, ...]) -> Json:
    """`value` with every text in it redacted, names of members too; itself if nothing matched.

    Two members whose names become one keep both: the later gets a `+`. Half a surrogate pair
    becomes U+FFFD, as no pattern can be held against it.
    """
    if isinstance(value, str):
        return _text(value, redactions)
    if isinstance(value, list):
        kept = [redacted(each, redactions) for each in value]
        return value if all(map(_same, kept, value)) else kept
    if isinstance(value, dict):
        return _members(value, redactions)
    return value


def redacted_arguments(arguments: JsonObject, redactions: tuple[Redaction, ...]) -> JsonObject:
    """A call's arguments redacted, their names too; itself if nothing matched."""
    return _members(arguments, redactions)


def redacted_result(body: JsonObject, redactions: tuple[Redaction, ...]) -> JsonObject:
    """A result or an error redacted; what the protocol itself says is kept: names, and types.

    Whatever the server chooses is redacted, names of members too: all of `structuredContent`, of
    `_meta` and of an error's `data`, and elsewhere members that the protocol does not have. Kept is
    what the host must give back as it is: the names of what an interrupted result asks for and of
    the fields of a form, and `requestState`. Base64 of a text is redacted as that text.
    """
    return _own(body, redactions)


_WHOLE: Final = frozenset({"_meta", "data", "structuredContent"})
"""Members in which nothing is the protocol's own."""

_TYPES: Final = frozenset(
    {"audio", "image", "resource", "resource_link", "text", "tool_result", "tool_use"}
    | {"ref/prompt", "ref/resource"}
)
"""What MCP has as a `type`."""

_SAID: Final[Mapping[str, frozenset[str]]] = {
    "type": _TYPES,
    "method": frozenset(REQUEST_KINDS),
    "mode": frozenset({"form", "url"}),
    "resultType": frozenset({"complete", "input_required"}),
    "role": frozenset({"assistant", "user"}),
}
"""Member -> words of MCP's own that are its value."""

_SCHEMA_TYPES: Final = frozenset({"array", "boolean", "integer", "number", "object", "string"})
"""What a form has as a `type`."""

_WORDS: Final = (
    "annotations audience blob cacheScope code completion content contents createdAt description"
    " hasMore icons id input inputRequests isError lastModified lastUpdatedAt message messages"
    " method mimeType model mode name nextCursor params pollInterval priority requestState"
    " requestedSchema resource resultType role size sizes src status statusMessage stopReason"
    " task taskId tasks text theme title toolUseId total ttl ttlMs type uri url values"
)
_NAMES: Final = _WHOLE | frozenset(_WORDS.split())
"""Names of members that MCP has in results of calls, prompts, resources, completions and tasks."""


def _block(value: Json, redactions: tuple[Redaction, ...]) -> Json:
    if isinstance(value, list):
        blocks = [_block(each, redactions) for each in value]
        return value if all(map(_same, blocks, value)) else blocks
    return _own(value, redactions) if isinstance(value, dict) else redacted(value, redactions)


def _own(value: JsonObject, redactions: tuple[Redaction, ...]) -> JsonObject:
    """An object of which the protocol has some of the members."""
    bytes_in, media = packed_in(value), value.get("mimeType")
    pairs: list[tuple[str, Json]] = []
    for key, inner in value.items():
        if isinstance(inner, str) and key in bytes_in:
            left: Json = _repacked(inner, media, redactions)
        elif isinstance(inner, str) and inner in _SAID.get(key, ()):
            left = inner
        else:
            left = _BELOW.get(key, _block)(inner, redactions)
        pairs.append((key if key in _NAMES else _text(key, redactions), left))
    return _joined(value, pairs)


def _repacked(blob: str, media: Json, redactions: tuple[Redaction, ...]) -> str:
    """Base64 with the text in it redacted. One that can be read as several texts goes whole."""
    found = texts(blob, media)
    left = [_text(each, redactions) for each in found]
    if all(map(_same, left, found)):
        return _text(blob, redactions)
    text = left[0] if len(left) == 1 else redactions[0].replacement
    return _text(packed(text), redactions)


def _asked(value: Json, redactions: tuple[Redaction, ...]) -> Json:
    """What an interrupted result asks for, by names under which the host has to answer."""
    if not isinstance(value, dict):
        return redacted(value, redactions)
    return _joined(value, [(key, _block(inner, redactions)) for key, inner in value.items()])


def _form(value: Json, redactions: tuple[Redaction, ...]) -> Json:
    """The schema of a form, by the names of whose fields the host has to answer."""
    if isinstance(value, list):
        kept = [_form(each, redactions) for each in value]
        return value if all(map(_same, kept, value)) else kept
    if not isinstance(value, dict):
        return redacted(value, redactions)
    fields = value.get("properties")
    pairs: list[tuple[str, Json]] = []
    for key, inner in value.items():
        if key == "type" and isinstance(inner, str) and inner in _SCHEMA_TYPES:
            left: Json = inner
        elif key == "required" and isinstance(inner, list) and isinstance(fields, dict):
            left = [one if one in fields else redacted(one, redactions) for one in inner]
            left = inner if left == inner else left
        else:
            left = _form(inner, redactions)
        pairs.append((key, left))
    return _joined(value, pairs)


def _whole(value: Json, _: tuple[Redaction, ...]) -> Json:
    return value


_BELOW: Final[Mapping[str, Callable[[Json, tuple[Redaction, ...]], Json]]] = {
    **dict.fromkeys(_WHOLE, redacted),
    "inputRequests": _asked,
    "requestedSchema": _form,
    "requestState": _whole,
}
"""Member -> how what is in it is redacted; the others as blocks."""


def _members(value: JsonObject, redactions: tuple[Redaction, ...]) -> JsonObject:
    items = value.items()
    pairs = [(_text(key, redactions), redacted(inner, redactions)) for key, inner in items]
    return _joined(value, pairs)


def _joined(value: JsonObject, pairs: list[tuple[str, Json]]) -> JsonObject:
    """An object of `pairs`, which were made of `value`; `value` itself if nothing changed."""
    kept: JsonObject = {}
    for name, inner in pairs:
        while name in kept:
            name += "+"  # noqa: PLW2901 - see `redacted`
        kept[name] = inner
    same = all(name is key for (name, _), key in zip(pairs, value, strict=True))
    return value if same and all(map(_same, kept.values(), value.values())) else kept


def _same(left: object, right: object) -> bool:
    return left is right


def _text(text: str, redactions: tuple[Redaction, ...]) -> str:
    try:
        return _replaced(text, redactions)
    except UnicodeEncodeError:
        whole = text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
        return _replaced(whole, redactions)


def _replaced(text: str, redactions: tuple[Redaction, ...]) -> str:
    for redaction in redactions:
        if redaction.pattern.search(text) is not None:
            text = redaction.pattern.sub(redaction.replace, text)
    return text
