"""What was there before comes back byte for byte, and only where nobody edited it meanwhile."""

import json

import pytest
from hypothesis import given

from mcpguard.errors import HostError
from mcpguard.hosts import undo
from mcpguard.hosts.entry import rewritten
from mcpguard.hosts.splice import Edit, find, parse, spliced
from mcpguard.hosts.undo import Record, State
from tests.unit.hosts.documents import Document, documents

DATA = b'{"mcpServers": {"a": {"command": "x", "env": {"K": "s3cret"}}, "b": {"command": "y"}}}'
PATH = ("mcpServers", "a")


def wrapped(data: bytes, path: tuple[str, ...]) -> tuple[bytes, Record]:
    """The file after the entry was wrapped, and the record of it."""
    old = find(parse(data), path)
    assert old is not None
    original = data[old.start : old.end]
    entry = rewritten(original, "/m", ("proxy", "--lock", "/l", "--"))
    record = Record(
        host="claude-desktop",
        scope="",
        file="/f",
        path=path,
        original=original.decode(),
        wrapped=entry.decode(),
        lock="/l",
        at="2026-11-21T12:00:00Z",
    )
    return spliced(data, [Edit(old.start, old.end, entry)]), record


@pytest.mark.guarantee("hosts:byte-exact-undo")
@given(documents())
def test_wrapping_and_unwrapping_gives_the_same_file_byte_for_byte(document: Document) -> None:
    new, record = wrapped(document.data, document.path)
    kept = undo.load(undo.render(record), "record")
    assert kept == record
    assert undo.state(new, parse(new), kept) is State.WRAPPED
    assert undo.restored(new, parse(new), kept) == document.data
    assert undo.state(document.data, parse(document.data), kept) is State.ORIGINAL


@pytest.mark.guarantee("hosts:byte-exact-undo")
def test_what_changed_elsewhere_meanwhile_stays() -> None:
    new, record = wrapped(DATA, PATH)
    new = b"// mine\n" + new.replace(b'"y"', b'"z",\n "args": []')
    assert undo.restored(new, parse(new), record) == b"// mine\n" + DATA.replace(
        b'"y"', b'"z",\n "args": []'
    )


def test_a_file_that_the_host_laid_out_anew_still_holds_the_wrapped_entry() -> None:
    new, record = wrapped(DATA, PATH)
    anew = json.dumps(json.loads(new), indent=2, sort_keys=True).encode()
    assert undo.state(anew, parse(anew), record) is State.WRAPPED
    assert b'"a": ' + record.original.encode() in undo.restored(anew, parse(anew), record)


EDITED = {
    "an argument": (b'"x"]', b'"x", "y"]', 'args: was ["proxy","--lock","/l","--","x"], is ['),
    "the command": (b'"/m"', b'"/n"', 'command: was "/m", is "/n"'),
    "a secret": (b"s3cret", b"other", "env K: changed"),
    "a variable more": (b'"K":', b'"L": "t0ken", "K":', "env L: added"),
    "a variable less": (b'"K": "s3cret"', b"", "env K: taken away"),
    "a key more": (b'"env"', b'"headers": "t0ken", "env"', "headers: added"),
    "true for 1": (b'"env"', b'"n": true, "env"', "n: added"),
}


@pytest.mark.parametrize("name", EDITED)
def test_an_edited_entry_is_known_and_shown_without_its_secrets(name: str) -> None:
    new, record = wrapped(DATA, PATH)
    old, by, shown = EDITED[name]
    edited = new.replace(old, by, 1)
    assert undo.state(edited, parse(edited), record) is State.EDITED
    [line] = undo.differences(edited, parse(edited), record)
    assert line.startswith(shown)
    assert "s3cret" not in line
    assert "t0ken" not in line


@pytest.mark.parametrize("entry", [b"1", b"[]", b"null"])
def test_an_entry_that_became_something_else_is_edited(entry: bytes) -> None:
    _, record = wrapped(DATA, PATH)
    data = b'{"mcpServers": {"a": ' + entry + b"}}"
    assert undo.state(data, parse(data), record) is State.EDITED
    assert undo.differences(data, parse(data), record) == ["the entry is not an object any more"]


@pytest.mark.parametrize("data", [b"{}", b'{"mcpServers": 1}', b'{"mcpServers": {"b": {}}}'])
def test_an_entry_that_is_gone_is_not_put_back(data: bytes) -> None:
    _, record = wrapped(DATA, PATH)
    assert undo.state(data, parse(data), record) is State.GONE
    with pytest.raises(HostError, match="no entry a any more"):
        undo.restored(data, parse(data), record)


BAD_RECORDS: dict[str, tuple[bytes, bytes]] = {
    "not JSON": (b"}", b""),
    "a list": (b'{\n  "version": 1,', b'[{\n  "version": 1,'),
    "another version": (b'"version": 1', b'"version": 2'),
    "a key less": (b'"lock": "/l",', b""),
    "a key more": (b'"lock":', b'"key": "", "lock":'),
    "a number": (b'"lock": "/l"', b'"lock": 1'),
    "no path": (b'"path": [\n    "mcpServers",\n    "a"\n  ]', b'"path": []'),
    "a path of numbers": (b'"mcpServers"', b"1"),
    "an entry that is none": (b'"wrapped": "{', b'"wrapped": "'),
}


@pytest.mark.parametrize("name", BAD_RECORDS)
def test_a_damaged_record_is_refused(name: str) -> None:
    old, new = BAD_RECORDS[name]
    good = undo.render(wrapped(DATA, PATH)[1])
    data = good.replace(old, new) + b"]" * new.startswith(b"[{")
    assert data != good
    with pytest.raises(HostError, match=r"record\.json: this is not the record"):
        undo.load(data, "record.json")
