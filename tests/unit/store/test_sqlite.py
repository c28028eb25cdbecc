"""What is SQLite's own: the file, who may read it, and what is no store."""

import os
import sqlite3
import stat
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from mcpguard.errors import StoreError
from mcpguard.store import ABSENT, BACKENDS
from mcpguard.store.clock import Instant, advanced, here, uptime
from mcpguard.store.ledger import Limit
from mcpguard.store.sqlite import SCHEMA, SqliteStore
from tests.unit.store.backends import Hands

HOUR = Limit(10, 3_600_000)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "data" / "store.db"


def made(path: Path) -> Path:
    """A store in which something was counted."""
    store = SqliteStore(path)
    store.take("k", HOUR, 10, 1000)
    store.put("block/a", {"by": "operator"}, ABSENT)
    store.close()
    return path


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_the_file_and_what_sqlite_puts_beside_it_are_this_users_alone(path: Path) -> None:
    umask = os.umask(0)
    try:
        store = SqliteStore(path)
        store.take("k", HOUR, 1, 1000)
        assert mode(path.parent) == 0o700
        assert {file.name: mode(file) for file in path.parent.iterdir()} == {
            "store.db": 0o600,
            "store.db-wal": 0o600,
            "store.db-shm": 0o600,
        }
    finally:
        os.umask(umask)
    store.close()
    assert [file.name for file in path.parent.iterdir()] == ["store.db"]


def test_it_is_written_ahead_and_synced_normally(path: Path) -> None:
    with sqlite3.connect(made(path)) as db:
        assert db.execute("PRAGMA journal_mode").fetchone() == ("wal",)
    db.close()


def test_what_was_counted_outlives_the_process(path: Path) -> None:
    store = BACKENDS["sqlite"](str(made(path)))
    assert store.take("k", HOUR, 1, 1000).units == 0
    assert [value.value for value in store.list("").values()] == [{"by": "operator"}]
    store.close()


@pytest.mark.guarantee("store:never-above-the-limit")
def test_many_first_starts_at_once_agree_on_one_store(path: Path) -> None:
    begin = threading.Barrier(8)
    granted: list[int] = []

    def start() -> None:
        begin.wait()
        store = SqliteStore(path)
        granted.append(store.take("k", HOUR, 3, 1000).units)
        store.close()

    threads = [threading.Thread(target=start) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(granted) == [0, 0, 0, 0, 1, 3, 3, 3]
    assert [file.name for file in path.parent.iterdir()] == ["store.db"]


def emptied(path: Path) -> None:
    path.write_bytes(b"")


def cut(path: Path) -> None:
    os.truncate(path, path.stat().st_size // 2)


def text(path: Path) -> None:
    path.write_text("version: 1\n" * 400)


def scrambled(path: Path) -> None:
    raw = bytearray(path.read_bytes())
    raw[4096:] = b"\xa5" * (len(raw) - 4096)
    path.write_bytes(raw)


def of_another_program(path: Path) -> None:
    change(path, "PRAGMA application_id = 7")


def newer(path: Path) -> None:
    change(path, f"PRAGMA user_version = {SCHEMA + 1}")


def without_a_table(path: Path) -> None:
    change(path, "DROP TABLE clock")


def readable(path: Path) -> None:
    path.chmod(0o644)


def beside_others(path: Path) -> None:
    path.parent.chmod(0o777)


def a_folder(path: Path) -> None:
    path.unlink()
    path.mkdir()


def a_pipe(path: Path) -> None:
    path.unlink()
    os.mkfifo(path)


def a_pipe_for_a_journal(path: Path) -> None:
    os.mkfifo(path.with_name(f"{path.name}-journal"))


def endless(path: Path) -> None:
    change(path, "UPDATE clock SET version = 9e999")


def change(path: Path, statement: str) -> None:
    db = sqlite3.connect(path)
    db.execute(statement)
    db.commit()
    db.close()


@pytest.mark.guarantee("store:damaged-is-an-error")
@pytest.mark.parametrize(
    ("harm", "message"),
    [
        (emptied, "not a store of mcpguard"),
        (cut, "damaged"),
        (text, "damaged: file is not a database"),
        (scrambled, "damaged"),
        (of_another_program, "not a store of mcpguard"),
        (newer, f"schema {SCHEMA + 1}, this mcpguard reads {SCHEMA}"),
        (without_a_table, "no such table"),
        (readable, "open to others"),
        (beside_others, "open to others"),
        (a_folder, "not a plain file"),
        (a_pipe, "not a plain file"),
        (a_pipe_for_a_journal, "-journal: not a plain file"),
        (endless, "damaged"),
    ],
)
def test_what_is_no_store_is_an_error_and_stays_as_it_is(
    path: Path, harm: Callable[[Path], None], message: str
) -> None:
    harm(made(path))
    before = path.read_bytes() if path.is_file() else b""
    with pytest.raises(StoreError, match=message) as caught:
        SqliteStore(path)
    assert str(path.parent) in caught.value.message
    assert caught.value.hint
    assert (path.read_bytes() if path.is_file() else b"") == before


@pytest.mark.parametrize("state", [b"[]", b"{", b'["sliding",3600000,{"a":[1]},[]]', b"null", b"1"])
def test_a_ledger_that_is_not_one_is_an_error(path: Path, state: bytes) -> None:
    change(made(path), f"UPDATE ledger SET state = X'{state.hex()}'")
    store = SqliteStore(path)
    with pytest.raises(StoreError) as caught:
        store.take("k", HOUR, 1, 1000)
    assert caught.value.hint
    store.close()


@pytest.mark.guarantee("store:damaged-is-an-error")
@pytest.mark.parametrize("now", ["9e999", "1e300", "9223372036854775807", "'x'", "NULL"])
def test_a_time_that_is_none_is_an_error(path: Path, now: str) -> None:
    store = SqliteStore(path)
    change(path, f"UPDATE clock SET now = {now}")
    for key in ("k", "l"):
        with pytest.raises(StoreError, match="damaged"):
            store.take(key, HOUR, 1, 1000)
    store.close()


def test_a_value_that_is_no_json_is_an_error(path: Path) -> None:
    SqliteStore(path).put("k", 1, ABSENT)
    change(path, "UPDATE state SET value = X'7B'")
    store = SqliteStore(path)
    for use in (lambda: store.get("k"), lambda: store.list("")):
        with pytest.raises(StoreError, match="damaged"):
            use()
    store.close()


def test_a_place_where_no_file_can_be_made_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(StoreError, match="cannot be opened"):
        SqliteStore(tmp_path / "file" / "store.db")
    with pytest.raises(StoreError):
        BACKENDS["sqlite"]("")


@pytest.mark.parametrize("replace", [True, False], ids=["replaced", "deleted"])
def test_a_file_that_is_no_longer_there_grants_nothing(path: Path, replace: bool) -> None:
    store = SqliteStore(path)
    path.rename(path.with_name("aside"))
    if replace:
        SqliteStore(path).close()
    with pytest.raises(StoreError):
        store.take("k", HOUR, 1, 1000)
    store.close()


def test_a_writer_that_never_ends_is_an_error_and_grants_nothing(path: Path) -> None:
    store = SqliteStore(path, busy=0.05)
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(StoreError, match="locked"):
        store.take("k", HOUR, 1, 1000)
    assert store.get("a") is None
    other.execute("ROLLBACK")
    other.close()
    assert store.take("k", HOUR, 99, 1000).units == 10
    store.close()


def test_a_store_opened_before_a_fork_is_not_used_after_it(path: Path) -> None:
    store = SqliteStore(path)
    child = os.fork()
    if not child:
        try:
            store.take("k", HOUR, 1, 1000)
        except StoreError:
            os._exit(7)
        os._exit(0)
    _, status = os.waitpid(child, 0)
    assert os.waitstatus_to_exitcode(status) == 7
    assert store.take("k", HOUR, 99, 1000).units == 10
    store.close()


def test_what_says_nothing_any_more_is_forgotten(path: Path) -> None:
    clock = Hands()
    store = SqliteStore(path, clock)
    for number in range(50):
        store.take(f"k{number}", Limit(5, 1000), 1, 100)
    clock.go(5000)
    for _ in range(50):
        store.take("last", Limit(5, 1000), 1, 100)
    store.close()
    db = sqlite3.connect(path)
    assert db.execute("SELECT key FROM ledger").fetchall() == [("last",)]
    db.close()


# --- time ----------------------------------------------------------------------------------------

LAST = Instant("a", 1_000, 50_000)


@pytest.mark.guarantee("store:clock-never-back")
@pytest.mark.parametrize(
    ("last", "seen", "now"),
    [
        (LAST, Instant("a", 1_500, 50_500), 500),
        (LAST, Instant("a", 1_500, 10), 500),
        (LAST, Instant("a", 1_500, 10**12), 500),
        (LAST, Instant("a", 900, 50_500), 0),
        (LAST, Instant("b", 10, 53_000), 3_000),
        (LAST, Instant("b", 9_000, 53_000), 3_000),
        (LAST, Instant("b", 9_000, 10), 0),
        (LAST._replace(boot=""), Instant("", 1_500, 10**12), 500),
        (LAST._replace(boot=""), Instant("", 10, 53_000), 3_000),
        (LAST._replace(boot=""), Instant("", 10, 10), 0),
    ],
    ids=[
        "time passes",
        "the wall clock goes back",
        "the wall clock leaps",
        "the uptime goes back in one boot",
        "another boot",
        "another boot, up for longer",
        "another boot, and the wall clock went back",
        "without boot ids: time passes",
        "without boot ids: the uptime shows another boot",
        "without boot ids: another boot, and the wall clock went back",
    ],
)
def test_the_time_of_a_store_goes_on_with_the_machine_and_never_back(
    last: Instant, seen: Instant, now: int
) -> None:
    assert advanced(7, last, seen) == 7 + now


def test_this_machines_clock_goes_on() -> None:
    clock = here()
    first, second = clock(), clock()
    assert first.boot == second.boot
    assert first.up <= second.up <= int(uptime() * 1000)


def test_a_backend_is_loaded_when_it_is_opened() -> None:
    code = (
        "import sys; import mcpguard.store, mcpguard.trust.limits;"
        "print([name for name in ('redis', 'sqlite3', 'threading') if name in sys.modules])"
    )
    assert subprocess.check_output([sys.executable, "-c", code], text=True) == "[]\n"
