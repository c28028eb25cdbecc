"""The gateway's third step: what arguments hold that must not pass, or must not pass as it is.

Rules that deny, redact and record are searched for apart from each other, so that what one of them
takes out, or only notes, never hides or uncovers what another one looks for.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import NamedTuple

from mcpguard.errors import ScanError, UsageError
from mcpguard.model import ALLOW, Call, Effect, Finding, Json, JsonObject, Reason, Verdict
from mcpguard.pipeline.scopes import Bound
from mcpguard.pipeline.terms import Handling
from mcpguard.scan import DETECTORS, Detector, Hit, find, finding, redact
from mcpguard.scan.needles import encodable
from mcpguard.scan.patterns import Action, Patterns
from mcpguard.scan.quiet import Finder
from mcpguard.scan.sites import Role

__all__ = ["Rules", "Sanitiser"]

MAX_FINDINGS = 16
"""Findings of one search that are handed on: ten thousand would fill the log, and nobody reads
them."""


MAX_WHERE = 256
"""Characters of a place in a finding. The caller chooses the names in it."""


_HANDLED = {Action.DENY: Handling.DENY, Action.REDACT: Handling.REDACT}

_OPERATIVE = {Role.COMMAND: "a command", Role.PATH: "a path", Role.URL: "a URL"}
"""Where a placeholder is another path, another URL or another command, and so another deed: a shell
reads `[mcpguard:card]` as any one of ten letters."""


class _Sought(NamedTuple):
    """What is looked for, with one handling or with any."""

    detectors: tuple[Detector, ...]
    patterns: Patterns


class Rules:
    """Detectors and patterns by what follows from them. Raises UsageError for an unknown id."""

    def __init__(self, detectors: Mapping[str, Handling], patterns: Patterns) -> None:
        self.any = _sought(detectors, patterns, *Handling)
        self.by = {each: _sought(detectors, patterns, each) for each in Handling}

    def __bool__(self) -> bool:
        return bool(self.any.detectors or self.any.patterns)


def _sought(detectors: Mapping[str, Handling], patterns: Patterns, *handled: Handling) -> _Sought:
    for name in detectors:
        if name not in DETECTORS:
            from difflib import get_close_matches

            near = get_close_matches(name, DETECTORS, 1)
            hint = f"did you mean {near[0]}?" if near else "one of: " + ", ".join(DETECTORS)
            raise UsageError(f"gateway.detectors.{name[:64]}: there is no such detector", hint=hint)
    chosen = (each for name, each in DETECTORS.items() if detectors.get(name) in handled)
    rows = (row for row in patterns.rows if _HANDLED[row.action] in handled)
    return _Sought(tuple(chosen), Patterns.of(rows))


def _always(_: Json) -> bool:
    """For nothing that is looked for."""
    return True


class Sanitiser:
    """Judges the arguments of one tool. `names`: its reviewed arguments, which may be named."""

    __slots__ = ("_by", "_names", "_rules", "quiet")

    def __init__(self, rules: Rules, schema: JsonObject | None) -> None:
        declared = schema.get("properties") if schema else None
        self._names = frozenset(declared if isinstance(declared, dict) else ())
        self._rules = rules
        self.quiet = Finder(*rules.any, schema).quiet if rules else _always
        """Whether nothing can be found in arguments. False says nothing: ask `judge`."""
        self._by = {
            each: Finder(*sought, schema) for each, sought in rules.by.items() if any(sought)
        }

    def judge(
        self, call: Call, bound: Sequence[Bound] = (), looked: JsonObject | None = None
    ) -> Verdict:
        """Deny; or allow with findings and, where something is to be taken out, with a rewrite.

        `looked`: what to look at instead of the arguments; nothing can be taken out of it. Nor can
        it out of what a binding reads.
        """
        arguments = call.arguments if looked is None else looked
        if self.quiet(arguments):
            return ALLOW
        try:
            return self._searched(call, arguments, bound, fixed=looked is not None)
        except ScanError as error:
            return Verdict.deny(Reason.UNSCANNED, f"what cannot be looked through: {error.message}")

    def _searched(
        self, call: Call, arguments: JsonObject, bound: Sequence[Bound], *, fixed: bool
    ) -> Verdict:
        denied = self._found(Handling.DENY, arguments)
        if denied:
            return self._denied(denied, denied[0], "")
        taken = self._found(Handling.REDACT, arguments)
        if not taken:
            noted = self._found(Handling.RECORD, arguments)
            return Verdict(Effect.ALLOW, findings=self._findings(noted)) if noted else ALLOW
        for hit in taken:
            where = "a name that is asked for" if fixed else _OPERATIVE.get(hit.role)
            if where:
                return self._denied(taken, hit, where)
        left = redact(arguments, taken)
        if not isinstance(left, dict) or not all(each.same(arguments, left) for each in bound):
            return self._denied(taken, taken[0], "what a scope is about")
        text = f"{self._said(taken[0])}, which was taken out"
        rewrite = call._replace(arguments=left)
        return Verdict(Effect.ALLOW, Reason.REDACTED, text, self._findings(taken), rewrite)

    def _found(self, handling: Handling, arguments: JsonObject) -> tuple[Hit, ...]:
        finder = self._by.get(handling)
        return finder.find(arguments) if finder is not None else ()

    def _denied(self, hits: Sequence[Hit], hit: Hit, fixed: str) -> Verdict:
        """`fixed`: what nothing can be taken out of, if that is why."""
        text = self._said(hit)
        if fixed:
            text = f"{text}, which cannot be taken out of {fixed}"
        return Verdict.deny(Reason.SANITISED, text, *self._findings(hits))

    def _said(self, hit: Hit) -> str:
        """Where and what, without a word of it; only reviewed names are repeated."""
        name = hit.where.removeprefix("/").partition("/")[0]
        place = f"the argument {name!r}" if name in self._names and not hit.key else "an argument"
        known = DETECTORS.get(hit.rule)
        return f"{place} holds {known.finds if known else f'what the {hit.rule} looks for'}"

    def _findings(self, hits: Sequence[Hit]) -> tuple[Finding, ...]:
        """What the log is told, places from the request's parameters on."""
        told = (finding(hit, _DETECTORS) for hit in hits[:MAX_FINDINGS])
        return tuple(replace(each, where=self._place(each.where)) for each in told)

    def _place(self, where: str) -> str:
        """A pointer whose keys hold nothing that any detector, or any pattern, finds.

        One too long to be looked through is not repeated: cut, it may hold half of something.
        """
        if len(where) > 4 * MAX_WHERE:
            return "/arguments"
        steps = [self._step(step) for step in where.split("/")]
        return f"/arguments{'/'.join(steps)}"[:MAX_WHERE]

    def _step(self, key: str) -> str:
        if key in self._names:
            return key
        return str(
            redact(encodable(key), find(encodable(key), _DETECTORS, self._rules.any.patterns))
        )


_DETECTORS = tuple(DETECTORS.values())
