"""What the SDK clients do with each real server: fixed steps on fixed inputs.

A step is what clients/python_client.py and clients/typescript_client.cjs understand. `WORK` stands
for the session's own working directory.
"""

import os
import subprocess
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeAlias

from tests import tools

Step: TypeAlias = dict[str, Any]

LISTS: tuple[Step, ...] = tuple(
    {"do": f"list_{what}"} for what in ("tools", "prompts", "resources", "templates")
)
CHANGED = "notifications/{}/list_changed"
MESSAGE = "notifications/message"
UPDATED = "notifications/resources/updated"
TEXT = "demo://resource/dynamic/text/1"
BLOB = "demo://resource/dynamic/blob/2"
STATIC = "demo://resource/static/document/architecture.md"
UNKNOWN_METHOD: Step = {"do": "request", "method": "tools/lost", "params": {}}
FIXED_TIME = 1_700_000_000
"""Seconds since 1970: the modification time of every prepared file."""


def call(name: str, **arguments: object) -> Step:
    return {"do": "call", "name": name, "arguments": arguments}


def wait(method: str, count: int = 1) -> Step:
    return {"do": "await", "method": method, "count": count}


@dataclass(frozen=True)
class Real:
    """A real server: how to start it, what it needs, what to do with it."""

    command: tuple[str, ...]
    steps: tuple[Step, ...]
    env: dict[str, str] = field(default_factory=dict)
    prepare: Callable[[Path], None] = lambda _work: None
    settled: tuple[Step, ...] = ()
    """First steps: what the server asks, and what tells that it is done starting."""
    tasks: tuple[Step, ...] = ()
    """Steps for the clients that can run tasks."""
    listens: tuple[Step, ...] = ()
    """Steps for the clients of the modern era."""


EVERYTHING_STEPS: tuple[Step, ...] = (
    {"do": "ping"},
    *LISTS,
    call("echo", message="grüße \u2028 \U0001f600 \\u0000"),
    call("get-sum", a=1, b=2.5),
    call("get-sum", a=9007199254740993, b=-0.0),
    call("get-annotated-message", messageType="error", includeImage=True),
    call("get-structured-content", location="Chicago"),
    call("get-tiny-image"),
    call("get-env"),
    call("get-resource-links", count=4),
    call("get-resource-reference", resourceType="Text", resourceId=3),
    call("get-resource-reference", resourceType="Blob", resourceId=4),
    {
        "do": "call",
        "name": "trigger-long-running-operation",
        "arguments": {"duration": 0.3, "steps": 3},
        "progress": True,
    },
    {
        "do": "cancel",
        "name": "trigger-long-running-operation",
        "arguments": {"duration": 0.6, "steps": 3},
    },
    call("trigger-long-running-operation", duration=0.8, steps=1),  # outlasts the cancelled one
    {"do": "prompt", "name": "simple-prompt"},
    {"do": "prompt", "name": "args-prompt", "arguments": {"city": "Paris", "state": "TX"}},
    {
        "do": "prompt",
        "name": "completable-prompt",
        "arguments": {"department": "Sales", "name": "Ada"},
    },
    {
        "do": "prompt",
        "name": "resource-prompt",
        "arguments": {"resourceType": "Text", "resourceId": "5"},
    },
    {
        "do": "complete",
        "prompt": "completable-prompt",
        "argument": {"name": "department", "value": "E"},
    },
    {
        "do": "complete",
        "prompt": "completable-prompt",
        "argument": {"name": "name", "value": ""},
        "context": {"department": "Engineering"},
    },
    {
        "do": "complete",
        "template": "demo://resource/dynamic/text/{resourceId}",
        "argument": {"name": "resourceId", "value": "7"},
    },
    {"do": "read", "uri": STATIC},
    {"do": "read", "uri": TEXT},
    {"do": "read", "uri": BLOB},
    {"do": "subscribe", "uri": TEXT},
    call("toggle-subscriber-updates"),
    wait(UPDATED),
    call("toggle-subscriber-updates"),
    {"do": "unsubscribe", "uri": TEXT},
    {"do": "log_level", "level": "debug"},
    call("toggle-simulated-logging"),
    call("toggle-simulated-logging"),
    call("echo", message=""),
    # What is refused, by whom ever it is:
    {**call("echo"), "invalid": True},
    {"do": "prompt", "name": "args-prompt", "arguments": {}},
    UNKNOWN_METHOD,
    {"do": "ping"},
)
EVERYTHING_ASKS: tuple[Step, ...] = (
    wait(MESSAGE),
    call("get-roots-list"),
    call("trigger-sampling-request", prompt="Say something fixed.", maxTokens=7),
    call("trigger-elicitation-request"),
    call("trigger-url-elicitation", url="https://example.org/go", elicitationId="one"),
    call(
        "trigger-url-elicitation", url="https://example.org/go", elicitationId="two", errorPath=True
    ),
    {"do": "roots_changed"},
    wait("roots/list", 2),
)
EVERYTHING_TASKS: tuple[Step, ...] = (
    {
        "do": "task",
        "name": "simulate-research-query",
        "arguments": {"topic": "python", "ambiguous": False},
    },
    {
        "do": "task",
        "name": "simulate-research-query",
        "arguments": {"topic": "python", "ambiguous": True},
    },
    {"do": "task_cancel", "name": "simulate-research-query", "arguments": {"topic": "cut"}},
)
FORM: dict[str, Any] = {"name": "Ada", "check": True, "interpretation": "programming"}


def make_files(work: Path) -> None:
    (work / "docs").mkdir()
    (work / "a.txt").write_text("one\ntwo\nthree\n", encoding="utf-8")
    (work / "docs" / "b.md").write_text("# Title\n\nText.\n", encoding="utf-8")
    (work / "dot.png").write_bytes(bytes.fromhex("89504e470d0a1a0a"))
    for path in (*work.rglob("*"), work):
        os.utime(path, (FIXED_TIME, FIXED_TIME))


FILESYSTEM_STEPS: tuple[Step, ...] = (
    *LISTS,
    call("list_allowed_directories"),
    call("read_file", path="WORK/a.txt"),
    call("read_text_file", path="WORK/a.txt", head=2),
    call("read_media_file", path="WORK/dot.png"),
    call("read_multiple_files", paths=["WORK/a.txt", "WORK/docs/b.md", "WORK/none"]),
    call("list_directory", path="WORK"),
    call("list_directory_with_sizes", path="WORK", sortBy="size"),
    call("directory_tree", path="WORK"),
    call("search_files", path="WORK", pattern="**/*.md"),
    call("get_file_info", path="WORK/a.txt"),
    call("write_file", path="WORK/new.txt", content="x\u0000y é\n"),
    call("edit_file", path="WORK/a.txt", edits=[{"oldText": "two", "newText": "2"}], dryRun=True),
    call("edit_file", path="WORK/a.txt", edits=[{"oldText": "two", "newText": "2"}]),
    call("create_directory", path="WORK/deep/er"),
    call("move_file", source="WORK/new.txt", destination="WORK/moved.txt"),
    call("read_file", path="/etc/passwd"),
    call("read_file", path="WORK/../../etc/passwd"),
    UNKNOWN_METHOD,
    {"do": "ping"},
)

MEMORY_STEPS: tuple[Step, ...] = (
    *LISTS,
    call(
        "create_entities",
        entities=[
            {"name": "Ada", "entityType": "person", "observations": ["wrote notes"]},
            {"name": "Engine", "entityType": "machine", "observations": []},
        ],
    ),
    call("create_relations", relations=[{"from": "Ada", "to": "Engine", "relationType": "knows"}]),
    call("add_observations", observations=[{"entityName": "Ada", "contents": ["likes sums"]}]),
    call("add_observations", observations=[{"entityName": "Nobody", "contents": ["x"]}]),
    call("read_graph"),
    call("search_nodes", query="sums"),
    call("open_nodes", names=["Ada"]),
    {"do": "read", "uri": "memory://knowledge-graph"},
    call("delete_observations", deletions=[{"entityName": "Ada", "observations": ["likes sums"]}]),
    call("delete_relations", relations=[{"from": "Ada", "to": "Engine", "relationType": "knows"}]),
    call("delete_entities", entityNames=["Engine"]),
    call("read_graph"),
    {"do": "ping"},
)

TIME_STEPS: tuple[Step, ...] = (
    {"do": "list_tools"},
    call("convert_time", source_timezone="UTC", time="12:30", target_timezone="Asia/Kathmandu"),
    call("get_current_time", timezone="UTC"),
    call("convert_time", source_timezone="UTC", time="25:00", target_timezone="UTC"),
    call("convert_time", source_timezone="Mars/Base", time="12:30", target_timezone="UTC"),
    UNKNOWN_METHOD,
)

GIT_DATE = "2024-01-02T03:04:05 +0000"
GIT_ENV = {
    "GIT_AUTHOR_DATE": GIT_DATE,
    "GIT_COMMITTER_DATE": GIT_DATE,
    "GIT_AUTHOR_NAME": "A",
    "GIT_AUTHOR_EMAIL": "a@example.org",
    "GIT_COMMITTER_NAME": "A",
    "GIT_COMMITTER_EMAIL": "a@example.org",
}


def make_repository(work: Path) -> None:
    (work / "a.txt").write_text("one\n", encoding="utf-8")
    environment = {**os.environ, **GIT_ENV, "GIT_CONFIG_GLOBAL": "/dev/null"}
    for arguments in (
        ["init", "-q", "-b", "main"],
        ["add", "a.txt"],
        ["commit", "-q", "-m", "first"],
    ):
        subprocess.run(["git", *arguments], cwd=work, env=environment, check=True)
    (work / "a.txt").write_text("one\ntwo\n", encoding="utf-8")


GIT_STEPS: tuple[Step, ...] = (
    {"do": "list_tools"},
    call("git_status", repo_path="WORK"),
    call("git_diff_unstaged", repo_path="WORK"),
    call("git_add", repo_path="WORK", files=["a.txt"]),
    call("git_diff_staged", repo_path="WORK", context_lines=1),
    call("git_reset", repo_path="WORK"),
    call("git_add", repo_path="WORK", files=["a.txt"]),
    call("git_commit", repo_path="WORK", message="second"),
    call("git_log", repo_path="WORK", max_count=2),
    call("git_show", repo_path="WORK", revision="HEAD"),
    call("git_create_branch", repo_path="WORK", branch_name="side"),
    call("git_checkout", repo_path="WORK", branch_name="side"),
    call("git_branch", repo_path="WORK", branch_type="local"),
    call("git_diff", repo_path="WORK", target="main"),
    call("git_show", repo_path="WORK", revision="no-such-revision"),
    call("git_status", repo_path="/"),
)

MODERN_STEPS: tuple[Step, ...] = (
    *LISTS,
    call("greet"),
    call("think"),
    call("look"),
    {"do": "call", "name": "work", "arguments": {"steps": 3}, "progress": True},
    call("fail"),
    {**call("work", steps="three"), "invalid": True},
    {"do": "read", "uri": "note://one"},
    {"do": "read", "uri": "note://by-name/two"},
    {"do": "prompt", "name": "summarise", "arguments": {"text": "a b"}},
    {"do": "complete", "prompt": "summarise", "argument": {"name": "text", "value": "ab"}},
    {
        "do": "complete",
        "template": "note://by-name/{name}",
        "argument": {"name": "name", "value": "x"},
    },
    UNKNOWN_METHOD,
)
MODERN_LISTENS: tuple[Step, ...] = (
    {
        "do": "listen",
        "filter": {"tools_list_changed": True, "resource_subscriptions": ["note://one"]},
        "steps": [
            {**call("touch", note="one"), "expect_event": True},
            {**call("rearrange"), "expect_event": True},
            call("touch", note="other"),
            {**call("touch", note="one"), "expect_event": True},
        ],
    },
)

PYTHON2 = str(tools.SDK2_PYTHON)
SERVERS: dict[str, Real] = {
    "everything": Real(
        ("node", str(tools.SERVER_EVERYTHING)),
        EVERYTHING_STEPS,
        settled=EVERYTHING_ASKS,
        tasks=EVERYTHING_TASKS,
    ),
    "filesystem": Real(
        ("node", str(tools.SERVER_FILESYSTEM), "WORK"), FILESYSTEM_STEPS, prepare=make_files
    ),
    "memory": Real(
        ("node", str(tools.SERVER_MEMORY)),
        MEMORY_STEPS,
        env={"MEMORY_FILE_PATH": "WORK/memory.jsonl"},
    ),
    "time": Real((PYTHON2, "-m", "mcp_server_time", "--local-timezone", "UTC"), TIME_STEPS),
    "git": Real(
        (PYTHON2, "-m", "mcp_server_git", "--repository", "WORK"),
        GIT_STEPS,
        env=GIT_ENV,
        prepare=make_repository,
    ),
    "modern": Real(
        (PYTHON2, str(tools.FIXTURES / "servers" / "modern_events.py")),
        MODERN_STEPS,
        listens=MODERN_LISTENS,
    ),
}
