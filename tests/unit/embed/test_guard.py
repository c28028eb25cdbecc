"""The library: the same answers as a proxy gives, without one, and nothing by default."""

import asyncio
import os
import subprocess
import sys
import traceback
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from types import MappingProxyType

import anyio
import pytest

from mcpguard.audit import AuditLog
from mcpguard.audit.key import SIGNING_KEY
from mcpguard.audit.verify import read, verify
from mcpguard.config.flags import ProxySettings
from mcpguard.config.loading import Loaded
from mcpguard.config.plan import Plan
from mcpguard.config.settings import Settings, StoreSettings
from mcpguard.embed import Answer, Approve, Asked, Guard, open_guard
from mcpguard.errors import IdentityError, KilledError, McpguardError, UsageError
from mcpguard.identity.holder import create
from mcpguard.identity.roster import EMPTY
from mcpguard.live.governor import Governor
from mcpguard.lock import lockfile
from mcpguard.model import ItemKind, JsonObject, Mode, Reason
from tests.integration import readme
from tests.tools import ROOT
from tests.unit.proxy.play import SURFACE, locked
from tests.waiting import PATIENCE

SAY: JsonObject = {"text": "hello"}
SAID: JsonObject = {"content": [{"type": "text", "text": "hello"}], "structuredContent": SAY}

Opened = Callable[..., AbstractAsyncContextManager[Guard]]


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture
def opened(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Opened:
    """Opens a guard whose settings are a text."""
    monkeypatch.setenv("MCPGUARD_DATA_DIR", str(tmp_path / "data"))
    monkeypatch.setenv("MCPGUARD_CONFIG_DIR", str(tmp_path / "none"))
    lock, config = tmp_path / "mcp-lock.json", tmp_path / "mcpguard.yaml"
    lock.write_bytes(lockfile.render(locked()))

    @asynccontextmanager
    async def open_one(
        text: str = "", approve: Approve | None = None, **more: object
    ) -> AsyncIterator[Guard]:
        config.write_text(f"store: {{backend: memory}}\n{text}")
        log = tmp_path / "log.jsonl"
        given: dict[str, object] = {"config": config, "audit_log": log, "tell": quiet, **more}
        with anyio.fail_after(PATIENCE):
            async with open_guard(lock, approve=approve, **given) as guard:  # type: ignore[arg-type]
                yield guard

    return open_one


def quiet(name: str, why: str) -> None:
    """Nobody listens."""


def records(folder: Path) -> list[JsonObject]:
    return [each for each in read(folder / "log.jsonl") if "event" not in each]


def said(answer: Answer) -> tuple[bool, str]:
    return answer.allowed, answer.rule


# --- the stages ----------------------------------------------------------------------------------

CASES: dict[str, tuple[str, str, JsonObject, str]] = {
    "ordinary": ("", "echo", SAY, ""),
    "not locked": ("", "nothing", {}, "surface.not_locked"),
    "a name but for its case": ("", "Echo", SAY, "surface.not_locked"),
    "no name": ("", "", {}, "surface.not_locked"),
    "other arguments": ("", "echo", {"txt": "x"}, "surface.arguments"),
    "an argument's twin": ("", "echo", {**SAY, "Text": "y"}, "surface.key_folding"),
    "denied": ("gateway: {deny: [ec*]}", "echo", SAY, "gateway.tool_denied"),
    "blocked": ("tools: {echo: {blocked: true}}", "echo", SAY, "trust.tool_blocked"),
    "too little trust": ("tools: {echo: {min_trust: 600}}", "echo", SAY, "trust.trust_score"),
    "not enrolled enough": ("tools: {echo: {min_level: 2}}", "echo", SAY, "trust.trust_level"),
    "nobody to ask": ("gateway: {approve: [echo]}", "echo", SAY, "gateway.approval"),
    "a rule": (
        "rules: [{name: no, when: call.arguments.text == 'hello', action: deny}]", "echo", SAY,
        "policy.rule",
    ),
    "metadata": ("", "free", {"url": "http://169.254.169.254/"}, "gateway.sanitised"),
}  # fmt: skip


@pytest.mark.guarantee("embed:same-answers")
@pytest.mark.parametrize("name", CASES)
async def test_a_program_is_told_what_a_proxy_would_do(opened: Opened, name: str) -> None:
    text, tool, arguments, rule = CASES[name]
    async with opened(text) as guard:
        answer = await guard.authorise(tool, arguments)
    assert said(answer) == (not rule, rule)
    assert bool(answer.text) is bool(rule)


@pytest.mark.guarantee("embed:same-answers")
async def test_what_the_settings_capture_stands_in_the_log(opened: Opened, tmp_path: Path) -> None:
    text = "audit: {evidence: on, capture: {arguments: [echo], results: [echo]}}"
    async with opened(text) as guard:
        answers = [await guard.authorise("echo", SAY) for _ in range(2)]
        await guard.answered(answers[0], SAID)
        await guard.answered(answers[1], {"code": 1, "message": "no"}, error=True)
    calls, results = records(tmp_path)[:2], records(tmp_path)[2:]
    assert [bool(each["params_hash"]) for each in calls] == [True, True]
    shown = [each["captured"] for each in (calls[0], *results)]
    assert [isinstance(each, dict) and each["what"] for each in shown] == [
        *("arguments", "result", "error")
    ]
    assert verify(tmp_path / "log.jsonl").problems == ()


@pytest.mark.guarantee("embed:same-answers")
async def test_every_answer_is_recorded_and_its_log_is_whole(
    opened: Opened, tmp_path: Path
) -> None:
    async with opened("tools: {echo: {max_calls_per_minute: 2}}") as guard:
        answers = [await guard.authorise("echo", SAY) for _ in range(3)]
        shown = await guard.answered(answers[0], SAID)
        failed = await guard.answered(answers[1], {"code": 1, "message": "no"}, error=True)
    assert [said(each) for each in answers] == [(True, "")] * 2 + [(False, "trust.rate_limit")]
    assert (shown.result, failed.allowed) == (SAID, True)
    told = [(each["direction"], each["decision"]) for each in records(tmp_path)]
    up, down = "host>server", "server>host"
    assert told == [(up, "allow"), (up, "allow"), (up, "deny"), (down, "allow"), (down, "allow")]
    assert records(tmp_path)[-1]["outcome"] == "error"
    assert verify(tmp_path / "log.jsonl").problems == ()


async def test_a_result_is_told_once_and_of_what_was_allowed(opened: Opened) -> None:
    async with opened() as guard:
        denied, allowed = await guard.authorise("no", {}), await guard.authorise("echo", SAY)
        await guard.answered(allowed, SAID)
        for answer in (denied, allowed):
            with pytest.raises(UsageError, match="no call that was allowed here"):
                await guard.answered(answer, SAID)


async def test_a_guard_takes_no_result_of_another_ones_call(opened: Opened) -> None:
    async with opened() as one, opened() as other:
        answers = [await guard.authorise("echo", SAY) for guard in (one, other)]
        assert [each.call for each in answers] == [1, 1]
        with pytest.raises(UsageError, match="no call that was allowed here"):
            await other.answered(answers[0], SAID)
        assert (await other.answered(answers[1], SAID)).allowed


@pytest.mark.guarantee("embed:same-answers")
async def test_what_is_judged_cannot_be_changed_behind_the_answer(opened: Opened) -> None:
    given: JsonObject = {"text": "hello"}
    async with opened() as guard:
        answer = await guard.authorise("echo", given)
        given["text"] = "something else"
        assert answer.arguments == SAY
        words: dict[str, str] = {"text": "hello"}
        for other in (words, MappingProxyType(words)):
            assert (await guard.authorise("echo", other)).arguments == SAY
        for wrong in ({"text": object()}, {1: "x"}, [SAY], "text", None):
            with pytest.raises(UsageError):
                await guard.authorise("echo", wrong)  # type: ignore[arg-type]


async def test_only_tools_that_are_listed_as_reviewed_may_be_called(opened: Opened) -> None:
    echo, free = (SURFACE[ItemKind.TOOL][name] for name in ("echo", "free"))
    drifted = {**free, "description": "Something else."}
    async with opened() as guard:
        found = guard.lists([echo, drifted, {"name": "new"}])
        answers = [await guard.authorise(name, SAY) for name in ("echo", "free", "new")]
        guard.lists([echo, echo])
        twice = await guard.authorise("echo", SAY)
        guard.lists([])
        gone = await guard.authorise("echo", SAY)
    assert found == {"echo": Reason.OK, "free": Reason.DRIFTED, "new": Reason.NOT_LOCKED}
    rules = [each.rule for each in (*answers, twice, gone)]
    assert rules == [
        "", "surface.drifted", "surface.not_locked", "surface.doubled", "surface.not_listed",
    ]  # fmt: skip


# --- who calls, and what the program asserts -----------------------------------------------------


@pytest.mark.guarantee("embed:asserted-only-lowers")
@pytest.mark.parametrize(
    ("needed", "asserted", "rule"),
    [
        (300, None, ""),
        (300, 1000, ""),
        (300, 300, ""),
        (300, 299, "trust.trust_score"),
        (300, 0, "trust.trust_score"),
        (600, 1000, "trust.trust_score"),
        (600, 600, "trust.trust_score"),
    ],
)
async def test_an_asserted_score_lowers_ours_and_never_raises_it(
    opened: Opened, tmp_path: Path, needed: int, asserted: int | None, rule: str
) -> None:
    async with opened(f"tools: {{echo: {{min_trust: {needed}}}}}") as guard:
        await guard.authorise("free", {})
        answer = await guard.authorise("echo", SAY, asserted=asserted)
        usual = await guard.authorise("echo", SAY)
    assert answer.rule == rule
    assert usual.allowed is (needed == 300)  # what was asserted of one call counts for no other
    record = records(tmp_path)[1]
    assert (record.get("asserted"), record["score"]) == (asserted, 500)


@pytest.mark.guarantee("embed:asserted-only-lowers")
@pytest.mark.parametrize("wrong", [-1, 1001, True, 3.0, "900"])
async def test_an_assertion_off_the_scale_is_an_error(opened: Opened, wrong: int) -> None:
    async with opened() as guard:
        with pytest.raises(UsageError, match="no score"):
            await guard.authorise("echo", SAY, asserted=wrong)


ENROLLED = """
principals:
  local:alice: {capabilities: ["docs:*"]}
  local:bob: {blocked: true}
tools: {echo: {required_capabilities: ["docs:read"]}}
"""


@pytest.mark.parametrize(
    ("principal", "rule"),
    [
        ("", "trust.capability"),
        ("local:alice", ""),
        ("local:bob", "trust.principal_blocked"),
    ],
)
async def test_a_program_calls_for_whom_the_settings_enrol(
    opened: Opened, tmp_path: Path, principal: str, rule: str
) -> None:
    async with opened(ENROLLED, principal=principal) as guard:
        answer = await guard.authorise("echo", SAY)
    assert answer.rule == rule
    assert records(tmp_path)[0]["principal"] == (principal or "local:default")


@pytest.mark.guarantee("embed:nobody-by-default")
@pytest.mark.parametrize("principal", ["local:eve", "alice", "did:key:z6Mk", "local:", "*"])
async def test_nobody_calls_for_a_principal_that_no_setting_names(
    opened: Opened, principal: str
) -> None:
    with pytest.raises(UsageError, match="no principal of the settings") as raised:
        async with opened(ENROLLED, principal=principal):
            pass
    shown = "".join(traceback.format_exception(raised.value))
    assert shown.endswith("\nnext: enrol it: name it under `principals` in mcpguard.yaml\n")


@pytest.mark.guarantee("audit:session-by-its-key")
@pytest.mark.parametrize(
    ("principal", "proved"),
    [("", "key"), ("OWN", "key"), ("OTHER", "profile"), ("local:alice", "profile")],
)
async def test_a_guard_proves_the_key_of_the_settings_and_vouches_for_everybody_else(
    opened: Opened, tmp_path: Path, principal: str, proved: str
) -> None:
    own, other = create(tmp_path / "id.pem").did, create(tmp_path / "other.pem").did
    text = f"identity: {tmp_path / 'id.pem'}\nprincipals:\n"
    text += "".join(f'  "{each}": {{blocked: false}}\n' for each in (own, other, "local:alice"))
    said = principal.replace("OWN", own).replace("OTHER", other)
    async with opened(text, principal=said) as guard:
        answer = await guard.authorise("echo", SAY)
    start = next(read(tmp_path / "log.jsonl"))
    report = verify(tmp_path / "log.jsonl")
    assert (answer.allowed, answer.rule) == (True, "")
    assert (start["principal"], start["proved"]) == (said or own, proved)
    assert (report.problems, report.proved) == ((), ((own, 1),) if proved == "key" else ())


@pytest.mark.guarantee("audit:session-by-its-key")
async def test_a_log_is_signed_with_the_key_that_its_first_record_names(
    opened: Opened, tmp_path: Path
) -> None:
    """Also when the file of that key is taken away while the session runs."""
    did = create(tmp_path / "id.pem").did
    text = f"identity: {tmp_path / 'id.pem'}\nprincipals: {{'{did}': {{blocked: false}}}}\n"
    async with opened(text):
        (tmp_path / "data" / SIGNING_KEY).unlink()
    report = verify(tmp_path / "log.jsonl")
    assert (report.problems, report.checkpoints, report.proved) == ((), 1, ((did, 1),))


async def test_a_guard_begins_by_no_key_that_is_not_pinned(opened: Opened, tmp_path: Path) -> None:
    create(tmp_path / "id.pem")
    with pytest.raises(IdentityError, match="which the settings do not pin"):
        async with opened(f"identity: {tmp_path / 'id.pem'}\n"):
            pass


# --- approvals -----------------------------------------------------------------------------------


async def yes(asked: Asked) -> bool:
    return asked.arguments == SAY and len(asked.ticket) > 0


async def no(asked: Asked) -> bool:
    return False


async def nearly(asked: Asked) -> bool:
    return "yes"  # type: ignore[return-value]


async def broken(asked: Asked) -> bool:
    raise ConnectionError


def plain(asked: Asked) -> bool:
    return True


async def cancelled(asked: Asked) -> bool:
    raise anyio.get_cancelled_exc_class()


async def silent(asked: Asked) -> bool:
    await anyio.sleep_forever()
    return True


async def meddling(asked: Asked) -> bool:
    asked.arguments["text"] = "something else"
    return True


ASKS = "gateway: {approve: [echo]}\napprovals: {hold: 1}\n"


@pytest.mark.guarantee("embed:approved-by-a-plain-yes")
@pytest.mark.parametrize(
    ("approve", "settings", "rule"),
    [
        (yes, ASKS, ""),
        (meddling, ASKS, ""),
        (no, ASKS, "gateway.approval"),
        (nearly, ASKS, "gateway.approval"),
        (broken, ASKS, "gateway.approval"),
        (plain, ASKS, "gateway.approval"),
        (cancelled, ASKS, "gateway.approval"),
        (silent, ASKS, "gateway.waiting"),
        (None, ASKS, "gateway.approval"),
        (yes, ASKS.replace("hold: 1", "hold: 1, quorum: 2"), "gateway.approval"),
    ],
)
async def test_a_callback_approves_with_true_and_nothing_else(
    opened: Opened, tmp_path: Path, approve: Approve | None, settings: str, rule: str
) -> None:
    async with opened(settings, approve) as guard:
        answer = await guard.authorise("echo", SAY)
    assert said(answer) == (not rule, rule)
    if not rule:
        assert answer.arguments == SAY
        assert "approved by the embedding program" in str(records(tmp_path)[-1]["approval"])


@pytest.mark.parametrize(
    ("approve", "told"),
    [
        (broken, f"ConnectionError in {__file__}:{broken.__code__.co_firstlineno + 1}"),
        (plain, "UsageError: approve gave nothing to await: define it with `async def`"),
    ],
)
async def test_a_program_is_told_where_its_callback_failed(
    opened: Opened, approve: Approve, told: str
) -> None:
    heard: list[tuple[str, str]] = []
    async with opened(ASKS, approve, tell=lambda *each: heard.append(each)) as guard:
        await guard.authorise("echo", SAY)
    assert ("approval.callback", told) in heard


@pytest.mark.guarantee("embed:approved-by-a-plain-yes")
async def test_each_call_is_asked_about_by_itself(opened: Opened) -> None:
    asked: list[str] = []

    async def once(one: Asked) -> bool:
        asked.append(one.ticket)
        return len(asked) == 1

    async with opened(ASKS, once) as guard:
        answers = [await guard.authorise("echo", SAY) for _ in range(2)]
    assert [each.allowed for each in answers] == [True, False]
    assert len(set(asked)) == 2


async def test_a_call_that_is_cancelled_leaves_no_ticket(opened: Opened) -> None:
    async with opened(ASKS, silent) as guard:
        with anyio.move_on_after(0.3):
            await guard.authorise("echo", SAY)
        later = await guard.authorise("free", {})
    assert later.allowed


# --- the end -------------------------------------------------------------------------------------


@pytest.mark.guarantee("embed:nobody-by-default")
@pytest.mark.parametrize("mode", [Mode.ENFORCE, Mode.AUDIT_ONLY])
async def test_a_killed_guard_allows_nothing_not_even_what_waits(
    opened: Opened, mode: Mode
) -> None:
    answers: list[Answer] = []
    async with opened("gateway: {approve: [echo]}", silent, mode=mode) as guard:

        async def ask() -> None:
            answers.append(await guard.authorise("echo", SAY))

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(ask)
            await anyio.wait_all_tasks_blocked()
            guard.kill("a drill")
        answers.append(await guard.authorise("free", {}))
    answers.append(await guard.authorise("free", {}))
    waited = Reason.KILLED if mode is Mode.ENFORCE else Reason.WAITING
    assert [each.reason for each in answers] == [waited, Reason.KILLED, Reason.KILLED]
    assert [each.allowed for each in answers] == [mode is Mode.AUDIT_ONLY, False, False]
    assert "[wire.killed]: the session was ended. Do not retry" in answers[-1].text


async def test_no_guard_opens_while_the_kill_switch_is_on(opened: Opened, tmp_path: Path) -> None:
    (tmp_path / "data").mkdir(mode=0o700)
    (tmp_path / "data" / "kill").touch()
    with pytest.raises(KilledError):
        async with opened():
            pass


async def test_what_the_program_raises_comes_out_as_it_is(opened: Opened) -> None:
    with pytest.raises(LookupError, match="mine"):
        async with opened():
            raise LookupError("mine")


@pytest.mark.guarantee("embed:cancels-nothing-of-the-program")
@pytest.mark.parametrize("handled", [True, False])
async def test_a_failed_task_group_of_the_program_cancels_nothing(
    opened: Opened, *, handled: bool
) -> None:
    async def fail() -> None:
        raise LookupError("mine")

    caught: list[BaseException] = []
    try:
        async with opened() as guard:
            try:
                async with asyncio.TaskGroup() as tasks:
                    tasks.create_task(fail())
            except* LookupError as group:
                if not handled:
                    raise
                caught += group.exceptions
            assert (await guard.authorise("echo", SAY)).allowed
    except* LookupError as group:
        caught += group.exceptions
    assert [str(each) for each in caught] == ["mine"]


@pytest.mark.guarantee("embed:unrecorded-is-not-allowed")
@pytest.mark.parametrize(
    ("mode", "allowed"), [(Mode.ENFORCE, False), (Mode.FILTER_ONLY, False), (Mode.AUDIT_ONLY, True)]
)
async def test_what_cannot_be_recorded_is_not_allowed(
    tmp_path: Path, mode: Mode, *, allowed: bool
) -> None:
    log = AuditLog.open(
        tmp_path / "log.jsonl", key=bytes(32), session="s1", server="f", principal="local:default",
        clock=lambda: 1.0,
    )  # fmt: skip
    lock = locked()
    settings = Settings(store=StoreSettings("memory"))
    plan = Plan(ProxySettings(), Loaded(settings), lock, "", mode, "f")
    governor = Governor(plan, "s1", log, lambda: tmp_path, EMPTY)
    guard = Guard(governor, lock, None, quiet)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(governor.serve, guard.resume, quiet)
        assert (await guard.authorise("echo", SAY)).allowed
        log.close()
        answer = await guard.authorise("echo", SAY)
        tasks.cancel_scope.cancel()
    assert answer.allowed is allowed
    if not allowed:
        assert answer.reason is Reason.AUDIT_UNWRITABLE


async def test_a_guard_needs_a_lockfile_that_can_be_read(tmp_path: Path) -> None:
    with pytest.raises(McpguardError, match="there is no such file"):
        async with open_guard(tmp_path / "none.json"):
            pass


async def test_files_and_the_mode_may_be_texts(opened: Opened, tmp_path: Path) -> None:
    config, log = str(tmp_path / "mcpguard.yaml"), str(tmp_path / "log.jsonl")
    async with opened(config=config, audit_log=log, mode="filter-only") as guard:
        assert (await guard.authorise("echo", SAY)).allowed
    assert records(tmp_path)[-1]["mode"] == "filter-only"


@pytest.mark.parametrize(
    ("wrong", "message"),
    [({"mode": "enforced"}, "mode: 'enforced' is none"), ({"approve": "x"}, "cannot be called")],
)
async def test_an_option_that_is_none_opens_no_guard(
    opened: Opened, wrong: dict[str, object], message: str
) -> None:
    with pytest.raises(UsageError, match=message):
        async with opened(**wrong):
            pass


def test_the_program_of_the_readme_prints_what_it_is_told(tmp_path: Path) -> None:
    schema: JsonObject = {"type": "object", "properties": {"path": {"type": "string"}}}
    tool: JsonObject = {"name": "read_text_file", "inputSchema": schema}
    lock = locked({**{each: {} for each in ItemKind}, ItemKind.TOOL: {"read_text_file": tool}})
    (tmp_path / "mcp-lock.json").write_bytes(lockfile.render(lock))
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", readme.block("python guard.py")],
        cwd=tmp_path,
        env={
            **os.environ,
            "PYTHONPATH": str(ROOT),
            "MCPGUARD_DATA_DIR": str(tmp_path / "data"),
            "MCPGUARD_CONFIG_DIR": str(tmp_path / "none"),
        },
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )
    assert done.stderr == ""
    first, second, third = done.stdout.splitlines()
    assert first == "True {'path': 'a.txt'}"
    assert second == "True {'content': [{'type': 'text', 'text': 'hello'}]}"
    assert third.startswith("surface.not_locked Blocked by mcpguard [surface.not_locked]")
