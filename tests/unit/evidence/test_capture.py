"""What is captured: redacted first, cut, and never in the way of a record."""

import base64
import hashlib
from collections.abc import Sequence
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mcpguard.audit.record import MAX_BODY, Encoder, Record
from mcpguard.config.layers import settings_of
from mcpguard.config.loading import preset_values
from mcpguard.config.settings import Preset
from mcpguard.errors import AuditError
from mcpguard.evidence.capture import (
    MAX_BRIEF,
    MAX_LOOKED,
    MAX_SHOWN,
    Choice,
    Witness,
    brief,
    params_hash,
)
from mcpguard.model import Allowed, Json, JsonObject
from mcpguard.scan import DETECTORS, find
from mcpguard.scan.patterns import Action, Form, Pattern, Patterns

UP, DOWN = "host>server", "server>host"
CALL = Allowed(UP, "tools/call", "write")
RESULT = Allowed(DOWN, "tools/call", "write")
KEY = "ghp_" + "aZ3kQ9xW7mB2nV5tR8yU1pL6sD4fG0hJcEoI"
CARD, MAIL = "4111 1111 1111 1111", "anna@example.org"
OWN = Patterns.of([Pattern("ticket", Form.RE2, r"TICKET-\d+", Action.REDACT)])


class Kept:
    """A log that keeps what it is given."""

    def __init__(self) -> None:
        self.records: list[Record] = []

    def write(self, records: Sequence[Record]) -> None:
        self.records += records

    def args_digest(self, encoded: bytes) -> str:
        return f"keyed:{len(encoded)}"


def told(
    record: Allowed | JsonObject,
    encoded: bytes,
    *,
    arguments: tuple[str, ...] = ("*",),
    evidence: bool = False,
    patterns: Patterns | None = None,
) -> tuple[Any, bytes]:
    """What the log is given of one record."""
    log = Kept()
    witness = Witness(
        log, arguments=Choice(arguments), evidence=evidence, patterns=lambda: patterns
    )
    witness.write([(record, encoded)])
    return log.records[0]


def captured(value: Json, *, patterns: Patterns | None = None) -> dict[str, Any]:
    made: dict[str, Any] = told(CALL, orjson.dumps(value), patterns=patterns)[0]["captured"]
    return made


def answered(result: Json, key: str = "result") -> dict[str, Any]:
    line = orjson.dumps({"jsonrpc": "2.0", "id": 7, key: result}) + b"\n"
    made: dict[str, Any] = told(RESULT, line)[0]["captured"]
    return made


def test_a_record_of_a_captured_call_holds_its_arguments() -> None:
    record, encoded = told(CALL, b'{"path":"/srv/a","n":1.5}')
    assert encoded == b'{"path":"/srv/a","n":1.5}'  # digested as ever
    shown = {"what": "arguments", "text": encoded.decode(), "size": 25, "cut": 0, "redacted": 0}
    assert record.pop("captured") == shown
    assert record == CALL.fields()


@pytest.mark.parametrize(
    ("record", "encoded", "arguments"),
    [
        (CALL, b'{"a":1}', ()),
        (CALL, b'{"a":1}', ("read_*", "Write")),
        (RESULT, b"", ("*",)),
        (Allowed(UP, "prompts/get", "write"), b'{"a":1}', ("*",)),
        (Allowed(UP, "tools/list", ""), b"", ("*",)),
        ({"event": "session.killed"}, b"", ("*",)),
        (
            {
                "direction": UP,
                "method": "tools/call",
                "target": "",
                "decision": "deny",
                "stage": "wire",
            },
            b"",
            ("*",),
        ),
    ],
)
def test_every_other_record_goes_on_as_it_is(
    record: Allowed | JsonObject, encoded: bytes, arguments: tuple[str, ...]
) -> None:
    assert told(record, encoded, arguments=arguments) == (record, encoded)


CONFIDENTIAL: list[tuple[Json, str]] = [
    ({"text": f"key {KEY} here"}, "secret"),
    ({"a": [{"b": CARD}]}, "card"),
    ({"to": MAIL}, "email"),
    ({MAIL: 1}, "email"),
    ({"n": 4111111111111111}, "card"),
    ({"ssn": "078-05-1121"}, "ssn"),
    ({"password": "hunter2"}, "named"),
    ({"passw0rd": "hunter2"}, "named"),
    ({"p\u00e1ssword": "hunter2"}, "named"),
    ({"signing_key": "hunter2"}, "named"),
    ({"auth": "hunter2"}, "named"),
    ({"headers": {"Authorization": ["Basic", "YTpi"]}}, "named"),
    ({"API_KEY": 12345}, "named"),
    ({"text": orjson.dumps({"mail": MAIL}).decode()}, "email"),
    ({"x": f'a\n"{MAIL}"\t\\'}, "email"),
    ({"ref": "see TICKET-4711 there"}, "ticket"),
]


@pytest.mark.guarantee("evidence:captured-redacted")
@pytest.mark.parametrize(("value", "kind"), CONFIDENTIAL)
def test_what_is_confidential_is_taken_out_before_the_log_has_it(value: Json, kind: str) -> None:
    made = captured(value, patterns=OWN)
    assert "[mcpguard:" in made["text"]
    for secret in (
        KEY, CARD, MAIL, "4111111111111111", "078-05", "hunter2", "YTpi", "12345", "4711",
    ):  # fmt: skip
        assert secret not in made["text"], kind


NAMED: list[tuple[str, str]] = [
    ('{"password": "hunter2", "n":1}', '{"password":"[mcpguard:named]","n":1}'),
    ('{"a":{"token":"hunter2"},"a":1}', '{"a":{"token":"[mcpguard:named]"},"a":1}'),
    ('{"\\u0074oken": ["hunter2"]}', '{"token":"[mcpguard:named]"}'),
    ('{"x":"{\\"pin\\":\\"hunter2\\"}"}', '{"x":"{\\"pin\\":\\"[mcpguard:named]\\"}"}'),
    ('Found:\n{"secret":\n {"a": "hunter2"}}\nok', 'Found:\n{"secret":"[mcpguard:named]"}\nok'),
    ('[1] {"cookie":\n ["hunter2"]}', '[1] {"cookie":"[mcpguard:named]"}'),
    ('{"a":1}\n{"pwd":"hunter2"}', '{"a":1}\n{"pwd":"[mcpguard:named]"}'),
    ('{"a":1}\n{"secrets": {\n "x": "hunter2"\n}}', '{"a":1}\n{"secrets": [mcpguard:named]'),
    ("{'api_key': 'hunter2', 'n': 1}", "{'api_key': '[mcpguard:named]', 'n': 1}"),
    ('"{\\"token\\":\\"hunter2\\"}"', '"{\\"token\\":[mcpguard:named]'),
    ("password=hunter2", "password=[mcpguard:named]"),
    ("a DB_PASSWORD=hunter2 b", "a DB_PASSWORD=[mcpguard:named] b"),
    ("PASSWORD=horse hunter2\nuser=anna", "PASSWORD=[mcpguard:named]\nuser=anna"),
    ("https://h/?token=hunter2&user=anna", "https://h/?token=[mcpguard:named]&user=anna"),
    ("db 'secret' = 'horse hunter2' x", "db 'secret' = '[mcpguard:named]' x"),
    ('a api-key="horse hunter2" x', 'a api-key="[mcpguard:named]" x'),
    ("password: hunter2", "password: [mcpguard:named]"),
    ("user: a\nAPI Key : hunter2\nx: y", "user: a\nAPI Key : [mcpguard:named]\nx: y"),
    ("Authorization: Basic hunter2", "Authorization: [mcpguard:named]"),
    ("- authorization=Bearer hunter2 x", "- authorization=[mcpguard:named] x"),
    ("**Token**: hunter2", "**Token**: [mcpguard:named]"),
    ("pass: |\n  hunter2\n  hunter2\nx: y", "pass: [mcpguard:named]\nx: y"),
    ("cfg['token'] => hunter2", "cfg['token'] => [mcpguard:named]"),
    ("svc --user a --password hunter2 -v", "svc --user a --password [mcpguard:named] -v"),
    ("svc --db-password 'horse hunter2' x", "svc --db-password '[mcpguard:named]' x"),
    ("svc --api-key hunter2; ls", "svc --api-key [mcpguard:named]; ls"),
    ("sshpass -p hunter2 ssh h", "sshpass -p [mcpguard:named] ssh h"),
    ("mysql -u a -phunter2 db", "mysql -u a -p[mcpguard:named] db"),
    ("docker login -u a -p hunter2 h", "docker login -u a -p [mcpguard:named] h"),
    ("docker login -phunter2 h", "docker login -p[mcpguard:named] h"),
    ("curl -u anna:hunter2 https://h", "curl -u anna:[mcpguard:named] https://h"),
    ("curl 'h?a=1&b' -sSuanna:hunter2 x", "curl 'h?a=1&b' -sSuanna:[mcpguard:named] x"),
    ("curl \\\n --user 'a:my hunter2' h", "curl \\\n --user 'a:[mcpguard:named]' h"),
    ('curl -ua:hunter2 -U "b:hunter2" h', 'curl -ua:[mcpguard:named] -U "b:[mcpguard:named]" h'),
    ("curl --proxy-user=a:hunter2 h", "curl --proxy-user=a:[mcpguard:named] h"),
    ("curl --oauth2-bearer hunter2 h", "curl --oauth2-bearer [mcpguard:named] h"),
    ("http -a anna:hunter2 GET h", "http -a anna:[mcpguard:named] GET h"),
    ("wget --password=hunter2 h", "wget --password=[mcpguard:named] h"),
    ("mysqldump -phunter2 -P3306 db", "mysqldump -p[mcpguard:named] -P3306 db"),
    ("PGPASSWORD='hunter2' psql", "PGPASSWORD='[mcpguard:named]' psql"),
    ("a; SSHPASS=hunter2 sshpass -e", "a; SSHPASS=[mcpguard:named] sshpass -e"),
    ("redis-cli -a hunter2 get x", "redis-cli -a [mcpguard:named] get x"),
    ("mongosh -u a -p hunter2", "mongosh -u a -p [mcpguard:named]"),
    ("ldapsearch -D cn=a -w hunter2", "ldapsearch -D cn=a -w [mcpguard:named]"),
    ("smbclient -U anna%hunter2 //h/s", "smbclient -U anna%[mcpguard:named] //h/s"),
    ("openssl rsa -passin pass:hunter2", "openssl rsa -passin pass:[mcpguard:named]"),
    (
        "unzip -P hunter2 a.zip; 7z x -phunter2",
        "unzip -P [mcpguard:named] a.zip; 7z x -p[mcpguard:named]",
    ),
    ("git clone https://u:hunter2@h/r", "git clone https://u:[mcpguard:named]@h/r"),
    ("redis://:p@hunter2@h:6379/0", "redis://:[mcpguard:named]@h:6379/0"),
    ('["curl", "-u", "anna:my hunter2"]', '["curl","-u","anna:[mcpguard:named]"]'),
    (
        '{"command":"mysql","args":["-phunter2"]}',
        '{"command":"mysql","args":["-p[mcpguard:named]"]}',
    ),
    ("<a><password>hunter2</password></a>", "<a><password>[mcpguard:named]</password></a>"),
    ('<b:Token id="1"> hunter2\n</b:Token>', '<b:Token id="1"> [mcpguard:named]\n</b:Token>'),
    ("<pwd><![CDATA[<hunter2]]></pwd>", "<pwd>[mcpguard:named]</pwd>"),
    ('["svc", "--token", "hunter2", "-v"]', '["svc","--token","[mcpguard:named]","-v"]'),
]
"""Texts with a secret under its name, and what is captured of them."""


@pytest.mark.guarantee("evidence:named-in-text")
@pytest.mark.guarantee("evidence:password-by-place")
@pytest.mark.guarantee("evidence:redactions-counted")
@pytest.mark.parametrize(("text", "shown"), NAMED)
def test_what_a_name_calls_secret_is_taken_out_of_texts_too(text: str, shown: str) -> None:
    for made in (captured({"t": text}), answered({"content": [{"type": "text", "text": text}]})):
        assert orjson.dumps(shown).decode() in made["text"]
        assert "hunter2" not in made["text"]
        assert find(made["text"], (DETECTORS["secrets"],)) == ()
        assert made["redacted"] == made["text"].count("[mcpguard:")


@pytest.mark.parametrize(
    "text",
    [
        "the token is in the drawer",
        "author: anna, compass: north",
        '{"author": "anna", "n": 1.50}',
        "password:",
        "see {token} or [secret]",
        "svc <token> <secret> and <password></password>",
        "docker login --password-stdin registry",
        "mkdir -p a/b; docker run -p 80:80 nginx; psql -p 5432; mysql -p db",
        "svc --password --verbose; svc --author anna",
        "docker run -u 1000:1000 x; ls -p a; grep -w x; zip -r P; sort -u a:b",
        "curl -u anna https://h:8080/@x; mail a@b; https://anna@h/; mysql -P 3306 -p db",
        '["curl", "-u", "anna", "-o", "a:b"]',
        "curl --url https://h:80/x -H 'Accept: y' -o a:b; ls -a https://h",
        "<author>anna</author> <compass>north</compass>",
        '["svc", "--password", "--verbose", "--password-stdin", "a"]',
        "password: [mcpguard:named]",
    ],
)
def test_what_is_no_secret_stays_as_it_is(text: str) -> None:
    made = captured({"t": text})
    assert (orjson.loads(made["text"]), made["redacted"]) == ({"t": text}, 0)


@pytest.mark.guarantee("evidence:redactions-counted")
def test_every_place_is_counted_once() -> None:
    made = captured({"password": "a", "b": [MAIL, {"token": 1}], "c": f"{MAIL} pin=7 {KEY}"})
    assert (made["redacted"], made["text"].count("[mcpguard:")) == (6, 6)


@pytest.mark.guarantee("evidence:capture-bounded")
def test_more_names_than_a_look_may_take_are_not_shown() -> None:
    assert captured(["pin: 1"] * 5000)["text"] == ""


@pytest.mark.guarantee("evidence:captured-redacted")
@given(
    st.recursive(
        st.one_of(st.text(max_size=20), st.integers(), st.sampled_from([KEY, CARD, MAIL])),
        lambda below: st.one_of(
            st.lists(below, max_size=3), st.dictionaries(st.text(max_size=5), below, max_size=3)
        ),
        max_leaves=8,
    )
)
def test_nothing_that_the_detectors_know_is_found_in_what_was_captured(value: Json) -> None:
    try:
        encoded = orjson.dumps(value)
    except TypeError:  # an integer beyond 64 bits: no host sends one
        return
    text = told(CALL, encoded)[0]["captured"]["text"]
    known = [DETECTORS[name] for name in ("secrets", "ssn", "card", "iban", "email", "phone")]
    assert find(text, tuple(known)) == ()


@pytest.mark.guarantee("evidence:capture-bounded")
@pytest.mark.parametrize(
    ("value", "shown", "cut", "unread"),
    [
        ({"t": "y" * 5000}, 5008, 0, False),
        ({"t": "y" * (MAX_SHOWN - 8)}, MAX_SHOWN, 0, False),
        ({"t": "y" * MAX_SHOWN}, MAX_SHOWN, 8, False),
        ({"t": '"' * 20_000}, MAX_SHOWN, 40_008 - MAX_SHOWN, False),
        ({"t": "\U0001f600" * 15_000}, MAX_SHOWN, 15_008 - MAX_SHOWN, False),
        ({"t": "y" * MAX_LOOKED}, 0, 0, True),
        ({"t": f"{MAIL} " * 400}, 400 * len("[mcpguard:email] ") + 8, 0, False),
        ({"t": f"{MAIL} " * 3000}, 0, 0, True),  # more than a look may take
    ],
)
def test_what_is_long_is_cut_and_the_record_says_how_much(
    value: Json, shown: int, cut: int, unread: bool
) -> None:
    record, _ = told(CALL, orjson.dumps(value))
    made = record["captured"]
    assert (len(made["text"]), made["cut"], "unread" in made) == (shown, cut, unread)
    assert made["size"] == len(orjson.dumps(value))
    body = Encoder(session="s", server="s", principal="p", defaults={}).body(1, 0.0, record, b"d")
    assert len(body) < MAX_BODY
    assert orjson.loads(body + b"}")["captured"] == made  # no line was cut for it


def test_a_result_is_captured_with_a_digest_of_all_of_it() -> None:
    result: Json = {"content": [{"type": "text", "text": f"mail {MAIL}"}]}
    made = answered(result)
    assert (made["what"], made["digest"]) == ("result", f"keyed:{len(orjson.dumps(result))}")
    assert made["text"] == '{"content":[{"type":"text","text":"mail [mcpguard:email]"}]}'
    assert answered({"code": 1, "message": "no"}, "error")["what"] == "error"


def test_pictures_are_named_not_shown() -> None:
    data = base64.b64encode(KEY.encode()).decode()
    made = answered(
        {
            "content": [
                {"type": "image", "data": data, "mimeType": "image/png"},
                {"type": "resource", "resource": {"uri": "f:///a", "blob": data}},
            ]
        }
    )
    assert data not in made["text"]
    assert made["text"].count(f"[{len(data)} characters of base64]") == 2


@pytest.mark.guarantee("evidence:capture-bounded")
@pytest.mark.parametrize(
    "line",
    [b"", b"\xff", b"[]\n", b"{}\n", b'{"result":"\\ud800"}\n', b'{"result":1' + b"0" * 400 + b"}"],
)
def test_a_result_that_cannot_be_read_keeps_no_record_out_of_the_log(line: bytes) -> None:
    record, encoded = told(RESULT, line or b"{")
    assert (record["decision"], record["captured"]["text"], encoded) == ("allow", "", b"")
    assert record["captured"]["unread"]


RFC_8785: list[tuple[bytes, bytes]] = [
    (
        (
            b'{"numbers":[333333333.33333329,1E30,4.50,2e-3,0.000000000000000000000000001],'
            b'"string":"\\u20ac$\\u000F\\u000aA\'\\u0042\\u0022\\u005c\\\\\\"\\/",'
            b'"literals":[null,true,false]}'
        ),
        (
            b'{"literals":[null,true,false],"numbers":[333333333.3333333,1e+30,4.5,0.002,1e-27],'
            b'"string":"\xe2\x82\xac$\\u000f\\nA\'B\\"\\\\\\\\\\"/"}'
        ),
    ),
    (
        b'{"\\u20ac":1,"\\r":2,"\\ufb33":3,"1":4,"\\ud83d\\ude00":5,"\\u0080":6,"\\u00f6":7}',
        '{"\\r":2,"1":4,"\x80":6,"\xf6":7,"\u20ac":1,"\U0001f600":5,"\ufb33":3}'.encode(),
    ),
    *(
        (b'{"x":%s}' % given, b'{"x":%s}' % form)
        for given, form in [
            (b"0", b"0"),
            (b"-0.0", b"0"),
            (b"1.0", b"1"),
            (b"5e-324", b"5e-324"),
            (b"-1.7976931348623157e308", b"-1.7976931348623157e+308"),
            (b"9007199254740992", b"9007199254740992"),
            (b"2.9514790517935283e20", b"295147905179352830000"),
            (b"9.999999999999997e22", b"9.999999999999997e+22"),
            (b"1e21", b"1e+21"),
            (b"1e23", b"1e+23"),
            (b"9.999999999999997e-7", b"9.999999999999997e-7"),
            (b"0.000001", b"0.000001"),
            (b"333333333.33333325", b"333333333.33333325"),
        ]
    ),
]
"""RFC 8785: sections 3.2.2 to 3.2.4, appendix B. Given, and its form."""


@pytest.mark.guarantee("evidence:params-hash")
@pytest.mark.parametrize(("given", "form"), RFC_8785)
def test_the_parameter_hash_is_of_the_rfc_8785_form(given: bytes, form: bytes) -> None:
    wanted = base64.urlsafe_b64encode(hashlib.sha256(form).digest()).rstrip(b"=").decode()
    assert params_hash(orjson.loads(given)) == f"sha256:{wanted}"
    record, _ = told(CALL, given, arguments=(), evidence=True)
    assert record == {**CALL.fields(), "params_hash": f"sha256:{wanted}"}


def test_a_call_without_arguments_has_the_hash_of_an_empty_object() -> None:
    record, encoded = told(CALL, b"", arguments=(), evidence=True)
    assert (record["params_hash"], encoded) == (params_hash({}), b"")


def test_a_call_whose_parameters_cannot_be_hashed_is_not_recorded() -> None:
    with pytest.raises(AuditError, match="no hash of a call's parameters"):
        told(CALL, b'{"a":"\\ud800"}', evidence=True)


@pytest.mark.parametrize("preset", Preset)
def test_no_preset_captures_anything(preset: Preset) -> None:
    audit = settings_of(preset_values(preset)).audit
    assert (audit.capture_arguments, audit.capture_results, audit.evidence) == ((), (), False)
    assert audit.receipts == "on"


def test_tools_are_named_by_globs() -> None:
    choice = Choice(["get_*", "put"])
    names = ["get_a", "get_", "put", "putx", "Get_a", ""]
    assert [choice.takes(name) for name in names * 2] == [True, True, True, False, False, False] * 2
    assert not Choice([])
    for number in range(3000):  # what a host invents is forgotten again
        assert not choice.takes(f"x{number}")


@pytest.mark.parametrize("depth", [200, 300, 1000, 5000])
def test_json_in_a_text_may_be_nested_as_deep_as_it_likes(depth: int) -> None:
    text = '{"password":"hunter2hunter2","a":' + "[" * depth + "]" * depth + "}"
    record, _ = told(CALL, orjson.dumps({"body": text}))
    assert record["captured"]["size"] > len(text)
    assert "hunter2hunter2" not in str(record)


BRIEF: dict[str, tuple[JsonObject, str]] = {
    "plain": ({"text": "a", "n": 2}, '{"text":"a","n":2}'),
    "a credential": ({"text": KEY}, '{"text":"[mcpguard:github-token]"}'),
    "by its name": ({"password": "hunter2"}, "hunter2"),
    "the operator's own": ({"text": "TICKET-77"}, "TICKET-77"),
    "hidden letters": ({"text": "a\u202eb\u3164c\nd"}, '{"text":"a<U+202E>b<U+3164>c\\nd"}'),
    "long": ({"text": "x" * 1000}, "... and 611 more characters"),
    "too long": ({"text": "x" * MAX_LOOKED}, "too many to be shown"),
    "no text": ({"text": "\ud800"}, "what cannot be shown"),
}
GONE = {"by its name", "the operator's own"}


@pytest.mark.guarantee("evidence:question-is-redacted")
@pytest.mark.parametrize("case", BRIEF)
def test_a_question_shows_arguments_in_short_and_nothing_confidential(case: str) -> None:
    arguments, said = BRIEF[case]
    shown = brief(arguments, OWN)
    assert (said in shown) is (case not in GONE)
    assert len(shown) < MAX_BRIEF + 40
    assert shown.isprintable()
