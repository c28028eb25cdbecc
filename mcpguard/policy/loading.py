"""A policy's text in, its rules out; whatever is wrong with it is an error with its place.

A policy is a mapping of `name`, `description` and `rules`; each rule one of the keys in `KEYS`.
Everything is checked here, so that nothing about a rule can first go wrong when a call comes:
words, units, names, patterns, and every condition's types.
"""

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import NamedTuple, TypeVar

from mcpguard.errors import PolicyError
from mcpguard.policy import foreign
from mcpguard.policy.cel import (
    MAX_CONDITION,
    Direction,
    Problem,
    Program,
    compared_with,
    compile_condition,
    compile_key,
)
from mcpguard.policy.document import Node, nearest, read, shown
from mcpguard.policy.redaction import (
    NO_PATTERN,
    RE2_HINT,
    Pattern,
    Redaction,
    compile_pattern,
)
from mcpguard.policy.rules import METHODS, Action, Limit, Rule, RuleSet

__all__ = ["KEYS", "MAX_RULES", "UNITS", "check", "load", "rules_of"]

MAX_RULES = 500
"""Rules of one policy. A person reviews them; all concern one tool at most."""

MAX_NAMES = 64
"""Tools, methods or patterns of one rule."""

MAX_NAME = 64
"""Characters of a rule's or policy's name: it becomes part of a rule id."""

MAX_TOOL = 256
"""Characters of a tool's name or pattern; MCP advises 128 for a name."""

MAX_MESSAGE = 300
"""Characters that a denial shows; a model reads them at every denied call."""

MAX_DESCRIPTION = 2000
"""Characters for whoever reads the file."""

MAX_PATTERN = 500
"""Characters of a pattern to redact."""

MAX_PRIORITY = 1000
"""Either way from 0, the priority of a rule that names none."""

MAX_AMOUNT = 1_000_000
"""Calls of one limit."""

UNITS: Mapping[str, int] = {"second": 1, "minute": 60, "hour": 3600, "day": 86400}
"""What a limit may be counted over, in seconds."""

KEYS: Mapping[str, str] = {
    "name": "what denials and records call the rule; once in a policy",
    "description": "for whoever reads the file",
    "direction": "call (if absent) or result",
    "tools": "the tools it is about, by name or with * and ?; any if absent",
    "methods": "the methods it is about; with `tools` tools/call, else any of them",
    "when": "the condition, in CEL; always if absent",
    "action": "deny (or block), require_approval, redact, allow, warn, audit",
    "message": "what a denial or a remark says; what `warn` says is told on stderr, too",
    "priority": "-1000 to 1000; 0 if absent; higher decides first",
    "limit": '"100/hour": the action applies to what is beyond; `allow` denies beyond',
    "per": "what calls are counted by, in CEL: a text; principal.id if absent",
    "redact": "patterns (RE2) that are taken out, or {pattern, with}",
    "enabled": "true if absent; a rule that is not enabled is checked all the same",
}
"""A rule's keys and what they mean."""

_POLICY_KEYS = ("name", "description", "rules")

_DIRECTIONS: Mapping[Direction, frozenset[Action]] = {
    Direction.CALL: frozenset(Action),
    Direction.RESULT: frozenset(Action) - {Action.REQUIRE_APPROVAL},
}
"""What can be done with each: an approval of what already happened stops nothing."""

_LIMITED = frozenset((Action.ALLOW, Action.DENY, Action.REQUIRE_APPROVAL))
"""Actions that a limit can be put on."""

_LIMIT = r"([0-9]{1,7})/([a-z]+)"
_NAME = r"[A-Za-z0-9][A-Za-z0-9_.-]*"

_T = TypeVar("_T")


def load(text: str, source: str) -> RuleSet:
    """The policy in `text`; `source` is what errors call it. Raises PolicyError, the first one."""
    rules, problems = check(text, source)
    if rules is None:
        raise problems[0]
    return rules


def check(text: str, source: str) -> tuple[RuleSet | None, tuple[PolicyError, ...]]:
    """The policy in `text`, or everything that is wrong with it, in the file's order."""
    problems: list[PolicyError] = []
    try:
        table = read(text, source).table(
            _POLICY_KEYS,
            required=("name", "rules"),
            other_words={**foreign.KEYS, **foreign.SETTINGS},
        )
        name = _name(table["name"])
        if "description" in table:
            table["description"].text(MAX_DESCRIPTION)
        rules = _rules(table["rules"], problems)
    except PolicyError as error:
        return None, (*problems, error)
    return (None, tuple(problems)) if problems else (RuleSet(name, rules), ())


def rules_of(node: Node, policy: str) -> RuleSet:
    """The list of rules in `node`, part of a larger document. Raises PolicyError."""
    problems: list[PolicyError] = []
    rules = _rules(node, problems)
    if problems:
        raise problems[0]
    return RuleSet(policy, rules)


def _rules(node: Node, problems: list[PolicyError]) -> list[Rule]:
    """All rules that are right; the errors of the others in `problems`."""
    rules: list[Rule] = []
    seen: dict[str, int] = {}
    for each in node.sequence(MAX_RULES):
        try:
            made, enabled = _rule(each)
            name = made[0].name
            if name in seen:
                where = each.items()["name"]
                what = f"a second rule is called `{name}`"
                raise where.error(what, hint=f"the first is in line {seen[name]}; rename one")
            seen[name] = each.place[0]
            rules += made if enabled else []
        except PolicyError as error:
            problems.append(error)
    return rules


class _Parts(NamedTuple):
    """A rule's mapping, and a way to read what may be absent."""

    table: dict[str, Node]

    def read(self, key: str, reader: Callable[[Node], _T], absent: _T) -> _T:
        node = self.table.get(key)
        return absent if node is None else reader(node)


def _rule(node: Node) -> tuple[list[Rule], bool]:
    """One rule (two for `allow` with a limit: it denies beyond), and whether it is enabled."""
    table = node.table(KEYS, required=("name", "action"), other_words=foreign.KEYS)
    parts = _Parts(table)
    direction = Direction(parts.read("direction", _direction, Direction.CALL))
    action = _action(table["action"], direction)
    tools: tuple[Pattern, ...] = parts.read("tools", _tools, ())
    methods = _methods(parts, tools=bool(tools))
    parts.read("description", lambda each: each.text(MAX_DESCRIPTION), "")
    rule = Rule(
        name=_name(table["name"]),
        action=action,
        direction=direction,
        methods=methods,
        tools=tools,
        condition=parts.read("when", lambda each: _condition(each, direction, methods), None),
        message=parts.read("message", _message, ""),
        priority=parts.read("priority", lambda each: each.integer(-MAX_PRIORITY, MAX_PRIORITY), 0),
        limit=parts.read("limit", lambda each: _limit(each, action, direction), None),
        per=parts.read("per", lambda each: _per(each, table), None),
        redactions=_redactions(node, parts, action),
    )
    enabled = parts.read("enabled", Node.flag, absent=True)
    if action is Action.ALLOW and rule.limit is not None:
        return [replace(rule, action=Action.DENY), replace(rule, limit=None, per=None)], enabled
    return [rule], enabled


# --- each key ------------------------------------------------------------------------------------


def _name(node: Node) -> str:
    import re2

    name = node.text(MAX_NAME)
    if re2.fullmatch(_NAME, name) is None:
        raise node.error(
            "a name has letters, digits, `.`, `_` and `-` only", hint="for example: no-drop-table"
        )
    return name


def _direction(node: Node) -> Direction:
    return Direction(node.choice([each.value for each in Direction]))


def _action(node: Node, direction: Direction) -> Action:
    word = node.text(MAX_NAME)
    if word == "block":
        return Action.DENY
    if word not in set(Action):
        hint = foreign.ACTIONS.get(word) or nearest(word, [*Action, "block"])
        raise node.error(f"unknown action `{node.shown()}`", hint=hint)
    action = Action(word)
    if action not in _DIRECTIONS[direction]:
        raise node.error(
            f"a rule for a {direction} cannot {action}: it has happened already",
            hint="write a rule for the call, or `deny` to keep the result from the host",
        )
    return action


def _tools(node: Node) -> tuple[Pattern, ...]:
    nodes = node.sequence(MAX_NAMES)
    if not nodes:
        raise node.error(
            "the list is empty, so the rule is about nothing", hint="leave `tools` out"
        )
    return tuple(_glob(each) for each in nodes)


def _glob(node: Node) -> Pattern:
    """A name in which `*` stands for any characters and `?` for one; all else for itself."""
    import re2

    text = node.text(MAX_TOOL)
    parts = [_WILD.get(char) or re2.escape(char) for char in text]
    return _compiled(node, f"(?s){''.join(parts)}")


_WILD = {"*": ".*", "?": "."}


def _methods(parts: _Parts, *, tools: bool) -> frozenset[str]:
    node = parts.table.get("methods")
    if node is None:
        return frozenset(("tools/call",)) if tools else frozenset()
    methods = frozenset(each.choice(METHODS) for each in node.sequence(MAX_NAMES))
    if not methods:
        raise node.error("the list is empty, so the rule is about nothing", hint="leave it out")
    if tools and methods != {"tools/call"}:
        raise node.error("`tools` are called by tools/call alone", hint="leave `methods` out")
    return methods


def _condition(node: Node, direction: Direction, methods: frozenset[str]) -> Program:
    if isinstance(node.value, bool):
        raise node.error("a condition is a text", hint='leave `when` out, or write when: "true"')
    text = node.text(MAX_CONDITION)
    compiled = compile_condition(text, direction)
    if isinstance(compiled, Program):
        _reachable(node, text, direction, methods)
        return compiled
    raise _at(node, compiled._replace(hint=_better(text, direction) or compiled.hint))


def _reachable(node: Node, text: str, direction: Direction, methods: frozenset[str]) -> None:
    """Raises PolicyError for a method that the rule is never asked about: it has no effect."""
    known = sorted(methods) if methods else METHODS
    for method in compared_with(text, "call.method", direction):
        if method in known:
            continue
        what = f"no effect: this rule is never asked about the method `{shown(method)}`"
        if method in METHODS:
            raise node.error(
                what, hint=f"it is about {', '.join(known)}: see `methods` and `tools`"
            )
        hint = f"rules are about {', '.join(METHODS)}"
        raise node.error(what, hint=f"{_TASKS if method in _OF_TASKS else ''}{hint}")


_OF_TASKS = frozenset(
    ("tasks/get", "tasks/list", "tasks/cancel", "tasks/result", "notifications/tasks/status")
)
_TASKS = (
    "the result of a task is judged as its call's: call.method == 'tools/call'. What a task says of"
    " itself is for the scanner: `scan` in mcpguard.yaml; "
)


def _better(text: str, direction: Direction) -> str:
    """The CEL that means the same, where other toolkits' words are plain."""
    if hint := foreign.counted(text):
        return hint
    ours = foreign.translated(text)
    if ours is None:
        return ""
    for each in (direction, *Direction):
        if isinstance(compile_condition(ours, each), Program):
            where = "" if each is direction else f"give the rule `direction: {each}` and "
            return f"{where}write {ours}"
    return ""


def _at(node: Node, problem: Problem) -> PolicyError:
    """`problem` where it is in the file, as far as the text stands there in one piece."""
    line, column = node.place
    if node.verbatim and problem.line == 1:
        return node.error(problem.what, hint=problem.hint, at=(line, column + problem.column - 1))
    within = f" (line {problem.line}, character {problem.column} of it)" if problem.line else ""
    return node.error(problem.what + within, hint=problem.hint)


def _message(node: Node) -> str:
    text = node.text(MAX_MESSAGE).strip()
    if not text.isprintable():
        raise node.error("a message is one line of printable text", hint="put it on one line")
    return text.removesuffix(".")


def _limit(node: Node, action: Action, direction: Direction) -> Limit:
    import re2

    if action not in _LIMITED or direction is not Direction.CALL:
        raise node.error(
            f"a {direction} rule with `{action}` takes no limit",
            hint="limits are for calls, with allow, deny or require_approval",
        )
    if isinstance(node.value, int | float):
        raise node.error(f"`{node.shown()}` is no limit", hint=_LIMIT_HINT)
    text = node.text(MAX_NAME)
    found = re2.fullmatch(_LIMIT, text)
    if found is None:
        raise node.error(f"`{node.shown()}` is no limit", hint=_LIMIT_HINT)
    amount, unit = int(found.group(1)), found.group(2)
    if unit not in UNITS:
        raise node.error(f"unknown unit `{unit}`", hint=nearest(unit, UNITS))
    if not 0 < amount <= MAX_AMOUNT:
        raise node.error(f"{amount} is not from 1 to {MAX_AMOUNT}", hint=_LIMIT_HINT)
    return Limit(amount, UNITS[unit], text)


_LIMIT_HINT = 'write NUMBER/second, /minute, /hour or /day, for example: "100/hour"'


def _per(node: Node, table: Mapping[str, Node]) -> Program:
    if "limit" not in table:
        raise node.error("`per` says how a limit counts, and there is none", hint="add `limit:`")
    compiled = compile_key(node.text(MAX_CONDITION))
    if isinstance(compiled, Program):
        return compiled
    raise _at(node, compiled)


def _redactions(rule: Node, parts: _Parts, action: Action) -> tuple[Redaction, ...]:
    node = parts.table.get("redact")
    if (node is None) != (action is not Action.REDACT):
        where = node or rule
        raise where.error(
            "`redact` and `action: redact` belong together",
            hint="write both: the action, and the list of patterns to take out",
        )
    return () if node is None else _patterns(node)


def _patterns(node: Node) -> tuple[Redaction, ...]:
    nodes = node.sequence(MAX_NAMES)
    if not nodes:
        raise node.error("the list is empty, so nothing is taken out", hint="name a pattern")
    made = tuple(_redaction(each) for each in nodes)
    for each, at in zip(made, nodes, strict=True):
        if any(other.pattern.search(each.replacement) is not None for other in made):
            what = "a pattern of this rule matches what is put in a match's place"
            raise at.error(what, hint="write another text under `with`")
    return made


def _redaction(node: Node) -> Redaction:
    if isinstance(node.value, str):
        return Redaction(_pattern(node), _REPLACEMENT)
    table = node.table(("pattern", "with"), required=("pattern",))
    replacement = table["with"].text(MAX_NAME) if "with" in table else _REPLACEMENT
    return Redaction(_pattern(table["pattern"]), replacement)


_REPLACEMENT = "[redacted]"


def _compiled(node: Node, text: str) -> Pattern:
    pattern = compile_pattern(text)
    if pattern is None:
        raise node.error(NO_PATTERN, hint=RE2_HINT)
    return pattern


def _pattern(node: Node) -> Pattern:
    pattern = _compiled(node, node.text(MAX_PATTERN))
    if pattern.search("") is not None:
        raise node.error("the pattern matches the empty text", hint="write + instead of *")
    return pattern
