"""The settings of a session that runs, read again or changed in part: what differs, what may."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from hashlib import sha256

import orjson

from mcpguard.config.layers import laid, settings_of
from mcpguard.config.loading import Loaded, preset_values
from mcpguard.config.reading import read_document
from mcpguard.config.rows import Path, Values
from mcpguard.config.settings import Preset
from mcpguard.control import policies
from mcpguard.control.policies import Policy
from mcpguard.errors import PolicyError, UsageError
from mcpguard.identity.keys import verifier
from mcpguard.identity.roster import Approver
from mcpguard.model import Json, JsonObject
from mcpguard.wire.canonical import canonical

__all__ = ["Ruled", "at_start_only", "differing", "digest", "with_policy"]

Verify = Callable[[str, bytes, bytes], str]
"""(key, text, signature) -> the approver's name, empty when it is none's."""

MAX_REFUSED = 1024
"""Digests of refused policies that are remembered: a signature takes 100 us to find wrong, and a
store that somebody filled with them would take that of the messages at every look."""

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
    return f"sha256:{sha256(canonical(values)).hexdigest()}"


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


class Ruled:
    """The policies of tools that approvers set for all proxies, as this session has seen them.

    What was seen once ends by a later policy alone, and not because the store forgot it.
    `server`: the session's. `known`: the latest of each pattern, those that ended among them.
    """

    def __init__(self, server: str) -> None:
        self._server = server
        self.known: dict[tuple[str, str], Policy] = {}
        self._among: Sequence[Approver] = ()
        self._refused: set[bytes] = set()
        """What nobody of `_among` signed: the store shows it again at each look."""

    def news(self, told: Sequence[Policy], among: Sequence[Approver]) -> list[Policy]:
        """Those of `told` about this server, signed by one of `among`, later than what is known."""
        if among != self._among or len(self._refused) > MAX_REFUSED:
            self._among, self._refused = among, set()
        verify = verifier(among)
        return [each for each in told if self._is_news(each) and self._is_signed(each, verify)]

    def _is_signed(self, policy: Policy, verify: Verify) -> bool:
        try:
            text = policies.payload(policy)
            seen = sha256(policy.key.encode() + b"\0" + policy.signature + text).digest()
            if seen in self._refused:
                return False
            if verify(policy.key, text, policy.signature):
                return True
        except ValueError:  # no canonical form, so nobody signed it
            return False
        self._refused.add(seen)
        return False

    def _is_news(self, policy: Policy) -> bool:
        known = self.known.get(policy.about)
        return policy.server in {"", self._server} and (known is None or policy.at > known.at)

    @property
    def held(self) -> list[Policy]:
        """Those that hold, in the order in which they were set."""
        rows = [each for each in self.known.values() if each.fields]
        return sorted(rows, key=lambda each: (each.at, each.about))

    def over(self, loaded: Loaded) -> Loaded:
        """`loaded` with them laid over it. Raises UsageError for one that cannot be."""
        for policy in self.held:
            loaded = with_policy(loaded, policy.glob, policy.fields)
        return loaded


def _values(loaded: Loaded) -> Values:
    """What holds; without any file nothing was read, and it is the preset."""
    return loaded.values or preset_values(Preset.BASELINE)


def _rows(loaded: Loaded) -> Iterator[tuple[Path, Json]]:
    for path, held in _values(loaded).items():
        yield path, [each.plain for each in held]
    for path, held in loaded.floor.items():
        yield ("system", *path), [each.plain for each in held]
