"""The commands that speak with running sessions: what they say, what they do, how they end."""

import os
import select
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import click
import orjson
import pytest
from click.testing import CliRunner, Result

from mcpguard.approval.statement import Signed, bound, opened, statement_payload
from mcpguard.cli import COMMANDS, mcpguard_group
from mcpguard.cli import main as command_line
from mcpguard.cli.reach import NOBODY
from mcpguard.cli.signing import Signing
from mcpguard.config.flags import APPROVERS, STATE
from mcpguard.control import blocks, policies
from mcpguard.control.operations import Check, nobody_signs
from mcpguard.control.policies import Policy
from mcpguard.control.proof import proven
from mcpguard.errors import RefusalError, UsageError
from mcpguard.identity.keys import approvers, create, open_key, verifier
from mcpguard.live import standings
from mcpguard.model import JsonObject
from mcpguard.store import BACKENDS
from mcpguard.trust.account import Entry, Party
from mcpguard.trust.score import Event
from tests.unit.control import desk as desks
from tests.unit.control.desk import CALL, KEY, Desk, served
from tests.waiting import PATIENCE

if sys.version_info >= (3, 12):
    from typing import override
else:
    from typing_extensions import override

ROOT = Path(__file__).parents[3]
NO_KEY = "make one with: mcpguard approver add NAME"


class Signer:
    """An approver at the keyboard: `asked` counts the passphrases typed."""

    def __init__(self) -> None:
        self.asked = 0
        self.shown: list[JsonObject] = []

    def __call__(self) -> "Signer":
        self.asked += 1
        return self

    def operation(
        self, session: str, verb: str, args: JsonObject, nonce: str
    ) -> Sequence[JsonObject]:
        assert nonce.startswith(session + ":")
        return desks.sign(verb, args, nonce)

    def approval(self, session: str, shown: JsonObject) -> JsonObject:
        self.shown.append(shown)
        return {"statement": {"session": session}, "key": KEY}

    def policy(self, server: str, glob: str, fields: JsonObject, *, after: int = 0) -> Policy:
        return Policy(server, glob, fields, after + 1, KEY, bytes(64))


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


@pytest.fixture(autouse=True)
def data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The data directory of every command here."""
    folder = tmp_path / "data"
    monkeypatch.setenv("MCPGUARD_DATA_DIR", str(folder))
    monkeypatch.setenv("MCPGUARD_CONFIG_DIR", str(tmp_path / "config"))
    folder.mkdir()
    return folder


def run(*words: str, given: str = "", obj: object = None) -> Result:
    command = mcpguard_group.get_command(click.Context(mcpguard_group), words[0])
    assert command is not None
    return CliRunner().invoke(command, words[1:], input=given, obj=obj, standalone_mode=False)


def code(result: Result) -> int:
    """As `mcpguard.cli.main` makes it."""
    error = result.exception
    if error is not None:
        return int(getattr(error, "exit_code", 1))
    return result.return_value if isinstance(result.return_value, int) else 0


def told(result: Result) -> Any:  # noqa: ANN401 - JSON
    assert result.exception is None, result.exception
    return orjson.loads(result.stdout)


def said(result: Result) -> tuple[str, str]:
    error = result.exception
    return getattr(error, "message", ""), getattr(error, "hint", "")


# status


def test_status_says_that_nothing_runs_and_that_is_no_failure() -> None:
    result = run("status")
    assert code(result) == 0
    assert result.stdout.splitlines() == [
        "No session runs now; one that has just begun shows in a moment",
        "A host starts its own; which are wrapped: mcpguard hosts",
    ]
    assert told(run("status", "--format", "json")) == {"sessions": [], "kill_switch": []}


def test_status_shows_a_session_as_a_person_asks_for_it(data: Path) -> None:
    with served(data, Desk("ab12cd34", "files")):
        result = run("status")
    assert code(result) == 0
    assert result.stdout == (
        "files: enforce, baseline, since 2026-11-21T20:00:00Z\n"
        f"  session   ab12cd34, process {os.getpid()}\n"
        "  lockfile  /srv/mcp-lock.json sha256:00\n"
        "  caller    local:default, level 1, score 510 (standard)\n"
        "  calls     12 let through, 1 denied\n"
        "  waiting   2 (see: mcpguard approve list)\n"
        "  audit log /srv/audit.jsonl\n"
    )


def test_status_says_what_is_blocked_and_what_enforce_would_have_denied(data: Path) -> None:
    desk = Desk("ab12cd34", "files")
    desk.would_deny = 3
    desk.barred = {"caller": True, "server": True, "tools": ["rm\x1b"]}
    with served(data, desk):
        lines = run("status").stdout.splitlines()
    assert "  calls     12 let through, 1 denied; enforce would have denied 3 of them" in lines
    assert [line for line in lines if line.startswith("  blocked")] == [
        f"  blocked   {what} (see: mcpguard trust blocks)"
        for what in ("the caller", "the server", "tool rm<U+001B>")
    ]


def test_status_of_many_is_one_json_document_and_one_that_fails_is_named_in_it(data: Path) -> None:
    with served(data, Desk("aaaa", "files")), served(data, Desk("bbbb", "mail")):
        result = run("status", "--format", "json", "--stats")
    sessions = orjson.loads(result.stdout)["sessions"]
    assert [(each["session"], each["status"]["mode"]) for each in sessions] == [
        ("aaaa", "enforce"),
        ("bbbb", "enforce"),
    ]
    assert code(result) == 2  # the numbers of a `Desk` are a defect


def test_a_session_that_is_not_there_is_an_error(data: Path) -> None:
    with served(data, Desk("aaaa", "files")):
        result = run("status", "--session", "mail")
    assert (code(result), said(result)[0]) == (2, "no session 'mail' runs")


def test_what_a_session_says_of_itself_cannot_speak_to_the_terminal(data: Path) -> None:
    with served(data, Desk("aaaa", "fi\x1b]0;les\u202e")):
        texts = [run("status").stdout, run("approve", "list").stdout]
        texts += [run("status", "--format", "json").stdout]
    assert [text for text in texts if not text.replace("\n", "").isprintable()] == []


NUMBERS = (
    "  calls: 12",
    "  TOOL               CALLS  DENIED  P50 MS  P95 MS  P99 MS",
    "  read_file          12     1       1.5     2.25    9",
    "  fetch              0      3       -       -       -",
    "  (mcpguard itself)  2              0.125   2.25    9",
)


class Broken(Desk):
    @override
    async def status(self) -> JsonObject:
        raise RefusalError("it is ending")

    @override
    async def stats(self) -> JsonObject:
        took: JsonObject = {"calls": 2, "p50": 1.5, "p95": 2.25, "p99": 9}
        return {
            "calls": 12,
            "by_tool": {
                "read_file": {"calls": 12, "denied": 1},
                "fetch": {"calls": 0, "denied": 3},
            },
            "latency_ms": {"server": {"read_file": took}, "own": {**took, "p50": 0.125}},
        }


def test_a_session_that_cannot_be_asked_is_shown_beside_the_others(data: Path) -> None:
    with served(data, Broken("aaaa", "files")), served(data, Broken("bbbb", "mail")):
        result = run("status", "--stats")
    assert code(result) == 1
    assert result.stdout.splitlines() == [
        "session aaaa: cannot be asked: it is ending",
        *NUMBERS,
        "session bbbb: cannot be asked: it is ending",
        *NUMBERS,
    ]


# approve


def test_yes_shows_the_call_asks_and_signs_what_was_shown(data: Path) -> None:
    desk, signer = Desk("aaaa", "files"), Signer()
    with served(data, desk, desks.check):
        result = run("approve", "yes", "t1", given="y\n", obj=signer)
    assert (code(result), result.stdout) == (0, "approved: t1 may run once\n")
    assert result.stderr == (
        "tool          delete_file\n"
        "server        files\n"
        "called by     local:default\n"
        "waits because gateway.approve names it\n"
        "lockfile      sha256:00\n"
        "seconds left  42\n"
        "arguments\n"
        "  {\n"
        '    "path": "/data/a\\u001b[2J.txt"\n'
        "  }\n"
        "Let this one call through? [y/N]: y\n"
    )
    statement = {"statement": {"session": "aaaa"}, "key": KEY}
    assert desk.done == [("decide", "t1", True, (KEY,), statement)]
    assert (signer.asked, signer.shown) == (1, [CALL])


@pytest.mark.parametrize("given", ["n\n", "\n", "", "maybe\nno\n"])
def test_without_a_clear_yes_no_passphrase_is_asked_for(data: Path, given: str) -> None:
    desk, signer = Desk(), Signer()
    with served(data, desk, desks.check):
        result = run("approve", "yes", "t1", given=given, obj=signer)
    assert (result.exception is not None, signer.asked, desk.done) == (True, 0, [])


def test_an_input_that_ends_is_nobody_who_could_be_asked(data: Path) -> None:
    with served(data, Desk(), desks.check):
        result = run("approve", "yes", "t1", obj=Signer)
    assert (code(result), said(result)[0]) == (2, "nobody is here to be asked: the input has ended")


def test_yes_without_a_key_says_how_to_make_one(data: Path) -> None:
    desk = Desk()
    with served(data, desk):
        result = run("approve", "yes", "t1", given="y\n")
    assert (code(result), said(result)[1]) == (2, NO_KEY)
    assert desk.done == []


def test_no_needs_no_key_and_can_mean_all_like_it(data: Path) -> None:
    desk = Desk()
    with served(data, desk):
        one = run("approve", "no", "t1")
        rest = run("approve", "no", "t2", "--all-like", "--format", "json")
    assert (code(one), one.stdout) == (0, "denied: t1 of delete_file\n")
    assert told(rest)["result"] == {"refused": 1}
    assert desk.done == [("decide", "t1", False, (), {}), ("refuse_like", "t2")]


def test_list_shows_what_waits_in_all_sessions_or_that_nothing_does(data: Path) -> None:
    empty = Desk("bbbb", "mail")
    empty.waiting.clear()
    assert run("approve", "list").stdout == "No call waits for approval.\n"
    with served(data, Desk("aaaa", "files")), served(data, empty):
        text, document = run("approve", "list"), told(run("approve", "list", "--format", "json"))
    assert text.stdout.splitlines()[:2] == [
        "TICKET  SERVER  TOOL         CALLED BY      TIME LEFT",
        "t1      files   delete_file  local:default  42 s",
    ]
    assert [len(each["waiting"]) for each in document["sessions"]] == [2, 0]


def test_a_ticket_nobody_or_more_than_one_session_has_is_an_error(data: Path) -> None:
    with served(data, Desk("aaaa", "files")), served(data, Desk("bbbb", "mail")):
        absent, twice = run("approve", "show", "t9"), run("approve", "no", "t1")
        named = run("approve", "show", "t1", "--session", "mail", "--format", "json")
    assert (code(absent), code(twice), told(named)["session"]) == (1, 2, "bbbb")
    assert said(absent)[0].startswith("no call waits under 't9':")
    assert said(twice) == ("t1 waits in 2 sessions: aaaa, bbbb", "name one: --session ID")


def test_a_ticket_may_be_typed_in_any_case(data: Path) -> None:
    desk = Desk()
    desk.waiting["K7019Q"] = {**CALL, "ticket": "K7019Q"}
    with served(data, desk):
        assert code(run("approve", "show", "k7o-i9q")) == 0
        assert run("approve", "no", "k7oi9q").stdout == "denied: K7019Q of delete_file\n"
    assert desk.done == [("decide", "K7019Q", False, (), {})]


def test_more_approvers_than_one_are_said(data: Path) -> None:
    class Slow(Desk):
        @override
        async def decide(
            self, ticket: str, yes: bool, approvers: Sequence[str], statement: JsonObject
        ) -> JsonObject:
            return {**await super().decide(ticket, yes, approvers, statement), "missing": 2}

    with served(data, Slow(), desks.check):
        result = run("approve", "yes", "t1", given="y\n", obj=Signer())
    assert result.stdout == "said yes to t1: 2 more approvers have to\n"


# reload, budgets, policy


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


DOUBT = "warning: no running session"


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


# blocks


def stored(data: Path) -> list[tuple[str, str, str]]:
    store = BACKENDS["sqlite"](str(data / STATE))
    every = [(each.kind, each.name, each.why) for each in blocks.every(store)]
    store.close()
    return every


@pytest.mark.guarantee("control:blocks-outlive-sessions")
def test_a_block_holds_though_nothing_runs_and_is_ended_by_an_approver_alone(data: Path) -> None:
    made = run("trust", "block", "tool", "rm/all", "--why", "drill")
    assert (code(made), made.stdout) == (0, "tool rm/all is blocked\n")
    assert stored(data) == [("tool", "rm/all", "drill")]
    again = run("trust", "block", "tool", "rm/all", "--why", "other")
    assert again.stdout == "tool rm/all is blocked, as it was before\n"
    assert "rm/all" in run("trust", "blocks").stdout
    refused = run("trust", "unblock", "tool", "rm/all")
    assert (code(refused), stored(data)) == (2, [("tool", "rm/all", "drill")])
    ended = run("trust", "unblock", "tool", "rm/all", obj=Signer())
    assert (code(ended), ended.stdout) == (0, "tool rm/all is not blocked any more\n")
    assert stored(data) == []
    assert code(run("trust", "unblock", "tool", "rm/all", obj=Signer())) == 1
    assert run("trust", "blocks").stdout == "Nothing is blocked.\n"


@pytest.mark.guarantee("control:blocks-are-literal")
@pytest.mark.parametrize(
    ("kind", "hint"),
    [
        ("tool", "mcpguard trust policy 'be*' blocked=true"),
        ("server", "block each server"),
        ("principal", "block each principal"),
    ],
)
def test_a_pattern_is_no_name_to_block(data: Path, kind: str, hint: str) -> None:
    result = run("trust", "block", kind, "be*")
    assert (code(result), stored(data)) == (2, [])
    assert "literal" in said(result)[0]
    assert hint in said(result)[1]
    assert "add --literal" in said(result)[1]
    assert code(run("trust", "block", kind, "be*", "--literal")) == 0
    assert stored(data) == [(kind, "be*", "")]


@pytest.mark.guarantee("control:unknown-names")
@pytest.mark.parametrize(
    ("kind", "name", "known"),
    [
        ("tool", "echo", True),
        ("tool", "nosuch", False),
        ("tool", "Echo", False),
        ("server", "files", True),
        ("server", "nosuch", False),
        ("principal", "local:default", True),
        ("principal", "did:key:set", True),
        ("principal", "nobody", False),
    ],
)
def test_a_block_of_what_nothing_here_knows_is_recorded_and_doubted(
    data: Path, kind: str, name: str, known: bool
) -> None:
    config = data.with_name("config")
    config.mkdir()
    (config / "mcpguard.yaml").write_text(
        'tools: {echo: {min_trust: 300}}\nprincipals: {"did:key:set": {blocked: true}}\n'
    )
    with served(data, Desk("aaaa", "files")):
        result = run("trust", "block", kind, name)
    assert (code(result), stored(data)) == (0, [(kind, name, "")])
    assert (DOUBT in result.stderr) is not known
    assert (f"mcpguard trust unblock {kind} {name}" in result.stderr) is not known


def test_sessions_are_told_of_a_block_before_a_store_that_others_hold(data: Path) -> None:
    run("trust", "block", "tool", "first")
    desk = Desk()
    with served(data, desk), closing(sqlite3.connect(data / STATE)) as other:
        other.execute("BEGIN EXCLUSIVE")
        result = run("trust", "block", "tool", "rm")
    assert (code(result), desk.done) == (2, [("block", "tool", "rm", "")])
    wrong, following = said(result)[-2:]
    assert "another process holds the store" in wrong
    assert wrong.endswith("not blocked for sessions that start later; running sessions told: 1")
    assert "end the process that has the file open" in following


def test_running_sessions_are_told_of_a_block_and_of_its_end(data: Path) -> None:
    one, two = Desk("aaaa", "files"), Desk("bbbb", "mail")
    with served(data, one, desks.check), served(data, two, desks.check):
        made = run("trust", "block", "principal", "local:default", "--format", "json")
        two.blocked.clear()
        ended = run("trust", "unblock", "principal", "local:default", obj=Signer())
    assert (len(told(made)["sessions"]), one.done[0][0], two.done[0][0]) == (2, "block", "block")
    assert (code(ended), stored(data)) == (0, [])
    assert one.done[1] == ("unblock", "principal", "local:default", (KEY,))


@pytest.mark.guarantee("control:blocks-outlive-sessions")
def test_a_session_that_refuses_the_signature_keeps_the_block_in_the_store(data: Path) -> None:
    run("trust", "block", "server", "files")
    with served(data, Desk(), nobody_signs):
        result = run("trust", "unblock", "server", "files", obj=Signer())
    assert (code(result), stored(data)) == (1, [("server", "files", "")])


@pytest.mark.parametrize("words", [("everything", "x"), ("tool", ""), ("tool", "a\x1b")])
def test_what_cannot_be_blocked_is_an_error(data: Path, words: Sequence[str]) -> None:
    assert code(run("trust", "block", *words)) == 2


# kill


def test_kill_ends_what_runs_and_turns_the_switch_on_until_it_is_off(data: Path) -> None:
    one, two = Desk("aaaa", "files"), Desk("bbbb", "mail")
    with served(data, one), served(data, two):
        result = run("kill", "--all", "--reason", "drill")
    assert (code(result), one.done, two.done) == (0, [("kill", "drill")], [("kill", "drill")])
    assert result.stdout.splitlines() == [
        f"The kill switch is on: {data}/kill",
        (
            "2 running sessions were ended; one that has just begun ends within a second."
            " New ones do not start until: mcpguard kill --off"
        ),
    ]
    assert run("status").stdout.startswith(f"The kill switch is on: {data}/kill ")
    assert (data / "kill").read_text() == "drill\n"
    off = run("kill", "--off")
    assert (code(off), (data / "kill").exists()) == (0, False)
    assert run("kill", "--off").stdout == "The kill switch was not on.\n"


def test_kill_of_a_server_or_a_session_leaves_the_others_alone(data: Path) -> None:
    one, two = Desk("aaaa", "files"), Desk("bbbb", "mail")
    with served(data, one), served(data, two):
        server = run("kill", "--server", "mail", "--format", "json")
        session = run("kill", "--session", "files")
    assert told(server)["switch"] == str(data / "kill.d" / "mail")
    assert ([each[0] for each in one.done], [each[0] for each in two.done]) == (["kill"], ["kill"])
    assert code(session) == 0
    assert [each.name for each in (data / "kill.d").iterdir()] == ["mail"]
    assert "mail (off: mcpguard kill --off --server mail)\n" in run("status").stdout
    still = run("kill", "--off", "--format", "json")
    assert told(still) == {"deleted": None, "still_on": [str(data / "kill.d" / "mail")]}


@pytest.mark.guarantee("control:unknown-names")
@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("mail",), ""),
        (("nosuch",), "  next: if it is misspelt: mcpguard kill --off --server nosuch, and end"),
        (
            ("mial", "--format", "json"),
            "  next: did you mean mail? if it is misspelt: mcpguard kill --off --server mial, and",
        ),
        (
            ("nosuch", "--fleet"),
            "misspelt: mcpguard kill --off --fleet --server nosuch, and end the",
        ),
    ],
)
def test_a_switch_for_what_nothing_here_knows_is_on_and_doubted(
    data: Path, words: tuple[str, ...], told: str
) -> None:
    one, two = Desk("aaaa", "files"), Desk("bbbb", "mail")
    with served(data, one), served(data, two):
        result = run("kill", "--server", *words)
    assert (code(result), [each.name for each in (data / "kill.d").iterdir()]) == (0, [words[0]])
    assert (DOUBT in result.stderr, told in result.stderr) == (bool(told), True)


@pytest.mark.guarantee("control:kill-fleet")
def test_the_fleets_switch_is_in_the_store_and_an_approver_turns_it_off(data: Path) -> None:
    made = run("kill", "--fleet", "--server", "mail", "--reason", "drill")
    assert (code(made), stored(data)) == (0, [("kill", "mail", "drill")])
    assert made.stdout.endswith("mcpguard kill --off --fleet --server mail\n")
    assert (data / "kill.d" / "mail").exists()
    refused = run("kill", "--fleet", "--off", "--server", "mail")
    assert (code(refused), stored(data)) == (2, [("kill", "mail", "drill")])
    off = run("kill", "--fleet", "--off", "--server", "mail", obj=Signer)
    assert (code(off), stored(data), (data / "kill.d" / "mail").exists()) == (0, [], False)
    again = run("kill", "--fleet", "--off", "--server", "mail", obj=Signer)
    assert "of the shared store was not on" in again.stderr


def test_kill_works_though_no_session_can_be_asked(data: Path) -> None:
    (data / "run").symlink_to(data)
    result = run("kill", "--all")
    assert (code(result), (data / "kill").exists()) == (0, True)
    assert "cannot be used" in result.stderr


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ("store: {backend: memory}", "the settings keep all state in memory"),
        ("store: {backend: sqlite, where: /proc/none/state.db}", "/proc/none"),
        ("stor: {}", "unknown key `stor`"),
    ],
)
def test_running_sessions_are_told_of_a_block_though_the_store_cannot_take_it(
    data: Path, settings: str, message: str
) -> None:
    config = data.with_name("config")
    config.mkdir()
    (config / "mcpguard.yaml").write_text(f"{settings}\n")
    desk = Desk()
    with served(data, desk):
        result = run("trust", "block", "tool", "rm")
    assert (code(result), desk.done) == (2, [("block", "tool", "rm", "")])
    assert message in said(result)[0]
    assert said(result)[0].endswith("; running sessions told: 1")
    assert code(run("trust", "blocks")) == 2


def test_the_blocks_are_in_the_store_that_the_settings_name(data: Path) -> None:
    config, place = data.with_name("config"), data.with_name("elsewhere") / "other.db"
    config.mkdir()
    (config / "mcpguard.yaml").write_text(f"store: {{where: {place}}}\n")
    assert code(run("trust", "block", "tool", "rm")) == 0
    assert (place.exists(), (data / STATE).exists()) == (True, False)


def test_a_block_is_stored_though_no_session_can_be_told(data: Path) -> None:
    (data / "run").symlink_to(data)
    assert code(run("trust", "block", "tool", "rm")) == 2
    assert stored(data) == [("tool", "rm", "")]


@pytest.mark.parametrize(
    "words",
    [(), ("--all", "--server", "x"), ("--session", "aaaa"), ("--off", "--session", "aaaa")],
    ids=["nobody-to-ask", "two", "no-such-session", "off-session"],
)
def test_a_kill_that_is_not_clear_kills_nothing(data: Path, words: Sequence[str]) -> None:
    assert code(run("kill", *words)) == 2
    assert not (data / "kill").exists()


# the command as a process, a session as another one


@contextmanager
def session(data: Path, *words: str) -> Iterator[Callable[[], list[list[Any]]]]:
    """`desk.py` running; gives what ends it and says what was done in it."""
    env = {**os.environ, "PYTHONPATH": str(ROOT)}
    program = (sys.executable, str(ROOT / "tests/unit/control/desk.py"), str(data), *words)
    with subprocess.Popen(program, stdin=-1, stdout=-1, env=env) as process:
        assert process.stdout is not None
        assert select.select([process.stdout], [], [], PATIENCE)[0]
        assert process.stdout.readline() == b"up\n"

        def end() -> list[list[Any]]:
            out, _ = process.communicate(timeout=PATIENCE)
            done: list[list[Any]] = orjson.loads(out)
            return done

        try:
            yield end
        finally:
            process.kill()


def mcpguard(*words: str, given: bytes = b"") -> subprocess.CompletedProcess[bytes]:
    env = {**os.environ, "PYTHONPATH": str(ROOT), "NO_COLOR": "1"}
    command = (sys.executable, "-m", "mcpguard", *words)
    return subprocess.run(
        command, input=given, env=env, capture_output=True, timeout=PATIENCE, check=False
    )


def test_the_commands_reach_a_session_in_another_process(data: Path) -> None:
    with session(data, "aaaa", "files") as end:
        seen = mcpguard("status", "--format", "json")
        denied = mcpguard("approve", "no", "t1")
        unsigned = mcpguard("approve", "yes", "t2", given=b"y\n")
        killed = mcpguard("kill", "--all")
        done = end()
    assert orjson.loads(seen.stdout)["sessions"][0]["server"] == "files"
    assert (denied.returncode, denied.stdout) == (0, b"denied: t1 of delete_file\n")
    assert (unsigned.returncode, NO_KEY.encode() in unsigned.stderr) == (2, True)
    assert killed.returncode == 0
    assert done == [["decide", "t1", False, [], {}], ["kill", "mcpguard kill"]]
    assert mcpguard("status").stdout.splitlines()[1].startswith(b"No session runs now;")


PHRASE = "a passphrase of some length"
LIGHT = 4
"""Work of sealing a key: these tests show nothing about guessing."""


def typed(*phrases: str) -> int:
    """A descriptor that passphrases come from."""
    reader, writer = os.pipe()
    os.write(writer, "".join(each + "\n" for each in phrases).encode())
    os.close(writer)
    return reader


@pytest.mark.guarantee("control:widening-is-signed")
def test_a_real_key_signs_what_was_shown_and_only_with_its_passphrase(data: Path) -> None:
    keys = data / "approvers"
    create(keys, "ana", PHRASE, work=LIGHT)
    verify = verifier(approvers(keys))
    desk = Desk("aaaa", "files")
    words = ("approve", "yes", "t1", "--passphrase-fd")
    with served(data, desk, proven("aaaa", verify)):
        wrong = run(*words, str(typed("not the passphrase at all")), given="y\n")
        assert (code(wrong), desk.done) == (2, [])
        right = run(*words, str(typed(PHRASE)), given="y\n")
        again = run("reload", "--by", "ana", "--passphrase-fd", str(typed(PHRASE)))
    assert (code(right), code(again)) == (0, 0)
    (_, ticket, yes, by, statement), (_, reloaders) = desk.done
    assert isinstance(statement, dict)
    signed = opened(statement)
    assert isinstance(signed, Signed)
    call = [CALL[key] for key in ("principal", "server", "tool", "arguments", "lock")]
    assert signed.statement.binding == bound(*call)  # type: ignore[arg-type]
    assert (signed.statement.session, signed.statement.request) == ("aaaa", "r-0001")
    assert verify(signed.key, statement_payload(signed.statement), signed.signature) == "ana"
    assert (ticket, yes, by, reloaders) == ("t1", True, (signed.key,), (signed.key,))


@pytest.mark.guarantee("control:widening-is-signed")
def test_a_key_that_the_session_does_not_know_signs_nothing(data: Path) -> None:
    create(data / "approvers", "ana", PHRASE, work=LIGHT)
    desk = Desk()
    with served(data, desk, proven("s1", verifier(()))):
        result = run("reload", "--passphrase-fd", str(typed(PHRASE)))
    assert (code(result), desk.done) == (1, [])
    assert "a signature is not that of an approver who counts" in result.stdout


@pytest.mark.parametrize("missing", ["arguments", "life", "request", "principal", "lock"])
def test_what_is_not_shown_whole_is_not_signed(data: Path, missing: str) -> None:
    create(data / "approvers", "ana", PHRASE, work=LIGHT)
    desk = Desk()
    del desk.waiting["t2"]
    desk.waiting["t1"] = {key: value for key, value in CALL.items() if key != missing}
    desk.waiting["t1"].setdefault("principal", None)
    with served(data, desk, desks.check):
        words = ("approve", "yes", "t1", "--passphrase-fd", str(typed(PHRASE)))
        result = run(*words, given="y\n")
    assert (code(result), desk.done) == (2, [])
    assert said(result)[0].endswith("so it is not signed")


@pytest.mark.parametrize(
    ("words", "told"),
    [((), "there is more than one approver"), (("--by", "eve"), "there is no approver 'eve'")],
)
def test_who_signs_is_asked_for_before_a_call_is_shown(
    data: Path, words: tuple[str, ...], told: str
) -> None:
    create(data / APPROVERS, "ana", PHRASE, work=2)
    ana = open_key(data / APPROVERS, "ana", PHRASE)
    create(data / APPROVERS, "bert", PHRASE, ana, work=2)
    with served(data, Desk("ab12cd34", "files")):
        result = run("approve", "yes", "t1", *words, given="y\n")
    assert isinstance(result.exception, UsageError)
    assert result.exception.message.startswith(told)
    assert "read_file" not in result.output


def test_every_command_of_the_section_ends_with_a_clear_error_when_the_folder_is_a_link(
    data: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (data / "run").symlink_to(data)
    for words in (["status"], ["approve", "list"], ["reload"], ["trust", "budgets"]):
        assert command_line(words) == 2
        captured = capsys.readouterr()
        assert "cannot be used" in captured.err
        assert "  next: it must be a directory of this user and no link" in captured.err
    assert set(COMMANDS) >= {"status", "approve", "kill", "reload"}
