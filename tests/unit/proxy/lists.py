"""Lists as a server gives them and as a host sees them, for the tests of what is listed."""

from mcpguard.model import ItemKind, Json, JsonObject
from mcpguard.wire.methods import LISTS
from tests.unit.proxy.play import LOCK, SURFACE, TOOLS, Play, wire

TOOL, PROMPT = ItemKind.TOOL, ItemKind.PROMPT
ECHO, FREE = TOOLS["echo"], TOOLS["free"]
METHOD = {row.kind: row.method for row in LISTS.values()}
CHANGED: JsonObject = {"method": "notifications/tools/list_changed"}
DRIFTED = (
    "Blocked by mcpguard [surface.drifted]: it changed since it was reviewed. See what changed "
    "with: mcpguard diff --lock FILE. Accept it with: mcpguard lock --update -o FILE."
)
DOUBLED = (
    "Blocked by mcpguard [surface.doubled]: the server lists two items of this name. "
    "Report it to the server's author, or lock a fixed version."
)


def shown(kind: ItemKind, name: str) -> JsonObject:
    """A definition as the lockfile writes it: keys sorted."""
    item = LOCK.item(kind, name)
    assert item is not None
    return item.definition


def tools(session: Play, given: int, *names: str) -> Play:
    """The host lists the tools; the server is asked under `wire(given)`; the host sees `names`."""
    session.host({"id": "l", "method": "tools/list"})
    session.sends_server({"id": wire(given), "method": "tools/list"})
    return session


def answered(session: Play, given: int, *items: JsonObject) -> Play:
    return session.server({"id": wire(given), "result": {"tools": [*items]}})


def listed(*items: JsonObject, given: int | str = "l") -> JsonObject:
    return {"id": given, "result": {"tools": [*items]}}


def changed(kind: ItemKind, name: str, /, **changes: Json) -> JsonObject:
    """The definition with keys changed, or removed where the new value is None."""
    merged = {**SURFACE[kind][name], **changes}
    return {key: value for key, value in merged.items() if value is not None}


def exactly(message: JsonObject) -> bytes:
    """As the play writes it, with lone surrogates as escapes."""
    from mcpguard.wire import exact

    return exact.dumps_exact({"jsonrpc": "2.0", **message})
