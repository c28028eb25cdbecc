"""Every key takes effect or is an error with its place and what to write instead."""

from collections.abc import Iterator
from dataclasses import fields
from datetime import date
from pathlib import Path
from typing import Any, get_args

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mcpguard.audit.chain import Durability
from mcpguard.config.files import Places
from mcpguard.config.loading import load, problems_of
from mcpguard.config.reading import read_document
from mcpguard.config.rows import PER_SERVER, ROWS, Row
from mcpguard.config.settings import (
    ApprovalSettings,
    OnLoss,
    Preset,
    PrincipalSettings,
    Settings,
    TrustSettings,
)
from mcpguard.errors import PolicyError
from mcpguard.model import Json, Mode, RequestKind, Tier
from mcpguard.pipeline.terms import Binding, Handling, Response
from mcpguard.policy import foreign
from mcpguard.policy import loading as rules
from mcpguard.policy.suppress import Suppression
from mcpguard.scan import DETECTORS
from mcpguard.scan.patterns import Action, Form, Pattern
from mcpguard.scan.semantics import Resource, Scope
from mcpguard.siem.sinks import target_of
from mcpguard.store import BACKENDS
from mcpguard.store.ledger import Kind, Limit
from mcpguard.trust.policy import ToolPolicy
from tests.unit.config.documents import Home

SCOPED = """gateway:
  scopes: ["filesystem:/data/** x read", "network:*.example.org x connect"]
  arguments:
    - {tools: [read_*], argument: path, is: filesystem, action: read, base: /data}
    - {tools: ["*"], argument: /urls/*, is: network, action: connect}
"""
PATTERN = "{name: badge, form: re2, text: 'B[0-9]+', action: redact}"
RULE = "{name: no, action: deny, tools: [rm]}"

DID = "did:key:z6MkhaXgBZDvotDkL5257faiztiGiC2QtKLGpbnnEGta2doK"

EFFECTS: dict[str, tuple[str, str, Any]] = {
    "preset": ("preset: strict", "preset", Preset.STRICT),
    "mode": ("mode: filter-only", "mode", Mode.FILTER_ONLY),
    "profile": ("profile: work", "profile", "work"),
    "identity": ("identity: /home/u/identity.pem", "identity", "/home/u/identity.pem"),
    "zone": ("zone: Asia/Tokyo", "zone", "Asia/Tokyo"),
    "principals.*.capabilities": (
        "principals: {'local:work': {capabilities: ['fs:*', 'net:get']}}",
        "principals",
        {"local:work": PrincipalSettings(frozenset({"fs:*", "net:get"}))},
    ),
    "principals.*.blocked": (
        f"principals: {{'{DID}': {{blocked: true}}}}",
        "principals",
        {DID: PrincipalSettings(blocked=True)},
    ),
    "trust.min_trust": ("trust: {min_trust: 7}", "trust", TrustSettings(7)),
    "trust.tiers": ("trust: {tiers: decide}", "trust", TrustSettings(tiers=True)),
    "trust.servers": ("trust: {servers: hold}", "trust", TrustSettings(servers=True)),
    "limits.tool": (
        "limits: {tool: [60/minute, {rate: 10/second, burst: 20}]}",
        "limits.tool",
        (Limit(60, 60_000), Limit(10, 1_000, Kind.BUCKET, 20)),
    ),
    "limits.principal": (
        "limits: {principal: [9/day]}",
        "limits.principal",
        (Limit(9, 86_400_000),),
    ),
    "limits.server": ("limits: {server: [9/hour]}", "limits.server", (Limit(9, 3_600_000),)),
    "limits.tools.*": (
        "limits: {tools: {write_file: [2/second]}}",
        "limits.tools",
        {"write_file": (Limit(2, 1_000),)},
    ),
    "gateway.deny": ("gateway: {deny: [rm, 'exec_*']}", "gateway.deny", ("rm", "exec_*")),
    "gateway.allow": ("gateway: {allow: []}", "gateway.allow", ()),
    "gateway.detect.*": (
        "gateway: {detect: {ssn: deny, ssrf_url: off}}",
        "gateway.detectors",
        {
            **dict.fromkeys(
                ("card", "iban", "secrets", "shell_injection", "path_traversal"), Handling.RECORD
            ),
            "ssn": Handling.DENY,
        },
    ),
    "gateway.patterns": (
        f"gateway: {{patterns: [{PATTERN}]}}",
        "gateway.patterns.rows",
        (Pattern("badge", Form.RE2, "B[0-9]+", Action.REDACT),),
    ),
    "gateway.scopes": (
        SCOPED,
        "gateway.scopes",
        (
            Scope.parse("filesystem:/data/** x read"),
            Scope.parse("network:*.example.org x connect"),
        ),
    ),
    "gateway.arguments": (
        SCOPED,
        "gateway.bindings",
        (
            Binding(("read_*",), "path", Resource.FILESYSTEM, "read", "/data"),
            Binding(("*",), "/urls/*", Resource.NETWORK, "connect"),
        ),
    ),
    "gateway.budgets.tool_calls": (
        "gateway: {budgets: {tool_calls: 5}}",
        "gateway.budgets.max_tool_calls",
        5,
    ),
    "gateway.budgets.bytes_in": (
        "gateway: {budgets: {bytes_in: 6}}",
        "gateway.budgets.max_bytes_in",
        6,
    ),
    "gateway.budgets.bytes_out": (
        "gateway: {budgets: {bytes_out: 7}}",
        "gateway.budgets.max_bytes_out",
        7,
    ),
    "gateway.budgets.repeated_failures": (
        "gateway: {budgets: {repeated_failures: {count: 3, within: 30}}}",
        "gateway.budgets.failures",
        3,
    ),
    "gateway.approve": ("gateway: {approve: [send_*]}", "gateway.approve", ("send_*",)),
    "scan.results.review": ("scan: {results: {review: block}}", "scan.results.review", "block"),
    "scan.results.block": ("scan: {results: {block: off}}", "scan.results.block", "off"),
    "scan.definitions.review": (
        "scan: {definitions: {review: block}}",
        "scan.definitions.review",
        "block",
    ),
    "scan.definitions.block": (
        "scan: {definitions: {block: record}}",
        "scan.definitions.block",
        "record",
    ),
    "scan.requests.review": ("scan: {requests: {review: off}}", "scan.requests.review", "off"),
    "scan.requests.block": ("scan: {requests: {block: block}}", "scan.requests.block", "block"),
    "scan.secrets": ("scan: {secrets: redact}", "scan.secrets", Response.REDACT),
    "scan.pii": ("scan: {pii: annotate}", "scan.pii", Response.ANNOTATE),
    "scan.canary": ("scan: {canary: block}", "scan.canary", Response.BLOCK),
    "scan.keep": ("scan: {keep: 5}", "scan.keep", 5),
    "approvals.hold": ("approvals: {hold: 9}", "approvals", ApprovalSettings(hold=9)),
    "approvals.retry": ("approvals: {retry: 9}", "approvals", ApprovalSettings(retry=9)),
    "approvals.quorum": ("approvals: {quorum: 2}", "approvals", ApprovalSettings(quorum=2)),
    "approvals.elicit": ("approvals: {elicit: [a]}", "approvals", ApprovalSettings(elicit=("a",))),
    "scan.suppress": (
        'scan: {suppress: [{rule: scan.*, reason: ours, expires: "2026-12-31", item: tool x}]}',
        "suppress",
        (Suppression("scan.*", "ours", date(2026, 12, 31), "*", "tool x"),),
    ),
    "requests": (
        "requests: [roots, elicitation]",
        "requests",
        frozenset({RequestKind.ROOTS, RequestKind.ELICITATION}),
    ),
    "audit.log": ("audit: {log: /var/log/a.jsonl}", "audit.log", "/var/log/a.jsonl"),
    "audit.durability": ("audit: {durability: strict}", "audit.durability", "strict"),
    "audit.sinks": (
        "audit: {sinks: [{name: soc, to: 'tls://h', format: cef, ca: /ca.pem}]}",
        "audit.sinks",
        (target_of({"name": "soc", "to": "tls://h", "format": "cef", "ca": "/ca.pem"}),),
    ),
    "audit.host": ("audit: {host: laptop-7.x}", "audit.host", "laptop-7.x"),
    "audit.on_failure": ("audit: {on_failure: continue}", "audit.on_failure", "continue"),
    "audit.rotate_size": ("audit: {rotate_size: 65536}", "audit.rotate_size", 65536),
    "audit.rotate_age": ("audit: {rotate_age: 60}", "audit.rotate_age", 60),
    "audit.keep": ("audit: {keep: 7}", "audit.keep", 7),
    "audit.anchors": ("audit: {anchors: /mnt/a}", "audit.anchors", "/mnt/a"),
    "audit.capture.arguments": (
        "audit: {capture: {arguments: ['get_*']}}",
        "audit.capture_arguments",
        ("get_*",),
    ),
    "audit.capture.results": (
        "audit: {capture: {results: [a, b]}}",
        "audit.capture_results",
        ("a", "b"),
    ),
    "audit.evidence": ("audit: {evidence: on}", "audit.evidence", True),
    "audit.receipts": ("audit: {receipts: required}", "audit.receipts", "required"),
    "store.backend": ("store: {backend: memory}", "store.backend", "memory"),
    "telemetry.trace": ("telemetry: {trace: on}", "telemetry.trace", True),
    "telemetry.listen": ("telemetry: {listen: '[::1]:9'}", "telemetry.listen", "[::1]:9"),
    "store.where": ("store: {where: /var/db}", "store.where", "/var/db"),
    "store.on_loss": ("store: {on_loss: local}", "store.on_loss", OnLoss.LOCAL),
}
"""Row -> a text that sets it, where in Settings that shows, and how."""

POLICIES = {
    "min_trust": ("7", ToolPolicy(min_trust=7)),
    "min_level": ("2", ToolPolicy(min_level=2)),
    "required_capabilities": ("['fs:write']", ToolPolicy(required_capabilities=("fs:write",))),
    "blocked": ("true", ToolPolicy(blocked=True)),
    "max_calls_per_minute": ("9", ToolPolicy(max_calls_per_minute=9)),
    "description": ("'Reads: all.'", ToolPolicy(description="Reads: all.")),
    "tier": ("T3_commit", ToolPolicy(tier=Tier.COMMIT)),
}
"""Key of a tool's policy -> a value, and the policy that it makes."""


def at(settings: Settings, path: str) -> object:
    found: object = settings
    for key in path.split("."):
        found = getattr(found, key)
    return found


def name(row: Row) -> str:
    return ".".join(row.path)


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return Home(tmp_path)


@pytest.mark.guarantee("config:every-key-takes-effect")
@pytest.mark.parametrize(("text", "path", "value"), EFFECTS.values(), ids=EFFECTS)
def test_each_key_takes_effect(home: Home, text: str, path: str, value: object) -> None:
    assert at(home.load(text).settings, path) == value
    assert at(Settings(), path.removesuffix(".rows")) != value


@pytest.mark.guarantee("config:every-key-takes-effect")
@pytest.mark.parametrize("key", POLICIES)
def test_each_key_of_a_tools_policy_takes_effect(home: Home, key: str) -> None:
    value, policy = POLICIES[key]
    settings = home.load(f"tools: {{'read_*': {{{key}: {value}}}}}").settings
    assert settings.tools.of("read_file") == policy
    assert settings.tools.of("write_file") == ToolPolicy()


def test_every_row_of_the_table_is_tried_above() -> None:
    tried = {*EFFECTS, "rules"} | {f"tools.*.{key}" for key in POLICIES}
    assert {name(row) for row in ROWS} == tried
    assert {field.name for field in fields(ToolPolicy)} == set(POLICIES)


def test_rules_take_effect(home: Home) -> None:
    rules = home.load(f"rules: [{RULE}]").settings.rules
    assert rules is not None
    assert [rule.name for rule in rules.rules] == ["no"]
    assert home.load("rules: [{name: no, action: deny, enabled: false}]").settings.rules is None


def test_repeated_failures_have_their_window(home: Home) -> None:
    text = "gateway: {budgets: {repeated_failures: {count: 3, within: 30}}}"
    assert home.load(text).settings.gateway.budgets.failure_window == 30.0


def test_a_tool_without_a_policy_or_a_policy_without_a_score_has_the_general_one(
    home: Home,
) -> None:
    tools = home.load("{trust: {min_trust: 40}, tools: {a: {min_level: 1}, b: {min_trust: 5}}}")
    asked = [tools.settings.tools.of(each).min_trust for each in ("a", "b", "c")]
    assert asked == [40, 5, 40]
    assert tools.settings.tools.default.min_trust == 40


def test_words_that_other_rooms_own_are_theirs() -> None:
    document = "audit: {durability: x}\nstore: {backend: x}\ngateway: {detect: {x: deny}}"
    hints = [error.hint for error in read_document(document, "f", lambda _: "").problems]
    assert hints == [
        "known here: none, grouped, strict",
        f"known here: {', '.join(BACKENDS)}",
        f"known here: {', '.join(DETECTORS)}",
    ]
    assert set(get_args(Durability)) == {"none", "grouped", "strict"}


BAD: dict[str, tuple[str, str, str]] = {
    "a key with a typing error": (
        "truts: {min_trust: 1}",
        "f.yaml:1:1: unknown key `truts`",
        "did you mean `trust`?",
    ),
    "a key below with one": (
        "trust:\n  min_trsut: 1",
        "f.yaml:2:3: unknown key `min_trsut`",
        "did you mean `min_trust`?",
    ),
    "a key of a tool's policy with one": (
        "tools:\n  read_*: {min_trsut: 1}",
        "f.yaml:2:12: unknown key `min_trsut`",
        "did you mean `min_trust`?",
    ),
    "a key in the wrong place": (
        "deny: [rm]",
        "f.yaml:1:1: unknown key `deny`",
        "it stands under `gateway`",
    ),
    "a key that may be two": (
        "tool: {rm: {blocked: true}}",
        "f.yaml:1:1: unknown key `tool`",
        "did you mean `tools`? If not, it stands under `limits`",
    ),
    "a key that no server has": (
        "servers: {files: {store: {backend: memory}}}",
        "f.yaml:1:19: unknown key `store`",
        "it is for all servers: write it at the top of the file",
    ),
    "a key twice": ("mode: enforce\nmode: audit-only", "f.yaml:2:1: the key `mode` is here", ""),
    "a list for the whole": ("- a", "f.yaml:1:1: a mapping belongs here, not a list", "KEY: VALUE"),
    "no space behind a colon": (
        "gateway:\n  deny:[a]",
        "f.yaml:2:3: a mapping belongs here, not the text `deny:[a]`",
        "with a space behind the colon",
    ),
    "an empty mapping": ("gateway: {}", "f.yaml:1:10: the mapping is empty", "leave it out"),
    "a key with nothing": (
        "gateway:",
        "f.yaml:1:9: a mapping belongs here, not nothing",
        "leave it out",
    ),
    "a tool with nothing": ("tools: {rm: {}}", "f.yaml:1:13: the mapping is empty", ""),
    "a mode with a typing error": ("mode: enforced", "f.yaml:1:7: unknown word", "`enforce`?"),
    "a yes": ("tools: {a: {blocked: yes}}", "f.yaml:1:22: true or false belongs", "write true"),
    "quorum that no grant holds": (
        "approvals: {quorum: 17}",
        "f.yaml:1:21: 17 is not from 1 to 16",
        "",
    ),
    "yes that lasts longer than one can": (
        "approvals: {retry: 3601}",
        "f.yaml:1:20: 3601 is not from 1 to 3600",
        "",
    ),
    "a time with a unit": (
        "approvals: {hold: 5m}",
        "f.yaml:1:19: a whole number belongs here",
        "a whole number from 1 to",
    ),
    "more trust than there is": (
        "trust: {min_trust: 2000}",
        "f.yaml:1:20: 2000 is not",
        "write a whole number from 0 to 1000",
    ),
    "a limit without a unit": (
        "rules: [{name: x, action: deny, limit: 5}]",
        "f.yaml:1:40: `5` is no limit",
        "100/hour",
    ),
    "a rate without a unit": ("limits: {tool: [5]}", "f.yaml:1:17: `5` is no rate", "100/hour"),
    "roles": ("roles: {a: {}}", "f.yaml:1:1: unknown key `roles`", "`principals`"),
    "one argument in a condition": (
        "rules: [{name: x, action: deny, when: \"call.argument.path == 'a'\"}]",
        "f.yaml:1:39: unknown name",
        "call.arguments.path",
    ),
    "a dotted argument": (
        "gateway: {arguments: [{tools: ['*'], argument: opt.file, is: filesystem, action: read}]}",
        "f.yaml:1:48: `opt.file` is no path",
        "write a JSON pointer: /opt/file,",
    ),
    "a dotted list": (
        "gateway: {arguments: [{tools: [a], argument: '$.paths[*]', is: command, action: run}]}",
        "f.yaml:1:46: `$.paths[*]` is no path",
        "write a JSON pointer: /paths/*,",
    ),
    "too much trust": ("trust: {min_trust: 1001}", "f.yaml:1:20: 1001 is not from 0 to 1000", ""),
    "a fraction": ("trust: {min_trust: 1.5}", "f.yaml:1:20: a whole number belongs here", ""),
    "no such tier": ("tools: {a: {tier: T4}}", "f.yaml:1:19: unknown word `T4`", ""),
    "a wildcard that is required": (
        "tools: {a: {required_capabilities: ['fs:*']}}",
        "f.yaml:1:37: no capability",
        "into what a principal holds",
    ),
    "a capability that is all": (
        "principals: {'local:a': {capabilities: ['*']}}",
        "f.yaml:1:41: no capability",
        "fs:*",
    ),
    "a DID of another method": (
        "principals: {'did:web:example.com': {blocked: true}}",
        "f.yaml:1:14: DIDs like 'did:web' are not known yet, only did:key",
        "mcpguard identity show",
    ),
    "no whole did:key": (
        "principals: {'did:key:z6Mk': {blocked: true}}",
        "f.yaml:1:14: no did:key of Ed25519: it is not z and 47 digits of base58",
        "mcpguard identity show",
    ),
    "a key's file that depends on where it is read": (
        "identity: identity.pem",
        "f.yaml:1:11: an absolute path belongs here",
        "begin it with /",
    ),
    "two words for who the host is": (
        "profile: work\nidentity: /home/u/identity.pem",
        "f.yaml:2:11: `identity` and `profile` both say who the host is",
        "leave one out; the profile work stands at f.yaml:1",
    ),
    "a principal that nobody is": (
        "principals: {work: {blocked: true}}",
        "f.yaml:1:14: a principal is `local:PROFILE` or a did:key",
        "local:default",
    ),
    "a tie": (
        "tools:\n  a_*: {min_trust: 1}\n  '*_b': {min_trust: 2}",
        "f.yaml:3:22: `a_*` and `*_b` are as specific as each other",
        "more specific",
    ),
    "an unknown unit": (
        "limits: {tool: [60/min]}",
        "f.yaml:1:17: '60/min' is no rate: the unit",
        "60/minute",
    ),
    "a bucket without a burst": (
        "limits: {tool: [{rate: 6/minute}]}",
        "f.yaml:1:17: `burst` is missing",
        "",
    ),
    "a rate alone": ("limits: {tool: 6/minute}", "f.yaml:1:16: a list belongs here", "[a, b]"),
    "a pattern for a tool's limit": (
        "limits: {tools: {'read_*': [6/minute]}}",
        "f.yaml:1:18: a tool's name belongs here, not a pattern",
        "limits.tool",
    ),
    "an unknown detector": (
        "gateway: {detect: {ssnn: deny}}",
        "f.yaml:1:20: there is no such detector",
        "did you mean `ssn`?",
    ),
    "a pattern that RE2 cannot read": (
        "gateway: {patterns: [{name: a, form: re2, text: '(', action: deny}]}",
        "f.yaml:1:49: it is not a pattern that RE2 reads",
        "look-around",
    ),
    "a pattern that matches its own placeholder": (
        "gateway: {patterns: [{name: a, form: re2, text: '[a-z]+', action: redact}]}",
        "f.yaml:1:49: it matches ",
        "",
    ),
    "two patterns of one name": (
        f"gateway:\n  patterns:\n  - {PATTERN}\n  - {PATTERN}",
        "f.yaml:4:5: a second entry is called `badge`",
        "the first is f.yaml:3",
    ),
    "two rules of one name": (
        f"rules: [{RULE}]\nservers:\n  s:\n    rules: [{RULE}]",
        "f.yaml:4:13: a second entry is called `no`",
        "the first is f.yaml:1",
    ),
    "two rules of one name for two servers": (
        f"servers:\n  s:\n    rules: [{RULE}]\n  r:\n    rules: [{RULE}]",
        "f.yaml:5:13: a second entry is called `no`",
        "the first is f.yaml:3",
    ),
    "a scope that is none": (
        "gateway: {scopes: [/data]}",
        "f.yaml:1:20: scope: a scope is RESOURCE:PATTERN x ACTION",
        "filesystem:/data/**",
    ),
    "a scope of a resource that is none": (
        "gateway: {scopes: ['file:/data x read']}",
        "f.yaml:1:20: scope: the resource is one of filesystem, network, command, not 'file'",
        "filesystem:/data/**",
    ),
    "a scope of an action that is none": (
        "gateway: {scopes: ['network:*.org:443 x reach']}",
        "f.yaml:1:20: scope: the action of network is one of connect, not 'reach'",
        "network:*.example.org:443 x connect",
    ),
    "a scope without an argument": (
        "gateway: {scopes: ['filesystem:/data x read']}",
        "f.yaml:1:20: no argument is compared with this scope",
        "gateway.arguments",
    ),
    "an argument without a scope": (
        "gateway: {arguments: [{tools: [a], argument: p, is: filesystem, action: read}]}",
        "f.yaml:1:23: no scope is about filesystem x read, so this would deny every call",
        "gateway.scopes",
    ),
    "an argument of no tool": (
        "gateway: {arguments: [{tools: [], argument: p, is: command, action: run}]}",
        "f.yaml:1:31: the list is empty",
        "",
    ),
    "an action of another resource": (
        "gateway: {arguments: [{tools: [a], argument: p, is: command, action: read}]}",
        "f.yaml:1:70: unknown word `read`",
        "run",
    ),
    "a base of a host": (
        "gateway: {arguments: [{tools: [a], argument: p, is: network, action: connect, base: /}]}",
        "f.yaml:1:85: only paths have a base, not network",
        "",
    ),
    "a base that is relative": (
        "gateway: {arguments: [{tools: [a], argument: p, is: filesystem, action: read, base: d}]}",
        "f.yaml:1:85: an absolute path belongs here",
        "",
    ),
    "no pointer": (
        "gateway: {arguments: [{tools: [a], argument: /a~2, is: command, action: run}]}",
        "f.yaml:1:46: in a JSON pointer",
        "",
    ),
    "a log beside wherever it was started": (
        "audit: {log: audit.jsonl}",
        "f.yaml:1:14: an absolute path belongs here",
        "",
    ),
    "a place for memory": (
        "store: {backend: memory, where: /x}",
        "f.yaml:1:33: the memory store has no place",
        "",
    ),
    "no place for Redis": (
        "store: {backend: redis}",
        "f.yaml:1:18: the Redis store needs an address",
        "redis://",
    ),
    "a relative place": (
        "store: {where: state.db}",
        "f.yaml:1:16: the place of the store is not an absolute path",
        "",
    ),
    "a suppression without a reason": (
        'scan: {suppress: [{rule: x, expires: "2026-12-31"}]}',
        "f.yaml:1:19: `reason` is missing",
        "add `reason:`",
    ),
    "a suppression without an end": (
        "scan: {suppress: [{rule: x, reason: y}]}",
        "f.yaml:1:19: `expires` is missing",
        "add `expires:`",
    ),
    "an end that is no day": (
        'scan: {suppress: [{rule: x, reason: y, expires: "2026-W01-1"}]}',
        "f.yaml:1:49: no day",
        "2026-12-31",
    ),
    "a request that nobody makes": ("requests: [root]", "f.yaml:1:12: unknown word", "`roots`?"),
    "a condition that is none": (
        "rules:\n  - {name: a, action: deny, when: 'x ='}",
        "f.yaml:2:35: ",
        "",
    ),
    "a server without a name": (
        "servers: {'': {requests: []}}",
        "f.yaml:1:11: a name has 1 to 256 printable characters",
        "",
    ),
    "a pattern without a character": (
        "tools: {'': {min_trust: 1}}",
        "f.yaml:1:9: a tool's pattern is 0 characters",
        "",
    ),
    "a zone that nobody knows": (
        "zone: Mars/Olympus",
        "f.yaml:1:7: 'Mars/Olympus': no such",
        "UTC",
    ),
    "a zone of this machine": ("zone: localtime", "f.yaml:1:7: 'localtime': no such zone", "UTC"),
    "a zone of the database itself": ("zone: /etc/localtime", "f.yaml:1:7: ", "UTC"),
    "a profile with a slash": ("profile: a/b", "f.yaml:1:10: a name has letters", ""),
    "a description of two lines": (
        'tools: {a: {description: "a\\nb"}}',
        "f.yaml:1:26: a line of printable text",
        "",
    ),
}


@pytest.mark.guarantee("config:bad-key-fails-load")
@pytest.mark.parametrize(("text", "message", "hint"), BAD.values(), ids=BAD)
def test_what_cannot_be_used_is_named_with_its_place(
    home: Home, text: str, message: str, hint: str
) -> None:
    path = home.user(text)
    found = problems_of(path)
    assert found[0].message.replace(str(path), "f.yaml").startswith(message)
    assert hint.replace("limits.tool", "limits.tool") in found[0].hint.replace(
        str(path), "f.yaml"
    ) or (hint in found[0].hint)
    with pytest.raises(PolicyError):
        load(path, where=home.places, server="s")


def test_everything_that_is_wrong_is_found_at_once() -> None:
    text = (
        "mode: x\ntrust: {min_trust: a, tires: decide}\nrules: [{name: a}, 5]\nlimits: {tool: [b]}"
    )
    places = [(each.line, each.column) for each in read_document(text, "f", str).problems]
    assert places == [(1, 7), (2, 20), (2, 23), (3, 9), (3, 20), (4, 17)]


@pytest.mark.parametrize("text", ["", "# nothing\n", "---\n"])
def test_a_file_that_says_nothing_changes_nothing(home: Home, text: str) -> None:
    assert home.load(text).settings.gateway == Settings().gateway
    assert problems_of(home.places.user) == []


def test_a_servers_section_has_the_keys_of_a_server() -> None:
    tops = {row.path[0] for row in ROWS}
    assert tops - set(PER_SERVER) == {
        "preset", "mode", "profile", "identity", "zone", "principals", "audit", "telemetry", "store"
    }  # fmt: skip


def paths() -> Iterator[str]:
    for row in ROWS:
        yield from (".".join(row.path[:end]) for end in range(1, len(row.path) + 1))


@given(st.recursive(
    st.none() | st.booleans() | st.integers(-9, 2000) | st.sampled_from(["*", "a", "off", "1/day"]),
    lambda inner: st.lists(inner, max_size=3)
    | st.dictionaries(
        st.sampled_from(sorted({word for path in paths() for word in path.split(".")}))
        | st.sampled_from(["servers", "ssn", "local:a", "x"]),
        inner,
        max_size=4,
    ),
    max_leaves=12,
))  # fmt: skip
def test_any_document_is_settings_or_our_own_error(value: Json) -> None:
    document = read_document(orjson.dumps(value).decode(), "f", lambda _: "f")
    assert all(each.line for each in document.problems)
    assert document.problems or value is None or isinstance(value, dict)


def test_no_place_is_read_that_was_not_asked_for(tmp_path: Path) -> None:
    nowhere = Places(tmp_path / "a", tmp_path / "b")
    assert load(where=nowhere).files == ()


def test_a_policy_knows_every_key_of_the_settings_that_is_none_of_its_own() -> None:
    tops = {"servers"} | {row.path[0] for row in ROWS}
    assert set(foreign.SETTINGS) == tops - {"rules"}
    for key, hint in foreign.SETTINGS.items():
        with pytest.raises(PolicyError, match=f"unknown key `{key}`") as caught:
            rules.load(f"{key}: x", "p")
        assert caught.value.hint == hint
