"""What each format makes of a record: golden files, published schemas, readers of others."""

import json
import string
from collections.abc import Iterator
from typing import Any, TypeAlias

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import mcpguard
from mcpguard.model import JsonObject, Reason
from mcpguard.siem.formats import FORMATS, event_of, framed, render
from mcpguard.siem.formats.controls import CATALOGUES, CONTROLS
from tests.tools import ROOT

FIXTURES = ROOT / "fixtures" / "siem"
RECORDS: list[JsonObject] = [
    orjson.loads(line) for line in (FIXTURES / "records.jsonl").read_bytes().splitlines()
]
HOST = "laptop-7"
OCSF = orjson.loads((FIXTURES / "ocsf-1.8.0.json").read_bytes())
ECS = orjson.loads((FIXTURES / "ecs-9.4.0.json").read_bytes())

Parsed: TypeAlias = Any
"""JSON as it was read: whether it is what it should be is the question."""

few = settings(max_examples=30)
"""Each example has a dozen texts of every kind."""

texts = st.text(max_size=60) | st.text('|\\=^%"]\r\n\t \u2028\x00a', max_size=20)
whole = st.integers(-(2**63), 2**63 - 1)
records = st.fixed_dictionaries(
    {
        "session": texts,
        "seq": st.integers(0, 2**53),
        "ts": texts | st.just("2026-11-22T00:42:04Z"),
        "server": texts,
        "principal": texts,
        "method": texts | st.just("tools/call"),
        "target": texts,
        "decision": st.sampled_from(["allow", "deny", "would_deny", "drop", "note", "", "odd"]),
        "stage": texts,
        "rule": texts,
        "reason": texts | st.sampled_from(list(map(str, Reason))),
        "detail": texts,
    },
    optional={
        "event": texts | st.sampled_from(["control.block", "approval.yes", "scan.server"]),
        "by": texts,
        "key": texts,
        "why": texts,
        "kind": texts | st.sampled_from(["tool", "server", "principal", "caller"]),
        "name": texts,
        "caller": texts,
        "findings": st.lists(texts | st.dictionaries(texts, texts, max_size=2), max_size=2) | whole,
        "outcome": texts,
        "approval": texts | whole,
        "mode": texts,
        "hash": texts,
    },
)


def golden(name: str) -> list[bytes]:
    return (FIXTURES / "golden" / f"{name}.txt").read_bytes().splitlines()


LINES = [name for name, row in FORMATS.items() if not row.needs]
"""Formats whose records are lines; the others are read in test_otlp.py."""


@pytest.mark.parametrize("name", LINES)
def test_each_record_is_rendered_as_the_golden_file_has_it(name: str) -> None:
    version = mcpguard.__version__.encode()
    made = [render(name, record, HOST).replace(version, b"VERSION") for record in RECORDS]
    assert made == golden(name)


def test_every_format_has_a_golden_file_and_every_golden_file_its_format() -> None:
    assert {path.stem for path in (FIXTURES / "golden").iterdir()} == set(LINES)


@few
@given(record=records, host=texts)
def test_a_record_is_one_line_in_every_format(record: JsonObject, host: str) -> None:
    for name in LINES:
        made = render(name, record, host)
        assert not {10, 13} & set(made), name
        made.decode("utf-8")


# --- OCSF ----------------------------------------------------------------------------------------

PLAIN = {
    "boolean_t": bool, "integer_t": int, "long_t": int, "port_t": int, "timestamp_t": int,
    "string_t": str, "resource_uid_t": str, "username_t": str, "hostname_t": str,
}  # fmt: skip


def wrong_in(thing: Parsed, fields: Parsed, at: str) -> Iterator[str]:
    """What OCSF does not permit: a name, a type, a number, a missing field, too few of several."""
    attributes = fields["attributes"]
    for name, field in attributes.items():
        if field["requirement"] == "required" and name not in thing:
            yield f"{at}/{name} is required"
    several = set(fields.get("constraints", {}).get("at_least_one", thing))
    if several and not several & set(thing):
        yield f"{at} has none of {sorted(several)}"
    for name, value in thing.items():
        if name not in attributes:
            yield f"{at}/{name} is unknown"
            continue
        field = attributes[name]
        if field.get("array", False) != isinstance(value, list):
            yield f"{at}/{name} is or is not a list"
        for each in value if isinstance(value, list) else [value]:
            yield from wrong_value(each, field, f"{at}/{name}")


def wrong_value(value: Parsed, field: Parsed, at: str) -> Iterator[str]:
    if field["type"] == "object_t":
        if field["object"] != "object":
            yield from wrong_in(value, OCSF["objects"][field["object"]], at)
        elif not isinstance(value, dict):
            yield f"{at} is no object"
    elif type(value) is not PLAIN[field["type"]]:
        yield f"{at} is a {type(value).__name__}, not a {field['type']}"
    elif "enum" in field and str(value) not in field["enum"] and field["type"] != "string_t":
        yield f"{at} is {value}, not of {field['enum']}"


def wrong_event(event: Parsed) -> list[str]:
    name = {6003: "api_activity", 2004: "detection_finding"}[event["class_uid"]]
    made = list(wrong_in(event, OCSF["classes"][name], ""))
    if event["type_uid"] != event["class_uid"] * 100 + event["activity_id"]:
        made.append("type_uid")
    return made


@pytest.mark.guarantee("siem:ocsf-is-ocsf")
@pytest.mark.parametrize("record", RECORDS, ids=lambda record: str(record["seq"]))
def test_what_is_rendered_is_an_event_of_the_published_schema(record: JsonObject) -> None:
    assert wrong_event(orjson.loads(render("ocsf", record, HOST))) == []


@pytest.mark.guarantee("siem:ocsf-is-ocsf")
@few
@given(record=records, host=texts)
def test_whatever_a_record_says_the_event_is_one_of_the_schema(
    record: JsonObject, host: str
) -> None:
    assert wrong_event(orjson.loads(render("ocsf", record, host))) == []


@pytest.mark.parametrize(
    ("change", "found"),
    [
        ({"api": {}}, "/api/operation is required"),
        ({"actor": {}}, "/actor has none of"),
        ({"colour": 1}, "/colour is unknown"),
        ({"action_id": 77}, "/action_id is 77"),
        ({"time": "now"}, "/time is a str"),
        ({"resources": {}}, "/resources is or is not a list"),
        ({"activity_id": 1}, "type_uid"),
    ],
)
def test_the_walker_finds_what_is_wrong(change: JsonObject, found: str) -> None:
    made = orjson.loads(render("ocsf", RECORDS[1])) | change
    assert any(found in each for each in wrong_event(made))


def test_drift_and_findings_are_detections_and_all_else_is_activity() -> None:
    classes = [orjson.loads(render("ocsf", record))["class_uid"] for record in RECORDS]
    assert classes == [6003, 6003, 2004, 6003, 2004, *[6003] * 9, 2004, 6003]


def test_what_became_of_it_is_said_in_the_words_of_security_control() -> None:
    events = [orjson.loads(render("ocsf", record)) for record in RECORDS]
    assert [(each["action_id"], each["disposition_id"]) for each in events] == [
        (3, 17), (1, 1), (2, 2), (2, 2), (2, 2), (1, 8), (4, 11), (3, 17), (2, 6), (3, 17),
        (3, 17), (3, 17), (3, 17), (3, 14), (3, 17), (3, 17),
    ]  # fmt: skip


# --- ECS -----------------------------------------------------------------------------------------

KINDS = {"keyword": str, "date": str, "match_only_text": str, "long": int, "wildcard": str}


def flat(thing: Parsed, at: str = "") -> Iterator[tuple[str, Parsed]]:
    for key, value in thing.items():
        if isinstance(value, dict):
            yield from flat(value, f"{at}{key}.")
        else:
            yield f"{at}{key}", value


def wrong_document(made: Parsed) -> list[str]:
    found = []
    for name, value in flat(made):
        if name.startswith("mcpguard."):
            continue
        field = ECS.get(name)
        if field is None or field.get("array", False) != isinstance(value, list):
            found.append(name)
            continue
        for each in value if isinstance(value, list) else [value]:
            words = field.get("words", [each])
            if type(each) is not KINDS[field["type"]] or each not in words:
                found.append(f"{name}: {each}")
    return found


@pytest.mark.guarantee("siem:ecs-is-ecs")
@few
@given(record=records, host=texts)
def test_every_field_is_one_of_the_common_schema_or_under_our_name(
    record: JsonObject, host: str
) -> None:
    assert wrong_document(orjson.loads(render("ecs", record, host))) == []


@pytest.mark.guarantee("siem:ecs-is-ecs")
@pytest.mark.parametrize("record", RECORDS, ids=lambda record: str(record["seq"]))
def test_the_golden_documents_are_of_the_common_schema(record: JsonObject) -> None:
    assert wrong_document(orjson.loads(render("ecs", record, HOST))) == []


@pytest.mark.parametrize(
    ("written", "told"),
    [
        ("9999-12-31T23:59:59.999999Z", "9999-12-31T23:59:59.000+00:00"),
        ("9999-12-31T23:59:59.999999-01:00", "9999-12-31T23:59:59.000+00:00"),
        ("0001-01-01T00:00:00Z", "1970-01-01T00:00:00.000+00:00"),
        ("no time", "1970-01-01T00:00:00.000+00:00"),
    ],
)
def test_a_time_beyond_all_times_breaks_no_format(written: str, told: str) -> None:
    record: JsonObject = {**RECORDS[0], "ts": written}
    assert event_of(record, HOST).stamp == told
    for name in FORMATS:
        render(name, record, HOST)


# --- CEF, LEEF, RFC 5424: readers written from their specifications ------------------------------


def unescaped(text: str, stops: str, escapes: dict[str, str]) -> tuple[str, str]:
    """What stands before the first bare one of `stops`, and the rest from it on."""
    made, at = "", 0
    while at < len(text) and text[at] not in stops:
        if text[at] == "\\":
            at += 1
            made += escapes[text[at]]
        else:
            made += text[at]
        at += 1
    return made, text[at:]


def read_cef(line: str) -> tuple[list[str], dict[str, str]]:
    header: list[str] = []
    for _ in range(7):
        part, line = unescaped(line, "|", {"\\": "\\", "|": "|"})
        header.append(part)
        line = line[1:]
    pairs: dict[str, str] = {}
    key = ""
    while line:
        value, rest = unescaped(line, "=", {"\\": "\\", "=": "=", "n": "\n", "r": "\r"})
        if rest and key:
            pairs[key], _, key = value.rpartition(" ")
        elif rest:
            key = value
        else:
            pairs[key] = value
        line = rest[1:]
    return header, pairs


def read_leef(line: str) -> tuple[list[str], dict[str, str]]:
    *header, rest = line.split("|", 6)
    pairs = dict(each.split("=", 1) for each in rest.split(header[5]))
    return header, {key: decoded(value) for key, value in pairs.items()}


def decoded(text: str) -> str:
    for code, plain in (("%0D", "\r"), ("%0A", "\n"), ("%5E", "^"), ("%7C", "|"), ("%25", "%")):
        text = text.replace(code, plain)
    return text


def shown(text: str) -> str:
    return "".join(each if each.isprintable() or each in "\r\n" else "\ufffd" for each in text)


@pytest.mark.guarantee("siem:values-cannot-forge-fields")
@few
@given(record=records, host=texts)
def test_cef_is_read_back_field_by_field(record: JsonObject, host: str) -> None:
    header, pairs = read_cef(render("cef", record, host).decode())
    event = event_of(record, host)
    assert header[:3] == ["CEF:0", "mcpguard", "mcpguard"]
    assert header[6].isdecimal()
    said = {
        "suser": event.who, "suid": event.text("key"), "duser": event.affected,
        "dproc": event.server, "deviceProcessName": event.recorder, "dvchost": host,
        "request": event.text("method"), "reason": event.text("reason"), "msg": event.why,
        "cs1": event.target, "cs2": event.text("stage"), "cs5": event.text("hash"),
    }  # fmt: skip
    told = {key: shown(value) for key, value in said.items() if value}
    assert {key: pairs.get(key) for key in told} == told
    assert pairs.keys() <= {
        *said, "rt", "act", "outcome", "externalId", "app", "cat", "cn1", "cn1Label", "cs3", "cs4",
        "cs6", *(f"cs{number}Label" for number in range(1, 7)), "flexString1",
    }  # fmt: skip


@pytest.mark.guarantee("siem:values-cannot-forge-fields")
@few
@given(record=records, host=texts)
def test_leef_is_read_back_field_by_field(record: JsonObject, host: str) -> None:
    header, pairs = read_leef(render("leef", record, host).decode())
    event = event_of(record, host)
    assert (header[0], header[5]) == ("LEEF:2.0", "^")
    said = {
        "usrName": event.who, "approverKey": event.text("key"), "caller": event.affected,
        "identHostName": host, "resource": event.server, "recorder": event.recorder,
        "method": event.text("method"), "tool": event.target, "stage": event.text("stage"),
        "reason": event.text("reason"), "msg": event.why, "hash": event.text("hash"),
    }  # fmt: skip
    told = {key: shown(value) for key, value in said.items() if value}
    assert {key: pairs.get(key) for key in told} == told


def read_5424(frame: str) -> tuple[list[str], dict[str, str], str]:
    *head, rest = frame.split(" ", 6)
    pairs: dict[str, str] = {}
    if rest.startswith("- "):
        return head, pairs, rest[2:]
    assert rest.startswith("[mcpguard@32473 ")
    rest = rest[len("[mcpguard@32473") :]
    while rest[0] == " ":
        key, _, rest = rest[1:].partition('="')
        value, rest = unescaped(rest, '"', {"\\": "\\", '"': '"', "]": "]"})
        assert "]" not in key
        pairs[key], rest = value, rest[1:]
    assert rest.startswith("] ")
    return head, pairs, rest[2:]


@pytest.mark.guarantee("siem:values-cannot-forge-fields")
@few
@given(record=records)
def test_a_syslog_frame_is_read_back_with_its_data_and_message(record: JsonObject) -> None:
    head, pairs, message = read_5424(render("syslog", record).decode())
    assert head[0].endswith(">1")
    assert head[3] == "mcpguard"
    assert all(set(each) <= set(map(chr, range(33, 127))) and each for each in head)
    assert orjson.loads(message) == record
    event = event_of(record)
    plain = "".join(each if each.isprintable() else "\ufffd" for each in event.text("method"))
    assert pairs.get("method", "") == plain


@pytest.mark.guarantee("siem:says-who-did-it")
@pytest.mark.parametrize(
    ("number", "told"),
    [
        (10, ("ann", "ed25519:9c0e", "local:default", "notes", "pay", "asked for | by=finance")),
        (11, ("ann, bob", "ed25519:9c0e", "", "notes", "pay", "incident 4711")),
        (12, ("ann", "", "ci:nightly", "notes", "", "")),
        (13, ("local:default", "", "", "notes", "pay", "pay waits for a person")),
        (14, ("", "", "", "github", "", "")),
        (15, ("ann", "ed25519:9c0e", "", "github", "", "incident 4711")),
    ],
    ids=["approval", "block-tool", "block-caller", "hold", "scan", "block-server"],
)
def test_every_format_says_who_did_what_to_whom_and_why(number: int, told: tuple[str, ...]) -> None:
    who, key, whom, server, tool, why = told
    record = RECORDS[number]
    _, cef = read_cef(render("cef", record, HOST).decode())
    keys = ("suser", "suid", "duser", "dproc", "cs1", "msg")
    assert tuple(cef.get(each, "") for each in keys) == told
    assert (cef.get("cs1Label"), cef["dvchost"]) == ("tool" if tool else None, HOST)
    _, leef = read_leef(render("leef", record, HOST).decode())
    keys = ("usrName", "approverKey", "caller", "resource", "tool", "msg")
    assert tuple(leef.get(each, "") for each in keys) == told
    ecs = dict(flat(orjson.loads(render("ecs", record, HOST))))
    person = who if "by" in record else None
    assert (ecs.get("user.id", ""), ecs.get("user.name")) == (key or who, person)
    assert (ecs["service.name"], ecs.get("gen_ai.tool.name", "")) == (server, tool)
    assert (ecs["host.name"], ecs.get("event.reason", "")) == (HOST, why)
    assert whom in ecs.get("related.user", [""]) or not whom
    ocsf = orjson.loads(render("ocsf", record, HOST))
    evidence = ocsf["evidences"][0] if "evidences" in ocsf else ocsf
    user = evidence["actor"].get("user", {})
    assert (user.get("name"), user.get("uid", "")) == (person, key or who)
    assert (user.get("credential_uid", ""), ocsf["device"]["hostname"]) == (key, HOST)
    assert {each["name"] for each in ocsf.get("resources", ())} == {tool, whom, "github"} - {
        "",
        *["github"] * (server != "github"),
    }
    assert why in ocsf["message"]
    assert evidence["api"]["service"]["name"] == server
    line = render("syslog", record, HOST).decode()
    assert line.split(" ")[2] == HOST
    assert orjson.loads(render("hec", record, HOST))["host"] == HOST
    said = {each["key"]: each["value"] for each in
            orjson.loads(render("otlp-json", record, HOST))["attributes"]}  # fmt: skip
    assert said["host.name"] == {"stringValue": HOST}
    assert said.get("user.name", {}).get("stringValue") == person


@pytest.mark.guarantee("siem:keeps-the-recorder")
def test_every_format_names_the_server_whose_session_recorded_what_is_about_another() -> None:
    record = RECORDS[15]
    assert (record["server"], record["name"]) == ("notes", "github")
    _, cef = read_cef(render("cef", record, HOST).decode())
    _, leef = read_leef(render("leef", record, HOST).decode())
    ecs = orjson.loads(render("ecs", record, HOST))
    ocsf = orjson.loads(render("ocsf", record, HOST))
    places = [cef["deviceProcessName"], leef["recorder"], ecs["mcpguard"]["server"]]
    assert [*places, ocsf["unmapped"]["server"]] == ["notes"] * 4
    for name in LINES:
        made = render(name, record, HOST)
        assert (b"notes" in made, b"github" in made) == (True, True), name


def test_a_message_begins_without_a_byte_order_mark() -> None:
    made = framed(event_of(RECORDS[0], "büro 7"), render("cef", RECORDS[0]))
    assert made.startswith(
        b"<110>1 2026-11-22T00:41:58.645Z b_ro_7 mcpguard - session.start - CEF:0|"
    )
    assert b"\xef\xbb\xbf" not in made


# --- bodies --------------------------------------------------------------------------------------


def test_json_is_the_line_of_the_log_byte_for_byte() -> None:
    lines = (FIXTURES / "records.jsonl").read_bytes().splitlines()
    assert [render("json", record) for record in RECORDS] == lines


def test_a_batch_for_splunk_is_one_object_behind_the_other() -> None:
    body = FORMATS["hec"].body([render("hec", record) for record in RECORDS[:2]]).decode()
    first, end = json.JSONDecoder().raw_decode(body)
    second = orjson.loads(body[end:])
    assert (first["event"], second["event"]) == (RECORDS[0], RECORDS[1])
    assert second["time"] == 1795308118.822


def test_an_otlp_body_holds_its_records_under_one_resource_and_scope() -> None:
    rendered = [render("otlp-json", record) for record in RECORDS]
    body = orjson.loads(FORMATS["otlp-json"].body(rendered))
    (resource,) = body["resourceLogs"]
    (scope,) = resource["scopeLogs"]
    assert [orjson.loads(each["body"]["stringValue"]) for each in scope["logRecords"]] == RECORDS
    assert all(set(each["timeUnixNano"]) <= set(string.digits) for each in scope["logRecords"])


# --- controls ------------------------------------------------------------------------------------


def test_every_control_is_of_its_catalogue_and_every_reason_one_of_ours() -> None:
    named = {tuple(each.split(":", 1)) for row in CONTROLS.values() for each in row}
    assert {each for each in named if each[1] not in CATALOGUES[each[0]]} == set()
    assert set(CONTROLS) <= set(Reason)


@pytest.mark.parametrize(
    ("reason", "control"),
    [
        ("drifted", "owasp-mcp:MCP03"),
        ("not_locked", "owasp-mcp:MCP09"),
        ("sanitised", "owasp-agentic:ASI02"),
        ("redacted", "hipaa:164.312(e)(1)"),
        ("audit_unwritable", "hipaa:164.312(b)"),
    ],
)
def test_a_denial_names_the_controls_it_is_about(reason: str, control: str) -> None:
    made = event_of({"decision": "deny", "reason": reason})
    assert control in made.controls
