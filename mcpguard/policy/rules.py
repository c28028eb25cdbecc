"""Rules, and the one way in which several of them become one outcome.

How rules combine, for one call or one result:

| step | what happens |
|---|---|
| 1 | only enabled rules of the subject's direction that name its method and tool are looked at |
| 2 | the highest `priority` first; a lower one is looked at only if no rule above it decided |
| 3 | within one priority the most restrictive wins: deny > require_approval > redact > allow |
| 4 | all `redact` rules that match in the priority that decides apply, after an approval too |
| 5 | `warn` and `audit` never decide; every one that matches is a remark, whatever was decided |
| 6 | a rule with a `limit` says nothing until the limit is spent; `allow` with one denies then |
| 7 | a condition that cannot be evaluated denies, in a rule of any action that is asked |
| 8 | when no rule decided there is no opinion, and whoever asked applies its own default |
| 9 | rules under which a floor stands are asked on their own, and so is the floor: the more |
|   | restrictive answer holds, redactions and limits of both; an `allow` of the floor is none |

Pure: the same rules, subject, facts and spent limits give the same outcome. Who counts is the
caller: it takes `Outcome.limits`, and asks again with those that were spent.
"""

from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass
from enum import StrEnum
from hashlib import blake2b
from typing import NamedTuple

from mcpguard.model import Call, Result, Side
from mcpguard.policy.cel import Direction, Facts, Fault, Given, Program
from mcpguard.policy.redaction import Pattern, Redaction
from mcpguard.wire.methods import REQUESTS

__all__ = [
    "MAX_SECONDS",
    "METHODS",
    "NO_OPINION",
    "Action",
    "Limit",
    "LimitUse",
    "Outcome",
    "Remark",
    "Rule",
    "RuleSet",
]

MAX_SECONDS = 0.25
"""Seconds that all rules together may take for one subject, looked at after each of them."""

MAX_KNOWN = 1024
"""Names whose rules are remembered; a host that invents more only makes them forgotten."""

METHODS = tuple(name for name, row in REQUESTS[Side.HOST].items() if row.held)
"""The methods that rules judge: those that use something the server listed."""


class Action(StrEnum):
    """What a rule does."""

    DENY = "deny"
    REQUIRE_APPROVAL = "require_approval"
    REDACT = "redact"
    ALLOW = "allow"
    WARN = "warn"
    AUDIT = "audit"


_RANK = {action: rank for rank, action in enumerate(Action)}
"""The most restrictive first. Guarantee: policy:most-restrictive."""

_REMARKS = frozenset((Action.WARN, Action.AUDIT))


class Limit(NamedTuple):
    """At most `amount` calls in any `seconds`."""

    amount: int
    seconds: int
    text: str


class LimitUse(NamedTuple):
    """A call to be counted before it passes. `key`: what it is counted under, 32 hex digits."""

    key: str
    rule: str
    amount: int
    seconds: int


class Remark(NamedTuple):
    """A `warn` or `audit` rule that matched."""

    rule: str
    action: Action
    message: str


class Outcome(NamedTuple):
    """What the rules say. `action` is DENY, REQUIRE_APPROVAL, REDACT, ALLOW or None: no opinion.

    `message`: a sentence without full stop, the rule's own or ours; nothing a peer wrote.
    `redactions`: what to take out before it passes. `limits`: what to count if the call is to pass.
    `faulty`: the rule could not be evaluated.
    """

    action: Action | None = None
    rule: str = ""
    message: str = ""
    redactions: tuple[Redaction, ...] = ()
    limits: tuple[LimitUse, ...] = ()
    remarks: tuple[Remark, ...] = ()
    faulty: bool = False


NO_OPINION = Outcome()


@dataclass(frozen=True, slots=True)
class Rule:
    """One rule as read. Empty `methods`: all of METHODS; no `tools`: any name.

    `tools` are matched whole, by case. `per`: what calls are counted by; the principal if None.
    """

    name: str
    action: Action
    direction: Direction
    methods: frozenset[str]
    tools: tuple[Pattern, ...]
    condition: Program | None
    message: str
    priority: int
    limit: Limit | None
    per: Program | None
    redactions: tuple[Redaction, ...]

    def concerns(self, method: str, target: str) -> bool:
        """Whether it names this method and this target; its condition is another matter."""
        if method not in (self.methods or METHODS):
            return False
        return not self.tools or any(glob.fullmatch(target) is not None for glob in self.tools)

    @property
    def reads_arguments(self) -> bool:
        """Whether what it does may depend on the call's arguments."""
        return any(each is not None and each.reads_arguments for each in (self.condition, self.per))


FactsOf = Callable[[], Facts]
Clock = Callable[[], float]


class RuleSet:
    """The rules of one policy. Immutable but for a bounded memory of which rules name what.

    `floor`: rules of somebody above, which these can tighten and never loosen.
    """

    __slots__ = ("_known", "_ordered", "floor", "name", "rules")

    def __init__(self, name: str, rules: Iterable[Rule], *, floor: "RuleSet | None" = None) -> None:
        self.name = name
        self.rules = tuple(rules)
        self.floor = floor
        self._ordered = tuple(sorted(self.rules, key=_order))
        self._known: dict[tuple[Direction, str, str], tuple[Rule, ...]] = {}

    @property
    def any(self) -> bool:
        """Whether there is a rule, here or above."""
        return bool(self.rules) or (self.floor is not None and self.floor.any)

    def judge_call(
        self,
        call: Call,
        facts: FactsOf,
        *,
        spent: Collection[str] = (),
        clock: Clock | None = None,
    ) -> Outcome:
        """What the rules say of `call`.

        Args:
            call: What the host wants.
            facts: Asked only when a rule concerns the call; what it raises is the caller's.
            spent: Keys of limits (`LimitUse.key`) that have no call left.
            clock: Seconds, monotonic; without one the time that rules take is not bounded.
        """
        rules = self._concerning(_CALL, call.method, call.target)
        own = _judged(self.name, rules, call, facts, spent, clock) if rules else NO_OPINION
        if self.floor is None:
            return own
        return _stricter(own, self.floor.judge_call(call, facts, spent=spent, clock=clock))

    def judge_result(
        self, result: Result, facts: FactsOf, *, clock: Clock | None = None
    ) -> Outcome:
        """What the rules say of `result`; never REQUIRE_APPROVAL and never a limit."""
        rules = self._concerning(_RESULT, result.method, result.target)
        own = _judged(self.name, rules, result, facts, (), clock) if rules else NO_OPINION
        if self.floor is None:
            return own
        return _stricter(own, self.floor.judge_result(result, facts, clock=clock))

    def reading_arguments(self, method: str, target: str) -> tuple[str, ...]:
        """The rules whose answer about such a call depends on its arguments."""
        rules = self._concerning(_CALL, method, target)
        below = self.floor.reading_arguments(method, target) if self.floor else ()
        own = (rule.name for rule in rules if rule.reads_arguments)
        return tuple(dict.fromkeys((*own, *below)))

    def _concerning(self, direction: Direction, method: str, target: str) -> tuple[Rule, ...]:
        """The rules that name it, in the order in which they are asked."""
        known = self._known.get((direction, method, target))
        if known is not None:
            return known
        found = tuple(
            rule
            for rule in self._ordered
            if rule.direction is direction and rule.concerns(method, target)
        )
        if len(self._known) >= MAX_KNOWN:
            self._known.clear()
        self._known[direction, method, target] = found
        return found


_CALL, _RESULT = Direction.CALL, Direction.RESULT
"""A global is read much faster than a member of an enumeration."""


def _order(rule: Rule) -> tuple[int, int]:
    return -rule.priority, _RANK[rule.action]


def _stricter(own: Outcome, floor: Outcome) -> Outcome:
    """Both answers as one: the more restrictive, and what either takes out, counts and remarks."""
    remarks = own.remarks + floor.remarks
    action = None if floor.action is Action.ALLOW else floor.action
    first = own
    if action is not None and (own.action is None or _RANK[action] < _RANK[own.action]):
        first = floor
    if first.action is Action.DENY:
        return first._replace(remarks=remarks)
    return first._replace(
        redactions=own.redactions + floor.redactions,
        limits=own.limits + floor.limits,
        remarks=remarks,
    )


def _judged(  # noqa: PLR0917 - called once a message, and only from above
    policy: str,
    rules: tuple[Rule, ...],
    subject: Call | Result,
    facts: FactsOf,
    spent: Collection[str],
    clock: Clock | None,
) -> Outcome:
    asked = _Asked(policy, subject, facts, clock)
    outcome = _decided(rules, asked, spent)
    remarks: list[Remark] = []
    for rule in rules:
        if rule.action in _REMARKS:
            held = asked.holds(rule)
            if isinstance(held, Fault) and not outcome.faulty:
                outcome = _failed(rule, held)
            elif held is True:
                remarks.append(Remark(rule.name, rule.action, rule.message))
    return outcome._replace(remarks=tuple(remarks)) if remarks else outcome


def _decided(rules: tuple[Rule, ...], asked: "_Asked", spent: Collection[str]) -> Outcome:
    """The first rule in order that matches, with all redactions of its priority.

    The others of its priority are asked all the same: a fault, a redaction or a limit must not
    depend on where in the file a rule stands.
    """
    winner: Rule | None = None
    redactions: tuple[Redaction, ...] = ()
    uses: list[LimitUse] = []
    for rule in rules:
        if rule.action in _REMARKS:
            continue
        if winner is not None and rule.priority != winner.priority:
            break
        held = asked.holds(rule)
        if isinstance(held, Fault):
            return _failed(rule, held)
        if not held:
            continue
        if rule.limit is not None:
            use = asked.use(rule, rule.limit)
            if isinstance(use, Fault):
                return _failed(rule, use)
            if use.key not in spent:
                uses.append(use)
                continue
        winner = winner or rule
        redactions += rule.redactions
        if rule.action is Action.DENY:
            break
    return _outcome(winner, redactions, uses)


def _outcome(
    winner: Rule | None, redactions: tuple[Redaction, ...], uses: Iterable[LimitUse]
) -> Outcome:
    if winner is None:
        return Outcome(limits=tuple(uses))
    limits = () if winner.action is Action.DENY else tuple(uses)
    taken = () if winner.action is Action.DENY else redactions
    return Outcome(winner.action, winner.name, _message(winner), taken, limits)


def _message(rule: Rule) -> str:
    if rule.message or rule.action is not Action.DENY:
        return rule.message
    if rule.limit is not None:
        return f"the limit of {rule.limit.text} is spent"
    return f"the rule {rule.name} denies it"


def _failed(rule: Rule, fault: Fault) -> Outcome:
    message = f"the rule {rule.name} could not be evaluated: {fault.what}"
    return Outcome(Action.DENY, rule.name, message, faulty=True)


class _Asked:
    """One subject being asked about: its values are made when the first condition wants them."""

    __slots__ = (
        "_answers",
        "_clock",
        "_facts",
        "_facts_of",
        "_given",
        "_policy",
        "_subject",
        "_until",
    )

    def __init__(
        self, policy: str, subject: Call | Result, facts: FactsOf, clock: Clock | None
    ) -> None:
        self._policy = policy
        self._subject = subject
        self._facts_of = facts
        self._facts: Facts | None = None
        self._given: Given | Fault | None = None
        self._clock = clock
        self._until = clock() + MAX_SECONDS if clock else 0.0
        self._answers: dict[str, bool | Fault] = {}

    def holds(self, rule: Rule) -> bool | Fault:
        """Whether the rule's condition is true; rules without one always match."""
        if rule.condition is None:
            return True
        known = self._answers.get(rule.name)
        if known is None:
            given = self._values()
            known = given if isinstance(given, Fault) else rule.condition.holds(given)
            if self._clock is not None and self._clock() > self._until:
                known = _TOO_SLOW
            self._answers[rule.name] = known
        return known

    def use(self, rule: Rule, limit: Limit) -> LimitUse | Fault:
        """What the call is counted under."""
        counted: str | Fault
        if rule.per is None:
            counted = self._known_facts().principal
        else:
            given = self._values()
            counted = given if isinstance(given, Fault) else rule.per.key(given)
        if isinstance(counted, Fault):
            return counted
        made = f"{self._policy}\0{rule.name}\0{counted}".encode("utf-8", "surrogatepass")
        key = blake2b(made, digest_size=16).hexdigest()
        return LimitUse(key, rule.name, limit.amount, limit.seconds)

    def _known_facts(self) -> Facts:
        if self._facts is None:
            self._facts = self._facts_of()
        return self._facts

    def _values(self) -> Given | Fault:
        if self._given is None:
            facts = self._known_facts()
            try:
                self._given = Given(self._subject, facts)
            except Exception:  # noqa: BLE001 - what the library cannot hold cannot be judged
                self._given = Fault("it holds a value that conditions cannot read")
        return self._given


_TOO_SLOW = Fault(f"the rules took longer than {MAX_SECONDS} seconds")
