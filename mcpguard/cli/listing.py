"""What a server lists, as the model would be told it, and what is doubted in it: for a person."""

import textwrap
from collections.abc import Iterator, Sequence
from itertools import islice
from typing import Final, TypeAlias

from mcpguard.cli import render
from mcpguard.lock.surface import Surface
from mcpguard.model import Finding, ItemKind, Json, JsonObject
from mcpguard.store.names import Registered
from mcpguard.survey.judging import explained
from mcpguard.survey.subjects import Subject, Told

__all__ = ["known_json", "known_lines", "surface_json", "surface_lines", "told_lines", "type_of"]

MAX_TYPE = 48
"""Characters of a parameter's type; the whole schema is in the JSON output."""

MAX_COLUMN = 32
"""Columns for parameter names; a longer one stands out of line."""

MAX_DEPTH = 5
"""Levels of parameters inside parameters that are shown."""

MAX_ROWS = 200
"""Parameters of one tool that are shown; a schema can repeat itself without end."""

Row: TypeAlias = tuple[str, str, str]
"""A parameter: its name, its type in a few words, its description."""

_SHOWN: Final = frozenset(
    {
        "name", "title", "description", "inputSchema", "outputSchema", "annotations", "execution",
        "arguments", "uri", "uriTemplate", "mimeType", "size",
    }
)  # fmt: skip
"""Keys of definitions that the text shows or that only say what comes back; others are named."""


def surface_json(surface: Surface) -> JsonObject:
    """Server and items, the definitions as the server wrote them."""
    facts = surface.server
    whole: JsonObject = {
        "server": {
            "era": facts.era.value,
            "protocolVersion": facts.protocol_version,
            "serverInfo": facts.server_info,
            "instructions": facts.instructions,
            "capabilities": facts.capabilities,
        }
    }
    for kind in ItemKind:
        whole[kind.value] = dict(surface.of(kind))
    return whole


# --- as text -------------------------------------------------------------------------------------


def surface_lines(surface: Surface) -> list[str]:
    """Everything a model is told by this server, for a person to read."""
    lines = _server_lines(surface)
    for kind in ItemKind:
        items = surface.of(kind)
        if items:
            lines += [
                "",
                render.painted("bold", f"{render.PLURALS[kind].capitalize()} ({len(items)})"),
            ]
            for name in sorted(items):
                lines += ["", *_item_lines(kind, name, items[name])]
    lines += [
        "",
        render.painted("dim", "Whole definitions, as the server wrote them: --format json"),
    ]
    return lines


def _server_lines(surface: Surface) -> list[str]:
    facts = surface.server
    name = render.plain(facts.server_info.get("name", "(no name)"))
    version = render.plain(facts.server_info.get("version", ""))
    what = render.counted({kind: len(surface.of(kind)) for kind in ItemKind})
    era = {"dual": "both eras", "modern": "modern era", "legacy": "legacy era"}[facts.era.value]
    capabilities = ", ".join(render.printable(key) for key in sorted(facts.capabilities)) or "none"
    lines = [
        f"{render.painted('bold', name)} {version}".rstrip(),
        f"  lists         {what}",
        f"  protocol      {render.printable(facts.protocol_version)}, {era}",
    ]
    lines += render.hung("  capabilities ", 16, capabilities)
    if facts.instructions:
        lines += ["  instructions  (every model connected to it is told this)"]
        lines += _paragraphs(facts.instructions, 16)
    return lines


def _paragraphs(text: str, indent: int) -> list[str]:
    """`text` at `indent`, its own line breaks kept, everything else about it made printable."""
    width = max(render.width() - indent, 20)
    lines: list[str] = []
    for line in text.strip().split("\n"):
        shown = render.printable(line.rstrip())
        lines += textwrap.wrap(shown, width, break_on_hyphens=False) or [""]
    return [(" " * indent + line).rstrip() for line in lines]


def _item_lines(kind: ItemKind, name: str, definition: JsonObject) -> list[str]:
    title = definition.get("title")
    if not isinstance(title, str) or title == name:
        title = ""
    remarks = [f'"{render.printable(title)}"'] if title else []
    remarks += _remarks(kind, definition)
    tail = render.painted("dim", "  " + ", ".join(remarks)) if remarks else ""
    lines = [f"  {render.painted('bold', render.printable(name))}{tail}"]
    description = definition.get("description")
    if isinstance(description, str) and description.strip():
        lines += _paragraphs(description, 4)
    lines += _parameters(kind, definition)
    more = ", ".join(sorted(map(render.printable, definition.keys() - _SHOWN)))
    return [*lines, f"    and {more}: see --format json"] if more else lines


_FLAGS: Final[tuple[tuple[str, str], ...]] = (
    ("readOnlyHint", "read-only"),
    ("destructiveHint", "destructive"),
    ("idempotentHint", "idempotent"),
    ("openWorldHint", "open world"),
)


def _remarks(kind: ItemKind, definition: JsonObject) -> list[str]:
    """What a tool says of itself (hints, never proofs); what a resource is."""
    if kind is ItemKind.TOOL:
        annotations = definition.get("annotations")
        hints = annotations if isinstance(annotations, dict) else {}
        return [word for key, word in _FLAGS if hints.get(key) is True]
    shown = [definition.get("name"), definition.get("mimeType")]
    return [render.printable(each) for each in shown if isinstance(each, str)][
        kind is ItemKind.PROMPT :
    ]


def _parameters(kind: ItemKind, definition: JsonObject) -> list[str]:
    rows = _tool_rows(definition) if kind is ItemKind.TOOL else _prompt_rows(definition)
    if not rows:
        return []
    widest = min(max(len(name) for name, _, _ in rows), MAX_COLUMN)
    lines: list[str] = []
    for name, what, text in rows:
        label = f"      {name:<{widest}}  {what}"
        lines += _parameter_lines(label, text)
    return lines


def _parameter_lines(label: str, text: str) -> list[str]:
    return [label, *_paragraphs(text, 10)] if text.strip() else [label]


def _tool_rows(definition: JsonObject) -> list[Row]:
    schema = definition.get("inputSchema")
    whole = schema if isinstance(schema, dict) else {}
    return list(islice(_properties(whole, whole, "", MAX_DEPTH), MAX_ROWS))


def _properties(whole: JsonObject, schema: JsonObject, prefix: str, depth: int) -> Iterator[Row]:
    """A row for each property, and below it for what is inside: `items[].name`."""
    properties, needed = schema.get("properties"), schema.get("required")
    if not isinstance(properties, dict) or not depth:
        return
    required = needed if isinstance(needed, list) else []
    for name, each in properties.items():
        label, inner = prefix + render.printable(name), _resolved(whole, each)
        what = type_of(inner) + (", required" if name in required else "")
        yield label, what, _description(each) or _description(inner)
        items = _resolved(whole, inner.get("items"))
        yield from _properties(whole, inner, f"{label}.", depth - 1)
        yield from _properties(whole, items, f"{label}[].", depth - 1)


def _resolved(whole: JsonObject, schema: Json) -> JsonObject:
    """`schema`, or the definition of `whole` that it refers to (`#/$defs/Name`, one step)."""
    if not isinstance(schema, dict):
        return {}
    reference = schema.get("$ref")
    head, _, name = reference.rpartition("/") if isinstance(reference, str) else ("", "", "")
    definitions = whole.get(head.removeprefix("#/")) if head.startswith("#/") else None
    found = definitions.get(name) if isinstance(definitions, dict) else schema
    return found if isinstance(found, dict) else {}


def _prompt_rows(definition: JsonObject) -> list[Row]:
    arguments = definition.get("arguments")
    if not isinstance(arguments, list):
        return []
    return [
        (
            render.plain(each.get("name", "")),
            "required" if each.get("required") is True else "optional",
            _description(each),
        )
        for each in arguments
        if isinstance(each, dict)
    ]


def _description(schema: Json) -> str:
    text = schema.get("description") if isinstance(schema, dict) else None
    return text if isinstance(text, str) else ""


def type_of(schema: Json) -> str:
    """A few words for a JSON Schema: `string`, `array of number`, `"a" | "b"`, `any`."""
    text = render.printable(_type(schema, 3))
    return text if len(text) <= MAX_TYPE else text[: MAX_TYPE - 3] + "..."


def _type(schema: Json, depth: int) -> str:
    if not isinstance(schema, dict) or not depth:
        return "any"
    if isinstance(choices := schema.get("enum"), list):
        return " | ".join(render.plain(each) for each in choices)
    if "const" in schema:
        return render.plain(schema["const"])
    if isinstance(options := schema.get("anyOf", schema.get("oneOf")), list):
        return " | ".join(dict.fromkeys(_type(each, depth - 1) for each in options))
    return _named_type(schema, depth)


def _named_type(schema: JsonObject, depth: int) -> str:
    kind = schema.get("type")
    if kind == "array":
        return "array of " + _type(schema.get("items"), depth - 1)
    if isinstance(kind, list):
        return " | ".join(render.plain(each) for each in kind)
    return kind if isinstance(kind, str) else "any"


# --- what is doubted -----------------------------------------------------------------------------


def told_lines(rows: Sequence[tuple[Subject, Told]], *, named: bool = True) -> Iterator[str]:
    """Findings in the order of `rows`, those of one item together: its place and its words once.

    `named`: with the server's name before each.
    """
    items: dict[tuple[object, ...], list[tuple[Subject, Told]]] = {}
    for subject, told in rows:
        items.setdefault((subject.name, subject.place, told.item), []).append((subject, told))
    for group in items.values():
        yield from _group_lines(group, named=named)


def _group_lines(group: Sequence[tuple[Subject, Told]], *, named: bool) -> Iterator[str]:
    quotable = [each for _, told in group for each in _quoted(told.finding)]
    shown: set[object] = set()
    for subject, told in group:
        finding = told.finding
        label = render.painted(finding.severity.value, f"{finding.severity.value:<9}")
        said = f"{subject.name}: {finding.message}" if named else finding.message
        yield from render.hung(label, 10, render.printable(said))
        for each in _quoted(finding):
            whole = max((other for other in quotable if each.strip(".") in other), key=len)
            if whole not in shown:
                yield from render.hung(" " * 9 + " |", 12, render.plain(whole))
            shown.add(whole)
        place = f"{told.place.shown} " if told.place and told.place not in shown else ""
        shown.add(told.place)
        tail = f"{place}[{finding.rule}] {explained(finding.rule).threat}".rstrip()
        yield " " * 10 + render.painted("dim", render.printable(tail))
        if told.run_out is not None:
            until = f"suppressed until {told.run_out.expires}: {told.run_out.reason}; counts again"
            yield " " * 10 + render.printable(until)


def _quoted(finding: Finding) -> list[str]:
    """What was found, as it was written, and what is hidden in it."""
    quoted = (finding.evidence.get(key) for key in ("text", "shown"))
    return [each for each in quoted if isinstance(each, str) and each]


# --- what the machine knows ----------------------------------------------------------------------


def known_json(row: Registered) -> JsonObject:
    """A server of the registry of names."""
    items: list[Json] = [{"kind": each.kind, "name": each.name} for each in row.items]
    return {
        "server": row.server,
        "publisher": row.publisher,
        "lockfile": row.lock,
        "items": items,
    }


def known_lines(held: Sequence[Registered], gone: Sequence[Registered]) -> Iterator[str]:
    """The servers of the registry of names, and those that were forgotten now."""
    for row in sorted(held, key=lambda each: (each.server, each.lock)):
        kinds = {kind: sum(each.kind == kind for each in row.items) for kind in ItemKind}
        whose = f", published by {row.publisher}" if row.publisher else ""
        name = render.painted("bold", render.printable(row.server))
        yield f"{name}  {render.counted(kinds)}{render.printable(whose)}"
        yield "  " + render.painted("dim", render.printable(row.lock))
    for row in gone:
        yield render.printable(f"forgotten: {row.server}: its lockfile {row.lock} is gone")
    many = "1 server" if len(held) == 1 else f"{len(held)} servers"
    yield f"{many} locked on this machine: the tools of others are held against theirs"
