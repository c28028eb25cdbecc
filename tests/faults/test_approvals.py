"""A person's way: a call waits in a real proxy, and is answered from another terminal."""

import re
import shutil
import signal
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import orjson
import pytest

from mcpguard.control import client
from mcpguard.errors import RefusalError
from mcpguard.model import JsonObject
from tests.faults.approving import PHRASE, Office
from tests.integration.host import ask, call, line, result
from tests.unit.store.backends import RedisServer
from tests.waiting import PATIENCE

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
        assert "no call waits" in office.run("approve", "yes", ticket, code=1)
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


@pytest.mark.guarantee("live:nothing-widens-unsigned")
def test_nothing_is_widened_without_a_signature(office: Office) -> None:
    with office.proxy() as desk:
        desk.start()
        ticket = desk.held(1, "first")
        widening: tuple[tuple[str, JsonObject], ...] = (
            ("decide", {"ticket": ticket, "yes": True}),
            ("unblock", {"kind": "tool", "name": "echo"}),
            ("set_policy", {"glob": "*", "fields": {"min_trust": 0}}),
            ("rule", {"policy": {"glob": "*", "fields": {"min_trust": 0}}}),
            ("reset_budgets", {}),
            ("reset_trust", {"kind": "caller", "name": "local:default"}),
            ("reload", {}),
        )
        for verb, args in widening:
            with client.connected(office.data, desk.session) as asked:
                asked.hello()
                with pytest.raises(RefusalError, match="signature"):
                    asked.ask(verb, args)
        office.run("approve", "yes", ticket, "--by", "ana", said=["wrong passphrase"], code=2)
        assert office.received("first") == 0
        office.run("approve", "no", ticket)
    assert [one["event"] for one in office.events() if "session" not in one["event"]] == [
        "approval.no"
    ]


def test_without_an_approver_a_call_is_denied_and_its_user_told_how_to_make_a_key(
    office: Office,
) -> None:
    shutil.rmtree(office.data / "approvers")
    with office.proxy() as desk:
        desk.start().ask(1, "first")
        assert "mcpguard approver add NAME" in desk.answered(1)
        assert "mcpguard approver add NAME" in office.run("reload", code=2)
        with client.connected(office.data, desk.session) as asked:
            asked.hello()
            with pytest.raises(RefusalError, match="no approver key is enrolled"):
                asked.ask("reload")
    assert office.received("first") == 0


@pytest.fixture(params=["sqlite", "redis"])
def store(request: pytest.FixtureRequest) -> Iterator[str]:
    """The setting of a store that two proxies share."""
    if request.param == "sqlite":
        yield ""
        return
    server = RedisServer()
    yield f'store: {{backend: redis, where: "{server.url}"}}\n'
    server.close()


@pytest.mark.guarantee("live:yes-crosses-proxies-once")
def test_the_yes_of_two_people_admits_one_retry_over_two_proxies_of_one_store(
    office: Office, store: str
) -> None:
    office.settings(f"{SETTINGS}approvals: {{hold: 1, quorum: 2}}\n{store}")
    with ExitStack() as both:
        one, two = (both.enter_context(office.proxy()).start() for _ in range(2))
        ticket = one.held(1, "late")
        assert f"mcpguard approve yes {ticket}" in one.answered(1)
        said = office.signed("approve", "yes", ticket, by="ana")
        assert said == f"said yes to {ticket}: 1 more approver has to\n"
        office.signed("approve", "yes", ticket, by="ana")
        two.ask(1, "late")
        assert two.ticket() != ticket
        assert "waits for the approval" in two.answered(1)
        assert office.received("late") == 0
        said = office.signed("approve", "yes", ticket, by="ben")
        assert said == (
            f"approved: {ticket} may run once, when the same call comes again within 10 minutes\n"
        )
        two.ask(2, "late")
        assert "late" in two.answered(2)
        one.ask(2, "late")
        assert "waits for the approval" in one.answered(2)
        assert office.received("late") == 1


@pytest.mark.guarantee("live:ended-session-leaves-its-tickets")
def test_a_yes_to_what_an_ended_session_left_admits_the_same_call_alone(office: Office) -> None:
    office.settings(f"{SETTINGS}approvals: {{hold: 1}}\n")
    tickets = {}
    with office.proxy() as desk:
        desk.start()
        for ident, text in enumerate(("left", "refused", "revoked", "open"), 1):
            tickets[text] = desk.held(ident, text)
        for ident, _ in enumerate(tickets, 1):
            desk.answered(ident)
        assert desk.host.finish()[0] == 0
    assert {row["ticket"] for row in office.waiting()} == set(tickets.values())
    assert '"text": "left"' in office.run("approve", "show", tickets["left"].lower())
    assert "may run once, when" in office.signed("approve", "yes", tickets["left"], by="ben")
    office.signed("approve", "yes", tickets["revoked"], by="ben")
    office.run("approve", "no", tickets["revoked"])
    office.run("approve", "no", tickets["refused"])
    office.run("approve", "no", tickets["refused"], code=1)
    assert [row["ticket"] for row in office.waiting()] == [tickets["open"]]

    def asked(*texts: str, settings: str = "", lock: str = "mcp-lock.json") -> list[str]:
        office.settings(f"{SETTINGS}approvals: {{hold: 1}}\n{settings}")
        with office.proxy(lock=office.base / lock) as desk:
            desk.start()
            for ident, text in enumerate(texts, 1):
                desk.ask(ident, text)
            told = [desk.answered(ident) for ident, _ in enumerate(texts, 1)]
            desk.host.finish()
        unanswered = sum("waits for the approval" in each for each in told)
        assert (
            len(re.findall(rb"ticket \w+: mcpguard approve show", desk.host.stderr)) == unanswered
        )
        return told

    (other,) = asked("left", settings="profile: other\n")
    (locked,) = asked("left", lock="other-lock.json")
    assert "waits for the approval" in other
    assert "waits for the approval" in locked
    assert office.received("left") == 0
    first, refused, revoked = asked("left", "refused", "revoked")
    assert orjson.loads(first) == {"text": "left"}
    assert "waits for the approval" in refused
    assert "waits for the approval" in revoked
    (again,) = asked("left")
    assert "waits for the approval" in again
    assert (office.received("left"), office.received("re")) == (1, 0)


def test_a_yes_that_has_expired_admits_nothing(office: Office) -> None:
    office.settings(f"{SETTINGS}approvals: {{hold: 1, retry: 6}}\n")
    with office.proxy() as desk:
        desk.start()
        ticket = desk.held(1, "late")
        desk.answered(1)
        office.signed("approve", "yes", ticket, by="ana")
        for ident in range(2, 9):  # each waits a second in vain
            desk.ask(ident, f"tick {ident}")
            desk.answered(ident)
        desk.ask(99, "late")
        assert "waits for the approval" in desk.answered(99)
        assert office.received("late") == 0


ANSWERS = {"accept": '{"text": "accepted"}', "decline": "a person refused"}


@pytest.mark.guarantee("live:elicited-for-low-risk-alone")
def test_the_hosts_user_is_asked_about_the_tools_that_are_named_and_no_other(
    office: Office,
) -> None:
    office.settings("gateway: {approve: [echo, hold]}\napprovals: {elicit: [echo]}\n")
    with office.proxy() as desk:
        desk.start(elicitation={})
        for ident, (answer, told) in enumerate(ANSWERS.items(), 1):
            desk.ask(ident, f"{answer}ed")
            question = orjson.loads(desk.host.wait_for("elicitation/create"))
            said = question["params"]["message"]
            assert "allow this one call of the tool echo?" in said
            assert f'Its arguments: {{"text":"{answer}ed"}} (whole: mcpguard approve show ' in said
            desk.ticket()
            assert office.received(f"{answer}ed") == 0
            desk.host.send(result(question["id"], action=answer, content={"allow": True}) + b"\n")
            assert told in desk.answered(ident)
        assert (office.received("accepted"), office.received("declined")) == (1, 0)
        heard = len(desk.host.heard)
        desk.ask(3, "other", tool="hold")
        ticket = desk.ticket()
        desk.host.exchange(ask("after", "ping"), "after")
        assert not any(b"elicitation" in each for each in desk.host.heard[heard:])
        office.run("approve", "no", ticket)
        assert "a person refused" in desk.answered(3)
    assert office.received("other") == 0


@pytest.mark.guarantee("live:changed-while-it-runs")
def test_running_sessions_are_blocked_unblocked_and_killed_from_another_terminal(
    office: Office,
) -> None:
    office.settings("")
    with ExitStack() as both:
        one, two = (both.enter_context(office.proxy()).start() for _ in range(2))
        assert "hello" in one.says("hello")
        status = office.run("status", "--stats", "--session", one.session)
        assert "files: enforce, baseline, since 20" in status
        (told,) = office.json("status", "--session", one.session)["sessions"]
        assert (told["status"]["allowed"], told["status"]["denied"]) == (1, 0)
        assert f"session   {one.session}, process {one.host.process.pid}" in status

        office.run("trust", "block", "tool", "echo", "--why", "drill")
        assert "[trust.tool_blocked]" in one.says("hello")
        assert "[trust.tool_blocked]" in two.says("hello")
        assert "drill" in office.run("trust", "blocks")
        office.run("trust", "unblock", "tool", "echo", "--by", "ana", said=["no no no no"], code=2)
        assert "[trust.tool_blocked]" in one.says("hello")
        office.signed("trust", "unblock", "tool", "echo", by="ana")
        assert "Blocked" not in one.says("hello")
        assert "Blocked" not in two.says("hello")

        office.signed("trust", "policy", "ec*", "min_trust=900", by="ana")
        later = both.enter_context(office.proxy()).start()
        for each in (one, two, later):
            assert "[trust.trust_score]" in each.says("hello")
        assert '"min_trust":900' in office.run("status", "--session", one.session)
        office.signed("trust", "policy", "ec*", "--remove", by="ana")
        for each in (one, two, later):
            assert "Blocked" not in each.says("hello")

        office.signed("trust", "reset", "server", "files", "--session", one.session, by="ana")
        office.run("kill", "--session", one.session, "--reason", "drill")
        assert one.host.process.wait(PATIENCE) == 77
        assert "Blocked" not in two.says("hello")
        two.host.process.send_signal(signal.SIGUSR1)
        assert two.host.process.wait(PATIENCE) == 77
    kinds = [one_["event"] for one_ in office.events() if one_["session"] == one.session]
    assert [each for each in kinds if not each.startswith("session")] == [
        "control.block",
        "control.unblock",
        "control.policy",
        "control.policy",
        "trust.reset",
        "control.kill",
    ]


@pytest.mark.guarantee("live:reload-is-whole-or-not")
def test_a_reload_takes_over_good_settings_and_leaves_the_old_ones_for_all_others(
    office: Office,
) -> None:
    plain = "gateway: {budgets: {tool_calls: 40}}\n"
    office.settings(plain)
    with office.proxy() as desk:
        desk.start()
        assert "hello" in desk.says("hello")
        office.settings("gateway: {budgets: {tool_calls: 40}, deny: [echo]}\n")
        assert "reloaded, gateway.deny\n" in office.signed("reload", by="ana")
        assert "[gateway.tool_denied]" in desk.says("hello")
        office.settings(f"{plain}tols: {{}}\n")
        told = office.signed("reload", by="ana", code=1)
        assert "the old configuration stays" in told
        assert "mcpguard.yaml:2:1" in told
        office.settings(f"{plain}profile: other\n")
        told = office.signed("reload", by="ana", code=1)
        assert "profile can only be set when a session starts" in told
        assert "[gateway.tool_denied]" in desk.says("hello")
        office.settings(plain)
        assert "reloaded, gateway.deny\n" in office.signed("reload", by="ana")
        assert "Blocked" not in desk.says("hello")

        office.signed("trust", "policy", "ec*", "blocked=true", by="ana")
        assert "Blocked" in desk.says("hello")
        told = office.signed("trust", "policy", "ec*", "min_trst=7", by="ana", code=2)
        assert "did you mean `min_trust`" in told
        assert "nothing has changed" in office.signed("reload", by="ana")
        assert "Blocked" in desk.says("hello")
        office.signed("trust", "policy", "ec*", "--remove", by="ana")
        assert "Blocked" not in desk.says("hello")

        (before,) = office.json("trust", "budgets")["sessions"]
        assert before["result"]["left"]["tool_calls"] == 37
        office.signed("trust", "budgets", "--reset", by="ana")
        (after,) = office.json("trust", "budgets")["sessions"]
        assert after["result"]["left"]["tool_calls"] == 40
    changes = [one for one in office.events() if one["event"].startswith("control.")]
    assert [one["event"] for one in changes] == [
        "control.reload",
        "control.reload",
        "control.policy",
        "control.reload",
        "control.policy",
        "control.budget",
    ]
    assert {one["by"] for one in changes} == {"ana"}
    assert all(one["key"].startswith("ed25519:") for one in changes)
