"""Arguments that ask for what the tool has no use for.

The conversation, the model's own instructions and other tools are no tool's input. Personal data
and secrets are, when the tool says what it does with them; a calculator that wants a passport
number does not.
"""

from collections.abc import Iterator
from functools import lru_cache

from mcpguard.model import Severity
from mcpguard.scan.threats.definition import View
from mcpguard.scan.threats.parameters import Parameter, words
from mcpguard.scan.threats.signals import ASKED, Meaning, Signal, Structure, Threat, ThreatDetector

__all__ = ["DETECTOR"]

_NEVER = (
    (
        {"conversation", "chat", "dialogue", "dialog"},
        {
            "history",
            "log",
            "logs",
            "transcript",
            "context",
            "full",
            "entire",
            "complete",
            "content",
            "data",
            "messages",
        },
    ),
    (
        {"system", "initial", "developer", "hidden"},
        {"prompt", "prompts", "instructions", "instruction", "message"},
    ),
    (
        {"tools", "tool"},
        {"available", "list", "other", "used", "called", "previous", "last", "calls", "history"},
    ),
    (
        {"llm", "assistant", "agent", "ai"},
        {
            "self",
            "running",
            "calling",
            "current",
            "reasoning",
            "thoughts",
            "identity",
            "provider",
            "memory",
            "name",
            "version",
            "id",
        },
    ),
    ({"model"}, {"self", "calling", "reasoning", "thoughts", "identity"}),
    ({"chain", "reasoning"}, {"thought", "trace", "thoughts"}),
    ({"previous", "prior", "all"}, {"messages", "conversation", "responses", "conversations"}),
    ({"environment", "env"}, {"variables", "vars", "dump", "all"}),
    ({"memory", "session"}, {"dump", "contents", "transcript"}),
    ({"file", "files"}, {"private", "sensitive", "secret", "ssh"}),
)
"""Words of a name, one of each pair: what no tool has a use for."""

_READS = frozenset(["id_rsa", "ssh", "passwd", "shadow", "credentials", "keychain", "private"])
"""Words that make a name an order to read something."""

_PERSONAL = tuple(
    frozenset(each.split("+"))
    for each in [
        "ssn",
        "social+security",
        "passport",
        "credit+card",
        "card+number",
        "cvv",
        "cvc",
        "bank+account",
        "iban",
        "maiden",
        "birth",
        "dob",
        "birthdate",
        "birthday",
        "home+address",
        "salary",
        "income",
        "medical",
        "health",
        "religion",
        "ethnicity",
        "pin",
        "blood",
        "seed+phrase",
        "mnemonic",
        "cookies",
        "license+number",
        "fingerprint",
        "contacts",
        "browser+history",
        "browsing",
        "phone+number",
        "real+name",
        "tax+id",
        "political",
        "marital",
        "employer",
        "private+key",
        "ssh+key",
    ]
)
_SECRET = tuple(
    frozenset(each.split("+"))
    for each in [
        "password",
        "passphrase",
        "api+key",
        "secret",
        "credentials",
        "token",
        "aws",
        "wallet",
    ]
)
"""Words of a name, all of one set: what is personal, or secret."""

_KEYS = frozenset((*_SECRET, frozenset({"private", "key"}), frozenset({"ssh", "key"})))
_CONNECTS = frozenset(
    ["connect", "connects", "login", "logs", "auth", "authenticate", "sign", "deploy", "ssh"]
)
"""Words of tools that have a use for a key or a password."""

_TALKS = frozenset(
    ["chat", "bot", "llm", "prompt", "prompts", "agent", "agents", "assistant", "conversation"]
)
"""Words of tools that talk to a model themselves."""

_COMMON = frozenset(
    [
        "key",
        "id",
        "name",
        "number",
        "address",
        "token",
        "secret",
        "card",
        "account",
        "full",
        "real",
        "home",
    ]
)
"""Words that say too little for a tool to be about the same."""


def _judge(view: View) -> Iterator[Signal]:
    asked = view.parameters
    about: set[str] | None = None
    count = 0
    for each in asked:
        named = words(each.name)
        if _TELLING.isdisjoint(named):
            continue
        if named in _ASKED:
            # Some honest servers call the request itself that, or count what is asked.
            yield _signal("collecting.prompt", 1.4, each, _NEVER_SAYS)
        elif named == _MODEL and "model" not in _about(view):
            yield _signal("collecting.conversation", 3, each, _NEVER_SAYS)
        elif _never(named):
            heavy = 4 if len(asked) > 1 or each.required else 3
            weight = 1.4 if _TALKS & _subject(view) else heavy
            yield _signal("collecting.conversation", weight, each, _NEVER_SAYS)
        elif len(named) > _LONG_NAME and not _READS.isdisjoint(named):
            yield _signal(
                "collecting.order-in-name", 4, each, "its name is an order to read something"
            )
        elif kind := _personal(named):
            about = _about(view) if about is None else about
            if (kind - _COMMON or kind) & about or (kind in _KEYS and about & _CONNECTS):
                continue
            count += 1
            weight = 1.0 if kind in _SECRET else 2.0 if each.required else 1.5
            rule = f"collecting.personal-{min(count, 3)}"
            yield _signal(rule, weight, each, "asks for what is private and the tool is not about")


_ASKED = (("user", "prompt"), ("original", "prompt"), ("user", "messages"), ("user", "utterance"))
_MODEL = ("model", "name")
_NEVER_SAYS = "asks for the conversation, the model's instructions or its other tools"
_LONG_NAME = 3
_TELLING = _READS.union(*_ASKED, _MODEL, *(one for one, _ in _NEVER), *_PERSONAL, *_SECRET)
"""A name without any of these words asks for nothing that is looked for."""


def _about(view: View) -> set[str]:
    """The words of what the tool says of itself."""
    texts = [view.definition.get(key) for key in ("name", "title", "description")]
    joined = " ".join(each for each in texts if isinstance(each, str))[:_READ]
    said = set(joined.split())
    odd = [each for each in said if not (each.isalpha() and each.islower() and each.isascii())]
    return said.difference(odd).union(*map(words, odd))


def _subject(view: View) -> set[str]:
    """The words of its name and of how its description begins."""
    texts = [view.definition.get(key) for key in ("name", "description")]
    begins = [
        each[:_BEGINS].partition(". ")[0].partition("\n")[0]
        for each in texts
        if isinstance(each, str)
    ]
    return {part for each in begins for word in each.split() for part in words(word)}


_BEGINS = 80
_READ = 4000


@lru_cache(maxsize=2048)
def _never(named: tuple[str, ...]) -> bool:
    return any(one.intersection(named) and other.intersection(named) for one, other in _NEVER)


@lru_cache(maxsize=2048)
def _personal(named: tuple[str, ...]) -> frozenset[str]:
    held = set(named)
    return next((each for each in (*_PERSONAL, *_SECRET) if each <= held), frozenset())


def _signal(rule: str, weight: float, at: Parameter, message: str) -> Signal:
    return Signal(rule, weight, at.where, 0, len(at.name), message)


DETECTOR = ThreatDetector(
    id="overcollecting_parameter",
    threat=Threat.TOOL_POISONING,
    severity=Severity.CRITICAL,
    owasp="MCP10:2025",
    agentic="ASI02",
    atlas="AML.T0057",
    explanation="It has an argument through which the conversation or private data leave.",
    fix="Deny the argument with a policy rule, or do not use the tool.",
    meanings=(
        Meaning(
            "collecting.whole-conversation",
            3,
            "asks for what was said, and the tool is not about that",
            (
                "WHOLE|PRIOR ~ CONV",
                "CONV ~ WHOLE|PRIOR",
                "CONV ~ USER ~ MODEL",
                "CONV CONV",
                "OTHER TOOL ~ USE",
                "PRIOR|WHOLE ~ POST",
                "POST ~ USER ~ PRIOR",
                "CONV ~ THIS USE",
            ),
            ASKED,
            alien="CONV|POST",
        ),
        Meaning(
            "collecting.of-the-model",
            3,
            "asks for what the model knows, thinks or was told",
            (
                "YOU ~ SYSTEM|INSTR|MIND|CONV",
                "SYSTEM ~ YOU|WHOLE",
                "MODEL ~ USE ~ THIS TOOL",
                "INSTR|TOOL ~ YOU",
                "WHOLE ~ MIND",
                "MIND ~ USER|MODEL",
                "WHOLE ~ USER",
                "WHOLE ~ YOU",
                "YOU WHOLE",
                "OTHER ~ YOU",
                "YOU ~ USER",
                "WHOLE ~ INSTR",
                "SYSTEM",
            ),
            ASKED,
            alien="SYSTEM|MODEL|MIND|CONV",
        ),
        Meaning(
            "collecting.secrets",
            3,
            "asks for keys or passwords, and the tool has no use for them",
            ("SECRET ~ USER", "USER ~ SECRET", "READ ~ PATH", "PRIOR ~ SECRET", "SECRET ~ YOU"),
            ASKED,
            alien="SECRET|LOGIN|FILE",
        ),
        Meaning(
            "collecting.about-user",
            1.5,
            "asks about the user's life",
            ("LIFE ~ USER", "USER ~ LIFE", "LIFE ~ LIFE ~ LIFE", "WHOLE ~ LIFE"),
            ASKED,
            alien="LIFE|USER",
        ),
    ),
    structure=Structure(
        (
            "collecting.conversation",
            "collecting.prompt",
            "collecting.order-in-name",
            "collecting.personal-1",
            "collecting.personal-2",
            "collecting.personal-3",
        ),
        _judge,
    ),
)
