"""Standings that all proxies of one store share.

Every function blocks: it is for a worker thread, never for a message's way. The audit logs are the
truth; what the store holds is a copy that can always be made again.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Final

import orjson

from mcpguard.errors import AuditError, StoreError
from mcpguard.store import ABSENT, Store, Value
from mcpguard.trust.account import SERVER, Account, Entry, Party, enrolled
from mcpguard.trust.fold import fold_all, fold_logs
from mcpguard.trust.score import Standing
from mcpguard.trust.shared import Shared

__all__ = [
    "known",
    "load",
    "publish",
]

TRIES = 1000
"""Times that somebody else may write first. Each time one of them has succeeded, so four proxies
end after a few; beyond it the store does not do what it says."""

CHUNK = 1024 * 1024
"""Bytes of a log that are searched at once."""

_STANDING: Final = "standing/"


def load(store: Store, parties: Sequence[Party], log_dir: Path) -> dict[Party, Standing]:
    """Where `parties` stand: as the store says, and where it says nothing, as the logs do.

    What the logs say is put into the store. `log_dir`: the directory of the audit logs (`*.jsonl`);
    one that is not there holds none. Raises StoreError for a copy that is damaged, AuditError for
    a log that cannot be read.
    """
    found = {party: _shared(party, store.get(_key(party))) for party in parties}
    absent = [party for party, shared in found.items() if shared is None]
    if absent:
        made = _folded(_about(log_dir, absent))
        for party in absent:
            new = made.get(party) or _nobody(party)
            if store.put(_key(party), new.as_json(), ABSENT) is None:
                new = _shared(party, store.get(_key(party))) or new
            found[party] = new
    return {party: shared.account.standing for party, shared in found.items() if shared}


def publish(store: Store, entries: Sequence[Entry], log_dir: Path) -> dict[Party, Standing]:
    """Adds what was observed to what every other proxy observed; where its parties stand now.

    `entries`: as `Watcher.drain` gives them, whole drains only. Once is as good as twice, so after
    a StoreError the same ones, with newer ones behind them, are published again. Whoever the store
    does not know (any more) is loaded from the logs of `log_dir` first.
    """
    by_party: dict[Party, list[Entry]] = {}
    for entry in entries:
        by_party.setdefault(entry.party, []).append(entry)
    load(store, [*by_party], log_dir)
    return {party: _publish(store, party, rows) for party, rows in by_party.items()}


def _publish(store: Store, party: Party, rows: Sequence[Entry]) -> Standing:
    for _ in range(TRIES):
        held = store.get(_key(party))
        shared = _shared(party, held)
        if held is None or shared is None:
            raise StoreError(
                f"the store forgot {party.role} {party.name[:100]!r} just now",
                hint="published again, it is made again from the audit logs",
            )
        grown = shared.with_entries(rows)
        if grown is shared or store.put(_key(party), grown.as_json(), held.version) is not None:
            return grown.account.standing
    raise _contended(party.name)


def known(store: Store) -> dict[Party, Standing]:
    """Where everybody stands whom the store knows, in order."""
    told: dict[Party, Standing] = {}
    for key, value in store.list(_STANDING).items():
        role, _, name = key.removeprefix(_STANDING).partition("/")
        party = Party(role, name)
        shared = _shared(party, value)
        if shared is not None:
            told[party] = shared.account.standing
    return told


def _key(party: Party) -> str:
    return f"{_STANDING}{party.role}/{party.name}"


def _shared(party: Party, held: Value | None) -> Shared | None:
    return None if held is None else Shared.read(party, held.value)


def _nobody(party: Party) -> Shared:
    """Of whom no log says anything: a server behind a lockfile, or whoever is of this machine."""
    known = party.role == SERVER or enrolled(party.name)
    return Shared(Account(Standing.new(int(known))))


def _folded(logs: Sequence[Path]) -> dict[Party, Shared]:
    from mcpguard.audit.verify import read  # for the one session that finds no copy

    made = fold_logs(map(read, logs))
    if made is None:
        made = fold_all(record for file in logs for record in read(file))
    return made


def _logs(log_dir: Path) -> list[Path]:
    return [file for file in sorted(log_dir.glob("*.jsonl")) if _is_log(file)]


def _about(log_dir: Path, parties: Sequence[Party]) -> list[Path]:
    """The logs that name one of `parties`: the others say nothing of them.

    Looking for a name takes a hundredth of the time that reading a log does, so a server that is
    new does not wait until everything is read that other servers ever did.
    """
    names = [orjson.dumps(party.name) for party in parties]
    return [file for file in _logs(log_dir) if _names(file, names)]


def _names(file: Path, names: Sequence[bytes]) -> bool:
    """Whether one of `names`, as the log writes texts, is somewhere in `file`."""
    before, longest = b"", max(map(len, names))
    try:
        with file.open("rb") as log:
            while chunk := log.read(CHUNK):
                looked_at = before + chunk
                if any(name in looked_at for name in names):
                    return True
                before = looked_at[-longest:]
    except OSError as error:
        raise AuditError(
            f"{file}: the audit log cannot be read: {error.strerror}",
            hint="make it readable for this user: scores are made from it",
        ) from error
    return False


def _is_log(file: Path) -> bool:
    """Whether it begins as a log: `--audit-log` may be beside anybody's files.

    Raises AuditError for a file that cannot be read, as it may be one.
    """
    from mcpguard.audit.verify import begins_as_log

    return file.is_file() and begins_as_log(file)


def _contended(name: str) -> StoreError:
    return StoreError(
        f"the store did not take the change of {name[:100]!r}: others were first {TRIES} times",
        hint="check the store",
    )
