"""What a session observes, collected on its messages' way and told off it.

On the way nearly every record is an `Allowed` one: it is counted by what it is, in one look into a
dictionary, and only `drain` says what it meant. Any other record is read at once and closes what
was counted before it, as does every second, so entries keep the order and the time of their
records.
"""

from collections import Counter, defaultdict
from collections.abc import Callable, Mapping, Sequence
from typing import Final, TypeAlias, TypedDict, Unpack, cast

from mcpguard.model import DOWN, UP, Allowed, Json, JsonObject
from mcpguard.trust.account import CALLER, MET, SERVER, STARTED, Entry, Party, about, mark
from mcpguard.trust.fold import Reader
from mcpguard.trust.score import EFFECTS, Event

__all__ = ["Watcher"]

Told: TypeAlias = "Mapping[str, Json | bytes] | Allowed"
"""What a record says; `audit.record.Told`, which this room may not import."""

_ANSWER: Final = (DOWN, "tools/call")
_CALL: Final = (UP, "tools/call")
_DECIDED: Final = frozenset({"allow", "deny", "would_deny"})
MAX_NAMES = 1024
"""Tools whose calls are counted by name; a host that invents more has those counted as one."""

"""Direction and method of what counts among what was allowed without remark."""

_SECOND: Final = 1_000_000
"""Microseconds."""

ATTACKS: Final = frozenset(event.value for event, effect in EFFECTS.items() if effect.attack)
"""Kinds of entries that take a score down at once, so nobody should learn of them late."""


def _calm() -> None:
    """Nobody has to hear of an attack before the next look."""


class _More(TypedDict, total=False):
    level: int
    mark: str
    times: int


_TRACED = frozenset((
    "direction", "method", "target", "decision",
    "trace_id", "span_id", "parent_id", "sampled", "request_id", "duration_us",
))  # fmt: skip
"""What the record says of a traced request that was allowed without remark, and no more."""


def _unremarked(told: Mapping[str, Json]) -> Allowed | None:
    """The same without its span: a traced session tells of each call apart."""
    if told.get("decision") != "allow":
        return None
    if not _TRACED.issuperset(told):
        return None
    return Allowed(str(told["direction"]), str(told["method"]), str(told["target"]))


class Watcher:
    """One session's. `level`: of the caller, set anew when something else was proved of him.

    `lock`: the lockfile's digest as `session.start` states it, or empty. `seq`: of that record.
    `now`: Unix seconds, by the clock of the log. `alarm`: called when an attack was seen.
    """

    def __init__(
        self,
        *,
        session: str,
        server: str,
        principal: str,
        level: int,
        lock: str,
        seq: int,
        now: float,
        alarm: Callable[[], None] = _calm,
    ) -> None:
        self.level = level
        self._alarm = alarm
        self._session = session
        self._server, self._caller = Party(SERVER, server), Party(CALLER, principal)
        self._reader = Reader()
        self._met = -1
        self._second = float(int(now))
        self._at = now
        self._seq = seq
        self._counts: defaultdict[Allowed, int] = defaultdict(int)
        self._kept: list[Entry] = []
        self._calls: Counter[tuple[str, bool]] = Counter()
        self._keep(self._server, STARTED, level=1 if lock else 0, mark=mark(lock))

    def seen(self, records: Sequence[tuple[Told, bytes]], seq: int, now: float) -> None:
        """`records` were written, at `now`; `seq`: the number of the last of them."""
        if not 0.0 <= now - self._second < 1.0:
            self._close()
            self._second = float(int(now))
        counts = self._counts
        for told, _ in records:
            if type(told) is Allowed:
                counts[told] += 1
            else:
                place = next(place for place, each in enumerate(records) if each[0] is told)
                number = seq - len(records) + 1 + place
                self._hear(cast("Mapping[str, Json]", told), number, now)
        self._at = now
        self._seq = seq

    def counted(self, allowed: Mapping[Allowed, int], seq: int, now: float) -> None:
        """Records allowed without remark that were written within a second, and counted elsewhere.

        `seq`, `now`: of the last of them.
        """
        if not 0.0 <= now - self._second < 1.0:
            self._close()
            self._second = float(int(now))
        for told, times in allowed.items():
            self._counts[told] += times
        self._at, self._seq = now, seq

    def drain(self) -> list[Entry]:
        """What was seen since the last time, in order. To be kept until it was published."""
        self._close()
        kept, self._kept = self._kept, []
        return kept

    def calls(self) -> dict[str, tuple[int, int]]:
        """Of each tool that was called: how often so far, and how many of those were denied."""
        self._close()
        names = sorted({name for name, _ in self._calls})
        told = {name: (self._calls[name, False], self._calls[name, True]) for name in names}
        return {name: (allowed + denied, denied) for name, (allowed, denied) in told.items()}

    def _hear(self, told: Mapping[str, Json], number: int, now: float) -> None:
        """A record that was written out."""
        plain = _unremarked(told)
        if plain is not None:
            self._counts[plain] += 1
        else:
            self._read(told, number, now)

    def _read(self, told: Mapping[str, Json], number: int, now: float) -> None:
        """Any other record: what was counted before it ends, and it says what it says."""
        if self._counts:
            self._at, self._seq = now, number - 1
            self._close()
        self._at, self._seq = now, number
        if "event" not in told:
            self._meet()
            decided = told.get("decision") in _DECIDED and told.get("stage") != "wire"
            if decided and (told.get("direction"), told.get("method")) == _CALL:
                self._count(str(told.get("target", "")), denied=told.get("decision") != "allow")
        who: JsonObject = {
            "session": self._session,
            "server": self._server.name,
            "principal": self._caller.name,
            "seq": number,
            "level": self.level,
        }
        for entry in self._reader.entries({**told, **who}, int(now * _SECOND)):
            again = self._again(entry)
            if again:
                self._kept.pop()
            self._kept.append(entry._replace(times=again + 1))
            if entry.kind in ATTACKS:
                self._alarm()

    def _again(self, entry: Entry) -> int:
        """How often the last one said the same in the same second: a flood takes one place."""
        last = self._kept[-1] if self._kept else entry._replace(kind=MET)
        same = (last.party, *last[4:8]) == (entry.party, *entry[4:8])
        return last.times if same and last.at // _SECOND == entry.at // _SECOND else 0

    def _close(self) -> None:
        """What was counted becomes entries of the last record that was counted."""
        if not self._counts:
            return
        self._meet()
        for allowed, times in self._counts.items():
            if (allowed.direction, allowed.method) == _ANSWER:
                name = about(allowed.target or allowed.method)
                self._keep(self._server, Event.SUCCESS, name, times=times)
                self._keep(self._caller, Event.SUCCESS, name, level=self.level, times=times)
            elif (allowed.direction, allowed.method) == _CALL:
                self._count(allowed.target, times)
        self._counts.clear()

    def _count(self, name: str, times: int = 1, *, denied: bool = False) -> None:
        known = len(self._calls) < MAX_NAMES or (name, denied) in self._calls
        self._calls[name if known else "", denied] += times

    def _meet(self) -> None:
        """A decision makes both known, whatever it says."""
        if self._met != self.level:
            self._met = self.level
            self._keep(self._server, MET)
            self._keep(self._caller, MET, level=self.level)

    def _keep(self, party: Party, kind: str, name: str = "", **more: Unpack[_More]) -> None:
        at = int(self._at * _SECOND)
        self._kept.append(Entry(party, at, self._session, self._seq, kind, name, **more))
