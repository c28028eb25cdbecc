"""A definition as its texts: every string of it, read once, with where it stands and what it is."""

from bisect import bisect_right
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from itertools import accumulate
from typing import TYPE_CHECKING, NamedTuple, TypeAlias

from mcpguard.errors import ScanError
from mcpguard.model import ItemKind, Json, JsonObject
from mcpguard.scan.needles import encodable
from mcpguard.scan.threats.encodings import undone
from mcpguard.scan.threats.lexicon import read
from mcpguard.scan.threats.parameters import Parameter, parameters, words
from mcpguard.scan.threats.signals import Part, Signal
from mcpguard.scan.threats.text import Normal, as_is, normalise, plain

if TYPE_CHECKING:
    from mcpguard.scan.threats.neighbours import Neighbours

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

MAX_POINTER = 4096
"""Characters of a pointer to what holds others: each of those has it in its own."""

ABOUT = 160
"""Characters of a description that say what a tool is about, if its first sentence is as long."""

_WORD = 20
"""Characters. A single word of letters that is not longer says nothing by itself."""

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
    because it was locked; arranged, where many definitions are judged (`neighbours`). `locked`: the
    definition of this item as it was reviewed. `siblings`: what the same server lists, by name: it
    may say how its own tools go together.
    """

    server: str = ""
    publisher: str = ""
    items: "tuple[Item, ...] | Neighbours" = ()
    locked: JsonObject | None = None
    siblings: frozenset[str] = frozenset()


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
    def parameters(self) -> list[Parameter]:
        """The arguments it asks for."""
        return parameters(self.definition)

    @cached_property
    def hiding(self) -> list[Said]:
        """The strings in which a person cannot see something."""
        return [each for each in self.said if each.normal.hidden]

    @cached_property
    def spoken(self) -> tuple[Said, ...]:
        """The strings that can say something: not single short words, and each once."""
        seen: dict[tuple[str, Part], Said] = {}
        for each in self.said:
            text = each.normal.text
            if len(text) > _WORD or not text.isalnum() or not text.isascii():
                seen.setdefault((text, each.part), each)
        return tuple(seen.values())

    @cached_property
    def first(self) -> str:
        """What the definition says first: its name, its title, how it begins."""
        said = [self.definition.get(key) for key in ("name", "title", "description")]
        name, title, told = (each if isinstance(each, str) else "" for each in said)
        begins = _first_sentence(normalise(told[:ABOUT]).text)
        return "\n".join((" ".join(words(name)), encodable(title[:ABOUT]), begins))

    @cached_property
    def about(self) -> str:
        """The letters of the concepts that it speaks of first."""
        return read(self.first).codes

    @cached_property
    def text(self) -> str:
        """The readings of `spoken`, with `APART` between them."""
        return APART.join([each.normal.text for each in self.spoken])

    @cached_property
    def _starts(self) -> list[int]:
        sizes = [len(each.normal.text) + len(APART) for each in self.spoken]
        return list(accumulate(sizes, initial=0))

    def at(self, place: int) -> tuple[Said, int]:
        """The string that holds the character `place` of `text`, and where in its reading."""
        number = bisect_right(self._starts, place) - 1
        return self.spoken[number], place - self._starts[number]

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


def _first_sentence(text: str) -> str:
    ends = (text.find(each, 1) for each in (". ", ".\n", "\n\n", "\u3002", "\u0964", "! ", "? "))
    return text[: min((end for end in ends if end > 0), default=len(text))]


def texts_of(definition: Mapping[str, Json]) -> tuple[Said, ...]:
    """Every string and key of `definition`, read.

    Raises:
        ScanError: it is over one of the limits, so it was not looked at whole.
    """
    found: list[_Text] = []
    _walk(dict(definition), "", Part.PROSE, 0, found)
    return _read(found)


def plain_texts(texts: Mapping[str, str], part: Part) -> tuple[Said, ...]:
    """`texts` (JSON pointer -> text), read.

    Raises:
        ScanError: it is over one of the limits, so it was not looked at whole.
    """
    return _read([(where, part, text) for where, text in texts.items()])


_Text: TypeAlias = tuple[str, Part, str]
_HINT = "nothing honest is as long: look at what the server lists"


def _read(found: list[_Text]) -> tuple[Said, ...]:
    if sum([len(text) for _, _, text in found]) > MAX_CHARACTERS:
        raise ScanError(f"definition: more than {MAX_CHARACTERS} characters", hint=_HINT)
    found = [each for each in found if each[-1]]
    easy = plain("\n".join([text for _, _, text in found if text.isascii()]))
    readings = undone(
        [as_is(text) if easy and text.isascii() else normalise(text) for _, _, text in found]
    )
    return tuple(
        [
            Said(where, part, normal)
            for (where, part, _), normal in zip(found, readings, strict=True)
        ]
    )


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

_VALUES = dict.fromkeys(("enum", "default", "const", "pattern", "examples", "example"), Part.VALUE)
_FIXED = frozenset({"type", "format", "$ref", "$schema", "$id"})
_NAMING = frozenset({"properties", "patternProperties", "$defs", "definitions", "dependentSchemas"})
_WORDS = frozenset(
    [
        "type",
        "format",
        "properties",
        "required",
        "items",
        "description",
        "title",
        "enum",
        "default",
        "const",
        "pattern",
        "examples",
        "minimum",
        "maximum",
        "minLength",
        "maxLength",
        "minItems",
        "maxItems",
        "uniqueItems",
        "additionalProperties",
        "anyOf",
        "oneOf",
        "allOf",
        "not",
        "$ref",
        "$defs",
        "definitions",
        "$schema",
        "$id",
        "name",
        "annotations",
        "inputSchema",
        "outputSchema",
        "readOnlyHint",
        "destructiveHint",
        "idempotentHint",
        "openWorldHint",
        "string",
        "number",
        "integer",
        "boolean",
        "object",
        "array",
        "null",
    ]
)
"""What the schema language and MCP say themselves: nobody's text."""


def _walk(value: Json, where: str, part: Part, depth: int, found: list[_Text]) -> None:
    if isinstance(value, str):
        found.append((where, part, value))
    elif isinstance(value, _HOLDERS):
        if depth >= MAX_DEPTH:
            raise ScanError("definition: nested too deeply to be looked at")
        if len(where) > MAX_POINTER:
            raise ScanError(f"definition: keys of more than {MAX_POINTER} characters", hint=_HINT)
        if isinstance(value, dict):
            _members(value, where, part, depth, found)
        else:
            for number, each in enumerate(value):
                _walk(each, f"{where}/{number}", part, depth + 1, found)
        if len(found) > MAX_TEXTS:
            raise ScanError(f"definition: more than {MAX_TEXTS} texts", hint=_HINT)


_HOLDERS = (dict, list)


def _members(value: JsonObject, where: str, part: Part, depth: int, found: list[_Text]) -> None:
    naming = where[where.rfind("/") + 1 :] in _NAMING
    parts, other = _parts(where, part, naming)
    for key, below in value.items():
        token = key.replace("~", "~0").replace("/", "~1") if "~" in key or "/" in key else key
        here = f"{where}/{token}"
        if naming or key not in _WORDS:
            found.append((here, Part.NAME, key))
        if isinstance(below, str):
            if key not in _FIXED or below not in _WORDS:
                found.append((here, parts.get(key, other), below))
        elif isinstance(below, _HOLDERS):
            _walk(below, here, parts.get(key, other), depth + 1, found)


def _parts(where: str, part: Part, naming: bool) -> tuple[Mapping[str, Part], Part]:
    """What is below some keys of an object at `where`, and what is below its others."""
    if naming:
        return {}, Part.ARGUMENT
    if not where:
        return _PARTS, Part.PROSE
    return _VALUES if part is Part.ARGUMENT else {}, part
