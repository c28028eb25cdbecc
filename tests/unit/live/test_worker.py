"""The worker: units come from the store beside the messages, and what is lost denies."""

import sys
from collections.abc import Callable
from pathlib import Path
from threading import Event

import anyio
import anyio.lowlevel
import anyio.to_thread
import pytest

from mcpguard.errors import StoreError
from mcpguard.live.worker import WAIT, Job, Worker
from mcpguard.model import Reason
from mcpguard.store import Store
from mcpguard.store.clock import uptime
from mcpguard.store.ledger import Grant, Limit
from mcpguard.store.memory import MemoryStore
from mcpguard.store.sqlite import SqliteStore
from mcpguard.trust.limits import Limiter, Limits
from tests.waiting import PATIENCE

if sys.version_info >= (3, 12):
    from typing import override
else:
    from typing_extensions import override

LIMITS = Limits(tool=(Limit(3, 3_600_000),))


class Switched(MemoryStore):
    """A store that can be switched off."""

    down = False

    @override
    def take(self, key: str, limit: Limit, units: int, ttl: int) -> Grant:
        if self.down:
            raise StoreError("it is switched off")
        return super().take(key, limit, units, ttl)


class Stuck(Switched):
    """One that does not answer before `freed`, once `held`. `asked`: somebody waits for that."""

    held = False

    def __init__(self) -> None:
        super().__init__()
        self.asked, self.freed = Event(), Event()

    @override
    def take(self, key: str, limit: Limit, units: int, ttl: int) -> Grant:
        if self.held:
            self.asked.set()
            self.freed.wait(PATIENCE)
        return super().take(key, limit, units, ttl)


class Kept:
    """A sharer that counts how often it was asked, and what it was told."""

    urgent = False

    def __init__(self) -> None:
        self.seen: list[str] = []

    def job(self) -> Job:
        def ask(store: Store) -> Callable[[], None]:
            store.version()
            return lambda: self.seen.append("read")

        return ask

    def lost(self) -> None:
        self.seen.append("lost")


class Session:
    """One limiter and its worker; `calls` are tried again whenever the worker says so."""

    def __init__(self, store: Store, limits: Limits = LIMITS, *, local: bool = False) -> None:
        self.limiter = Limiter(limits, "files")
        self.kept = Kept()
        self.told: list[str] = []
        self.results: list[Reason] = []
        self.left = 0
        self.ahead = 0.0
        self.done = anyio.Event()
        self.worker = Worker(
            lambda: store,
            (self.limiter,),
            (self.kept,),
            clock=self.clock,
            tell=lambda name, _: self.told.append(name),
            local=local,
        )

    def clock(self) -> float:
        return uptime() + self.ahead

    def resume(self) -> None:
        """Calls that wait are judged again, each until it is decided."""
        while self.left:
            taken = self.limiter.take("me", "read", self.clock())
            if taken.wait:
                self.worker.stir()
                return
            self.left -= 1
            self.results.append(taken.reason)
        self.done.set()

    async def call(self, times: int) -> list[Reason]:
        with anyio.fail_after(PATIENCE):
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(self.worker.run, self.resume)
                await self.during(times)
                tasks.cancel_scope.cancel()
        return self.results

    async def during(self, times: int) -> list[Reason]:
        """Calls while the worker runs."""
        self.left, self.results, self.done = times, [], anyio.Event()
        self.worker.stir()
        await self.done.wait()
        return self.results


OK, REACHED, LOST = Reason.OK, Reason.RATE_LIMIT, Reason.STORE_LOST


@pytest.mark.guarantee("control:store-beside")
async def test_a_limit_in_the_store_lets_just_as_many_calls_through() -> None:
    assert await Session(MemoryStore()).call(5) == [OK, OK, OK, REACHED, REACHED]


@pytest.mark.guarantee("control:store-beside")
async def test_a_session_gives_back_what_it_leased_and_the_next_may_use_it(tmp_path: Path) -> None:
    many = Limits(tool=(Limit(100, 3_600_000),))
    first = Session(SqliteStore(tmp_path / "state.db"), many)
    assert await first.call(1) == [OK]
    first.worker.end()
    second = Session(SqliteStore(tmp_path / "state.db"), many)
    assert await second.call(100) == [OK] * 99 + [REACHED]
    second.worker.end()


async def test_a_store_that_takes_no_last_words_is_closed_all_the_same() -> None:
    store = Switched()
    session = Session(store)
    assert await session.call(1) == [OK]

    def refuse(_: Store) -> None:
        raise StoreError("it is full")

    session.worker.end(refuse)
    assert session.told == ["store.lost"]
    with pytest.raises(StoreError, match="closed"):
        store.version()


@pytest.mark.guarantee("control:store-lost-denies")
async def test_a_store_that_is_lost_denies_until_it_is_back() -> None:
    store = Switched()
    store.down = True
    session = Session(store)
    assert await session.call(1) == [LOST]
    store.down = False
    session.ahead = 2.0
    assert await session.call(1) == [OK]
    assert session.told == ["store.lost", "store.back"]


@pytest.mark.guarantee("control:store-lost-denies")
async def test_a_store_that_cannot_be_opened_denies_and_everybody_who_keeps_in_it_is_told() -> None:
    def opened() -> Store:
        raise StoreError("no room on the disk")

    session = Session(MemoryStore())
    session.worker = Worker(
        opened,
        (session.limiter,),
        (session.kept,),
        clock=uptime,
        tell=lambda name, why: session.told.append(f"{name}: {why}"),
    )
    assert await session.call(1) == [LOST]
    assert session.kept.seen == ["lost"]
    assert session.told == ["store.lost: no room on the disk"]


@pytest.mark.guarantee("control:lost-store-denies-at-once")
@pytest.mark.parametrize(("local", "reason"), [(False, LOST), (True, OK)])
async def test_no_call_waits_for_a_store_that_is_known_to_be_lost(
    *, local: bool, reason: Reason
) -> None:
    store = Stuck()
    store.down = True
    session = Session(store, Limits(tool=(Limit(8, 1_000),)), local=local)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(session.worker.run, session.resume)
        assert await session.during(1) == [reason]
        store.down, store.held, session.ahead = False, True, 4.0
        session.worker.stir()
        await anyio.to_thread.run_sync(store.asked.wait, PATIENCE)
        session.ahead = 8.0
        with anyio.fail_after(WAIT / 2):
            assert await session.during(1) == [reason]
        store.freed.set()
        with anyio.fail_after(PATIENCE):
            while "store.back" not in session.told:
                await anyio.lowlevel.checkpoint()
            session.ahead = 12.0
            assert await session.during(1) == [OK]
        tasks.cancel_scope.cancel()


async def test_who_chose_so_counts_alone_while_the_store_is_lost() -> None:
    store = Switched()
    store.down = True
    assert await Session(store, local=True).call(4) == [OK, OK, OK, REACHED]


@pytest.fixture(params=["asyncio", "trio"])
def anyio_backend(request: pytest.FixtureRequest) -> str:
    name: str = request.param
    return name
