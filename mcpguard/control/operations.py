"""What can be asked of a running session: the table `VERBS`, and one connection's conversation.

A request is one JSON object on a line (UTF-8, at most `socket.MAX_REQUEST` bytes), and so is its
answer:

    {"v":1, "verb":NAME, "args":{...}, "signatures":[{"key":ID, "signature":BASE64}]}
    {"ok":true, "result":...}
    {"ok":false, "kind":"usage"|"refused"|"failed", "error":TEXT, "hint":TEXT}

`args` and `signatures` may be left out. The verb `hello` says who answers and gives a nonce: text,
for this connection alone, good for one signed request within `NONCE_LIFE` seconds. Verbs that widen
what may happen need signatures of approver keys over nonce, verb and args; what is signed and by
whom is for `Check` to say. Verbs that look or tighten need none: whoever may open the socket may do
those.
"""

import os
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, Final, NamedTuple, Protocol

import orjson

from mcpguard.control.blocks import KINDS
from mcpguard.errors import ControlError, McpguardError, RefusalError, UsageError
from mcpguard.model import Json, JsonObject

__all__ = [
    "KINDS",
    "MAX_ANSWER",
    "NONCE_LIFE",
    "OPERATION_LIMIT",
    "PARTIES",
    "VERBS",
    "VERSION",
    "Arg",
    "Check",
    "Conversation",
    "Operations",
    "Row",
    "Signature",
    "arguments",
    "nobody_signs",
]

VERSION: Final = 1
"""The `v` of a request. Another number is refused."""

NONCE_LIFE: Final = 120.0
"""Seconds a nonce is good for: a signature that is kept is worth nothing later."""

OPERATION_LIMIT: Final = 20.0
"""Seconds an operation may take, most of all at a store that does not answer."""

MAX_ANSWER: Final = 32 * 1024 * 1024
"""Bytes of an answer. The arguments of a held call are one line at most, escaped twice that."""

MAX_SIGNATURES = 16
"""Signatures of one request. A quorum is a few people."""

_REQUEST_KEYS = frozenset(("v", "verb", "args", "signatures"))


class Signature(NamedTuple):
    """By which approver key, and the signature in base64."""

    key: str
    signature: str


Check = Callable[[str, JsonObject, str, Sequence[Signature]], Sequence[str]]
"""(verb, args, nonce, signatures) -> the ids of the approvers who signed, each once, one at least.

Raises RefusalError (or any error) when not every signature is a good one of an enrolled key. No
answer, an empty one and an exception refuse the request.
"""


def nobody_signs(
    verb: str, _args: JsonObject, _nonce: str, _signatures: Sequence[Signature]
) -> Sequence[str]:
    """The `Check` of an install without approver keys. Always raises RefusalError."""
    raise RefusalError(
        f"{verb} needs the signature of an approver, and no approver key is enrolled",
        hint="make one: mcpguard approver add NAME",
    )


class Operations(Protocol):
    """A running session, as a person sees it. Called in its loop: what blocks goes to a thread.

    Results are JSON objects or lists, rendered by `cli`; keys that are not documented here are
    shown as they are. A McpguardError is the answer "no" or "it failed", with its hint: UsageError
    for arguments that make no sense, RefusalError for what is not done. Each change is an audit
    record before its result is given. An operation is cancelled after `OPERATION_LIMIT` seconds.
    """

    async def status(self) -> JsonObject:
        """What runs.

        session, server, pid, since (RFC 3339), lockfile (path and digest, or empty), mode, preset,
        principal, level, score, allowed, denied, would_deny (let through, but not in enforce),
        blocked (caller and server: bool, tools: the first names), waiting, audit_log, killed
        (bool), policies (set by approvers for all proxies), ignored (of the store's policies those
        that are not in force here: count, and the first of them with `why`).
        """

    async def stats(self) -> JsonObject:
        """Numbers of this session: calls by tool, how many were denied or held, the store.

        latency_ms: p50, p95 and p99 of the last calls: `server`, by tool, from the call's line to
        its answer's; `own`, of one line in 16, from its reading to its record.
        """

    async def pending(self) -> list[JsonObject]:
        """Calls that wait for a person: ticket, server, tool, principal, waiting and left (s)."""

    async def show(self, ticket: str) -> JsonObject:
        """One of them in full: the keys of `pending`, and what an approver signs.

        request (its full id), principal, server, tool, arguments (as they came), lock (the digest
        of the lockfile, or empty), why it waits.
        """

    async def decide(
        self, ticket: str, yes: bool, approvers: Sequence[str], statement: JsonObject
    ) -> JsonObject:
        """A yes of `approvers` (they signed the request), or anybody's no.

        `statement`: the signed statement about the call itself, whose binding must be that call's.
        """

    async def refuse_like(self, ticket: str) -> JsonObject:
        """No to every waiting call of the same tool and principal. `refused`: how many."""

    async def block(self, kind: str, name: str, why: str) -> JsonObject:
        """No more calls by a principal, of a tool, or of a server, in all proxies of the store."""

    async def unblock(self, kind: str, name: str, approvers: Sequence[str]) -> JsonObject:
        """Ends a block."""

    async def blocks(self) -> list[JsonObject]:
        """All blocks: kind, name, why, at, by."""

    async def set_policy(
        self, glob: str, fields: JsonObject, approvers: Sequence[str]
    ) -> JsonObject:
        """The policy of the tools that `glob` names, until the session ends or reloads."""

    async def rule(self, statement: JsonObject, approvers: Sequence[str]) -> JsonObject:
        """A policy for all proxies of the store (`policies.as_json`), signed by one of `approvers`.

        `here`: it is about this server. Whoever sets it has put it into the store.
        """

    async def counts(self) -> JsonObject:
        """Calls and bytes so far, what is left of the budgets, calls by principal and tool."""

    async def reset_budgets(self, approvers: Sequence[str]) -> JsonObject:
        """Begins the budgets again."""

    async def reset_trust(
        self, kind: str, name: str, why: str, approvers: Sequence[str]
    ) -> JsonObject:
        """Begins the score of a caller or a server anew. The records of before stay."""

    async def reload(self, approvers: Sequence[str]) -> JsonObject:
        """Reads the configuration again.

        `changed`: the keys that differ. When it cannot be used the old one stays, and RefusalError
        says so, with place and reason.
        """

    async def release(
        self, name: str, target: str, digest: str, approvers: Sequence[str]
    ) -> JsonObject:
        """One result of `target` whose digest is `digest` may pass this session's scan, soon.

        `name`: its id in the quarantine. `digest`: see `vault.quarantine.digest_of`.
        """

    async def kill(self, why: str) -> JsonObject:
        """Ends the session: waiting calls are denied, the server is stopped."""


class Asked(NamedTuple):
    """A request whose arguments were checked. `approvers`: those who signed it."""

    args: JsonObject
    approvers: Sequence[str]

    def text(self, key: str) -> str:
        """An argument that is text, empty if it was left out."""
        value = self.args.get(key, "")
        return value if isinstance(value, str) else ""

    def object(self, key: str) -> JsonObject:
        """An argument that is an object, empty if it was left out."""
        value = self.args.get(key)
        return value if isinstance(value, dict) else {}


@dataclass(frozen=True, slots=True)
class Arg:
    """One argument. `kind`: its exact type. `most`: characters of text, keys of an object."""

    kind: type
    most: int = 0
    required: bool = True
    choices: tuple[str, ...] = ()


Run = Callable[[Operations, Asked], Awaitable[Any]]


@dataclass(frozen=True, slots=True)
class Row:
    """A verb. `widens`: whether a request with these arguments needs signatures."""

    run: Run
    args: Mapping[str, Arg] = field(default_factory=lambda: MappingProxyType({}))
    widens: Callable[[JsonObject], bool] = lambda _: False


def _widens(_: JsonObject) -> bool:
    return True


def _says_yes(args: JsonObject) -> bool:
    return args["yes"] is not False


PARTIES: Final = ("caller", "server")
"""Who has a score."""

_TICKET = Arg(str, 64)
_KIND = Arg(str, 16, choices=KINDS)
_NAME = Arg(str, 512)
_WHY = Arg(str, 200, required=False)
_STATEMENT = Arg(dict, 32, required=False)


def _decide(ops: Operations, asked: Asked) -> Awaitable[JsonObject]:
    yes = asked.args["yes"] is True
    return ops.decide(asked.text("ticket"), yes, asked.approvers, asked.object("statement"))


VERBS: Final[Mapping[str, Row]] = MappingProxyType({
    "status": Row(lambda ops, _: ops.status()),
    "stats": Row(lambda ops, _: ops.stats()),
    "pending": Row(lambda ops, _: ops.pending()),
    "show": Row(lambda ops, asked: ops.show(asked.text("ticket")), {"ticket": _TICKET}),
    "decide": Row(
        _decide, {"ticket": _TICKET, "yes": Arg(bool), "statement": _STATEMENT}, _says_yes
    ),
    "refuse_like": Row(
        lambda ops, asked: ops.refuse_like(asked.text("ticket")), {"ticket": _TICKET}
    ),
    "block": Row(
        lambda ops, asked: ops.block(asked.text("kind"), asked.text("name"), asked.text("why")),
        {"kind": _KIND, "name": _NAME, "why": _WHY},
    ),
    "unblock": Row(
        lambda ops, asked: ops.unblock(asked.text("kind"), asked.text("name"), asked.approvers),
        {"kind": _KIND, "name": _NAME},
        _widens,
    ),
    "blocks": Row(lambda ops, _: ops.blocks()),
    "set_policy": Row(
        lambda ops, asked: ops.set_policy(
            asked.text("glob"), asked.object("fields"), asked.approvers
        ),
        {"glob": Arg(str, 256), "fields": Arg(dict, 16)},
        _widens,
    ),
    "rule": Row(
        lambda ops, asked: ops.rule(asked.object("policy"), asked.approvers),
        {"policy": Arg(dict, 16)},
        _widens,
    ),
    "counts": Row(lambda ops, _: ops.counts()),
    "reset_budgets": Row(lambda ops, asked: ops.reset_budgets(asked.approvers), widens=_widens),
    "reset_trust": Row(
        lambda ops, asked: ops.reset_trust(
            asked.text("kind"), asked.text("name"), asked.text("why"), asked.approvers
        ),
        {"kind": Arg(str, 16, choices=PARTIES), "name": _NAME, "why": _WHY},
        _widens,
    ),
    "release": Row(
        lambda ops, asked: ops.release(
            asked.text("name"), asked.text("target"), asked.text("digest"), asked.approvers
        ),
        {"name": Arg(str, 16), "target": Arg(str, 4096), "digest": Arg(str, 80)},
        _widens,
    ),
    "reload": Row(lambda ops, asked: ops.reload(asked.approvers), widens=_widens),
    "kill": Row(lambda ops, asked: ops.kill(asked.text("why")), {"why": _WHY}),
})  # fmt: skip
"""Every verb but `hello`, which every conversation answers itself."""


class Conversation:
    """One connection: `answer` each of its lines.

    `hello`: what the verb of that name says beside the nonce; it must hold `session`. `clock`:
    seconds that never go back. `limit`: seconds for one operation.
    """

    def __init__(
        self,
        ops: Operations,
        hello: JsonObject,
        check: Check,
        clock: Callable[[], float],
        limit: float = OPERATION_LIMIT,
    ) -> None:
        self._ops = ops
        self._hello = hello
        self._check = check
        self._clock = clock
        self._limit = limit
        self._nonce: tuple[str, float] | None = None

    async def answer(self, line: bytes) -> bytes:
        """The answer to `line`, both without a newline. Never raises."""
        try:
            result = await self._result(line)
            raw = orjson.dumps({"ok": True, "result": result})
            if len(raw) > MAX_ANSWER:
                raise ControlError("the answer is too long to be given")  # noqa: TRY301
        except McpguardError as error:
            return _no(error)
        except Exception as error:  # noqa: BLE001 - a defect is answered, and ends no session
            return _no(ControlError(f"the session could not do it: {type(error).__name__}"))
        return raw

    async def _result(self, line: bytes) -> Json:
        verb, args, signatures = _request(line)
        if verb == "hello":
            arguments(verb, args, {})
            return self._greet()
        row = VERBS.get(verb)
        if row is None:
            raise UsageError("no such verb", hint="one of: hello, " + ", ".join(VERBS))
        arguments(verb, args, row.args)
        # A yes, and nothing that merely is not a no, is what a signature has to stand behind.
        approvers = self._proven(verb, args, signatures) if row.widens(args) else ()
        return await self._run(verb, row, Asked(args, approvers))

    async def _run(self, verb: str, row: Row, asked: Asked) -> Json:
        import anyio

        with anyio.move_on_after(self._limit):
            result: Json = await row.run(self._ops, asked)
            return result
        raise ControlError(
            f"{verb} was not done within {self._limit:g} seconds",
            hint="see what it waits for with: mcpguard status",
        )

    def _greet(self) -> JsonObject:
        nonce = f"{self._hello['session']}:{os.urandom(16).hex()}"
        self._nonce = nonce, self._clock() + NONCE_LIFE
        return {**self._hello, "v": VERSION, "nonce": nonce}

    def _proven(
        self, verb: str, args: JsonObject, signatures: Sequence[Signature]
    ) -> tuple[str, ...]:
        nonce, self._nonce = self._nonce, None  # popped first: no nonce is ever tried twice
        if nonce is None or self._clock() >= nonce[1]:
            raise RefusalError(
                f"{verb} needs signatures over a nonce, and there is none that is still good",
                hint='ask for one on the same connection: {"v":1,"verb":"hello"}',
            )
        approvers = tuple(dict.fromkeys(self._check(verb, args, nonce[0], signatures)))
        if not approvers:
            raise RefusalError(
                f"{verb} needs the signature of an approver",
                hint="see who can give one: mcpguard approver list",
            )
        return approvers


def _request(line: bytes) -> tuple[str, JsonObject, list[Signature]]:
    try:
        told = orjson.loads(line)
    except orjson.JSONDecodeError as error:
        raise UsageError("a request is one JSON object on a line", hint=str(error)[:100]) from None
    if not isinstance(told, dict) or not told.keys() <= _REQUEST_KEYS:
        keys = ", ".join(sorted(_REQUEST_KEYS))
        raise UsageError("a request is an object", hint=f"its keys: {keys}")
    if type(told.get("v")) is not int or told["v"] != VERSION:
        raise UsageError(f"a request says v: {VERSION}", hint="use the same mcpguard on both ends")
    verb, args = told.get("verb"), told.get("args", {})
    if not isinstance(verb, str) or not isinstance(args, dict):
        raise UsageError("a request has a verb, and its args are an object")
    return verb, args, _signatures(told.get("signatures", []))


def _signatures(told: object) -> list[Signature]:
    if not isinstance(told, list) or len(told) > MAX_SIGNATURES:
        raise UsageError(f"signatures: a list of at most {MAX_SIGNATURES}")
    return [_signature(each) for each in told]


def _signature(told: object) -> Signature:
    match told:
        case {"key": str(key), "signature": str(text), **rest} if not rest:
            return Signature(key[:512], text[:512])
        case _:
            raise UsageError('a signature is {"key": ID, "signature": BASE64}')


def arguments(verb: str, args: JsonObject, rows: Mapping[str, Arg]) -> None:
    """Raises UsageError unless `args` are exactly what `verb` takes."""
    unknown = sorted(args.keys() - rows.keys())
    if unknown:
        raise UsageError(
            f"{verb} takes no argument {unknown[0][:80]!r}",
            hint="it takes: " + (", ".join(rows) or "none"),
        )
    for name, row in rows.items():
        if name in args:
            _argument(f"{verb}: {name}", args[name], row)
        elif row.required:
            raise UsageError(f"{verb}: {name} is missing", hint="it takes: " + ", ".join(rows))


def _argument(where: str, value: Json, row: Arg) -> None:
    if type(value) is not row.kind:
        raise UsageError(f"{where}: must be {_TYPES[row.kind]}")
    if isinstance(value, str):
        _text_argument(where, value, row)
    if isinstance(value, dict) and len(value) > row.most:
        raise UsageError(f"{where}: {len(value)} keys, at most {row.most}")


def _text_argument(where: str, value: str, row: Arg) -> None:
    if row.choices and value not in row.choices:
        raise UsageError(f"{where}: must be one of {', '.join(row.choices)}")
    if len(value) > row.most or (row.required and not value):
        raise UsageError(f"{where}: {len(value)} characters, must be 1 to {row.most}")
    if not value.isprintable():
        raise UsageError(f"{where}: holds what does not print", hint="leave out control characters")


_TYPES: Final[Mapping[type, str]] = {str: "text", bool: "true or false", dict: "an object"}


def _no(error: McpguardError) -> bytes:
    kind = "failed"
    if isinstance(error, UsageError):
        kind = "usage"
    elif error.exit_code == 1:
        kind = "refused"
    told = {"ok": False, "kind": kind, "error": _whole(error.message), "hint": _whole(error.hint)}
    return orjson.dumps(told)


def _whole(text: str) -> str:
    """`text` without halves of characters, which JSON text cannot hold."""
    return text.encode("utf-8", "replace").decode()
