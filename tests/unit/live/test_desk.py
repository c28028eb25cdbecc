"""What a person changes in a session: recorded first, whole or not at all."""

import shutil
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

import anyio
import pytest

from mcpguard.approval.statement import WITH_MORE, Answer, bound
from mcpguard.audit import AuditLog
from mcpguard.audit.verify import read
from mcpguard.cli.signing import Signing
from mcpguard.config.flags import ProxySettings
from mcpguard.config.loading import Loaded, load
from mcpguard.config.plan import make_plan
from mcpguard.control.blocks import Block
from mcpguard.errors import McpguardError, RefusalError, UsageError
from mcpguard.identity.holder import create as create_key
from mcpguard.identity.keys import create, open_key, roster
from mcpguard.identity.roster import EMPTY
from mcpguard.live import reloading
from mcpguard.live.desk import Desk
from mcpguard.live.governor import Governor
from mcpguard.live.observing import Blocked
from mcpguard.model import Call, JsonObject, Mode, Proof, Verdict
from tests.unit.live.test_counting import Moment
from tests.unit.live.test_governor import context

ANA = ("ed25519:ana",)


class Room:
    """A session without bytes: its log, its state and its desk."""

    def __init__(self, folder: Path, mode: Mode = Mode.ENFORCE, text: str = "") -> None:
        self.config, self.folder = folder / "mcpguard.yaml", folder
        self.write(text)
        self.now = 1000.0
        self.killed: list[str] = []
        flags = ProxySettings(command=("server",), config=self.config, mode=mode)
        plan = make_plan(flags, None)
        self.log = AuditLog.open(
            folder / "log.jsonl",
            key=bytes(32),
            session="s1",
            server=plan.name,
            principal=plan.principal,
            clock=lambda: self.now,
            durability="none",
            defaults={"mode": str(mode)},
            facts={},
        )
        self.governor = Governor(plan, "s1", self.log, lambda: folder, EMPTY)
        self.desk = Desk(
            self.governor,
            resume=lambda: None,
            kill=self.killed.append,
            killed=lambda: bool(self.killed),
            since=0.0,
            clock=lambda: self.now,
        )

    def write(self, text: str) -> None:
        self.config.write_text(f"store: {{backend: memory}}\n{text}")

    def lose_log(self) -> None:
        """From now on nothing can be recorded."""
        (self.folder / "log.jsonl").unlink()
        self.now += 1000.0

    def events(self) -> list[JsonObject]:
        return [one for one in read(self.folder / "log.jsonl") if "event" in one][1:]


def done(work: Callable[[], Awaitable[JsonObject]]) -> JsonObject:
    return anyio.run(work)


@pytest.fixture
def room(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Room:
    monkeypatch.setenv("MCPGUARD_DATA_DIR", str(tmp_path / "data"))
    return Room(tmp_path, text="gateway: {budgets: {tool_calls: 5}}\n")


CHANGES: dict[str, Callable[[Desk], Awaitable[JsonObject]]] = {
    "control.block": lambda desk: desk.block("tool", "rm", ""),
    "control.policy": lambda desk: desk.set_policy("rm", {"blocked": True}, ANA),
    "control.reload": lambda desk: desk.reload(ANA),
    "control.budget": lambda desk: desk.reset_budgets(ANA),
    "trust.reset": lambda desk: desk.reset_trust("caller", "local:default", "", ANA),
}


@pytest.mark.guarantee("live:unrecorded-is-not-done")
@pytest.mark.parametrize("name", CHANGES)
def test_what_cannot_be_recorded_is_not_done(room: Room, name: str) -> None:
    room.lose_log()
    room.write("gateway: {deny: [rm]}\n")
    governor = room.governor
    before = governor.settings
    with pytest.raises(McpguardError, match="cannot be recorded"):
        done(lambda: CHANGES[name](room.desk))
    assert governor.settings is before
    assert "rm" not in governor.blocked.tools


@pytest.mark.parametrize("name", ["control.policy", "control.reload", "control.budget"])
def test_a_change_says_who_signed_it(room: Room, name: str) -> None:
    done(lambda: CHANGES[name](room.desk))
    (event,) = room.events()
    assert (event["event"], event["by"], event["key"]) == (name, *ANA, *ANA)


def test_a_mode_that_goes_on_without_a_log_takes_changes_without_one(tmp_path: Path) -> None:
    room = Room(tmp_path, Mode.AUDIT_ONLY)
    room.lose_log()
    done(lambda: room.desk.set_policy("rm", {"blocked": True}, ANA))
    assert room.governor.settings.tools.of("rm").blocked


def test_a_log_that_is_lost_keeps_nobody_from_ending_the_session(room: Room) -> None:
    room.lose_log()
    done(lambda: room.desk.kill("drill"))
    assert room.killed == ["drill"]


def test_a_policy_for_one_tool_leaves_others_and_what_was_used_of_budgets(room: Room) -> None:
    budgets = room.governor.budgets
    done(lambda: room.desk.set_policy("rm", {"min_trust": 900}, ANA))
    done(lambda: room.desk.set_policy("rm", {"blocked": True}, ANA))
    tools = room.governor.settings.tools
    assert (tools.of("rm").min_trust, tools.of("rm").blocked) == (900, True)
    assert tools.of("ls").min_trust == 300
    assert room.governor.budgets is budgets
    told = done(lambda: room.desk.reload(ANA))
    assert told["changed"] == ["tools.rm.blocked", "tools.rm.min_trust"]
    assert not room.governor.settings.tools.of("rm").blocked


@pytest.mark.parametrize(
    ("glob", "fields", "what"),
    [
        ("rm", {"min_trst": 1}, "unknown key `min_trst`"),
        ("rm", {"min_trust": "7"}, "a whole number"),
        ("rm", {"min_trust": 7000}, "7000 is not from 0 to 1000"),
        ("rm", {}, "the mapping is empty"),
        ("r" * 257, {"blocked": True}, "a tool's pattern is 257 characters"),
    ],
)
def test_a_policy_that_the_file_could_not_hold_is_refused(
    room: Room, glob: str, fields: JsonObject, what: str
) -> None:
    with pytest.raises(UsageError, match=what):
        done(lambda: room.desk.set_policy(glob, fields, ANA))
    assert room.events() == []


AT_START = {
    "profile": "profile: other\n",
    "store": "",
    "mode": "mode: audit-only\n",
    "requests": "requests: [roots]\n",
    "trust.servers": "trust: {servers: hold}\n",
    "audit.durability": "audit: {durability: strict}\n",
}


@pytest.mark.guarantee("live:reload-is-whole-or-not")
@pytest.mark.parametrize("key", AT_START)
def test_what_only_a_start_can_set_is_refused_by_name(room: Room, key: str) -> None:
    room.write(AT_START[key])
    if key == "store":
        room.config.write_text("store: {backend: sqlite}\n")
    before = room.governor.settings
    with pytest.raises(RefusalError, match=f"the old configuration stays: {key}.* session starts"):
        done(lambda: room.desk.reload(ANA))
    assert room.governor.settings is before
    assert room.events() == []


@pytest.mark.guarantee("live:reload-is-whole-or-not")
@pytest.mark.parametrize(
    ("pins", "again", "why"),
    [
        ("OWN", False, ""),
        ("", False, "which the settings do not pin"),
        ("OWN, OTHER", True, "identity can only be set when a session starts"),
        ("OTHER", True, "identity can only be set when a session starts"),
    ],
)
def test_a_session_stays_of_the_key_that_it_began_with(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, pins: str, again: bool, why: str
) -> None:
    """`again`: another key is in the file meanwhile."""
    monkeypatch.setenv("MCPGUARD_DATA_DIR", str(tmp_path / "data"))
    path, other = tmp_path / "id.pem", create_key(tmp_path / "other.pem").did
    own = create_key(path).did

    def text(pinned: str) -> str:
        names = pinned.replace("OWN", own).replace("OTHER", other).split(", ")
        entries = "".join(f'  "{each}": {{capabilities: [a:b]}}\n' for each in names if each)
        return f"identity: {path}\n" + (f"principals:\n{entries}" if entries else "")

    room = Room(tmp_path, text=text("OWN"))
    caller = room.governor.parties.caller
    assert (caller.id, caller.proof) == (own, Proof.KEY)
    room.write(text(pins) + "approvals: {hold: 7}\n")
    if again:
        (tmp_path / "other.pem").replace(path)
    if why:
        with pytest.raises(RefusalError, match=why):
            done(lambda: room.desk.reload(ANA))
    else:
        assert done(lambda: room.desk.reload(ANA))["changed"] == ["approvals.hold"]
    assert room.governor.parties.caller == caller


PHRASE = "correct horse battery"


def test_approvers_may_grow_and_never_be_others(room: Room) -> None:
    place = room.folder / "data" / "approvers"
    create(place, "ana", PHRASE, work=2)
    room.governor.roster = roster(place)
    create(place, "ben", PHRASE, open_key(place, "ana", PHRASE), work=2)
    assert done(lambda: room.desk.reload(ANA))["changed"] == ["approvers"]
    assert [each.name for each in room.governor.roster.approvers] == ["ana", "ben"]
    shutil.rmtree(place)
    create(place, "eve", PHRASE, work=2)
    with pytest.raises(RefusalError, match="the approvers were replaced"):
        done(lambda: room.desk.reload(ANA))
    assert room.governor.roster.named("eve") is None


def test_a_yes_counts_for_the_call_it_names_and_by_who_signed_the_request_alone(room: Room) -> None:
    place = room.folder / "data" / "approvers"
    create(place, "ana", PHRASE, work=2)
    ana = open_key(place, "ana", PHRASE)
    room.governor.roster = roster(place)
    approvals = room.governor.approvals
    for text in ("one", "two"):
        arguments: JsonObject = {"text": text}
        binding = bound("local:default", "server", "echo", arguments, "")
        approvals.queue.ask(binding, arguments, time.monotonic())
    one, two = (row.ticket for row in approvals.pending())
    signing = Signing(ana)
    shown = anyio.run(room.desk.show, one)
    yes = signing.approval("s1", shown)
    wrong: dict[str, tuple[str, tuple[str, ...], JsonObject]] = {
        "another call": (two, (ana.key_id,), yes),
        "who signed the request": (one, ("ed25519:other",), yes),
        "is not a yes": (one, (ana.key_id,), signing.approval("s1", shown, Answer.NO)),
        "malformed": (one, (ana.key_id,), {}),
        "about another": (one, (ana.key_id,), signing.approval("s2", shown)),
        "its time is over": (one, (ana.key_id,), Signing(ana, lambda: 1).approval("s1", shown)),
    }
    for ticket, keys, statement in wrong.values():
        with pytest.raises(RefusalError):
            anyio.run(room.desk.decide, ticket, True, keys, statement)
    assert room.events() == []
    told = anyio.run(room.desk.decide, one, True, (ana.key_id,), yes)
    assert told["missing"] == 0
    assert [event["target"] for event in room.events()] == ["echo"]


@pytest.mark.parametrize("first", [0, 1], ids=["plain", "more"])
def test_a_no_names_the_tool_and_reaches_its_calls_with_more(room: Room, first: int) -> None:
    approvals = room.governor.approvals
    for tool in ("echo", "echo" + WITH_MORE, "other"):
        binding = bound("local:default", "server", tool, {}, "")
        approvals.queue.ask(binding, {}, time.monotonic())
    ticket = approvals.pending()[first].ticket
    assert done(lambda: room.desk.refuse_like(ticket)) == {"refused": 2}
    assert [row.tool for row in approvals.pending()] == ["other"]
    assert [(e["event"], e["target"]) for e in room.events()] == [("approval.no", "echo")] * 2


def test_where_fewer_approvers_are_than_have_to_agree_nobody_is_told_of_a_yes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MCPGUARD_DATA_DIR", str(tmp_path / "data"))
    room = Room(tmp_path, text="approvals: {quorum: 2}\n")
    create(tmp_path / "data" / "approvers", "ana", PHRASE, work=2)
    ana = open_key(tmp_path / "data" / "approvers", "ana", PHRASE)
    room.governor.roster = roster(tmp_path / "data" / "approvers")
    approvals = room.governor.approvals
    call = Call("tools/call", "echo", {})
    denied = approvals.asking.of("gateway")(call, context(room.governor, Moment()))
    few = "nobody can approve here yet (2 have to agree, and there are 1); make a key first with: "
    assert isinstance(denied, Verdict)
    assert denied.detail.startswith(few)
    approvals.queue.ask(bound("local:default", "server", "echo", {}, ""), {}, time.monotonic())
    (row,) = approvals.pending()
    yes = Signing(ana).approval("s1", anyio.run(room.desk.show, row.ticket))
    with pytest.raises(RefusalError, match="2 have to agree, and there are 1") as caught:
        anyio.run(room.desk.decide, row.ticket, True, (ana.key_id,), yes)
    assert "approvals.quorum" in caught.value.hint
    assert room.events() == []


def test_settings_are_compared_by_what_they_say(tmp_path: Path) -> None:
    file = tmp_path / "one.yaml"

    def said(text: str) -> Loaded:
        file.write_text(text)
        return load(file)

    nothing, same = load(policy="baseline", config=None), said("approvals: {hold: 45}\n")
    assert reloading.differing(nothing, same) == []
    assert reloading.digest(nothing) == reloading.digest(same)
    other = said("approvals: {hold: 44}\n")
    assert reloading.differing(same, other) == ["approvals.hold"]
    assert reloading.digest(same) != reloading.digest(other)
    assert reloading.at_start_only(["approvals.hold", "storehouse", "store"]) == ["store"]


def test_a_block_of_this_session_outlasts_a_look_that_does_not_show_it_yet() -> None:
    blocked = Blocked("files")
    blocked.block("principal", "local:default")
    blocked.block("tool", "files/rm")
    blocked.now([])
    assert "local:default" in blocked
    assert "rm" in blocked.tools
    blocked.now([Block("principal", "local:default"), Block("server", "other")])
    blocked.now([])
    assert "local:default" not in blocked
    blocked.block("server", "files")
    assert "anybody" in blocked
    blocked.unblock("server", "files")
    assert "anybody" not in blocked


@pytest.mark.parametrize(
    ("kind", "name", "told"),
    [
        ("principal", "local:default", {"caller": True, "server": False, "tools": []}),
        ("principal", "local:other", {"caller": False, "server": False, "tools": []}),
        ("server", "server", {"caller": False, "server": True, "tools": []}),
        ("tool", "rm", {"caller": False, "server": False, "tools": ["rm"]}),
    ],
)
async def test_a_status_says_who_and_what_is_blocked(
    tmp_path: Path, kind: str, name: str, told: JsonObject
) -> None:
    room = Room(tmp_path)
    room.governor.blocked.block(kind, name)
    assert (await room.desk.status())["blocked"] == told


@pytest.mark.parametrize(
    ("mode", "counted"),
    [
        (Mode.ENFORCE, (0, 1, 0)),
        (Mode.FILTER_ONLY, (1, 0, 1)),
        (Mode.AUDIT_ONLY, (1, 0, 1)),
    ],
)
async def test_a_status_counts_apart_what_only_enforce_would_have_denied(
    tmp_path: Path, mode: Mode, counted: tuple[int, int, int]
) -> None:
    room = Room(tmp_path, mode)
    record: JsonObject = {
        "direction": "host>server", "method": "tools/call", "target": "rm",
        "decision": "deny" if mode is Mode.ENFORCE else "would_deny",
        "stage": "policy", "rule": "policy.rule", "reason": "rule", "detail": "",
    }  # fmt: skip
    room.governor.written([(record, b"")])
    told = await room.desk.status()
    assert (told["allowed"], told["denied"], told["would_deny"]) == counted
