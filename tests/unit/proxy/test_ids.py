"""Ids, tokens and cancellations: what one side calls a thing never reaches the other."""

import orjson
import pytest

from mcpguard.model import Json, JsonObject, RequestKind, Side
from mcpguard.wire.methods import SUBSCRIPTION_ID
from tests.unit.proxy.play import (
    ALL,
    LIST_ROOTS,
    call,
    called,
    line,
    locked,
    opened,
    refused,
    text,
    wire,
)

IDS: list[int | str] = [
    7,
    "7",
    0,
    "0",
    "",
    "a-uuid",
    -3,
    2**53 - 1,
    1 - 2**53,
    "ü" * 128,
    "x" * 256,
]
BAD_IDS = [b"null", b"true", b"1.0", b"1e2", b"-0", b"9007199254740992", b"[1]", b"{}"]


@pytest.mark.guarantee("ids:host-ids-stay")
@pytest.mark.parametrize("asked", [{"method": "ping"}, call(0), call(0, arguments={"n": 1})])
@pytest.mark.parametrize("given", IDS)
def test_the_server_sees_a_wire_id_and_the_host_gets_its_own_back(
    given: int | str, asked: JsonObject
) -> None:
    (
        opened()
        .host({**asked, "id": given})
        .sends_server({"id": wire(0), **{key: asked[key] for key in asked if key != "id"}})
        .quiet()
        .server({"id": wire(0), "result": {}})
        .sends_host({"id": given, "result": {}})
        .quiet()
        .idle()
    )


@pytest.mark.guarantee("ids:server-ids-stay")
@pytest.mark.parametrize("given", IDS)
def test_the_host_sees_a_wire_id_and_the_server_gets_its_own_back(given: int | str) -> None:
    (
        opened()
        .server({"id": given, "method": "ping"})
        .sends_host({"id": wire(0), "method": "ping"})
        .quiet()
        .host({"id": wire(0), "result": {}})
        .sends_server({"id": given, "result": {}})
        .quiet()
        .idle()
    )


@pytest.mark.guarantee("ids:exact-types")
@pytest.mark.parametrize("given", [*BAD_IDS, orjson.dumps("x" * 257), orjson.dumps("ü" * 129)])
def test_an_id_that_peers_read_differently_goes_nowhere(given: bytes) -> None:
    request = b'{"jsonrpc":"2.0","id":' + given + b',"method":"ping"}'
    session = opened().host(request).recorded(reason="bad_id").unrecorded()
    assert session.sends[Side.SERVER] == []
    if given != b"-0":  # to a server its own -0 is 0
        opened().server(request).drops("bad_id")


@pytest.mark.guarantee("ids:exact-types")
def test_seven_and_the_text_seven_are_two_requests() -> None:
    (
        opened()
        .host({"id": 7, "method": "ping"}, {"id": "7", "method": "ping"})
        .sends_server({"id": wire(0), "method": "ping"}, {"id": wire(1), "method": "ping"})
        .server({"id": wire(1), "result": {"b": 1}}, {"id": wire(0), "result": {"a": 1}})
        .sends_host({"id": "7", "result": {"b": 1}}, {"id": 7, "result": {"a": 1}})
        .quiet()
        .idle()
    )


@pytest.mark.guarantee("ids:in-flight-once")
def test_an_id_in_flight_is_not_forwarded_twice() -> None:
    (
        opened()
        .host({"id": 7, "method": "ping"})
        .sends_server({"id": wire(0), "method": "ping"})
        .host(call(7))
        .drops("duplicate_id")
        .told("request.refused", reason="duplicate_id")
        .server({"id": wire(0), "result": {}})
        .sends_host({"id": 7, "result": {}})
        .host({"id": 7, "method": "ping"})
        .sends_server({"id": wire(1), "method": "ping"})
        .quiet()
    )


@pytest.mark.guarantee("ids:in-flight-once")
@pytest.mark.parametrize(
    "second",
    [
        b'{"jsonrpc":"2.0","id":7,"method":"no/such"}',
        b'{"jsonrpc":"2.0","id":7,"method":"ping","method":"ping"}',
        b'{"jsonrpc":"2.0","id":7,"method":"ping","result":{}}',
    ],
)
def test_no_refusal_can_pass_for_the_answer_of_a_request_in_flight(second: bytes) -> None:
    (
        opened()
        .host({"id": 7, "method": "ping"})
        .sends_server({"id": wire(0), "method": "ping"})
        .host(second)
        .quiet()
        .server({"id": wire(0), "result": {}})
        .sends_host({"id": 7, "result": {}})
        .quiet()
    )


@pytest.mark.guarantee("ids:in-flight-once")
def test_a_server_id_in_flight_is_not_asked_twice() -> None:
    (
        opened()
        .server({"id": 1, "method": "ping"})
        .sends_host({"id": wire(0), "method": "ping"})
        .server({"id": 1, "method": "ping"})
        .drops("duplicate_id")
    )


@pytest.mark.guarantee("ids:answered-once")
@pytest.mark.parametrize(
    "forged", [wire(1), str(wire(0)), text(0), 7, "7", 0, -wire(0), wire(0) + 2**40]
)
def test_an_answer_with_any_other_id_is_dropped(forged: Json) -> None:
    (
        opened()
        .host({"id": 7, "method": "ping"})
        .sends_server({"id": wire(0), "method": "ping"})
        .server({"id": forged, "result": {"forged": True}})
        .drops("unknown_id")
        .server({"id": wire(0), "result": {}})
        .sends_host({"id": 7, "result": {}})
        .quiet()
    )


@pytest.mark.guarantee("ids:answered-once")
def test_a_second_answer_finds_nothing() -> None:
    (
        opened()
        .host({"id": 7, "method": "ping"})
        .sends_server({"id": wire(0), "method": "ping"})
        .server({"id": wire(0), "result": {}})
        .sends_host({"id": 7, "result": {}})
        .server({"id": wire(0), "result": {"again": True}})
        .drops("unknown_id")
        .server({"id": wire(0), "error": {"code": 1, "message": "again"}})
        .drops("unknown_id")
    )


@pytest.mark.guarantee("ids:answered-once")
def test_a_host_answers_a_server_once_and_only_what_was_asked() -> None:
    (
        opened()
        .host({"id": wire(0), "result": {}})
        .drops("unknown_id")
        .server({"id": "s", "method": "ping"})
        .sends_host({"id": wire(0), "method": "ping"})
        .host({"id": "s", "result": {}})
        .drops("unknown_id")
        .host({"id": wire(0), "result": {}})
        .sends_server({"id": "s", "result": {}})
        .host({"id": wire(0), "result": {}})
        .drops("unknown_id")
    )


def test_an_id_that_was_not_sent_yet_cannot_be_answered() -> None:
    (
        opened()
        .host({"id": 7, "method": "tools/list"})
        .sends_server({"id": wire(1), "method": "tools/list"})
        .server({"id": wire(0), "result": {"tools": []}})
        .drops("unknown_id")
    )


# progress tokens


@pytest.mark.guarantee("ids:tokens-translated")
def test_only_requests_hand_over_tokens() -> None:
    meta: JsonObject = {"progressToken": wire(0), "x": 1}
    shown: JsonObject = {"_meta": {"x": 1}}
    session = opened().host({"id": 1, "method": "ping"}).forget()
    session.server({"id": wire(0), "result": {"_meta": meta}})
    session.sends_host({"id": 1, "result": shown}).quiet()
    session.server({"method": "notifications/message", "params": {"data": "x", "_meta": meta}})
    session.sends_host({"method": "notifications/message", "params": {"data": "x", **shown}})
    session.quiet().server({"id": 1, "method": "ping"}).forget()
    session.host({"id": wire(1), "result": {"_meta": meta}})
    session.sends_server({"id": 1, "result": shown}).quiet().idle()


@pytest.mark.guarantee("ids:tokens-translated")
@pytest.mark.parametrize(("given", "shown"), [(7, wire(1)), ("seven", text(1)), (0, wire(1))])
def test_progress_goes_to_the_host_under_its_own_token(given: Json, shown: Json) -> None:
    progress: JsonObject = {"progress": 1, "total": 2, "message": "half"}
    (
        opened()
        .host(call(1, _meta={"progressToken": given, "traceparent": "00"}))
        .sends_server(call(wire(0), _meta={"traceparent": "00", "progressToken": shown}))
        .server({"method": "notifications/progress", "params": {"progressToken": shown} | progress})
        .sends_host(
            {"method": "notifications/progress", "params": {"progressToken": given} | progress}
        )
        .server({"method": "notifications/progress", "params": {"progressToken": given} | progress})
        .drops("unknown_token")
        .server({"id": wire(0), "result": {"content": []}})
        .sends_host({"id": 1, "result": {"content": []}})
        .server({"method": "notifications/progress", "params": {"progressToken": shown} | progress})
        .drops("unknown_token")
        .idle()
    )


@pytest.mark.guarantee("ids:tokens-translated")
@pytest.mark.parametrize(("given", "shown"), [(7, wire(1)), ("seven", text(1))])
def test_progress_goes_to_the_server_under_its_own_token(given: Json, shown: Json) -> None:
    lock = locked(requests=[RequestKind.ROOTS])
    (
        opened(lock)
        .server({"id": 1, "method": "roots/list", "params": {"_meta": {"progressToken": given}}})
        .sends_host(
            {"id": wire(0), "method": "roots/list", "params": {"_meta": {"progressToken": shown}}}
        )
        .host({"method": "notifications/progress", "params": {"progressToken": shown}})
        .sends_server({"method": "notifications/progress", "params": {"progressToken": given}})
        .host({"method": "notifications/progress", "params": {"progressToken": given}})
        .drops("unknown_token")
        .host({"id": wire(0), "result": {"roots": []}})
        .sends_server({"id": 1, "result": {"roots": []}})
        .host({"method": "notifications/progress", "params": {"progressToken": shown}})
        .drops("unknown_token")
    )


@pytest.mark.guarantee("ids:tokens-translated")
@pytest.mark.parametrize("token", [1.5, True, None, [], {"a": 1}])
def test_a_token_of_no_token_type_does_not_pass(token: Json) -> None:
    progress: JsonObject = {"method": "notifications/progress", "params": {"progressToken": token}}
    (
        opened()
        .host(call(1, _meta={"progressToken": token}))
        .sends_server(call(wire(0), _meta={}))
        .server(progress)
        .drops("unknown_token")
    )
    (
        opened()
        .server({"id": 1, "method": "ping", "params": {"_meta": {"progressToken": token}}})
        .sends_host({"id": wire(0), "method": "ping", "params": {"_meta": {}}})
        .host(progress)
        .drops("unknown_token")
    )


@pytest.mark.guarantee("ids:tokens-translated")
def test_a_token_ends_with_an_error_answer_too() -> None:
    (
        opened()
        .host(call(1, _meta={"progressToken": "t"}))
        .sends_server(call(wire(0), _meta={"progressToken": text(1)}))
        .server({"id": wire(0), "error": {"code": 1, "message": "no"}})
        .sends_host({"id": 1, "error": {"code": 1, "message": "no"}})
        .server({"method": "notifications/progress", "params": {"progressToken": text(1)}})
        .drops("unknown_token")
    )


@pytest.mark.guarantee("ids:host-ids-stay")
def test_host_ids_in_the_meta_of_requests_and_notices_stay() -> None:
    meta: JsonObject = {"progressToken": "mine", SUBSCRIPTION_ID: "mine", "kept": 1}
    lock = locked(requests=[RequestKind.ROOTS])
    (
        opened(lock)
        .host({"id": 1, "method": "ping", "params": {"_meta": meta}})
        .sends_server(
            {
                "id": wire(0),
                "method": "ping",
                "params": {"_meta": {"kept": 1, "progressToken": text(1)}},
            }
        )
        .host({"method": "notifications/roots/list_changed", "params": {"_meta": meta}})
        .sends_server(
            {"method": "notifications/roots/list_changed", "params": {"_meta": {"kept": 1}}}
        )
    )


# cancellations


@pytest.mark.guarantee("ids:cancel-translated")
def test_a_cancelled_request_keeps_its_slot_until_its_late_answer() -> None:
    (
        opened()
        .host(call("r", _meta={"progressToken": "t"}))
        .sends_server(call(wire(0), _meta={"progressToken": text(1)}))
        .host(
            {"method": "notifications/cancelled", "params": {"requestId": "r", "reason": "bored"}}
        )
        .sends_server(
            {
                "method": "notifications/cancelled",
                "params": {"requestId": wire(0), "reason": "bored"},
            }
        )
        .server({"method": "notifications/progress", "params": {"progressToken": text(1)}})
        .drops("unknown_token")
        .host(call("r"))
        .drops("duplicate_id")
        .host({"method": "notifications/cancelled", "params": {"requestId": "r"}})
        .drops("unknown_id")
        .server({"id": wire(0), "result": {"content": []}})
        .drops("late_answer")
        .idle()
        .host(call("r"))
        .sends_server(call(wire(2)))
    )


@pytest.mark.guarantee("ids:cancel-translated")
@pytest.mark.parametrize("given", [8, str(wire(0)), wire(0), None, True, [7], "7", 7.0])
def test_nothing_else_is_cancelled(given: Json) -> None:
    (
        opened()
        .host({"id": 7, "method": "ping"})
        .sends_server({"id": wire(0), "method": "ping"})
        .host({"method": "notifications/cancelled", "params": {"requestId": given}})
        .drops("unknown_id")
        .server({"id": wire(0), "result": {}})
        .sends_host({"id": 7, "result": {}})
    )


@pytest.mark.guarantee("ids:cancel-translated")
def test_a_server_cancels_its_own_request_and_no_other() -> None:
    (
        opened()
        .host({"id": 7, "method": "ping"})
        .sends_server({"id": wire(0), "method": "ping"})
        .server({"id": "s", "method": "ping"})
        .sends_host({"id": wire(1), "method": "ping"})
        .server({"method": "notifications/cancelled", "params": {"requestId": wire(0)}})
        .drops("unknown_id")
        .server({"method": "notifications/cancelled", "params": {"requestId": "s"}})
        .sends_host({"method": "notifications/cancelled", "params": {"requestId": wire(1)}})
        .server({"method": "notifications/cancelled", "params": {"requestId": "s"}})
        .drops("unknown_id")
        .host({"id": wire(1), "result": {}})
        .drops("late_answer")
        .server({"id": "s", "method": "ping"})
        .sends_host({"id": wire(2), "method": "ping"})
    )


# the random source


@pytest.mark.guarantee("ids:no-entropy-denies")
def test_without_random_ids_nothing_passes_either_way() -> None:
    sentence = "Blocked by mcpguard [wire.rng_failed]: no random id can be drawn."
    (
        opened()
        .then(lambda play: setattr(play.ids, "broken", True))
        .host({"id": 7, "method": "ping"})
        .sends_host(refused(7, -32603, sentence))
        .recorded(decision="deny", reason="rng_failed", method="ping")
        .server({"id": 8, "method": "ping"})
        .sends_server(refused(8, -32603, "no random id can be drawn"))
        .recorded(decision="deny", reason="rng_failed", method="ping")
        .quiet()
        .idle()
    )


@pytest.mark.guarantee("ids:no-entropy-denies")
def test_a_source_that_repeats_itself_denies() -> None:
    repeats = "the random source repeats itself"
    (
        opened()
        .then(lambda play: setattr(play.ids, "stuck", True))
        .host({"id": 7, "method": "ping"})
        .sends_server({"id": wire(0), "method": "ping"})
        .host({"id": 8, "method": "ping"})
        .sends_host(refused(8, -32603, f"Blocked by mcpguard [wire.rng_failed]: {repeats}."))
        .server({"id": wire(0), "result": {}})
        .sends_host({"id": 7, "result": {}})
        .quiet()
    )


@pytest.mark.guarantee("ids:no-entropy-denies")
@pytest.mark.parametrize("token", ["t", 5])
def test_a_token_that_cannot_be_drawn_denies_its_request(token: Json) -> None:
    drawn = [wire(9), wire(1), wire(1), wire(1)]
    (
        opened()
        .host(call(1, _meta={"progressToken": token}))
        .forget()
        .then(lambda play: play.ids.coming.extend(drawn))
        .host(call(2, _meta={"progressToken": token}))
        .sends_host(refused(2, -32603, "the random source repeats itself"))
        .recorded(decision="deny", reason="rng_failed")
        .quiet()
    )
    (
        opened()
        .server({"id": 1, "method": "ping", "params": {"_meta": {"progressToken": token}}})
        .forget()
        .then(lambda play: play.ids.coming.extend(drawn))
        .server({"id": 2, "method": "ping", "params": {"_meta": {"progressToken": token}}})
        .sends_server(refused(2, -32603, "the random source repeats itself"))
        .recorded(decision="deny", reason="rng_failed")
        .quiet()
    )


def test_lines_are_built_from_the_parsed_form() -> None:
    spaced = b'{ "method":"ping" ,"id":7,\t"jsonrpc":"2.0" }\r'[:-1]
    opened().host(spaced).sends_server({"id": wire(0), "method": "ping"}).quiet()
    assert line({"id": 7}) == b'{"jsonrpc":"2.0","id":7}'
    assert called("a", {"b": 1}) == {"name": "a", "arguments": {"b": 1}}


def test_a_server_request_whose_token_cannot_be_drawn_may_be_sent_again() -> None:
    request: JsonObject = {**LIST_ROOTS, "params": {"_meta": {"progressToken": 5}}}
    session = opened(ALL).server({**request, "id": "first"}).forget()
    session.ids.coming.extend([wire(9), wire(1), wire(1), wire(1)])
    session.server(request).sends_server(refused("s", -32603, "the random source repeats itself"))
    session.host({"id": wire(0), "result": {}}).forget().idle()
    shown: JsonObject = {"method": "roots/list", "params": {"_meta": {"progressToken": wire(3)}}}
    session.server(request).sends_host({"id": wire(2), **shown}).quiet()
