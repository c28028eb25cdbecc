"""With the preset `baseline`, a day of ordinary work with the five real servers is undisturbed.

Every recorded ordinary argument goes through a live proxy, lockfile enforced, and to the server
without one. What fits a tool of a server goes to that tool; of all the others the text goes where
people put text: into a file, a note, a message.
"""

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

import jsonschema_rs
import pytest

from tests import tools
from tests.integration.host import Message, Place, Session, call
from tests.integration.scenarios import SERVERS, Real
from tests.integration.transcripts import STAMPS, fresh, put

Row: TypeAlias = tuple[str, Message]
"""A tool's name, and the arguments."""

CORPORA = ("ordinary.jsonl", "ordinary-day.jsonl", "ordinary-private.jsonl")
ASKS = ("roots", "sampling", "elicitation")
REAL = ("everything", "filesystem", "memory", "time", "git")
BASELINE = ("--policy", "baseline")
"""Chosen by name; that it is what holds without a word is shown by the tests of the settings."""

WHERE = ("path", "source", "destination")
LOOKED_AT = ("read_", "edit_", "get_file", "move_")
CLOCKED = frozenset({"get_file_info", "get_current_time", "convert_time"})
"""Tools whose answers hold the time of the call."""

LISTING = {"not_listed", "server_gone", "saturated"}
"""Remarks beside calls: `everything` lists more once it knows its host, announces that again before
it could be asked, and asks as its host leaves."""

AS_TEXT: Mapping[str, Row] = {
    "everything": ("echo", {"message": "TEXT"}),
    "filesystem": ("write_file", {"path": "WORK/notes.md", "content": "TEXT"}),
    "memory": ("add_observations", {"observations": [{"entityName": "day", "contents": ["TEXT"]}]}),
}
"""Where a server takes prose."""


def recorded() -> list[Row]:
    """Every ordinary argument that was recorded, in order."""
    lines = [
        json.loads(line)
        for name in CORPORA
        for line in (tools.FIXTURES / "scan" / name).read_bytes().splitlines()
    ]
    return [(line["tool"], line["arguments"]) for line in lines]


def texts(value: Any) -> Iterator[str]:  # noqa: ANN401 - JSON
    """Every string in `value`, in order."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict | list):
        for each in value.values() if isinstance(value, dict) else value:
            yield from texts(each)


def fits(schema: Message, arguments: Message) -> bool:
    """The tool knows every property, and its schema permits them."""
    known = arguments.keys() <= schema["properties"].keys()
    return known and jsonschema_rs.is_valid(schema, arguments)


def inside(arguments: Message) -> Message:
    """`arguments` with the recorded directories replaced by the place of the test."""

    def placed(key: str, value: object) -> object:
        if key == "repo_path":
            return "WORK"
        if isinstance(value, str) and value.startswith("/srv/docs"):
            return "WORK" + value.removeprefix("/srv/docs")
        plain = (
            isinstance(value, str) and not value.startswith(("/", ".", "~")) and ":" not in value
        )
        return f"WORK/{value}" if key in WHERE and plain else value

    return {
        key: [placed(key, each) for each in value] if key == "paths" else placed(key, value)
        for key, value in arguments.items()
    }


def needed(name: str, arguments: Message) -> Iterator[Row]:
    """The file that a recorded call works on, written first."""
    path = str(arguments.get("path", arguments.get("source", "")))
    if name.startswith(LOOKED_AT) and path.startswith("WORK/"):
        held = "\n".join(edit["oldText"] for edit in arguments.get("edits", []))
        yield "create_directory", {"path": path.rpartition("/")[0]}
        yield "write_file", {"path": path, "content": f"{held}\n"}


def day(server: str, lock: Message) -> Iterator[Row]:
    """What is done with `server`, whose lockfile is `lock`: WORK stands for its directory."""
    schemas = {name: item["definition"]["inputSchema"] for name, item in lock["tools"].items()}
    if server == "memory":
        note = {"name": "day", "entityType": "day", "observations": []}
        yield "create_entities", {"entities": [note]}
    for name, arguments in recorded():
        if name in schemas and fits(schemas[name], arguments):
            placed = inside(arguments)
            if server == "filesystem":
                yield from needed(name, placed)
            yield name, placed
        elif server in AS_TEXT:
            tool, form = AS_TEXT[server]
            text = "\n".join(texts(arguments))
            yield tool, json.loads(json.dumps(form).replace('"TEXT"', json.dumps(text)))


@dataclass(frozen=True)
class Day:
    """A server, its lock, what is done with it, and what it answers without a proxy."""

    place: Place
    real: Real
    rows: list[Row]
    direct: list[bytes]


@pytest.fixture(scope="module", params=REAL)
def one(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Day:
    server = str(request.param)
    real, base = SERVERS[server], tmp_path_factory.mktemp(server)
    work = fresh(base, real)
    place = Place(base, put(list(real.command), work), put(real.env, work))
    asks = [word for kind in ASKS for word in ("--allow-request", kind)]
    place.make_lock(*asks, *(word for variable in real.env for word in ("--env", variable)))
    rows = put([list(row) for row in day(server, json.loads(place.lock.read_bytes()))], work)
    with place.direct() as session:
        return Day(place, real, rows, lived(session, rows))


def lived(session: Session, rows: list[Row]) -> list[bytes]:
    """The answers, one after the other."""
    session.start()
    return [
        session.exchange(call(number, name, **arguments), number)
        for number, (name, arguments) in enumerate(rows)
    ]


def said(name: str, answer: bytes) -> str:
    """What an answer holds, byte for byte without its envelope, and without the time of the call.

    The server's serialiser and the proxy's order the three keys of the envelope differently.
    """
    raw = answer.decode()
    key = '"result":' if '"result":' in raw else '"error":'
    start = raw.index(key) + len(key)
    text = raw[start : json.JSONDecoder().raw_decode(raw, start)[1]]
    for pattern, word in STAMPS if name in CLOCKED else ():
        text = re.sub(pattern, word, text)
    return key + text


@pytest.mark.guarantee("config:baseline-disturbs-nobody")
def test_a_day_of_ordinary_work_is_the_day_without_a_proxy(one: Day) -> None:
    place = one.place
    fresh(place.base, one.real)
    place.audit.unlink(missing_ok=True)
    with place.proxy(*BASELINE, MCPGUARD_CONFIG_DIR=str(place.base / "config")) as session:
        answers = lived(session, one.rows)
        assert session.finish()[0] == 0
        assert b"blocked" not in session.stderr
    for (name, arguments), direct, answer in zip(one.rows, one.direct, answers, strict=True):
        assert (arguments, said(name, answer)) == (arguments, said(name, direct))
    assert [line for line in session.heard if b"elicitation/create" in line[:80]] == []
    decisions = [record for record in place.records() if "decision" in record]
    calls = [each for each in decisions if each["method"] == "tools/call"]
    assert len(calls) == 2 * len(one.rows)
    others = [each for each in decisions if each["decision"] != "allow"]
    assert {each["reason"] for each in others} <= LISTING
    assert "tools/call" not in {each["method"] for each in others}
    assert {each["approval"] for each in decisions} == {"none"}
    unread = [each for each in decisions if not each["level"]]
    assert "tools/call" not in {each["method"] for each in unread}
    scores = [each["score"] for each in decisions[len(unread) :]]
    assert scores == sorted(scores)
    assert scores[0] >= 500
