"""The copy of an account that proxies share: a plain JSON value that grows by entries.

Entries of many sessions come late and out of order, so the newest are kept beside the account they
have not entered yet, and put in their order as they come: the copy is the fold of the logs as long
as an entry comes within `WINDOW` of newer ones, and within `MAX_TAIL` of them. One that comes later
counts when it comes; that moves a score only at 0, at a ceiling, across days and around a reset.
The plain calls that a session answered within one second have one
place, the last one's. Each session's last entry is kept too, so whatever is sent twice counts once.
"""

from collections.abc import Iterable
from typing import Final, NamedTuple

from mcpguard.errors import StoreError
from mcpguard.model import Json, JsonObject
from mcpguard.trust.account import ABOUT, MAX_MARKS, MET, STARTED, Account, Entry, Party
from mcpguard.trust.score import (
    DAILY_GAIN,
    DAILY_LOSS,
    LEVELS,
    MAX_SCORE,
    RECENT,
    Dimension,
    Event,
    Moved,
    Standing,
)

__all__ = ["MAX_SEEN", "MAX_TAIL", "WINDOW", "Shared", "latest"]

WINDOW = 30_000_000
"""Microseconds an entry may come after newer ones of other sessions. A proxy tells every second."""

MAX_TAIL = 120
"""Entries that wait for older ones. With all else of an account they fit a store's value."""

MAX_SEEN = 250
"""Sessions whose last entry is remembered: live ones, and those whose retries may still come."""

_HINT = (
    "run: mcpguard audit verify; then remove that key from the store (`store` in the settings; of"
    " sqlite a row of the table `state` in state.db of the data directory): the next session makes"
    " the standing again from the audit logs"
)
_KINDS: Final = frozenset({*Event, STARTED, MET})
_LATEST = 2**62
"""Microseconds, Unix. Beyond it is no time."""


class Shared(NamedTuple):
    """`base`: without `tail`. `tail`: in their order. `seen`: session -> (at, seq) of its last."""

    base: Account
    tail: tuple[Entry, ...] = ()
    seen: tuple[tuple[str, int, int], ...] = ()

    @property
    def account(self) -> Account:
        """With every entry."""
        account = self.base
        for entry in self.tail:
            account, _ = account.after(entry)
        return account

    def with_entries(self, entries: Iterable[Entry]) -> "Shared":
        """With those of `entries` that are not in it yet; itself when there are none.

        `entries`: of this party; those of one session in the order of their `seq`.
        """
        seen = {session: (at, seq) for session, at, seq in self.seen}
        new = [entry for entry in entries if entry.seq > seen.get(entry.session, (0, -1))[1]]
        if not new:
            return self
        seen.update((entry.session, (entry.at, entry.seq)) for entry in new)
        tail = sorted([*self.tail, *new], key=lambda entry: entry.place)
        settled = sum(entry.at < tail[-1].at - WINDOW for entry in tail)
        settled = max(settled, len(tail) - MAX_TAIL)
        base = Shared(self.base, tuple(tail[:settled])).account
        return Shared(base, tuple(tail[settled:]), latest(seen))

    def as_json(self) -> JsonObject:
        """A store's value. `read` gives the same back."""
        standing, locks, drifted = self.base
        return {
            "v": 1,
            "standing": [*standing[:2], [*standing.dimensions], *standing[3:7]],
            "recent": [[moved.at, moved.event.value, *moved[2:]] for moved in standing.recent],
            "locks": [*locks],
            "drifted": [*drifted],
            "tail": [[*entry[1:]] for entry in self.tail],
            "seen": [[*each] for each in self.seen],
        }

    @classmethod
    def read(cls, party: Party, value: Json) -> "Shared":
        """Of what `as_json` gave. Raises StoreError for anything else: no score is guessed."""
        try:
            return _read(party, value)
        except (AttributeError, IndexError, KeyError, TypeError, ValueError) as error:
            key = f"standing/{party.role}/{party.name[:100]}"
            raise StoreError(
                f"the standing of {party.role} {party.name[:100]!r} in the store is damaged:"
                f" its key {key!r} holds none",
                hint=_HINT,
            ) from error


def latest(seen: dict[str, tuple[int, int]]) -> tuple[tuple[str, int, int], ...]:
    """The latest `MAX_SEEN`, the last one at the end."""
    rows = [(session, at, seq) for session, (at, seq) in seen.items()]
    return tuple(sorted(rows, key=lambda row: (row[1], row[0]))[-MAX_SEEN:])


# reading back: whatever is not as it was written raises one of the errors that `read` names


def _read(party: Party, value: Json) -> Shared:
    told = _exact(value, {"v", "standing", "recent", "locks", "drifted", "tail", "seen"})
    if _whole(told["v"], 1, 1) != 1:
        raise ValueError("v")
    base = Account(
        _standing(_row(told["standing"], 7), told["recent"]),
        tuple([_text(each, 16) for each in _rows(told["locks"], MAX_MARKS)]),
        tuple([_text(each, 16) for each in _rows(told["drifted"], MAX_MARKS)]),
    )
    tail = [_entry(party, _row(each, 8)) for each in _rows(told["tail"], MAX_TAIL)]
    seen = [_seen(_row(each, 3)) for each in _rows(told["seen"], MAX_SEEN)]
    if tail != sorted(tail, key=lambda entry: entry.place):
        raise ValueError("tail")
    return Shared(base, tuple(tail), tuple(seen))


def _standing(row: list[Json], recent: Json) -> Standing:
    level = _whole(row[0], 0, len(LEVELS) - 1)
    return Standing(
        level,
        _whole(row[1], 0, LEVELS[level].ceiling),
        tuple([_whole(each, 0, MAX_SCORE) for each in _row(row[2], len(Dimension))]),
        _whole(row[3], -1, _LATEST),
        _whole(row[4], 0, DAILY_GAIN),
        _whole(row[5], 0, DAILY_LOSS),
        _whole(row[6], 0, _LATEST),
        tuple([_moved(_row(each, 4)) for each in _rows(recent, RECENT)]),
    )


def _moved(row: list[Json]) -> Moved:
    return Moved(
        _whole(row[0], -_LATEST, _LATEST),
        Event(_text(row[1], 16)),
        _whole(row[2], -MAX_SCORE, MAX_SCORE),
        _text(row[3], ABOUT),
    )


def _entry(party: Party, row: list[Json]) -> Entry:
    kind = _text(row[3], 16)
    if kind not in _KINDS:
        raise ValueError("kind")
    return Entry(
        party,
        _whole(row[0], -_LATEST, _LATEST),
        _text(row[1], ABOUT),
        _whole(row[2], 0, _LATEST),
        kind,
        _text(row[4], ABOUT),
        _whole(row[5], -1, len(LEVELS) - 1),
        _text(row[6], 16),
        _whole(row[7], 0, _LATEST),
    )


def _seen(row: list[Json]) -> tuple[str, int, int]:
    session = _text(row[0], ABOUT)
    return session, _whole(row[1], -_LATEST, _LATEST), _whole(row[2], 0, _LATEST)


def _exact(value: Json, keys: set[str]) -> JsonObject:
    if not isinstance(value, dict) or set(value) != keys:
        raise TypeError("keys")
    return value


def _rows(value: Json, most: int) -> list[Json]:
    if not isinstance(value, list) or len(value) > most:
        raise TypeError("rows")
    return value


def _row(value: Json, length: int) -> list[Json]:
    if len(_rows(value, length)) != length:
        raise ValueError("row")
    return _rows(value, length)


def _whole(value: Json, least: int, most: int) -> int:
    if type(value) is not int or not least <= value <= most:
        raise ValueError("number")
    return value


def _text(value: Json, most: int) -> str:
    if not isinstance(value, str) or len(value) > most:
        raise ValueError("text")
    return value
