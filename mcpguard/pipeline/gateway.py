"""The gateway stage: what may be called, with which arguments, how much, and with whose approval.

Five steps in order, the first that does not allow decides:

    1  the tool is not denied           4  the session's budgets are not spent
    2  the tool is among the allowed    5  a person approves, where one has to
    3  the arguments hold nothing that must not pass, and name nothing outside the scopes

What is to be taken out of the arguments is a rewrite, which is judged again from the first stage:
nothing is counted and nobody is asked before that.
"""

from collections.abc import Callable, Mapping
from typing import Final, NamedTuple, Protocol

from mcpguard.errors import UsageError
from mcpguard.lock.lockfile import Lockfile
from mcpguard.model import (
    ALLOW,
    Call,
    Context,
    Effect,
    ItemKind,
    JsonObject,
    Reason,
    Result,
    Subject,
    SubjectKind,
    Verdict,
    Wait,
)
from mcpguard.pipeline.sanitise import Rules, Sanitiser
from mcpguard.pipeline.scopes import Bound
from mcpguard.pipeline.templates import Templates
from mcpguard.pipeline.terms import Fence, GatewayPolicy
from mcpguard.pipeline.trust import Approve, no_approval
from mcpguard.scan import Detector
from mcpguard.scan.patterns import Patterns
from mcpguard.scan.semantics import System
from mcpguard.trust.limits import Limits
from mcpguard.trust.policy import Glob

__all__ = ["RESOURCES", "Budgets", "GatewayStage"]

MAX_KNOWN = 4096
"""Tools whose plan is remembered; then it begins anew. A lockfile holds far fewer."""

MAX_NAME = 512
"""Characters of a name whose plan is remembered."""

RESOURCES: Final = "resources/read"
"""What bindings call the requests that name a resource."""

_TOOL: Final = "tools/call"


class Budgets(Protocol):
    """What a session may use. An exception of either is a denial."""

    def take(self, call: Call, ctx: Context) -> Verdict | Wait:
        """ALLOW and counted, or why not and not counted."""

    def give_back(self, call: Call, ctx: Context) -> None:
        """A call that was just counted is not made, now: its approval is awaited, or refused."""

    def answered(self, result: Result, ctx: Context) -> None:
        """A call has its result, whose bytes count, and maybe that it failed."""


class _Plan(NamedTuple):
    """What the policy says of one tool."""

    listed: Verdict
    sanitiser: Sanitiser
    bound: tuple[Bound, ...]
    approved: bool
    alone: Callable[[JsonObject], bool] | None
    """The sanitiser's look, where nothing else is to be done about a call of the tool."""


class GatewayStage:
    """Judges calls; of prompts, completions and resources it looks through what they name.

    Of results it only has the budgets take note.

    `policy`: None when nobody thought of one; then the stage has no opinion of anything, which
    denies where it is required. `budgets`, `system`: needed for a policy with budgets, or with
    bindings of paths; UsageError without. `approve`: asked for tools of `policy.approve`.
    `planted`: finds planted credentials, which always deny.
    """

    def __init__(
        self,
        policy: GatewayPolicy | None,
        lock: Lockfile | None,
        *,
        budgets: Budgets | None = None,
        approve: Approve = no_approval,
        system: System | None = None,
        planted: Detector | None = None,
    ) -> None:
        self._on = policy is not None
        policy = GatewayPolicy() if policy is None else policy
        if budgets is None and policy.budgets != Limits():
            hint = "give the gateway stage its budgets"
            raise UsageError("gateway.budgets: there is nothing that counts calls", hint=hint)
        self._lock = lock
        self._budgets = budgets
        self._approve = approve
        self._deny = _globs(policy.deny, "gateway.deny")
        self._allow = None if policy.allow is None else _globs(policy.allow, "gateway.allow")
        self._asked = _globs(policy.approve, "gateway.approve")
        self._rules = Rules(policy.detectors, policy.patterns or Patterns.of(()), planted)
        fences = (
            (policy.fixed, "system gateway"),
            (Fence(policy.scopes, policy.bindings), "gateway"),
        )
        self._bindings = tuple(
            Bound(binding, fence.scopes, system, f"{place}.bindings[{number}]")
            for fence, place in fences
            for number, binding in enumerate(fence.bindings)
        )
        self._plans: dict[str, _Plan] = {}
        self._plain = Sanitiser(self._rules, None)
        self._beside = Sanitiser(Rules({}, Patterns.of(()), planted), None) if planted else None
        self._about_uris = self._bound(RESOURCES)
        self._templates = Templates(lock)
        counts = budgets is not None or not self._on
        self.unmoved: frozenset[SubjectKind] = (
            frozenset() if counts else frozenset({SubjectKind.RESULT})
        )
        """See `pipeline.Panel`: of results there is nothing to take note of without budgets."""
        self.by_kind = {SubjectKind.CALL: self._call} if self._on else {}
        self._others: Mapping[str, Callable[[Call], Verdict]] = {
            "prompts/get": self._plain.judge,
            "completion/complete": self._completion,
            "resources/read": self._resource,
            "resources/subscribe": self._resource,
            "resources/unsubscribe": self._resource,
        }

    @classmethod
    def unconfigured(cls, lock: Lockfile | None) -> "GatewayStage":
        """The stage without a policy: it has no opinion of anything."""
        return cls(None, lock)

    def judge(self, subject: Subject, ctx: Context) -> Verdict | Wait:
        """See `Stage.judge`."""
        if not self._on:
            return _ABSTAINS
        if isinstance(subject, Call):
            return self._call(subject, ctx)
        if self._budgets is not None and isinstance(subject, Result):
            self._budgets.answered(subject, ctx)
        return ALLOW

    def _call(self, call: Call, ctx: Context) -> Verdict | Wait:
        method, target, arguments, _, meta, more = call
        if self._beside is not None and (meta or more):
            baits = self._beside.judge(call, looked={"_meta": meta, **(more or {})})
            if baits is not ALLOW:
                return baits
        if method != _TOOL:
            other = self._others.get(method)
            return ALLOW if other is None else other(call)
        plan = self._plans.get(target) or self._plan(target)
        _, _, _, _, alone = plan
        if alone is not None and alone(arguments):
            return ALLOW
        return self._tool(call, ctx, plan)

    def _tool(self, call: Call, ctx: Context, plan: _Plan) -> Verdict | Wait:
        if plan.listed is not ALLOW:
            return plan.listed
        seen = plan.sanitiser.judge(call, plan.bound)
        if seen is not ALLOW and (seen.effect is not Effect.ALLOW or seen.rewrite is not None):
            return seen
        outside = _outside(plan.bound, call.arguments) if plan.bound else ALLOW
        answer = self._permitted(call, ctx, plan) if outside is ALLOW else outside
        return answer if seen is ALLOW or isinstance(answer, Wait) else _noted(answer, seen)

    def _permitted(self, call: Call, ctx: Context, plan: _Plan) -> Verdict | Wait:
        """Steps 4 and 5. What is not approved, now, is not counted."""
        budgets = self._budgets
        if budgets is not None:
            counted = budgets.take(call, ctx)
            if isinstance(counted, Wait) or counted.effect is not Effect.ALLOW:
                return counted
        if not plan.approved:
            return ALLOW
        answer = self._approve(call, ctx)
        allowed = not isinstance(answer, Wait) and answer.effect is Effect.ALLOW
        if budgets is not None and not allowed:
            budgets.give_back(call, ctx)
        return answer

    # plans

    def _plan(self, tool: str) -> _Plan:
        listed, bound = self._listed(tool), self._bound(tool)
        sanitiser = Sanitiser(self._rules, self._schema(tool))
        approved = any(glob.matches(tool) for glob in self._asked)
        more = listed is not ALLOW or bound or approved or self._budgets is not None
        plan = _Plan(listed, sanitiser, bound, approved, None if more else sanitiser.quiet)
        if len(self._plans) >= MAX_KNOWN:
            self._plans.clear()
        if len(tool) <= MAX_NAME:
            self._plans[tool] = plan
        return plan

    def _listed(self, tool: str) -> Verdict:
        if any(glob.matches(tool) for glob in self._deny):
            return Verdict.deny(Reason.TOOL_DENIED, "the tool is on the gateway's deny list")
        if self._allow is not None and not any(glob.matches(tool) for glob in self._allow):
            text = "the tool is not on the gateway's allow list"
            return Verdict.deny(Reason.TOOL_NOT_ALLOWED, text)
        return ALLOW

    def _schema(self, tool: str) -> JsonObject | None:
        item = self._lock.item(ItemKind.TOOL, tool) if self._lock else None
        schema = item.definition.get("inputSchema") if item else None
        return schema if isinstance(schema, dict) else None

    def _bound(self, tool: str) -> tuple[Bound, ...]:
        return tuple(each for each in self._bindings if each.is_for(tool))

    # what is no tool

    def _completion(self, call: Call) -> Verdict:
        """What a person has typed so far, under the name of the argument it is for."""
        given = {key: value for key, value in call.arguments.items() if key not in _ENVELOPE}
        argument = given.get("argument")
        if isinstance(argument, dict):
            given = {**given, "named": {str(argument.get("name")): argument.get("value")}}
        return self._plain.judge(call, looked=given)

    def _resource(self, call: Call) -> Verdict:
        """A URI that was reviewed itself needs no look; the scopes are the operator's own.

        Of another, what the variables of a template hold is looked through under their names.
        """
        named: JsonObject = {"uri": call.target}
        reviewed = self._lock is not None and self._lock.item(ItemKind.RESOURCE, call.target)
        seen = ALLOW
        if not reviewed:
            looked = {**named, "variables": self._templates.held(call.target)}
            seen = self._plain.judge(call, looked=looked)
        if seen.effect is not Effect.ALLOW:
            return seen
        return _noted(_outside(self._about_uris, named), seen)


_ABSTAINS = Verdict(Effect.ABSTAIN)

_ENVELOPE = frozenset({"ref", "_meta"})
"""Parameters of a completion that hold no text of a person's."""


def _outside(bound: tuple[Bound, ...], arguments: JsonObject) -> Verdict:
    """ALLOW, or the first denial of the bindings."""
    verdicts = (each.check(arguments) for each in bound)
    return next((each for each in verdicts if each is not ALLOW), ALLOW)


def _noted(verdict: Verdict, seen: Verdict) -> Verdict:
    """`verdict` with what was found in the arguments."""
    if not seen.findings:
        return verdict
    return verdict._replace(findings=seen.findings + verdict.findings)


def _globs(texts: tuple[str, ...], place: str) -> tuple[Glob, ...]:
    made = []
    for number, text in enumerate(texts):
        try:
            made.append(Glob(text))
        except UsageError as error:
            raise UsageError(f"{place}[{number}]: {error.message}", hint=error.hint) from None
    return tuple(made)
