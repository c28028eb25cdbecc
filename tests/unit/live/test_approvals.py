"""A held call meets the store: an earlier yes lets it go unheard of, or people are told of it."""

import pytest

from mcpguard.approval.outcome import Grant
from mcpguard.approval.shared import publish
from mcpguard.approval.statement import bound
from mcpguard.config.settings import ApprovalSettings
from mcpguard.live.approvals import Approvals
from mcpguard.live.observing import Parties
from mcpguard.model import Call, Context, Effect, Principal, Verdict, Wait
from mcpguard.store.memory import MemoryStore
from tests.unit.approval.people import UNIX, approver, said, source
from tests.unit.live.test_counting import Moment
from tests.unit.live.test_governor import Listed

ME = Principal("local:default", 1)
PARTIES = Parties(ME, 1, counts_server=False)
HOLD = 45


class Room:
    """The approvals of one session and their store; `told`: events, and why."""

    def __init__(self, quorum: int = 1) -> None:
        self.told: list[tuple[str, str]] = []
        self.now = 0.0
        self.store = MemoryStore()
        self.approvals = Approvals(
            ApprovalSettings(hold=HOLD, quorum=quorum),
            session="s1",
            lock="",
            approvers=[approver("anna"), approver("bert")],
            source=source(),
            now=lambda: self.now,
            unix=lambda: UNIX,
            tell=lambda name, why: self.told.append((name, why)),
        )

    def asks(self, wire_id: int, text: str) -> Verdict | Wait:
        """A stage's question about a call that says `text`."""
        ctx = Context("files", ME.id, Listed(), Moment(wire_id, now=self.now), PARTIES)
        return self.approvals.asking.of("gateway")(Call("tools/call", "echo", {"t": text}), ctx)

    def held(self, wire_id: int, text: str) -> tuple[str, str]:
        """What is told of a call that waits now."""
        wait = self.asks(wire_id, text)
        assert isinstance(wait, Wait)
        return "call.waits", wait.detail

    def looks(self) -> None:
        self.approvals.job()(self.store)()

    def said_before(self, text: str) -> None:
        """An earlier yes to that call, in the store."""
        what = bound(ME.id, "files", "echo", {"t": text}, "")
        publish(self.store, Grant(what, (said("A" * 26, binding=what),)))


@pytest.mark.guarantee("live:told-when-needed")
def test_a_call_that_an_earlier_yes_admits_waits_for_nobody_and_no_one_is_told() -> None:
    room = Room()
    room.said_before("first")
    room.held(1, "first")
    assert not room.approvals.keep({1})
    room.looks()
    went = room.asks(1, "first")
    assert isinstance(went, Verdict)
    assert (went.effect, room.told) == (Effect.ALLOW, [])


@pytest.mark.guarantee("live:told-when-needed")
@pytest.mark.parametrize(("quorum", "text"), [(1, "other"), (2, "first")])
def test_people_are_told_once_of_a_call_that_no_earlier_yes_admits(quorum: int, text: str) -> None:
    room = Room(quorum)
    room.said_before("first")
    needed = room.held(1, text)
    take = room.approvals.job()(room.store)
    later = room.held(2, "later")
    take()
    assert room.told == [needed]
    room.looks()
    room.approvals.keep({1, 2})
    room.looks()
    assert room.told == [needed, later]


@pytest.mark.guarantee("live:told-when-needed")
def test_people_are_told_at_once_while_the_store_cannot_be_asked() -> None:
    room = Room()
    first = room.held(1, "first")
    room.approvals.lost()
    assert room.told == [first]
    second = room.held(2, "second")
    room.approvals.keep({1, 2})
    room.approvals.lost()
    assert room.told == [first, second]


@pytest.mark.guarantee("live:told-when-needed")
def test_people_are_told_of_a_call_whose_time_is_over_before_the_store_has_answered() -> None:
    room = Room()
    first = room.held(1, "first")
    take = room.approvals.job()(room.store)
    room.now = 1.0
    room.held(2, "second")
    room.now = HOLD
    assert room.approvals.keep({1, 2})
    assert room.told == [first]
    take()
    assert room.told == [first]


def test_nobody_is_told_of_a_call_that_was_taken_back_meanwhile() -> None:
    room = Room()
    room.held(1, "first")
    take = room.approvals.job()(room.store)
    room.approvals.keep(())
    take()
    assert room.told == []
