"""The trust stage of a session whose store was not read yet."""

from collections.abc import Callable

from mcpguard.live.stages.counting import UNREAD
from mcpguard.model import ALLOW, Call, Context, Reason, Subject, Verdict, Wait

__all__ = ["AT_HAND", "Unread"]

AT_HAND = frozenset({"loading", "known"})
"""States in which the answer comes, or has come and is taken over in the same turn of the worker: a
call that came in between was denied for a store that had just been read."""


class Unread:
    """The trust stage until the store was read: whoever is blocked is written there.

    `state`: of the observer. Calls of tools wait; when the store cannot be read they are denied.
    """

    def __init__(self, state: Callable[[], str]) -> None:
        self._state = state

    def judge(self, subject: Subject, ctx: Context) -> Verdict | Wait:
        """See `Stage.judge`."""
        if not isinstance(subject, Call) or not subject.target:
            return ALLOW
        state = self._state()
        if state in AT_HAND:
            return UNREAD
        return Verdict.deny(Reason.STORE_LOST, _SLOW if state == "slow" else _UNREADABLE)


_UNREADABLE = "the store that says who is blocked cannot be read"
_SLOW = "scores are still being made from the audit logs: it works when they are, try again then"
