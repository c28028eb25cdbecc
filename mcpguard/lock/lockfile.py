"""The lockfile: the reviewed definitions themselves, strictly read and reproducibly written."""

from collections.abc import Collection

import orjson

from mcpguard.errors import LockfileError, SurfaceError
from mcpguard.lock.arguments import SchemaError, compile_schema
from mcpguard.lock.locked import VERSION, Item, Launch, Lockfile, Reviewed
from mcpguard.lock.reading import DATA, parse, why_not
from mcpguard.lock.surface import ServerFacts, Surface, pinned
from mcpguard.lock.varying import MAX_PATTERN, Vary
from mcpguard.model import ItemKind, Json, JsonObject, RequestKind
from mcpguard.wire import exact
from mcpguard.wire.canonical import MAX_DEPTH, canonical, digest

__all__ = [
    "DATA",
    "MAX_PATTERN",
    "VERSION",
    "Item",
    "Launch",
    "Lockfile",
    "Reviewed",
    "Vary",
    "from_surface",
    "parse",
    "render",
]


def render(lock: Lockfile) -> bytes:
    """The file for `lock`: two spaces a level, keys of definitions sorted, a newline at the end.

    The same server gives the same bytes, in whatever order it lists. `parse` reads them back.
    """
    value = lock.as_json()
    try:
        return orjson.dumps(value, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE)
    except orjson.JSONEncodeError:  # integers beyond 64 bits
        return exact.dumps_indented(value)


def from_surface(
    surface: Surface,
    *,
    name: str,
    launch: Launch,
    requests: Collection[RequestKind],
    vary: Collection[Vary] = (),
    reviewed: Reviewed | None = None,
    previous: Lockfile | None = None,
) -> Lockfile:
    """The lockfile that pins `surface`.

    From `previous` come each item's tier and notes, the `vary` entries that still apply, and who
    reviewed it if nothing about the server changed since.

    Raises:
        SurfaceError: Something listed cannot be written as canonical JSON.
        LockfileError: An entry of `vary` cannot apply.
    """
    lock = Lockfile(
        version=VERSION,
        name=name,
        server=_canonical_facts(surface.server),
        launch=launch,
        requests=frozenset(requests),
        items={
            kind: {each: _locked(kind, each, surface, previous) for each in surface.of(kind)}
            for kind in ItemKind
        },
        vary=(),
        reviewed=None,
    )
    for each in vary:
        if why := why_not(lock, each):
            raise LockfileError(f"vary {each.pointer}: {why}", hint="correct or remove this entry")
    return _carried(lock, tuple(vary), reviewed, previous)


def _carried(
    lock: Lockfile, vary: tuple[Vary, ...], reviewed: Reviewed | None, previous: Lockfile | None
) -> Lockfile:
    given = {each.pointer for each in vary}
    if previous is not None:
        old = (each for each in previous.vary if each.pointer not in given)
        vary += tuple(each for each in old if not why_not(lock, each))
    vary = tuple(sorted(vary, key=lambda each: (each.pointer, each.pattern)))
    lock = _with(lock, vary, previous.reviewed if previous is not None else None)
    if reviewed is None and previous is not None and lock.digest == previous.digest:
        return lock
    return _with(lock, vary, reviewed)


def _with(lock: Lockfile, vary: tuple[Vary, ...], reviewed: Reviewed | None) -> Lockfile:
    return Lockfile(
        lock.version, lock.name, lock.server, lock.launch, lock.requests, lock.items, vary, reviewed
    )


def _locked(kind: ItemKind, name: str, surface: Surface, previous: Lockfile | None) -> Item:
    definition = _canonical_form(pinned(kind, surface.of(kind)[name]), f"{kind.singular} {name!a}")
    before = previous.item(kind, name) if previous is not None else None
    return Item(
        kind,
        name,
        definition,
        digest(definition),
        tier=before.tier if before is not None else "",
        notes=before.notes if before is not None else "",
        arguments_checked=kind is not ItemKind.TOOL or _compiles(definition.get("inputSchema")),
    )


def _canonical_facts(facts: ServerFacts) -> ServerFacts:
    return ServerFacts(
        facts.era,
        facts.protocol_version,
        _canonical_form(facts.server_info, "serverInfo"),
        facts.instructions,
        _canonical_form(facts.capabilities, "capabilities"),
    )


def _canonical_form(value: JsonObject, what: str) -> JsonObject:
    """`value` as its canonical form reads: sorted, 1.0 as 1, so that rendering is reproducible."""
    try:
        form = exact.strict_loads(canonical(value), max_depth=MAX_DEPTH, big_integers=True)
    except ValueError as error:
        raise SurfaceError(
            f"the server's {what} cannot be written down exactly: {error}",
            hint="report it to the server's author",
        ) from error
    return form if isinstance(form, dict) else {}


def _compiles(schema: Json) -> bool:
    """Whether arguments can be checked against `schema`. Nothing is fetched to find out."""
    if not isinstance(schema, dict):
        return False
    try:
        compile_schema(schema)
    except SchemaError:
        return False
    return True
