"""The words every room shares: what is judged, what the answer is, and why.

Named tuples where a value is made for every message: immutable, and made in a third of the time a
frozen dataclass takes (decision 0002).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final, NamedTuple, Protocol, TypeAlias

__all__ = [
    "ALLOW",
    "APPROVED",
    "CANARY",
    "DOWN",
    "MAX_SEQ",
    "NOBODY",
    "OFF_SCHEMA",
    "UP",
    "Allowed",
    "Answer",
    "Call",
    "Context",
    "Decision",
    "Definition",
    "Effect",
    "Era",
    "Finding",
    "Held",
    "ItemKind",
    "Json",
    "JsonObject",
    "Live",
    "Mode",
    "Notice",
    "Parties",
    "Principal",
    "Proof",
    "Reason",
    "RequestKind",
    "Result",
    "ServerRequest",
    "SessionFacts",
    "Severity",
    "Side",
    "Subject",
    "SubjectKind",
    "Tier",
    "Verdict",
    "Wait",
]

Json: TypeAlias = "bool | int | float | str | list[Json] | dict[str, Json] | None"
JsonObject: TypeAlias = dict[str, Json]


class Mode(StrEnum):
    """What a denial does. `proxy.session` holds the one table that reads it."""

    ENFORCE = "enforce"
    FILTER_ONLY = "filter-only"
    AUDIT_ONLY = "audit-only"


UP, DOWN = "host>server", "server>host"
"""The two directions, as records call them."""


class Side(StrEnum):
    """The two peers of a session."""

    HOST = "host"
    SERVER = "server"


class Era(StrEnum):
    """Which handshake a server speaks. Dual servers speak both."""

    LEGACY = "legacy"
    MODERN = "modern"
    DUAL = "dual"


class Severity(StrEnum):
    """How much a finding matters, worst first."""

    CRITICAL = "critical"
    MODERATE = "moderate"
    INFO = "info"

    @property
    def rank(self) -> int:
        """2 for critical, 1 for moderate, 0 for info."""
        return _RANK[self]


_RANK = {Severity.CRITICAL: 2, Severity.MODERATE: 1, Severity.INFO: 0}


class ItemKind(StrEnum):
    """The four kinds of things a server lists. The value is the lockfile's key."""

    TOOL = "tools"
    PROMPT = "prompts"
    RESOURCE = "resources"
    TEMPLATE = "resourceTemplates"

    @property
    def singular(self) -> str:
        """The word for one of them, as a person says it."""
        return _SINGULAR[self]

    @property
    def name_key(self) -> str:
        """The definition's key that names it."""
        return _NAME_KEY[self]


_SINGULAR = {
    ItemKind.TOOL: "tool",
    ItemKind.PROMPT: "prompt",
    ItemKind.RESOURCE: "resource",
    ItemKind.TEMPLATE: "resource template",
}
_NAME_KEY = {
    ItemKind.TOOL: "name",
    ItemKind.PROMPT: "name",
    ItemKind.RESOURCE: "uri",
    ItemKind.TEMPLATE: "uriTemplate",
}


class Tier(StrEnum):
    """What a tool may do, least first: look, prepare, act, commit for good."""

    OBSERVE = "T0_observe"
    PREPARE = "T1_prepare"
    ACT = "T2_act"
    COMMIT = "T3_commit"


class Proof(StrEnum):
    """How a principal was proved. Nothing a message says is among them."""

    NONE = "none"
    PROFILE = "profile"
    KEY = "key"
    BADGE = "badge"


class RequestKind(StrEnum):
    """What a server may ask of the host, when the lockfile allows it."""

    ROOTS = "roots"
    SAMPLING = "sampling"
    ELICITATION = "elicitation"


class SubjectKind(StrEnum):
    """The kinds of subjects; `pipeline.REQUIRED` names the stages each must pass."""

    CALL = "call"
    DEFINITION = "definition"
    RESULT = "result"
    SERVER_REQUEST = "server_request"
    ANSWER = "answer"
    NOTICE = "notice"


class Reason(StrEnum):
    """Why something was allowed, denied, dropped or recorded. Stable: SIEM rules match on these."""

    OK = "ok"
    NOT_LOCKED = "not_locked"
    NOT_LISTED = "not_listed"
    DRIFTED = "drifted"
    DOUBLED = "doubled"
    UNVERIFIED = "unverified"
    ARGUMENTS = "arguments"
    KEY_FOLDING = "key_folding"
    URI_FORM = "uri_form"
    LINK_NOT_LOCKED = "link_not_locked"
    AMBIGUOUS = "ambiguous"
    REQUEST_KIND = "request_kind"
    NO_LOCK = "no_lock"
    UNKNOWN_STATE = "unknown_state"
    UNKNOWN_TASK = "unknown_task"
    NO_PRINCIPAL = "no_principal"
    PRINCIPAL_BLOCKED = "principal_blocked"
    TOOL_BLOCKED = "tool_blocked"
    TRUST_SCORE = "trust_score"
    TRUST_LEVEL = "trust_level"
    TRUST_TIER = "trust_tier"
    CAPABILITY = "capability"
    APPROVAL = "approval"
    STAGE_MISSING = "stage_missing"
    STAGE_ABSTAINED = "stage_abstained"
    STAGE_FAILED = "stage_failed"
    STAGE_TIMEOUT = "stage_timeout"
    WAITING = "waiting"
    REWRITE_LOOP = "rewrite_loop"
    AUDIT_UNWRITABLE = "audit_unwritable"
    RULE = "rule"
    RULE_FAULT = "rule_fault"
    REDACTED = "redacted"
    # gateway
    TOOL_DENIED = "tool_denied"
    TOOL_NOT_ALLOWED = "tool_not_allowed"
    SANITISED = "sanitised"
    UNSCANNED = "unscanned"
    SCOPE = "scope"
    # scan
    INJECTION = "injection"
    SENSITIVE = "sensitive"
    QUARANTINED = "quarantined"
    ANNOTATED = "annotated"
    # limits
    RATE_LIMIT = "rate_limit"
    BUDGET = "budget"
    REPEATED_FAILURE = "repeated_failure"
    STORE_LOST = "store_lost"
    # wire: these hold in every mode
    PARSE = "parse"
    BATCH = "batch"
    EMPTY_LINE = "empty_line"
    OVER_LONG = "over_long"
    ENVELOPE = "envelope"
    DUPLICATE_KEY = "duplicate_key"
    NUMBER_RANGE = "number_range"
    DEPTH = "depth"
    BAD_ID = "bad_id"
    UNKNOWN_METHOD = "unknown_method"
    UNKNOWN_ID = "unknown_id"
    LATE_ANSWER = "late_answer"
    DUPLICATE_ID = "duplicate_id"
    SATURATED = "saturated"
    RNG_FAILED = "rng_failed"
    TIMEOUT = "timeout"
    SERVER_GONE = "server_gone"
    PROTOCOL_VERSION = "protocol_version"
    HANDSHAKE = "handshake"
    UNKNOWN_TOKEN = "unknown_token"  # noqa: S105 - a reason, not a secret
    UNKNOWN_RESULT_TYPE = "unknown_result_type"
    CURSOR = "cursor"
    PARSER_FALLBACK = "parser_fallback"
    DROPPED_KEYS = "dropped_keys"
    KILLED = "killed"
    CRASHED = "crashed"


class Effect(StrEnum):
    """What one stage says."""

    ALLOW = "allow"
    DENY = "deny"
    ABSTAIN = "abstain"


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that is wrong, with a sentence for a person. Shared by drift, scan and policy.

    `where` is an RFC 6901 JSON pointer into the lockfile (`/tools/write_file/inputSchema`).
    """

    rule: str
    severity: Severity
    where: str
    message: str
    evidence: Mapping[str, Json] = field(default_factory=dict)


class Call(NamedTuple):
    """Something the host wants. `target`: the name of a tool or prompt, a URI, a completion ref.

    `meta`: the request's `_meta`, as the host wrote it. `more`: what else of the request the server
    gets, as `inputResponses`, `requestState` and `task`.
    """

    method: str
    target: str
    arguments: JsonObject
    kind: SubjectKind = SubjectKind.CALL
    meta: Json = None
    more: JsonObject | None = None


class Definition(NamedTuple):
    """One listed item, as the server wrote it. `doubled`: another one of the list has its name."""

    item: ItemKind
    target: str
    definition: JsonObject
    doubled: bool = False
    kind: SubjectKind = SubjectKind.DEFINITION


class Result(NamedTuple):
    """What came back for `method` on `target`. `error`: `body` is a JSON-RPC error object."""

    method: str
    target: str
    body: JsonObject
    error: bool = False
    kind: SubjectKind = SubjectKind.RESULT


class ServerRequest(NamedTuple):
    """What the server asks of the host, as a request or inside an `input_required` result."""

    method: str
    params: JsonObject
    kind: SubjectKind = SubjectKind.SERVER_REQUEST


class Answer(NamedTuple):
    """The host's reply to a server request."""

    method: str
    body: JsonObject
    error: bool = False
    kind: SubjectKind = SubjectKind.ANSWER


class Notice(NamedTuple):
    """A server notification that may carry text to the model."""

    method: str
    params: JsonObject
    kind: SubjectKind = SubjectKind.NOTICE


Subject: TypeAlias = Call | Definition | Result | ServerRequest | Answer | Notice


class Principal(NamedTuple):
    """On whose behalf a session calls. Made by whoever checked the proof, never from a message.

    `id`: `local:<profile>` of the operator's configuration, or a DID; empty: nobody. `level`: 0-4,
    what was proved (1: enrolled by the operator; 2-4: by a badge). `capabilities`: what it holds,
    as `a:b` or `a:*`.
    """

    id: str
    level: int = 0
    capabilities: frozenset[str] = frozenset()
    proof: Proof = Proof.NONE


class Held(NamedTuple):
    """What counts of a caller, a server or a delegator. `level`: 0-4. `score`: 0-1000.

    `of`: whose it is, as a sentence says it.
    """

    level: int
    score: int
    of: str = "the caller"


class Parties(Protocol):
    """Who takes part in a session and what counts of each, at the moment of the question."""

    @property
    def caller(self) -> Principal:
        """On whose behalf calls are made."""

    def held(self) -> Sequence[Held]:
        """Of the caller, of the server and of every delegator between; empty: of nobody."""


class Live(Protocol):
    """What changes while a session runs."""

    @property
    def now(self) -> float:
        """Seconds of the session's monotonic clock when the judged message came."""

    @property
    def call(self) -> int:
        """The wire id of the judged call, or of the one whose result it is. Never comes twice."""

    @property
    def again(self) -> "Wait | None":
        """What this call waited for: the stages before that have counted it already."""

    @property
    def said(self) -> bool | None:
        """What the host's own user said to the question of that wait; None: nothing yet."""


class SessionFacts(Protocol):
    """What a stage may know of the running session."""

    def item_state(self, kind: ItemKind, name: str) -> Reason:
        """`OK` when this session listed the item, once, unchanged; else why not."""


class Verdict(NamedTuple):
    """One stage's answer. `rewrite` replaces the subject and is judged again from the start."""

    effect: Effect
    reason: Reason = Reason.OK
    detail: str = ""
    findings: tuple[Finding, ...] = ()
    rewrite: Subject | None = None

    @classmethod
    def deny(cls, reason: Reason, detail: str, *findings: Finding) -> "Verdict":
        """A denial; `detail`: a sentence without full stop that never quotes the peer's text."""
        return cls(Effect.DENY, reason, detail, findings)


ALLOW = Verdict(Effect.ALLOW)

APPROVED: Final = "approval"
"""Rule of the finding that says who allowed a call (`message`), under which ticket (`where`)."""

MAX_SEQ: Final = 10**12 - 1
"""Greatest number of a record of the audit log; a greater one is no record's. It fits into a part's
name, and is exact in every reader's numbers: at a million records a second it takes eleven days."""

CANARY: Final = "scan.canary"
"""Rule of the finding of a planted credential: it was read by whom nobody asked to."""

REMARK: Final = "policy."
"""How the rule of the finding begins that a `warn` or `audit` rule of the policy makes."""

OFF_SCHEMA: Final = "surface.output_schema"
"""Rule of the finding that a result is not what the tool's reviewed `outputSchema` says."""


@dataclass(frozen=True, slots=True)
class Wait:
    """A stage that needs a person or a remote store; `token` names what is waited for.

    `detail`: for a wait that people should hear of, a sentence without full stop; else empty.
    `question`: what the host's own user may be asked; empty: he may not.
    """

    stage: str
    token: str
    detail: str = ""
    question: str = ""


class Decision(NamedTuple):
    """What the pipeline decided; `subject` is exactly what will be sent when it is allowed.

    `rule` is `stage.reason`, the id a person sees in a denial.
    """

    allowed: bool
    subject: Subject
    stage: str = ""
    reason: Reason = Reason.OK
    detail: str = ""
    findings: tuple[Finding, ...] = ()

    @property
    def rule(self) -> str:
        """`stage.reason`, or empty when allowed without remark."""
        return f"{self.stage}.{self.reason}" if self.stage else ""


PASSED: Final = Decision(True, Notice("", {}))
"""The decision on whatever every stage allows without remark, compared by identity. Nearly all are;
one that names its subject is made for the others alone."""


class _Nobody:
    """Nobody, at no time."""

    caller = Principal("")
    now = 0.0
    call = 0
    again = None
    said = None

    def held(self) -> Sequence[Held]:
        return ()


NOBODY: Final = _Nobody()
"""The `Parties` of a session that was told of none, and the `Live` of one without a clock."""


class Allowed(NamedTuple):
    """The record of what was allowed without remark. Most records are one of a few of these."""

    direction: str
    method: str
    target: str

    def fields(self) -> JsonObject:
        """As any other record."""
        return {**self._asdict(), "decision": "allow"}


@dataclass(frozen=True, slots=True)
class Context:
    """What the judged subject cannot say of itself. Built once per session, not per message.

    What changes is behind it: `live` (the time of the message) and `parties` (who takes part, and
    how much they are trusted). A session that names no parties trusts nobody.
    """

    server: str
    principal: str
    session: SessionFacts
    live: Live = NOBODY
    parties: Parties = NOBODY
