"""The gateway stage: five steps in order, bindings, redaction, and what breaks denies."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from itertools import product
from pathlib import Path
from typing import cast

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mcpguard.errors import UsageError
from mcpguard.lock.lockfile import Item, Launch, Lockfile, from_surface
from mcpguard.lock.surface import ServerFacts, collect
from mcpguard.model import (
    ALLOW,
    Answer,
    Call,
    Context,
    Decision,
    Definition,
    Effect,
    Era,
    ItemKind,
    Json,
    JsonObject,
    Notice,
    Reason,
    Result,
    ServerRequest,
    Severity,
    Subject,
    SubjectKind,
    Verdict,
    Wait,
)
from mcpguard.pipeline import STAGES, NoRules, Stage, decide
from mcpguard.pipeline.gateway import GatewayStage
from mcpguard.pipeline.sanitise import MAX_FINDINGS, MAX_WHERE
from mcpguard.pipeline.scopes import MAX_NAMED
from mcpguard.pipeline.surface import SurfaceStage
from mcpguard.pipeline.terms import Binding, GatewayPolicy, Handling
from mcpguard.scan import DETECTORS
from mcpguard.scan.patterns import Action, Form, Pattern, Patterns
from mcpguard.scan.semantics import Resource, Scope, System
from mcpguard.trust.limits import Limits
from tests.tools import FIXTURES

DENY, REDACT, RECORD = Handling.DENY, Handling.REDACT, Handling.RECORD
CARD = "4111 1111 1111 1111"
SSN = "536-22-1234"
WAIT = Wait("gateway", "1")
SPENT = Verdict.deny(Reason.BUDGET, "no calls are left")
REFUSED = Verdict.deny(Reason.APPROVAL, "a person said no")


class NoSession:
    """Facts of a session that listed everything."""

    def item_state(self, kind: ItemKind, name: str) -> Reason:
        return Reason.OK


CTX = Context("files", "local", NoSession())

WILLING: dict[str, Stage] = dict.fromkeys(STAGES, NoRules())
"""Every stage, with nothing against anything."""


class Asked:
    """Budgets and approvals that answer what they were given, or raise; they remember."""

    def __init__(
        self, budget: Verdict | Wait | None = ALLOW, approval: Verdict | Wait | None = ALLOW
    ) -> None:
        self.budget, self.approval = budget, approval
        self.log: list[str] = []
        self.results: list[Result] = []

    def answered(self, result: Result, ctx: Context) -> None:
        self.results.append(result)

    def take(self, call: Call, ctx: Context) -> Verdict | Wait:
        self.log.append("take")
        return self._said(self.budget)

    def give_back(self, call: Call, ctx: Context) -> None:
        self.log.append("give back")

    def approve(self, call: Call, ctx: Context) -> Verdict | Wait:
        self.log.append("approve")
        return self._said(self.approval)

    @staticmethod
    def _said(answer: Verdict | Wait | None) -> Verdict | Wait:
        if answer is None:
            raise OSError("the store is down")
        return answer


LINKS = {"/srv/docs/link": "/etc", "/srv/docs/lost": None}


def real(path: str) -> str | None:
    """A file system of one link and one place that cannot be found out."""
    parts: list[str] = []
    for part in path.split("/"):
        if part == "..":
            parts = parts[:-1]
        elif part not in {"", "."}:
            parts.append(part)
        there = "/" + "/".join(parts)
        if there in LINKS:
            target = LINKS[there]
            if target is None:
                return None
            parts = target.strip("/").split("/")
    return "/" + "/".join(parts)


SYSTEM = System(real, home="/home/u")
FACTS = ServerFacts(Era.LEGACY, "2025-11-25", {"name": "s", "version": "1"}, "", {"tools": {}})
TOOLS: list[Json] = [
    {
        "name": "write",
        "inputSchema": {
            "type": "object",
            "properties": {
                "path": {"type": "string"},
                "content": {"type": "string", "maxLength": 30},
                "number": {"type": "integer"},
                "where": {"type": "string", "format": "uri"},
            },
        },
    },
    {"name": "odd", "inputSchema": {"type": "object", "properties": 5}},
]
LOCK = from_surface(
    collect(
        FACTS,
        {
            ItemKind.TOOL: TOOLS,
            ItemKind.PROMPT: [{"name": "ask", "arguments": [{"name": "text"}]}],
            ItemKind.RESOURCE: [{"uri": "http://169.254.169.254/", "name": "reviewed"}],
            ItemKind.TEMPLATE: [{"uriTemplate": "http://{host}/", "name": "any"}],
        },
    ),
    name="s",
    launch=Launch(("server",), "", (), {}),
    requests=(),
)


def stage(
    policy: GatewayPolicy, asked: Asked | None = None, lock: Lockfile | None = LOCK
) -> GatewayStage:
    asked = asked or Asked()
    return GatewayStage(policy, lock, budgets=asked, approve=asked.approve, system=SYSTEM)


def call(arguments: JsonObject, tool: str = "write") -> Call:
    return Call("tools/call", tool, arguments)


def scopes(*texts: str) -> tuple[Scope, ...]:
    return tuple(map(Scope.parse, texts))


def whole(gateway: GatewayStage, lock: Lockfile = LOCK) -> Callable[[Subject], Decision | Wait]:
    """Decisions of a pipeline of the surface stage and this one."""

    class Both:
        def judge(self, subject: Subject, ctx: Context) -> Verdict | Wait:
            first = SurfaceStage(lock).judge(subject, ctx)
            return gateway.judge(subject, ctx) if first is ALLOW else first

    return lambda subject: decide({**WILLING, "surface": Both()}, subject, CTX)


# The five steps

EVERYTHING = GatewayPolicy(
    deny=("bad_*",),
    allow=("ok_*", "bad_*"),
    detectors={"card": DENY, "ssn": RECORD},
    scopes=scopes("filesystem:/srv/** x read"),
    bindings=(Binding(("*",), "file", Resource.FILESYSTEM, "read"),),
    approve=("*",),
)
ORDER = [
    (Reason.TOOL_DENIED, []),
    (Reason.TOOL_NOT_ALLOWED, []),
    (Reason.SANITISED, []),
    (Reason.SCOPE, []),
    (Reason.BUDGET, ["take"]),
    (Reason.APPROVAL, ["take", "approve", "give back"]),
]


@pytest.mark.guarantee("gateway:five-steps")
@pytest.mark.parametrize("fails", list(product([False, True], repeat=6)))
def test_the_first_step_that_fails_decides_and_no_later_one_is_asked(
    fails: tuple[bool, ...],
) -> None:
    denied, unlisted, held, outside, spent, refused = fails
    policy = replace(EVERYTHING, allow=("ok_*",) if unlisted else EVERYTHING.allow)
    asked = Asked(SPENT if spent else ALLOW, REFUSED if refused else ALLOW)
    arguments: JsonObject = {
        "content": CARD if held else "x",
        "file": "/etc/passwd" if outside else "/srv/a",
    }
    tool = "bad_x" if denied else "x" if unlisted else "ok_x"
    verdict = stage(policy, asked).judge(call(arguments, tool), CTX)
    assert isinstance(verdict, Verdict)
    first = next((at for at, failed in enumerate(fails) if failed), None)
    if first is None:
        assert (verdict, asked.log) == (ALLOW, ["take", "approve"])
    else:
        reason, log = ORDER[first]
        assert (verdict.effect, verdict.reason, asked.log) == (Effect.DENY, reason, log)


BOUND = "the argument 'file' "
STEPS: dict[str, tuple[Call, Verdict]] = {
    "allowed": (call({"file": "/srv/a"}, "ok_x"), ALLOW),
    "denied": (
        call({}, "bad_x"),
        Verdict.deny(Reason.TOOL_DENIED, "the tool is on the gateway's deny list"),
    ),
    "not-allowed": (
        call({}, "other"),
        Verdict.deny(Reason.TOOL_NOT_ALLOWED, "the tool is not on the gateway's allow list"),
    ),
    "of-another-case": (
        call({}, "OK_x"),
        Verdict.deny(Reason.TOOL_NOT_ALLOWED, "the tool is not on the gateway's allow list"),
    ),
    "outside": (
        call({"file": "/etc/passwd"}, "ok_x"),
        Verdict.deny(Reason.SCOPE, BOUND + "is outside what the scopes of filesystem x read cover"),
    ),
    "unresolved": (
        call({"file": "/srv/%2e%2e/etc"}, "ok_x"),
        Verdict.deny(
            Reason.SCOPE,
            BOUND + "cannot be resolved: the path has an encoded separator or dot segment",
        ),
    ),
    "wrong-type": (
        call({"file": 5}, "ok_x"),
        Verdict.deny(Reason.SCOPE, BOUND + "is not a text"),
    ),
    "twin": (
        call({"file": "/srv/a", "File": "/etc/passwd"}, "ok_x"),
        Verdict.deny(Reason.KEY_FOLDING, BOUND + "has a twin that differs from it by case"),
    ),
    "absent": (call({}, "ok_x"), ALLOW),
    "null": (call({"file": None}, "ok_x"), ALLOW),
}


@pytest.mark.guarantee("gateway:five-steps")
@pytest.mark.parametrize(("subject", "verdict"), STEPS.values(), ids=STEPS)
def test_each_step_says_exactly_why(subject: Call, verdict: Verdict) -> None:
    gateway = stage(EVERYTHING)
    for _ in range(2):  # the second time from what it remembers
        assert gateway.judge(subject, CTX) == verdict


def test_a_denial_of_arguments_says_what_and_where_and_nothing_of_them() -> None:
    verdict = stage(EVERYTHING).judge(call({"content": f"x {CARD}"}, "ok_x"), CTX)
    assert isinstance(verdict, Verdict)
    assert verdict.detail == "an argument holds a payment card number"
    (found,) = verdict.findings
    assert (found.rule, found.severity, found.where) == (
        "scan.card",
        Severity.CRITICAL,
        "/arguments/content",
    )
    named = stage(replace(EVERYTHING, allow=None)).judge(call({"content": CARD}), CTX)
    assert isinstance(named, Verdict)
    assert named.detail == "the argument 'content' holds a payment card number"


def test_what_is_only_recorded_is_a_finding_of_whatever_is_decided() -> None:
    policy = replace(EVERYTHING, allow=None)
    for asked, effect in ((Asked(), Effect.ALLOW), (Asked(SPENT), Effect.DENY)):
        verdict = stage(policy, asked).judge(call({"content": SSN}), CTX)
        assert isinstance(verdict, Verdict)
        assert (verdict.effect, [each.rule for each in verdict.findings]) == (effect, ["scan.ssn"])
        assert verdict.rewrite is None
    verdict = stage(policy).judge(call({"content": SSN, "file": "/x"}), CTX)
    assert isinstance(verdict, Verdict)
    assert (verdict.reason, len(verdict.findings)) == (Reason.SCOPE, 1)
    assert stage(policy, Asked(approval=WAIT)).judge(call({"content": SSN}), CTX) == WAIT


@pytest.mark.parametrize("answer", [WAIT, REFUSED, Verdict(Effect.ABSTAIN)])
def test_a_call_that_is_not_approved_now_is_given_back_to_the_budgets(
    answer: Verdict | Wait,
) -> None:
    asked = Asked(approval=answer)
    assert stage(GatewayPolicy(approve=("w*",)), asked).judge(call({}), CTX) == answer
    assert asked.log == ["take", "approve", "give back"]


def test_nobody_is_asked_about_a_tool_that_needs_no_approval() -> None:
    asked = Asked()
    assert stage(GatewayPolicy(approve=("other",)), asked).judge(call({}), CTX) is ALLOW
    assert asked.log == ["take"]


def test_a_tool_that_needs_approval_is_denied_when_nobody_can_be_asked() -> None:
    verdict = GatewayStage(GatewayPolicy(approve=("*",)), LOCK).judge(call({}), CTX)
    assert isinstance(verdict, Verdict)
    assert (verdict.effect, verdict.reason) == (Effect.DENY, Reason.APPROVAL)


ANSWERS = st.sampled_from([ALLOW, SPENT, REFUSED, WAIT, Verdict(Effect.ABSTAIN), None])
BROKEN: list[Verdict | Wait | None] = [None, WAIT, Verdict(Effect.ABSTAIN)]


def resolver(answer: str | None) -> Callable[[str], str | None]:
    def resolve(path: str) -> str | None:
        if answer == "raise":
            raise OSError("the disk is gone")
        return path if answer == "ok" else answer

    return resolve


def allows(
    budget: Verdict | Wait | None, approval: Verdict | Wait | None, disk: str | None, tool: str
) -> bool:
    asked = Asked(budget, approval)
    gateway = GatewayStage(
        EVERYTHING,
        LOCK,
        budgets=asked,
        approve=asked.approve,
        system=System(resolver(disk)),
    )
    decision = decide({**WILLING, "gateway": gateway}, call({"file": "/srv/a"}, tool), CTX)
    return isinstance(decision, Decision) and decision.allowed


@pytest.mark.guarantee("gateway:breaks-closed")
@given(
    ANSWERS,
    ANSWERS,
    st.sampled_from(["ok", "/etc/a", None, "raise", "relative"]),
    st.sampled_from(["ok_x", "bad_x", "x"]),
    st.sampled_from(BROKEN),
)
def test_whatever_raises_stalls_or_abstains_never_turns_a_denial_into_an_allow(
    budget: Verdict | Wait | None,
    approval: Verdict | Wait | None,
    disk: str | None,
    tool: str,
    broken: Verdict | Wait | None,
) -> None:
    agreed = (budget, approval, disk, tool) == (ALLOW, ALLOW, "ok", "ok_x")
    assert allows(budget, approval, disk, tool) is agreed
    for less in (
        allows(broken, approval, disk, tool),
        allows(budget, broken, disk, tool),
        allows(budget, approval, None, tool),
        allows(budget, approval, "raise", tool),
    ):
        assert not less


SUBJECTS: list[Subject] = [
    call({}),
    Call("ping", "", {}),
    Definition(ItemKind.TOOL, "t", {"name": "t"}),
    Result("tools/call", "t", {"x": CARD}),
    ServerRequest("ping", {}),
    Answer("roots/list", {}),
    Notice("notifications/message", {"x": CARD}),
]


@pytest.mark.guarantee("gateway:no-policy-no-opinion")
@pytest.mark.parametrize("subject", SUBJECTS)
def test_a_stage_that_nobody_configured_has_no_opinion(subject: Subject) -> None:
    bare = STAGES["gateway"](LOCK)
    assert bare.judge(subject, CTX) == Verdict(Effect.ABSTAIN)
    decision = decide({"surface": bare}, subject, CTX)
    assert isinstance(decision, Decision)
    assert (decision.allowed, decision.reason) == (False, Reason.STAGE_ABSTAINED)


@pytest.mark.parametrize("subject", SUBJECTS)
def test_an_empty_policy_allows_and_leaves_other_subjects_to_other_stages(
    subject: Subject,
) -> None:
    assert GatewayStage(GatewayPolicy(), None).judge(subject, CTX) is ALLOW
    if not isinstance(subject, Call):
        strict = replace(EVERYTHING, detectors=dict.fromkeys(DETECTORS, DENY))
        asked = Asked()
        assert stage(strict, asked).judge(subject, CTX) is ALLOW
        assert asked.results == [subject] * isinstance(subject, Result)


ALONE: dict[str, tuple[GatewayPolicy, Verdict]] = {
    "nothing": (GatewayPolicy(), ALLOW),
    "a deny list": (
        GatewayPolicy(deny=("w*",)),
        Verdict.deny(Reason.TOOL_DENIED, "the tool is on the gateway's deny list"),
    ),
    "an allow list": (
        GatewayPolicy(allow=("other",)),
        Verdict.deny(Reason.TOOL_NOT_ALLOWED, "the tool is not on the gateway's allow list"),
    ),
    "an allow list with it": (GatewayPolicy(allow=("w*",)), ALLOW),
    "an approval": (
        GatewayPolicy(approve=("w*",)),
        Verdict.deny(Reason.APPROVAL, "it needs the approval of a person, and nobody is asked"),
    ),
}


@pytest.mark.guarantee("gateway:five-steps")
@pytest.mark.parametrize(("policy", "verdict"), ALONE.values(), ids=ALONE)
def test_each_step_holds_where_no_other_is_configured(
    policy: GatewayPolicy, verdict: Verdict
) -> None:
    gateway = GatewayStage(policy, LOCK)
    for _ in range(2):  # the second time from what it remembers
        assert gateway.judge(call({"content": "x"}), CTX) == verdict


RESULTS = frozenset({SubjectKind.RESULT})
DIRECTLY: dict[str, tuple[GatewayStage, frozenset[SubjectKind], set[SubjectKind]]] = {
    # who, which kinds pass whatever they hold, which may be judged directly
    "no budgets": (GatewayStage(GatewayPolicy(), LOCK), RESULTS, {SubjectKind.CALL}),
    "budgets": (stage(EVERYTHING), frozenset(), {SubjectKind.CALL}),
    "nobody configured it": (GatewayStage.unconfigured(LOCK), frozenset(), set()),
}


@pytest.mark.parametrize(("gateway", "unmoved", "directly"), DIRECTLY.values(), ids=DIRECTLY)
def test_what_a_pipeline_need_not_ask_or_may_ask_directly(
    gateway: GatewayStage, unmoved: frozenset[SubjectKind], directly: set[SubjectKind]
) -> None:
    assert (gateway.unmoved, set(gateway.by_kind)) == (unmoved, directly)
    for subject in SUBJECTS:
        if subject.kind in unmoved:
            assert gateway.judge(subject, CTX) is ALLOW
    for kind, judge in gateway.by_kind.items():
        for subject in (call({}, "ok_x"), call({}, "bad_x")):
            assert subject.kind is kind
            assert judge(subject, CTX) == gateway.judge(subject, CTX)


def test_an_allow_list_without_a_name_allows_no_tool() -> None:
    verdict = stage(GatewayPolicy(allow=())).judge(call({}), CTX)
    assert isinstance(verdict, Verdict)
    assert verdict.reason is Reason.TOOL_NOT_ALLOWED


# Redaction

TAKEN = GatewayPolicy(
    detectors={"card": REDACT, "ssn": REDACT, "phone": RECORD},
    patterns=Patterns.of([Pattern("name", Form.SUBSTRING, "Project X", Action.REDACT)]),
    scopes=scopes("filesystem:/srv/** x read", "command:git x run"),
    bindings=(Binding(("bound",), "thing", Resource.FILESYSTEM, "read"),),
)


@pytest.mark.guarantee("gateway:redacted-is-stable")
def test_a_redacted_call_keeps_the_rest_and_passes_when_it_is_judged_again() -> None:
    asked = Asked()
    before = Call(
        "tools/call", "other", {"content": f"PROJECT X: {CARD}", "n": 4}, meta={"progressToken": 1}
    )
    decision = decide({**WILLING, "gateway": stage(TAKEN, asked)}, before, CTX)
    assert isinstance(decision, Decision)
    after: JsonObject = {"content": "[mcpguard:pattern]: [mcpguard:card]", "n": 4}
    assert (decision.allowed, decision.subject) == (True, before._replace(arguments=after))
    assert (decision.reason, decision.detail) == (
        Reason.REDACTED,
        "an argument holds a payment card number, which was taken out",
    )
    assert [each.rule for each in decision.findings] == ["scan.card", "scan.pattern:name"]
    assert asked.log == ["take"]


PIECES = st.sampled_from(
    [CARD, SSN, "415-555-2671", "Project X", "4111", "-", " ", "x", "[mcpguard:card]", "536-22"]
)
TEXTS = st.lists(PIECES, max_size=6).map("".join)


@pytest.mark.guarantee("gateway:redacted-is-stable")
@given(st.dictionaries(st.one_of(TEXTS, st.sampled_from(["content", "q"])), TEXTS, max_size=3))
def test_no_redaction_needs_a_second_one(arguments: JsonObject) -> None:
    """Whatever is only recorded stands between what is taken out."""
    gateway = stage(TAKEN)
    decision = decide({**WILLING, "gateway": gateway}, call(arguments, "other"), CTX)
    assert isinstance(decision, Decision)
    assert decision.allowed
    again = gateway.judge(decision.subject, CTX)
    assert isinstance(again, Verdict)
    assert (again.effect, again.rewrite) == (Effect.ALLOW, None)


FIXED: dict[str, tuple[Call, str]] = {
    "path": (call({"path": f"/srv/{CARD}"}), "a path"),
    "path-in-a-list": (call({"paths": ["a", CARD]}), "a path"),
    "url-by-format": (call({"where": f"https://a.example/?s={SSN}"}), "a URL"),
    "url": (call({"webhookUrl": CARD}), "a URL"),
    "command": (call({"command": f"rm {CARD}"}), "a command"),
    "pattern-in-a-command": (call({"args": ["-c", "project x"]}), "a command"),
    "bound": (call({"thing": f"/srv/{CARD}"}, "bound"), "what a scope is about"),
    "bound-below-no-object": (call({"thing": {"a": CARD}}, "bound"), "what a scope is about"),
}


@pytest.mark.guarantee("gateway:placeholder-is-no-deed")
@pytest.mark.parametrize(("subject", "where"), FIXED.values(), ids=FIXED)
def test_nothing_is_taken_out_of_what_is_run_opened_or_reached(subject: Call, where: str) -> None:
    verdict = stage(TAKEN).judge(subject, CTX)
    assert isinstance(verdict, Verdict)
    assert (verdict.effect, verdict.reason, verdict.rewrite) == (
        Effect.DENY,
        Reason.SANITISED,
        None,
    )
    assert verdict.detail.endswith(f", which cannot be taken out of {where}")
    assert verdict.findings


@pytest.mark.parametrize(
    "arguments",
    [{"number": 4111111111111111}, {"content": f"{SSN} {SSN} x"}],
)
def test_a_redaction_that_breaks_the_reviewed_schema_is_denied(arguments: JsonObject) -> None:
    policy = replace(TAKEN, detectors={"card": REDACT, "ssn": REDACT})
    decision = whole(stage(policy))(call(arguments))
    assert isinstance(decision, Decision)
    assert (decision.allowed, decision.reason) == (False, Reason.ARGUMENTS)
    assert decision.findings


def test_what_is_denied_is_denied_though_something_else_would_be_taken_out() -> None:
    policy = replace(TAKEN, detectors={"card": REDACT, "ssn": DENY})
    verdict = stage(policy).judge(call({"content": f"{CARD} {SSN}"}), CTX)
    assert isinstance(verdict, Verdict)
    assert (verdict.reason, [each.rule for each in verdict.findings]) == (
        Reason.SANITISED,
        ["scan.ssn"],
    )


def test_what_is_taken_out_is_what_the_bindings_of_other_arguments_do_not_read() -> None:
    verdict = stage(TAKEN).judge(call({"thing": "/srv/a", "content": CARD}, "bound"), CTX)
    assert isinstance(verdict, Verdict)
    assert verdict.rewrite == call({"thing": "/srv/a", "content": "[mcpguard:card]"}, "bound")


# What cannot be looked through


def deep(levels: int) -> Json:
    value: Json = "x"
    for _ in range(levels):
        value = [value]
    return value


@pytest.mark.guarantee("scan:over-budget-raises")
@pytest.mark.parametrize(
    ("value", "why"),
    [
        (deep(70), "arguments: nested too deeply to be looked at"),
        ("x" * 8_400_000, "arguments: 8400001 characters, at most 8388608 are looked at"),
        (["x"] * 200_001, "arguments: 200002 texts, at most 200000 are looked at"),
        ([CARD] * 10_001, "arguments: more than 10000 things were found in them"),
    ],
)
@pytest.mark.parametrize("handling", Handling)
def test_arguments_that_cannot_be_looked_through_are_denied(
    value: Json, why: str, handling: Handling
) -> None:
    policy = GatewayPolicy(detectors={"card": handling})
    verdict = stage(policy).judge(call({"x": value}), CTX)
    assert verdict == Verdict.deny(Reason.UNSCANNED, f"what cannot be looked through: {why}")


def test_findings_are_few_and_their_places_short() -> None:
    policy = GatewayPolicy(detectors={"card": DENY})
    for length, shown in ((500, MAX_WHERE), (5000, len("/arguments"))):
        verdict = stage(policy).judge(call({"k" * length: [CARD] * 100}), CTX)
        assert isinstance(verdict, Verdict)
        assert len(verdict.findings) == MAX_FINDINGS
        assert {len(each.where) for each in verdict.findings} == {shown}


SECRETS = [CARD, SSN, "ghp_" + "aB3dE5fG7hJ9" * 3, "/srv/../../etc/passwd"]


@pytest.mark.guarantee("scan:no-text-in-findings")
@pytest.mark.parametrize("secret", SECRETS)
@pytest.mark.parametrize("handling", Handling)
@pytest.mark.parametrize("place", ["key", "value", "path", "number"])
def test_no_verdict_repeats_what_it_found(secret: str, handling: Handling, place: str) -> None:
    values: dict[str, JsonObject] = {
        "key": {secret: 1},
        "value": {"content": [f"x {secret}"]},
        "path": {"path": secret},
        "number": {"n": 4111111111111111, secret: {secret: secret}},
    }
    policy = GatewayPolicy(detectors=dict.fromkeys(DETECTORS, handling))
    verdict = stage(policy).judge(call(values[place]), CTX)
    assert isinstance(verdict, Verdict)
    said = repr(verdict._replace(rewrite=None))
    assert not any(part in said for part in ("1111", SSN, "aB3dE5fG7", "etc/passwd"))


@pytest.mark.guarantee("scan:no-text-in-findings")
def test_the_place_of_a_finding_holds_nothing_that_another_rule_would_find() -> None:
    policy = GatewayPolicy(
        detectors={"path_traversal": DENY},
        patterns=Patterns.of([Pattern("p", Form.SUBSTRING, "tulip", Action.REDACT)]),
    )
    for key, place in ((CARD, "[mcpguard:card]"), ("tulip", "[mcpguard:pattern]"), ("\ud800", "�")):
        verdict = stage(policy).judge(call({key: {"path": "../../../../etc/passwd"}}), CTX)
        assert isinstance(verdict, Verdict)
        assert [each.where for each in verdict.findings] == [f"/arguments/{place}/path"]


# Bindings


def given_as(name: str, *values: Json) -> list[JsonObject]:
    return [{name: value} for value in values]


PATHS = scopes("filesystem:/srv/docs/** x read")
HOSTS = scopes("network:*.example.org x connect", "network:10.0.0.0/8:443 x connect")
PROGRAMS = scopes("command:git x run", "command:ls x run")
BINDINGS: dict[str, tuple[Binding, tuple[Scope, ...], list[JsonObject], list[JsonObject]]] = {
    "path": (
        Binding(("write",), "path", Resource.FILESYSTEM, "read"),
        PATHS,
        [
            *given_as("path", "/srv/docs/a", "/srv/docs/x/../a", "file:///srv/docs/a%20b"),
            *given_as("path", "/srv/docs/100%25.txt", None),
            {"other": "/etc/passwd"},
        ],
        [
            *given_as("path", "/etc/passwd", "/srv/docs/../../etc/passwd", "/srv/docs/link/passwd"),
            *given_as("path", "/srv/docs/link/../a", "/srv/docs/lost/a", "/srv/docs2/a", "/SRV/a"),
            *given_as("path", "/srv/docs/%2e%2e/%2e%2e/etc", "/srv/docs/..%2f..%2fetc", "..\\x"),
            *given_as("path", "C:\\a", "a.txt", "~/a", "~root/a", "$HOME/a", "", " "),
            *given_as("path", "/srv/docs/a\0b", "/srv/docs/a\nb", "/srv/docs/\ud800"),
            *given_as("path", "/srv/docs/．．/．．/etc", "file://evil.example/srv/docs/a"),
            *given_as("path", "https://a.example/srv/docs/a", "/srv/docs/" + "x" * 5000),
            *given_as("path", 5, True, 1.5, ["/srv/docs/a"], {"a": "/srv/docs/a"}),
            {"Path": "/etc/passwd"},
            {"path": "/srv/docs/a", "PATH": "/x"},
        ],
    ),
    "base": (
        Binding(("*",), "path", Resource.FILESYSTEM, "read", base="/srv/docs"),
        PATHS,
        [{"path": "a.txt"}, {"path": "./x/../a"}, {"path": "."}],
        [{"path": "../a"}, {"path": "link/a"}, {"path": "x/../../a"}],
    ),
    "entries": (
        Binding(("*",), "/edits/*/path", Resource.FILESYSTEM, "read"),
        PATHS,
        [{"edits": []}, {"edits": [{"path": "/srv/docs/a"}, {}, {"path": None}]}, {}],
        [
            {"edits": [{"path": "/srv/docs/a"}, {"path": "/etc"}]},
            {"edits": {"0": {"path": "/etc"}}},
            {"edits": "/etc"},
            {"edits": ["/etc"]},
            {"edits": [[{"path": "/srv/docs/a"}]]},
            {"edits": [{"path": "/srv/docs/a"}] * (MAX_NAMED + 1)},
            {"edits": [{"pAth": "/etc"}]},
            {"Edits": [{"path": "/etc"}]},
        ],
    ),
    "list": (
        Binding(("*",), "/paths/*", Resource.FILESYSTEM, "read"),
        PATHS,
        [{"paths": ["/srv/docs/a", "/srv/docs/b"]}],
        [{"paths": ["/srv/docs/a", "/etc"]}, {"paths": "/srv/docs/a"}, {"paths": [5]}],
    ),
    "index": (
        Binding(("*",), "/a~1b/1", Resource.FILESYSTEM, "read"),
        PATHS,
        [{"a/b": ["/etc", "/srv/docs/a"]}, {"a/b": []}, {"a/b": {"1": "/srv/docs/a"}}],
        [{"a/b": ["x", "/etc"]}, {"a/b": {"1": "/etc"}}],
    ),
    "host": (
        Binding(("*",), "url", Resource.NETWORK, "connect"),
        HOSTS,
        given_as("url", "https://www.example.org/x", "https://10.1.2.3/"),
        [
            *given_as("url", "https://example.org.evil.example/", "https://example.org/", ""),
            *given_as("url", "http://10.1.2.3/", "https://u@www.example.org/", "file:///etc/x"),
            *given_as("url", "https://www.example.org\\@evil.example/", "https://0x0a.1.2.3:80/"),
            *given_as("url", "https://xn--e1afmkfd.example.org/", "https://www。example。org/"),
            *given_as("url", "//www.example.org\t/", 5, ["https://www.example.org/"]),
        ],
    ),
    "command": (
        Binding(("*",), "command", Resource.COMMAND, "run"),
        PROGRAMS,
        [
            *given_as("command", "git log | ls", ["git", "log", "; rm -rf /"]),
            *given_as("command", "sh -c 'git status && ls'"),
        ],
        [
            *given_as("command", "rm -rf /", "git log; rm x", "git log $(rm x)", "./git"),
            *given_as("command", "sh -c 'git; rm'", ["rm", "x"], ["git", 5], [], 5, {"a": "git"}),
        ],
    ),
}


@pytest.mark.guarantee("gateway:bound-is-covered")
@pytest.mark.parametrize("name", BINDINGS)
def test_every_reading_of_a_bound_argument_is_covered_or_denied(name: str) -> None:
    binding, permitted, inside, outside = BINDINGS[name]
    gateway = stage(GatewayPolicy(scopes=permitted, bindings=(binding,)))
    assert [each for each in inside if gateway.judge(call(each), CTX) is not ALLOW] == []
    for each in outside:
        verdict = gateway.judge(call(each), CTX)
        assert isinstance(verdict, Verdict)
        assert (each, verdict.effect) == (each, Effect.DENY)
        assert verdict.reason in {Reason.SCOPE, Reason.KEY_FOLDING}


def test_a_binding_speaks_only_of_its_tools_and_a_scope_only_of_its_action() -> None:
    binding = Binding(("write", "read_*"), "path", Resource.FILESYSTEM, "write")
    gateway = stage(GatewayPolicy(scopes=PATHS, bindings=(binding,)))
    arguments: JsonObject = {"path": "/srv/docs/a"}
    denied = [gateway.judge(call(arguments, tool), CTX) is not ALLOW for tool in ("write", "x")]
    assert denied == [True, False]


def test_without_a_scope_nothing_that_is_bound_passes() -> None:
    gateway = stage(GatewayPolicy(bindings=(Binding(("*",), "path", Resource.FILESYSTEM, "read"),)))
    assert gateway.judge(call({"path": "/srv/docs/a"}), CTX) is not ALLOW


# What is no tool

LOOKED = GatewayPolicy(
    deny=("*",),
    allow=(),
    approve=("*",),
    detectors={"card": REDACT, "ssn": DENY, "phone": RECORD, "ssrf_url": DENY},
    scopes=scopes("network:*.example.org x connect", "network:169.254.169.254 x connect"),
    bindings=(Binding(("resources/read",), "uri", Resource.NETWORK, "connect"),),
)
OTHERS: dict[str, tuple[Call, Effect, Reason]] = {
    "prompt": (Call("prompts/get", "ask", {"text": "x"}), Effect.ALLOW, Reason.OK),
    "prompt-denied": (Call("prompts/get", "ask", {"text": SSN}), Effect.DENY, Reason.SANITISED),
    "prompt-redacted": (Call("prompts/get", "ask", {"text": CARD}), Effect.ALLOW, Reason.REDACTED),
    "prompt-recorded": (
        Call("prompts/get", "ask", {"text": "+49 30 901820"}),
        Effect.ALLOW,
        Reason.OK,
    ),
    "completion": (
        Call("completion/complete", "ask", {"ref": {"type": "ref/prompt"}, "argument": {}}),
        Effect.ALLOW,
        Reason.OK,
    ),
    "completion-denied": (
        Call("completion/complete", "ask", {"argument": {"name": "text", "value": SSN}}),
        Effect.DENY,
        Reason.SANITISED,
    ),
    "completion-denied-by-its-name": (
        Call("completion/complete", "ask", {"argument": {"name": "ssn", "value": "536221234"}}),
        Effect.DENY,
        Reason.SANITISED,
    ),
    "completion-context-denied": (
        Call("completion/complete", "ask", {"context": {"arguments": {"text": SSN}}}),
        Effect.DENY,
        Reason.SANITISED,
    ),
    "completion-of-another-shape": (
        Call("completion/complete", "ask", {"argument": [SSN]}),
        Effect.DENY,
        Reason.SANITISED,
    ),
    "completion-is-not-redacted": (
        Call("completion/complete", "ask", {"argument": {"name": "text", "value": CARD}}),
        Effect.DENY,
        Reason.SANITISED,
    ),
    "completion-ref-and-meta": (
        Call("completion/complete", "ask", {"ref": {"name": SSN}, "_meta": {"x": SSN}}),
        Effect.ALLOW,
        Reason.OK,
    ),
    "resource": (Call("resources/read", "https://a.example.org/x", {}), Effect.ALLOW, Reason.OK),
    "resource-outside": (
        Call("resources/read", "https://evil.example/x", {}),
        Effect.DENY,
        Reason.SCOPE,
    ),
    "resource-denied": (
        Call("resources/subscribe", "http://[::ffff:169.254.169.254]/", {}),
        Effect.DENY,
        Reason.SANITISED,
    ),
    "resource-that-was-reviewed": (
        Call("resources/read", "http://169.254.169.254/", {}),
        Effect.ALLOW,
        Reason.OK,
    ),
    "resource-is-not-redacted": (
        Call("resources/unsubscribe", f"https://a.example.org/{CARD.replace(' ', '')}", {}),
        Effect.DENY,
        Reason.SANITISED,
    ),
    "list": (Call("tools/list", "", {"cursor": SSN}), Effect.ALLOW, Reason.OK),
}


@pytest.mark.parametrize(("subject", "effect", "reason"), OTHERS.values(), ids=OTHERS)
def test_prompts_completions_and_resources_are_looked_through(
    subject: Call, effect: Effect, reason: Reason
) -> None:
    asked = Asked(SPENT, REFUSED)
    verdict = stage(LOOKED, asked).judge(subject, CTX)
    assert isinstance(verdict, Verdict)
    assert (verdict.effect, verdict.reason, asked.log) == (effect, reason, [])
    if reason is Reason.REDACTED:
        assert verdict.rewrite == subject._replace(arguments={"text": "[mcpguard:card]"})
    else:
        assert verdict.rewrite is None


WRITTEN = ("web:///{+url}", "api:///{host}/x", "net:///{+a}/{+b}", "doc:///{+path}{?url,q}")
TEMPLATES: list[JsonObject] = [{"uriTemplate": text, "name": text} for text in WRITTEN]
TEMPLATED = from_surface(
    collect(FACTS, {ItemKind.TEMPLATE: TEMPLATES}),
    name="s",
    launch=Launch(("server",), "", (), {}),
    requests=(),
)
HELD: dict[str, tuple[str, bool]] = {
    "a-url": ("web:///http://169.254.169.254/", True),
    "a-host": ("web:///169.254.169.254/latest", True),
    "an-encoded-url": ("web:///http%3A169.254.169.254", True),
    "a-host-by-its-name": ("api:///169.254.169.254/x", True),
    "in-a-list": ("web:///example.com,http://169.254.169.254/", True),
    "however-it-is-divided": ("net:///q/r/http://169.254.169.254/x", True),
    "in-a-query": ("doc:///a?url=169.254.169.254", True),
    "a-url-as-a-path": ("doc:///http:169.254.169.254", True),
    "a-public-url": ("web:///https://example.org/169.254.169.254", False),
    "words": ("doc:///a/b.txt?q=169.254.169.254", False),
}


@pytest.mark.guarantee("gateway:template-variables-looked-through")
@pytest.mark.parametrize(("uri", "denied"), HELD.values(), ids=HELD)
def test_what_a_template_holds_is_looked_through(uri: str, denied: bool) -> None:
    gateway = GatewayStage(GatewayPolicy(detectors={"ssrf_url": DENY}), TEMPLATED)
    verdict = gateway.judge(Call("resources/read", uri, {}), CTX)
    assert isinstance(verdict, Verdict)
    assert (verdict.reason is Reason.SANITISED) is denied


# What does not load

BIND = Binding(("*",), "path", Resource.FILESYSTEM, "read")
UNUSABLE: dict[str, tuple[GatewayPolicy, str]] = {
    "deny": (GatewayPolicy(deny=("a", "")), r"^gateway\.deny\[1\]: "),
    "allow": (GatewayPolicy(allow=("x" * 300,)), r"^gateway\.allow\[0\]: "),
    "approve": (GatewayPolicy(approve=("",)), r"^gateway\.approve\[0\]: "),
    "detector": (GatewayPolicy(detectors={"cards": DENY}), r"^gateway\.detectors\.cards: there"),
    "action": (
        GatewayPolicy(bindings=(BIND, BIND._replace(action="run"))),
        r"^gateway\.bindings\[1\]\.action: for filesystem it is one of read, write",
    ),
    "argument": (GatewayPolicy(bindings=(BIND._replace(argument=""),)), r"\[0\]\.argument: it is"),
    "tools": (GatewayPolicy(bindings=(BIND._replace(tools=()),)), r"\[0\]\.tools: it is empty"),
    "base": (GatewayPolicy(bindings=(BIND._replace(base="a/b"),)), r"\[0\]\.base: it is not"),
    "base-of-a-host": (
        GatewayPolicy(bindings=(Binding(("*",), "u", Resource.NETWORK, "connect", "/x"),)),
        r"\[0\]\.base: only paths",
    ),
}


@pytest.mark.parametrize(("policy", "message"), UNUSABLE.values(), ids=UNUSABLE)
def test_a_policy_that_cannot_be_used_does_not_load(policy: GatewayPolicy, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        stage(policy)


def test_a_policy_does_not_load_without_what_it_needs() -> None:
    with pytest.raises(UsageError, match=r"gateway\.budgets: there is nothing that counts"):
        GatewayStage(GatewayPolicy(budgets=Limits(max_tool_calls=5)), LOCK)
    with pytest.raises(UsageError, match=r"bindings\[0\]: there is nothing that resolves paths"):
        GatewayStage(GatewayPolicy(bindings=(BIND,)), LOCK)


# A working day

BASELINE = GatewayPolicy(
    detectors={
        "shell_injection": DENY,
        "path_traversal": DENY,
        "ssrf_url": DENY,
        "ssn": RECORD,
        "card": RECORD,
        "iban": RECORD,
        "secrets": RECORD,
    }
)


def rows(name: str) -> list[tuple[Call, set[str]]]:
    """The calls of a file of fixtures, and the rules that they say they fire."""
    lines = [
        orjson.loads(line) for line in Path(FIXTURES / "scan" / name).read_bytes().splitlines()
    ]
    return [
        (call(line["arguments"], line["tool"]), {f"scan.{rule}" for rule in line.get("hits", ())})
        for line in lines
    ]


@pytest.mark.guarantee("scan:ordinary-passes")
@pytest.mark.parametrize(
    ("name", "least"),
    [("ordinary.jsonl", 400), ("ordinary-day.jsonl", 140), ("ordinary-private.jsonl", 15)],
)
def test_an_ordinary_day_sees_no_denial_and_no_change(name: str, least: int) -> None:
    gateway = stage(BASELINE)
    ordinary = rows(name)
    assert len(ordinary) >= least
    for subject, rules in ordinary:
        verdict = gateway.judge(subject, CTX)
        assert isinstance(verdict, Verdict)
        assert (subject, verdict.effect, verdict.rewrite) == (subject, Effect.ALLOW, None)
        assert {each.rule for each in verdict.findings} == rules


def test_what_is_hostile_is_denied_for_what_it_is() -> None:
    gateway = stage(BASELINE)
    hostile = rows("hostile.jsonl")
    assert len(hostile) >= 60
    for subject, rules in hostile:
        verdict = gateway.judge(subject, CTX)
        assert isinstance(verdict, Verdict)
        assert (subject, verdict.effect) == (subject, Effect.DENY)
        assert verdict.reason is Reason.SANITISED
        assert rules <= {each.rule for each in verdict.findings}


def test_more_tools_than_are_remembered_are_judged_all_the_same() -> None:
    gateway = stage(GatewayPolicy(deny=("bad*",)))
    for number in range(5000):
        assert gateway.judge(call({}, f"ok{number}"), CTX) is ALLOW
    for name in ("bad", "bad" + "x" * 1000, "bad0"):
        assert gateway.judge(call({}, name), CTX) is not ALLOW


class Tools:
    """The locked tools, of which one is only ever looked up, and how often that was."""

    def __init__(self) -> None:
        self.looked = 0

    def get(self, name: str) -> Item | None:
        self.looked += 1
        return LOCK.items[ItemKind.TOOL].get(name)


def test_what_the_policy_says_of_a_tool_is_worked_out_once() -> None:
    tools = Tools()
    items = cast("Mapping[str, Item]", tools)
    gateway = stage(GatewayPolicy(), lock=replace(LOCK, items={ItemKind.TOOL: items}))

    def worked_out(*names: str) -> int:
        before = tools.looked
        for name in names:
            assert gateway.judge(call({}, name), CTX) is ALLOW
        return tools.looked - before

    names = [f"t{number}" for number in range(4095)]
    assert worked_out("x" * 512, *names) == 4096
    assert worked_out("x" * 512, *names) == 0
    assert worked_out("another", "another") == 1
    assert worked_out("x" * 512) == 1
    assert worked_out("x" * 513, "x" * 513) == 2
