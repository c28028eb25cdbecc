"""Patterns whose matches are taken out of arguments or a result, wherever a text stands."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol, cast

from mcpguard.model import Json, JsonObject

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
    """A result redacted; the protocol's own words (`type` and the names of members) are kept.

    In `structuredContent` the server chooses the names, so there they are redacted as well.
    """
    kept: JsonObject = {}
    for key, value in body.items():
        whole = key == "structuredContent"
        kept[key] = redacted(value, redactions) if whole else _block(value, redactions)
    return body if all(map(_same, kept.values(), body.values())) else kept


def _block(value: Json, redactions: tuple[Redaction, ...]) -> Json:
    if isinstance(value, list):
        blocks = [_block(each, redactions) for each in value]
        return value if all(map(_same, blocks, value)) else blocks
    if isinstance(value, dict):
        kept = {
            key: inner if key == "type" else _block(inner, redactions)
            for key, inner in value.items()
        }
        return value if all(map(_same, kept.values(), value.values())) else kept
    return redacted(value, redactions)


def _members(value: JsonObject, redactions: tuple[Redaction, ...]) -> JsonObject:
    kept: JsonObject = {}
    changed = False
    for key, inner in value.items():
        name = _text(key, redactions)
        kept_inner = redacted(inner, redactions)
        changed = changed or name is not key or kept_inner is not inner
        while name in kept:
            name += "+"
        kept[name] = kept_inner
    return kept if changed else value


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
