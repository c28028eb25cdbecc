"""What a layer above does to one below, and that the system's file only ever tightens."""

from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mcpguard.config.layers import laid, settings_of, tightened
from mcpguard.config.loading import preset_values, problems_of, problems_of_all
from mcpguard.config.reading import read_document
from mcpguard.config.rows import ROWS, Values
from mcpguard.config.settings import OnLoss, Preset, Settings
from mcpguard.errors import PolicyError
from mcpguard.model import Call, Context, Effect, ItemKind, Json, JsonObject, Mode, Reason, Verdict
from mcpguard.pipeline.gateway import GatewayStage
from mcpguard.pipeline.terms import Handling
from mcpguard.policy.rules import Action
from mcpguard.scan.semantics import System
from mcpguard.store.ledger import Limit
from mcpguard.trust.policy import Glob, ToolPolicy, stricter
from tests.unit.config.documents import Home, nested, yaml
from tests.unit.policy.facts import facts

BASE = preset_values(Preset.BASELINE)


class Listed:
    """Facts of a session that listed everything."""

    def item_state(self, kind: ItemKind, name: str) -> Reason:
        return Reason.OK


ANYBODY = Context("s", "local:default", Listed())


def values(text: str, *, system: bool = False) -> Values:
    document = read_document(text, "f.yaml", lambda node: f"{node.place[0]}", system=system)
    assert document.problems == []
    return document.values


def over(*texts: str) -> Settings:
    """The settings of these layers on the preset."""
    return settings_of(laid([BASE, *map(values, texts)]))


def under(user: str, system: str) -> Settings:
    """The settings of a user's file, tightened by a system's."""
    floor = values(system, system=True)
    return settings_of(tightened(laid([BASE, values(user)]), floor), floor)


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return Home(tmp_path)


# --- one layer over another ----------------------------------------------------------------------


def test_a_layer_sets_the_keys_it_names_and_leaves_the_others() -> None:
    made = over("approvals: {hold: 5, retry: 5}", "approvals: {hold: 9}").approvals
    assert (made.hold, made.retry, made.quorum) == (9, 5, 1)


def test_what_is_denied_approved_or_bound_adds_and_what_is_open_replaces() -> None:
    lower = (
        "gateway: {deny: [a], approve: [a], allow: [a], scopes: ['command:a x run'], arguments:"
        " [{tools: [a], argument: a, is: command, action: run}],"
        " patterns: [{name: a, form: glob, text: a, action: deny}]}"
    )
    upper = lower.replace("a]", "b]").replace(":a ", ":b ").replace("name: a", "name: b")
    made = over(lower, upper).gateway
    assert (made.deny, made.approve, made.allow) == (("a", "b"), ("a", "b"), ("b",))
    assert [scope.segments for scope in made.scopes] == [("b",)]
    assert [each.tools for each in made.bindings] == [("a",), ("b",)]
    assert made.patterns is not None
    assert [row.name for row in made.patterns.rows] == ["a", "b"]


def test_tools_are_merged_by_pattern_and_key() -> None:
    made = over(
        "tools: {a: {min_trust: 1, min_level: 2}}", "tools: {a: {min_trust: 5}, b: {blocked: true}}"
    )
    assert made.tools.of("a") == ToolPolicy(min_trust=5, min_level=2)
    assert made.tools.of("b").blocked


def test_rates_replace_rates_and_rules_come_together() -> None:
    made = over("limits: {tool: [1/day]}", "limits: {tool: []}")
    assert made.limits.tool == ()
    rules = over("rules: [{name: a, action: warn}]", "rules: [{name: b, action: deny}]").rules
    assert rules is not None
    assert [each.name for each in rules.rules] == ["a", "b"]


def test_a_servers_section_counts_for_that_server_alone(home: Home) -> None:
    text = """
trust: {min_trust: 100}
gateway: {deny: [x]}
servers:
  files: {trust: {min_trust: 5}, gateway: {deny: [y]}, tools: {z: {blocked: true}}}
  mail: {requests: [], approvals: {quorum: 3}}
"""
    files, mail, other = (home.load(text, server=each).settings for each in ("files", "mail", "o"))
    assert (files.trust.min_trust, files.gateway.deny) == (5, ("x", "y"))
    assert (mail.trust.min_trust, mail.gateway.deny) == (100, ("x",))
    assert (files.tools.of("z").blocked, mail.tools.of("z").blocked) == (True, False)
    assert (mail.requests, mail.approvals.quorum) == (frozenset(), 3)
    assert (other.requests, other.approvals.quorum) == (None, 1)


# --- the system's file ---------------------------------------------------------------------------

TIGHTER: dict[str, tuple[str, str, str, Any]] = {
    "mode": ("mode: audit-only", "mode: filter-only", "mode", Mode.FILTER_ONLY),
    "mode not below": ("mode: enforce", "mode: filter-only", "mode", Mode.ENFORCE),
    "floor": ("mode: enforce", "mode: filter-only", "floor", Mode.FILTER_ONLY),
    "min_trust up": ("trust: {min_trust: 5}", "trust: {min_trust: 9}", "trust.min_trust", 9),
    "min_trust down": ("trust: {min_trust: 9}", "trust: {min_trust: 5}", "trust.min_trust", 9),
    "tiers": ("trust: {tiers: record}", "trust: {tiers: decide}", "trust.tiers", True),
    "servers": ("trust: {servers: hold}", "trust: {servers: record}", "trust.servers", True),
    "deny": ("gateway: {deny: [a]}", "gateway: {deny: [b]}", "gateway.deny", ("a", "b")),
    "allow": (
        "gateway: {allow: [read_*, write_file]}",
        "gateway: {allow: ['*_file']}",
        "gateway.allow",
        ("read_*_file", "read_file", "write_file"),
    ),
    "zone": ("zone: Asia/Tokyo", "zone: UTC", "zone", "UTC"),
    "zone of the system's rules": (
        "zone: Asia/Tokyo",
        "rules: [{name: x, action: deny, when: now.hour == 8}]",
        "zone",
        "UTC",
    ),
    "zone beside a system without rules": ("zone: Asia/Tokyo", "", "zone", "Asia/Tokyo"),
    "capture": (
        "audit: {capture: {results: [a]}}",
        "audit: {capture: {results: [b]}}",
        "audit.capture_results",
        ("a", "b"),
    ),
    "evidence": ("audit: {evidence: off}", "audit: {evidence: on}", "audit.evidence", True),
    "evidence not below": (
        "audit: {evidence: on}",
        "audit: {evidence: off}",
        "audit.evidence",
        True,
    ),
    "receipts": (
        "audit: {receipts: off}",
        "audit: {receipts: required}",
        "audit.receipts",
        "required",
    ),
    "allow alone": ("", "gateway: {allow: [a]}", "gateway.allow", ("a",)),
    "approve": (
        "gateway: {approve: [a]}",
        "gateway: {approve: [b]}",
        "gateway.approve",
        ("a", "b"),
    ),
    "elicit": (
        "approvals: {elicit: [a, b]}",
        "approvals: {elicit: [b]}",
        "approvals.elicit",
        ("b",),
    ),
    "elicit nothing": ("", "approvals: {elicit: [a]}", "approvals.elicit", ()),
    "scan": ("scan: {pii: redact}", "scan: {pii: record}", "scan.pii", "redact"),
    "scan the results": (
        "scan: {results: {block: off}}",
        "scan: {results: {block: quarantine}}",
        "scan.results.block",
        "quarantine",
    ),
    "scan keep": ("scan: {keep: 90}", "scan: {keep: 20}", "scan.keep", 20),
    "hold": ("approvals: {hold: 90}", "approvals: {hold: 20}", "approvals.hold", 20),
    "retry": ("approvals: {retry: 5}", "approvals: {retry: 20}", "approvals.retry", 5),
    "quorum": ("approvals: {quorum: 1}", "approvals: {quorum: 2}", "approvals.quorum", 2),
    "requests": (
        "requests: [roots, sampling]",
        "requests: [roots, elicitation]",
        "requests",
        frozenset({"roots"}),
    ),
    "requests alone": ("", "requests: []", "requests", frozenset()),
    "durability": (
        "audit: {durability: none}",
        "audit: {durability: strict}",
        "audit.durability",
        "strict",
    ),
    "on_failure": (
        "audit: {on_failure: continue}",
        "audit: {on_failure: deny}",
        "audit.on_failure",
        "deny",
    ),
    "keep": ("audit: {keep: 3}", "audit: {keep: 20}", "audit.keep", 20),
    "keep all": ("audit: {keep: 3}", "audit: {keep: 0}", "audit.keep", 0),
    "keep more": ("audit: {keep: 0}", "audit: {keep: 5}", "audit.keep", 0),
    "on_loss": (
        "store: {on_loss: local}",
        "store: {on_loss: closed}",
        "store.on_loss",
        OnLoss.CLOSED,
    ),
    "principal rates": (
        "limits: {principal: [9/day]}",
        "limits: {principal: [5/day]}",
        "limits.principal",
        (Limit(9, 86_400_000), Limit(5, 86_400_000)),
    ),
    "server rates": ("", "limits: {server: [5/day]}", "limits.server", (Limit(5, 86_400_000),)),
    "tool rates": (
        "limits: {tool: [9/day]}",
        "limits: {tool: [5/day]}",
        "limits.tool",
        (Limit(9, 86_400_000), Limit(5, 86_400_000)),
    ),
    "tool rates upon a tool's own": (
        "limits: {tools: {a: [9/day]}}",
        "limits: {tool: [5/day]}",
        "limits.tools",
        {"a": (Limit(9, 86_400_000), Limit(5, 86_400_000))},
    ),
    "a tool's rates upon every tool's": (
        "limits: {tool: [9/day]}",
        "limits: {tools: {a: [5/day]}}",
        "limits.tools",
        {"a": (Limit(9, 86_400_000), Limit(5, 86_400_000))},
    ),
    "calls": (
        "gateway: {budgets: {tool_calls: 9}}",
        "gateway: {budgets: {tool_calls: 5}}",
        "gateway.budgets.max_tool_calls",
        5,
    ),
    "bytes": ("", "gateway: {budgets: {bytes_in: 5}}", "gateway.budgets.max_bytes_in", 5),
    "failures": (
        "gateway: {budgets: {repeated_failures: {count: 3, within: 10}}}",
        "gateway: {budgets: {repeated_failures: {count: 5, within: 60}}}",
        "gateway.budgets.failures",
        3,
    ),
    "within": (
        "gateway: {budgets: {repeated_failures: {count: 3, within: 10}}}",
        "gateway: {budgets: {repeated_failures: {count: 5, within: 60}}}",
        "gateway.budgets.failure_window",
        60.0,
    ),
    "failures alone": (
        "",
        "gateway: {budgets: {repeated_failures: {count: 5, within: 60}}}",
        "gateway.budgets.failures",
        5,
    ),
    "failures that say less": (
        "gateway: {budgets: {repeated_failures: {count: 3, within: 60}}}",
        "gateway: {budgets: {repeated_failures: {count: 5, within: 10}}}",
        "gateway.budgets.failure_window",
        60.0,
    ),
}
"""User's file, system's file, where in Settings it shows, how."""


@pytest.mark.guarantee("config:system-only-tightens")
@pytest.mark.parametrize(("user", "system", "path", "value"), TIGHTER.values(), ids=TIGHTER)
def test_the_stricter_of_both_files_holds(user: str, system: str, path: str, value: object) -> None:
    found: object = under(user, system)
    for key in path.split("."):
        found = getattr(found, key)
    assert found == value


@pytest.mark.guarantee("config:system-only-tightens")
def test_a_more_specific_policy_of_the_user_does_not_get_around_the_systems() -> None:
    made = under("tools: {rm: {min_trust: 0, tier: T0_observe}}", "tools: {'*': {min_level: 2}}")
    assert made.tools.of("rm") == ToolPolicy(
        min_trust=0, min_level=2, tier=ToolPolicy().tier.OBSERVE
    )
    made = under("tools: {rm: {min_trust: 0}}", "trust: {min_trust: 700}")
    assert (made.tools.of("rm").min_trust, made.tools.of("ls").min_trust) == (700, 700)
    made = under("", "tools: {'a*': {blocked: true}}")
    assert (made.tools.of("ab").blocked, made.tools.of("b")) == (True, ToolPolicy())


@pytest.mark.guarantee("config:system-only-tightens")
def test_no_rule_of_the_user_gets_around_the_systems() -> None:
    user = "rules: [{name: x, action: allow, priority: 1000}]"
    rules = under(user, "rules: [{name: x, action: deny, priority: -1000, tools: [rm]}]").rules
    assert rules is not None
    assert rules.judge_call(Call("tools/call", "rm", {}), facts).action is Action.DENY
    assert rules.judge_call(Call("tools/call", "ls", {}), facts).action is Action.ALLOW


def named(text: str) -> str:
    return text.replace("DID_A", DID_A).replace("DID_B", DID_B)


def test_a_principal_can_be_blocked_by_the_system_and_not_freed() -> None:
    user = "principals: {'DID_A': {capabilities: ['fs:*']}, 'DID_B': {blocked: true}}"
    system = "principals: {'DID_A': {blocked: true}, 'DID_B': {blocked: false}}"
    made = under(named(user), named(system)).principals
    assert (made[DID_A].blocked, made[DID_B].blocked) == (True, True)
    assert made[DID_A].capabilities == {"fs:*"}


def test_a_profile_cannot_be_blocked_by_the_system_for_the_user_may_choose_another() -> None:
    text = "principals: {'local:a': {blocked: true}}"
    (problem,) = read_document(text, "f", str, system=True).problems
    assert problem.message.startswith("f:1:14: a profile is the user's own choice")


def test_a_detector_is_handled_by_the_stronger_word() -> None:
    user = "gateway: {detect: {ssn: deny, card: off, iban: record}}"
    found = under(user, "gateway: {detect: {ssn: record, card: redact, iban: off}}")
    assert found.gateway.detectors["ssn"] is Handling.DENY
    assert found.gateway.detectors["card"] is Handling.REDACT
    assert found.gateway.detectors["iban"] is Handling.RECORD


def test_patterns_of_the_system_are_looked_for_too() -> None:
    entry = "gateway: {patterns: [{name: NAME, form: glob, text: a, action: deny}]}"
    made = under(entry.replace("NAME", "own"), entry.replace("NAME", "theirs")).gateway.patterns
    assert made is not None
    assert [row.name for row in made.rows] == ["own", "theirs"]


def fence(*folders: str) -> str:
    """Scopes that open these folders to what `read` names in `path`."""
    opened = ", ".join(f"'filesystem:{each} x read'" for each in folders)
    held = "{tools: [read], argument: path, is: filesystem, action: read}"
    return f"gateway: {{scopes: [{opened}], arguments: [{held}]}}"


ANYWHERE = fence("/**")
DOCS = fence("/srv/docs/**")

FENCED: dict[str, tuple[str, str, str, bool]] = {
    "the user opens more": (ANYWHERE, DOCS, "/etc/passwd", False),
    "and what both open": (ANYWHERE, DOCS, "/srv/docs/a", True),
    "the user opens less": (fence("/srv/docs/a/**"), DOCS, "/srv/docs/b", False),
    "and what he opens": (fence("/srv/docs/a/**"), DOCS, "/srv/docs/a/b", True),
    "each opens another": (fence("/home/**"), DOCS, "/srv/docs/a", False),
    "the system alone": ("", DOCS, "/etc/passwd", False),
    "the system alone, inside": ("", DOCS, "/srv/docs/a", True),
    "the user alone": (DOCS, "", "/etc/passwd", False),
    "a way out": (ANYWHERE, DOCS, "/srv/docs/../../etc/passwd", False),
    "an encoded way out": (ANYWHERE, DOCS, "/srv/docs/%2e%2e/%2e%2e/etc/passwd", False),
    "the user's home": (ANYWHERE, DOCS, "~/a", False),
    "the user empties the list": ("gateway: {arguments: []}", DOCS, "/etc/passwd", False),
    "for a server": (
        "servers: {s: {" + ANYWHERE + "}}", DOCS, "/etc/passwd", False,
    ),
}  # fmt: skip
"""User's file, system's file, a path, whether it may be read."""


@pytest.mark.guarantee("config:system-fixes-scopes")
@pytest.mark.parametrize(("user", "system", "path", "allowed"), FENCED.values(), ids=FENCED)
def test_what_the_system_fenced_in_no_users_file_opens(
    home: Home, user: str, system: str, path: str, *, allowed: bool
) -> None:
    policy = home.load(user or None, system or None, server="s").settings.gateway
    stage = GatewayStage(policy, None, system=System(lambda each: each, home="/home/u"))
    verdict = stage.judge(Call("tools/call", "read", {"path": path}), ANYBODY)
    assert isinstance(verdict, Verdict)
    assert (verdict.effect is Effect.ALLOW) is allowed


def test_a_scope_of_the_system_that_nothing_is_held_to_is_an_error(home: Home) -> None:
    with pytest.raises(PolicyError, match="no argument is compared with this scope"):
        home.load(ANYWHERE, "gateway: {scopes: ['filesystem:/srv/** x read']}")
    with pytest.raises(PolicyError, match="would deny every call"):
        home.load(ANYWHERE, fence())


DID_A = "did:key:z6MkhaXgBZDvotDkL5257faiztiGiC2QtKLGpbnnEGta2doK"
DID_B = "did:key:z6MkiTBz1ymuepAQ4HEHYSF1H8quG5GLVVQR3djdX3mDooWp"

PATTERN: JsonObject = {"name": "x", "form": "substring", "text": "x", "action": "deny"}

LOOSE: dict[str, Json] = {
    "preset": "permissive",
    "profile": "work",
    "identity": "/home/u/identity.pem",
    "principals.*.capabilities": ["fs:*"],
    "scan.suppress": [{"rule": "scan.*", "reason": "ours", "expires": "2026-12-31"}],
    "audit.log": "/var/log/a.jsonl",
    "audit.rotate_size": 65536,
    "audit.rotate_age": 60,
    "audit.anchors": "/mnt/anchors",
    "audit.host": "laptop-7",
    "telemetry.listen": "127.0.0.1:9464",
    "store.backend": "memory",
    "store.where": "/var/lib/a",
}


@pytest.mark.guarantee("config:system-only-tightens")
@pytest.mark.parametrize("path", LOOSE)
def test_what_cannot_tighten_cannot_stand_in_the_systems_file(home: Home, path: str) -> None:
    text = yaml(nested(path.replace("*", DID_A), LOOSE[path]))
    found = problems_of(home.system(text), system=True)
    assert f"`{path}` cannot be tightened" in found[0].message
    with pytest.raises(PolicyError, match="cannot be tightened"):
        home.load(system=text)


def test_every_row_says_whether_it_can_be_tightened() -> None:
    assert {".".join(row.path) for row in ROWS if not row.tightens} == set(LOOSE)


def test_the_systems_own_sections_count_for_their_server(home: Home) -> None:
    text = "servers: {files: {gateway: {deny: [rm]}, tools: {a: {blocked: true}}}}"
    files, other = (home.load(system=text, server=each).settings for each in ("files", "o"))
    assert (files.gateway.deny, other.gateway.deny) == (("rm",), ())
    assert (files.tools.of("a").blocked, other.tools.of("a").blocked) == (True, False)


def test_allow_lists_that_meet_in_too_many_ways_are_an_error_at_the_systems(home: Home) -> None:
    allow = "gateway: {{allow: ['{}']}}".format
    user, system = allow("*a*b*c*d*"), allow("*f*g*h*i*")
    with pytest.raises(PolicyError, match=r"system/mcpguard.yaml:1:19: what .* both match"):
        home.load(user, system)


def test_what_is_wrong_with_both_files_together_is_found(home: Home) -> None:
    entry = "gateway: {patterns: [{name: x, form: substring, text: x, action: deny}]}"
    user, system = home.user(entry), home.system(entry)
    found = problems_of_all(home.places)
    assert [(path, len(wrong)) for path, wrong in found] == [(user, 0), (system, 0), (system, 1)]
    assert "a second entry is called `x`" in found[2][1][0].message
    home.user(yaml({"servers": {"s": nested("gateway.patterns", [PATTERN])}}))
    assert [len(wrong) for _, wrong in problems_of_all(home.places)] == [0, 0, 1]
    home.system("profile: x")
    assert [len(wrong) for _, wrong in problems_of_all(home.places)] == [0, 1]
    home.system("servers: {s: {tools: {'a*': {min_trust: 1}, '*a': {min_trust: 2}}}}")
    ((_, none), (_, (tie,))) = problems_of_all(home.places)
    assert (none, "as specific as each other" in tie.message) == ([], True)


def test_allow_lists_that_are_too_many_to_compare_are_an_error(home: Home) -> None:
    texts = [yaml(nested("gateway.allow", [f"{each}*" for each in range(101)])) for _ in "us"]
    with pytest.raises(PolicyError, match="101 patterns here and 101 in the user's list"):
        home.load(*texts)


@pytest.mark.parametrize(
    ("general", "more", "told"),
    [
        (
            {"tools": {f"t{each}": {"blocked": True} for each in range(1000)}},
            {"tools": {"x": {"blocked": True}}},
            "1001 tool policies",
        ),
        (
            nested("gateway.patterns", [dict(PATTERN, name=f"p{each}") for each in range(200)]),
            nested("gateway.patterns", [PATTERN]),
            "201 patterns",
        ),
    ],
)
def test_what_only_layers_together_are_too_many_of_is_an_error(
    home: Home, general: JsonObject, more: JsonObject, told: str
) -> None:
    text = yaml({**general, "servers": {"s": more}})
    assert home.load(text).files
    with pytest.raises(PolicyError, match=told):
        home.load(text, server="s")


# --- a property over all of it -------------------------------------------------------------------

globs = st.sampled_from(["*", "a*", "*b", "ab", "a?", "c"])
trusts = st.integers(0, 3)
rates = st.sampled_from(["1/day", "2/day", "1/hour"])
lists = st.lists(globs, max_size=2)

documents = st.fixed_dictionaries(
    {},
    optional={
        "mode": st.sampled_from(list(map(str, Mode))),
        "trust": st.fixed_dictionaries({"min_trust": trusts}),
        "tools": st.dictionaries(
            globs,
            st.fixed_dictionaries(
                {"min_trust": trusts},
                optional={"blocked": st.booleans(), "max_calls_per_minute": st.integers(0, 2)},
            ),
            min_size=1,
            max_size=2,
        ),
        "limits": st.fixed_dictionaries(
            {"tool": st.lists(rates, max_size=2)},
            optional={
                "tools": st.dictionaries(
                    st.sampled_from(["ab", "c"]), st.lists(rates, max_size=2), min_size=1
                )
            },
        ),
        "gateway": st.fixed_dictionaries(
            {"deny": lists},
            optional={
                "allow": lists,
                "approve": lists,
                "detect": st.dictionaries(
                    st.sampled_from(["ssn", "email"]),
                    st.sampled_from(["off", "record", "redact", "deny"]),
                    min_size=1,
                ),
            },
        ),
        "requests": st.lists(st.sampled_from(["roots", "sampling"]), max_size=2),
    },
)
DETECT = [None, Handling.RECORD, Handling.REDACT, Handling.DENY]
MODES = [Mode.AUDIT_ONLY, Mode.FILTER_ONLY, Mode.ENFORCE]


def loads(text: str, *, system: bool = False) -> Settings | None:
    document = read_document(text, "f", str, system=system)
    assert not document.problems
    try:
        return settings_of(laid([BASE, document.values]))
    except PolicyError:
        return None


def at_least_as_strict(one: Settings, other: Settings, name: str) -> None:
    """Whether nothing about the tool `name` is permitted by `one` that `other` does not."""
    assert stricter(one.tools.of(name), other.tools.of(name)) == one.tools.of(name)
    assert MODES.index(one.mode or Mode.ENFORCE) >= MODES.index(other.mode or Mode.AUDIT_ONLY)
    assert any_matches(one.gateway.deny, name) >= any_matches(other.gateway.deny, name)
    assert any_matches(one.gateway.approve, name) >= any_matches(other.gateway.approve, name)
    assert allowed(one, name) <= allowed(other, name)
    for rule in ("ssn", "email"):
        mine, its = (DETECT.index(each.gateway.detectors.get(rule)) for each in (one, other))
        assert mine >= its
    assert set(rates_of(one, name)) >= set(rates_of(other, name))
    assert other.requests is None or (one.requests is not None and one.requests <= other.requests)


def any_matches(patterns: tuple[str, ...], name: str) -> bool:
    return any(Glob(each).matches(name) for each in patterns)


def allowed(made: Settings, name: str) -> bool:
    return made.gateway.allow is None or any_matches(made.gateway.allow, name)


def rates_of(made: Settings, name: str) -> tuple[Limit, ...]:
    return made.limits.tools.get(name, made.limits.tool)


@pytest.mark.guarantee("config:system-only-tightens")
@settings(suppress_health_check=[HealthCheck.too_slow], max_examples=60)
@given(documents, documents, st.sampled_from(["ab", "a", "c", "aab", "b", "x"]))
def test_whatever_both_files_say_nothing_is_looser_than_either(
    user: JsonObject, system: JsonObject, name: str
) -> None:
    own, theirs = loads(yaml(user)), loads(yaml(system), system=True)
    if own is None or theirs is None:  # two policies that tie
        return
    made = under(yaml(user), yaml(system))
    at_least_as_strict(made, own, name)
    floor = values(yaml(system), system=True)
    at_least_as_strict(made, settings_of(laid([LOOSEST, floor])), name)


LOOSEST = laid(
    [
        BASE,
        values(
            "trust: {min_trust: 0}\ngateway: {detect: {ssn: off}}\ntools: {zz: {tier: T0_observe}}"
        ),
    ]
)
"""What no file asks for less than, so that a system's file alone says only what it says itself."""
