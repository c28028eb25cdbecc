"""Presets, what is laid over what, who said what, and what `config show` prints of it."""

import subprocess
import sys
from dataclasses import fields, is_dataclass, replace
from pathlib import Path
from typing import Any

import orjson
import pytest

from mcpguard.config.loading import PRESETS, chosen_mode, load, problems_of
from mcpguard.config.rows import ROWS
from mcpguard.config.settings import BASELINE_DETECTORS, Preset, Settings
from mcpguard.config.showing import as_json, lines
from mcpguard.errors import UsageError
from mcpguard.model import Mode
from mcpguard.pipeline.terms import Handling
from mcpguard.policy.rules import RuleSet
from mcpguard.scan import DETECTORS, find
from mcpguard.store.ledger import Limit
from mcpguard.trust.policy import PolicyTable
from tests.integration import readme
from tests.tools import FIXTURES, ROOT
from tests.unit.config.documents import Home

WHOLE = """
preset: strict
mode: filter-only
profile: work
principals:
  local:work: {capabilities: ["fs:*"], blocked: false}
tools:
  "*": {min_trust: 100}
  write_*: {required_capabilities: ["fs:write"], tier: T2_act, description: "writes: things"}
limits:
  tool: [5/second, {rate: 10/minute, burst: 20}]
  tools: {a: []}
gateway:
  deny: [exec_*, "*_x", "true", "12", "ü \\u0007"]
  allow: []
  detect: {ssn: off}
  scopes: ["filesystem:/data/** x read"]
  arguments:
    - {tools: [read_*], argument: path, is: filesystem, action: read, base: /data}
  patterns:
    - {name: badge, form: re2, text: 'AKIA[0-9A-Z]{16}', action: redact}
requests: []
rules:
  - {name: no-drop, tools: [query], when: "call.arguments.sql.contains('DROP')", action: deny}
store: {backend: redis, where: "redis://cache:6379/0"}
servers:
  files: {gateway: {deny: [rm]}}
"""


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return Home(tmp_path)


def flat(value: Any) -> Any:  # noqa: ANN401 - any part of Settings
    """Settings as plain values, to be compared."""
    if isinstance(value, PolicyTable):
        return {**value.policies, "default": value.default, "floor": value.floor}
    if isinstance(value, RuleSet):
        return (value.name, value.rules, value.floor)
    if is_dataclass(value):
        return {each.name: flat(getattr(value, each.name)) for each in fields(value)}
    return value


# --- presets -------------------------------------------------------------------------------------


@pytest.mark.guarantee("config:baseline-disturbs-nobody")
def test_the_settings_without_any_file_are_what_baseline_says(home: Home) -> None:
    quick, read = home.load(), home.load(origins=True)
    assert (quick.values, bool(read.values)) == ({}, True)
    assert flat(quick.settings) == flat(read.settings) == flat(Settings())
    assert flat(home.load(policy="baseline").settings) == flat(Settings())
    assert flat(home.load("profile: default").settings) == flat(Settings())


def test_nothing_heavy_is_imported_without_a_file(home: Home) -> None:
    program = (
        "import sys\n"
        "from pathlib import Path\n"
        "from mcpguard.config.files import Places\n"
        "from mcpguard.config.loading import load\n"
        f"load(where=Places(Path({str(home.places.user)!r}), Path({str(home.places.system)!r})))\n"
        "heavy = {'yaml', 're2', 'cel_expr_python', 'click', 'anyio', 'redis', 'mcpguard.scan'}\n"
        "print(sorted(heavy & set(sys.modules)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert done.stdout == "[]\n"


@pytest.mark.parametrize("preset", Preset)
def test_a_preset_is_a_file_of_settings_that_sets_what_every_preset_sets(
    home: Home, preset: Preset
) -> None:
    assert problems_of(PRESETS / f"{preset}.yaml") == []
    loaded = home.load(policy=str(preset), origins=True)
    assert loaded.settings.preset is preset
    baseline = home.load(policy="baseline", origins=True)
    assert loaded.values.keys() >= baseline.values.keys()
    detected = {path[2] for path in loaded.values if path[:2] == ("gateway", "detect")}
    assert detected == set(DETECTORS)


def test_there_is_a_file_for_each_preset_and_no_other() -> None:
    assert {path.name for path in PRESETS.iterdir()} == {f"{each}.yaml" for each in Preset}


@pytest.mark.guarantee("config:baseline-disturbs-nobody")
def test_baseline_denies_no_ordinary_argument_and_asks_nobody() -> None:
    settings = Settings()
    acting = [DETECTORS[name] for name, way in BASELINE_DETECTORS.items() if way != "record"]
    ordinary = (FIXTURES / "scan" / "ordinary.jsonl").read_bytes().splitlines()
    assert len(ordinary) > 400
    found = [line for line in ordinary if find(orjson.loads(line)["arguments"], tuple(acting))]
    assert found == []
    gateway = settings.gateway
    assert (gateway.deny, gateway.allow, gateway.approve, gateway.bindings) == ((), None, (), ())
    assert (settings.limits, gateway.budgets) == (type(settings.limits)(),) * 2
    assert (settings.rules, settings.requests) == (None, None)
    assert (settings.trust.tiers, settings.trust.servers) == (False, False)


def test_strict_and_permissive_are_what_their_names_say(home: Home) -> None:
    strict = home.load("preset: strict").settings
    permissive = home.load("preset: permissive").settings
    assert (strict.trust.tiers, strict.trust.servers) == (True, True)
    ways = strict.gateway.detectors
    assert [ways[each] for each in ("ssn", "card", "iban", "secrets")] == [Handling.REDACT] * 4
    denied = ("shell_injection", "path_traversal", "ssrf_url", "local_url")
    assert [ways[each] for each in denied] == [Handling.DENY] * 4
    assert strict.limits.tool
    assert strict.limits.server
    assert strict.gateway.budgets.failures
    assert strict.requests is None
    assert permissive.trust.min_trust == 0
    assert set(permissive.gateway.detectors.values()) == {Handling.RECORD}


# --- what is laid over what ----------------------------------------------------------------------


def test_policy_wins_over_the_files_preset_and_not_over_its_other_keys(home: Home) -> None:
    text = "preset: permissive\ntrust: {tiers: record}"
    made = home.load(text, policy="strict")
    assert (made.settings.preset, made.settings.trust.servers) == (Preset.STRICT, True)
    assert made.settings.trust.tiers is False
    assert made.origins["preset"] == "--policy strict"
    assert made.origins["trust.tiers"] == f"{home.places.user}:2"


def test_policy_may_be_a_file_that_is_laid_over_its_own_preset(home: Home, tmp_path: Path) -> None:
    policy = tmp_path / "team.yaml"
    policy.write_text("preset: strict\nprofile: team\ngateway: {deny: [a]}", "utf-8")
    policy.chmod(0o600)
    made = home.load("preset: permissive\ngateway: {deny: [b]}", policy=str(policy))
    assert (made.settings.preset, made.settings.profile) == (Preset.STRICT, "team")
    assert made.settings.gateway.deny == ("a", "b")
    assert made.files == (policy, home.places.user)
    assert home.load("profile: own", policy=str(policy)).settings.profile == "own"
    policy.write_text("profile: team", "utf-8")
    assert home.load("preset: strict", policy=str(policy)).settings.preset is Preset.BASELINE


@pytest.mark.guarantee("config:system-only-tightens")
def test_neither_a_named_file_nor_a_policy_nor_a_server_leaves_the_systems_out(
    home: Home, tmp_path: Path
) -> None:
    other = tmp_path / "other.yaml"
    other.write_text("mode: audit-only\nservers: {s: {requests: [roots]}}", "utf-8")
    other.chmod(0o600)
    system = home.system("mode: enforce\nrequests: []")
    for config, policy in ((other, None), (None, str(other)), (other, "permissive")):
        found = load(config, policy, "s", where=home.places)
        assert (found.settings.mode, found.settings.floor) == (Mode.ENFORCE, Mode.ENFORCE)
        assert (found.settings.requests, found.files[-1]) == (frozenset(), system)


def test_a_policy_that_is_neither_word_nor_file_is_told_the_words(home: Home) -> None:
    with pytest.raises(UsageError) as caught:
        home.load(policy="stict")
    assert caught.value.message == "--policy stict: neither a preset nor a file that exists"
    assert caught.value.hint == "did you mean `strict`?"


@pytest.mark.parametrize(
    ("flag", "mode", "floor", "chosen"),
    [
        (Mode.ENFORCE, None, Mode.AUDIT_ONLY, Mode.ENFORCE),
        (Mode.ENFORCE, Mode.AUDIT_ONLY, Mode.AUDIT_ONLY, Mode.AUDIT_ONLY),
        (Mode.FILTER_ONLY, Mode.AUDIT_ONLY, Mode.AUDIT_ONLY, Mode.FILTER_ONLY),
        (Mode.FILTER_ONLY, Mode.FILTER_ONLY, Mode.FILTER_ONLY, Mode.FILTER_ONLY),
        (Mode.AUDIT_ONLY, None, Mode.FILTER_ONLY, None),
        (Mode.FILTER_ONLY, None, Mode.ENFORCE, None),
    ],
)
@pytest.mark.guarantee("config:system-only-tightens")
def test_the_flags_mode_wins_and_never_below_the_systems(
    flag: Mode, mode: Mode | None, floor: Mode, chosen: Mode | None
) -> None:
    settings = replace(Settings(), mode=mode, floor=floor)
    if chosen is not None:
        assert chosen_mode(flag, settings) is chosen
        return
    with pytest.raises(UsageError, match=f"--{flag} is not permitted"):
        chosen_mode(flag, settings)


# --- what is shown -------------------------------------------------------------------------------


def test_origins_name_the_file_and_line_of_every_value(home: Home) -> None:
    user = "gateway:\n  deny: [a]\n  detect: {ssn: deny}\napprovals: {hold: 10}"
    system = "approvals: {hold: 5}\ngateway: {deny: [b]}"
    origins = home.load(user, system).origins
    own, theirs = home.places.user, home.places.system
    assert origins["gateway.deny[0]"] == f"{own}:2"
    assert origins["gateway.deny[1]"] == f"system {theirs}:2 (tightened)"
    assert origins["gateway.detect.ssn"] == f"{own}:3"
    assert origins["approvals.hold"] == f"system {theirs}:1 (tightened)"
    assert origins["approvals.retry"] == "preset baseline"


@pytest.mark.parametrize("origin", [False, True])
@pytest.mark.parametrize("server", ["", "files"])
def test_what_is_shown_can_be_saved_and_says_the_same(
    home: Home, origin: bool, server: str
) -> None:
    loaded = home.load(WHOLE, server=server, origins=True)
    again = home.load("\n".join(lines(loaded, origin=origin)))
    assert told(again.settings) == told(loaded.settings)
    assert as_json(again)["settings"] == as_json(loaded)["settings"]


def told(settings: Settings) -> Any:  # noqa: ANN401 - plain values
    """Settings without what is compiled: two compiled patterns are never equal."""
    plain = flat(settings)
    plain["rules"] = [each.name for each in settings.rules.rules] if settings.rules else []
    plain["gateway"]["patterns"] = plain["gateway"]["patterns"]["rows"]
    return plain


def test_the_text_aligns_origins_and_groups_keys(home: Home) -> None:
    shown = lines(home.load("gateway: {deny: [a]}"), origin=True)[:9]
    assert [tuple(part.rstrip() for part in line.split("# ")) for line in shown] == [
        ("preset: baseline", "preset baseline"),
        ("profile: default", "preset baseline"),
        ("trust:",),
        ("  min_trust: 300", "preset baseline"),
        ("  tiers: record", "preset baseline"),
        ("  servers: record", "preset baseline"),
        ("gateway:",),
        ("  deny:",),
        ("    - a", f"{home.places.user}:1"),
    ]
    assert len({line.index("#") for line in shown if "#" in line}) == 1


def test_what_the_systems_file_holds_beside_the_others_is_shown_as_comments(home: Home) -> None:
    system = "tools: {rm: {blocked: true}}\nrules: [{name: x, action: deny}]"
    loaded = home.load("tools: {rm: {blocked: false}}", system)
    shown = lines(loaded)
    at = next(number for number, line in enumerate(shown) if line.startswith("# Held"))
    assert shown[at + 1 :] == [
        "#   tools:",
        "#     rm:",
        "#       blocked: true",
        "#   rules:",
        "#     - {name: x, action: deny}",
    ]
    assert as_json(loaded)["system"] == {
        "tools": {"rm": {"blocked": True}},
        "rules": [{"name": "x", "action": "deny"}],
    }
    assert lines(home.load(None, "mode: enforce"))[-1].startswith("  on_loss")


@pytest.mark.parametrize(
    ("where", "shown"),
    [
        ("redis://:hunter2@h:6379/0", "redis://:***@h:6379/0"),
        ("rediss://me:hunter2@h/0", "rediss://me:***@h/0"),
        ("rediss://me:hunter2@hunter2@h/0", "rediss://me:***@h/0"),
        ("unix://me@/run/redis.sock?password=hunter2", "unix://me@/run/redis.sock?***"),
        ("redis://h/0?db=1&password=hunter2", "redis://h/0?***"),
        ("redis://h:6379/0", "redis://h:6379/0"),
    ],
)
def test_a_stores_password_is_never_shown(home: Home, where: str, shown: str) -> None:
    loaded = home.load(f'store: {{backend: redis, where: "{where}"}}')
    text = "\n".join(lines(loaded, origin=True)) + repr(as_json(loaded))
    assert "hunter2" not in text
    assert f'where: "{shown}"' in text
    assert loaded.settings.store.where == where


def test_every_row_can_be_shown_in_the_tables_order(home: Home) -> None:
    shown = as_json(home.load(WHOLE))["settings"]
    assert isinstance(shown, dict)
    order = list(dict.fromkeys(row.path[0] for row in ROWS))
    assert list(shown) == [key for key in order if key in shown]


def test_a_named_file_and_a_named_policy_are_both_read(home: Home, tmp_path: Path) -> None:
    user = home.user("profile: a")
    found = load(user, "strict", where=home.places)
    assert (found.settings.profile, found.files) == ("a", (user,))


def test_the_readmes_settings_can_be_used(home: Home) -> None:
    text = readme.block("yaml mcpguard.yaml")
    assert problems_of(home.user(text)) == []
    mail = home.load(text, server="mail").settings
    assert (mail.preset, mail.limits.tool, mail.requests) == (
        Preset.STRICT,
        (Limit(5, 3_600_000),),
        frozenset(),
    )
    assert mail.gateway.detectors["local_url"] is Handling.RECORD


def test_the_readmes_table_says_what_the_presets_say(home: Home) -> None:
    permissive, baseline, strict = (home.load(policy=str(each)).settings for each in Preset)
    words = {None: "pass", "record": "recorded", "redact": "taken out", "deny": "denied"}
    for row, names in (
        (
            "credentials, card, account and social security numbers in arguments",
            ("secrets", "card", "iban", "ssn"),
        ),
        ("shell injection, path traversal", ("shell_injection", "path_traversal")),
        ("cloud metadata, disguised local addresses", ("ssrf_url",)),
        ("plain local addresses", ("local_url",)),
    ):
        for name in names:
            ways = [each.gateway.detectors.get(name) for each in (permissive, baseline, strict)]
            assert f"| {row} | {' | '.join(words[way] for way in ways)} |" in readme.TEXT
