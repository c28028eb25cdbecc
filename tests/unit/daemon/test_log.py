"""What mcpguard says, and the bounded way of the server's stderr."""

import ast
import os
import pty
import stat
import string
import tty
from collections.abc import Iterator
from pathlib import Path

import orjson
import pytest

from mcpguard.daemon.log import EVENTS, STDERR_BUFFER, Log, Stderr, open_log, printable, sentence
from mcpguard.errors import UsageError
from tests.tools import ROOT


@pytest.mark.parametrize("name", EVENTS)
def test_every_event_has_a_sentence_that_its_fields_fill(name: str) -> None:
    keys = [key for _, key, _, _ in string.Formatter().parse(EVENTS[name]) if key]
    text = sentence(name, {key: f"<{key}>" for key in keys})
    assert all(f"<{key}>" in text for key in keys)
    assert sentence(name, {"other": 1}) == (f"{name}: other=1" if keys else EVENTS[name])


@pytest.mark.guarantee("cli:one-table-of-events")
def test_everything_that_is_said_is_in_the_table_and_all_of_the_table_is_said() -> None:
    assert set(emitted()) == set(EVENTS)


def emitted() -> Iterator[str]:
    """Names of events in the code, as the first argument of what says one."""
    for path in sorted((ROOT / "mcpguard").rglob("*.py")):
        if path.parent.name not in {"cli", "siem"}:
            yield from in_module(path)


def in_module(path: Path) -> Iterator[str]:
    tree = ast.parse(path.read_text("utf-8"))
    known = {
        target.id: node.value
        for node in tree.body
        if isinstance(node, ast.Assign)
        for target in node.targets
        if isinstance(target, ast.Name)
    }
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and node.args and says(node.func):
            named = [
                known.get(each.id, each)
                for each in ast.walk(node.args[0])
                if isinstance(each, ast.Name)
            ]
            for part in (node.args[0], *named):
                yield from constants(part)


def says(function: ast.expr) -> bool:
    name = function.attr if isinstance(function, ast.Attribute) else getattr(function, "id", "")
    return name in {"event", "Event", "tell", "_tell", "_told", "sentence"}


def constants(node: ast.AST) -> Iterator[str]:
    assert not any(isinstance(each, ast.JoinedStr) for each in ast.walk(node)), ast.unparse(node)
    for each in ast.walk(node):
        if isinstance(each, ast.Constant) and isinstance(each.value, str) and "." in each.value:
            yield each.value


@pytest.mark.guarantee("cli:printable-only")
@pytest.mark.parametrize(
    "name",
    [
        "plain",
        "\u202eevil\u2066",
        "a\x1b[2J\x7f\x9b",
        "\U000e0041\ufe01",
        "\u200b \u2028",
        "ü 🙂",
        '"\\',
    ],
)
def test_a_json_line_holds_the_same_text_and_nothing_that_a_terminal_hides(name: str) -> None:
    pipe = Pipe()
    stderr = Stderr(pipe.writer)
    log = Log(stderr, stderr, "jsonl")
    log.event("item.drifted", "warning", {"kind": "tool", "name": name, "why": "", "level": "x"})
    log.close()
    said = pipe.read().decode()
    pipe.close()
    line = orjson.loads(said)
    assert (line["name"], line["level"], line["event"]) == (name, "warning", "item.drifted")
    assert printable(said[:-1]) == said[:-1]


@pytest.mark.parametrize(
    ("value", "told"), [("a\ud800b", "a\ufffdb"), (2**70, str(2**70)), (-7, -7), (True, True)]
)
def test_a_field_that_json_cannot_hold_ends_no_session(value: str | int, told: str | int) -> None:
    pipe = Pipe()
    stderr = Stderr(pipe.writer)
    Log(stderr, stderr, "jsonl").event("session.ended", "error", {"why": value})
    assert orjson.loads(pipe.read())["why"] == told
    pipe.close()


def test_a_log_without_a_format_is_json_in_a_file_and_sentences_for_people(tmp_path: Path) -> None:
    log = open_log(output=tmp_path / "log")
    log.event("session.ended", "error", {"why": "enough"})
    log.close()
    assert orjson.loads((tmp_path / "log").read_bytes())["message"] == "enough"
    master, terminal = pty.openpty()
    tty.setraw(terminal)
    log = open_log(output=Path(os.ttyname(terminal)))
    log.event("session.ended", "error", {"why": "enough"})
    assert os.read(master, 100) == b"mcpguard: enough\n"
    log.close()
    os.close(terminal)
    os.close(master)


def test_an_event_without_a_sentence_shows_its_fields() -> None:
    assert sentence("new.event", {"a": 1, "b": "two"}) == "new.event: a=1, b=two"


@pytest.mark.guarantee("cli:printable-only")
def test_text_from_a_peer_cannot_steer_a_terminal_or_forge_a_line() -> None:
    said = sentence("session.ended", {"why": "x\x1b[2J\nmcpguard: all is well\r\u202e"})
    assert said.isprintable()


@pytest.mark.guarantee("cli:printable-only")
@pytest.mark.parametrize(
    ("chunks", "shown"),
    [
        ([b"a line\n\tand a tab\r\n"], b"a line\n\tand a tab\n"),
        ([b"\x1b[2J\x07 \x00 \x7f\n"], b"<U+001B>[2J<U+0007> <U+0000> <U+007F>\n"),
        ([b"good\rmcpguard: forged\n"], b"good\\rmcpguard: forged\n"),
        (["\x9b31m \u202e\n".encode()], b"<U+009B>31m <U+202E>\n"),
        ([b"\x9b31m\n"], "\ufffd31m\n".encode()),
        (["ü\x9b".encode()[:3], "ü\x9b".encode()[3:], b"\n"], "ü<U+009B>\n".encode()),
    ],
    ids=["plain", "escapes", "return", "c1", "not-utf8", "cut-in-two"],
)
def test_the_servers_stderr_cannot_steer_our_terminal(chunks: list[bytes], shown: bytes) -> None:
    master, terminal = pty.openpty()
    tty.setraw(terminal)
    stderr = Stderr(terminal)
    for chunk in chunks:
        stderr.pass_on(chunk)
    seen = b""
    while len(seen) < len(shown):  # a terminal hands out what has arrived, not what was written
        seen += os.read(master, 1000)
    assert seen == shown
    os.close(terminal)
    os.close(master)


def test_the_servers_stderr_is_passed_on_as_it_is_where_no_terminal_reads_it() -> None:
    pipe = Pipe()
    stderr = Stderr(pipe.writer)
    stderr.pass_on(b"\x1b[31mred\x00\r\n\xff")
    assert pipe.read() == b"\x1b[31mred\x00\r\n\xff"
    pipe.close()


class Pipe:
    """A stderr that a test may or may not read."""

    def __init__(self) -> None:
        self.reader, self.writer = os.pipe()
        os.set_blocking(self.reader, False)

    def read(self) -> bytes:
        chunks = []
        while True:
            try:
                chunks.append(os.read(self.reader, 65536))
            except BlockingIOError:
                return b"".join(chunks)

    def close(self) -> None:
        os.close(self.reader)
        os.close(self.writer)


@pytest.mark.guarantee("driver:stderr-drained")
def test_a_stderr_nobody_reads_is_bounded_and_what_was_dropped_is_counted() -> None:
    pipe, blocked = Pipe(), []
    stderr = Stderr(pipe.writer)
    stderr.on_blocked = lambda: blocked.append(True)
    chunk = b"e" * 1000 + b"\n"
    for _ in range(1000):
        stderr.pass_on(chunk)
    assert len(stderr.waiting) <= STDERR_BUFFER
    assert blocked == [True]
    got = b""
    while not stderr.drain():
        got += pipe.read()
    got += pipe.read()
    dropped = 1000 * len(chunk) - got.count(b"e" * 1000) * len(chunk)
    assert got.endswith(
        f"mcpguard: {dropped} bytes of the server's stderr were dropped: "
        "nobody read them here\n".encode()
    )
    stderr.restore()
    assert os.get_blocking(pipe.writer)
    pipe.close()


def test_our_line_never_stands_in_the_middle_of_a_line_of_the_server() -> None:
    pipe = Pipe()
    stderr = Stderr(pipe.writer)
    stderr.pass_on(b"half")
    stderr.line("ours")
    stderr.pass_on(b"whole\n")
    stderr.line("ours again")
    assert pipe.read() == b"half\nours\nwhole\nours again\n"
    pipe.close()


def test_a_stderr_that_is_gone_is_no_error() -> None:
    pipe = Pipe()
    os.close(pipe.reader)
    stderr = Stderr(pipe.writer)
    stderr.line("to nobody")
    assert stderr.drain()
    os.close(pipe.writer)


@pytest.mark.parametrize("form", ["pretty", "jsonl"])
def test_the_log_speaks_in_sentences_or_in_json_lines(form: str) -> None:
    pipe = Pipe()
    stderr = Stderr(pipe.writer)
    log = Log(stderr, stderr, form)
    log.event("session.ended", "error", {"why": "enough"})
    said = pipe.read().decode()
    if form == "pretty":
        assert said == "mcpguard: enough\n"
    else:
        line = orjson.loads(said)
        assert line.pop("timestamp").endswith("Z")
        assert line == {
            "event": "session.ended", "level": "error", "message": "enough", "why": "enough",
        }  # fmt: skip
    log.close()
    pipe.close()


def test_every_json_line_names_its_server_and_session_and_a_sentence_names_the_tool() -> None:
    said = {"what": "tools/call echo", "rule": "policy.rule", "detail": "not at night"}
    for form in ("pretty", "jsonl"):
        pipe = Pipe()
        stderr = Stderr(pipe.writer)
        log = Log(stderr, stderr, form)
        log.about = {"server": "notes", "session": "5e55"}
        log.event("call.denied", "warning", said)
        text = pipe.read().decode()
        sentence = "tools/call echo blocked [policy.rule]: not at night"
        if form == "pretty":
            assert text == f"mcpguard: {sentence}\n"
        else:
            line = orjson.loads(text)
            assert (line["server"], line["session"]) == ("notes", "5e55")
            assert (line["message"], line["detail"]) == (sentence, "not at night")
        log.close()
        pipe.close()


def test_a_log_file_is_private_and_appended_to(tmp_path: Path) -> None:
    path = tmp_path / "mcpguard.log"
    for why in ("one", "two"):
        log = open_log("pretty", path)
        log.event("session.ended", "info", {"why": why})
        log.close()
    assert path.read_text() == "mcpguard: one\nmcpguard: two\n"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_a_log_file_that_cannot_be_opened_is_a_usage_error(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="cannot be opened"):
        open_log("pretty", tmp_path / "no" / "such" / "log")
