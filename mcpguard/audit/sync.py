"""fdatasync beside the caller: one thread, started with the first write it is needed for."""

import os
import threading

__all__ = ["GROUP_RECORDS", "GROUP_SECONDS", "Syncer", "datasync"]

GROUP_SECONDS = 0.1
"""Seconds. The longest a record waits for the disk; a crash of the machine can lose that much."""

GROUP_RECORDS = 4096
"""Records after which the disk is asked at once: 2 MiB of a busy session, not yet 100 ms old."""

datasync = getattr(os, "fdatasync", os.fsync)
"""Data and size, not the times. macOS and Windows have only fsync."""


class Syncer:
    """Group commit of one file. `wrote` never blocks; `failure` says what the disk answered."""

    __slots__ = ("_fd", "_first", "_full", "_stopping", "_thread", "_wake", "failure", "pending")

    def __init__(self, fd: int) -> None:
        self._fd = fd
        self._first = 0
        self.pending = False
        """A sync is to come that takes what is in the file now. Only the writer sets it, only the
        thread clears it, so neither undoes what the other did."""
        self._stopping = False
        self._thread: threading.Thread | None = None
        self._wake = threading.Event()
        self._full = threading.Event()
        self.failure = ""

    @property
    def running(self) -> bool:
        """Whether the thread was started and not stopped."""
        return self._thread is not None

    def wrote(self, seq: int) -> None:
        """Tells that lines up to number `seq` are in the file but perhaps not on the disk."""
        if not self.pending:
            self.pending, self._first = True, seq
            self._rouse()
        elif seq - self._first >= GROUP_RECORDS and not self._full.is_set():
            self._full.set()

    def stop(self) -> None:
        """Ends the thread; the caller syncs what is left."""
        self._stopping = True
        self._full.set()
        self._wake.set()
        if self._thread is not None:
            self._thread.join()
            self._thread = None

    def _rouse(self) -> None:
        if self._thread is None or not self._thread.is_alive():
            thread = threading.Thread(target=self._run, name="audit-sync", daemon=True)
            try:
                thread.start()
            except RuntimeError as error:  # the system gives no more threads
                self.failure, self.pending = str(error), False
                return
            self._thread = thread
        self._wake.set()

    def _run(self) -> None:
        try:
            while self._group():
                self._sync()
        except BaseException as error:  # noqa: BLE001 - whoever writes next is told, and begins anew
            self.failure, self.pending = f"{type(error).__name__} beside the session", False

    def _group(self) -> bool:
        """Waits until the disk is to be asked; False: the end."""
        self._wake.wait()
        self._full.wait(GROUP_SECONDS)
        if self._stopping:
            return False
        self._wake.clear()
        self._full.clear()
        # Before the sync: a record written during it belongs to the next group.
        self.pending = False
        return True

    def _sync(self) -> None:
        try:
            datasync(self._fd)
        except OSError as error:
            self.failure = error.strerror or str(error)
