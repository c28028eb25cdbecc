"""Looking at a server: start it, ask for everything it lists in every era, end it.

One process is asked the legacy way (`initialize`), a second one the modern way (`server/discover`),
because servers lock onto the era of their first request and some end at the wrong one.
"""

import os
import re
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

import anyio

import mcpguard
from mcpguard.daemon.client import Client, RefusedError, connect
from mcpguard.daemon.environment import refuse_names, withheld
from mcpguard.errors import SurfaceError, UnreachableError, UsageError
from mcpguard.lock.surface import ServerFacts, Surface, collect, pinned
from mcpguard.model import Era, ItemKind, Json, JsonObject
from mcpguard.proxy.denial import METHOD_NOT_FOUND
from mcpguard.wire import canonical
from mcpguard.wire.methods import (
    CLIENT_CAPABILITIES,
    CLIENT_INFO,
    LEGACY_VERSIONS,
    LISTS,
    MODERN_VERSIONS,
    PROTOCOL_VERSION,
    SERVER_INFO,
    ListMethod,
)

__all__ = ["Eras", "probe"]

TIMEOUT = 60.0
"""Seconds one process has, start included: a first `npx` downloads its package."""

DISCOVER_FLOOR, DISCOVER_CEILING = 3.0, 10.0
"""Seconds to answer `server/discover`: four times what `initialize` took, within these."""

QUIET = 0.5
"""Seconds without list_changed after which a surface is settled (server-everything sends 7)."""

SETTLE = 5.0
"""Seconds waited for that quiet at most."""

MAX_ROUNDS = 6
"""Listings until two in a row must have agreed."""

MAX_PAGES = 100
"""Pages of one list. Real servers use one."""

MAX_ITEMS = 10_000
"""Items of one kind. A model cannot choose among more, a person cannot review them."""

MAX_NAMES = 12
"""Names in one error: a line a person still reads."""

_WORD: Final = re.compile(r"\w+")
"""What may be the name of a variable."""

MAX_QUOTED = 80
"""Characters of a server's text quoted in an error."""

_CAPABILITIES: Final[JsonObject] = {
    "roots": {"listChanged": True},
    "sampling": {"tools": {}, "context": {}},
    "elicitation": {"form": {}, "url": {}},
}
"""Every client capability: servers list fewer tools to a client that can do less."""

_LEGACY_CAPABILITIES: Final[JsonObject] = {
    **_CAPABILITIES,
    "tasks": {
        "list": {},
        "cancel": {},
        "requests": {"sampling": {"createMessage": {}}, "elicitation": {"create": {}}},
    },
}

_OTHER_ERA = f"starting the server again to ask in protocol {MODERN_VERSIONS[-1]}"
_FIX_SERVER = "a server like this cannot be locked; ask its maintainer to mend it"


class Eras(StrEnum):
    """Which handshakes to try. BOTH finds out what the server speaks."""

    BOTH = "both"
    LEGACY = "legacy"
    MODERN = "modern"


Say = Callable[[str], None]
"""Told what is being waited for, for a person."""


async def probe(
    argv: Sequence[str],
    *,
    env: Mapping[str, str],
    timeout: float = TIMEOUT,  # noqa: ASYNC109 - a setting of the command line; each process has its own
    eras: Eras = Eras.BOTH,
    say: Say = lambda _: None,
) -> Surface:
    """Everything the server started by `argv` with exactly `env` lists, all pages, settled.

    `timeout`: seconds each of the (at most two) processes has.

    Raises:
        UnreachableError: it cannot be started, ends or stays silent.
        SurfaceError: what it lists cannot be pinned, never settles or differs by era.
    """
    look = _Look(argv, env, timeout, say)
    if eras is Eras.LEGACY:
        return await look.legacy()
    if eras is Eras.MODERN:
        return await look.only_modern()
    return await _both(look)


async def _both(look: "_Look") -> Surface:
    try:
        legacy = await look.legacy()
    except _NoHandshakeError as error:
        modern = await look.modern()
        if modern is None:
            raise UnreachableError(error.message, hint=error.hint) from error
        return modern
    modern = await look.modern()
    return legacy if modern is None else _merged(legacy, modern)


class _NoHandshakeError(UnreachableError):
    """`initialize` did not work; the server may still speak the modern era."""


@dataclass(slots=True)
class _Look:
    """One server being looked at. `started`: seconds its first process took to answer."""

    argv: Sequence[str]
    env: Mapping[str, str]
    timeout: float
    say: Say
    started: float = DISCOVER_CEILING

    async def legacy(self) -> Surface:
        """The surface after `initialize`. Raises _NoHandshakeError when that is where it fails."""
        return await self._conversation(self._legacy, "waiting for the server to start")

    async def modern(self) -> Surface | None:
        """The surface in the modern era; None when the server does not speak it."""
        try:
            return await self._conversation(self._modern, _OTHER_ERA)
        except _NoHandshakeError:
            return None

    async def only_modern(self) -> Surface:
        """Like `modern`, where nothing else will do."""
        return await self._conversation(self._modern, _OTHER_ERA)

    async def _conversation(
        self, talk: Callable[[Client], Awaitable[Surface]], phase: str
    ) -> Surface:
        self.say(phase)
        async with connect(self.argv, self.env) as client:
            with anyio.move_on_after(self.timeout):
                return await talk(client)
            raise self._silence(client)

    async def _legacy(self, client: Client) -> Surface:
        begun = anyio.current_time()
        asked: JsonObject = {
            "protocolVersion": LEGACY_VERSIONS[-1],
            "capabilities": _LEGACY_CAPABILITIES,
            "clientInfo": _client_info(),
        }
        result = await self._handshake(client, "initialize", asked)
        self.started = anyio.current_time() - begun
        version = _text(result, "protocolVersion", "initialize")
        if version not in LEGACY_VERSIONS:
            raise SurfaceError(
                f"the server answers initialize with protocol version {version!r}, unknown here",
                hint="a newer mcpguard may know it",
            )
        await client.notify("notifications/initialized", {})
        facts = ServerFacts(
            era=Era.LEGACY,
            protocol_version=version,
            server_info=_object(result, "serverInfo", "initialize"),
            instructions=_instructions(result),
            capabilities=_object(result, "capabilities", "initialize"),
        )
        return await _settled(client, facts, {}, self.say)

    async def _modern(self, client: Client) -> Surface:
        envelope: JsonObject = {
            "_meta": {
                PROTOCOL_VERSION: MODERN_VERSIONS[-1],
                CLIENT_INFO: _client_info(),
                CLIENT_CAPABILITIES: _CAPABILITIES,
            }
        }
        limit = min(max(4 * self.started, DISCOVER_FLOOR), DISCOVER_CEILING)
        with anyio.move_on_after(limit) as scope:
            result = await self._handshake(client, "server/discover", envelope)
        if scope.cancelled_caught:
            raise _NoHandshakeError(
                f"{client.name} did not answer server/discover in {limit:.0f} s{_unread(client)}"
            )
        spoken = result.get("supportedVersions")
        if not isinstance(spoken, list) or MODERN_VERSIONS[-1] not in spoken:
            raise _NoHandshakeError(f"{client.name} does not speak revision {MODERN_VERSIONS[-1]}")
        meta = result.get("_meta")
        facts = ServerFacts(
            era=Era.MODERN,
            protocol_version=MODERN_VERSIONS[-1],
            server_info=_object(meta if isinstance(meta, dict) else {}, SERVER_INFO, "", {}),
            instructions=_instructions(result),
            capabilities=_object(result, "capabilities", "server/discover"),
        )
        return await _settled(client, facts, envelope, self.say)

    async def _handshake(self, client: Client, method: str, params: JsonObject) -> JsonObject:
        try:
            return await client.request(method, params)
        except RefusedError as error:
            raise _NoHandshakeError(
                f"the server refused: {error}", hint="is the command after -- an MCP server?"
            ) from error
        except UnreachableError as error:
            raise _NoHandshakeError(error.message, hint=self._advice(error.message)) from error

    def _advice(self, words: str) -> str:
        """What to try when the server ended at once: names what it was not given."""
        missing = [*filter(_passable, withheld(os.environ, self.env))]
        named = [name for name in missing if name in _WORD.findall(words)]
        if named:
            return f"it was not given {named[0]}; pass it on with: --env {named[0]}"
        read = "read what it said, above; then " if "\n  | " in words else ""
        env = "; a variable it needs is passed with: --env NAME" if missing else ""
        return f"{read}run the command alone, without mcpguard, to see what is wrong{env}"

    def _silence(self, client: Client) -> UnreachableError:
        kind = UnreachableError if client.heard else _NoHandshakeError
        what = "did not finish listing" if client.heard else "did not answer"
        return kind(
            f"{client.name} {what} in {self.timeout:g} s{_unread(client)}{client.last_words()}",
            hint=_ODD if client.unread else _SLOW,
        )


_SLOW = "is it an MCP server on stdio? A slow one needs a longer --timeout"
_ODD = "run it alone, without mcpguard: on stdout a server writes MCP messages and nothing else"


def _unread(client: Client) -> str:
    """What it wrote instead of an answer, or beside it; empty for nothing."""
    if not client.unread:
        return ""
    lines = "a line" if client.unread == 1 else f"{client.unread:,} lines"
    return f", but wrote {lines} that cannot be read as MCP: {client.fault}"


def _passable(name: str) -> bool:
    """Whether `--env name` could be the answer."""
    try:
        refuse_names([name])
    except UsageError:
        return False
    return True


def _client_info() -> JsonObject:
    return {"name": "mcpguard", "version": mcpguard.__version__}


async def _settled(client: Client, facts: ServerFacts, envelope: JsonObject, say: Say) -> Surface:
    """The lists once nothing was announced for a while and two listings in a row agree."""
    client.changed_at = anyio.current_time()  # what comes late comes after the handshake
    last = await _listed(client, facts, envelope, say)
    for _ in range(MAX_ROUNDS - 1):
        say("waiting for the lists to settle")
        await _quiet(client)
        again = await _listed(client, facts, envelope, say)
        if not _differing(last, again):
            return again
        last = again
    raise SurfaceError(
        f"the server's lists still changed after {MAX_ROUNDS} listings", hint=_FIX_SERVER
    )


async def _quiet(client: Client) -> None:
    with anyio.move_on_after(SETTLE):
        while (left := client.changed_at + QUIET - anyio.current_time()) > 0:  # noqa: ASYNC110 - a clock is waited for
            await anyio.sleep(left)


async def _listed(client: Client, facts: ServerFacts, envelope: JsonObject, say: Say) -> Surface:
    lists: dict[ItemKind, list[Json]] = {kind: [] for kind in ItemKind}
    for row in LISTS.values():
        if isinstance(facts.capabilities.get(row.capability), dict):
            say(f"reading {row.method}")
            lists[row.kind] = await _all_pages(client, row, envelope)
    return collect(facts, lists)


async def _all_pages(client: Client, row: ListMethod, envelope: JsonObject) -> list[Json]:
    found: list[Json] = []
    params, seen = dict(envelope), set[str]()
    for _ in range(MAX_PAGES):
        try:
            page = await client.request(row.method, params)
        except RefusedError as error:
            if error.code == METHOD_NOT_FOUND and not seen:
                return []
            raise SurfaceError(f"the server refused: {error}", hint=_FIX_SERVER) from error
        found += _items(row, page)
        _check(found, row)
        cursor = _next_cursor(page, row.method)
        if not cursor:
            return found
        if cursor in seen:
            raise SurfaceError(
                f"{row.method} never ends: the cursor {_short(cursor)} comes again",
                hint=_FIX_SERVER,
            )
        seen.add(cursor)
        params = {**envelope, "cursor": cursor}
    raise SurfaceError(f"{row.method} has more than {MAX_PAGES} pages", hint=_FIX_SERVER)


def _items(row: ListMethod, page: JsonObject) -> list[Json]:
    if page.get("resultType", "complete") != "complete":
        raise SurfaceError(f"{row.method} gave no list but asked for input", hint=_FIX_SERVER)
    items = page.get(row.key)
    if not isinstance(items, list):
        raise SurfaceError(f"{row.method} gave no array `{row.key}`", hint=_FIX_SERVER)
    return items


def _check(found: Sequence[Json], row: ListMethod) -> None:
    """Raise SurfaceError for too many items or two of one name (named here, for a person)."""
    if len(found) > MAX_ITEMS:
        raise SurfaceError(f"{row.method} lists more than {MAX_ITEMS} items", hint=_FIX_SERVER)
    names = [item.get(row.kind.name_key) for item in found if isinstance(item, dict)]
    known: set[Json] = set()
    for name in names:
        if isinstance(name, str) and name in known:
            raise SurfaceError(
                f"the server lists the {row.kind.singular} {_short(name)} twice",
                hint="nobody can say which one a call would reach; " + _FIX_SERVER,
            )
        if isinstance(name, str):
            known.add(name)


def _next_cursor(page: JsonObject, method: str) -> str:
    """The next page's cursor; empty at the end (`null` and `""` end a list, as for the SDKs)."""
    cursor = page.get("nextCursor")
    if cursor is not None and not isinstance(cursor, str):
        raise SurfaceError(f"{method}: nextCursor is not a string", hint=_FIX_SERVER)
    return cursor or ""


def _short(text: str) -> str:
    return repr(text if len(text) <= MAX_QUOTED else text[:MAX_QUOTED] + "...")


def _differing(one: Surface, other: Surface) -> list[str]:
    """What is not in both with the same pinned definition, as `tool NAME`."""
    return [
        f"{kind.singular} {_short(name)}"
        for kind in ItemKind
        for name in sorted(one.of(kind).keys() | other.of(kind).keys())
        if _digest(kind, one.of(kind).get(name)) != _digest(kind, other.of(kind).get(name))
    ]


def _digest(kind: ItemKind, definition: JsonObject | None) -> str:
    return "" if definition is None else canonical.digest(pinned(kind, definition))


def _merged(legacy: Surface, modern: Surface) -> Surface:
    """One surface for both eras. Raises SurfaceError when they do not agree."""
    differing = _differing(legacy, modern)
    if legacy.server.instructions != modern.server.instructions:
        differing.insert(0, "instructions")
    if differing:
        raise SurfaceError(
            f"the server shows other definitions in protocol {modern.server.protocol_version} than"
            f" in {legacy.server.protocol_version}: {', '.join(differing[:MAX_NAMES])}",
            hint="choose the protocol your host speaks: --era legacy (most) or --era modern",
        )
    facts = ServerFacts(
        era=Era.DUAL,
        protocol_version=legacy.server.protocol_version,
        server_info=legacy.server.server_info,
        instructions=legacy.server.instructions,
        capabilities=_union(legacy.server.capabilities, modern.server.capabilities),
    )
    return Surface(server=facts, items=legacy.items)


def _union(one: JsonObject, other: JsonObject) -> JsonObject:
    """Both objects' keys, nested; where both hold a plain value, the one that allows more."""
    merged = dict(one)
    for key, value in other.items():
        mine = merged.get(key)
        if isinstance(mine, dict) and isinstance(value, dict):
            merged[key] = _union(mine, value)
        elif not mine:
            merged[key] = value
    return merged


def _text(result: JsonObject, key: str, method: str) -> str:
    value = result.get(key)
    if not isinstance(value, str):
        raise SurfaceError(f"{method}: {key} is not a string", hint=_FIX_SERVER)
    return value


def _instructions(result: JsonObject) -> str:
    value = result.get("instructions")
    if value is not None and not isinstance(value, str):
        raise SurfaceError("instructions is not a string", hint=_FIX_SERVER)
    return value or ""


def _object(
    result: JsonObject, key: str, method: str, default: JsonObject | None = None
) -> JsonObject:
    value = result.get(key, default)
    if not isinstance(value, dict):
        raise SurfaceError(f"{method}: {key} is not an object", hint=_FIX_SERVER)
    return value
