"""The difference between what was reviewed and what a server lists now, in sentences.

Critical is whatever widens what the model can be told or made to do; narrowing is moderate; the
era and the protocol version never count. Nothing that differs is passed over: what no rule below
understands is reported as changed.
"""

from collections.abc import Callable, Iterable, Mapping
from difflib import SequenceMatcher
from typing import TypeAlias

from mcpguard.lock.lockfile import Item, Lockfile, Vary
from mcpguard.lock.schema import schema_changes
from mcpguard.lock.surface import ServerFacts, Surface, pinned
from mcpguard.lock.varying import expected, joined, propose_vary
from mcpguard.lock.wording import Change, changed, named, quoted, shown, text_changes
from mcpguard.model import Finding, ItemKind, Json, JsonObject, Severity
from mcpguard.wire.canonical import canonical

__all__ = ["compare", "compare_item", "propose_vary", "remarks"]

_SIMILAR = 0.8
"""Share of equal text from which a new item counts as an old one under another name."""

_MAX_PAIRS = 400
"""Pairs of a missing and a new item that are tried as a renaming; each costs a text comparison."""

_COMPARED = 4000
"""Characters of a definition compared when looking for a renaming."""


def compare(lock: Lockfile, live: Surface, *, missing: Severity) -> tuple[Finding, ...]:
    """Everything in which `live` is not what `lock` pins: worst first, then in the file's order.

    Args:
        lock: What was reviewed; its `vary` entries are allowed for.
        live: What the server lists.
        missing: How much it matters when something locked is not listed.
    """
    found = _compare_server(lock, live.server)
    for kind in ItemKind:
        found += _compare_kind(lock, kind, live.of(kind), missing)
    return tuple(sorted(found, key=lambda finding: -finding.severity.rank))


def compare_item(
    kind: ItemKind, item: Item, live: JsonObject, *, vary: Iterable[Vary] = ()
) -> tuple[Finding, ...]:
    """Everything in which `live` (as the server wrote it) is not `item`; empty when it is.

    `vary` are the lockfile's reviewed exceptions; those for other items are ignored.
    """
    subject = f"{kind.singular} {named(item.name)}"
    base = joined("", kind.value, item.name)
    return tuple(_finding(base, subject, each) for each in _changes(kind, item, live, vary))


def remarks(lock: Lockfile) -> tuple[Finding, ...]:
    """What a reviewer should know of a lockfile itself.

    Tools whose arguments are not checked, and names that differ only by case: both are allowed, as
    mcpguard tells them apart byte by byte, but a person may not.
    """
    found: list[Finding] = []
    for kind in ItemKind:
        folded: dict[str, str] = {}
        for name, item in lock.items.get(kind, {}).items():
            where = joined("", kind.value, name)
            subject = f"{kind.singular} {named(name)}"
            if not item.arguments_checked:
                text = f"{subject}: its input schema does not compile, so arguments go unchecked"
                found.append(Finding("lock.unchecked", Severity.MODERATE, where, text))
            other = folded.setdefault(name.casefold(), name)
            if other != name:
                text = f"{subject}: its name differs from {named(other)} only by case"
                found.append(Finding("lock.look-alike", Severity.MODERATE, where, text))
    return tuple(found)


def _finding(base: str, subject: str, change: Change) -> Finding:
    return Finding(
        change.rule,
        change.severity,
        joined(base, *change.path),
        f"{subject}: {change.text}" if subject else change.text,
        {"before": change.before, "after": change.after},
    )


# --- the server itself ---------------------------------------------------------------------------


def _compare_server(lock: Lockfile, live: ServerFacts) -> list[Finding]:
    changes = _instructions(lock, live.instructions) + _server_info(lock, live.server_info)
    changes += _capabilities(lock.server.capabilities, live.capabilities, ())
    return [_finding("/server", "", change) for change in changes]


def _instructions(lock: Lockfile, live: str) -> list[Change]:
    before = expected(lock.vary, ("server", "instructions"), lock.server.instructions, live)
    what = "the text of the server's instructions"
    return text_changes(("instructions",), what, before, live, "drift.instructions")


def _server_info(lock: Lockfile, live: JsonObject) -> list[Change]:
    before = expected(lock.vary, ("server", "serverInfo"), lock.server.server_info, live)
    return [
        Change("drift.server-info", each.severity, ("serverInfo", *each.path), each.text)
        for each in _members(before, live, "the server's ")
    ]


def _capabilities(before: JsonObject, after: JsonObject, path: tuple[str, ...]) -> list[Change]:
    found: list[Change] = []
    for key in [*before, *(each for each in after if each not in before)]:
        here = (*path, key)
        old, new = before.get(key), after.get(key)
        if key in before and key in after and _same(old, new):
            continue
        if isinstance(old, dict) and isinstance(new, dict):
            found += _capabilities(old, new, here)
        else:
            found.append(_capability(here, old, new))
    return found


def _capability(path: tuple[str, ...], old: Json, new: Json) -> Change:
    name, at = named(".".join(path)), ("capabilities", *path)
    if new is None or new is False:
        text = f"the server no longer declares the capability {name}"
        if old is None:
            text = f"the server now says that it has no capability {name}"
        return Change("drift.capability-missing", Severity.INFO, at, text, old, new)
    if old is None or old is False:
        text = f"the server now declares the capability {name}"
        return Change("drift.capability-added", Severity.CRITICAL, at, text, old, new)
    return changed("drift.capability-added", at, f"the server's capability {name}", old, new)


# --- the items of one kind -----------------------------------------------------------------------

_Live: TypeAlias = Mapping[str, JsonObject]


def _compare_kind(lock: Lockfile, kind: ItemKind, live: _Live, missing: Severity) -> list[Finding]:
    locked = lock.items.get(kind, {})
    gone = [name for name in sorted(locked) if name not in live]
    new = [name for name in sorted(live) if name not in locked]
    found: list[Finding] = []
    for old, name in _renamings(kind, locked, gone, live, new):
        found.append(_renamed(kind, locked[old], name, live[name]))
        gone.remove(old)
        new.remove(name)
    for name in sorted(locked):
        if name in live:
            found += compare_item(kind, locked[name], live[name], vary=lock.vary)
    found += [_new(kind, name, live[name]) for name in new]
    return found + [_missing(kind, name, missing) for name in gone]


def _new(kind: ItemKind, name: str, live: JsonObject) -> Finding:
    text = f"new {kind.singular} {named(name)}"
    description = live.get("description")
    if isinstance(description, str) and description:
        text += f', described as: "{shown(description)}"'
    where = joined("", kind.value, name)
    return Finding("drift.added", Severity.CRITICAL, where, text, {"before": None, "after": live})


def _missing(kind: ItemKind, name: str, severity: Severity) -> Finding:
    text = f"{kind.singular} {named(name)}: the server no longer lists it"
    return Finding("drift.missing", severity, joined("", kind.value, name), text)


def _renamed(kind: ItemKind, item: Item, name: str, live: JsonObject) -> Finding:
    text = f"{kind.singular} {named(item.name)} was renamed to {named(name)}"
    changes = _changes(kind, item, {**live, kind.name_key: item.name}, ())
    if changes:
        text += ", and changed: " + "; ".join(each.text for each in changes)
    where = joined("", kind.value, item.name)
    evidence: JsonObject = {"before": item.name, "after": name}
    return Finding("drift.renamed", Severity.CRITICAL, where, text, evidence)


def _renamings(
    kind: ItemKind, locked: Mapping[str, Item], gone: list[str], live: _Live, new: list[str]
) -> list[tuple[str, str]]:
    """Pairs of a missing and a new name that mean one item, the most alike first."""
    before = {name: _nameless(kind, locked[name].definition) for name in gone}
    after = {name: _nameless(kind, pinned(kind, live[name])) for name in new}
    pairs = [(old, name) for old in gone for name in new][:_MAX_PAIRS]
    alike = [(_similarity(before[old], after[name]), old, name) for old, name in pairs]
    alike.sort(key=lambda each: (-each[0], each[1], each[2]))
    found: dict[str, str] = {}
    for share, old, name in alike:
        if share >= _SIMILAR and old not in found and name not in found.values():
            found[old] = name
    return list(found.items())


def _nameless(kind: ItemKind, definition: JsonObject) -> str:
    rest = {key: value for key, value in definition.items() if key not in (kind.name_key, "title")}
    try:
        return canonical(rest).decode() if rest else ""
    except ValueError:
        return ""


def _similarity(one: str, other: str) -> float:
    """0 to 1. Two definitions that say nothing but their name are not alike."""
    if not one or not other:
        return 0.0
    if one == other:
        return 1.0
    matcher = SequenceMatcher(None, one[:_COMPARED], other[:_COMPARED])
    if matcher.real_quick_ratio() < _SIMILAR or matcher.quick_ratio() < _SIMILAR:
        return 0.0
    return matcher.ratio()


# --- one item ------------------------------------------------------------------------------------


def _changes(kind: ItemKind, item: Item, live: JsonObject, vary: Iterable[Vary]) -> list[Change]:
    seen = pinned(kind, live)
    try:
        written = canonical(seen)
    except ValueError as error:
        text = f"cannot be written down exactly: {error}"
        return [Change("drift.unpinnable", Severity.CRITICAL, (), text)]
    before = expected(vary, (kind.value, item.name), item.definition, seen)
    if canonical(before) == written:
        return []
    found: list[Change] = []
    for key in [*before, *(each for each in seen if each not in before)]:
        old, new = before.get(key), seen.get(key)
        if (key in before) != (key in seen) or not _same(old, new):
            found += _PARTS.get((kind, key), _ANY_KIND.get(key, _part))(key, before, seen)
    return found or [changed("drift.key", (), "the definition", before, seen)]


def _same(one: Json, other: Json) -> bool:
    return canonical(one) == canonical(other)


def _part(key: str, before: JsonObject, after: JsonObject, owner: str = "") -> list[Change]:
    what = f"{owner}{named(key)}"
    if key not in before:
        text = f"{what} is new: {quoted(after[key])}"
        return [Change("drift.key", Severity.CRITICAL, (key,), text, None, after[key])]
    if key not in after:
        text = f"{what} was removed (it was {quoted(before[key])})"
        return [Change("drift.key", Severity.CRITICAL, (key,), text, before[key], None)]
    return [changed("drift.key", (key,), what, before[key], after[key])]


def _text(key: str, before: JsonObject, after: JsonObject, owner: str = "") -> list[Change]:
    old, new = before.get(key, ""), after.get(key, "")
    if not isinstance(old, str) or not isinstance(new, str) or old == new:
        return _part(key, before, after, owner)
    return text_changes((key,), f"{owner}{key}", old, new)


def _members(before: JsonObject, after: JsonObject, owner: str) -> list[Change]:
    """Key by key, the two being different objects."""
    found: list[Change] = []
    for key in [*before, *(each for each in after if each not in before)]:
        if (key in before) != (key in after) or not _same(before[key], after[key]):
            found += _part(key, before, after, owner)
    return found


def _below(key: str, changes: Iterable[Change], rule: str = "") -> list[Change]:
    return [
        Change(
            rule or each.rule, each.severity, (key, *each.path), each.text, each.before, each.after
        )
        for each in changes
    ]


def _annotations(key: str, before: JsonObject, after: JsonObject) -> list[Change]:
    old, new = before.get(key, {}), after.get(key, {})
    if not isinstance(old, dict) or not isinstance(new, dict) or _same(old, new):
        return _part(key, before, after)
    return _below(key, _members(old, new, "annotation "), "drift.annotation")


def _input_schema(key: str, before: JsonObject, after: JsonObject) -> list[Change]:
    if key not in before or key not in after:
        return _part(key, before, after)
    return schema_changes(
        before[key], after[key], path=(key,), noun="argument", whole="the input schema"
    )


def _output_schema(key: str, before: JsonObject, after: JsonObject) -> list[Change]:
    """What a host expects of results: any change is critical, in whichever direction."""
    if key not in before or key not in after:
        return _part(key, before, after)
    changes = schema_changes(
        before[key], after[key], path=(key,), noun="result field", whole="the output schema"
    )
    return [
        Change(each.rule, Severity.CRITICAL, each.path, each.text, each.before, each.after)
        for each in changes
    ]


def _arguments(key: str, before: JsonObject, after: JsonObject) -> list[Change]:
    """A prompt's arguments, matched by name."""
    old, new = _by_name(before.get(key, [])), _by_name(after.get(key, []))
    if old is None or new is None or (not old and not new):
        return _part(key, before, after)
    found: list[Change] = []
    for name, argument in new.items():
        if name not in old:
            found.append(_new_argument(key, name, argument))
        else:
            found += _argument(key, name, old[name], argument)
    for name in old:
        if name not in new:
            text = f"argument `{named(name)}` was removed"
            path = (key,)
            removed = Change(
                "drift.argument-removed", Severity.MODERATE, path, text, old[name], None
            )
            found.append(removed)
    if not found:
        text = "its arguments are listed in another order"
        found.append(Change("drift.order", Severity.INFO, (key,), text))
    return found


def _by_name(listed: Json) -> dict[str, JsonObject] | None:
    """None when it is not a list of objects with a name each of their own."""
    found: dict[str, JsonObject] = {}
    for each in listed if isinstance(listed, list) else [listed]:
        name = each.get("name") if isinstance(each, dict) else None
        if not isinstance(each, dict) or not isinstance(name, str) or name in found:
            return None
        found[name] = each
    return found


def _new_argument(key: str, name: str, argument: JsonObject) -> Change:
    word = "required" if argument.get("required") is True else "optional"
    text = f"new {word} argument `{named(name)}`"
    description = argument.get("description")
    if isinstance(description, str) and description:
        text += f', described as: "{shown(description)}"'
    return Change("drift.argument-added", Severity.CRITICAL, (key,), text, None, argument)


def _argument(key: str, name: str, before: JsonObject, after: JsonObject) -> list[Change]:
    found: list[Change] = []
    owner = f"argument `{named(name)}`: "
    for each in [*before, *(extra for extra in after if extra not in before)]:
        if (each in before) == (each in after) and _same(before[each], after[each]):
            continue
        if each == "required" and after.get(each) is True:
            text = f"argument `{named(name)}` is now required"
            found.append(Change("drift.argument-required", Severity.CRITICAL, (), text))
        else:
            found += _text(each, before, after, owner)
    return [Change(c.rule, c.severity, (key,), c.text, c.before, c.after) for c in found]


_Part: TypeAlias = Callable[[str, JsonObject, JsonObject], list[Change]]

_ANY_KIND: Mapping[str, _Part] = {
    "name": _text,
    "title": _text,
    "description": _text,
    "annotations": _annotations,
}
_PARTS: Mapping[tuple[ItemKind, str], _Part] = {
    (ItemKind.TOOL, "inputSchema"): _input_schema,
    (ItemKind.TOOL, "outputSchema"): _output_schema,
    (ItemKind.PROMPT, "arguments"): _arguments,
}
"""The keys with sentences of their own; every other one is reported as new, gone or changed."""
