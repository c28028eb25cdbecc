"""Conditions: what they may read, compiling them against declared types, asking them.

The language is CEL (cel.dev, the common expression language specification) without extensions, so
that no condition can make texts grow. Compiling checks every name and type. Evaluating never
raises: it gives the value, or a `Fault`, which every caller takes for a denial. The library is
loaded when the first condition is compiled, not before.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from functools import cache
from typing import TYPE_CHECKING, Final, NamedTuple

import orjson

from mcpguard.model import Call, Json, JsonObject, Result
from mcpguard.policy.redaction import NO_PATTERN, RE2_HINT, compile_pattern
from mcpguard.wire import exact
from mcpguard.wire.blobs import packed_in, texts

if TYPE_CHECKING:
    from cel_expr_python import cel

__all__ = [
    "MAX_CONDITION",
    "MAX_LOOPED",
    "VARIABLES",
    "Direction",
    "Facts",
    "Fault",
    "Given",
    "Moment",
    "Problem",
    "Program",
    "compared_with",
    "compile_condition",
    "compile_key",
]

MAX_CONDITION = 2000
"""Characters. Longer ones are several rules; compiling one takes a tenth of a millisecond."""

MAX_LOOPED = 64 * 1024
"""Bytes of arguments or result that a condition with a macro (`all`, `exists`...) looks through.

A macro takes up to 10,000 steps (the library's own budget), each as long as the texts are.
"""


class Direction(StrEnum):
    """What a rule judges: what the host asks, or what came back."""

    CALL = "call"
    RESULT = "result"


VARIABLES: Mapping[str, tuple[str, str]] = {
    "call.tool": ("string", "the tool's name; a prompt's name or a URI for other methods"),
    "call.method": ("string", "tools/call, prompts/get, resources/read..."),
    "call.arguments": ("map", "the arguments (calls only)"),
    "call.bytes": ("int", "the arguments' length as JSON (calls only)"),
    "principal.id": ("string", "who calls"),
    "principal.level": ("int", "0 to 4: what was proved"),
    "principal.score": ("int", "0 to 1000: what was observed"),
    "principal.capabilities": ("strings", "what it was granted"),
    "trust.level": ("int", "the lower of the caller's and the server's"),
    "trust.score": ("int", "the lower of the caller's and the server's"),
    "tool.annotations": ("map", "as locked; false and true, nothing invented"),
    "tool.tier": ("string", "T0_observe, T1_prepare, T2_act, T3_commit; empty if none"),
    "server.name": ("string", "the server's name in the lockfile"),
    "now.hour": ("int", "0 to 23, in the zone that `zone` in mcpguard.yaml names; else in UTC"),
    "now.minute": ("int", "0 to 59"),
    "now.weekday": ("string", "mon, tue, wed, thu, fri, sat, sun"),
    "now.date": ("string", "2026-12-31"),
    "counts.calls": ("int", "calls of this session before this one"),
    "counts.tool": ("int", "those of them with this name"),
    "counts.denied": ("int", "those of them that were denied"),
    "result.text": ("string", "every text in the result, a line each (results only)"),
    "result.bytes": ("int", "the result's length as JSON (results only)"),
    "result.is_error": ("bool", "an error of the tool or of the protocol (results only)"),
    "result.structured": ("dyn", "structuredContent, or null (results only)"),
}
"""Name -> type and meaning of everything a condition may read."""

_ONLY = {
    Direction.CALL: frozenset(("call.arguments", "call.bytes")),
    Direction.RESULT: frozenset(name for name in VARIABLES if name.startswith("result.")),
}
"""What is there in one direction alone."""


@dataclass(frozen=True, slots=True)
class Moment:
    """The wall clock in the operator's zone."""

    hour: int
    minute: int
    weekday: str
    date: str


@dataclass(frozen=True, slots=True)
class Facts:
    """What the call itself does not say. Never taken from a request."""

    principal: str
    level: int
    score: int
    capabilities: tuple[str, ...]
    trust_level: int
    trust_score: int
    annotations: JsonObject
    tier: str
    server: str
    moment: Moment
    calls: int
    tool_calls: int
    denied: int


class Problem(NamedTuple):
    """Why a text is no condition. `line` and `column` count from 1 within it; 0 if unknown."""

    what: str
    hint: str
    line: int = 0
    column: int = 0


class Fault(NamedTuple):
    """Why a condition has no answer: a sentence without anything a peer wrote."""

    what: str


# --- compiling -----------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Program:
    """A compiled expression. `reads_arguments`: its answer may depend on a call's arguments."""

    text: str
    expression: "cel.Expression"
    looping: bool
    reads_arguments: bool

    def holds(self, given: "Given") -> bool | Fault:
        """Whether the condition is true."""
        value = self._value(given)
        return value if isinstance(value, bool | Fault) else _NO_BOOL

    def key(self, given: "Given") -> str | Fault:
        """The text that calls are counted under."""
        value = self._value(given)
        return value if isinstance(value, str | Fault) else _NO_TEXT

    def _value(self, given: "Given") -> object:
        if self.looping and given.size > MAX_LOOPED:
            return _TOO_LARGE
        try:
            answer = self.expression.eval(given.activation)
            value: object = answer.value()
            failed = answer.type().name() in _FAILED
        except Exception as error:  # noqa: BLE001 - whatever the library raises is no answer
            return _fault(str(error))
        return _fault(str(value)) if failed else value


_FAILED = frozenset(("ERROR", "UNKNOWN"))
_NO_BOOL = Fault("its answer is neither true nor false")
_NO_TEXT = Fault("what it counts by is not a text")
_TOO_LARGE = Fault(f"it has more than {MAX_LOOPED} bytes to look through")

_FAULTS: Mapping[str, Fault] = {
    "Key not found": Fault("something that it reads is not there: guard it with has(...)"),
    "No matching overloads": Fault("something that it reads has another type than it expects"),
    "Applying SELECT": Fault("something that it reads is no object"),
    "Iteration budget": Fault("it takes too many steps"),
    "out of range": Fault("a number is beyond 64 bits"),
    "Index error": Fault("an index is beyond its list"),
}
"""What the library says -> a sentence of our own; its own would repeat what a peer wrote."""

_UNKNOWN_FAULT = Fault("it cannot be evaluated")


def _fault(told: str) -> Fault:
    return next((fault for part, fault in _FAULTS.items() if part in told), _UNKNOWN_FAULT)


def compile_condition(text: str, direction: Direction) -> Program | Problem:
    """`text` as a condition of rules in `direction`; it must be true or false by its types."""
    compiled = _compiled(text, direction)
    if isinstance(compiled, Problem):
        return compiled
    kind = compiled.expression.return_type().name()
    if kind != "BOOL":
        hint = f"compare it: {text.strip()} == ..." if len(text) < _SHORT else "compare it with =="
        return Problem(f"the condition is not true or false by its type, but {kind.lower()}", hint)
    return compiled


def compile_key(text: str) -> Program | Problem:
    """`text` as what calls are counted by: an expression that gives a text."""
    compiled = _compiled(text, Direction.CALL)
    if isinstance(compiled, Problem):
        return compiled
    kind = compiled.expression.return_type().name()
    if kind not in {"STRING", "DYN"}:
        return Problem(f"calls are counted by a text, not {kind.lower()}", "write string(...)")
    return compiled


_SHORT = 60
"""Characters of a condition that a hint repeats."""


def _compiled(text: str, direction: Direction) -> Program | Problem:
    import re2

    if len(text) > MAX_CONDITION:
        what = f"{len(text)} characters, at most {MAX_CONDITION} are read"
        return Problem(what, "make several rules of it")
    try:
        expression = _environment(direction).compile(text)
    except Exception as error:  # noqa: BLE001 - whatever the library raises, it does not compile
        return _problem(str(error), direction)
    if bad := _bad_pattern(text, direction):
        return bad
    return Program(
        text,
        expression,
        looping=re2.search(_MACROS, _code(text)) is not None,
        reads_arguments=direction is Direction.CALL and not _compiles_without_arguments(text),
    )


_PASSED_OVER = (
    r"//[^\n]*"
    r"""|[bB]?[rR](?:(?s:\"{3}.*?\"{3}|'{3}.*?'{3})|"[^"\n]*"|'[^'\n]*')"""
    r"""|[bB]?(?s:\"{3}(?:[^\\]|\\.)*?\"{3}|'{3}(?:[^\\]|\\.)*?'{3})"""
    r"""|[bB]?(?:"(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*')"""
)
"""RE2. A comment or a literal of a condition that compiles."""

_LITERAL = '"#*"'
"""What `_code` puts in place of one."""


def _code(text: str) -> str:
    """`text`, with all its lines and columns, without what its literals and comments say."""
    import re2

    def veiled(found: "re2._Match[str]") -> str:
        size = len(found.group())
        return " " * size if found.group().startswith("//") else f'"{"#" * (size - 2)}"'

    return str(re2.sub(_PASSED_OVER, veiled, text))


_COMPARISONS = (
    rf"\bNAME\s*[!=]=\s*({_LITERAL})",
    rf"({_LITERAL})\s*[!=]=\s*NAME\b",
    rf"\bNAME\s+in\s*\[((?:\s*{_LITERAL}\s*,?)*)\s*\]",
)


def compared_with(text: str, name: str, direction: Direction) -> list[str]:
    """The texts written out in the condition `text` that it compares the variable `name` with."""
    import re2

    code = _code(text)
    found = [
        text[each.start(1) :][literal.start() : literal.end()]
        for pattern in _COMPARISONS
        for each in re2.finditer(pattern.replace("NAME", re2.escape(name)), code)
        for literal in re2.finditer(_LITERAL, each.group(1))
    ]
    environment = _environment(direction)
    return [str(environment.compile(each).eval(data={}).value()) for each in found]


_MACROS = r"\b(all|exists|exists_one|existsOne|map|filter)\b"

_PATTERN = rf"\bmatches\s*\(\s*({_LITERAL})\s*\)"


def _bad_pattern(text: str, direction: Direction) -> Problem | None:
    """A pattern written out in `text` that RE2 does not take: it would fail at every call."""
    import re2

    for found in re2.finditer(_PATTERN, _code(text)):
        literal = text[found.start(1) : found.end(1)]
        value = _environment(direction).compile(literal).eval(data={}).value()
        if compile_pattern(value) is None:
            line = text.count("\n", 0, found.start(1)) + 1
            column = found.start(1) - text.rfind("\n", 0, found.start(1))
            return Problem(NO_PATTERN, RE2_HINT, line, column)
    return None


def _compiles_without_arguments(text: str) -> bool:
    try:
        _environment(Direction.CALL, arguments=False).compile(text)
    except Exception:  # noqa: BLE001 - it did compile with them
        return False
    return True


@cache
def _environment(direction: Direction, *, arguments: bool = True) -> "cel.Env":
    from cel_expr_python import cel

    of = cel.Type
    types = {
        "string": of.STRING,
        "int": of.INT,
        "bool": of.BOOL,
        "dyn": of.DYN,
        "map": of.Map(of.STRING, of.DYN),
        "strings": of.List(of.STRING),
    }
    other = Direction.RESULT if direction is Direction.CALL else Direction.CALL
    absent = _ONLY[other] if arguments else _ONLY[other] | _ONLY[direction]
    return cel.NewEnv(
        variables={name: types[kind] for name, (kind, _) in VARIABLES.items() if name not in absent}
    )


_FIRST = r"ERROR: <input>:(-?[0-9]+):(-?[0-9]+): ([^\n]*)"
_UNDECLARED = r"undeclared reference to '([^']*)'"
_OVERLOAD = r"found no matching overload for '([^']*)' applied to '([^']*)'"


def _problem(told: str, direction: Direction) -> Problem:
    """The library's first complaint in our words."""
    import re2

    found = re2.search(_FIRST, told)
    if found is None:
        what = "nested too deeply" if "recursion" in told else "no CEL that can be read"
        return Problem(what, "make several rules of it" if "recursion" in told else _CEL)
    line, column, message = int(found.group(1)), int(found.group(2)), found.group(3)
    place = (line, column) if line > 0 else (0, 0)
    if unknown := re2.search(_UNDECLARED, message):
        return Problem(*_unknown_name(unknown.group(1), direction), *place)
    if overload := re2.search(_OVERLOAD, message):
        name = overload.group(1).replace("_", "").replace("@", "")
        what = f"`{name}` does not take {overload.group(2)}"
        return Problem(
            what, "convert one side: int(...), string(...), or compare its parts", *place
        )
    short = message.removesuffix(" [INVALID_ARGUMENT]").partition(" expecting {")[0]
    return Problem(f"not CEL: {short}", _CEL, *place)


_NEARLY: Final = ("call.argument.", "call.args.")
"""Beginnings of names by which one argument is meant."""

_CEL = "write CEL, for example: call.tool == 'x' && has(call.arguments.path)"


def _unknown_name(name: str, direction: Direction) -> tuple[str, str]:
    from mcpguard.policy.document import nearest

    if name in _ABSENT_FUNCTIONS:
        return f"there is no `{name}`", _ABSENT_FUNCTIONS[name]
    for only, names in _ONLY.items():
        if only is not direction and any(f"{name}.".startswith(f"{each}.") for each in names):
            where = f"only rules with `direction: {only}` have it"
            return f"`{name}` is not there in a rule for a {direction}", where
    known = [each for each in VARIABLES if each in _readable(direction)]
    for begin in _NEARLY:
        if name.startswith(begin):
            meant = f"call.arguments.{name.removeprefix(begin)}"
            return f"unknown name `{name}`", f"did you mean `{meant}`?"
    return f"unknown name `{name}`", nearest(name, known)


_ABSENT_FUNCTIONS = dict.fromkeys(
    ("lowerAscii", "upperAscii", "toLower", "toUpper", "lower", "upper"),
    "ignore case in a pattern: x.matches('(?i)drop')",
) | {
    "split": "use a pattern: x.matches('...')",
    "replace": "use a pattern: x.matches('...')",
    "len": "write size(x)",
}


def _readable(direction: Direction) -> frozenset[str]:
    hidden = frozenset().union(*(names for each, names in _ONLY.items() if each is not direction))
    return frozenset(VARIABLES) - hidden


# --- what a condition is asked about -------------------------------------------------------------


class Given:
    """The values of one call or result, turned into the library's own once for all its rules."""

    __slots__ = ("activation", "size")

    def __init__(self, subject: Call | Result, facts: Facts) -> None:
        """Raises ValueError for what the library would read as something else (see `_whole`)."""
        values = _facts(facts)
        if isinstance(subject, Call):
            direction, own, self.size = Direction.CALL, *_of_call(subject)
        else:
            direction, own, self.size = Direction.RESULT, *_of_result(subject)
        values["call.tool"] = subject.target
        values["call.method"] = subject.method
        _whole(orjson.dumps(values), values)
        self.activation = _environment(direction).Activation(values | own)


def _facts(facts: Facts) -> dict[str, object]:
    return {
        "principal.id": facts.principal,
        "principal.level": facts.level,
        "principal.score": facts.score,
        "principal.capabilities": list(facts.capabilities),
        "trust.level": facts.trust_level,
        "trust.score": facts.trust_score,
        "tool.annotations": facts.annotations,
        "tool.tier": facts.tier,
        "server.name": facts.server,
        "now.hour": facts.moment.hour,
        "now.minute": facts.moment.minute,
        "now.weekday": facts.moment.weekday,
        "now.date": facts.moment.date,
        "counts.calls": facts.calls,
        "counts.tool": facts.tool_calls,
        "counts.denied": facts.denied,
    }


def _of_call(call: Call) -> tuple[dict[str, object], int]:
    dumped = orjson.dumps(call.arguments)
    _whole(dumped, call.arguments)
    return {"call.arguments": call.arguments, "call.bytes": len(dumped)}, len(dumped)


def _of_result(result: Result) -> tuple[dict[str, object], int]:
    try:
        dumped = orjson.dumps(result.body)
    except orjson.JSONEncodeError:  # integers beyond 64 bits, half surrogate pairs
        dumped = exact.dumps_exact(result.body)
    structured = result.body.get("structuredContent")
    return {
        "result.text": _readable_text("\n".join(_texts(result.body))),
        "result.bytes": len(dumped),
        "result.is_error": result.error or result.body.get("isError") is True,
        "result.structured": _cleaned(structured) if _escaped(dumped) else structured,
    }, len(dumped)


def _escaped(dumped: bytes) -> bool:
    """Whether JSON text may hold a NUL or half a surrogate pair: both are only ever escaped."""
    return b"\\u0000" in dumped or b"\\ud" in dumped


def _whole(dumped: bytes, value: object) -> None:
    """Raises ValueError if a text in `value` (`dumped` as JSON) holds a NUL.

    The library ends a text there, so a condition would see `/data/a` of `/data/a NUL /etc`.
    Guarantee: policy:whole-text.
    """
    if b"\\u0000" in dumped and _holds_nul(value):
        raise ValueError("a text holds a NUL character")


def _holds_nul(value: object) -> bool:
    if isinstance(value, str):
        return "\0" in value
    if isinstance(value, dict):
        return any(_holds_nul(key) or _holds_nul(inner) for key, inner in value.items())
    return isinstance(value, list) and any(map(_holds_nul, value))


def _cleaned(value: Json) -> Json:
    """`value` with U+FFFD for what the library cannot hold. Raises ValueError if names meet."""
    if isinstance(value, str):
        return _readable_text(value)
    if isinstance(value, list):
        return [_cleaned(each) for each in value]
    if isinstance(value, dict):
        kept = {_readable_text(key): _cleaned(inner) for key, inner in value.items()}
        if len(kept) != len(value):
            raise ValueError("two names cannot be told apart")
        return kept
    return value


def _readable_text(text: str) -> str:
    """`text` with U+FFFD for each NUL and each half of a surrogate pair."""
    whole = text.replace("\0", "\ufffd")
    try:
        whole.encode()
    except UnicodeEncodeError:
        return whole.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    return whole


def _texts(body: JsonObject) -> list[str]:
    """Every text in a result, in its order; `type` words apart, as they are the protocol's.

    The names of members count where the server chooses them: in `structuredContent`. Base64 of a
    text is followed by that text.
    """
    found: list[str] = []
    for key, value in body.items():
        _collect(value, found, names=key == "structuredContent")
    return found


def _collect(value: Json, found: list[str], *, names: bool) -> None:
    if isinstance(value, str):
        found.append(value)
    elif isinstance(value, list):
        for each in value:
            _collect(each, found, names=names)
    elif isinstance(value, dict):
        bytes_in = () if names else packed_in(value)
        for key, inner in value.items():
            if names:
                found.append(key)
            if names or key != "type":
                _collect(inner, found, names=names)
            if key in bytes_in and isinstance(inner, str):
                found += texts(inner, value.get("mimeType"))
