"""The three example policies: every call and result of the tables has exactly this outcome."""

import pytest

from mcpguard.model import Call, Json, Result
from mcpguard.policy.cel import Facts, Moment
from mcpguard.policy.loading import load
from mcpguard.policy.redaction import redacted_result
from mcpguard.policy.rules import Outcome, RuleSet
from tests.tools import ROOT
from tests.unit.policy.facts import call, facts, result

POLICIES = ROOT / "fixtures" / "policy"


def policy(name: str) -> RuleSet:
    return load((POLICIES / f"{name}.yaml").read_text("utf-8"), f"{name}.yaml")


DEFAULT, FILESYSTEM, API = policy("default"), policy("filesystem"), policy("api")


def told(outcome: Outcome) -> str:
    """`action rule`, the limits counted behind `#`, the remarks behind `+`."""
    words = [f"{outcome.action} {outcome.rule}" if outcome.action else "none"]
    words += [f"#{use.rule}" for use in outcome.limits]
    words += [f"+{remark.rule}" for remark in outcome.remarks]
    return " ".join(words)


def said(rules: RuleSet, subject: Call | Result, known: Facts, *spent: str) -> str:
    """The outcome, asked again with the limits of the rules in `spent` used up."""
    if isinstance(subject, Result):
        return told(rules.judge_result(subject, lambda: known))
    first = rules.judge_call(subject, lambda: known)
    keys = [use.key for use in first.limits if use.rule in spent]
    return told(rules.judge_call(subject, lambda: known, spent=keys))


L = "#everything-limited"

DEFAULT_CALLS: list[tuple[Call, str]] = [
    (call("query", sql="SELECT name FROM users"), f"none {L}"),
    (call("query", sql="DROP TABLE users"), "deny destructive-sql"),
    (call("query", sql="drop\ttable users"), "deny destructive-sql"),
    (call("query", sql="SELECT 1; truncate users"), "deny destructive-sql"),
    (call("query", sql="SELECT drop_off FROM rides"), f"none {L}"),
    (call("run_query", statement="GRANT ALL ON a TO b"), "deny destructive-sql"),
    (call("mysql_run", text="ALTER TABLE a ADD b int"), "deny destructive-sql"),
    (call("note", text="we should drop the table"), f"none {L}"),
    (call("query", sql="DELETE FROM users"), f"require_approval unbounded-delete {L}"),
    (call("query", sql="UPDATE users SET a = 1"), f"require_approval unbounded-delete {L}"),
    (call("query", sql="DELETE FROM users WHERE id = 7"), f"none {L}"),
    (call("query", limit=5), f"none {L}"),
    (call("query", sql=["DROP TABLE users"]), f"none {L}"),
    (call("bash", command="ls"), f"require_approval shells-are-asked-about {L}"),
    (call("BASH", command="ls"), f"none {L}"),
    (call("note", text="x" * 100_000), f"none {L} +large-arguments"),
    (Call("resources/read", "file:///a", {}), f"none {L}"),
    (Call("prompts/get", "summary", {"a": "b"}), f"none {L}"),
    (Call("ping", "", {}), "none"),
]


@pytest.mark.parametrize(("subject", "expected"), DEFAULT_CALLS)
def test_default_decides_calls_as_its_table_says(subject: Call, expected: str) -> None:
    assert said(DEFAULT, subject, facts()) == expected


def test_default_denies_beyond_its_limit_and_below_its_trust() -> None:
    plain = call("query", sql="SELECT 1")
    assert said(DEFAULT, plain, facts(), "everything-limited") == "deny everything-limited"
    assert said(DEFAULT, plain, facts(trust_score=499)) == "deny trusted-enough"


KEY = "-----BEGIN RSA PRIVATE KEY-----\nMIIE\n-----END RSA PRIVATE KEY-----"

DEFAULT_RESULTS: list[tuple[str, str]] = [
    ("nothing to hide", "nothing to hide"),
    ("key AKIAABCDEFGHIJKLMNOP.", "key [AWS key redacted]."),
    (f"ghp_{'a1' * 18} x", "[GitHub token redacted] x"),
    (f"a {KEY} b", "a [redacted] b"),
    (f"cut {KEY[:40]}", "cut [redacted]"),
    ("AKIA is a prefix", "AKIA is a prefix"),
]


@pytest.mark.parametrize(("text", "expected"), DEFAULT_RESULTS)
def test_default_takes_secrets_out_of_results(text: str, expected: str) -> None:
    subject = result("read", text, structuredContent={text: [text]})
    outcome = DEFAULT.judge_result(subject, facts)
    assert told(outcome) == "redact secrets"
    assert redacted_result(subject.body, outcome.redactions) == {
        "content": [{"type": "text", "text": expected}],
        "structuredContent": {expected: [expected]},
    }


def test_default_records_failures_beside_its_redaction() -> None:
    assert said(DEFAULT, result("a", "x", isError=True), facts()) == "redact secrets +failures"
    failed = Result("tools/call", "a", {"code": -1, "message": "x"}, error=True)
    assert said(DEFAULT, failed, facts()) == "redact secrets +failures"


NIGHT = Moment(23, 0, "wed", "2026-11-18")
READING, WRITING = "allow reading #reading", "allow writing #writing"

FILESYSTEM_CALLS: list[tuple[Call, str]] = [
    (call("read_file", path="/data/a.txt"), READING),
    (call("read_text_file", path="/data/b/c.md"), READING),
    (call("list_allowed_directories"), READING),
    (call("read_file", path="/etc/passwd"), "deny below-data"),
    (call("read_file", path="/data"), "deny below-data"),
    (call("read_file", path="/database/a"), "deny below-data"),
    (call("read_file", path="data/a"), "deny below-data"),
    (call("read_file", path="/data/../etc/passwd"), "deny below-data"),
    (call("read_file", path="/data/.."), "deny below-data"),
    (call("read_file", path="/data/a..b"), READING),
    (call("read_file", path="/data/%2e%2e/etc"), "deny below-data"),
    (call("read_file", path="/data/a\x00.txt"), "deny below-data"),
    (call("read_file", path=7), "deny below-data"),
    (call("read_file", path=["/data/a"]), "deny below-data"),
    (call("read_file", path="/data/.env"), "deny secret-files"),
    (call("read_file", path="/data/.ENV.local"), "deny secret-files"),
    (call("read_file", path="/data/u/.ssh/known_hosts"), "deny secret-files"),
    (call("read_file", path="/data/environment"), READING),
    (call("read_multiple_files", paths=["/data/a", "/data/b"]), READING),
    (call("read_multiple_files", paths=["/data/a", "/etc/b"]), "deny lists-below-data"),
    (call("read_multiple_files", paths=["/data/a", "/data/x.pem"]), "deny secret-files"),
    (call("read_multiple_files", paths=["/data/a", 7]), "deny lists-below-data"),
    (call("read_multiple_files"), "deny lists-below-data"),
    (call("write_file", path="/data/a", content="drop table"), WRITING),
    (call("write_file", path="/tmp/a", content=""), "deny below-data"),
    (call("write_file", content=""), "deny writing"),
    (call("move_file", source="/data/a", destination="/data/b"), "require_approval moving"),
    (call("move_file", source="/data/a", destination="/etc/b"), "deny below-data"),
    (call("move_file", source="/data/id_rsa", destination="/data/b"), "deny secret-files"),
    (call("delete_file", path="/data/a"), "deny nothing-else"),
    (call("READ_FILE", path="/data/a"), "deny nothing-else"),
    (Call("resources/read", "file:///etc/passwd", {}), "none"),
]


@pytest.mark.parametrize(("subject", "expected"), FILESYSTEM_CALLS)
def test_filesystem_decides_calls_as_its_table_says(subject: Call, expected: str) -> None:
    assert said(FILESYSTEM, subject, facts()) == expected


@pytest.mark.parametrize(
    "moment", [NIGHT, Moment(10, 0, "sat", "2026-11-21"), Moment(6, 59, "wed", "2026-11-18")]
)
def test_filesystem_remarks_what_is_written_at_night(moment: Moment) -> None:
    subject = call("write_file", path="/data/a", content="")
    assert said(FILESYSTEM, subject, facts(moment=moment)) == f"{WRITING} +writing-at-night"


def test_filesystem_counts_writes_for_each_path() -> None:
    one, other = (call("write_file", path=path, content="") for path in ("/data/a", "/data/b"))
    spent = [use.key for use in FILESYSTEM.judge_call(one, facts).limits]
    assert told(FILESYSTEM.judge_call(one, facts, spent=spent)) == "deny writing"
    assert told(FILESYSTEM.judge_call(other, facts, spent=spent)) == WRITING


@pytest.mark.parametrize(("text", "expected"), [("plain", "none"), (KEY, "deny keys-in-files")])
def test_filesystem_keeps_private_keys_back(text: str, expected: str) -> None:
    assert said(FILESYSTEM, result("read_file", text), facts()) == expected


PACE = "allow pace #pace"
URL = "https://api.example.com"

API_CALLS: list[tuple[dict[str, Json], str]] = [
    ({"url": f"{URL}/v1/users?id=7"}, PACE),
    ({"url": URL}, PACE),
    ({"url": "http://api.example.com/"}, "deny only-our-host"),
    ({"url": f"{URL}.evil.test/"}, "deny only-our-host"),
    ({"url": f"{URL}@evil.test/"}, "deny only-our-host"),
    ({"url": f"{URL}:8443/"}, "deny only-our-host"),
    ({"url": f"{URL}/\nhttps://evil.test"}, "deny only-our-host"),
    ({"url": "http://169.254.169.254/latest/meta-data/"}, "deny only-our-host"),
    ({"url": "http://2130706433/"}, "deny only-our-host"),
    ({"url": 7}, "deny only-our-host"),
    ({}, "deny only-our-host"),
    ({"url": URL, "method": "GET"}, PACE),
    ({"url": URL, "method": "POST"}, "require_approval changing #pace"),
    ({"url": URL, "method": "get"}, "require_approval changing #pace"),
    ({"url": URL, "method": None}, "require_approval changing #pace"),
    ({"url": URL, "headers": {"accept": "text/plain"}}, PACE),
    ({"url": URL, "headers": {"AUTHORIZATION": "x"}}, "deny own-credentials"),
    ({"url": URL, "headers": "Cookie: x"}, "deny own-credentials"),
]


@pytest.mark.parametrize(("arguments", "expected"), API_CALLS)
def test_api_decides_calls_as_its_table_says(arguments: dict[str, Json], expected: str) -> None:
    assert said(API, call("fetch", **arguments), facts()) == expected


def test_api_counts_by_server_whoever_calls() -> None:
    subject = call("fetch", url=URL)
    one = API.judge_call(subject, facts).limits
    other = API.judge_call(subject, lambda: facts(principal="local:other")).limits
    keys = {use.key for use in (*one, *other)}
    assert len(keys) == 1
    assert told(API.judge_call(subject, facts, spent=keys)) == "deny pace"


API_RESULTS: list[tuple[Result, str]] = [
    (result("fetch", "fine"), "redact personal-data"),
    (result("fetch", "x" * 1_000_001), "deny too-large"),
    (result("fetch", "no", isError=True), "redact personal-data +server-errors"),
    (result("other", "a@b.test"), "none"),
]


@pytest.mark.parametrize(("subject", "expected"), API_RESULTS)
def test_api_decides_results_as_its_table_says(subject: Result, expected: str) -> None:
    assert said(API, subject, facts()) == expected


def test_api_takes_personal_data_out() -> None:
    subject = result("fetch", "a.b+c@mail.example.org, 123-45-6789, 1234-56-789")
    found = redacted_result(subject.body, API.judge_result(subject, facts).redactions)
    assert found == result("", "[address redacted], [number redacted], 1234-56-789").body
