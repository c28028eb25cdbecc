"""The usual case, told quickly: small arguments in which nothing can be found.

`find` asks for every text what it is used for and who may find something in it. A `Finder` has
learnt that for the keys of one schema, and searches all texts of one use at once for the needles of
those who look there. Whatever is not plainly quiet goes to `find`, so that both agree.
"""

from collections.abc import Mapping

from mcpguard.model import Json, JsonObject
from mcpguard.scan.needles import Meter, Needles
from mcpguard.scan.patterns import Patterns
from mcpguard.scan.redact import SHORTEST_NUMBER, Hit
from mcpguard.scan.sites import Detector, Role, Site
from mcpguard.scan.walk import BUDGET, below, find, looking, needles_of, sub

__all__ = ["Finder"]

MAX_SIZE = BUDGET.characters
"""Bytes of the texts of one use. `find` counts them, and refuses too many."""

MAX_TEXTS = 10_000
"""Texts of one use. `find` counts them, and refuses too many."""

MAX_DEPTH = 8
"""Levels of arrays and objects; deeper ones are rare, and `find` counts them."""

MAX_KNOWN = 2048
"""Keys of one finder that are learnt, all levels together. A caller may invent keys for ever."""

MAX_KEY = 64
"""Characters of a key that is learnt."""


class _Node:
    """A place in the arguments: what texts are used for there, and the places below."""

    __slots__ = ("items", "keys", "name", "needles", "role", "schema", "site")

    def __init__(self, schema: Json, site: Site) -> None:
        form = schema.get("format") if isinstance(schema, dict) else None
        if isinstance(form, str):
            site = below(site, site.name, form)
        self.schema = schema
        self.site = site
        self.name = site.name
        self.role = _NUMBER[site.role]
        self.keys: dict[str, _Node] = {}
        self.items: _Node | None = None
        self.needles: Needles | None = None
        """Of its role, once a text stood here."""


_BETWEEN = "\n\x1f"
"""Between two texts, each behind its name and a line end, as `find` searches it. Needles that end
with a blank or the end of a text find the blank; none begins with the other."""

_ROLES = tuple(Role)
_NUMBER: Mapping[Role, int] = {role: number for number, role in enumerate(_ROLES)}
"""A number hashes ten times faster than a member of an enumeration."""


class Finder:
    """`find` for one set of detectors and patterns, and one schema; faster where nothing is."""

    __slots__ = (
        "_detectors",
        "_known",
        "_matching",
        "_needles",
        "_patterns",
        "_root",
        "_schema",
    )

    def __init__(
        self,
        detectors: tuple[Detector, ...],
        patterns: Patterns | None = None,
        schema: Json = None,
    ) -> None:
        self._detectors = detectors
        self._patterns = patterns
        self._schema = schema
        self._root = _Node(schema, Site("", Role.UNKNOWN, Meter(0)))
        self._known = 0
        self._needles: list[Needles | None] = [None] * len(_ROLES)
        self._matching = bool(patterns)

    def find(self, value: Json) -> tuple[Hit, ...]:
        """What `find` finds, and its errors. Raises ScanError."""
        if self.quiet(value):
            return ()
        return find(value, self._detectors, self._patterns, schema=self._schema)

    def quiet(self, value: Json) -> bool:
        """Whether nothing can be found. False says nothing: ask `find`."""
        if self._matching or type(value) is not dict:
            return False
        known, needles, text = self._root.keys, None, ""
        for key, child in value.items():
            own = known.get(key, _NOWHERE).needles
            if own is None or type(child) is not str or (needles is not own and text):
                return self._look(value)
            needles = own
            text += f"{key}\n{child}{_BETWEEN}"
        return needles is None or _none_in(needles, text)

    def _look(self, value: JsonObject) -> bool:
        """`quiet` of more than texts of one use, or of keys that are met for the first time."""
        groups: dict[int, list[str]] = {}
        if not self._members(value, self._root, groups, MAX_DEPTH):
            return False
        needles = {role: self._needles[role] or self._learnt(role) for role in groups}
        for key, child in value.items():
            place = self._root.keys[key]
            if type(child) is str:
                place.needles = needles[place.role]
        return all(
            len(texts) <= MAX_TEXTS and _none_in(needles[role], _BETWEEN.join([*texts, ""]))
            for role, texts in groups.items()
        )

    def _learnt(self, role: int) -> Needles:
        """The needles of those who look at texts of this use."""
        needles, _ = needles_of(looking(self._detectors, _ROLES[role]))
        self._needles[role] = needles
        return needles

    def _members(
        self, value: JsonObject, node: _Node, groups: dict[int, list[str]], depth: int
    ) -> bool:
        known = node.keys
        for key, child in value.items():
            place = known.get(key) or self._learn(node, key)
            if place is None:
                return False
            if type(child) is str:
                texts = groups.get(place.role)
                if texts is None:
                    groups[place.role] = [f"{key}\n{child}"]
                else:
                    texts.append(f"{key}\n{child}")
            elif type(child) not in _TEXTLESS and not self._other(child, place, groups, depth):
                return False
        return True

    def _other(self, value: Json, node: _Node, groups: dict[int, list[str]], depth: int) -> bool:
        """What is no text of an object: containers, numbers, and the texts of an array."""
        match value:
            case str():
                groups.setdefault(node.role, []).append(f"{node.name}\n{value}")
                return True
            case dict():
                return depth > 0 and self._members(value, node, groups, depth - 1)
            case list():
                items = node.items
                if items is None:
                    items = node.items = _Node(sub(node.schema, "items"), node.site)
                return depth > 0 and all(
                    type(each) in _TEXTLESS or self._other(each, items, groups, depth - 1)
                    for each in value
                )
            case int() | float():
                return abs(value) < SHORTEST_NUMBER
            case _:
                return False

    def _learn(self, node: _Node, key: str) -> _Node | None:
        """The place under `key`; None when the key itself holds something, or is one too many."""
        if self._known >= MAX_KNOWN or len(key) > MAX_KEY:
            return None
        self._known += 1
        if find({key: None}, self._detectors):
            return None
        made = _Node(sub(sub(node.schema, "properties"), key), below(node.site, key))
        node.keys[key] = made
        return made


_TEXTLESS = frozenset({bool, type(None)})

_NOWHERE = _Node(None, Site("", Role.UNKNOWN, Meter(0)))


def _none_in(needles: Needles, text: str) -> bool:
    """Whether nothing is in `text`: one or more, each with `_BETWEEN` behind it."""
    try:
        raw = (text + needles.end).encode()
    except UnicodeEncodeError:  # half a surrogate pair
        return False
    found = needles.found
    return len(raw) <= MAX_SIZE and found(raw) == needles.nothing
