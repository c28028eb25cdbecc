"""The settings of a session that runs, read again or changed in part: what differs, what may."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from hashlib import sha256
from typing import NamedTuple

import orjson

from mcpguard.config.layers import laid, settings_of
from mcpguard.config.loading import Loaded, preset_values
from mcpguard.config.reading import read_document
from mcpguard.config.rows import Path, Values
from mcpguard.config.settings import Preset
from mcpguard.control import policies
from mcpguard.control.policies import Policy, Row
from mcpguard.errors import PolicyError, UsageError
from mcpguard.identity.roster import Approver
from mcpguard.model import Json, JsonObject
from mcpguard.wire.canonical import canonical

__all__ = ["Ignored", "Ruled", "at_start_only", "differing", "digest", "with_policy"]

MAX_REFUSED = 1024
"""Marks of refused policies that are remembered: a signature takes 100 us to find wrong, and a
store that somebody filled with them would take that of the messages at every look."""

_MANY = Row("", None, b"")
"""Stands for rows that are not said one by one."""

MAX_SAID = 16
"""Rows of a session that are recorded one by one: who fills the store does not fill the log."""

AT_START: Sequence[Path] = (
    ("store",),
    ("audit",),
    ("telemetry",),
    ("profile",),
    ("identity",),
    ("zone",),
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


class Ignored(NamedTuple):
    """A row of the store that is not in force in this session, and why; or the number of many.

    One that the store has lost is in force.
    """

    row: Row
    why: str
    number: int = 1

    def record(self) -> JsonObject:
        """For the audit log. `place`: its key in the store. What it says of itself is not so."""
        policy = self.row.policy
        server, glob, key = (*policy.about, policy.key) if policy is not None else ("", "", "")
        told: JsonObject = {"place": self.row.place, "of": server, "glob": glob, "key": key}
        return {"event": "policy.ignored", "why": self.why, "count": self.number, **told}


class Ruled:
    """The policies of tools that approvers set for all proxies, as this session has seen them.

    What was seen once ends by a later policy alone, and not because the store forgot it.
    `server`: the session's. `known`: the latest of each pattern, those that ended among them.
    `ignored`: what the store showed at the last look and is not in force here, and what it did not
    show and is.
    """

    def __init__(self, server: str) -> None:
        self._server = server
        self.known: dict[tuple[str, str], Policy] = {}
        self.ignored: Sequence[Ignored] = ()
        self._among: Sequence[Approver] = ()
        self._flaws: dict[bytes, str] = {}
        """Of what nobody of `_among` signed, by its mark: the store shows it at each look."""
        self._stale: set[bytes] = set()
        """Marks of what was older than what is known, or not there, at the last look."""
        self._said: set[bytes] = set()
        self._count = self._counted = 0
        """Rows that were said, one by one and in numbers; how many they were at the last number."""

    def sift(self, told: Sequence[Row], among: Sequence[Approver]) -> list[Policy]:
        """Those of `told` about this server, signed by one of `among`, later than what is known.

        `told`: all that the store holds.
        """
        self._trust(among)
        news = [each for each in told if not self._is_settled(each)]
        judged = [Ignored(each, self._flaw(each)) for each in news]
        wrong = [each for each in judged if each.why and each.why != policies.NOT_LATER]
        stale = [each for each in judged if each.why == policies.NOT_LATER] + self._lost(told)
        # What a person tells a session may overtake the look that was on its way.
        self.ignored = wrong + [each for each in stale if each.row.mark in self._stale]
        self._stale = {each.row.mark for each in stale}
        return [each.row.policy for each in judged if each.row.policy is not None and not each.why]

    def _lost(self, told: Sequence[Row]) -> list[Ignored]:
        there = {each.place for each in told}
        places = {policies.place_of(each): each for each in self.known.values()}
        return [
            Ignored(policies.row_of(place, policies.as_json(each)), policies.LOST)
            for place, each in places.items()
            if place not in there
        ]

    def is_news(self, row: Row, among: Sequence[Approver]) -> bool:
        """Whether `sift` would give it."""
        self._trust(among)
        return not self._is_settled(row) and not self._flaw(row)

    def _trust(self, among: Sequence[Approver]) -> None:
        if among != self._among or len(self._flaws) > MAX_REFUSED:
            self._among, self._flaws = among, {}

    def _is_settled(self, row: Row) -> bool:
        """It is none of ours, or it holds already."""
        policy = row.policy
        if policy is None:
            return False
        return policy.server not in {"", self._server} or self.known.get(policy.about) == policy

    def _flaw(self, row: Row) -> str:
        why = self._flaws.get(row.mark) or policies.flaw(row, self._among)
        if why or row.policy is None:
            self._flaws[row.mark] = why
            return why
        known = self.known.get(row.policy.about)
        return "" if known is None or row.policy.at > known.at else policies.NOT_LATER

    def unsaid(self) -> list[Ignored]:
        """Those of `ignored` to be said now: each once, `MAX_SAID` of them, and then numbers."""
        new = self._new()
        one_by_one = new[: max(0, MAX_SAID - self._count)]
        more = self._count + len(new) - MAX_SAID
        # A number whenever it has doubled.
        due = len(new) > len(one_by_one) and more >= 2 * self._counted
        return one_by_one + [Ignored(_MANY, "there are more", more)] * due

    def said(self) -> None:
        """What `unsaid` gives is in the log."""
        self._counted = max([self._counted, *(each.number for each in self.unsaid()[-1:])])
        new = self._new()
        self._count += len(new)
        kept = self._said if len(self._said) <= MAX_REFUSED else set()
        self._said = kept | {each.row.mark for each in new}

    def _new(self) -> list[Ignored]:
        return [each for each in self.ignored if each.row.mark not in self._said]

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
