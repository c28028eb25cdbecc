"""Large results are examined beside the session, in a thread: RE2 lets others run meanwhile.

The session holds the answer and is told when to judge it again. What comes while `AHEAD` results
are being examined already is examined at once: that is the back-pressure on a server that answers
with nothing but large results.
"""

from collections.abc import Callable
from threading import Lock
from typing import TYPE_CHECKING

from mcpguard.model import Reason, Verdict, Wait

if TYPE_CHECKING:  # the session's stages are made before the loop is there
    import anyio

__all__ = ["AHEAD", "Examiner"]

AHEAD = 4
"""Results held for examination: 32 MiB at most, as the wire takes lines of 8 MiB."""

Work = Callable[[], Verdict]


_UNDONE = Verdict.deny(Reason.STAGE_FAILED, "it was not examined")


class _Once:
    """Work that is done once, by whoever comes first; the others wait for its result.

    Then it is let go: it holds the result that was examined, and may itself be held for long.
    """

    def __init__(self, work: Work) -> None:
        self._work: Work | None = work
        self._lock = Lock()
        self._verdict = _UNDONE

    def __call__(self) -> Verdict:
        with self._lock:
            work, self._work = self._work, None
            if work is not None:
                self._verdict = _judged(work)
            return self._verdict


def _judged(work: Work) -> Verdict:
    try:
        return work()
    except Exception as error:  # noqa: BLE001 - as in `pipeline.decide`, it is a denial
        return Verdict.deny(Reason.STAGE_FAILED, f"it raised {type(error).__name__}")


class Examiner:
    """The `pipeline.scan.Aside` of a session. Its own thread only, but for the examining."""

    def __init__(self) -> None:
        self._open: dict[int, _Once] = {}
        self._done: dict[int, Verdict] = {}
        self._event: anyio.Event | None = None

    def aside(self, call: int, work: Work) -> Verdict | Wait:
        """See `pipeline.scan.Aside`."""
        done = self._done.pop(call, None)
        if done is not None:
            return done
        if call not in self._open:
            if len(self._open) >= AHEAD:
                return work()
            self._open[call] = _Once(work)
            if self._event is not None:
                self._event.set()
        return Wait("scan", str(call))

    def forget(self) -> None:
        """Other rules hold: what was examined by those of before is examined again."""
        self._open.clear()
        self._done.clear()

    def settle(self) -> None:
        """Examine here and now what waits. Blocks."""
        for call, once in tuple(self._open.items()):
            self._finished(call, once, once())

    async def run(self, resume: Callable[[], None], warm: Callable[[], None]) -> None:
        """Examine until cancelled, once `warm` has been done there.

        `resume`: what waits is judged again.
        """
        import anyio
        import anyio.to_thread

        await anyio.to_thread.run_sync(warm, abandon_on_cancel=True)
        while True:
            self._event = anyio.Event()
            if not self._open:
                await self._event.wait()
            for call, once in tuple(self._open.items()):
                verdict = await anyio.to_thread.run_sync(once, abandon_on_cancel=True)
                self._finished(call, once, verdict)
                resume()

    def _finished(self, call: int, once: _Once, verdict: Verdict) -> None:
        """Unless it was finished, or forgotten, meanwhile."""
        if self._open.get(call) is once:
            del self._open[call]
            self._done[call] = verdict
