"""The scan stage: what a model is to read, and what must not be in it.

    1  a planted credential (canary)              3  credentials, and data about persons
    2  text that tries to direct the model        4  what was listed, asked or announced likewise

What follows is the operator's: `terms.Response`. The severest response of all that was found holds;
what is to be taken out is taken out, and a note is put beside what only passes with one. No text of
the server's is repeated in a denial, a note or a finding.

An ordinary result is looked at once, whole and as it is written: no needle of any rule in it, and
it is done. A large one is examined beside the session, and judged again when that is done.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from typing import Final, NamedTuple, Protocol

from mcpguard.errors import ScanError
from mcpguard.lock.arguments import Check, SchemaError, compile_schema
from mcpguard.lock.lockfile import Lockfile
from mcpguard.model import (
    ALLOW,
    Answer,
    Call,
    Context,
    Definition,
    Effect,
    Finding,
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
from mcpguard.pipeline.found import (
    TOO_MUCH,
    Class,
    Found,
    Report,
    Sign,
    findings,
    of_class,
    of_report,
    together,
    too_much,
)
from mcpguard.pipeline.output import (
    annotated,
    annotated_error,
    encoded,
    only_text,
    quiet_of,
    readable,
    redacted,
    restored,
)
from mcpguard.pipeline.terms import Response, Responses, ScanPolicy
from mcpguard.scan import DETECTORS, PERSONAL, Detector, find

__all__ = ["LARGE", "Aside", "Keep", "Kept", "Report", "ScanStage", "at_once"]

LARGE = 64 * 1024
"""Bytes of a result, encoded. What is longer is not even searched on the way of other messages."""

AT_ONCE = 4 * 1024
"""Bytes of a result in which something may be, that is examined on the way: up to some tens of
milliseconds, when it holds nothing but what detectors look for. No shorter than
`wire.jsonrpc.SHORT`, as an answer that came the short way cannot wait."""

ASKED = 8 * 1024
"""The same of a notice or a request of the server. Nobody can hold it: beyond, nobody looks."""

MAX_KNOWN = 4096
"""Listed definitions whose report is remembered; then it begins anew."""


class Kept(NamedTuple):
    """A result for the quarantine. `why`: for whoever reads it; none of the server's text."""

    method: str
    target: str
    body: JsonObject
    error: bool
    why: str
    rules: tuple[str, ...]


class Keep(Protocol):
    """A quarantine."""

    def released(self, kept: Kept) -> bool:
        """Whether a person has released exactly this, for this once; then it is used up."""

    def keep(self, kept: Kept) -> str:
        """Keep it; the id by which a person asks for it, or empty when it could not be kept."""


Aside = Callable[[int, Callable[[], Verdict]], Verdict | Wait]
"""(wire id, work) -> what `work` gave, or a wait for it: then it is asked again with that id."""


def at_once(_: int, work: Callable[[], Verdict]) -> Verdict:
    """The `Aside` of a session without anybody beside it."""
    return work()


Judge = Callable[[Json], Report]
JudgeDefinition = Callable[[ItemKind | None, JsonObject], Report]
Accepted = Callable[[str, str], bool]
"""(rule, item, as `tool NAME`) -> whether a person has decided to live with that finding."""


class _Left(NamedTuple):
    """A report without the signals that were accepted."""

    outcome: str
    signals: Sequence[Sign]


def _nothing(_rule: str, _item: str) -> bool:
    return False


def _judge(value: Json) -> Report:
    from mcpguard.scan.threats.outputs import judge_result

    return judge_result(value)


def _needles() -> tuple[tuple[str, ...], ...]:
    from mcpguard.scan.threats.outputs import needles

    return needles()


def _dull() -> Callable[[bytes], bool]:
    from mcpguard.scan.threats.outputs import dull

    return dull


def _judge_definition(item: ItemKind | None, definition: JsonObject) -> Report:
    from mcpguard.scan.threats.detectors import (
        judge_definition,  # a tenth of a second, where it is asked for
    )

    return judge_definition(item, definition)


class ScanStage:
    """Judges all but calls, whose arguments the gateway looks through.

    `judge`, `judge_definition`: the scanners, which take a tenth of a second to load: see `warm`.
    `needles`: RE2 patterns in groups, see `none_of`; one of them occurs in every text that `judge`
    says anything about.
    `dull`: what tells whether `judge` says nothing about a long word.
    `keep`: the quarantine; without one, what were to be kept is blocked. `aside`: who examines
    large results. `planted`: finds planted credentials. `accepted`: which findings of texts do not
    count (`scan.suppress`).
    """

    def __init__(
        self,
        policy: ScanPolicy,
        lock: Lockfile | None,
        *,
        judge: Judge = _judge,
        needles: Callable[[], tuple[tuple[str, ...], ...]] = _needles,
        dull: Callable[[], Callable[[bytes], bool]] = _dull,
        judge_definition: JudgeDefinition = _judge_definition,
        keep: Keep | None = None,
        aside: Aside = at_once,
        planted: Detector | None = None,
        accepted: Accepted = _nothing,
    ) -> None:
        self._policy, self._lock = policy, lock
        self._accepted = accepted
        self._judge = judge
        self._dull = dull
        self._judge_definition = judge_definition
        self._keep, self._aside = keep, aside
        canaries = Class("a credential", (planted,) if planted else (), policy.canary)
        self._canaries = canaries
        self._classes = tuple(_classes(policy))
        self._detectors = (
            *canaries.detectors,
            *(each for row in self._classes for each in row.detectors),
        )
        judging = any(map(self._judges, (policy.results, policy.requests)))
        self._needles = needles if judging else tuple
        self._quiet: Callable[[bytes], bool] = self._first
        self._blind = not self._detectors and not judging
        self.unmoved = frozenset(self._unmoved())
        self.by_kind = {SubjectKind.RESULT: self._result}
        self._settled: JsonObject | None = None
        self._known: dict[tuple[ItemKind, str], tuple[JsonObject, Report | None]] = {}
        self._schemas: dict[str, Check] = {}

    def _unmoved(self) -> Iterator[SubjectKind]:
        """Kinds that this stage has nothing against, whatever they hold."""
        yield SubjectKind.CALL
        if not self._canaries.detectors:
            yield SubjectKind.ANSWER
        if not self._judges(self._policy.definitions):
            yield SubjectKind.DEFINITION
        if self._blind:
            yield from (SubjectKind.SERVER_REQUEST, SubjectKind.NOTICE)

    def warm(self) -> None:
        """Load what the first result needs, from whatever thread; it would take that long."""
        if not self._blind:
            self._quiet = quiet_of(self._detectors, self._needles, self._dull())

    def _first(self, raw: bytes) -> bool:
        self.warm()
        return self._quiet(raw)

    def judge(self, subject: Subject, ctx: Context) -> Verdict | Wait:
        """See `Stage.judge`."""
        match subject:
            case Result():
                return self._result(subject, ctx)
            case ServerRequest() | Notice():
                return self._asked(subject)
            case Answer():
                return self._answered(subject)
            case Definition():
                return self._definition(subject)
            case Call():
                return ALLOW

    # results

    def _result(self, result: Result, ctx: Context) -> Verdict | Wait:
        method, _, body, error, _ = result
        if body is self._settled:
            return ALLOW
        if method in _PINNED and not error:
            return self._greeted(result)
        if self._blind:
            return ALLOW
        raw = only_text(body)
        size, raw = encoded(body) if raw is None else (len(raw), raw)
        quiet = self._quiet
        if size <= LARGE and raw is not None and quiet(raw):
            return ALLOW
        if size <= AT_ONCE:
            return self._taken(self._examined(result))
        verdict = self._aside(ctx.live.call, partial(self._large, result, raw))
        return verdict if isinstance(verdict, Wait) else self._taken(verdict)

    def _large(self, result: Result, raw: bytes | None) -> Verdict:
        """What is examined beside the session. Of any thread, as far as `keep` is."""
        return ALLOW if raw is not None and self._quiet(raw) else self._examined(result)

    def _taken(self, verdict: Verdict) -> Verdict:
        """What this stage made of a body it does not judge again."""
        if isinstance(verdict.rewrite, Result):
            self._settled = verdict.rewrite.body
        return verdict

    def _examined(self, result: Result) -> Verdict:
        """What follows from all that is in `result`. Of any thread, as far as `keep` is."""
        view = readable(result.body, result.target)
        item = f"{_ITEMS.get(result.method, result.method)} {result.target}"
        found = self._found(view, result.body, self._policy.results, item)
        if found is None:
            return ALLOW
        if found.response is Response.QUARANTINE:
            return self._quarantined(result, found)
        if found.response is Response.BLOCK:
            return Verdict.deny(found.reason, found.detail, *found.findings)
        try:
            return self._passed(result, view, found)
        except ScanError:
            text = f"{found.detail}, which cannot be taken out"
            return Verdict.deny(Reason.SENSITIVE, text, *found.findings)

    def _quarantined(self, result: Result, found: Found) -> Verdict:
        kept = Kept(*result[:4], found.detail, found.rules)
        if self._keep is None:
            return Verdict.deny(found.reason, found.detail, *found.findings)
        if self._keep.released(kept):
            return Verdict(Effect.ALLOW, findings=(*found.findings, _RELEASED))
        name = self._keep.keep(kept)
        if not name:
            text = f"{found.detail}, and it could not be kept for a person to read"
            return Verdict.deny(found.reason, text, *found.findings)
        text = f"{found.detail}; a person can read it as {name} and release it"
        return Verdict.deny(Reason.QUARANTINED, text, *found.findings)

    def _passed(self, result: Result, view: JsonObject, found: Found) -> Verdict:
        """Without what is to be taken out, with a note where one is to be. Raises ScanError."""
        body, taken = self._cleaned(result.body, view)
        if taken and not self._fits(result, body):
            raise ScanError("the tool's outputSchema does not allow what is left")
        noted = self._noted(result, body, found.note) if found.note else body
        if noted is None:
            text = f"{found.detail}, and there is no place for a note beside it"
            return Verdict.deny(found.reason, text, *found.findings)
        if noted is body and not taken:
            return Verdict(Effect.ALLOW, findings=found.findings)
        reason = Reason.REDACTED if noted is body else Reason.ANNOTATED
        text = f"{found.detail}, which was {'taken out' if taken else 'noted beside it'}"
        rewrite = result._replace(body=noted)
        return Verdict(Effect.ALLOW, reason, text, found.findings, rewrite)

    def _cleaned(self, whole: JsonObject, view: JsonObject) -> tuple[JsonObject, bool]:
        """`whole` without what is to be taken out of it, and whether that was anything."""
        taking = tuple(
            each
            for row in self._classes
            if row.response is Response.REDACT
            for each in row.detectors
        )
        left, hits = redacted(view, taking) if taking else (view, ())
        made = restored(left, view, whole) if hits else whole
        if isinstance(made, dict) and _asked(made) != _asked(whole):
            raise ScanError("the host has to answer under the names of what is asked for")
        return (made, bool(hits)) if isinstance(made, dict) else (whole, False)

    @staticmethod
    def _noted(result: Result, body: JsonObject, note: str) -> JsonObject | None:
        return annotated_error(body, note) if result.error else annotated(result.method, body, note)

    def _fits(self, result: Result, body: JsonObject) -> bool:
        """Whether the reviewed `outputSchema` allows what is left; a client checks it too."""
        left = body.get("structuredContent")
        if left is None or left == result.body.get("structuredContent"):
            return True
        item = self._lock.item(ItemKind.TOOL, result.target) if self._lock else None
        schema = item.definition.get("outputSchema") if item else None
        if not isinstance(schema, dict) or not isinstance(left, dict):
            return True
        try:
            check = self._schemas.get(result.target) or compile_schema(schema)
        except SchemaError:
            return True  # then no client can hold it against one either
        self._schemas[result.target] = check
        return check.valid(left)

    # what else is read

    def _asked(self, subject: ServerRequest | Notice) -> Verdict:
        """What the server asks of the host, or announces: it cannot be held, nor annotated."""
        policy = self._policy.requests
        if self._blind:
            return ALLOW
        size, raw = encoded(subject.params)
        if raw is not None and self._quiet(raw):
            return ALLOW
        view = readable(subject.params)
        found = too_much(self._unread(policy)) if size > ASKED else None
        found = found or self._found(view, subject.params, policy, subject.method)
        return ALLOW if found is None else self._announced(subject, view, found)

    def _announced(
        self, subject: ServerRequest | Notice, view: JsonObject, found: Found
    ) -> Verdict:
        if found.response.rank >= Response.QUARANTINE.rank:
            return Verdict.deny(found.reason, found.detail, *found.findings)
        try:
            params, taken = self._cleaned(subject.params, view)
        except ScanError:
            return Verdict.deny(Reason.SENSITIVE, found.detail, *found.findings)
        if not taken:
            return Verdict(Effect.ALLOW, findings=found.findings)
        text = f"{found.detail}, which was taken out"
        rewrite = subject._replace(params=params)
        return Verdict(Effect.ALLOW, Reason.REDACTED, text, found.findings, rewrite)

    def _answered(self, subject: Answer) -> Verdict:
        """What the host tells the server: a planted credential has no business in it."""
        if not self._canaries.detectors:
            return ALLOW
        try:
            hits = find(subject.body, self._canaries.detectors)
        except ScanError:
            return Verdict.deny(Reason.UNSCANNED, TOO_MUCH)
        if not hits:
            return ALLOW
        return Verdict.deny(Reason.SENSITIVE, "it holds a credential", *findings(hits, "answer"))

    def _definition(self, subject: Definition) -> Verdict:
        policy = self._policy.definitions
        if not self._judges(policy):
            return ALLOW
        name = subject.item, subject.target
        known = self._known.get(name)
        if known is None or known[0] != subject.definition:
            if len(self._known) >= MAX_KNOWN:
                self._known.clear()
            report = self._reported(subject.item, subject.definition)
            known = self._known[name] = subject.definition, report
        return self._listed(known[1], f"{subject.item.singular} {subject.target}")

    def _greeted(self, result: Result) -> Verdict:
        """A handshake: it holds what was reviewed, but for the server's instructions."""
        instructions = result.body.get("instructions")
        if instructions is None or not self._judges(self._policy.definitions):
            return ALLOW
        report = self._reported(None, {"instructions": instructions})
        verdict = self._listed(report, "instructions")
        if verdict.effect is Effect.ALLOW:
            return verdict
        left = {key: value for key, value in result.body.items() if key != "instructions"}
        text = f"{verdict.detail}, so its instructions were left out"
        rewrite = result._replace(body=left)
        return Verdict(Effect.ALLOW, verdict.reason, text, verdict.findings, rewrite)

    def _reported(self, kind: ItemKind | None, definition: JsonObject) -> Report | None:
        """What the scanner says; None when it is too much to be looked through."""
        try:
            return self._judge_definition(kind, definition)
        except ScanError:
            return None

    def _listed(self, report: Report | None, item: str) -> Verdict:
        policy = self._policy.definitions
        left = None if report is None else self._left(report, item)
        part = too_much(policy.block) if left is None else of_report(left, policy)
        if part is None:
            return ALLOW
        if part.response is Response.BLOCK:
            return Verdict.deny(part.reason, part.detail, *part.findings)
        return Verdict(Effect.ALLOW, findings=part.findings)

    # looking

    def _left(self, report: Report, item: str) -> Report:
        """What still counts: the outcome stays as long as one finding was not accepted."""
        if report.outcome == _ALLOWED:
            return report
        left = [each for each in report.signals if not self._accepted(f"scan.{each.rule}", item)]
        return _Left(report.outcome if left or not report.signals else _ALLOWED, left)

    def _found(
        self, view: JsonObject, whole: JsonObject, responses: Responses, item: str
    ) -> Found | None:
        """All that is in `view`, what is read of `whole`, put together; None for nothing.

        A planted credential is in `whole`, or encoded once more in the base64 of a text.
        """
        try:
            planted = self._canaries.detectors
            baits = (find(whole, planted) or find(view, planted)) if planted else ()
            parts = [
                of_class(self._canaries, baits),
                *(of_class(row, find(view, row.detectors)) for row in self._classes),
            ]
            if self._judges(responses):
                parts.append(of_report(self._left(self._judge(whole), item), responses))
        except ScanError:
            return too_much(self._unread(responses))
        return together([each for each in parts if each is not None])

    def _unread(self, responses: Responses) -> Response:
        """What follows where nobody looked: withheld if anything looked for may not pass as it is.

        Else it is said.
        """
        asked = (responses.review, responses.block, *(row.response for row in self._classes))
        strict = any(each.rank >= Response.REDACT.rank for each in asked)
        return Response.BLOCK if strict else Response.ANNOTATE

    @staticmethod
    def _judges(responses: Responses) -> bool:
        return (responses.review, responses.block) != (Response.OFF, Response.OFF)


def _asked(body: JsonObject) -> frozenset[str]:
    """The names of what an interrupted result asks for (2026-07-28)."""
    asked = body.get("inputRequests")
    return frozenset(asked) if isinstance(asked, dict) else frozenset()


_ALLOWED: Final = "allow"
_ITEMS: Final = {"tools/call": "tool", "prompts/get": "prompt", "resources/read": "resource"}
"""Method -> what its target is, as `mcpguard scan` and `scan.suppress` call it."""

_PINNED: Final = frozenset({"initialize", "server/discover"})
"""Results that hold what was reviewed, or stand in its place; no tool's."""

_RELEASED: Final = Finding("scan.released", Severity.INFO, "", "a person has released exactly this")


def _classes(policy: ScanPolicy) -> Iterable[Class]:
    rows = (
        Class("a credential", (DETECTORS["secrets"],), policy.secrets),
        Class("data about a person", tuple(DETECTORS[name] for name in PERSONAL), policy.pii),
    )
    return (row for row in rows if row.response is not Response.OFF)
