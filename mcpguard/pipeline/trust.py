"""The trust stage: who may call what, how often. Six checks in order, the first that fails decides.

    1  somebody is calling          4  the trust reaches what the tool asks for
    2  who is not blocked           5  every capability it asks for is held
    3  the tool is not blocked      6  the rate is not exceeded

Whoever calls is what the operator's profile, a pinned key or a badge proved; never what a message
says. What looks like a trust value in a message is a finding, and nothing reads it.
"""

from collections.abc import Callable, Container, ItemsView, Mapping, Sequence
from types import MappingProxyType
from typing import Final, Protocol

from mcpguard.errors import UsageError
from mcpguard.model import (
    ALLOW,
    Call,
    Context,
    Effect,
    Finding,
    Held,
    Json,
    Live,
    Principal,
    Reason,
    Severity,
    Subject,
    SubjectKind,
    Tier,
    Verdict,
    Wait,
)
from mcpguard.trust.policy import PolicyTable, ToolPolicy, covers
from mcpguard.trust.score import Access, access, effective

__all__ = ["CLAIMS", "Approve", "Limits", "TrustStage", "no_approval"]

CLAIMS: Final = frozenset({
    "trustscore", "trustlevel", "trusttier", "agenttrust", "agenttrustscore", "agenttrustlevel",
    "peertrustscore", "callertrustscore", "capabilities", "agentcapabilities", "agentdid",
    "callerdid", "peerdid", "authlevel", "capisciocallerbadge", "capisciocallerapikey",
})  # fmt: skip
"""Keys that look like somebody's own word for his trust, without case and separators."""

MAX_KEYS = 2000
"""Keys of one call that are looked at for claims. Beyond them there may be some; nobody reads
them either way."""

MAX_DEPTH = 32
"""Levels of one call that are looked at for claims."""

MAX_FINDINGS = 8
"""Claims of one call that are named."""

MAX_KEY = 40
"""Characters of a key that can be a claim; of a longer one the finding would be an attacker's."""

RULE = "trust-claim"

TIERS: Final = tuple(Tier)
"""Least first."""

_NO_TIERS: Final[Mapping[str, Tier]] = MappingProxyType({})

_FREE: Final = ToolPolicy(min_trust=0)
"""For what names no item: `ping`, lists, the handshake. Only somebody who is blocked is denied."""

_TOOL: Final = "tools/call"


class Limits(Protocol):
    """How often a principal may call. Atomic: two proxies may ask at once."""

    def take(self, principal: str, tool: str, live: Live, per_minute: int) -> Verdict | Wait:
        """ALLOW and counted, or why not and not counted.

        `live`: when the call came, which one it is, and what it waited for: one call is counted
        once, however often it is judged. `per_minute`: the tool's own limit, 0 for none; the
        implementation may hold more limits of its own. An exception is a denial.
        """


Approve = Callable[[Call, Context], Verdict | Wait]

_Check = Callable[[Call, Context, ToolPolicy], Verdict | Wait]


def no_approval(_call: Call, _ctx: Context) -> Verdict:
    """Nobody can be asked."""
    return Verdict.deny(Reason.APPROVAL, "it needs the approval of a person, and nobody is asked")


def _open() -> bool:
    """Nobody has blocked the server."""
    return False


class TrustStage:
    """Judges calls. Everything else is for other stages, and allowed here.

    `blocked`: ids of principals, all if the server is blocked, as `server` says. `tools`: names
    that are blocked beside the policies. They are asked at every call, so they may change while a
    session runs. `tiers`: what tools are known to
    do at least, whatever their policies say.
    `strict`: the matrix of tier and score decides as well; what it leaves to a person is asked of
    `approve`, after all six checks. Tools' policies hold for `tools/call`; other items are held to
    the table's default. Raises UsageError for a policy with a rate when there are no `limits`.
    """

    def __init__(
        self,
        policies: PolicyTable,
        *,
        limits: Limits | None = None,
        blocked: Container[str] = frozenset(),
        server: Callable[[], bool] = _open,
        tools: Container[str] = frozenset(),
        tiers: Mapping[str, Tier] = _NO_TIERS,
        strict: bool = False,
        approve: Approve = no_approval,
    ) -> None:
        self._policies = policies
        self._limits = limits
        self._blocked = blocked
        self._server = server
        self._tools = tools
        self._tiers = tiers
        self._strict = strict
        self._approve = approve
        self._harmless: set[str] = set()
        """Keys of arguments that are no claims."""
        self._passed: dict[str, tuple[Sequence[Held], Principal, ToolPolicy]] = {}
        """By tool: whose calls passed every check but the block and the rate. What `held` gave is
        compared by identity, so only a tuple is remembered: it says the same for ever."""
        self._checks: tuple[_Check, ...] = (
            self._present,
            self._not_blocked,
            self._tool,
            self._trusted,
            self._capable,
            self._rate,
        )
        self.by_kind = {SubjectKind.CALL: self._call}
        if limits is None:
            _refuse_rates(policies)

    def judge(self, subject: Subject, ctx: Context) -> Verdict | Wait:
        """See `Stage.judge`."""
        return self._call(subject, ctx) if isinstance(subject, Call) else ALLOW

    def _call(self, call: Call, ctx: Context) -> Verdict | Wait:
        method, target, arguments, _, meta, _ = call
        known = self._harmless.issuperset(arguments) and _FLAT(map(type, arguments.values()))
        findings = () if known and not meta else self._claims(call)
        parties = ctx.parties
        caller = parties.caller
        passed = self._passed.get(target)
        if (
            passed is not None
            and passed[0] is parties.held()
            and passed[1] is caller
            and method == _TOOL
            and caller.id not in self._blocked
            and target not in self._tools
        ):
            if self._limits is None and not findings:
                return ALLOW
            verdict = self._rate(call, ctx, passed[2])
        else:
            verdict = self._checked(call, ctx)
        if not findings or isinstance(verdict, Wait):
            return verdict
        return verdict._replace(findings=verdict.findings + findings)

    def _checked(self, call: Call, ctx: Context) -> Verdict | Wait:
        caller, held = ctx.parties.caller, ctx.parties.held()
        policy = self._policy(call)
        for check in self._checks:
            verdict = check(call, ctx, policy)
            if verdict is not ALLOW:
                return verdict
        if (
            self._strict
            and call.method == _TOOL
            and self._access(call, ctx, policy) is not Access.ALLOW
        ):
            return self._approve(call, ctx)
        if call.method == _TOOL and not self._strict and type(held) is tuple:
            if len(self._passed) >= MAX_KEYS:
                self._passed.clear()
            self._passed[call.target] = (held, caller, policy)
        return ALLOW

    def _policy(self, call: Call) -> ToolPolicy:
        if call.method == _TOOL:
            return self._policies.of(call.target)
        return self._policies.default if call.target else _FREE

    def _present(self, call: Call, ctx: Context, policy: ToolPolicy) -> Verdict:
        if not ctx.parties.caller.id:
            return Verdict.deny(Reason.NO_PRINCIPAL, "nobody is known to be calling")
        return ALLOW

    def _not_blocked(self, call: Call, ctx: Context, policy: ToolPolicy) -> Verdict:
        if ctx.parties.caller.id in self._blocked:
            who = "server" if self._server() else "caller"
            return Verdict.deny(Reason.PRINCIPAL_BLOCKED, f"the operator has blocked the {who}")
        return ALLOW

    def _tool(self, call: Call, ctx: Context, policy: ToolPolicy) -> Verdict:
        if policy.blocked:
            return Verdict.deny(Reason.TOOL_BLOCKED, "the tool is blocked by its policy")
        if call.method == _TOOL and call.target in self._tools:
            return Verdict.deny(Reason.TOOL_BLOCKED, "the operator has blocked the tool")
        return ALLOW

    def _trusted(self, call: Call, ctx: Context, policy: ToolPolicy) -> Verdict:
        parties = ctx.parties.held()
        held = effective(parties)
        if held.score < policy.min_trust:
            text = f"{_score(parties, held)}, {policy.min_trust} is needed"
            return Verdict.deny(Reason.TRUST_SCORE, text)
        if held.level < policy.min_level:
            whose = next((each.of for each in parties if each.level == held.level), "nobody")
            text = f"the trust level of {whose} is {held.level}, {policy.min_level} is needed"
            return Verdict.deny(Reason.TRUST_LEVEL, text)
        tier = self._tier(call, policy)
        if self._strict and call.method == _TOOL and access(tier, held.score) is Access.DENY:
            text = f"{_score(parties, held)}, too low for a tool of tier {tier}"
            return Verdict.deny(Reason.TRUST_TIER, text)
        return ALLOW

    def _access(self, call: Call, ctx: Context, policy: ToolPolicy) -> Access:
        return access(self._tier(call, policy), effective(ctx.parties.held()).score)

    def _tier(self, call: Call, policy: ToolPolicy) -> Tier:
        """The higher of what the policy says of the tool and what is known of it."""
        return max(policy.tier, self._tiers.get(call.target, policy.tier), key=TIERS.index)

    def _capable(self, call: Call, ctx: Context, policy: ToolPolicy) -> Verdict:
        held = ctx.parties.caller.capabilities
        for required in policy.required_capabilities:
            if not any(covers(granted, required) for granted in held):
                return Verdict.deny(Reason.CAPABILITY, f"the capability {required} is needed")
        return ALLOW

    def _rate(self, call: Call, ctx: Context, policy: ToolPolicy) -> Verdict | Wait:
        if self._limits is None or call.method != _TOOL:
            return ALLOW
        caller, per_minute = ctx.parties.caller.id, policy.max_calls_per_minute
        verdict = self._limits.take(caller, call.target, ctx.live, per_minute)
        if isinstance(verdict, Wait):
            return verdict
        return ALLOW if verdict.effect is Effect.ALLOW else verdict

    # claims

    def _claims(self, call: Call) -> tuple[Finding, ...]:
        """What in `call` looks like somebody's own word for his trust."""
        found: list[str] = []
        todo: list[tuple[str, Json, int]] = [("/arguments", call.arguments, 0)]
        if call.meta:
            todo.append(("/_meta", call.meta, 0))
        left = MAX_KEYS
        while todo and left > 0 and len(found) < MAX_FINDINGS:
            where, value, depth = todo.pop()
            for key, child in _children(value):
                left -= 1
                if left < 0:
                    break
                if type(key) is str and self._is_claim(key):
                    found.append(f"{where}/{_step(key)}")
                if type(child) in _NESTED and depth < MAX_DEPTH:
                    todo.append((f"{where}/{_step(key)}", child, depth + 1))
        return tuple(map(_finding, found[:MAX_FINDINGS])) if found else ()

    def _is_claim(self, key: str) -> bool:
        if key in self._harmless:
            return False
        if len(key) > MAX_KEY:
            return False
        claim = _bare(key) in CLAIMS
        if not claim:
            if len(self._harmless) >= MAX_KEYS:
                self._harmless.clear()
            self._harmless.add(key)
        return claim


def _score(parties: Sequence[Held], least: Held) -> str:
    """Whose score is the least, and what it is."""
    whose = next((each.of for each in parties if each.score == least.score), "nobody")
    return f"the trust score of {whose} is {least.score}"


_NESTED: Final = frozenset((dict, list))
_FLAT: Final = _NESTED.isdisjoint
"""Whether among types of values there is none that has more keys below it."""


def _children(value: Json) -> ItemsView[str, Json] | enumerate[Json]:
    if isinstance(value, dict):
        return value.items()
    return enumerate(value if isinstance(value, list) else ())


def _bare(key: str) -> str:
    """`key` without case and separators: `Trust-Score` and `trust_score` are one."""
    return "".join(char for char in key.casefold() if char not in "_-. ")


def _step(key: str | int) -> str:
    """One step of a JSON pointer (RFC 6901), at most `MAX_KEY` characters of it."""
    return str(key)[:MAX_KEY].replace("~", "~0").replace("/", "~1")


def _finding(where: str) -> Finding:
    return Finding(
        RULE, Severity.INFO, where, "a message's own word for its trust; nobody reads it"
    )


def _refuse_rates(policies: PolicyTable) -> None:
    pattern = policies.rated()
    if pattern is not None:
        raise UsageError(
            f"tools.{pattern!r}.max_calls_per_minute: there is nothing that counts calls",
            hint="give the trust stage its limits",
        )
