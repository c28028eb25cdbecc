"""Audit records -> events -> standings. The log is the truth; a score anywhere else is a copy.

Which record is which event is `_SERVER` below, and these rules:

- an allowed answer to a `tools/call` is a success of the server and of the caller; one that a stage
  rewrote is a partial one of the server. With `outcome` "error" (a JSON-RPC error) it is a failure
  of the server, and so is "off_schema" (a result that the tool's own schema does not permit). With
  "tool_error" (the tool's own `isError`) it moves nothing;
- what a mode let pass (`would_deny`) counts like a denial: it was observed;
- an item that drifted counts once, until a session starts with a lockfile never seen before: that
  is a person's new review, and a server that had fallen begins anew;
- a server that ended counts once a session, however many answers it owed. One that ended over an
  `initialize`, whose parameters are the host's own, has failed nobody who could use it: it moves
  nothing, and nor does the end of one that owed only what the host had cancelled (a "note");
- an answer to no request is forged, unless a request of that session had timed out before it:
  then it may be the late answer to that one, once. A notice about something unknown is no
  answer (its record names a method): a cancellation crosses the answer on its way;
- `trust.reset` with the id of the key that signed it begins the standing of who it names anew;
- every other record moves nobody, above all a denial of what the host asked for.

The caller's level is the `level` its records state, else 1 for a profile of this machine and 0 for
anybody else. A server's is 1 behind a lockfile, 0 without one.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from datetime import UTC, datetime
from heapq import merge
from itertools import groupby, product
from typing import Final, NamedTuple

from mcpguard.errors import AuditError
from mcpguard.model import DOWN, MAX_SEQ, UP, JsonObject, Reason
from mcpguard.trust.account import (
    CALLER,
    MET,
    SERVER,
    STARTED,
    Account,
    Entry,
    Party,
    about,
    enrolled,
    mark,
)
from mcpguard.trust.score import LEVELS, Event, Standing, effective
from mcpguard.trust.shared import Shared, latest

__all__ = [
    "CALLER",
    "SERVER",
    "Difference",
    "Fold",
    "Observed",
    "Party",
    "Reader",
    "check",
    "fold",
    "fold_all",
    "fold_logs",
    "instant",
    "moment",
]

GRACE = 10
"""Seconds. A stated score may be one that held so long before its record: another proxy's events
arrive by way of the store, and a decision is made before it is written. On an idle machine four are
enough; on one with more busy programs than cores five were once too few."""

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
    Reason.AMBIGUOUS: Event.EVASION,
}
"""Reasons of what was denied on its way from the server, as its event."""

_SCAN = "scan"
"""The stage whose denials are attacks of whoever sent what it found, in either direction."""


class Observed(NamedTuple):
    """One event of one party. `at`: Unix seconds. `about`: the record's target or method."""

    party: Party
    event: Event
    at: int
    about: str


class Reader:
    """Records to entries: what each says of whom, by itself or after others of its session."""

    def __init__(self) -> None:
        self._late: Counter[tuple[str, str]] = Counter()
        self._gone: set[str] = set()

    def entries(self, record: JsonObject, at: int) -> list[Entry]:
        """Those of `record`, written at `at` (Unix microseconds)."""
        session, seq = _text(record, "session"), _seq(record)
        name = about(_text(record, "target") or _text(record, "method"))
        if "event" in record:
            return list(_changed(record, at, session, seq))
        server, caller = _parties(record)
        level = _level(record)
        return [
            Entry(
                party,
                at,
                session,
                seq,
                event,
                name,
                level if party is caller else -1,
                _item(record) if event is Event.DRIFT else "",
            )
            for party, event in self._judged(record, server, caller)
        ]

    def _judged(
        self, record: JsonObject, server: Party, caller: Party
    ) -> Iterator[tuple[Party, Event]]:
        """The events of a decision's record, whether or not they are news."""
        direction, decision = _text(record, "direction"), _text(record, "decision")
        sender = {UP: caller, DOWN: server}.get(direction)
        reason, session = _text(record, "reason"), _text(record, "session")
        if sender is None:
            return
        if reason == Reason.TIMEOUT:
            self._late[session, direction] += 1
        if decision in _DENIED:
            if _text(record, "stage") == _SCAN:
                yield sender, Event.SCANNER
            elif sender is server and reason in _SERVER and self._is_news(record, session):
                yield server, _SERVER[reason]
        elif decision == "drop" and reason == Reason.UNKNOWN_ID and not _text(record, "method"):
            if self._late[session, direction]:
                self._late[session, direction] -= 1
            else:
                yield sender, Event.FORGERY
        elif sender is server and decision == "allow" and record.get("method") == _CALL:
            yield from _answered(record, server, caller)

    def _is_news(self, record: JsonObject, session: str) -> bool:
        """A server that ended is news once a session; what drifted, its account knows."""
        if record["reason"] != Reason.SERVER_GONE:
            return True
        if record.get("method") == "initialize":
            return False
        news = session not in self._gone
        self._gone.add(session)
        return news


class Fold:
    """Standings as they grow, one record after another, in the order of their times.

    The same records in the same order give the same standings.
    """

    def __init__(self) -> None:
        self.accounts: dict[Party, Account] = {}
        self.seen: dict[str, tuple[int, int]] = {}
        self._reader = Reader()

    @property
    def standings(self) -> dict[Party, Standing]:
        """Whoever took part, and where he stands."""
        return {party: account.standing for party, account in self.accounts.items()}

    def take(self, record: JsonObject) -> list[Observed]:
        """Count `record`; what it was. Raises AuditError for a record that cannot be placed."""
        at = instant(record)
        session, seq = _text(record, "session"), _seq(record)
        self.seen[session] = (at, max(seq, self.seen.get(session, (at, seq))[1]))
        if "event" not in record:
            self.introduce(record)
        return [
            Observed(entry.party, event, at // 1_000_000, entry.about)
            for entry in self._reader.entries(record, at)
            if (event := self._count(entry)) is not None
        ]

    def _count(self, entry: Entry) -> Event | None:
        account = self.accounts.get(entry.party) or Account.of(entry)
        self.accounts[entry.party], event = account.after(entry)
        return event

    def introduce(self, record: JsonObject) -> tuple[Party, Party]:
        """The server and the caller of a decision, each with a standing from now on."""
        server, caller = _parties(record)
        level = _level(record)
        if server not in self.accounts:
            self.accounts[server] = Account(Standing.new(1))
        held = self.accounts.get(caller)
        if held is None or held.standing.level != level:
            self._count(Entry(caller, 0, "", 0, MET, level=level))
        return server, caller


def _parties(record: JsonObject) -> tuple[Party, Party]:
    return Party(SERVER, _text(record, "server")), Party(CALLER, _text(record, "principal"))


def _changed(record: JsonObject, at: int, session: str, seq: int) -> Iterator[Entry]:
    """What a record that is no decision says: that a session began, or what a person changed."""
    if record["event"] == "session.start":
        lock, server = _text(record, "lock"), Party(SERVER, _text(record, "server"))
        level = 1 if lock else 0
        if server.name:  # a log of scans is about no server
            yield Entry(server, at, session, seq, STARTED, "", level, mark(lock))
    elif record["event"] == "trust.reset" and _text(record, "key"):
        party = Party(_text(record, "kind"), _text(record, "name"))
        if party.role in {CALLER, SERVER}:
            yield Entry(party, at, session, seq, Event.RESET, about(_text(record, "why")))


def _item(record: JsonObject) -> str:
    return mark(_text(record, "method"), _text(record, "target")) or "-"


def _answered(record: JsonObject, server: Party, caller: Party) -> Iterator[tuple[Party, Event]]:
    """The events of an answer that was passed on."""
    outcome = _text(record, "outcome")
    if outcome in {"error", "off_schema"}:
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


def fold_all(records: Iterable[JsonObject]) -> dict[Party, Shared]:
    """`fold`, as what proxies go on from: with all that their accounts need, and what is in it."""
    return _shared(_ordered(records))


def fold_logs(logs: Iterable[Iterable[JsonObject]]) -> dict[Party, Shared] | None:
    """`fold_all` of logs that are each in the order of their times, None when one is not.

    One record of each is in memory at a time. A clock that was set back puts a log out of order.
    """
    try:
        return _shared(_in_order(merge(*logs, key=_place)))
    except _OutOfOrderError:
        return None


class _OutOfOrderError(Exception):
    """A record is older than the one before it."""


def _in_order(records: Iterable[JsonObject]) -> Iterator[JsonObject]:
    last: tuple[int, str, int] | None = None
    for place, same in groupby(records, _place):
        if last is not None and place < last:
            raise _OutOfOrderError
        last = place
        yield next(same)


def _shared(records: Iterable[JsonObject]) -> dict[Party, Shared]:
    every = Fold()
    for record in records:
        every.take(record)
    seen = latest(every.seen)
    return {party: Shared(account, (), seen) for party, account in every.accounts.items()}


def _ordered(records: Iterable[JsonObject]) -> Iterator[JsonObject]:
    for _, same in groupby(sorted(records, key=_place), _place):
        yield next(same)


def _place(record: JsonObject) -> tuple[int, str, int]:
    return instant(record), _text(record, "session"), _seq(record)


def _seq(record: JsonObject) -> int:
    """Its number; 0 for none: a log that somebody spoiled must not spoil the standings too."""
    seq = record.get("seq")
    return seq if type(seq) is int and 0 < seq <= MAX_SEQ else 0


def moment(record: JsonObject) -> int:
    """When `record` was written, in Unix seconds. Raises AuditError without an RFC 3339 time."""
    return instant(record) // 1_000_000


def instant(record: JsonObject) -> int:
    """`moment` in microseconds."""
    with suppress(ValueError, OverflowError):
        when = datetime.fromisoformat(_text(record, "ts"))
        if when.tzinfo is not None:
            whole = when.astimezone(UTC).replace(microsecond=0)
            return int(whole.timestamp()) * 1_000_000 + when.microsecond
    raise AuditError(
        f"record {record.get('seq')} of session {_text(record, 'session')[:64]!r} has no time",
        hint="run: mcpguard audit verify",
    )


def _as_scored(standing: Standing) -> tuple[int, int, int]:
    """All that the scores of a standing at later times come from."""
    return standing.level, standing.score, standing.day


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
        # Thousands of calls in `GRACE` seconds move a score a few times only.
        if not known or _as_scored(known[-1][1]) != _as_scored(standing):
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
                lately.note(party, every.accounts[party].standing, at)
            told = _stated(record)
            if told is not None:
                stated += 1
                scores = [lately.scores(party, at) for party in parties]
                if told not in {min(pair) for pair in product(*scores)}:
                    held = effective(
                        every.accounts[party].standing.at(at).held for party in parties
                    )
                    return stated, Difference(record, told, held.score)
        for party in {each.party for each in every.take(record)}:
            lately.note(party, every.accounts[party].standing, at)
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
    return int(enrolled(_text(record, "principal")))
