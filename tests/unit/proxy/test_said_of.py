"""What people are told of a denied request: the item by its name, and no more of a peer's text."""

import pytest

from mcpguard.lock.lockfile import Lockfile
from mcpguard.model import Call, Decision, Reason
from mcpguard.proxy.denial import said_of
from tests.unit.proxy.play import LOCK

SECRET = "https://anna:x@files.example/a/b?token=y#part"
BARE = "https://files.example/a/b"
NAMED: dict[str, tuple[str, str, Lockfile | None, str, str]] = {
    "reviewed tool": ("tools/call", "echo", LOCK, "echo", "tools/call echo"),
    "reviewed prompt": ("prompts/get", "greet", LOCK, "greet", "prompts/get greet"),
    "reviewed resource": (
        "resources/read",
        "file:///notes",
        LOCK,
        "file:///notes",
        "resources/read file:///notes",
    ),
    "subscribed resource": (
        "resources/subscribe",
        "file:///notes",
        LOCK,
        "file:///notes",
        "resources/subscribe file:///notes",
    ),
    "unknown tool": ("tools/call", "rm", LOCK, "rm", "tools/call 'rm'"),
    "prompt of a tool's name": ("prompts/get", "echo", LOCK, "echo", "prompts/get 'echo'"),
    "no lockfile": ("tools/call", "echo", None, "echo", "tools/call 'echo'"),
    "long name": ("tools/call", "n" * 201, LOCK, "n" * 200, f"tools/call '{'n' * 200}'"),
    "line break": ("tools/call", "a\nb", LOCK, "a\nb", "tools/call 'a\\nb'"),
    "tool that looks like a URI": ("tools/call", SECRET, LOCK, SECRET, f"tools/call '{SECRET}'"),
    "read": ("resources/read", SECRET, LOCK, BARE, f"resources/read '{BARE}'"),
    "subscribe": ("resources/subscribe", SECRET, LOCK, BARE, f"resources/subscribe '{BARE}'"),
    "unsubscribe": ("resources/unsubscribe", SECRET, LOCK, BARE, f"resources/unsubscribe '{BARE}'"),
    "complete": ("completion/complete", SECRET, LOCK, BARE, f"completion/complete '{BARE}'"),
    "fragment alone": ("resources/read", "a:b#c", LOCK, "a:b", "resources/read 'a:b'"),
    "no authority": ("resources/read", "urn:x:y", LOCK, "urn:x:y", "resources/read 'urn:x:y'"),
    "host alone": ("resources/read", "x://u@h", LOCK, "x://h", "resources/read 'x://h'"),
    "an @ in the path": (
        "resources/read",
        "x://h/a@b",
        LOCK,
        "x://h/a@b",
        "resources/read 'x://h/a@b'",
    ),
    "one slash": ("resources/read", "https:/u:pw@h", LOCK, "https:", "resources/read 'https:'"),
    "three slashes": (
        "resources/read",
        "https:///u:pw@h",
        LOCK,
        "https:",
        "resources/read 'https:'",
    ),
    "encoded user": (
        "resources/read",
        "https://u%3Apw%40h/",
        LOCK,
        "https:",
        "resources/read 'https:'",
    ),
    "backslashes": (
        "resources/read",
        "HTTPS:\\\\u:pw@h",
        LOCK,
        "HTTPS:",
        "resources/read 'HTTPS:'",
    ),
    "user in a path": ("resources/read", "x:a/u:pw@h/../b", LOCK, "x:", "resources/read 'x:'"),
    "no slashes": ("resources/read", "u:pw@h", LOCK, "u:h", "resources/read 'u:h'"),
    "prompt to complete": (
        "completion/complete",
        "what? a #1",
        LOCK,
        "what? a #1",
        "completion/complete 'what? a #1'",
    ),
    "no target": ("tools/list", "", LOCK, "", "tools/list"),
}


@pytest.mark.parametrize(("method", "target", "lock", "name", "what"), NAMED.values(), ids=NAMED)
def test_an_item_is_named_and_what_may_be_secret_is_not(
    method: str, target: str, lock: Lockfile | None, name: str, what: str
) -> None:
    decision = Decision(
        allowed=False,
        subject=Call(method, target, {}),
        stage="surface",
        reason=Reason.NOT_LOCKED,
        detail="d" * 513,
    )
    assert said_of(method, target, decision, lock) == {
        "method": method,
        "target": name,
        "what": what,
        "rule": "surface.not_locked",
        "detail": "d" * 512,
    }
