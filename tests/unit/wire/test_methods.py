"""The method table against the SDK's own maps of every revision, and its folding keys."""

import json
import subprocess
from functools import cache

import pytest

from mcpguard.model import ItemKind, JsonObject, Side
from mcpguard.wire import methods
from mcpguard.wire.methods import (
    KNOWN_META,
    LIST_CHANGED,
    LISTS,
    MODERN_VERSIONS,
    NOTIFICATIONS,
    PROTOCOL_VERSION,
    REQUEST_KINDS,
    REQUESTS,
    VERSIONS,
    Row,
    folding_key,
)
from tests.tools import SDK2_PYTHON, missing

ORACLE = """
import json
from mcp_types import methods

def params(model):
    field = model.model_fields.get("params")
    if field is None:
        return []
    found, queue = set(), [field.annotation]
    while queue:
        kind = queue.pop()
        fields = getattr(kind, "model_fields", None)
        if fields is None:
            queue += getattr(kind, "__args__", ())
        else:
            found |= {each.alias or name for name, each in fields.items()}
    return sorted(found)

tables = ("CLIENT_REQUESTS", "CLIENT_NOTIFICATIONS", "SERVER_REQUESTS", "SERVER_NOTIFICATIONS")
print(json.dumps({
    table: [[*key, params(model)] for key, model in getattr(methods, table).items()]
    for table in tables
}))
"""
"""Run by the interpreter that has mcp 2.x: [method, version, parameters] of every table."""

OURS: dict[str, dict[str, Row]] = {
    "CLIENT_REQUESTS": REQUESTS[Side.HOST],
    "CLIENT_NOTIFICATIONS": NOTIFICATIONS[Side.HOST],
    "SERVER_REQUESTS": REQUESTS[Side.SERVER],
    "SERVER_NOTIFICATIONS": NOTIFICATIONS[Side.SERVER],
}

ABSENT: dict[tuple[str, str], str] = {}
"""(table, method) of the SDK that deliberately has no row here, and why. None today."""

_TASKS = "MCP 2025-11-25, experimental tasks, which mcp 2.x does not implement"
BEYOND: dict[tuple[str, str], str] = {
    ("CLIENT_REQUESTS", "tasks/get"): _TASKS,
    ("CLIENT_REQUESTS", "tasks/result"): _TASKS,
    ("CLIENT_REQUESTS", "tasks/cancel"): _TASKS,
    ("CLIENT_REQUESTS", "tasks/list"): _TASKS,
    ("SERVER_NOTIFICATIONS", "notifications/tasks/status"): _TASKS,
}
"""(table, method) that has a row and is not in the SDK's maps, and where it is specified."""


@cache
def oracle() -> dict[str, list[tuple[str, str, list[str]]]]:
    assert SDK2_PYTHON.exists(), missing()
    found = subprocess.run([SDK2_PYTHON, "-I", "-c", ORACLE], capture_output=True, check=True)
    tables: dict[str, list[tuple[str, str, list[str]]]] = json.loads(found.stdout)
    return tables


@pytest.mark.guarantee("parse:method-table-is-the-specification")
def test_every_method_of_every_revision_has_a_row_or_a_reason() -> None:
    lost = {
        (table, method)
        for table, rows in oracle().items()
        for method, _, _ in rows
        if method not in OURS[table]
    }
    assert lost == set(ABSENT)


@pytest.mark.guarantee("parse:method-table-is-the-specification")
def test_no_row_is_ours_alone_without_a_source() -> None:
    known = {(table, method) for table, rows in oracle().items() for method, _, _ in rows}
    ours = {(table, method) for table, rows in OURS.items() for method in rows}
    assert ours - known == set(BEYOND)


@pytest.mark.guarantee("parse:method-table-is-the-specification")
def test_a_row_has_exactly_the_parameters_of_all_revisions_together() -> None:
    specified: dict[tuple[str, str], set[str]] = {}
    for table, rows in oracle().items():
        for method, _, params in rows:
            specified.setdefault((table, method), set()).update(params)
    ours = {key: set(OURS[key[0]][key[1]].params) for key in specified}
    assert ours == {key: params - {"_meta"} for key, params in specified.items()}


@pytest.mark.guarantee("requests:era")
def test_a_hosts_request_exists_in_the_eras_whose_revisions_have_it() -> None:
    specified: dict[str, set[bool]] = {}
    for method, version, _ in oracle()["CLIENT_REQUESTS"]:
        specified.setdefault(method, set()).add(version in MODERN_VERSIONS)
    for table, method in BEYOND:
        if table == "CLIENT_REQUESTS":
            specified[method] = {False}
    ours = {
        method: {modern for modern in (False, True) if row.exists(modern=modern)}
        for method, row in REQUESTS[Side.HOST].items()
    }
    assert ours == specified


def test_the_revisions_are_the_ones_the_sdk_knows() -> None:
    assert {version for rows in oracle().values() for _, version, _ in rows} == VERSIONS


def test_a_row_is_filed_under_its_own_name_and_its_target_is_a_parameter() -> None:
    for rows in OURS.values():
        for name, row in rows.items():
            assert row.name == name
            assert not row.target or row.target in row.params


@pytest.mark.guarantee("pending:held-until-verified")
def test_whatever_names_an_item_waits_until_the_lists_are_verified() -> None:
    named = {row.name for row in REQUESTS[Side.HOST].values() if row.target not in ("", "taskId")}
    held = {row.name for row in REQUESTS[Side.HOST].values() if row.held}
    assert held == named | {"subscriptions/listen"}


def test_the_lists_and_kinds_refer_to_rows_that_exist() -> None:
    assert set(LISTS) <= set(REQUESTS[Side.HOST])
    assert {row.kind for row in LISTS.values()} == set(ItemKind)
    assert all(row.key == row.kind.value for row in LISTS.values())
    assert set(LIST_CHANGED) <= set(NOTIFICATIONS[Side.SERVER])
    assert sorted(kind for kinds in LIST_CHANGED.values() for kind in kinds) == sorted(ItemKind)
    assert {*REQUEST_KINDS, "ping"} == set(REQUESTS[Side.SERVER])


CALL = REQUESTS[Side.HOST]["tools/call"]


@pytest.mark.guarantee("fold:parameters")
@pytest.mark.parametrize(
    ("params", "key"),
    [
        ({"name": "t", "arguments": {}}, ""),
        ({"argumentſ": {}}, "argumentſ"),
        ({"ARGUMENTS": {}}, "ARGUMENTS"),
        ({"name": "t", "Name": "u"}, "Name"),
        ({"taſk": {}}, "taſk"),
        ({"tas\u212a": {}}, "tas\u212a"),
        ({"_META": {}}, "_META"),
        ({"unknown": 1}, ""),
        ({"arguments": {"Name": 1}}, ""),
        ({"_meta": {"progressToken": 1}}, ""),
        ({"_meta": {"ProgressToken": 1}}, "ProgressToken"),
        ({"_meta": {PROTOCOL_VERSION.upper(): 1}}, PROTOCOL_VERSION.upper()),
        ({"_meta": {"vendor.example/key": 1}}, ""),
        ({"_meta": "Method"}, ""),
        ("params", ""),
        (None, ""),
    ],
)
def test_a_parameter_that_differs_from_a_known_one_by_case_is_found(
    params: object, key: str
) -> None:
    assert folding_key(CALL, params) == key


@pytest.mark.guarantee("fold:parameters")
@pytest.mark.parametrize("rows", OURS.values(), ids=OURS)
def test_no_spelling_of_a_known_key_folds_onto_itself(rows: dict[str, Row]) -> None:
    for row in rows.values():
        exact: dict[str, object] = dict.fromkeys(row.params)
        assert folding_key(row, {**exact, "_meta": dict.fromkeys(KNOWN_META)}) == ""
        for name in row.params | {"_meta"}:
            assert folding_key(row, {name.upper(): None}) == name.upper()


def test_every_meta_key_with_a_meaning_is_known() -> None:
    prefix = "io.modelcontextprotocol/"
    names = (
        "protocolVersion",
        "clientCapabilities",
        "clientInfo",
        "logLevel",
        "serverInfo",
        "subscriptionId",
        "related-task",
    )
    trace = {"progressToken", "traceparent", "tracestate", "baggage"}
    assert {*(prefix + name for name in names), *trace} == KNOWN_META


def test_each_kind_has_its_list_its_key_and_its_capability() -> None:
    assert {(r.kind, r.method, r.key, r.capability) for r in LISTS.values()} == {
        (ItemKind.TOOL, "tools/list", "tools", "tools"),
        (ItemKind.PROMPT, "prompts/list", "prompts", "prompts"),
        (ItemKind.RESOURCE, "resources/list", "resources", "resources"),
        (ItemKind.TEMPLATE, "resources/templates/list", "resourceTemplates", "resources"),
    }
    assert {
        "notifications/tools/list_changed": (ItemKind.TOOL,),
        "notifications/prompts/list_changed": (ItemKind.PROMPT,),
        "notifications/resources/list_changed": (ItemKind.RESOURCE, ItemKind.TEMPLATE),
    } == LIST_CHANGED


def test_what_names_an_object_is_the_parameter_that_is_judged() -> None:
    rows = [*REQUESTS[Side.HOST].values(), *NOTIFICATIONS[Side.SERVER].values()]
    assert {row.name: row.target for row in rows if row.target} == {
        "tools/call": "name",
        "prompts/get": "name",
        "resources/read": "uri",
        "resources/subscribe": "uri",
        "resources/unsubscribe": "uri",
        "completion/complete": "ref",
        "tasks/get": "taskId",
        "tasks/result": "taskId",
        "tasks/cancel": "taskId",
        "notifications/resources/updated": "uri",
        "notifications/tasks/status": "taskId",
    }


def test_the_status_of_a_task_passes_whole() -> None:
    known = NOTIFICATIONS[Side.SERVER]["notifications/tasks/status"].params
    of_a_task = {"taskId", "status", "statusMessage", "createdAt", "lastUpdatedAt", "ttl"}
    assert known == of_a_task | {"pollInterval"}


def test_only_what_an_answer_is_read_with_is_kept() -> None:
    rows = [row for side in Side for row in REQUESTS[side].values()]
    assert {row.name: row.kept for row in rows if row.kept} == {
        "tools/call": ("task",),
        "subscriptions/listen": ("notifications",),
        "tasks/get": ("taskId",),
        "tasks/result": ("taskId",),
        "tasks/cancel": ("taskId",),
        "elicitation/create": ("elicitationId",),
    }


def test_the_eras_have_their_versions() -> None:
    assert methods.LEGACY_VERSIONS == ("2024-11-05", "2025-03-26", "2025-06-18", "2025-11-25")
    assert methods.MODERN_VERSIONS == ("2026-07-28",)


def test_the_parameters_of_a_method_are_known_beside_its_meta() -> None:
    row = methods.Row("m", frozenset({"a", "b"}))
    assert row.params == {"a", "b"}
    assert row.known == {"a", "b", "_meta"}


ABOUT: dict[str, tuple[str, JsonObject, str]] = {
    "a tool": ("tools/call", {"name": "echo"}, "echo"),
    "a resource": ("resources/read", {"uri": "file:///a"}, "file:///a"),
    "a prompt to complete": (
        "completion/complete",
        {"ref": {"type": "ref/prompt", "name": "greet", "uri": "x:y"}},
        "greet",
    ),
    "a resource to complete": (
        "completion/complete",
        {"ref": {"type": "ref/resource", "uri": "x:{y}", "name": "greet"}},
        "x:{y}",
    ),
    "a reference of no kind": ("completion/complete", {"ref": {"uri": "x:y"}}, "x:y"),
    "a reference that is none": ("completion/complete", {"ref": "greet"}, "greet"),
    "an object for a name": ("tools/call", {"name": {"type": "ref/prompt", "name": "x"}}, ""),
    "a number for a name": ("tools/call", {"name": 7}, ""),
    "no name": ("tools/call", {}, ""),
    "nothing to name": ("tools/list", {"name": "echo", "": "echo"}, ""),
}


@pytest.mark.parametrize(("method", "params", "target"), ABOUT.values(), ids=ABOUT)
def test_a_record_of_a_request_names_what_it_is_about(
    method: str, params: JsonObject, target: str
) -> None:
    assert REQUESTS[Side.HOST][method].about(params) == (method, target)
