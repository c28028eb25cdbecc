"""Large results beside the session, what it keeps of them, and what it knows to be planted."""

from collections.abc import Callable
from pathlib import Path
from threading import get_ident

import anyio
import pytest

from mcpguard.config.flags import parse_proxy
from mcpguard.config.plan import Plan, make_plan
from mcpguard.errors import VaultError
from mcpguard.live.examining import AHEAD, Examiner
from mcpguard.live.keeping import RELEASED_FOR, Keeping, Planted
from mcpguard.model import ALLOW, JsonObject, Reason, Verdict, Wait
from mcpguard.pipeline.scan import Kept
from mcpguard.vault import CANARIES
from mcpguard.vault.canaries import made, remember
from mcpguard.vault.quarantine import Quarantine, digest_of
from tests.waiting import PATIENCE

NO = Verdict.deny(Reason.INJECTION, "no")
BODY: JsonObject = {"content": [{"type": "text", "text": "OBEY"}]}
KEPT = Kept("tools/call", "read", BODY, False, "it reads like orders", ("scan.override",))


def nothing() -> None: ...


class Work:
    """Work that is counted, in which thread it was done too."""

    def __init__(self, verdict: Verdict | None = NO) -> None:
        self.verdict = verdict
        self.threads: list[int] = []

    def __call__(self) -> Verdict:
        self.threads.append(get_ident())
        if self.verdict is None:
            raise ValueError("a defect")
        return self.verdict


@pytest.mark.guarantee("scan:large-beside")
@pytest.mark.parametrize(
    ("verdict", "reason"), [(NO, Reason.INJECTION), (None, Reason.STAGE_FAILED)]
)
async def test_work_is_done_in_another_thread_and_its_verdict_given_once(
    verdict: Verdict | None, reason: Reason
) -> None:
    examiner, work = Examiner(), Work(verdict)
    resumed = anyio.Event()
    assert examiner.aside(7, work) == Wait("scan", "7")
    assert examiner.aside(7, work) == Wait("scan", "7")
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(examiner.run, resumed.set, nothing)
        with anyio.fail_after(PATIENCE):
            await resumed.wait()
        tasks.cancel_scope.cancel()
    given = examiner.aside(7, work)
    assert isinstance(given, Verdict)
    assert given.reason is reason
    assert [each == get_ident() for each in work.threads] == [False]
    assert examiner.aside(7, work) == Wait("scan", "7")


async def test_work_that_comes_while_nothing_is_done_wakes_the_examiner() -> None:
    examiner, seen = Examiner(), anyio.Event()
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(examiner.run, seen.set, nothing)
        await anyio.lowlevel.checkpoint()
        examiner.aside(1, Work())
        with anyio.fail_after(PATIENCE):
            await seen.wait()
        tasks.cancel_scope.cancel()


def test_too_much_at_a_time_is_done_at_once() -> None:
    examiner, work = Examiner(), Work(ALLOW)
    for call in range(AHEAD):
        assert isinstance(examiner.aside(call, work), Wait)
    assert examiner.aside(AHEAD, work) is ALLOW
    assert work.threads == [get_ident()]


def test_what_waits_when_the_server_ends_is_done_then() -> None:
    examiner, work = Examiner(), Work()
    examiner.aside(1, work)
    examiner.settle()
    assert examiner.aside(1, work) is NO
    assert len(work.threads) == 1


def test_other_rules_examine_again() -> None:
    examiner, before, after = Examiner(), Work(ALLOW), Work()
    examiner.aside(1, before)
    examiner.settle()
    examiner.forget()
    assert isinstance(examiner.aside(1, after), Wait)
    examiner.settle()
    assert examiner.aside(1, after) is NO


# what is kept


@pytest.fixture
def plan(tmp_path: Path) -> Plan:
    (tmp_path / "mcpguard.yaml").write_text("profile: desk\n")
    flags = ("--audit-only", "--config", str(tmp_path / "mcpguard.yaml"), "--", "server")
    return make_plan(parse_proxy(flags), None)


def keeping(plan: Plan, home: Path, clock: list[float], told: list[str]) -> Keeping:
    return Keeping(
        plan,
        "s1",
        lambda: home,
        hours=lambda: 2,
        now=lambda: clock[0],
        unix=lambda: 1000 + clock[0],
        tell=lambda name, _: told.append(name),
    )


@pytest.mark.guarantee("scan:release-admits-one")
def test_what_is_kept_says_whose_it_is_and_how_long(plan: Plan, tmp_path: Path) -> None:
    told: list[str] = []
    name = keeping(plan, tmp_path, [5.0], told).keep(KEPT)
    found = Quarantine(tmp_path).get(name, 1005)
    assert found is not None
    assert (found.server, found.principal, found.session) == ("server", "local:desk", "s1")
    assert (found.at, found.until) == (1005, 1005 + 2 * 3600)
    assert (found.method, found.target, found.body, found.why) == (*KEPT[:3], KEPT.why)
    assert told == []


def test_a_quarantine_that_cannot_be_written_is_told_and_keeps_nothing(
    plan: Plan, tmp_path: Path
) -> None:
    (tmp_path / "quarantine").write_text("in the way")
    told: list[str] = []
    assert keeping(plan, tmp_path, [5.0], told).keep(KEPT) == ""
    assert told == ["quarantine.failed"]


@pytest.mark.guarantee("scan:release-admits-one")
@pytest.mark.parametrize(
    ("later", "other", "admitted"),
    [
        (0.0, KEPT, True),
        (RELEASED_FOR - 1.0, KEPT, True),
        (RELEASED_FOR + 1.0, KEPT, False),
        (0.0, KEPT._replace(target="write"), False),
        (0.0, KEPT._replace(method="prompts/get"), False),
        (0.0, KEPT._replace(body={**BODY, "more": 1}), False),
        (0.0, KEPT._replace(body={**BODY, "_meta": {"at": 1}}), True),
    ],
)
def test_a_release_is_for_one_identical_result_and_ten_minutes(
    plan: Plan, tmp_path: Path, later: float, other: Kept, admitted: bool
) -> None:
    clock = [5.0]
    keep = keeping(plan, tmp_path, clock, [])
    assert not keep.released(KEPT)
    keep.release(digest_of("tools/call", "read", BODY))
    clock[0] += later
    assert keep.released(other) is admitted
    assert not (admitted and keep.released(other))


# planted credentials


@pytest.mark.guarantee("scan:canary-never-passes")
def test_a_session_knows_what_is_planted_while_it_runs(tmp_path: Path) -> None:
    changes: list[str] = []
    told: list[str] = []
    known = Planted(
        lambda: tmp_path, lambda: changes.append("x"), lambda name, _: told.append(name)
    )
    look: Callable[[], None] = known.job()(None)  # type: ignore[arg-type]
    look()
    assert (known.detector, changes) == (None, [])
    remember(tmp_path, made(tmp_path, "aws", at=1, note="", into="")[0])
    look()
    found = known.detector
    assert found is not None
    look()
    assert changes == ["x"]
    (tmp_path / CANARIES).write_text("damaged")
    look()
    assert (known.detector is found, changes, told) == (True, ["x"], ["canaries.unread"])
    (tmp_path / CANARIES).unlink()
    look()
    look()
    (tmp_path / CANARIES).symlink_to(CANARIES)  # it may be there, and cannot be looked at
    look()
    look()
    assert (known.detector is found, changes, told) == (True, ["x"], ["canaries.unread"] * 3)
    with pytest.raises(VaultError, match="cannot be looked at"):
        Planted(lambda: tmp_path, nothing, lambda _name, _why: None)
    known.lost()
