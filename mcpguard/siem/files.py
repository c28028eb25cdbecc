"""Sinks that are files: one that is set aside by size, and stderr."""

import os
from collections.abc import Sequence
from pathlib import Path

from mcpguard.siem.sinks import SinkDownError, Target

__all__ = ["open_file", "open_stderr"]

_FLAGS = os.O_WRONLY | os.O_APPEND | os.O_CREAT | getattr(os, "O_NOFOLLOW", 0)


class RotatedFile:
    """Lines at the end of a file; beyond `size` bytes it becomes NAME.1, NAME.1 NAME.2, and so on.

    A batch is in it whole or not at all.
    """

    def __init__(self, path: Path, size: int, keep: int) -> None:
        self._path = path
        self._size = size
        self._keep = keep

    def send(self, batch: Sequence[bytes]) -> None:
        """Opened for each batch: whoever moves the file away is not written behind."""
        data = b"".join(each + b"\n" for each in batch)
        try:
            self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._make_room(len(data))
            fd = os.open(self._path, _FLAGS, 0o600)
            try:
                _append(fd, data)
            finally:
                os.close(fd)
        except OSError as error:
            raise SinkDownError(f"{self._path}: {error.strerror or error}") from error

    def _make_room(self, coming: int) -> None:
        size = self._path.stat().st_size if self._path.exists() else 0
        if not size or size + coming <= self._size:
            return
        names = [self._path, *(self._older(number) for number in range(1, self._keep + 1))]
        names[-1].unlink(missing_ok=True)
        for older, newer in zip(reversed(names[1:]), reversed(names[:-1]), strict=True):
            if newer.exists():
                newer.rename(older)

    def _older(self, number: int) -> Path:
        return self._path.with_name(f"{self._path.name}.{number}")

    def close(self) -> None:
        """Nothing is held."""


def _append(fd: int, data: bytes) -> None:
    """All of `data` or nothing of it. Raises OSError."""
    before = os.fstat(fd).st_size
    left = memoryview(data)
    try:
        while left:
            left = left[os.write(fd, left) :]
    except OSError:
        os.ftruncate(fd, before)
        raise


class Stream:
    """Lines to a descriptor that somebody else reads."""

    def __init__(self, fd: int) -> None:
        self._fd = fd

    def send(self, batch: Sequence[bytes]) -> None:
        """A line is whole or not counted; what a reader that goes away had not read is lost."""
        for number, each in enumerate(batch):
            left = memoryview(each + b"\n")
            try:
                while left:
                    left = left[os.write(self._fd, left) :]
            except OSError as error:
                raise SinkDownError(f"stderr: {error.strerror}", delivered=number) from error

    def close(self) -> None:
        """It is not ours to close."""


def open_file(target: Target) -> RotatedFile:
    """The file at `target.place`."""
    return RotatedFile(Path(target.place), target.size, target.keep)


def open_stderr(_target: Target) -> Stream:
    """File descriptor 2."""
    return Stream(2)
