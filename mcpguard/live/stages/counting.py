"""The counters behind the stages: rates, rules' limits and budgets of one session.

A call is counted once, however often it is judged: a rewrite begins again under the same wire id,
and a call that waited says what for.
"""

from collections.abc import Callable, Collection, Mapping
from dataclasses import replace
from hashlib import blake2b
from typing import TYPE_CHECKING, TypeVar

import orjson

from mcpguard.model import ALLOW, Call, Context, Live, Reason, Result, Verdict, Wait
from mcpguard.store.ledger import Limit
from mcpguard.trust.limits import Limiter, Limits
from mcpguard.trust.policy import PolicyTable

if TYPE_CHECKING:
    from mcpguard.policy.rules import LimitUse

__all__ = ["UNITS", "UNREAD", "Budgets", "Rates", "RuleLimits", "rates_of"]

UNITS = "units"
"""The token of a wait for the store that counts a limit."""

UNREAD = Wait("trust", "store")
"""The wait of a call that came before the store was read: nothing has counted it yet."""

MAX_KNOWN = 2048
"""Calls that are remembered until they end; a session has at most half as many in flight."""

_MINUTE = 60_000
_SECOND = 1_000

Clock = Callable[[], float]
_Value = TypeVar("_Value")


def rates_of(limits: Limits, policies: PolicyTable, tools: Collection[str]) -> Limits:
    """`limits`, and beside them each tool's own `max_calls_per_minute`."""
    named = dict(limits.tools)
    for tool in tools:
        per_minute = policies.of(tool).max_calls_per_minute
        if per_minute:
            named[tool] = (*named.get(tool, limits.tool), Limit(per_minute, _MINUTE))
    return replace(limits, tools=named)


class Rates:
    """`pipeline.trust.Limits`: how often a principal may call."""

    def __init__(self, limiter: Limiter, clock: Clock) -> None:
        self._take = limiter.take
        self._clock = clock
        self._counted = -1

    def take(self, principal: str, tool: str, live: Live, per_minute: int) -> Verdict | Wait:
        """See `pipeline.trust.Limits`. `per_minute` is among the limits already: `rates_of`."""
        again = live.again
        if self._counted == live.call or again not in _NOT_COUNTED:
            return ALLOW
        taken = self._take(principal, tool, self._clock())
        if taken.reason is Reason.OK:
            self._counted = live.call
            return ALLOW
        return _TRUST_UNITS if taken.wait else Verdict.deny(taken.reason, taken.detail)


class RuleLimits:
    """`pipeline.policy.Limits`: what rules count by their own keys."""

    def __init__(self, limiter: Limiter, clock: Clock) -> None:
        self._take = limiter.take_each
        self._clock = clock
        self._counted = -1
        self._spent: dict[int, frozenset[str]] = {}

    def take(self, uses: "tuple[LimitUse, ...]", live: Live) -> Collection[str] | Wait:
        """See `pipeline.policy.Limits`. What was spent once stays spent for this call."""
        before = self._spent.get(live.call, frozenset())
        known = [use.key for use in uses if use.key in before]
        if known or self._counted == live.call or _after_rules(live.again):
            return known
        wanted = [(f"rule/{use.key}", Limit(use.amount, use.seconds * _SECOND)) for use in uses]
        spent = self._take(wanted, self._clock())
        if spent is None:
            return _POLICY_UNITS
        if not spent:
            self._counted = live.call
            return ()
        refused = frozenset(use.key for use in uses if f"rule/{use.key}" in spent)
        _remember(self._spent, live.call, before | refused)
        return refused


def _after_rules(again: Wait | None) -> bool:
    """Whether a call that waited for `again` had its rules' limits counted before."""
    return again is not None and again.stage != "trust" and again != _POLICY_UNITS


class Budgets:
    """`pipeline.gateway.Budgets`: what a session may use up, and calls that fail time and again."""

    def __init__(self, limits: Limits, server: str, clock: Clock) -> None:
        self._limiter = Limiter(limits, server)
        self._clock = clock
        self._counted = -1
        self._measures = limits.max_bytes_in is not None
        self._weighs = limits.max_bytes_out is not None
        self._follows = limits.failures is not None
        self._open: dict[int, tuple[str, str, bytes]] = {}

    def take(self, call: Call, ctx: Context) -> Verdict:
        """See `pipeline.gateway.Budgets`."""
        live = ctx.live
        if self._counted == live.call:
            return ALLOW
        encoded = orjson.dumps(call.arguments) if self._measures or self._follows else b""
        digest = blake2b(encoded, digest_size=16).digest() if self._follows else b""
        who = ctx.parties.caller.id
        taken = self._limiter.take(
            who, call.target, self._clock(), len(encoded) if self._measures else 0, digest
        )
        if taken.reason is not Reason.OK:
            return Verdict.deny(taken.reason, taken.detail)
        self._counted = live.call
        if self._follows:
            _remember(self._open, live.call, (who, call.target, digest))
        return ALLOW

    def give_back(self, call: Call, ctx: Context) -> None:
        """See `pipeline.gateway.Budgets`."""
        self._limiter.unmade(len(orjson.dumps(call.arguments)) if self._measures else 0)
        self._open.pop(ctx.live.call, None)
        self._counted = -1

    def answered(self, result: Result, ctx: Context) -> None:
        """See `pipeline.gateway.Budgets`."""
        if self._weighs:
            self._limiter.received(len(orjson.dumps(result.body)))
        opened = self._open.pop(ctx.live.call, None)
        if opened is None:
            return
        if result.error or result.body.get("isError", False) is not False:
            self._limiter.failed(*opened, self._clock())
        else:
            self._limiter.succeeded(*opened)

    def left(self) -> Mapping[str, int]:
        """What is left of each budget that there is: `tool_calls`, `bytes_in`, `bytes_out`."""
        return self._limiter.left()

    def reset(self) -> None:
        """Begin the session's budgets anew."""
        self._limiter.reset_budgets()


_TRUST_UNITS = Wait("trust", UNITS)
_POLICY_UNITS = Wait("policy", UNITS)
_NOT_COUNTED = (None, _TRUST_UNITS, UNREAD)
"""What a call whose rate was not counted yet may have waited for."""


def _remember(known: dict[int, _Value], call: int, value: _Value) -> None:
    """Keep `value` of `call`; the oldest is forgotten when there are too many."""
    known[call] = value
    if len(known) > MAX_KNOWN:
        del known[next(iter(known))]
