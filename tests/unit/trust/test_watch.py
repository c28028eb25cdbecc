"""What a session observes: a traced call is counted as the same call without its span."""

from collections.abc import Sequence

import pytest

from mcpguard.model import Allowed, JsonObject
from mcpguard.trust.account import Entry
from mcpguard.trust.watch import Watcher

UP, DOWN = "host>server", "server>host"
SPAN: JsonObject = {"trace_id": "a" * 32, "span_id": "b" * 16, "parent_id": "c" * 16}
END: JsonObject = {**SPAN, "sampled": False, "request_id": "7", "duration_us": 5}


def watcher() -> Watcher:
    return Watcher(
        session="s", server="srv", principal="local:x", level=1, lock="sha256:0", seq=1, now=100.0
    )


def watched(*records: Allowed | JsonObject) -> tuple[Sequence[Entry], dict[str, tuple[int, int]]]:
    made = watcher()
    for number, record in enumerate(records):
        made.seen([(record, b"")], 2 + number, 100.5)
    return made.drain(), made.calls()


@pytest.mark.parametrize(
    ("direction", "method", "span"),
    [
        (UP, "tools/call", SPAN),
        (DOWN, "tools/call", END),
        (UP, "prompts/get", SPAN),
        (DOWN, "ping", END),
    ],
)
def test_a_traced_call_counts_as_the_same_call_untraced(
    direction: str, method: str, span: JsonObject
) -> None:
    plain = Allowed(direction, method, "read")
    traced: JsonObject = {**plain.fields(), **span}
    assert watched(*[traced] * 1000) == watched(*[plain] * 1000)


def test_a_traced_call_that_failed_or_was_denied_counts_as_that() -> None:
    failed: JsonObject = {**Allowed(DOWN, "tools/call", "read").fields(), **END, "outcome": "error"}
    denied: JsonObject = {**Allowed(UP, "tools/call", "read").fields(), **END, "decision": "deny"}
    untraced = [{k: v for k, v in each.items() if k not in END} for each in (failed, denied)]
    assert watched(failed, denied) == watched(*untraced)
    assert watched(failed, denied)[1] == {"read": (1, 1)}


def test_calls_that_were_counted_elsewhere_count_as_those_seen_one_by_one() -> None:
    plain = Allowed(DOWN, "tools/call", "read")
    call = Allowed(UP, "tools/call", "read")
    seen, told = watcher(), watcher()
    number = 1
    for now in (100.25, 100.5, 101.75):
        for each in [call, plain] * 30:
            number += 1
            seen.seen([(each, b"")], number, now)
        told.counted({call: 30, plain: 30}, number, now)
    assert (seen.drain(), seen.calls()) == (told.drain(), told.calls())
    assert told.calls() == {"read": (90, 0)}
