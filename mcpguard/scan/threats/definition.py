"""A definition as its texts: every string of it, read once, with where it stands and what it is."""

from bisect import bisect_right
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import NamedTuple

from mcpguard.errors import ScanError
from mcpguard.model import ItemKind, Json, JsonObject
from mcpguard.scan.threats.signals import Part, Signal
from mcpguard.scan.threats.text import Normal, normalise

__all__ = [
    "MAX_CHARACTERS",
    "MAX_TEXTS",
    "Item",
    "Known",
    "Said",
    "View",
    "plain_texts",
    "texts_of",
]

MAX_CHARACTERS = 1024 * 1024
"""Characters of one definition that are looked at: no host shows a model more."""

MAX_TEXTS = 20_000
"""Strings of one definition that are looked at."""

MAX_DEPTH = 64
"""Nesting, as on the wire."""

APART = "\n\x1f\n"
"""Between two texts: no pattern reaches across."""


class Item(NamedTuple):
    """What is known of an item of another server, or of the same one."""

    server: str
    publisher: str
    definition: JsonObject


@dataclass(frozen=True, slots=True)
class Known:
    """What a definition is compared with.

    `server`, `publisher`: whose definition is judged. `items`: what other servers list, trusted
    because it was locked. `locked`: the definition of this item as it was reviewed.
    """

    server: str = ""
    publisher: str = ""
    items: tuple[Item, ...] = ()
    locked: JsonObject | None = None


class Said(NamedTuple):
    """One string: its JSON pointer, what it is, and its reading."""

    where: str
    part: Part
    normal: Normal


@dataclass
class View:
    """What detectors look at."""

    kind: ItemKind | None
    definition: JsonObject
    said: tuple[Said, ...]
    known: Known = field(default_factory=Known)

    @cached_property
    def text(self) -> str:
        """All readings, with `APART` between them."""
        return APART.join(each.normal.text for each in self.said)

    @cached_property
    def _starts(self) -> list[int]:
        starts, at = [], 0
        for each in self.said:
            starts.append(at)
            at += len(each.normal.text) + len(APART)
        return starts

    def at(self, place: int) -> tuple[Said, int]:
        """The string that holds the character `place` of `text`, and where in its reading."""
        number = bisect_right(self._starts, place) - 1
        return self.said[number], place - self._starts[number]

    def signal(self, rule: str, weight: float, message: str, start: int, end: int) -> Signal:
        """The signal of what stands at `start` to `end` of `text`."""
        said, first = self.at(start)
        inside = min(first + max(1, end - start), len(said.normal.text))
        span = said.normal.span(first, max(first, inside))
        hidden = [
            each.says
            for each in said.normal.hidden
            if each.says and each.start < span[1] and span[0] < each.end
        ]
        return Signal(rule, weight, said.where, *span, message, "; ".join(hidden))


def texts_of(definition: Mapping[str, Json]) -> tuple[Said, ...]:
    """Every string and key of `definition`, read.

    Raises:
        ScanError: it is over one of the limits, so it was not looked at whole.
    """
    return _read(_walk(dict(definition), "", Part.PROSE, 0))


def plain_texts(texts: Mapping[str, str], part: Part) -> tuple[Said, ...]:
    """`texts` (JSON pointer -> text), read.

    Raises:
        ScanError: it is over one of the limits, so it was not looked at whole.
    """
    return _read((where, part, text) for where, text in texts.items())


def _read(texts: Iterable[tuple[str, Part, str]]) -> tuple[Said, ...]:
    found: list[Said] = []
    size = 0
    for where, part, text in texts:
        size += len(text)
        if size > MAX_CHARACTERS or len(found) >= MAX_TEXTS:
            raise ScanError(
                f"definition: more than {MAX_CHARACTERS} characters or {MAX_TEXTS} texts",
                hint="nothing honest is as long: look at what the server lists",
            )
        if text:
            found.append(Said(where, part, normalise(text)))
    return tuple(found)


_PARTS = {
    "name": Part.NAME,
    "uri": Part.NAME,
    "uriTemplate": Part.NAME,
    "instructions": Part.INSTRUCTIONS,
    "inputSchema": Part.ARGUMENT,
    "outputSchema": Part.ARGUMENT,
    "arguments": Part.ARGUMENT,
    "parameters": Part.ARGUMENT,
}
"""Keys at the top of a definition -> what is below them; everything else is prose."""

_VALUES = frozenset({"enum", "default", "const", "pattern", "examples", "example"})
_NAMING = frozenset({"properties", "patternProperties", "$defs", "definitions", "dependentSchemas"})
_WORDS = frozenset(
    "type format properties required items description title enum default const pattern examples"
    " minimum maximum minLength maxLength minItems maxItems uniqueItems additionalProperties anyOf"
    " oneOf allOf not $ref $defs definitions $schema $id name annotations inputSchema outputSchema"
    " readOnlyHint destructiveHint idempotentHint openWorldHint string number integer boolean"
    " object array null".split()
)
"""What the schema language and MCP say themselves: nobody's text."""


def _walk(value: Json, where: str, part: Part, depth: int) -> Iterator[tuple[str, Part, str]]:
    if isinstance(value, str):
        yield where, part, value
    elif isinstance(value, dict | list):
        if depth >= MAX_DEPTH:
            raise ScanError("definition: nested too deeply to be looked at")
        if isinstance(value, list):
            for number, each in enumerate(value):
                yield from _walk(each, f"{where}/{number}", part, depth + 1)
        else:
            yield from _members(value, where, part, depth)


def _members(
    value: JsonObject, where: str, part: Part, depth: int
) -> Iterator[tuple[str, Part, str]]:
    naming = where.rpartition("/")[2] in _NAMING
    for key, below in value.items():
        here = f"{where}/{key.replace('~', '~0').replace('/', '~1')}"
        if key not in _WORDS or naming:
            yield here, Part.NAME, key
        if (
            key in ("type", "format", "$ref", "$schema", "$id")
            and isinstance(below, str)
            and below in _WORDS
        ):
            continue
        yield from _walk(below, here, _part(key, where, part, naming), depth + 1)


def _part(key: str, where: str, part: Part, naming: bool) -> Part:
    if naming:
        return Part.ARGUMENT
    if not where:
        return _PARTS.get(key, Part.PROSE)
    if part is Part.ARGUMENT and key in _VALUES:
        return Part.VALUE
    return part
