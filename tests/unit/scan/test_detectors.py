"""The table of detectors against its files, its fixtures, and what people really send."""

from pathlib import Path

import orjson
import pytest

from mcpguard.model import JsonObject
from mcpguard.scan import DETECTORS, find
from mcpguard.scan.detectors.card import luhn
from mcpguard.scan.sites import Role, role_of
from mcpguard.scan.threats.detectors import DETECTORS as THREATS
from tests.tools import FIXTURES, ROOT

SCAN = FIXTURES / "scan"
BLOCKING = tuple(each for each in DETECTORS.values() if each.blocking)


def lines(path: Path) -> list[JsonObject]:
    return [orjson.loads(line) for line in path.read_text("utf-8").splitlines()]


def test_table_files_and_fixtures_name_the_same_detectors() -> None:
    files = (ROOT / "mcpguard" / "scan" / "detectors").glob("*.py")
    names = sorted(path.stem for path in files if path.stem != "__init__")
    folders = {path.name for path in SCAN.iterdir() if path.is_dir()}
    assert names == sorted(DETECTORS)
    assert folders == {*DETECTORS, *THREATS}
    assert [name for name, each in DETECTORS.items() if each.id != name] == []


@pytest.mark.parametrize("name", DETECTORS)
def test_a_detector_finds_something_in_each_bad_line(name: str) -> None:
    bad = lines(SCAN / name / "bad.jsonl")
    assert len(bad) >= 20
    assert [line for line in bad if not find(line, (DETECTORS[name],))] == []


@pytest.mark.parametrize("name", DETECTORS)
def test_a_detector_leaves_near_misses_alone(name: str) -> None:
    good = lines(SCAN / name / "good.jsonl")
    assert len(good) >= 30
    assert [line for line in good if find(line, (DETECTORS[name],))] == []


@pytest.mark.guarantee("scan:ordinary-passes")
def test_no_blocking_detector_finds_anything_in_ordinary_arguments() -> None:
    ordinary = lines(SCAN / "ordinary.jsonl")
    assert len(ordinary) >= 400
    assert [line for line in ordinary if find(line["arguments"], BLOCKING)] == []


def test_a_bad_line_is_found_alike_in_the_company_of_ordinary_ones() -> None:
    ordinary = [line["arguments"] for line in lines(SCAN / "ordinary.jsonl")[:50]]
    for name in DETECTORS:
        for line in lines(SCAN / name / "bad.jsonl"):
            alone = find(line, (DETECTORS[name],))
            among = find([*ordinary, line], tuple(DETECTORS.values()))
            assert {hit[3:5] for hit in alone} <= {hit[3:5] for hit in among if hit.rule == name}


@pytest.mark.parametrize("text", ["rm -rf /", "../../../../etc/passwd", "http://169.254.169.254/"])
@pytest.mark.parametrize("name", ["content", "message", "query", "body", "text", "code", "newText"])
def test_prose_may_say_anything(name: str, text: str) -> None:
    assert find({name: f"never: `{text}`; $({text}) | sh\n```sh\n{text}\n```"}, BLOCKING) == ()


ROLES = [
    ("path", "", Role.PATH),
    ("outputPath", "", Role.PATH),
    ("output_path", "", Role.PATH),
    ("OUTPUT-PATH2", "", Role.PATH),
    ("inputFile", "", Role.PATH),
    ("webhookUrl", "", Role.URL),
    ("base_uri", "", Role.URL),
    ("cmd", "", Role.COMMAND),
    ("commandArgs", "", Role.COMMAND),
    ("new_branch", "", Role.WORD),
    ("commitMessage", "", Role.TEXT),
    ("path_description", "", Role.TEXT),
    ("whatever", "", Role.UNKNOWN),
    ("", "", Role.UNKNOWN),
    ("42", "", Role.UNKNOWN),
    ("whatever", "uri", Role.URL),
    ("content", "uri", Role.URL),
    ("rootdir", "", Role.PATH),
    ("apiurls", "", Role.URL),
    ("hosts", "", Role.URL),
    ("servers", "", Role.URL),
    ("branch_name", "", Role.WORD),
    ("fileNames", "", Role.PATH),
    ("host_name", "", Role.URL),
    ("name", "", Role.UNKNOWN),
    ("display_name", "", Role.UNKNOWN),
    ("thing", "file-path", Role.PATH),
    ("thing", "made-up", Role.UNKNOWN),
]


@pytest.mark.parametrize(("name", "form", "role"), ROLES)
def test_a_name_and_a_format_tell_what_a_text_is_used_for(name: str, form: str, role: Role) -> None:
    assert role_of(name, form) is role


def test_a_schemas_format_goes_before_the_name() -> None:
    schema: JsonObject = {
        "properties": {
            "content": {"type": "string", "format": "uri"},
            "list": {"items": {"format": "uri"}},
        }
    }
    value: JsonObject = {"content": "http://0x7f.1/", "list": ["http://0x7f.1/", "x"]}
    assert find({"content": "http://0x7f.1/"}, BLOCKING) == ()
    hits = find(value, BLOCKING, schema=schema)
    assert [hit.where for hit in hits] == ["/content", "/list/0"]


def test_a_name_that_says_nothing_has_its_parents_role() -> None:
    assert find({"command": {"zzz": "rm -rf /"}}, BLOCKING) != ()
    assert find({"content": {"zzz": "rm -rf /"}}, BLOCKING) == ()


@pytest.mark.parametrize(
    ("digits", "valid"),
    [
        ("4111111111111111", True),
        ("4111111111111112", False),
        ("378282246310005", True),
        ("0", True),
    ],
)
def test_luhn_knows_the_check_digit(digits: str, valid: bool) -> None:
    assert luhn(digits) is valid


@pytest.mark.parametrize(
    ("name", "piece"), [("ssrf_url", "http://1.1.1.1/ "), ("path_traversal", "../a ")]
)
def test_a_command_with_too_many_pieces_to_look_at_is_found(name: str, piece: str) -> None:
    for count, found in ((500, 0), (501, 1)):
        assert len(find({"command": piece * count}, (DETECTORS[name],))) == found


@pytest.mark.parametrize("filling", ["./", "x/../", "%2e/", "/"])
def test_a_path_too_long_for_any_system_is_looked_at_as_it_will_be_shortened(filling: str) -> None:
    long = filling * 3000
    traversal = (DETECTORS["path_traversal"],)
    assert find({"path": long + "../../../../etc/passwd"}, traversal) != ()
    assert find({"path": "docs/" + long + "a..b/../c"}, traversal) == ()


@pytest.mark.parametrize("text", ["see http://10.0.0.1/ or http://0x7f.1/", " http://0x7f.1/ x"])
def test_a_url_argument_with_blanks_is_looked_at_whole(text: str) -> None:
    assert find({"url": text}, (DETECTORS["ssrf_url"],)) != ()
