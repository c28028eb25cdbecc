"""What changed between two JSON Schemas (2020-12 and before), in sentences.

Widening is critical, and so is every text a model can read; narrowing is moderate. A keyword that
has no row of its own is reported as changed, so nothing passes in silence.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import TypeAlias

from mcpguard.lock.wording import Change, changed, named, quoted, shown, text_changes
from mcpguard.model import Json, JsonObject, Severity
from mcpguard.wire.canonical import canonical

__all__ = ["schema_changes"]

_LISTED = 8
"""Values of an enumeration named in one sentence."""


@dataclass(frozen=True, slots=True)
class _Place:
    """Where the walk is: `path` for machines, `label` (`a.b[]`) for people, `noun` for both."""

    path: tuple[str, ...]
    label: str
    noun: str
    whole: str

    @property
    def said(self) -> str:
        return f"{self.noun} `{self.label}`" if self.label else self.whole

    def key(self, name: str) -> tuple[str, ...]:
        return (*self.path, name)

    def step(self, *names: str) -> "_Place":
        return _Place((*self.path, *names), self.label, self.noun, self.whole)

    def member(self, name: str) -> "_Place":
        label = f"{self.label}.{named(name)}" if self.label else named(name)
        return _Place((*self.path, "properties", name), label, self.noun, self.whole)

    def element(self, keyword: str) -> "_Place":
        return _Place(self.key(keyword), f"{self.label}[]", self.noun, self.whole)


_Changes: TypeAlias = list[Change]


def schema_changes(
    before: Json, after: Json, *, path: tuple[str, ...], noun: str, whole: str
) -> _Changes:
    """Every difference between two schemas. `noun` is what a property is called (`argument`).

    `whole` names the schema itself in a sentence (`the input schema`).
    """
    return _compare(before, after, _Place(path, "", noun, whole))


def _compare(before: Json, after: Json, place: _Place) -> _Changes:
    if _same(before, after):
        return []
    if not isinstance(before, dict) or not isinstance(after, dict):
        return [_replaced(before, after, place)]
    found: _Changes = []
    for keyword in [*before, *(key for key in after if key not in before)]:
        if not _same_member(before, after, keyword):
            found += _HANDLERS.get(keyword, _other)(before, after, keyword, place)
    return found


def _same(one: Json, other: Json) -> bool:
    return canonical(one) == canonical(other)


def _same_member(before: JsonObject, after: JsonObject, key: str) -> bool:
    if (key in before) != (key in after):
        return False
    return _same(before[key], after[key])


def _replaced(before: Json, after: Json, place: _Place) -> Change:
    if after is False:
        text = f"{place.said} accepts nothing any more"
        return Change("drift.narrowed", Severity.MODERATE, place.path, text, before, after)
    return changed("drift.schema", place.path, f"the schema of {place.said}", before, after)


def _widened(place: _Place, keyword: str, text: str, pair: tuple[Json, Json]) -> Change:
    path = place.key(keyword)
    return Change("drift.widened", Severity.CRITICAL, path, text, pair[0], pair[1])


def _narrowed(place: _Place, keyword: str, text: str, pair: tuple[Json, Json]) -> Change:
    path = place.key(keyword)
    return Change("drift.narrowed", Severity.MODERATE, path, text, pair[0], pair[1])


# --- one handler per keyword, of (before, after, keyword, place); the keyword's values differ -----


def _other(before: JsonObject, after: JsonObject, keyword: str, place: _Place) -> _Changes:
    path, what = place.key(keyword), f"`{named(keyword)}` of {place.said}"
    if keyword not in before:
        text = f"{place.said} now has `{named(keyword)}`: {quoted(after[keyword])}"
        return [Change("drift.schema", Severity.CRITICAL, path, text, None, after[keyword])]
    if keyword not in after:
        text = f"{place.said} no longer has `{named(keyword)}` (it was {quoted(before[keyword])})"
        return [Change("drift.schema", Severity.CRITICAL, path, text, before[keyword], None)]
    return [changed("drift.schema", path, what, before[keyword], after[keyword])]


def _text(before: JsonObject, after: JsonObject, keyword: str, place: _Place) -> _Changes:
    old, new = before.get(keyword, ""), after.get(keyword, "")
    if not isinstance(old, str) or not isinstance(new, str) or old == new:
        return _other(before, after, keyword, place)
    return text_changes(place.key(keyword), f"{keyword} of {place.said}", old, new)


def _properties(before: JsonObject, after: JsonObject, keyword: str, place: _Place) -> _Changes:
    old, new = before.get(keyword, {}), after.get(keyword, {})
    if not isinstance(old, dict) or not isinstance(new, dict) or _same(old, new):
        return _other(before, after, keyword, place)
    required = _names(after.get("required"))
    found: _Changes = []
    for name in new:
        if name in old:
            found += _compare(old[name], new[name], place.member(name))
        else:
            found.append(_added(name, new[name], place, required=name in required))
    return found + [_removed(name, old[name], place) for name in old if name not in new]


def _added(name: str, schema: Json, place: _Place, *, required: bool) -> Change:
    member = place.member(name)
    word = "required" if required else "optional"
    text = f"new {word} {member.said}"
    described = schema.get("description") if isinstance(schema, dict) else None
    if isinstance(described, str) and described:
        text += f', described as: "{shown(described)}"'
    return Change("drift.argument-added", Severity.CRITICAL, member.path, text, None, schema)


def _removed(name: str, schema: Json, place: _Place) -> Change:
    member = place.member(name)
    text = f"{member.said} was removed"
    return Change("drift.argument-removed", Severity.MODERATE, member.path, text, schema, None)


def _names(value: Json) -> list[str]:
    return [each for each in value if isinstance(each, str)] if isinstance(value, list) else []


def _required(before: JsonObject, after: JsonObject, keyword: str, place: _Place) -> _Changes:
    old, new = _names(before.get(keyword)), _names(after.get(keyword))
    already, declared = before.get("properties"), after.get("properties")
    announced = _keys(declared) - _keys(already)
    gone = _keys(already) - _keys(declared)
    path, pair = place.key(keyword), (before.get(keyword), after.get(keyword))
    found: _Changes = []
    for name in new:
        if name not in old and name not in announced:
            text = f"{place.member(name).said} is now required"
            found.append(Change("drift.argument-required", Severity.CRITICAL, path, text, *pair))
    for name in old:
        if name not in new and name not in gone:
            text = f"{place.member(name).said} is no longer required"
            found.append(_widened(place, keyword, text, pair))
    if found or set(old) != set(new):
        # The rest is told by `properties`: arguments that came or went with their requirement.
        return found
    return _reordered(before, after, keyword, place)


def _keys(value: Json) -> set[str]:
    return set(value) if isinstance(value, dict) else set()


def _reordered(before: JsonObject, after: JsonObject, keyword: str, place: _Place) -> _Changes:
    old, new = before.get(keyword), after.get(keyword)
    if not isinstance(old, list) or not isinstance(new, list) or _bag(old) != _bag(new):
        return _other(before, after, keyword, place)
    text = f"`{keyword}` of {place.said} is in another order"
    return [Change("drift.order", Severity.INFO, place.key(keyword), text, old, new)]


def _bag(values: Iterable[Json]) -> Counter[bytes]:
    return Counter(canonical(each) for each in values)


def _type(before: JsonObject, after: JsonObject, keyword: str, place: _Place) -> _Changes:
    pair = (before.get(keyword), after.get(keyword))
    if keyword not in before:
        return [_narrowed(place, keyword, f"{place.said} must now be {quoted(pair[1])}", pair)]
    if keyword not in after:
        text = f"{place.said} may now be of any type, not only {quoted(pair[0])}"
        return [_widened(place, keyword, text, pair)]
    old, new = _types(pair[0]), _types(pair[1])
    if not old or not new:
        return _other(before, after, keyword, place)
    return [_retyped(old, new, place, pair)]


def _retyped(
    old: frozenset[str], new: frozenset[str], place: _Place, pair: tuple[Json, Json]
) -> Change:
    if old == new:
        text = f"`type` of {place.said} is written in another way"
        return Change("drift.order", Severity.INFO, place.key("type"), text, *pair)
    text = f"{place.said} changed type from {quoted(pair[0])} to {quoted(pair[1])}"
    if new <= _covered(old):
        return _narrowed(place, "type", text, pair)
    if old <= _covered(new):
        more = ", ".join(sorted(new - old))
        text = f"{place.said} may now also be: {named(more)}"
    return _widened(place, "type", text, pair)


def _types(value: Json) -> frozenset[str]:
    """The types of a `type` keyword; empty when it is not well-formed."""
    listed: Json = [value] if isinstance(value, str) else value
    names = _names(listed)
    if not isinstance(listed, list) or len(names) != len(listed):
        return frozenset()
    return frozenset(names)


def _covered(types: frozenset[str]) -> frozenset[str]:
    return types | {"integer"} if "number" in types else types


def _enum(before: JsonObject, after: JsonObject, keyword: str, place: _Place) -> _Changes:
    old, new = before.get(keyword), after.get(keyword)
    if not isinstance(new, list) and isinstance(old, list):
        text = f"{place.said} is no longer limited to {_values(old)}"
        return [_widened(place, keyword, text, (old, new))]
    if not isinstance(old, list) or not isinstance(new, list):
        return _other(before, after, keyword, place)
    known, kept = _bag(old), _bag(new)
    found: _Changes = []
    if more := [each for each in new if canonical(each) not in known]:
        found.append(
            _widened(place, keyword, f"{place.said} now also allows: {_values(more)}", (old, new))
        )
    if fewer := [each for each in old if canonical(each) not in kept]:
        found.append(
            _narrowed(
                place, keyword, f"{place.said} no longer allows: {_values(fewer)}", (old, new)
            )
        )
    return found or _reordered(before, after, keyword, place)


def _values(values: list[Json]) -> str:
    listed = ", ".join(quoted(each) for each in values[:_LISTED])
    rest = len(values) - _LISTED
    return f"{listed} and {rest} more" if rest > 0 else listed


def _lower_bound(before: JsonObject, after: JsonObject, keyword: str, place: _Place) -> _Changes:
    return _bound(before, after, keyword, place, sign=1)


def _upper_bound(before: JsonObject, after: JsonObject, keyword: str, place: _Place) -> _Changes:
    return _bound(before, after, keyword, place, sign=-1)


def _bound(
    before: JsonObject, after: JsonObject, keyword: str, place: _Place, *, sign: int
) -> _Changes:
    old, new = _number(before.get(keyword)), _number(after.get(keyword))
    pair = (before.get(keyword), after.get(keyword))
    if keyword not in before and new is not None:
        return [
            _narrowed(place, keyword, f"{place.said} now has `{keyword}` {quoted(pair[1])}", pair)
        ]
    if keyword not in after:
        text = f"{place.said} no longer has `{keyword}` (it was {quoted(pair[0])})"
        return [_widened(place, keyword, text, pair)]
    if old is None or new is None:
        return _other(before, after, keyword, place)
    text = f"`{keyword}` of {place.said} changed from {quoted(pair[0])} to {quoted(pair[1])}"
    tighter = sign * new > sign * old
    return [(_narrowed if tighter else _widened)(place, keyword, text, pair)]


def _number(value: Json) -> int | float | None:
    return value if isinstance(value, int | float) and not isinstance(value, bool) else None


def _unique(before: JsonObject, after: JsonObject, keyword: str, place: _Place) -> _Changes:
    pair = (before.get(keyword), after.get(keyword))
    if pair[1] is True:
        return [_narrowed(place, keyword, f"{place.said} must now have unique items", pair)]
    return _other(before, after, keyword, place)


def _openness(before: JsonObject, after: JsonObject, keyword: str, place: _Place) -> _Changes:
    old, new = before.get(keyword, True), after.get(keyword, True)
    pair = (before.get(keyword), after.get(keyword))
    if isinstance(old, dict) and isinstance(new, dict):
        return _compare(old, new, place.step(keyword))
    if new is False:
        text = f"{place.said} no longer accepts undeclared {place.noun}s"
        return [_narrowed(place, keyword, text, pair)]
    if old is False:
        text = f"{place.said} now accepts {place.noun}s that are not declared"
        return [_widened(place, keyword, text, pair)]
    return _other(before, after, keyword, place)


def _one_schema(before: JsonObject, after: JsonObject, keyword: str, place: _Place) -> _Changes:
    if keyword not in before or keyword not in after:
        return _other(before, after, keyword, place)
    return _compare(before[keyword], after[keyword], place.step(keyword))


def _items(before: JsonObject, after: JsonObject, keyword: str, place: _Place) -> _Changes:
    if keyword not in before or keyword not in after:
        return _other(before, after, keyword, place)
    if isinstance(before[keyword], list) and isinstance(after[keyword], list):
        return _alternatives(before, after, keyword, place)
    return _compare(before[keyword], after[keyword], place.element(keyword))


def _schemas_by_name(
    before: JsonObject, after: JsonObject, keyword: str, place: _Place
) -> _Changes:
    old, new = before.get(keyword), after.get(keyword)
    if not isinstance(old, dict) or not isinstance(new, dict):
        return _other(before, after, keyword, place)
    found: _Changes = []
    for name in [*old, *(key for key in new if key not in old)]:
        at = place.step(keyword, name)
        what = f"`{keyword}` of {place.said}: `{named(name)}`"
        if name not in new:
            text = f"{what} was removed"
            found.append(Change("drift.schema", Severity.CRITICAL, at.path, text, old[name], None))
        elif name not in old:
            text = f"{what} is new: {quoted(new[name])}"
            found.append(Change("drift.schema", Severity.CRITICAL, at.path, text, None, new[name]))
        else:
            found += _compare(old[name], new[name], at)
    return found


def _alternatives(before: JsonObject, after: JsonObject, keyword: str, place: _Place) -> _Changes:
    old, new = before.get(keyword), after.get(keyword)
    if not isinstance(old, list) or not isinstance(new, list) or not new:
        return _other(before, after, keyword, place)
    if len(old) == len(new) and _bag(old) != _bag(new):
        pairs = enumerate(zip(old, new, strict=True))
        return [
            change
            for index, (one, other) in pairs
            for change in _compare(one, other, place.step(keyword, str(index)))
        ]
    fewer = not _bag(new) - _bag(old)
    if fewer and keyword in _ANY_OF and _bag(old) != _bag(new):
        text = f"{place.said} has fewer alternatives in `{keyword}`"
        return [_narrowed(place, keyword, text, (old, new))]
    return _reordered(before, after, keyword, place)


_ANY_OF = frozenset({"anyOf"})
"""Where one alternative less is always narrower (not so in `oneOf`, where two could exclude)."""

_Handler: TypeAlias = Callable[[JsonObject, JsonObject, str, _Place], _Changes]

_LOWER = ("minimum", "exclusiveMinimum", "minLength", "minItems", "minProperties", "minContains")
_UPPER = ("maximum", "exclusiveMaximum", "maxLength", "maxItems", "maxProperties", "maxContains")

_HANDLERS: Mapping[str, _Handler] = {
    **dict.fromkeys(("description", "title", "$comment"), _text),
    **dict.fromkeys(_LOWER, _lower_bound),
    **dict.fromkeys(_UPPER, _upper_bound),
    **dict.fromkeys(("additionalProperties", "unevaluatedProperties"), _openness),
    **dict.fromkeys(("$defs", "definitions", "patternProperties"), _schemas_by_name),
    **dict.fromkeys(("anyOf", "oneOf", "allOf", "prefixItems"), _alternatives),
    "properties": _properties,
    "required": _required,
    "type": _type,
    "enum": _enum,
    "uniqueItems": _unique,
    "items": _items,
    "additionalItems": _one_schema,
    "propertyNames": _one_schema,
}
"""What is not here (`$ref`, `default`, `const`, `pattern`, `not`, `if`, ...) is simply reported."""
