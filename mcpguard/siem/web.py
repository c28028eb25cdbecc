"""HTTP: a batch is one POST. 2xx is delivered; what else comes back says whether to try again."""

import gzip
import http.client
import os
import socket
import threading
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from mcpguard.private import regular
from mcpguard.siem.formats import FORMATS
from mcpguard.siem.formats.event import PRODUCT, VERSION
from mcpguard.siem.formats.otlp import rejected
from mcpguard.siem.sinks import SinkDownError, SinkPartlyError, SinkRefusedError, Target
from mcpguard.siem.sockets import tls_context

__all__ = ["open_http", "open_https"]

TIMEOUT = 15.0
"""Seconds for a connection, and for each answer."""

WHOLE = 45.0
"""Seconds for all of an answer that is read, however often a piece of it comes: 30 for what stands
before its body, and `TIMEOUT`."""

MAX_ANSWER = 64 * 1024
"""Bytes of an answer that are read; nothing in it is acted on."""

MAX_TOKEN = 4096
"""Bytes of a token's file."""

MAX_AFTER = 300.0
"""Seconds a collector may ask us to wait."""

SUCCESS = 2
"""First digit of the statuses that mean it was taken (RFC 9110 section 15.3)."""

CLIENT_ERROR = 400
"""The least status of an error; what is below and no success leads elsewhere: to nobody."""

NEVER = frozenset((400, 413, 415, 422))
"""Statuses of a body that will never be taken. Others (401: the token) are tried again."""

OTLP_AGAIN = frozenset((429, 502, 503, 504))
"""Statuses that OTLP/HTTP has a client try again."""

OTLP_MENDED = frozenset((401, 403, 404, 405, 407))
"""Statuses of a token or an address that somebody mends. OTLP/HTTP has what they answer dropped;
records of an audit are kept for it, and tried again as seldom as any collector that is away."""

MIN_ZIPPED = 1024
"""Bytes of a body for OTLP from which it is compressed, which every receiver of it takes."""

MAX_SAID = 200
"""Characters of a collector's own words that are repeated."""


class Posts:
    """POST requests over one connection, made anew when it ended."""

    def __init__(self, target: Target, whole: float = WHOLE, body: float = TIMEOUT) -> None:
        """`whole`: seconds for an answer, see `WHOLE`. `body`: after which its body is left."""
        self._target = target
        self._whole = whole
        self._body = body
        self._format = FORMATS[target.format]
        self._connection: http.client.HTTPConnection | None = None

    def send(self, batch: Sequence[bytes]) -> None:
        """An answer that does not come leaves it open whether the batch arrived: it comes again.

        Each record carries its `uid`, by which a receiver can tell.
        """
        body = self._format.body(batch)
        headers = self._headers()
        if self._format.otlp and len(body) >= MIN_ZIPPED:
            body = gzip.compress(body, 6, mtime=0)
            headers["Content-Encoding"] = "gzip"
        try:
            connection = self._opened()
            connection.request("POST", self._target.place, body, headers)
            answer, said = self._answer(connection)
            if not answer.isclosed():  # more than that is not waited for
                self.close()
        except (OSError, http.client.HTTPException, ValueError) as error:
            self.close()
            why = str(error) or type(error).__name__
            raise SinkDownError(f"{self._target.to}: {why}") from error
        self._check(answer, said)

    def _answer(
        self, connection: http.client.HTTPConnection
    ) -> tuple[http.client.HTTPResponse, bytes]:
        """It, and what its body says, all of it in time. Raises OSError, HTTPException.

        Neither a trickle, nor `100 Continue` again and again, nor trailers without end may hold up
        what waits.
        """
        line, late = connection.sock, threading.Event()

        def end() -> None:
            late.set()
            with suppress(OSError):  # it ended by itself
                socket.socket.shutdown(line, socket.SHUT_RDWR)

        clock = threading.Timer(self._whole, end)
        clock.daemon = True
        clock.start()
        try:
            answer = connection.getresponse()
            return answer, self._said(answer)
        finally:
            clock.cancel()
            if late.is_set():  # what was cut off may look whole
                raise TimeoutError(f"no whole answer within {self._whole:g} seconds")

    def _said(self, answer: http.client.HTTPResponse) -> bytes:
        return _read(answer, self._body) if self._format.otlp else answer.read1(MAX_ANSWER)

    def _check(self, answer: http.client.HTTPResponse, said: bytes) -> None:
        signal = self._format.otlp
        if answer.status // 100 == SUCCESS:
            if signal:
                self._partly(*rejected(signal, answer.getheader("Content-Type", ""), said))
            return
        why = f"{self._target.to}: {answer.status} {answer.reason[:80]}"
        if answer.status in NEVER:
            raise SinkRefusedError(why)
        final = answer.status >= CLIENT_ERROR
        if signal and final and answer.status not in OTLP_AGAIN | OTLP_MENDED:
            raise SinkRefusedError(why, whole=True)
        raise SinkDownError(why, after=_after(answer.getheader("Retry-After", "")))

    def _partly(self, count: int, why: str) -> None:
        if count:
            said = f"{self._target.to}: {count} were not taken: {why[:MAX_SAID]}"
            raise SinkPartlyError(said, count)

    def _headers(self) -> dict[str, str]:
        made = {"Content-Type": self._format.media, "User-Agent": f"{PRODUCT}/{VERSION}"}
        token = self._token()
        scheme = "Splunk" if self._target.format == "hec" else "Bearer"
        return made | ({"Authorization": f"{scheme} {token}"} if token else {})

    def _token(self) -> str:
        """Read for each batch: it may be changed while we run. Raises SinkDownError."""
        target = self._target
        if target.token_env:
            token = os.environ.get(target.token_env, "")
            where = f"environment variable {target.token_env}"
        elif target.token_file:
            where = target.token_file
            try:
                with regular(Path(where)) as file:
                    token = file.read(MAX_TOKEN).decode("ascii").strip()
            except (OSError, ValueError) as error:
                raise SinkDownError(f"{target.name}: {where}: no token can be read") from error
        else:
            return ""
        if not token.isascii() or not token.isprintable() or not token:
            raise SinkDownError(f"{target.name}: {where}: holds no token")
        return token

    def _opened(self) -> http.client.HTTPConnection:
        if self._connection is None:
            target = self._target
            self._connection = (
                http.client.HTTPSConnection(
                    target.host, target.port, timeout=TIMEOUT, context=tls_context(target)
                )
                if target.kind == "https"
                else http.client.HTTPConnection(target.host, target.port, timeout=TIMEOUT)
            )
        return self._connection

    def close(self) -> None:
        """The next batch connects anew."""
        if self._connection is not None:
            self._connection.close()
        self._connection = None


def _read(answer: http.client.HTTPResponse, seconds: float) -> bytes:
    """What it says, as far as that comes within `seconds`: a trickle holds up nothing longer."""
    until, said = time.monotonic() + seconds, b""
    while time.monotonic() < until and len(said) < MAX_ANSWER:
        piece = answer.read1(MAX_ANSWER)
        said += piece
        if not piece:
            break
    return said


def _after(text: str) -> float:
    """Seconds of a Retry-After; 0 for a date or nonsense."""
    return min(float(text), MAX_AFTER) if text.isascii() and text.isdecimal() else 0.0


def open_https(target: Target) -> Posts:
    """With TLS."""
    return Posts(target)


def open_http(target: Target) -> Posts:
    """Without, to this machine."""
    return Posts(target)
