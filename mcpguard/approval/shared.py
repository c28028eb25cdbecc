"""A yes that waits in the store: it admits one identical call at whichever proxy it comes back to.

A grant is one key, `grant/BINDING/REQUEST`, and holds the signed answers themselves. Whoever finds
it verifies them again, with its own approvers and its own quorum, and uses it by replacing exactly
the version it saw: so it is used once over all threads, processes and machines. What replaces it
stays until the answers have expired, so that whoever published it and was not told, and does it
again, brings nothing back. The store can lose a grant or hide it, never make one. What it can do,
if somebody else writes in it, is to bring one back that was used: a proxy remembers those it used.

All functions that take a store block: they are for the worker thread, and raise StoreError.
"""

from typing import NamedTuple

from mcpguard.approval.outcome import Grant
from mcpguard.approval.statement import (
    MAX_LIFE,
    SKEW,
    Answer,
    Binding,
    Flaw,
    Signed,
    Verify,
    binding_digest,
    envelope,
    fresh,
    opened,
    statement_payload,
)
from mcpguard.approval.tickets import SHORT, Spent
from mcpguard.model import Json
from mcpguard.store import ABSENT, Store

__all__ = [
    "MAX_ANSWERS",
    "MAX_GRANTS",
    "PREFIX",
    "Admitted",
    "consume",
    "grant_key",
    "grant_of",
    "grant_value",
    "publish",
    "revoke",
    "sweep",
]

PREFIX = "grant/"
"""Of every grant's key."""

MAX_GRANTS = 64
"""Grants for one and the same call that are looked at: as many as a queue has tickets."""

MAX_ANSWERS = 16
"""Answers of one grant that are verified. A quorum is smaller."""


class Admitted(NamedTuple):
    """A grant was used up. `by`: the names of the approvers."""

    request: str
    by: tuple[str, ...]


def grant_key(binding: Binding, request: str) -> str:
    """Where the grant of that asking is."""
    return f"{_place(binding)}{request}"


def grant_value(grant: Grant) -> Json:
    """A grant as it is stored."""
    return {"v": 1, "answers": [envelope(each) for each in grant.answers]}


def grant_of(value: Json) -> tuple[Signed, ...] | Flaw:
    """The answers of a `grant_value`; a flaw for anything else. Verifies no signature."""
    if not isinstance(value, dict) or set(value) != {"v", "answers"} or value["v"] != 1:
        return Flaw.MALFORMED
    answers = value["answers"]
    if not isinstance(answers, list) or not 0 < len(answers) <= MAX_ANSWERS:
        return Flaw.MALFORMED
    read = [opened(each) for each in answers]
    signed = tuple(each for each in read if isinstance(each, Signed))
    return signed if len(signed) == len(read) else Flaw.MALFORMED


def publish(store: Store, grant: Grant) -> bool:
    """Leaves a grant for whoever comes with that call. False: it is there already, or was used.

    May be done again when it is not known whether it was done.
    """
    key = grant_key(grant.binding, grant.answers[0].statement.request)
    return store.put(key, grant_value(grant), ABSENT) is not None


def consume(
    store: Store,
    binding: Binding,
    verify: Verify,
    spent: Spent,
    *,
    quorum: int,
    now: int,
    life: int,
) -> Admitted | None:
    """Uses up one grant for exactly this call, if there is one that counts at `now` (Unix s).

    `spent`: what this process used up, here or in a `Queue`: the same one for both. `life`: the
    seconds a yes lasts here (`retry`). None: nobody allowed it, or another call was faster.
    """
    place = _place(binding)
    there = [row for row in store.list(place).items() if _is_open(row[1].value)]
    rows = sorted(there, key=lambda row: row[1].version)
    for key, (value, version) in rows[:MAX_GRANTS]:
        request = key.removeprefix(place)
        asked = (binding, request)
        counting = _counting(value, asked, verify, now, life)
        if len(counting) < max(1, quorum) or spent.has(request):
            continue
        if store.put(key, _ended(now), version) is not None:
            spent.add(request)
            return Admitted(request, tuple(counting.values()))
    return None


def revoke(store: Store, ticket: str, now: int) -> int:
    """Takes back every grant of that ticket that was not used up. How many. `now`: Unix seconds."""
    rows = store.list(PREFIX).items()
    found = [row for row in rows if _ticket(row[0]) == ticket and _is_open(row[1].value)]
    return sum(store.put(key, _ended(now), value.version) is not None for key, value in found)


def sweep(store: Store, now: int) -> int:
    """Deletes what has expired, used or not, and what cannot be read. How many."""
    old = [row for row in store.list(PREFIX).items() if _is_over(row[1].value, now)]
    return sum(store.delete(key, value.version) is not None for key, value in old)


def _place(binding: Binding) -> str:
    return f"{PREFIX}{binding_digest(binding)}/"


def _ticket(key: str) -> str:
    return key.rpartition("/")[2][:SHORT]


def _ended(now: int) -> Json:
    """What stands for a grant that admits nothing any more. Its answers expire before that does."""
    return {"v": 1, "ended": now, "until": now + MAX_LIFE + SKEW}


def _is_open(value: Json) -> bool:
    return not isinstance(grant_of(value), Flaw)


def _is_over(value: Json, now: int) -> bool:
    if isinstance(value, dict) and type(value.get("until")) is int:
        return now >= int(str(value["until"]))
    answers = grant_of(value)
    return isinstance(answers, Flaw) or all(now >= each.statement.until for each in answers)


def _counting(
    value: Json, asked: tuple[Binding, str], verify: Verify, now: int, life: int
) -> dict[str, str]:
    """Key id -> name of the approvers whose yes to exactly this counts now. A no: nobody's."""
    answers = grant_of(value)
    if isinstance(answers, Flaw):
        return {}
    if any(each.statement.answer is not Answer.YES for each in answers):
        return {}
    counting: dict[str, str] = {}
    for each in answers:
        said = each.statement
        alike = (said.binding, said.request) == asked
        if alike and fresh(said, now, life) is None:
            name = verify(each.key, statement_payload(said), each.signature)
            if name:
                counting[each.key] = name
    return counting
