"""`reload`, `trust` and the policies of tools: what changes in running sessions; who may widen."""

import sys
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path

import pytest

from mcpguard.cli.reach import NOBODY
from mcpguard.cli.signing import Signing
from mcpguard.config.flags import STATE
from mcpguard.control import policies
from mcpguard.control.operations import Check, nobody_signs
from mcpguard.control.policies import Policy
from mcpguard.identity.keys import create, open_key
from mcpguard.live import standings
from mcpguard.model import JsonObject
from mcpguard.store import BACKENDS
from mcpguard.trust.account import Entry, Party
from mcpguard.trust.score import Event
from tests.unit.cli.sessions import DOUBT, NO_KEY, PHRASE, Signer, code, run, said, told
from tests.unit.control import desk as desks
from tests.unit.control.desk import KEY, Desk, served

if sys.version_info >= (3, 12):
    from typing import override
else:
    from typing_extensions import override

pytestmark = pytest.mark.usefixtures("data")


class Ana(Signer):
    """One whose key is on this machine, as her policies must be signed."""

    def __init__(self, data: Path) -> None:
        super().__init__()
        place = data / "approvers"
        create(place, "ana", PHRASE, work=2)
        self._signing = Signing(open_key(place, "ana", PHRASE), lambda: 0)

    @override
    def policy(self, server: str, glob: str, fields: JsonObject, *, after: int = 0) -> Policy:
        return self._signing.policy(server, glob, fields, after=after)


def test_reload_says_what_changed_or_that_the_old_one_stays(data: Path) -> None:
    good, bad, signer = Desk("aaaa", "files"), Desk("bbbb", "mail"), Signer()
    bad.broken_config = True
    with served(data, good, desks.check), served(data, bad, desks.check):
        result = run("reload", obj=signer)
    assert (code(result), signer.asked) == (1, 1)
    assert result.stdout == (
        "files (aaaa): reloaded, trust.min_trust\n"
        "mail (bbbb): not reloaded: the old configuration stays: mcpguard.yaml:3:1: unknown key"
        " 'tols'\n"
        "  next: did you mean tools?\n"
    )


@pytest.mark.parametrize(
    "words",
    [
        ("reload",),
        ("trust", "budgets", "--reset"),
        ("trust", "policy", "*", "min_trust=1"),
        ("trust", "reset", "caller", "x"),
    ],
)
@pytest.mark.parametrize("check", [nobody_signs, desks.check])
def test_what_widens_is_refused_without_a_key(
    data: Path, words: Sequence[str], check: Check
) -> None:
    desk = Desk()
    with served(data, desk, check):
        result = run(*words)
    assert (code(result), said(result)[1]) == (2, NO_KEY)
    assert desk.done == []
    nothing = run(*words, obj=Signer())
    told = (0, "") if words[1:2] == ("policy",) else (2, NOBODY)  # it is in the store
    assert (code(nothing), said(nothing)[0]) == told


def test_budgets_are_shown_and_begun_again(data: Path) -> None:
    desk = Desk("aaaa", "files")
    assert run("trust", "budgets").stdout == "No session runs now, so nothing is counted.\n"
    with served(data, desk, desks.check):
        assert run("trust", "budgets").stdout == (
            "files (aaaa)\n  calls: 12\n  left: 88 tool calls, 9 bytes in\n"
            "  TOOL       CALLS  DENIED\n  read_file  12     1\n"
        )
        again = run("trust", "budgets", "--reset", obj=Signer())
    assert (code(again), again.stdout) == (0, "files (aaaa): reset\n  calls: 100\n")
    assert desk.done == [("reset_budgets", (KEY,))]


def test_a_tools_policy_is_set_in_one_session_alone(data: Path) -> None:
    desk = Desk()
    with served(data, desk, desks.check):
        words = ("trust", "policy", "del*", "min_trust=700", "blocked=true", "tier=T3")
        assert code(run(*words, "--session", "s1", obj=Signer())) == 0
        wrong = run("trust", "policy", "del*", "blocked=false", "--session", "s1", obj=Signer())
    fields = {"min_trust": 700, "blocked": True, "tier": "T3"}
    assert desk.done == [("set_policy", "del*", fields, (KEY,))]
    assert (code(wrong), wrong.stdout) == (2, "files (s1): no such field\n")


def test_a_tools_policy_is_set_everywhere_listed_and_ended(data: Path) -> None:
    desk, words, ana = Desk(), ("trust", "policy", "del*"), Ana(data)
    assert run("trust", "policies").stdout == "No policy is set beside the settings.\n"
    with served(data, desk, desks.check):
        done = run(*words, "min_trust=700", obj=ana)
        assert done.stdout == "the policy of del* is set; 1 running session knows\n"
        listed = run("trust", "policies").stdout.splitlines()
        assert listed[0].split() == ["TOOLS", "SERVER", "SINCE", "KEY", "POLICY"]
        assert (listed[1].split()[:2], listed[1].split()[-1]) == (
            ["del*", "every"],
            "min_trust=700",
        )
        assert run(*words, "--remove", obj=ana).stdout.startswith("the policy of del* has ended")
        again = run(*words, "--remove", obj=ana)
    assert (code(again), said(again)[0]) == (1, "no policy of del* was set")
    assert desk.done == [
        ("rule", "del*", {"min_trust": 700}, (KEY,)),
        ("rule", "del*", {}, (KEY,)),
    ]
    assert run("trust", "policies").stdout == "No policy is set beside the settings.\n"


@pytest.mark.guarantee("live:ignored-policy-is-said")
def test_what_nobody_signed_is_listed_apart(data: Path) -> None:
    ana = Ana(data)
    assert code(run("trust", "policy", "del*", "min_trust=700", obj=ana)) == 0
    assert code(run("trust", "policy", "ls", "min_trust=0", obj=Signer())) == 0
    store = BACKENDS["sqlite"](str(data / STATE))
    store.put("policy/rubbish", {"a": "\x1b[2J"}, 0)
    store.close()
    shown = run("trust", "policies")
    assert code(shown) == 0
    cells = [line.split("  ") for line in shown.stdout.splitlines()]
    assert [(row[0], row[-1].strip()) for row in cells] == [
        ("TOOLS", "POLICY"),
        ("del*", "min_trust=700"),
        ("", ""),
        ("Not in force:", "Not in force:"),
        ("TOOLS", "WHY"),
        ("ls", "signed by nobody we know"),
        ("-", "it is no policy"),
    ]
    listed = told(run("trust", "policies", "--format", "json"))
    assert [each["glob"] for each in listed["policies"]] == ["del*"]
    assert [each["why"] for each in listed["ignored"]] == [policies.STRANGER, policies.UNREADABLE]
    assert code(run("trust", "policy", "ls", "--remove", obj=ana)) == 1


@pytest.mark.parametrize(
    "words",
    [
        ("*",),
        ("*", "min_trust"),
        ("*", "min_trst=1"),
        ("*", "blocked=true", "--remove"),
        ("*", "--remove", "--session", "s1"),
        ("*", "blocked=true", "--session", "s1", "--server", "files"),
        ("x" * 300, "blocked=true"),
        ("a\nb", "blocked=true"),
    ],
)
def test_a_policy_that_no_session_could_take_over_is_not_set(words: tuple[str, ...]) -> None:
    assert code(run("trust", "policy", *words, obj=Signer())) == 2
    assert run("trust", "policies").stdout == "No policy is set beside the settings.\n"


def test_a_score_begins_anew_by_one_session_alone(data: Path) -> None:
    one, two = Desk("aaaa", "files"), Desk("bbbb", "mail")
    with served(data, one, desks.check), served(data, two, desks.check):
        words = ("trust", "reset", "caller", "local:default", "--why", "reviewed")
        assert run(*words, obj=Signer()).stdout.splitlines()[0] == (
            "files (aaaa): caller local:default begins anew"
        )
        assert code(run("trust", "reset", "server", "mail", obj=Signer())) == 0
    assert one.done == [("reset_trust", "caller", "local:default", "reviewed", (KEY,))]
    assert two.done == [("reset_trust", "server", "mail", "", (KEY,))]


def scored(data: Path, *observed: tuple[str, str, Event]) -> None:
    """Roles, names and events, in the store that proxies share."""
    entries = [
        Entry(Party(role, name), 0, "s", seq, event)
        for seq, (role, name, event) in enumerate(observed)
    ]
    with closing(BACKENDS["sqlite"](str(data / STATE))) as store:
        standings.publish(store, entries, data / "audit")


@pytest.mark.guarantee("control:unknown-names")
@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("caller", "local:default"), ""),
        (("caller", "did:key:seen"), ""),
        (("server", "mail", "--session", "files"), ""),
        (
            ("caller", "local:nobody"),
            "  known: did:key:seen, local:default\n  next: if it is misspelt: ",
        ),
        (("caller", "local:defualt"), "  next: did you mean local:default? if it is misspelt: "),
        (
            ("server", "Flies", "--session", "files"),
            "  known: files, mail\n  next: did you mean fil",
        ),
        (("server", "reset", "--session", "files"), "  known: files, mail\n"),
    ],
)
def test_a_reset_of_what_nothing_here_knows_is_recorded_and_doubted(
    data: Path, words: tuple[str, ...], told: str
) -> None:
    scored(
        data,
        ("caller", "did:key:seen", Event.SUCCESS),
        ("server", "mail", Event.SUCCESS),
        ("server", "reset", Event.RESET),
    )
    desk = Desk("aaaa", "files")
    with served(data, desk, desks.check):
        result = run("trust", "reset", *words, obj=Signer())
    assert (code(result), desk.done) == (0, [("reset_trust", *words[:2], "", (KEY,))])
    assert (DOUBT in result.stderr, told in result.stderr) == (bool(told), True)
