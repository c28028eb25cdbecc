"""The two handshakes: what each side sees of the other's capabilities, and who the server is."""

from collections.abc import Mapping

from mcpguard.lock.lockfile import Lockfile
from mcpguard.lock.varying import expected
from mcpguard.model import Json, JsonObject, RequestKind
from mcpguard.wire.methods import (
    CLIENT_CAPABILITIES,
    CLIENT_INFO,
    PROTOCOL_VERSION,
    SERVER_INFO,
    VERSIONS,
)

__all__ = [
    "CACHE",
    "client_capabilities",
    "drifted_facts",
    "envelope",
    "introduced",
    "is_enveloped",
    "rebuilt",
    "server_capabilities",
    "unoffered",
]

_TASKS_EXTENSION = "io.modelcontextprotocol/tasks"
"""The 2026-07-28 tasks extension is not handled, so neither side hears of it."""

_CLIENT_KEPT = frozenset({"experimental", "extensions"})
"""Client capabilities that let the server ask for nothing by themselves."""

_RESULT_KEYS = (
    "resultType",
    "protocolVersion",
    "supportedVersions",
    "capabilities",
    "serverInfo",
    "instructions",
    "ttlMs",
    "cacheScope",
    "_meta",
)
"""Everything an `initialize` or `server/discover` result may hold."""

CACHE: JsonObject = {"ttlMs": 0, "cacheScope": "private"}
"""A filtered answer is nobody else's and goes stale at once."""


def client_capabilities(given: Json, allowed: frozenset[RequestKind]) -> JsonObject:
    """The host's capabilities as the server may see them: only kinds the lockfile allows."""
    if not isinstance(given, dict):
        return {}
    keys = _CLIENT_KEPT | {str(kind) for kind in allowed}
    kept = {key: value for key, value in given.items() if key in keys}
    return _without_tasks(kept)


def unoffered(shown: Json) -> list[RequestKind]:
    """The kinds of requests that the server may not make, by the capabilities it was shown."""
    return [kind for kind in RequestKind if not isinstance(shown, dict) or kind not in shown]


def server_capabilities(live: Json, locked: JsonObject) -> JsonObject:
    """What the server offers now and was reviewed to offer."""
    both = _intersection(live, locked)
    return _without_tasks(both) if isinstance(both, dict) else {}


def _intersection(live: Json, locked: Json) -> Json:
    if isinstance(live, bool) and isinstance(locked, bool):
        return live and locked
    if not isinstance(live, dict) or not isinstance(locked, dict):
        return live if type(live) is type(locked) and live == locked else None
    pairs = {key: _intersection(value, locked[key]) for key, value in live.items() if key in locked}
    return {key: value for key, value in pairs.items() if value is not None}


def _without_tasks(capabilities: JsonObject) -> JsonObject:
    extensions = capabilities.get("extensions")
    if not isinstance(extensions, dict) or _TASKS_EXTENSION not in extensions:
        return capabilities
    rest = {key: value for key, value in extensions.items() if key != _TASKS_EXTENSION}
    return {**capabilities, "extensions": rest}


def is_enveloped(meta: Json) -> bool:
    """Whether a request's `_meta` makes it a modern one."""
    return isinstance(meta, dict) and PROTOCOL_VERSION in meta


def envelope(meta: Mapping[str, Json]) -> JsonObject:
    """The part of a modern request's `_meta` that every request repeats."""
    keys = (PROTOCOL_VERSION, CLIENT_INFO, CLIENT_CAPABILITIES)
    return {key: meta[key] for key in keys if key in meta}


def drifted_facts(live: JsonObject, lock: Lockfile) -> list[str]:
    """Names of what the server now says of itself that is not what was reviewed."""
    said = live.get("instructions", "")
    info = live.get("serverInfo", _meta(live).get(SERVER_INFO, lock.server.server_info))
    drifted = {
        "instructions": not isinstance(said, str) or not lock.same_instructions(said),
        "serverInfo": not isinstance(info, dict) or not lock.same_server_info(info),
        "capabilities": _too_many(live.get("capabilities"), lock.server.capabilities),
    }
    return [name for name, changed in drifted.items() if changed]


def introduced(body: JsonObject, lock: Lockfile) -> JsonObject:
    """`body` with the reviewed value where its `_meta` says what server it comes from."""
    meta = _meta(body)
    if SERVER_INFO not in meta:
        return body
    return {**body, "_meta": {**meta, SERVER_INFO: _info(lock, meta[SERVER_INFO])}}


def _meta(result: JsonObject) -> JsonObject:
    meta = result.get("_meta")
    return meta if isinstance(meta, dict) else {}


def _too_many(live: Json, locked: Json) -> bool:
    if isinstance(live, dict) and isinstance(locked, dict):
        return any(_too_many(value, locked.get(key)) for key, value in live.items())
    return live not in (None, False) and live != locked


def rebuilt(live: JsonObject, lock: Lockfile) -> JsonObject:
    """An `initialize` or `server/discover` result made of known keys and reviewed values."""
    locked = lock.server
    said = expected(
        lock.vary, ("server", "instructions"), locked.instructions, live.get("instructions")
    )
    reviewed: JsonObject = {
        "capabilities": server_capabilities(live.get("capabilities"), locked.capabilities),
        "serverInfo": _info(lock, live.get("serverInfo")),
        "instructions": said,
        **CACHE,
    }
    result = {key: reviewed.get(key, live[key]) for key in live if key in _RESULT_KEYS}
    if not said:
        result.pop("instructions", None)
    if "supportedVersions" in result:
        result["supportedVersions"] = _known_versions(live["supportedVersions"])
    if not _known_versions([result.get("protocolVersion")]):
        result.pop("protocolVersion", None)
    if "_meta" in result:
        meta = _meta(live)
        shown: JsonObject = {SERVER_INFO: _info(lock, meta.get(SERVER_INFO))}
        result["_meta"] = shown if SERVER_INFO in meta else {}
    return result


def _info(lock: Lockfile, live: Json) -> Json:
    return expected(lock.vary, ("server", "serverInfo"), lock.server.server_info, live)


def _known_versions(given: Json) -> list[Json]:
    versions = given if isinstance(given, list) else []
    return [version for version in versions if isinstance(version, str) and version in VERSIONS]
