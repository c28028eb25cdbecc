"""What is in flight in one direction: the only place where a peer's id and a wire id meet."""

from collections.abc import Callable, Container, Iterator
from typing import TYPE_CHECKING, NamedTuple

from mcpguard.model import Call, Json, JsonObject, Reason, Result, Wait
from mcpguard.wire.jsonrpc import Id
from mcpguard.wire.methods import About, Row

if TYPE_CHECKING:
    from mcpguard.wire.tracing import Span

__all__ = [
    "NEVER",
    "Entry",
    "HeldAnswer",
    "PendingTable",
    "RefusedError",
    "Waiting",
    "draw",
    "end_span",
    "has_span",
]

NEVER = float("inf")
"""Deadline of `subscriptions/listen`, which ends when somebody ends it."""

MAX_ID = 64
"""Characters of a request's id in its record: a UUID fits."""

_TRIES = 3
"""Draws before a repeating random source counts as broken."""


class RefusedError(Exception):
    """A request cannot be taken up; nothing was sent."""

    def __init__(self, reason: Reason, message: str) -> None:
        super().__init__(message)
        self.reason = reason


def draw(mint: Callable[[], int], taken: Container[Json]) -> int:
    """A number that is not in `taken`.

    Raises:
        RefusedError: the random source fails or repeats itself.
    """
    try:
        number, tries = mint(), 1
        while number in taken and tries < _TRIES:
            number, tries = mint(), tries + 1
    except Exception as error:
        raise RefusedError(Reason.RNG_FAILED, "no random id can be drawn") from error
    if number in taken:
        raise RefusedError(Reason.RNG_FAILED, "the random source repeats itself")
    return number


class Entry:
    """One request in flight. `given` is its sender's id and never crosses; `wire_id` does.

    `plain`: a tool's call with nothing in it but name and arguments, which has no token, task or
    state of its own. `said`: what the host's user answered before the request was repeated. `span`:
    set by a tracer alone, see `tracing`.
    """

    span: "Span"
    modern = plain = internal = sent = cancelled = False
    token: Json = None
    wire_token: Json = None
    judged_as: tuple[str, str] | None = None
    bound = b""
    said: bool | None = None

    def __init__(self, given: Id, wire_id: int, row: Row, deadline: float) -> None:
        self.given = given
        self.wire_id = wire_id
        self.row = row
        self.deadline = deadline
        self.target = ""
        self.params: JsonObject = {}

    @property
    def about(self) -> About:
        """What a record of it names."""
        return self.row.name, self.target

    def forget(self) -> None:
        """Keep of the parameters only what the answer is read with (`Row.kept`)."""
        params, self.params = self.params, {}
        for key in self.row.kept:
            if key in params:
                self.params[key] = params[key]


def has_span(entry: Entry) -> bool:
    """Whether it is traced and has not ended: where nobody traces, nothing is set in an entry."""
    return hasattr(entry, "span")


def end_span(entry: Entry, now: float, *, apart: bool) -> JsonObject | None:
    """What the record says of its span with which a request ends; None when none is left.

    `apart`: that record is about another method, so it names the request's too.
    """
    if not has_span(entry):
        return None
    made = entry.span.ended(now)
    del entry.span  # a second end finds nothing
    if apart:
        made["request_method"] = entry.row.name
    made["request_id"] = str(entry.given)[:MAX_ID]
    return made


class Waiting(NamedTuple):
    """A call that a stage cannot decide yet. `since`: when it came. `told`: reminders sent.

    `asked`: the question to the host's own user, in flight. `said`: what he answered.
    """

    entry: Entry
    call: Call
    wait: Wait
    since: float
    told: int = 0
    asked: Entry | None = None
    said: bool | None = None


class HeldAnswer(NamedTuple):
    """A server's answer that a stage cannot decide yet. `since`: when it came."""

    entry: Entry
    result: Result
    exact_form: bool
    since: float


class PendingTable:
    """Requests in flight from one side, bounded; an id leaves it exactly once."""

    def __init__(self, limit: int, timeout: float, mint: Callable[[], int]) -> None:
        self._limit = limit
        self._timeout = timeout
        self._mint = mint
        self._by_wire: dict[int, Entry] = {}
        self._by_given: dict[Id, Entry] = {}

    def __len__(self) -> int:
        return len(self._by_wire)

    def __iter__(self) -> Iterator[Entry]:
        return iter(tuple(self._by_wire.values()))

    def open(self, given: Id, row: Row, now: float, *, internal: bool = False) -> Entry:
        """A slot for a request; `internal` ones are mcpguard's own and have no sender.

        Raises:
            RefusedError: the id is in flight already, the table is full, or no id can be drawn.
        """
        by_wire = self._by_wire
        if not internal and given in self._by_given:
            raise RefusedError(Reason.DUPLICATE_ID, "a request with this id is in flight")
        if len(by_wire) >= self._limit:
            self._make_room()
        wire_id = draw(self._mint, by_wire)
        by_wire[wire_id] = entry = Entry(given, wire_id, row, now + self._timeout)
        if internal:
            entry.internal = True
        else:
            self._by_given[given] = entry
        return entry

    def _make_room(self) -> None:
        """Give up the slot of the oldest cancelled request: its late answer finds nothing."""
        for entry in self._by_wire.values():
            if entry.cancelled and entry.sent:
                self.close(entry)
                return
        text = f"{self._limit} requests are in flight; wait for an answer"
        raise RefusedError(Reason.SATURATED, text)

    def sent(self, wire_id: Json) -> Entry | None:
        """The request the other side was given under `wire_id`, if it still waits."""
        entry = self._by_wire.get(wire_id) if type(wire_id) is int else None
        return entry if entry is not None and entry.sent else None

    def given(self, given: Json) -> Entry | None:
        """The request its sender calls `given`."""
        return self._by_given.get(given) if type(given) in (int, str) else None  # type: ignore[arg-type]

    def close(self, entry: Entry) -> None:
        """Forget a request: a second answer with its id finds nothing."""
        if self._by_wire.pop(entry.wire_id, None) is not None and not entry.internal:
            del self._by_given[entry.given]

    def expired(self, now: float) -> list[Entry]:
        """Requests past their deadline, oldest first."""
        return [entry for entry in self._by_wire.values() if entry.deadline <= now]

    def extend(self, entry: Entry, now: float) -> None:
        """Its answer is alive (progress): the deadline starts again."""
        if entry.deadline != NEVER:
            entry.deadline = now + self._timeout

    def pause(self, elapsed: float) -> None:
        """Push the senders' deadlines back: the other side waits for a person."""
        for entry in self._by_wire.values():
            if not entry.internal:
                entry.deadline += elapsed
