"""The one place where a session asks its store: beside the messages, in a worker thread.

A message never waits for a store. Counters hold units that were leased before; what they run short
of is asked for here, and a call that needs it is judged again when it is there. Who finds the store
away is the only one to wait for that: until it answers again, what needs it is denied at once.
"""

from collections.abc import Callable, Sequence
from contextlib import closing, suppress
from threading import Thread, current_thread
from typing import Protocol, TypeVar

import anyio
import anyio.to_thread

from mcpguard.errors import StoreError
from mcpguard.store import BACKENDS, Store
from mcpguard.store.ledger import Grant
from mcpguard.trust.limits import Limiter, Want, ask

__all__ = ["POLL", "RETRY", "WAIT", "Job", "Sharer", "Worker"]

POLL = 2.0
"""Seconds between two looks at what others changed in the store: a block reaches every session."""

RETRY = 1.0
"""Seconds after which a store that does not give units is asked again, beside the calls."""

WAIT = 5.0
"""Seconds that calls wait for a store that gave units before; a good one takes milliseconds."""

T = TypeVar("T")
Tell = Callable[[str, str], None]


Job = Callable[[Store], Callable[[], None]]
"""Writes and reads in the store, in the worker's thread; raises StoreError. What it gives is called
on the session's own thread; it may raise StoreError for what cannot be taken over."""


class Sharer(Protocol):
    """What else of a session the store shares with others."""

    @property
    def urgent(self) -> bool:
        """It has something to say before the next look. Never so between `lost` and that look."""

    def job(self) -> Job:
        """What to ask the store now. Called on the session's own thread."""

    def lost(self) -> None:
        """The store cannot be asked. Called on the session's own thread."""


class Worker:
    """Asks a store for `limiters` and `sharers`. Event-loop thread only, but for the asking.

    `local`: while the store cannot be asked, limits are counted by this process alone, instead of
    denying what needs them. `tell`: an event's name, and why.
    """

    def __init__(
        self,
        opened: Callable[[], Store],
        limiters: Sequence[Limiter],
        sharers: Sequence[Sharer],
        *,
        clock: Callable[[], float],
        tell: Tell,
        local: bool = False,
    ) -> None:
        self._open = opened
        self._limiters = tuple(limiters)
        self._sharers = [*sharers]
        self._clock = clock
        self._tell = tell
        self._substitute: Store | None = BACKENDS["memory"]("") if local else None
        self._store: Store | None = None
        self._failing = False
        self._denying = False
        """It does not give units: nobody waits for it, and it is asked beside the calls."""
        self._missed: tuple[Limiter, Want] | None = None
        """What it did not give the last time."""
        self._away = False
        """Something is asked that no call waits for."""
        self._why = "it is not open yet"
        self._next_look = 0.0
        self._retry = float("-inf")
        self._asking: set[Thread] = set()
        self._ending: list[Want] = []
        self._event: anyio.Event | None = None

    def count_for(self, limiters: Sequence[Limiter], before: Sequence[Limiter]) -> None:
        """Other counters from now on; what those `before` hold is given back."""
        self._limiters = tuple(limiters)
        self._missed = None
        now = self._clock()
        self._ending += [want for each in before for want in each.give_back(now)]
        self.stir()

    def share(self, sharer: Sharer) -> None:
        """One more whose state the store shares."""
        self._sharers.append(sharer)
        self.stir()

    async def do(self, work: Callable[[Store], T]) -> T:
        """`work` with the store, in the worker's thread. Raises StoreError."""
        return await self._in_thread(work, self._opened())

    def stuck(self, seconds: float) -> bool:
        """Whether a thread that was left with the store is still there after so long. Blocks."""
        for thread in tuple(self._asking):
            thread.join(seconds)
        return bool(self._asking)

    def stir(self) -> None:
        """There may be something to ask."""
        if self._event is not None:
            self._event.set()

    async def run(self, resume: Callable[[], None]) -> None:
        """Ask until cancelled. `resume`: what waits may be judged again."""
        await self._mend()
        async with anyio.create_task_group() as tasks:
            while True:
                for limiter in self._limiters:
                    for want in limiter.wanted(self._clock()):
                        await self._asked(limiter, want)
                resume()  # what has its units need not wait for the rest
                await self._give_back()
                if not self._away and self._errand():
                    self._away = True
                    tasks.start_soon(self._beside, resume)
                await self._wait()

    def _errand(self) -> bool:
        now = self._clock()
        due = now >= self._next_look or (self._denying and now >= self._retry)
        return due or any(sharer.urgent for sharer in self._sharers)

    async def _beside(self, resume: Callable[[], None]) -> None:
        """What no call waits for, and may take long."""
        if self._denying and self._clock() >= self._retry:
            await self._mend()
        await self._look()
        self._away = False
        resume()
        self.stir()

    async def _mend(self) -> None:
        """Open the store, and ask it for what it did not give the last time."""
        try:
            self._store = self._store or await self._in_thread(self._open)
            if self._missed is not None:
                limiter, want = self._missed
                want = want._replace(asked=self._clock())
                grant = await self._in_thread(ask, self._store, want)
                limiter.granted(want, grant, self._clock())
                self._back()
        except StoreError as error:
            self._deny(error)
        else:
            self._denying, self._missed = False, None

    async def _asked(self, limiter: Limiter, want: Want) -> None:
        try:
            grant = await self._units(want)
            limiter.granted(want, grant, self._clock())
        except StoreError:
            if want.units:
                self._missed = (limiter, want)
            if self._substitute is None:
                limiter.lost(want, self._clock())
            else:
                limiter.granted(want, ask(self._substitute, want), self._clock())

    async def _units(self, want: Want) -> Grant | None:
        """Raises StoreError: at once while the store denies, else within `WAIT` seconds."""
        if self._denying:
            raise StoreError(self._why)
        try:
            with anyio.fail_after(WAIT):
                grant = await self._in_thread(ask, self._opened(), want)
        except TimeoutError as error:
            late = StoreError(f"the store gave no answer within {WAIT:g} seconds")
            self._deny(late)
            raise late from error
        except StoreError as error:
            self._deny(error)
            raise
        self._back()
        return grant

    async def _give_back(self) -> None:
        ending, self._ending = self._ending, []
        for want in ending:
            with suppress(StoreError):  # the leases end by themselves
                await self._units(want)

    async def _look(self) -> None:
        now = self._clock()
        due = now >= self._next_look
        if due:
            self._next_look = now + POLL
        asked = [sharer for sharer in tuple(self._sharers) if due or sharer.urgent]
        answered = [await self._synced(sharer) for sharer in asked]
        # A sharer that has nothing to ask is no sign that it is back, nor a look that only reads.
        if due and all(answered) and not self._denying:
            self._back()

    async def _synced(self, sharer: Sharer) -> bool:
        try:
            take = await self._in_thread(sharer.job(), self._opened())
            take()
        except StoreError as error:
            self._lost(error)
            sharer.lost()
            return False
        return True

    def _opened(self) -> Store:
        if self._store is None:
            raise StoreError(self._why)
        return self._store

    def _deny(self, error: StoreError) -> None:
        self._lost(error)
        self._denying = True
        self._retry = self._clock() + RETRY

    def _lost(self, error: StoreError) -> None:
        self._why = str(error)
        if not self._failing:
            self._tell("store.lost", str(error))
        self._failing = True

    def _back(self) -> None:
        if self._failing:
            self._tell("store.back", "")
        self._failing = False

    async def _wait(self) -> None:
        """Until somebody stirs, a lease is due, or it is time to look or to ask again."""
        now = self._clock()
        due = [at for each in self._limiters if (at := each.due(now)) is not None]
        if not self._away:
            due += [self._next_look, *([self._retry] if self._denying else [])]
        seconds = max(0.0, min(due, default=now + POLL) - now)
        self._event = anyio.Event()
        if self._ending or any(each.hungry for each in self._limiters):
            self._event.set()
        with anyio.move_on_after(seconds):
            await self._event.wait()
        self._event = None

    def end(self, last: Callable[[Store], None] = lambda _: None) -> None:
        """Tell what is left to tell, `last` first, and close the store. Blocks; raises nothing.

        It is closed also when it does not take what it is told.
        """
        store, self._store = self._store, None
        if store is None and self._failing:
            return
        try:
            # A session that ended at once has things to tell, too.
            with closing(store or self._open()) as asked:
                last(asked)
                self._last_words(asked)
        except StoreError as error:
            self._lost(error)

    def _last_words(self, store: Store) -> None:
        for limiter in self._limiters:
            for want in limiter.give_back(self._clock()):
                ask(store, want)
        for sharer in self._sharers:
            sharer.job()(store)()

    async def _in_thread(self, function: Callable[..., T], *given: object) -> T:
        """Never waited for when the session ends."""

        def noted() -> T:
            thread = current_thread()
            self._asking.add(thread)
            try:
                return function(*given)
            finally:
                self._asking.discard(thread)

        return await anyio.to_thread.run_sync(noted, abandon_on_cancel=True)
