"""Spans by the rules of W3C Trace Context: what is read of a parent, written and recorded."""

from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mcpguard.model import Json, JsonObject
from mcpguard.wire.tracing import Span, Tracer, parent_of

TRACE, PARENT, IDENT = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7", "b7ad6b7169203331"
HOSTS = f"00-{TRACE}-{PARENT}-01"

# --- a parent ------------------------------------------------------------------------------------


@pytest.mark.guarantee("telemetry:only-a-valid-parent")
@pytest.mark.parametrize(
    ("given", "read"),
    [
        (HOSTS, (TRACE, PARENT, 1)),
        (f"00-{TRACE}-{PARENT}-00", (TRACE, PARENT, 0)),
        (f"00-{TRACE}-{PARENT}-ff", (TRACE, PARENT, 255)),
        (f"cc-{TRACE}-{PARENT}-01", (TRACE, PARENT, 1)),
        (f"cc-{TRACE}-{PARENT}-01-what-the-future-will-be-like", (TRACE, PARENT, 1)),
        (f"cc-{TRACE}-{PARENT}-01.what", None),
        (f"ff-{TRACE}-{PARENT}-01", None),
        (f"00-{TRACE}-{PARENT}-01-", None),
        (f"00-{TRACE}-{PARENT}-01-more", None),
        (f" 00-{TRACE}-{PARENT}-01", None),
        (f"00-{TRACE.upper()}-{PARENT}-01", None),
        (f"00-{TRACE}-{'0' * 16}-01", None),
        (f"00-{'0' * 32}-{PARENT}-01", None),
        (f"00-{TRACE}-{PARENT}-0x", None),
        (f"00-!{TRACE[1:]}-{PARENT}-01", None),
        (f"00-{TRACE}{PARENT}--01", None),
        (f"00-{'٣' * 32}-{PARENT}-01", None),
        (HOSTS[:-1], None),
        ("", None),
        (None, None),
        ([HOSTS], None),
        (7, None),
    ],
)
def test_a_parent_is_read_by_the_rules_of_trace_context(
    given: Json, read: tuple[str, str, int] | None
) -> None:
    assert parent_of(given) == read


@settings(max_examples=50)
@given(st.text("0123456789abcdefABCDEF-g", max_size=60) | st.from_regex(r"\A..-[0-9a-f]{32}-.*\Z"))
def test_whatever_is_read_is_written_again_as_a_valid_parent(text: str) -> None:
    found = parent_of(text)
    if found is not None:
        assert parent_of("00-{}-{}-{:02x}".format(*found)) == found


# --- a span --------------------------------------------------------------------------------------


def ones(size: int) -> bytes:
    return b"\1" * size


FIRST = ("01" * 16, "01" * 8, "", 3)
"""Trace, id, parent and flags of a span that begins a trace: sampled, and its id is random."""


@pytest.mark.parametrize(
    ("meta", "begun"),
    [
        ({"traceparent": HOSTS}, (TRACE, "01" * 8, PARENT, 1)),
        ({"traceparent": f"00-{TRACE}-{PARENT}-00"}, (TRACE, "01" * 8, PARENT, 0)),
        ({"traceparent": f"00-{TRACE}-{PARENT}-fe"}, (TRACE, "01" * 8, PARENT, 2)),
        ({"traceparent": HOSTS[:-1]}, FIRST),
        ({"tracestate": HOSTS}, FIRST),
        ({}, FIRST),
        (None, FIRST),
        (HOSTS, FIRST),
        ([HOSTS], FIRST),
    ],
)
def test_a_span_is_a_child_of_the_hosts_or_the_first_of_a_trace(
    meta: Json, begun: tuple[str, str, str, int]
) -> None:
    span = Tracer(ones).begin(meta, 2.5)
    assert (span.trace, span.ident, span.parent, span.flags) == begun
    assert span.begun == 2.5


@pytest.mark.parametrize("draw", [bytes, lambda _: b"", lambda _: b"\1", lambda _: b"\1" * 17])
@pytest.mark.parametrize("meta", [{"traceparent": HOSTS}, {}])
def test_what_cannot_be_random_is_no_id(draw: Callable[[int], bytes], meta: JsonObject) -> None:
    with pytest.raises(ValueError, match="the random source gives no id"):
        Tracer(draw).begin(meta, 0.0)


CHILD, ROOT = Span(TRACE, IDENT, PARENT, 1, 2.5), Span(TRACE, IDENT, "", 3, 2.5)
UNSAMPLED = Span(TRACE, IDENT, PARENT, 2, 2.5)


@pytest.mark.guarantee("telemetry:own-span-to-the-server")
@pytest.mark.parametrize(
    ("span", "params", "carried"),
    [
        (CHILD, {}, {"_meta": {"traceparent": f"00-{TRACE}-{IDENT}-01"}}),
        (ROOT, {"_meta": 7}, {"_meta": {"traceparent": f"00-{TRACE}-{IDENT}-03"}}),
        (
            CHILD,
            {"_meta": {"traceparent": HOSTS, "tracestate": "v=1", "a": 1}, "name": "x"},
            {
                "_meta": {
                    "traceparent": f"00-{TRACE}-{IDENT}-01", "tracestate": "v=1", "a": 1
                },
                "name": "x",
            },
        ),
        (
            ROOT,
            {"name": "x", "_meta": {"tracestate": "v=1", "baggage": "k=v"}},
            {
                "name": "x",
                "_meta": {"baggage": "k=v", "traceparent": f"00-{TRACE}-{IDENT}-03"},
            },
        ),
    ],
    ids=["no-meta", "no-object", "child", "restarted"],
)  # fmt: skip
def test_params_carry_the_span_and_else_what_they_held(
    span: Span, params: JsonObject, carried: JsonObject
) -> None:
    before = repr(params)
    assert list(span.carried(params).items()) == list(carried.items())
    assert repr(params) == before


IDS = {"trace_id": TRACE, "span_id": IDENT}


@pytest.mark.parametrize(
    ("span", "told"),
    [
        (CHILD, {**IDS, "parent_id": PARENT}),
        (ROOT, IDS),
        (UNSAMPLED, {**IDS, "parent_id": PARENT, "sampled": False}),
    ],
)
def test_a_record_names_the_span_and_its_last_one_how_long_it_took(
    span: Span, told: JsonObject
) -> None:
    assert span.told() == told
    assert span.ended(2.75) == {**told, "duration_us": 250_000}


@pytest.mark.parametrize(
    ("now", "took"),
    [(2.5, 0), (2.0, 0), (2.5 + 2**-20, 1), (3602.5, 3_600_000_000)],
    ids=["at-once", "a-clock-set-back", "a-microsecond", "an-hour"],
)
def test_a_span_takes_so_many_microseconds(now: float, took: int) -> None:
    assert CHILD.ended(now)["duration_us"] == took
