"""`mcpguard approver`, and whose key signs what the command line does."""

import os
import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import orjson
import pytest

from mcpguard.approval.statement import (
    Answer,
    Operation,
    Signed,
    bound,
    opened,
    signers,
    statement_payload,
)
from mcpguard.cli import main
from mcpguard.cli.signing import MAX_LINE, Phrases, Signing, unlock
from mcpguard.config.flags import DATA_DIR_VARIABLE
from mcpguard.errors import IdentityError, UsageError
from mcpguard.identity.keys import approvers, create, open_key
from mcpguard.model import Json, JsonObject
from tests.tools import ROOT
from tests.unit.approval.people import ANNA as PERSON
from tests.unit.approval.people import COUNTING
from tests.waiting import PATIENCE

Capture = pytest.CaptureFixture[str]

ANNA, BERT = "correct horse battery", "another long phrase"
WORK = 10


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of the approvers, in a data directory that is new."""
    monkeypatch.setenv(DATA_DIR_VARIABLE, str(tmp_path / "data"))
    return tmp_path / "data" / "approvers"


@pytest.fixture
def two(place: Path) -> Path:
    """Anna, and Bert whom she added."""
    create(place, "anna", ANNA, work=WORK)
    create(place, "bert", BERT, open_key(place, "anna", ANNA), work=WORK)
    return place


def piped(*lines: str | bytes, end: bytes = b"\n") -> int:
    """A descriptor from which these lines can be read."""
    reading, writing = os.pipe()
    raw = [line.encode() if isinstance(line, str) else line for line in lines]
    os.write(writing, end.join(raw) + end)
    os.close(writing)
    return reading


def run(*arguments: str, said: tuple[str, ...] = ()) -> int:
    reading = piped(*said)
    try:
        return main(["approver", *arguments, "--passphrase-fd", str(reading)])
    finally:
        os.close(reading)


def test_approvers_are_added_listed_and_removed(place: Path, capsys: Capture) -> None:
    assert main(["approver", "list"]) == 0
    assert capsys.readouterr().out.startswith("nobody may approve yet; make a key with: mcpguard")
    assert run("add", "anna", said=(ANNA,)) == 0
    assert run("add", "bert", said=(ANNA, BERT)) == 0
    anna, bert = approvers(place)
    captured = capsys.readouterr()
    assert captured.out == (
        f"anna may approve now, with the key {anna.key_id}\n"
        f"bert may approve now, with the key {bert.key_id}\n"
    )
    assert "restarted or reloaded" in captured.err
    assert ANNA not in captured.out + captured.err
    assert main(["approver", "list"]) == 0
    assert capsys.readouterr().out == f"anna  {anna.key_id}\nbert  {bert.key_id}\n"
    assert main(["approver", "list", "--format", "json"]) == 0
    told = orjson.loads(capsys.readouterr().out)
    assert told["approvers"] == [
        {"name": "anna", "key": anna.key_id},
        {"name": "bert", "key": bert.key_id},
    ]
    assert len(told["head"]) == 64
    assert run("remove", "anna", "--by", "bert", said=(BERT,)) == 0
    assert capsys.readouterr().out == f"anna may approve no more; the key was {anna.key_id}\n"
    assert approvers(place) == (bert,)


REFUSED: list[tuple[tuple[str, ...], tuple[str, ...], str, str]] = [
    (("add", "carl"), (ANNA, ANNA), "more than one approver", "--by: anna, bert"),
    (("add", "carl", "--by", "eve"), (ANNA, ANNA), "no approver 'eve'", "anna, bert"),
    (("add", "carl", "--by", "anna"), (BERT, BERT), "the passphrase is wrong", "try again"),
    (("add", "carl", "--by", "anna"), (ANNA, "short"), "must have 12 to 256", "words"),
    (("add", "carl", "--by", "anna"), (ANNA,), "must have 12 to 256", "words"),
    (("add", "bert", "--by", "anna"), (), "it is taken, or no name", "lower-case"),
    (("add", "Carl", "--by", "anna"), (), "it is taken, or no name", "lower-case"),
    (("remove", "carl", "--by", "anna"), (), "no approver 'carl'", "anna, bert"),
    (("remove", "bert"), (BERT,), "more than one approver", "--by"),
    (("remove", "bert", "--by", "anna"), (BERT,), "the passphrase is wrong", "try again"),
]


@pytest.mark.parametrize(("arguments", "said", "message", "hint"), REFUSED)
@pytest.mark.guarantee("identity:chain-of-approvers")
def test_without_an_approvers_passphrase_nothing_changes(
    arguments: tuple[str, ...],
    said: tuple[str, ...],
    message: str,
    hint: str,
    *,
    two: Path,
    capsys: Capture,
) -> None:
    before = {path.name: path.read_bytes() for path in two.iterdir()}
    assert run(*arguments, said=said) == 2
    problem, _, following = capsys.readouterr().err.partition("\n  next: ")
    assert message in problem
    assert hint in following
    assert {path.name: path.read_bytes() for path in two.iterdir()} == before


def test_a_command_without_a_word_behind_it_shows_its_help(capsys: Capture) -> None:
    assert main(["approver"]) == 2
    assert "add" in capsys.readouterr().err


def test_one_approver_signs_without_being_named(place: Path) -> None:
    with pytest.raises(IdentityError, match="there is no approver key"):
        unlock(Phrases(piped(ANNA)))
    create(place, "anna", ANNA, work=WORK)
    assert unlock(Phrases(piped(ANNA))).name == "anna"
    assert unlock(Phrases(piped(ANNA)), "anna").name == "anna"


def test_a_signer_is_chosen_by_name(two: Path) -> None:
    assert unlock(Phrases(piped(BERT)), "bert").name == "bert"
    with pytest.raises(UsageError, match="more than one"):
        unlock(Phrases(piped(BERT)))


def test_passphrases_are_read_a_line_each_and_not_a_byte_further() -> None:
    reading = piped("  one phrase ", "zwei Sätze", "three")
    said = Phrases(reading)
    assert [said.ask("x") for _ in range(4)] == ["  one phrase ", "zwei Sätze", "three", ""]
    os.close(reading)


BAD: list[tuple[Callable[[], int], str]] = [
    (lambda: 10_000, "Bad file descriptor"),
    (lambda: piped(b"\xff\xfe"), "it is not UTF-8"),
]


@pytest.mark.parametrize(("opened", "message"), BAD)
def test_a_descriptor_that_gives_no_text_is_an_error(
    opened: Callable[[], int], message: str
) -> None:
    with pytest.raises(UsageError, match=message):
        Phrases(opened()).ask("x")


def test_a_passphrase_without_an_end_is_read_no_further_than_its_limit() -> None:
    said = Phrases(piped("x" * (2 * MAX_LINE)))
    assert len(said.ask("x")) == MAX_LINE + 1
    with pytest.raises(IdentityError, match="12 to 256 characters"):
        said.choose("x")


@pytest.mark.parametrize("text", ["x", "-1", "", "1.5", "12345678", "٣"])
def test_a_descriptor_is_a_number(text: str, place: Path, capsys: Capture) -> None:
    assert main(["approver", "add", "anna", "--passphrase-fd", text]) == 2
    assert "it is a number such as 3" in capsys.readouterr().err
    assert not place.exists()


# --- what is signed ------------------------------------------------------------------------------

SHOWN: JsonObject = {
    "ticket": "R" * 6,
    "request": "R" * 26,
    "principal": "local:default",
    "server": "files",
    "tool": "delete_file",
    "lock": "",
    "life": 600,
    "arguments": {"path": "/srv/a"},
    "why": "anything",
}
AT = 1_800_000_000


@pytest.fixture
def signing() -> Signing:
    return Signing(PERSON, lambda: AT)


@pytest.mark.guarantee("approval:bound-to-the-call")
def test_what_is_signed_is_what_was_shown(signing: Signing) -> None:
    signed = opened(signing.approval("s1", SHOWN))
    assert isinstance(signed, Signed)
    said = signed.statement
    assert said.binding == bound("local:default", "files", "delete_file", {"path": "/srv/a"}, "")
    assert (said.session, said.request, said.answer) == ("s1", "R" * 26, Answer.YES)
    assert (said.at, said.until) == (AT, AT + 600)
    assert COUNTING(signed.key, statement_payload(said), signed.signature) == "anna"
    other = opened(signing.approval("s1", {**SHOWN, "arguments": {"path": "/etc"}}, Answer.NO))
    assert isinstance(other, Signed)
    assert other.statement.binding != said.binding
    assert other.statement.answer is Answer.NO


def test_no_yes_is_signed_for_longer_than_an_hour(signing: Signing) -> None:
    signed = opened(signing.approval("s1", {**SHOWN, "life": 10**9}))
    assert isinstance(signed, Signed)
    assert signed.statement.until == AT + 3600


@pytest.mark.parametrize(
    ("field", "value"),
    [
        *((field, None) for field in SHOWN if field not in {"ticket", "why"}),
        ("arguments", []),
        ("arguments", {"x": "\ud800"}),
        ("tool", "\ud800"),
        ("request", 7),
        ("life", True),
        ("life", 0),
        ("life", "600"),
    ],
)
def test_what_is_not_shown_whole_is_not_signed(field: str, value: Json, signing: Signing) -> None:
    with pytest.raises(UsageError, match="so it is not signed"):
        signing.approval("s1", {**SHOWN, field: value})


def test_an_operation_is_signed_for_one_session_and_nonce(signing: Signing) -> None:
    (sent,) = signing.operation("s1", "reload", {}, "s1:n")
    said = Operation("s1", "s1:n", "reload", {})
    pair = (str(sent["key"]), str(sent["signature"]))
    assert signers(said, [pair], COUNTING) == (sent["key"],)
    assert signers(said._replace(session="s2"), [pair], COUNTING) == ()
    with pytest.raises(UsageError, match="so it is not signed"):
        signing.operation("s1", "set_policy", {"x": "\ud800"}, "s1:n")


def test_a_signature_is_of_now() -> None:
    before = int(datetime.now(UTC).timestamp())
    signed = opened(Signing(PERSON).approval("s1", SHOWN))
    assert isinstance(signed, Signed)
    assert before <= signed.statement.at <= int(datetime.now(UTC).timestamp())


# --- the terminal --------------------------------------------------------------------------------


def started(place: Path, *arguments: str, terminal: bool) -> subprocess.Popen[bytes]:
    """mcpguard in a session of its own, with a terminal of its own or with none."""
    command = [sys.executable, "-m", "mcpguard", "approver", *arguments]
    if terminal:
        inside = f"import pty, sys; sys.exit(pty.spawn({command!r}) >> 8)"
        command = [sys.executable, "-c", inside]
    return subprocess.Popen(
        command,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        cwd=ROOT,
        env={**os.environ, DATA_DIR_VARIABLE: str(place.parent)},
        start_new_session=True,
    )


def test_what_is_piped_in_does_not_answer_for_a_person(place: Path) -> None:
    process = started(place, "add", "anna", terminal=False)
    said, _ = process.communicate(f"{ANNA}\n{ANNA}\n".encode(), timeout=PATIENCE)
    assert process.returncode == 2
    assert b"there is no terminal to ask for a passphrase" in said
    assert not place.exists()


def converse(process: subprocess.Popen[bytes], *answers: tuple[bytes, str]) -> bytes:
    """Each answer is typed when its question stands there; all that was shown."""
    assert process.stdin is not None
    assert process.stdout is not None
    shown = b""
    for question, answer in answers:
        heard = b""
        while question not in heard:
            byte = process.stdout.read(1)
            assert byte, shown + heard
            heard += byte
        shown += heard
        process.stdin.write(answer.encode() + b"\n")
        process.stdin.flush()
    shown += process.stdout.read()
    process.stdin.close()
    process.stdout.close()
    process.wait(PATIENCE)
    return shown


@pytest.mark.parametrize(
    ("again", "code", "told"),
    [(ANNA, 0, b"anna may approve now"), (BERT, 2, b"the two passphrases differ")],
)
def test_on_a_terminal_a_new_passphrase_is_typed_twice_and_never_shown(
    again: str, code: int, told: bytes, place: Path
) -> None:
    process = started(place, "add", "anna", terminal=True)
    shown = converse(process, (b"New passphrase for anna: ", ANNA), (b"The same again: ", again))
    assert told in shown
    assert ANNA.encode() not in shown
    assert process.returncode == code
    assert [each.name for each in approvers(place)] == (["anna"] if code == 0 else [])
