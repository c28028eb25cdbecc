"""The state of all proxies of one machine, in one SQLite file.

WAL with `synchronous=NORMAL`: a process that dies at any point loses nothing that was answered; a
machine that loses power may forget what the disk had not yet. Not for network file systems.
"""

import os
import sqlite3
import stat
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import orjson

from mcpguard import private
from mcpguard.errors import StoreError
from mcpguard.model import Json
from mcpguard.store import ABSENT, MAX_COUNT, Value, check_amount, check_key, check_prefix, packed
from mcpguard.store.clock import Clock, Instant, advanced, here
from mcpguard.store.ledger import DAMAGED, LEDGERS, Grant, Ledger, Limit, check, load
from mcpguard.store.memory import other_limit

__all__ = ["APPLICATION", "BUSY", "SCHEMA", "SqliteStore"]

APPLICATION = 0x6D637067
"""SQLite's application_id of a store: `mcpg`."""

SCHEMA = 1
"""SQLite's user_version of a store. A newer one is another program's to read."""

BUSY = 5.0
"""Seconds to wait for the other writers. Each holds the lock for well under a millisecond."""

_HELD = frozenset({sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED})
"""Primary result codes of SQLite: somebody else writes, for longer than was waited."""

_BESIDE = ("-journal", "-wal", "-shm")
"""Endings of the files that SQLite opens beside a store. A pipe among them would never begin."""

SWEEP = 8
"""Ledgers that say nothing any more, removed with each take: faster than they are made."""

_MAKE = """
PRAGMA journal_mode = WAL;
BEGIN;
CREATE TABLE clock (id INTEGER PRIMARY KEY CHECK (id = 0), now, boot, up, wall, version);
CREATE TABLE ledger (key TEXT PRIMARY KEY, state BLOB, idle INTEGER) WITHOUT ROWID;
CREATE INDEX idle ON ledger (idle);
CREATE TABLE state (key TEXT PRIMARY KEY, value BLOB, version INTEGER) WITHOUT ROWID;
CREATE TABLE counter (key TEXT PRIMARY KEY, count INTEGER) WITHOUT ROWID;
INSERT INTO clock VALUES (0, 0, '', 0, 0, 0);
COMMIT;
"""


class SqliteStore:
    """A `Store` in the file `path`, made (0600, in a 0700 directory) when there is none.

    Raises StoreError when the file cannot be opened or made, can be read by others, belongs to
    somebody else, is damaged, is no store, or one of a newer mcpguard.
    """

    def __init__(self, path: Path, clock: Clock | None = None, busy: float = BUSY) -> None:
        self._path = path
        self._clock = clock or here()
        self._lock = threading.Lock()
        self._pid = os.getpid()
        with _told(path):
            _make(path)
            self._file = _checked(path)
            self._db = _connect(path, busy)
            try:
                _look_at(path, self._db)
            except BaseException:
                self._db.close()
                raise

    def take(self, key: str, limit: Limit, units: int, ttl: int) -> Grant:
        check_key(key)
        check(limit, units, ttl)
        with self._writing() as db:
            now = self._time(db)
            self._sweep(db, now)
            ledger = _ledger(db, key, limit) or LEDGERS[limit.kind](limit, now)
            grant = ledger.take(limit, os.urandom(8).hex(), units, ttl, now)
            _keep(db, key, limit, ledger, now)
            return grant

    def give_back(self, key: str, limit: Limit, lease: str, unused: int) -> None:
        check_key(key)
        check(limit, 1, 1)
        with self._writing() as db:
            ledger = _ledger(db, key, limit)
            if ledger is not None:
                now = self._time(db)
                ledger.give_back(limit, lease, unused, now)
                _keep(db, key, limit, ledger, now)

    def get(self, key: str) -> Value | None:
        check_key(key)
        with self._reading() as db:
            row = db.execute("SELECT value, version FROM state WHERE key = ?", (key,)).fetchone()
            return None if row is None else Value(orjson.loads(row[0]), row[1])

    def put(self, key: str, value: Json, expected: int) -> int | None:
        check_key(key)
        raw = packed(value)
        with self._writing() as db:
            if not _is_at(db, key, expected):
                return None
            version = _next_version(db)
            db.execute("INSERT OR REPLACE INTO state VALUES (?, ?, ?)", (key, raw, version))
            return version

    def delete(self, key: str, expected: int) -> int | None:
        check_key(key)
        with self._writing() as db:
            if expected == ABSENT or not _is_at(db, key, expected):
                return None
            db.execute("DELETE FROM state WHERE key = ?", (key,))
            return _next_version(db)

    def list(self, prefix: str) -> dict[str, Value]:
        check_prefix(prefix)
        with self._reading() as db:
            rows = db.execute(
                "SELECT key, value, version FROM state WHERE key >= ? AND substr(key, 1, ?) = ?"
                " ORDER BY key",
                (prefix, len(prefix), prefix),
            ).fetchall()
            return {key: Value(orjson.loads(raw), version) for key, raw, version in rows}

    def version(self) -> int:
        with self._reading() as db:
            return _version(db)

    def add(self, counter: str, by: int, most: int = MAX_COUNT) -> int | None:
        check_key(counter)
        check_amount(by)
        with self._writing() as db:
            count = _count(db, counter) + by
            if count > min(most, MAX_COUNT):
                return None
            db.execute("INSERT OR REPLACE INTO counter VALUES (?, ?)", (counter, count))
            return count

    def counts(self, prefix: str) -> dict[str, int]:
        check_prefix(prefix)
        with self._reading() as db:
            return dict(
                db.execute(
                    "SELECT key, count FROM counter WHERE key >= ? AND substr(key, 1, ?) = ?"
                    " AND count > 0 ORDER BY key",
                    (prefix, len(prefix), prefix),
                ).fetchall()
            )

    def reset(self, counter: str) -> int:
        check_key(counter)
        with self._writing() as db:
            count = _count(db, counter)
            db.execute("DELETE FROM counter WHERE key = ?", (counter,))
            return count

    def close(self) -> None:
        with self._lock:
            self._db.close()

    @contextmanager
    def _reading(self) -> Iterator[sqlite3.Connection]:
        """One statement is one moment: no transaction is needed."""
        self._same_process()
        with self._lock, _told(self._path):
            self._still_there()
            yield self._db

    @contextmanager
    def _writing(self) -> Iterator[sqlite3.Connection]:
        """One transaction that has the write lock from its start. An error undoes all of it."""
        self._same_process()
        with self._lock, _told(self._path):
            self._still_there()
            self._db.execute("BEGIN IMMEDIATE")
            try:
                yield self._db
                self._db.execute("COMMIT")
            except BaseException:
                if self._db.in_transaction:
                    self._db.execute("ROLLBACK")
                raise

    def _same_process(self) -> None:
        """Before the lock: a thread that did not come along in the fork may hold it."""
        if os.getpid() != self._pid:
            raise StoreError(f"{self._path}: opened before a fork", hint="open it in each process")

    def _still_there(self) -> None:
        """Another file under the name would be another count of the same limits."""
        status = self._path.stat()
        if (status.st_dev, status.st_ino) != self._file:
            raise StoreError(f"{self._path}: replaced while in use", hint="start this proxy again")

    def _time(self, db: sqlite3.Connection) -> int:
        """The store's time; read with the write lock held, so that it never goes back."""
        now, *last = db.execute("SELECT now, boot, up, wall FROM clock").fetchone()
        seen = self._clock()
        now = advanced(now, Instant(*last), seen)
        db.execute("UPDATE clock SET now = ?, boot = ?, up = ?, wall = ?", (now, *seen))
        return int(now)

    def _sweep(self, db: sqlite3.Connection, now: int) -> None:
        db.execute(
            "DELETE FROM ledger WHERE key IN (SELECT key FROM ledger WHERE idle <= ? LIMIT ?)",
            (now, SWEEP),
        )


@contextmanager
def _told(path: Path) -> Iterator[None]:
    """Whatever the file system or SQLite says, as a StoreError that names the file."""
    try:
        yield
    except sqlite3.OperationalError as error:
        if getattr(error, "sqlite_errorcode", 0) & 0xFF in _HELD:  # some are Python's own
            raise StoreError(
                f"{path}: another process holds the store: {error}",
                hint="try again; if it stays so, end the process that has the file open",
            ) from error
        raise StoreError(
            f"{path}: the store cannot be used: {error}",
            hint=f"make {path.parent} writable for this user, with room on its disk, and try again",
        ) from error
    except sqlite3.ProgrammingError as error:
        raise StoreError(f"{path}: the store is closed: {error}", hint="open it again") from error
    except (sqlite3.Error, ValueError, TypeError, OverflowError) as error:
        raise StoreError(f"{path}: the store is damaged: {error}", hint=DAMAGED) from error
    except OSError as error:
        raise StoreError(
            f"{path}: the store cannot be opened: {error.strerror}",
            hint=f"make {path.parent} writable for this user",
        ) from error


def _make(path: Path) -> None:
    """A whole new store gets the name at once: an empty file under it is never a new one."""
    if path.exists():
        return
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    with private.draft(path) as draft:
        db = _connect(draft, BUSY)
        try:
            db.executescript(_MAKE)
            db.execute(f"PRAGMA application_id = {APPLICATION}")
            db.execute(f"PRAGMA user_version = {SCHEMA}")
        finally:
            db.close()
        private.give_name(draft, path)


def _connect(path: Path, busy: float) -> sqlite3.Connection:
    """An existing file only. Transactions are begun by hand, under the lock of `SqliteStore`."""
    return sqlite3.connect(
        f"{path.absolute().as_uri()}?mode=rw",
        uri=True,
        timeout=busy,
        isolation_level=None,
        check_same_thread=False,
    )


def _checked(path: Path) -> tuple[int, int]:
    """Device and inode of a file that is this user's alone, and has plain files beside it."""
    status = path.stat()
    folder = private.fault_of(
        path.parent, path.parent.stat(), refused=private.WRITERS, kind=stat.S_ISDIR
    )
    fault = private.fault_of(path, status) or folder
    if fault:
        raise StoreError(f"{path}: {fault.what}", hint=fault.hint)
    for beside in (path.with_name(f"{path.name}{suffix}") for suffix in _BESIDE):
        if os.path.lexists(beside) and not stat.S_ISREG(beside.lstat().st_mode):
            raise StoreError(f"{beside}: not a plain file", hint="move it away: SQLite opens it")
    return status.st_dev, status.st_ino


def _look_at(path: Path, db: sqlite3.Connection) -> None:
    """Refuses what is not a store of this version, whole."""
    application, schema = _pragma(db, "application_id"), _pragma(db, "user_version")
    if application != APPLICATION:
        raise StoreError(f"{path}: not a store of mcpguard", hint="name another file")
    if schema != SCHEMA:
        raise StoreError(
            f"{path}: a store of schema {schema}, this mcpguard reads {SCHEMA}",
            hint="use the mcpguard that made it, or name another file",
        )
    found = _pragma(db, "quick_check(1)")
    if found != "ok":
        raise StoreError(f"{path}: the store is damaged: {found}", hint=DAMAGED)
    db.execute("PRAGMA synchronous = NORMAL")
    _version(db)


def _pragma(db: sqlite3.Connection, name: str) -> object:
    return db.execute(f"PRAGMA {name}").fetchone()[0]


def _ledger(db: sqlite3.Connection, key: str, limit: Limit) -> Ledger | None:
    row = db.execute("SELECT state FROM ledger WHERE key = ?", (key,)).fetchone()
    if row is None:
        return None
    ledger = load(orjson.loads(row[0]))
    if (ledger.kind, ledger.window) != (limit.kind, limit.window):
        raise other_limit(key)
    return ledger


def _keep(db: sqlite3.Connection, key: str, limit: Limit, ledger: Ledger, now: int) -> None:
    row = (key, orjson.dumps(ledger.dump()), ledger.idle(limit, now))
    db.execute("INSERT OR REPLACE INTO ledger VALUES (?, ?, ?)", row)


def _is_at(db: sqlite3.Connection, key: str, expected: int) -> bool:
    row = db.execute("SELECT version FROM state WHERE key = ?", (key,)).fetchone()
    return (ABSENT if row is None else row[0]) == expected


def _version(db: sqlite3.Connection) -> int:
    return int(db.execute("SELECT version FROM clock").fetchone()[0])


def _next_version(db: sqlite3.Connection) -> int:
    db.execute("UPDATE clock SET version = version + 1")
    return _version(db)


def _count(db: sqlite3.Connection, counter: str) -> int:
    row = db.execute("SELECT count FROM counter WHERE key = ?", (counter,)).fetchone()
    return 0 if row is None else int(row[0])
