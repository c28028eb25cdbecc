"""Approvals that no running session holds: what ended sessions left in the store that all share.

Whoever finds such a yes verifies its signatures again, with the approvers of its own session.
"""

from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from datetime import UTC, datetime
from pathlib import Path

from mcpguard.approval.orphans import Left, answer_left, left, refuse_left
from mcpguard.approval.outcome import Became
from mcpguard.approval.shared import revoke
from mcpguard.approval.statement import Signed, opened
from mcpguard.approval.texts import nobody_text
from mcpguard.cli import reach
from mcpguard.cli.signing import folder
from mcpguard.config.flags import STATE
from mcpguard.errors import RefusalError
from mcpguard.identity.keys import approvers, verifier
from mcpguard.model import JsonObject
from mcpguard.store import Store

__all__ = ["approved", "every", "taken_back"]


def every(now: int | None = None) -> list[tuple[str, JsonObject]]:
    """What was left, and by which session; as a session shows it. Raises StoreError."""
    moment = _now() if now is None else now
    return [(one.session, one.value(moment)) for one in _all(moment)]


def approved(statement: JsonObject) -> JsonObject:
    """Adds a signed yes to what was left; what became of it. Raises RefusalError, StoreError."""
    signed = opened(statement)
    if not isinstance(signed, Signed):
        raise RefusalError(f"the answer does not count: {signed}", hint=_AGAIN)
    from mcpguard.config.loading import load

    quorum = load(server=signed.statement.binding.server).settings.approvals.quorum
    counting = approvers(folder())
    if few := nobody_text(len(counting), quorum):
        raise RefusalError(few, hint="or ask fewer: approvals.quorum in mcpguard.yaml")
    verify = verifier(counting)
    with _store() as stores:
        for store in stores:
            done = answer_left(store, signed, verify, quorum=quorum, now=_now())
            if done.became in {Became.COUNTED, Became.AGAIN, Became.GRANTED_LATER}:
                return _told(done.ticket, store, quorum, granted=done.became in _GRANTED)
            why = done.flaw or done.became
            raise RefusalError(f"the answer does not count: {why}", hint=_AGAIN)
    raise RefusalError("the store is gone, so nothing waits there", hint=_AGAIN)


def taken_back(ticket: str) -> bool:
    """A no to what waits in the store under `ticket`, or to its yes that was not used yet."""
    with _store() as stores:
        done = [(refuse_left(each, ticket), revoke(each, ticket, _now())) for each in stores]
    return any(any(each) for each in done)


_AGAIN = "see what waits with: mcpguard approve list"

_GRANTED = frozenset((Became.GRANTED_LATER,))


def _told(ticket: str, store: Store, quorum: int, *, granted: bool) -> JsonObject:
    said = [len(one.answers) for one in left(store, _now()) if one.ticket == ticket]
    missing = 0 if granted else quorum - sum(said)
    return {"ticket": ticket, "answer": "yes", "missing": missing}


def _all(now: int) -> Sequence[Left]:
    with _store() as stores:
        return [one for store in stores for one in left(store, now)]


@contextmanager
def _store() -> Iterator[Sequence[Store]]:
    """The store that the settings name, or none where there is none yet. Looking makes none."""
    from mcpguard.config.loading import load

    chosen = load().settings.store
    place = Path(chosen.where) if chosen.where else reach.home() / STATE
    if chosen.backend == "memory" or (chosen.backend == "sqlite" and not place.is_file()):
        yield ()
        return
    with closing(reach.open_store()) as store:
        yield (store,)


def _now() -> int:
    return int(datetime.now(UTC).timestamp())
