"""YAML text in, values with their places out: what configuration and policy files are read by.

The part of YAML that every reader understands alike. Refused, each with its place: a key that is
there twice, anchors, aliases, merges and tags, more than one document, keys that are no text, and
plain words that YAML 1.1 and 1.2 read differently (010, 1:30, 2026-01-01, 1_000, 0x1F). `yes`,
`no`, `on` and `off` are texts, as in YAML 1.2; where true or false is wanted they are an error.
"""

from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass, field
from difflib import get_close_matches
from typing import TYPE_CHECKING, TypeAlias

from mcpguard.errors import PolicyError
from mcpguard.model import Json

if TYPE_CHECKING:
    from yaml.events import Event, NodeEvent, ScalarEvent

__all__ = ["MAX_CHARACTERS", "MAX_DEPTH", "MAX_VALUES", "Node", "nearest", "read", "shown"]

MAX_CHARACTERS = 256 * 1024
"""Characters. A thousand rules with comments; reading that many takes about two seconds."""

MAX_DEPTH = 16
"""Levels. The deepest setting has six; without a limit, brackets alone exhaust the stack."""

MAX_VALUES = 20_000
"""Keys and values. A thousand rules of ten keys each."""

MAX_SHOWN = 40
"""Characters of a person's own word that an error repeats."""

INT_BITS = 63
"""Bits of the largest integer, sign apart: what CEL and SQL can hold."""

Scalar: TypeAlias = "bool | int | float | str | None"
Place: TypeAlias = tuple[int, int]
"""Line and column, both from 1."""


@dataclass(frozen=True, slots=True)
class Node:
    """One value and where it stands. Its methods give what a setting wants, or raise PolicyError.

    `keys` holds the place of each key of a mapping. `verbatim`: the text stands in the file
    character for character from `place` on, so an offset into it is a column.
    """

    source: str
    place: Place
    value: "Scalar | tuple[Node, ...] | dict[str, Node]"
    keys: Mapping[str, Place] = field(default_factory=dict)
    verbatim: bool = False

    def error(self, what: str, *, hint: str = "", at: Place | None = None) -> PolicyError:
        """An error here, or at `at`; to be raised by the caller."""
        line, column = at or self.place
        return PolicyError(self.source, line, column, what, hint=hint)

    def plain(self) -> Json:
        """The value without places."""
        if isinstance(self.value, dict):
            return {key: node.plain() for key, node in self.value.items()}
        if isinstance(self.value, tuple):
            return [node.plain() for node in self.value]
        return self.value

    def table(
        self,
        known: Collection[str],
        *,
        required: Collection[str] = (),
        other_words: Mapping[str, str] | None = None,
    ) -> "dict[str, Node]":
        """A mapping whose keys are all `known` and hold all of `required`.

        `other_words`: what to write instead of keys that other programs know.
        """
        if not isinstance(self.value, dict):
            raise self.error(f"a mapping belongs here, not {_named(self.value)}", hint=_keys(known))
        for key in self.value:
            if key not in known:
                hint = (other_words or {}).get(key) or nearest(key, known)
                raise self.error(f"unknown key `{shown(key)}`", hint=hint, at=self.keys[key])
        for key in required:
            if key not in self.value:
                raise self.error(f"`{key}` is missing", hint=f"add `{key}:`")
        return self.value

    def shown(self) -> str:
        """The value as an error repeats it: short and printable."""
        return shown(str(self.value))

    def items(self) -> "dict[str, Node]":
        """A mapping with any keys."""
        if not isinstance(self.value, dict):
            hint = "write KEY: VALUE, with a space behind the colon, or leave it out"
            raise self.error(f"a mapping belongs here, not {_named(self.value)}", hint=hint)
        return self.value

    def sequence(self, most: int) -> "tuple[Node, ...]":
        """A list of at most `most` values."""
        if not isinstance(self.value, tuple):
            what = f"a list belongs here, not {_named(self.value)}"
            raise self.error(what, hint="begin each entry with `- `, or write [a, b]")
        if len(self.value) > most:
            raise self.error(f"{len(self.value)} entries, at most {most} are read")
        return self.value

    def text(self, most: int) -> str:
        """A text of 1 to `most` characters."""
        if not isinstance(self.value, str):
            hint = 'put it in quotes: "..."' if isinstance(self.value, bool | int | float) else ""
            raise self.error(f"a text belongs here, not {_named(self.value)}", hint=hint)
        if not self.value.strip():
            raise self.error("the text is empty", hint="write it, or leave the key out")
        if len(self.value) > most:
            raise self.error(f"{len(self.value)} characters, at most {most} are read")
        return self.value

    def integer(self, low: int, high: int) -> int:
        """A whole number from `low` to `high`."""
        hint = f"write a whole number from {low} to {high}, without a unit"
        if isinstance(self.value, bool) or not isinstance(self.value, int):
            raise self.error(f"a whole number belongs here, not {_named(self.value)}", hint=hint)
        if not low <= self.value <= high:
            raise self.error(f"{self.value} is not from {low} to {high}", hint=hint)
        return self.value

    def flag(self) -> bool:
        """True or false."""
        if not isinstance(self.value, bool):
            word = self.value.casefold() if isinstance(self.value, str) else ""
            meant = _FLAG_WORDS.get(word)
            hint = f"write {meant}" if meant else "write true or false, without quotes"
            raise self.error(f"true or false belongs here, not {_named(self.value)}", hint=hint)
        return self.value

    def choice(self, words: Collection[str]) -> str:
        """One of `words`."""
        if isinstance(self.value, bool) and str(self.value).lower() not in words:
            what = f"one of a few words belongs here, not {_named(self.value)}"
            raise self.error(what, hint=nearest("on" if self.value else "off", words))
        word = self.text(MAX_CHARACTERS)
        if word not in words:
            raise self.error(f"unknown word `{shown(word)}`", hint=nearest(word, words))
        return word


_FLAG_WORDS = {
    **dict.fromkeys(("yes", "on", "y", "true", "1"), "true"),
    **dict.fromkeys(("no", "off", "n", "false", "0"), "false"),
}


def nearest(word: str, known: Collection[str]) -> str:
    """A hint: the word of `known` that `word` is most like, or all of them."""
    near = get_close_matches(word[:MAX_SHOWN], known, 1)
    return f"did you mean `{near[0]}`?" if near else _keys(known)


def read(text: str, source: str) -> Node:
    """The one document in `text`; `source` is what errors call it. Raises PolicyError."""
    import yaml

    if len(text) > MAX_CHARACTERS:
        what = f"{len(text)} characters, at most {MAX_CHARACTERS} are read"
        raise PolicyError(source, 0, 0, what, hint="split it into several files")
    try:
        return _Composer(text, source).document()
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line, column = (mark.line + 1, mark.column + 1) if mark else (0, 0)
        what = error.problem or error.context or "not YAML"
        raise PolicyError(source, line, column, f"not YAML: {what}", hint=_YAML_HINT) from error
    except yaml.reader.ReaderError as error:
        before = text[: error.position]
        line, column = before.count("\n") + 1, len(before) - before.rfind("\n")
        what = "a character that YAML does not allow"
        raise PolicyError(
            source, line, column, what, hint="remove it, or write it as \\x.."
        ) from error
    except (ValueError, OverflowError) as error:  # an escape or a version beyond all numbers
        raise PolicyError(source, 0, 0, f"not YAML: {error}", hint=_YAML_HINT) from error


_YAML_HINT = "check the indentation, and quote texts that hold `: `, ` #`, or begin with a sign"


class _Composer:
    """Builds nodes from PyYAML's events: its own composer recurses without limit."""

    def __init__(self, text: str, source: str) -> None:
        import yaml

        self.source = source
        self.values = 0
        self.events: Iterator[Event] = yaml.parse(text, Loader=yaml.SafeLoader)

    def document(self) -> Node:
        from yaml.events import DocumentStartEvent, StreamEndEvent

        next(self.events)  # the start of the stream
        if isinstance(next(self.events), StreamEndEvent):
            return Node(self.source, (1, 1), None)
        root = self._node(self._node_event(next(self.events)), MAX_DEPTH)
        next(self.events)  # the end of the document
        more = next(self.events)
        if isinstance(more, DocumentStartEvent):
            raise self._error(more, "a second document begins here", "keep one file for each")
        return root

    def _node(self, event: "NodeEvent", depth: int) -> Node:
        from yaml.events import MappingStartEvent, ScalarEvent

        if not depth:
            raise self._error(event, f"nested deeper than {MAX_DEPTH} levels", "make it flatter")
        if isinstance(event, ScalarEvent):
            return self._scalar(event)
        build = self._mapping if isinstance(event, MappingStartEvent) else self._sequence
        return build(event, depth - 1)

    def _node_event(self, event: "Event") -> "NodeEvent":
        """`event` as a value without anchor and foreign tag."""
        from yaml.events import AliasEvent, NodeEvent

        assert isinstance(event, NodeEvent)  # noqa: S101 - what PyYAML's parser promises
        self.values += 1
        if self.values > MAX_VALUES:
            raise self._error(
                event, f"more than {MAX_VALUES} values", "split it into several files"
            )
        if isinstance(event, AliasEvent) or event.anchor is not None:
            raise self._error(event, "anchors and aliases are not read", "write the value out")
        tag = getattr(event, "tag", None)
        if tag is not None and tag not in _TEXT_TAGS:
            raise self._error(
                event, "tags are not read", "leave the `!` word out, or quote the text"
            )
        return event

    def _mapping(self, event: "NodeEvent", depth: int) -> Node:
        from yaml.events import MappingEndEvent

        value: dict[str, Node] = {}
        places: dict[str, Place] = {}
        while not isinstance(following := next(self.events), MappingEndEvent):
            start = self._node_event(following)
            key = self._key(start)
            if key in value:
                line, _ = places[key]
                what = f"the key `{shown(key)}` is here a second time"
                raise self._error(start, what, f"it stands in line {line} already; keep one")
            places[key] = _place(start)
            value[key] = self._node(self._node_event(next(self.events)), depth)
        return Node(self.source, _place(event), value, places)

    def _sequence(self, event: "NodeEvent", depth: int) -> Node:
        from yaml.events import SequenceEndEvent

        value: list[Node] = []
        while not isinstance(following := next(self.events), SequenceEndEvent):
            value.append(self._node(self._node_event(following), depth))
        return Node(self.source, _place(event), tuple(value))

    def _key(self, event: "NodeEvent") -> str:
        from yaml.events import ScalarEvent

        value = self._scalar(event).value if isinstance(event, ScalarEvent) else ()
        if not isinstance(value, str):
            raise self._error(event, "a key is a text", "write a word, or put it in quotes")
        return value

    def _scalar(self, event: "ScalarEvent") -> Node:
        text: str = event.value
        place = _place(event)
        if any("\ud800" <= char <= "\udfff" for char in text):
            raise self._error(event, "half a surrogate pair", "write the whole character")
        quoted = event.style is not None or event.tag is not None
        if quoted:
            return Node(self.source, place, text)
        try:
            return Node(self.source, place, _resolved(text), verbatim=_verbatim(event))
        except ValueError as error:
            hint = f'put a text in quotes: "{shown(text)}"; write a number as plain digits'
            raise self._error(event, str(error), hint) from error

    def _error(self, event: "Event", what: str, hint: str) -> PolicyError:
        return PolicyError(self.source, *_place(event), what, hint=hint)


_TEXT_TAGS = ("!", "tag:yaml.org,2002:str")
"""The tags that only say what a quotation mark says too."""


def _place(event: "Event") -> Place:
    mark = event.start_mark
    return (mark.line + 1, mark.column + 1) if mark else (0, 0)


def _verbatim(event: "ScalarEvent") -> bool:
    """Whether a plain scalar stands in one piece: folding over lines only ever shortens it."""
    start, end = event.start_mark, event.end_mark
    return bool(start and end and end.index - start.index == len(event.value))


_WORDS: Mapping[str, Scalar] = {
    **dict.fromkeys(("", "~", "null", "Null", "NULL"), None),
    **dict.fromkeys(("true", "True", "TRUE"), True),
    **dict.fromkeys(("false", "False", "FALSE"), False),
}
"""YAML 1.2.2 section 10.3.2, the core schema. YAML 1.1 agrees."""

_READERS: tuple[tuple[str, Callable[[str], Scalar]], ...] = (
    (r"-?(0|[1-9][0-9]{0,18})", int),
    (r"-?(0|[1-9][0-9]{0,18})\.[0-9]{1,18}", float),
)
"""The numbers that YAML 1.1, YAML 1.2 and JSON read alike, and how."""

_AMBIGUOUS = (
    r"[-+]?[0-9][0-9_,]*(\.[0-9_]*)?([eE][-+]?[0-9]+)?"  # 010, +1, 1_000, 1e3, 1., 20 digits
    r"|[-+]?0[xXoObB][0-9a-fA-F_]+"
    r"|[-+]?\.[0-9_]+([eE][-+]?[0-9]+)?"
    r"|[-+]?\.(inf|Inf|INF|nan|NaN|NAN)"
    r"|[-+]?[0-9][0-9_]*(:[0-5]?[0-9])+(\.[0-9_]*)?"  # sexagesimal: 1:30 is 90
    r"|[0-9]{4}-[0-9]{1,2}-[0-9]{1,2}([Tt \t].*)?"
    r"|<<|="
)
"""What YAML 1.1 (its type repository) or 1.2 reads as something else than a text."""


def _resolved(text: str) -> Scalar:
    """What a plain scalar is. Raises ValueError for one that readers disagree about."""
    if text in _WORDS:
        return _WORDS[text]
    if text[0] not in _BEGINS:
        return text
    import re2

    for pattern, make in _READERS:
        if re2.fullmatch(pattern, text):
            value = make(text)
            if isinstance(value, int) and value.bit_length() > INT_BITS:
                raise ValueError(f"{text} is beyond 64 bits")
            return value
    if re2.fullmatch(_AMBIGUOUS, text):
        raise ValueError(f"readers of YAML disagree about what `{shown(text)}` is")
    return text


_BEGINS = frozenset("+-.0123456789<=")
"""What anything but a text, in any version, begins with."""

_NAMES: tuple[tuple[type, str], ...] = (
    (bool, "true or false"),
    (int, "a number"),
    (float, "a number"),
    (str, "a text"),
    (tuple, "a list"),
    (dict, "a mapping"),
)


def _named(value: object) -> str:
    """What kind of value stands there; a text with its words."""
    if isinstance(value, str):
        return f"the text `{shown(value)}`"
    return next((name for kind, name in _NAMES if isinstance(value, kind)), "nothing")


def shown(text: str) -> str:
    """`text` as an error repeats it: short and printable."""
    kept = "".join(char if char.isprintable() else "?" for char in text[:MAX_SHOWN])
    return kept if len(text) <= MAX_SHOWN else kept + "..."


def _keys(known: Collection[str]) -> str:
    return f"known here: {', '.join(known)}"
