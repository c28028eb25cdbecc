"""The settings of a session that runs, read again or changed in part: what differs, what may."""

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import replace

import orjson

from mcpguard.config.layers import laid, settings_of
from mcpguard.config.loading import Loaded, preset_values
from mcpguard.config.reading import read_document
from mcpguard.config.rows import Path, Values
from mcpguard.config.settings import Preset
from mcpguard.errors import PolicyError, UsageError
from mcpguard.model import Json, JsonObject
from mcpguard.wire.canonical import canonical

__all__ = ["at_start_only", "differing", "digest", "with_policy"]

AT_START: Sequence[Path] = (
    ("store",),
    ("audit",),
    ("telemetry",),
    ("profile",),
    ("mode",),
    ("requests",),
    ("trust", "servers"),
)
"""Keys that a session reads once: who it is, where it writes, what its server was told."""


def differing(old: Loaded, new: Loaded) -> list[str]:
    """The key paths whose values are not the same, in order."""
    before, now = dict(_rows(old)), dict(_rows(new))
    paths = {path for path in before.keys() | now.keys() if before.get(path) != now.get(path)}
    return [".".join(path) for path in sorted(paths)]


def at_start_only(keys: Sequence[str]) -> list[str]:
    """Those of `keys` that a session which runs cannot take over."""
    starts = tuple(".".join(path) for path in AT_START)
    return [key for key in keys if any(f"{key}.".startswith(f"{each}.") for each in starts)]


def digest(loaded: Loaded) -> str:
    """SHA-256 over every value that holds: `sha256:` and 64 hex digits."""
    values: dict[str, Json] = {".".join(path): plain for path, plain in _rows(loaded)}
    return f"sha256:{hashlib.sha256(canonical(values)).hexdigest()}"


def with_policy(loaded: Loaded, glob: str, fields: JsonObject) -> Loaded:
    """`loaded`, with `fields` of the policy of the tools that `glob` names laid over it.

    Read as the file of settings is. Raises UsageError for what that would refuse.
    """
    text = orjson.dumps({"tools": {glob: fields}}).decode()
    document = read_document(text, "the policy", lambda _: "mcpguard trust policy")
    try:
        for problem in document.problems[:1]:
            raise problem
        values = laid([_values(loaded), document.values])
        return replace(loaded, settings=settings_of(values, loaded.floor), values=values)
    except PolicyError as error:
        raise UsageError(f"the policy of {glob}: {error.what}", hint=error.hint) from error


def _values(loaded: Loaded) -> Values:
    """What holds; without any file nothing was read, and it is the preset."""
    return loaded.values or preset_values(Preset.BASELINE)


def _rows(loaded: Loaded) -> Iterator[tuple[Path, Json]]:
    for path, held in _values(loaded).items():
        yield path, [each.plain for each in held]
    for path, held in loaded.floor.items():
        yield ("system", *path), [each.plain for each in held]
