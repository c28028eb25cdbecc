"""Syslog to a collector: UDP (RFC 5426), TCP with octet counting (RFC 6587), TLS (RFC 5425), unix.

Syslog has no acknowledgement. What can be known is this: a collector that has read everything up to
our half-close closes in turn, and one that ends with something unread resets the connection. So a
batch over TCP or TLS is a connection: it counts as delivered when the other side closed in peace.
A collector that is being stopped may do that, too, and lose it: see `shipping.SETTLE`.
"""

import errno
import socket
import ssl
import time
from collections.abc import Callable, Sequence
from typing import TypeAlias

from mcpguard.siem.sinks import SinkDownError, SinkRefusedError, Target

__all__ = ["open_tcp", "open_tls", "open_udp", "open_unix", "tls_context"]

CONNECT = 5.0
"""Seconds for a connection, TLS included."""

SEND = 10.0
"""Seconds in which a collector that reads nothing is given up."""

CONFIRM = 5.0
"""Seconds for the collector to close after us. One that never does and resets nothing is believed:
its kernel has taken everything. One that did it before and does not now is not: it hangs."""

STAYS = 0.25
"""Seconds in which a collector that does not want us closes; it takes milliseconds."""

AGAIN = 1.0
"""Seconds after which it is waited for once more: fewer than `shipping.SETTLE`, in which what was
sent comes again. Waiting with every batch would let 2,000 records through a second."""

_Address: TypeAlias = "str | tuple[str | int, ...] | tuple[int, bytes]"
"""Of a socket, by its family."""

MAX_DATAGRAM = 65_507
"""Bytes of one over IPv4 (RFC 5426 section 3.2)."""


class Datagrams:
    """A record a datagram. `make`: a connected socket."""

    def __init__(self, name: str, make: Callable[[], socket.socket]) -> None:
        self._name = name
        self._make = make
        self._socket: socket.socket | None = None

    def send(self, batch: Sequence[bytes]) -> None:
        """A port that nobody listens on is told of by the next datagram: that one was lost, too."""
        if any(len(each) > MAX_DATAGRAM for each in batch):
            raise SinkRefusedError(f"{self._name}: a record is longer than {MAX_DATAGRAM} bytes")
        done = 0
        try:
            opened = self._opened()
            for each in batch:
                opened.send(each)
                done += 1
                _raise_pending(opened)
        except OSError as error:
            self.close()
            if error.errno == errno.EMSGSIZE and done == 0:
                raise SinkRefusedError(f"{self._name}: {error.strerror}") from error
            lost = 1 if error.errno == errno.ECONNREFUSED and done else 0
            raise SinkDownError(_told(self._name, error), delivered=done - lost) from error

    def _opened(self) -> socket.socket:
        if self._socket is None:
            self._socket = self._make()
            self._socket.settimeout(SEND)
        return self._socket

    def close(self) -> None:
        """The next batch connects anew."""
        if self._socket is not None:
            self._socket.close()
        self._socket = None


def _raise_pending(opened: socket.socket) -> None:
    number = opened.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
    if number:
        raise OSError(number, "connection refused")


class Stream:
    """A batch a connection, each record behind its length. `wrap`: what TLS does with a socket."""

    def __init__(
        self, target: Target, wrap: Callable[[socket.socket], socket.socket] | None = None
    ) -> None:
        self._name = target.to
        self._at = target.host, target.port
        self._wrap = wrap
        self._closes = False
        self._wanted = float("-inf")

    def send(self, batch: Sequence[bytes]) -> None:
        """RFC 6587 section 3.4.1. The whole batch, or it is sent again."""
        data = b"".join(b"%d %b" % (len(each), each) for each in batch)
        try:
            with socket.create_connection(self._at, CONNECT) as plain:
                opened = self._wrap(plain) if self._wrap is not None else plain
                with opened:
                    opened.settimeout(SEND)
                    opened.sendall(data)
                    if isinstance(opened, ssl.SSLSocket):
                        self._stay(opened)
                    self._finish(opened)
        except (OSError, ValueError) as error:  # ValueError: a host that is no name
            raise SinkDownError(_told(self._name, error)) from error

    def _stay(self, opened: ssl.SSLSocket) -> None:
        now = time.monotonic()
        if now - self._wanted > AGAIN:
            _stays(opened)
            self._wanted = now

    def _finish(self, opened: socket.socket) -> None:
        """Ends our half and waits for the other. Raises OSError when it is reset, or hangs."""
        opened.settimeout(CONFIRM)
        try:
            if isinstance(opened, ssl.SSLSocket):
                _say_goodbye(opened)
            else:
                opened.shutdown(socket.SHUT_WR)
                while opened.recv(4096):
                    pass
            self._closes = True
        except TimeoutError:
            if self._closes:
                raise

    def close(self) -> None:
        """Nothing is held."""


def _stays(opened: ssl.SSLSocket) -> None:
    """Raises OSError for a collector that closes before we do: it has not taken what we sent.

    With TLS 1.3 we are done before it has looked at our certificate, and rsyslog then closes
    without a word, as it also does when all is well and we have said goodbye.
    """
    opened.settimeout(STAYS)
    try:
        if not opened.recv(1):
            raise ConnectionResetError(errno.ECONNRESET, "it closed, perhaps for our certificate")
    except TimeoutError:
        return


def _say_goodbye(opened: ssl.SSLSocket) -> None:
    """TLS's close_notify, without which collectors complain; theirs, or the end of the connection.

    An alert (our certificate was not wanted) comes here, too: with TLS 1.3 not before.
    """
    try:
        opened.unwrap()
    except ssl.SSLEOFError:
        return
    except ssl.SSLError as error:
        if error.reason != "APPLICATION_DATA_AFTER_CLOSE_NOTIFY":
            raise
    except OSError as error:
        if error.errno:  # 0: they closed without a close_notify
            raise


def tls_context(target: Target) -> ssl.SSLContext:
    """TLS 1.2 or later, the collector's name and chain checked; our certificate if there is one.

    Raises SinkDownError for files that cannot be read.
    """
    try:
        context = ssl.create_default_context(cafile=target.ca or None)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        if target.cert:
            context.load_cert_chain(target.cert, target.key, password=_no_password)
    except (OSError, ValueError) as error:
        raise SinkDownError(f"{target.name}: certificates: {_why(error)}") from error
    return context


def _no_password() -> str:
    raise ValueError("the key is encrypted, and nobody is here to open it")


def _told(name: str, error: Exception) -> str:
    return f"{name}: {_why(error)}"


def _why(error: Exception) -> str:
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"its certificate is not trusted: {error.verify_message}"
    return (error.strerror if isinstance(error, OSError) else "") or str(error) or "it went away"


def open_udp(target: Target) -> Datagrams:
    """To `target.host`, the first of its addresses."""

    def make() -> socket.socket:
        found = socket.getaddrinfo(target.host, target.port, type=socket.SOCK_DGRAM)
        family, kind, protocol, _, at = found[0]
        return _connected(socket.socket(family, kind, protocol), at)

    return Datagrams(target.to, make)


def open_unix(target: Target) -> Datagrams:
    """To the datagram socket at `target.place`."""

    def make() -> socket.socket:
        return _connected(socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM), target.place)

    return Datagrams(target.to, make)


def _connected(made: socket.socket, at: "_Address") -> socket.socket:
    """`made`, connected to `at`; closed when it cannot be. Raises OSError."""
    try:
        made.connect(at)
    except OSError:
        made.close()
        raise
    return made


def open_tcp(target: Target) -> Stream:
    """Plain."""
    return Stream(target)


def open_tls(target: Target) -> Stream:
    """The context is made for each connection: certificates are renewed while we run."""

    def wrap(plain: socket.socket) -> socket.socket:
        return tls_context(target).wrap_socket(plain, server_hostname=target.host)

    return Stream(target, wrap)
