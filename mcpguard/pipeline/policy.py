"""The stage of the operator's rules: asks them, counts their limits, turns the outcome into words.

It sees what the stages before it let through. Counting is all or nothing and happens once: a call
that is to be rewritten is counted when the rewritten one comes.
"""

from collections.abc import Callable, Collection
from typing import Protocol, TypeAlias

from mcpguard.lock.lockfile import Lockfile
from mcpguard.model import (
    ALLOW,
    REMARK,
    Call,
    Context,
    Effect,
    Finding,
    Live,
    Reason,
    Result,
    Severity,
    Subject,
    Verdict,
    Wait,
)
from mcpguard.pipeline.trust import Approve, no_approval
from mcpguard.policy.cel import Facts
from mcpguard.policy.redaction import redacted_arguments, redacted_result
from mcpguard.policy.rules import Action, Clock, LimitUse, Outcome, Remark, RuleSet

__all__ = ["FactsFor", "Limits", "PolicyStage"]

FactsFor: TypeAlias = Callable[[Call | Result, Context], Facts]
"""What conditions read beside the subject itself; asked only when a rule concerns it."""


class Limits(Protocol):
    """Whoever counts calls."""

    def take(self, uses: tuple[LimitUse, ...], live: Live) -> Collection[str] | Wait:
        """Count one call under each of `uses`; or, if some are spent, none, and give their keys.

        `live`: which call it is, and what it waited for: one call is counted once.
        """


class PolicyStage:
    """Judges calls and results by `rules`; of anything else it has no opinion.

    `approve`: asked of what a rule leaves to a person. `default` stands where no rule decides:
    ALLOW, or ABSTAIN, which denies where it is required.
    """

    def __init__(
        self,
        rules: RuleSet,
        facts: FactsFor,
        limits: Limits,
        *,
        approve: Approve = no_approval,
        default: Effect = Effect.ABSTAIN,
        clock: Clock | None = None,
    ) -> None:
        self._rules = rules
        self._facts = facts
        self._limits = limits
        self._approve = approve
        self._clock = clock
        self._default = ALLOW if default is Effect.ALLOW else _ABSTAINS

    @classmethod
    def unruled(cls, _: Lockfile | None) -> "PolicyStage":
        """The stage without a policy: it has no opinion of anything."""
        return cls(RuleSet("none", ()), _no_facts, _NoLimits())

    def judge(self, subject: Subject, ctx: Context) -> Verdict | Wait:
        """See `Stage.judge`."""
        match subject:
            case Call():
                return self._call(subject, ctx)
            case Result():
                outcome = self._rules.judge_result(
                    subject, lambda: self._facts(subject, ctx), clock=self._clock
                )
                return self._verdict(outcome, subject, _redacted_result(subject, outcome))
            case _:
                return _ABSTAINS

    def _call(self, call: Call, ctx: Context) -> Verdict | Wait:
        spent: frozenset[str] = frozenset()
        while True:
            outcome = self._rules.judge_call(
                call, lambda: self._facts(call, ctx), spent=spent, clock=self._clock
            )
            rewrite = _redacted_call(call, outcome)
            if not outcome.limits or rewrite is not call:
                break
            taken = self._limits.take(outcome.limits, ctx.live)
            if isinstance(taken, Wait):
                return taken
            refused = frozenset(taken)
            if not refused:
                break
            if refused <= spent:  # it would be asked for ever
                return Verdict.deny(Reason.RULE_FAULT, "its limits cannot be counted")
            spent |= refused
        verdict = self._verdict(outcome, call, rewrite)
        if outcome.action is not Action.REQUIRE_APPROVAL or rewrite is not call:
            return verdict
        asked = self._approve(call, ctx)
        return (
            asked
            if isinstance(asked, Wait)
            else asked._replace(findings=verdict.findings + asked.findings)
        )

    def _verdict(self, outcome: Outcome, subject: Subject, rewrite: Subject) -> Verdict:
        findings = tuple(map(_finding, outcome.remarks))
        if outcome.action is Action.DENY:
            reason = Reason.RULE_FAULT if outcome.faulty else Reason.RULE
            return Verdict.deny(reason, f"{outcome.message} (rule {outcome.rule})", *findings)
        if rewrite is not subject:
            text = f"the rule {outcome.rule} took something out"
            return Verdict(Effect.ALLOW, Reason.REDACTED, text, findings, rewrite)
        verdict = ALLOW if outcome.action else self._default
        return verdict._replace(findings=findings) if findings else verdict


_ABSTAINS = Verdict(Effect.ABSTAIN)

_SEVERITIES = {Action.WARN: Severity.MODERATE, Action.AUDIT: Severity.INFO}


def _finding(remark: Remark) -> Finding:
    rule = remark.rule
    text = f"{remark.message} (rule {rule})" if remark.message else f"the rule {rule} matches"
    return Finding(f"{REMARK}{rule}", _SEVERITIES[remark.action], "", text)


def _redacted_call(call: Call, outcome: Outcome) -> Call:
    """The call with what is to be taken out; itself when that is nothing."""
    kept = redacted_arguments(call.arguments, outcome.redactions) if outcome.redactions else None
    return call if kept is None or kept is call.arguments else call._replace(arguments=kept)


def _redacted_result(result: Result, outcome: Outcome) -> Result:
    """The same for a result."""
    kept = redacted_result(result.body, outcome.redactions) if outcome.redactions else None
    return result if kept is None or kept is result.body else result._replace(body=kept)


def _no_facts(_: Call | Result, __: Context) -> Facts:
    raise LookupError("there are no rules that could ask")


class _NoLimits:
    """Counts for rules that have no limits: whoever asks has some, so all are spent."""

    def take(self, uses: tuple[LimitUse, ...], live: Live) -> Collection[str]:
        """See `Limits.take`."""
        return [use.key for use in uses]
