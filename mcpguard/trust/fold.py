"""Audit records -> events -> standings. The log is the truth; a score anywhere else is a copy.

Which record is which event is `_SERVER` and `_CALLER` below, and these rules:

- an allowed answer to a `tools/call` is a success of the server and of the caller; one that a stage
  rewrote is a partial one of the server. With `outcome` "error" (a JSON-RPC error) it is a failure
  of the server. With "tool_error" (the tool's own `isError`) it moves nothing;
- what a mode let pass (`would_deny`) counts like a denial: it was observed;
- an item that drifted counts once, until a session starts with a lockfile never seen before: that
  is a person's new review, and a server that had fallen begins anew;
- a server that ended counts once a session, however many answers it owed;
- an answer to no request is forged, unless a request of that session had timed out before it:
  then it may be the late answer to that one, once;
- every other record moves nobody, above all a denial of what the host asked for.

The caller's level is the `level` its records state, else 1 for a profile of this machine and 0 for
anybody else. A server's is 1 behind a lockfile, 0 without one.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from datetime import UTC, datetime
from itertools import groupby, product
from typing import Final, NamedTuple

from mcpguard.errors import AuditError
from mcpguard.model import JsonObject, Reason
from mcpguard.trust.score import LEVELS, Event, Standing, effective

__all__ = ["CALLER", "SERVER", "Difference", "Fold", "Observed", "Party", "check", "fold", "moment"]

CALLER, SERVER = "caller", "server"
"""The two roles of a `Party`."""

GRACE = 5
"""Seconds. A stated score may be one that held so long before its record: another proxy's events
arrive by way of the store, and a decision is made before it is written."""

_UP, _DOWN = "host>server", "server>host"
_DENIED = frozenset({"deny", "would_deny"})
_CALL = "tools/call"

_SERVER: Final[Mapping[str, Event]] = {
    Reason.TIMEOUT: Event.TIMEOUT,
    Reason.PARSE: Event.FAILURE,
    Reason.ENVELOPE: Event.FAILURE,
    Reason.UNVERIFIED: Event.FAILURE,
    Reason.UNKNOWN_RESULT_TYPE: Event.FAILURE,
    Reason.SERVER_GONE: Event.FAILURE,
    Reason.DRIFTED: Event.DRIFT,
    Reason.DOUBLED: Event.DRIFT,
    Reason.LINK_NOT_LOCKED: Event.EVASION,
}
"""Reasons of what was denied on its way from the server, as its event."""

_SCAN = "scan"
"""The stage whose denials are attacks of whoever sent what it found, in either direction."""


class Party(NamedTuple):
    """Whose standing it is. `role`: `CALLER` or `SERVER`. `name`: as the records give it."""

    role: str
    name: str


class Observed(NamedTuple):
    """One event of one party. `at`: Unix seconds. `about`: the record's target or method."""

    party: Party
    event: Event
    at: int
    about: str


class Fold:
    """Standings as they grow, one record after another, in the order of their times.

    The daemon feeds it what it writes; `fold` feeds it whole logs. The same records in the same
    order give the same standings.
    """

    def __init__(self) -> None:
        self.standings: dict[Party, Standing] = {}
        self._late: Counter[tuple[str, str]] = Counter()
        self._gone: set[str] = set()
        self._drifted: set[tuple[str, str, str]] = set()
        self._locks: dict[str, set[str]] = {}

    def take(self, record: JsonObject) -> list[Observed]:
        """Count `record`; what it was. Raises AuditError for a record that cannot be placed."""
        at = moment(record)
        if "event" in record:
            server = Party(SERVER, _text(record, "server"))
            found = self._started(record, server) if record["event"] == "session.start" else []
        else:
            found = list(self._judged(record, *self.introduce(record)))
        about = _text(record, "target") or _text(record, "method")
        observed = [Observed(party, event, at, about) for party, event in found]
        for party, event in found:
            self.standings[party] = self.standings[party].after(event, at, about)
        return observed

    def introduce(self, record: JsonObject) -> tuple[Party, Party]:
        """The server and the caller of a decision, each with a standing from now on."""
        server = Party(SERVER, _text(record, "server"))
        caller = Party(CALLER, _text(record, "principal"))
        self.standings.setdefault(server, Standing.new(1))
        self._stand(caller, _level(record))
        return server, caller

    def _stand(self, party: Party, level: int) -> None:
        held = self.standings.get(party)
        self.standings[party] = held.on_level(level) if held else Standing.new(level)

    def _started(self, record: JsonObject, server: Party) -> list[tuple[Party, Event]]:
        lock = _text(record, "lock")
        self._stand(server, 1 if lock else 0)
        known = self._locks.setdefault(server.name, set())
        if not lock or lock in known:
            return []
        known.add(lock)
        self._drifted = {each for each in self._drifted if each[0] != server.name}
        return [(server, Event.REVIEWED)] if len(known) > 1 else []

    def _judged(
        self, record: JsonObject, server: Party, caller: Party
    ) -> Iterator[tuple[Party, Event]]:
        """The events of a decision's record."""
        direction, decision = _text(record, "direction"), _text(record, "decision")
        sender = {_UP: caller, _DOWN: server}.get(direction)
        reason, session = _text(record, "reason"), _text(record, "session")
        if sender is None:
            return
        if reason == Reason.TIMEOUT:
            self._late[session, direction] += 1
        if decision in _DENIED:
            if _text(record, "stage") == _SCAN:
                yield sender, Event.SCANNER
            elif sender is server and reason in _SERVER and self._is_news(record, reason):
                yield server, _SERVER[reason]
        elif decision == "drop" and reason == Reason.UNKNOWN_ID:
            if self._late[session, direction]:
                self._late[session, direction] -= 1
            else:
                yield sender, Event.FORGERY
        elif sender is server and decision == "allow" and record.get("method") == _CALL:
            yield from _answered(record, server, caller)

    def _is_news(self, record: JsonObject, reason: str) -> bool:
        """Whether a denial is the first one of its cause."""
        server, session = _text(record, "server"), _text(record, "session")
        if reason == Reason.SERVER_GONE:
            news = session not in self._gone
            self._gone.add(session)
            return news
        if _SERVER[reason] is not Event.DRIFT:
            return True
        item = (server, _text(record, "method"), _text(record, "target"))
        news = item not in self._drifted
        self._drifted.add(item)
        return news


def _answered(record: JsonObject, server: Party, caller: Party) -> Iterator[tuple[Party, Event]]:
    """The events of an answer that was passed on."""
    outcome = _text(record, "outcome")
    if outcome == "error":
        yield server, Event.FAILURE
    elif not outcome:
        yield server, Event.PARTIAL if _text(record, "stage") else Event.SUCCESS
        yield caller, Event.SUCCESS


def fold(records: Iterable[JsonObject]) -> dict[Party, Standing]:
    """The standings that `records` make, of one log or of many, in whatever order they come.

    `records`: as `audit.read` gives them. They are put in the order of their times (`ts`, then
    session and `seq`); one that is given twice counts once. Raises AuditError for one without time.
    """
    every = Fold()
    for record in _ordered(records):
        every.take(record)
    return every.standings


def _ordered(records: Iterable[JsonObject]) -> Iterator[JsonObject]:
    for _, same in groupby(sorted(records, key=_place), _place):
        yield next(same)


def _place(record: JsonObject) -> tuple[str, str, int]:
    seq = record.get("seq")
    moment(record)
    return _text(record, "ts"), _text(record, "session"), seq if isinstance(seq, int) else 0


def moment(record: JsonObject) -> int:
    """When `record` was written, in Unix seconds. Raises AuditError without an RFC 3339 time."""
    with suppress(ValueError, OverflowError):
        when = datetime.fromisoformat(_text(record, "ts"))
        if when.tzinfo is not None:
            return int(when.astimezone(UTC).replace(microsecond=0).timestamp())
    raise AuditError(
        f"record {record.get('seq')} of session {_text(record, 'session')[:64]!r} has no time",
        hint="run: mcpguard audit verify",
    )


class Difference(NamedTuple):
    """A record that states a score which is not the one its log gives."""

    record: JsonObject
    stated: int
    computed: int


class _Lately:
    """The standings a party had in the last `GRACE` seconds."""

    def __init__(self) -> None:
        self._known: dict[Party, list[tuple[int, Standing]]] = {}

    def note(self, party: Party, standing: Standing, at: int) -> None:
        """`standing` holds from `at` on. What ended before the grace began is forgotten."""
        known = self._known.setdefault(party, [])
        known.append((at, standing))
        while len(known) > 1 and known[1][0] < at - GRACE:
            del known[0]

    def scores(self, party: Party, at: int) -> set[int]:
        """Every score it had from `at - GRACE` to `at`."""
        moments = (at - GRACE, at)
        return {held.at(when).score for _, held in self._known[party] for when in moments}


def check(records: Iterable[JsonObject]) -> tuple[int, Difference | None]:
    """How many of `records` state a score, and the first that states another than they give.

    A record's `score` is what the trust stage held against the threshold: the least of caller and
    server. One of level 0 and score 0 states none. A score that held at most `GRACE` seconds
    before is right as well. Raises AuditError for a record that cannot be placed.
    """
    every, lately, stated = Fold(), _Lately(), 0
    for record in _ordered(records):
        at = moment(record)
        if "event" not in record:
            parties = every.introduce(record)
            for party in parties:
                lately.note(party, every.standings[party], at)
            told = _stated(record)
            if told is not None:
                stated += 1
                scores = [lately.scores(party, at) for party in parties]
                if told not in {min(pair) for pair in product(*scores)}:
                    held = effective(every.standings[party].at(at).held for party in parties)
                    return stated, Difference(record, told, held.score)
        for party in {each.party for each in every.take(record)}:
            lately.note(party, every.standings[party], at)
    return stated, None


def _stated(record: JsonObject) -> int | None:
    score = record.get("score")
    if isinstance(score, bool) or not isinstance(score, int):
        return None
    return score if score or record.get("level") else None


def _text(record: JsonObject, key: str) -> str:
    value = record.get(key)
    return value if isinstance(value, str) else ""


def _level(record: JsonObject) -> int:
    """The caller's level as the record states it, else what its name alone proves."""
    level = record.get("level")
    if isinstance(level, int) and not isinstance(level, bool) and 0 < level < len(LEVELS):
        return level
    return int(_text(record, "principal").startswith("local:"))
