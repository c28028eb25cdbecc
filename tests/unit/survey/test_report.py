"""A survey decided and told: outcome, JSON, SARIF against the standard's schema, and the page."""

import sys
from dataclasses import replace
from datetime import date
from html.parser import HTMLParser
from pathlib import Path

import jsonschema_rs
import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mcpguard.hosts.declared import Server
from mcpguard.model import Finding, ItemKind, Severity
from mcpguard.policy.suppress import Suppression, Suppressions
from mcpguard.survey.configs import Unread
from mcpguard.survey.page import page
from mcpguard.survey.report import OUTCOMES, Survey, accepted, as_json, survey_of
from mcpguard.survey.sarif import sarif
from mcpguard.survey.subjects import Place, State, Subject, Told
from tests.integration import readme
from tests.tools import ROOT

if sys.version_info >= (3, 12):
    from typing import override
else:
    from typing_extensions import override

TODAY = date(2026, 11, 22)
PUBLISHED = (ROOT / "fixtures" / "sarif" / "sarif-2.1.0-rtm.5.json").read_bytes()
SCHEMA = orjson.loads(PUBLISHED.replace(b"[a-zA-Z]{2}]?$", b"[a-zA-Z]{2}$"))
"""Without the stray bracket in the pattern for languages, which no strict validator compiles."""

HERE = Path("/repo")
RULE = "config.unpinned"


def told(severity: Severity = Severity.CRITICAL, rule: str = RULE, said: str = "It is so.") -> Told:
    place = Place(HERE / "a b.json", 7, ("mcpServers", "x"))
    return Told(Finding(rule, severity, "/args", said, {"text": "quoted"}), "tool t", place)


def subject(
    *found: Told, state: State = State.INSPECTED, name: str = "x", why: str = ""
) -> Subject:
    return Subject(
        name=name,
        state=state,
        why=why,
        host="Cursor, user",
        place=Place(Path("/home/u/.cursor/mcp.json"), 3),
        server=Server(words=("npx", "--token", "9f8e7d6c5b4a39281706")),
        listed={ItemKind.TOOL: 2},
        told=found,
    )


def surveyed(
    *subjects: Subject,
    rows: tuple[Suppression, ...] = (),
    unread: tuple[Unread, ...] = (),
    fail_on: Severity = Severity.CRITICAL,
) -> Survey:
    return survey_of(subjects, unread, Suppressions(rows, TODAY), fail_on)


UNREAD = Unread("Zed", Path("/z.json"), "it is not JSON")
FAILED = subject(state=State.FAILED, why="no answer")
GONE = Suppression(RULE, "for now", date(2026, 11, 21))
HELD = Suppression(RULE, "for now", date(2026, 12, 31))
IDLE = Suppression("other.rule", "never", date(2026, 12, 31))

OUTCOME = {
    "nothing": (surveyed(), "clean"),
    "clean": (surveyed(subject()), "clean"),
    "below the mark": (surveyed(subject(told(Severity.MODERATE))), "clean"),
    "at the mark": (
        surveyed(subject(told(Severity.MODERATE)), fail_on=Severity.MODERATE),
        "findings",
    ),
    "above the mark": (surveyed(subject(told()), fail_on=Severity.INFO), "findings"),
    "a failed one": (surveyed(subject(), FAILED), "unknown"),
    "an unread file": (surveyed(subject(), unread=(UNREAD,)), "unknown"),
    "a finding and a failed one": (surveyed(subject(told()), FAILED), "findings"),
    "suppressed": (surveyed(subject(told()), rows=(HELD,)), "clean"),
    "suppressed until yesterday": (surveyed(subject(told()), rows=(GONE,)), "findings"),
    "suppressed beside a failed one": (surveyed(subject(told()), FAILED, rows=(HELD,)), "unknown"),
    "never scanned": (surveyed(subject(), subject(state=State.NEVER)), "unscanned"),
    "never scanned beside a failed one": (
        surveyed(subject(state=State.NEVER), FAILED),
        "unknown",
    ),
}


@pytest.mark.guarantee("survey:unreadable-is-not-clean")
@pytest.mark.parametrize("case", OUTCOME)
def test_the_outcome_is_the_worst_that_is_certain(case: str) -> None:
    survey, wanted = OUTCOME[case]
    assert survey.outcome == wanted
    assert as_json(survey)["outcome"] == wanted
    assert set(OUTCOMES) == {outcome for _, outcome in OUTCOME.values()}


@pytest.mark.guarantee("survey:never-scanned-is-not-clean")
def test_a_server_that_nobody_looked_into_is_never_called_clean() -> None:
    survey = surveyed(subject(state=State.NEVER))
    (told_,) = orjson.loads(orjson.dumps(as_json(survey)))["servers"]
    assert told_["state"] == "never scanned"
    html = page(survey, "now")
    assert "1 never scanned" in html
    assert '<span class="mark good">none</span>' not in html
    assert '<span class="mark good">none</span>' in page(surveyed(subject()), "now")


@pytest.mark.guarantee("survey:suppressions-expire")
def test_a_suppression_that_ran_out_counts_again_and_says_so() -> None:
    survey = surveyed(subject(told()), rows=(GONE, IDLE))
    said = orjson.loads(orjson.dumps(as_json(survey)))
    (finding,) = said["servers"][0]["findings"]
    assert finding["expired"]["expires"] == "2026-11-21"
    assert [each["rule"] for each in said["suppressionsWithoutFinding"]] == ["other.rule"]
    assert "suppressed until 2026-11-21" in page(survey, "now")


def test_a_server_section_is_about_that_server_alone(tmp_path: Path) -> None:
    file = tmp_path / "mcpguard.yaml"
    row = '{rule: r, reason: y, expires: "2026-12-31"}'
    file.write_text(
        f"scan: {{suppress: [{row}]}}\n"
        f"servers: {{mail: {{scan: {{suppress: [{row[:-1]}, item: i}}]}}}}}}\n"
    )
    file.chmod(0o600)
    rows = accepted(file, ["mail", "files"], TODAY).rows
    assert [(each.server, each.item) for each in rows] == [("*", "*"), ("mail", "i")]


def test_the_example_of_the_readme_is_understood(tmp_path: Path) -> None:
    file = tmp_path / "mcpguard.yaml"
    file.write_text(readme.block("yaml suppress.yaml"))
    file.chmod(0o600)
    (one,) = accepted(file, [], TODAY).rows
    assert one.covers("config.unpinned", "docs", "")


def test_json_has_no_credential_and_every_key() -> None:
    said = as_json(surveyed(subject(told()), FAILED, unread=(UNREAD,), rows=(IDLE,)))
    assert b"9f8e7d6c" not in orjson.dumps(said)
    assert list(said) == [
        "outcome", "failOn", "summary", "states", "servers", "unreadable",
        "suppressionsWithoutFinding", "remarks",
    ]  # fmt: skip


# --- SARIF ---------------------------------------------------------------------------------------


EVERYTHING = surveyed(
    subject(told(), told(Severity.INFO, "scan.unscanned")),
    FAILED,
    subject(told(Severity.MODERATE, "config.shell"), name="y", state=State.NEVER, why="why"),
    unread=(UNREAD,),
    rows=(replace(HELD, rule="config.shell"),),
)


@pytest.mark.parametrize("survey", [EVERYTHING, surveyed()])
def test_a_log_is_valid_by_the_standards_schema(survey: Survey) -> None:
    jsonschema_rs.validator_for(SCHEMA).validate(sarif(survey, HERE))


def test_a_log_has_levels_places_and_suppressions() -> None:
    run = orjson.loads(orjson.dumps(sarif(EVERYTHING, HERE)))["runs"][0]
    critical, unscanned, shell = run["results"]
    assert [each["level"] for each in run["results"]] == ["error", "note", "warning"]
    place = critical["locations"][0]["physicalLocation"]
    assert place == {
        "artifactLocation": {"uri": "a%20b.json", "uriBaseId": "%SRCROOT%"},
        "region": {"startLine": 7},
    }
    assert critical["locations"][0]["logicalLocations"][0]["fullyQualifiedName"] == "x/tool t/args"
    assert unscanned["ruleId"] == "scan.unscanned"
    assert shell["suppressions"][0]["justification"] == "for now (until 2026-12-31)"
    rules = run["tool"]["driver"]["rules"]
    assert [rules[each["ruleIndex"]]["id"] for each in run["results"]] == [
        RULE, "scan.unscanned", "config.shell",
    ]  # fmt: skip


def test_a_log_names_the_file_of_a_live_server_and_claims_no_line_of_it() -> None:
    live = replace(told(), place=Place(HERE / "srv.py", live=True))
    log = sarif(surveyed(subject(live)), HERE)
    jsonschema_rs.validator_for(SCHEMA).validate(log)
    (location,) = orjson.loads(orjson.dumps(log))["runs"][0]["results"][0]["locations"]
    assert location["physicalLocation"]["artifactLocation"]["uri"] == "srv.py"
    assert location["message"]["text"].endswith("it is not written at this line")


def test_a_log_of_what_could_not_be_looked_at_is_no_success() -> None:
    run = orjson.loads(orjson.dumps(sarif(surveyed(FAILED), HERE)))["runs"][0]
    (invocation,) = run["invocations"]
    assert not invocation["executionSuccessful"]
    assert [each["level"] for each in invocation["toolExecutionNotifications"]] == ["error"]
    never = orjson.loads(orjson.dumps(sarif(surveyed(subject(state=State.NEVER, why="w")), HERE)))
    assert never["runs"][0]["invocations"][0]["executionSuccessful"]


def test_a_file_elsewhere_has_its_whole_address() -> None:
    outside = replace(told(), place=Place(Path("/home/u/é.json"), 2))
    run = orjson.loads(orjson.dumps(sarif(surveyed(subject(outside)), HERE)))["runs"][0]
    place = run["results"][0]["locations"][0]["physicalLocation"]["artifactLocation"]
    assert place == {"uri": "file:///home/u/%C3%A9.json"}


# --- the page ------------------------------------------------------------------------------------


class Seen(HTMLParser):
    """Tags, attributes, and all text that a reader sees."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.attributes: set[str] = set()
        self.text = ""
        self.feed(html)

    @override
    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.attributes |= {name for name, _ in attrs}

    @override
    def handle_data(self, data: str) -> None:
        self.text += data


PLAIN = Seen(page(EVERYTHING, "now"))

HOSTILE = (
    "<script>alert(1)</script>", '"><img src=x onerror=alert(1)>', "</style><script>", "<!--",
    "'-alert(1)-'", "&lt;script&gt;", "\u202egnp.exe", "a\x00b\x1b[31m", "]]>", "{{7*7}}",
)  # fmt: skip


@pytest.mark.guarantee("survey:page-is-inert")
@given(st.sampled_from(HOSTILE) | st.text(max_size=30), st.integers(0, 7))
def test_no_text_from_outside_is_markup_on_the_page(text: str, place: int) -> None:
    found = told(said=text if place == 0 else "s")
    found = replace(found, item=text if place == 1 else "i")
    finding = replace(found.finding, evidence={"text": text if place == 2 else "t"})
    row = replace(HELD, reason=text if place == 3 else "r", rule="*", server="y")
    one = replace(
        subject(replace(found, finding=finding), why=text if place == 4 else "w"),
        name=text if place == 5 else "x",
        host=text if place == 6 else "h",
        server=Server(words=("x", text if place == 7 else "a")),
    )
    unread = (Unread(text, Path("/" + text.replace("\0", "")), text),)
    html = page(surveyed(one, replace(one, name="y"), unread=unread, rows=(row,)), text)
    seen = Seen(html)
    assert seen.tags <= PLAIN.tags | {"blockquote"}
    assert seen.attributes <= PLAIN.attributes
    assert all(letter.isprintable() or letter == "\n" for letter in html)


def test_the_page_fetches_and_runs_nothing() -> None:
    html = page(EVERYTHING, "now")
    assert "default-src 'none'; style-src 'unsafe-inline'" in html
    assert not {"script", "link", "iframe", "img", "object", "form", "a"} & PLAIN.tags
    assert not {
        name for name in PLAIN.attributes if name.startswith("on") or name in {"src", "href"}
    }
    assert "url(" not in html
    assert "@import" not in html


def test_the_page_says_what_a_manager_asks() -> None:
    for words in (
        "Action is needed",
        "3 servers found",
        "1 never scanned",
        "What to do.",
        "Critical",
    ):
        assert words in PLAIN.text
    assert "9f8e7d6c" not in page(EVERYTHING, "now")
    assert "Nothing that needs action was found" in page(surveyed(subject()), "now")
